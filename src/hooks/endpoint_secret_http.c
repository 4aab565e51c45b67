/*
 * What is sealed of an endpoint: its signing secret, and the headers that go with every delivery.
 *
 * Rotation keeps the secret that it takes away for a grace period, in which deliveries are signed with
 * both. The new one counts from the commit on.
 */
#include "base/ids.h"
#include "hooks/dispatcher.h"
#include "hooks/endpoint_input.h"
#include "hooks/endpoint_store.h"
#include "hooks/endpoint_view.h"
#include "hooks/keyring.h"
#include "hooks/operational.h"

/* ---- secret ---- */

static enum err secret_read(struct call *call, struct db *db)
{
    struct endpoint endpoint;
    struct str sealed, secret;
    struct arena *arena = call_arena(call);
    enum err err = hooks_call_both(call, db, &endpoint);
    if (err)
        return hooks_said(err);
    err = endpoint_store_secret(db, arena, endpoint.app_id, endpoint.id, &sealed);
    if (!err)
        err = keyring_open(hooks_of(call)->keyring, arena, sealed, &secret);
    struct buf *body = buf_new_in(arena, 1024);
    if (err || !body)
        return err ? err : ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_str(&writer, "key", endpoint_secret_show(arena, secret));
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

struct rotate_body {
    struct str key, algorithm;
    int64_t grace_s;
    bool has_key, has_algorithm;
};

static const struct json_field rotate_fields[] = {
    {.name = "key",
     .kind = JSON_STR,
     .offset = offsetof(struct rotate_body, key),
     .has_offset = offsetof(struct rotate_body, has_key),
     .max = 128,
     .doc = "whsec_ and base64 of 24 to 64 bytes, or whsk_ and base64 of an Ed25519 key; made when "
            "absent"},
    {.name = "signatureAlgorithm",
     .kind = JSON_STR,
     .offset = offsetof(struct rotate_body, algorithm),
     .has_offset = offsetof(struct rotate_body, has_algorithm),
     .one_of = secret_kind_names,
     .doc = "of the secret that is made; as it was when absent"},
    {.name = "gracePeriodSeconds",
     .kind = JSON_I64,
     .offset = offsetof(struct rotate_body, grace_s),
     .min = 0,
     .max = GRACE_S_MAX,
     .doc = "how long the old secret signs, too; a day when absent"},
    {0},
};

struct rotation {
    struct str secret; /* as it is stored; STR_NONE: to be made */
    bool has_kind;
    enum secret_kind kind; /* has_kind: what is to be made */
    int64_t grace_s;
};

static enum err rotate_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct rotate_body body = {.grace_s = GRACE_S_DEFAULT};
    struct rotation *rotation = ARENA_NEW(call_arena(call), struct rotation);
    if (!rotation)
        return ERR_NOMEM;
    if (!call_decode(call, &body))
        return ERR_OK;
    rotation->has_kind = body.has_algorithm;
    rotation->kind = endpoint_algorithm_of(body.algorithm);
    rotation->grace_s = body.grace_s;
    call->prepared = rotation;
    hooks_call_shard(call);
    if (!body.has_key)
        return ERR_OK;
    enum err err = endpoint_secret_parse(call_arena(call), body.key, &rotation->secret);
    if (err == ERR_INVALID)
        problem_field(call, "key", SECRET_RULE);
    else if (!err && body.has_algorithm && secret_kind_of(rotation->secret) != rotation->kind)
        problem_field(call, "signatureAlgorithm", "is another than the key's");
    return err == ERR_INVALID ? ERR_OK : err;
}

/* Given, or made: of the kind that is asked for, or that it was. */
static struct str new_secret(struct call *call, const struct endpoint *endpoint)
{
    const struct rotation *rotation = call->prepared;
    if (rotation->secret.data)
        return rotation->secret;
    return endpoint_secret_make(call_arena(call),
                                rotation->has_kind ? rotation->kind : endpoint->secret_kind);
}

static enum err keep_old(struct call *call, struct writer_tx *tx, const struct endpoint *endpoint)
{
    const struct rotation *rotation = call->prepared;
    struct old_secret old = {.id = id_next(tx->ids),
                             .until_ms = tx->now_ms + rotation->grace_s * 1000};
    enum err err = endpoint_store_secret(tx->db, call_arena(call), endpoint->app_id, endpoint->id,
                                         &old.sealed);
    if (!err && rotation->grace_s > 0)
        err =
            endpoint_store_add_old_secret(tx->db, endpoint->app_id, endpoint->id, &old, tx->now_ms);
    return err;
}

static enum err rotate_apply(struct call *call, struct writer_tx *tx)
{
    struct endpoint endpoint;
    enum err err = hooks_call_both(call, tx->db, &endpoint);
    if (err)
        return hooks_said(err);
    struct str secret = new_secret(call, &endpoint);
    struct str sealed = STR_NONE;
    endpoint.secret_kind = secret_kind_of(secret);
    if (!endpoint_check_signing(call, &endpoint, "signatureAlgorithm"))
        return ERR_OK;
    if (secret.data)
        sealed = keyring_seal(hooks_of(call)->keyring, call_arena(call), secret);
    if (!sealed.data)
        return ERR_NOMEM;
    err = keep_old(call, tx, &endpoint);
    if (!err)
        err = endpoint_store_set_secret(tx->db, endpoint.app_id, endpoint.id, sealed, tx->now_ms);
    if (!err)
        err = dispatcher_stage_change(hooks_of(call)->dispatcher, tx, endpoint.app_id, endpoint.id);
    if (!err)
        err = operational_changed(hooks_of(call), tx, ENDPOINT_UPDATED, &endpoint);
    if (!err)
        reply_empty(call, 204);
    return err;
}

/* ---- headers ---- */

static enum err headers_open(struct call *call, struct db *db, const struct endpoint *endpoint,
                             struct str *ret_json)
{
    struct str sealed;
    enum err err =
        endpoint_store_headers(db, call_arena(call), endpoint->app_id, endpoint->id, &sealed);
    return err ? err : keyring_open(hooks_of(call)->keyring, call_arena(call), sealed, ret_json);
}

static void write_headers(struct call *call, struct json_writer *writer,
                          const struct json_node *object, bool is_sensitive_list)
{
    void *position = NULL;
    struct str name, value;
    struct json_node *node;
    while (json_each(object, &position, &name, &node)) {
        if (endpoint_header_is_sensitive(name) != is_sensitive_list || !json_as_str(node, &value))
            continue;
        if (is_sensitive_list)
            json_str(writer, name);
        else
            json_put_str(writer, arena_str_dup(call_arena(call), name).data, value);
    }
}

static enum err headers_read(struct call *call, struct db *db)
{
    struct endpoint endpoint;
    struct str json, message;
    struct json_node *object;
    enum err err = hooks_call_both(call, db, &endpoint);
    if (err)
        return hooks_said(err);
    err = headers_open(call, db, &endpoint, &json);
    if (!err)
        err = json_parse(call_arena(call), json, &object, &message);
    struct buf *body = buf_new_in(call_arena(call), 4 * METADATA_BYTES_MAX);
    if (err || !body || call_arena(call)->overflow)
        return err == ERR_INVALID ? ERR_CORRUPT : err ? err : ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "headers");
    json_open_object(&writer);
    write_headers(call, &writer, object, false);
    json_close_object(&writer);
    json_key(&writer, "sensitive");
    json_open_array(&writer);
    write_headers(call, &writer, object, true);
    json_close_array(&writer);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

struct headers_body {
    struct json_node *headers;
    struct json_strs deleted;
};

static const struct json_field put_fields[] = {
    {.name = "headers",
     .kind = JSON_OBJECT,
     .offset = offsetof(struct headers_body, headers),
     .is_required = true,
     .doc = "texts by name; these replace all"},
    {0},
};
static const struct json_field patch_fields[] = {
    {.name = "headers",
     .kind = JSON_OBJECT,
     .offset = offsetof(struct headers_body, headers),
     .doc = "texts by name; others stay"},
    {.name = "deleteHeaders",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct headers_body, deleted),
     .min = 0,
     .max = ENDPOINT_HEADERS_MAX},
    {0},
};

struct headers_form {
    struct headers_body body;
    struct str json;
};

static enum err headers_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct headers_form *form = ARENA_NEW(call_arena(call), struct headers_form);
    if (!form)
        return ERR_NOMEM;
    call->prepared = form;
    hooks_call_shard(call);
    if (call_decode(call, &form->body))
        (void)endpoint_headers_read(call, form->body.headers, &form->json); /* false: answered */
    return ERR_OK;
}

static bool is_among(const struct json_strs *names, struct str name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (str_eq_ci(names->items[i], name))
            return true;
    }
    return false;
}

/* Header names know no case. */
static bool has_header(const struct json_node *object, struct str name)
{
    void *position = NULL;
    struct str other;
    struct json_node *node;
    while (object && json_each(object, &position, &other, &node)) {
        if (str_eq_ci(other, name))
            return true;
    }
    return false;
}

/* What is there and neither deleted nor replaced, then what is new. */
static enum err merge(struct call *call, struct str json, struct str *ret_json)
{
    const struct headers_body *body = &((const struct headers_form *)call->prepared)->body;
    struct json_node *old;
    struct str message, name, value;
    struct json_node *node;
    struct json_writer writer;
    enum err err = json_parse(call_arena(call), json, &old, &message);
    struct buf *merged = buf_new_in(call_arena(call), METADATA_BYTES_MAX);
    if (err || !merged)
        return err == ERR_INVALID ? ERR_CORRUPT : err ? err : ERR_NOMEM;
    const struct json_node *objects[] = {old, body->headers};
    size_t count = 0;
    json_begin(&writer, merged);
    json_open_object(&writer);
    for (size_t i = 0; i < 2; i++) {
        void *position = NULL;
        while (objects[i] && json_each(objects[i], &position, &name, &node)) {
            struct str key = arena_str_dup(call_arena(call), name);
            bool is_gone = is_among(&body->deleted, name) || has_header(body->headers, name);
            if ((i == 0 && is_gone) || !json_as_str(node, &value) || !key.data)
                continue;
            json_put_str(&writer, key.data, value);
            count++;
        }
    }
    json_close_object(&writer);
    if (count > ENDPOINT_HEADERS_MAX || merged->overflow)
        problem_field(call, "headers", "are too many");
    *ret_json = buf_str(merged);
    return ERR_OK;
}

static enum err headers_apply(struct call *call, struct writer_tx *tx)
{
    const struct headers_form *form = call->prepared;
    struct endpoint endpoint;
    struct str json = form->json;
    enum err err = hooks_call_both(call, tx->db, &endpoint);
    if (err)
        return hooks_said(err);
    if (call->route->method == HTTP_PATCH) {
        err = headers_open(call, tx->db, &endpoint, &json);
        if (!err)
            err = merge(call, json, &json);
    }
    if (err || call_is_answered(call))
        return err;
    struct str sealed = keyring_seal(hooks_of(call)->keyring, call_arena(call), json);
    if (!sealed.data)
        return ERR_NOMEM;
    err = endpoint_store_set_headers(tx->db, endpoint.app_id, endpoint.id, sealed, tx->now_ms);
    if (!err)
        err = dispatcher_stage_change(hooks_of(call)->dispatcher, tx, endpoint.app_id, endpoint.id);
    if (!err)
        err = operational_changed(hooks_of(call), tx, ENDPOINT_UPDATED, &endpoint);
    if (!err)
        reply_empty(call, 204);
    return err;
}

#define ENDPOINT(method_name, path)                                                                \
    .method = (method_name), .pattern = "/api/v1/app/{app}/endpoint/{ep}" path,                    \
    .auth = AUTH_CALLER, .dialect = DIALECT_HOOKS, .tag = "hooks"

const struct route endpoint_secret_routes[] = {
    {ENDPOINT(HTTP_GET, "/secret"), .scopes = HOOKS_PORTAL(SECRET_VIEW), .kind = ROUTE_READ,
     .read = secret_read, .summary = "Reveal an endpoint's signing secret",
     .response = "HooksEndpointSecret", .success = 200, .is_retry_safe = true},
    {ENDPOINT(HTTP_POST, "/secret/rotate"), .scopes = HOOKS_PORTAL(SECRET_MANAGE),
     .kind = ROUTE_WRITE, .prepare_on_loop = true, .prepare = rotate_prepare, .apply = rotate_apply,
     .summary = "Give an endpoint a new secret; the old one signs on for a while",
     .request = rotate_fields, .success = 204},
    {ENDPOINT(HTTP_GET, "/headers"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = headers_read, .summary = "Get the headers sent with every delivery",
     .response = "HooksEndpointHeaders", .success = 200, .is_retry_safe = true},
    {ENDPOINT(HTTP_PUT, "/headers"), .scopes = HOOKS_PORTAL(ENDPOINT), .kind = ROUTE_WRITE,
     .prepare_on_loop = true, .prepare = headers_prepare, .apply = headers_apply,
     .summary = "Replace the headers sent with every delivery", .request = put_fields,
     .success = 204, .is_retry_safe = true},
    {ENDPOINT(HTTP_PATCH, "/headers"), .scopes = HOOKS_PORTAL(ENDPOINT), .kind = ROUTE_WRITE,
     .prepare_on_loop = true, .prepare = headers_prepare, .apply = headers_apply,
     .summary = "Add, replace and delete headers sent with every delivery", .request = patch_fields,
     .success = 204, .is_retry_safe = true},
};
const size_t endpoint_secret_routes_count =
    sizeof(endpoint_secret_routes) / sizeof(endpoint_secret_routes[0]);
