/* The application's inside, shared by app.c, dispatch.c, maintenance.c and platform_routes.c. */
#ifndef APP_APP_INTERNAL_H
#define APP_APP_INTERNAL_H

#include "app/app.h"
#include "app/identity_internal.h"
#include "app/pages.h"
#include "app/rate_limit.h"
#include "app/timer.h"
#include "net/router.h"

#define APP_READINESS_MAX 8
/* The platform's two (identity, frame) and the others. */
#define APP_TABLES_MAX (APP_SERVICES_MAX + 2)

/* What the router finds: a route, whose it is, and where it is counted. */
struct bound_route {
    const struct route *route;
    struct service *service;
    struct metric *by_class[6]; /* 2xx at 2; NULL at 0, and at 1 unless it answers 101 */
    struct metric *latency;
};

struct readiness_check {
    const char *name;
    bool (*fn)(void *ctx, const char **ret_reason);
    void *ctx;
};

/* Everything but the atomics is set before the server starts. */
struct app {
    const struct config *config;
    struct writer *platform_writer;
    struct identity *identity;
    struct service identity_service;
    struct service frame_service;
    struct service *tables[APP_TABLES_MAX]; /* all services with routes */
    size_t table_count;
    struct router *router;
    struct bound_route *bound;
    size_t bound_count;
    struct bound_route page;      /* what pages.c has, and unknown paths */
    struct rate_limiter *limiter; /* NULL: off */
    struct pages *pages;
    struct server *server; /* for metrics; NULL: not shown */
    struct buf openapi;    /* ready to send */
    char openapi_etag[32];
    struct pool *pools[ROUTE_POOLS]; /* POOL_FILES: NULL where no route needs it */
    struct timer *timer;             /* work that comes again */
    struct readiness_check checks[APP_READINESS_MAX];
    size_t check_count;
    void (*on_answer)(void *ctx, struct request *request); /* NULL: nobody's business */
    void *on_answer_ctx;
    _Atomic bool is_draining;
    _Atomic int64_t
        write_failed_ms; /* when a writer last could not commit; 0: the last one could */
};

/* True when the process may be sent requests; see platform_routes.c. */
bool app_is_ready(struct app *app);

/* metrics.c has the numbers; these say which (app_metrics.c). */
void app_metrics_bind(struct bound_route *bound);
void app_metrics_register(struct app *app);
void app_metrics_forget(struct app *app);

/* platform_routes.c */
extern const struct route frame_routes[];
extern const size_t frame_route_count; /* without the test clock, which stands behind them */

/* maintenance.c: deletes idempotency rows that are too old. */
ERR_MUST_USE enum err maintenance_start(struct app *app);

#endif
