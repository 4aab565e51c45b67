/* What the other files of store need of a connection beyond db.h, and what its tests inject.
 * Threads as in db.h. */
#ifndef STORE_DB_INTERNAL_H
#define STORE_DB_INTERNAL_H

#include "store/db.h"

/* Writer: the WAL has grown enough since the last checkpoint to be worth one. */
bool db_checkpoint_due(const struct db *db);
/* Pages in the WAL after the last commit. */
int db_wal_pages(const struct db *db);
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
