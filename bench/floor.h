/* Floors: what the machine does without Foyer around it. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include "base/err.h"
#include "child.h"
#include "hist.h"

struct db;

/* A database of its own for a run, with the tables of that service. */
ERR_MUST_USE enum err floor_open(const struct child *child, const char *service,
                                 struct db **ret_db);
/* The end of a group: commits unless err, and then checkpoints as the server's writer does. */
ERR_MUST_USE enum err floor_commit(struct db *db, enum err err);

/* A bare writer: the rows of a two-seat hold (two claims, the booking, its journal row, the journal
 * head once a commit) with prepared statements, group holds per commit, synchronous=FULL, for about
 * duration_ms. ret_rate: holds/s. */
ERR_MUST_USE enum err floor_holds(const struct child *child, unsigned group, int64_t duration_ms,
                                  double *ret_rate);

/* The same writer under an open loop: holds are due evenly at this rate, each commit takes what is
 * due (256 at most). Adds what each waited from when it was due until its commit to ret_hist. */
ERR_MUST_USE enum err floor_paced(const struct child *child, double rate, int64_t duration_ms,
                                  struct hist *ret_hist);
/* A bare writer that ends count holds of two seats, 64 a commit: claims deleted, booking moved, a
 * journal row. ret_ms: how long all took. */
ERR_MUST_USE enum err floor_expiry(const struct child *child, unsigned count, double *ret_ms);

#endif
