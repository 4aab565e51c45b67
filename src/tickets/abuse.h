/*
 * The defence against bots (docs/design/onsale.md): what a person may hold and buy is counted
 * together with what others do who are likely the same person. Everything is counted from the rows
 * of bookings in the transaction that grants, so neither a restart nor a second node changes it.
 *
 * A cluster is all that hangs together by accounts, devices (of holds and of checkouts) and cards of
 * an event's open holds and bookings. Counting stops at the cap, so it costs no more than a cap has
 * places.
 *
 * Who sells the event, or runs the site, is not asked: a box office is no bot. Such bookings have no
 * network, and count for nobody.
 */
#ifndef TICKETS_ABUSE_H
#define TICKETS_ABUSE_H

#include "app/problem.h"
#include "tickets/abuse_store.h"
#include "tickets/challenge.h"
#include "tickets/tickets.h"

/* What a request says of itself, found before its transaction. */
struct abuse_guard {
    bool is_counted;          /* false: nothing is asked */
    uint64_t device, network; /* origin.h */
    enum challenge_verdict verdict;
    uint64_t solution; /* CHALLENGE_SOLVED: of which challenge */
};

/* Registers the figures; at start. */
void abuse_init(void);
/* Gives a browser that has none its device's cookie (app_on_answer); ctx: struct tickets. */
void abuse_give_device(void *ctx, struct request *request);
/* Fills the guard. event_id and organizer: of the event the request is about. Any thread. */
void abuse_prepare(struct call *call, const struct event *event, struct abuse_guard *ret_guard);
/* False: a challenge is due for every hold of this event and was not solved; answered. For requests
 * that are certainly new. */
bool abuse_is_solved(struct call *call, const struct event *event, const struct abuse_guard *guard);

/* --- In apply --- */

/* Lets the reads go ahead; the guard is counted. abuse_hold or abuse_store_drop must follow. */
ERR_MUST_USE enum err abuse_send(struct writer_tx *tx, const struct booking *booking,
                                 struct abuse_reads *ret_reads);
/* May this hold be made? booking has its places and whom it is for; origin and expires_at are
 * set here. False: a refusal was answered, or *ret_err is set. */
bool abuse_hold(struct call *call, struct writer_tx *tx, const struct event *event,
                const struct abuse_guard *guard, const struct abuse_reads *reads,
                struct booking *booking, enum err *ret_err);
/* Where the hold comes from, for sending and counting. */
void abuse_mark(const struct abuse_guard *guard, struct booking *booking);
/* May this hold be paid? Counts the cluster again, by what it has paid for or is paying, and notes
 * where the checkout comes from. False: a refusal was answered, or *ret_err is set. */
bool abuse_checkout(struct call *call, struct writer_tx *tx, const struct event *event,
                    const struct abuse_guard *guard, struct booking *booking, enum err *ret_err);
/* The defence is off, and the booking goes on without being counted: then it counts for nobody from now
 * on, as those that are made meanwhile. */
ERR_MUST_USE enum err abuse_forget(struct writer_tx *tx, struct booking *booking);
/* Money for the booking came from this card, as the provider calls it: notes it, and says whether the
 * card has bought its share of the event without this. */
ERR_MUST_USE enum err abuse_card(struct tickets *tickets, struct writer_tx *tx, struct str provider,
                                 struct str card, struct booking *booking, bool *ret_is_over);
/* Whether account, cluster or network have what they may have without this booking, whose hold has ended. */
ERR_MUST_USE enum err abuse_is_over(struct writer_tx *tx, const struct event *event,
                                    const struct booking *booking, bool *ret_is_over);

#endif
