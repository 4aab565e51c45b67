/* Endpoints of an application. What is sealed of them has routes of its own: endpoint_secret_http.c. */
#include "base/clock.h"
#include "base/ids.h"
#include "hooks/delivery_list_store.h"
#include "hooks/dispatcher.h"
#include "hooks/endpoint_input.h"
#include "hooks/endpoint_store.h"
#include "hooks/endpoint_view.h"
#include "hooks/keyring.h"
#include "hooks/operational.h"

static enum err reply_endpoint(struct call *call, int status, const struct endpoint *endpoint)
{
    struct buf *body = buf_new_in(call_arena(call), 8 * METADATA_BYTES_MAX);
    struct json_writer writer;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    endpoint_write_members(&writer, endpoint);
    json_close_object(&writer);
    reply_json(call, status, body);
    return ERR_OK;
}

static void reply_uid_taken(struct call *call)
{
    problem_reply(call, PROBLEM_CONFLICT, "There is another endpoint of this uid.");
}

static enum err form_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct endpoint_form *form = NULL;
    hooks_call_shard(call);
    enum err err = endpoint_form_read(call, &form);
    call->prepared = form;
    return err;
}

/* ---- create ---- */

static enum err add(struct call *call, struct writer_tx *tx, const struct endpoint *endpoint,
                    struct str secret)
{
    const struct endpoint_form *form = call->prepared;
    const struct keyring *keyring = hooks_of(call)->keyring;
    struct str sealed_secret = keyring_seal(keyring, call_arena(call), secret);
    struct str sealed_headers = keyring_seal(keyring, call_arena(call), form->headers);
    if (!sealed_secret.data || !sealed_headers.data)
        return ERR_NOMEM;
    return endpoint_store_add(tx->db, endpoint, sealed_headers, sealed_secret);
}

static enum err check_count(struct call *call, struct db *db, uint64_t app_id)
{
    int64_t count = 0;
    enum err err = endpoint_store_count(db, app_id, &count);
    if (!err && count >= ENDPOINTS_MAX)
        problem_reply(call, PROBLEM_LIMIT_EXCEEDED, "An application has at most 100 endpoints.");
    return err;
}

/* uid: where the body has none. */
static enum err create(struct call *call, struct writer_tx *tx, uint64_t app_id, struct str uid)
{
    enum err err = check_count(call, tx->db, app_id);
    if (err || call_is_answered(call))
        return err;
    struct endpoint endpoint = {.app_id = app_id,
                                .id = id_next(tx->ids),
                                .uid = uid,
                                .created_at = tx->now_ms,
                                .updated_at = tx->now_ms};
    struct str secret;
    endpoint_form_apply(call, call->prepared, &endpoint);
    err = endpoint_form_secret(call, call->prepared, true, &endpoint, &secret);
    if (err)
        return err == ERR_INVALID ? ERR_OK : err;
    err = add(call, tx, &endpoint, secret);
    if (err == ERR_CONFLICT) {
        reply_uid_taken(call);
        return ERR_OK;
    }
    if (!err)
        err = dispatcher_stage_change(hooks_of(call)->dispatcher, tx, endpoint.app_id, endpoint.id);
    if (!err)
        err = operational_changed(hooks_of(call), tx, ENDPOINT_CREATED, &endpoint);
    return err ? err : reply_endpoint(call, 201, &endpoint);
}

static enum err create_apply(struct call *call, struct writer_tx *tx)
{
    struct application application;
    enum err err = hooks_call_application(call, tx->db, &application);
    return err ? hooks_said(err) : create(call, tx, application.id, STR_NONE);
}

/* ---- change ---- */

/* A body may bring headers and a secret, too; the secret counts at once, without a grace period. */
static enum err set_sealed(struct call *call, struct writer_tx *tx, const struct endpoint *endpoint,
                           struct str secret)
{
    const struct endpoint_form *form = call->prepared;
    const struct keyring *keyring = hooks_of(call)->keyring;
    enum err err = ERR_OK;
    if (form->body.headers) {
        struct str sealed = keyring_seal(keyring, call_arena(call), form->headers);
        err = sealed.data ? endpoint_store_set_headers(tx->db, endpoint->app_id, endpoint->id,
                                                       sealed, tx->now_ms)
                          : ERR_NOMEM;
    }
    if (!err && secret.data) {
        struct str sealed = keyring_seal(keyring, call_arena(call), secret);
        err = sealed.data ? endpoint_store_set_secret(tx->db, endpoint->app_id, endpoint->id,
                                                      sealed, tx->now_ms)
                          : ERR_NOMEM;
    }
    return err;
}

static enum err tell_updated(struct call *call, struct writer_tx *tx, bool was_disabled,
                             const struct endpoint *endpoint)
{
    enum err err = operational_changed(hooks_of(call), tx, ENDPOINT_UPDATED, endpoint);
    if (!err && !was_disabled && endpoint->disabled_by != DISABLED_NOT)
        err = operational_disabled(hooks_of(call), tx, endpoint);
    return err;
}

/* PUT makes what is not there yet. */
static enum err update_apply(struct call *call, struct writer_tx *tx)
{
    const struct endpoint_body *body = &((const struct endpoint_form *)call->prepared)->body;
    struct application application;
    struct endpoint endpoint;
    struct str secret;
    enum err err = hooks_call_application(call, tx->db, &application);
    if (err)
        return hooks_said(err);
    err = hooks_find_endpoint(call, tx->db, application.id, &endpoint);
    if (err == ERR_NOT_FOUND && hooks_may_make(call, "ep", "ep", body->has_uid, body->uid))
        return create(call, tx, application.id, request_param(call->req, "ep"));
    if (err == ERR_NOT_FOUND)
        err = hooks_call_endpoint(call, tx->db, application.id, &endpoint); /* answers */
    if (err)
        return hooks_said(err);
    bool was_disabled = endpoint.disabled_by != DISABLED_NOT;
    endpoint_form_apply(call, call->prepared, &endpoint);
    endpoint.updated_at = tx->now_ms;
    err = endpoint_form_secret(call, call->prepared, false, &endpoint, &secret);
    if (err)
        return err == ERR_INVALID ? ERR_OK : err;
    err = endpoint_store_update(tx->db, &endpoint);
    if (err == ERR_CONFLICT) {
        reply_uid_taken(call);
        return ERR_OK;
    }
    if (!err)
        err = set_sealed(call, tx, &endpoint, secret);
    if (!err)
        err = dispatcher_stage_change(hooks_of(call)->dispatcher, tx, endpoint.app_id, endpoint.id);
    if (!err)
        err = tell_updated(call, tx, was_disabled, &endpoint);
    return err ? err : reply_endpoint(call, 200, &endpoint);
}

static enum err delete_apply(struct call *call, struct writer_tx *tx)
{
    struct endpoint endpoint;
    enum err err = hooks_call_both(call, tx->db, &endpoint);
    if (err)
        return hooks_said(err);
    err = endpoint_store_delete(tx->db, endpoint.app_id, endpoint.id);
    if (!err)
        err = dispatcher_stage_change(hooks_of(call)->dispatcher, tx, endpoint.app_id, endpoint.id);
    if (!err)
        err = operational_changed(hooks_of(call), tx, ENDPOINT_DELETED, &endpoint);
    if (!err)
        reply_empty(call, 204);
    return err;
}

/* ---- read ---- */

static enum err get_read(struct call *call, struct db *db)
{
    struct endpoint endpoint;
    enum err err = hooks_call_both(call, db, &endpoint);
    return err ? hooks_said(err) : reply_endpoint(call, 200, &endpoint);
}

static enum err reply_list(struct call *call, const struct hooks_page *page,
                           const struct endpoint *endpoints, size_t count)
{
    struct hooks_rows rows = hooks_rows(page, count);
    struct json_writer writer;
    struct buf *body;
    char texts[2][ID_TEXT_SIZE];
    struct str ends[2] = {STR_NONE, STR_NONE};
    enum err err = hooks_list_begin(call, &writer, &body);
    for (size_t i = 0; !err && i < rows.count; i++) {
        const struct endpoint *endpoint = &endpoints[hooks_row(page, &rows, i)];
        json_open_object(&writer);
        endpoint_write_members(&writer, endpoint);
        json_close_object(&writer);
        ends[i > 0] = id_format2(texts[i > 0], "ep", endpoint->app_id, endpoint->id);
    }
    if (err)
        return err;
    hooks_list_end(call, &writer, rows.is_done, ends[0], rows.count > 1 ? ends[1] : ends[0]);
    return ERR_OK;
}

static enum err list_read(struct call *call, struct db *db)
{
    struct application application;
    struct hooks_page page;
    struct endpoint_query query = {0};
    size_t count = 0;
    enum err err = hooks_call_application(call, db, &application);
    if (err || !hooks_call_page(call, false, &page) ||
        !hooks_page_id(call, &page, "ep", application.id, &query.beyond_id))
        return hooks_said(err);
    query.app_id = application.id;
    query.is_ascending = hooks_reads_up(&page);
    query.limit = page.limit + 1;
    struct endpoint *endpoints = ARENA_ARRAY(call_arena(call), struct endpoint, query.limit);
    if (!endpoints)
        return ERR_NOMEM;
    err = endpoint_store_list(db, call_arena(call), &query, endpoints, &count);
    return err ? err : reply_list(call, &page, endpoints, count);
}

static enum err stats_read(struct call *call, struct db *db)
{
    struct endpoint endpoint;
    struct delivery_counts counts = {0};
    struct delivery_span span = {.now_ms = clock_now_ms()};
    enum err err = hooks_call_both(call, db, &endpoint);
    if (err || !call_query_time(call, "since", &span.since_ms) ||
        !call_query_time(call, "until", &span.until_ms))
        return hooks_said(err);
    err = delivery_store_count(db, endpoint.app_id, endpoint.id, &span, &counts);
    struct buf *body = buf_new_in(call_arena(call), 1024);
    if (err || !body)
        return err ? err : ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_i64(&writer, "success", counts.success);
    json_put_i64(&writer, "pending", counts.pending);
    json_put_i64(&writer, "fail", counts.dead);
    json_put_i64(&writer, "sending", 0);
    json_put_i64(&writer, "canceled", 0);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

static enum err health_read(struct call *call, struct db *db)
{
    static const char *const states[] = {[BREAKER_SHOWN_CLOSED] = "closed",
                                         [BREAKER_SHOWN_OPEN] = "open",
                                         [BREAKER_SHOWN_HALF_OPEN] = "half_open"};
    struct endpoint endpoint;
    struct endpoint_health health;
    int64_t waiting = 0;
    enum err err = hooks_call_both(call, db, &endpoint);
    struct buf *body = buf_new_in(call_arena(call), 1024);
    if (err || !body)
        return err ? hooks_said(err) : ERR_NOMEM;
    dispatcher_health(hooks_of(call)->dispatcher, endpoint.app_id, endpoint.id, &health);
    err = delivery_store_count_waiting(db, endpoint.app_id, endpoint.id, clock_now_ms(), &waiting);
    if (err)
        return err;
    int64_t queued = waiting > health.in_flight ? waiting - health.in_flight : 0;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_str(&writer, "state", str_from_c(states[health.state]));
    json_put_i64(&writer, "queued", queued);
    json_put_i64(&writer, "in_flight", health.in_flight);
    if (health.p50_ms >= 0) {
        json_put_i64(&writer, "p50_ms", health.p50_ms);
        json_put_i64(&writer, "p99_ms", health.p99_ms);
    } else {
        json_put_null(&writer, "p50_ms");
        json_put_null(&writer, "p99_ms");
    }
    if (health.next_probe_at)
        json_put_time(&writer, "next_probe_at", health.next_probe_at);
    else
        json_put_null(&writer, "next_probe_at");
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

#define ENDPOINT(method_name, path)                                                                \
    .method = (method_name), .pattern = "/api/v1/app/{app}/endpoint" path, .auth = AUTH_CALLER,    \
    .dialect = DIALECT_HOOKS, .tag = "hooks"

const struct route endpoint_routes[] = {
    {ENDPOINT(HTTP_POST, ""), .scopes = HOOKS_PORTAL(ENDPOINT), .kind = ROUTE_WRITE,
     .prepare_on_loop = true, .prepare = form_prepare, .apply = create_apply,
     .summary = "Create an endpoint", .request = endpoint_fields, .response = "HooksEndpoint",
     .success = 201, .problems = "409"},
    {ENDPOINT(HTTP_GET, ""), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ, .read = list_read,
     .summary = "List an application's endpoints, newest first", .response = "HooksEndpointList",
     .success = 200, .query = "limit iterator order", .is_retry_safe = true},
    {ENDPOINT(HTTP_GET, "/{ep}"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = get_read, .summary = "Get an endpoint", .response = "HooksEndpoint", .success = 200,
     .is_retry_safe = true},
    {ENDPOINT(HTTP_PUT, "/{ep}"), .scopes = HOOKS_PORTAL(ENDPOINT), .kind = ROUTE_WRITE,
     .prepare_on_loop = true, .prepare = form_prepare, .apply = update_apply,
     .summary = "Replace what is known of an endpoint, or create it under its uid",
     .request = endpoint_fields, .response = "HooksEndpoint", .success = 200, .problems = "201 409",
     .is_retry_safe = true},
    {ENDPOINT(HTTP_PATCH, "/{ep}"), .scopes = HOOKS_PORTAL(ENDPOINT), .kind = ROUTE_WRITE,
     .prepare_on_loop = true, .prepare = form_prepare, .apply = update_apply,
     .summary = "Change what the body has of an endpoint", .request = endpoint_patch_fields,
     .response = "HooksEndpoint", .success = 200, .problems = "409", .is_retry_safe = true},
    {ENDPOINT(HTTP_DELETE, "/{ep}"), .scopes = HOOKS_PORTAL(ENDPOINT), .kind = ROUTE_WRITE,
     .prepare_on_loop = true, .prepare = hooks_prepare_shard, .apply = delete_apply,
     .summary = "Delete an endpoint; what waits for it becomes dead letters", .success = 204,
     .is_retry_safe = true},
    {ENDPOINT(HTTP_GET, "/{ep}/stats"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = stats_read, .summary = "Count an endpoint's deliveries by their state",
     .response = "HooksEndpointStats", .success = 200, .query = "since until",
     .is_retry_safe = true},
    {ENDPOINT(HTTP_GET, "/{ep}/health"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = health_read, .summary = "Say how an endpoint does: breaker, queue and latency",
     .response = "HooksEndpointHealth", .success = 200, .is_retry_safe = true},
};
const size_t endpoint_routes_count = sizeof(endpoint_routes) / sizeof(endpoint_routes[0]);
