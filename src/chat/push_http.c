/*
 * Notifications: the server's key for the page, subscriptions of devices, and chats that a member does not
 * want to be notified of.
 *
 * A subscription is of a browser, not of a user: whoever logs in there next subscribes with the same endpoint,
 * and then the device that had it before has none.
 */
#include "base/crypto.h"
#include "base/ids.h"
#include "chat/device.h"
#include "chat/push_call.h"

/* ---- the key ---- */

static enum err key_loop(struct call *call)
{
    struct buf *body = buf_new_in(call_arena(call), 512);
    struct json_writer writer;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_str(&writer, "public_key", push_public_key(chat_of(call)->push));
    json_close_object(&writer);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

/* ---- subscriptions ---- */

bool push_call_check(struct call *call, const char *field, struct str push, struct str *ret_hash)
{
    struct push_target target;
    const char *problem = NULL;
    uint8_t hash[SHA256_SIZE];
    *ret_hash = STR("");
    enum err err = push_target_read(call_arena(call), push, &target, &problem);
    if (err == ERR_NOT_FOUND)
        return true;
    if (!err)
        problem = push_refuses(push_egress(chat_of(call)->push), target.web.endpoint);
    struct buf *text = buf_new_in(call_arena(call), 2 * SHA256_SIZE + 1);
    if (problem || err || !text) {
        problem_field(call, field, problem ? problem : "cannot be read");
        return false;
    }
    crypto_sha256(target.web.endpoint, hash);
    hex_append(text, hash, sizeof(hash));
    *ret_hash = buf_str(text);
    return true;
}

enum err push_call_take(struct writer_tx *tx, uint64_t user_id, struct str push_hash)
{
    enum err err = push_store_release(tx->db, push_hash);
    return err ? err : push_store_user_wants(tx->db, user_id);
}

struct target_body {
    struct str endpoint;
    struct json_node *keys;
    double expiration;
    bool text, clear;
};

static const struct json_field target_fields[] = {
    {.name = "endpoint",
     .kind = JSON_STR,
     .offset = offsetof(struct target_body, endpoint),
     .is_required = true,
     .min = 1,
     .max = PUSH_ENDPOINT_MAX},
    {.name = "keys",
     .kind = JSON_OBJECT,
     .offset = offsetof(struct target_body, keys),
     .is_required = true,
     .doc = "p256dh and auth, as the browser gives them"},
    {.name = "expirationTime",
     .kind = JSON_F64,
     .offset = offsetof(struct target_body, expiration),
     .doc = "passed over"},
    {.name = "text",
     .kind = JSON_BOOL,
     .offset = offsetof(struct target_body, text),
     .doc = "false: notifications do not say what was written"},
    {.name = "clear",
     .kind = JSON_BOOL,
     .offset = offsetof(struct target_body, clear),
     .doc = "true: also send what shows nothing, to take back what was read elsewhere"},
    {0},
};

struct target_form {
    struct str push, push_hash;
};

static enum err reply_no_device(struct call *call)
{
    problem_reply(call, PROBLEM_NOT_FOUND, "There is no such device.");
    return ERR_NOT_FOUND;
}

/* Whether the device has this very subscription: pages give it each time that they begin, and what is so
 * already need not lock everything. ERR_NOT_FOUND: answered, it is none of the caller's. */
static enum err is_same(struct call *call, struct db *db, struct str push, bool *ret_is_same)
{
    bool is_there = false;
    struct device *devices = ARENA_ARRAY(call_arena(call), struct device, DEVICES_MAX);
    uint64_t id = 0;
    size_t count = 0;
    *ret_is_same = false;
    if (!devices)
        return ERR_NOMEM;
    if (!call_param_id(call, "id", "dev", &id))
        return ERR_NOT_FOUND;
    enum err err = device_store_list(db, call_arena(call), chat_caller(call), devices, &count);
    for (size_t i = 0; !err && i < count; i++) {
        if (devices[i].id != id)
            continue;
        is_there = true;
        *ret_is_same = devices[i].push_hash.len > 0 && str_eq(devices[i].push, push);
    }
    return err || is_there ? err : reply_no_device(call);
}

static enum err target_prepare(struct call *call, struct db *db)
{
    bool is_there = false;
    struct target_body body = {0};
    struct target_form *form = ARENA_NEW(call_arena(call), struct target_form);
    if (!form)
        return ERR_NOMEM;
    call->prepared = form;
    if (!call_decode(call, &body))
        return ERR_OK;
    form->push = str_trim(call->req->body);
    if (form->push.len > PUSH_BYTES_MAX) {
        problem_field(call, "keys", "make the subscription too large");
        return ERR_OK;
    }
    if (!push_call_check(call, "keys", form->push, &form->push_hash))
        return ERR_OK;
    enum err err = is_same(call, db, form->push, &is_there);
    if (!err && is_there)
        reply_empty(call, 204);
    else if (!err)
        (void)call_rate_limit_also(call, RATE_CHAT_PUSH, 0); /* answers when it is used up */
    return chat_said(err);
}

/* Answers 404, and gives ERR_NOT_FOUND, when it is none of the caller's. */
static enum err find_device(struct call *call, struct writer_tx *tx, uint64_t *ret_id)
{
    bool is_there = false;
    if (!call_param_id(call, "id", "dev", ret_id))
        return ERR_NOT_FOUND;
    enum err err = device_store_has(tx->db, chat_caller(call), *ret_id, &is_there);
    return err || is_there ? err : reply_no_device(call);
}

static enum err target_apply(struct call *call, struct writer_tx *tx)
{
    const struct target_form *form = call->prepared;
    uint64_t id;
    enum err err = find_device(call, tx, &id);
    if (err)
        return chat_said(err);
    err = push_call_take(tx, chat_caller(call), form->push_hash);
    if (!err)
        err = push_store_set_target(tx->db, chat_caller(call), id, form->push, form->push_hash);
    if (!err)
        reply_empty(call, 204);
    return err;
}

static enum err user_shard_prepare(struct call *call, struct db *db)
{
    (void)db;
    call->shard = chat_caller(call);
    return ERR_OK;
}

static enum err untarget_apply(struct call *call, struct writer_tx *tx)
{
    uint64_t id;
    enum err err = find_device(call, tx, &id);
    if (err)
        return chat_said(err);
    err = push_store_set_target(tx->db, chat_caller(call), id, STR(""), STR(""));
    if (!err)
        reply_empty(call, 204);
    return err;
}

/* ---- mute ---- */

#define MUTED_FOR_GOOD INT64_C(7258118399999) /* the end of 2199: as far as times go here */

struct mute_body {
    int64_t until_ms;
    bool has_until;
};

static const struct json_field mute_fields[] = {
    {.name = "until",
     .kind = JSON_TIME,
     .offset = offsetof(struct mute_body, until_ms),
     .has_offset = offsetof(struct mute_body, has_until),
     .doc = "for good when it is left out"},
    {0},
};

static enum err mute_prepare(struct call *call, struct db *db)
{
    struct mute_body *body = ARENA_NEW(call_arena(call), struct mute_body);
    if (!body)
        return ERR_NOMEM;
    call->prepared = body;
    if (!call_decode(call, body))
        return ERR_OK;
    if (!body->has_until)
        body->until_ms = MUTED_FOR_GOOD;
    return chat_shard_prepare(call, db);
}

static enum err set_mute(struct call *call, struct writer_tx *tx, int64_t until_ms)
{
    struct chat_seen seen;
    enum err err = chat_call_seen(call, tx->db, tx->now_ms, &seen);
    if (err)
        return chat_said(err);
    err = push_store_mute(tx->db, seen.chat.id, seen.me.user_id, until_ms);
    if (!err)
        reply_empty(call, 204);
    return err;
}

static enum err mute_apply(struct call *call, struct writer_tx *tx)
{
    const struct mute_body *body = call->prepared;
    return set_mute(call, tx, body->until_ms);
}

static enum err unmute_apply(struct call *call, struct writer_tx *tx)
{
    return set_mute(call, tx, 0);
}

const struct route chat_push_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/v1/push/key",
     .kind = ROUTE_LOOP,
     .auth = AUTH_CALLER,
     .loop = key_loop,
     .summary = "Show the key that browsers subscribe to notifications with",
     .tag = "chat",
     .response = "ChatPushKey",
     .success = 200,
     .is_retry_safe = true},
    {.method = HTTP_PUT,
     .pattern = "/v1/devices/{id}/push",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .body_max = CHAT_BODY_BYTES_MAX,
     .prepare = target_prepare,
     .apply = target_apply,
     .summary = "Give a device a Web Push subscription",
     .tag = "chat",
     .request = target_fields,
     .success = 204,
     .problems = "404",
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/devices/{id}/push",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .prepare_on_loop = true,
     .prepare = user_shard_prepare,
     .apply = untarget_apply,
     .summary = "Take a device's subscription away",
     .tag = "chat",
     .success = 204,
     .is_retry_safe = true},
    {.method = HTTP_PUT,
     .pattern = "/v1/chats/{id}/mute",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .body_max = CHAT_BODY_BYTES_MAX,
     .prepare_on_loop = true,
     .prepare = mute_prepare,
     .apply = mute_apply,
     .summary = "Do not notify the caller of a chat",
     .tag = "chat",
     .request = mute_fields,
     .success = 204,
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/chats/{id}/mute",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .prepare_on_loop = true,
     .prepare = chat_shard_prepare,
     .apply = unmute_apply,
     .summary = "Notify the caller of a chat again",
     .tag = "chat",
     .success = 204,
     .is_retry_safe = true},
};
const size_t chat_push_routes_count = sizeof(chat_push_routes) / sizeof(chat_push_routes[0]);
