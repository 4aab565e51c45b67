#include "chat/presence.h"

SQL(SQL_MAY_SEE, "SELECT 1 WHERE EXISTS (SELECT 1 FROM chat_member mine"
                 " JOIN chat_member theirs ON theirs.chat_id = mine.chat_id AND theirs.user_id = $2"
                 " WHERE mine.user_id = $1)"
                 " AND NOT EXISTS (SELECT 1 FROM block WHERE user_id = $1 AND blocked_id = $2)"
                 " AND NOT EXISTS (SELECT 1 FROM block WHERE user_id = $2 AND blocked_id = $1)");
SQL(SQL_LAST_SEEN, "SELECT at FROM last_seen WHERE user_id = $1");
SQL(SQL_PUT,
    "INSERT INTO last_seen (user_id, at) VALUES ($1, $2)"
    " ON CONFLICT (user_id) DO UPDATE SET at = excluded.at WHERE excluded.at > last_seen.at");

enum err presence_store_may_see(struct db *db, uint64_t watcher_id, uint64_t user_id,
                                bool *ret_may_see)
{
    int64_t one;
    struct db_stmt *stmt = db_stmt(db, &SQL_MAY_SEE);
    db_bind_i64(stmt, 1, (int64_t)watcher_id);
    db_bind_i64(stmt, 2, (int64_t)user_id);
    enum err err = db_get_i64(stmt, &one);
    *ret_may_see = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err presence_store_last_seen(struct db *db, uint64_t user_id, int64_t *ret_at_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LAST_SEEN);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    *ret_at_ms = 0;
    enum err err = db_get_i64(stmt, ret_at_ms);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err presence_store_put(struct db *db, uint64_t user_id, int64_t at_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, at_ms);
    return db_exec_later(stmt);
}
