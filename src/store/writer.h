/*
 * The one door for writes: a thread that owns the writing connection of a service. It takes
 * everything that waits (at most WRITER_GROUP_MAX), runs each job as if in its own savepoint inside one
 * transaction, commits once, then applies the staged effects and only then tells the jobs. An
 * answer that left is on disk.
 *
 * Invariants
 *  1. done() runs after the commit that holds the job's rows, never before, exactly once, in the
 *     order of the jobs.
 *  2. Effects of a group run before any done() of it; effects of a job that was rolled back never
 *     run.
 *  3. apply() changes nothing but the database, its own job's memory and its staged effects, and
 *     may be run again.
 *  4. If the transaction dies (disk full) or COMMIT fails, no answer and no effect of the group
 *     leaves: jobs are run again one by one; those that fail again are told ERR_IO. A group that
 *     fell to a deadlock or a conflict with another node is run again whole first. If nobody knows
 *     whether COMMIT happened (PostgreSQL), nothing is run again: all are told ERR_IO.
 *
 * On PostgreSQL several processes write. A group waits until it has the shards of its jobs for itself,
 * so that each shard has one serial order on any number of nodes.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include "base/ids.h"
#include "base/queue.h"
#include "store/db.h"
#include "store/journal.h"

#define WRITER_GROUP_MAX       256
#define WRITER_GROUP_MAX_PGSQL 50 /* savepoints: from 64 on they cost other sessions dear */
#define WRITER_QUEUE_MAX       16384
#define WRITER_CAREFUL_GROUPS  64 /* run with savepoints after one that needed them */

struct writer;

/* What a job's apply works with. Valid during apply only. */
struct writer_tx {
    struct db *db;
    struct journal *journal;
    struct id_gen *ids;
    int64_t now_ms;      /* one time for the whole group */
    uint64_t group;      /* of this transaction alone, from 1 */
    struct arena *arena; /* lives until the group's effects have run */
    struct writer *writer;
};

struct writer_job {
    struct queue_node node;
    /* All that apply writes, and what it reads to decide, belongs to this shard of the journal. 0:
     * anything, so the group has the whole database for itself. */
    uint64_t shard;
    /* In a savepoint. Anything but ERR_OK rolls it back. */
    enum err (*apply)(struct writer_job *job, struct writer_tx *tx);
    /* On the writer thread: ERR_OK after the commit; else what apply returned, or ERR_IO,
     * ERR_CLOSED. The job is the callee's again. Must not block. */
    void (*done)(struct writer_job *job, enum err outcome);
};

struct writer_stats {
    uint64_t jobs;
    uint64_t groups;
    uint64_t failed_groups;
    uint64_t queue_length;
    uint64_t commit_ns_total;
    uint64_t group_ns_total;
};

/* Opens (creating) the database, migrates it with sql/<service>/ and loads the journal's heads.
 * name: for thread and metrics. */
ERR_MUST_USE enum err writer_new(const char *path, const char *service, struct writer **ret_writer);
/* Why the last writer_new of this thread failed, for the log; "" when there is nothing to add. */
const char *writer_failure(void);
/* Starts the thread; before it the connection may be used for loading (writer_db). */
ERR_MUST_USE enum err writer_start(struct writer *writer);
struct db *writer_db(struct writer *writer);
struct id_gen *writer_ids(struct writer *writer);
/* Any thread. ERR_FULL: answer 503. ERR_CLOSED. */
ERR_MUST_USE enum err writer_submit(struct writer *writer, struct writer_job *job);
/* Not refused for a full queue: internal work that was accepted earlier (timers, bulk chunks). */
ERR_MUST_USE enum err writer_submit_internal(struct writer *writer, struct writer_job *job);
/* Submits and waits until done; not on the writer thread. For start-up, workers and tests. */
ERR_MUST_USE enum err writer_run(struct writer *writer, struct writer_job *job);
/* The same, but not refused for a full queue: for a worker's own thread, which waits for each of
 * its jobs. */
ERR_MUST_USE enum err writer_run_internal(struct writer *writer, struct writer_job *job);
/* Stages fn(data) to run after the commit; data points to size zeroed bytes to fill in. NULL when
 * out of memory (return ERR_NOMEM from apply). */
void *writer_effect(struct writer_tx *tx, void (*fn)(void *data), size_t size);
/* This process is the one that acts for all that share the database: runs timers, workers, consumers.
 * Any thread; always true on SQLite. It may have just ended, so what the steward does must be right
 * to do twice. */
bool writer_is_steward(const struct writer *writer);
/* fn(ctx) runs on the writer's thread when a COMMIT got no answer, before its jobs are told, and when
 * the connection was lost and made anew: what memory knows may be old. Before writer_start. */
void writer_on_doubt(struct writer *writer, void (*fn)(void *ctx), void *ctx);
void writer_stats(struct writer *writer, struct writer_stats *ret_stats);
/* Runs what is queued, then stops; later submits get ERR_CLOSED. Checkpoints and closes at free. */
void writer_stop(struct writer *writer);
void writer_free(struct writer *writer);

#endif
