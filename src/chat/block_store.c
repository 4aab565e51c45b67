/* Rows of blocks: see block.h. */
#include "chat/block.h"

#include "chat/chat.h"

SQL(SQL_BETWEEN, "SELECT 1 FROM block WHERE user_id = $1 AND blocked_id = $2 UNION ALL"
                 " SELECT 1 FROM block WHERE user_id = $2 AND blocked_id = $1 LIMIT 1");

enum err block_store_is_between(struct db *db, uint64_t a, uint64_t b, bool *ret_is_blocked)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BETWEEN);
    db_bind_i64(stmt, 1, (int64_t)a);
    db_bind_i64(stmt, 2, (int64_t)b);
    int64_t found;
    enum err err = db_get_i64(stmt, &found);
    *ret_is_blocked = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

SQL(SQL_ADD, "INSERT INTO block(user_id, blocked_id, created_at) VALUES($1, $2, $3)"
             " ON CONFLICT DO NOTHING");

enum err block_store_add(struct db *db, uint64_t user_id, uint64_t blocked_id, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)blocked_id);
    db_bind_i64(stmt, 3, now_ms);
    return db_exec(stmt);
}

SQL(SQL_REMOVE, "DELETE FROM block WHERE user_id = $1 AND blocked_id = $2");

enum err block_store_remove(struct db *db, uint64_t user_id, uint64_t blocked_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_REMOVE);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)blocked_id);
    return db_exec(stmt);
}

SQL(SQL_COUNT, "SELECT COUNT(*) FROM block WHERE user_id = $1");

enum err block_store_count(struct db *db, uint64_t user_id, int64_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_COUNT);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    return db_get_i64(stmt, ret_count);
}

SQL(SQL_LIST, "SELECT blocked_id, created_at FROM block WHERE user_id = $1 AND blocked_id > $2"
              " ORDER BY user_id, blocked_id LIMIT $3");

enum err block_store_list(struct db *db, uint64_t user_id, uint64_t beyond_id, int64_t limit,
                          struct block *ret_blocks, size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)beyond_id);
    db_bind_i64(stmt, 3, limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < (size_t)limit; err = db_step(stmt, &has_row))
        ret_blocks[count++] = (struct block){(uint64_t)db_col_i64(stmt, 0), db_col_i64(stmt, 1)};
    db_done(stmt);
    if (!err)
        *ret_count = count;
    return err;
}
