/*
 * What a client says: one table of kinds, each with its fields and its handler. What is wrong is answered with
 * `error`, and the stream stays open.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/ids.h"
#include "chat/receipt.h"
#include "chat/stream_internal.h"

#define INPUT_ARENA_MAX  ((size_t)1 << 20)
#define INPUT_ARENA_KEPT ((size_t)16 << 10)

/* All fields of all kinds; a kind's table says which are its own. */
struct input {
    struct str t;
    int64_t id;
    bool has_id;
    struct str chat_id, client_id, body, media_id, reply_to, token, device_id;
    bool has_reply, has_device, has_token;
    int64_t delivered_seq, read_seq;
    struct json_node *cursors, *user_ids;
};

struct kind {
    const char *t;
    const struct json_field *fields;
    enum session_state from; /* said before that, it is an error */
    void (*handle)(struct websocket *socket, struct session *session, const struct input *input);
};

/* ---- mistakes ---- */

static void refuse(struct websocket *socket, const struct input *input, enum problem problem,
                   const char *field, const char *detail)
{
    const struct stream_mistake mistake = {.has_id = input->has_id,
                                           .id = input->id,
                                           .problem = problem,
                                           .field = field,
                                           .detail = detail};
    session_refuse(socket, &mistake);
}

/* False: answered. */
static bool parse_chat(struct websocket *socket, const struct input *input, uint64_t *ret_chat_id)
{
    if (id_parse(input->chat_id, "cht", ret_chat_id) == ERR_OK)
        return true;
    refuse(socket, input, PROBLEM_VALIDATION, "chat_id", "is not the id of a chat");
    return false;
}

/* ---- hello ---- */

static int compare_claims(const void *a, const void *b)
{
    const struct claim *left = a, *right = b;
    return left->chat_id < right->chat_id ? -1 : left->chat_id > right->chat_id;
}

static bool parse_claim(struct str name, const struct json_node *value, struct claim *claim)
{
    return id_parse(name, "cht", &claim->chat_id) == ERR_OK && json_is_array(value) &&
           json_count(value) == 2 && json_as_i64(json_at(value, 0), &claim->epoch) &&
           json_as_i64(json_at(value, 1), &claim->seq) && claim->seq >= 0 && claim->epoch >= 0;
}

/* Sorted. False: answered. */
static bool parse_claims(struct websocket *socket, const struct input *input,
                         struct claim **ret_claims, size_t *ret_count)
{
    void *position = NULL;
    struct str name;
    struct json_node *value;
    size_t count = input->cursors ? json_count(input->cursors) : 0, at = 0;
    *ret_count = count;
    *ret_claims = NULL;
    if (count > CHATS_MAX) {
        refuse(socket, input, PROBLEM_VALIDATION, "cursors", "names too many chats");
        return false;
    }
    struct claim *claims = count > 0 ? calloc(count, sizeof(*claims)) : NULL;
    if (count > 0 && !claims) {
        session_bye(socket, BYE_OVERLOADED);
        return false;
    }
    while (at < count && json_each(input->cursors, &position, &name, &value)) {
        if (!parse_claim(name, value, &claims[at++])) {
            free(claims);
            refuse(socket, input, PROBLEM_VALIDATION, "cursors",
                   "has [epoch, seq] for ids of chats");
            return false;
        }
    }
    if (count > 0)
        qsort(claims, count, sizeof(*claims), compare_claims);
    *ret_claims = claims;
    return true;
}

/* By its token, or else by the cookie that came with the handshake. False: it is nobody's. */
static bool take_hash(struct session *session, const struct input *input,
                      uint8_t ret_hash[static SHA256_SIZE])
{
    uint8_t *cookie_hash = session->cookie_hash;
    if (input->has_token)
        return identity_token_hash(input->token, ret_hash);
    memcpy(ret_hash, cookie_hash, SHA256_SIZE);
    return true;
}

static void handle_hello(struct websocket *socket, struct session *session,
                         const struct input *input)
{
    uint8_t hash[SHA256_SIZE];
    struct claim *claims;
    size_t count;
    if (session->state != SESSION_NEW) {
        refuse(socket, input, PROBLEM_CONFLICT, NULL, "hello was said already.");
        return;
    }
    if (!input->has_token && !session->cookie_hash) {
        session_bye(socket, BYE_UNAUTHENTICATED);
        return;
    }
    session->device_id = 0; /* what a hello that was refused has left */
    if (input->has_device && id_parse(input->device_id, "dev", &session->device_id) != ERR_OK) {
        refuse(socket, input, PROBLEM_VALIDATION, "device_id", "is not a device of yours");
        return;
    }
    if (!parse_claims(socket, input, &claims, &count))
        return;
    if (!take_hash(session, input, hash)) {
        free(claims);
        session_bye(socket, BYE_UNAUTHENTICATED);
        return;
    }
    if (catchup_new(socket, session, claims, count) != ERR_OK) {
        session_bye(socket, BYE_OVERLOADED);
        return;
    }
    memcpy(catchup_token_hash(session->catchup), hash, SHA256_SIZE);
    free(session->cookie_hash);
    session->cookie_hash = NULL;
    session->state = SESSION_LOOKING;
    if (identity_session_cached(app_identity(session->stream->app), hash, &session->user_id) ==
        ERR_OK)
        session_begin(socket, session);
    else
        catchup_look_up(session->catchup);
}

static const struct json_field hello_fields[] = {
    {.name = "t", .kind = JSON_STR, .offset = offsetof(struct input, t), .is_required = true},
    {.name = "token",
     .kind = JSON_STR,
     .offset = offsetof(struct input, token),
     .has_offset = offsetof(struct input, has_token)},
    {.name = "device_id",
     .kind = JSON_STR,
     .offset = offsetof(struct input, device_id),
     .has_offset = offsetof(struct input, has_device)},
    {.name = "cursors", .kind = JSON_OBJECT, .offset = offsetof(struct input, cursors)},
    {0},
};

/* ---- send ---- */

static void handle_send(struct websocket *socket, struct session *session,
                        const struct input *input)
{
    struct send_input send = {.id = input->id,
                              .client_id = input->client_id,
                              .body = input->body,
                              .media_id = input->media_id,
                              .reply_to = input->has_reply ? input->reply_to : STR_NONE};
    if (parse_chat(socket, input, &send.chat_id))
        session_send_message(socket, session, &send);
}

static const struct json_field send_fields[] = {
    {.name = "t", .kind = JSON_STR, .offset = offsetof(struct input, t), .is_required = true},
    {.name = "id", .kind = JSON_I64, .offset = offsetof(struct input, id), .is_required = true},
    {.name = "chat_id",
     .kind = JSON_STR,
     .offset = offsetof(struct input, chat_id),
     .is_required = true},
    {.name = "client_id",
     .kind = JSON_STR,
     .offset = offsetof(struct input, client_id),
     .is_required = true,
     .min = 1,
     .max = CLIENT_ID_BYTES_MAX},
    {.name = "body",
     .kind = JSON_STR,
     .offset = offsetof(struct input, body),
     .min = 1,
     .max = TEXT_BYTES_MAX},
    {.name = "media_id",
     .kind = JSON_STR,
     .offset = offsetof(struct input, media_id),
     .min = 1,
     .max = ID_TEXT_SIZE},
    {.name = "reply_to",
     .kind = JSON_STR,
     .offset = offsetof(struct input, reply_to),
     .has_offset = offsetof(struct input, has_reply),
     .min = 1,
     .max = ID_TEXT_SIZE},
    {0},
};

/* ---- receipt ---- */

static void handle_receipt(struct websocket *socket, struct session *session,
                           const struct input *input)
{
    struct receipt receipt = {.user_id = session->user_id,
                              .device_id = session->device_id,
                              .delivered_seq = input->delivered_seq,
                              .read_seq = input->read_seq};
    uint64_t chat_id;
    if (!parse_chat(socket, input, &chat_id))
        return;
    if (!session_follows(session, chat_id)) {
        refuse(socket, input, PROBLEM_NOT_FOUND, NULL, "There is no such chat.");
        return;
    }
    if (receipt.delivered_seq < receipt.read_seq)
        receipt.delivered_seq = receipt.read_seq;
    if (receipts_note(session->stream->chat->receipts, chat_id, &receipt) == ERR_OK)
        atomic_fetch_add_explicit(&session->stream->counters.receipts, 1, memory_order_relaxed);
}

static const struct json_field receipt_fields[] = {
    {.name = "t", .kind = JSON_STR, .offset = offsetof(struct input, t), .is_required = true},
    {.name = "chat_id",
     .kind = JSON_STR,
     .offset = offsetof(struct input, chat_id),
     .is_required = true},
    {.name = "delivered_seq",
     .kind = JSON_I64,
     .offset = offsetof(struct input, delivered_seq),
     .min = 0,
     .max = INT64_MAX},
    {.name = "read_seq",
     .kind = JSON_I64,
     .offset = offsetof(struct input, read_seq),
     .min = 0,
     .max = INT64_MAX},
    {0},
};

/* ---- typing and watch ---- */

/* One more of at most max in a while. */
static bool takes_one(int64_t *since_ms, uint8_t *count, int64_t while_ms, uint8_t max)
{
    int64_t now_ms = stream_now_ms();
    if (now_ms - *since_ms >= while_ms) {
        *since_ms = now_ms;
        *count = 0;
    }
    if (*count >= max)
        return false;
    ++*count;
    return true;
}

static void handle_typing(struct websocket *socket, struct session *session,
                          const struct input *input)
{
    uint64_t chat_id;
    if (!parse_chat(socket, input, &chat_id))
        return;
    if (!session_follows(session, chat_id))
        refuse(socket, input, PROBLEM_NOT_FOUND, NULL, "There is no such chat.");
    else if (takes_one(&session->typing_ms, &session->typings, STREAM_TYPING_MS,
                       STREAM_TYPING_BURST))
        session_type(socket, session, chat_id);
}

static const struct json_field typing_fields[] = {
    {.name = "t", .kind = JSON_STR, .offset = offsetof(struct input, t), .is_required = true},
    {.name = "chat_id",
     .kind = JSON_STR,
     .offset = offsetof(struct input, chat_id),
     .is_required = true},
    {0},
};

static void handle_watch(struct websocket *socket, struct session *session,
                         const struct input *input)
{
    static const struct stream_mistake too_often = {.problem = PROBLEM_RATE_LIMITED,
                                                    .retry_after_s = STREAM_WATCH_MS / 1000};
    uint64_t user_ids[PRESENCE_WATCHED_MAX];
    size_t count = json_count(input->user_ids);
    for (size_t i = 0; i < count && i < PRESENCE_WATCHED_MAX; i++) {
        struct str id;
        if (json_as_str(json_at(input->user_ids, i), &id) &&
            id_parse(id, "usr", &user_ids[i]) == ERR_OK)
            continue;
        refuse(socket, input, PROBLEM_VALIDATION, "user_ids", "has ids of users only");
        return;
    }
    if (takes_one(&session->watch_ms, &session->watches, STREAM_WATCH_MS, STREAM_WATCH_BURST))
        session_watch(socket, session, user_ids, count);
    else
        session_refuse(socket, &too_often);
}

static const struct json_field watch_fields[] = {
    {.name = "t", .kind = JSON_STR, .offset = offsetof(struct input, t), .is_required = true},
    {.name = "user_ids",
     .kind = JSON_ARRAY,
     .offset = offsetof(struct input, user_ids),
     .is_required = true,
     .min = 0,
     .max = PRESENCE_WATCHED_MAX},
    {0},
};

/* ---- ping ---- */

static void handle_ping(struct websocket *socket, struct session *session,
                        const struct input *input)
{
    struct stream_frame frame;
    (void)session;
    (void)input;
    (void)stream_frame_begin(&frame, "pong");
    session_send(socket, stream_frame_end(&frame));
}

static const struct json_field ping_fields[] = {
    {.name = "t", .kind = JSON_STR, .offset = offsetof(struct input, t), .is_required = true},
    {0},
};

/* ---- all of them ---- */

static const struct kind kinds[] = {
    {"send", send_fields, SESSION_OPEN, handle_send},
    {"receipt", receipt_fields, SESSION_OPEN, handle_receipt},
    {"typing", typing_fields, SESSION_OPEN, handle_typing},
    {"watch", watch_fields, SESSION_OPEN, handle_watch},
    {"ping", ping_fields, SESSION_LOOKING, handle_ping},
    {"hello", hello_fields, SESSION_NEW, handle_hello},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct kind *find_kind(struct str t)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (str_eq(t, str_from_c(kinds[i].t)))
            return &kinds[i];
    }
    return NULL;
}

/* What can be said of an id, also of what is wrong otherwise. */
static void read_id(const struct json_node *node, struct input *input)
{
    input->has_id = json_as_i64(json_get(node, "id"), &input->id);
}

static void take_kind(struct websocket *socket, struct session *session, struct arena *arena,
                      const struct json_node *node, struct input *input)
{
    struct field_errors errors;
    const struct kind *kind =
        json_as_str(json_get(node, "t"), &input->t) ? find_kind(input->t) : NULL;
    read_id(node, input);
    if (session->state == SESSION_NEW && (!kind || kind->from != SESSION_NEW)) {
        session_bye(socket, BYE_HELLO);
        return;
    }
    if (!kind) {
        refuse(socket, input, PROBLEM_VALIDATION, "t", "is not known here");
        return;
    }
    if (session->state < kind->from) {
        refuse(socket, input, PROBLEM_CONFLICT, NULL, "Wait for ready.");
        return;
    }
    field_errors_init(&errors, arena);
    enum err err = json_decode_node(arena, node, "", kind->fields, input, &errors);
    if (err == ERR_OK) {
        kind->handle(socket, session, input);
        return;
    }
    const struct stream_mistake mistake = {.has_id = input->has_id,
                                           .id = input->id,
                                           .problem = err == ERR_INVALID ? PROBLEM_VALIDATION
                                                                         : PROBLEM_OVERLOADED,
                                           .errors = err == ERR_INVALID ? &errors : NULL};
    session_refuse(socket, &mistake);
}

static void take_text(struct websocket *socket, struct session *session, struct str text)
{
    struct arena arena;
    struct json_node *node = NULL;
    struct str message = STR_NONE;
    struct input input = {0};
    arena_init(&arena, INPUT_ARENA_MAX);
    enum err err = json_parse(&arena, text, &node, &message);
    bool is_object = !err && json_is_object(node);
    if (is_object)
        take_kind(socket, session, &arena, node, &input);
    else if (session->state == SESSION_NEW)
        session_bye(socket, BYE_HELLO);
    else
        refuse(socket, &input,
               err && err != ERR_INVALID ? PROBLEM_OVERLOADED : PROBLEM_MALFORMED_JSON, NULL,
               message.len > 0 ? message.data : NULL);
    arena_release(&arena);
}

void session_on_message(struct websocket *socket, bool is_text, struct str text, void *ctx)
{
    (void)ctx;
    if (is_text)
        take_text(socket, session_of(socket), text);
    else
        websocket_close(socket, WEBSOCKET_UNSUPPORTED, STR("text only"));
}
