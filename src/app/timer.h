/*
 * Work that comes again: one thread runs all such jobs, one after the other, each at its own interval. For what
 * nobody waits for (old keys, old days, garbage); a job may wait for a writer, and the others wait for it.
 *
 * The jump of a test clock makes every job due at once.
 *
 * Threads: timer_add is for any; new, stop and free belong to the owner. Jobs run on the timer's thread.
 */
#ifndef APP_TIMER_H
#define APP_TIMER_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define TIMER_JOBS_MAX 16

struct timer;

struct timer_job {
    void (*run)(struct timer *timer, void *ctx);
    void *ctx; /* valid until timer_stop */
    int64_t interval_ms;
    bool runs_at_once; /* for the first time; otherwise after the interval */
};

ERR_MUST_USE enum err timer_new(struct timer **ret_timer);
/* ERR_FULL: TIMER_JOBS_MAX are there. */
ERR_MUST_USE enum err timer_add(struct timer *timer, const struct timer_job *job);
/* What a job of many steps asks between them. */
bool timer_is_stopping(const struct timer *timer);
/* No job runs when it returns, nor later. */
void timer_stop(struct timer *timer);
void timer_free(struct timer *timer); /* stops it; NULL is fine */

#endif
