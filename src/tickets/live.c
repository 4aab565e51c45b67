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
#include "tickets/live_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "app/metrics.h"

/* --- hearings --- */

struct hearing *hearing_ref(struct hearing *hearing)
{
    atomic_fetch_add_explicit(&hearing->refs, 1, memory_order_relaxed);
    return hearing;
}

void hearing_unref(struct hearing *hearing)
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

struct hearing *hearing_new(struct live *live, const struct event_model *model)
{
    struct hearing *hearing = calloc(1, sizeof(*hearing));
    if (!hearing)
        return NULL;
    hearing->live = live;
    hearing->event_id = model->event.id;
    atomic_init(&hearing->refs, 1);
    (void)pthread_mutex_init(&hearing->lock, NULL); /* cannot fail on Linux */
    hearing->view = live_view_new(model);
    hearing->load.run = live_load_run;
    if (hearing->view)
        return hearing;
    hearing_unref(hearing);
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

/* Of the hub. */
#define SOCKETS(name, field)                                                                       \
    static int64_t name(void *ctx)                                                                 \
    {                                                                                              \
        const struct live *live = ctx;                                                             \
        struct websocket_stats stats;                                                              \
        websocket_stats(live->hub, &stats);                                                        \
        return (int64_t)stats.field;                                                               \
    }
SOCKETS(count_bytes, bytes_out)
SOCKETS(count_writes, writes)
SOCKETS(closed_gone, closed[WEBSOCKET_END_GONE])
SOCKETS(closed_full, closed[WEBSOCKET_END_FULL])
SOCKETS(closed_slow, closed[WEBSOCKET_END_SLOW_READER])
SOCKETS(closed_talking, closed[WEBSOCKET_END_PROTOCOL])
SOCKETS(closed_by_service, closed[WEBSOCKET_END_SERVICE])
SOCKETS(closed_stop, closed[WEBSOCKET_END_STOP])
#undef SOCKETS

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
        {"foyer_live_bytes_total", NULL, "Bytes sent to listeners.", count_bytes},
        {"foyer_live_writes_total", NULL, "System calls that sent them.", count_writes},
        {"foyer_live_closed_total", "end=\"gone\"", "Listeners that left.", closed_gone},
        {"foyer_live_closed_total", "end=\"full\"", "Listeners that left.", closed_full},
        {"foyer_live_closed_total", "end=\"slow_reader\"", "Listeners that left.", closed_slow},
        {"foyer_live_closed_total", "end=\"protocol\"", "Listeners that left.", closed_talking},
        {"foyer_live_closed_total", "end=\"service\"", "Listeners that left.", closed_by_service},
        {"foyer_live_closed_total", "end=\"stop\"", "Listeners that left.", closed_stop},
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
                                      .on_open = live_on_open,
                                      .on_overflow = live_on_overflow,
                                      .on_stop = live_on_stop,
                                      .on_close = live_on_close,
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
    if (pthread_create(&live->thread, NULL, live_ticker_main, live) != 0)
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
