/*
 * db.h on SQLite. This file and db_sqlite_cache.c alone know sqlite3.h.
 *
 * Design
 *  - A statement constant gets a slot number at its first use in the process; each connection keeps
 *    its prepared form in that slot, so that finding it costs an array access. SQLite numbers "$n"
 *    by appearance, so every prepared statement carries a map from n to SQLite's index.
 *  - Only the writer checkpoints: SQLite 3.40 has a WAL-reset bug that needs two checkpointing
 *    connections. The automatic checkpoint, which runs inside COMMIT, is off; the WAL hook counts
 *    pages, and the writer asks db_checkpoint_due() after the answers have left. Passive ones
 *    never wait. Should readers keep the WAL from starting over for long, one that waits for them
 *    (as long as a read may last) is made, ever rarer while in vain: a backup may read for long.
 *  - foreign_keys stays OFF: it is not free (each child row looks its parent up), and the claim,
 *    state and money rules that matter are constraints and conditions of the statements themselves.
 *  - mmap_size stays 0: an I/O error would be a SIGBUS instead of an answer.
 *
 * Invariants
 *  - Between db_begin and db_commit or db_rollback no statement runs outside that transaction:
 *    if the engine threw it away, everything fails until db_rollback. So a half-done job can
 *    never autocommit its second half.
 *  - Readers are interrupted, writers never.
 *
 * Threads: a connection belongs to one thread at a time (SQLITE_OPEN_NOMUTEX); slots are shared by
 * all, under a mutex.
 */
#include "store/db_engine.h"

#include "base/clock.h"
#include "base/queue.h"
#include "store/db_sqlite_cache.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define DB_PARAMS_MAX   64
#define DB_PROGRESS_OPS 10000
#define DB_BUSY_MS      (2 * DB_READ_MS_MAX)
#define NS_PER_MS       1000000

/* 64 MiB of WAL before pages are moved, then every 16 MiB while readers keep it from starting over;
 * from 256 MiB on the checkpoint waits for them. Measured on 2 cores with jobs of three row writes
 * and a journal row, 64 / 256 jobs a commit: from 1,000 pages on 40,000 / 46,000 jobs/s, from 4,000
 * 49,000 / 50,000, from 16,000 53,000 / 62,000; the longest pause was 12-17, 18-30 and 28-40 ms.
 * Pages of 8 KiB (2,000 of them) gave 37,000 / 39,000. */
#define DB_WAL_PAGES_SOFT 16000
#define DB_WAL_PAGES_STEP 4000
#define DB_WAL_PAGES_HARD 64000
#define DB_WAL_BYTES_KEPT "134217728"

struct lite_stmt {
    struct db_stmt base;
    sqlite3_stmt *handle; /* NULL: not prepared, error says why */
    enum err error;       /* of preparing or binding; told by the next step */
    bool is_active;       /* stepped and not yet reset */
    bool is_ended;        /* has said that there are no more rows */
    uint8_t index_count;
    uint8_t index_of[DB_PARAMS_MAX + 1]; /* $n to SQLite's index; 0: no such parameter */
};

struct lite {
    struct db base;
    sqlite3 *handle;
    bool has_begun; /* db_begin without db_commit or db_rollback */
    bool in_snapshot;
    bool has_leftover;        /* a transaction that could not be ended for want of memory */
    unsigned active_count;    /* statements with is_active */
    int64_t read_deadline_ns; /* readers: of the running statements or the snapshot */
    int wal_pages;
    int checkpointed_at_pages; /* what wal_pages was at the last checkpoint; 0 once the WAL has
                                  started over */
    int restart_at_pages;      /* from here on a checkpoint waits for readers */
    int soft_pages, step_pages, hard_pages; /* DB_WAL_PAGES_*, but in tests */
    unsigned commits_to_fail;
    struct lite_stmt stmts[DB_STATEMENTS_MAX];
};

static struct lite *lite_of(struct db *db)
{
    return container_of(db, struct lite, base);
}

static struct lite_stmt *stmt_of(struct db_stmt *stmt)
{
    return container_of(stmt, struct lite_stmt, base);
}

static pthread_once_t sqlite_once = PTHREAD_ONCE_INIT;

SQL(SQL_BEGIN, "BEGIN IMMEDIATE");
SQL(SQL_BEGIN_SNAPSHOT, "BEGIN");
SQL(SQL_COMMIT, "COMMIT");
SQL(SQL_ROLLBACK, "ROLLBACK");
SQL(SQL_SAVEPOINT, "SAVEPOINT job");
SQL(SQL_SAVEPOINT_RELEASE, "RELEASE job");
SQL(SQL_SAVEPOINT_ROLLBACK, "ROLLBACK TO job");

/* ---- errors ---- */

static enum err err_of_sqlite(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_INTERRUPT:
        return ERR_TIMEOUT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_BUSY:
        return ERR_AGAIN;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_READONLY:
        return ERR_DENIED;
    default:
        return ERR_IO;
    }
}

static enum err db_failed(struct lite *db, int code)
{
    db_set_message(&db->base, "%s", sqlite3_errmsg(db->handle));
    return err_of_sqlite(code);
}

/* ---- open and close ---- */

static void sqlite_setup(void)
{
    /* Connections are never shared and nobody reads SQLite's memory statistics, whose lock every
     * allocation of every thread would take. Refused when something initialised the library before,
     * which costs speed alone. */
    (void)sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    db_sqlite_cache_setup();
}

static int on_progress(void *ctx)
{
    struct lite *db = ctx;
    return clock_mono_ns() > db->read_deadline_ns;
}

static int on_wal(void *ctx, sqlite3 *handle, const char *name, int pages)
{
    struct lite *db = ctx;
    (void)handle;
    (void)name;
    if (pages < db->wal_pages) {
        db->checkpointed_at_pages = 0;
    }
    db->wal_pages = pages;
    return SQLITE_OK;
}

static enum err run_pragmas(struct lite *db, const char *pragmas)
{
    int code = sqlite3_exec(db->handle, pragmas, NULL, NULL, NULL);
    return code == SQLITE_OK ? ERR_OK : db_failed(db, code);
}

static enum err require_wal(struct lite *db)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode=WAL", -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
    }
    enum err err = ERR_OK;
    if (code != SQLITE_ROW) {
        err = db_failed(db, code);
    } else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") != 0) {
        db_set_message(&db->base, "this file system cannot hold a database with a write-ahead log");
        err = ERR_IO;
    }
    (void)sqlite3_finalize(stmt); /* repeats the error of the step */
    return err;
}

static enum err set_up_writer(struct lite *db, bool is_in_memory)
{
    enum err err = run_pragmas(db, "PRAGMA page_size=4096");
    if (err == ERR_OK && !is_in_memory) {
        err = require_wal(db);
    }
    if (err == ERR_OK) {
        err = run_pragmas(db, "PRAGMA synchronous=FULL; PRAGMA secure_delete=OFF;"
                              "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF;"
                              "PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=0;"
                              "PRAGMA journal_size_limit=" DB_WAL_BYTES_KEPT);
    }
    sqlite3_wal_hook(db->handle, on_wal, db);
    return err;
}

static enum err set_up_reader(struct lite *db)
{
    if (db->base.mode == DB_READER) {
        sqlite3_progress_handler(db->handle, DB_PROGRESS_OPS, on_progress, db);
        db->read_deadline_ns = INT64_MAX;
    }
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    /* The last one touches the file, so that a foreign or broken one is found here. */
    return run_pragmas(db, "PRAGMA query_only=ON; PRAGMA wal_autocheckpoint=0;"
                           "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384;"
                           "SELECT count(*) FROM sqlite_schema");
}

static const struct db_engine lite_engine;

enum err db_sqlite_open(const char *path, enum db_mode mode, struct db **ret_db)
{
    (void)pthread_once(&sqlite_once, sqlite_setup);
    struct lite *db = calloc(1, sizeof(*db));
    if (!db) {
        return ERR_NOMEM;
    }
    db_init(&db->base, &lite_engine, mode);
    db_set_wal_pages(&db->base, DB_WAL_PAGES_SOFT, DB_WAL_PAGES_STEP, DB_WAL_PAGES_HARD);
    for (size_t i = 0; i < DB_STATEMENTS_MAX; i++) {
        db->stmts[i].base.db = &db->base;
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (mode == DB_WRITER) {
        flags |= SQLITE_OPEN_CREATE;
    }
    int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    enum err err = code == SQLITE_OK ? ERR_OK : err_of_sqlite(code);
    if (err == ERR_OK) {
        (void)sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
        err = mode == DB_WRITER ? set_up_writer(db, strcmp(path, DB_IN_MEMORY) == 0)
                                : set_up_reader(db);
    }
    if (err != ERR_OK) {
        db_close(&db->base);
        return err;
    }
    *ret_db = &db->base;
    return ERR_OK;
}

static void lite_end_reads(struct db *base);
static void lite_rollback(struct db *base);

static void lite_close(struct db *base)
{
    struct lite *db = lite_of(base);
    lite_end_reads(base);
    if (db->has_begun) {
        lite_rollback(base);
    }
    for (size_t i = 0; i < DB_STATEMENTS_MAX; i++) {
        (void)sqlite3_finalize(db->stmts[i].handle); /* repeats the error of the last step */
    }
    if (db->base.mode == DB_WRITER && db->wal_pages > 0) {
        /* Best effort: what stays in the WAL is read from there at the next start. */
        (void)sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    int code = sqlite3_close(db->handle);
    assert(code == SQLITE_OK);
    (void)code;
    free(db);
}

/* ---- statements ---- */

/* Fills index_of from the names "$1", "$2", ... */
static void map_parameters(struct lite_stmt *stmt)
{
    int count = sqlite3_bind_parameter_count(stmt->handle);
    assert(count <= DB_PARAMS_MAX);
    memset(stmt->index_of, 0, sizeof(stmt->index_of));
    for (int index = 1; index <= count; index++) {
        const char *name = sqlite3_bind_parameter_name(stmt->handle, index);
        assert(name && name[0] == '$');
        int number = atoi(name + 1);
        assert(number >= 1 && number <= DB_PARAMS_MAX);
        stmt->index_of[number] = (uint8_t)index;
    }
    stmt->index_count = (uint8_t)count;
}

static void stmt_prepare(struct lite_stmt *stmt, const char *text)
{
    int code = sqlite3_prepare_v3(lite_of(stmt->base.db)->handle, text, -1,
                                  SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL);
    if (code != SQLITE_OK) {
        stmt->handle = NULL;
        stmt->error = db_failed(lite_of(stmt->base.db), code);
        return;
    }
    stmt->error = ERR_OK;
    map_parameters(stmt);
}

/* Resets; sqlite3_reset repeats the error of the last step, which was told already. */
static void stmt_reset(struct lite_stmt *stmt)
{
    if (stmt->is_active) {
        (void)sqlite3_reset(stmt->handle);
        stmt->is_active = false;
        assert(lite_of(stmt->base.db)->active_count > 0);
        lite_of(stmt->base.db)->active_count--;
    }
}

static struct db_stmt *lite_stmt(struct db *base, const struct sql *sql, int slot)
{
    struct lite *db = lite_of(base);
    struct lite_stmt *stmt = &db->stmts[slot];
    stmt->is_ended = false;
    if (!stmt->handle) {
        stmt_prepare(stmt, sql->text);
        return &stmt->base;
    }
    stmt_reset(stmt);
    stmt->error = ERR_OK;
    if (stmt->index_count > 0) {
        (void)sqlite3_clear_bindings(stmt->handle); /* always SQLITE_OK */
    }
    return &stmt->base;
}

/* SQLite's index of $number; 0 when the statement could not be prepared. */
static int bind_index(struct lite_stmt *stmt, int number)
{
    if (!stmt->handle) {
        return 0;
    }
    assert(number >= 1 && number <= DB_PARAMS_MAX && stmt->index_of[number] != 0);
    return stmt->index_of[number];
}

static void bind_check(struct lite_stmt *stmt, int code)
{
    if (code != SQLITE_OK && stmt->error == ERR_OK) {
        stmt->error = db_failed(lite_of(stmt->base.db), code);
    }
}

static void lite_bind_i64(struct db_stmt *base, int index, int64_t value)
{
    struct lite_stmt *stmt = stmt_of(base);
    int at = bind_index(stmt, index);
    if (at != 0) {
        bind_check(stmt, sqlite3_bind_int64(stmt->handle, at, value));
    }
}

static void lite_bind_f64(struct db_stmt *base, int index, double value)
{
    struct lite_stmt *stmt = stmt_of(base);
    int at = bind_index(stmt, index);
    if (at != 0) {
        bind_check(stmt, sqlite3_bind_double(stmt->handle, at, value));
    }
}

static void lite_bind_str(struct db_stmt *base, int index, struct str value)
{
    struct lite_stmt *stmt = stmt_of(base);
    int at = bind_index(stmt, index);
    if (at != 0) {
        bind_check(stmt, sqlite3_bind_text64(stmt->handle, at, value.data ? value.data : "",
                                             value.len, SQLITE_STATIC, SQLITE_UTF8));
    }
}

static void lite_bind_blob(struct db_stmt *base, int index, struct str value)
{
    struct lite_stmt *stmt = stmt_of(base);
    int at = bind_index(stmt, index);
    if (at != 0) {
        bind_check(stmt, sqlite3_bind_blob64(stmt->handle, at, value.data ? value.data : "",
                                             value.len, SQLITE_STATIC));
    }
}

static void lite_bind_null(struct db_stmt *base, int index)
{
    struct lite_stmt *stmt = stmt_of(base);
    int at = bind_index(stmt, index);
    if (at != 0) {
        bind_check(stmt, sqlite3_bind_null(stmt->handle, at));
    }
}

/* Tries again to end what could not be ended. Until then nothing may run in it: it would be thrown
 * away with it, or read what is long past. */
static enum err end_leftover(struct lite *db)
{
    int code = sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    db->has_leftover = !sqlite3_get_autocommit(db->handle);
    return db->has_leftover ? db_failed(db, code) : ERR_OK;
}

/* May this connection run something now? Starts the time limit of a read. */
static enum err check_may_run(struct lite *db)
{
    enum err err = db->has_leftover ? end_leftover(db) : ERR_OK;
    if (err != ERR_OK) {
        return err;
    }
    if (db->has_begun && sqlite3_get_autocommit(db->handle)) {
        db_set_message(&db->base, "the transaction is gone");
        return ERR_IO;
    }
    if (db->base.mode != DB_READER) {
        return ERR_OK;
    }
    int64_t now_ns = clock_mono_ns();
    if (db->active_count == 0 && !db->in_snapshot) {
        db->read_deadline_ns = now_ns + (int64_t)DB_READ_MS_MAX * NS_PER_MS;
    } else if (now_ns > db->read_deadline_ns) {
        db_set_message(&db->base, "the read took longer than %d ms", DB_READ_MS_MAX);
        return ERR_TIMEOUT;
    }
    return ERR_OK;
}

static enum err lite_step(struct db_stmt *base, bool *ret_has_row)
{
    struct lite_stmt *stmt = stmt_of(base);
    struct lite *db = lite_of(stmt->base.db);
    enum err err = stmt->error;
    if (err == ERR_OK) {
        err = check_may_run(db);
    }
    if (err != ERR_OK) {
        stmt_reset(stmt);
        return err;
    }
    if (stmt->is_ended) { /* SQLite would run it again */
        *ret_has_row = false;
        return ERR_OK;
    }
    if (!stmt->is_active) {
        stmt->is_active = true;
        db->active_count++;
    }
    int code = sqlite3_step(stmt->handle);
    if (code == SQLITE_ROW) {
        *ret_has_row = true;
        return ERR_OK;
    }
    stmt->is_ended = true;
    if (code != SQLITE_DONE) {
        stmt->error = db_failed(db, code);
        stmt_reset(stmt);
        return stmt->error;
    }
    stmt_reset(stmt);
    *ret_has_row = false;
    return ERR_OK;
}

static void lite_done(struct db_stmt *base)
{
    struct lite_stmt *stmt = stmt_of(base);
    stmt_reset(stmt);
    stmt->is_ended = true;
}

static enum err lite_exec_later(struct db_stmt *base, int64_t *ret_changes)
{
    enum err err = db_exec(base);
    if (err == ERR_OK && ret_changes) {
        *ret_changes = sqlite3_changes64(lite_of(base->db)->handle);
    }
    return err;
}

static enum err lite_exec_one(struct db_stmt *base)
{
    int64_t changes;
    enum err err = lite_exec_later(base, &changes);
    return err == ERR_OK && changes != 1 ? ERR_CORRUPT : err;
}

static enum err lite_flush(struct db *base)
{
    (void)base;
    return ERR_OK;
}

static enum err lite_send(struct db_stmt *base)
{
    (void)base;
    return ERR_OK;
}

static int64_t lite_written(struct db *base)
{
    return sqlite3_total_changes64(lite_of(base)->handle);
}

static int64_t lite_changes(struct db *base)
{
    struct lite *db = lite_of(base);
    return sqlite3_changes64(db->handle);
}

/* ---- columns ---- */

static int64_t lite_col_i64(struct db_stmt *base, int column)
{
    struct lite_stmt *stmt = stmt_of(base);
    return sqlite3_column_int64(stmt->handle, column);
}

static double lite_col_f64(struct db_stmt *base, int column)
{
    struct lite_stmt *stmt = stmt_of(base);
    return sqlite3_column_double(stmt->handle, column);
}

/* Not by sqlite3_column_text(): for the NUL it puts behind the text it may have to copy it, and when
 * there is no memory for that it says NULL, which would pass for an empty text. */
static struct str lite_col_str(struct db_stmt *base, int column)
{
    struct lite_stmt *stmt = stmt_of(base);
    const char *data = sqlite3_column_blob(stmt->handle, column);
    if (!data && sqlite3_column_type(stmt->handle, column) != SQLITE_NULL) {
        data = "";
    }
    return str_from(data, (size_t)sqlite3_column_bytes(stmt->handle, column));
}

static struct str lite_col_blob(struct db_stmt *base, int column)
{
    struct lite_stmt *stmt = stmt_of(base);
    const char *data = sqlite3_column_blob(stmt->handle, column);
    return str_from(data, (size_t)sqlite3_column_bytes(stmt->handle, column));
}

static bool lite_col_is_null(struct db_stmt *base, int column)
{
    struct lite_stmt *stmt = stmt_of(base);
    return sqlite3_column_type(stmt->handle, column) == SQLITE_NULL;
}

/* ---- transactions ---- */

/* A statement left active would hold its snapshot, and so the WAL, for ever. */
static void reset_active(struct lite *db)
{
    for (size_t i = 0; db->active_count > 0 && i < DB_STATEMENTS_MAX; i++) {
        stmt_reset(&db->stmts[i]);
    }
    assert(db->active_count == 0);
}

static enum err lite_snapshot_begin(struct db *base)
{
    struct lite *db = lite_of(base);
    assert(!db->in_snapshot && !db->has_begun);
    enum err err = db_exec(db_stmt(&db->base, &SQL_BEGIN_SNAPSHOT));
    db->in_snapshot = err == ERR_OK;
    return err;
}

static void lite_snapshot_end(struct db *base)
{
    struct lite *db = lite_of(base);
    if (!db->in_snapshot) {
        return;
    }
    reset_active(db);
    db->in_snapshot = false; /* before the statement: its time limit must not keep it from ending */
    if (!sqlite3_get_autocommit(db->handle)) {
        /* Nothing was written, so there is nothing to lose. */
        (void)!db_exec(db_stmt(&db->base, &SQL_COMMIT));
    }
    db->has_leftover = !sqlite3_get_autocommit(db->handle);
}

static void lite_end_reads(struct db *base)
{
    struct lite *db = lite_of(base);
    reset_active(db);
    lite_snapshot_end(base);
}

static enum err lite_begin(struct db *base, const struct db_locks *locks)
{
    (void)locks; /* there is one writer */
    struct lite *db = lite_of(base);
    assert(db->base.mode == DB_WRITER && !db->has_begun);
    enum err err = db_exec(db_stmt(&db->base, &SQL_BEGIN));
    db->has_begun = err == ERR_OK;
    return err;
}

static enum err lite_commit(struct db *base)
{
    struct lite *db = lite_of(base);
    assert(db->has_begun);
    reset_active(db);
    enum err err = db_exec(db_stmt(&db->base, &SQL_COMMIT));
    if (err == ERR_OK) {
        db->has_begun = false;
    } else {
        lite_rollback(base);
    }
    return err;
}

static void lite_rollback(struct db *base)
{
    struct lite *db = lite_of(base);
    reset_active(db);
    if (!sqlite3_get_autocommit(db->handle)) {
        /* Fails if the engine has rolled back already, or for want of memory. */
        (void)!db_exec(db_stmt(&db->base, &SQL_ROLLBACK));
    }
    db->has_begun = false;
    db->has_leftover = !sqlite3_get_autocommit(db->handle);
}

static enum err lite_savepoint(struct db *base)
{
    struct lite *db = lite_of(base);
    return db_exec(db_stmt(&db->base, &SQL_SAVEPOINT));
}

static enum err lite_savepoint_release(struct db *base)
{
    struct lite *db = lite_of(base);
    return db_exec(db_stmt(&db->base, &SQL_SAVEPOINT_RELEASE));
}

static enum err lite_savepoint_rollback(struct db *base)
{
    struct lite *db = lite_of(base);
    reset_active(db);
    enum err err = db_exec(db_stmt(&db->base, &SQL_SAVEPOINT_ROLLBACK));
    return err == ERR_OK ? lite_savepoint_release(base) : err;
}

static bool lite_in_transaction(struct db *base)
{
    struct lite *db = lite_of(base);
    return !sqlite3_get_autocommit(db->handle);
}

static enum err lite_script(struct db *base, struct str sql_text)
{
    struct lite *db = lite_of(base);
    const char *next = sql_text.data;
    const char *end = sql_text.data + sql_text.len;
    while (next < end) {
        enum err err = check_may_run(db);
        if (err != ERR_OK) {
            return err;
        }
        sqlite3_stmt *stmt = NULL;
        int code = sqlite3_prepare_v2(db->handle, next, (int)(end - next), &stmt, &next);
        if (code != SQLITE_OK) {
            return db_failed(db, code);
        }
        if (!stmt) { /* a comment or the empty end */
            continue;
        }
        do {
            code = sqlite3_step(stmt);
        } while (code == SQLITE_ROW);
        if (code != SQLITE_DONE) {
            err = db_failed(db, code);
        }
        (void)sqlite3_finalize(stmt); /* repeats the error of the step */
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

/* ---- checkpoints ---- */

static bool lite_checkpoint_due(struct db *base)
{
    struct lite *db = lite_of(base);
    return db->wal_pages >= db->soft_pages &&
           db->wal_pages - db->checkpointed_at_pages >= db->step_pages;
}

int db_wal_pages(struct db *base)
{
    return lite_of(base)->wal_pages;
}

static void lite_checkpoint(struct db *base)
{
    struct lite *db = lite_of(base);
    assert(db->base.mode == DB_WRITER && !db->has_begun);
    reset_active(db);
    bool waits = db->wal_pages >= db->restart_at_pages;
    int mode = waits ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    /* A failure leaves the pages in the WAL, where they are as safe; the next one tries again. */
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, NULL, NULL);
    db->checkpointed_at_pages = db->wal_pages;
    if (waits) {
        db->restart_at_pages = code == SQLITE_OK ? db->hard_pages : 2 * db->wal_pages;
    }
}

/* ---- limits, faults ---- */

static int on_commit(void *ctx)
{
    struct lite *db = ctx;
    if (db->commits_to_fail == 0) {
        return 0;
    }
    db->commits_to_fail--;
    return 1;
}

void db_set_wal_pages(struct db *base, int soft, int step, int hard)
{
    struct lite *db = lite_of(base);
    db->soft_pages = soft;
    db->step_pages = step;
    db->hard_pages = hard;
    db->restart_at_pages = hard;
}

static void lite_fail_commits(struct db *base, unsigned count)
{
    struct lite *db = lite_of(base);
    db->commits_to_fail = count;
    sqlite3_commit_hook(db->handle, on_commit, db);
}

static enum err lite_lock_session(struct db *base, const char *name, bool *ret_is_held)
{
    (void)base;
    (void)name;
    *ret_is_held = true;
    return ERR_OK;
}

static const struct db_engine lite_engine = {
    .close = lite_close,
    .stmt = lite_stmt,
    .bind_i64 = lite_bind_i64,
    .bind_f64 = lite_bind_f64,
    .bind_str = lite_bind_str,
    .bind_blob = lite_bind_blob,
    .bind_null = lite_bind_null,
    .step = lite_step,
    .exec_later = lite_exec_later,
    .exec_one = lite_exec_one,
    .flush = lite_flush,
    .send = lite_send,
    .done = lite_done,
    .changes = lite_changes,
    .written = lite_written,
    .col_i64 = lite_col_i64,
    .col_f64 = lite_col_f64,
    .col_str = lite_col_str,
    .col_blob = lite_col_blob,
    .col_is_null = lite_col_is_null,
    .snapshot_begin = lite_snapshot_begin,
    .snapshot_end = lite_snapshot_end,
    .end_reads = lite_end_reads,
    .begin = lite_begin,
    .commit = lite_commit,
    .rollback = lite_rollback,
    .savepoint = lite_savepoint,
    .savepoint_release = lite_savepoint_release,
    .savepoint_rollback = lite_savepoint_rollback,
    .in_transaction = lite_in_transaction,
    .script = lite_script,
    .checkpoint_due = lite_checkpoint_due,
    .checkpoint = lite_checkpoint,
    .lock_session = lite_lock_session,
    .fail_commits = lite_fail_commits,
};
