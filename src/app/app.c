/*
 * The application: puts together what dispatch.c runs on. Everything is made before the first
 * request and taken down after the last one, in the reverse order; in between only the atomics of
 * struct app change.
 *
 * Databases of the pools: 0 is the platform's, then the services' in the order they were given.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "app/app_internal.h"
#include "app/data_dir.h"
#include "app/openapi.h"
#include "base/clock.h"
#include "base/crypto.h"

#define OPENAPI_BYTES_MAX  (4u << 20)
#define SLOW_THREADS       2
#define SLOW_QUEUE_MAX     64
#define FILES_THREADS      2
#define FILES_QUEUE_MAX    64
#define READ_QUEUE_MAX     4096
#define PLATFORM_DATABASE  0
#define OPENAPI_ETAG_BYTES 12

/* Stands for every path that the router does not know. */
static const struct route page_route = {
    .method = HTTP_GET, .pattern = "/*", .kind = ROUTE_LOOP, .rate = RATE_NONE, .is_hidden = true};

/* ---- the platform's own services ---- */

static enum err open_platform(struct app *app, char path[static CONFIG_LOCATION_MAX])
{
    enum err err = config_database(app->config, "platform", path);
    if (err == ERR_OK)
        err = writer_new(path, "platform", &app->platform_writer);
    if (err != ERR_OK) {
        log_error("platform database", "reason=\"%s\"", writer_failure());
        return err;
    }
    err = identity_new(app->platform_writer, app->config, &app->identity);
    return err == ERR_OK ? writer_start(app->platform_writer) : err;
}

static void add_table(struct app *app, struct service *service)
{
    assert(app->table_count < APP_TABLES_MAX);
    app->tables[app->table_count++] = service;
}

static void add_platform_tables(struct app *app)
{
    app->identity_service = (struct service){.name = "platform",
                                             .routes = identity_routes,
                                             .route_count = identity_route_count,
                                             .writer = app->platform_writer,
                                             .database_index = PLATFORM_DATABASE,
                                             .state = app->identity};
    app->frame_service = (struct service){.name = "platform",
                                          .routes = frame_routes,
                                          .route_count = frame_route_count,
                                          .writer = app->platform_writer,
                                          .database_index = PLATFORM_DATABASE,
                                          .state = app};
    if (app->config->test_clock)
        app->frame_service.route_count++;
    add_table(app, &app->identity_service);
    add_table(app, &app->frame_service);
}

/* ---- routes ---- */

static void assert_route(const struct route *route)
{
    assert(route->kind != ROUTE_LOOP || route->loop);
    assert(route->kind != ROUTE_READ || route->read);
    assert(route->kind != ROUTE_WRITE || route->apply);
    assert(route->body_max <= ROUTE_BODY_MAX);
    assert((route->success >= 200 && route->success < 300) || route->success == 101);
    (void)route; /* for builds without asserts */
}

static enum err bind_service(struct app *app, struct service *service)
{
    for (size_t i = 0; i < service->route_count; i++) {
        const struct route *route = &service->routes[i];
        assert_route(route);
        struct bound_route *bound = &app->bound[app->bound_count++];
        *bound = (struct bound_route){.route = route, .service = service};
        app_metrics_bind(bound);
        enum err err = router_add(app->router, route->method, route->pattern, bound);
        if (err != ERR_OK) {
            log_error("route", "pattern=%s reason=%s", route->pattern, err_name(err));
            return err;
        }
    }
    return ERR_OK;
}

static enum err bind_routes(struct app *app)
{
    size_t count = 0;
    for (size_t i = 0; i < app->table_count; i++)
        count += app->tables[i]->route_count;
    app->bound = calloc(count, sizeof(*app->bound));
    app->router = router_new();
    if (!app->bound || !app->router)
        return ERR_NOMEM;
    for (size_t i = 0; i < app->table_count; i++) {
        enum err err = bind_service(app, app->tables[i]);
        if (err != ERR_OK)
            return err;
    }
    app->page = (struct bound_route){.route = &page_route, .service = &app->frame_service};
    app_metrics_bind(&app->page);
    return ERR_OK;
}

static enum err make_openapi(struct app *app)
{
    uint8_t hash[SHA256_SIZE];
    struct buf etag;
    buf_init(&app->openapi, OPENAPI_BYTES_MAX);
    enum err err = openapi_write(app->tables, app->table_count, &app->openapi);
    if (err != ERR_OK)
        return err;
    crypto_sha256(buf_str(&app->openapi), hash);
    buf_init(&etag, sizeof(app->openapi_etag));
    hex_append(&etag, hash, OPENAPI_ETAG_BYTES);
    err = str_to_c(buf_str(&etag), app->openapi_etag, sizeof(app->openapi_etag));
    buf_release(&etag);
    return err;
}

/* ---- pools ---- */

static bool has_file_routes(const struct app *app)
{
    for (size_t i = 0; i < app->bound_count; i++) {
        if (app->bound[i].route->pool == POOL_FILES)
            return true;
    }
    return false;
}

static enum err make_pools(struct app *app, const struct app_options *options,
                           const char *platform_path)
{
    struct pool_options read = {
        .name = "read", .threads = (unsigned)app->config->readers, .queue_max = READ_QUEUE_MAX};
    read.database_paths[PLATFORM_DATABASE] = platform_path;
    for (size_t i = 0; i < options->service_count; i++)
        read.database_paths[options->services[i]->database_index] = options->database_paths[i];
    struct pool_options slow = read;
    slow.name = "slow";
    slow.threads = SLOW_THREADS;
    slow.queue_max = SLOW_QUEUE_MAX;
    struct pool_options files = read;
    files.name = "files";
    files.threads = FILES_THREADS;
    files.queue_max = FILES_QUEUE_MAX;
    enum err err = pool_new(&read, &app->pools[POOL_READ]);
    if (err == ERR_OK)
        err = pool_new(&slow, &app->pools[POOL_SLOW]);
    if (err == ERR_OK && has_file_routes(app))
        err = pool_new(&files, &app->pools[POOL_FILES]);
    return err;
}

/* ---- life ---- */

static enum err make_parts(struct app *app, const struct app_options *options)
{
    char platform_path[CONFIG_LOCATION_MAX];
    enum err err = open_platform(app, platform_path);
    if (err != ERR_OK)
        return err;
    add_platform_tables(app);
    for (size_t i = 0; i < options->service_count; i++) {
        options->services[i]->database_index = PLATFORM_DATABASE + 1 + i;
        add_table(app, options->services[i]);
    }
    err = bind_routes(app);
    if (err == ERR_OK)
        err = make_openapi(app);
    if (err == ERR_OK)
        err = make_pools(app, options, platform_path);
    if (err != ERR_OK)
        return err;
    app->pages = pages_new();
    app->limiter = app->config->abuse ? rate_limiter_new() : NULL;
    if (!app->pages || (app->config->abuse && !app->limiter))
        return ERR_NOMEM;
    app_metrics_register(app);
    err = timer_new(&app->timer);
    return err == ERR_OK ? maintenance_start(app) : err;
}

enum err app_new(const struct app_options *options, struct app **ret_app)
{
    assert(options->service_count < POOL_DATABASES_MAX);
    struct app *app = calloc(1, sizeof(*app));
    if (!app)
        return ERR_NOMEM;
    app->config = options->config;
    enum err err = make_parts(app, options);
    if (err != ERR_OK) {
        app_free(app);
        return err;
    }
    *ret_app = app;
    return ERR_OK;
}

void app_stop(struct app *app)
{
    if (app->timer)
        timer_stop(app->timer);
    for (size_t i = 0; i < ROUTE_POOLS; i++) {
        if (app->pools[i])
            pool_stop(app->pools[i]);
    }
    if (app->platform_writer)
        writer_stop(app->platform_writer);
}

void app_free(struct app *app)
{
    if (!app)
        return;
    app_stop(app);
    app_metrics_forget(app);
    timer_free(app->timer);
    for (size_t i = 0; i < ROUTE_POOLS; i++)
        pool_free(app->pools[i]);
    identity_free(app->identity);
    writer_free(app->platform_writer);
    rate_limiter_free(app->limiter);
    pages_free(app->pages);
    router_free(app->router);
    buf_release(&app->openapi);
    free(app->bound);
    free(app);
}

void app_add_readiness(struct app *app, const char *name,
                       bool (*fn)(void *ctx, const char **ret_reason), void *ctx)
{
    assert(app->check_count < APP_READINESS_MAX);
    app->checks[app->check_count++] = (struct readiness_check){name, fn, ctx};
}

void app_on_answer(struct app *app, void (*fn)(void *ctx, struct request *request), void *ctx)
{
    app->on_answer = fn;
    app->on_answer_ctx = ctx;
}

void app_set_draining(struct app *app)
{
    atomic_store(&app->is_draining, true);
}

const struct config *app_config(const struct app *app)
{
    return app->config;
}

struct timer *app_timer(struct app *app)
{
    return app->timer;
}

struct pool *app_pool(struct app *app, enum route_pool pool)
{
    return app->pools[pool];
}

struct identity *app_identity(struct app *app)
{
    return app->identity;
}

bool app_take_allowance(struct app *app, enum rate_class rate_class, uint64_t who,
                        int64_t *ret_retry_s)
{
    if (!app->limiter)
        return true;
    struct rate_verdict verdict = rate_limiter_take(app->limiter, rate_class, who, clock_now_ms());
    *ret_retry_s = verdict.retry_in_s;
    return verdict.is_allowed;
}

uint64_t app_rate_address(const struct request *request)
{
    return rate_limit_address(str_from_c(request->peer_ip));
}

size_t app_platform_database(const struct app *app)
{
    (void)app;
    return PLATFORM_DATABASE;
}
