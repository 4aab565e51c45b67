/*
 * What processes that share a database call out to each other: PostgreSQL's NOTIFY, heard by LISTEN. Nothing of
 * it is stored. A call reaches every connection that listens at that moment, and is lost to all others and
 * whenever a connection is; so it is for what nobody needs to know for sure. On SQLite there is nobody to call.
 *
 * A connection for this alone: it waits in db_hear, and its calls should not wait for somebody's transaction.
 * Threads as in db.h.
 */
#ifndef STORE_DB_NOTIFY_H
#define STORE_DB_NOTIFY_H

#include "store/db.h"

#define DB_CALL_BYTES_MAX   7999 /* of one call's text; the server's own limit */
#define DB_CHANNEL_NAME_MAX 31

/* channel: lower-case letters, digits and "_", the same in every process; it is the database's (schema's) own.
 * call: without NUL. A commit of its own, which nobody waits for to be durable. */
ERR_MUST_USE enum err db_call(struct db *db, const char *channel, struct str call);
/* Hears calls of others for timeout_ms, and tells fn of each. Listens from its first use on, and anew on each
 * new connection; *ret_is_new: what was called before has been missed. ERR_IO: no connection now. */
ERR_MUST_USE enum err db_hear(struct db *db, const char *channel, int64_t timeout_ms,
                              void (*fn)(void *ctx, struct str call), void *ctx, bool *ret_is_new);

#endif
