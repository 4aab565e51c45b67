/*
 * The writer: see writer.h for what it promises.
 *
 * A group, in order:
 *   take jobs -> BEGIN -> each job in a savepoint -> id lease, journal heads -> COMMIT
 *   -> effects -> done() -> checkpoint
 *
 * Savepoints cost SQLite a copy of each page that a job touches, and nearly all jobs go well or are
 * refused before they have written anything. So a group begins without them where the engine counts what
 * is written; when one of its jobs has to be undone after all, the transaction is thrown away and the
 * whole group runs again with savepoints, and so do the next ones. A group of one needs none in any case:
 * the transaction is it. When the transaction is lost (the
 * engine threw it away, a savepoint or COMMIT failed, or the jobs together asked for more memory
 * than a group may have), nothing has left the group yet; its jobs are run again one by one, each
 * in its own transaction, so that the one that cannot be done fails alone. The checkpoint comes
 * when the answers are on their way, never between COMMIT and them.
 *
 * Threads: the writer's own runs all jobs, effects and done(); submitting and statistics are for
 * any thread. Before writer_start and after writer_stop the connection belongs to whoever holds the
 * writer.
 */
#include "store/writer.h"

#include "base/clock.h"
#include "store/db_clock.h"
#include "store/db_internal.h"
#include "store/lease_internal.h"
#include "store/migrate.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WRITER_MAGIC            0x77726974u
#define WRITER_ARENA_BYTES_MAX  ((size_t)32 << 20)
#define WRITER_ARENA_BYTES_KEPT ((size_t)512 << 10) /* from one group to the next */
#define WRITER_NODES_MAX        512                 /* as many as an id has room for */
#define WRITER_RERUNS_MAX       5                   /* of a group that fell to others */
#define WRITER_TICK_MS          500 /* between looks at the connection and the steward's lock */
#define THREAD_NAME_MAX         16
#define FAILURE_MAX             512

struct effect {
    struct effect *next;
    void (*fn)(void *data);
    _Alignas(16) char data[];
};

enum writer_state {
    WRITER_LOADING,
    WRITER_RUNNING,
    WRITER_STOPPED
};

struct writer {
    uint32_t magic;
    _Atomic enum writer_state state;
    char name[THREAD_NAME_MAX];
    pthread_t thread;
    struct queue queue;
    struct db *db;
    struct journal *journal;
    struct id_gen ids;
    struct lease lease;
    size_t group_max;
    /* PostgreSQL */
    unsigned life; /* the connection that holds the node's number */
    uint32_t node;
    int64_t tick_at_ns; /* the next look */
    bool has_begun;     /* the last attempt at a transaction got that far */
    _Atomic bool is_steward;
    void (*on_doubt)(void *ctx);
    void *on_doubt_ctx;

    /* Of the group that runs. */
    struct arena arena;
    struct effect *effects;
    struct effect **effects_tail;
    size_t count;
    uint64_t transactions;
    bool has_savepoints; /* a job that fails can be undone alone */
    bool must_undo;      /* and one had to be, without */
    unsigned careful;    /* groups that begin with savepoints */
    struct writer_job *jobs[WRITER_GROUP_MAX];
    enum err outcomes[WRITER_GROUP_MAX];

    /* writer_run waits here; in the writer because its job's memory may be gone when it wakes. */
    pthread_mutex_t run_lock;
    pthread_cond_t run_done;

    _Atomic uint64_t jobs_total;
    _Atomic uint64_t groups_total;
    _Atomic uint64_t failed_groups_total;
    _Atomic uint64_t commit_ns_total;
    _Atomic uint64_t group_ns_total;
};

static _Thread_local char failure[FAILURE_MAX];

static void count_up(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* ---- effects ---- */

void *writer_effect(struct writer_tx *tx, void (*fn)(void *data), size_t size)
{
    struct writer *writer = tx->writer;
    if (size > WRITER_ARENA_BYTES_MAX) {
        return NULL;
    }
    struct effect *effect = arena_alloc(&writer->arena, sizeof(*effect) + size);
    if (!effect) {
        return NULL;
    }
    effect->fn = fn;
    *writer->effects_tail = effect;
    writer->effects_tail = &effect->next;
    return effect->data;
}

static void effects_reset(struct writer *writer)
{
    writer->effects = NULL;
    writer->effects_tail = &writer->effects;
}

static void effects_cut(struct writer *writer, struct effect **tail)
{
    *tail = NULL;
    writer->effects_tail = tail;
}

static void effects_run(struct writer *writer)
{
    for (struct effect *effect = writer->effects; effect; effect = effect->next) {
        effect->fn(effect->data);
    }
    effects_reset(writer);
}

/* ---- the connection, where others write, too (PostgreSQL) ---- */

static void doubt(struct writer *writer)
{
    if (writer->on_doubt) {
        writer->on_doubt(writer->on_doubt_ctx);
    }
}

/* A number that no other process has as long as this connection lives: ids carry it. */
static enum err node_take(struct writer *writer)
{
    for (uint32_t i = 0; i < WRITER_NODES_MAX; i++) {
        uint32_t node = (writer->node + i) % WRITER_NODES_MAX; /* the one it had, if it is free */
        char name[16];
        (void)snprintf(name, sizeof(name), "node%u", node);
        bool is_held;
        enum err err = db_lock_session(writer->db, name, &is_held);
        if (err != ERR_OK) {
            return err;
        }
        if (is_held) {
            writer->node = node;
            return lease_init(&writer->lease, writer->db, &writer->ids, node);
        }
    }
    db_set_message(writer->db, "all %d node numbers are taken", WRITER_NODES_MAX);
    return ERR_LIMIT;
}

/* Before a transaction: a new connection needs a number first. */
static enum err session_check(struct writer *writer)
{
    struct db_status status = db_status(writer->db);
    if (!db_is_pgsql(writer->db) || (!status.is_lost && status.lives == writer->life)) {
        return ERR_OK;
    }
    atomic_store(&writer->is_steward, false);
    enum err err = node_take(writer);
    if (err == ERR_OK) {
        writer->life = db_status(writer->db).lives;
        doubt(writer);
    }
    return err;
}

SQL(SQL_PING, "SELECT 1");

/* Now and then: is the connection alive, and is the steward's lock to be had? */
static void tick(struct writer *writer)
{
    if (!db_is_pgsql(writer->db) || clock_mono_ns() < writer->tick_at_ns) {
        return;
    }
    bool is_held = false;
    int64_t one;
    enum err err = db_get_i64(db_stmt(writer->db, &SQL_PING), &one);
    if (err == ERR_OK) {
        err = session_check(writer);
    }
    if (err == ERR_OK) {
        err = db_lock_session(writer->db, "steward", &is_held);
    }
    atomic_store(&writer->is_steward, err == ERR_OK && is_held);
    writer->tick_at_ns = clock_mono_ns() + WRITER_TICK_MS * INT64_C(1000000);
}

bool writer_is_steward(const struct writer *writer)
{
    return atomic_load_explicit(&writer->is_steward, memory_order_acquire);
}

void writer_on_doubt(struct writer *writer, void (*fn)(void *ctx), void *ctx)
{
    writer->on_doubt = fn;
    writer->on_doubt_ctx = ctx;
}

/* ---- one transaction ---- */

/* Runs one job; *ret_outcome is what it said. Not ERR_OK: the transaction is lost. */
static enum err job_run(struct writer *writer, struct writer_job *job, struct writer_tx *tx,
                        bool is_alone, enum err *ret_outcome)
{
    struct effect **effects_before = writer->effects_tail;
    bool has_savepoint = writer->has_savepoints && !is_alone;
    int64_t written = db_written(writer->db);
    journal_job_begin(writer->journal);
    if (has_savepoint) {
        enum err err = db_savepoint(writer->db);
        if (err != ERR_OK) {
            return err;
        }
    }
    enum err outcome = job->apply(job, tx);
    if (!db_in_transaction(writer->db) || db_status(writer->db).is_outrun) {
        return ERR_IO;
    }
    if (writer->arena.overflow) {
        outcome = ERR_NOMEM;
        if (!is_alone) { /* it may be the fault of its neighbours */
            return ERR_NOMEM;
        }
    }
    *ret_outcome = outcome;
    if (outcome == ERR_OK) {
        return has_savepoint ? db_savepoint_release(writer->db) : ERR_OK;
    }
    effects_cut(writer, effects_before);
    journal_job_rollback(writer->journal);
    if (has_savepoint) {
        return db_savepoint_rollback(writer->db);
    }
    writer->must_undo = !is_alone && db_written(writer->db) != written;
    return writer->must_undo ? ERR_AGAIN : ERR_OK;
}

static enum err group_commit(struct writer *writer)
{
    enum err err = lease_reserve(&writer->lease, writer->db);
    if (err == ERR_OK) {
        err = journal_group_flush(writer->journal);
    }
    if (err != ERR_OK) {
        return err;
    }
    int64_t begin_ns = clock_mono_ns();
    err = db_commit(writer->db);
    count_up(&writer->commit_ns_total, (uint64_t)(clock_mono_ns() - begin_ns));
    return err;
}

/* Where nodes share a database its clock counts, read under the transaction's locks: so the times of
 * a shard grow, whichever node writes. */
static int64_t group_now_ms(const struct writer *writer)
{
    int64_t begun_ms = db_status(writer->db).begun_ms;
    return begun_ms ? begun_ms + clock_jumps_ms() : clock_now_ms();
}

/* Runs jobs[0..count) in the transaction that has begun, up to and with its end. */
static enum err group_run(struct writer *writer, struct writer_job **jobs, size_t count,
                          const struct db_locks *locks, enum err *ret_outcomes)
{
    struct writer_tx tx = {.db = writer->db,
                           .journal = writer->journal,
                           .ids = &writer->ids,
                           .now_ms = group_now_ms(writer),
                           .group = ++writer->transactions,
                           .arena = &writer->arena,
                           .writer = writer};
    /* Other nodes look for new rows by the time in their ids (replays of a key): it must not lie before
     * the transaction, even when this node's clock stood still with its machine. */
    if (db_is_pgsql(writer->db)) {
        id_gen_raise(&writer->ids, tx.now_ms);
    }
    journal_group_begin(writer->journal, tx.now_ms, locks);
    for (size_t i = 0; i < count; i++) {
        enum err err = job_run(writer, jobs[i], &tx, count == 1, &ret_outcomes[i]);
        if (err != ERR_OK) {
            return err;
        }
    }
    if (count == 1 && ret_outcomes[0] != ERR_OK) {
        db_rollback(writer->db);
        return ERR_OK;
    }
    return group_commit(writer);
}

/* Which shards the jobs write; none when one of them may write any. */
static void group_locks(struct writer_job **jobs, size_t count, struct db_locks *ret_locks)
{
    ret_locks->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (jobs[i]->shard == 0 || ret_locks->count == DB_LOCKS_MAX) {
            ret_locks->count = 0;
            return;
        }
        ret_locks->shards[ret_locks->count++] = jobs[i]->shard;
    }
}

/* One attempt at a transaction with these jobs. Not ERR_OK: it is lost, and no effect is left. */
static enum err group_try(struct writer *writer, struct writer_job **jobs, size_t count,
                          enum err *ret_outcomes)
{
    arena_reset(&writer->arena, WRITER_ARENA_BYTES_KEPT);
    writer->arena.overflow = false;
    effects_reset(writer);
    struct db_locks locks;
    group_locks(jobs, count, &locks);
    enum err err = session_check(writer);
    if (err == ERR_OK) {
        err = db_begin_locked(writer->db, &locks);
    }
    writer->has_begun = err == ERR_OK;
    if (err != ERR_OK) {
        return err;
    }
    err = group_run(writer, jobs, count, &locks, ret_outcomes);
    bool is_lost = err != ERR_OK;
    if (is_lost) {
        db_rollback(writer->db);
        effects_reset(writer);
    }
    bool is_committed = !is_lost && (count > 1 || ret_outcomes[0] == ERR_OK);
    journal_group_end(writer->journal, is_committed);
    lease_end(&writer->lease, is_committed);
    return err;
}

/* ---- groups ---- */

static void group_answer(struct writer *writer, struct writer_job **jobs, size_t count,
                         const enum err *outcomes)
{
    effects_run(writer);
    for (size_t i = 0; i < count; i++) {
        jobs[i]->done(jobs[i], outcomes[i]); /* the job may be gone from here on */
    }
    arena_reset(&writer->arena, WRITER_ARENA_BYTES_KEPT);
}

static void group_fail(struct writer *writer)
{
    for (size_t i = 0; i < writer->count; i++) {
        writer->outcomes[i] = ERR_IO;
    }
    group_answer(writer, writer->jobs, writer->count, writer->outcomes);
}

static void run_one_by_one(struct writer *writer)
{
    for (size_t i = 0; i < writer->count; i++) {
        /* Where none could begin there is no use in trying for each of the others. */
        bool can_begin = i == 0 || writer->has_begun;
        if (!can_begin || group_try(writer, &writer->jobs[i], 1, &writer->outcomes[i]) != ERR_OK) {
            writer->outcomes[i] = ERR_IO;
        }
        if (can_begin && db_status(writer->db).is_unknown) {
            doubt(writer);
        }
        group_answer(writer, &writer->jobs[i], 1, &writer->outcomes[i]);
    }
}

static void group_do(struct writer *writer)
{
    writer->has_savepoints = writer->careful > 0 || db_written(writer->db) < 0;
    writer->careful -= writer->careful > 0;
    for (int attempt = 0; attempt <= WRITER_RERUNS_MAX; attempt++) {
        writer->must_undo = false;
        if (group_try(writer, writer->jobs, writer->count, writer->outcomes) == ERR_OK) {
            group_answer(writer, writer->jobs, writer->count, writer->outcomes);
            return;
        }
        if (writer->must_undo) {
            writer->has_savepoints = true;
            writer->careful = WRITER_CAREFUL_GROUPS;
            continue;
        }
        count_up(&writer->failed_groups_total, 1);
        struct db_status status = db_status(writer->db);
        if (status.is_unknown) {
            doubt(writer);
        }
        if (status.is_unknown || (!writer->has_begun && db_is_pgsql(writer->db))) {
            group_fail(writer);
            return;
        }
        if (!status.is_outrun) {
            break;
        }
    }
    run_one_by_one(writer);
}

static void group_take(struct writer *writer, struct queue_node *nodes)
{
    writer->count = 0;
    while (nodes) {
        assert(writer->count < WRITER_GROUP_MAX);
        writer->jobs[writer->count++] = container_of(nodes, struct writer_job, node);
        nodes = nodes->next;
    }
}

/* Waits for jobs. False: the queue is closed and empty. */
static bool next_nodes(struct writer *writer, struct queue_node **ret_nodes)
{
    int64_t wait_ms = db_is_pgsql(writer->db) ? WRITER_TICK_MS : -1;
    bool is_closed;
    do {
        tick(writer);
        is_closed = queue_is_closed(&writer->queue); /* first: what comes before closing is taken */
        *ret_nodes = queue_take(&writer->queue, writer->group_max, wait_ms);
    } while (!*ret_nodes && !is_closed);
    return *ret_nodes;
}

static void *writer_main(void *ctx)
{
    struct writer *writer = ctx;
    struct queue_node *nodes;
    while (next_nodes(writer, &nodes)) {
        int64_t begin_ns = clock_mono_ns();
        group_take(writer, nodes);
        /* Counted first, so that whoever has its answer also finds itself in the statistics. */
        count_up(&writer->jobs_total, writer->count);
        count_up(&writer->groups_total, 1);
        group_do(writer);
        tick(writer);
        if (db_checkpoint_due(writer->db)) {
            db_checkpoint(writer->db);
        }
        count_up(&writer->group_ns_total, (uint64_t)(clock_mono_ns() - begin_ns));
    }
    return NULL;
}

/* ---- life ---- */

static enum err open_database(struct writer *writer, const char *path, const char *service)
{
    enum err err = db_open(path, DB_WRITER, &writer->db);
    if (err != ERR_OK) {
        const char *why = db_open_failure();
        (void)snprintf(failure, sizeof(failure), "cannot open %s: %s",
                       db_location_is_pgsql(path) ? service : path, *why ? why : err_name(err));
        return err;
    }
    bool is_shared = db_is_pgsql(writer->db);
    writer->group_max = is_shared ? WRITER_GROUP_MAX_PGSQL : WRITER_GROUP_MAX;
    atomic_store(&writer->is_steward, !is_shared);
    err = db_clock_follow(writer->db, DB_CLOCK_SAMPLES_START); /* before ids are made */
    if (err == ERR_OK) {
        err = migrate_run(writer->db, service, NULL);
    }
    if (err == ERR_OK) {
        err = journal_new(writer->db, &writer->journal);
    }
    if (err == ERR_OK) {
        err = node_take(writer);
        writer->life = db_status(writer->db).lives;
    }
    if (err != ERR_OK) {
        (void)snprintf(failure, sizeof(failure), "%s: %s", is_shared ? service : path,
                       db_message(writer->db));
    }
    return err;
}

enum err writer_new(const char *path, const char *service, struct writer **ret_writer)
{
    failure[0] = '\0';
    struct writer *writer = calloc(1, sizeof(*writer));
    if (!writer) {
        return ERR_NOMEM;
    }
    writer->magic = WRITER_MAGIC;
    (void)snprintf(writer->name, sizeof(writer->name), "w-%s", service); /* cut to what fits */
    queue_init(&writer->queue, WRITER_QUEUE_MAX);
    arena_init(&writer->arena, WRITER_ARENA_BYTES_MAX);
    effects_reset(writer);
    (void)pthread_mutex_init(&writer->run_lock, NULL); /* cannot fail on Linux */
    (void)pthread_cond_init(&writer->run_done, NULL);
    enum err err = open_database(writer, path, service);
    if (err != ERR_OK) {
        writer_free(writer);
        return err;
    }
    *ret_writer = writer;
    return ERR_OK;
}

const char *writer_failure(void)
{
    return failure;
}

enum err writer_start(struct writer *writer)
{
    assert(writer->magic == WRITER_MAGIC && writer->state == WRITER_LOADING);
    db_end_reads(writer->db);
    if (pthread_create(&writer->thread, NULL, writer_main, writer) != 0) {
        return ERR_NOMEM;
    }
    writer->state = WRITER_RUNNING;
    (void)pthread_setname_np(writer->thread, writer->name); /* a name is a convenience */
    return ERR_OK;
}

/* Jobs that were queued at a writer that never ran. */
static void refuse_queued(struct writer *writer)
{
    struct queue_node *node;
    while ((node = queue_take(&writer->queue, 1, 0))) {
        struct writer_job *job = container_of(node, struct writer_job, node);
        job->done(job, ERR_CLOSED);
    }
}

void writer_stop(struct writer *writer)
{
    assert(writer->magic == WRITER_MAGIC);
    queue_close(&writer->queue);
    if (writer->state == WRITER_RUNNING) {
        (void)pthread_join(writer->thread, NULL); /* the thread is ours and joinable */
    } else {
        refuse_queued(writer);
    }
    /* The number of a connection that was lost may be somebody else's by now. */
    struct db_status status = writer->db ? db_status(writer->db) : (struct db_status){0};
    bool is_own = !status.is_lost && status.lives == writer->life;
    if (writer->state != WRITER_STOPPED && writer->lease.ids && is_own) {
        /* If it fails, the ids of the next process start a few seconds ahead of its clock. */
        (void)!lease_settle(&writer->lease, writer->db);
    }
    writer->state = WRITER_STOPPED;
}

void writer_free(struct writer *writer)
{
    if (!writer) {
        return;
    }
    writer_stop(writer);
    journal_free(writer->journal);
    db_close(writer->db);
    arena_release(&writer->arena);
    queue_release(&writer->queue);
    (void)pthread_cond_destroy(&writer->run_done); /* nobody waits any more */
    (void)pthread_mutex_destroy(&writer->run_lock);
    writer->magic = 0;
    free(writer);
}

struct db *writer_db(struct writer *writer)
{
    return writer->db;
}

struct id_gen *writer_ids(struct writer *writer)
{
    return &writer->ids;
}

/* ---- submitting ---- */

enum err writer_submit(struct writer *writer, struct writer_job *job)
{
    return queue_push(&writer->queue, &job->node);
}

enum err writer_submit_internal(struct writer *writer, struct writer_job *job)
{
    return queue_requeue(&writer->queue, &job->node);
}

struct waiting_job {
    struct writer_job job;
    struct writer *writer;
    struct writer_job *inner;
    bool is_done; /* under run_lock */
    enum err outcome;
};

static enum err waiting_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct waiting_job *waiting = container_of(job, struct waiting_job, job);
    return waiting->inner->apply(waiting->inner, tx);
}

static void waiting_done(struct writer_job *job, enum err outcome)
{
    struct waiting_job *waiting = container_of(job, struct waiting_job, job);
    struct writer *writer = waiting->writer;
    if (waiting->inner->done) {
        waiting->inner->done(waiting->inner, outcome);
    }
    (void)pthread_mutex_lock(&writer->run_lock);
    waiting->outcome = outcome;
    waiting->is_done = true;
    (void)pthread_cond_broadcast(&writer->run_done);
    (void)pthread_mutex_unlock(&writer->run_lock);
}

static enum err run_and_wait(struct writer *writer, struct writer_job *job,
                             enum err (*submit)(struct writer *writer, struct writer_job *job))
{
    assert(writer->state != WRITER_RUNNING || !pthread_equal(writer->thread, pthread_self()));
    struct waiting_job waiting = {
        .job = {.shard = job->shard, .apply = waiting_apply, .done = waiting_done},
        .writer = writer,
        .inner = job};
    if (writer->state == WRITER_LOADING) {
        return ERR_AGAIN;
    }
    enum err err = submit(writer, &waiting.job);
    if (err != ERR_OK) {
        return err;
    }
    (void)pthread_mutex_lock(&writer->run_lock);
    while (!waiting.is_done) {
        (void)pthread_cond_wait(&writer->run_done, &writer->run_lock);
    }
    (void)pthread_mutex_unlock(&writer->run_lock);
    return waiting.outcome;
}

enum err writer_run(struct writer *writer, struct writer_job *job)
{
    return run_and_wait(writer, job, writer_submit);
}

enum err writer_run_internal(struct writer *writer, struct writer_job *job)
{
    return run_and_wait(writer, job, writer_submit_internal);
}

void writer_stats(struct writer *writer, struct writer_stats *ret_stats)
{
    *ret_stats = (struct writer_stats){
        .jobs = atomic_load_explicit(&writer->jobs_total, memory_order_relaxed),
        .groups = atomic_load_explicit(&writer->groups_total, memory_order_relaxed),
        .failed_groups = atomic_load_explicit(&writer->failed_groups_total, memory_order_relaxed),
        .queue_length = queue_count(&writer->queue),
        .commit_ns_total = atomic_load_explicit(&writer->commit_ns_total, memory_order_relaxed),
        .group_ns_total = atomic_load_explicit(&writer->group_ns_total, memory_order_relaxed),
    };
}
