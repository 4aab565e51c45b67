/*
 * Keeps the idempotency tables at a day's size: a periodic job that deletes what is too old, in small
 * chunks that queue up at each service's writer like any other write, so that no request waits for
 * more than one chunk.
 */
#include "app/app_internal.h"
#include "app/idempotency.h"

#define INTERVAL_MS 30000

struct purge {
    struct writer_job job;
    int64_t deleted;
};

static enum err purge_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct purge *purge = container_of(job, struct purge, job);
    return idempotency_purge(tx->db, tx->now_ms, &purge->deleted);
}

static void purge_service(struct timer *timer, const struct service *service)
{
    struct purge purge;
    if (!writer_is_steward(service->writer))
        return; /* one node is enough */
    do {
        purge = (struct purge){.job = {.apply = purge_apply}};
        enum err err = writer_run(service->writer, &purge.job);
        if (err == ERR_CLOSED || err == ERR_FULL)
            return;
        if (err != ERR_OK) {
            log_warn("old idempotency keys stay", "service=%s err=%s", service->name,
                     err_name(err));
            return;
        }
    } while (purge.deleted == IDEMPOTENCY_PURGE_CHUNK && !timer_is_stopping(timer));
}

/* Only writes leave keys; a service without write routes may have a database without their table.
 */
static bool has_writes(const struct service *service)
{
    for (size_t i = 0; i < service->route_count; i++) {
        if (service->routes[i].kind == ROUTE_WRITE)
            return service->writer != NULL;
    }
    return false;
}

/* Services may share a writer: it is purged once. */
static bool is_first_of_writer(const struct app *app, size_t index)
{
    if (!has_writes(app->tables[index]))
        return false;
    for (size_t i = 0; i < index; i++) {
        if (has_writes(app->tables[i]) && app->tables[i]->writer == app->tables[index]->writer)
            return false;
    }
    return true;
}

static void purge_all(struct timer *timer, void *ctx)
{
    const struct app *app = ctx;
    for (size_t i = 0; i < app->table_count; i++) {
        if (is_first_of_writer(app, i))
            purge_service(timer, app->tables[i]);
    }
}

enum err maintenance_start(struct app *app)
{
    return timer_add(app->timer,
                     &(struct timer_job){.run = purge_all, .ctx = app, .interval_ms = INTERVAL_MS});
}
