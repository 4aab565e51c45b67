/*
 * Expiry of holds; purpose in expiry.h.
 *
 * A timer is never removed when its booking ends early: the expiry statement compares state and
 * time in the database, so a stale timer does nothing. The heap is guarded by a mutex, taken by the
 * writer's effects (arming) and by the expiry thread. A timer that cannot be armed (memory,
 * OPEN_HOLDS_MAX) is left to the backstop. One job is in flight at a time, so a mass expiry takes
 * turns with the requests that wait in the writer's queue; a full queue does not refuse it, because
 * it frees the seats that the queue is about.
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
    bool is_earlier = !first || item.due_ms < first->due_ms;
    /* A timer that does not fit is found by the backstop. */
    (void)!heap_push(&expiry->heap, item);
    if (is_earlier)
        pthread_cond_signal(&expiry->wakeup);
    pthread_mutex_unlock(&expiry->lock);
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
    struct booking booking;
    enum err err = booking_load(tx->db, item->shard, item->id, &booking);
    if (!err)
        err = booking_expire(batch->expiry->tickets, tx, &booking, false);
    batch->must_ask[index] = err == ERR_AGAIN;
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

static enum err batch_write(struct expiry_batch *batch)
{
    struct expiry *expiry = batch->expiry;
    batch->job = (struct writer_job){.apply = batch_apply, .done = batch_done};
    enum err err = writer_run_internal(expiry->tickets->writer, &batch->job);
    if (err)
        return err;
    metric_add(expiry->expired, (int64_t)batch->expired_count);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->must_ask[i])
            payments_booking_due(expiry->tickets->payments, batch->items[i].shard,
                                 batch->items[i].id);
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
    if (wait_ms > 1000)
        wait_ms = 1000; /* the wall clock may be set meanwhile */
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

/* Waits for due timers and takes a batch of them; false when stopping. An empty batch: time for the
 * backstop. */
static bool take_due(struct expiry *expiry, struct expiry_batch *batch)
{
    batch->count = 0;
    pthread_mutex_lock(&expiry->lock);
    while (!expiry->is_stopping) {
        int64_t now_ms = clock_now_ms();
        const struct heap_item *first = heap_peek(&expiry->heap);
        while (batch->count < EXPIRY_CHUNK_MAX && first && first->due_ms <= now_ms) {
            batch->items[batch->count++] = heap_pop(&expiry->heap);
            first = heap_peek(&expiry->heap);
        }
        if (batch->count > 0 || now_ms >= expiry->backstop_at_ms)
            break;
        int64_t due_ms = first && first->due_ms < expiry->backstop_at_ms ? first->due_ms
                                                                         : expiry->backstop_at_ms;
        wait_until(expiry, due_ms, now_ms);
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

static void *expiry_main(void *ctx)
{
    struct expiry *expiry = ctx;
    struct expiry_batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return NULL;
    batch->expiry = expiry;
    while (take_due(expiry, batch)) {
        if (batch->count > 0) {
            batch_run(batch);
            continue;
        }
        expiry->backstop_at_ms = backstop_run(expiry);
        event_cancel_retry(expiry->tickets);
    }
    free(batch);
    return NULL;
}

/* --- Start and stop --- */

struct rearm {
    struct expiry *expiry;
    size_t count;
};

static enum err rearm_row(const struct open_booking *row, void *ctx)
{
    struct rearm *rearm = ctx;
    rearm->count++;
    return heap_push(&rearm->expiry->heap,
                     (struct heap_item){row->expires_at, row->event_id, row->id});
}

enum err expiry_start(struct expiry *expiry)
{
    struct rearm rearm = {.expiry = expiry};
    enum err err = db_open(expiry->tickets->database_path, DB_ADMIN, &expiry->db);
    if (err)
        return err;
    err = booking_store_open(expiry->db, 0, INT64_MAX, OPEN_HOLDS_MAX, rearm_row, &rearm);
    if (err)
        return err;
    if (rearm.count)
        log_info("holds re-armed", "count=%zu", rearm.count);
    expiry->backstop_at_ms = clock_now_ms() + BACKSTOP_INTERVAL_MS;
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
