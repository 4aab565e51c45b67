/* SQL of the organizer's list of bookings. */
#include "tickets/desk_store.h"

static enum err rows_read(struct db_stmt *stmt, struct desk_row *ret_rows, size_t *ret_count)
{
    size_t count = 0;
    bool has_row = false;
    enum err err = ERR_OK;
    while (!(err = db_step(stmt, &has_row)) && has_row)
        ret_rows[count++] =
            (struct desk_row){.id = (uint64_t)db_col_i64(stmt, 0), .state = db_col_i64(stmt, 1)};
    *ret_count = count;
    return err;
}

SQL(SQL_ROWS, "SELECT id, state FROM booking WHERE event_id = $1 AND id < $2 "
              "ORDER BY id DESC LIMIT $3");

enum err desk_store_rows(struct db *db, uint64_t event_id, uint64_t before_id, int64_t limit,
                         struct desk_row *ret_rows, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ROWS);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)before_id);
    db_bind_i64(stmt, 3, limit);
    return rows_read(stmt, ret_rows, ret_count);
}

/* By the account's index: see booking_store.c for the pluses. */
SQL(SQL_OF_ACCOUNT, "SELECT id, state FROM booking WHERE account_id = $1 AND id < $2 AND "
                    "+event_id = $3 AND (+state = $4 OR $4 = 0) ORDER BY id DESC LIMIT $5");

enum err desk_store_of_account(struct db *db, const struct desk_of_account *query,
                               struct desk_row *ret_rows, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_OF_ACCOUNT);
    db_bind_i64(stmt, 1, (int64_t)query->account_id);
    db_bind_i64(stmt, 2, (int64_t)query->before_id);
    db_bind_i64(stmt, 3, (int64_t)query->event_id);
    db_bind_i64(stmt, 4, query->state);
    db_bind_i64(stmt, 5, query->limit);
    return rows_read(stmt, ret_rows, ret_count);
}
