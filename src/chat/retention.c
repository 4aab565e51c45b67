/*
 * See retention.h. A thread that sleeps; the jump of a test clock wakes it. Old days are not shown to
 * anybody meanwhile (chat_days), so when it runs is nobody's business but the disk's.
 */
#include "chat/retention.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "chat/days.h"
#include "chat/feed.h"

struct chat_sweeper {
    struct chat_service *chat;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* CLOCK_MONOTONIC */
    bool is_stopping;      /* these two under the lock */
    bool is_woken;
};

static enum err sweep_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job;
    enum err err = days_sweep(tx);
    return err ? err : feed_sweep(tx);
}

static void sweep(struct chat_sweeper *sweeper)
{
    struct writer *writer = sweeper->chat->writer;
    struct writer_job job = {.apply = sweep_apply};
    if (!writer_is_steward(writer))
        return; /* one node is enough */
    enum err err = writer_run_internal(writer, &job);
    if (err && err != ERR_CLOSED)
        log_warn("old chat messages stay", "err=%s", err_name(err));
}

/* False: stopping. */
static bool wait_for_turn(struct chat_sweeper *sweeper)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* always there */
    until.tv_sec += SWEEP_INTERVAL_S;
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

static void wake(struct chat_sweeper *sweeper, bool stops)
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

static void sweeper_free(struct chat_sweeper *sweeper)
{
    (void)pthread_cond_destroy(&sweeper->wakeup); /* nobody waits */
    (void)pthread_mutex_destroy(&sweeper->lock);
    free(sweeper);
}

enum err chat_retention_start(struct chat_service *chat, struct chat_sweeper **ret_sweeper)
{
    struct chat_sweeper *sweeper = calloc(1, sizeof(*sweeper));
    if (!sweeper)
        return ERR_NOMEM;
    sweeper->chat = chat;
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
    (void)pthread_setname_np(sweeper->thread, "chat-retention"); /* a name is a convenience */
    *ret_sweeper = sweeper;
    return ERR_OK;
}

void chat_retention_stop(struct chat_sweeper *sweeper)
{
    if (!sweeper)
        return;
    clock_unsubscribe(on_clock, sweeper);
    wake(sweeper, true);
    (void)pthread_join(sweeper->thread, NULL); /* ours and joinable */
    sweeper_free(sweeper);
}
