/* Who listens: counted when the request is accepted, joined on the loop, gone with the connection. See live.c. */
#include "tickets/live_internal.h"

#include <assert.h>
#include <stdlib.h>

#define LISTENERS_FIRST 8

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

/* Out of the full table, with the table's reference: one that is only kept for who may come again. NULL: none. */
static struct hearing *take_deserted_locked(struct live *live)
{
    size_t position = 0;
    uint64_t event_id = 0;
    uintptr_t value = 0;
    while (map_each(&live->hearings, &position, &event_id, &value)) {
        if (((struct hearing *)value)->users > 0)
            continue;
        (void)map_remove(&live->hearings, event_id);
        return (struct hearing *)value;
    }
    return NULL;
}

/* The new one into the table. */
static enum live_refusal enter_table_locked(struct live *live, struct hearing *made,
                                            struct hearing **ret_dropped)
{
    if (live->hearings.count >= LIVE_VIEWS_MAX)
        *ret_dropped = take_deserted_locked(live);
    if (live->hearings.count >= LIVE_VIEWS_MAX)
        return LIVE_FULL;
    if (map_put(&live->hearings, made->event_id, (uintptr_t)made) != ERR_OK)
        return LIVE_NO_MEMORY;
    (void)hearing_ref(made);
    (void)pthread_cond_signal(&live->wakeup);
    return LIVE_ACCEPTED;
}

/* The event's hearing with a reference, one user more. made: to be used when there is none yet; then it is the
 * table's. */
static enum live_refusal reserve(struct live *live, uint64_t event_id, uint64_t network,
                                 struct hearing *made, struct hearing **ret_hearing)
{
    enum live_refusal refusal = LIVE_ACCEPTED;
    struct hearing *dropped = NULL;
    uintptr_t value = 0;
    *ret_hearing = NULL;
    (void)pthread_mutex_lock(&live->lock);
    struct hearing *hearing =
        map_get(&live->hearings, event_id, &value) ? (struct hearing *)value : made;
    if (hearing && hearing == made)
        refusal = enter_table_locked(live, made, &dropped);
    if (hearing && refusal == LIVE_ACCEPTED)
        refusal = reserve_locked(live, hearing, network);
    if (hearing && refusal == LIVE_ACCEPTED)
        *ret_hearing = hearing_ref(hearing);
    (void)pthread_mutex_unlock(&live->lock);
    hearing_unref(dropped);
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
    assert(hearing);
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
    live_count(hearing->live, listener->has_seen ? COUNT_RESUMED : COUNT_SNAPSHOTS, 1);
    listener->index = hearing->count;
    hearing->ids[hearing->count] = websocket_get_id(socket);
    hearing->listeners[hearing->count++] = listener;
    return ERR_OK;
}

void live_on_open(struct websocket *socket, void *ctx)
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

void live_on_close(struct websocket *socket, enum websocket_end end, unsigned peer_code, void *ctx)
{
    struct listener *listener = websocket_data(socket);
    (void)end;
    (void)peer_code;
    (void)ctx;
    leave(listener->hearing, listener);
    listener_free(listener);
}

void live_on_overflow(struct websocket *socket, void *ctx)
{
    struct live *live = ctx;
    live_count(live, COUNT_RESYNCS, 1);
    websocket_send_last(socket, live->resync);
}

void live_on_stop(struct websocket *socket, int64_t reconnect_after_ms, void *ctx)
{
    struct shared *frame = event_stream_retry(reconnect_after_ms);
    (void)ctx;
    websocket_send_last(socket, frame); /* without memory the client takes its own time */
    shared_unref(frame);
}
