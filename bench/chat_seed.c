/* See chat_seed.h. Rows go in by hundreds a statement: 100,000 accounts take seconds. */
#include "chat_seed.h"

#include <stdio.h>

#include "app/identity_rules.h"
#include "base/clock.h"
#include "base/ids.h"
#include "process.h"
#include "store.h"
#include "store/db_internal.h"
#include "store/migrate.h"

#define ROWS_A_STATEMENT 400
#define STATEMENT_MAX    (1u << 20)
#define SESSION_MS       (24 * INT64_C(3600) * 1000)
#define NODE             511 /* of ids; servers count from 0 */

_Static_assert(CHAT_SEED_TOKEN_SIZE >= SECRET_SIZE, "a token fits");

/* --- who is in what --- */

static size_t shared_bytes(uint32_t count, size_t size)
{
    return (size_t)count * size;
}

static uint32_t group_count(const struct chat_seed *seed)
{
    return seed->group_size ? (seed->user_count + seed->group_size - 1) / seed->group_size : 0;
}

static void add_chat(struct chat_seed *seed, struct id_gen *ids, const uint32_t *members,
                     uint32_t count, uint32_t slot, uint32_t *member_count)
{
    char text[ID_TEXT_SIZE];
    struct chat_seed_chat *chat = &seed->chats[seed->chat_count];
    *chat = (struct chat_seed_chat){.id = id_next(ids), .first = *member_count, .count = count};
    (void)id_format(text, "cht", chat->id);
    (void)snprintf(chat->name, sizeof(chat->name), "%.19s", text);
    for (uint32_t i = 0; i < count; i++) {
        seed->members[(*member_count)++] = members[i];
        seed->chats_of[members[i] * seed->per_user + slot] = seed->chat_count;
    }
    seed->chat_count++;
}

static void make_chats(struct chat_seed *seed, struct id_gen *ids)
{
    uint32_t member_count = 0;
    for (uint32_t slot = 0; slot < seed->directs; slot++) {
        for (uint32_t user = 0; user < seed->user_count; user++) {
            uint32_t pair[2] = {user, user ^ (1u << slot)};
            if (pair[0] < pair[1])
                add_chat(seed, ids, pair, 2, slot, &member_count);
        }
    }
    seed->direct_count = seed->chat_count;
    for (uint32_t group = 0; group < group_count(seed); group++) {
        uint32_t members[100];
        uint32_t first = group * seed->group_size, count = 0;
        while (count < seed->group_size && first + count < seed->user_count) {
            members[count] = first + count;
            count++;
        }
        add_chat(seed, ids, members, count, seed->directs, &member_count);
    }
}

static void make_users(struct chat_seed *seed, struct id_gen *ids)
{
    for (uint32_t i = 0; i < seed->user_count; i++) {
        struct chat_seed_user *user = &seed->users[i];
        user->id = id_next(ids);
        user->device = id_next(ids);
        user->session = id_next(ids);
        secret_make("ses_", user->token);
    }
}

static enum err seed_make(struct chat_seed *seed)
{
    struct id_gen ids;
    uint32_t places = seed->user_count * (seed->directs + (seed->group_size ? 1 : 0));
    if (seed->directs > CHAT_SEED_DIRECTS_MAX || seed->group_size > 100 ||
        seed->user_count % (1u << seed->directs) != 0 ||
        (seed->group_size && seed->user_count % seed->group_size == 1))
        return ERR_INVALID;
    id_gen_init(&ids, NODE, 0);
    seed->per_user = seed->directs + (seed->group_size ? 1 : 0);
    seed->users = process_share(shared_bytes(seed->user_count, sizeof(*seed->users)));
    seed->chats = process_share(shared_bytes(places, sizeof(*seed->chats)));
    seed->members = process_share(shared_bytes(places, sizeof(*seed->members)));
    seed->chats_of = process_share(shared_bytes(places, sizeof(*seed->chats_of)));
    if (!seed->users || !seed->chats || !seed->members || !seed->chats_of)
        return ERR_NOMEM;
    make_users(seed, &ids);
    make_chats(seed, &ids);
    return ERR_OK;
}

void chat_seed_release(struct chat_seed *seed)
{
    uint32_t places = seed->user_count * seed->per_user;
    process_unshare(seed->users, shared_bytes(seed->user_count, sizeof(*seed->users)));
    process_unshare(seed->chats, shared_bytes(places, sizeof(*seed->chats)));
    process_unshare(seed->members, shared_bytes(places, sizeof(*seed->members)));
    process_unshare(seed->chats_of, shared_bytes(places, sizeof(*seed->chats_of)));
    *seed = (struct chat_seed){0};
}

uint32_t chat_seed_member(const struct chat_seed *seed, uint32_t chat, uint32_t user)
{
    const struct chat_seed_chat *found = &seed->chats[chat];
    if (chat >= seed->direct_count)
        return user - seed->members[found->first];
    return seed->members[found->first] == user ? 0 : 1;
}

uint32_t chat_seed_slot(const struct chat_seed *seed, uint32_t user, uint32_t chat)
{
    const uint32_t *chats = &seed->chats_of[(size_t)user * seed->per_user];
    uint32_t slot = 0;
    while (slot < seed->per_user && chats[slot] != chat)
        slot++;
    return slot;
}

/* --- rows --- */

/* Many rows, a few hundred a statement. */
struct rows {
    struct db *db;
    const char *insert; /* "INSERT INTO account (id, ...) VALUES" */
    struct buf text;
    unsigned count;
    enum err err;
};

static void rows_flush(struct rows *rows)
{
    if (rows->count > 0 && !rows->err)
        rows->err = rows->text.overflow ? ERR_NOMEM : db_script(rows->db, buf_str(&rows->text));
    if (rows->err && rows->count > 0)
        fprintf(stderr, "bench: %s: %s\n", rows->insert, db_message(rows->db));
    rows->count = 0;
    buf_clear(&rows->text);
}

static void rows_begin(struct rows *rows, struct db *db, const char *insert)
{
    *rows = (struct rows){.db = db, .insert = insert};
    buf_init(&rows->text, STATEMENT_MAX);
}

/* What follows is printed between brackets. */
static struct buf *rows_next(struct rows *rows)
{
    if (rows->count == ROWS_A_STATEMENT)
        rows_flush(rows);
    buf_append_str(&rows->text, rows->count++ ? STR(",") : str_from_c(rows->insert));
    return &rows->text;
}

static enum err rows_end(struct rows *rows)
{
    rows_flush(rows);
    buf_release(&rows->text);
    return rows->err;
}

static void put_hash(struct buf *text, const struct db *db, const char *token)
{
    uint8_t hash[SHA256_SIZE];
    secret_hash(str_from_c(token), hash);
    buf_append_str(text, db_is_pgsql(db) ? STR("'\\x") : STR("x'"));
    for (size_t i = 0; i < SHA256_SIZE; i++)
        buf_printf(text, "%02x", hash[i]);
    buf_append_char(text, '\'');
}

static enum err put_accounts(struct db *db, const struct chat_seed *seed)
{
    struct rows rows;
    long long now_ms = clock_now_ms();
    rows_begin(&rows, db,
               "INSERT INTO account (id, email, name, password_hash, roles, created_at)"
               " VALUES ");
    for (uint32_t i = 0; i < seed->user_count; i++) /* no password matches this hash */
        buf_printf(rows_next(&rows), "(%llu,'user%u@example.com','User %u','!',0,%lld)",
                   (unsigned long long)seed->users[i].id, i, i, now_ms);
    enum err err = rows_end(&rows);
    if (err)
        return err;
    rows_begin(&rows, db,
               "INSERT INTO session (token_hash, id, account_id, created_at, expires_at)"
               " VALUES ");
    for (uint32_t i = 0; i < seed->user_count; i++) {
        struct buf *text = rows_next(&rows);
        buf_append_char(text, '(');
        put_hash(text, db, seed->users[i].token);
        buf_printf(text, ",%llu,%llu,%lld,%lld)", (unsigned long long)seed->users[i].session,
                   (unsigned long long)seed->users[i].id, now_ms, now_ms + SESSION_MS);
    }
    return rows_end(&rows);
}

static enum err put_chats(struct db *db, const struct chat_seed *seed)
{
    struct rows rows;
    long long now_ms = clock_now_ms();
    rows_begin(&rows, db,
               "INSERT INTO chat (id, type, title, user_a, user_b, created_by, created_at,"
               " last_seq, last_at, last_day, day_bits, shown_seq, active_id, texts, member_count,"
               " members_version) VALUES ");
    for (uint32_t i = 0; i < seed->chat_count; i++) {
        const struct chat_seed_chat *chat = &seed->chats[i];
        bool is_direct = i < seed->direct_count;
        const uint32_t *members = &seed->members[chat->first];
        unsigned long long a = seed->users[members[0]].id, b = seed->users[members[1]].id;
        buf_printf(rows_next(&rows), "(%llu,%d,'%s',%llu,%llu,%llu,%lld,0,%lld,0,0,0,%llu,0,%u,1)",
                   (unsigned long long)chat->id, is_direct ? 0 : 1, is_direct ? "" : "Group",
                   is_direct ? a : 0, is_direct ? b : 0, a, now_ms, now_ms,
                   (unsigned long long)chat->id, chat->count);
    }
    return rows_end(&rows);
}

static enum err put_pairs(struct db *db, const struct chat_seed *seed)
{
    struct rows rows;
    rows_begin(&rows, db, "INSERT INTO direct_chat (user_a, user_b, chat_id) VALUES ");
    for (uint32_t i = 0; i < seed->direct_count; i++) {
        const uint32_t *members = &seed->members[seed->chats[i].first];
        buf_printf(
            rows_next(&rows), "(%llu,%llu,%llu)", (unsigned long long)seed->users[members[0]].id,
            (unsigned long long)seed->users[members[1]].id, (unsigned long long)seed->chats[i].id);
    }
    return rows_end(&rows);
}

static enum err put_members(struct db *db, const struct chat_seed *seed)
{
    struct rows rows;
    long long now_ms = clock_now_ms();
    rows_begin(&rows, db,
               "INSERT INTO chat_member (chat_id, user_id, role, name, joined_seq, joined_at,"
               " delivered_seq, read_seq, read_texts) VALUES ");
    for (uint32_t i = 0; i < seed->chat_count; i++) {
        const struct chat_seed_chat *chat = &seed->chats[i];
        for (uint32_t k = 0; k < chat->count; k++) {
            uint32_t user = seed->members[chat->first + k];
            bool is_owner = i >= seed->direct_count && k == 0;
            buf_printf(rows_next(&rows), "(%llu,%llu,%d,'User %u',0,%lld,0,0,0)",
                       (unsigned long long)chat->id, (unsigned long long)seed->users[user].id,
                       is_owner ? 2 : 0, user, now_ms);
        }
    }
    return rows_end(&rows);
}

static enum err put_devices(struct db *db, const struct chat_seed *seed)
{
    struct rows rows;
    rows_begin(&rows, db,
               "INSERT INTO device (user_id, id, name, platform, push, created_at) VALUES ");
    for (uint32_t i = 0; i < seed->user_count; i++)
        buf_printf(rows_next(&rows), "(%llu,%llu,'bench','other','',%lld)",
                   (unsigned long long)seed->users[i].id, (unsigned long long)seed->users[i].device,
                   (long long)clock_now_ms());
    return rows_end(&rows);
}

static enum err put_talk(struct db *db, const struct chat_seed *seed)
{
    enum err err = put_chats(db, seed);
    if (!err)
        err = put_pairs(db, seed);
    if (!err)
        err = put_members(db, seed);
    return err ? err : put_devices(db, seed);
}

/* One transaction; then statistics, without which PostgreSQL plans for empty tables. */
static enum err fill(const struct child *child, const char *service, const struct chat_seed *seed,
                     enum err (*put)(struct db *db, const struct chat_seed *seed))
{
    char location[512];
    struct db *db;
    bench_location(child, service, location, sizeof(location));
    enum err err = db_open(location, DB_WRITER, &db);
    if (err)
        return err;
    err = migrate_run(db, service, NULL);
    if (!err)
        err = db_begin(db);
    if (!err)
        err = put(db, seed);
    if (!err)
        err = db_commit(db);
    if (!err && db_is_pgsql(db))
        err = db_script(db, STR("ANALYZE"));
    if (!err)
        db_checkpoint(db);
    db_close(db);
    return err;
}

enum err chat_seed_write(const struct child *child, struct chat_seed *seed)
{
    enum err err = seed_make(seed);
    if (!err)
        err = fill(child, "platform", seed, put_accounts);
    return err ? err : fill(child, "chat", seed, put_talk);
}
