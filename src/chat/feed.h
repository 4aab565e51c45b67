/*
 * The feed: how a node hears what other nodes have written to the database they share (PostgreSQL). Each
 * event leaves a row, written with what it tells; every node that has a listener reads the rows of all and
 * passes over its own. On SQLite nothing of this runs.
 *
 * Invariants
 *  1. Rows are keyed by their transaction's id, which is asked for under the chat's lock: along a chat they
 *     are in the order of seq. Rows of a transaction that is not below the oldest one open in the cluster
 *     are left for the next time, so none is passed over.
 *  2. Two tables take turns of FEED_SPAN_MS. One is emptied in the second half of the other's turn; a node
 *     that has not read for half a turn tells its listener FANOUT_DOUBT.
 */
#ifndef CHAT_FEED_H
#define CHAT_FEED_H

#include "chat/fanout.h"
#include "store/writer.h"

struct feed;

/* In apply. */
ERR_MUST_USE enum err feed_put(struct writer_tx *tx, const struct fanout_event *event);
/* In apply, on the steward, at least twice in FEED_SPAN_MS. */
ERR_MUST_USE enum err feed_sweep(struct writer_tx *tx);

/* Opens its connection and notes where the feed ends now; from here on nothing is missed. node: of this
 * process's ids. NULL in *ret_feed where nobody listens or the database is one node's own. */
ERR_MUST_USE enum err feed_new(const char *location, const struct id_gen *ids,
                               const struct fanout *fanout, struct feed **ret_feed);
ERR_MUST_USE enum err feed_start(struct feed *feed); /* NULL is fine, here and below */
void feed_stop(struct feed *feed);                   /* joins */
void feed_free(struct feed *feed);
/* Tells the listener what has been settled since the last time. The thread's own step, and tests'. */
ERR_MUST_USE enum err feed_read(struct feed *feed, bool *ret_has_more);

/* ---- feed_store.c ---- */

struct feed_position {
    int64_t tx, chat_id, kind, item;
};
struct feed_row {
    struct feed_position position;
    int64_t node;
};
#define FEED_TABLES 2
ERR_MUST_USE enum err feed_store_put(struct db *db, size_t table, const struct feed_row *row);
/* Settled rows behind the position, in order. */
ERR_MUST_USE enum err feed_store_read(struct db *db, size_t table,
                                      const struct feed_position *after, size_t limit,
                                      struct feed_row *ret_rows, size_t *ret_count);
/* Every transaction below it has ended. */
ERR_MUST_USE enum err feed_store_end(struct db *db, int64_t *ret_tx);
ERR_MUST_USE enum err feed_store_empty(struct db *db, size_t table);

#endif
