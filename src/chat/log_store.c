/* Entries of the log in their day tables: see log.h. */
#include "chat/log.h"

#define COLUMNS                                                                                    \
    "seq, epoch, type, sender_id, client_id, body, media_id, reply_to, target, texts, reactions,"  \
    " edited_at, deleted_at, created_at"

static void read_row(struct db_stmt *stmt, struct arena *arena, uint64_t chat_id,
                     struct message *message)
{
    *message = (struct message){.chat_id = chat_id,
                                .seq = db_col_i64(stmt, 0),
                                .epoch = db_col_i64(stmt, 1),
                                .type = (enum entry_type)db_col_i64(stmt, 2),
                                .sender_id = (uint64_t)db_col_i64(stmt, 3),
                                .client_id = arena_str_dup(arena, db_col_str(stmt, 4)),
                                .body = arena_str_dup(arena, db_col_str(stmt, 5)),
                                .media_id = (uint64_t)db_col_i64(stmt, 6),
                                .reply_to = db_col_i64(stmt, 7),
                                .target = db_col_i64(stmt, 8),
                                .texts = db_col_i64(stmt, 9),
                                .reactions = db_col_i64(stmt, 10),
                                .edited_at = db_col_i64(stmt, 11),
                                .deleted_at = db_col_i64(stmt, 12),
                                .created_at = db_col_i64(stmt, 13)};
}

#define ADD(NN)                                                                                    \
    "INSERT INTO message_" NN "(chat_id, " COLUMNS ")"                                             \
    " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, 0, $12)"
DAYS_SQL(SQL_ADD, ADD);

enum err log_store_add(struct db *db, size_t slot, const struct message *message)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD[slot]);
    db_bind_i64(stmt, 1, (int64_t)message->chat_id);
    db_bind_i64(stmt, 2, message->seq);
    db_bind_i64(stmt, 3, message->epoch);
    db_bind_i64(stmt, 4, message->type);
    db_bind_i64(stmt, 5, (int64_t)message->sender_id);
    db_bind_str(stmt, 6, message->client_id);
    db_bind_str(stmt, 7, message->body);
    db_bind_i64(stmt, 8, (int64_t)message->media_id);
    db_bind_i64(stmt, 9, message->reply_to);
    db_bind_i64(stmt, 10, message->target);
    db_bind_i64(stmt, 11, message->texts);
    db_bind_i64(stmt, 12, message->created_at);
    return db_exec_later(stmt);
}

#define GET(NN) "SELECT " COLUMNS " FROM message_" NN " WHERE chat_id = $1 AND seq = $2"
DAYS_SQL(SQL_GET, GET);

enum err log_store_get(struct db *db, struct arena *arena, uint64_t chat_id, int64_t seq,
                       const struct chat_days *days, struct message *ret_message, size_t *ret_slot)
{
    for (size_t i = days->count; i-- > 0;) {
        struct db_stmt *stmt = db_stmt(db, &SQL_GET[days->slots[i]]);
        db_bind_i64(stmt, 1, (int64_t)chat_id);
        db_bind_i64(stmt, 2, seq);
        bool has_row;
        enum err err = db_step(stmt, &has_row);
        if (err)
            return err;
        if (!has_row)
            continue;
        read_row(stmt, arena, chat_id, ret_message);
        db_done(stmt);
        *ret_slot = days->slots[i];
        return arena->overflow ? ERR_NOMEM : ERR_OK;
    }
    return ERR_NOT_FOUND;
}

/* ---- ranges ---- */

#define UP(NN)                                                                                     \
    "SELECT " COLUMNS " FROM message_" NN " WHERE chat_id = $1 AND seq > $2 AND seq < $3"          \
    " ORDER BY chat_id, seq LIMIT $4"
#define DOWN(NN)                                                                                   \
    "SELECT " COLUMNS " FROM message_" NN " WHERE chat_id = $1 AND seq > $2 AND seq < $3"          \
    " ORDER BY chat_id DESC, seq DESC LIMIT $4"
DAYS_SQL(SQL_UP, UP);
DAYS_SQL(SQL_DOWN, DOWN);

/* How far a range has been read. */
struct reading {
    size_t count;
    size_t bytes;
};

static bool is_enough(const struct log_range *range, const struct reading *reading)
{
    return reading->count >= range->limit || reading->bytes > range->bytes_max;
}

static enum err read_slot(struct db *db, struct arena *arena, const struct log_range *range,
                          size_t slot, struct reading *reading, struct message *messages)
{
    struct db_stmt *stmt = db_stmt(db, range->is_ascending ? &SQL_UP[slot] : &SQL_DOWN[slot]);
    db_bind_i64(stmt, 1, (int64_t)range->chat_id);
    db_bind_i64(stmt, 2, range->after);
    db_bind_i64(stmt, 3, range->before);
    db_bind_i64(stmt, 4, (int64_t)(range->limit - reading->count));
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && !is_enough(range, reading); err = db_step(stmt, &has_row)) {
        struct message *message = &messages[reading->count++];
        read_row(stmt, arena, range->chat_id, message);
        reading->bytes += message->body.len;
    }
    db_done(stmt);
    return err ? err : arena->overflow ? ERR_NOMEM : ERR_OK;
}

enum err log_store_range(struct db *db, struct arena *arena, const struct log_range *range,
                         const struct chat_days *days, struct message *ret_messages,
                         size_t *ret_count)
{
    struct reading reading = {0};
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < days->count && !is_enough(range, &reading); i++) {
        size_t at = range->is_ascending ? i : days->count - 1 - i;
        err = read_slot(db, arena, range, days->slots[at], &reading, ret_messages);
    }
    if (!err)
        *ret_count = reading.count;
    return err;
}

/* ---- counts ---- */

#define NEXT(NN)                                                                                   \
    "SELECT seq, texts, type FROM message_" NN " WHERE chat_id = $1 AND seq > $2"                  \
    " ORDER BY chat_id, seq LIMIT 1"
DAYS_SQL(SQL_NEXT, NEXT);

/* The first entry behind seq, and the text and media entries before it. */
static enum err next_entry(struct db *db, const struct chat *chat, int64_t seq,
                           const struct chat_days *days, struct log_first *ret_first)
{
    *ret_first = (struct log_first){chat->last_seq + 1, chat->texts};
    for (size_t i = 0; i < days->count; i++) {
        struct db_stmt *stmt = db_stmt(db, &SQL_NEXT[days->slots[i]]);
        db_bind_i64(stmt, 1, (int64_t)chat->id);
        db_bind_i64(stmt, 2, seq);
        bool has_row;
        enum err err = db_step(stmt, &has_row);
        if (err)
            return err;
        if (!has_row)
            continue;
        bool is_message = entry_is_message((enum entry_type)db_col_i64(stmt, 2));
        *ret_first =
            (struct log_first){db_col_i64(stmt, 0), db_col_i64(stmt, 1) - (is_message ? 1 : 0)};
        db_done(stmt);
        return ERR_OK;
    }
    return ERR_OK;
}

enum err log_store_first(struct db *db, const struct chat *chat, const struct chat_days *days,
                         struct log_first *ret_first)
{
    return next_entry(db, chat, 0, days, ret_first);
}

enum err log_store_texts(struct db *db, const struct chat *chat, int64_t seq,
                         const struct chat_days *days, int64_t *ret_texts)
{
    struct log_first next;
    if (seq == chat->last_seq) {
        *ret_texts = chat->texts;
        return ERR_OK;
    }
    enum err err = next_entry(db, chat, seq, days, &next);
    if (!err)
        *ret_texts = next.texts_before;
    return err;
}

/* ---- what a message is now ---- */

#define CHANGE(NN)                                                                                 \
    "UPDATE message_" NN " SET body = $3, edited_at = $4, deleted_at = $5,"                        \
    " reactions = CASE WHEN $5 > 0 THEN 0 ELSE reactions END WHERE chat_id = $1 AND seq = $2"
DAYS_SQL(SQL_CHANGE, CHANGE);

enum err log_store_change(struct db *db, size_t slot, const struct message *message)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CHANGE[slot]);
    db_bind_i64(stmt, 1, (int64_t)message->chat_id);
    db_bind_i64(stmt, 2, message->seq);
    db_bind_str(stmt, 3, message->body);
    db_bind_i64(stmt, 4, message->edited_at);
    db_bind_i64(stmt, 5, message->deleted_at);
    return db_exec_one(stmt);
}
