/* Rows of devices and their cursors: see device.h. */
#include "chat/device.h"

SQL(SQL_ADD, "INSERT INTO device(user_id, id, name, platform, push, created_at, push_hash)"
             " VALUES($1, $2, $3, $4, $5, $6, $7)");

enum err device_store_add(struct db *db, const struct device *device)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, (int64_t)device->user_id);
    db_bind_i64(stmt, 2, (int64_t)device->id);
    db_bind_str(stmt, 3, device->name);
    db_bind_str(stmt, 4, device->platform);
    db_bind_str(stmt, 5, device->push);
    db_bind_i64(stmt, 6, device->created_at);
    db_bind_str(stmt, 7, device->push_hash);
    return db_exec(stmt);
}

SQL(SQL_HAS, "SELECT id FROM device WHERE user_id = $1 AND id = $2");

enum err device_store_has(struct db *db, uint64_t user_id, uint64_t id, bool *ret_is_there)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_HAS);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)id);
    int64_t found;
    enum err err = db_get_i64(stmt, &found);
    *ret_is_there = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

SQL(SQL_LIST,
    "SELECT id, name, platform, push, created_at, push_hash FROM device WHERE user_id = $1"
    " ORDER BY id LIMIT $2");

enum err device_store_list(struct db *db, struct arena *arena, uint64_t user_id,
                           struct device *ret_devices, size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, DEVICES_MAX);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < DEVICES_MAX; err = db_step(stmt, &has_row))
        ret_devices[count++] =
            (struct device){.user_id = user_id,
                            .id = (uint64_t)db_col_i64(stmt, 0),
                            .name = arena_str_dup(arena, db_col_str(stmt, 1)),
                            .platform = arena_str_dup(arena, db_col_str(stmt, 2)),
                            .push = arena_str_dup(arena, db_col_str(stmt, 3)),
                            .created_at = db_col_i64(stmt, 4),
                            .push_hash = arena_str_dup(arena, db_col_str(stmt, 5))};
    db_done(stmt);
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return ERR_OK;
}

SQL(SQL_DELETE, "DELETE FROM device WHERE user_id = $1 AND id = $2");
SQL(SQL_DELETE_CURSORS, "DELETE FROM device_cursor WHERE user_id = $1 AND device_id = $2");

enum err device_store_delete(struct db *db, uint64_t user_id, uint64_t id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DELETE);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)id);
    enum err err = db_exec(stmt);
    if (err || db_changes(db) == 0)
        return err ? err : ERR_NOT_FOUND;
    stmt = db_stmt(db, &SQL_DELETE_CURSORS);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)id);
    return db_exec(stmt);
}

SQL(SQL_CURSOR, "SELECT seq FROM device_cursor WHERE user_id = $1 AND device_id = $2"
                " AND chat_id = $3");

enum err device_store_cursor(struct db *db, uint64_t user_id, uint64_t device_id, uint64_t chat_id,
                             int64_t *ret_seq)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CURSOR);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)device_id);
    db_bind_i64(stmt, 3, (int64_t)chat_id);
    enum err err = db_get_i64(stmt, ret_seq);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

SQL(SQL_MOVE, "INSERT INTO device_cursor(user_id, device_id, chat_id, seq)"
              " SELECT user_id, id, $3, $4 FROM device WHERE user_id = $1 AND id = $2"
              " ON CONFLICT(user_id, device_id, chat_id) DO UPDATE SET seq = excluded.seq"
              " WHERE device_cursor.seq < excluded.seq");

enum err device_store_move_cursor(struct db *db, uint64_t user_id, uint64_t device_id,
                                  uint64_t chat_id, int64_t seq)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_MOVE);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)device_id);
    db_bind_i64(stmt, 3, (int64_t)chat_id);
    db_bind_i64(stmt, 4, seq);
    return db_exec_later(stmt);
}
