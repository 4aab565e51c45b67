/* Statements and rows on PostgreSQL. See db_pgsql_internal.h. */
#include "store/db_pgsql_internal.h"

#include "base/clock.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Types by their fixed numbers in pg_type.dat. */
#define OID_BOOL    16
#define OID_BYTEA   17
#define OID_INT8    20
#define OID_INT2    21
#define OID_INT4    23
#define OID_TEXT    25
#define OID_FLOAT8  701
#define OID_NUMERIC 1700

#define NUMERIC_BASE 10000

static struct pg_stmt *stmt_of(struct db_stmt *base)
{
    return (struct pg_stmt *)(void *)base; /* its first member */
}

/* ---- making and resetting ---- */

/* The highest n of "$n", quotes and comments left aside: our texts have no "$" in them. */
static size_t count_params(const char *text)
{
    size_t count = 0;
    for (const char *c = text; *c; c++) {
        if (*c == '$' && c[1] >= '1' && c[1] <= '9') {
            size_t number = strtoul(c + 1, NULL, 10);
            count = number > count ? number : count;
        }
    }
    assert(count <= PG_PARAMS_MAX);
    return count;
}

/* Rows that are on their way are nobody's from now on, whatever the statement is used for next. */
static void forget_sent(struct pg_stmt *stmt)
{
    struct pg *pg = pg_of(stmt->base.db);
    for (unsigned i = 0; stmt->is_sent && i < pg->pending_count; i++) {
        if (pg->pending[i].reader == stmt) {
            pg->pending[i].reader = NULL;
        }
    }
    stmt->is_sent = false;
}

static void reset(struct pg_stmt *stmt)
{
    PQclear(stmt->result);
    stmt->result = NULL;
    stmt->has_run = false;
    forget_sent(stmt);
    stmt->row = -1;
    stmt->rows = 0;
    stmt->error = ERR_OK;
}

static struct pg_stmt *stmt_new(struct pg *pg, const struct sql *sql, int slot)
{
    const char *text = sql->pgsql ? sql->pgsql : sql->text;
    size_t count = count_params(text);
    struct pg_stmt *stmt = calloc(1, sizeof(*stmt) + count * sizeof(stmt->params[0]));
    if (!stmt) {
        abort(); /* db_stmt is never NULL; the process has no memory for a kilobyte */
    }
    stmt->base.db = &pg->base;
    stmt->text = text;
    stmt->param_count = count;
    (void)snprintf(stmt->name, sizeof(stmt->name), "s%d", slot);
    return stmt;
}

struct db_stmt *pg_stmt_get(struct db *db, const struct sql *sql, int slot)
{
    struct pg *pg = pg_of(db);
    if (!pg->stmts[slot]) {
        pg->stmts[slot] = stmt_new(pg, sql, slot);
    }
    struct pg_stmt *stmt = pg->stmts[slot];
    reset(stmt);
    for (size_t i = 0; i < stmt->param_count; i++) {
        stmt->params[i].kind = PARAM_NULL;
    }
    return &stmt->base;
}

void pg_stmts_reset(struct pg *pg)
{
    for (size_t i = 0; i < DB_STATEMENTS_MAX; i++) {
        if (pg->stmts[i] && (pg->stmts[i]->result || pg->stmts[i]->is_sent)) {
            pg_done(&pg->stmts[i]->base);
        }
    }
}

void pg_stmts_release(struct pg *pg)
{
    for (size_t i = 0; i < DB_STATEMENTS_MAX; i++) {
        if (pg->stmts[i]) {
            PQclear(pg->stmts[i]->result);
            free(pg->stmts[i]);
        }
    }
}

/* ---- binding ---- */

static struct pg_param *param_at(struct pg_stmt *stmt, int index)
{
    assert(index >= 1 && (size_t)index <= stmt->param_count);
    return &stmt->params[index - 1];
}

void pg_bind_i64(struct db_stmt *base, int index, int64_t value)
{
    *param_at(stmt_of(base), index) = (struct pg_param){.kind = PARAM_I64, .i64 = value};
}

void pg_bind_f64(struct db_stmt *base, int index, double value)
{
    *param_at(stmt_of(base), index) = (struct pg_param){.kind = PARAM_F64, .f64 = value};
}

void pg_bind_str(struct db_stmt *base, int index, struct str value)
{
    struct pg_stmt *stmt = stmt_of(base);
    if (value.len > 0 && memchr(value.data, 0, value.len)) {
        db_set_message(base->db, "a text with a NUL");
        stmt->error = ERR_INVALID; /* the server would refuse it and the transaction with it */
    }
    *param_at(stmt, index) = (struct pg_param){.kind = PARAM_STR, .bytes = value};
}

void pg_bind_blob(struct db_stmt *base, int index, struct str value)
{
    *param_at(stmt_of(base), index) = (struct pg_param){.kind = PARAM_BLOB, .bytes = value};
}

void pg_bind_null(struct db_stmt *base, int index)
{
    *param_at(stmt_of(base), index) = (struct pg_param){.kind = PARAM_NULL};
}

/* ---- numbers on the wire ---- */

static void put_be(char *to, uint64_t value, int size)
{
    for (int i = 0; i < size; i++) {
        to[i] = (char)(value >> (8 * (size - 1 - i)));
    }
}

static uint64_t get_be(const char *from, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++) {
        value = value << 8 | (unsigned char)from[i];
    }
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static double of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The value as the server wants it: *ret_size bytes in place. False: it does not fit. */
static bool put_number(const struct pg_param *param, Oid type, char place[static 8], int *ret_size)
{
    bool is_i64 = param->kind == PARAM_I64;
    double real = is_i64 ? (double)param->i64 : param->f64;
    *ret_size = 8;
    switch (type) {
    case OID_FLOAT8:
        put_be(place, bits_of(real), 8);
        return true;
    case OID_INT4:
        *ret_size = 4;
        put_be(place, (uint64_t)param->i64, 4);
        return is_i64 && param->i64 >= INT32_MIN && param->i64 <= INT32_MAX;
    case OID_INT8:
        put_be(place, (uint64_t)param->i64, 8);
        return is_i64;
    default:
        return false;
    }
}

/* ---- running ---- */

static enum err prepare(struct pg *pg, struct pg_stmt *stmt)
{
    static const Oid of_kind[] = {[PARAM_NULL] = 0,
                                  [PARAM_I64] = OID_INT8,
                                  [PARAM_F64] = OID_FLOAT8,
                                  [PARAM_STR] = OID_TEXT,
                                  [PARAM_BLOB] = OID_BYTEA};
    for (size_t i = 0; i < stmt->param_count; i++) {
        stmt->types[i] = of_kind[stmt->params[i].kind];
    }
    PGresult *results[2];
    if (!PQsendPrepare(pg->conn, stmt->name, stmt->text, (int)stmt->param_count, stmt->types) ||
        !PQsendDescribePrepared(pg->conn, stmt->name)) {
        db_set_message(&pg->base, "%s", PQerrorMessage(pg->conn));
        pg_drop(pg);
        return ERR_IO;
    }
    enum err err = pg_collect(pg, results, 2);
    if (err != ERR_OK) {
        return err;
    }
    if (pg->is_doomed) {
        err = ERR_IO;
    } else if (PQresultStatus(results[0]) != PGRES_COMMAND_OK) {
        err = pg_failed(pg, results[0]);
    } else if (PQresultStatus(results[1]) != PGRES_COMMAND_OK) {
        err = pg_failed(pg, results[1]);
    }
    for (size_t i = 0; err == ERR_OK && i < stmt->param_count; i++) {
        stmt->types[i] = PQparamtype(results[1], (int)i);
    }
    PQclear(results[0]);
    PQclear(results[1]);
    if (err == ERR_OK) {
        stmt->prepared_life = pg->base.status.lives;
    }
    return err;
}

static enum err send(struct pg *pg, struct pg_stmt *stmt)
{
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
    char places[PG_PARAMS_MAX][8];
    for (size_t i = 0; i < stmt->param_count; i++) {
        const struct pg_param *param = &stmt->params[i];
        formats[i] = 1;
        switch (param->kind) {
        case PARAM_NULL:
            values[i] = NULL;
            lengths[i] = 0;
            break;
        case PARAM_I64:
        case PARAM_F64:
            values[i] = places[i];
            if (!put_number(param, stmt->types[i], places[i], &lengths[i])) {
                db_set_message(&pg->base, "parameter %d is no number to the server", (int)i + 1);
                return ERR_INVALID;
            }
            break;
        case PARAM_STR:
        case PARAM_BLOB:
            if (param->bytes.len > INT32_MAX / 2) {
                return ERR_LIMIT;
            }
            values[i] = param->bytes.data ? param->bytes.data : "";
            lengths[i] = (int)param->bytes.len;
            break;
        }
    }
    if (!PQsendQueryPrepared(pg->conn, stmt->name, (int)stmt->param_count, values, lengths, formats,
                             1)) {
        db_set_message(&pg->base, "%s", PQerrorMessage(pg->conn));
        pg_drop(pg);
        return ERR_IO;
    }
    return ERR_OK;
}

enum err pg_may_run(struct pg *pg)
{
    if (pg->has_begun && (!pg->conn || pg->is_doomed)) {
        if (!pg->is_doomed) {
            db_set_message(&pg->base, "the transaction is gone");
        }
        return ERR_IO;
    }
    if (pg->in_snapshot) {
        if (!pg->conn) {
            db_set_message(&pg->base, "the snapshot is gone");
            return ERR_IO;
        }
        if (clock_mono_ns() > pg->deadline_ns) {
            db_set_message(&pg->base, "the read took longer than %d ms", DB_READ_MS_MAX);
            return ERR_TIMEOUT;
        }
    }
    return pg_connect(pg);
}

static enum err ready_to_send(struct pg *pg, struct pg_stmt *stmt)
{
    enum err err = pg_may_run(pg);
    if (err == ERR_OK && stmt->prepared_life != pg->base.status.lives) {
        err = prepare(pg, stmt);
    }
    return err == ERR_OK ? send(pg, stmt) : err;
}

static enum err run_once(struct pg *pg, struct pg_stmt *stmt)
{
    PGresult *result;
    enum err err = ready_to_send(pg, stmt);
    if (err == ERR_OK) {
        err = pg_collect(pg, &result, 1);
    }
    if (err != ERR_OK) {
        return err;
    }
    ExecStatusType status = PQresultStatus(result);
    if (pg->is_doomed) {
        PQclear(result);
        return ERR_IO;
    }
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        err = pg_failed(pg, result);
        PQclear(result);
        return err;
    }
    stmt->result = result;
    stmt->rows = status == PGRES_TUPLES_OK ? PQntuples(result) : 0;
    const char *tuples = PQcmdTuples(result);
    pg->changes = *tuples ? strtoll(tuples, NULL, 10) : 0;
    return ERR_OK;
}

/* Running a read again, whose connection was found dead, changes nothing but the answer. */
static enum err run(struct pg *pg, struct pg_stmt *stmt)
{
    bool had_connection = pg->conn;
    enum err err = run_once(pg, stmt);
    if (err == ERR_IO && had_connection && !pg->conn && pg->base.mode != DB_WRITER &&
        !pg->in_snapshot) {
        err = run_once(pg, stmt);
    }
    return err;
}

enum err pg_step(struct db_stmt *base, bool *ret_has_row)
{
    struct pg_stmt *stmt = stmt_of(base);
    if (stmt->error == ERR_OK && !stmt->has_run) {
        stmt->error = run(pg_of(base->db), stmt);
        stmt->has_run = true;
    }
    if (stmt->error == ERR_OK && stmt->is_sent) {
        stmt->error = pg_flush(base->db);
        stmt->is_sent = false;
    }
    if (stmt->error != ERR_OK) {
        return stmt->error;
    }
    *ret_has_row = stmt->result && ++stmt->row < stmt->rows;
    if (!*ret_has_row) {
        pg_done(base);
    }
    return ERR_OK;
}

enum err pg_flush(struct db *base)
{
    struct pg *pg = pg_of(base);
    enum err err = pg_may_run(pg);
    if (err == ERR_OK && pg->pending_count > 0) {
        err = pg_collect(pg, NULL, 0);
    }
    return err == ERR_OK && pg->is_doomed ? ERR_IO : err;
}

void pg_take_pending(struct pg *pg, const struct pg_pending *pending, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    bool is_good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    struct pg_stmt *reader = pending->reader;
    if (!is_good) {
        if (!pg->is_doomed) { /* what follows is only skipped */
            (void)pg_failed(pg, result);
        }
        pg->is_doomed = true;
    } else if (pending->changes || pending->is_one) {
        int64_t changes = strtoll(PQcmdTuples(result), NULL, 10);
        if (pending->changes) {
            *pending->changes = changes;
        }
        if (pending->is_one && changes != 1 && !pg->is_doomed) {
            db_set_message(&pg->base, "a write changed %lld rows instead of one",
                           (long long)changes);
            pg->is_doomed = true;
        }
    }
    if (reader && reader->is_sent && is_good) {
        reader->result = result;
        reader->rows = PQntuples(result);
        reader->is_sent = false;
        return;
    }
    PQclear(result);
}

void pg_forget_pending(struct pg *pg)
{
    for (unsigned i = 0; i < pg->pending_count; i++) {
        pg->pending[i] = (struct pg_pending){.is_one = pg->pending[i].is_one};
    }
}

static enum err send_ahead(struct pg_stmt *stmt, struct pg_pending pending)
{
    struct pg *pg = pg_of(stmt->base.db);
    assert(pg->has_begun);
    enum err err = stmt->error;
    if (err == ERR_OK && pg->pending_count == PG_PENDING_MAX) {
        err = pg_flush(&pg->base);
    }
    if (err == ERR_OK) {
        err = ready_to_send(pg, stmt);
    }
    if (err == ERR_OK) {
        pg->pending[pg->pending_count++] = pending;
    }
    return err;
}

enum err pg_exec_later(struct db_stmt *base, int64_t *ret_changes)
{
    struct pg_stmt *stmt = stmt_of(base);
    stmt->has_run = true;
    return send_ahead(stmt, (struct pg_pending){.changes = ret_changes});
}

enum err pg_exec_one(struct db_stmt *base)
{
    struct pg_stmt *stmt = stmt_of(base);
    stmt->has_run = true;
    return send_ahead(stmt, (struct pg_pending){.is_one = true});
}

enum err pg_send(struct db_stmt *base)
{
    struct pg_stmt *stmt = stmt_of(base);
    enum err err = send_ahead(stmt, (struct pg_pending){.reader = stmt});
    stmt->has_run = err == ERR_OK;
    stmt->is_sent = stmt->has_run;
    return err;
}

void pg_done(struct db_stmt *base)
{
    struct pg_stmt *stmt = stmt_of(base);
    PQclear(stmt->result);
    stmt->result = NULL;
    forget_sent(stmt);
    stmt->has_run = true; /* further steps say that there are no more rows */
    stmt->rows = 0;
}

/* ---- columns ---- */

struct cell {
    Oid type;
    const char *data;
    int size;
};

/* False: NULL. */
static bool cell_get(struct pg_stmt *stmt, int column, struct cell *ret_cell)
{
    if (!stmt->result || PQgetisnull(stmt->result, stmt->row, column)) {
        return false;
    }
    *ret_cell = (struct cell){.type = PQftype(stmt->result, column),
                              .data = PQgetvalue(stmt->result, stmt->row, column),
                              .size = PQgetlength(stmt->result, stmt->row, column)};
    return true;
}

/* numeric, as its binary form has it: digits to the base 10,000, the first of weight. */
static double numeric_value(const struct cell *cell, int64_t *ret_whole)
{
    *ret_whole = 0;
    if (cell->size < 8) {
        return 0;
    }
    int count = (int)get_be(cell->data, 2);
    int weight = (int16_t)get_be(cell->data + 2, 2);
    bool is_negative = get_be(cell->data + 4, 2) == 0x4000;
    double value = 0;
    uint64_t whole = 0;
    for (int i = 0; i <= weight || i < count; i++) {
        int digit =
            i < count && 8 + 2 * i + 2 <= cell->size ? (int)get_be(cell->data + 8 + 2 * i, 2) : 0;
        value += digit * pow(NUMERIC_BASE, weight - i);
        whole = i <= weight ? whole * NUMERIC_BASE + (unsigned)digit : whole;
    }
    *ret_whole = is_negative ? -(int64_t)whole : (int64_t)whole;
    return is_negative ? -value : value;
}

static double cell_number(const struct cell *cell, int64_t *ret_whole)
{
    switch (cell->type) {
    case OID_INT8:
        *ret_whole = (int64_t)get_be(cell->data, 8);
        return (double)*ret_whole;
    case OID_INT4:
        *ret_whole = (int32_t)get_be(cell->data, 4);
        return (double)*ret_whole;
    case OID_INT2:
        *ret_whole = (int16_t)get_be(cell->data, 2);
        return (double)*ret_whole;
    case OID_BOOL:
        *ret_whole = cell->data[0] != 0;
        return (double)*ret_whole;
    case OID_NUMERIC:
        return numeric_value(cell, ret_whole);
    case OID_FLOAT8: {
        double value = of_bits(get_be(cell->data, 8));
        *ret_whole = value >= -9e18 && value <= 9e18 ? (int64_t)value : 0;
        return value;
    }
    default: /* text: libpq puts a NUL behind it */
        *ret_whole = strtoll(cell->data, NULL, 10);
        return strtod(cell->data, NULL);
    }
}

int64_t pg_col_i64(struct db_stmt *base, int column)
{
    struct cell cell;
    int64_t whole = 0;
    if (cell_get(stmt_of(base), column, &cell)) {
        (void)cell_number(&cell, &whole);
    }
    return whole;
}

double pg_col_f64(struct db_stmt *base, int column)
{
    struct cell cell;
    int64_t whole;
    return cell_get(stmt_of(base), column, &cell) ? cell_number(&cell, &whole) : 0;
}

struct str pg_col_str(struct db_stmt *base, int column)
{
    struct pg_stmt *stmt = stmt_of(base);
    struct cell cell;
    if (!cell_get(stmt, column, &cell)) {
        return STR_NONE;
    }
    switch (cell.type) {
    case OID_INT8:
    case OID_INT4:
    case OID_INT2:
    case OID_BOOL:
    case OID_NUMERIC: {
        int64_t whole;
        (void)cell_number(&cell, &whole);
        int len = snprintf(stmt->number, sizeof(stmt->number), "%lld", (long long)whole);
        return str_from(stmt->number, (size_t)len);
    }
    default:
        return str_from(cell.data, (size_t)cell.size);
    }
}

struct str pg_col_blob(struct db_stmt *base, int column)
{
    struct cell cell;
    if (!cell_get(stmt_of(base), column, &cell) || cell.size == 0) {
        return STR_NONE;
    }
    return str_from(cell.data, (size_t)cell.size);
}

bool pg_col_is_null(struct db_stmt *base, int column)
{
    struct cell cell;
    return !cell_get(stmt_of(base), column, &cell);
}
