/*
 * db.h on PostgreSQL, what its files share: db_pgsql_connect.c (a connection and its loss),
 * db_pgsql_stmt.c (statements and rows), db_pgsql.c (transactions and locks), db_pgsql_notify.c (calls).
 * The only file that knows libpq-fe.h.
 *
 * Design
 *  - Statements travel in libpq's pipeline mode and are waited for one by one, but for those of
 *    db_exec_later (savepoints, rows that cannot be refused), which go with the next one. All of a
 *    statement's rows are fetched at once: who reads a whole table pages through it.
 *  - Everything is binary: integers are int8, doubles float8, texts text, blobs bytea. Types of
 *    parameters are those that the first use binds; the server's answer to that decides.
 *  - A statement that fails dooms its transaction up to the savepoint; one that was sent without
 *    waiting dooms it whole, because the savepoint it belongs to may be gone.
 *  - A lost connection is given up. Inside a transaction or snapshot everything fails until it is
 *    ended; outside, the next use connects again, not sooner than a pause that doubles. A read that
 *    falls into the loss is repeated once.
 *  - Waiting for an answer has a limit for each mode; who outlasts it loses the connection. COMMIT
 *    is never cancelled: without a clear answer its outcome is unknown (struct db_status).
 *
 * Threads: as db.h; a connection belongs to one thread at a time.
 */
#ifndef STORE_DB_PGSQL_INTERNAL_H
#define STORE_DB_PGSQL_INTERNAL_H

#include "store/db_engine.h"

#include <libpq-fe.h>

#define PG_LOCATION_MAX  1024
#define PG_SCHEMA_MAX    32
#define PG_PARAMS_MAX    64
#define PG_PENDING_MAX   64    /* sent and not waited for */
#define PG_WRITE_WAIT_MS 30000 /* for one answer, of the writer */
#define PG_READ_WAIT_MS  (3 * DB_READ_MS_MAX)

enum pg_param_kind {
    PARAM_NULL,
    PARAM_I64,
    PARAM_F64,
    PARAM_STR,
    PARAM_BLOB
};

struct pg_param {
    enum pg_param_kind kind;
    union {
        int64_t i64;
        double f64;
    };
    struct str bytes;
};

struct pg_stmt {
    struct db_stmt base;
    const char *text;
    char name[16];
    unsigned prepared_life; /* status.lives when it was prepared; 0: never */
    enum err error;         /* of binding or running; told by the next step */
    bool has_run;
    bool is_sent; /* its result comes with those that are pending */
    int row, rows;
    PGresult *result;
    char number[32]; /* the text of a number that was asked for as one */
    size_t param_count;
    Oid types[PG_PARAMS_MAX];
    struct pg_param params[]; /* param_count */
};

/* A command that was sent and not waited for. */
struct pg_pending {
    struct pg_stmt *reader; /* takes the rows; NULL: a write */
    int64_t *changes;       /* wants to know; NULL: nobody does */
    bool is_one;            /* changes one row, or dooms the transaction */
};

struct pg_session_lock {
    char name[24];
    unsigned life; /* held since that connection; 0: not */
};

struct pg {
    struct db base;
    PGconn *conn; /* NULL: lost or not yet there */
    char url[PG_LOCATION_MAX];
    char schema[PG_SCHEMA_MAX];
    bool has_begun; /* until commit or rollback, whatever became of it */
    bool in_snapshot;
    bool is_doomed;   /* the transaction can only be rolled back */
    bool has_warning; /* since the last COMMIT was sent */
    unsigned pending_count;
    struct pg_pending pending[PG_PENDING_MAX];
    int64_t deadline_ns; /* of the snapshot */
    int64_t retry_at_ns; /* not before that it connects again */
    int64_t retry_pause_ms;
    int64_t changes;
    unsigned commits_to_fail;
    unsigned listens_life; /* LISTEN was said on that connection; 0: never */
    struct pg_session_lock locks[DB_SESSION_LOCKS_MAX];
    struct pg_stmt *stmts[DB_STATEMENTS_MAX];
};

static inline struct pg *pg_of(struct db *db)
{
    return (struct pg *)(void *)db; /* its first member */
}

/* ---- db_pgsql_connect.c ---- */

/* url and schema from "url#schema". ERR_INVALID. */
ERR_MUST_USE enum err pg_parse_location(struct pg *pg, const char *location);
/* Connected and set up, unless it is so already. ERR_IO also while it is too early to try again. */
ERR_MUST_USE enum err pg_connect(struct pg *pg);
/* Gives the connection up; what is open on it fails from now on. */
void pg_drop(struct pg *pg);
/* Message and error of a result that failed. */
enum err pg_failed(struct pg *pg, const PGresult *result);
/* Waits for the answers to what is pending and to the last count commands, in order; the latter into
 * ret_results, to be freed by PQclear. ERR_IO: the connection is gone, none is set. */
ERR_MUST_USE enum err pg_collect(struct pg *pg, PGresult **ret_results, unsigned count);
/* One text of several statements, outside the pipeline, rows ignored. */
ERR_MUST_USE enum err pg_simple(struct pg *pg, const char *text);
/* What an advisory lock of this name or shard is called in this schema. */
int64_t pg_lock_key(const struct pg *pg, const char *name, uint64_t shard);

/* ---- db_pgsql_stmt.c ---- */

/* May something run now? Connects again where that is possible. */
ERR_MUST_USE enum err pg_may_run(struct pg *pg);
struct db_stmt *pg_stmt_get(struct db *db, const struct sql *sql, int slot);
void pg_stmts_release(struct pg *pg);
void pg_stmts_reset(struct pg *pg);
void pg_bind_i64(struct db_stmt *base, int index, int64_t value);
void pg_bind_f64(struct db_stmt *base, int index, double value);
void pg_bind_str(struct db_stmt *base, int index, struct str value);
void pg_bind_blob(struct db_stmt *base, int index, struct str value);
void pg_bind_null(struct db_stmt *base, int index);
ERR_MUST_USE enum err pg_step(struct db_stmt *base, bool *ret_has_row);
ERR_MUST_USE enum err pg_exec_later(struct db_stmt *base, int64_t *ret_changes);
ERR_MUST_USE enum err pg_exec_one(struct db_stmt *base);
ERR_MUST_USE enum err pg_flush(struct db *base);
ERR_MUST_USE enum err pg_send(struct db_stmt *base);
/* A pending command's result, which it takes. */
void pg_take_pending(struct pg *pg, const struct pg_pending *pending, PGresult *result);
/* Nobody waits for pending answers any more: the places for them may be gone. */
void pg_forget_pending(struct pg *pg);
void pg_done(struct db_stmt *base);
int64_t pg_col_i64(struct db_stmt *base, int column);
double pg_col_f64(struct db_stmt *base, int column);
struct str pg_col_str(struct db_stmt *base, int column);
struct str pg_col_blob(struct db_stmt *base, int column);
bool pg_col_is_null(struct db_stmt *base, int column);

#endif
