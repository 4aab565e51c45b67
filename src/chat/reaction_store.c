/* Reactions that messages have now, in the day tables of their messages: see log.h. */
#include "chat/log.h"

#define ADD(NN)                                                                                    \
    "INSERT INTO reaction_" NN "(chat_id, seq, emoji, user_id) VALUES($1, $2, $3, $4)"             \
    " ON CONFLICT DO NOTHING"
#define REMOVE(NN)                                                                                 \
    "DELETE FROM reaction_" NN " WHERE chat_id = $1 AND seq = $2 AND emoji = $3 AND user_id = $4"
#define COUNTED(NN)                                                                                \
    "UPDATE message_" NN " SET reactions = reactions + $3 WHERE chat_id = $1 AND seq = $2"
DAYS_SQL(SQL_ADD, ADD);
DAYS_SQL(SQL_REMOVE, REMOVE);
DAYS_SQL(SQL_COUNTED, COUNTED);

static enum err count_one(struct db *db, size_t slot, const struct message *message, int64_t delta)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_COUNTED[slot]);
    db_bind_i64(stmt, 1, (int64_t)message->chat_id);
    db_bind_i64(stmt, 2, message->seq);
    db_bind_i64(stmt, 3, delta);
    return db_exec_one(stmt);
}

enum err reaction_store_set(struct db *db, size_t slot, const struct message *message,
                            uint64_t user_id, struct str emoji, bool is_set, bool *ret_has_changed)
{
    struct db_stmt *stmt = db_stmt(db, is_set ? &SQL_ADD[slot] : &SQL_REMOVE[slot]);
    db_bind_i64(stmt, 1, (int64_t)message->chat_id);
    db_bind_i64(stmt, 2, message->seq);
    db_bind_str(stmt, 3, emoji);
    db_bind_i64(stmt, 4, (int64_t)user_id);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    *ret_has_changed = db_changes(db) == 1;
    return *ret_has_changed ? count_one(db, slot, message, is_set ? 1 : -1) : ERR_OK;
}

#define MINE(NN)                                                                                   \
    "SELECT COUNT(*) FROM reaction_" NN " WHERE chat_id = $1 AND seq = $2 AND user_id = $3"
DAYS_SQL(SQL_MINE, MINE);

enum err reaction_store_count(struct db *db, size_t slot, uint64_t chat_id, int64_t seq,
                              uint64_t user_id, int64_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_MINE[slot]);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, seq);
    db_bind_i64(stmt, 3, (int64_t)user_id);
    return db_get_i64(stmt, ret_count);
}

#define LIST(NN)                                                                                   \
    "SELECT seq, emoji, COUNT(*), MAX(CASE WHEN user_id = $4 THEN 1 ELSE 0 END)"                   \
    " FROM reaction_" NN " WHERE chat_id = $1 AND seq >= $2 AND seq <= $3"                         \
    " GROUP BY chat_id, seq, emoji ORDER BY chat_id, seq, emoji LIMIT $5"
DAYS_SQL(SQL_LIST, LIST);

enum err reaction_store_list(struct db *db, struct arena *arena, uint64_t chat_id, int64_t first,
                             int64_t last, uint64_t user_id, const struct chat_days *days,
                             size_t limit, struct reaction *ret_reactions, size_t *ret_count)
{
    size_t count = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < days->count && count < limit; i++) {
        struct db_stmt *stmt = db_stmt(db, &SQL_LIST[days->slots[i]]);
        db_bind_i64(stmt, 1, (int64_t)chat_id);
        db_bind_i64(stmt, 2, first);
        db_bind_i64(stmt, 3, last);
        db_bind_i64(stmt, 4, (int64_t)user_id);
        db_bind_i64(stmt, 5, (int64_t)(limit - count));
        bool has_row;
        err = db_step(stmt, &has_row);
        for (; !err && has_row && count < limit; err = db_step(stmt, &has_row))
            ret_reactions[count++] =
                (struct reaction){db_col_i64(stmt, 0), arena_str_dup(arena, db_col_str(stmt, 1)),
                                  db_col_i64(stmt, 2), db_col_i64(stmt, 3) > 0};
        db_done(stmt);
    }
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return ERR_OK;
}
