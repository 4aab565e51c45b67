/*
 * Bookings: the rules of hold, checkout, confirmation, expiry, cancellation, failure and reclaim.
 * Each transition is one function in one writer job; see booking.c for the state diagram.
 */
#ifndef TICKETS_BOOKING_H
#define TICKETS_BOOKING_H

#include "base/json.h"
#include "tickets/inventory.h"
#include "tickets/limits.h"

enum booking_state {
    BOOKING_HELD = 1,
    BOOKING_PAYMENT_PENDING = 2,
    BOOKING_CONFIRMED = 3,
    BOOKING_EXPIRED = 4,
    BOOKING_CANCELLED = 5,
    BOOKING_FAILED = 6,
};

struct booking_seat {
    uint32_t seat_no;
    int64_t price;
};

struct booking_area {
    uint32_t area_no;
    uint32_t quantity;
    int64_t price; /* each */
};

/* What a booking came from: keyed hashes (abuse.h). 0: not known. A booking without a network is
 * counted by no rule against bots. */
struct booking_origin {
    uint64_t device, network;         /* of the hold */
    uint64_t solution;                /* of the challenge that was solved for it */
    uint64_t pay_device, pay_network; /* of the checkout, where they are others */
    uint64_t card;
};

struct booking {
    uint64_t event_id, id, account_id;
    enum booking_state state;
    int64_t created_at, expires_at, ended_at; /* ended_at 0: open */
    int64_t amount;
    char currency[4];
    size_t seat_count, area_count;
    struct booking_seat seats[BOOKING_PLACES_MAX];
    struct booking_area areas[BOOKING_PLACES_MAX];
    bool has_moved_areas; /* by this job: areas_free says how many places each has now */
    int64_t areas_free[BOOKING_PLACES_MAX];
    uint32_t places;
    uint8_t key_hash[16], body_hash[16];
    int64_t extended_ms;
    struct booking_origin origin;
    uint32_t given_back;   /* places whose tickets were refunded */
    uint64_t admission_id; /* entry of the waiting room; 0: none was needed */
};

struct tickets;

/* ERR_NOT_FOUND. Any connection. */
ERR_MUST_USE enum err booking_load(struct db *db, uint64_t event_id, uint64_t booking_id,
                                   struct booking *ret_booking);

/* What was gone when a hold was tried. */
struct hold_conflicts {
    size_t seat_count, area_count;
    uint32_t seat_nos[BOOKING_PLACES_MAX];
    uint32_t area_nos[BOOKING_PLACES_MAX];
};

/* Takes all places or answers ERR_CONFLICT with the ones that are gone; then the job must be rolled
 * back. booking comes filled in but for its id, in state BOOKING_HELD. */
ERR_MUST_USE enum err booking_hold(struct tickets *tickets, struct writer_tx *tx,
                                   struct booking *booking, struct hold_conflicts *ret_conflicts);

/* After that conflict, in the same job: gives back what was taken, so that another choice may be held
 * instead. */
ERR_MUST_USE enum err booking_unhold(struct writer_tx *tx, const struct booking *booking,
                                     const struct hold_conflicts *conflicts);

/* Transitions: in a job's apply, on a booking just loaded in that job. They change rows, journal
 * and staged effects, and *booking. ERR_CONFLICT: the state forbids it (nothing was changed). */
ERR_MUST_USE enum err booking_start_payment(struct tickets *tickets, struct writer_tx *tx,
                                            struct booking *booking);
/* Held or pending, claims still its own: claims become booked, tickets are issued. payment_id 0:
 * free of charge. */
ERR_MUST_USE enum err booking_confirm(struct tickets *tickets, struct writer_tx *tx,
                                      struct booking *booking, uint64_t payment_id);
/* Expired or failed, and every place is still free: takes them back and confirms. ERR_CONFLICT: not
 * all free, or the state. The caller runs it in a nested attempt: on ERR_CONFLICT nothing is left
 * behind. */
ERR_MUST_USE enum err booking_reclaim(struct tickets *tickets, struct writer_tx *tx,
                                      struct booking *booking, uint64_t payment_id);
/* The provider says the payment failed for good. */
ERR_MUST_USE enum err booking_fail(struct tickets *tickets, struct writer_tx *tx,
                                   struct booking *booking);
/* The only transition that compares a time: ERR_CONFLICT unless expires_at <= now. was_asked: the
 * provider was asked about a pending payment and has no money (without it a pending booking is
 * ERR_AGAIN). */
ERR_MUST_USE enum err booking_expire(struct tickets *tickets, struct writer_tx *tx,
                                     struct booking *booking, bool was_asked);
ERR_MUST_USE enum err booking_cancel(struct tickets *tickets, struct writer_tx *tx,
                                     struct booking *booking);
/* Once, and at most HOLD_EXTENSION_MS_MAX: while the provider is proven down. */
ERR_MUST_USE enum err booking_extend(struct tickets *tickets, struct writer_tx *tx,
                                     struct booking *booking, int64_t by_ms);

#endif
