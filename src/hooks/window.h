/*
 * How many requests may be under way to one endpoint, and when it counts as silent. Pure: time is
 * given. One thread.
 *
 * The window begins with DISPATCH_WINDOW and grows with each success to DISPATCH_WINDOW_NARROW. It
 * grows on, to DISPATCH_WINDOW_WIDE, while more than half of it is used and answers take at most twice
 * as long as they usually do when no more than the narrow window is under way. So an endpoint that is
 * slow and can do much at once has it, and one that more at once only makes slower goes back: two for each
 * answer that took longer. What it does not use it loses, too. Whoever is stuck (a time-out, a refused connection, 429, 503) has half; and
 * one of which nothing has succeeded while a request waited in vain has a single one, until it answers.
 */
#ifndef HOOKS_WINDOW_H
#define HOOKS_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window {
    size_t size;
    int64_t
        usual_us; /* an answer takes, with no more than the narrow window under way; 0: unknown */
    int64_t
        heard_ns;    /* the last answer or failure, or the first request since none was under way */
    int64_t good_ns; /* the last success */
    int64_t prompt_ns; /* the last success that came within DISPATCH_STALL_MS */
};

enum window_end {
    WINDOW_GOOD,
    WINDOW_BAD,
    WINDOW_STUCK,
};

struct window_answer {
    enum window_end end;
    int64_t took_us, now_ns;
    size_t beside; /* under way when it was sent, with it */
};

void window_init(struct window *window);
/* The first request since none was under way. */
void window_begin(struct window *window, int64_t now_ns);
void window_record(struct window *window, const struct window_answer *answer);
/* While something is under way: nothing has come back for DISPATCH_STALL_MS, or for twice as long as
 * an answer usually takes, if that is more. */
bool window_is_silent(const struct window *window, int64_t now_ns);
/* It has answered within DISPATCH_PROVEN_MS, and at once. */
bool window_is_prompt(const struct window *window, int64_t now_ns);

/* How many places there still are: for all, and for the endpoints of its application. */
struct window_room {
    size_t left, app_left;
    bool is_prompt;
};
/* So many of them one endpoint may have under way, whatever its window: a part of what is left, so
 * that the more hold on to theirs the less each has. The last ones are for endpoints that have nothing
 * under way, one each: of an application so many that all of its endpoints have one, of all
 * DISPATCH_RESERVE for those that are prompt. */
size_t window_share(const struct window_room *room);

#endif
