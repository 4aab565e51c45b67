/* A hold as the client asks for it, checked against the event's model: what POST /v1/bookings
 * decodes. */
#ifndef TICKETS_HOLD_REQUEST_H
#define TICKETS_HOLD_REQUEST_H

#include "tickets/best.h"
#include "tickets/booking.h"
#include "tickets/inventory.h"

struct hold_body {
    struct str event_id;
    struct json_strs seat_ids;
    bool has_seat_ids;
    struct json_node *areas;
    bool has_areas;
    struct json_node *best_available;
    bool has_best;
};

extern const struct json_field hold_body_fields[];

/* Fills the booking's places, amount and currency. ERR_INVALID: errors name the fields. ERR_LIMIT:
 * more places than the event lets one booking have (errors has the field too). Who asks for the best
 * available ones has their number in the booking and the rest in ret_ask, whose count is 0 for who
 * doesn't. Any thread. */
ERR_MUST_USE enum err hold_resolve(const struct hold_body *body, const struct event_model *model,
                                   struct booking *booking, struct best_ask *ret_ask,
                                   struct field_errors *errors);
/* The booking's places are these from now on, with their prices. */
void hold_set_places(struct booking *booking, const struct event_model *model,
                     const struct best_places *places);
/* Seats that the read model shows as taken; only a hint. */
size_t hold_taken_seats(const struct event_model *model, const struct booking *booking,
                        struct hold_conflicts *ret_conflicts);

#endif
