/*
 * The waiting room's rules: each is one step of a writer job. queue.c has the states, the invariants
 * and what keeps them.
 *
 * Who does what: queue_http.c joins and leaves, queue_gate.c asks for admissions, booking.c says
 * what becomes of holds, queue_steward.c closes, places, admits and lapses. What any of them did is
 * a row of queue_log, which queue_room.c keeps in memory.
 */
#ifndef TICKETS_QUEUE_H
#define TICKETS_QUEUE_H

#include "store/writer.h"
#include "tickets/booking.h"
#include "tickets/queue_store.h"

struct tickets;

/* What a join needs to know and says. */
struct queue_join {
    uint64_t event_id, account_id;
    struct queue_terms terms; /* as the transaction finds them */
    struct queue_entry entry;
    bool is_new;
    uint32_t beside; /* entries of this room that the same group has added before */
};

enum queue_refusal {
    QUEUE_TAKEN_IN,
    QUEUE_REFUSED_OFF,    /* the event has no waiting room, or `auto` has not closed its doors */
    QUEUE_REFUSED_EARLY,  /* not open yet: terms say from when on */
    QUEUE_REFUSED_CLOSED, /* nothing is sold any more */
};

/* Times of a room, Unix milliseconds. */
int64_t queue_opens_at(const struct queue_terms *terms);
/* Sold and not over, at that time. */
bool queue_is_on_sale(const struct queue_terms *terms, int64_t now_ms);
/* People must wait: `on`, or `auto` with its doors closed. */
bool queue_is_engaged(const struct queue_terms *terms);

/* --- In a job's apply, whose shard is the event or 0 --- */

/* Makes the room of an event that has waiting_room on or auto, if there is none. */
ERR_MUST_USE enum err waiting_open(struct tickets *tickets, struct writer_tx *tx,
                                   uint64_t event_id);
/* The account's open entry, a new one at the end if there is none. */
ERR_MUST_USE enum err waiting_enter(struct tickets *tickets, struct writer_tx *tx,
                                    struct queue_join *join, enum queue_refusal *ret_refusal);
/* ERR_CONFLICT: an open hold carries the admission. An entry that is over stays as it is. */
ERR_MUST_USE enum err waiting_leave(struct tickets *tickets, struct writer_tx *tx,
                                    struct queue_entry *entry);
/* `auto`: closes the doors, or opens them again. */
ERR_MUST_USE enum err waiting_engage(struct tickets *tickets, struct writer_tx *tx,
                                     uint64_t event_id, bool is_engaged);
/* The list, when the sale has begun; nothing when it is closed already. */
ERR_MUST_USE enum err waiting_close(struct tickets *tickets, struct writer_tx *tx,
                                    struct queue_terms *terms);
/* With the closed list's hash the seed becomes public. */
ERR_MUST_USE enum err waiting_reveal(struct tickets *tickets, struct writer_tx *tx,
                                     const struct queue_terms *terms,
                                     const uint8_t entries_hash[static SHA256_SIZE]);
/* Writes the next places of the list, in order: ids[i] gets place terms->placed + 1 + i. At most
 * QUEUE_CHUNK_MAX. */
ERR_MUST_USE enum err waiting_place(struct tickets *tickets, struct writer_tx *tx,
                                    const struct queue_terms *terms, const uint64_t *ids,
                                    size_t count);
/* Admits at most so many of the next ones as cap and rate let; *ret_count: how many. */
ERR_MUST_USE enum err waiting_admit(struct tickets *tickets, struct writer_tx *tx,
                                    uint64_t event_id, size_t most, size_t *ret_count);
/* Ends these admissions if their time is up, or if nothing was heard of them since quiet_before_ms.
 */
ERR_MUST_USE enum err waiting_lapse(struct tickets *tickets, struct writer_tx *tx,
                                    uint64_t event_id, const uint64_t *ids, size_t count,
                                    int64_t quiet_before_ms);
ERR_MUST_USE enum err waiting_over(struct tickets *tickets, struct writer_tx *tx,
                                   uint64_t event_id);

/* --- For booking.c --- */

/* A hold was taken under booking->admission_id, which is not 0 and was just seen as admitted. */
ERR_MUST_USE enum err queue_hold_taken(struct tickets *tickets, struct writer_tx *tx,
                                       const struct booking *booking);
/* The booking moved from one state to another; nothing when it carries no admission. */
ERR_MUST_USE enum err queue_booking_moved(struct tickets *tickets, struct writer_tx *tx,
                                          const struct booking *booking, enum booking_state from,
                                          enum booking_state to);

#endif
