/*
 * See ephemera.h. One thread: it takes what waits from a ring, packs it into calls, and hears others until the next
 * turn. The ring has a lock of its own, held for a copy; all else belongs to the thread.
 */
#include "chat/ephemera.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"

#define CHANNEL   "ephemera"
#define NS_PER_MS INT64_C(1000000)

struct node {
    uint64_t id; /* 0: a free place */
    int64_t heard_ns;
};

struct ephemera {
    struct ephemera_listener listener;
    struct db *db;
    uint64_t id;
    int64_t said_ns; /* the last call */
    struct node nodes[EPHEMERA_NODES_MAX];
    struct ephemera_text text;
    pthread_t thread;
    bool is_running;
    bool has_failed; /* it is in the log */
    _Atomic bool is_stopping;
    _Atomic uint64_t said, heard, dropped, node_count;

    pthread_mutex_t lock; /* over the ring */
    size_t first, count;
    struct ephemeral ring[EPHEMERA_WAITING_MAX];
};

/* ---- saying ---- */

void ephemera_say(struct ephemera *ephemera, const struct ephemeral *what)
{
    if (!ephemera)
        return;
    size_t max =
        what->kind == EPHEMERAL_TYPING ? EPHEMERA_WAITING_MAX / 2 : (size_t)EPHEMERA_WAITING_MAX;
    (void)pthread_mutex_lock(&ephemera->lock);
    bool has_room = ephemera->count < max;
    if (has_room)
        ephemera->ring[(ephemera->first + ephemera->count++) % EPHEMERA_WAITING_MAX] = *what;
    (void)pthread_mutex_unlock(&ephemera->lock);
    if (!has_room)
        atomic_fetch_add(&ephemera->dropped, 1);
}

/* As much of what waits as goes into one call. */
static size_t fill_text(struct ephemera *ephemera)
{
    size_t taken = 0;
    ephemera_text_begin(&ephemera->text, ephemera->id);
    (void)pthread_mutex_lock(&ephemera->lock);
    while (ephemera->count > 0 &&
           ephemera_text_add(&ephemera->text, &ephemera->ring[ephemera->first])) {
        ephemera->first = (ephemera->first + 1) % EPHEMERA_WAITING_MAX;
        ephemera->count--;
        taken++;
    }
    (void)pthread_mutex_unlock(&ephemera->lock);
    return taken;
}

static enum err call(struct ephemera *ephemera)
{
    ephemera->said_ns = clock_mono_ns();
    return db_call(ephemera->db, CHANNEL, str_from(ephemera->text.bytes, ephemera->text.len));
}

/* The node itself. */
static enum err call_own(struct ephemera *ephemera, enum ephemeral_kind kind)
{
    ephemera_text_begin(&ephemera->text, ephemera->id);
    (void)ephemera_text_add(&ephemera->text, &(struct ephemeral){.kind = kind});
    return call(ephemera);
}

static enum err say_waiting(struct ephemera *ephemera)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < EPHEMERA_CALLS_MAX; i++) {
        size_t taken = fill_text(ephemera);
        if (taken == 0)
            break;
        err = call(ephemera);
        atomic_fetch_add(err ? &ephemera->dropped : &ephemera->said, taken);
    }
    if (!err && clock_mono_ns() - ephemera->said_ns >= EPHEMERA_BEAT_MS * NS_PER_MS)
        err = call_own(ephemera, EPHEMERAL_HERE);
    return err;
}

/* ---- hearing ---- */

/* NULL: too many. */
static struct node *find_node(struct ephemera *ephemera, uint64_t id)
{
    struct node *free_place = NULL;
    for (size_t i = 0; i < EPHEMERA_NODES_MAX; i++) {
        struct node *node = &ephemera->nodes[i];
        if (node->id == id)
            return node;
        if (node->id == 0 && !free_place)
            free_place = node;
    }
    if (!free_place)
        return NULL;
    *free_place = (struct node){.id = id};
    atomic_fetch_add(&ephemera->node_count, 1);
    return free_place;
}

static void lose(struct ephemera *ephemera, struct node *node)
{
    uint64_t id = node->id;
    *node = (struct node){0};
    atomic_fetch_sub(&ephemera->node_count, 1);
    ephemera->listener.on_lost(ephemera->listener.ctx, id);
}

static void on_item(void *ctx, uint64_t node, const struct ephemeral *what)
{
    struct ephemera *ephemera = ctx;
    struct node *known = node == ephemera->id ? NULL : find_node(ephemera, node);
    if (!known)
        return;
    known->heard_ns = clock_mono_ns();
    atomic_fetch_add(&ephemera->heard, 1);
    if (what->kind == EPHEMERAL_GONE)
        lose(ephemera, known);
    else if (what->kind != EPHEMERAL_HERE)
        ephemera->listener.on_heard(ephemera->listener.ctx, node, what);
}

static void on_call(void *ctx, struct str call)
{
    struct ephemera *ephemera = ctx;
    uint64_t id = 0;
    if (ephemera_read(call, &id, on_item, ephemera))
        log_warn("a call of another node makes no sense", "bytes=%zu", call.len);
}

/* Silence counts only while there was something to hear with. */
static void excuse_nodes(struct ephemera *ephemera)
{
    for (size_t i = 0; i < EPHEMERA_NODES_MAX; i++)
        ephemera->nodes[i].heard_ns = clock_mono_ns();
}

static void look_for_lost(struct ephemera *ephemera)
{
    int64_t since_ns = clock_mono_ns() - EPHEMERA_LOST_MS * NS_PER_MS;
    for (size_t i = 0; i < EPHEMERA_NODES_MAX; i++) {
        struct node *node = &ephemera->nodes[i];
        if (node->id != 0 && node->heard_ns <= since_ns)
            lose(ephemera, node);
    }
}

enum err ephemera_turn(struct ephemera *ephemera, int64_t wait_ms)
{
    bool is_new = false;
    enum err err = say_waiting(ephemera);
    if (!err)
        err = db_hear(ephemera->db, CHANNEL, wait_ms, on_call, ephemera, &is_new);
    if (err || is_new)
        excuse_nodes(ephemera);
    else
        look_for_lost(ephemera);
    return err;
}

/* ---- the thread ---- */

/* Once, not every time. */
static void note_outcome(struct ephemera *ephemera, enum err err)
{
    if (err && !ephemera->has_failed)
        log_warn("typing and presence of other nodes cannot be heard", "err=%s", err_name(err));
    else if (!err && ephemera->has_failed)
        log_info("typing and presence of other nodes can be heard again", "chat=%s", CHANNEL);
    ephemera->has_failed = err != ERR_OK;
}

static void *ephemera_main(void *ctx)
{
    struct ephemera *ephemera = ctx;
    while (!atomic_load(&ephemera->is_stopping)) {
        enum err err = ephemera_turn(ephemera, EPHEMERA_INTERVAL_MS);
        note_outcome(ephemera, err);
        if (err)
            nanosleep(&(struct timespec){.tv_nsec = EPHEMERA_INTERVAL_MS * NS_PER_MS}, NULL);
    }
    /* The last streams have ended by now, and others shall know before they notice the silence. */
    (void)!say_waiting(ephemera);
    (void)!call_own(ephemera, EPHEMERAL_GONE);
    return NULL;
}

/* ---- making and ending it ---- */

enum err ephemera_new(const char *location, const struct ephemera_listener *listener,
                      struct ephemera **ret_ephemera)
{
    *ret_ephemera = NULL;
    if (!db_location_is_pgsql(location))
        return ERR_OK;
    struct ephemera *ephemera = calloc(1, sizeof(*ephemera));
    if (!ephemera)
        return ERR_NOMEM;
    ephemera->listener = *listener;
    while (ephemera->id == 0)
        ephemera->id = rand_u64();
    (void)pthread_mutex_init(&ephemera->lock, NULL); /* cannot fail on Linux */
    bool is_new;
    enum err err = db_open(location, DB_READER, &ephemera->db);
    if (!err) /* from here on others are heard */
        err = db_hear(ephemera->db, CHANNEL, 0, on_call, ephemera, &is_new);
    if (err) {
        ephemera_free(ephemera);
        return err;
    }
    *ret_ephemera = ephemera;
    return ERR_OK;
}

enum err ephemera_start(struct ephemera *ephemera)
{
    if (!ephemera)
        return ERR_OK;
    if (pthread_create(&ephemera->thread, NULL, ephemera_main, ephemera) != 0)
        return ERR_NOMEM;
    (void)pthread_setname_np(ephemera->thread, "chat-ephemera"); /* a name is a convenience */
    ephemera->is_running = true;
    return ERR_OK;
}

void ephemera_stop(struct ephemera *ephemera)
{
    if (!ephemera || !ephemera->is_running)
        return;
    atomic_store(&ephemera->is_stopping, true);
    (void)pthread_join(ephemera->thread, NULL); /* ours and joinable */
    ephemera->is_running = false;
}

void ephemera_free(struct ephemera *ephemera)
{
    if (!ephemera)
        return;
    db_close(ephemera->db);
    (void)pthread_mutex_destroy(&ephemera->lock); /* nobody holds it */
    free(ephemera);
}

uint64_t ephemera_node(const struct ephemera *ephemera)
{
    return ephemera->id;
}

void ephemera_stats(struct ephemera *ephemera, struct ephemera_stats *ret_stats)
{
    *ret_stats = (struct ephemera_stats){0};
    if (!ephemera)
        return;
    ret_stats->said = atomic_load(&ephemera->said);
    ret_stats->heard = atomic_load(&ephemera->heard);
    ret_stats->dropped = atomic_load(&ephemera->dropped);
    ret_stats->nodes = atomic_load(&ephemera->node_count);
}
