/*
 * The clock door: all time comes through here. Wall time may be moved forward by a test
 * (clock_advance_ms); the monotonic clock, for latencies and deadlines of real I/O, never is. Any
 * thread.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/buf.h"

/* Milliseconds since 1970-01-01 UTC; never goes back within a process. */
int64_t clock_now_ms(void);
/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t clock_mono_ns(void);
/* Test clock only. Wakes every subscriber after the jump. */
void clock_advance_ms(int64_t delta_ms);
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
