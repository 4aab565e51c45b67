/* See inlet_store.h. */
#include "hooks/inlet_store.h"

SQL(SQL_FIND, "SELECT id, (SELECT count(*) FROM (SELECT 1 FROM endpoint WHERE app_id ="
              " application.id LIMIT 1) AS one) FROM application WHERE account_id = $1"
              " AND uid = $2");

enum err inlet_store_find(struct db *db, uint64_t account_id, struct str uid, uint64_t *ret_app_id,
                          bool *ret_has_endpoints)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FIND);
    bool has_row;
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_str(stmt, 2, uid);
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    *ret_app_id = (uint64_t)db_col_i64(stmt, 0);
    *ret_has_endpoints = db_col_i64(stmt, 1) > 0;
    db_done(stmt);
    return ERR_OK;
}
