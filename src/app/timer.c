/* See timer.h. Jobs are only ever added, so an entry that the thread has seen stays as it is. */
#include "app/timer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"

struct entry {
    struct timer_job job;
    int64_t due_ns; /* monotonic; under the lock */
};

struct timer {
    pthread_t thread;
    bool is_running; /* the owner's */
    _Atomic bool is_stopping;
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* CLOCK_MONOTONIC */
    struct entry entries[TIMER_JOBS_MAX];
    size_t count; /* under the lock */
};

/* Under the lock: the entry that is due first; NULL: there is none. */
static struct entry *first_due(struct timer *timer)
{
    struct entry *first = NULL;
    for (size_t i = 0; i < timer->count; i++) {
        if (!first || timer->entries[i].due_ns < first->due_ns)
            first = &timer->entries[i];
    }
    return first;
}

/* Under the lock: until something changes or this time has come. */
static void wait_until(struct timer *timer, int64_t due_ns)
{
    struct timespec until = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000};
    (void)pthread_cond_timedwait(&timer->wakeup, &timer->lock, &until); /* the caller looks again */
}

/* The next job to run, when it is due; NULL: stopping. */
static struct entry *next(struct timer *timer)
{
    struct entry *entry = NULL;
    (void)pthread_mutex_lock(&timer->lock);
    while (!timer_is_stopping(timer)) {
        entry = first_due(timer);
        if (!entry)
            (void)pthread_cond_wait(&timer->wakeup, &timer->lock);
        else if (entry->due_ns > clock_mono_ns())
            wait_until(timer, entry->due_ns);
        else
            break;
    }
    if (timer_is_stopping(timer))
        entry = NULL;
    else if (entry)
        entry->due_ns = clock_mono_ns() + entry->job.interval_ms * 1000000;
    (void)pthread_mutex_unlock(&timer->lock);
    return entry;
}

static void *timer_main(void *ctx)
{
    struct timer *timer = ctx;
    for (struct entry *entry = next(timer); entry; entry = next(timer))
        entry->job.run(timer, entry->job.ctx);
    return NULL;
}

static void on_clock(void *ctx)
{
    struct timer *timer = ctx;
    (void)pthread_mutex_lock(&timer->lock);
    for (size_t i = 0; i < timer->count; i++)
        timer->entries[i].due_ns = 0;
    (void)pthread_cond_signal(&timer->wakeup);
    (void)pthread_mutex_unlock(&timer->lock);
}

enum err timer_add(struct timer *timer, const struct timer_job *job)
{
    enum err err = ERR_FULL;
    (void)pthread_mutex_lock(&timer->lock);
    if (timer->count < TIMER_JOBS_MAX) {
        int64_t wait_ns = job->runs_at_once ? 0 : job->interval_ms * 1000000;
        timer->entries[timer->count++] = (struct entry){*job, clock_mono_ns() + wait_ns};
        err = ERR_OK;
    }
    (void)pthread_cond_signal(&timer->wakeup);
    (void)pthread_mutex_unlock(&timer->lock);
    return err;
}

bool timer_is_stopping(const struct timer *timer)
{
    return atomic_load(&timer->is_stopping);
}

enum err timer_new(struct timer **ret_timer)
{
    struct timer *timer = calloc(1, sizeof(*timer));
    if (!timer)
        return ERR_NOMEM;
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes); /* these cannot fail on Linux */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&timer->wakeup, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&timer->lock, NULL);
    enum err err = clock_subscribe(on_clock, timer);
    if (!err && pthread_create(&timer->thread, NULL, timer_main, timer) != 0) {
        clock_unsubscribe(on_clock, timer);
        err = ERR_NOMEM;
    }
    if (err) {
        timer_free(timer);
        return err;
    }
    timer->is_running = true;
    (void)pthread_setname_np(timer->thread, "timer"); /* a name is a convenience */
    *ret_timer = timer;
    return ERR_OK;
}

void timer_stop(struct timer *timer)
{
    if (!timer->is_running)
        return;
    clock_unsubscribe(on_clock, timer);
    (void)pthread_mutex_lock(&timer->lock);
    atomic_store(&timer->is_stopping, true);
    (void)pthread_cond_signal(&timer->wakeup);
    (void)pthread_mutex_unlock(&timer->lock);
    (void)pthread_join(timer->thread, NULL); /* ours and joinable */
    timer->is_running = false;
}

void timer_free(struct timer *timer)
{
    if (!timer)
        return;
    timer_stop(timer);
    (void)pthread_cond_destroy(&timer->wakeup); /* nobody waits */
    (void)pthread_mutex_destroy(&timer->lock);
    free(timer);
}
