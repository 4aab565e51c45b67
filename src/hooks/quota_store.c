/* The count of what waits: see quota.h. */
#include "hooks/quota.h"

SQL(SQL_ADD, "INSERT INTO application_backlog(app_id, pending) VALUES($1, $2)"
             " ON CONFLICT(app_id) DO UPDATE"
             " SET pending = application_backlog.pending + excluded.pending");
/* The row has gone with its application; what still waits for its endpoints ends then. */
SQL(SQL_TAKE, "UPDATE application_backlog SET pending = pending + $2 WHERE app_id = $1");
SQL(SQL_GET, "SELECT pending FROM application_backlog WHERE app_id = $1");

enum err backlog_store_add(struct db *db, uint64_t app_id, int64_t count)
{
    if (count == 0)
        return ERR_OK;
    struct db_stmt *stmt = db_stmt(db, count > 0 ? &SQL_ADD : &SQL_TAKE);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, count);
    return db_exec(stmt);
}

enum err backlog_store_get(struct db *db, uint64_t app_id, int64_t *ret_pending)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GET);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    enum err err = db_get_i64(stmt, ret_pending);
    if (err != ERR_NOT_FOUND)
        return err;
    *ret_pending = 0;
    return ERR_OK;
}
