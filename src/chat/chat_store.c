/* Rows of chats: see chat.h. */
#include "chat/chat.h"

#define COLUMNS                                                                                    \
    "c.id, c.type, c.title, c.user_a, c.user_b, c.created_by, c.created_at, c.last_seq, "          \
    "c.last_at,"                                                                                   \
    " c.last_day, c.day_bits, c.shown_seq, c.active_id, c.texts, c.member_count,"                  \
    " c.members_version, c.event_id, c.push_wanted"
#define COLUMN_COUNT 18
#define MEMBER_COLUMNS                                                                             \
    "m.user_id, m.role, m.name, m.joined_seq, m.joined_at, m.delivered_seq, m.read_seq,"           \
    " m.read_texts, m.muted_until"

static void read_chat(struct db_stmt *stmt, struct arena *arena, struct chat *chat)
{
    *chat = (struct chat){.id = (uint64_t)db_col_i64(stmt, 0),
                          .type = (enum chat_type)db_col_i64(stmt, 1),
                          .title = arena_str_dup(arena, db_col_str(stmt, 2)),
                          .user_a = (uint64_t)db_col_i64(stmt, 3),
                          .user_b = (uint64_t)db_col_i64(stmt, 4),
                          .created_by = (uint64_t)db_col_i64(stmt, 5),
                          .created_at = db_col_i64(stmt, 6),
                          .last_seq = db_col_i64(stmt, 7),
                          .last_at = db_col_i64(stmt, 8),
                          .last_day = db_col_i64(stmt, 9),
                          .day_bits = (uint64_t)db_col_i64(stmt, 10),
                          .shown_seq = db_col_i64(stmt, 11),
                          .active_id = (uint64_t)db_col_i64(stmt, 12),
                          .texts = db_col_i64(stmt, 13),
                          .member_count = db_col_i64(stmt, 14),
                          .members_version = db_col_i64(stmt, 15),
                          .event_id = (uint64_t)db_col_i64(stmt, 16),
                          .push_wanted = db_col_i64(stmt, 17) != 0};
}

static void read_member(struct db_stmt *stmt, int at, struct arena *arena, struct member *member)
{
    *member = (struct member){.user_id = (uint64_t)db_col_i64(stmt, at),
                              .role = (enum member_role)db_col_i64(stmt, at + 1),
                              .name = arena_str_dup(arena, db_col_str(stmt, at + 2)),
                              .joined_seq = db_col_i64(stmt, at + 3),
                              .joined_at = db_col_i64(stmt, at + 4),
                              .delivered_seq = db_col_i64(stmt, at + 5),
                              .read_seq = db_col_i64(stmt, at + 6),
                              .read_texts = db_col_i64(stmt, at + 7),
                              .muted_until = db_col_i64(stmt, at + 8)};
}

SQL(SQL_GET, "SELECT " COLUMNS ", " MEMBER_COLUMNS " FROM chat AS c LEFT JOIN chat_member AS m"
             " ON m.chat_id = c.id AND m.user_id = $2 WHERE c.id = $1");

enum err chat_store_get(struct db *db, struct arena *arena, uint64_t id, uint64_t user_id,
                        struct chat *ret_chat, struct member *ret_member, bool *ret_is_member)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GET);
    db_bind_i64(stmt, 1, (int64_t)id);
    db_bind_i64(stmt, 2, (int64_t)user_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    read_chat(stmt, arena, ret_chat);
    *ret_is_member = !db_col_is_null(stmt, COLUMN_COUNT);
    *ret_member = (struct member){0};
    if (*ret_is_member)
        read_member(stmt, COLUMN_COUNT, arena, ret_member);
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_ADD, "INSERT INTO chat(id, type, title, user_a, user_b, created_by, created_at, last_seq,"
             " last_at, last_day, day_bits, shown_seq, active_id, texts, member_count,"
             " members_version, event_id)"
             " VALUES($1, $2, $3, $4, $5, $6, $7, 0, $7, 0, 0, 0, $1, 0, $8, $9, $10)");

enum err chat_store_add(struct db *db, const struct chat *chat)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, (int64_t)chat->id);
    db_bind_i64(stmt, 2, chat->type);
    db_bind_str(stmt, 3, chat->title);
    db_bind_i64(stmt, 4, (int64_t)chat->user_a);
    db_bind_i64(stmt, 5, (int64_t)chat->user_b);
    db_bind_i64(stmt, 6, (int64_t)chat->created_by);
    db_bind_i64(stmt, 7, chat->created_at);
    db_bind_i64(stmt, 8, chat->member_count);
    db_bind_i64(stmt, 9, chat->members_version);
    db_bind_i64(stmt, 10, (int64_t)chat->event_id);
    return db_exec_later(stmt);
}

SQL(SQL_PUT_HEAD, "UPDATE chat SET last_seq = $2, last_at = $3, last_day = $4, day_bits = $5,"
                  " shown_seq = $6, active_id = $7, texts = $8 WHERE id = $1");

enum err chat_store_put_head(struct db *db, const struct chat *chat)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT_HEAD);
    db_bind_i64(stmt, 1, (int64_t)chat->id);
    db_bind_i64(stmt, 2, chat->last_seq);
    db_bind_i64(stmt, 3, chat->last_at);
    db_bind_i64(stmt, 4, chat->last_day);
    db_bind_i64(stmt, 5, (int64_t)chat->day_bits);
    db_bind_i64(stmt, 6, chat->shown_seq);
    db_bind_i64(stmt, 7, (int64_t)chat->active_id);
    db_bind_i64(stmt, 8, chat->texts);
    return db_exec_one(stmt);
}

/* Whoever came may have devices to notify. */
SQL(SQL_PUT_MEMBERS, "UPDATE chat SET title = $2, member_count = $3, members_version = $4,"
                     " push_wanted = 1 WHERE id = $1");

enum err chat_store_put_members(struct db *db, const struct chat *chat)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT_MEMBERS);
    db_bind_i64(stmt, 1, (int64_t)chat->id);
    db_bind_str(stmt, 2, chat->title);
    db_bind_i64(stmt, 3, chat->member_count);
    db_bind_i64(stmt, 4, chat->members_version);
    return db_exec_one(stmt);
}

SQL(SQL_DELETE, "DELETE FROM chat WHERE id = $1");

enum err chat_store_delete(struct db *db, uint64_t id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DELETE);
    db_bind_i64(stmt, 1, (int64_t)id);
    return db_exec(stmt);
}

/* ---- direct chats ---- */

SQL(SQL_FIND_DIRECT, "SELECT chat_id FROM direct_chat WHERE user_a = $1 AND user_b = $2");

enum err chat_store_find_direct(struct db *db, uint64_t user_a, uint64_t user_b,
                                uint64_t *ret_chat_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FIND_DIRECT);
    db_bind_i64(stmt, 1, (int64_t)user_a);
    db_bind_i64(stmt, 2, (int64_t)user_b);
    int64_t id;
    enum err err = db_get_i64(stmt, &id);
    if (!err)
        *ret_chat_id = (uint64_t)id;
    return err;
}

SQL(SQL_ADD_DIRECT, "INSERT INTO direct_chat(user_a, user_b, chat_id) VALUES($1, $2, $3)"
                    " ON CONFLICT DO NOTHING");

enum err chat_store_add_direct(struct db *db, const struct chat *chat)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD_DIRECT);
    db_bind_i64(stmt, 1, (int64_t)chat->user_a);
    db_bind_i64(stmt, 2, (int64_t)chat->user_b);
    db_bind_i64(stmt, 3, (int64_t)chat->id);
    enum err err = db_exec(stmt);
    return err ? err : db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

/* ---- a user's chats ---- */

/* No row is kept in order of activity: a message to a hundred members would move a hundred of them. The
 * user's chats, at most CHATS_MAX, are looked up and sorted here. */
#define LIST(condition)                                                                            \
    "SELECT " COLUMNS ", " MEMBER_COLUMNS " FROM chat_member AS m JOIN chat AS c"                  \
    " ON c.id = m.chat_id WHERE m.user_id = $1 AND c.active_id < $2" condition                     \
    " ORDER BY c.active_id DESC LIMIT $3"
SQL(SQL_LIST, LIST(""));
SQL(SQL_LIST_ABOUT, LIST(" AND c.event_id = $4"));

enum err chat_store_list(struct db *db, struct arena *arena, uint64_t user_id,
                         uint64_t before_active_id, int64_t limit, struct chat_row *ret_rows,
                         size_t *ret_count)
{
    return chat_store_list_about(db, arena, user_id, 0, before_active_id, limit, ret_rows,
                                 ret_count);
}

enum err chat_store_list_about(struct db *db, struct arena *arena, uint64_t user_id,
                               uint64_t event_id, uint64_t before_active_id, int64_t limit,
                               struct chat_row *ret_rows, size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, event_id ? &SQL_LIST_ABOUT : &SQL_LIST);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)before_active_id);
    db_bind_i64(stmt, 3, limit);
    if (event_id)
        db_bind_i64(stmt, 4, (int64_t)event_id);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < (size_t)limit; err = db_step(stmt, &has_row)) {
        read_chat(stmt, arena, &ret_rows[count].chat);
        read_member(stmt, COLUMN_COUNT, arena, &ret_rows[count++].member);
    }
    db_done(stmt);
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return ERR_OK;
}

SQL(SQL_COUNT, "SELECT COUNT(*) FROM chat_member WHERE user_id = $1");

enum err chat_store_count(struct db *db, uint64_t user_id, int64_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_COUNT);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    return db_get_i64(stmt, ret_count);
}

SQL(SQL_EPOCH, "SELECT epoch FROM log_epoch WHERE id = 1");

enum err chat_store_epoch(struct db *db, int64_t *ret_epoch)
{
    return db_get_i64(db_stmt(db, &SQL_EPOCH), ret_epoch);
}
