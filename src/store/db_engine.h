/*
 * What an engine behind db.h provides (db_sqlite.c, db_pgsql.c), and what db.c keeps for both. A
 * connection and a statement begin with these structs; functions mean what db.h and db_internal.h
 * say of the ones with the same name. Threads as there.
 */
#ifndef STORE_DB_ENGINE_H
#define STORE_DB_ENGINE_H

#include "store/db.h"
#include "store/db_internal.h"

#define DB_MESSAGE_MAX 512

struct db_engine {
    bool is_pgsql;
    void (*close)(struct db *db);
    /* sql's slot is the same for all connections of the process, from 1. */
    struct db_stmt *(*stmt)(struct db *db, const struct sql *sql, int slot);
    void (*bind_i64)(struct db_stmt *stmt, int index, int64_t value);
    void (*bind_f64)(struct db_stmt *stmt, int index, double value);
    void (*bind_str)(struct db_stmt *stmt, int index, struct str value);
    void (*bind_blob)(struct db_stmt *stmt, int index, struct str value);
    void (*bind_null)(struct db_stmt *stmt, int index);
    enum err (*step)(struct db_stmt *stmt, bool *ret_has_row);
    enum err (*exec_later)(struct db_stmt *stmt,
                           int64_t *ret_changes); /* ret_changes may be NULL */
    enum err (*exec_one)(struct db_stmt *stmt);
    enum err (*flush)(struct db *db);
    enum err (*send)(struct db_stmt *stmt);
    void (*done)(struct db_stmt *stmt);
    int64_t (*changes)(struct db *db);
    int64_t (*written)(struct db *db); /* NULL: not known */
    int64_t (*col_i64)(struct db_stmt *stmt, int column);
    double (*col_f64)(struct db_stmt *stmt, int column);
    struct str (*col_str)(struct db_stmt *stmt, int column);
    struct str (*col_blob)(struct db_stmt *stmt, int column);
    bool (*col_is_null)(struct db_stmt *stmt, int column);
    enum err (*snapshot_begin)(struct db *db);
    void (*snapshot_end)(struct db *db);
    void (*end_reads)(struct db *db);
    enum err (*begin)(struct db *db, const struct db_locks *locks);
    enum err (*commit)(struct db *db);
    void (*rollback)(struct db *db);
    enum err (*savepoint)(struct db *db);
    enum err (*savepoint_release)(struct db *db);
    enum err (*savepoint_rollback)(struct db *db);
    bool (*in_transaction)(struct db *db);
    enum err (*script)(struct db *db, struct str sql_text);
    bool (*checkpoint_due)(struct db *db);
    void (*checkpoint)(struct db *db);
    enum err (*lock_session)(struct db *db, const char *name, bool *ret_is_held);
    void (*fail_commits)(struct db *db, unsigned count);
};

struct db {
    uint32_t magic;
    enum db_mode mode;
    const struct db_engine *engine;
    struct db_status status;
    char message[DB_MESSAGE_MAX];
};

struct db_stmt {
    struct db *db;
};

ERR_MUST_USE enum err db_sqlite_open(const char *path, enum db_mode mode, struct db **ret_db);
ERR_MUST_USE enum err db_pgsql_open(const char *location, enum db_mode mode, struct db **ret_db);
/* Of a connection that begins. */
void db_init(struct db *db, const struct db_engine *engine, enum db_mode mode);
/* What db_open_failure says. */
void db_set_open_failure(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
