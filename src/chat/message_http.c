/*
 * Messages: sent and read.
 *
 * A message is known by its sender's client id for as long as it is kept: who asks again gets the same one,
 * and the same seq, whatever has happened to the chat since. Only authentication and the rate come before
 * that.
 */
#include "base/clock.h"
#include "base/ids.h"
#include "chat/chat_call.h"

/* ---- sending ---- */

struct send_body {
    struct str client_id, body, reply_to;
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
     .is_required = true,
     .min = 1,
     .max = TEXT_BYTES_MAX},
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
    struct send_body body;
    uint64_t chat_id;
    struct message_id reply_to; /* number 0: none */
    struct sent sent;
    struct message message;
};

static bool is_client_id(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7F)
            return false;
    }
    return true;
}

static bool check_send(struct call *call, struct send_form *form)
{
    const struct send_body *body = &form->body;
    if (!is_client_id(body->client_id)) {
        problem_field(call, "client_id", "must be visible ASCII characters");
        return false;
    }
    if (!chat_check_text(call, "body", body->body, true))
        return false;
    if (body->has_reply && (!message_id_parse(body->reply_to, &form->reply_to) ||
                            form->reply_to.chat_id != form->chat_id)) {
        problem_field(call, "reply_to", "is not a message of this chat");
        return false;
    }
    return true;
}

static enum err send_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct send_form *form = ARENA_NEW(call_arena(call), struct send_form);
    if (!form)
        return ERR_NOMEM;
    call->prepared = form;
    if (!call_param_id(call, "id", "cht", &form->chat_id) ||
        !call_rate_limit_also(call, RATE_CHAT_SEND_NETWORK, 0) || !call_decode(call, &form->body) ||
        !check_send(call, form))
        return ERR_OK;
    struct str whole = arena_printf(call_arena(call), "%lld:%.*s", (long long)form->reply_to.number,
                                    STR_ARG(form->body.body));
    if (!whole.data)
        return ERR_NOMEM;
    form->sent = (struct sent){.chat_id = form->chat_id, .sender_id = chat_caller(call)};
    crypto_sha256(form->body.client_id, form->sent.client_hash);
    crypto_sha256(whole, form->sent.body_hash);
    call->shard = form->chat_id;
    return ERR_OK;
}

static enum err reply_no_chat(struct call *call)
{
    problem_reply(call, PROBLEM_NOT_FOUND, "There is no such chat.");
    return ERR_OK;
}

/* What was sent under the client id: answers. ERR_NOT_FOUND: nothing that is kept. */
static enum err reply_original(struct call *call, struct writer_tx *tx,
                               const struct chat_seen *seen)
{
    const struct send_form *form = call->prepared;
    struct sent sent = form->sent;
    struct message original;
    size_t slot;
    enum err err = days_sent_find(tx, seen->chat.created_at, &sent);
    if (err)
        return err;
    err = log_store_get(tx->db, call_arena(call), form->chat_id, sent.seq, &seen->days, &original,
                        &slot);
    if (err)
        return err;
    if (original.sender_id != sent.sender_id || !str_eq(original.client_id, form->body.client_id))
        return ERR_NOT_FOUND; /* a row of long ago */
    if (memcmp(sent.body_hash, form->sent.body_hash, SENT_HASH_SIZE) != 0) {
        problem_reply(call, PROBLEM_IDEMPOTENCY_CONFLICT,
                      "Another message of yours has this client_id.");
        return ERR_OK;
    }
    return chat_reply_message(call, tx->db, 200, seen, &original);
}

/* ERR_NOT_FOUND: answered. */
static enum err check_reply(struct call *call, struct writer_tx *tx, const struct chat_seen *seen)
{
    const struct send_form *form = call->prepared;
    struct message target;
    size_t slot;
    int64_t number = form->reply_to.number;
    if (number == 0)
        return ERR_OK;
    enum err err = log_store_get(tx->db, call_arena(call), form->chat_id, number_seq(number),
                                 &seen->days, &target, &slot);
    if (!err && (message_number(&target) != number || target.seq <= seen->me.joined_seq ||
                 !entry_is_message(target.type)))
        err = ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND)
        problem_field(call, "reply_to", "is not a message of this chat");
    return err;
}

/* Who sends has read what came before. */
static enum err mark_read(struct writer_tx *tx, const struct chat_seen *seen)
{
    struct member marks = {.user_id = seen->me.user_id,
                           .delivered_seq = seen->chat.last_seq,
                           .read_seq = seen->chat.last_seq,
                           .read_texts = seen->chat.texts};
    return member_store_put_marks(tx->db, seen->chat.id, &marks);
}

static enum err append_message(struct call *call, struct writer_tx *tx, struct chat_seen *seen)
{
    struct send_form *form = call->prepared;
    form->message = (struct message){.type = ENTRY_TEXT,
                                     .sender_id = chat_caller(call),
                                     .client_id = form->body.client_id,
                                     .body = form->body.body,
                                     .reply_to = form->reply_to.number};
    enum err err = log_append(&chat_of(call)->log, tx, &seen->chat, &form->message);
    struct sent sent = form->sent;
    sent.seq = form->message.seq;
    if (!err)
        err = days_sent_put(chat_of(call)->days, tx, &sent);
    if (!err)
        err = mark_read(tx, seen);
    return err ? err : chat_reply_message(call, tx->db, 201, seen, &form->message);
}

static enum err send_apply(struct call *call, struct writer_tx *tx)
{
    const struct send_form *form = call->prepared;
    struct chat_seen seen;
    bool is_member = false;
    enum err err = chat_load_seen(call, tx->db, form->chat_id, tx->now_ms, &seen, &is_member);
    if (err == ERR_NOT_FOUND)
        return reply_no_chat(call);
    if (!err)
        err = reply_original(call, tx, &seen);
    if (err != ERR_NOT_FOUND)
        return err;
    if (!is_member)
        return reply_no_chat(call);
    err = chat_check_block(call, tx->db, &seen.chat);
    if (!err)
        err = check_reply(call, tx, &seen);
    if (err)
        return chat_said(err);
    /* Here, so that nobody uses up the allowance of a chat who may not write to it. */
    if (!call_rate_limit_also(call, RATE_CHAT_ROOM, form->chat_id))
        return ERR_OK;
    return append_message(call, tx, &seen);
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
