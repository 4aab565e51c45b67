/* Messages over HTTP: sent and read. */
#include "base/clock.h"
#include "base/ids.h"
#include "chat/chat_call.h"
#include "chat/message_send.h"

/* ---- sending ---- */

struct send_body {
    struct str client_id, body, media_id, reply_to;
    bool has_reply;
};

static const struct json_field send_fields[] = {
    {.name = "client_id",
     .kind = JSON_STR,
     .offset = offsetof(struct send_body, client_id),
     .is_required = true,
     .min = 1,
     .max = CLIENT_ID_BYTES_MAX,
     .doc = "the sender's own name for it: what comes again with it is not sent again"},
    {.name = "body",
     .kind = JSON_STR,
     .offset = offsetof(struct send_body, body),
     .min = 1,
     .max = TEXT_BYTES_MAX,
     .doc = "the text; or"},
    {.name = "media_id",
     .kind = JSON_STR,
     .offset = offsetof(struct send_body, media_id),
     .min = 1,
     .max = ID_TEXT_SIZE,
     .doc = "a file: a finished upload of the sender, or one that the sender sees"},
    {.name = "reply_to",
     .kind = JSON_STR,
     .offset = offsetof(struct send_body, reply_to),
     .has_offset = offsetof(struct send_body, has_reply),
     .min = 1,
     .max = ID_TEXT_SIZE,
     .doc = "a message of the same chat"},
    {0},
};

struct send_form {
    struct call *call;
    struct send_body body;
    struct message_send send;
    struct send_result result;
};

static bool take_room(struct message_send *send)
{
    const struct send_form *form = container_of(send, struct send_form, send);
    return call_rate_limit_also(form->call, RATE_CHAT_ROOM, send->chat_id);
}

static enum err reply_refusal(struct call *call, const struct send_refusal *refusal)
{
    if (refusal->field)
        problem_field(call, refusal->field, refusal->detail);
    else
        problem_reply(call, refusal->problem, refusal->detail);
    return ERR_OK;
}

static enum err send_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct send_form *form = ARENA_NEW(call_arena(call), struct send_form);
    uint64_t chat_id;
    if (!form)
        return ERR_NOMEM;
    call->prepared = form;
    form->call = call;
    if (!call_param_id(call, "id", "cht", &chat_id) ||
        !call_rate_limit_also(call, RATE_CHAT_SEND_NETWORK, 0) || !call_decode(call, &form->body))
        return ERR_OK;
    form->send =
        (struct message_send){.chat_id = chat_id,
                              .sender_id = chat_caller(call),
                              .client_id = form->body.client_id,
                              .body = form->body.body,
                              .media_text = form->body.media_id,
                              .reply_to_id = form->body.has_reply ? form->body.reply_to : STR_NONE,
                              .take_room = take_room};
    if (!message_send_check(&form->send, &form->result.refusal))
        return reply_refusal(call, &form->result.refusal);
    call->shard = chat_id;
    return ERR_OK;
}

static enum err send_apply(struct call *call, struct writer_tx *tx)
{
    struct send_form *form = call->prepared;
    struct send_result *result = &form->result;
    enum err err = message_send_apply(chat_of(call), tx, call_arena(call), &form->send, result);
    if (err)
        return err;
    switch (result->outcome) {
    case SEND_NEW:
        return chat_reply_message(call, tx->db, 201, &result->seen, &result->message);
    case SEND_REPEATED:
        return chat_reply_message(call, tx->db, 200, &result->seen, &result->message);
    case SEND_REFUSED:
        return reply_refusal(call, &result->refusal);
    case SEND_NO_ROOM:
        break; /* take_room has answered */
    }
    return ERR_OK;
}

/* ---- reading ---- */

struct message_page {
    struct log_range range;
    struct message *messages;
    size_t count;
    bool is_cut; /* older entries than are kept were asked for */
};

/* False: answered. */
static bool read_query(struct call *call, const struct chat_seen *seen, struct message_page *page)
{
    int64_t limit = LIST_LIMIT_DEFAULT, after = -1, before = INT64_MAX;
    if (!call_query_i64(call, "limit", 1, LIST_LIMIT_MAX, &limit) ||
        !call_query_i64(call, "after", 0, INT64_MAX - 1, &after) ||
        !call_query_i64(call, "before", 1, INT64_MAX, &before))
        return false;
    page->range =
        (struct log_range){.chat_id = seen->chat.id,
                           .after = after > seen->me.joined_seq ? after : seen->me.joined_seq,
                           .before = before,
                           .is_ascending = after >= 0,
                           .limit = (size_t)limit,
                           .bytes_max = PAGE_BYTES_MAX};
    return true;
}

static void reverse(struct message *messages, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct message other = messages[i];
        messages[i] = messages[count - 1 - i];
        messages[count - 1 - i] = other;
    }
}

static enum err reply_page(struct call *call, struct db *db, const struct chat_seen *seen,
                           const struct message_page *page, int64_t first_seq)
{
    struct buf *body = buf_new_in(call_arena(call), LIST_BODY_MAX);
    struct json_writer writer;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    enum err err = chat_write_messages(call, db, &writer, seen, page->messages, page->count);
    json_close_array(&writer);
    json_put_i64(&writer, "epoch", chat_of(call)->log.epoch);
    json_put_i64(&writer, "first_seq", first_seq);
    json_put_i64(&writer, "last_seq", seen->chat.last_seq);
    json_put_bool(&writer, "resync", page->is_cut);
    json_close_object(&writer);
    if (err)
        return err;
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err list_messages(struct call *call, struct db *db)
{
    struct chat_seen seen;
    struct message_page page = {0};
    struct log_first first = {0};
    enum err err = chat_call_seen(call, db, clock_now_ms(), &seen);
    if (err || !read_query(call, &seen, &page))
        return chat_said(err);
    page.messages = ARENA_ARRAY(call_arena(call), struct message, page.range.limit);
    if (!page.messages)
        return ERR_NOMEM;
    err = log_store_first(db, &seen.chat, &seen.days, &first);
    if (!err)
        err = log_store_range(db, call_arena(call), &page.range, &seen.days, page.messages,
                              &page.count);
    if (err)
        return err;
    if (!page.range.is_ascending)
        reverse(page.messages, page.count);
    page.is_cut = page.range.is_ascending && page.range.after + 1 < first.seq;
    int64_t first_seq = first.seq > seen.me.joined_seq ? first.seq : seen.me.joined_seq + 1;
    return reply_page(call, db, &seen, &page, first_seq);
}

static enum err list_read(struct call *call, struct db *db)
{
    enum err err = db_snapshot_begin(db);
    if (err)
        return err;
    err = list_messages(call, db);
    db_snapshot_end(db);
    return err;
}

const struct route chat_message_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/chats/{id}/messages",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .idempotency = IDEMPOTENCY_IGNORED,
     .rate = RATE_CHAT_SEND,
     .body_max = CHAT_BODY_BYTES_MAX,
     .prepare_on_loop = true,
     .prepare = send_prepare,
     .apply = send_apply,
     .summary = "Send a message",
     .tag = "chat",
     .request = send_fields,
     .response = "ChatMessage",
     .success = 201,
     .problems = "200 403",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/chats/{id}/messages",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = list_read,
     .summary = "Read the log of a chat, in order of seq",
     .tag = "chat",
     .response = "ChatMessageList",
     .success = 200,
     .query = "after before limit",
     .is_retry_safe = true},
};
const size_t chat_message_routes_count =
    sizeof(chat_message_routes) / sizeof(chat_message_routes[0]);
