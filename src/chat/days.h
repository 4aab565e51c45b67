/*
 * The ring of day tables of the log: message_NN and reaction_NN, NN from 00 to 32; slot = day %
 * LOG_SLOTS. Table log_slot says which day a slot holds. Old days go by emptying tables whole, never
 * row by row. Tables sent_N hold client ids, 11 days each, and go the same way.
 *
 * Invariants
 *  1. Rows of a slot are all of the day that log_slot names; a slot without a row there is empty.
 *  2. A slot is emptied, in the transaction that gives it to its next day, only when the day it holds is
 *     LOG_SLOTS days older or more. Nothing younger than LOG_DAYS is ever lost.
 *  3. A slot only moves forward in time.
 *
 * A chat's row says on which days it has entries (chat.h), so a reader asks those tables only.
 *
 *     #define GET(NN) "SELECT body FROM message_" NN " WHERE chat_id = $1 AND seq = $2"
 *     DAYS_SQL(SQL_GET, GET);
 *     ... db_stmt(db, &SQL_GET[slot]) ...
 */
#ifndef CHAT_DAYS_H
#define CHAT_DAYS_H

#include "base/crypto.h"
#include "chat/limits.h"
#include "store/slots.h"

struct days;

/* See SLOTS_SQL. */
#define DAYS_SQL(name, TEXT)                         SLOTS_SQL(name, TEXT)
#define DAYS_SQL_PAIR(name, SQLITE_TEXT, PGSQL_TEXT) SLOTS_SQL_PAIR(name, SQLITE_TEXT, PGSQL_TEXT)

static inline int64_t day_of_ms(int64_t at_ms)
{
    return at_ms / DAY_MS;
}
static inline size_t day_slot(int64_t day)
{
    return (size_t)day % LOG_SLOTS;
}

ERR_MUST_USE enum err days_new(struct days **ret_days);
void days_free(struct days *days); /* NULL is fine */

/* In apply, before rows of this day are written: the slot is the day's from here on (emptied of an older
 * one, if need be). ERR_CORRUPT: it holds a later day, so a clock went back by more than two days. */
ERR_MUST_USE enum err days_open(struct days *days, struct writer_tx *tx, int64_t day);
/* In apply, on the steward, now and then: empties what is past keeping. */
ERR_MUST_USE enum err days_sweep(struct writer_tx *tx);

/* What a sender's client id has become. */
#define SENT_HASH_SIZE 16
struct sent {
    uint64_t chat_id, sender_id;
    uint8_t client_hash[SHA256_SIZE]; /* of both the first SENT_HASH_SIZE bytes are kept */
    uint8_t body_hash[SHA256_SIZE];   /* of what counts as the message */
    int64_t seq;
};
/* By chat, sender and client_hash, as far back as since_ms (when the chat began) or as client ids are
 * kept; fills the rest. ERR_NOT_FOUND: new. In apply. */
ERR_MUST_USE enum err days_sent_find(struct writer_tx *tx, int64_t since_ms, struct sent *sent);
ERR_MUST_USE enum err days_sent_put(struct days *days, struct writer_tx *tx,
                                    const struct sent *sent);

#endif
