/*
 * Expiry of holds; purpose in expiry.h.
 *
 * A timer is never removed when its booking ends early: the expiry statement compares state and
 * time in the database, so a stale timer does nothing. One that fired before its time (the booking
 * was extended, or the clock that counts is behind ours) is armed again. The heap is guarded by a mutex, taken by the
 * writer's effects (arming) and by the expiry thread. A timer that cannot be armed (memory,
 * OPEN_HOLDS_MAX) is left to the backstop. One job is in flight at a time, so a mass expiry takes
 * turns with the requests that wait in the writer's queue; a full queue does not refuse it, because
 * it frees the seats that the queue is about.
 *
 * Where several nodes share a database only the steward fires (office below). Its timers come from the
 * tail, which brings every node's holds, its own too; whoever becomes the steward says so first and
 * then reads all open holds, so that each hold is found by one of the two. Two stewards would do no
 * harm: the second finds nothing to end.
 *
 * When the writer cannot commit (disk full), the batch's timers come back after EXPIRY_RETRY_MS. A
 * backstop that found as much as it may read goes on after a second, so that whatever has piled up
 * is worked off soon.
 */
#include "tickets/expiry.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "app/metrics.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "tickets/booking_store.h"
#include "tickets/event_cancel.h"
#include "tickets/payment.h"
#include "tickets/tickets.h"

struct expiry {
    struct tickets *tickets;
    struct db *db; /* the thread's own reader */
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;
    pthread_cond_t wakeup;
    struct heap heap;
    bool is_acting; /* this node fires; else the heap is empty */
    bool is_stopping;
    int64_t backstop_at_ms; /* these two are the thread's own */
    bool is_failing;        /* the last batch could not be written */
    struct metric *expired, *backstop_found;
};

struct expiry_batch {
    struct writer_job job;
    struct expiry *expiry;
    struct heap_item items[EXPIRY_CHUNK_MAX];
    bool must_ask[EXPIRY_CHUNK_MAX];
    int64_t early_ms[EXPIRY_CHUNK_MAX]; /* 0: not fired before its time */
    size_t count;
    size_t expired_count;
};

static void on_clock_jump(void *ctx)
{
    struct expiry *expiry = ctx;
    pthread_mutex_lock(&expiry->lock);
    pthread_cond_signal(&expiry->wakeup);
    pthread_mutex_unlock(&expiry->lock);
}

enum err expiry_new(struct tickets *tickets, struct expiry **ret_expiry)
{
    struct expiry *expiry = calloc(1, sizeof(*expiry));
    if (!expiry)
        return ERR_NOMEM;
    expiry->tickets = tickets;
    pthread_mutex_init(&expiry->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&expiry->wakeup, &attr);
    pthread_condattr_destroy(&attr);
    heap_init(&expiry->heap, OPEN_HOLDS_MAX);
    expiry->expired =
        metric_counter("foyer_holds_expired_total", NULL, "Holds freed because their time was up.");
    expiry->backstop_found =
        metric_counter("foyer_holds_backstop_total", NULL,
                       "Overdue holds that only the backstop found; expected to be zero.");
    *ret_expiry = expiry;
    return ERR_OK;
}

static void expiry_arm(struct expiry *expiry, struct heap_item item)
{
    pthread_mutex_lock(&expiry->lock);
    const struct heap_item *first = heap_peek(&expiry->heap);
    bool is_earlier = expiry->is_acting && (!first || item.due_ms < first->due_ms);
    /* A timer that does not fit is found by the backstop. */
    if (expiry->is_acting)
        (void)!heap_push(&expiry->heap, item);
    if (is_earlier)
        pthread_cond_signal(&expiry->wakeup);
    pthread_mutex_unlock(&expiry->lock);
}

void expiry_follow(struct expiry *expiry, struct heap_item timer)
{
    if (expiry)
        expiry_arm(expiry, timer);
}

struct arm_effect {
    struct expiry *expiry;
    struct heap_item item;
};

static void arm_run(void *data)
{
    struct arm_effect *effect = data;
    expiry_arm(effect->expiry, effect->item);
}

enum err expiry_stage(struct expiry *expiry, struct writer_tx *tx, const struct booking *booking)
{
    if (expiry->tickets->tail)
        return ERR_OK; /* it brings the row to whoever is the steward */
    struct arm_effect *effect = writer_effect(tx, arm_run, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    *effect = (struct arm_effect){expiry, {booking->expires_at, booking->event_id, booking->id}};
    return ERR_OK;
}

/* --- A batch, on the writer --- */

static enum err batch_one(struct expiry_batch *batch, struct writer_tx *tx, size_t index)
{
    const struct heap_item *item = &batch->items[index];
    struct booking booking = {.state = BOOKING_EXPIRED};
    batch->early_ms[index] = 0;
    enum err err = booking_load(tx->db, item->shard, item->id, &booking);
    if (!err)
        err = booking_expire(batch->expiry->tickets, tx, &booking, false);
    batch->must_ask[index] = err == ERR_AGAIN;
    bool is_open = booking.state == BOOKING_HELD || booking.state == BOOKING_PAYMENT_PENDING;
    if (err == ERR_CONFLICT && is_open && booking.expires_at > tx->now_ms)
        batch->early_ms[index] = booking.expires_at - tx->now_ms;
    if (!err)
        batch->expired_count++;
    /* Gone on, moved on or not due any more: nothing to do. */
    if (err == ERR_AGAIN || err == ERR_CONFLICT || err == ERR_NOT_FOUND)
        return ERR_OK;
    return err;
}

static enum err batch_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct expiry_batch *batch = container_of(job, struct expiry_batch, job);
    batch->expired_count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        enum err err = batch_one(batch, tx, i);
        if (err)
            return err;
    }
    return ERR_OK;
}

static void batch_done(struct writer_job *job, enum err outcome)
{
    (void)job;
    (void)outcome; /* writer_run hands it on. */
}

/* The event, if all are of one: bookings, seats, areas, payments to close are all its own. */
static uint64_t batch_shard(const struct expiry_batch *batch)
{
    for (size_t i = 1; i < batch->count; i++)
        if (batch->items[i].shard != batch->items[0].shard)
            return 0;
    return batch->items[0].shard;
}

static enum err batch_write(struct expiry_batch *batch)
{
    struct expiry *expiry = batch->expiry;
    batch->job =
        (struct writer_job){.shard = batch_shard(batch), .apply = batch_apply, .done = batch_done};
    enum err err = writer_run_internal(expiry->tickets->writer, &batch->job);
    if (err)
        return err;
    metric_add(expiry->expired, (int64_t)batch->expired_count);
    for (size_t i = 0; i < batch->count; i++) {
        struct heap_item item = batch->items[i];
        if (batch->must_ask[i])
            payments_booking_due(expiry->tickets->payments, item.shard, item.id);
        item.due_ms = clock_now_ms() + batch->early_ms[i];
        if (batch->early_ms[i] > 0)
            expiry_arm(expiry, item);
    }
    return ERR_OK;
}

/* The writer's trouble, not a booking's. */
static bool may_pass(enum err err)
{
    return err == ERR_IO || err == ERR_NOMEM || err == ERR_FULL || err == ERR_TIMEOUT;
}

static void batch_retry(struct expiry_batch *batch, enum err err)
{
    struct expiry *expiry = batch->expiry;
    if (!expiry->is_failing)
        log_warn("holds cannot be expired now", "error=\"%s\"", err_name(err));
    expiry->is_failing = true;
    int64_t due_ms = clock_now_ms() + EXPIRY_RETRY_MS;
    for (size_t i = 0; i < batch->count; i++)
        expiry_arm(expiry, (struct heap_item){due_ms, batch->items[i].shard, batch->items[i].id});
}

static void batch_run_singly(struct expiry_batch *batch)
{
    struct expiry_batch single = {.expiry = batch->expiry, .count = 1};
    for (size_t i = 0; i < batch->count; i++) {
        single.items[0] = batch->items[i];
        enum err err = batch_write(&single);
        if (may_pass(err))
            batch_retry(&single, err);
        else if (err && err != ERR_CLOSED)
            log_error("hold could not be expired", "event=%llu booking=%llu error=\"%s\"",
                      (unsigned long long)single.items[0].shard,
                      (unsigned long long)single.items[0].id, err_name(err));
    }
}

static void batch_run(struct expiry_batch *batch)
{
    if (batch->count == 0)
        return;
    enum err err = batch_write(batch);
    if (!err)
        batch->expiry->is_failing = false;
    else if (may_pass(err))
        batch_retry(batch, err);
    else if (err != ERR_CLOSED)
        /* One bad booking must not keep its neighbours' seats: they go one by one. What fails still
         * is overdue, and the backstop brings it again. */
        batch_run_singly(batch);
}

/* --- The thread --- */

/* The lock is held. */
static void wait_until(struct expiry *expiry, int64_t due_ms, int64_t now_ms)
{
    int64_t wait_ms = due_ms - now_ms;
    if (wait_ms > OFFICE_WAIT_MS)
        wait_ms = OFFICE_WAIT_MS; /* the wall clock may be set meanwhile, too */
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&expiry->wakeup, &expiry->lock, &until);
}

/* The lock is held. Returns when the next one is due. */
static int64_t pop_due(struct expiry *expiry, struct expiry_batch *batch, int64_t now_ms)
{
    const struct heap_item *first = heap_peek(&expiry->heap);
    while (batch->count < EXPIRY_CHUNK_MAX && first && first->due_ms <= now_ms) {
        batch->items[batch->count++] = heap_pop(&expiry->heap);
        first = heap_peek(&expiry->heap);
    }
    return first ? first->due_ms : INT64_MAX;
}

/* Takes a batch of due timers; if there are none, waits for them a while and may return without.
 * False when stopping. */
static bool take_due(struct expiry *expiry, struct expiry_batch *batch)
{
    batch->count = 0;
    pthread_mutex_lock(&expiry->lock);
    int64_t now_ms = clock_now_ms();
    int64_t due_ms = pop_due(expiry, batch, now_ms);
    if (batch->count == 0 && !expiry->is_stopping) {
        if (expiry->is_acting && due_ms > expiry->backstop_at_ms)
            due_ms = expiry->backstop_at_ms;
        if (due_ms > now_ms)
            wait_until(expiry, due_ms, now_ms);
        (void)pop_due(expiry, batch, clock_now_ms());
    }
    bool is_on = !expiry->is_stopping;
    pthread_mutex_unlock(&expiry->lock);
    return is_on;
}

struct backstop {
    struct expiry *expiry;
    size_t held;
    size_t count;
    struct heap_item items[BACKSTOP_ROWS_MAX];
};

static enum err backstop_row(const struct open_booking *row, void *ctx)
{
    struct backstop *backstop = ctx;
    if (row->state == BOOKING_HELD)
        backstop->held++;
    backstop->items[backstop->count++] =
        (struct heap_item){row->expires_at, row->event_id, row->id};
    return ERR_OK;
}

/* Returns when it wants to run again. */
static int64_t backstop_run(struct expiry *expiry)
{
    struct backstop *backstop = calloc(1, sizeof(*backstop));
    if (!backstop)
        return clock_now_ms() + BACKSTOP_INTERVAL_MS;
    backstop->expiry = expiry;
    int64_t until_ms = clock_now_ms() - BACKSTOP_OVERDUE_MS;
    enum err err =
        booking_store_open(expiry->db, 0, until_ms, BACKSTOP_ROWS_MAX, backstop_row, backstop);
    if (err)
        log_warn("backstop could not read", "error=\"%s\"", err_name(err));
    metric_add(expiry->backstop_found, (int64_t)backstop->held);
    for (size_t i = 0; i < backstop->count; i++)
        expiry_arm(expiry, backstop->items[i]);
    bool is_full = backstop->count == BACKSTOP_ROWS_MAX;
    free(backstop);
    return clock_now_ms() + (is_full ? BACKSTOP_AGAIN_MS : BACKSTOP_INTERVAL_MS);
}

/* --- The office --- */

struct rearm {
    struct expiry *expiry;
    size_t count;
};

static enum err rearm_row(const struct open_booking *row, void *ctx)
{
    struct rearm *rearm = ctx;
    rearm->count++;
    expiry_arm(rearm->expiry, (struct heap_item){row->expires_at, row->event_id, row->id});
    return ERR_OK;
}

static void act(struct expiry *expiry, bool is_acting)
{
    pthread_mutex_lock(&expiry->lock);
    expiry->is_acting = is_acting;
    if (!is_acting) {
        heap_release(&expiry->heap);
        heap_init(&expiry->heap, OPEN_HOLDS_MAX);
    }
    pthread_mutex_unlock(&expiry->lock);
}

/* Takes the office up or lays it down as it was given; the thread's, and before it starts. */
static enum err office_keep(struct expiry *expiry, bool is_start)
{
    struct rearm rearm = {.expiry = expiry};
    bool is_steward = writer_is_steward(expiry->tickets->writer);
    if (is_steward == expiry->is_acting)
        return ERR_OK;
    act(expiry, is_steward);
    if (!is_steward)
        return ERR_OK;
    enum err err = booking_store_open(expiry->db, 0, INT64_MAX, OPEN_HOLDS_MAX, rearm_row, &rearm);
    if (err) {
        act(expiry, false);
        log_warn("open holds could not be read", "error=\"%s\"", err_name(err));
        return err;
    }
    if (rearm.count)
        log_info("holds re-armed", "count=%zu", rearm.count);
    expiry->backstop_at_ms = clock_now_ms() + BACKSTOP_INTERVAL_MS;
    if (!is_start) { /* the last steward may have left walks; at start they are resumed */
        atomic_store(&expiry->tickets->has_stalled_cancels, true);
        event_cancel_retry(expiry->tickets);
    }
    return ERR_OK;
}

static void *expiry_main(void *ctx)
{
    struct expiry *expiry = ctx;
    struct expiry_batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return NULL;
    batch->expiry = expiry;
    while (take_due(expiry, batch)) {
        batch_run(batch);
        if (office_keep(expiry, false) != ERR_OK || !expiry->is_acting ||
            clock_now_ms() < expiry->backstop_at_ms)
            continue;
        expiry->backstop_at_ms = backstop_run(expiry);
        event_cancel_retry(expiry->tickets);
    }
    free(batch);
    return NULL;
}

/* --- Start and stop --- */

enum err expiry_start(struct expiry *expiry)
{
    enum err err = db_open(expiry->tickets->database_path, DB_ADMIN, &expiry->db);
    if (!err)
        err = office_keep(expiry, true);
    if (err)
        return err;
    err = clock_subscribe(on_clock_jump, expiry);
    if (err)
        return err;
    if (pthread_create(&expiry->thread, NULL, expiry_main, expiry)) {
        clock_unsubscribe(on_clock_jump, expiry);
        return ERR_NOMEM;
    }
    expiry->is_running = true;
    return ERR_OK;
}

void expiry_stop(struct expiry *expiry)
{
    if (!expiry || !expiry->is_running)
        return;
    clock_unsubscribe(on_clock_jump, expiry);
    pthread_mutex_lock(&expiry->lock);
    expiry->is_stopping = true;
    pthread_cond_signal(&expiry->wakeup);
    pthread_mutex_unlock(&expiry->lock);
    pthread_join(expiry->thread, NULL);
    expiry->is_running = false;
}

void expiry_free(struct expiry *expiry)
{
    if (!expiry)
        return;
    db_close(expiry->db);
    heap_release(&expiry->heap);
    pthread_cond_destroy(&expiry->wakeup);
    pthread_mutex_destroy(&expiry->lock);
    free(expiry);
}
