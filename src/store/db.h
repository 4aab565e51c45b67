/*
 * A blocking database connection, used by one thread at a time: SQLite (db_sqlite.c) or PostgreSQL
 * (db_pgsql.c) behind one interface. Statements are static constants, prepared once per connection
 * and kept; "$1"-style parameters.
 *
 * A location is the path of a database file, or "postgres://user@host/database?options#schema": each
 * of our databases is a schema there.
 *
 *     SQL(SQL_EVENT_GET, "SELECT name FROM event WHERE id = $1");
 *     struct db_stmt *stmt = db_stmt(db, &SQL_EVENT_GET);
 *     db_bind_i64(stmt, 1, id);
 *     bool has_row;
 *     enum err err = db_step(stmt, &has_row);
 *     ... db_col_str(stmt, 0) ...
 *     db_done(stmt);
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/arena.h"
#include "base/str.h"

#define DB_STATEMENTS_MAX 4096

struct db;
struct db_stmt;

struct sql {
    const char *text;
    _Atomic int slot;  /* 0: not yet assigned */
    const char *pgsql; /* NULL: the same text */
};
#define SQL(name, sql_text) static struct sql name = {.text = (sql_text)}
/* Where the dialects differ. */
#define SQL_PAIR(name, sqlite_text, pgsql_text)                                                    \
    static struct sql name = {.text = (sqlite_text), .pgsql = (pgsql_text)}

enum db_mode {
    DB_WRITER, /* the only connection that writes and checkpoints */
    DB_READER, /* query only; a statement or snapshot older than DB_READ_MS_MAX is interrupted */
    DB_ADMIN,  /* query only without that limit: audit, backup */
};
#define DB_READ_MS_MAX 1000

/* The writer creates the database file or schema. DB_IN_MEMORY: an empty one that this connection
 * has for itself, gone when it closes (DB_WRITER only). ERR_IO, ERR_CORRUPT. */
#define DB_IN_MEMORY ":memory:"
ERR_MUST_USE enum err db_open(const char *location, enum db_mode mode, struct db **ret_db);
/* Why the last db_open of this thread failed; "" when the error says all. */
const char *db_open_failure(void);
void db_close(struct db *db); /* NULL is fine */
bool db_location_is_pgsql(const char *location);
bool db_is_pgsql(const struct db *db);
/* Text of the last failure; borrowed until the next call. */
const char *db_message(const struct db *db);

/* The prepared statement, reset and with bindings cleared. Never NULL: a statement that cannot be
 * prepared fails at its first step. One use at a time per connection. */
struct db_stmt *db_stmt(struct db *db, struct sql *sql);
void db_bind_i64(struct db_stmt *stmt, int index, int64_t value);
void db_bind_f64(struct db_stmt *stmt, int index, double value);
void db_bind_str(struct db_stmt *stmt, int index,
                 struct str value); /* borrowed until db_done; data NULL binds "" */
void db_bind_blob(struct db_stmt *stmt, int index, struct str value); /* the same */
void db_bind_null(struct db_stmt *stmt, int index);
/* Runs to the next row. ERR_CONFLICT: a constraint refused it; ERR_TIMEOUT: interrupted;
 * ERR_DENIED: a reader may not write; ERR_AGAIN: another process holds the file; ERR_LIMIT: a value
 * is too large; ERR_CORRUPT, ERR_NOMEM; ERR_IO: everything else (full disk too). At the end or on
 * error the statement is reset. */
ERR_MUST_USE enum err db_step(struct db_stmt *stmt, bool *ret_has_row);
/* Runs to the end, rows ignored. */
ERR_MUST_USE enum err db_exec(struct db_stmt *stmt);
/* In a transaction: a write that cannot be refused, and whose count nobody asks for. PostgreSQL gets
 * it together with the next statement; should it fail after all, the transaction is lost. */
ERR_MUST_USE enum err db_exec_later(struct db_stmt *stmt);
/* The same, but how many rows it changed is in *ret_changes after db_flush, which must come before the
 * place is gone. */
ERR_MUST_USE enum err db_exec_counted(struct db_stmt *stmt, int64_t *ret_changes);
ERR_MUST_USE enum err db_flush(struct db *db);
/* The same for a write that changes one row unless the data are wrong: ERR_CORRUPT, or, on PostgreSQL,
 * a lost transaction. */
ERR_MUST_USE enum err db_exec_one(struct db_stmt *stmt);
/* In a transaction: lets a read go ahead of its first step, so that several share one way to the
 * server. The statement must not be used again before its rows were read or are done with. */
ERR_MUST_USE enum err db_send(struct db_stmt *stmt);
/* First column of the first row; ERR_NOT_FOUND when there is none. */
ERR_MUST_USE enum err db_get_i64(struct db_stmt *stmt, int64_t *ret_value);
/* Resets early; always call after reading rows unless db_step said there are no more. */
void db_done(struct db_stmt *stmt);
/* Rows changed by the last statement. */
int64_t db_changes(struct db *db);

/* Columns of the current row, from 0. Strings are borrowed until the next step. */
int64_t db_col_i64(struct db_stmt *stmt, int column);
double db_col_f64(struct db_stmt *stmt, int column);
struct str db_col_str(struct db_stmt *stmt, int column);
struct str db_col_blob(struct db_stmt *stmt, int column);
bool db_col_is_null(struct db_stmt *stmt, int column);

/* A consistent snapshot for several reads. */
ERR_MUST_USE enum err db_snapshot_begin(struct db *db);
void db_snapshot_end(struct db *db);

/* Writer connection only (store/writer.c, store/migrate.c). Begins a transaction that nobody else
 * of this database (schema) writes beside. */
ERR_MUST_USE enum err db_begin(struct db *db);
ERR_MUST_USE enum err db_commit(struct db *db);
void db_rollback(struct db *db);
ERR_MUST_USE enum err db_savepoint(struct db *db);
ERR_MUST_USE enum err db_savepoint_release(struct db *db);
ERR_MUST_USE enum err db_savepoint_rollback(struct db *db);
/* False when the engine has thrown the transaction away (disk full, I/O error). */
bool db_in_transaction(struct db *db);
/* Several statements in one text, without parameters: migrations and tests. */
ERR_MUST_USE enum err db_script(struct db *db, struct str sql_text);
/* Moves WAL pages into the database file; writer only. */
void db_checkpoint(struct db *db);
/* A lock of this name in the database (schema), held as long as the connection lives: asks for it
 * unless it is held, without waiting. Whoever acts for all nodes holds it on the very connection that
 * makes its writes, so that losing one is losing the other. Always held on SQLite. Outside a
 * transaction; writer only. At most DB_SESSION_LOCKS_MAX names. */
#define DB_SESSION_LOCKS_MAX 4
ERR_MUST_USE enum err db_lock_session(struct db *db, const char *name, bool *ret_is_held);

#endif
