/* The rules of windows; what they are stands in window.h. */
#include "hooks/window.h"

#include "hooks/limits.h"

#define NS_PER_MS INT64_C(1000000)
#define SMOOTHING 8 /* answers that what is usual looks back on, about */

void window_init(struct window *window)
{
    *window = (struct window){.size = DISPATCH_WINDOW};
}

void window_begin(struct window *window, int64_t now_ns)
{
    window->heard_ns = now_ns;
}

/* With more under way than the narrow window an answer only shows when far less has become usual. */
static void learn_usual(struct window *window, const struct window_answer *answer)
{
    bool is_narrow = answer->beside <= DISPATCH_WINDOW_NARROW;
    if (window->usual_us == 0)
        window->usual_us = answer->took_us;
    else if (is_narrow || answer->took_us < window->usual_us / 2)
        window->usual_us += (answer->took_us - window->usual_us) / SMOOTHING;
}

static void grow(struct window *window, const struct window_answer *answer)
{
    bool is_used = answer->beside > window->size / 2;
    bool is_unused = answer->beside < window->size / 4;
    if (window->size < DISPATCH_WINDOW_NARROW)
        window->size++;
    else if (answer->took_us > 2 * window->usual_us)
        window->size -= window->size > DISPATCH_WINDOW_NARROW + 1 ? 2 : 0;
    else if (is_used && window->size < DISPATCH_WINDOW_WIDE)
        window->size++;
    else if (is_unused && window->size > DISPATCH_WINDOW_NARROW)
        window->size--;
}

/* It waited long, and nothing at all has succeeded meanwhile. */
static bool is_lost(const struct window *window, const struct window_answer *answer)
{
    return answer->took_us > DISPATCH_STALL_MS * 1000 &&
           window->good_ns < answer->now_ns - answer->took_us * 1000;
}

void window_record(struct window *window, const struct window_answer *answer)
{
    window->heard_ns = answer->now_ns;
    if (answer->end == WINDOW_GOOD) {
        if (answer->took_us <= DISPATCH_STALL_MS * 1000)
            window->prompt_ns = answer->now_ns;
        window->good_ns = answer->now_ns;
        learn_usual(window, answer);
        grow(window, answer);
    } else if (answer->end == WINDOW_STUCK && is_lost(window, answer)) {
        window->size = 1;
    } else if (window->size > DISPATCH_WINDOW_NARROW) {
        window->size = DISPATCH_WINDOW_NARROW;
    } else if (answer->end == WINDOW_STUCK && window->size > 1) {
        window->size /= 2;
    }
}

bool window_is_silent(const struct window *window, int64_t now_ns)
{
    int64_t patience_ns = 2 * window->usual_us * 1000;
    if (patience_ns < DISPATCH_STALL_MS * NS_PER_MS)
        patience_ns = DISPATCH_STALL_MS * NS_PER_MS;
    return now_ns - window->heard_ns > patience_ns;
}

bool window_is_prompt(const struct window *window, int64_t now_ns)
{
    return window->prompt_ns && now_ns - window->prompt_ns < DISPATCH_PROVEN_MS * NS_PER_MS;
}

size_t window_share(const struct window_room *room)
{
    if (room->left == 0 || room->app_left == 0)
        return 0;
    size_t free = room->left > DISPATCH_RESERVE ? room->left - DISPATCH_RESERVE : 0;
    size_t app_free =
        room->app_left > DISPATCH_APP_RESERVE ? room->app_left - DISPATCH_APP_RESERVE : 0;
    size_t share = free / DISPATCH_SHARE, app_share = app_free / DISPATCH_APP_SHARE;
    share = app_share < share ? app_share : share;
    bool has_one = free > 0 || room->is_prompt;
    return share == 0 && has_one ? 1 : share;
}
