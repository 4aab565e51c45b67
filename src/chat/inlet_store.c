/* Which conversation is whose: see inlet.h. */
#include "chat/inlet.h"

SQL(SQL_CHAT, "SELECT chat_id FROM event_chat WHERE event_id = $1 AND user_id = $2");

enum err inlet_store_chat(struct db *db, uint64_t event_id, uint64_t user_id, uint64_t *ret_chat_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CHAT);
    int64_t id;
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)user_id);
    enum err err = db_get_i64(stmt, &id);
    if (!err)
        *ret_chat_id = (uint64_t)id;
    return err;
}

SQL(SQL_PUT_CHAT, "INSERT INTO event_chat(event_id, user_id, chat_id) VALUES($1, $2, $3)"
                  " ON CONFLICT(event_id, user_id) DO UPDATE SET chat_id = excluded.chat_id");

enum err inlet_store_put_chat(struct db *db, uint64_t event_id, uint64_t user_id, uint64_t chat_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT_CHAT);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)user_id);
    db_bind_i64(stmt, 3, (int64_t)chat_id);
    return db_exec(stmt);
}

SQL(SQL_CHATS, "SELECT user_id, chat_id FROM event_chat WHERE event_id = $1 AND user_id > $2"
               " ORDER BY event_id, user_id LIMIT $3");

enum err inlet_store_chats(struct db *db, uint64_t event_id, uint64_t after_user_id, size_t limit,
                           struct inlet_chat *ret_chats, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CHATS);
    size_t count = 0;
    bool has_row;
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)after_user_id);
    db_bind_i64(stmt, 3, (int64_t)limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < limit; err = db_step(stmt, &has_row))
        ret_chats[count++] =
            (struct inlet_chat){(uint64_t)db_col_i64(stmt, 0), (uint64_t)db_col_i64(stmt, 1)};
    db_done(stmt);
    *ret_count = count;
    return err;
}
