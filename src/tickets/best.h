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
 * grants nothing: the claims decide, and the model may be behind them.
 *
 * Any thread. Reads memory only; a lock of the model is held for a search, well below a millisecond.
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

/* Marks of one request; all zero but for the model at first. */
struct best_marks {
    struct event_model *model;
    size_t seat_count, area_count;
    uint32_t seat_nos[BEST_MARKS_MAX];
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

/* Picks and marks. ERR_CONFLICT: there are no such places. */
ERR_MUST_USE enum err best_pick(const struct best_ask *ask, struct best_marks *marks,
                                struct best_places *ret_places);
/* Marks chosen seats, as far as nobody else's mark is there. */
void best_mark_seats(struct best_marks *marks, const struct booking *booking);
/* The same, unless others would be left alone: they go to ret_seat_nos, and their number is returned. */
size_t best_mark_strictly(struct best_marks *marks, const struct booking *booking,
                          uint32_t ret_seat_nos[static 2 * BOOKING_PLACES_MAX]);
/* Gives marks back, all but the oldest ones that are kept. */
void best_release(struct best_marks *marks, size_t kept_seats, size_t kept_areas);
/* The claims have shown that these seats are gone; where other nodes sell, this node's picks pass
 * over them until its tail has told. */
void best_note_gone(struct event_model *model, const struct hold_conflicts *conflicts);

/* Seats that would be left alone if these were taken; as above. */
size_t best_left_alone(struct event_model *model, const struct booking *booking,
                       uint32_t ret_seat_nos[static 2 * BOOKING_PLACES_MAX]);

#endif
