/*
 * What every service is served with: health, readiness, metrics, the OpenAPI document, the list of
 * services, and the test clock. All of it is answered from memory on the loop, so that it works when pools and
 * writers do not.
 */
#include <stdatomic.h>
#include <sys/statvfs.h>

#include "app/app_internal.h"
#include "base/clock.h"

#define METRICS_BYTES_MAX    (4u << 20)
#define ADVANCE_MS_MAX       (INT64_C(366) * 24 * 3600 * 1000)
#define DISK_FREE_BYTES_MIN  (16u << 20)
#define WRITE_FAILED_KEEP_MS 10000

/* ---- GET /healthz ---- */

static enum err health_loop(struct call *call)
{
    call->req->res.status = 200;
    call->req->res.content_type = STR("application/json");
    call->req->res.body = STR("{\"status\":\"ok\"}");
    return ERR_OK;
}

/* ---- GET /readyz ---- */

static bool check_disk(void *ctx, const char **ret_reason)
{
    struct app *app = ctx;
    struct statvfs disk;
    int64_t failed_ms = atomic_load_explicit(&app->write_failed_ms, memory_order_relaxed);
    /* A failure is forgotten after a while, or a node that gets no writes because it is not ready
     * would never be so again. */
    if (failed_ms != 0 && clock_now_ms() - failed_ms < WRITE_FAILED_KEEP_MS) {
        *ret_reason = "the last write failed";
        return false;
    }
    if (statvfs(app->config->data, &disk) == 0 &&
        (uint64_t)disk.f_bavail * disk.f_frsize < DISK_FREE_BYTES_MIN) {
        *ret_reason = "the disk is full";
        return false;
    }
    return true;
}

static bool check_draining(void *ctx, const char **ret_reason)
{
    struct app *app = ctx;
    *ret_reason = "stopping";
    return !atomic_load(&app->is_draining);
}

/* The checks of the application itself, then those it was given. NULL at the end. */
static const struct readiness_check *check_at(struct app *app, size_t index,
                                              struct readiness_check *own)
{
    static const struct readiness_check builtin[] = {{"serving", check_draining, NULL},
                                                     {"disk", check_disk, NULL}};
    const size_t builtin_count = sizeof(builtin) / sizeof(builtin[0]);
    if (index < builtin_count) {
        *own = builtin[index];
        own->ctx = app;
        return own;
    }
    index -= builtin_count;
    return index < app->check_count ? &app->checks[index] : NULL;
}

/* Writes the list when writer is not NULL. True when every check is content. */
static bool run_checks(struct app *app, struct json_writer *writer)
{
    bool is_ready = true;
    struct readiness_check own;
    const struct readiness_check *check;
    for (size_t i = 0; (check = check_at(app, i, &own)); i++) {
        const char *reason = NULL;
        bool is_content = check->fn(check->ctx, &reason);
        is_ready = is_ready && is_content;
        if (!writer)
            continue;
        json_open_object(writer);
        json_put_str(writer, "name", str_from_c(check->name));
        json_put_bool(writer, "ok", is_content);
        if (!is_content && reason)
            json_put_str(writer, "reason", str_from_c(reason));
        json_close_object(writer);
    }
    return is_ready;
}

bool app_is_ready(struct app *app)
{
    return run_checks(app, NULL);
}

static enum err readiness_loop(struct call *call)
{
    struct app *app = call->app;
    struct buf *body;
    struct json_writer writer;
    bool is_ready = app_is_ready(app);
    if (is_ready) {
        body = buf_new_in(call_arena(call), 16384);
        if (!body)
            return ERR_NOMEM;
        json_begin(&writer, body);
        json_open_object(&writer);
        json_put_str(&writer, "status", STR("ready"));
    } else {
        writer = problem_begin(call, PROBLEM_OVERLOADED, "This node is not ready.", &body);
    }
    json_key(&writer, "checks");
    json_open_array(&writer);
    (void)run_checks(app, &writer); /* the status was decided above */
    json_close_array(&writer);
    if (!is_ready) {
        problem_end(call, &writer, PROBLEM_OVERLOADED, body);
        return ERR_OK;
    }
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

/* ---- GET /metrics ---- */

static enum err metrics_loop(struct call *call)
{
    struct buf *body = buf_new_in(call_arena(call), METRICS_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    metrics_write(body);
    if (body->overflow)
        return ERR_LIMIT;
    call->req->res.status = 200;
    call->req->res.content_type = STR("text/plain; version=0.0.4; charset=utf-8");
    call->req->res.body = buf_str(body);
    return ERR_OK;
}

/* ---- GET /openapi.json ---- */

static enum err openapi_loop(struct call *call)
{
    const struct app *app = call->app;
    response_header(call->req, "cache-control", STR("no-cache"));
    response_header(call->req, "access-control-allow-origin", STR("*"));
    if (reply_not_modified(call, str_from_c(app->openapi_etag)))
        return ERR_OK;
    call->req->res.status = 200;
    call->req->res.content_type = STR("application/json");
    call->req->res.body = buf_str(&app->openapi);
    return ERR_OK;
}

/* ---- GET /v1/services ---- */

static enum err services_loop(struct call *call)
{
    const struct app *app = call->app;
    struct json_writer writer;
    struct buf *body = buf_new_in(call_arena(call), 1024);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    struct str rest = str_from_c(app->config->services);
    while (rest.len > 0)
        json_str(&writer, str_trim(str_split(&rest, ',')));
    json_close_array(&writer);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

/* ---- POST /v1/test/clock ---- */

struct advance {
    int64_t advance_ms;
};

static const struct json_field advance_fields[] = {
    {.name = "advance_ms",
     .kind = JSON_I64,
     .offset = offsetof(struct advance, advance_ms),
     .is_required = true,
     .min = 0,
     .max = ADVANCE_MS_MAX,
     .doc = "how far the clock jumps"},
    {0},
};

/* On the pool: whoever waits for the time is woken by this thread. */
static enum err test_clock_read(struct call *call, struct db *db)
{
    (void)db;
    struct advance advance = {0};
    if (!call_decode(call, &advance))
        return ERR_OK;
    clock_advance_ms(advance.advance_ms);
    struct buf *body = buf_new_in(call_arena(call), 128);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_time(&writer, "now", clock_now_ms());
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

const struct route frame_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/healthz",
     .kind = ROUTE_LOOP,
     .auth = AUTH_NONE,
     .rate = RATE_NONE,
     .loop = health_loop,
     .summary = "The process lives",
     .tag = "Operation",
     .response = "Health",
     .success = 200,
     .query = "*",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/readyz",
     .kind = ROUTE_LOOP,
     .auth = AUTH_NONE,
     .rate = RATE_NONE,
     .loop = readiness_loop,
     .summary = "The process may be sent requests; 503 when not, with the reasons",
     .tag = "Operation",
     .response = "Readiness",
     .success = 200,
     .query = "*",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/metrics",
     .kind = ROUTE_LOOP,
     .auth = AUTH_NONE,
     .rate = RATE_NONE,
     .loop = metrics_loop,
     .summary = "Figures in Prometheus text format 0.0.4",
     .tag = "Operation",
     .media = "text/plain",
     .success = 200,
     .query = "*",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/openapi.json",
     .kind = ROUTE_LOOP,
     .auth = AUTH_NONE,
     .rate = RATE_NONE,
     .loop = openapi_loop,
     .summary = "This document",
     .tag = "Operation",
     .response = "OpenAPI",
     .success = 200,
     .query = "*",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/services",
     .kind = ROUTE_LOOP,
     .auth = AUTH_NONE,
     .rate = RATE_NONE,
     .loop = services_loop,
     .summary = "Which services run here",
     .tag = "Operation",
     .response = "Services",
     .success = 200,
     .is_retry_safe = true},
    /* Last: left off without --test-clock. */
    {.method = HTTP_POST,
     .pattern = "/v1/test/clock",
     .kind = ROUTE_READ,
     .auth = AUTH_NONE,
     .idempotency = IDEMPOTENCY_IGNORED,
     .rate = RATE_NONE,
     .is_hidden = true,
     .read = test_clock_read,
     .request = advance_fields,
     .success = 200},
};
const size_t frame_route_count = sizeof(frame_routes) / sizeof(frame_routes[0]) - 1;
