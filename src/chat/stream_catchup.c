/*
 * How a session comes to hear everything: who it is, which chats it follows, what it has missed of them, where
 * their members are, and then it is live. The work goes back and forth between the session's loop and the
 * reader pool, a trip at a time:
 *
 *     loop                                              pool
 *     hello  ──────────(the token is not in memory)──▶  TRIP_TOKEN  whose it is
 *     registers the user's stream                  ──▶  TRIP_LIST   pins the audiences, then reads chats and heads
 *     ready; joins what has nothing missed         ──▶  TRIP_PAGES  entries and watermarks of several chats in turn,
 *     sends, joins those that were read to the end ◀──              as many as fit into a page
 *     ... when the client has taken it             ──▶  TRIP_PAGES
 *     live
 *
 * A trip reads at most a page, and the next one starts only when most of the page before has left: a client that
 * reads slowly costs no memory but its own queue. While a catch-up is at the pool it is the pool's, but for
 * `session`, which its loop sets to NULL when the session goes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/ids.h"
#include "chat/device.h"
#include "chat/stream_internal.h"

#define PAGE_ARENA_MAX ((size_t)16 << 20)
#define LIST_ARENA_MAX ((size_t)8 << 20)
#define PAGE_MAX       ((size_t)4 << 20) /* never reached: see STREAM_PAGE_BYTES_MAX */
#define LIST_SLACK     16 /* chats that the user has come into since they were counted */

enum trip {
    TRIP_TOKEN,
    TRIP_LIST,
    TRIP_PAGES,
};

enum catch_state {
    CATCH_JOIN,     /* all that was there is read: try to listen */
    CATCH_BEHIND,   /* has entries to read */
    CATCH_RECEIPTS, /* listens; watermarks are to be told */
    CATCH_DONE,
    CATCH_GONE, /* not a member any more */
};

struct catch_chat {
    uint64_t chat_id;
    int64_t after; /* the client has, or is on the way to have, all up to here */
    int64_t joined_seq;
    bool is_claimed;     /* after is what the client said, and nothing was read yet */
    bool is_wrong_epoch; /* what it said is of another epoch, or of the future */
    uint8_t state;
};

struct catchup {
    struct stream_read read;
    struct websocket_task task;
    struct stream *stream;
    struct session *session; /* the loop's: NULL: gone */
    bool is_out;             /* the loop's: it is at the pool */
    uint8_t trip;
    bool is_made;     /* the trip is over, but for the way back */
    enum err outcome; /* of the trip */
    bool is_strange_device;
    bool has_pins; /* the pins of `chats` are its own, until the session takes them */
    uint8_t token_hash[SHA256_SIZE];
    uint64_t ends; /* of tokens, when it was made */
    uint64_t user_id, device_id;
    struct claim *claims;
    size_t claim_count;
    struct catch_chat *chats;
    size_t count, cap;
    size_t next; /* whose turn it is */
    struct buf page;
};

static void catchup_run(struct stream_read *read, struct db *const *databases);
static void catchup_back(struct websocket_task *task, struct websocket *socket);

/* ---- making and ending ---- */

enum err catchup_new(struct websocket *socket, struct session *session, struct claim *take_claims,
                     size_t count)
{
    struct catchup *catchup = calloc(1, sizeof(*catchup));
    if (!catchup) {
        free(take_claims);
        return ERR_NOMEM;
    }
    catchup->read = (struct stream_read){.is_session = true, .run = catchup_run};
    catchup->task = (struct websocket_task){.id = websocket_get_id(socket), .run = catchup_back};
    catchup->stream = session->stream;
    catchup->session = session;
    catchup->ends = atomic_load(&session->stream->ends);
    catchup->claims = take_claims;
    catchup->claim_count = count;
    buf_init(&catchup->page, PAGE_MAX);
    session->catchup = catchup;
    return ERR_OK;
}

uint8_t *catchup_token_hash(struct catchup *catchup)
{
    return catchup->token_hash;
}

bool catchup_may_have_ended(const struct catchup *catchup)
{
    return catchup->ends != atomic_load(&catchup->stream->ends);
}

bool catchup_is_out(const struct catchup *catchup)
{
    return catchup->is_out;
}

static void catchup_free(struct catchup *catchup)
{
    for (size_t i = 0; catchup->has_pins && i < catchup->count; i++)
        audience_unpin(catchup->stream->audiences, catchup->chats[i].chat_id);
    buf_release(&catchup->page);
    free(catchup->claims);
    free(catchup->chats);
    free(catchup);
}

void catchup_abandon(struct catchup *catchup)
{
    if (!catchup)
        return;
    catchup->session = NULL;
    if (!catchup->is_out)
        catchup_free(catchup);
}

void catchup_release(struct stream_read *read)
{
    catchup_free(container_of(read, struct catchup, read));
}

/* ---- its chats ---- */

static enum err reserve(struct catchup *catchup, size_t count)
{
    if (count <= catchup->cap)
        return ERR_OK;
    struct catch_chat *chats = realloc(catchup->chats, count * sizeof(*chats));
    if (!chats)
        return ERR_NOMEM;
    catchup->chats = chats;
    catchup->cap = count;
    return ERR_OK;
}

void catchup_drop(struct catchup *catchup, uint64_t chat_id)
{
    for (size_t i = 0; i < catchup->count; i++) {
        if (catchup->chats[i].chat_id == chat_id)
            catchup->chats[i] = catchup->chats[--catchup->count];
    }
}

enum err catchup_add(struct websocket *socket, struct session *session, uint64_t chat_id,
                     int64_t joined_seq)
{
    enum err err = session->catchup ? ERR_OK : catchup_new(socket, session, NULL, 0);
    struct catchup *catchup = session->catchup;
    if (err)
        return err;
    catchup->user_id = session->user_id;
    if (catchup->count == catchup->cap)
        err = reserve(catchup, catchup->cap ? catchup->cap * 2 : 4);
    if (err)
        return err;
    catchup->chats[catchup->count++] = (struct catch_chat){
        .chat_id = chat_id, .after = joined_seq, .joined_seq = joined_seq, .state = CATCH_BEHIND};
    return ERR_OK;
}

/* ---- on the loop: starting trips ---- */

static void start(struct catchup *catchup, enum trip trip)
{
    catchup->trip = (uint8_t)trip;
    catchup->is_out = true;
    catchup->is_made = false;
    catchup->outcome = ERR_OK;
    buf_clear(&catchup->page);
    atomic_fetch_add_explicit(&catchup->stream->counters.catchups, 1, memory_order_relaxed);
    stream_reads_submit(&catchup->stream->reads, &catchup->read);
}

void catchup_look_up(struct catchup *catchup)
{
    start(catchup, TRIP_TOKEN);
}

void catchup_list(struct catchup *catchup)
{
    catchup->user_id = catchup->session->user_id;
    catchup->device_id = catchup->session->device_id;
    start(catchup, TRIP_LIST);
}

/* ---- on the pool: the list of chats ---- */

static const struct claim *find_claim(const struct catchup *catchup, uint64_t chat_id)
{
    size_t from = 0, to = catchup->claim_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (catchup->claims[middle].chat_id < chat_id)
            from = middle + 1;
        else
            to = middle;
    }
    bool is_there = from < catchup->claim_count && catchup->claims[from].chat_id == chat_id;
    return is_there ? &catchup->claims[from] : NULL;
}

static struct catch_chat *find_chat(const struct catchup *catchup, uint64_t chat_id)
{
    for (size_t i = 0; i < catchup->count; i++) {
        if (catchup->chats[i].chat_id == chat_id)
            return &catchup->chats[i];
    }
    return NULL;
}

/* All audiences are there before anything is read that tells where they begin. */
static enum err pin_all(struct catchup *catchup, struct db *db)
{
    uint64_t *ids = calloc(CHATS_MAX, sizeof(*ids));
    size_t count = 0;
    enum err err =
        ids ? member_store_chats(db, catchup->user_id, CHATS_MAX, ids, &count) : ERR_NOMEM;
    if (!err)
        err = reserve(catchup, count + LIST_SLACK);
    catchup->has_pins = true;
    for (size_t i = 0; !err && i < count; i++) {
        err = audience_pin(catchup->stream->audiences, ids[i]);
        if (!err)
            catchup->chats[catchup->count++] =
                (struct catch_chat){.chat_id = ids[i], .state = CATCH_GONE};
    }
    free(ids);
    return err;
}

/* Where a chat begins for this client. */
static void set_start(const struct catchup *catchup, struct catch_chat *chat,
                      const struct chat_row *row)
{
    const struct claim *claim = find_claim(catchup, chat->chat_id);
    chat->joined_seq = row->member.joined_seq;
    if (!claim) {
        if (chat->after < chat->joined_seq)
            chat->after = chat->joined_seq;
        if (chat->after > row->chat.last_seq)
            chat->after = row->chat.last_seq;
    } else {
        chat->is_claimed = true;
        chat->is_wrong_epoch =
            claim->epoch != catchup->stream->chat->log.epoch || claim->seq > row->chat.last_seq;
        chat->after = chat->is_wrong_epoch ? chat->joined_seq : claim->seq;
    }
    chat->state =
        chat->is_wrong_epoch || chat->after < row->chat.last_seq ? CATCH_BEHIND : CATCH_JOIN;
}

static enum err read_rows(struct catchup *catchup, struct db *db, struct arena *arena)
{
    size_t max = catchup->cap, count = 0;
    struct chat_row *rows = ARENA_ARRAY(arena, struct chat_row, max ? max : 1);
    if (!rows)
        return ERR_NOMEM;
    enum err err =
        chat_store_list(db, arena, catchup->user_id, INT64_MAX, (int64_t)max, rows, &count);
    for (size_t i = 0; !err && i < count; i++) {
        struct catch_chat *chat = find_chat(catchup, rows[i].chat.id);
        if (!chat) /* came after the pins: a note will say so */
            continue;
        audience_note_head(catchup->stream->audiences, chat->chat_id, rows[i].chat.last_seq);
        set_start(catchup, chat, &rows[i]);
    }
    return err;
}

/* What the server heard last of what this device has. */
static enum err read_device(struct catchup *catchup, struct db *db)
{
    bool is_there = true;
    enum err err = ERR_OK;
    if (!catchup->device_id)
        return ERR_OK;
    err = device_store_has(db, catchup->user_id, catchup->device_id, &is_there);
    catchup->is_strange_device = !err && !is_there;
    for (size_t i = 0; !err && is_there && i < catchup->count; i++) {
        struct catch_chat *chat = &catchup->chats[i];
        if (!find_claim(catchup, chat->chat_id))
            err = device_store_cursor(db, catchup->user_id, catchup->device_id, chat->chat_id,
                                      &chat->after);
    }
    return err;
}

/* What the client still has of chats that are not its user's any more. */
static void put_lost(struct catchup *catchup)
{
    struct stream_frame frame;
    for (size_t i = 0; i < catchup->claim_count; i++) {
        const struct catch_chat *chat = find_chat(catchup, catchup->claims[i].chat_id);
        if (chat && chat->state != CATCH_GONE)
            continue;
        stream_put_left(&frame, catchup->claims[i].chat_id);
        stream_frame_end_on(&frame, &catchup->page);
    }
}

static enum err run_list(struct catchup *catchup, struct db *db)
{
    struct arena arena;
    enum err err = pin_all(catchup, db);
    if (err)
        return err;
    arena_init(&arena, LIST_ARENA_MAX);
    err = read_device(catchup, db);
    if (!err) /* one statement, so one snapshot */
        err = read_rows(catchup, db, &arena);
    arena_release(&arena);
    put_lost(catchup);
    return err;
}

/* ---- on the pool: pages ---- */

static void put_resync(struct catchup *catchup, const struct chat_seen *seen,
                       const struct catch_chat *chat, int64_t first_seq)
{
    struct stream_frame frame;
    const struct stream_gap gap = {.chat_id = chat->chat_id,
                                   .epoch = catchup->stream->chat->log.epoch,
                                   .first_seq = first_seq,
                                   .last_seq = seen->chat.last_seq,
                                   .reason = chat->is_wrong_epoch ? "epoch" : "expired"};
    stream_put_resync(&frame, &gap);
    stream_frame_end_on(&frame, &catchup->page);
}

/* What the client said cannot be served from where it said. */
static void begin_chat(struct catchup *catchup, const struct chat_seen *seen,
                       struct catch_chat *chat, int64_t first_seq)
{
    if (chat->is_wrong_epoch || (chat->is_claimed && first_seq != chat->after + 1))
        put_resync(catchup, seen, chat, first_seq);
    chat->is_claimed = chat->is_wrong_epoch = false;
}

static void put_messages(struct catchup *catchup, const struct chat_seen *seen,
                         struct catch_chat *chat, const struct message *messages,
                         const struct message_extra *extras, size_t count)
{
    begin_chat(catchup, seen, chat, count > 0 ? messages[0].seq : seen->chat.last_seq + 1);
    for (size_t i = 0; i < count && catchup->page.len <= STREAM_PAGE_BYTES_MAX; i++) {
        struct stream_frame frame;
        stream_put_message(&frame, &messages[i], &extras[i]);
        stream_frame_end_on(&frame, &catchup->page);
        chat->after = messages[i].seq;
    }
    if (count == 0)
        chat->after = seen->chat.last_seq;
    if (chat->after >= seen->chat.last_seq)
        chat->state = CATCH_JOIN;
}

static enum err read_page(struct catchup *catchup, struct db *db, struct arena *arena,
                          struct catch_chat *chat)
{
    struct chat_seen seen;
    bool is_member = false;
    size_t count = 0;
    enum err err = chat_seen_load(db, arena, chat->chat_id, catchup->user_id, clock_now_ms(), &seen,
                                  &is_member);
    if (err == ERR_NOT_FOUND || (!err && !is_member)) {
        chat->state = CATCH_GONE;
        return ERR_OK;
    }
    struct message *messages = ARENA_ARRAY(arena, struct message, STREAM_PAGE_MESSAGES_MAX);
    struct message_extra *extras =
        ARENA_ARRAY(arena, struct message_extra, STREAM_PAGE_MESSAGES_MAX);
    if (err || !messages || !extras)
        return err ? err : ERR_NOMEM;
    chat->joined_seq = seen.me.joined_seq;
    audience_note_head(catchup->stream->audiences, chat->chat_id, seen.chat.last_seq);
    struct log_range range = {.chat_id = chat->chat_id,
                              .after =
                                  chat->after > chat->joined_seq ? chat->after : chat->joined_seq,
                              .before = INT64_MAX,
                              .is_ascending = true,
                              .limit = STREAM_PAGE_MESSAGES_MAX,
                              .bytes_max = STREAM_PAGE_BYTES_MAX};
    err = log_store_range(db, arena, &range, &seen.days, messages, &count);
    if (!err)
        err = chat_load_extras(db, arena, &seen, messages, count, extras);
    if (!err)
        put_messages(catchup, &seen, chat, messages, extras, count);
    return err;
}

static bool has_member(const struct member *members, size_t count, uint64_t user_id)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i].user_id == user_id)
            return true;
    }
    return false;
}

/* Who was removed meanwhile is not told them; a note says so. A frame that is kept was read before any change of
 * members that this node has heard of. */
static enum err read_receipts(struct catchup *catchup, struct db *db, struct arena *arena,
                              struct catch_chat *chat, uint64_t change)
{
    struct audiences *audiences = catchup->stream->audiences;
    struct stream_frame frame;
    size_t count = 0;
    struct shared *shared = audience_receipts(audiences, chat->chat_id);
    if (!shared) {
        struct member *members = ARENA_ARRAY(arena, struct member, MEMBERS_MAX);
        if (!members)
            return ERR_NOMEM;
        enum err err = member_store_list(db, arena, chat->chat_id, MEMBERS_MAX, members, &count);
        if (err)
            return err;
        if (!has_member(members, count, catchup->user_id)) {
            chat->state = CATCH_DONE;
            return ERR_OK;
        }
        stream_put_receipts(&frame, chat->chat_id, members, count);
        shared = stream_frame_end(&frame);
        if (!shared)
            return ERR_NOMEM;
        audience_keep_receipts(audiences, chat->chat_id, change, shared);
    }
    buf_append(&catchup->page, shared->bytes, shared->size);
    shared_unref(shared);
    chat->state = CATCH_DONE;
    return ERR_OK;
}

/* Chats take turns, from page to page. */
static enum err read_pages(struct catchup *catchup, struct db *db, uint64_t change)
{
    struct arena arena;
    enum err err = ERR_OK;
    arena_init(&arena, PAGE_ARENA_MAX);
    for (size_t i = 0; !err && i < catchup->count; i++) {
        if (catchup->page.len > STREAM_PAGE_BYTES_MAX)
            break;
        if (catchup->next >= catchup->count)
            catchup->next = 0;
        struct catch_chat *chat = &catchup->chats[catchup->next++];
        if (chat->state == CATCH_BEHIND)
            err = read_page(catchup, db, &arena, chat);
        else if (chat->state == CATCH_RECEIPTS)
            err = read_receipts(catchup, db, &arena, chat, change);
        arena_reset(&arena, PAGE_ARENA_MAX);
    }
    arena_release(&arena);
    return err;
}

/* Most who come have not: what is left to read are watermarks, a statement a chat, which need no snapshot
 * around them. */
static bool has_missed(const struct catchup *catchup)
{
    for (size_t i = 0; i < catchup->count; i++) {
        if (catchup->chats[i].state == CATCH_BEHIND)
            return true;
    }
    return false;
}

static enum err run_pages(struct catchup *catchup, struct db *db)
{
    uint64_t change = audience_change(catchup->stream->audiences);
    if (!has_missed(catchup))
        return read_pages(catchup, db, change);
    enum err err = db_snapshot_begin(db);
    if (err)
        return err;
    err = read_pages(catchup, db, change);
    db_snapshot_end(db);
    return err;
}

static enum err run_trip(struct catchup *catchup, struct db *const *databases)
{
    const struct stream *stream = catchup->stream;
    struct db *db = databases[stream->chat->service.database_index];
    switch ((enum trip)catchup->trip) {
    case TRIP_TOKEN:
        return identity_session_find(databases[app_platform_database(stream->app)],
                                     catchup->token_hash, &catchup->user_id);
    case TRIP_LIST:
        return run_list(catchup, db);
    case TRIP_PAGES:
        break;
    }
    return run_pages(catchup, db);
}

static void catchup_run(struct stream_read *read, struct db *const *databases)
{
    struct catchup *catchup = container_of(read, struct catchup, read);
    struct stream *stream = catchup->stream;
    if (!catchup->is_made)
        catchup->outcome = run_trip(catchup, databases);
    if (catchup->page.overflow)
        catchup->outcome = ERR_NOMEM;
    catchup->is_made = true;
    enum err err = websocket_post_task(stream->hub, &catchup->task);
    if (err == ERR_CLOSED)
        catchup_free(catchup); /* the loop has ended, and the session with it */
    else if (err)
        stream_reads_later(&stream->reads, read);
}

/* ---- on the loop: back from a trip ---- */

static void say_ready(struct websocket *socket, struct session *session)
{
    struct stream *stream = session->stream;
    struct stream_frame frame;
    struct websocket_stats stats;
    char text[32];
    websocket_stats(stream->hub, &stats);
    int64_t jitter_ms = (int64_t)(stats.open * 1000 / STREAM_ADMIT_PER_S);
    struct json_writer *writer = stream_frame_begin(&frame, "ready");
    int len = snprintf(text, sizeof(text), "%016llx",
                       (unsigned long long)websocket_get_id(socket)); /* fits */
    json_put_str(writer, "session", str_from(text, (size_t)len));
    json_put_id(writer, "user_id", "usr", session->user_id);
    json_put_i64(writer, "epoch", stream->chat->log.epoch);
    json_put_time(writer, "server_time", clock_now_ms());
    json_key(writer, "resume");
    json_open_object(writer);
    json_put_i64(writer, "after_ms", 0);
    json_put_i64(writer, "jitter_ms",
                 jitter_ms > STREAM_RESUME_JITTER_MS ? jitter_ms : STREAM_RESUME_JITTER_MS);
    json_close_object(writer);
    session_send(socket, stream_frame_end(&frame));
}

static void say_live(struct websocket *socket, struct session *session)
{
    struct stream_frame frame;
    if (session->has_said_live)
        return;
    session->has_said_live = true;
    (void)stream_frame_begin(&frame, "live");
    session_send(socket, stream_frame_end(&frame));
}

static void send_page(struct websocket *socket, struct catchup *catchup)
{
    if (catchup->page.len > 0)
        session_send(socket, stream_page_end(&catchup->page));
    buf_release(&catchup->page);
}

/* The session is the owner of the pins from here on. */
static enum err take_chats(struct session *session, struct catchup *catchup)
{
    enum err err = ERR_OK;
    size_t taken = 0;
    while (!err && taken < catchup->count) {
        err = session_add_chat(session, catchup->chats[taken].chat_id);
        taken += err == ERR_OK;
    }
    for (size_t i = taken; i < catchup->count; i++)
        audience_unpin(session->stream->audiences, catchup->chats[i].chat_id);
    catchup->count = taken;
    catchup->has_pins = false;
    return err;
}

static bool joins(struct websocket *socket, const struct session *session,
                  const struct catch_chat *chat)
{
    const struct listener listener = {
        .user_id = session->user_id, .joined_seq = chat->joined_seq, .after_seq = chat->after};
    return audience_join(session->stream->audiences, chat->chat_id, websocket_get_id(socket),
                         &listener);
}

/* What the trip has brought, chat by chat. */
static void settle_chats(struct websocket *socket, struct session *session, struct catchup *catchup,
                         bool is_list)
{
    size_t kept = 0;
    for (size_t i = 0; i < catchup->count; i++) {
        struct catch_chat chat = catchup->chats[i];
        struct stream_frame frame;
        if (chat.state == CATCH_JOIN)
            chat.state = joins(socket, session, &chat) ? CATCH_RECEIPTS : CATCH_BEHIND;
        if (chat.state == CATCH_GONE) {
            session_drop_chat(socket, session, chat.chat_id);
            stream_put_left(&frame, chat.chat_id);
            struct shared *shared = stream_frame_end(&frame);
            if (!is_list) /* of what was lost before, the list has said it */
                (void)websocket_send(socket, shared, false);
            shared_unref(shared);
        } else if (chat.state != CATCH_DONE) {
            catchup->chats[kept++] = chat;
        }
    }
    catchup->count = kept;
}

void catchup_go_on(struct websocket *socket, struct session *session)
{
    struct catchup *catchup = session->catchup;
    if (!catchup || catchup->is_out || session->state != SESSION_OPEN)
        return;
    if (catchup->count == 0) {
        session->catchup = NULL;
        catchup_free(catchup);
        say_live(socket, session);
    } else if (websocket_has_room(socket)) {
        start(catchup, TRIP_PAGES);
    }
}

void session_on_room(struct websocket *socket, void *ctx)
{
    (void)ctx;
    catchup_go_on(socket, session_of(socket));
}

static void fail(struct websocket *socket, const struct catchup *catchup)
{
    static const struct stream_mistake strange_device = {
        .problem = PROBLEM_VALIDATION, .field = "device_id", .detail = "is not a device of yours"};
    if (catchup->outcome == ERR_DENIED)
        session_bye(socket, BYE_UNAUTHENTICATED);
    else if (catchup->outcome)
        session_bye(socket, BYE_OVERLOADED);
    else {
        session_refuse(socket, &strange_device);
        session_bye(socket, BYE_HELLO);
    }
}

static void back_open(struct websocket *socket, struct session *session, struct catchup *catchup)
{
    bool is_list = catchup->trip == TRIP_LIST;
    if (is_list && take_chats(session, catchup) != ERR_OK) {
        session_bye(socket, BYE_OVERLOADED);
        return;
    }
    if (is_list) {
        session->state = SESSION_OPEN;
        say_ready(socket, session);
        free(catchup->claims);
        catchup->claims = NULL;
        catchup->claim_count = 0;
    }
    send_page(socket, catchup);
    settle_chats(socket, session, catchup, is_list);
    session_take_notes(socket, session);
    catchup_go_on(socket, session);
}

static void catchup_back(struct websocket_task *task, struct websocket *socket)
{
    struct catchup *catchup = container_of(task, struct catchup, task);
    struct session *session = catchup->session;
    catchup->is_out = false;
    if (!session) {
        catchup_free(catchup);
        return;
    }
    if (!socket)
        return; /* it is closing, and takes it along */
    if (catchup->outcome || catchup->is_strange_device) {
        fail(socket, catchup);
    } else if (catchup->trip == TRIP_TOKEN) {
        session->user_id = catchup->user_id;
        session_begin(socket, session);
    } else {
        back_open(socket, session, catchup);
    }
}
