/* SQL of getting ready before a sale: a range of event_by_onsale. */
#include "tickets/warm_store.h"

SQL(SQL_DUE, "SELECT id FROM event WHERE status = 1 AND onsale_at > $1 AND onsale_at <= $2"
             " ORDER BY onsale_at LIMIT $3");

enum err warm_store_due(struct db *db, int64_t from_ms, int64_t until_ms,
                        uint64_t ret_ids[static WARM_EVENTS_MAX], size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DUE);
    db_bind_i64(stmt, 1, from_ms);
    db_bind_i64(stmt, 2, until_ms);
    db_bind_i64(stmt, 3, WARM_EVENTS_MAX);
    size_t count = 0;
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row)
        if (count < WARM_EVENTS_MAX)
            ret_ids[count++] = (uint64_t)db_col_i64(stmt, 0);
    *ret_count = count;
    return err;
}
