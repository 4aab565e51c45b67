/* When people in a waiting room are to ask again. */
#ifndef TICKETS_QUEUE_POLL_H
#define TICKETS_QUEUE_POLL_H

#include "tickets/queue_room.h"

/* What a person is told depends on. */
struct queue_poll {
    const struct queue_settings *settings;
    const struct queue_sight *sight;
    int64_t onsale_at, now_ms;
};

/*
 * Milliseconds until the next question. People who wait in one room ask at most QUEUE_POLLS_PER_S
 * times a second together, however many they are, also when the sale begins; the next ones to be let
 * in ask every second. Nobody asks so seldom that more than half of an admission, or of the time for
 * which one may be quiet, is over before it is noticed; that comes first.
 */
int64_t queue_poll_after(const struct queue_poll *poll);

/*
 * The same for somebody without a place, who only wants to know how the room is; opens_in_ms: until
 * one may come, 0 or less: one may, or the room is not used. When it opens they come one after the
 * other, over a twentieth of the time for which one may come before the sale, 3 to 30 s: where there
 * is a draw nobody loses anything by that.
 */
int64_t queue_poll_room_after(const struct queue_settings *settings, int64_t opens_in_ms,
                              int64_t people);

#endif
