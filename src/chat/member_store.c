/* Rows of members: see chat.h. */
#include "chat/chat.h"

#define COLUMNS                                                                                    \
    "user_id, role, name, joined_seq, joined_at, delivered_seq, read_seq, read_texts, muted_until"

static void read_row(struct db_stmt *stmt, struct arena *arena, struct member *member)
{
    *member = (struct member){.user_id = (uint64_t)db_col_i64(stmt, 0),
                              .role = (enum member_role)db_col_i64(stmt, 1),
                              .name = arena_str_dup(arena, db_col_str(stmt, 2)),
                              .joined_seq = db_col_i64(stmt, 3),
                              .joined_at = db_col_i64(stmt, 4),
                              .delivered_seq = db_col_i64(stmt, 5),
                              .read_seq = db_col_i64(stmt, 6),
                              .read_texts = db_col_i64(stmt, 7),
                              .muted_until = db_col_i64(stmt, 8)};
}

SQL(SQL_LIST, "SELECT " COLUMNS " FROM chat_member WHERE chat_id = $1 ORDER BY user_id LIMIT $2");

enum err member_store_list(struct db *db, struct arena *arena, uint64_t chat_id, int64_t limit,
                           struct member *ret_members, size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < (size_t)limit; err = db_step(stmt, &has_row))
        read_row(stmt, arena, &ret_members[count++]);
    db_done(stmt);
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return ERR_OK;
}

SQL(SQL_CHATS, "SELECT chat_id FROM chat_member WHERE user_id = $1 ORDER BY chat_id LIMIT $2");

enum err member_store_chats(struct db *db, uint64_t user_id, int64_t limit, uint64_t *ret_chat_ids,
                            size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_CHATS);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < (size_t)limit; err = db_step(stmt, &has_row))
        ret_chat_ids[count++] = (uint64_t)db_col_i64(stmt, 0);
    db_done(stmt);
    if (!err)
        *ret_count = count;
    return err;
}

SQL(SQL_GET, "SELECT " COLUMNS " FROM chat_member WHERE chat_id = $1 AND user_id = $2");

enum err member_store_get(struct db *db, struct arena *arena, uint64_t chat_id, uint64_t user_id,
                          struct member *ret_member)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GET);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, (int64_t)user_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    read_row(stmt, arena, ret_member);
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_ADD, "INSERT INTO chat_member(chat_id, " COLUMNS ")"
             " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");

enum err member_store_add(struct db *db, uint64_t chat_id, const struct member *member)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, (int64_t)member->user_id);
    db_bind_i64(stmt, 3, member->role);
    db_bind_str(stmt, 4, member->name);
    db_bind_i64(stmt, 5, member->joined_seq);
    db_bind_i64(stmt, 6, member->joined_at);
    db_bind_i64(stmt, 7, member->delivered_seq);
    db_bind_i64(stmt, 8, member->read_seq);
    db_bind_i64(stmt, 9, member->read_texts);
    db_bind_i64(stmt, 10, member->muted_until);
    return db_exec(stmt);
}

SQL(SQL_SET_ROLE, "UPDATE chat_member SET role = $3 WHERE chat_id = $1 AND user_id = $2");

enum err member_store_set_role(struct db *db, uint64_t chat_id, uint64_t user_id,
                               enum member_role role)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SET_ROLE);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, (int64_t)user_id);
    db_bind_i64(stmt, 3, role);
    return db_exec_one(stmt);
}

SQL(SQL_REMOVE, "DELETE FROM chat_member WHERE chat_id = $1 AND user_id = $2");

enum err member_store_remove(struct db *db, uint64_t chat_id, uint64_t user_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_REMOVE);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, (int64_t)user_id);
    return db_exec_one(stmt);
}

SQL(SQL_PUT_MARKS, "UPDATE chat_member SET"
                   " delivered_seq = CASE WHEN delivered_seq < $3 THEN $3 ELSE delivered_seq END,"
                   " read_texts = CASE WHEN read_seq < $4 THEN $5 ELSE read_texts END,"
                   " read_seq = CASE WHEN read_seq < $4 THEN $4 ELSE read_seq END"
                   " WHERE chat_id = $1 AND user_id = $2");

enum err member_store_put_marks(struct db *db, uint64_t chat_id, const struct member *member)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT_MARKS);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, (int64_t)member->user_id);
    db_bind_i64(stmt, 3, member->delivered_seq);
    db_bind_i64(stmt, 4, member->read_seq);
    db_bind_i64(stmt, 5, member->read_texts);
    return db_exec_later(stmt);
}
