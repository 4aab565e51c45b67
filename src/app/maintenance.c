/*
 * Keeps the idempotency tables at a day's size: a thread that now and then deletes what is too
 * old, in small chunks that queue up at each service's writer like any other write, so that no
 * request waits for more than one chunk.
 *
 * The jump of a test clock wakes it.
 */
#include <pthread.h>
#include <stdlib.h>

#include "app/app_internal.h"
#include "app/idempotency.h"
#include "base/clock.h"

#define INTERVAL_S 30

struct maintenance {
    struct app *app;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* CLOCK_MONOTONIC */
    bool is_stopping;      /* these two under the lock */
    bool is_woken;
};

struct purge {
    struct writer_job job;
    int64_t deleted;
};

static enum err purge_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct purge *purge = container_of(job, struct purge, job);
    return idempotency_purge(tx->db, tx->now_ms, &purge->deleted);
}

static bool is_stopping(struct maintenance *maintenance)
{
    (void)pthread_mutex_lock(&maintenance->lock);
    bool is_stopping = maintenance->is_stopping;
    (void)pthread_mutex_unlock(&maintenance->lock);
    return is_stopping;
}

static void purge_service(struct maintenance *maintenance, const struct service *service)
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
    } while (purge.deleted == IDEMPOTENCY_PURGE_CHUNK && !is_stopping(maintenance));
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

/* False: stopping. */
static bool wait_for_turn(struct maintenance *maintenance)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* always there */
    until.tv_sec += INTERVAL_S;
    int result = 0;
    (void)pthread_mutex_lock(&maintenance->lock);
    while (!maintenance->is_stopping && !maintenance->is_woken && result == 0)
        result = pthread_cond_timedwait(&maintenance->wakeup, &maintenance->lock, &until);
    maintenance->is_woken = false;
    bool goes_on = !maintenance->is_stopping;
    (void)pthread_mutex_unlock(&maintenance->lock);
    return goes_on;
}

static void *maintenance_main(void *ctx)
{
    struct maintenance *maintenance = ctx;
    const struct app *app = maintenance->app;
    while (wait_for_turn(maintenance)) {
        for (size_t i = 0; i < app->table_count; i++) {
            if (is_first_of_writer(app, i))
                purge_service(maintenance, app->tables[i]);
        }
    }
    return NULL;
}

static void wake(struct maintenance *maintenance, bool stops)
{
    (void)pthread_mutex_lock(&maintenance->lock);
    maintenance->is_woken = true;
    maintenance->is_stopping = maintenance->is_stopping || stops;
    (void)pthread_cond_signal(&maintenance->wakeup);
    (void)pthread_mutex_unlock(&maintenance->lock);
}

static void on_clock(void *ctx)
{
    wake(ctx, false);
}

static void maintenance_free(struct maintenance *maintenance)
{
    (void)pthread_cond_destroy(&maintenance->wakeup); /* nobody waits */
    (void)pthread_mutex_destroy(&maintenance->lock);
    free(maintenance);
}

enum err maintenance_start(struct app *app, struct maintenance **ret_maintenance)
{
    struct maintenance *maintenance = calloc(1, sizeof(*maintenance));
    if (!maintenance)
        return ERR_NOMEM;
    maintenance->app = app;
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes); /* these cannot fail on Linux */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&maintenance->wakeup, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&maintenance->lock, NULL);
    enum err err = clock_subscribe(on_clock, maintenance);
    if (err == ERR_OK &&
        pthread_create(&maintenance->thread, NULL, maintenance_main, maintenance) != 0) {
        clock_unsubscribe(on_clock, maintenance);
        err = ERR_NOMEM;
    }
    if (err != ERR_OK) {
        maintenance_free(maintenance);
        return err;
    }
    (void)pthread_setname_np(maintenance->thread, "maintenance"); /* a name is a convenience */
    *ret_maintenance = maintenance;
    return ERR_OK;
}

void maintenance_stop(struct maintenance *maintenance)
{
    if (!maintenance)
        return;
    clock_unsubscribe(on_clock, maintenance);
    wake(maintenance, true);
    (void)pthread_join(maintenance->thread, NULL); /* ours and joinable */
    maintenance_free(maintenance);
}
