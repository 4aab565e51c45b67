/*
 * db.h on PostgreSQL: transactions, their locks, and the engine's table. Purpose and invariants stand in
 * db_pgsql_internal.h.
 *
 * Locks. Writers of all nodes take transaction advisory locks first thing: of a few shards (with the
 * service shared, then the shards in the order of their keys, so that two never wait for each other),
 * or of the service alone, which waits for everybody. Then the database's clock and the transaction's
 * id are asked: under the locks, so that both grow along each shard.
 */
#include "store/db_pgsql_internal.h"

#include "base/clock.h"
#include "store/dialect_pgsql.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_MS  INT64_C(1000000)
#define SCRIPT_MAX ((size_t)1 << 20)

SQL(SQL_BEGIN, "BEGIN");
SQL(SQL_BEGIN_SNAPSHOT, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
SQL(SQL_ROLLBACK, "ROLLBACK");
SQL(SQL_SAVEPOINT, "SAVEPOINT job");
SQL(SQL_SAVEPOINT_RELEASE, "RELEASE SAVEPOINT job");
SQL(SQL_SAVEPOINT_ROLLBACK, "ROLLBACK TO SAVEPOINT job");
SQL(SQL_LOCK, "SELECT 1 FROM pg_advisory_xact_lock($1)");
SQL(SQL_LOCK_SHARED, "SELECT 1 FROM pg_advisory_xact_lock_shared($1)");
SQL(SQL_TRY_SESSION, "SELECT pg_try_advisory_lock($1)");
SQL(SQL_NOW, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT),"
             " CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)");

/* ---- transactions ---- */

static void pg_rollback(struct db *base)
{
    struct pg *pg = pg_of(base);
    pg_stmts_reset(pg);
    pg_forget_pending(pg);
    bool had_doom = pg->is_doomed;
    pg->is_doomed = false;
    pg->has_begun = false;
    if (!pg->conn) {
        return;
    }
    char why[DB_MESSAGE_MAX]; /* what went wrong before is what matters */
    (void)snprintf(why, sizeof(why), "%s", base->message);
    enum err err = pg->pending_count > 0 || had_doom ? pg_collect(pg, NULL, 0) : ERR_OK;
    pg->is_doomed = false;
    if (err == ERR_OK && PQtransactionStatus(pg->conn) != PQTRANS_IDLE) {
        err = db_exec(db_stmt(base, &SQL_ROLLBACK));
    }
    if (err != ERR_OK || (pg->conn && PQtransactionStatus(pg->conn) != PQTRANS_IDLE)) {
        pg_drop(pg);
    }
    (void)snprintf(base->message, sizeof(base->message), "%s", why);
}

static int compare_keys(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static enum err lock(struct db *base, struct sql *sql, int64_t key)
{
    struct db_stmt *stmt = db_stmt(base, sql);
    db_bind_i64(stmt, 1, key);
    return db_exec_later(stmt);
}

static enum err lock_all(struct pg *pg, const struct db_locks *locks)
{
    int64_t service = pg_lock_key(pg, "service", 0);
    if (!locks || locks->count == 0) {
        return lock(&pg->base, &SQL_LOCK, service);
    }
    assert(locks->count <= DB_LOCKS_MAX);
    int64_t keys[DB_LOCKS_MAX];
    for (size_t i = 0; i < locks->count; i++) {
        keys[i] = pg_lock_key(pg, "shard", locks->shards[i]);
    }
    qsort(keys, locks->count, sizeof(keys[0]), compare_keys);
    enum err err = lock(&pg->base, &SQL_LOCK_SHARED, service);
    for (size_t i = 0; err == ERR_OK && i < locks->count; i++) {
        if (i == 0 || keys[i] != keys[i - 1]) {
            err = lock(&pg->base, &SQL_LOCK, keys[i]);
        }
    }
    return err;
}

static enum err read_now(struct db *base)
{
    struct db_stmt *stmt = db_stmt(base, &SQL_NOW);
    bool has_row = false;
    enum err err = db_step(stmt, &has_row);
    if (err == ERR_OK && !has_row) {
        err = ERR_IO;
    }
    if (err == ERR_OK) {
        base->status.begun_ms = db_col_i64(stmt, 0);
        base->status.xid = (uint64_t)db_col_i64(stmt, 1);
        db_done(stmt);
    }
    return err;
}

static enum err pg_begin(struct db *base, const struct db_locks *locks)
{
    struct pg *pg = pg_of(base);
    assert(base->mode == DB_WRITER && !pg->has_begun);
    base->status.is_unknown = false;
    base->status.is_outrun = false;
    enum err err = pg_connect(pg);
    if (err != ERR_OK) {
        return err;
    }
    pg->has_begun = true;
    err = db_exec_later(db_stmt(base, &SQL_BEGIN));
    if (err == ERR_OK) {
        err = lock_all(pg, locks);
    }
    if (err == ERR_OK) {
        err = read_now(base);
    }
    if (err != ERR_OK) {
        pg_rollback(base);
    }
    return err;
}

/* What the answer to COMMIT means. NULL: there was none. A failure without a state is libpq's own (no
 * memory for the answer). */
static enum err judge_commit(struct pg *pg, const PGresult *result)
{
    struct db_status *status = &pg->base.status;
    bool is_answer =
        PQresultStatus(result) == PGRES_COMMAND_OK || PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (!is_answer || pg->has_warning || !pg->conn || PQstatus(pg->conn) != CONNECTION_OK) {
        if (result && pg->has_warning) {
            db_set_message(&pg->base, "committed, but maybe not on the standby");
        }
        status->is_unknown = true;
        return ERR_IO;
    }
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        return pg_failed(pg, result);
    }
    if (strcmp(PQcmdStatus((PGresult *)result), "COMMIT") != 0) {
        db_set_message(&pg->base, "a statement of the transaction had failed");
        return ERR_IO;
    }
    return ERR_OK;
}

static bool counts_are_pending(const struct pg *pg)
{
    bool are_pending = false;
    for (unsigned i = 0; i < pg->pending_count; i++) {
        are_pending = are_pending || pg->pending[i].is_one;
    }
    return are_pending;
}

static enum err pg_commit(struct db *base)
{
    struct pg *pg = pg_of(base);
    assert(pg->has_begun);
    pg_stmts_reset(pg);
    /* What we judge ourselves must be known before COMMIT is sent. */
    if (counts_are_pending(pg) && pg_flush(base) != ERR_OK) {
        pg_rollback(base);
        return ERR_IO;
    }
    if (pg->is_doomed || !pg->conn || pg->commits_to_fail > 0) {
        pg->commits_to_fail -= pg->commits_to_fail > 0;
        pg_rollback(base);
        return ERR_IO;
    }
    pg->has_warning = false;
    static const char commit[] = "COMMIT";
    PGresult *result = NULL;
    enum err err = ERR_IO;
    if (PQsendQueryParams(pg->conn, commit, 0, NULL, NULL, NULL, NULL, 1)) {
        /* Only a connection that was lost has no answer; a deferred statement that failed keeps
         * COMMIT from being run. */
        err = pg_collect(pg, &result, 1);
        if (err == ERR_OK && pg->is_doomed) {
            err = ERR_IO;
        } else {
            err = judge_commit(pg, result);
        }
    } else {
        base->status.is_unknown = true;
    }
    PQclear(result);
    if (err == ERR_OK) {
        pg->has_begun = false;
        return ERR_OK;
    }
    if (base->status.is_unknown) {
        pg_drop(pg);
    }
    pg_rollback(base);
    return err;
}

static enum err pg_savepoint(struct db *base)
{
    return db_exec_later(db_stmt(base, &SQL_SAVEPOINT));
}

static enum err pg_savepoint_release(struct db *base)
{
    pg_forget_pending(pg_of(base));
    return db_exec_later(db_stmt(base, &SQL_SAVEPOINT_RELEASE));
}

static enum err pg_savepoint_rollback(struct db *base)
{
    pg_stmts_reset(pg_of(base));
    pg_forget_pending(pg_of(base));
    enum err err = db_exec(db_stmt(base, &SQL_SAVEPOINT_ROLLBACK));
    return err == ERR_OK ? pg_savepoint_release(base) : err;
}

/* A failed statement leaves it standing up to the savepoint. */
static bool pg_in_transaction(struct db *base)
{
    const struct pg *pg = pg_of(base);
    return (pg->has_begun || pg->in_snapshot) && pg->conn && !pg->is_doomed;
}

/* ---- reads ---- */

static enum err pg_snapshot_begin(struct db *base)
{
    struct pg *pg = pg_of(base);
    assert(!pg->in_snapshot && !pg->has_begun);
    enum err err = db_exec(db_stmt(base, &SQL_BEGIN_SNAPSHOT));
    pg->in_snapshot = err == ERR_OK;
    pg->deadline_ns =
        base->mode == DB_READER ? clock_mono_ns() + (int64_t)DB_READ_MS_MAX * NS_PER_MS : INT64_MAX;
    return err;
}

static void pg_snapshot_end(struct db *base)
{
    struct pg *pg = pg_of(base);
    if (!pg->in_snapshot) {
        return;
    }
    pg_stmts_reset(pg);
    pg->in_snapshot = false;
    /* Nothing was written, so there is nothing to lose. */
    if (pg->conn && db_exec(db_stmt(base, &SQL_ROLLBACK)) != ERR_OK) {
        pg_drop(pg);
    }
}

static void pg_end_reads(struct db *base)
{
    pg_stmts_reset(pg_of(base));
    pg_snapshot_end(base);
}

/* ---- the rest ---- */

static enum err pg_script(struct db *base, struct str sql_text)
{
    struct pg *pg = pg_of(base);
    enum err err = pg_may_run(pg);
    if (err != ERR_OK) {
        return err;
    }
    struct buf text;
    buf_init(&text, SCRIPT_MAX);
    dialect_pgsql(sql_text, &text);
    buf_append_str(&text, str_from("", 1)); /* the NUL */
    err = text.overflow ? ERR_LIMIT : pg_simple(pg, text.data);
    buf_release(&text);
    if (pg->has_begun && pg->conn && PQtransactionStatus(pg->conn) == PQTRANS_IDLE) {
        pg->is_doomed = true; /* the script ended it */
    }
    return err;
}

static enum err try_lock(struct db *base, const char *name, bool *ret_is_held)
{
    struct db_stmt *stmt = db_stmt(base, &SQL_TRY_SESSION);
    db_bind_i64(stmt, 1, pg_lock_key(pg_of(base), name, 0));
    int64_t is_held = 0;
    enum err err = db_get_i64(stmt, &is_held);
    *ret_is_held = err == ERR_OK && is_held != 0;
    return err;
}

static enum err pg_lock_session(struct db *base, const char *name, bool *ret_is_held)
{
    struct pg *pg = pg_of(base);
    struct pg_session_lock *lock = NULL;
    *ret_is_held = false;
    for (size_t i = 0; i < DB_SESSION_LOCKS_MAX; i++) {
        bool is_held = pg->conn && pg->locks[i].life == base->status.lives;
        if (is_held && strcmp(pg->locks[i].name, name) == 0) {
            *ret_is_held = true;
            return ERR_OK;
        }
        if (!is_held) { /* what a lost connection held is gone */
            lock = &pg->locks[i];
        }
    }
    if (!lock || strlen(name) >= sizeof(lock->name)) {
        return ERR_LIMIT;
    }
    enum err err = try_lock(base, name, ret_is_held);
    if (err == ERR_OK && *ret_is_held) {
        (void)snprintf(lock->name, sizeof(lock->name), "%s", name);
        lock->life = base->status.lives;
    }
    return err;
}

static bool pg_checkpoint_due(struct db *base)
{
    (void)base;
    return false; /* the server's business */
}

static void pg_checkpoint(struct db *base)
{
    (void)base;
}

static int64_t pg_changes(struct db *base)
{
    return pg_of(base)->changes;
}

static void pg_fail_commits(struct db *base, unsigned count)
{
    pg_of(base)->commits_to_fail = count;
}

static void pg_close(struct db *base)
{
    struct pg *pg = pg_of(base);
    pg_stmts_release(pg);
    if (pg->conn) {
        PQfinish(pg->conn); /* the server rolls back what is open */
    }
    free(pg);
}

static const struct db_engine pg_engine = {
    .is_pgsql = true,
    .close = pg_close,
    .stmt = pg_stmt_get,
    .bind_i64 = pg_bind_i64,
    .bind_f64 = pg_bind_f64,
    .bind_str = pg_bind_str,
    .bind_blob = pg_bind_blob,
    .bind_null = pg_bind_null,
    .step = pg_step,
    .exec_later = pg_exec_later,
    .exec_one = pg_exec_one,
    .flush = pg_flush,
    .send = pg_send,
    .done = pg_done,
    .changes = pg_changes,
    .col_i64 = pg_col_i64,
    .col_f64 = pg_col_f64,
    .col_str = pg_col_str,
    .col_blob = pg_col_blob,
    .col_is_null = pg_col_is_null,
    .snapshot_begin = pg_snapshot_begin,
    .snapshot_end = pg_snapshot_end,
    .end_reads = pg_end_reads,
    .begin = pg_begin,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .savepoint = pg_savepoint,
    .savepoint_release = pg_savepoint_release,
    .savepoint_rollback = pg_savepoint_rollback,
    .in_transaction = pg_in_transaction,
    .script = pg_script,
    .checkpoint_due = pg_checkpoint_due,
    .checkpoint = pg_checkpoint,
    .lock_session = pg_lock_session,
    .fail_commits = pg_fail_commits,
};

enum err db_pgsql_open(const char *location, enum db_mode mode, struct db **ret_db)
{
    struct pg *pg = calloc(1, sizeof(*pg));
    if (!pg) {
        return ERR_NOMEM;
    }
    db_init(&pg->base, &pg_engine, mode);
    enum err err = pg_parse_location(pg, location);
    if (err == ERR_OK) {
        err = pg_connect(pg);
    }
    if (err != ERR_OK) {
        db_set_open_failure("%s", pg->base.message);
        db_close(&pg->base);
        return err;
    }
    *ret_db = &pg->base;
    return ERR_OK;
}
