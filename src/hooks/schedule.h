/*
 * When a delivery is tried again, and when no more. Pure: time and chance are given.
 *
 * Attempt n (from 1) is due delays[n-1] after the one before it ended, the first delays[0] after the
 * message came, each with up to SCHEDULE_JITTER_PERCENT more. All of it ends SCHEDULE_MS_MAX after the
 * message: an attempt that would be due later, by jitter, a receiver's Retry-After or because the ones
 * before took long, is due SCHEDULE_MARGIN_MS before the end, as the last one. What is over without
 * success is a dead letter.
 */
#ifndef HOOKS_SCHEDULE_H
#define HOOKS_SCHEDULE_H

#include "base/err.h"
#include "hooks/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_MARGIN_MS          (5 * 60 * INT64_C(1000))
#define SCHEDULE_JITTER_PERCENT     10
#define SCHEDULE_RETRY_AFTER_MS_MAX (8 * 60 * 60 * INT64_C(1000)) /* of what a receiver may ask */

struct schedule {
    int64_t delays_ms[ATTEMPTS_MAX];
    size_t count;
};

/* 0, 5 s, 30 s, 2 m, 10 m, 30 m, 1 h, 2 h, 3 h, 4 h, 5 h, 8 h */
extern const struct schedule schedule_default;

/* An owner's own: 1 to 12 delays, none negative, together at most 24 h. */
bool schedule_is_valid(const struct schedule *schedule);

struct schedule_step {
    int64_t started_ms;     /* the message came, or was sent anew by hand */
    int64_t now_ms;         /* the last attempt has just ended */
    size_t attempts;        /* so many were made */
    int64_t retry_after_ms; /* what the receiver asked for, 0: nothing */
    uint64_t chance;        /* any 64 bits */
};

/* When the next attempt is due. False: there is none, a dead letter. */
bool schedule_next(const struct schedule *schedule, const struct schedule_step *step,
                   int64_t *ret_due_ms);
/* The 24 hours are over: a dead letter, whatever else. */
static inline bool schedule_is_over(int64_t started_ms, int64_t now_ms)
{
    return now_ms - started_ms > SCHEDULE_MS_MAX;
}

#endif
