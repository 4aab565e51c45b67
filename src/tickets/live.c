/*
 * The live map put together.
 *
 * An event that somebody listens to has a struct hearing: its view (live_view.h) and who listens. One
 * thread looks at all of them every LIVE_TICK_MS: what the event's model shows now, against the view; the
 * difference is encoded once and posted to all listeners. With many listeners an event is looked at less
 * often, so that the loops have time for others between two frames. A model that has left the inventory
 * (the event was edited, or memory was in doubt) is loaded again by a reader, and the first look at
 * it brings what was missed; if it has other places than the view, or the event is over, the listeners hear `gone`
 * and the hearing ends: who comes then begins with a new one.
 *
 *   request --live_accept()--> counted --on_open--> listening --on_close--> gone
 *
 * A listener joins on its loop's thread: under the hearing's lock it is sent the snapshot (or what has changed
 * since it was here last) and entered in the list. The ticker looks and posts under the same lock. So each frame
 * reaches a listener exactly once and in order: what was posted before it joined is in its snapshot, what comes
 * behind is posted to it.
 *
 * Locks: live->lock (who there is, and how many) is never held with a hearing's; a hearing's comes before those
 * of the loops. A loop's thread waits for a look at the longest: 0.1 ms for 50,000 seats.
 */
#include "tickets/live.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "tickets/limits.h"
#include "tickets/live_view.h"
#include "tickets/tickets.h"

#define LISTENERS_FIRST 8

struct listener;

struct hearing {
    struct live *live;
    uint64_t event_id;
    _Atomic unsigned
        refs; /* the table's, one for each listener, one while it is loaded or looked at */
    struct pool_task load;
    _Atomic bool is_loading;
    _Atomic int load_err;

    /* Under live->lock. */
    size_t users; /* accepted and not closed */

    /* The ticker's. */
    int64_t due_ms;                 /* of the next look */
    int64_t deserted_ms;            /* since when nobody is there; 0: somebody is */
    struct event_model *seen_model; /* that was looked at last, with a reference; NULL: none */
    uint64_t seen_changes;

    pthread_mutex_t lock; /* guards what follows */
    struct live_view *view;
    bool is_over; /* nobody joins any more */
    websocket_id *ids;
    struct listener **listeners; /* in the same order */
    size_t count, cap;
};

struct listener {
    struct hearing *hearing;
    uint64_t network; /* 0: not counted */
    size_t index;     /* in the list; SIZE_MAX: not in it */
    bool has_seen;    /* the frame below of the view */
    uint32_t seen_frame;
};

enum live_counter {
    COUNT_SNAPSHOTS,
    COUNT_RESUMED,
    COUNT_FRAMES, /* encoded for all */
    COUNT_SENT,   /* frames times listeners */
    COUNT_RESYNCS,
    COUNT_GONE,
    COUNT_LOADS,
    COUNTERS
};

struct live {
    struct tickets *tickets;
    struct app *app;
    struct websocket_options options;
    struct websocket_hub *hub; /* NULL: not started */
    struct shared *gone, *resync;
    pthread_t thread;
    bool is_running;
    _Atomic uint64_t counters[COUNTERS], refused[LIVE_REFUSAL_COUNT];

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wakeup;
    bool is_stopping;
    struct map hearings; /* by event id */
    struct map networks; /* how many listen from there */
    size_t users, users_max;
    struct hearing **looked; /* the ticker's list, LIVE_VIEWS_MAX long */
};

static void count(struct live *live, enum live_counter counter, uint64_t n)
{
    atomic_fetch_add_explicit(&live->counters[counter], n, memory_order_relaxed);
}

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* --- hearings --- */

static struct hearing *hearing_ref(struct hearing *hearing)
{
    atomic_fetch_add_explicit(&hearing->refs, 1, memory_order_relaxed);
    return hearing;
}

static void hearing_unref(struct hearing *hearing)
{
    if (!hearing || atomic_fetch_sub_explicit(&hearing->refs, 1, memory_order_acq_rel) != 1)
        return;
    assert(hearing->count == 0);
    live_view_free(hearing->view);
    event_model_unref(hearing->seen_model);
    free(hearing->ids);
    free(hearing->listeners);
    (void)pthread_mutex_destroy(&hearing->lock); /* nobody holds it */
    free(hearing);
}

static void load_run(struct pool_task *task, struct db *const *databases);

/* NULL: no memory. One reference. */
static struct hearing *hearing_new(struct live *live, const struct event_model *model)
{
    struct hearing *hearing = calloc(1, sizeof(*hearing));
    if (!hearing)
        return NULL;
    hearing->live = live;
    hearing->event_id = model->event.id;
    atomic_init(&hearing->refs, 1);
    (void)pthread_mutex_init(&hearing->lock, NULL); /* cannot fail on Linux */
    hearing->view = live_view_new(model);
    hearing->load.run = load_run;
    if (hearing->view)
        return hearing;
    hearing_unref(hearing);
    return NULL;
}

/* --- counting who comes and goes --- */

/* With the lock held. */
static enum live_refusal reserve_locked(struct live *live, struct hearing *hearing,
                                        uint64_t network)
{
    uintptr_t there = 0;
    if (live->users >= live->users_max)
        return LIVE_FULL;
    if (hearing->users >= LIVE_PER_EVENT_MAX)
        return LIVE_EVENT_FULL;
    if (network != 0) {
        (void)map_get(&live->networks, network, &there);
        if (there >= LIVE_PER_NETWORK_MAX)
            return LIVE_NETWORK_FULL;
        if (map_put(&live->networks, network, there + 1) != ERR_OK)
            return LIVE_NO_MEMORY;
    }
    live->users++;
    hearing->users++;
    return LIVE_ACCEPTED;
}

static void release_user(struct live *live, struct hearing *hearing, uint64_t network)
{
    uintptr_t there = 0;
    (void)pthread_mutex_lock(&live->lock);
    assert(live->users > 0 && hearing->users > 0);
    live->users--;
    hearing->users--;
    if (network != 0 && map_get(&live->networks, network, &there)) {
        /* What is there is replaced, which needs no memory. */
        if (there <= 1 || map_put(&live->networks, network, there - 1) != ERR_OK)
            (void)map_remove(&live->networks, network);
    }
    (void)pthread_mutex_unlock(&live->lock);
}

/* The event's hearing with a reference, one user more. made: to be used when there is none yet; then it is the
 * table's. */
static enum live_refusal reserve(struct live *live, uint64_t event_id, uint64_t network,
                                 struct hearing *made, struct hearing **ret_hearing)
{
    enum live_refusal refusal = LIVE_ACCEPTED;
    uintptr_t value = 0;
    *ret_hearing = NULL;
    (void)pthread_mutex_lock(&live->lock);
    struct hearing *hearing =
        map_get(&live->hearings, event_id, &value) ? (struct hearing *)value : made;
    if (hearing && hearing == made) {
        refusal = live->hearings.count >= LIVE_VIEWS_MAX                          ? LIVE_FULL
                  : map_put(&live->hearings, event_id, (uintptr_t)made) == ERR_OK ? LIVE_ACCEPTED
                                                                                  : LIVE_NO_MEMORY;
        if (refusal == LIVE_ACCEPTED) {
            (void)hearing_ref(made);
            (void)pthread_cond_signal(&live->wakeup);
        }
    }
    if (hearing && refusal == LIVE_ACCEPTED)
        refusal = reserve_locked(live, hearing, network);
    if (hearing && refusal == LIVE_ACCEPTED)
        *ret_hearing = hearing_ref(hearing);
    (void)pthread_mutex_unlock(&live->lock);
    return refusal;
}

/* --- accepting: any thread --- */

static void listener_free(struct listener *listener)
{
    release_user(listener->hearing->live, listener->hearing, listener->network);
    hearing_unref(listener->hearing);
    free(listener);
}

static void note_seen(struct listener *listener, struct str last_id)
{
    struct hearing *hearing = listener->hearing;
    if (last_id.len == 0)
        return;
    (void)pthread_mutex_lock(&hearing->lock);
    listener->has_seen = live_view_knows(hearing->view, last_id, &listener->seen_frame);
    (void)pthread_mutex_unlock(&hearing->lock);
}

static enum live_refusal enter(struct live *live, const struct event_model *model, uint64_t network,
                               struct hearing **ret_hearing)
{
    enum live_refusal refusal = reserve(live, model->event.id, network, NULL, ret_hearing);
    if (refusal != LIVE_ACCEPTED || *ret_hearing)
        return refusal;
    struct hearing *made = hearing_new(live, model);
    if (!made)
        return LIVE_NO_MEMORY;
    refusal = reserve(live, model->event.id, network, made, ret_hearing);
    hearing_unref(made); /* the table has its own, or somebody was faster */
    return refusal;
}

static enum live_refusal accept_listener(struct live *live, struct request *request,
                                         const struct event_model *model, struct str last_id,
                                         int64_t *ret_retry_ms)
{
    bool is_counted = app_config(live->app)->abuse;
    struct listener *listener = calloc(1, sizeof(*listener));
    if (!listener)
        return LIVE_NO_MEMORY;
    listener->index = SIZE_MAX;
    listener->network = is_counted ? app_rate_address(request) : 0;
    enum live_refusal refusal = enter(live, model, listener->network, &listener->hearing);
    if (refusal != LIVE_ACCEPTED) {
        free(listener);
        return refusal;
    }
    note_seen(listener, last_id);
    enum websocket_refusal net = event_stream_accept(live->hub, request, listener, ret_retry_ms);
    if (net == WEBSOCKET_ACCEPTED)
        return LIVE_ACCEPTED;
    listener_free(listener);
    return net == WEBSOCKET_TOO_FAST ? LIVE_TOO_FAST : LIVE_NO_MEMORY;
}

enum live_refusal live_accept(struct live *live, struct request *request,
                              const struct event_model *model, struct str last_id,
                              int64_t *ret_retry_ms)
{
    enum live_refusal refusal = live && live->hub
                                    ? accept_listener(live, request, model, last_id, ret_retry_ms)
                                    : LIVE_NOT_RUNNING;
    if (live)
        atomic_fetch_add_explicit(&live->refused[refusal], 1, memory_order_relaxed);
    return refusal;
}

/* --- listeners, on their loops --- */

/* With the hearing's lock held. */
static enum err make_room(struct hearing *hearing)
{
    size_t cap = hearing->cap ? hearing->cap * 2 : LISTENERS_FIRST;
    if (hearing->count < hearing->cap)
        return ERR_OK;
    websocket_id *ids = realloc(hearing->ids, cap * sizeof(*ids));
    if (!ids)
        return ERR_NOMEM;
    hearing->ids = ids;
    struct listener **listeners = realloc(hearing->listeners, cap * sizeof(*listeners));
    if (!listeners)
        return ERR_NOMEM;
    hearing->listeners = listeners;
    hearing->cap = cap;
    return ERR_OK;
}

/* The same. */
static enum err join(struct hearing *hearing, struct listener *listener, struct websocket *socket)
{
    enum err err = make_room(hearing);
    struct shared *frame = err ? NULL
                           : listener->has_seen
                               ? live_view_since(hearing->view, listener->seen_frame)
                               : live_view_snapshot(hearing->view);
    if (!frame)
        return ERR_NOMEM;
    err = websocket_send(socket, frame, false);
    shared_unref(frame);
    if (err)
        return err;
    count(hearing->live, listener->has_seen ? COUNT_RESUMED : COUNT_SNAPSHOTS, 1);
    listener->index = hearing->count;
    hearing->ids[hearing->count] = websocket_get_id(socket);
    hearing->listeners[hearing->count++] = listener;
    return ERR_OK;
}

static void on_open(struct websocket *socket, void *ctx)
{
    struct live *live = ctx;
    struct listener *listener = websocket_data(socket);
    struct hearing *hearing = listener->hearing;
    (void)pthread_mutex_lock(&hearing->lock);
    bool is_over = hearing->is_over;
    enum err err = is_over ? ERR_CLOSED : join(hearing, listener, socket);
    (void)pthread_mutex_unlock(&hearing->lock);
    if (!err)
        return;
    if (is_over)
        websocket_send_last(socket, live->gone);
    websocket_close(socket, WEBSOCKET_TRY_LATER, STR_NONE);
}

static void leave(struct hearing *hearing, struct listener *listener)
{
    (void)pthread_mutex_lock(&hearing->lock);
    if (listener->index != SIZE_MAX) {
        size_t last = --hearing->count;
        hearing->ids[listener->index] = hearing->ids[last];
        hearing->listeners[listener->index] = hearing->listeners[last];
        hearing->listeners[listener->index]->index = listener->index;
    }
    (void)pthread_mutex_unlock(&hearing->lock);
}

static void on_close(struct websocket *socket, enum websocket_end end, unsigned peer_code,
                     void *ctx)
{
    struct listener *listener = websocket_data(socket);
    (void)end;
    (void)peer_code;
    (void)ctx;
    leave(listener->hearing, listener);
    listener_free(listener);
}

static void on_overflow(struct websocket *socket, void *ctx)
{
    struct live *live = ctx;
    count(live, COUNT_RESYNCS, 1);
    websocket_send_last(socket, live->resync);
}

static void on_stop(struct websocket *socket, int64_t reconnect_after_ms, void *ctx)
{
    struct shared *frame = event_stream_retry(reconnect_after_ms);
    (void)ctx;
    websocket_send_last(socket, frame); /* without memory the client takes its own time */
    shared_unref(frame);
}

/* --- loading a model that has left the inventory --- */

static void load_run(struct pool_task *task, struct db *const *databases)
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
    count(hearing->live, COUNT_LOADS, 1);
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
    count(live, COUNT_GONE, 1);
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
    count(live, COUNT_FRAMES, 1);
    count(live, COUNT_SENT, hearing->count);
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

static void *ticker_main(void *ctx)
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

/* --- figures --- */

#define COUNTER(name, counter)                                                                     \
    static int64_t name(void *ctx)                                                                 \
    {                                                                                              \
        const struct live *live = ctx;                                                             \
        return (int64_t)atomic_load_explicit(&live->counter, memory_order_relaxed);                \
    }
COUNTER(count_snapshots, counters[COUNT_SNAPSHOTS])
COUNTER(count_resumed, counters[COUNT_RESUMED])
COUNTER(count_frames, counters[COUNT_FRAMES])
COUNTER(count_sent, counters[COUNT_SENT])
COUNTER(count_resyncs, counters[COUNT_RESYNCS])
COUNTER(count_gone, counters[COUNT_GONE])
COUNTER(count_loads, counters[COUNT_LOADS])
COUNTER(count_full, refused[LIVE_FULL])
COUNTER(count_event_full, refused[LIVE_EVENT_FULL])
COUNTER(count_network_full, refused[LIVE_NETWORK_FULL])
COUNTER(count_too_fast, refused[LIVE_TOO_FAST])
#undef COUNTER

static int64_t count_listeners(void *ctx)
{
    struct live *live = ctx;
    (void)pthread_mutex_lock(&live->lock);
    size_t users = live->users;
    (void)pthread_mutex_unlock(&live->lock);
    return (int64_t)users;
}

static int64_t count_events(void *ctx)
{
    struct live *live = ctx;
    (void)pthread_mutex_lock(&live->lock);
    size_t events = live->hearings.count;
    (void)pthread_mutex_unlock(&live->lock);
    return (int64_t)events;
}

static void show(struct live *live)
{
    static const struct {
        const char *name, *labels, *help;
        int64_t (*fn)(void *ctx);
    } counters[] = {
        {"foyer_live_joined_total", "by=\"snapshot\"", "Listeners that joined.", count_snapshots},
        {"foyer_live_joined_total", "by=\"resume\"", "Listeners that joined.", count_resumed},
        {"foyer_live_frames_total", NULL, "Changes of live maps that were encoded.", count_frames},
        {"foyer_live_sent_total", NULL, "The same, times those who were sent them.", count_sent},
        {"foyer_live_resyncs_total", NULL, "Listeners that were too slow.", count_resyncs},
        {"foyer_live_gone_total", NULL, "Live maps ended because there was another map or none.",
         count_gone},
        {"foyer_live_loads_total", NULL, "Events read again for their live maps.", count_loads},
        {"foyer_live_refused_total", "why=\"full\"", "Listeners refused.", count_full},
        {"foyer_live_refused_total", "why=\"event_full\"", "Listeners refused.", count_event_full},
        {"foyer_live_refused_total", "why=\"network_full\"", "Listeners refused.",
         count_network_full},
        {"foyer_live_refused_total", "why=\"too_fast\"", "Listeners refused.", count_too_fast},
    };
    metric_gauge_fn("foyer_live_listeners", NULL, "Listeners of live maps.", count_listeners, live);
    metric_gauge_fn("foyer_live_events", NULL, "Events whose live map is kept.", count_events,
                    live);
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        metric_counter_fn(counters[i].name, counters[i].labels, counters[i].help, counters[i].fn,
                          live);
}

/* --- life --- */

static struct websocket_options make_options(struct live *live)
{
    return (struct websocket_options){.is_event_stream = true,
                                      .queue_bytes_max = LIVE_QUEUE_BYTES_MAX,
                                      .queue_frames_max = LIVE_QUEUE_FRAMES_MAX,
                                      .send_buffer = LIVE_SEND_BUFFER,
                                      .admit_per_s = LIVE_ADMIT_PER_S,
                                      .ping_ms = LIVE_COMMENT_MS,
                                      .on_open = on_open,
                                      .on_overflow = on_overflow,
                                      .on_stop = on_stop,
                                      .on_close = on_close,
                                      .ctx = live};
}

enum err live_new(struct tickets *tickets, struct live **ret_live)
{
    struct live *live = calloc(1, sizeof(*live));
    pthread_condattr_t attributes;
    if (!live)
        return ERR_NOMEM;
    live->tickets = tickets;
    live->options = make_options(live);
    (void)pthread_condattr_init(&attributes); /* these cannot fail on Linux */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&live->wakeup, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&live->lock, NULL);
    map_init(&live->hearings, LIVE_VIEWS_MAX);
    map_init(&live->networks, LIVE_LISTENERS_MAX);
    live->looked = calloc(LIVE_VIEWS_MAX, sizeof(struct hearing *));
    live->gone = event_stream_frame("gone", STR_NONE, STR("{}"));
    live->resync = event_stream_frame("resync", STR_NONE, STR("{}"));
    if (!live->looked || !live->gone || !live->resync) {
        live_free(live);
        return ERR_NOMEM;
    }
    *ret_live = live;
    return ERR_OK;
}

const struct websocket_options *live_event_streams(const struct live *live)
{
    return &live->options;
}

enum err live_start(struct live *live, struct app *app, struct websocket_hub *hub,
                    size_t connections_max)
{
    live->app = app;
    live->users_max = connections_max * LIVE_CONNECTIONS_PERCENT / 100;
    if (live->users_max > LIVE_LISTENERS_MAX)
        live->users_max = LIVE_LISTENERS_MAX;
    live->hub = hub;
    show(live);
    if (pthread_create(&live->thread, NULL, ticker_main, live) != 0)
        return ERR_NOMEM;
    (void)pthread_setname_np(live->thread, "live"); /* a name is a convenience */
    live->is_running = true;
    return ERR_OK;
}

void live_stop(struct live *live)
{
    if (!live || !live->is_running)
        return;
    (void)pthread_mutex_lock(&live->lock);
    live->is_stopping = true;
    (void)pthread_cond_signal(&live->wakeup);
    (void)pthread_mutex_unlock(&live->lock);
    (void)pthread_join(live->thread, NULL); /* ours and joinable */
    live->is_running = false;
    metrics_forget(live);
}

void live_free(struct live *live)
{
    size_t position = 0;
    uint64_t event_id = 0;
    uintptr_t value = 0;
    if (!live)
        return;
    while (map_each(&live->hearings, &position, &event_id, &value))
        hearing_unref((struct hearing *)value);
    map_release(&live->hearings);
    map_release(&live->networks);
    shared_unref(live->gone);
    shared_unref(live->resync);
    free(live->looked);
    (void)pthread_cond_destroy(&live->wakeup); /* nobody waits */
    (void)pthread_mutex_destroy(&live->lock);
    free(live);
}
