/*
 * Payments: the money's own state machine, apart from the booking's. See payment.c for the diagram
 * and for what each meeting of the two does. Providers sit behind struct provider.
 */
#ifndef TICKETS_PAYMENT_H
#define TICKETS_PAYMENT_H

#include "net/http_client.h"
#include "tickets/booking.h"

enum payment_state {
    PAYMENT_CREATING = 1, /* the worker shall open a session at the provider */
    PAYMENT_OPEN = 2,     /* the buyer can pay at url */
    PAYMENT_SUCCEEDED = 3,
    PAYMENT_FAILED = 4,
    PAYMENT_CLOSED = 5, /* we closed the session, no money came */
};

struct payment {
    uint64_t event_id, id, booking_id;
    enum payment_state state;
    int64_t amount, captured, refunded;
    char currency[4];
    char provider[16];
    struct str session_ref, url, provider_ref; /* arena; STR_NONE while unknown */
    bool is_close_wanted;
    int64_t attempts, next_at;
};

/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err payment_load(struct db *db, uint64_t event_id, uint64_t payment_id,
                                   struct arena *arena, struct payment *ret_payment);
ERR_MUST_USE enum err payment_load_by_booking(struct db *db, uint64_t event_id, uint64_t booking_id,
                                              struct arena *arena, struct payment *ret_payment);
/* Row in CREATING, due at once; wakes the worker after the commit. Called by booking_start_payment.
 */
ERR_MUST_USE enum err payment_create(struct tickets *tickets, struct writer_tx *tx,
                                     const struct booking *booking);
/* The booking ended without it: the session shall be closed at the provider. Nothing to do without
 * a payment. */
ERR_MUST_USE enum err payment_want_close(struct tickets *tickets, struct writer_tx *tx,
                                         uint64_t event_id, uint64_t booking_id);

/* What a provider said, by callback or when asked; the same path for both. */
enum provider_fact {
    FACT_OPEN,
    FACT_SUCCEEDED,
    FACT_FAILED,
    FACT_REFUND_SUCCEEDED,
    FACT_REFUND_FAILED,
    FACT_IGNORED
};
struct provider_event {
    struct str provider;
    struct str event_ref; /* provider's event id; STR_NONE when asked */
    enum provider_fact fact;
    uint64_t event_id,
        payment_id; /* from our own reference in the provider's object; 0: find by session_ref */
    struct str session_ref, provider_ref;
    uint64_t refund_id; /* FACT_REFUND_* */
    int64_t amount;
    char currency[4]; /* upper case */
    struct str card;  /* what the provider calls the card or account; STR_NONE: it says nothing */
    bool is_card_elsewhere; /* the status question tells the card, and this does not */
    int64_t signed_at_ms;
};
/* In a job's apply: records the provider's event once and moves both machines. A duplicate is
 * ERR_OK and changes nothing. */
ERR_MUST_USE enum err payment_apply(struct tickets *tickets, struct writer_tx *tx,
                                    const struct provider_event *event);

/* Asks for money back: a refund row, due at once, counted in payment.refunded (the CHECK refuses
 * more than was captured: ERR_CONFLICT). reason: static text. ret_refund_id may be NULL. */
ERR_MUST_USE enum err refund_request(struct tickets *tickets, struct writer_tx *tx,
                                     const struct payment *payment, struct str provider_ref,
                                     int64_t amount, const char *reason, uint64_t *ret_refund_id);

/* The worker: one thread (the HTTP client's); due rows are found by the payment_due and refund_due
 * indexes. */
struct payments;
ERR_MUST_USE enum err payments_start(struct tickets *tickets, struct payments **ret_payments);
void payments_wake(struct payments *payments); /* any thread, cheap */
/* A pending booking's time is up: ask the provider, then apply the answer, expire or extend. Any
 * thread; at most one per booking at a time. */
void payments_booking_due(struct payments *payments, uint64_t event_id, uint64_t booking_id);
void payments_stop(struct payments *payments);

#endif
