/*
 * The worker of replays: a thread that looks, on a reading connection, what the next messages of each
 * hungry leg are, and has the writer queue them. A leg is hungry again when few of what it has queued
 * still wait, so a job goes as fast as its endpoint takes it, and memory or queue of it never grow.
 *
 * All that it knows is in the database. It wakes when the writer says that there is something to do, and
 * every REPLAY_POLL_MS for what other nodes have written; only the steward's does anything.
 */
#include "hooks/replay.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "app/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "hooks/endpoint_store.h"
#include "hooks/hooks.h"
#include "hooks/replay_store.h"

#define WORKER_ARENA_MAX (4u << 20)

struct replayer {
    struct hooks *hooks;
    struct db *db;
    pthread_t thread;
    bool is_running;
    struct replay_leg behind; /* where the last round ended */
    struct metric *queued;
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* CLOCK_MONOTONIC */
    bool is_stopping;      /* these two under the lock */
    bool is_woken;
};

/* --- one step --- */

struct step_job {
    struct writer_job job;
    struct hooks *hooks;
    struct replay_step step;
};

static enum err step_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct step_job *mine = container_of(job, struct step_job, job);
    return replay_step(mine->hooks, tx, &mine->step);
}

static enum err look(struct replayer *replayer, struct arena *arena, const struct replay_leg *leg,
                     struct replay_step *step)
{
    struct replay replay;
    struct endpoint endpoint;
    enum err err = replay_store_get(replayer->db, arena, leg->app_id, leg->replay_id, &replay);
    if (err)
        return err;
    struct replay_scan scan = {.replay = &replay,
                               .endpoint_id = leg->endpoint_id,
                               .position = leg->position,
                               .until_id = leg->until_id,
                               .now_ms = clock_now_ms()};
    err = endpoint_store_get(replayer->db, arena, leg->app_id, leg->endpoint_id, &endpoint);
    if (err == ERR_NOT_FOUND) { /* the writer will see that, too */
        step->from = step->position = leg->position;
        return ERR_OK;
    }
    scan.wanted_types = endpoint.event_types;
    scan.wanted_channels = endpoint.channels;
    return err ? err : replay_scan_next(replayer->db, &scan, step);
}

static enum err leg_step(struct replayer *replayer, const struct replay_leg *leg)
{
    struct arena arena;
    struct step_job mine = {.job = {.shard = leg->app_id, .apply = step_apply},
                            .hooks = replayer->hooks,
                            .step = {.app_id = leg->app_id,
                                     .replay_id = leg->replay_id,
                                     .endpoint_id = leg->endpoint_id}};
    arena_init(&arena, WORKER_ARENA_MAX);
    enum err err = look(replayer, &arena, leg, &mine.step);
    arena_release(&arena);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    return writer_run_internal(replayer->hooks->writer, &mine.job);
}

/* Others' writes wait: messages, and results of live deliveries. They go first. */
static bool must_yield(const struct replayer *replayer)
{
    struct writer_stats stats;
    writer_stats(replayer->hooks->writer, &stats);
    return stats.queue_length > REPLAY_YIELD_JOBS;
}

/* How long to wait for news before the next round. */
static int64_t round_once(struct replayer *replayer)
{
    struct replay_leg legs[REPLAY_ROUND_MAX];
    size_t count = 0, done = 0;
    if (!writer_is_steward(replayer->hooks->writer))
        return REPLAY_POLL_MS;
    bool is_whole = replayer->behind.app_id == 0;
    enum err err = replay_store_hungry(replayer->db, &replayer->behind, legs, &count);
    while (!err && done < count && !must_yield(replayer))
        err = leg_step(replayer, &legs[done++]);
    if (done > 0 && (done < count || count == REPLAY_ROUND_MAX))
        replayer->behind = legs[done - 1];
    else if (done == count)
        replayer->behind = (struct replay_leg){0};
    if (err && err != ERR_CLOSED)
        log_warn("a replay could not go on", "why=\"%s\"", err_name(err));
    if (err)
        return REPLAY_POLL_MS;
    if (done < count)
        return REPLAY_YIELD_MS;
    return count > 0 || !is_whole ? 0 : REPLAY_POLL_MS;
}

/* --- the thread --- */

/* False: stopping. */
static bool wait_for_turn(struct replayer *replayer, int64_t wait_ms)
{
    int64_t until_ns = clock_mono_ns() + wait_ms * 1000000;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    int result = wait_ms == 0 ? ETIMEDOUT : 0;
    (void)pthread_mutex_lock(&replayer->lock);
    while (!replayer->is_stopping && (!replayer->is_woken || wait_ms == REPLAY_YIELD_MS) &&
           result == 0)
        result = pthread_cond_timedwait(&replayer->wakeup, &replayer->lock, &until);
    replayer->is_woken = false;
    bool goes_on = !replayer->is_stopping;
    (void)pthread_mutex_unlock(&replayer->lock);
    return goes_on;
}

static void *replayer_main(void *ctx)
{
    struct replayer *replayer = ctx;
    int64_t wait_ms = 0;
    while (wait_for_turn(replayer, wait_ms))
        wait_ms = round_once(replayer);
    return NULL;
}

static void wake(struct replayer *replayer, bool stops)
{
    (void)pthread_mutex_lock(&replayer->lock);
    replayer->is_woken = true;
    replayer->is_stopping = replayer->is_stopping || stops;
    (void)pthread_cond_signal(&replayer->wakeup);
    (void)pthread_mutex_unlock(&replayer->lock);
}

struct wake_effect {
    struct replayer *replayer;
};

static void wake_run(void *data)
{
    struct wake_effect *effect = data;
    wake(effect->replayer, false);
}

enum err replayer_stage(struct replayer *replayer, struct writer_tx *tx)
{
    struct wake_effect *effect = writer_effect(tx, wake_run, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    effect->replayer = replayer;
    return ERR_OK;
}

void replayer_count(struct replayer *replayer, size_t queued)
{
    metric_add(replayer->queued, (int64_t)queued);
}

/* --- start and stop --- */

enum err replayer_new(struct hooks *hooks, struct replayer **ret_replayer)
{
    struct replayer *replayer = calloc(1, sizeof(*replayer));
    if (!replayer)
        return ERR_NOMEM;
    replayer->hooks = hooks;
    replayer->queued = metric_counter("foyer_hooks_replayed_total", NULL,
                                      "Deliveries that replays have queued again.");
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes); /* these cannot fail on Linux */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&replayer->wakeup, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&replayer->lock, NULL);
    *ret_replayer = replayer;
    return ERR_OK;
}

enum err replayer_start(struct replayer *replayer)
{
    enum err err = db_open(replayer->hooks->database_path, DB_ADMIN, &replayer->db);
    if (err)
        return err;
    if (pthread_create(&replayer->thread, NULL, replayer_main, replayer) != 0)
        return ERR_NOMEM;
    (void)pthread_setname_np(replayer->thread, "replayer"); /* a name is a convenience */
    replayer->is_running = true;
    return ERR_OK;
}

void replayer_stop(struct replayer *replayer)
{
    if (!replayer || !replayer->is_running)
        return;
    wake(replayer, true);
    (void)pthread_join(replayer->thread, NULL); /* ours and joinable */
    replayer->is_running = false;
}

void replayer_free(struct replayer *replayer)
{
    if (!replayer)
        return;
    replayer_stop(replayer);
    db_close(replayer->db);
    (void)pthread_cond_destroy(&replayer->wakeup); /* nobody waits */
    (void)pthread_mutex_destroy(&replayer->lock);
    free(replayer);
}
