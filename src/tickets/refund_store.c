/* SQL of refunds; the tables and their reasons stand in sql/tickets/001_initial.sql. */
#include "tickets/refund_store.h"

SQL(SQL_INSERT,
    "INSERT INTO refund (event_id, id, booking_id, payment_id, provider_ref, amount, currency, "
    "reason, state, next_at, "
    "created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)");

enum err refund_store_insert(struct db *db, const struct refund *refund, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_INSERT);
    db_bind_i64(stmt, 1, (int64_t)refund->event_id);
    db_bind_i64(stmt, 2, (int64_t)refund->id);
    db_bind_i64(stmt, 3, (int64_t)refund->booking_id);
    db_bind_i64(stmt, 4, (int64_t)refund->payment_id);
    db_bind_str(stmt, 5, refund->provider_ref);
    db_bind_i64(stmt, 6, refund->amount);
    db_bind_str(stmt, 7, str_from_c(refund->currency));
    db_bind_str(stmt, 8, str_from_c(refund->reason));
    db_bind_i64(stmt, 9, refund->state);
    db_bind_i64(stmt, 10, refund->next_at);
    db_bind_i64(stmt, 11, now_ms);
    return db_exec(stmt);
}

SQL(SQL_SAVE, "UPDATE refund SET state = $3, provider_refund_ref = $4, attempts = $5, next_at = "
              "$6, updated_at = $7 "
              "WHERE event_id = $1 AND id = $2");

enum err refund_store_save(struct db *db, const struct refund *refund, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SAVE);
    db_bind_i64(stmt, 1, (int64_t)refund->event_id);
    db_bind_i64(stmt, 2, (int64_t)refund->id);
    db_bind_i64(stmt, 3, refund->state);
    if (refund->provider_refund_ref.len > 0)
        db_bind_str(stmt, 4, refund->provider_refund_ref);
    else
        db_bind_null(stmt, 4);
    db_bind_i64(stmt, 5, refund->attempts);
    if (refund->next_at != 0)
        db_bind_i64(stmt, 6, refund->next_at);
    else
        db_bind_null(stmt, 6);
    db_bind_i64(stmt, 7, now_ms);
    return db_exec_one(stmt);
}

SQL(SQL_LOAD, "SELECT booking_id, payment_id, provider_ref, amount, currency, reason, state, "
              "provider_refund_ref, attempts, next_at "
              "FROM refund WHERE event_id = $1 AND id = $2");

static enum err refund_read(struct db_stmt *stmt, struct arena *arena, struct refund *refund)
{
    refund->booking_id = (uint64_t)db_col_i64(stmt, 0);
    refund->payment_id = (uint64_t)db_col_i64(stmt, 1);
    refund->provider_ref = arena_str_dup(arena, db_col_str(stmt, 2));
    refund->amount = db_col_i64(stmt, 3);
    refund->state = (enum refund_state)db_col_i64(stmt, 6);
    refund->provider_refund_ref =
        db_col_is_null(stmt, 7) ? STR_NONE : arena_str_dup(arena, db_col_str(stmt, 7));
    refund->attempts = db_col_i64(stmt, 8);
    refund->next_at = db_col_i64(stmt, 9);
    enum err err = str_to_c(db_col_str(stmt, 4), refund->currency, sizeof(refund->currency));
    if (!err)
        err = str_to_c(db_col_str(stmt, 5), refund->reason, sizeof(refund->reason));
    if (err)
        return ERR_CORRUPT;
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

enum err refund_load(struct db *db, uint64_t event_id, uint64_t refund_id, struct arena *arena,
                     struct refund *ret_refund)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LOAD);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)refund_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    struct refund refund = {.event_id = event_id, .id = refund_id};
    err = refund_read(stmt, arena, &refund);
    db_done(stmt);
    if (!err)
        *ret_refund = refund;
    return err;
}

SQL(SQL_PROMISE,
    "UPDATE payment SET refunded = refunded + $3, updated_at = $4 WHERE event_id = $1 AND id = $2");

enum err refund_store_promise(struct db *db, uint64_t event_id, uint64_t payment_id, int64_t amount,
                              int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PROMISE);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)payment_id);
    db_bind_i64(stmt, 3, amount);
    db_bind_i64(stmt, 4, now_ms);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    return db_changes(db) == 1 ? ERR_OK : ERR_NOT_FOUND;
}

/* No join: in the order of the index, until there are enough. */
SQL(SQL_DUE, "SELECT r.event_id, r.id FROM refund AS r WHERE r.next_at IS NOT NULL AND r.next_at "
             "<= $1 AND (SELECT p.provider FROM payment AS p WHERE p.event_id = r.event_id AND "
             "p.id = r.payment_id) = $3 ORDER BY r.next_at LIMIT $2");

enum err refund_store_due(struct db *db, const struct payment_due_query *query,
                          struct payment_due *ret_rows, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DUE);
    db_bind_i64(stmt, 1, query->now_ms);
    db_bind_i64(stmt, 2, (int64_t)query->limit);
    db_bind_str(stmt, 3, query->provider);
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row && count < query->limit)
        ret_rows[count++] =
            (struct payment_due){(uint64_t)db_col_i64(stmt, 0), (uint64_t)db_col_i64(stmt, 1)};
    db_done(stmt);
    *ret_count = count;
    return err;
}

SQL(SQL_SEAT_FREE, "DELETE FROM seat_claim WHERE event_id = $1 AND seat_no = $2 AND booking_id = "
                   "$3 AND state = 2");

enum err refund_store_seat_free(struct db *db, uint64_t event_id, uint32_t seat_no,
                                uint64_t booking_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SEAT_FREE);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, seat_no);
    db_bind_i64(stmt, 3, (int64_t)booking_id);
    return db_exec_one(stmt);
}
