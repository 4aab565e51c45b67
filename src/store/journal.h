/*
 * The journal: what happened, one row per fact, written in the transaction that made it true. It is
 * the outbox, the hash-chained audit record and the live delta at once.
 *
 *   CREATE TABLE journal(seq INTEGER PRIMARY KEY, shard INTEGER NOT NULL, version INTEGER NOT NULL,
 *     at_ms INTEGER NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL, hash BLOB NOT NULL);
 *   CREATE TABLE journal_head(shard INTEGER PRIMARY KEY, version INTEGER NOT NULL,
 *     hash BLOB NOT NULL);
 *
 * (the first append-only, the second written once per shard and group)
 * stand in the first migration of every database that has a journal; in one without them appends
 * are ERR_DENIED.
 *
 * version counts per shard from 1 without gaps. hash = SHA-256(previous hash of the shard (32 zero
 * bytes at first) || shard || version || at_ms (8 bytes big-endian each) || type length (1 byte) ||
 * type || data). Rolled-back jobs leave no trace: heads are restored with the savepoint.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "base/crypto.h"
#include "store/db.h"

struct journal;

/* In a job's apply. type: "booking.held" etc., at most 64 bytes; data: a JSON object. ret_version
 * may be NULL. ERR_DENIED: the job did not say that it writes this shard (writer.h). */
ERR_MUST_USE enum err journal_append(struct journal *journal, uint64_t shard, const char *type,
                                     struct str data, int64_t *ret_version);

struct journal_row {
    int64_t seq;
    uint64_t shard;
    int64_t version;
    int64_t at_ms;
    struct str type; /* borrowed for the callback */
    struct str data;
    struct str hash;
};

/* Committed rows with seq > after in order, at most limit; stops when on_row says not ERR_OK
 * (returned as is). None with a lower seq can come later: on PostgreSQL rows that are newer than the
 * oldest transaction still open in the cluster are left for next time. */
ERR_MUST_USE enum err journal_read(struct db *db, int64_t after_seq, size_t limit,
                                   enum err (*on_row)(const struct journal_row *row, void *ctx),
                                   void *ctx);
/* How far the journal is settled, for readers that must miss nothing. Rows of one transaction may
 * become visible after rows that were numbered later. */
struct journal_bounds {
    int64_t settled_seq; /* below it every row can be read, and no other will ever come */
    int64_t seen_seq;    /* this connection sees no row from here on */
};
ERR_MUST_USE enum err journal_bounds(struct db *db, struct journal_bounds *ret_bounds);
/* Version of a shard in the database (0: none). */
ERR_MUST_USE enum err journal_version(struct db *db, uint64_t shard, int64_t *ret_version);
/* A shard's head: its version (0: none) and the hash of its last row, which vouches for all before. */
ERR_MUST_USE enum err journal_head_read(struct db *db, uint64_t shard, int64_t *ret_version,
                                        uint8_t ret_hash[static SHA256_SIZE]);
/* The version as the running group sees it, rows of its earlier jobs included; in a job's apply. */
ERR_MUST_USE enum err journal_staged_version(struct journal *journal, uint64_t shard,
                                             int64_t *ret_version);

/* Walks the whole journal, recomputes every chain and compares it with the heads. Each finding goes
 * to on_finding as one line; ret_rows: rows seen. ERR_OK also when there are findings. */
ERR_MUST_USE enum err journal_verify(struct db *db, void (*on_finding)(const char *line, void *ctx),
                                     void *ctx, uint64_t *ret_rows);

/* Used by the writer. */
ERR_MUST_USE enum err journal_new(struct db *db, struct journal **ret_journal);
void journal_free(struct journal *journal);
struct db_locks;
void journal_group_begin(struct journal *journal, int64_t now_ms, const struct db_locks *locks);
void journal_job_begin(struct journal *journal);
void journal_job_rollback(struct journal *journal);
/* Writes the changed heads; before COMMIT. */
ERR_MUST_USE enum err journal_group_flush(struct journal *journal);
/* After COMMIT (true) or when the group is lost (false: heads go back). */
void journal_group_end(struct journal *journal, bool is_committed);

#endif
