/* The log as search reads it: see search.h. What is found is read as a message afterwards. */
#include "chat/search.h"

#define SCAN(NN)                                                                                   \
    "SELECT seq, created_at, CASE WHEN type = 0 AND deleted_at = 0 THEN body ELSE '' END"          \
    " FROM message_" NN " WHERE chat_id = $1 AND seq > $2 AND seq < $3"                            \
    " ORDER BY chat_id DESC, seq DESC LIMIT $4"
DAYS_SQL(SQL_SCAN, SCAN);
_Static_assert(ENTRY_TEXT == 0, "which type has a text of its own");

enum err search_store_scan(struct db *db, const struct search_scan *scan,
                           void (*visit)(const struct search_entry *entry, void *ctx), void *ctx)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SCAN[scan->slot]);
    db_bind_i64(stmt, 1, (int64_t)scan->chat_id);
    db_bind_i64(stmt, 2, scan->after);
    db_bind_i64(stmt, 3, scan->before);
    db_bind_i64(stmt, 4, (int64_t)scan->limit);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row; err = db_step(stmt, &has_row)) {
        struct search_entry entry = {db_col_i64(stmt, 0), db_col_i64(stmt, 1), db_col_str(stmt, 2)};
        visit(&entry, ctx);
    }
    db_done(stmt);
    return err;
}

#define NEWEST(NN)                                                                                 \
    "SELECT created_at FROM message_" NN " WHERE chat_id = $1 AND seq > $2 AND seq < $3"           \
    " ORDER BY chat_id DESC, seq DESC LIMIT 1"
DAYS_SQL(SQL_NEWEST, NEWEST);

enum err search_store_newest(struct db *db, const struct search_scan *scan, int64_t *ret_at)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_NEWEST[scan->slot]);
    db_bind_i64(stmt, 1, (int64_t)scan->chat_id);
    db_bind_i64(stmt, 2, scan->after);
    db_bind_i64(stmt, 3, scan->before);
    return db_get_i64(stmt, ret_at);
}
