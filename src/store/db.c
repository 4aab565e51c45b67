/*
 * db.h, as far as it is the same for both engines: which engine a location means, the slot numbers of
 * statements, and the way to the engine's functions.
 *
 * A statement constant gets its slot number at its first use in the process, under a mutex; each
 * connection keeps its prepared form in that slot, so that finding it costs an array access.
 */
#include "store/db_engine.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#define DB_MAGIC 0x64627371u

static pthread_mutex_t slot_lock = PTHREAD_MUTEX_INITIALIZER;
static int slots_used;
static _Thread_local char open_failure[DB_MESSAGE_MAX];

bool db_location_is_pgsql(const char *location)
{
    struct str text = str_from_c(location);
    return str_starts_with(text, STR("postgres://")) || str_starts_with(text, STR("postgresql://"));
}

enum err db_open(const char *location, enum db_mode mode, struct db **ret_db)
{
    open_failure[0] = '\0';
    return db_location_is_pgsql(location) ? db_pgsql_open(location, mode, ret_db)
                                          : db_sqlite_open(location, mode, ret_db);
}

const char *db_open_failure(void)
{
    return open_failure;
}

void db_set_open_failure(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(open_failure, sizeof(open_failure), format, args); /* cut to what fits */
    va_end(args);
}

void db_init(struct db *db, const struct db_engine *engine, enum db_mode mode)
{
    db->magic = DB_MAGIC;
    db->engine = engine;
    db->mode = mode;
}

void db_close(struct db *db)
{
    if (!db) {
        return;
    }
    assert(db->magic == DB_MAGIC);
    db->magic = 0;
    db->engine->close(db);
}

bool db_is_pgsql(const struct db *db)
{
    return db->engine->is_pgsql;
}

void db_set_message(struct db *db, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(db->message, sizeof(db->message), format,
                    args); /* a cut message is good enough */
    va_end(args);
    size_t len = strlen(db->message); /* libpq's have lines */
    while (len > 0 && db->message[len - 1] == '\n') {
        db->message[--len] = '\0';
    }
    for (char *at = db->message; (at = strchr(at, '\n'));) {
        *at = ' ';
    }
}

const char *db_message(const struct db *db)
{
    return db->message;
}

struct db_status db_status(const struct db *db)
{
    return db->status;
}

/* ---- statements ---- */

static int slot_of(struct sql *sql)
{
    int slot = atomic_load_explicit(&sql->slot, memory_order_acquire);
    if (slot != 0) {
        return slot;
    }
    (void)pthread_mutex_lock(&slot_lock);
    slot = atomic_load_explicit(&sql->slot, memory_order_relaxed);
    if (slot == 0) {
        slot = ++slots_used;
        assert(slot < DB_STATEMENTS_MAX);
        atomic_store_explicit(&sql->slot, slot, memory_order_release);
    }
    (void)pthread_mutex_unlock(&slot_lock);
    return slot;
}

struct db_stmt *db_stmt(struct db *db, struct sql *sql)
{
    assert(db->magic == DB_MAGIC);
    return db->engine->stmt(db, sql, slot_of(sql));
}

void db_bind_i64(struct db_stmt *stmt, int index, int64_t value)
{
    stmt->db->engine->bind_i64(stmt, index, value);
}

void db_bind_f64(struct db_stmt *stmt, int index, double value)
{
    stmt->db->engine->bind_f64(stmt, index, value);
}

void db_bind_str(struct db_stmt *stmt, int index, struct str value)
{
    stmt->db->engine->bind_str(stmt, index, value);
}

void db_bind_blob(struct db_stmt *stmt, int index, struct str value)
{
    stmt->db->engine->bind_blob(stmt, index, value);
}

void db_bind_null(struct db_stmt *stmt, int index)
{
    stmt->db->engine->bind_null(stmt, index);
}

enum err db_step(struct db_stmt *stmt, bool *ret_has_row)
{
    return stmt->db->engine->step(stmt, ret_has_row);
}

enum err db_exec(struct db_stmt *stmt)
{
    bool has_row = true;
    while (has_row) {
        enum err err = db_step(stmt, &has_row);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

enum err db_exec_later(struct db_stmt *stmt)
{
    return stmt->db->engine->exec_later(stmt, NULL);
}

enum err db_exec_counted(struct db_stmt *stmt, int64_t *ret_changes)
{
    return stmt->db->engine->exec_later(stmt, ret_changes);
}

enum err db_exec_one(struct db_stmt *stmt)
{
    return stmt->db->engine->exec_one(stmt);
}

enum err db_flush(struct db *db)
{
    return db->engine->flush(db);
}

enum err db_send(struct db_stmt *stmt)
{
    return stmt->db->engine->send(stmt);
}

enum err db_get_i64(struct db_stmt *stmt, int64_t *ret_value)
{
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK) {
        return err;
    }
    if (!has_row) {
        return ERR_NOT_FOUND;
    }
    *ret_value = db_col_i64(stmt, 0);
    db_done(stmt);
    return ERR_OK;
}

void db_done(struct db_stmt *stmt)
{
    stmt->db->engine->done(stmt);
}

int64_t db_changes(struct db *db)
{
    return db->engine->changes(db);
}

int64_t db_written(struct db *db)
{
    return db->engine->written ? db->engine->written(db) : -1;
}

int64_t db_col_i64(struct db_stmt *stmt, int column)
{
    return stmt->db->engine->col_i64(stmt, column);
}

double db_col_f64(struct db_stmt *stmt, int column)
{
    return stmt->db->engine->col_f64(stmt, column);
}

struct str db_col_str(struct db_stmt *stmt, int column)
{
    return stmt->db->engine->col_str(stmt, column);
}

struct str db_col_blob(struct db_stmt *stmt, int column)
{
    return stmt->db->engine->col_blob(stmt, column);
}

bool db_col_is_null(struct db_stmt *stmt, int column)
{
    return stmt->db->engine->col_is_null(stmt, column);
}

/* ---- transactions ---- */

enum err db_snapshot_begin(struct db *db)
{
    return db->engine->snapshot_begin(db);
}

void db_snapshot_end(struct db *db)
{
    db->engine->snapshot_end(db);
}

void db_end_reads(struct db *db)
{
    db->engine->end_reads(db);
}

enum err db_begin(struct db *db)
{
    return db->engine->begin(db, NULL);
}

enum err db_begin_locked(struct db *db, const struct db_locks *locks)
{
    return db->engine->begin(db, locks);
}

enum err db_commit(struct db *db)
{
    return db->engine->commit(db);
}

void db_rollback(struct db *db)
{
    db->engine->rollback(db);
}

enum err db_savepoint(struct db *db)
{
    return db->engine->savepoint(db);
}

enum err db_savepoint_release(struct db *db)
{
    return db->engine->savepoint_release(db);
}

enum err db_savepoint_rollback(struct db *db)
{
    return db->engine->savepoint_rollback(db);
}

bool db_in_transaction(struct db *db)
{
    return db->engine->in_transaction(db);
}

enum err db_script(struct db *db, struct str sql_text)
{
    return db->engine->script(db, sql_text);
}

bool db_checkpoint_due(struct db *db)
{
    return db->engine->checkpoint_due(db);
}

void db_checkpoint(struct db *db)
{
    db->engine->checkpoint(db);
}

enum err db_lock_session(struct db *db, const char *name, bool *ret_is_held)
{
    return db->engine->lock_session(db, name, ret_is_held);
}

void db_fail_commits(struct db *db, unsigned count)
{
    db->engine->fail_commits(db, count);
}
