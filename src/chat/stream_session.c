/*
 * A session: one stream, from its opening to its end. It belongs to its connection's loop thread; everybody else
 * knows it by its socket's id and leaves tasks for it.
 *
 *   NEW --hello--> LOOKING --known--> LISTING --ready--> OPEN
 *    |               |                   |                 |
 *    +---------------+------ bye --------+-----------------+
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/ids.h"
#include "base/rand.h"
#include "chat/stream_internal.h"

static const struct {
    const char *reason;
    unsigned code;
} byes[] = {
    [BYE_UNAUTHENTICATED] = {"unauthenticated", 4401},
    [BYE_HELLO] = {"hello", 4408},
    [BYE_REPLACED] = {"replaced", 4409},
    [BYE_LIMIT] = {"limit", 4429},
    [BYE_OVERLOADED] = {"overloaded", 1013},
};

struct session *session_of(const struct websocket *socket)
{
    return websocket_data(socket);
}

/* ---- sending ---- */

void session_send(struct websocket *socket, struct shared *take_frame)
{
    (void)websocket_send(socket, take_frame, false); /* what it cannot take ends it */
    shared_unref(take_frame);
}

static void say_bye(struct websocket *socket, const char *reason, int64_t after_ms)
{
    struct stream_frame frame;
    stream_put_bye(&frame, reason, after_ms);
    struct shared *shared = stream_frame_end(&frame);
    websocket_send_last(socket, shared);
    shared_unref(shared);
    atomic_fetch_add_explicit(&session_of(socket)->stream->counters.byes, 1, memory_order_relaxed);
}

/* Random, and longer where more would come back at once. */
static int64_t reconnect_after_ms(const struct stream *stream)
{
    struct websocket_stats stats;
    websocket_stats(stream->hub, &stats);
    uint64_t spread = stats.open * 1000 / STREAM_ADMIT_PER_S;
    if (spread < STREAM_RESUME_JITTER_MS)
        spread = STREAM_RESUME_JITTER_MS;
    return (int64_t)rand_below(spread);
}

void session_bye(struct websocket *socket, enum session_bye bye)
{
    bool comes_back = bye == BYE_OVERLOADED;
    say_bye(socket, byes[bye].reason,
            comes_back ? reconnect_after_ms(session_of(socket)->stream) : -1);
    websocket_close(socket, byes[bye].code, str_from_c(byes[bye].reason));
}

struct bye_task {
    struct websocket_task task;
    enum session_bye bye;
};

static void bye_run(struct websocket_task *task, struct websocket *socket)
{
    struct bye_task *mine = container_of(task, struct bye_task, task);
    bool is_late = socket && (mine->bye != BYE_HELLO || session_of(socket)->state == SESSION_NEW);
    if (is_late)
        session_bye(socket, mine->bye);
    free(mine);
}

void session_post_bye(struct stream *stream, websocket_id id, enum session_bye bye)
{
    struct bye_task *mine = calloc(1, sizeof(*mine));
    if (!mine) { /* then without words */
        (void)websocket_post(stream->hub, &id, 1, NULL, false);
        return;
    }
    mine->task = (struct websocket_task){.id = id, .run = bye_run};
    mine->bye = bye;
    if (websocket_post_task(stream->hub, &mine->task) != ERR_OK)
        free(mine);
}

void session_refuse(struct websocket *socket, const struct stream_mistake *mistake)
{
    struct session *session = session_of(socket);
    struct stream_frame frame;
    int status = problem_types[mistake->problem].status;
    stream_put_error(&frame, mistake);
    session_send(socket, stream_frame_end(&frame));
    atomic_fetch_add_explicit(&session->stream->counters.errors, 1, memory_order_relaxed);
    if (status != 400 && status != 422)
        return;
    int64_t now = stream_now_ms();
    if (now - session->mistakes_ms > STREAM_MISTAKES_MS) {
        session->mistakes_ms = now;
        session->mistakes = 0;
    }
    if (++session->mistakes > STREAM_MISTAKES_MAX)
        session_bye(socket, BYE_LIMIT);
}

/* ---- chats ---- */

bool session_follows(const struct session *session, uint64_t chat_id)
{
    for (uint32_t i = 0; i < session->chat_count; i++) {
        if (session->chats[i] == chat_id)
            return true;
    }
    return false;
}

enum err session_add_chat(struct session *session, uint64_t chat_id)
{
    if (session->chat_count == session->chat_cap) {
        uint32_t cap = session->chat_cap ? session->chat_cap * 2 : 1;
        uint64_t *chats = realloc(session->chats, cap * sizeof(*chats));
        if (!chats)
            return ERR_NOMEM;
        session->chats = chats;
        session->chat_cap = cap;
    }
    session->chats[session->chat_count++] = chat_id;
    return ERR_OK;
}

static void release_chat(struct stream *stream, uint64_t chat_id, websocket_id id)
{
    audience_leave(stream->audiences, chat_id, id);
    audience_unpin(stream->audiences, chat_id);
}

void session_drop_chat(struct websocket *socket, struct session *session, uint64_t chat_id)
{
    for (uint32_t i = 0; i < session->chat_count; i++) {
        if (session->chats[i] != chat_id)
            continue;
        session->chats[i] = session->chats[--session->chat_count];
        release_chat(session->stream, chat_id, websocket_get_id(socket));
        return;
    }
}

/* ---- notes: a member's chats have changed ---- */

struct stream_note {
    struct websocket_task task;
    struct stream_note *next;
    uint64_t chat_id;
    int64_t joined_seq;
    bool is_member;
};

static void leave_chat(struct websocket *socket, struct session *session, uint64_t chat_id)
{
    struct stream_frame frame;
    if (!session_follows(session, chat_id))
        return;
    session_drop_chat(socket, session, chat_id);
    if (session->catchup)
        catchup_drop(session->catchup, chat_id);
    stream_put_left(&frame, chat_id);
    session_send(socket, stream_frame_end(&frame));
}

static void follow_chat(struct websocket *socket, struct session *session,
                        const struct stream_note *note)
{
    struct stream *stream = session->stream;
    if (session_follows(session, note->chat_id))
        return;
    enum err err = audience_pin(stream->audiences, note->chat_id);
    if (!err) {
        err = session_add_chat(session, note->chat_id);
        if (err)
            audience_unpin(stream->audiences, note->chat_id);
    }
    if (!err)
        err = catchup_add(socket, session, note->chat_id, note->joined_seq);
    if (err)
        session_bye(socket, BYE_OVERLOADED);
}

static void take_note(struct websocket *socket, struct session *session, struct stream_note *note)
{
    if (note->is_member)
        follow_chat(socket, session, note);
    else
        leave_chat(socket, session, note->chat_id);
    free(note);
}

static void note_run(struct websocket_task *task, struct websocket *socket)
{
    struct stream_note *note = container_of(task, struct stream_note, task);
    struct session *session = socket ? session_of(socket) : NULL;
    if (!session || session->state < SESSION_LISTING) {
        free(note);
        return;
    }
    if (session->catchup && catchup_is_out(session->catchup)) {
        note->next = session->notes;
        session->notes = note;
        return;
    }
    take_note(socket, session, note);
    catchup_go_on(socket, session);
}

void session_take_notes(struct websocket *socket, struct session *session)
{
    struct stream_note *notes = NULL;
    while (session->notes) { /* the oldest first */
        struct stream_note *note = session->notes;
        session->notes = note->next;
        note->next = notes;
        notes = note;
    }
    while (notes) {
        struct stream_note *next = notes->next;
        take_note(socket, session, notes);
        notes = next;
    }
}

void session_post_note(struct stream *stream, websocket_id id, uint64_t chat_id, bool is_member,
                       int64_t joined_seq)
{
    struct stream_note *note = calloc(1, sizeof(*note));
    if (!note) { /* it will hear of it when it comes again */
        (void)websocket_post(stream->hub, &id, 1, NULL, false);
        return;
    }
    note->task = (struct websocket_task){.id = id, .run = note_run};
    note->chat_id = chat_id;
    note->is_member = is_member;
    note->joined_seq = joined_seq;
    if (websocket_post_task(stream->hub, &note->task) != ERR_OK)
        free(note);
}

/* ---- life ---- */

void session_on_open(struct websocket *socket, void *ctx)
{
    struct stream *stream = ctx;
    if (stream_expect_hello(stream, websocket_get_id(socket)) != ERR_OK)
        session_bye(socket, BYE_OVERLOADED);
}

void session_begin(struct websocket *socket, struct session *session)
{
    struct stream *stream = session->stream;
    websocket_id replaced, over;
    struct stream_entry entry = {.id = websocket_get_id(socket),
                                 .device_id = session->device_id,
                                 .checked_ms = stream_now_ms()};
    memcpy(entry.token_hash, catchup_token_hash(session->catchup), SHA256_SIZE);
    enum err err = stream_users_add(stream->users, session->user_id, &entry, &replaced, &over);
    if (replaced) /* whatever comes of this one: it is out of the table */
        session_post_bye(stream, replaced, BYE_REPLACED);
    if (err) {
        session->user_id = 0;
        session_bye(socket, BYE_OVERLOADED);
        return;
    }
    if (catchup_may_have_ended(session->catchup)) /* asked now that an end finds it */
        stream_users_doubt(stream->users, session->user_id, entry.id);
    session->state = SESSION_LISTING;
    stream_presence_join(stream, session->user_id);
    atomic_fetch_add_explicit(&stream->counters.hellos, 1, memory_order_relaxed);
    if (over)
        session_post_bye(stream, over, BYE_LIMIT);
    catchup_list(session->catchup);
}

void session_on_close(struct websocket *socket, enum websocket_end end, unsigned peer_code,
                      void *ctx)
{
    struct session *session = session_of(socket);
    websocket_id id = websocket_get_id(socket);
    (void)end;
    (void)peer_code;
    (void)ctx;
    if (session->user_id) {
        stream_users_remove(session->stream->users, session->user_id, id);
        stream_presence_leave(session->stream, session->user_id, id);
    }
    for (uint32_t i = 0; i < session->chat_count; i++)
        release_chat(session->stream, session->chats[i], id);
    while (session->notes) {
        struct stream_note *note = session->notes;
        session->notes = note->next;
        free(note);
    }
    catchup_abandon(session->catchup);
    free(session->chats);
    free(session->cookie_hash);
    free(session);
}

void session_on_overflow(struct websocket *socket, void *ctx)
{
    (void)ctx;
    say_bye(socket, "resync", 0);
}

void session_on_stop(struct websocket *socket, int64_t after_ms, void *ctx)
{
    (void)ctx;
    say_bye(socket, "stop", after_ms);
}
