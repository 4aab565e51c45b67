/* SQL of rehearsals. */
#include "tickets/rehearse_store.h"

SQL(SQL_BLOCKED, "SELECT seat_no FROM seat_claim WHERE event_id = $1 AND state = 3");

enum err rehearse_store_blocked(struct db *db, uint64_t event_id,
                                void (*on_seat)(void *ctx, uint32_t seat_no), void *ctx)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BLOCKED);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row)
        on_seat(ctx, (uint32_t)db_col_i64(stmt, 0));
    return err;
}

SQL(SQL_BOOKINGS, "SELECT seats, places FROM booking WHERE event_id = $1 AND state IN (1, 2, 3)");

enum err rehearse_store_bookings(struct db *db, uint64_t event_id,
                                 void (*on_booking)(void *ctx, struct str seats, int64_t places),
                                 void *ctx)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BOOKINGS);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row)
        on_booking(ctx, db_col_str(stmt, 0), db_col_i64(stmt, 1));
    return err;
}
