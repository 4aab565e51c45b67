/* Tickets: one per place of a confirmed booking; a code signed with Ed25519 that a scanner can
 * check without us. */
#ifndef TICKETS_TICKET_H
#define TICKETS_TICKET_H

#include "tickets/booking.h"

struct ticket {
    uint64_t event_id, id, booking_id;
    bool is_area;
    uint32_t seat_no, area_no;
    int64_t price;
    bool is_revoked;
    int64_t used_at;    /* 0: not used */
    uint64_t refund_id; /* 0: not refunded */
};

/* In booking_confirm's job: one row per place. */
ERR_MUST_USE enum err ticket_issue(struct writer_tx *tx, const struct booking *booking);
/* ERR_CONFLICT when it is revoked already or used. */
ERR_MUST_USE enum err ticket_revoke(struct writer_tx *tx, const struct ticket *ticket,
                                    uint64_t refund_id);
/* Tickets of a booking in id order; ret_tickets has room for BOOKING_PLACES_MAX (one per place). */
ERR_MUST_USE enum err ticket_list(struct db *db, uint64_t event_id, uint64_t booking_id,
                                  struct ticket *ret_tickets, size_t *ret_count);

#endif
