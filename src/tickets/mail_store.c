/* SQL of mail.db. */
#include "tickets/mail_store.h"

#include <stdio.h>

#define DEDUPE_KEY_SIZE 96
#define CURSOR_NAME     "tickets"

SQL(SQL_INSERT,
    "INSERT INTO mail (id, dedupe_key, kind, to_email, to_name, event_id, booking_id, refund_id, "
    "amount, currency, reason, state, next_at, created_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13) "
    "ON CONFLICT DO NOTHING");

enum err mail_store_insert(struct db *db, const struct mail *mail)
{
    char key[DEDUPE_KEY_SIZE];
    int len = snprintf(key, sizeof(key), "%d/%llu/%llu/%llu", (int)mail->kind,
                       (unsigned long long)mail->event_id, (unsigned long long)mail->booking_id,
                       (unsigned long long)mail->refund_id);
    struct db_stmt *stmt = db_stmt(db, &SQL_INSERT);
    db_bind_i64(stmt, 1, mail->id);
    db_bind_str(stmt, 2, str_from(key, (size_t)len));
    db_bind_i64(stmt, 3, mail->kind);
    db_bind_str(stmt, 4, mail->to_email);
    db_bind_str(stmt, 5, mail->to_name);
    db_bind_i64(stmt, 6, (int64_t)mail->event_id);
    db_bind_i64(stmt, 7, (int64_t)mail->booking_id);
    if (mail->refund_id) {
        db_bind_i64(stmt, 8, (int64_t)mail->refund_id);
        db_bind_i64(stmt, 9, mail->amount);
        db_bind_str(stmt, 10, str_from_c(mail->currency));
        db_bind_str(stmt, 11, mail->reason);
    } else {
        for (int index = 8; index <= 11; index++)
            db_bind_null(stmt, index);
    }
    db_bind_i64(stmt, 12, mail->next_at);
    db_bind_i64(stmt, 13, mail->created_at);
    return db_exec(stmt);
}

SQL(SQL_DUE, "SELECT id, kind, to_email, to_name, event_id, booking_id, refund_id, amount, "
             "currency, reason, attempts, next_at, created_at FROM mail "
             "WHERE state = 0 AND next_at <= $1 ORDER BY next_at LIMIT $2");

static struct mail mail_read(struct db_stmt *stmt, struct arena *arena)
{
    struct mail mail = {
        .id = db_col_i64(stmt, 0),
        .kind = (enum mail_kind)db_col_i64(stmt, 1),
        .to_email = arena_str_dup(arena, db_col_str(stmt, 2)),
        .to_name = arena_str_dup(arena, db_col_str(stmt, 3)),
        .event_id = (uint64_t)db_col_i64(stmt, 4),
        .booking_id = (uint64_t)db_col_i64(stmt, 5),
        .refund_id = (uint64_t)db_col_i64(stmt, 6),
        .amount = db_col_i64(stmt, 7),
        .reason = arena_str_dup(arena, db_col_str(stmt, 9)),
        .attempts = db_col_i64(stmt, 10),
        .next_at = db_col_i64(stmt, 11),
        .created_at = db_col_i64(stmt, 12),
    };
    struct str currency = str_sub(db_col_str(stmt, 8), 0, sizeof(mail.currency) - 1);
    if (currency.len > 0)
        memcpy(mail.currency, currency.data, currency.len);
    return mail;
}

enum err mail_store_due(struct db *db, int64_t now_ms, int64_t limit, struct arena *arena,
                        struct mail *ret_mails, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DUE);
    db_bind_i64(stmt, 1, now_ms);
    db_bind_i64(stmt, 2, limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row)
        ret_mails[count++] = mail_read(stmt, arena);
    *ret_count = count;
    if (!err && arena->overflow)
        return ERR_NOMEM;
    return err;
}

SQL(SQL_NEXT_AT, "SELECT next_at FROM mail WHERE state = 0 ORDER BY next_at LIMIT 1");

enum err mail_store_next_at(struct db *db, int64_t *ret_next_at)
{
    enum err err = db_get_i64(db_stmt(db, &SQL_NEXT_AT), ret_next_at);
    if (err != ERR_NOT_FOUND)
        return err;
    *ret_next_at = INT64_MAX;
    return ERR_OK;
}

SQL(SQL_SET_STATE, "UPDATE mail SET state = $2, attempts = $3, next_at = $4, ended_at = $5, "
                   "last_error = $6 WHERE id = $1 AND state = 0");

enum err mail_store_set_state(struct db *db, const struct mail_outcome *outcome)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SET_STATE);
    bool is_waiting = outcome->state == MAIL_WAITING;
    db_bind_i64(stmt, 1, outcome->id);
    db_bind_i64(stmt, 2, outcome->state);
    db_bind_i64(stmt, 3, outcome->attempts);
    db_bind_i64(stmt, 4, is_waiting ? outcome->next_at : outcome->now_ms);
    if (is_waiting)
        db_bind_null(stmt, 5);
    else
        db_bind_i64(stmt, 5, outcome->now_ms);
    if (outcome->last_error.len > 0)
        db_bind_str(stmt, 6, outcome->last_error);
    else
        db_bind_null(stmt, 6);
    return db_exec(stmt);
}

/* PostgreSQL: as in app/idempotency_store.c. */
#define OLDEST                                                                                     \
    "SELECT id FROM (SELECT id, state, created_at FROM mail ORDER BY id LIMIT $2) AS oldest "      \
    "WHERE state <> 0 AND created_at < $1"
SQL_PAIR(SQL_PURGE, "DELETE FROM mail WHERE id IN (" OLDEST ")",
         "DELETE FROM mail WHERE id = ANY (ARRAY(" OLDEST "))");

enum err mail_store_purge(struct db *db, int64_t before_ms, int64_t limit)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PURGE);
    db_bind_i64(stmt, 1, before_ms);
    db_bind_i64(stmt, 2, limit);
    return db_exec(stmt);
}

SQL(SQL_CURSOR, "SELECT seq FROM cursor WHERE name = '" CURSOR_NAME "'");

enum err mail_store_cursor(struct db *db, int64_t *ret_seq)
{
    enum err err = db_get_i64(db_stmt(db, &SQL_CURSOR), ret_seq);
    if (err != ERR_NOT_FOUND)
        return err;
    *ret_seq = 0;
    return ERR_OK;
}

SQL(SQL_SET_CURSOR, "INSERT INTO cursor (name, seq) VALUES ('" CURSOR_NAME "', $1) "
                    "ON CONFLICT (name) DO UPDATE SET seq = $1");

enum err mail_store_set_cursor(struct db *db, int64_t seq)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SET_CURSOR);
    db_bind_i64(stmt, 1, seq);
    return db_exec(stmt);
}
