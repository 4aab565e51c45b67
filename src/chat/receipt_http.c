/*
 * Receipts: how far a member has been given and has read a chat. Watermarks of a member, monotonic: lower
 * values than are there are passed over and write nothing. What a single device has is its own cursor.
 */
#include "base/clock.h"
#include "base/ids.h"
#include "chat/chat_call.h"
#include "chat/device.h"
#include "chat/receipt.h"

struct receipt_body {
    struct str device_id;
    int64_t delivered_seq, read_seq;
    bool has_device;
};

static const struct json_field receipt_fields[] = {
    {.name = "delivered_seq",
     .kind = JSON_I64,
     .offset = offsetof(struct receipt_body, delivered_seq),
     .min = 0,
     .max = INT64_MAX,
     .doc = "all up to this entry has arrived"},
    {.name = "read_seq",
     .kind = JSON_I64,
     .offset = offsetof(struct receipt_body, read_seq),
     .min = 0,
     .max = INT64_MAX,
     .doc = "all up to this entry was read, and so has arrived"},
    {.name = "device_id",
     .kind = JSON_STR,
     .offset = offsetof(struct receipt_body, device_id),
     .has_offset = offsetof(struct receipt_body, has_device),
     .min = 1,
     .max = ID_TEXT_SIZE,
     .doc = "the device that has it: moves its cursor, too"},
    {0},
};

struct receipt_form {
    struct receipt_body body;
    uint64_t device_id; /* 0: none */
};

static enum err receipt_prepare(struct call *call, struct db *db)
{
    struct receipt_form *form = ARENA_NEW(call_arena(call), struct receipt_form);
    if (!form)
        return ERR_NOMEM;
    call->prepared = form;
    struct receipt_body *body = &form->body;
    if (!call_decode(call, body))
        return ERR_OK;
    if (body->has_device && id_parse(body->device_id, "dev", &form->device_id) != ERR_OK) {
        problem_field(call, "device_id", "is not a device of yours");
        return ERR_OK;
    }
    if (body->delivered_seq < body->read_seq)
        body->delivered_seq = body->read_seq;
    return chat_shard_prepare(call, db);
}

static void write_marks(struct json_writer *writer, const struct member *member)
{
    json_open_object(writer);
    json_put_id(writer, "user_id", "usr", member->user_id);
    json_put_i64(writer, "delivered_seq", member->delivered_seq);
    json_put_i64(writer, "read_seq", member->read_seq);
    json_close_object(writer);
}

static enum err reply_marks(struct call *call, const struct member *member)
{
    struct buf *body = buf_new_in(call_arena(call), 4096);
    struct json_writer writer;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    write_marks(&writer, member);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

/* ERR_NOT_FOUND: answered. */
static enum err check_device(struct call *call, struct writer_tx *tx)
{
    const struct receipt_form *form = call->prepared;
    bool is_there = true;
    enum err err = ERR_OK;
    if (form->device_id)
        err = device_store_has(tx->db, chat_caller(call), form->device_id, &is_there);
    if (err || is_there)
        return err;
    problem_field(call, "device_id", "is not a device of yours");
    return ERR_NOT_FOUND;
}

static enum err receipt_apply(struct call *call, struct writer_tx *tx)
{
    const struct receipt_form *form = call->prepared;
    const struct receipt_body *body = &form->body;
    struct chat_seen seen;
    enum err err = chat_call_seen(call, tx->db, tx->now_ms, &seen);
    if (err)
        return chat_said(err);
    if (body->delivered_seq > seen.chat.last_seq) {
        problem_field(call, body->read_seq == body->delivered_seq ? "read_seq" : "delivered_seq",
                      "is beyond the newest entry");
        return ERR_OK;
    }
    struct receipt receipt = {.user_id = seen.me.user_id,
                              .device_id = form->device_id,
                              .delivered_seq = body->delivered_seq,
                              .read_seq = body->read_seq};
    err = check_device(call, tx);
    if (!err)
        err = receipt_raise(&chat_of(call)->log, tx, &seen.chat, &seen.days, &receipt, &seen.me);
    return err ? chat_said(err) : reply_marks(call, &seen.me);
}

/* ---- everybody's ---- */

static enum err list_read(struct call *call, struct db *db)
{
    struct chat_seen seen;
    struct member *members = ARENA_ARRAY(call_arena(call), struct member, MEMBERS_MAX);
    struct buf *body = buf_new_in(call_arena(call), 64u << 10);
    struct json_writer writer;
    size_t count = 0;
    if (!members || !body)
        return ERR_NOMEM;
    enum err err = chat_call_seen(call, db, clock_now_ms(), &seen);
    if (!err)
        err = member_store_list(db, call_arena(call), seen.chat.id, MEMBERS_MAX, members, &count);
    if (err)
        return chat_said(err);
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (size_t i = 0; i < count; i++)
        write_marks(&writer, &members[i]);
    json_close_array(&writer);
    json_put_i64(&writer, "epoch", chat_of(call)->log.epoch);
    json_put_i64(&writer, "last_seq", seen.chat.last_seq);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

const struct route chat_receipt_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/chats/{id}/receipts",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .idempotency = IDEMPOTENCY_IGNORED,
     .body_max = CHAT_BODY_BYTES_MAX,
     .prepare_on_loop = true,
     .prepare = receipt_prepare,
     .apply = receipt_apply,
     .summary = "Say what has arrived and what was read",
     .tag = "chat",
     .request = receipt_fields,
     .response = "ChatReceipt",
     .success = 200,
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/chats/{id}/receipts",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = list_read,
     .summary = "Watermarks of all members",
     .tag = "chat",
     .response = "ChatReceiptList",
     .success = 200,
     .is_retry_safe = true},
};
const size_t chat_receipt_routes_count =
    sizeof(chat_receipt_routes) / sizeof(chat_receipt_routes[0]);
