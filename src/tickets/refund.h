/* Refunds: money that goes back, one row each, exactly once at the provider. See refund.c for the
 * states. */
#ifndef TICKETS_REFUND_H
#define TICKETS_REFUND_H

#include "tickets/payment.h"
#include "tickets/ticket.h"

enum refund_state {
    REFUND_PENDING = 0,
    REFUND_SUCCEEDED = 1,
    REFUND_REFUSED = 2, /* by the provider: needs a person */
};

struct refund {
    uint64_t event_id, id, booking_id, payment_id;
    struct str provider_ref; /* the capture that is given back */
    int64_t amount;
    char currency[4];
    char reason[24];
    enum refund_state state;
    struct str provider_refund_ref; /* STR_NONE while unknown */
    int64_t attempts, next_at;
};

/* ERR_NOT_FOUND. Texts are copied to the arena. */
ERR_MUST_USE enum err refund_load(struct db *db, uint64_t event_id, uint64_t refund_id,
                                  struct arena *arena, struct refund *ret_refund);

/* In a job's apply: what the provider says of a refund. Facts that change nothing are ERR_OK. */
ERR_MUST_USE enum err refund_apply(struct tickets *tickets, struct writer_tx *tx,
                                   struct refund *refund, enum provider_fact fact);
/* In a job's apply: what the worker's call brought, on the refund's row as it is now. */
struct provider_answer;
ERR_MUST_USE enum err refund_on_answer(struct tickets *tickets, struct writer_tx *tx,
                                       struct refund *refund, const struct provider_answer *answer);

/* In a job's apply: tickets of a confirmed booking are revoked, their places are free again, and
 * their price goes back. */
struct refund_order {
    const struct booking *booking;
    const struct payment *payment;
    struct ticket *tickets; /* of the booking, neither used nor revoked */
    size_t ticket_count;
    const char *reason; /* "requested", "event_cancelled" */
};
/* ERR_CONFLICT: nothing was paid for them, or a ticket is used or revoked. */
ERR_MUST_USE enum err refund_tickets(struct tickets *tickets, struct writer_tx *tx,
                                     const struct refund_order *order, struct refund *ret_refund);

#endif
