/*
 * Typing and presence on streams: the way between sessions and presence.h.
 *
 * Who types in a direct chat of which one has blocked the other is not shown. Whether a chat is such a one is asked of
 * the database, a batch at a time, and remembered for PRESENCE_TRUST_MS or until a block changes anywhere. What there
 * is no room for is not shown: it means 5 seconds.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/ids.h"
#include "chat/presence.h"
#include "chat/stream_internal.h"

#define TYPING_ARENA_MAX ((size_t)1 << 20)

struct typing {
    websocket_id id; /* who need not be told */
    uint64_t chat_id, user_id;
    bool is_open; /* it may be shown */
};

/* What is known of a chat; another one may have its place. */
struct known_chat {
    uint64_t chat_id;
    int64_t at_ms;
    bool is_open;
};

struct stream_presence {
    struct stream *stream;
    struct presence *presence;
    struct stream_read check;  /* presence_check() */
    struct stream_read typing; /* what waits */
    pthread_mutex_t lock;      /* guards what follows; a leaf */
    uint64_t blocks;           /* changes of blocks, counted */
    bool is_reading;
    size_t count;
    struct typing waiting[STREAM_TYPING_MAX];
    struct known_chat known[STREAM_TYPING_KNOWN];
};

static struct db *chat_db(const struct stream *stream, struct db *const *databases)
{
    return databases[stream->chat->service.database_index];
}

/* ---- presence ---- */

static void on_tell(void *ctx, const websocket_id *ids, size_t count,
                    const struct presence_state *state)
{
    const struct stream_presence *mine = ctx;
    struct stream_frame frame;
    stream_put_presence(&frame, state);
    struct shared *shared = stream_frame_end(&frame);
    if (shared) /* it need not arrive */
        (void)websocket_post(mine->stream->hub, ids, count, shared, true);
    shared_unref(shared);
}

static void on_ask(void *ctx)
{
    struct stream_presence *mine = ctx;
    stream_reads_submit(&mine->stream->reads, &mine->check);
}

static void check_run(struct stream_read *read, struct db *const *databases)
{
    struct stream_presence *mine = container_of(read, struct stream_presence, check);
    presence_check(mine->presence, chat_db(mine->stream, databases));
}

void session_watch(struct websocket *socket, struct session *session, const uint64_t *user_ids,
                   size_t count)
{
    presence_watch(session->stream->presence->presence, websocket_get_id(socket), session->user_id,
                   user_ids, count);
}

void stream_presence_join(struct stream *stream, uint64_t user_id)
{
    presence_join(stream->presence->presence, user_id);
}

void stream_presence_leave(struct stream *stream, uint64_t user_id, websocket_id id)
{
    presence_unwatch(stream->presence->presence, id);
    presence_leave(stream->presence->presence, user_id);
}

void stream_presence_tick(struct stream *stream)
{
    presence_tick(stream->presence->presence);
}

/* ---- typing ---- */

static void show(struct stream *stream, const struct typing *typing)
{
    struct stream_frame frame;
    stream_put_typing(&frame, typing->chat_id, typing->user_id);
    struct shared *shared = stream_frame_end(&frame);
    if (shared)
        audience_post(stream->audiences, typing->chat_id, typing->id, shared);
    shared_unref(shared);
}

/* On the node that heard it first. */
static void show_here(struct stream_presence *mine, const struct typing *typing)
{
    show(mine->stream, typing);
    presence_say_typing(mine->presence, typing->chat_id, typing->user_id);
}

static void on_typing(void *ctx, uint64_t chat_id, uint64_t user_id)
{
    const struct stream_presence *mine = ctx;
    show(mine->stream, &(struct typing){.chat_id = chat_id, .user_id = user_id});
}

/* Everywhere, when a block was made or taken back: what was known may be wrong. */
static void on_block(void *ctx)
{
    struct stream_presence *mine = ctx;
    (void)pthread_mutex_lock(&mine->lock);
    mine->blocks++;
    memset(mine->known, 0, sizeof(mine->known));
    (void)pthread_mutex_unlock(&mine->lock);
}

static struct known_chat *place_of(struct stream_presence *mine, uint64_t chat_id)
{
    return &mine->known[(chat_id * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & (STREAM_TYPING_KNOWN - 1)];
}
_Static_assert((STREAM_TYPING_KNOWN & (STREAM_TYPING_KNOWN - 1)) == 0, "a power of two");

/* False: to be read. The lock is held. */
static bool is_known(struct stream_presence *mine, struct typing *typing)
{
    const struct known_chat *known = place_of(mine, typing->chat_id);
    typing->is_open = known->is_open;
    int64_t age_ms = clock_now_ms() - known->at_ms;
    return known->chat_id == typing->chat_id && age_ms >= 0 && age_ms < PRESENCE_TRUST_MS;
}

void session_type(struct websocket *socket, const struct session *session, uint64_t chat_id)
{
    struct stream_presence *mine = session->stream->presence;
    struct typing typing = {websocket_get_id(socket), chat_id, session->user_id, false};
    bool must_read = false;
    (void)pthread_mutex_lock(&mine->lock);
    bool is_answered = is_known(mine, &typing);
    if (!is_answered && mine->count < STREAM_TYPING_MAX) {
        mine->waiting[mine->count++] = typing;
        must_read = !mine->is_reading;
        mine->is_reading = true;
    }
    (void)pthread_mutex_unlock(&mine->lock);
    if (is_answered && typing.is_open)
        show_here(mine, &typing);
    if (must_read)
        stream_reads_submit(&mine->stream->reads, &mine->typing);
}

/* Closed, too, when the database does not answer, or to who is no member: that says nothing about the chat. */
static bool read_open(struct db *db, const struct typing *typing, bool *ret_is_about_chat)
{
    struct arena arena;
    struct chat chat;
    struct member member;
    bool is_member = false, is_blocked = false;
    arena_init(&arena, TYPING_ARENA_MAX);
    enum err err =
        chat_store_get(db, &arena, typing->chat_id, typing->user_id, &chat, &member, &is_member);
    if (!err && is_member && chat.type == CHAT_DIRECT)
        err = block_store_is_between(db, chat.user_a, chat.user_b, &is_blocked);
    arena_release(&arena);
    *ret_is_about_chat = !err && is_member;
    return *ret_is_about_chat && !is_blocked;
}

static void typing_run(struct stream_read *read, struct db *const *databases)
{
    struct stream_presence *mine = container_of(read, struct stream_presence, typing);
    struct typing batch[STREAM_TYPING_BATCH];
    bool is_about_chat[STREAM_TYPING_BATCH] = {false};
    size_t count = 0;
    (void)pthread_mutex_lock(&mine->lock);
    uint64_t blocks = mine->blocks;
    while (mine->count > 0 && count < STREAM_TYPING_BATCH)
        batch[count++] = mine->waiting[--mine->count];
    (void)pthread_mutex_unlock(&mine->lock);
    for (size_t i = 0; i < count; i++)
        batch[i].is_open =
            read_open(chat_db(mine->stream, databases), &batch[i], &is_about_chat[i]);
    (void)pthread_mutex_lock(&mine->lock);
    bool is_true = blocks == mine->blocks;
    for (size_t i = 0; i < count && is_true; i++) {
        if (is_about_chat[i])
            *place_of(mine, batch[i].chat_id) =
                (struct known_chat){batch[i].chat_id, clock_now_ms(), batch[i].is_open};
    }
    bool has_more = mine->count > 0;
    mine->is_reading = has_more;
    (void)pthread_mutex_unlock(&mine->lock);
    for (size_t i = 0; i < count && is_true; i++) {
        if (batch[i].is_open)
            show_here(mine, &batch[i]);
    }
    if (has_more)
        stream_reads_submit(&mine->stream->reads, read);
}

/* ---- blocks ---- */

struct staged_block {
    struct stream *stream;
    uint64_t user_id, other_id;
};

static void staged_run(void *data)
{
    const struct staged_block *staged = data;
    presence_block(staged->stream->presence->presence, staged->user_id, staged->other_id);
}

enum err stream_stage_block(struct stream *stream, struct writer_tx *tx, uint64_t user_id,
                            uint64_t other_id)
{
    if (!stream->presence)
        return ERR_OK;
    struct staged_block *staged = writer_effect(tx, staged_run, sizeof(*staged));
    if (!staged)
        return ERR_NOMEM;
    *staged = (struct staged_block){stream, user_id, other_id};
    return ERR_OK;
}

/* ---- life ---- */

enum err stream_presence_start(struct stream *stream)
{
    struct stream_presence *mine = calloc(1, sizeof(*mine));
    if (!mine)
        return ERR_NOMEM;
    mine->stream = stream;
    mine->check = (struct stream_read){.run = check_run};
    mine->typing = (struct stream_read){.run = typing_run};
    (void)pthread_mutex_init(&mine->lock, NULL); /* cannot fail on Linux */
    stream->presence = mine;
    struct presence_ways ways = {on_tell, on_ask, on_typing, on_block, mine};
    enum err err =
        presence_new(&ways, stream->chat->writer, stream->chat->database_path, &mine->presence);
    return err ? err : presence_start(mine->presence);
}

void stream_presence_stop(struct stream *stream)
{
    if (stream->presence)
        presence_stop(stream->presence->presence);
}

void stream_presence_free(struct stream *stream)
{
    struct stream_presence *mine = stream->presence;
    if (!mine)
        return;
    presence_free(mine->presence);
    (void)pthread_mutex_destroy(&mine->lock); /* nobody holds it */
    free(mine);
}

void stream_presence_stats(const struct stream *stream, struct presence_stats *ret_stats)
{
    presence_stats(stream->presence->presence, ret_stats);
}
