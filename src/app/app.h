/*
 * The application frame: takes requests from the server, finds the route, the caller and the
 * idempotency key, runs the handler where its kind says, and answers. Owns the pools, the platform
 * service (identity) and the metrics.
 */
#ifndef APP_APP_H
#define APP_APP_H

#include "app/config.h"
#include "app/identity.h"
#include "app/metrics.h"
#include "app/problem.h"
#include "net/server.h"
#include "store/pool.h"

#define APP_SERVICES_MAX 5

struct app;

struct app_options {
    const struct config *config;
    struct service
        *services[APP_SERVICES_MAX]; /* besides the platform's; database_index is set by app_new */
    const char *database_paths[APP_SERVICES_MAX]; /* of the services, same order */
    size_t service_count;
};

/* Opens the platform database (data_dir/platform.db) and its writer, registers all routes, starts
 * the pools. The platform database is index 0 of the pools, services follow in order. */
ERR_MUST_USE enum err app_new(const struct app_options *options, struct app **ret_app);
/* server_options.on_request; ctx is the app. */
void app_on_request(struct request *request, void *ctx);
/* Readiness: each check is asked by /readyz; fn returns false with a reason. At most 8. */
void app_add_readiness(struct app *app, const char *name,
                       bool (*fn)(void *ctx, const char **ret_reason), void *ctx);
/* fn may add headers to answers that nobody may keep (no-store), just before they leave. Once, before
 * requests are served; any thread, must not block. */
void app_on_answer(struct app *app, void (*fn)(void *ctx, struct request *request), void *ctx);
/* Shows the server's connections in /metrics; once, before it is freed. */
void app_show_server(struct app *app, struct server *server);
/* 503 on /readyz from now on (draining). */
void app_set_draining(struct app *app);
const struct config *app_config(const struct app *app);
struct timer *app_timer(struct app *app); /* stops before the pools do */
struct pool *app_pool(struct app *app, enum route_pool pool);
struct identity *app_identity(struct app *app);
/* Takes one from an allowance outside of a request. False: it is used up, come again then. Any
 * thread. */
bool app_take_allowance(struct app *app, enum rate_class rate_class, uint64_t who,
                        int64_t *ret_retry_s);
/* An address as who. */
uint64_t app_rate_address(const struct request *request);
size_t app_platform_database(const struct app *app); /* index in pool tasks */
/* For LOOP handlers and workers that run a route's work elsewhere: none needed. */
void app_stop(struct app *app); /* pools first, then the platform writer */
void app_free(struct app *app);

#endif
