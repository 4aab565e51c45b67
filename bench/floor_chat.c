/*
 * See floor_chat.h. The statements are those of the service's stores, written down once more
 * without anything around them: nothing is looked up, nobody is told.
 */
#include "floor_chat.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/rand.h"
#include "floor.h"
#include "store/db.h"
#include "store/db_internal.h"

#define FLOOR_CHATS 1000

SQL(SQL_CHAT, "INSERT INTO chat (id, type, title, user_a, user_b, created_by, created_at, last_seq,"
              " last_at, last_day, day_bits, shown_seq, active_id, texts, member_count,"
              " members_version) VALUES ($1, 0, '', $2, $3, $2, $4, 0, $4, 0, 0, 0, $1, 0, 2, 1)");
SQL(SQL_MEMBER, "INSERT INTO chat_member (chat_id, user_id, role, name, joined_seq, joined_at,"
                " delivered_seq, read_seq, read_texts) VALUES ($1, $2, 0, 'User', 0, 0, 0, 0, 0)");
SQL(SQL_MESSAGE, "INSERT INTO message_00 (chat_id, seq, epoch, type, sender_id, client_id, body,"
                 " media_id, reply_to, target, texts, reactions, edited_at, deleted_at, created_at)"
                 " VALUES ($1, $2, 1, 0, $3, $4, $5, 0, 0, 0, $2, 0, 0, 0, $6)");
SQL(SQL_SENT, "INSERT INTO sent_0 (chat_id, sender_id, client_hash, body_hash, seq)"
              " VALUES ($1, $2, $3, $4, $5)");
SQL(SQL_HEAD, "UPDATE chat SET last_seq = $2, last_at = $3, last_day = 20000, day_bits = 1,"
              " shown_seq = $2, active_id = $4, texts = $2 WHERE id = $1");
SQL(SQL_MARKS, "UPDATE chat_member SET delivered_seq = $3, read_seq = $3, read_texts = $3"
               " WHERE chat_id = $1 AND user_id = $2");

static int64_t chat_of(int64_t number)
{
    return (INT64_C(1) << 60) + number % FLOOR_CHATS * 8192;
}

static enum err make_chats(struct db *db)
{
    enum err err = db_begin(db);
    for (int64_t i = 0; !err && i < FLOOR_CHATS; i++) {
        int64_t chat = chat_of(i);
        struct db_stmt *stmt = db_stmt(db, &SQL_CHAT);
        db_bind_i64(stmt, 1, chat);
        db_bind_i64(stmt, 2, chat + 1);
        db_bind_i64(stmt, 3, chat + 2);
        db_bind_i64(stmt, 4, clock_now_ms());
        err = db_exec(stmt);
        for (int64_t k = 1; !err && k <= 2; k++) {
            stmt = db_stmt(db, &SQL_MEMBER);
            db_bind_i64(stmt, 1, chat);
            db_bind_i64(stmt, 2, chat + k);
            err = db_exec(stmt);
        }
    }
    return floor_commit(db, err);
}

static enum err put_message(struct db *db, int64_t chat, int64_t seq, int64_t now_ms)
{
    char client_id[24];
    int len = snprintf(client_id, sizeof(client_id), "m%lld", (long long)seq);
    struct db_stmt *stmt = db_stmt(db, &SQL_MESSAGE);
    db_bind_i64(stmt, 1, chat);
    db_bind_i64(stmt, 2, seq);
    db_bind_i64(stmt, 3, chat + 1);
    db_bind_str(stmt, 4, str_from(client_id, (size_t)len));
    db_bind_str(stmt, 5,
                STR("Meet you at the north entrance at eight, by the big clock. Bring the tickets,"
                    " I have none on me today!"));
    db_bind_i64(stmt, 6, now_ms);
    return db_exec(stmt);
}

static enum err put_sent(struct db *db, int64_t chat, int64_t seq)
{
    uint8_t hashes[32];
    rand_bytes(hashes, sizeof(hashes));
    struct db_stmt *stmt = db_stmt(db, &SQL_SENT);
    db_bind_i64(stmt, 1, chat);
    db_bind_i64(stmt, 2, chat + 1);
    db_bind_blob(stmt, 3, str_from((const char *)hashes, 16));
    db_bind_blob(stmt, 4, str_from((const char *)hashes + 16, 16));
    db_bind_i64(stmt, 5, seq);
    return db_exec(stmt);
}

static enum err put_marks(struct db *db, int64_t chat, int64_t seq, int64_t now_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_HEAD);
    db_bind_i64(stmt, 1, chat);
    db_bind_i64(stmt, 2, seq);
    db_bind_i64(stmt, 3, now_ms);
    db_bind_i64(stmt, 4, (now_ms << 22) + seq);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    stmt = db_stmt(db, &SQL_MARKS);
    db_bind_i64(stmt, 1, chat);
    db_bind_i64(stmt, 2, chat + 1);
    db_bind_i64(stmt, 3, seq);
    return db_exec(stmt);
}

static enum err write_group(struct db *db, int64_t *number, unsigned group)
{
    enum err err = db_begin(db);
    int64_t now_ms = clock_now_ms();
    for (unsigned i = 0; !err && i < group; i++) {
        int64_t chat = chat_of(*number), seq = 1 + *number / FLOOR_CHATS;
        (*number)++;
        err = put_message(db, chat, seq, now_ms);
        if (!err)
            err = put_sent(db, chat, seq);
        if (!err)
            err = put_marks(db, chat, seq, now_ms);
    }
    return floor_commit(db, err);
}

enum err floor_chat(const struct child *child, unsigned group, int64_t duration_ms,
                    double *ret_rate)
{
    struct db *db;
    int64_t number = 0;
    enum err err = floor_open(child, "chat", &db);
    if (err)
        return err;
    err = make_chats(db);
    int64_t started_ns = clock_mono_ns(), until_ns = started_ns + duration_ms * 1000000;
    while (!err && clock_mono_ns() < until_ns)
        err = write_group(db, &number, group);
    *ret_rate = (double)number / ((double)(clock_mono_ns() - started_ns) / 1e9);
    db_close(db);
    return err;
}
