/*
 * The ring of day tables: message_NN, delivery_NN and attempt_NN, NN from 00 to 32. All that belongs
 * to a message (its deliveries and their attempts) lies in the tables of the day of the message's id:
 * slot = day % RING_SLOTS. Table ring_slot says which day a slot holds. Old days go by emptying tables
 * whole, never row by row.
 *
 * Invariants
 *  1. Rows of a slot are all of the day that ring_slot names; a slot without a row there is empty.
 *  2. A slot is emptied, in the transaction that gives it to its next day, only when the day it holds
 *     is RING_SLOTS days older or more. Nothing younger than RETENTION_DAYS is ever lost.
 *  3. A slot only moves forward in time. A writer whose message's day is older than what the slot
 *     holds gets ERR_NOT_FOUND: the message is gone.
 *
 * A statement of a ring is an array of struct sql, one a slot, made by RING_SQL from a macro that
 * takes the number as text:
 *
 *     #define GET(NN) "SELECT payload FROM message_" NN " WHERE app_id = $1 AND id = $2"
 *     RING_SQL(SQL_GET, GET);
 *     ... db_stmt(db, &SQL_GET[ring_slot_of(message_id)]) ...
 */
#ifndef HOOKS_RING_H
#define HOOKS_RING_H

#include "hooks/limits.h"
#include "store/slots.h"

struct ring;

/* See SLOTS_SQL. */
#define RING_SQL(name, TEXT)                         SLOTS_SQL(name, TEXT)
#define RING_SQL_PAIR(name, SQLITE_TEXT, PGSQL_TEXT) SLOTS_SQL_PAIR(name, SQLITE_TEXT, PGSQL_TEXT)

/* Days since 1970. */
int64_t ring_day_of_ms(int64_t at_ms);
int64_t ring_day_of(uint64_t message_id);
size_t ring_slot_of(uint64_t message_id);

ERR_MUST_USE enum err ring_new(struct ring **ret_ring);
void ring_free(struct ring *ring);

/* In apply, before rows of this message are written: the slot is the message's day's from here on
 * (emptied of an older one, if need be). ERR_NOT_FOUND: the day has gone. */
ERR_MUST_USE enum err ring_open(struct ring *ring, struct writer_tx *tx, uint64_t message_id);

/* The slots that may hold what a reader wants, newest day first: those that hold a day of the last
 * RETENTION_DAYS. */
struct ring_slots {
    size_t count;
    struct {
        size_t slot;
        int64_t day;
    } items[RING_SLOTS];
};
ERR_MUST_USE enum err ring_slots(struct db *db, int64_t now_ms, struct ring_slots *ret_slots);
/* False: what this id names is older than is kept. A reader asks before it trusts a row by id. */
bool ring_is_kept(uint64_t message_id, int64_t now_ms);

/* In apply, on the steward, now and then: empties slots whose day is past keeping, so that retention
 * does not wait for the next message. */
ERR_MUST_USE enum err ring_sweep(struct writer_tx *tx);
/* The same, but days are kept from this one on, which is at most RING_SLOTS - RETENTION_DAYS - 1 days
 * longer. */
ERR_MUST_USE enum err ring_sweep_before(struct writer_tx *tx, int64_t first_day);

/* EventIds that were seen, in four tables of 11 days each: what is found points to the first message.
 * body_hash: SHA-256 of what counts as the message. In apply. */
struct seen {
    uint64_t message_id;
    uint8_t body_hash[32];
};
/* ERR_NOT_FOUND: new. */
ERR_MUST_USE enum err ring_seen_find(struct writer_tx *tx, uint64_t app_id, struct str event_id,
                                     struct seen *ret_seen);
ERR_MUST_USE enum err ring_seen_put(struct ring *ring, struct writer_tx *tx, uint64_t app_id,
                                    struct str event_id, const struct seen *seen);

#endif
