/* A hold as the client asks for it, checked against the event's model: what POST /v1/bookings
 * decodes. */
#ifndef TICKETS_HOLD_REQUEST_H
#define TICKETS_HOLD_REQUEST_H

#include "tickets/booking.h"
#include "tickets/inventory.h"

struct hold_body {
    struct str event_id;
    struct json_strs seat_ids;
    bool has_seat_ids;
    struct json_node *areas;
    bool has_areas;
};

extern const struct json_field hold_body_fields[];

/* Fills the booking's places, amount and currency. ERR_INVALID: errors name the fields. ERR_LIMIT:
 * more places than the event lets one booking have (errors has the field too). Any thread. */
ERR_MUST_USE enum err hold_resolve(const struct hold_body *body, const struct event_model *model,
                                   struct booking *booking, struct field_errors *errors);
/* Seats that the read model shows as taken; only a hint. */
size_t hold_taken_seats(const struct event_model *model, const struct booking *booking,
                        struct hold_conflicts *ret_conflicts);

#endif
