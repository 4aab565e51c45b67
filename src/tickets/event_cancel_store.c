/* SQL of undoing a cancelled event's sales. */
#include "tickets/event_cancel_store.h"

SQL(SQL_PUT, "INSERT INTO event_cancel (event_id, after_booking_id) VALUES ($1, 0)"
             " ON CONFLICT DO NOTHING");

enum err event_cancel_put(struct db *db, uint64_t event_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    return db_exec(stmt);
}

SQL(SQL_MOVE, "UPDATE event_cancel SET after_booking_id = $2 WHERE event_id = $1");

enum err event_cancel_move(struct db *db, const struct cancel_progress *progress)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_MOVE);
    db_bind_i64(stmt, 1, (int64_t)progress->event_id);
    db_bind_i64(stmt, 2, (int64_t)progress->after_id);
    return db_exec(stmt);
}

SQL(SQL_DELETE, "DELETE FROM event_cancel WHERE event_id = $1");

enum err event_cancel_delete(struct db *db, uint64_t event_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DELETE);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    return db_exec(stmt);
}

SQL(SQL_LIST, "SELECT event_id, after_booking_id FROM event_cancel ORDER BY event_id LIMIT $1");

enum err event_cancel_list(struct db *db, size_t limit, struct cancel_progress *ret_items,
                           size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
    db_bind_i64(stmt, 1, (int64_t)limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row)
        ret_items[count++] =
            (struct cancel_progress){(uint64_t)db_col_i64(stmt, 0), (uint64_t)db_col_i64(stmt, 1)};
    *ret_count = count;
    return err;
}

SQL(SQL_BOOKINGS, "SELECT id FROM booking WHERE event_id = $1 AND id > $2 ORDER BY id LIMIT $3");

enum err event_cancel_bookings(struct db *db, const struct cancel_progress *progress, size_t limit,
                               uint64_t *ret_ids, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BOOKINGS);
    db_bind_i64(stmt, 1, (int64_t)progress->event_id);
    db_bind_i64(stmt, 2, (int64_t)progress->after_id);
    db_bind_i64(stmt, 3, (int64_t)limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row)
        ret_ids[count++] = (uint64_t)db_col_i64(stmt, 0);
    *ret_count = count;
    return err;
}
