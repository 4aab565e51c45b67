/*
 * See retention.h. A thread that sleeps; the jump of a test clock wakes it. Old days are not shown to
 * anybody meanwhile (ring_slots), so when it runs is nobody's business but the disk's.
 */
#include "hooks/retention.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "hooks/replay.h"
#include "hooks/ring.h"

struct sweeper {
    struct hooks *hooks;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* CLOCK_MONOTONIC */
    bool is_stopping;      /* these two under the lock */
    bool is_woken;
};

struct sweep_job {
    struct writer_job job;
    struct hooks *hooks;
};

static enum err sweep_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct sweep_job *mine = container_of(job, struct sweep_job, job);
    int64_t first_day = 0;
    enum err err = replay_sweep(mine->hooks, tx);
    if (!err)
        err = replay_first_day(tx->db, tx->now_ms, &first_day);
    return err ? err : ring_sweep_before(tx, first_day);
}

static void sweep(struct sweeper *sweeper)
{
    struct writer *writer = sweeper->hooks->writer;
    struct sweep_job mine = {.job = {.apply = sweep_apply}, .hooks = sweeper->hooks};
    if (!writer_is_steward(writer))
        return; /* one node is enough */
    enum err err = writer_run_internal(writer, &mine.job);
    if (err && err != ERR_CLOSED)
        log_warn("old messages stay", "err=%s", err_name(err));
}

/* False: stopping. */
static bool wait_for_turn(struct sweeper *sweeper)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* always there */
    until.tv_sec += RING_SWEEP_MS_MAX / 1000;
    int result = 0;
    (void)pthread_mutex_lock(&sweeper->lock);
    while (!sweeper->is_stopping && !sweeper->is_woken && result == 0)
        result = pthread_cond_timedwait(&sweeper->wakeup, &sweeper->lock, &until);
    sweeper->is_woken = false;
    bool goes_on = !sweeper->is_stopping;
    (void)pthread_mutex_unlock(&sweeper->lock);
    return goes_on;
}

static void *sweeper_main(void *ctx)
{
    do {
        sweep(ctx);
    } while (wait_for_turn(ctx));
    return NULL;
}

static void wake(struct sweeper *sweeper, bool stops)
{
    (void)pthread_mutex_lock(&sweeper->lock);
    sweeper->is_woken = true;
    sweeper->is_stopping = sweeper->is_stopping || stops;
    (void)pthread_cond_signal(&sweeper->wakeup);
    (void)pthread_mutex_unlock(&sweeper->lock);
}

static void on_clock(void *ctx)
{
    wake(ctx, false);
}

static void sweeper_free(struct sweeper *sweeper)
{
    (void)pthread_cond_destroy(&sweeper->wakeup); /* nobody waits */
    (void)pthread_mutex_destroy(&sweeper->lock);
    free(sweeper);
}

enum err retention_start(struct hooks *hooks, struct sweeper **ret_sweeper)
{
    struct sweeper *sweeper = calloc(1, sizeof(*sweeper));
    if (!sweeper)
        return ERR_NOMEM;
    sweeper->hooks = hooks;
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes); /* these cannot fail on Linux */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&sweeper->wakeup, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&sweeper->lock, NULL);
    enum err err = clock_subscribe(on_clock, sweeper);
    if (!err && pthread_create(&sweeper->thread, NULL, sweeper_main, sweeper) != 0) {
        clock_unsubscribe(on_clock, sweeper);
        err = ERR_NOMEM;
    }
    if (err) {
        sweeper_free(sweeper);
        return err;
    }
    (void)pthread_setname_np(sweeper->thread, "retention"); /* a name is a convenience */
    *ret_sweeper = sweeper;
    return ERR_OK;
}

void retention_stop(struct sweeper *sweeper)
{
    if (!sweeper)
        return;
    clock_unsubscribe(on_clock, sweeper);
    wake(sweeper, true);
    (void)pthread_join(sweeper->thread, NULL); /* ours and joinable */
    sweeper_free(sweeper);
}
