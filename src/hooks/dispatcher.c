/*
 * The dispatcher; purpose in dispatcher.h.
 *
 *   writer ──effects: notes──▶ lines (dispatch_fair) ──▶ attempts (dispatch_send, net/sender)
 *     ▲                          ▲ dispatch_read            │
 *     └──────results (dispatch_write), one batch a customer ◀┘
 *
 * The database is the queue: memory holds the first few deliveries of each endpoint in line, and a
 * timer for each endpoint's next one. A note says no more than "look there"; lost ones (too many at
 * once) make it look everywhere, as a start does. So a restart resumes exactly, and nothing can wait
 * in a place where a crash would lose it.
 *
 * Invariants
 *  1. A delivery that waits is either known (read, sent, or its result on the way to the writer), or
 *     its endpoint is in line and stale, or its endpoint has a timer no later than it is due, or the
 *     breaker or throttle of its endpoint has one.
 *  2. A known delivery is not read again; it is forgotten after its result is committed.
 *  3. Everything but notes, landed batches and what is shown belongs to the dispatcher's thread.
 *
 * On several nodes the steward alone sends; it looks every DISPATCH_POLL_MS for what others wrote.
 */
#include "hooks/dispatcher_internal.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "hooks/ring.h"

#define NS_PER_MS INT64_C(1000000)

/* --- timers --- */

void target_timer(struct dispatcher *dispatcher, struct target *target, int64_t at_ms)
{
    if (at_ms >= target->timer_ms)
        return;
    struct heap_item item = {at_ms, target->customer->id, target->id};
    if (heap_push(&dispatcher->timers, item) == ERR_OK) {
        target->timer_ms = at_ms;
        return;
    }
    target->is_stale = true; /* without one it asks again and again */
    target_queue(dispatcher, target);
}

void customer_timer(struct dispatcher *dispatcher, struct customer *customer, int64_t at_ms)
{
    struct heap_item item = {at_ms, customer->id, 0};
    if (at_ms >= customer->timer_ms)
        return;
    if (heap_push(&dispatcher->timers, item) == ERR_OK)
        customer->timer_ms = at_ms;
    else
        customer_queue(dispatcher, customer);
}

/* The one that fired may be an old one: then a later one is in the heap, too. */
static void on_timer(struct dispatcher *dispatcher, const struct heap_item *item)
{
    uintptr_t value;
    if (item->id == 0) {
        if (!map_get(&dispatcher->customers, item->shard, &value))
            return;
        struct customer *customer = (struct customer *)value;
        customer->timer_ms = INT64_MAX;
        customer_queue(dispatcher, customer);
        return;
    }
    struct target *target = target_get(dispatcher, item->id);
    if (!target)
        return;
    target->timer_ms = INT64_MAX;
    target_news(dispatcher, target, LANE_LIVE);
}

static void run_timers(struct dispatcher *dispatcher)
{
    int64_t now_ms = clock_now_ms();
    const struct heap_item *item;
    while ((item = heap_peek(&dispatcher->timers)) && item->due_ms <= now_ms) {
        struct heap_item due = heap_pop(&dispatcher->timers);
        on_timer(dispatcher, &due);
    }
}

/* How long nothing is due. */
static int timers_wait_ms(const struct dispatcher *dispatcher)
{
    const struct heap_item *item = heap_peek(&dispatcher->timers);
    int64_t wait_ms = item ? item->due_ms - clock_now_ms() : DISPATCH_WAIT_MS;
    if (wait_ms > DISPATCH_WAIT_MS)
        return DISPATCH_WAIT_MS;
    return wait_ms > 0 ? (int)wait_ms : 0;
}

/* --- news --- */

static void note_add(struct dispatcher *dispatcher, const struct note *note)
{
    struct note *notes = dispatcher->notes; /* the array is made once */
    assert(notes);
    pthread_mutex_lock(&dispatcher->lock);
    bool was_empty = dispatcher->note_count == 0;
    struct note *last = was_empty ? NULL : &notes[dispatcher->note_count - 1];
    bool is_like = last && last->endpoint_id == note->endpoint_id && last->lane == note->lane;
    if (is_like && last->slots && note->slots)
        last->slots |= note->slots;
    else if (dispatcher->note_count < DISPATCH_NOTES_MAX)
        notes[dispatcher->note_count++] = *note;
    else
        dispatcher->must_scan = true;
    if (was_empty && dispatcher->sender)
        sender_wake(dispatcher->sender);
    pthread_mutex_unlock(&dispatcher->lock);
}

struct note_effect {
    struct dispatcher *dispatcher;
    struct note note;
};

static void note_run(void *data)
{
    struct note_effect *effect = data;
    note_add(effect->dispatcher, &effect->note);
}

static enum err stage(struct dispatcher *dispatcher, struct writer_tx *tx, const struct note *note)
{
    struct note_effect *effect = writer_effect(tx, note_run, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    *effect = (struct note_effect){dispatcher, *note};
    return ERR_OK;
}

enum err dispatcher_stage(struct dispatcher *dispatcher, struct writer_tx *tx,
                          const struct delivery_key *key, enum lane lane)
{
    struct note note = {key->app_id, key->endpoint_id, UINT64_C(1) << ring_slot_of(key->message_id),
                        lane};
    return stage(dispatcher, tx, &note);
}

enum err dispatcher_stage_change(struct dispatcher *dispatcher, struct writer_tx *tx,
                                 uint64_t app_id, uint64_t endpoint_id)
{
    struct note note = {app_id, endpoint_id, 0, LANE_LIVE};
    return stage(dispatcher, tx, &note);
}

static void target_changed(struct dispatcher *dispatcher, struct target *target)
{
    target->is_changed = true;
    target->is_stale = true;
    target->paused_until_ms = 0;
    breaker_init(&target->breaker, target->breaker.limits); /* it may be another receiver now */
    target_queue(dispatcher, target);
    target_show(dispatcher, target);
}

static void customer_changed(struct dispatcher *dispatcher, uint64_t app_id)
{
    uint64_t key;
    uintptr_t value;
    for (size_t position = 0; map_each(&dispatcher->targets, &position, &key, &value);) {
        struct target *target = (struct target *)value;
        if (target->customer->id == app_id)
            target_changed(dispatcher, target);
    }
}

static void note_take(struct dispatcher *dispatcher, const struct note *note)
{
    struct target *target;
    if (note->slots == 0 && note->endpoint_id == 0) {
        customer_changed(dispatcher, note->app_id);
    } else if (note->slots == 0) {
        target = target_get(dispatcher, note->endpoint_id);
        if (target)
            target_changed(dispatcher, target);
    } else if (target_find(dispatcher, note->app_id, note->endpoint_id, &target) == ERR_OK) {
        target->slots[note->lane] |= note->slots;
        target_news(dispatcher, target, note->lane);
    } else {
        pthread_mutex_lock(&dispatcher->lock);
        dispatcher->must_scan = true;
        pthread_mutex_unlock(&dispatcher->lock);
    }
}

/* The notes are taken out in pieces, so that the writer never waits for long. */
static void take_notes(struct dispatcher *dispatcher)
{
    struct note notes[512];
    size_t count;
    do {
        pthread_mutex_lock(&dispatcher->lock);
        count = dispatcher->note_count < 512 ? dispatcher->note_count : 512;
        dispatcher->note_count -= count;
        memcpy(notes, dispatcher->notes + dispatcher->note_count, count * sizeof(notes[0]));
        pthread_mutex_unlock(&dispatcher->lock);
        for (size_t i = 0; i < count; i++)
            note_take(dispatcher, &notes[i]);
    } while (count == 512);
}

static void scan_if_wanted(struct dispatcher *dispatcher)
{
    bool is_shared = db_is_pgsql(dispatcher->db);
    int64_t now_ns = clock_mono_ns();
    pthread_mutex_lock(&dispatcher->lock);
    bool must_scan = dispatcher->must_scan;
    dispatcher->must_scan = false;
    pthread_mutex_unlock(&dispatcher->lock);
    if (!must_scan && !(is_shared && now_ns >= dispatcher->poll_ns))
        return;
    must_scan |= now_ns >= dispatcher->poll_all_ns; /* what was sent anew may be of any day */
    dispatcher->poll_ns = now_ns + DISPATCH_POLL_MS * NS_PER_MS;
    if (must_scan)
        dispatcher->poll_all_ns = now_ns + DISPATCH_POLL_ALL_MS * NS_PER_MS;
    enum err err = dispatch_scan(dispatcher, must_scan ? 0 : ring_day_of_ms(clock_now_ms()) - 1);
    if (err) {
        log_warn("deliveries that wait could not be read", "why=\"%s\"", err_name(err));
        pthread_mutex_lock(&dispatcher->lock);
        dispatcher->must_scan = true;
        pthread_mutex_unlock(&dispatcher->lock);
    }
}

/* --- the thread --- */

/* True: there is more to do at once. */
static bool send_some(struct dispatcher *dispatcher)
{
    struct target *target;
    for (size_t i = 0; i < DISPATCH_ROUND_MAX && (target = fair_next(dispatcher)); i++) {
        enum send_try try = target_try(dispatcher, target);
        if (try == TRY_NOTHING)
            target_drop(target);
        else if (try == TRY_CUSTOMER)
            customer_drop(dispatcher);
        else if (try == TRY_FULL)
            return false;
        target_show(dispatcher, target);
    }
    return dispatcher->first != NULL;
}

static void round_once(struct dispatcher *dispatcher)
{
    take_notes(dispatcher);
    dispatch_landed(dispatcher);
    scan_if_wanted(dispatcher);
    targets_forget_idle(dispatcher);
    run_timers(dispatcher);
    bool is_more = send_some(dispatcher);
    dispatch_write(dispatcher);
    atomic_store(&dispatcher->in_flight_shown, (int64_t)sender_in_flight(dispatcher->sender));
    atomic_store(&dispatcher->known_shown, (int64_t)dispatcher->known.count);
    atomic_store(&dispatcher->targets_shown, (int64_t)dispatcher->targets.count);
    pthread_mutex_lock(&dispatcher->lock);
    is_more |= dispatcher->landed || dispatcher->note_count > 0;
    pthread_mutex_unlock(&dispatcher->lock);
    sender_turn(dispatcher->sender, is_more ? 0 : timers_wait_ms(dispatcher));
}

static enum err acting_begin(struct dispatcher *dispatcher)
{
    const struct config *config = dispatcher->hooks->config;
    struct sender_options options = {.in_flight_max = DISPATCH_IN_FLIGHT_MAX};
    struct sender *sender;
    enum err err = egress_rules_parse(str_from_c(config->hooks_allow_cidr), &options.egress);
    if (!err)
        err = sender_new(&options, &sender);
    if (err)
        return err;
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->sender = sender;
    dispatcher->note_count = 0; /* the scan finds what they were about */
    dispatcher->must_scan = true;
    pthread_mutex_unlock(&dispatcher->lock);
    dispatcher->is_acting = true;
    return ERR_OK;
}

/* Those who answer at once may. */
static void drain(struct dispatcher *dispatcher)
{
    int64_t until_ns = clock_mono_ns() + DISPATCH_DRAIN_MS * NS_PER_MS;
    while (sender_in_flight(dispatcher->sender) > 0 && clock_mono_ns() < until_ns)
        sender_turn(dispatcher->sender, 10);
}

/* Results that are there are written; what is in flight still is let go of. */
static void acting_end(struct dispatcher *dispatcher)
{
    if (!dispatcher->is_acting)
        return;
    drain(dispatcher);
    dispatch_landed(dispatcher);
    dispatch_write(dispatcher);
    while (dispatcher->batches_open > 0) {
        sender_turn(dispatcher->sender, 10);
        dispatch_landed(dispatcher);
        if (!dispatcher->failed)
            dispatch_write(dispatcher);
    }
    pthread_mutex_lock(&dispatcher->lock);
    struct sender *sender = dispatcher->sender;
    dispatcher->sender = NULL;
    pthread_mutex_unlock(&dispatcher->lock);
    sender_free(sender);
    dispatch_drop_results(dispatcher);
    targets_free(dispatcher);
    dispatch_free_spares(dispatcher);
    dispatcher->is_acting = false;
}

static bool is_stopping(struct dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->lock);
    bool is_stopping = dispatcher->is_stopping;
    pthread_mutex_unlock(&dispatcher->lock);
    return is_stopping;
}

/* Nothing to do here until this node is the steward. */
static void nap(struct dispatcher *dispatcher)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* always there */
    until.tv_sec += DISPATCH_WAIT_MS / 1000;
    pthread_mutex_lock(&dispatcher->lock);
    if (!dispatcher->is_stopping)
        (void)pthread_cond_timedwait(&dispatcher->wakeup, &dispatcher->lock, &until);
    pthread_mutex_unlock(&dispatcher->lock);
}

static void *dispatcher_main(void *ctx)
{
    struct dispatcher *dispatcher = ctx;
    while (!is_stopping(dispatcher)) {
        bool may_act = writer_is_steward(dispatcher->hooks->writer);
        if (!may_act)
            acting_end(dispatcher);
        else if (!dispatcher->is_acting && acting_begin(dispatcher) != ERR_OK)
            log_error("the dispatcher cannot start", NULL);
        if (dispatcher->is_acting)
            round_once(dispatcher);
        else
            nap(dispatcher);
    }
    acting_end(dispatcher);
    return NULL;
}

/* --- start and stop --- */

static int64_t in_flight_metric(void *ctx)
{
    struct dispatcher *dispatcher = ctx;
    return atomic_load(&dispatcher->in_flight_shown);
}

static int64_t known_metric(void *ctx)
{
    struct dispatcher *dispatcher = ctx;
    return atomic_load(&dispatcher->known_shown);
}

static int64_t targets_metric(void *ctx)
{
    struct dispatcher *dispatcher = ctx;
    return atomic_load(&dispatcher->targets_shown);
}

static void metrics_register(struct dispatcher *dispatcher)
{
    const char *name = "foyer_hooks_deliveries_total";
    const char *help = "Attempts by result; given_up: ended without one.";
    dispatcher->taken = metric_counter(name, "result=\"success\"", help);
    dispatcher->refused = metric_counter(name, "result=\"fail\"", help);
    dispatcher->given_up = metric_counter(name, "result=\"given_up\"", help);
    dispatcher->dead = metric_counter("foyer_hooks_dead_letters_total", NULL,
                                      "Deliveries that became dead letters.");
    dispatcher->seconds = metric_histogram("foyer_hooks_attempt_seconds", NULL,
                                           "Time of an attempt, name to last byte.");
    metric_gauge_fn("foyer_hooks_in_flight", NULL, "Requests to receivers under way.",
                    in_flight_metric, dispatcher);
    metric_gauge_fn("foyer_hooks_in_memory", NULL,
                    "Deliveries read and not yet ended in the database.", known_metric, dispatcher);
    metric_gauge_fn("foyer_hooks_endpoints_in_memory", NULL,
                    "Endpoints that have had something to do lately.", targets_metric, dispatcher);
}

enum err dispatcher_new(struct hooks *hooks, struct dispatcher **ret_dispatcher)
{
    struct dispatcher *dispatcher = calloc(1, sizeof(*dispatcher));
    struct note *notes = calloc(DISPATCH_NOTES_MAX, sizeof(*notes));
    if (!dispatcher || !notes) {
        free(dispatcher);
        free(notes);
        return ERR_NOMEM;
    }
    dispatcher->hooks = hooks;
    dispatcher->notes = notes;
    dispatcher->last = &dispatcher->first;
    pthread_mutex_init(&dispatcher->lock, NULL);
    pthread_mutex_init(&dispatcher->shown_lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&dispatcher->wakeup, &attr);
    pthread_condattr_destroy(&attr);
    map_init(&dispatcher->targets, DISPATCH_TARGETS_MAX);
    map_init(&dispatcher->customers, DISPATCH_TARGETS_MAX);
    map_init(&dispatcher->known, DISPATCH_WAITING_MAX);
    heap_init(&dispatcher->timers, 4 * DISPATCH_TARGETS_MAX);
    metrics_register(dispatcher);
    *ret_dispatcher = dispatcher;
    return ERR_OK;
}

static void on_clock_jump(void *ctx)
{
    struct dispatcher *dispatcher = ctx;
    pthread_mutex_lock(&dispatcher->lock);
    if (dispatcher->sender)
        sender_wake(dispatcher->sender);
    pthread_mutex_unlock(&dispatcher->lock);
}

enum err dispatcher_start(struct dispatcher *dispatcher)
{
    struct egress_rules rules;
    const char *allowed = dispatcher->hooks->config->hooks_allow_cidr;
    enum err err = egress_rules_parse(str_from_c(allowed), &rules);
    if (err) {
        log_error("hooks-allow-cidr is not a list of networks", "text=\"%s\"", allowed);
        return err;
    }
    err = db_open(dispatcher->hooks->database_path, DB_ADMIN, &dispatcher->db);
    if (!err)
        err = clock_subscribe(on_clock_jump, dispatcher);
    if (err)
        return err;
    dispatcher->has_clock = true;
    if (pthread_create(&dispatcher->thread, NULL, dispatcher_main, dispatcher) != 0)
        return ERR_NOMEM;
    dispatcher->is_running = true;
    (void)pthread_setname_np(dispatcher->thread, "dispatcher"); /* a name is a convenience */
    return ERR_OK;
}

void dispatcher_stop(struct dispatcher *dispatcher)
{
    if (!dispatcher || !dispatcher->is_running)
        return;
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->is_stopping = true;
    pthread_cond_signal(&dispatcher->wakeup);
    if (dispatcher->sender)
        sender_wake(dispatcher->sender);
    pthread_mutex_unlock(&dispatcher->lock);
    (void)pthread_join(dispatcher->thread, NULL); /* ours, and not joined before */
    dispatcher->is_running = false;
}

void dispatcher_free(struct dispatcher *dispatcher)
{
    if (!dispatcher)
        return;
    dispatcher_stop(dispatcher);
    metrics_forget(dispatcher);
    if (dispatcher->has_clock)
        clock_unsubscribe(on_clock_jump, dispatcher);
    db_close(dispatcher->db);
    map_release(&dispatcher->targets);
    map_release(&dispatcher->customers);
    map_release(&dispatcher->known);
    heap_release(&dispatcher->timers);
    pthread_cond_destroy(&dispatcher->wakeup);
    pthread_mutex_destroy(&dispatcher->lock);
    pthread_mutex_destroy(&dispatcher->shown_lock);
    free(dispatcher->notes);
    free(dispatcher);
}
