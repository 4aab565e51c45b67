/* SQL of the bank; the tables stand in sql/sandbox/001_initial.sql. */
#include "sandbox/bank_store.h"

static void bind_str_or_null(struct db_stmt *stmt, int index, struct str value)
{
    if (value.len > 0)
        db_bind_str(stmt, index, value);
    else
        db_bind_null(stmt, index);
}

static struct str col_dup(struct db_stmt *stmt, int column, struct arena *arena)
{
    return db_col_is_null(stmt, column) ? STR_NONE : arena_str_dup(arena, db_col_str(stmt, column));
}

static enum err must_change_one(struct db *db, struct db_stmt *stmt)
{
    enum err err = db_exec(stmt);
    if (err)
        return err;
    return db_changes(db) == 1 ? ERR_OK : ERR_CORRUPT;
}

/* --- Sessions --- */

#define SESSION_COLUMNS                                                                            \
    "id, idempotency_key, reference, amount, currency, description, callback_url, return_url, "    \
    "status, payment_ref, "                                                                        \
    "captured, refunded, captured_currency, created_at, expires_at, card_fingerprint"

static enum err session_read(struct db_stmt *stmt, struct arena *arena, struct session *ret_session)
{
    struct session session = {
        .id = col_dup(stmt, 0, arena),
        .idempotency_key = col_dup(stmt, 1, arena),
        .reference = col_dup(stmt, 2, arena),
        .amount = db_col_i64(stmt, 3),
        .description = col_dup(stmt, 5, arena),
        .callback_url = col_dup(stmt, 6, arena),
        .return_url = col_dup(stmt, 7, arena),
        .status = (enum session_status)db_col_i64(stmt, 8),
        .payment_ref = col_dup(stmt, 9, arena),
        .captured = db_col_i64(stmt, 10),
        .refunded = db_col_i64(stmt, 11),
        .created_at = db_col_i64(stmt, 13),
        .expires_at = db_col_i64(stmt, 14),
        .card_fingerprint = col_dup(stmt, 15, arena),
    };
    enum err err = str_to_c(db_col_str(stmt, 4), session.currency, sizeof(session.currency));
    if (!err)
        err = str_to_c(db_col_str(stmt, 12), session.captured_currency,
                       sizeof(session.captured_currency));
    if (err)
        return ERR_CORRUPT;
    *ret_session = session;
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_SESSION_BY_ID, "SELECT " SESSION_COLUMNS " FROM session WHERE id = $1");
SQL(SQL_SESSION_BY_KEY, "SELECT " SESSION_COLUMNS " FROM session WHERE idempotency_key = $1");
SQL(SQL_SESSION_BY_PAYMENT,
    "SELECT " SESSION_COLUMNS " FROM session WHERE payment_ref = $1 AND payment_ref IS NOT NULL");

enum err bank_session_load(struct db *db, enum session_key by, struct str value,
                           struct arena *arena, struct session *ret_session)
{
    struct sql *sql = by == SESSION_BY_ID                ? &SQL_SESSION_BY_ID
                      : by == SESSION_BY_IDEMPOTENCY_KEY ? &SQL_SESSION_BY_KEY
                                                         : &SQL_SESSION_BY_PAYMENT;
    struct db_stmt *stmt = db_stmt(db, sql);
    db_bind_str(stmt, 1, value);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    err = session_read(stmt, arena, ret_session);
    db_done(stmt);
    return err;
}

SQL(SQL_SESSION_INSERT, "INSERT INTO session (id, idempotency_key, reference, amount, currency, "
                        "description, callback_url, "
                        "return_url, status, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, "
                        "$6, $7, $8, $9, $10, $11)");

enum err bank_session_insert(struct db *db, const struct session *session)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SESSION_INSERT);
    db_bind_str(stmt, 1, session->id);
    db_bind_str(stmt, 2, session->idempotency_key);
    db_bind_str(stmt, 3, session->reference);
    db_bind_i64(stmt, 4, session->amount);
    db_bind_str(stmt, 5, str_from_c(session->currency));
    db_bind_str(stmt, 6, session->description);
    db_bind_str(stmt, 7, session->callback_url);
    db_bind_str(stmt, 8, session->return_url);
    db_bind_i64(stmt, 9, session->status);
    db_bind_i64(stmt, 10, session->created_at);
    db_bind_i64(stmt, 11, session->expires_at);
    return db_exec(stmt);
}

SQL(SQL_SESSION_SAVE, "UPDATE session SET status = $2, payment_ref = $3, captured = $4, "
                      "captured_currency = $5, refunded = $6, "
                      "ended_at = COALESCE(ended_at, $7), card_fingerprint = $8 WHERE id = $1");

enum err bank_session_save(struct db *db, const struct session *session, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SESSION_SAVE);
    db_bind_str(stmt, 1, session->id);
    db_bind_i64(stmt, 2, session->status);
    bind_str_or_null(stmt, 3, session->payment_ref);
    db_bind_i64(stmt, 4, session->captured);
    db_bind_str(stmt, 5, str_from_c(session->captured_currency));
    db_bind_i64(stmt, 6, session->refunded);
    db_bind_i64(stmt, 7, now_ms);
    db_bind_str(stmt, 8, session->card_fingerprint);
    return must_change_one(db, stmt);
}

SQL(SQL_SESSION_LIST,
    "SELECT " SESSION_COLUMNS " FROM session WHERE id > $1 AND captured > 0 ORDER BY id LIMIT $2");
SQL(SQL_SESSION_LIST_OF, "SELECT " SESSION_COLUMNS
                         " FROM session WHERE reference = $3 AND id > $1 ORDER BY id LIMIT $2");

enum err bank_session_list(struct db *db, const struct session_query *query, struct arena *arena,
                           struct session *ret_sessions, size_t *ret_count)
{
    struct db_stmt *stmt =
        db_stmt(db, query->reference.len > 0 ? &SQL_SESSION_LIST_OF : &SQL_SESSION_LIST);
    db_bind_str(stmt, 1, query->after_id);
    db_bind_i64(stmt, 2, (int64_t)query->limit);
    if (query->reference.len > 0)
        db_bind_str(stmt, 3, query->reference);
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row && count < query->limit) {
        err = session_read(stmt, arena, &ret_sessions[count++]);
        if (err)
            break;
    }
    db_done(stmt);
    *ret_count = count;
    return err;
}

/* --- Refunds and entries --- */

SQL(SQL_REFUND_INSERT,
    "INSERT INTO refund (id, idempotency_key, session_id, reference, amount, currency, created_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7)");

enum err bank_refund_insert(struct db *db, const struct bank_refund *refund, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_REFUND_INSERT);
    db_bind_str(stmt, 1, refund->id);
    db_bind_str(stmt, 2, refund->idempotency_key);
    db_bind_str(stmt, 3, refund->session_id);
    db_bind_str(stmt, 4, refund->reference);
    db_bind_i64(stmt, 5, refund->amount);
    db_bind_str(stmt, 6, str_from_c(refund->currency));
    db_bind_i64(stmt, 7, now_ms);
    return db_exec(stmt);
}

SQL(SQL_REFUND_BY_ID, "SELECT id, idempotency_key, session_id, reference, amount, currency FROM "
                      "refund WHERE id = $1");
SQL(SQL_REFUND_BY_KEY, "SELECT id, idempotency_key, session_id, reference, amount, currency FROM "
                       "refund WHERE idempotency_key = $1");

enum err bank_refund_load(struct db *db, bool by_key, struct str value, struct arena *arena,
                          struct bank_refund *ret_refund)
{
    struct db_stmt *stmt = db_stmt(db, by_key ? &SQL_REFUND_BY_KEY : &SQL_REFUND_BY_ID);
    db_bind_str(stmt, 1, value);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    struct bank_refund refund = {
        .id = col_dup(stmt, 0, arena),
        .idempotency_key = col_dup(stmt, 1, arena),
        .session_id = col_dup(stmt, 2, arena),
        .reference = col_dup(stmt, 3, arena),
        .amount = db_col_i64(stmt, 4),
    };
    err = str_to_c(db_col_str(stmt, 5), refund.currency, sizeof(refund.currency));
    db_done(stmt);
    if (err)
        return ERR_CORRUPT;
    *ret_refund = refund;
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_ENTRY_INSERT,
    "INSERT INTO entry (kind, session_id, amount, currency, at_ms) VALUES ($1, $2, $3, $4, $5)");

enum err bank_entry_insert(struct db *db, const char *kind, struct str session_id, int64_t amount,
                           const char *currency, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ENTRY_INSERT);
    db_bind_str(stmt, 1, str_from_c(kind));
    db_bind_str(stmt, 2, session_id);
    db_bind_i64(stmt, 3, amount);
    db_bind_str(stmt, 4, str_from_c(currency));
    db_bind_i64(stmt, 5, now_ms);
    return db_exec(stmt);
}

SQL(SQL_ENTRY_SUMS,
    "SELECT kind, currency, SUM(amount), COUNT(*) FROM entry GROUP BY kind, currency "
    "ORDER BY currency, kind LIMIT $1");

enum err bank_entry_sums(struct db *db, struct entry_sum *ret_sums, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ENTRY_SUMS);
    db_bind_i64(stmt, 1, ENTRY_SUMS_MAX);
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row && count < ENTRY_SUMS_MAX) {
        struct entry_sum *sum = &ret_sums[count++];
        sum->amount = db_col_i64(stmt, 2);
        sum->count = db_col_i64(stmt, 3);
        if (str_to_c(db_col_str(stmt, 0), sum->kind, sizeof(sum->kind)) != ERR_OK ||
            str_to_c(db_col_str(stmt, 1), sum->currency, sizeof(sum->currency)) != ERR_OK)
            err = ERR_CORRUPT;
        if (err)
            break;
    }
    db_done(stmt);
    *ret_count = count;
    return err;
}

/* --- Callbacks --- */

SQL(SQL_CALLBACK_INSERT,
    "INSERT INTO callback (session_id, body, forgery, state, due_at, created_at) "
    "VALUES ($1, $2, $3, 0, $4, $5)");

enum err bank_callback_insert(struct db *db, const struct callback *callback)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CALLBACK_INSERT);
    db_bind_str(stmt, 1, callback->session_id);
    db_bind_str(stmt, 2, callback->body);
    db_bind_i64(stmt, 3, callback->forgery);
    db_bind_i64(stmt, 4, callback->due_at);
    db_bind_i64(stmt, 5, callback->created_at);
    return db_exec(stmt);
}

SQL(SQL_CALLBACK_DUE, "SELECT c.id, c.session_id, c.body, c.forgery, c.attempts, c.due_at, "
                      "c.created_at, s.callback_url "
                      "FROM callback AS c JOIN session AS s ON s.id = c.session_id "
                      "WHERE c.due_at IS NOT NULL AND c.due_at <= $1 ORDER BY c.due_at LIMIT $2");

enum err bank_callback_due(struct db *db, int64_t now_ms, size_t limit, struct arena *arena,
                           struct callback *ret_callbacks, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CALLBACK_DUE);
    db_bind_i64(stmt, 1, now_ms);
    db_bind_i64(stmt, 2, (int64_t)limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row && count < limit) {
        ret_callbacks[count++] = (struct callback){
            .id = db_col_i64(stmt, 0),
            .session_id = col_dup(stmt, 1, arena),
            .body = col_dup(stmt, 2, arena),
            .forgery = (enum forgery)db_col_i64(stmt, 3),
            .attempts = db_col_i64(stmt, 4),
            .due_at = db_col_i64(stmt, 5),
            .created_at = db_col_i64(stmt, 6),
            .callback_url = col_dup(stmt, 7, arena),
        };
    }
    db_done(stmt);
    *ret_count = count;
    if (!err && arena->overflow)
        err = ERR_NOMEM;
    return err;
}

SQL(SQL_CALLBACK_SAVE,
    "UPDATE callback SET state = $2, last_status = $3, attempts = $4, due_at = $5 WHERE id = $1");

enum err bank_callback_save(struct db *db, const struct callback *callback, int state, int status)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CALLBACK_SAVE);
    db_bind_i64(stmt, 1, callback->id);
    db_bind_i64(stmt, 2, state);
    db_bind_i64(stmt, 3, status);
    db_bind_i64(stmt, 4, callback->attempts);
    if (callback->due_at)
        db_bind_i64(stmt, 5, callback->due_at);
    else
        db_bind_null(stmt, 5);
    return must_change_one(db, stmt);
}

SQL(SQL_CALLBACK_WAITING, "SELECT COUNT(*) FROM callback WHERE due_at IS NOT NULL");

enum err bank_callback_waiting(struct db *db, int64_t *ret_count)
{
    return db_get_i64(db_stmt(db, &SQL_CALLBACK_WAITING), ret_count);
}

/* --- Settings --- */

SQL(SQL_SETTING_PUT, "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO "
                     "UPDATE SET value = excluded.value");

enum err bank_setting_put(struct db *db, const char *name, struct str value)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SETTING_PUT);
    db_bind_str(stmt, 1, str_from_c(name));
    db_bind_str(stmt, 2, value);
    return db_exec(stmt);
}

SQL(SQL_SETTING_GET, "SELECT value FROM setting WHERE name = $1");

enum err bank_setting_get(struct db *db, const char *name, struct arena *arena,
                          struct str *ret_value)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SETTING_GET);
    db_bind_str(stmt, 1, str_from_c(name));
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    *ret_value = has_row ? arena_str_dup(arena, db_col_str(stmt, 0)) : STR_NONE;
    if (has_row)
        db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}
