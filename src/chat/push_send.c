/*
 * One notification: what it says, how it is sent, and what follows from the answer.
 *
 *   {"t":"message","chat_id":…,"seq":…,"title":…,"body":…,"unread":3,"badge":2}
 *   {"t":"clear","chat_id":…,"badge":1}
 *
 * The text is of the newest message that the user has not read and whose sender they have not blocked. `body`
 * is null where the operator, or the device, does not want texts in notifications.
 */
#include <stdio.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/json.h"
#include "chat/push_internal.h"
#include "net/retry_after.h"

#define PAYLOAD_MAX   WEB_PUSH_PLAIN_MAX
#define PAYLOAD_PAD   256
#define TOPIC_BYTES   24 /* 32 characters, which is the most (RFC 8030, 5.4) */
#define HEADER_MAX    3072
#define TITLE_SHOWN   200 /* of it */
#define HEADERS_COUNT 7

/* ---- what it says ---- */

/* At most max bytes, and no half character. */
static struct str cut(struct str text, size_t max)
{
    if (text.len <= max)
        return text;
    size_t len = max;
    while (len > 0 && ((unsigned char)text.data[len] & 0xC0) == 0x80)
        len--;
    return str_sub(text, 0, len);
}

struct shown {
    struct chat chat;
    struct message message;
    struct str sender;
    int64_t badge;
};

static enum err may_show(struct push_flight *flight, const struct message *message, bool *ret_may)
{
    bool is_blocked = false;
    *ret_may = false;
    if (!entry_is_message(message->type) || message->deleted_at > 0 ||
        message->sender_id == flight->job.key.user_id)
        return ERR_OK;
    enum err err = block_store_is_between(flight->push->db, flight->job.key.user_id,
                                          message->sender_id, &is_blocked);
    *ret_may = !is_blocked;
    return err;
}

/* ERR_NOT_FOUND: there is nothing to show. */
static enum err find_message(struct push_flight *flight, struct shown *shown)
{
    struct message *messages = ARENA_ARRAY(&flight->arena, struct message, PUSH_ENTRIES_MAX);
    struct chat_days days;
    size_t count = 0;
    const struct push_job *job = &flight->job;
    struct log_range range = {.chat_id = job->key.chat_id,
                              .after =
                                  job->read_seq > job->joined_seq ? job->read_seq : job->joined_seq,
                              .before = INT64_MAX,
                              .limit = PUSH_ENTRIES_MAX,
                              .bytes_max = FLIGHT_ARENA_MAX / 2};
    if (!messages)
        return ERR_NOMEM;
    chat_days(&shown->chat, flight->now_ms, &days);
    enum err err =
        log_store_range(flight->push->db, &flight->arena, &range, &days, messages, &count);
    for (size_t i = 0; !err && i < count; i++) {
        bool may = false;
        err = may_show(flight, &messages[i], &may);
        if (err || !may)
            continue;
        shown->message = messages[i];
        return ERR_OK;
    }
    return err ? err : ERR_NOT_FOUND;
}

static enum err load_shown(struct push_flight *flight, struct shown *shown)
{
    struct db *db = flight->push->db;
    struct member sender;
    bool is_member = false;
    const struct push_key *key = &flight->job.key;
    enum err err = chat_store_get(db, &flight->arena, key->chat_id, key->user_id, &shown->chat,
                                  &sender, &is_member);
    if (!err)
        err = push_store_badge(db, key->user_id, flight->now_ms, &shown->badge);
    if (err || flight->step == PUSH_CLEAR)
        return err;
    err = find_message(flight, shown);
    if (!err)
        err = member_store_get(db, &flight->arena, key->chat_id, shown->message.sender_id, &sender);
    if (!err)
        shown->sender = sender.name;
    return err == ERR_NOT_FOUND && shown->message.seq > 0 ? ERR_OK : err; /* the sender has left */
}

static void put_message(const struct push_flight *flight, struct json_writer *writer,
                        const struct shown *shown)
{
    const struct message *message = &shown->message;
    bool is_group = shown->chat.type == CHAT_GROUP;
    bool has_text = flight->push->has_text && flight->target.shows_text;
    int64_t unread = shown->chat.texts - flight->job.read_texts;
    json_put_id2(writer, "message_id", "msg", message->chat_id, (uint64_t)message_number(message));
    json_put_i64(writer, "seq", message->seq);
    json_put_str(writer, "type", message->type == ENTRY_MEDIA ? STR("media") : STR("text"));
    json_put_id(writer, "sender_id", "usr", message->sender_id);
    json_put_str(writer, "sender", cut(shown->sender, TITLE_SHOWN));
    if (is_group)
        json_put_str(writer, "title", cut(shown->chat.title, TITLE_SHOWN));
    else
        json_put_null(writer, "title");
    if (has_text && message->body.len > 0)
        json_put_str(writer, "body", cut(message->body, PUSH_TEXT_BYTES_MAX));
    else
        json_put_null(writer, "body");
    json_put_i64(writer, "unread", unread > 0 ? unread : 1);
    json_put_time(writer, "created_at", message->created_at);
}

static enum err make_payload(struct push_flight *flight, struct str *ret_payload)
{
    struct shown *shown = ARENA_NEW(&flight->arena, struct shown);
    struct buf *buf = buf_new_in(&flight->arena, PAYLOAD_MAX);
    struct json_writer writer;
    if (!shown || !buf)
        return ERR_NOMEM;
    enum err err = load_shown(flight, shown);
    if (err)
        return err;
    json_begin(&writer, buf);
    json_open_object(&writer);
    json_put_str(&writer, "t", flight->step == PUSH_CLEAR ? STR("clear") : STR("message"));
    json_put_id(&writer, "chat_id", "cht", flight->job.key.chat_id);
    if (flight->step == PUSH_NOTIFY)
        put_message(flight, &writer, shown);
    json_put_i64(&writer, "badge", shown->badge);
    json_close_object(&writer);
    flight->sent_seq = shown->message.seq > flight->job.seq ? shown->message.seq : flight->job.seq;
    *ret_payload = buf_str(buf);
    return buf->overflow ? ERR_NOMEM : ERR_OK;
}

/* ---- how it is sent ---- */

/* The same for all that is said of this chat to this device, and of no use to anybody else. */
static const char *make_topic(struct push_flight *flight)
{
    uint8_t mac[SHA256_SIZE];
    const struct push *push = flight->push;
    char *text = arena_alloc(&flight->arena, 2 * TOPIC_BYTES);
    struct buf buf = {.data = text, .cap = 2 * TOPIC_BYTES, .max = 2 * TOPIC_BYTES};
    if (!text)
        return "";
    crypto_hmac_sha256(str_from((const char *)push->key.secret, P256_SECRET_SIZE),
                       str_from((const char *)&flight->job.key, sizeof(flight->job.key)), mac);
    base64url_append(&buf, mac, TOPIC_BYTES);
    buf_append_char(&buf, '\0');
    return text;
}

static enum err set_headers(struct push_flight *flight)
{
    struct push *push = flight->push;
    struct buf *authorization = buf_new_in(&flight->arena, HEADER_MAX);
    if (!authorization)
        return ERR_NOMEM;
    enum err err =
        web_push_authorize(&push->key, flight->target.web.endpoint, str_from_c(push->contact),
                           flight->now_ms + PUSH_JWT_MS, authorization);
    if (err)
        return err;
    struct arena *arena = &flight->arena;
    struct str lines[HEADERS_COUNT] = {
        STR("Content-Encoding: aes128gcm"),
        STR("Content-Type: application/octet-stream"),
        arena_printf(arena, "TTL: %d", PUSH_TTL_S),
        flight->step == PUSH_CLEAR ? STR("Urgency: low") : STR("Urgency: high"),
        arena_printf(arena, "Topic: %s", make_topic(flight)),
        arena_printf(arena, "Authorization: %.*s", STR_ARG(buf_str(authorization))),
    };
    size_t count = 0;
    for (; count < HEADERS_COUNT && lines[count].data; count++)
        flight->send.headers[count] = lines[count].data;
    flight->send.headers[count] = NULL;
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err seal_payload(struct push_flight *flight, struct str payload)
{
    struct web_push_seed seed;
    struct buf *body = buf_new_in(&flight->arena, WEB_PUSH_BODY_MAX);
    if (!body)
        return ERR_NOMEM;
    enum err err = web_push_seed_make(&seed);
    if (!err)
        err = web_push_seal(&flight->target.web, &seed, payload, PAYLOAD_PAD, body);
    crypto_wipe(&seed, sizeof(seed));
    flight->send.body = buf_str(body);
    return err;
}

/* ---- what follows from the answer ---- */

static bool is_last_attempt(const struct push_flight *flight)
{
    return flight->job.attempts + 1 >= PUSH_ATTEMPTS_MAX;
}

static enum push_result result_of(const struct push_flight *flight)
{
    const struct send *send = &flight->send;
    bool is_last = is_last_attempt(flight);
    if (send->outcome == SEND_CLOSED)
        return PUSH_RESULT_NONE; /* the next start does it again */
    if (send->outcome != SEND_ANSWERED)
        return is_last || send->outcome == SEND_URL ? PUSH_RESULT_GIVEN_UP : PUSH_RESULT_RETRY;
    if (send->status >= 200 && send->status < 300)
        return flight->step == PUSH_CLEAR ? PUSH_RESULT_CLEARED : PUSH_RESULT_SENT;
    if (send->status == 404 || send->status == 410)
        return PUSH_RESULT_GONE;
    if (send->status == 429 || send->status == 408 || send->status >= 500)
        return is_last ? PUSH_RESULT_GIVEN_UP : PUSH_RESULT_RETRY;
    return PUSH_RESULT_GIVEN_UP;
}

static void on_sent(struct send *send)
{
    struct push_flight *flight = send->ctx;
    flight->result = result_of(flight);
    flight->retry_after_ms = 0;
    if (send->retry_after[0] && retry_after_parse(str_from_c(send->retry_after), flight->now_ms,
                                                  &flight->retry_after_ms) != ERR_OK)
        flight->retry_after_ms = 0;
    if (flight->result == PUSH_RESULT_GIVEN_UP || flight->result == PUSH_RESULT_RETRY)
        log_info("a push service did not take a notification", "status=%d outcome=%s attempt=%lld",
                 send->status, send_outcome_name(send->outcome),
                 (long long)flight->job.attempts + 1);
    push_flight_write(flight);
}

static enum err send_it(struct push_flight *flight, struct str payload)
{
    struct str endpoint = flight->target.web.endpoint;
    enum err err = seal_payload(flight, payload);
    if (!err)
        err = set_headers(flight);
    struct str url = arena_str_dup(&flight->arena, endpoint);
    if (err || !url.data)
        return err ? err : ERR_NOMEM;
    flight->send.url = url.data;
    flight->send.timeout_ms = PUSH_TIMEOUT_MS;
    flight->send.on_done = on_sent;
    flight->send.ctx = flight;
    flight->state = PUSH_SENDING;
    return sender_start(flight->push->sender, &flight->send);
}

/* What needs no sending. */
static void settle(struct push_flight *flight, enum push_result result)
{
    flight->result = result;
    push_flight_write(flight);
}

void push_flight_begin(struct push_flight *flight)
{
    struct str payload;
    const char *problem;
    struct push_job *job = &flight->job;
    if (job->has_device &&
        push_target_read(&flight->arena, job->push, &flight->target, &problem) != ERR_OK)
        job->has_device = false;
    flight->step = push_decide(job, flight->target.can_clear, flight->now_ms);
    if (flight->step == PUSH_FORGET || flight->step == PUSH_KEEP) {
        settle(flight, flight->step == PUSH_KEEP ? PUSH_RESULT_KEEP : PUSH_RESULT_FORGET);
        return;
    }
    (void)snprintf(flight->origin, sizeof(flight->origin), "%.*s",
                   STR_ARG(web_push_origin(flight->target.web.endpoint)));
    enum err err = make_payload(flight, &payload);
    if (err == ERR_NOT_FOUND) { /* deleted, or the chat is gone */
        settle(flight, PUSH_RESULT_FORGET);
        return;
    }
    if (!err)
        err = send_it(flight, payload);
    if (!err)
        return;
    log_warn("a notification could not be made", "err=%s", err_name(err));
    settle(flight, is_last_attempt(flight) ? PUSH_RESULT_GIVEN_UP : PUSH_RESULT_RETRY);
}
