/* The live map's parts, as they see each other; see live.c. */
#ifndef TICKETS_LIVE_INTERNAL_H
#define TICKETS_LIVE_INTERNAL_H

#include <pthread.h>

#include "base/clock.h"
#include "base/map.h"
#include "tickets/limits.h"
#include "tickets/live.h"
#include "tickets/live_view.h"
#include "tickets/tickets.h"

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

static inline void live_count(struct live *live, enum live_counter counter, uint64_t n)
{
    atomic_fetch_add_explicit(&live->counters[counter], n, memory_order_relaxed);
}

/* --- live.c --- */

/* With one reference; NULL: no memory. */
struct hearing *hearing_new(struct live *live, const struct event_model *model);
struct hearing *hearing_ref(struct hearing *hearing);
void hearing_unref(struct hearing *hearing); /* NULL is fine */

/* --- live_listener.c; of the hub, whose ctx is struct live --- */

void live_on_open(struct websocket *socket, void *ctx);
void live_on_overflow(struct websocket *socket, void *ctx);
void live_on_stop(struct websocket *socket, int64_t reconnect_after_ms, void *ctx);
void live_on_close(struct websocket *socket, enum websocket_end end, unsigned peer_code, void *ctx);

/* --- live_ticker.c --- */

void live_load_run(struct pool_task *task, struct db *const *databases);
/* The thread. */
void *live_ticker_main(void *ctx);

#endif
