/*
 * See quota.h.
 *
 * A bucket is one number: when it will be full again. Whoever is not in the map has a full one, so
 * what is full may be forgotten, and is when the map has QUOTA_APPS_MAX; if that is not enough,
 * all are forgiven.
 */
#include "hooks/quota.h"

#include <pthread.h>
#include <stdlib.h>

#include "app/metrics.h"
#include "base/map.h"
#include "hooks/limits.h"

#define SECOND_NS INT64_C(1000000000)

struct quota {
    int64_t interval_ns; /* one message more every so often; 0: no limit */
    int64_t backlog_max; /* 0: no limit */
    pthread_mutex_t lock;
    struct map full_at; /* by application, nanoseconds */
    struct metric *refused_rate, *refused_backlog;
};

enum err quota_new(const struct config *config, struct quota **ret_quota)
{
    struct quota *quota = calloc(1, sizeof(*quota));
    if (!quota)
        return ERR_NOMEM;
    if (config->abuse && config->hooks_ingest_rate > 0)
        quota->interval_ns = SECOND_NS / config->hooks_ingest_rate;
    if (config->abuse)
        quota->backlog_max = config->hooks_backlog_max;
    pthread_mutex_init(&quota->lock, NULL);
    map_init(&quota->full_at, QUOTA_APPS_MAX);
    quota->refused_rate = metric_counter("foyer_hooks_messages_refused_total", "quota=\"rate\"",
                                         "Messages that were refused with 429.");
    quota->refused_backlog =
        metric_counter("foyer_hooks_messages_refused_total", "quota=\"backlog\"",
                       "Messages that were refused with 429.");
    *ret_quota = quota;
    return ERR_OK;
}

void quota_free(struct quota *quota)
{
    if (!quota)
        return;
    map_release(&quota->full_at);
    pthread_mutex_destroy(&quota->lock);
    free(quota);
}

/* Forgets who has a full bucket; all, when there are too many others. The lock is held. */
static void make_room(struct quota *quota, int64_t now_ns)
{
    struct map kept;
    size_t position = 0;
    uint64_t app_id;
    uintptr_t full_at;
    map_init(&kept, QUOTA_APPS_MAX);
    while (map_each(&quota->full_at, &position, &app_id, &full_at)) {
        bool is_wanted = (int64_t)full_at > now_ns && kept.count < QUOTA_APPS_MAX / 2;
        if (is_wanted && map_put(&kept, app_id, full_at) != ERR_OK)
            break;
    }
    map_release(&quota->full_at);
    quota->full_at = kept;
}

/* The lock is held. How long to wait; 0: taken. */
static int64_t take(struct quota *quota, uint64_t app_id, int64_t now_ns)
{
    int64_t burst_ns = QUOTA_BURST_S * SECOND_NS;
    uintptr_t known = 0;
    int64_t full_at = map_get(&quota->full_at, app_id, &known) ? (int64_t)known : now_ns;
    full_at = full_at < now_ns ? now_ns : full_at;
    full_at = full_at > now_ns + burst_ns ? now_ns + burst_ns : full_at; /* the clock went back */
    int64_t wait_ns = full_at + quota->interval_ns - now_ns - burst_ns;
    if (wait_ns <= 0)
        full_at += quota->interval_ns;
    if (quota->full_at.count == QUOTA_APPS_MAX && known == 0)
        make_room(quota, now_ns);
    enum err err = map_put(&quota->full_at, app_id, (uintptr_t)full_at);
    (void)err; /* no memory: this one is not counted */
    return wait_ns > 0 ? wait_ns : 0;
}

bool quota_take(struct quota *quota, uint64_t app_id, int64_t now_ms, int64_t *ret_retry_s)
{
    if (quota->interval_ns == 0)
        return true;
    pthread_mutex_lock(&quota->lock);
    int64_t wait_ns = take(quota, app_id, now_ms * 1000000);
    pthread_mutex_unlock(&quota->lock);
    if (wait_ns == 0)
        return true;
    *ret_retry_s = (wait_ns + SECOND_NS - 1) / SECOND_NS;
    metric_add(quota->refused_rate, 1);
    return false;
}

enum err quota_has_room(struct quota *quota, struct db *db, uint64_t app_id, bool *ret_has_room)
{
    int64_t pending = 0;
    *ret_has_room = true;
    if (quota->backlog_max == 0)
        return ERR_OK;
    enum err err = backlog_store_get(db, app_id, &pending);
    *ret_has_room = pending < quota->backlog_max;
    if (!err && !*ret_has_room)
        metric_add(quota->refused_backlog, 1);
    return err;
}
