/* Rows of media, their bytes, references and tasks: see media.h. */
#include "base/ids.h"
#include "chat/media.h"

static uint64_t col_id(struct db_stmt *stmt, int column)
{
    return (uint64_t)db_col_i64(stmt, column);
}

/* Whether the question has an answer. */
static enum err ask(struct db_stmt *stmt, bool *ret_is_so)
{
    int64_t found;
    enum err err = db_get_i64(stmt, &found);
    *ret_is_so = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* ---- media ---- */

SQL(SQL_GET,
    "SELECT m.owner_id, m.state, m.bytes, m.received, m.name, m.claimed_type, m.created_at,"
    " m.finished_at, m.collect_at, m.ref_day, m.ref_bits, m.blob_id, b.hash, b.type, b.width,"
    " b.height, b.has_thumb FROM media m LEFT JOIN media_blob b ON b.id = m.blob_id"
    " WHERE m.id = $1");

static enum err read_blob(struct db_stmt *stmt, struct arena *arena, struct media *media)
{
    struct str hash = db_col_blob(stmt, 12);
    if (hash.len != SHA256_SIZE)
        return ERR_CORRUPT;
    memcpy(media->hash, hash.data, SHA256_SIZE);
    media->type = arena_str_dup(arena, db_col_str(stmt, 13));
    media->width = db_col_i64(stmt, 14);
    media->height = db_col_i64(stmt, 15);
    media->has_thumb = db_col_i64(stmt, 16) != 0;
    return ERR_OK;
}

enum err media_store_get(struct db *db, struct arena *arena, uint64_t id, struct media *ret_media)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GET);
    db_bind_i64(stmt, 1, (int64_t)id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    *ret_media = (struct media){.id = id,
                                .owner_id = col_id(stmt, 0),
                                .state = (enum media_state)db_col_i64(stmt, 1),
                                .bytes = db_col_i64(stmt, 2),
                                .received = db_col_i64(stmt, 3),
                                .name = arena_str_dup(arena, db_col_str(stmt, 4)),
                                .claimed_type = arena_str_dup(arena, db_col_str(stmt, 5)),
                                .created_at = db_col_i64(stmt, 6),
                                .finished_at = db_col_i64(stmt, 7),
                                .collect_at = db_col_i64(stmt, 8),
                                .ref_day = db_col_i64(stmt, 9),
                                .ref_bits = db_col_i64(stmt, 10),
                                .blob_id = col_id(stmt, 11)};
    if (ret_media->state == MEDIA_FINISHED)
        err = read_blob(stmt, arena, ret_media);
    db_done(stmt);
    return err ? err : arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_USAGE, "SELECT COUNT(*), COALESCE(SUM(bytes), 0), COUNT(CASE WHEN state = 0 THEN 1 END)"
               " FROM media WHERE owner_id = $1");

enum err media_store_usage(struct db *db, uint64_t owner_id, struct media_usage *ret_usage)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_USAGE);
    db_bind_i64(stmt, 1, (int64_t)owner_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_CORRUPT;
    *ret_usage = (struct media_usage){
        .files = db_col_i64(stmt, 0), .bytes = db_col_i64(stmt, 1), .uploads = db_col_i64(stmt, 2)};
    db_done(stmt);
    return ERR_OK;
}

SQL(SQL_ADD, "INSERT INTO media(id, owner_id, state, bytes, received, name, claimed_type,"
             " created_at, finished_at, collect_at, blob_id, ref_day, ref_bits)"
             " VALUES($1, $2, 0, $3, 0, $4, $5, $6, 0, $7, 0, 0, 0)");

enum err media_store_add(struct db *db, const struct media *media)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, (int64_t)media->id);
    db_bind_i64(stmt, 2, (int64_t)media->owner_id);
    db_bind_i64(stmt, 3, media->bytes);
    db_bind_str(stmt, 4, media->name);
    db_bind_str(stmt, 5, media->claimed_type);
    db_bind_i64(stmt, 6, media->created_at);
    db_bind_i64(stmt, 7, media->collect_at);
    return db_exec(stmt);
}

SQL(SQL_APPEND, "UPDATE media SET received = received + $4 WHERE id = $1 AND owner_id = $2"
                " AND state = 0 AND received = $3 AND received + $4 <= bytes");

enum err media_store_append(struct db *db, uint64_t id, uint64_t owner_id, int64_t received,
                            int64_t count, bool *ret_changed)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_APPEND);
    db_bind_i64(stmt, 1, (int64_t)id);
    db_bind_i64(stmt, 2, (int64_t)owner_id);
    db_bind_i64(stmt, 3, received);
    db_bind_i64(stmt, 4, count);
    enum err err = db_exec(stmt);
    *ret_changed = !err && db_changes(db) == 1;
    return err;
}

SQL(SQL_FINISH, "UPDATE media SET state = 1, blob_id = $2, finished_at = $3, collect_at = $4"
                " WHERE id = $1 AND state = 0 AND received = bytes");

enum err media_store_put_finished(struct db *db, const struct media *media)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FINISH);
    db_bind_i64(stmt, 1, (int64_t)media->id);
    db_bind_i64(stmt, 2, (int64_t)media->blob_id);
    db_bind_i64(stmt, 3, media->finished_at);
    db_bind_i64(stmt, 4, media->collect_at);
    return db_exec_one(stmt);
}

SQL(SQL_DELETE, "DELETE FROM media WHERE id = $1");

enum err media_store_delete(struct db *db, uint64_t id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DELETE);
    db_bind_i64(stmt, 1, (int64_t)id);
    return db_exec_one(stmt);
}

SQL(SQL_DUE, "SELECT id FROM media WHERE collect_at <= $1 ORDER BY collect_at LIMIT $2");

enum err media_store_due(struct db *db, int64_t now_ms, int64_t limit, uint64_t *ret_ids,
                         size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_DUE);
    db_bind_i64(stmt, 1, now_ms);
    db_bind_i64(stmt, 2, limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < (size_t)limit; err = db_step(stmt, &has_row))
        ret_ids[count++] = col_id(stmt, 0);
    db_done(stmt);
    *ret_count = count;
    return err;
}

SQL(SQL_COLLECT, "UPDATE media SET collect_at = $2 WHERE id = $1");

enum err media_store_put_collect(struct db *db, uint64_t id, int64_t collect_at)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_COLLECT);
    db_bind_i64(stmt, 1, (int64_t)id);
    db_bind_i64(stmt, 2, collect_at);
    return db_exec(stmt);
}

/* As chat_note_day() does it, in one statement, because chats of other shards may do it at once. The mask
 * is 33 bits. */
SQL(SQL_NOTE_DAY,
    "UPDATE media SET ref_bits = CASE WHEN ref_day - $2 > 32 THEN ref_bits"
    " WHEN ref_day >= $2 THEN ref_bits | (CAST(1 AS BIGINT) << CAST(ref_day - $2 AS INTEGER))"
    " WHEN $2 - ref_day > 32 THEN 1"
    " ELSE ((ref_bits << CAST($2 - ref_day AS INTEGER)) & 8589934591) | 1 END,"
    " ref_day = CASE WHEN ref_day > $2 THEN ref_day ELSE $2 END,"
    " collect_at = CASE WHEN collect_at > $3 THEN collect_at ELSE $3 END"
    " WHERE id = $1 AND state = 1");

enum err media_store_note_day(struct db *db, uint64_t id, int64_t day, int64_t collect_at,
                              bool *ret_is_there)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_NOTE_DAY);
    db_bind_i64(stmt, 1, (int64_t)id);
    db_bind_i64(stmt, 2, day);
    db_bind_i64(stmt, 3, collect_at);
    enum err err = db_exec(stmt);
    *ret_is_there = !err && db_changes(db) == 1;
    return err;
}

/* ---- references ---- */

#define REF_ADD(NN) "INSERT INTO media_ref_" NN "(media_id, chat_id, seq) VALUES($1, $2, $3)"
#define REF_DELETE(NN)                                                                             \
    "DELETE FROM media_ref_" NN " WHERE media_id = $1 AND chat_id = $2 AND seq = $3"
#define REF_HAS(NN) "SELECT 1 FROM media_ref_" NN " WHERE media_id = $1 LIMIT 1"
#define REF_SEES(NN)                                                                               \
    "SELECT 1 FROM media_ref_" NN " r JOIN chat_member m ON m.chat_id = r.chat_id"                 \
    " WHERE r.media_id = $1 AND m.user_id = $2 AND m.joined_seq < r.seq LIMIT 1"
DAYS_SQL(SQL_REF_ADD, REF_ADD);
DAYS_SQL(SQL_REF_DELETE, REF_DELETE);
DAYS_SQL(SQL_REF_HAS, REF_HAS);
DAYS_SQL(SQL_REF_SEES, REF_SEES);

static void bind_ref(struct db_stmt *stmt, const struct message *message)
{
    db_bind_i64(stmt, 1, (int64_t)message->media_id);
    db_bind_i64(stmt, 2, (int64_t)message->chat_id);
    db_bind_i64(stmt, 3, message->seq);
}

enum err media_store_add_ref(struct db *db, size_t slot, const struct message *message)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_REF_ADD[slot]);
    bind_ref(stmt, message);
    return db_exec_later(stmt);
}

enum err media_store_delete_ref(struct db *db, size_t slot, const struct message *message)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_REF_DELETE[slot]);
    bind_ref(stmt, message);
    return db_exec(stmt);
}

enum err media_store_has_ref(struct db *db, size_t slot, uint64_t id, bool *ret_has)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_REF_HAS[slot]);
    db_bind_i64(stmt, 1, (int64_t)id);
    return ask(stmt, ret_has);
}

enum err media_store_sees_ref(struct db *db, size_t slot, uint64_t id, uint64_t user_id,
                              bool *ret_sees)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_REF_SEES[slot]);
    db_bind_i64(stmt, 1, (int64_t)id);
    db_bind_i64(stmt, 2, (int64_t)user_id);
    return ask(stmt, ret_sees);
}

/* ---- bytes ---- */

SQL(SQL_BLOB_FIND, "SELECT id FROM media_blob WHERE hash = $1");

enum err media_store_find_blob(struct db *db, const uint8_t hash[static SHA256_SIZE],
                               uint64_t *ret_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BLOB_FIND);
    db_bind_blob(stmt, 1, str_from((const char *)hash, SHA256_SIZE));
    int64_t id = 0;
    enum err err = db_get_i64(stmt, &id);
    *ret_id = err ? 0 : (uint64_t)id;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

SQL(SQL_BLOB_ADD, "INSERT INTO media_blob(id, hash, bytes, type, width, height, has_thumb, refs)"
                  " VALUES($1, $2, $3, $4, $5, $6, $7, 1)");

enum err media_store_add_blob(struct db *db, const struct media *media,
                              const struct media_result *result)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BLOB_ADD);
    db_bind_i64(stmt, 1, (int64_t)media->id);
    db_bind_blob(stmt, 2, str_from((const char *)result->hash, SHA256_SIZE));
    db_bind_i64(stmt, 3, media->bytes);
    db_bind_str(stmt, 4, result->type);
    db_bind_i64(stmt, 5, result->width);
    db_bind_i64(stmt, 6, result->height);
    db_bind_i64(stmt, 7, result->has_thumb);
    return db_exec(stmt);
}

SQL(SQL_BLOB_COUNT, "UPDATE media_blob SET refs = refs + $2 WHERE id = $1");

enum err media_store_count_blob(struct db *db, uint64_t id, int64_t change)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BLOB_COUNT);
    db_bind_i64(stmt, 1, (int64_t)id);
    db_bind_i64(stmt, 2, change);
    return db_exec_one(stmt);
}

SQL(SQL_BLOB_DROP, "DELETE FROM media_blob WHERE id = $1 AND refs = 0");

enum err media_store_drop_blob(struct db *db, uint64_t id, bool *ret_is_gone)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BLOB_DROP);
    db_bind_i64(stmt, 1, (int64_t)id);
    enum err err = db_exec(stmt);
    *ret_is_gone = !err && db_changes(db) == 1;
    return err;
}

/* ---- tasks ---- */

SQL(SQL_TASK_ADD, "INSERT INTO media_task(id, kind, file_id, hash) VALUES($1, $2, $3, $4)");

enum err media_store_add_task(struct writer_tx *tx, enum media_task_kind kind, uint64_t file_id,
                              const uint8_t *hash)
{
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_TASK_ADD);
    db_bind_i64(stmt, 1, (int64_t)id_next(tx->ids));
    db_bind_i64(stmt, 2, kind);
    db_bind_i64(stmt, 3, (int64_t)file_id);
    db_bind_blob(stmt, 4, hash ? str_from((const char *)hash, SHA256_SIZE) : STR(""));
    return db_exec(stmt);
}

SQL(SQL_TASKS, "SELECT id, kind, file_id, hash FROM media_task ORDER BY id LIMIT $1");

enum err media_store_tasks(struct db *db, int64_t limit, struct media_task *ret_tasks,
                           size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_TASKS);
    db_bind_i64(stmt, 1, limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < (size_t)limit; err = db_step(stmt, &has_row)) {
        struct media_task *task = &ret_tasks[count++];
        struct str hash = db_col_blob(stmt, 3);
        *task = (struct media_task){.id = col_id(stmt, 0),
                                    .kind = (enum media_task_kind)db_col_i64(stmt, 1),
                                    .file.id = col_id(stmt, 2)};
        if (hash.len == SHA256_SIZE)
            memcpy(task->file.hash, hash.data, SHA256_SIZE);
        else if (task->kind != TASK_REMOVE_UPLOAD)
            err = ERR_CORRUPT;
        if (err)
            break;
    }
    db_done(stmt);
    *ret_count = count;
    return err;
}

SQL(SQL_TASK_DELETE, "DELETE FROM media_task WHERE id = $1");

enum err media_store_delete_task(struct db *db, uint64_t id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_TASK_DELETE);
    db_bind_i64(stmt, 1, (int64_t)id);
    return db_exec(stmt);
}
