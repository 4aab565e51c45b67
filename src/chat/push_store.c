/* Rows of notifications: see push.h. */
#include "chat/push.h"

static void bind_key(struct db_stmt *stmt, const struct push_key *key)
{
    db_bind_i64(stmt, 1, (int64_t)key->chat_id);
    db_bind_i64(stmt, 2, (int64_t)key->user_id);
    db_bind_i64(stmt, 3, (int64_t)key->device_id);
}

/* ---- the server's key ---- */

SQL(SQL_KEY, "SELECT public_key, secret FROM push_key WHERE id = 1");

enum err push_store_key(struct db *db, struct p256_key *ret_key)
{
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_KEY);
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    struct str public_key = db_col_blob(stmt, 0), secret = db_col_blob(stmt, 1);
    bool is_good = public_key.len == P256_PUBLIC_SIZE && secret.len == P256_SECRET_SIZE;
    if (is_good) {
        memcpy(ret_key->public_key, public_key.data, P256_PUBLIC_SIZE);
        memcpy(ret_key->secret, secret.data, P256_SECRET_SIZE);
    }
    db_done(stmt);
    return is_good ? ERR_OK : ERR_CORRUPT;
}

SQL(SQL_PUT_KEY, "INSERT INTO push_key(id, public_key, secret) VALUES(1, $1, $2)"
                 " ON CONFLICT DO NOTHING");

enum err push_store_put_key(struct db *db, const struct p256_key *key)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT_KEY);
    db_bind_blob(stmt, 1, str_from((const char *)key->public_key, P256_PUBLIC_SIZE));
    db_bind_blob(stmt, 2, str_from((const char *)key->secret, P256_SECRET_SIZE));
    return db_exec(stmt);
}

/* ---- chats ---- */

SQL(SQL_NOTE_CHAT, "INSERT INTO push_chat(chat_id, seq, due_at) VALUES($1, $2, $3)"
                   " ON CONFLICT DO NOTHING");

enum err push_store_note_chat(struct db *db, uint64_t chat_id, int64_t seq, int64_t due_at)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_NOTE_CHAT);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, seq);
    db_bind_i64(stmt, 3, due_at);
    return db_exec_later(stmt);
}

SQL(SQL_CHATS_DUE, "SELECT chat_id, seq FROM push_chat WHERE due_at <= $1 ORDER BY due_at"
                   " LIMIT $2");

enum err push_store_chats_due(struct db *db, int64_t now_ms, size_t limit,
                              struct push_chat *ret_chats, size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_CHATS_DUE);
    db_bind_i64(stmt, 1, now_ms);
    db_bind_i64(stmt, 2, (int64_t)limit);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < limit; err = db_step(stmt, &has_row))
        ret_chats[count++] = (struct push_chat){(uint64_t)db_col_i64(stmt, 0), db_col_i64(stmt, 1)};
    db_done(stmt);
    *ret_count = count;
    return err;
}

SQL(SQL_GET_CHAT, "SELECT seq FROM push_chat WHERE chat_id = $1");

enum err push_store_get_chat(struct db *db, uint64_t chat_id, int64_t *ret_seq)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GET_CHAT);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    return db_get_i64(stmt, ret_seq);
}

SQL(SQL_DONE_CHAT, "DELETE FROM push_chat WHERE chat_id = $1");

enum err push_store_done_chat(struct db *db, uint64_t chat_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DONE_CHAT);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    return db_exec_later(stmt);
}

/* One that is shown already is not followed by another at once; what waits after a failure goes on
 * waiting. */
SQL(SQL_EXPAND,
    "INSERT INTO push_job(chat_id, user_id, device_id, seq, sent_seq, sent_at, attempts, next_at)"
    " SELECT m.chat_id, m.user_id, d.id, $2, 0, 0, 0, $3 FROM chat_member AS m JOIN device AS d"
    " ON d.user_id = m.user_id LEFT JOIN device_cursor AS c ON c.user_id = m.user_id"
    " AND c.device_id = d.id AND c.chat_id = m.chat_id"
    " WHERE m.chat_id = $1 AND d.push_hash <> '' AND m.read_seq < $2 AND m.joined_seq < $2"
    " AND m.muted_until <= $3 AND COALESCE(c.seq, 0) < $2"
    " ON CONFLICT(chat_id, user_id, device_id) DO UPDATE SET seq = excluded.seq,"
    " next_at = CASE WHEN push_job.attempts > 0 THEN push_job.next_at"
    " WHEN push_job.sent_at + $4 > excluded.next_at THEN push_job.sent_at + $4"
    " ELSE excluded.next_at END WHERE push_job.seq < excluded.seq");

enum err push_store_expand(struct db *db, uint64_t chat_id, int64_t seq, int64_t now_ms,
                           int64_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_EXPAND);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, seq);
    db_bind_i64(stmt, 3, now_ms);
    db_bind_i64(stmt, 4, PUSH_AGAIN_MS);
    enum err err = db_exec(stmt);
    if (!err)
        *ret_count = db_changes(db);
    return err;
}

SQL(SQL_HAS_TARGETS, "SELECT d.id FROM chat_member AS m JOIN device AS d ON d.user_id = m.user_id"
                     " WHERE m.chat_id = $1 AND d.push_hash <> '' LIMIT 1");

enum err push_store_chat_has_targets(struct db *db, uint64_t chat_id, bool *ret_has)
{
    int64_t found;
    struct db_stmt *stmt = db_stmt(db, &SQL_HAS_TARGETS);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    enum err err = db_get_i64(stmt, &found);
    *ret_has = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

SQL(SQL_SET_WANTED, "UPDATE chat SET push_wanted = $2 WHERE id = $1");

enum err push_store_set_wanted(struct db *db, uint64_t chat_id, bool is_wanted)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SET_WANTED);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, is_wanted);
    return db_exec(stmt);
}

SQL(SQL_USER_WANTS, "UPDATE chat SET push_wanted = 1 WHERE push_wanted = 0 AND id IN"
                    " (SELECT chat_id FROM chat_member WHERE user_id = $1)");

enum err push_store_user_wants(struct db *db, uint64_t user_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_USER_WANTS);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    return db_exec(stmt);
}

/* ---- notifications ---- */

SQL(SQL_NOTE_READ, "UPDATE push_job SET next_at = $3 WHERE chat_id = $1 AND user_id = $2");

enum err push_store_note_read(struct db *db, uint64_t chat_id, uint64_t user_id, int64_t read_seq)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_NOTE_READ);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, (int64_t)user_id);
    db_bind_i64(stmt, 3, -read_seq);
    return db_exec_later(stmt);
}

SQL(SQL_JOBS_DUE,
    "SELECT j.chat_id, j.user_id, j.device_id, j.seq, j.sent_seq, j.sent_at, j.attempts,"
    " j.next_at, d.push, m.read_seq, m.joined_seq, m.read_texts, m.muted_until,"
    " COALESCE(c.seq, 0), d.push_failures FROM push_job AS j LEFT JOIN device AS d ON d.user_id = "
    "j.user_id"
    " AND d.id = j.device_id AND d.push_hash <> '' LEFT JOIN chat_member AS m"
    " ON m.chat_id = j.chat_id AND m.user_id = j.user_id LEFT JOIN device_cursor AS c"
    " ON c.user_id = j.user_id AND c.device_id = j.device_id AND c.chat_id = j.chat_id"
    " WHERE j.next_at <= $1 ORDER BY j.next_at LIMIT $2 OFFSET $3");

static void read_job(struct db_stmt *stmt, struct arena *arena, struct push_job *job)
{
    *job = (struct push_job){.key = {.chat_id = (uint64_t)db_col_i64(stmt, 0),
                                     .user_id = (uint64_t)db_col_i64(stmt, 1),
                                     .device_id = (uint64_t)db_col_i64(stmt, 2)},
                             .seq = db_col_i64(stmt, 3),
                             .sent_seq = db_col_i64(stmt, 4),
                             .sent_at = db_col_i64(stmt, 5),
                             .attempts = db_col_i64(stmt, 6),
                             .next_at = db_col_i64(stmt, 7),
                             .has_device = !db_col_is_null(stmt, 8),
                             .is_member = !db_col_is_null(stmt, 9),
                             .cursor = db_col_i64(stmt, 13)};
    if (job->has_device) {
        job->push = arena_str_dup(arena, db_col_str(stmt, 8));
        job->failures = db_col_i64(stmt, 14);
    }
    if (job->is_member) {
        job->read_seq = db_col_i64(stmt, 9);
        job->joined_seq = db_col_i64(stmt, 10);
        job->read_texts = db_col_i64(stmt, 11);
        job->muted_until = db_col_i64(stmt, 12);
    }
}

enum err push_store_jobs_due(struct db *db, struct arena *arena, int64_t now_ms, size_t skip,
                             size_t limit, struct push_job *ret_jobs, size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_JOBS_DUE);
    db_bind_i64(stmt, 1, now_ms);
    db_bind_i64(stmt, 2, (int64_t)limit);
    db_bind_i64(stmt, 3, (int64_t)skip);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < limit; err = db_step(stmt, &has_row))
        read_job(stmt, arena, &ret_jobs[count++]);
    db_done(stmt);
    if (err || arena->overflow)
        return err ? err : ERR_NOMEM;
    *ret_count = count;
    return ERR_OK;
}

SQL(SQL_FORGET, "DELETE FROM push_job WHERE chat_id = $1 AND user_id = $2 AND device_id = $3"
                " AND seq = $4 AND next_at = $5");

enum err push_store_forget(struct db *db, const struct push_job *job)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FORGET);
    bind_key(stmt, &job->key);
    db_bind_i64(stmt, 4, job->seq);
    db_bind_i64(stmt, 5, job->next_at);
    return db_exec(stmt);
}

SQL(SQL_KEEP, "UPDATE push_job SET attempts = 0, next_at = $6 WHERE chat_id = $1 AND user_id = $2"
              " AND device_id = $3 AND seq = $4 AND next_at = $5");

enum err push_store_keep(struct db *db, const struct push_job *job, int64_t until_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_KEEP);
    bind_key(stmt, &job->key);
    db_bind_i64(stmt, 4, job->seq);
    db_bind_i64(stmt, 5, job->next_at);
    db_bind_i64(stmt, 6, until_ms);
    return db_exec(stmt);
}

/* Something newer came meanwhile: that one waits its turn. Something was read: looked at at once. */
SQL(SQL_SENT, "UPDATE push_job SET sent_seq = $4, sent_at = $5, attempts = 0, next_at = CASE"
              " WHEN seq > $4 THEN $6 WHEN next_at = $7 THEN $8 ELSE next_at END"
              " WHERE chat_id = $1 AND user_id = $2 AND device_id = $3");

enum err push_store_sent(struct db *db, const struct push_job *job, int64_t sent_seq,
                         int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SENT);
    bind_key(stmt, &job->key);
    db_bind_i64(stmt, 4, sent_seq);
    db_bind_i64(stmt, 5, now_ms);
    db_bind_i64(stmt, 6, now_ms + PUSH_AGAIN_MS);
    db_bind_i64(stmt, 7, job->next_at);
    db_bind_i64(stmt, 8, now_ms + PUSH_KEPT_MS);
    return db_exec(stmt);
}

SQL(SQL_FAILED, "UPDATE push_job SET attempts = attempts + 1, next_at = $4 WHERE chat_id = $1"
                " AND user_id = $2 AND device_id = $3");

enum err push_store_failed(struct db *db, const struct push_job *job, int64_t next_at)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FAILED);
    bind_key(stmt, &job->key);
    db_bind_i64(stmt, 4, next_at);
    return db_exec(stmt);
}

SQL(SQL_BADGE, "SELECT COUNT(*) FROM chat_member AS m JOIN chat AS c ON c.id = m.chat_id"
               " WHERE m.user_id = $1 AND c.texts > m.read_texts AND c.last_at > $2"
               " AND m.muted_until <= $3");

enum err push_store_badge(struct db *db, uint64_t user_id, int64_t now_ms, int64_t *ret_badge)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BADGE);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, now_ms - LOG_DAYS * DAY_MS);
    db_bind_i64(stmt, 3, now_ms);
    return db_get_i64(stmt, ret_badge);
}

SQL(SQL_MUTE, "UPDATE chat_member SET muted_until = $3 WHERE chat_id = $1 AND user_id = $2");

enum err push_store_mute(struct db *db, uint64_t chat_id, uint64_t user_id, int64_t until_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_MUTE);
    db_bind_i64(stmt, 1, (int64_t)chat_id);
    db_bind_i64(stmt, 2, (int64_t)user_id);
    db_bind_i64(stmt, 3, until_ms);
    return db_exec_one(stmt);
}

/* ---- subscriptions ---- */

SQL(SQL_SET_TARGET, "UPDATE device SET push = $3, push_hash = $4, push_failures = 0"
                    " WHERE user_id = $1 AND id = $2");

enum err push_store_set_target(struct db *db, uint64_t user_id, uint64_t device_id, struct str push,
                               struct str push_hash)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SET_TARGET);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)device_id);
    db_bind_str(stmt, 3, push);
    db_bind_str(stmt, 4, push_hash);
    return db_exec(stmt);
}

SQL(SQL_DROP_TARGET, "UPDATE device SET push = '', push_hash = '', push_failures = 0"
                     " WHERE user_id = $1 AND id = $2 AND push = $3");

enum err push_store_drop_target(struct db *db, const struct push_job *job)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DROP_TARGET);
    db_bind_i64(stmt, 1, (int64_t)job->key.user_id);
    db_bind_i64(stmt, 2, (int64_t)job->key.device_id);
    db_bind_str(stmt, 3, job->push);
    return db_exec(stmt);
}

SQL(SQL_RELEASE, "UPDATE device SET push = '', push_hash = '' WHERE push_hash = $1"
                 " AND push_hash <> ''");

enum err push_store_release(struct db *db, struct str push_hash)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_RELEASE);
    db_bind_str(stmt, 1, push_hash);
    return db_exec(stmt);
}

SQL(SQL_COUNT_FAILURE,
    "UPDATE device SET push_failures = push_failures * $3 + $3 WHERE user_id = $1 AND id = $2");
SQL(SQL_FAILURES, "SELECT push_failures FROM device WHERE user_id = $1 AND id = $2");

enum err push_store_count_failure(struct db *db, uint64_t user_id, uint64_t device_id,
                                  bool has_failed, int64_t *ret_failures)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_COUNT_FAILURE);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)device_id);
    db_bind_i64(stmt, 3, has_failed);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    stmt = db_stmt(db, &SQL_FAILURES);
    db_bind_i64(stmt, 1, (int64_t)user_id);
    db_bind_i64(stmt, 2, (int64_t)device_id);
    *ret_failures = 0;
    err = db_get_i64(stmt, ret_failures);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}
