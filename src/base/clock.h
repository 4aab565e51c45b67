/*
 * The clock door: all time comes through here. Wall time may be moved forward by a test
 * (clock_advance_ms); the monotonic clock, for latencies and deadlines of real I/O, never is. Any
 * thread.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/buf.h"

/* Milliseconds since 1970-01-01 UTC; never goes back within a process (but see clock_follow). */
int64_t clock_now_ms(void);
/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t clock_mono_ns(void);
/* From now on this process keeps the time of another clock, as this reading says; called again with
 * each new one. A clock that is right within the reading's own error is left alone. Time goes back
 * only when the other clock is more than CLOCK_BACK_MS_MAX behind. A move by more than that wakes every
 * subscriber. Returns by how much time has moved. One thread at a time. */
struct clock_reading {
    int64_t other_ms;  /* what the other clock showed */
    int64_t mono_ns;   /* when the monotonic clock showed this, */
    int64_t within_ms; /* give or take so much */
};
#define CLOCK_BACK_MS_MAX 1000
int64_t clock_follow(const struct clock_reading *reading);
/* Back to this machine's clock, whatever it shows; for tests. */
void clock_follow_own(void);
/* Test clock only. Wakes every subscriber after the jump. */
void clock_advance_ms(int64_t delta_ms);
/* By how much all jumps together have moved this process's time: to be added to what another clock
 * says, as clock_now_ms does. */
int64_t clock_jumps_ms(void);
/* fn(ctx) runs on the thread that advances the clock; timers use it to wake up. At most
 * CLOCK_SUBSCRIBERS_MAX. It must not subscribe, unsubscribe or advance itself. */
#define CLOCK_SUBSCRIBERS_MAX 16
ERR_MUST_USE enum err clock_subscribe(void (*fn)(void *ctx), void *ctx);
void clock_unsubscribe(void (*fn)(void *ctx), void *ctx);

/* RFC 3339, UTC, milliseconds: "2026-01-31T20:00:00.000Z" (24 characters). */
#define CLOCK_TEXT_SIZE 25
void clock_format(int64_t at_ms, char ret_text[static CLOCK_TEXT_SIZE]);
/* RFC 3339 with any offset and 0-9 fractional digits; ERR_INVALID otherwise. Years 1970-2199. */
ERR_MUST_USE enum err clock_parse(struct str text, int64_t *ret_at_ms);

#endif
