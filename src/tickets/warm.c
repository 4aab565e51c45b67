/*
 * Getting ready before a sale; see warm.h.
 *
 * A look asks the database which sales are due and compares that with what is kept. A kept event has
 * a reference of its model, which therefore stays in memory. An edit takes a model out of the
 * inventory's table; the next look finds another one there, or none, and loads it.
 */
#include "tickets/warm.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/metrics.h"
#include "app/timer.h"
#include "base/clock.h"
#include "base/log.h"
#include "tickets/seatmap.h"
#include "tickets/tickets.h"
#include "tickets/warm_store.h"

struct kept_event {
    uint64_t event_id;
    struct event_model *model; /* NULL: not there yet */
    int64_t missing_since_ms;
};

struct warm {
    struct tickets *tickets;
    struct db *db;
    pthread_mutex_t lock;
    struct kept_event events[WARM_EVENTS_MAX];
    size_t count;
};

/* --- For others --- */

/* The first that is due and has not been waited for too long; 0: none. */
static uint64_t missing_event(struct warm *warm)
{
    uint64_t event_id = 0;
    int64_t now_ms = clock_now_ms();
    pthread_mutex_lock(&warm->lock);
    for (size_t i = 0; event_id == 0 && i < warm->count; i++)
        if (!warm->events[i].model && now_ms - warm->events[i].missing_since_ms < WARM_PATIENCE_MS)
            event_id = warm->events[i].event_id;
    pthread_mutex_unlock(&warm->lock);
    return event_id;
}

static bool is_warm(void *ctx, const char **ret_reason)
{
    static _Thread_local char reason[ID_TEXT_SIZE + 8];
    uint64_t event_id = missing_event(ctx);
    char id[ID_TEXT_SIZE];
    if (event_id == 0)
        return true;
    struct str text = id_format(id, "evt", event_id);
    (void)snprintf(reason, sizeof(reason), "warm: %.*s", STR_ARG(text)); /* fits */
    *ret_reason = reason;
    return false;
}

static int64_t warm_metric(void *ctx)
{
    struct warm *warm = ((struct tickets *)ctx)->warm;
    int64_t count = 0;
    if (!warm)
        return 0;
    pthread_mutex_lock(&warm->lock);
    for (size_t i = 0; i < warm->count; i++)
        count += warm->events[i].model != NULL;
    pthread_mutex_unlock(&warm->lock);
    return count;
}

/* --- Loading --- */

/* Makes what people ask for first, where it isn't there yet. */
static enum err make_answers(struct event_model *model)
{
    struct seatmap *map = NULL;
    bool is_kept = true;
    enum err err = seatmap_get(model) ? ERR_OK : seatmap_render(model, &map, &is_kept);
    if (!is_kept)
        seatmap_free_all(map);
    struct kept_answer *availability = seatmap_availability(model);
    struct kept_answer *bits = seatmap_all_bits(model);
    if (!err && (!availability || !bits))
        err = ERR_NOMEM;
    if (availability)
        kept_answer_unref(availability);
    if (bits)
        kept_answer_unref(bits);
    return err;
}

static void load(struct warm *warm, uint64_t event_id)
{
    struct event_model *model = NULL;
    enum err err = inventory_load(warm->tickets->inventory, warm->db, event_id, &model);
    if (!err)
        err = make_answers(model);
    if (err) {
        char id[ID_TEXT_SIZE];
        struct str text = id_format(id, "evt", event_id);
        log_write(LOG_ERROR, "event not ready for its sale", "event=%.*s err=%s", STR_ARG(text),
                  err_name(err));
        event_model_unref(model);
        return;
    }
    pthread_mutex_lock(&warm->lock);
    for (size_t i = 0; i < warm->count; i++) {
        if (warm->events[i].event_id == event_id && !warm->events[i].model) {
            warm->events[i].model = model;
            model = NULL;
        }
    }
    pthread_mutex_unlock(&warm->lock);
    event_model_unref(model);
}

/* --- Looks --- */

/* What is kept of this event, if it is what the inventory has. */
static struct kept_event keep(struct warm *warm, uint64_t event_id, int64_t now_ms)
{
    struct kept_event event = {.event_id = event_id, .missing_since_ms = now_ms};
    struct event_model *current = inventory_get(warm->tickets->inventory, event_id);
    for (size_t i = 0; i < warm->count; i++) {
        struct kept_event *old = &warm->events[i];
        if (old->event_id != event_id)
            continue;
        if (!old->model)
            event.missing_since_ms = old->missing_since_ms;
        else if (old->model == current) {
            event.model = old->model;
            old->model = NULL; /* its reference has moved */
        }
    }
    event_model_unref(current);
    return event;
}

static enum err look(struct warm *warm)
{
    uint64_t ids[WARM_EVENTS_MAX];
    struct kept_event events[WARM_EVENTS_MAX], old[WARM_EVENTS_MAX];
    size_t count = 0, old_count;
    int64_t now_ms = clock_now_ms();
    enum err err =
        warm_store_due(warm->db, now_ms - WARM_AFTER_MS, now_ms + WARM_BEFORE_MS, ids, &count);
    if (err)
        return err;
    pthread_mutex_lock(&warm->lock);
    for (size_t i = 0; i < count; i++)
        events[i] = keep(warm, ids[i], now_ms);
    old_count = warm->count;
    memcpy(old, warm->events, sizeof(old));
    memcpy(warm->events, events, count * sizeof(events[0]));
    warm->count = count;
    pthread_mutex_unlock(&warm->lock);
    for (size_t i = 0; i < old_count; i++)
        event_model_unref(old[i].model);
    return ERR_OK;
}

static void run(struct timer *timer, void *ctx)
{
    struct warm *warm = ctx;
    enum err err = look(warm);
    if (err)
        log_write(LOG_WARN, "cannot look for sales that are due", "err=%s", err_name(err));
    for (size_t i = 0; !err && i < WARM_EVENTS_MAX && !timer_is_stopping(timer); i++) {
        pthread_mutex_lock(&warm->lock);
        bool is_missing = i < warm->count && !warm->events[i].model;
        uint64_t event_id = is_missing ? warm->events[i].event_id : 0;
        pthread_mutex_unlock(&warm->lock);
        if (is_missing)
            load(warm, event_id);
    }
}

enum err warm_start(struct tickets *tickets, struct warm **ret_warm)
{
    struct warm *warm = calloc(1, sizeof(*warm));
    if (!warm)
        return ERR_NOMEM;
    warm->tickets = tickets;
    pthread_mutex_init(&warm->lock, NULL);
    enum err err = db_open(tickets->database_path, DB_READER, &warm->db);
    if (!err)
        err = look(warm);
    const struct timer_job job = {
        .run = run, .ctx = warm, .interval_ms = WARM_INTERVAL_MS, .runs_at_once = true};
    if (!err)
        err = timer_add(app_timer(tickets->app), &job);
    if (err) {
        warm_free(warm);
        return err;
    }
    app_add_readiness(tickets->app, "warm", is_warm, warm);
    metric_gauge_fn("foyer_warm_events", NULL, "Events kept in memory because their sale is near.",
                    warm_metric, tickets);
    *ret_warm = warm;
    return ERR_OK;
}

void warm_free(struct warm *warm)
{
    if (!warm)
        return;
    for (size_t i = 0; i < warm->count; i++)
        event_model_unref(warm->events[i].model);
    db_close(warm->db);
    pthread_mutex_destroy(&warm->lock);
    free(warm);
}
