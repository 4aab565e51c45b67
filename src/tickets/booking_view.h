/* Bookings as the API shows them. */
#ifndef TICKETS_BOOKING_VIEW_H
#define TICKETS_BOOKING_VIEW_H

#include "tickets/booking_store.h"
#include "tickets/payment.h"

struct booking_view {
    const struct booking *booking;
    const struct event_model *model;       /* names of the places */
    const struct payment *payment;         /* NULL: none */
    const struct booking_refunds *refunds; /* NULL: none */
};

/* "held" ... "partially_refunded": the row's state, and what refund rows make of it. */
const char *booking_status(const struct booking *booking, const struct booking_refunds *refunds);
/* Its members "seats" and "areas", by name. */
void booking_write_places(struct json_writer *writer, const struct booking *booking,
                          const struct event_model *model);
/* The booking object. */
void booking_write(struct json_writer *writer, const struct booking_view *view);
/* Payment, refunds and JSON of one booking through any connection; the model comes from the caller.
 */
ERR_MUST_USE enum err booking_write_full(struct json_writer *writer, struct db *db,
                                         struct arena *arena, const struct booking *booking,
                                         const struct event_model *model);

#endif
