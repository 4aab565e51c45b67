/*
 * See inlet.h.
 *
 *   take ──▶ a job a conversation and fact: makes the conversation, where there is none; appends the entry
 *   advance ▶ the cursor, in a job of its own
 *
 * Invariants
 *   1. A buyer and an event have one conversation: table event_chat, written under the lock of everything.
 *   2. A fact is one entry. It is noted where client ids of messages are, under its event_id, in the
 *      transaction that appends it: telling it again adds nothing, for as long as client ids are known.
 *   3. An entry is under its chat's shard and the cursor under INLET_SHARD, so a node that does not know yet
 *      that it has ceased to be the steward can neither double an entry nor take the cursor back.
 *
 * Whoever has as many chats as one may have gets no more of them: such a fact is told nobody, and counted.
 *
 * Threads: the source's. Reads by connections of its own.
 */
#include "chat/inlet.h"

#include <stdlib.h>

#include "app/metrics.h"
#include "base/ids.h"
#include "chat/fanout.h"
#include "chat/message_send.h"
#include "store/wave.h"

#define INLET_SHARD     1 /* no chat's id */
#define INLET_ARENA_MAX (64u << 20)
#define BODY_BYTES_MAX  (64u << 10)
#define CHATS_AT_ONCE   200 /* of an event */

struct chat_inlet {
    struct chat_service *chat;
    struct str name;
    struct db *db, *platform;
    struct arena arena; /* of one call */
    struct metric *entries, *refused;
};

/* A fact on its way into a conversation. */
struct post {
    struct wave_job wave;
    struct chat_inlet *inlet;
    const struct bridge_message *told;
    uint64_t buyer_id;
    uint64_t chat_id;        /* 0: there is none yet */
    struct member people[2]; /* who a new one would have: the organizer, and the buyer */
    struct str body;
    struct message message;
    bool is_refused, is_new;
};

struct cursor_job {
    struct wave_job wave;
    struct chat_inlet *inlet;
    int64_t seq;
};

/* ---- one entry ---- */

/* Also of the one who joins again. */
static enum err append(struct post *post, struct writer_tx *tx, struct chat *chat,
                       struct message *message, struct str body)
{
    struct log *log = &post->inlet->chat->log;
    *message =
        (struct message){.type = ENTRY_SYSTEM, .sender_id = post->told->account_id, .body = body};
    return log_append(log, tx, chat, message);
}

static enum err append_fact(struct post *post, struct writer_tx *tx, struct chat *chat)
{
    struct days *days = post->inlet->chat->log.days;
    struct sent sent = {.chat_id = chat->id, .sender_id = post->told->account_id};
    crypto_sha256(post->told->event_id, sent.client_hash);
    crypto_sha256(post->body, sent.body_hash);
    enum err err = days_sent_find(tx, chat->created_at, &sent);
    if (err != ERR_NOT_FOUND)
        return err; /* told already, or a failure */
    err = append(post, tx, chat, &post->message, post->body);
    sent.seq = post->message.seq;
    post->is_new = !err;
    return err ? err : days_sent_put(days, tx, &sent);
}

/* ---- the conversation ---- */

/* False: one of the two can have no more chats, or they do not talk. */
static enum err has_room(struct post *post, struct writer_tx *tx, bool *ret_has_room)
{
    bool is_blocked = false;
    *ret_has_room = true;
    enum err err = block_store_is_between(tx->db, post->people[0].user_id, post->people[1].user_id,
                                          &is_blocked);
    for (size_t i = 0; !err && i < 2; i++) {
        int64_t count = 0;
        err = chat_store_count(tx->db, post->people[i].user_id, &count);
        *ret_has_room = *ret_has_room && !is_blocked && count < CHATS_MAX;
    }
    return err;
}

static enum err make_chat(struct post *post, struct writer_tx *tx, struct chat *chat)
{
    const struct bridge_message *told = post->told;
    enum err err = ERR_OK;
    *chat = (struct chat){.id = id_next(tx->ids),
                          .type = CHAT_GROUP,
                          .title = told->title,
                          .event_id = told->subject_id,
                          .created_by = told->account_id,
                          .created_at = tx->now_ms,
                          .last_at = tx->now_ms,
                          .member_count = 2,
                          .members_version = 1};
    chat->active_id = chat->id;
    for (size_t i = 0; !err && i < 2; i++) {
        post->people[i].joined_at = tx->now_ms;
        err = member_store_add(tx->db, chat->id, &post->people[i]);
    }
    if (!err)
        err = chat_store_add(tx->db, chat);
    return err ? err : inlet_store_put_chat(tx->db, told->subject_id, post->buyer_id, chat->id);
}

/* A buyer who has left comes back with the next booking. */
static enum err join_again(struct post *post, struct writer_tx *tx, struct chat *chat)
{
    struct member buyer = post->people[1];
    struct message *message = ARENA_NEW(tx->arena, struct message);
    char text[ID_TEXT_SIZE];
    if (!message || chat->member_count >= MEMBERS_MAX)
        return message ? ERR_OK : ERR_NOMEM;
    buyer.joined_seq = buyer.delivered_seq = buyer.read_seq = chat->last_seq;
    buyer.read_texts = chat->texts;
    buyer.joined_at = tx->now_ms;
    chat->member_count++;
    chat->members_version++;
    enum err err = member_store_add(tx->db, chat->id, &buyer);
    if (!err)
        err = chat_store_put_members(tx->db, chat);
    struct str id = id_format(text, "usr", buyer.user_id);
    struct str body =
        arena_printf(tx->arena, "{\"event\":\"added\",\"user_id\":\"%.*s\"}", STR_ARG(id));
    return err ? err : body.data ? append(post, tx, chat, message, body) : ERR_NOMEM;
}

/* The conversation as it is now. ERR_NOT_FOUND: there is none, or not any more. */
static enum err find_chat(struct post *post, struct writer_tx *tx, struct chat *chat,
                          bool *ret_is_member)
{
    struct member buyer;
    uint64_t chat_id = 0;
    enum err err = inlet_store_chat(tx->db, post->told->subject_id, post->buyer_id, &chat_id);
    return err ? err
               : chat_store_get(tx->db, tx->arena, chat_id, post->buyer_id, chat, &buyer,
                                ret_is_member);
}

/* With the whole database: there was no conversation, or the buyer was not in it. */
static enum err begin_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct post *post = container_of(job, struct post, wave.job);
    struct chat chat;
    bool is_member = true, may_have = true;
    post->is_refused = post->is_new = false;
    enum err err = find_chat(post, tx, &chat, &is_member);
    bool is_there = !err;
    if (err && err != ERR_NOT_FOUND)
        return err;
    err = is_there && is_member ? ERR_OK : has_room(post, tx, &may_have);
    if (!err && !may_have && !is_there) {
        post->is_refused = true;
        return ERR_OK;
    }
    if (!err && !is_there)
        err = make_chat(post, tx, &chat);
    else if (!err && !is_member && may_have)
        err = join_again(post, tx, &chat);
    return err ? err : append_fact(post, tx, &chat);
}

/* Under the chat's shard. */
static enum err post_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct post *post = container_of(job, struct post, wave.job);
    struct chat chat;
    struct member buyer;
    bool is_member;
    post->is_new = false;
    enum err err =
        chat_store_get(tx->db, tx->arena, post->chat_id, post->buyer_id, &chat, &buyer, &is_member);
    if (err == ERR_NOT_FOUND)
        return ERR_OK; /* all have left: nobody is told */
    return err ? err : append_fact(post, tx, &chat);
}

/* ---- facts ---- */

static struct str body_of(struct chat_inlet *inlet, const struct bridge_message *told)
{
    struct buf *body = buf_new_in(&inlet->arena, BODY_BYTES_MAX);
    struct json_writer writer;
    if (!body)
        return STR_NONE;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_str(&writer, "event", told->type);
    json_key(&writer, "data");
    json_raw(&writer, told->data);
    json_close_object(&writer);
    return body->overflow ? STR_NONE : buf_str(body);
}

/* ERR_NOT_FOUND: there is no such account (any more). */
static enum err name_people(struct chat_inlet *inlet, struct post *post)
{
    struct member *people = post->people;
    struct str email;
    enum err err = ERR_OK;
    people[0] = (struct member){.user_id = post->told->account_id, .role = ROLE_OWNER};
    people[1] = (struct member){.user_id = post->buyer_id};
    for (size_t i = 0; !err && i < 2; i++)
        err = identity_account(inlet->platform, people[i].user_id, &inlet->arena, &email,
                               &people[i].name);
    return err;
}

/* A fact of one buyer. *ret_is_needed: false where there is nothing to post. */
static enum err plan_post(struct chat_inlet *inlet, struct post *post, bool *ret_is_needed)
{
    const struct bridge_message *told = post->told;
    bool is_member = false;
    struct chat chat;
    struct member buyer;
    *ret_is_needed = false;
    if (post->buyer_id == told->account_id)
        return ERR_OK; /* nobody talks to oneself */
    enum err err = inlet_store_chat(inlet->db, told->subject_id, post->buyer_id, &post->chat_id);
    if (!err)
        err = chat_store_get(inlet->db, &inlet->arena, post->chat_id, post->buyer_id, &chat, &buyer,
                             &is_member);
    if (err && (err != ERR_NOT_FOUND || !told->is_beginning))
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    if (told->is_beginning && (err || !is_member)) {
        err = name_people(inlet, post);
        post->wave.job = (struct writer_job){.apply = begin_apply};
    } else {
        post->wave.job = (struct writer_job){.apply = post_apply, .shard = post->chat_id};
    }
    *ret_is_needed = !err;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err run_posts(struct chat_inlet *inlet, struct post *posts, size_t count)
{
    struct wave_job *wave[CHATS_AT_ONCE];
    enum err err = ERR_OK;
    for (size_t i = 0; i < count; i++)
        wave[i] = &posts[i].wave;
    if (count > 0)
        err = wave_run(inlet->chat->writer, wave, count);
    for (size_t i = 0; !err && i < count; i++) {
        metric_add(inlet->entries, posts[i].is_new);
        metric_add(inlet->refused, posts[i].is_refused);
    }
    return err;
}

/* All conversations about the subject, some at a time. */
static enum err tell_all(struct chat_inlet *inlet, const struct bridge_message *told)
{
    struct post *posts = ARENA_ARRAY(&inlet->arena, struct post, CHATS_AT_ONCE);
    struct inlet_chat *chats = ARENA_ARRAY(&inlet->arena, struct inlet_chat, CHATS_AT_ONCE);
    struct str body = body_of(inlet, told);
    size_t count = CHATS_AT_ONCE;
    enum err err = posts && chats && body.data ? ERR_OK : ERR_NOMEM;
    for (uint64_t after = 0; !err && count == CHATS_AT_ONCE; after = chats[count - 1].user_id) {
        err = inlet_store_chats(inlet->db, told->subject_id, after, CHATS_AT_ONCE, chats, &count);
        for (size_t i = 0; !err && i < count; i++)
            posts[i] = (struct post){
                .wave.job = {.apply = post_apply, .shard = chats[i].chat_id},
                .inlet = inlet,
                .told = told,
                .buyer_id = chats[i].user_id,
                .chat_id = chats[i].chat_id,
                .body = body,
            };
        if (!err)
            err = run_posts(inlet, posts, count);
        if (count == 0)
            break;
    }
    return err;
}

/* The conversation of this fact may be one that is planned. */
static bool is_awaited(const struct bridge_message *told, const struct post *posts, size_t count)
{
    for (size_t i = 0; !told->is_beginning && i < count; i++)
        if (posts[i].buyer_id == told->other_id && posts[i].told->subject_id == told->subject_id)
            return true;
    return false;
}

/* In their order: what is about all of an event comes behind what came before it. */
static enum err take(struct chat_inlet *inlet, const struct bridge_message *messages, size_t count)
{
    struct post *posts = ARENA_ARRAY(&inlet->arena, struct post, CHATS_AT_ONCE);
    size_t planned = 0;
    enum err err = posts ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; !err && i < count; i++) {
        const struct bridge_message *told = &messages[i];
        bool is_needed = false;
        if (planned == CHATS_AT_ONCE || told->other_id == 0 || is_awaited(told, posts, planned)) {
            err = run_posts(inlet, posts, planned);
            planned = 0;
        }
        if (!err && told->other_id == 0) {
            err = tell_all(inlet, told);
        } else if (!err) {
            posts[planned] = (struct post){.inlet = inlet,
                                           .told = told,
                                           .buyer_id = told->other_id,
                                           .body = body_of(inlet, told)};
            err = posts[planned].body.data ? plan_post(inlet, &posts[planned], &is_needed)
                                           : ERR_NOMEM;
            planned += is_needed;
        }
    }
    return err ? err : run_posts(inlet, posts, planned);
}

static enum err on_take(void *ctx, const struct bridge_message *messages, size_t count)
{
    struct chat_inlet *inlet = ctx;
    enum err err = take(inlet, messages, count);
    arena_reset(&inlet->arena, 0);
    inlet->arena.overflow = false;
    return err;
}

/* Whether an event has conversations is the source's business. */
static enum err on_wants(void *ctx, uint64_t account_id, bool *ret_wants)
{
    (void)ctx, (void)account_id;
    *ret_wants = true;
    return ERR_OK;
}

/* ---- the cursor ---- */

static enum err advance_apply(struct writer_job *job, struct writer_tx *tx)
{
    const struct cursor_job *mine = container_of(job, struct cursor_job, wave.job);
    return bridge_store_advance(tx->db, mine->inlet->name, mine->seq);
}

static enum err on_advance(void *ctx, int64_t seq)
{
    struct chat_inlet *inlet = ctx;
    struct cursor_job job = {
        .wave.job = {.apply = advance_apply, .shard = INLET_SHARD}, .inlet = inlet, .seq = seq};
    struct wave_job *const jobs[] = {&job.wave};
    return wave_run(inlet->chat->writer, jobs, 1);
}

static enum err on_cursor(void *ctx, int64_t *ret_seq)
{
    struct chat_inlet *inlet = ctx;
    return bridge_store_cursor(inlet->db, inlet->name, ret_seq);
}

static bool on_may_act(void *ctx)
{
    struct chat_inlet *inlet = ctx;
    return writer_is_steward(inlet->chat->writer);
}

/* ---- making ---- */

enum err chat_inlet_new(struct chat_service *chat, const char *name, struct chat_inlet **ret_inlet)
{
    char platform[CONFIG_LOCATION_MAX];
    struct chat_inlet *inlet = calloc(1, sizeof(*inlet));
    if (!inlet)
        return ERR_NOMEM;
    inlet->chat = chat;
    inlet->name = str_from_c(name);
    arena_init(&inlet->arena, INLET_ARENA_MAX);
    inlet->entries = metric_counter("foyer_chat_told_total", NULL,
                                    "Entries of conversations that other services told.");
    inlet->refused =
        metric_counter("foyer_chat_told_refused_total", NULL,
                       "Conversations that were not made: too many chats, or a block.");
    enum err err = config_database(chat->config, "platform", platform);
    if (!err)
        err = db_open(chat->database_path, DB_READER, &inlet->db);
    if (!err)
        err = db_open(platform, DB_READER, &inlet->platform);
    if (err) {
        chat_inlet_free(inlet);
        return err;
    }
    *ret_inlet = inlet;
    return ERR_OK;
}

struct bridge_sink chat_inlet_sink(struct chat_inlet *inlet)
{
    return (struct bridge_sink){.ctx = inlet,
                                .may_act = on_may_act,
                                .cursor = on_cursor,
                                .wants = on_wants,
                                .take = on_take,
                                .advance = on_advance};
}

void chat_inlet_free(struct chat_inlet *inlet)
{
    if (!inlet)
        return;
    db_close(inlet->db);
    db_close(inlet->platform);
    arena_release(&inlet->arena);
    free(inlet);
}
