/* Rows of facts: see fact.h. */
#include "chat/fact.h"

SQL(SQL_ADD, "INSERT INTO fact(id, chat_id, type, payload, created_at)"
             " VALUES($1, $2, $3, $4, $5)");

enum err fact_store_add(struct db *db, const struct fact *fact)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, (int64_t)fact->id);
    db_bind_i64(stmt, 2, (int64_t)fact->chat_id);
    db_bind_str(stmt, 3, fact->type);
    db_bind_str(stmt, 4, fact->payload);
    db_bind_i64(stmt, 5, fact->created_at);
    return db_exec_later(stmt);
}

SQL(SQL_LIST, "SELECT id, chat_id, type, payload, created_at FROM fact ORDER BY id LIMIT $1");

enum err fact_store_list(struct db *db, struct arena *arena, size_t limit, struct fact *ret_facts,
                         size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
    db_bind_i64(stmt, 1, (int64_t)limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < limit; err = db_step(stmt, &has_row))
        ret_facts[count++] = (struct fact){.id = (uint64_t)db_col_i64(stmt, 0),
                                           .chat_id = (uint64_t)db_col_i64(stmt, 1),
                                           .type = arena_str_dup(arena, db_col_str(stmt, 2)),
                                           .payload = arena_str_dup(arena, db_col_str(stmt, 3)),
                                           .created_at = db_col_i64(stmt, 4)};
    db_done(stmt);
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return ERR_OK;
}

SQL(SQL_DELETE, "DELETE FROM fact WHERE id = $1");

enum err fact_store_delete(struct db *db, uint64_t id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DELETE);
    db_bind_i64(stmt, 1, (int64_t)id);
    return db_exec_later(stmt);
}

SQL(SQL_SWEEP, "DELETE FROM fact WHERE id IN (SELECT id FROM fact WHERE id < $1 ORDER BY id"
               " LIMIT $2)");

enum err fact_store_sweep(struct db *db, int64_t before_ms, int64_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SWEEP);
    db_bind_i64(stmt, 1, (int64_t)id_at_ms(before_ms));
    db_bind_i64(stmt, 2, FACT_SWEEP_MAX);
    enum err err = db_exec(stmt);
    if (!err)
        *ret_count = db_changes(db);
    return err;
}

SQL(SQL_ABSENT, "SELECT user_id FROM chat_member WHERE chat_id = $1 AND delivered_seq < $2"
                " AND joined_seq < $2 AND muted_until <= $3 ORDER BY user_id LIMIT $4");

enum err fact_store_absent(struct db *db, uint64_t chat_id, int64_t seq, int64_t now_ms,
                           uint64_t *ret_users, size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_ABSENT);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, seq);
    db_bind_i64(stmt, 3, now_ms);
    db_bind_i64(stmt, 4, MEMBERS_MAX);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < MEMBERS_MAX; err = db_step(stmt, &has_row))
        ret_users[count++] = (uint64_t)db_col_i64(stmt, 0);
    db_done(stmt);
    *ret_count = count;
    return err;
}
