/*
 * A circuit breaker: stops calling somebody who is proven down, and lets a probe through now and
 * then.
 *
 *   CLOSED ──(limits.failures in a row, or half of the last BREAKER_WINDOW calls)──▶ OPEN
 *   OPEN ──(pause is over)──▶ HALF_OPEN, one probe at a time ──(good)──▶ CLOSED
 *                                └──(bad)──▶ OPEN, with a pause twice as long
 *
 * Pure: time is given. Not thread-safe: its owner has a lock.
 */
#ifndef BASE_BREAKER_H
#define BASE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_WINDOW 20

struct breaker_limits {
    uint32_t failures; /* in a row */
    int64_t pause_ms;  /* the first one */
    int64_t pause_max_ms;
    int64_t probe_ms; /* a probe that was never answered for counts as lost after this */
};

enum breaker_state {
    BREAKER_CLOSED,
    BREAKER_OPEN,
    BREAKER_HALF_OPEN
};

struct breaker {
    const struct breaker_limits *limits; /* outlive it */
    enum breaker_state state;
    uint32_t failures;   /* in a row */
    uint32_t window;     /* one bit a call, newest lowest; 1: failed */
    uint32_t window_len; /* calls in it */
    int64_t pause_ms;
    int64_t until_ms; /* OPEN: no call before; HALF_OPEN: no other probe before */
};

void breaker_init(struct breaker *breaker, const struct breaker_limits *limits);
enum breaker_pass {
    BREAKER_REFUSED, /* no call now */
    BREAKER_NORMAL,
    BREAKER_PROBE, /* allowed, as the one probe */
};

/* May a call go out now? */
enum breaker_pass breaker_allow(struct breaker *breaker, int64_t now_ms);
/* How a call ended that went out with that pass. While it is down only a probe's answer counts:
 * others left before it opened. */
void breaker_record(struct breaker *breaker, enum breaker_pass pass, bool is_good, int64_t now_ms);
/* A call that was allowed did not go out after all. */
void breaker_give_back(struct breaker *breaker, enum breaker_pass pass);
/* Proven down: open, or probing. */
static inline bool breaker_is_down(const struct breaker *breaker)
{
    return breaker->state != BREAKER_CLOSED;
}

#endif
