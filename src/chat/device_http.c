/* Devices of the caller: registered, listed, deleted with their cursors. */
#include "base/ids.h"
#include "base/json_slice.h"
#include "chat/chat_call.h"
#include "chat/device.h"
#include "chat/push_call.h"

struct device_body {
    struct str name, platform;
    struct json_node *push;
};

static const struct json_field device_fields[] = {
    {.name = "name",
     .kind = JSON_STR,
     .offset = offsetof(struct device_body, name),
     .is_required = true,
     .min = 1,
     .max = DEVICE_BYTES_MAX},
    {.name = "platform",
     .kind = JSON_STR,
     .offset = offsetof(struct device_body, platform),
     .is_required = true,
     .min = 1,
     .max = DEVICE_BYTES_MAX,
     .doc = "web, ios, android or what you like"},
    {.name = "push",
     .kind = JSON_OBJECT,
     .offset = offsetof(struct device_body, push),
     .doc = "how to wake it; kept as it is, at most 2048 bytes. With an endpoint it is a Web Push"
            " subscription"},
    {0},
};

static enum err add_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct device_body body = {0};
    struct device *device = ARENA_NEW(call_arena(call), struct device);
    size_t at;
    if (!device)
        return ERR_NOMEM;
    call->prepared = device;
    if (!call_decode(call, &body) || !chat_check_text(call, "name", body.name, false) ||
        !chat_check_text(call, "platform", body.platform, false))
        return ERR_OK;
    *device = (struct device){.user_id = chat_caller(call),
                              .name = body.name,
                              .platform = body.platform,
                              .push = STR(""),
                              .push_hash = STR("")};
    if (body.push && json_slice(call->req->body, "push", &device->push, &at) != ERR_OK)
        return ERR_CORRUPT; /* it was decoded just now */
    if (device->push.len > PUSH_BYTES_MAX) {
        problem_field(call, "push", "is too large");
        return ERR_OK;
    }
    if (device->push.len > 0 && !push_call_check(call, "push", device->push, &device->push_hash))
        return ERR_OK;
    if (device->push_hash.len == 0)
        chat_set_shard(call, device->user_id);
    else
        (void)call_rate_limit_also(call, RATE_CHAT_PUSH, 0); /* answers when it is used up */
    return ERR_OK;
}

static void write_device(struct json_writer *writer, const struct device *device)
{
    json_open_object(writer);
    json_put_id(writer, "id", "dev", device->id);
    json_put_str(writer, "name", device->name);
    json_put_str(writer, "platform", device->platform);
    json_key(writer, "push");
    if (device->push.len > 0)
        json_raw(writer, device->push);
    else
        json_null_item(writer);
    json_put_time(writer, "created_at", device->created_at);
    json_close_object(writer);
}

static enum err add_apply(struct call *call, struct writer_tx *tx)
{
    struct device *device = call->prepared;
    struct device *present = ARENA_ARRAY(call_arena(call), struct device, DEVICES_MAX);
    struct buf *body = buf_new_in(call_arena(call), 16384);
    struct json_writer writer;
    size_t count;
    if (!present || !body)
        return ERR_NOMEM;
    enum err err = device_store_list(tx->db, call_arena(call), device->user_id, present, &count);
    if (err)
        return err;
    if (count >= DEVICES_MAX) {
        chat_reply_limit(call, "name", "devices of a user", DEVICES_MAX);
        return ERR_OK;
    }
    device->id = id_next(tx->ids);
    device->created_at = tx->now_ms;
    if (device->push_hash.len > 0)
        err = push_call_take(tx, device->user_id, device->push_hash);
    if (!err)
        err = device_store_add(tx->db, device);
    if (err)
        return err;
    json_begin(&writer, body);
    write_device(&writer, device);
    reply_json(call, 201, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err list_read(struct call *call, struct db *db)
{
    struct device *devices = ARENA_ARRAY(call_arena(call), struct device, DEVICES_MAX);
    struct buf *body = buf_new_in(call_arena(call), DEVICES_MAX * 8192);
    struct json_writer writer;
    size_t count;
    if (!devices || !body)
        return ERR_NOMEM;
    enum err err = device_store_list(db, call_arena(call), chat_caller(call), devices, &count);
    if (err)
        return err;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (size_t i = 0; i < count; i++)
        write_device(&writer, &devices[i]);
    list_close(&writer, false, 0, 0);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err delete_prepare(struct call *call, struct db *db)
{
    (void)db;
    call->shard = chat_caller(call);
    return ERR_OK;
}

static enum err delete_apply(struct call *call, struct writer_tx *tx)
{
    uint64_t id;
    if (!call_param_id(call, "id", "dev", &id))
        return ERR_OK;
    enum err err = device_store_delete(tx->db, chat_caller(call), id);
    if (err == ERR_NOT_FOUND)
        problem_reply(call, PROBLEM_NOT_FOUND, "There is no such device.");
    else if (!err)
        reply_empty(call, 204);
    return chat_said(err);
}

const struct route chat_device_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/devices",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .body_max = CHAT_BODY_BYTES_MAX,
     .prepare_on_loop = true,
     .prepare = add_prepare,
     .apply = add_apply,
     .summary = "Register a device",
     .tag = "chat",
     .request = device_fields,
     .response = "ChatDevice",
     .success = 201},
    {.method = HTTP_GET,
     .pattern = "/v1/devices",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = list_read,
     .summary = "List the caller's devices",
     .tag = "chat",
     .response = "ChatDeviceList",
     .success = 200,
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/devices/{id}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .prepare_on_loop = true,
     .prepare = delete_prepare,
     .apply = delete_apply,
     .summary = "Delete a device with its cursors",
     .tag = "chat",
     .success = 204,
     .is_retry_safe = true},
};
const size_t chat_device_routes_count = sizeof(chat_device_routes) / sizeof(chat_device_routes[0]);
