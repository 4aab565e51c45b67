/* SQL of payments, captures and provider events; the tables and their reasons stand in
 * sql/tickets/001_initial.sql. */
#include "tickets/payment_store.h"

#include "base/ids.h"

static void bind_str_or_null(struct db_stmt *stmt, int index, struct str value)
{
    if (value.len > 0)
        db_bind_str(stmt, index, value);
    else
        db_bind_null(stmt, index);
}

static void bind_i64_or_null(struct db_stmt *stmt, int index, int64_t value)
{
    if (value != 0)
        db_bind_i64(stmt, index, value);
    else
        db_bind_null(stmt, index);
}

SQL(SQL_INSERT, "INSERT INTO payment (event_id, id, booking_id, provider, state, amount, currency, "
                "next_at, created_at, updated_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)");

enum err payment_store_insert(struct db *db, const struct payment *payment, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_INSERT);
    db_bind_i64(stmt, 1, (int64_t)payment->event_id);
    db_bind_i64(stmt, 2, (int64_t)payment->id);
    db_bind_i64(stmt, 3, (int64_t)payment->booking_id);
    db_bind_str(stmt, 4, str_from_c(payment->provider));
    db_bind_i64(stmt, 5, payment->state);
    db_bind_i64(stmt, 6, payment->amount);
    db_bind_str(stmt, 7, str_from_c(payment->currency));
    bind_i64_or_null(stmt, 8, payment->next_at);
    db_bind_i64(stmt, 9, now_ms);
    return db_exec(stmt);
}

SQL(SQL_SAVE,
    "UPDATE payment SET state = $3, session_ref = $4, url = $5, provider_ref = $6, captured = $7, "
    "is_close_wanted = $8, attempts = $9, next_at = $10, updated_at = $11 WHERE event_id = $1 AND "
    "id = $2");

enum err payment_store_save(struct db *db, const struct payment *payment, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SAVE);
    db_bind_i64(stmt, 1, (int64_t)payment->event_id);
    db_bind_i64(stmt, 2, (int64_t)payment->id);
    db_bind_i64(stmt, 3, payment->state);
    bind_str_or_null(stmt, 4, payment->session_ref);
    bind_str_or_null(stmt, 5, payment->url);
    bind_str_or_null(stmt, 6, payment->provider_ref);
    db_bind_i64(stmt, 7, payment->captured);
    db_bind_i64(stmt, 8, payment->is_close_wanted);
    db_bind_i64(stmt, 9, payment->attempts);
    bind_i64_or_null(stmt, 10, payment->next_at);
    db_bind_i64(stmt, 11, now_ms);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    return db_changes(db) == 1 ? ERR_OK : ERR_CORRUPT;
}

/* --- Loading --- */

#define PAYMENT_COLUMNS                                                                            \
    "event_id, id, booking_id, provider, state, amount, currency, session_ref, url, "              \
    "provider_ref, captured, refunded, "                                                           \
    "is_close_wanted, attempts, next_at"

static struct str col_dup(struct db_stmt *stmt, int column, struct arena *arena)
{
    return db_col_is_null(stmt, column) ? STR_NONE : arena_str_dup(arena, db_col_str(stmt, column));
}

static enum err payment_read(struct db_stmt *stmt, struct arena *arena, struct payment *ret_payment)
{
    struct payment payment = {
        .event_id = (uint64_t)db_col_i64(stmt, 0),
        .id = (uint64_t)db_col_i64(stmt, 1),
        .booking_id = (uint64_t)db_col_i64(stmt, 2),
        .state = (enum payment_state)db_col_i64(stmt, 4),
        .amount = db_col_i64(stmt, 5),
        .session_ref = col_dup(stmt, 7, arena),
        .url = col_dup(stmt, 8, arena),
        .provider_ref = col_dup(stmt, 9, arena),
        .captured = db_col_i64(stmt, 10),
        .refunded = db_col_i64(stmt, 11),
        .is_close_wanted = db_col_i64(stmt, 12) != 0,
        .attempts = db_col_i64(stmt, 13),
        .next_at = db_col_i64(stmt, 14),
    };
    enum err err = str_to_c(db_col_str(stmt, 3), payment.provider, sizeof(payment.provider));
    if (!err)
        err = str_to_c(db_col_str(stmt, 6), payment.currency, sizeof(payment.currency));
    if (err)
        return ERR_CORRUPT;
    if (arena->overflow)
        return ERR_NOMEM;
    *ret_payment = payment;
    return ERR_OK;
}

static enum err load_one(struct db_stmt *stmt, struct arena *arena, struct payment *ret_payment)
{
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    err = payment_read(stmt, arena, ret_payment);
    db_done(stmt);
    return err;
}

SQL(SQL_LOAD, "SELECT " PAYMENT_COLUMNS " FROM payment WHERE event_id = $1 AND id = $2");

enum err payment_load(struct db *db, uint64_t event_id, uint64_t payment_id, struct arena *arena,
                      struct payment *ret_payment)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LOAD);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)payment_id);
    return load_one(stmt, arena, ret_payment);
}

SQL(SQL_BY_BOOKING,
    "SELECT " PAYMENT_COLUMNS " FROM payment WHERE event_id = $1 AND booking_id = $2");

enum err payment_load_by_booking(struct db *db, uint64_t event_id, uint64_t booking_id,
                                 struct arena *arena, struct payment *ret_payment)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BY_BOOKING);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)booking_id);
    return load_one(stmt, arena, ret_payment);
}

static enum err read_due(struct db_stmt *stmt, size_t limit, struct payment_due *ret_rows,
                         size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row && count < limit) {
        ret_rows[count++] =
            (struct payment_due){(uint64_t)db_col_i64(stmt, 0), (uint64_t)db_col_i64(stmt, 1)};
    }
    db_done(stmt);
    *ret_count = count;
    return err;
}

SQL(SQL_BY_SESSION, "SELECT event_id, id FROM payment WHERE provider = $1 AND session_ref = $2 AND "
                    "session_ref IS NOT NULL");

enum err payment_store_by_session(struct db *db, struct str provider, struct str session_ref,
                                  uint64_t *ret_event_id, uint64_t *ret_payment_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BY_SESSION);
    db_bind_str(stmt, 1, provider);
    db_bind_str(stmt, 2, session_ref);
    struct payment_due row;
    size_t count;
    enum err err = read_due(stmt, 1, &row, &count);
    if (err)
        return err;
    if (count == 0)
        return ERR_NOT_FOUND;
    *ret_event_id = row.event_id;
    *ret_payment_id = row.id;
    return ERR_OK;
}

/* --- What is due --- */

/* Sessions to be opened have an index of their own, so that an outage's queue of them and the
 * asking about open ones don't stand in each other's way. */
SQL(SQL_DUE_SESSIONS,
    "SELECT event_id, id FROM payment WHERE next_at IS NOT NULL AND state = 1 AND next_at <= $1 "
    "AND provider = $3 ORDER BY next_at LIMIT $2");
SQL(SQL_DUE_ASKS,
    "SELECT event_id, id FROM payment WHERE next_at IS NOT NULL AND state <> 1 AND next_at <= $1 "
    "AND provider = $3 ORDER BY next_at LIMIT $2");

static enum err due(struct db *db, struct sql *sql, const struct payment_due_query *query,
                    struct payment_due *ret_rows, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, sql);
    db_bind_i64(stmt, 1, query->now_ms);
    db_bind_i64(stmt, 2, (int64_t)query->limit);
    db_bind_str(stmt, 3, query->provider);
    return read_due(stmt, query->limit, ret_rows, ret_count);
}

enum err payment_store_due_sessions(struct db *db, const struct payment_due_query *query,
                                    struct payment_due *ret_rows, size_t *ret_count)
{
    return due(db, &SQL_DUE_SESSIONS, query, ret_rows, ret_count);
}

enum err payment_store_due_asks(struct db *db, const struct payment_due_query *query,
                                struct payment_due *ret_rows, size_t *ret_count)
{
    return due(db, &SQL_DUE_ASKS, query, ret_rows, ret_count);
}

SQL(SQL_OLDEST_SESSION, "SELECT MIN(id) FROM payment WHERE next_at IS NOT NULL AND state = 1");
SQL(SQL_OLDEST_ASK, "SELECT MIN(next_at) FROM payment WHERE next_at IS NOT NULL AND state <> 1");
SQL(SQL_OLDEST_REFUND,
    "SELECT MIN(id) FROM refund WHERE next_at IS NOT NULL AND provider_refund_ref IS NULL");

enum err payment_store_oldest(struct db *db, enum payment_work work, int64_t *ret_since_ms)
{
    struct sql *const sqls[PAYMENT_WORK_COUNT] = {&SQL_OLDEST_SESSION, &SQL_OLDEST_ASK,
                                                  &SQL_OLDEST_REFUND};
    struct db_stmt *stmt = db_stmt(db, sqls[work]);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    *ret_since_ms = INT64_MAX;
    if (has_row && !db_col_is_null(stmt, 0)) {
        int64_t oldest = db_col_i64(stmt, 0);
        *ret_since_ms = work == PAYMENT_WORK_ASK ? oldest : id_time_ms((uint64_t)oldest);
    }
    db_done(stmt);
    return ERR_OK;
}

/* PostgreSQL: as in app/idempotency_store.c. */
#define LATER                                                                                      \
    "FROM payment WHERE next_at IS NOT NULL AND state <> 1 AND next_at > $1 AND next_at <= $2 "    \
    "AND state = 2 ORDER BY next_at LIMIT $3"
SQL_PAIR(SQL_ASK_NOW,
         "UPDATE payment SET next_at = $1 WHERE (event_id, id) IN (SELECT event_id, id " LATER ")",
         "UPDATE payment SET next_at = $1 WHERE ctid = ANY (ARRAY(SELECT ctid " LATER "))");

enum err payment_store_ask_now(struct db *db, int64_t now_ms, int64_t until_ms, size_t limit,
                               int64_t *ret_changed)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ASK_NOW);
    db_bind_i64(stmt, 1, now_ms);
    db_bind_i64(stmt, 2, until_ms);
    db_bind_i64(stmt, 3, (int64_t)limit);
    enum err err = db_exec(stmt);
    if (!err)
        *ret_changed = db_changes(db);
    return err;
}

/* --- What providers told us --- */

SQL(SQL_CAPTURE,
    "INSERT INTO capture (provider, provider_ref, event_id, payment_id, amount, currency, at_ms) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (provider, provider_ref) DO NOTHING");

enum err capture_store_insert(struct db *db, const struct capture *capture, int64_t now_ms,
                              bool *ret_is_new)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CAPTURE);
    db_bind_str(stmt, 1, capture->provider);
    db_bind_str(stmt, 2, capture->provider_ref);
    db_bind_i64(stmt, 3, (int64_t)capture->event_id);
    db_bind_i64(stmt, 4, (int64_t)capture->payment_id);
    db_bind_i64(stmt, 5, capture->amount);
    db_bind_str(stmt, 6, capture->currency);
    db_bind_i64(stmt, 7, now_ms);
    enum err err = db_exec(stmt);
    *ret_is_new = !err && db_changes(db) == 1;
    return err;
}

SQL(SQL_CAPTURE_CURRENCY, "SELECT currency FROM capture WHERE provider = $1 AND provider_ref = $2");

enum err capture_store_currency(struct db *db, struct str provider, struct str provider_ref,
                                char ret_currency[static 4])
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CAPTURE_CURRENCY);
    db_bind_str(stmt, 1, provider);
    db_bind_str(stmt, 2, provider_ref);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    err = str_to_c(db_col_str(stmt, 0), ret_currency, 4);
    db_done(stmt);
    return err ? ERR_CORRUPT : ERR_OK;
}

SQL(SQL_EVENT,
    "INSERT INTO provider_event (provider, provider_event_id, kind, event_id, payment_id, "
    "received_at) "
    "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (provider, provider_event_id) DO NOTHING");

enum err provider_event_store_insert(struct db *db, const struct provider_event *event,
                                     const char *kind, int64_t now_ms, bool *ret_is_new)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_EVENT);
    db_bind_str(stmt, 1, event->provider);
    db_bind_str(stmt, 2, event->event_ref);
    db_bind_str(stmt, 3, str_from_c(kind));
    bind_i64_or_null(stmt, 4, (int64_t)event->event_id);
    bind_i64_or_null(stmt, 5, (int64_t)event->payment_id);
    db_bind_i64(stmt, 6, now_ms);
    enum err err = db_exec(stmt);
    *ret_is_new = !err && db_changes(db) == 1;
    return err;
}
