/* SQL of an event's report. */
#include "tickets/report_store.h"

SQL(SQL_TICKETS, "SELECT id, seat_no, area_no, price, state FROM ticket "
                 "WHERE event_id = $1 AND id > $2 ORDER BY id LIMIT $3");

enum err report_store_tickets(struct db *db, const struct report_tickets *query, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_TICKETS);
    db_bind_i64(stmt, 1, (int64_t)query->event_id);
    db_bind_i64(stmt, 2, (int64_t)query->after_id);
    db_bind_i64(stmt, 3, query->limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        bool is_area = db_col_is_null(stmt, 1);
        struct report_ticket ticket = {.id = (uint64_t)db_col_i64(stmt, 0),
                                       .is_area = is_area,
                                       .is_revoked = db_col_i64(stmt, 4) != 0,
                                       .place_no = (uint32_t)db_col_i64(stmt, is_area ? 2 : 1),
                                       .price = db_col_i64(stmt, 3)};
        query->on_ticket(&ticket, query->ctx);
        count++;
    }
    *ret_count = count;
    return err;
}

/* State 3: confirmed; ended_at is when. */
SQL(SQL_HOURS, "SELECT ended_at / 3600000, COUNT(*), CAST(SUM(places) AS BIGINT), CAST(SUM(amount) "
               "AS BIGINT) FROM booking "
               "WHERE event_id = $1 AND state = 3 GROUP BY 1 ORDER BY 1 DESC LIMIT $2");

enum err report_store_hours(struct db *db, uint64_t event_id, int64_t limit,
                            struct report_hour *ret_hours, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_HOURS);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        ret_hours[count++] = (struct report_hour){.from_ms = db_col_i64(stmt, 0) * 3600000,
                                                  .bookings = db_col_i64(stmt, 1),
                                                  .places = db_col_i64(stmt, 2),
                                                  .revenue = db_col_i64(stmt, 3)};
    }
    *ret_count = count;
    return err;
}

SQL(SQL_BOOKINGS, "SELECT id FROM booking WHERE event_id = $1 AND id > $2 AND state = 3 "
                  "ORDER BY id LIMIT $3");

enum err report_store_bookings(struct db *db, uint64_t event_id, uint64_t after_id, int64_t limit,
                               uint64_t *ret_ids, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BOOKINGS);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)after_id);
    db_bind_i64(stmt, 3, limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row)
        ret_ids[count++] = (uint64_t)db_col_i64(stmt, 0);
    *ret_count = count;
    return err;
}
