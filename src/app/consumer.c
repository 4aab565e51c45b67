/*
 * A journal consumer: one thread with a reading connection of its own. It reads a batch behind
 * its cursor, copies it into an arena, hands it on, and moves the cursor when the batch was
 * taken; a batch that was not is read again after a pause that doubles. Rows are never skipped.
 *
 * Threads: on_batch runs on the consumer's thread; wake and cursor are for any; start and stop
 * belong to the owner.
 */
#include "app/consumer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/metrics.h"
#include "base/clock.h"
#include "base/log.h"

#define BATCH_BYTES_MAX (64u << 20)
#define PAUSE_MS_MIN    100
#define PAUSE_MS_MAX    5000
#define NAME_SIZE       16
#define LABELS_SIZE     64

struct consumer {
    struct consumer_options options;
    char name[NAME_SIZE];
    struct db *source;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* CLOCK_MONOTONIC */
    _Atomic bool is_woken; /* set under the lock, read without */
    bool is_stopping;      /* under the lock */
    _Atomic int64_t cursor;
    _Atomic int64_t caught_up_ns; /* when it last had read all there was; monotonic */
    struct metric *failures;
};

struct batch {
    struct arena *arena;
    size_t count;
    struct journal_row rows[]; /* batch_max */
};

static enum err batch_add(const struct journal_row *row, void *ctx)
{
    struct batch *batch = ctx;
    struct journal_row *copy = &batch->rows[batch->count++];
    *copy = *row;
    copy->type = arena_str_dup(batch->arena, row->type);
    copy->data = arena_str_dup(batch->arena, row->data);
    copy->hash = arena_str_dup(batch->arena, row->hash);
    return batch->arena->overflow ? ERR_NOMEM : ERR_OK;
}

/* One batch. *ret_count: rows that were taken. */
static enum err run_batch(struct consumer *consumer, struct batch *batch, size_t *ret_count)
{
    int64_t cursor = atomic_load(&consumer->cursor);
    batch->count = 0;
    enum err err =
        journal_read(consumer->source, cursor, consumer->options.batch_max, batch_add, batch);
    if (err == ERR_NOMEM && batch->count > 1) { /* take what fits; the rest comes next */
        batch->count--;
        err = ERR_OK;
    }
    if (err == ERR_OK && batch->count > 0)
        err = consumer->options.on_batch(batch->rows, batch->count, consumer->source,
                                         consumer->options.ctx);
    if (err == ERR_OK && batch->count > 0)
        atomic_store(&consumer->cursor, batch->rows[batch->count - 1].seq);
    if (err == ERR_OK && batch->count < CONSUMER_BATCH_MAX)
        atomic_store(&consumer->caught_up_ns, clock_mono_ns());
    *ret_count = err == ERR_OK ? batch->count : 0;
    return err;
}

/* Until woken or the time is over; wakeups do not shorten the pause after a failure. False:
 * stopping. */
static bool wait_ms(struct consumer *consumer, int64_t ms, bool is_pause)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* always there */
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int result = 0;
    (void)pthread_mutex_lock(&consumer->lock);
    while (!consumer->is_stopping && (is_pause || !consumer->is_woken) && result == 0)
        result = pthread_cond_timedwait(&consumer->wakeup, &consumer->lock, &until);
    consumer->is_woken = false;
    bool goes_on = !consumer->is_stopping;
    (void)pthread_mutex_unlock(&consumer->lock);
    return goes_on;
}

static bool is_stopping(struct consumer *consumer)
{
    (void)pthread_mutex_lock(&consumer->lock);
    bool is_stopping = consumer->is_stopping;
    (void)pthread_mutex_unlock(&consumer->lock);
    return is_stopping;
}

static bool may_read(struct consumer *consumer)
{
    if (!consumer->options.may_read)
        return true;
    int64_t cursor = atomic_load(&consumer->cursor);
    bool may_read = consumer->options.may_read(&cursor, consumer->options.ctx);
    atomic_store(&consumer->cursor, cursor);
    if (!may_read) /* another node is behind or not; this one is not */
        atomic_store(&consumer->caught_up_ns, clock_mono_ns());
    return may_read;
}

static bool run_idle(struct consumer *consumer)
{
    return consumer->options.on_idle && consumer->options.on_idle(consumer->options.ctx);
}

static void run(struct consumer *consumer, struct batch *batch)
{
    int64_t pause_ms = PAUSE_MS_MIN;
    bool goes_on = true;
    while (goes_on) {
        size_t count = 0;
        if (!may_read(consumer)) {
            goes_on = wait_ms(consumer, consumer->options.interval_ms, false);
            continue;
        }
        enum err err = run_batch(consumer, batch, &count);
        arena_release(batch->arena);
        if (err != ERR_OK) {
            metric_add(consumer->failures, 1);
            log_warn("consumer repeats", "consumer=%s err=%s after=%lld pause_ms=%lld",
                     consumer->name, err_name(err), (long long)atomic_load(&consumer->cursor),
                     (long long)pause_ms);
            goes_on = wait_ms(consumer, pause_ms, true);
            pause_ms = pause_ms * 2 < PAUSE_MS_MAX ? pause_ms * 2 : PAUSE_MS_MAX;
        } else {
            pause_ms = PAUSE_MS_MIN;
            /* Something came: look again at once, there may be more. */
            goes_on = count > 0 || run_idle(consumer)
                          ? !is_stopping(consumer)
                          : wait_ms(consumer, consumer->options.interval_ms, false);
        }
    }
}

static void *consumer_main(void *ctx)
{
    struct consumer *consumer = ctx;
    struct arena arena;
    arena_init(&arena, BATCH_BYTES_MAX);
    struct batch *batch =
        calloc(1, sizeof(*batch) + consumer->options.batch_max * sizeof(batch->rows[0]));
    if (batch) {
        batch->arena = &arena;
        run(consumer, batch);
    }
    free(batch);
    return NULL;
}

static int64_t cursor_metric(void *ctx)
{
    return consumer_cursor(ctx);
}

static int64_t behind_metric(void *ctx)
{
    struct consumer *consumer = ctx;
    return (clock_mono_ns() - atomic_load(&consumer->caught_up_ns)) / 1000000000;
}

static void register_metrics(struct consumer *consumer)
{
    char labels[LABELS_SIZE];
    (void)snprintf(labels, sizeof(labels), "consumer=\"%s\"", consumer->name); /* it is short */
    metric_gauge_fn("foyer_consumer_cursor", labels, "Journal sequence that is done with.",
                    cursor_metric, consumer);
    metric_gauge_fn("foyer_consumer_behind_seconds", labels,
                    "Since it last had read the whole journal.", behind_metric, consumer);
    consumer->failures = metric_counter("foyer_consumer_failures_total", labels,
                                        "Batches that have to be repeated.");
}

static void consumer_init(struct consumer *consumer, const struct consumer_options *options)
{
    pthread_condattr_t attributes;
    consumer->options = *options;
    if (consumer->options.batch_max == 0)
        consumer->options.batch_max = CONSUMER_BATCH_MAX;
    (void)snprintf(consumer->name, sizeof(consumer->name), "%s", options->name); /* cut to fit */
    atomic_store(&consumer->cursor, options->cursor);
    atomic_store(&consumer->caught_up_ns, clock_mono_ns());
    (void)pthread_condattr_init(&attributes); /* these cannot fail on Linux */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&consumer->wakeup, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&consumer->lock, NULL);
}

static void consumer_free(struct consumer *consumer)
{
    db_close(consumer->source);
    (void)pthread_cond_destroy(&consumer->wakeup); /* nobody waits */
    (void)pthread_mutex_destroy(&consumer->lock);
    free(consumer);
}

enum err consumer_start(const struct consumer_options *options, struct consumer **ret_consumer)
{
    struct consumer *consumer = calloc(1, sizeof(*consumer));
    if (!consumer)
        return ERR_NOMEM;
    consumer_init(consumer, options);
    enum err err = db_open(options->source_path, DB_READER, &consumer->source);
    if (err == ERR_OK) {
        register_metrics(consumer);
        if (pthread_create(&consumer->thread, NULL, consumer_main, consumer) != 0)
            err = ERR_NOMEM;
    }
    if (err != ERR_OK) {
        metrics_forget(consumer);
        consumer_free(consumer);
        return err;
    }
    (void)pthread_setname_np(consumer->thread, consumer->name); /* a name is a convenience */
    *ret_consumer = consumer;
    return ERR_OK;
}

void consumer_wake(struct consumer *consumer)
{
    /* Woken already and not yet up: it will see what this caller has seen. */
    if (atomic_load(&consumer->is_woken))
        return;
    (void)pthread_mutex_lock(&consumer->lock);
    consumer->is_woken = true;
    (void)pthread_cond_signal(&consumer->wakeup);
    (void)pthread_mutex_unlock(&consumer->lock);
}

int64_t consumer_cursor(const struct consumer *consumer)
{
    return atomic_load(&consumer->cursor);
}

void consumer_stop(struct consumer *consumer)
{
    if (!consumer)
        return;
    (void)pthread_mutex_lock(&consumer->lock);
    consumer->is_stopping = true;
    (void)pthread_cond_signal(&consumer->wakeup);
    (void)pthread_mutex_unlock(&consumer->lock);
    (void)pthread_join(consumer->thread, NULL); /* ours and joinable */
    metrics_forget(consumer);
    consumer_free(consumer);
}
