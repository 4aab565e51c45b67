/* The waiting rooms' thread; see queue_steward.h. */
#include "tickets/queue_steward.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "tickets/queue_internal.h"

static void on_clock_jump(void *ctx)
{
    queue_desk_wake(ctx);
}

void queue_desk_wake(struct queue_desk *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->is_woken = true;
    pthread_cond_signal(&queue->wakeup);
    pthread_mutex_unlock(&queue->lock);
}

void queue_desk_doubt(struct queue_desk *queue)
{
    if (queue)
        atomic_store(&queue->has_doubt, true);
}

/* --- Metrics --- */

struct sum {
    struct queue_counts counts;
};

static void add_counts(struct queue_room *room, void *ctx)
{
    struct sum *sum = ctx;
    struct queue_counts counts;
    queue_room_counts(room, &counts);
    sum->counts.pre += counts.pre;
    sum->counts.waiting += counts.waiting;
    sum->counts.admitted += counts.admitted;
}

static int64_t waiting_metric(void *ctx)
{
    struct queue_desk *queue = ctx;
    struct sum sum = {.counts = {0}};
    queue_rooms_each(queue->rooms, add_counts, &sum);
    return sum.counts.pre + sum.counts.waiting;
}

static int64_t admitted_metric(void *ctx)
{
    struct queue_desk *queue = ctx;
    struct sum sum = {.counts = {0}};
    queue_rooms_each(queue->rooms, add_counts, &sum);
    return sum.counts.admitted;
}

static void register_metrics(struct queue_desk *queue)
{
    queue->admitted = metric_counter("foyer_queue_admissions_total", NULL,
                                     "People let in from waiting rooms by this node.");
    queue->lapsed = metric_counter("foyer_queue_lapsed_total", NULL,
                                   "Admissions that ended unused, by this node.");
    queue->refused = metric_counter("foyer_queue_gate_refusals_total", NULL,
                                    "Requests sent to the waiting room.");
    metric_gauge_fn("foyer_queue_waiting", NULL, "People in all waiting rooms, as memory has them.",
                    waiting_metric, queue);
    metric_gauge_fn("foyer_queue_admitted", NULL, "People admitted, as memory has them.",
                    admitted_metric, queue);
}

/* --- A look at all rooms --- */

static enum err read_rooms(struct queue_desk *queue)
{
    return queue_store_rooms(queue->db, clock_now_ms(), QUEUE_ROOMS_MAX, queue->terms,
                             &queue->terms_count);
}

/* Rooms that were on a list and are no more are over, or others are nearer to their sale: they leave
 * memory, before others come. One that was made since the list was read was on none yet. */
static void drop_rooms(struct queue_desk *queue)
{
    size_t known = 0; /* of the list, in memory */
    queue->look_no++;
    for (size_t i = 0; i < queue->terms_count; i++) {
        struct queue_room *room = queue_rooms_get(queue->rooms, queue->terms[i].event_id);
        if (room)
            room->listed_at_look = queue->look_no;
        known += room != NULL;
        queue_room_unref(room);
    }
    if (queue_rooms_count(queue->rooms) > known)
        while (queue_rooms_drop(queue->rooms, queue->look_no) == QUEUE_DROP_MAX)
            continue;
}

/* How much more time than QUEUE_GAP_MS has passed since the last look: the clock was set, or this
 * process or its machine stood still. In a time that never was nobody could say anything. What a test
 * adds to the clock counts as time. */
static bool has_gap(struct queue_desk *queue)
{
    int64_t now_ms, jumps_ms;
    do { /* the two belong together */
        jumps_ms = clock_jumps_ms();
        now_ms = clock_now_ms();
    } while (jumps_ms != clock_jumps_ms());
    int64_t passed_ms = now_ms - queue->looked_at_ms - (jumps_ms - queue->jumps_ms);
    queue->looked_at_ms = now_ms;
    queue->jumps_ms = jumps_ms;
    return passed_ms > QUEUE_GAP_MS || passed_ms < -QUEUE_GAP_MS;
}

static void keep_office(struct queue_desk *queue)
{
    bool is_gap = has_gap(queue);
    if (!writer_is_steward(queue->tickets->writer))
        queue->office_since_ms = 0;
    else if (is_gap || !queue->office_since_ms)
        queue->office_since_ms = queue->looked_at_ms;
}

static void forget(struct queue_room *room, void *ctx)
{
    (void)ctx;
    atomic_store(&room->fresh_ns, 0);
    pthread_mutex_lock(&room->lock);
    room->is_broken = true;
    pthread_mutex_unlock(&room->lock);
}

/* A room that cannot be read keeps nobody else waiting. True: there is more to do at once. */
static bool look_at(struct queue_desk *queue, const struct queue_terms *terms, enum err *err)
{
    enum err own = queue_follow(queue, terms);
    if (!own)
        return queue_work(queue, terms);
    if (!*err)
        *err = own;
    return false;
}

/* True: go on without waiting. */
static bool look(struct queue_desk *queue)
{
    bool has_more = false;
    if (atomic_exchange(&queue->has_doubt, false))
        queue_rooms_each(queue->rooms, forget, NULL);
    keep_office(queue);
    enum err err = read_rooms(queue);
    size_t count = err ? 0 : queue->terms_count;
    if (!err)
        drop_rooms(queue);
    for (size_t i = 0; i < count; i++)
        has_more = look_at(queue, &queue->terms[i], &err) || has_more;
    if (err && !queue->is_unread)
        log_warn("waiting rooms cannot be read now", "error=\"%s: %s\"", err_name(err),
                 db_message(queue->db));
    queue->is_unread = err != ERR_OK;
    return has_more;
}

/* --- The thread --- */

/* False: stopping. */
static bool wait_ms(struct queue_desk *queue, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* always there */
    until.tv_nsec += ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int result = 0;
    pthread_mutex_lock(&queue->lock);
    while (!queue->is_stopping && !queue->is_woken && result == 0)
        result = pthread_cond_timedwait(&queue->wakeup, &queue->lock, &until);
    bool goes_on = !queue->is_stopping;
    queue->is_woken = false;
    pthread_mutex_unlock(&queue->lock);
    return goes_on;
}

static bool is_stopping(struct queue_desk *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool is = queue->is_stopping;
    pthread_mutex_unlock(&queue->lock);
    return is;
}

static void *queue_main(void *ctx)
{
    struct queue_desk *queue = ctx;
    (void)pthread_setname_np(pthread_self(), "queue"); /* a name is a convenience */
    bool goes_on = true;
    while (goes_on) {
        bool has_more = look(queue);
        /* A wake-up is taken at once, but not more often than every few milliseconds: a crowd that
         * comes wakes it with each group. */
        goes_on = has_more ? !is_stopping(queue) : wait_ms(queue, QUEUE_TICK_MS);
        if (goes_on && !has_more) {
            struct timespec pause = {.tv_nsec = 5000000};
            (void)nanosleep(&pause, NULL); /* a short one is fine */
        }
    }
    return NULL;
}

/* --- Start and stop --- */

enum err queue_desk_new(struct tickets *tickets, struct queue_desk **ret_queue)
{
    struct queue_desk *queue = calloc(1, sizeof(*queue));
    if (!queue)
        return ERR_NOMEM;
    queue->tickets = tickets;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->wakeup, &attributes);
    pthread_condattr_destroy(&attributes);
    queue_token_key(
        str_from((const char *)tickets->ticket_secret_key, sizeof(tickets->ticket_secret_key)),
        queue->token_key);
    register_metrics(queue);
    enum err err = queue_rooms_new(&queue->rooms);
    if (err) {
        queue_desk_free(queue);
        return err;
    }
    *ret_queue = queue;
    return ERR_OK;
}

enum err queue_desk_start(struct queue_desk *queue)
{
    queue->is_followed = queue->tickets->tail != NULL;
    queue->look_no = 1;
    enum err err = db_open(queue->tickets->database_path, DB_READER, &queue->db);
    if (!err)
        err = read_rooms(queue);
    for (size_t i = 0; !err && i < queue->terms_count; i++)
        err = queue_follow(queue, &queue->terms[i]);
    if (!err)
        err = clock_subscribe(on_clock_jump, queue);
    if (err)
        return err;
    if (pthread_create(&queue->thread, NULL, queue_main, queue) != 0)
        return ERR_NOMEM;
    queue->is_running = true;
    return ERR_OK;
}

void queue_desk_stop(struct queue_desk *queue)
{
    if (!queue || !queue->is_running)
        return;
    clock_unsubscribe(on_clock_jump, queue);
    pthread_mutex_lock(&queue->lock);
    queue->is_stopping = true;
    pthread_cond_signal(&queue->wakeup);
    pthread_mutex_unlock(&queue->lock);
    pthread_join(queue->thread, NULL);
    queue->is_running = false;
}

void queue_desk_free(struct queue_desk *queue)
{
    if (!queue)
        return;
    queue_desk_stop(queue);
    metrics_forget(queue);
    db_close(queue->db);
    queue_rooms_free(queue->rooms);
    crypto_wipe(queue->token_key, sizeof(queue->token_key));
    pthread_cond_destroy(&queue->wakeup);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}
