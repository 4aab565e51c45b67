/* The thread that looks what has changed; see live.c. */
#include "tickets/live_internal.h"

#include <time.h>

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* --- loading a model that has left the inventory --- */

void live_load_run(struct pool_task *task, struct db *const *databases)
{
    struct hearing *hearing = container_of(task, struct hearing, load);
    struct tickets *tickets = hearing->live->tickets;
    struct event_model *model = NULL;
    enum err err = inventory_load(tickets->inventory, databases[tickets->service.database_index],
                                  hearing->event_id, &model);
    if (!err)
        event_model_unref(model); /* the next look finds it in the inventory */
    atomic_store(&hearing->load_err, (int)err);
    atomic_store(&hearing->is_loading, false);
    hearing_unref(hearing);
}

static void load(struct hearing *hearing)
{
    if (atomic_exchange(&hearing->is_loading, true))
        return;
    live_count(hearing->live, COUNT_LOADS, 1);
    (void)hearing_ref(hearing);
    if (pool_submit(app_pool(hearing->live->app, POOL_READ), &hearing->load) == ERR_OK)
        return;
    atomic_store(&hearing->is_loading, false); /* a later look tries again */
    hearing_unref(hearing);
}

/* --- looking, on the ticker's thread --- */

/* Out of the table, unless it has been replaced. */
static void forget(struct live *live, struct hearing *hearing)
{
    uintptr_t value = 0;
    (void)pthread_mutex_lock(&live->lock);
    bool is_in = map_get(&live->hearings, hearing->event_id, &value) &&
                 (struct hearing *)value == hearing &&
                 map_remove(&live->hearings, hearing->event_id);
    (void)pthread_mutex_unlock(&live->lock);
    if (is_in)
        hearing_unref(hearing);
}

static void end(struct live *live, struct hearing *hearing)
{
    live_count(live, COUNT_GONE, 1);
    forget(live, hearing);
    (void)pthread_mutex_lock(&hearing->lock);
    hearing->is_over = true;
    (void)websocket_post(live->hub, hearing->ids, hearing->count, live->gone, false);
    for (size_t i = 0; i < hearing->count; i++) {
        /* Without memory it is closed as one that is too slow. */
        if (websocket_post_close(live->hub, hearing->ids[i], WEBSOCKET_NORMAL) == ERR_NOMEM)
            (void)websocket_post(live->hub, &hearing->ids[i], 1, NULL, false);
    }
    (void)pthread_mutex_unlock(&hearing->lock);
}

/* What is new to all listeners; without memory they are closed and come again. */
static void tell_locked(struct live *live, struct hearing *hearing)
{
    uint32_t frame_no = live_view_frame(hearing->view);
    if (hearing->count == 0)
        return;
    struct shared *frame = live_view_since(hearing->view, frame_no - 1);
    (void)websocket_post(live->hub, hearing->ids, hearing->count, frame, false);
    live_count(live, COUNT_FRAMES, 1);
    live_count(live, COUNT_SENT, hearing->count);
    shared_unref(frame);
}

/* Its memory is nobody else's for as long as it is compared with. NULL: none. */
static void see(struct hearing *hearing, struct event_model *model)
{
    struct event_model *before = hearing->seen_model;
    if (model)
        atomic_fetch_add(&model->refs, 1);
    hearing->seen_model = model;
    event_model_unref(before);
}

static void look_at(struct live *live, struct hearing *hearing, struct event_model *model)
{
    uint64_t changes = atomic_load_explicit(&model->changes, memory_order_acquire);
    if (model == hearing->seen_model && changes == hearing->seen_changes)
        return;
    bool is_other = model != hearing->seen_model;
    if (is_other &&
        (model->event.status == EVENT_CANCELLED || !live_view_fits(hearing->view, model))) {
        end(live, hearing);
        return;
    }
    if (is_other)
        see(hearing, model);
    hearing->seen_changes = changes;
    (void)pthread_mutex_lock(&hearing->lock);
    if (live_view_look(hearing->view, model))
        tell_locked(live, hearing);
    (void)pthread_mutex_unlock(&hearing->lock);
}

static void look(struct live *live, struct hearing *hearing)
{
    struct event_model *model = inventory_get(live->tickets->inventory, hearing->event_id);
    if (model) {
        look_at(live, hearing, model);
        event_model_unref(model);
        return;
    }
    see(hearing, NULL);
    if (atomic_load(&hearing->is_loading))
        return;
    int err = atomic_exchange(&hearing->load_err, ERR_OK);
    if (err == ERR_NOT_FOUND)
        end(live, hearing);
    else if (err != ERR_OK)
        hearing->due_ms = now_ms() + LIVE_RETRY_MS;
    else
        load(hearing);
}

/* --- the ticker --- */

/* Whether nobody has been there for so long that it may go. */
static bool is_deserted(struct hearing *hearing, size_t users, int64_t now)
{
    if (users > 0)
        hearing->deserted_ms = 0;
    else if (hearing->deserted_ms == 0)
        hearing->deserted_ms = now;
    return users == 0 && now - hearing->deserted_ms > LIVE_KEPT_MS;
}

/* Those that are due, with references; drops the deserted. */
static size_t take_due(struct live *live, int64_t now)
{
    size_t due_count = 0, position = 0;
    uint64_t event_id = 0, deserted = 0;
    uintptr_t value = 0;
    struct hearing *dropped = NULL;
    (void)pthread_mutex_lock(&live->lock);
    while (map_each(&live->hearings, &position, &event_id, &value)) {
        struct hearing *hearing = (struct hearing *)value;
        if (is_deserted(hearing, hearing->users, now)) {
            dropped = hearing;
            deserted = event_id;
        } else if (hearing->due_ms <= now && due_count < LIVE_VIEWS_MAX) {
            hearing->due_ms = now + LIVE_TICK_MS - LIVE_TICK_MS / 4 +
                              (int64_t)(hearing->users * LIVE_TICK_MS / LIVE_TICK_LISTENERS);
            live->looked[due_count++] = hearing_ref(hearing);
        }
    }
    if (dropped)
        (void)map_remove(&live->hearings, deserted); /* the others at the next ticks */
    (void)pthread_mutex_unlock(&live->lock);
    hearing_unref(dropped);
    return due_count;
}

static struct timespec mono_after_ms(int64_t ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at); /* always there */
    at.tv_nsec += ms * 1000000L;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

/* Until the next tick, or until there is something to tick for. False: stopping. */
static bool wait_tick(struct live *live)
{
    struct timespec until = mono_after_ms(LIVE_TICK_MS);
    int result = 0;
    (void)pthread_mutex_lock(&live->lock);
    while (!live->is_stopping && live->hearings.count == 0)
        (void)pthread_cond_wait(&live->wakeup, &live->lock);
    while (!live->is_stopping && result == 0)
        result = pthread_cond_timedwait(&live->wakeup, &live->lock, &until);
    bool goes_on = !live->is_stopping;
    (void)pthread_mutex_unlock(&live->lock);
    return goes_on;
}

void *live_ticker_main(void *ctx)
{
    struct live *live = ctx;
    while (wait_tick(live)) {
        size_t due_count = take_due(live, now_ms());
        for (size_t i = 0; i < due_count; i++) {
            look(live, live->looked[i]);
            hearing_unref(live->looked[i]);
        }
    }
    return NULL;
}
