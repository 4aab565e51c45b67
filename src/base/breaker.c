/* The breaker's rules; the diagram is in breaker.h. */
#include "base/breaker.h"

void breaker_init(struct breaker *breaker, const struct breaker_limits *limits)
{
    *breaker =
        (struct breaker){.limits = limits, .state = BREAKER_CLOSED, .pause_ms = limits->pause_ms};
}

/* The only place where the state moves. */
static void breaker_set_state(struct breaker *breaker, enum breaker_state state, int64_t until_ms)
{
    breaker->state = state;
    breaker->until_ms = until_ms;
    if (state == BREAKER_CLOSED)
        breaker_init(breaker, breaker->limits);
}

enum breaker_pass breaker_allow(struct breaker *breaker, int64_t now_ms)
{
    if (breaker->state == BREAKER_CLOSED)
        return BREAKER_NORMAL;
    if (now_ms < breaker->until_ms)
        return BREAKER_REFUSED;
    breaker_set_state(breaker, BREAKER_HALF_OPEN, now_ms + breaker->limits->probe_ms);
    return BREAKER_PROBE;
}

static uint32_t failed_in_window(const struct breaker *breaker)
{
    uint32_t mask = (1u << BREAKER_WINDOW) - 1;
    return (uint32_t)__builtin_popcount(breaker->window & mask);
}

static void window_add(struct breaker *breaker, bool is_good)
{
    breaker->window = (breaker->window << 1) | (is_good ? 0u : 1u);
    if (breaker->window_len < BREAKER_WINDOW)
        breaker->window_len++;
    breaker->failures = is_good ? 0 : breaker->failures + 1;
}

static void record_probe(struct breaker *breaker, bool is_good, int64_t now_ms)
{
    if (is_good) {
        breaker_set_state(breaker, BREAKER_CLOSED, 0);
        return;
    }
    breaker->pause_ms *= 2;
    if (breaker->pause_ms > breaker->limits->pause_max_ms)
        breaker->pause_ms = breaker->limits->pause_max_ms;
    breaker_set_state(breaker, BREAKER_OPEN, now_ms + breaker->pause_ms);
}

void breaker_record(struct breaker *breaker, enum breaker_pass pass, bool is_good, int64_t now_ms)
{
    if (breaker->state != BREAKER_CLOSED) {
        if (breaker->state == BREAKER_HALF_OPEN && pass == BREAKER_PROBE)
            record_probe(breaker, is_good, now_ms);
        return;
    }
    window_add(breaker, is_good);
    bool is_full = breaker->window_len == BREAKER_WINDOW;
    bool is_half_bad = is_full && !is_good && failed_in_window(breaker) >= BREAKER_WINDOW / 2;
    if (breaker->failures >= breaker->limits->failures || is_half_bad)
        breaker_set_state(breaker, BREAKER_OPEN, now_ms + breaker->pause_ms);
}

void breaker_give_back(struct breaker *breaker, enum breaker_pass pass)
{
    if (breaker->state == BREAKER_HALF_OPEN && pass == BREAKER_PROBE)
        breaker->until_ms = 0;
}
