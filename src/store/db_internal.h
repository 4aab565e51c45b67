/* What the other files of store need of a connection beyond db.h, and what its tests inject.
 * Threads as in db.h. */
#ifndef STORE_DB_INTERNAL_H
#define STORE_DB_INTERNAL_H

#include "store/db.h"

/* Writer: the WAL has grown enough since the last checkpoint to be worth one. */
bool db_checkpoint_due(struct db *db);
/* Pages in the WAL after the last commit; SQLite. */
int db_wal_pages(struct db *db);
/* Counts the rows that this connection has changed; what a rollback took back stays counted. So who finds
 * it unchanged has written nothing. -1: the engine does not count (PostgreSQL). */
int64_t db_written(struct db *db);
/* Which shards a transaction writes. On PostgreSQL the transaction waits until nobody else holds any
 * of them; SQLite has one writer at a time anyway. */
#define DB_LOCKS_MAX 64
struct db_locks {
    size_t count; /* 0: everything */
    uint64_t shards[DB_LOCKS_MAX];
};
/* db_begin with locks that leave others' shards alone. */
ERR_MUST_USE enum err db_begin_locked(struct db *db, const struct db_locks *locks);

/* What became of the connection and its last transaction; all zero on SQLite but for the first. */
struct db_status {
    int64_t begun_ms; /* the database's clock when the transaction began; 0 on SQLite */
    uint64_t xid;     /* of the transaction; 0 on SQLite */
    unsigned lives;   /* how often it was connected */
    bool is_lost;     /* there is no connection now; the next begin or read tries again */
    bool is_unknown;  /* the last commit got no answer: it happened, or not */
    bool is_outrun;   /* the transaction fell to a deadlock or a conflict: run it again whole */
};
struct db_status db_status(const struct db *db);

/* Ends whatever a user of the connection left open: statements and snapshot. */
void db_end_reads(struct db *db);
/* What db_message says until the next failure. */
void db_set_message(struct db *db, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* WAL pages from which a checkpoint is due, how many more until the next one when the WAL could not
 * start over, and from which it waits for readers. Only tests change them. */
void db_set_wal_pages(struct db *db, int soft, int step, int hard);
/* Tests only: the next count commits that wrote something are refused and rolled back, as a failing
 * disk would. */
void db_fail_commits(struct db *db, unsigned count);

#endif
