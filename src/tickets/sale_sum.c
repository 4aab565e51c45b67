/* SQL of the sums of an event's sale. */
#include "tickets/sale_sum.h"

SQL(SQL_ADD, "INSERT INTO sale_sum (event_id, span_ms, from_ms, places, revenue, returned, "
             "refunded) VALUES ($1, 0, 0, $4, $5, $6, $7), ($1, 60000, $2, $4, $5, $6, $7), "
             "($1, 3600000, $3, $4, $5, $6, $7) ON CONFLICT (event_id, span_ms, from_ms) DO "
             "UPDATE SET places = sale_sum.places + excluded.places, revenue = sale_sum.revenue + "
             "excluded.revenue, returned = sale_sum.returned + excluded.returned, refunded = "
             "sale_sum.refunded + excluded.refunded");

enum err sale_sum_add(struct writer_tx *tx, uint64_t event_id, const struct sale_sum *sum)
{
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_ADD);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, tx->now_ms - tx->now_ms % SALE_SPAN_MINUTE);
    db_bind_i64(stmt, 3, tx->now_ms - tx->now_ms % SALE_SPAN_HOUR);
    db_bind_i64(stmt, 4, sum->places);
    db_bind_i64(stmt, 5, sum->revenue);
    db_bind_i64(stmt, 6, sum->returned);
    db_bind_i64(stmt, 7, sum->refunded);
    return db_exec_later(stmt);
}

static struct sale_sum sum_read(struct db_stmt *stmt)
{
    return (struct sale_sum){.from_ms = db_col_i64(stmt, 0),
                             .places = db_col_i64(stmt, 1),
                             .revenue = db_col_i64(stmt, 2),
                             .returned = db_col_i64(stmt, 3),
                             .refunded = db_col_i64(stmt, 4)};
}

SQL(SQL_TOTAL, "SELECT from_ms, places, revenue, returned, refunded FROM sale_sum "
               "WHERE event_id = $1 AND span_ms = 0 AND from_ms = 0");

enum err sale_sum_total(struct db *db, uint64_t event_id, struct sale_sum *ret_total)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_TOTAL);
    bool has_row = false;
    *ret_total = (struct sale_sum){0};
    db_bind_i64(stmt, 1, (int64_t)event_id);
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err;
    *ret_total = sum_read(stmt);
    db_done(stmt);
    return ERR_OK;
}

SQL(SQL_LIST, "SELECT from_ms, places, revenue, returned, refunded FROM sale_sum "
              "WHERE event_id = $1 AND span_ms = $2 AND from_ms >= $3 ORDER BY from_ms DESC "
              "LIMIT $4");

enum err sale_sum_list(struct db *db, const struct sale_sum_query *query, struct sale_sum *ret_sums,
                       size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
    db_bind_i64(stmt, 1, (int64_t)query->event_id);
    db_bind_i64(stmt, 2, query->span_ms);
    db_bind_i64(stmt, 3, query->since_ms);
    db_bind_i64(stmt, 4, query->limit);
    size_t count = 0;
    bool has_row = false;
    enum err err = ERR_OK;
    while (!(err = db_step(stmt, &has_row)) && has_row)
        ret_sums[count++] = sum_read(stmt);
    for (size_t i = 0; i < count / 2; i++) {
        struct sale_sum sum = ret_sums[i];
        ret_sums[i] = ret_sums[count - 1 - i];
        ret_sums[count - 1 - i] = sum;
    }
    *ret_count = count;
    return err;
}
