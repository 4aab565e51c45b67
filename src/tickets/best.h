/*
 * Best available: picks places of an event from its model.
 *
 * Seats of a run side by side, the run nearest to its category's focal point first (best_rows.h),
 * within it the seats nearest to that point. A party is split only where it may be: into as few
 * groups as possible, and rather in equal ones than so that somebody sits alone. While more than
 * BEST_STRICT_SHARE of a category's seats are free, none of them is left alone: free, with nobody's
 * free seat beside it. Places for wheelchairs are given to those who ask for them only, with their
 * companions beside them, and are never alone. Areas come after seats.
 *
 * Many ask for the same at the same moment. So what is picked is marked as being asked for, and who
 * picks meanwhile gets others; chosen seats are marked as well. A mark ends with its request. It
 * grants nothing: the claims decide, and the model may be behind them. Nor does it keep anything from
 * others for good: many who ask are refused in the end. Who finds nothing but what others ask for
 * waits for their turn at the writer, and there only what is given is in the way.
 *
 * Any thread, if nothing else is said. Reads memory only; a lock of the model is held for a search,
 * well below a millisecond.
 */
#ifndef TICKETS_BEST_H
#define TICKETS_BEST_H

#include "tickets/booking.h"
#include "tickets/inventory.h"

struct best_ask {
    uint32_t count;      /* 1 to BOOKING_PLACES_MAX */
    uint32_t accessible; /* so many of them for wheelchairs */
    bool has_category, has_section, may_split;
    uint32_t category_no, section_no;
};

/* What a mark says, and how much it is in the way. */
enum best_mark {
    BEST_ASKED = 1, /* a request under way asks for it */
    BEST_GIVEN =
        2 /* the transaction under way has claimed it, or the claims show that it is gone */
};

/* Marks of one request; all zero but for the model at first. */
struct best_marks {
    struct event_model *model;
    size_t seat_count, area_count;
    uint32_t seat_nos[BEST_MARKS_MAX];
    uint8_t seat_marks[BEST_MARKS_MAX]; /* enum best_mark: as set by this request */
    struct best_area {
        uint32_t index; /* in the model's areas */
        uint32_t quantity;
    } areas[BEST_MARKS_MAX];
};

struct best_places {
    size_t seat_count, area_count;
    uint32_t seat_nos[BOOKING_PLACES_MAX]; /* group by group */
    struct best_area areas[BOOKING_PLACES_MAX];
    uint32_t
        largest_group; /* of ERR_CONFLICT: how many places one could have had by the same rules */
};

/* Picks and marks, out of what nobody asks for. ERR_CONFLICT: there are no such places. ERR_AGAIN:
 * there are, but requests under way ask for them; the writer knows what they leave. */
ERR_MUST_USE enum err best_pick(const struct best_ask *ask, struct best_marks *marks,
                                struct best_places *ret_places);
/* The same in the writer's transaction of this number, and where there is nothing else, out of what
 * requests behind it ask for. ERR_CONFLICT. Writer's thread. */
ERR_MUST_USE enum err best_pick_now(const struct best_ask *ask, struct best_marks *marks,
                                    uint64_t group, struct best_places *ret_places);
/* The transaction has claimed these places, which the model does not show before its commit. Writer's
 * thread. */
void best_note_given(struct best_marks *marks, const struct booking *booking, uint64_t group);
/* Marks chosen seats, as far as nobody else's mark is there. */
void best_mark_seats(struct best_marks *marks, const struct booking *booking);
/* The same, unless others would be left alone: they go to ret_seat_nos, and their number is returned. */
size_t best_mark_strictly(struct best_marks *marks, const struct booking *booking,
                          uint32_t ret_seat_nos[static 2 * BOOKING_PLACES_MAX]);
/* Gives marks back, all but the oldest ones that are kept. */
void best_release(struct best_marks *marks, size_t kept_seats, size_t kept_areas);
/* The claims have shown that these places of the booking are gone; where other nodes sell, this
 * node's picks pass over the seats until its tail has told. Writer's thread. */
void best_note_gone(struct best_marks *marks, const struct booking *booking,
                    const struct hold_conflicts *conflicts, uint64_t group);
/* The same of one seat, as the claims are read; the model is of one node among several. */
void best_note_claimed(struct event_model *model, uint32_t seat_no, uint8_t state);

/* Seats that would be left alone if these were taken; as above. */
size_t best_left_alone(struct event_model *model, const struct booking *booking,
                       uint32_t ret_seat_nos[static 2 * BOOKING_PLACES_MAX]);

#endif
