/*
 * Facts are told: see fact.h.
 *
 *   fact rows ──▶ sink.take (committed) ──▶ rows deleted (committed)
 *
 * The rows are the queue, and what is not there any more was told: there is no cursor, so it does not matter
 * in which order transactions become visible. A crash between the two commits tells the same facts again,
 * and the sink knows them by their ids. Along a chat they come in order; the node that acts for the sink's
 * service tells.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "app/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "chat/fact.h"

#define TELL_SHARD       1 /* no chat's id: rows of facts belong to who tells them */
#define BATCH_ARENA_MAX  (64u << 20)
#define BATCH_ARENA_KEPT (1u << 20)

_Static_assert(FACT_BATCH_MAX <= BRIDGE_BATCH_MAX, "a batch is taken at once");

struct metric *fact_metric(bool is_told)
{
    return metric_counter("foyer_chat_facts_total",
                          is_told ? "result=\"told\"" : "result=\"dropped\"",
                          "What happened in chats, for webhooks.");
}

struct chat_bridge {
    struct writer *writer;
    struct facts facts;
    struct bridge_sink sink;
    struct db *db;
    struct arena arena; /* of one batch */
    struct metric *told, *dropped;
    bool has_failed; /* it is in the log */
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* CLOCK_MONOTONIC */
    bool is_stopping;      /* under the lock */
};

struct tell_job {
    struct writer_job job;
    const struct fact *facts;
    size_t count;
    int64_t swept;
};

static enum err tell_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct tell_job *tell = container_of(job, struct tell_job, job);
    enum err err = ERR_OK;
    tell->swept = 0;
    for (size_t i = 0; !err && i < tell->count; i++)
        err = fact_store_delete(tx->db, tell->facts[i].id);
    if (!err && tell->count == 0)
        err = fact_store_sweep(tx->db, tx->now_ms - FACT_KEPT_MS, &tell->swept);
    return err;
}

static enum err take(struct chat_bridge *bridge, const struct fact *facts, size_t count)
{
    struct bridge_message *messages =
        ARENA_ARRAY(&bridge->arena, struct bridge_message, FACT_BATCH_MAX);
    struct arena *arena = &bridge->arena;
    if (!messages)
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        char text[ID_TEXT_SIZE];
        messages[i] = (struct bridge_message){
            .account_id = bridge->facts.account_id,
            .type = facts[i].type,
            .channel = arena_str_dup(arena, id_format(text, "cht", facts[i].chat_id)),
            .event_id = arena_str_dup(arena, id_format(text, "fct", facts[i].id)),
            .payload = facts[i].payload};
    }
    return arena->overflow ? ERR_NOMEM : bridge->sink.take(bridge->sink.ctx, messages, count);
}

static enum err run_batch(struct chat_bridge *bridge, size_t *ret_count)
{
    struct fact *facts = ARENA_ARRAY(&bridge->arena, struct fact, FACT_BATCH_MAX);
    bool is_wanted = false;
    size_t count = 0;
    if (!facts)
        return ERR_NOMEM;
    enum err err = fact_store_list(bridge->db, &bridge->arena, FACT_BATCH_MAX, facts, &count);
    if (err || count == 0) {
        *ret_count = 0;
        return err;
    }
    err = bridge->sink.wants(bridge->sink.ctx, bridge->facts.account_id, &is_wanted);
    if (!err && is_wanted)
        err = take(bridge, facts, count);
    struct tell_job tell = {
        .job = {.shard = TELL_SHARD, .apply = tell_apply}, .facts = facts, .count = count};
    if (!err)
        err = writer_run_internal(bridge->writer, &tell.job);
    if (err)
        return err;
    metric_add(is_wanted ? bridge->told : bridge->dropped, (int64_t)count);
    *ret_count = count;
    return ERR_OK;
}

/* While they cannot be told: what is too old goes. */
static void sweep(struct chat_bridge *bridge)
{
    struct tell_job tell = {.job = {.shard = TELL_SHARD, .apply = tell_apply}};
    if (writer_run_internal(bridge->writer, &tell.job) == ERR_OK)
        metric_add(bridge->dropped, tell.swept);
}

static void note(struct chat_bridge *bridge, enum err err)
{
    if (err && err != ERR_CLOSED && !bridge->has_failed)
        log_warn("webhooks are not told of chats", "err=%s", err_name(err));
    if (err && err != ERR_CLOSED)
        sweep(bridge);
    bridge->has_failed = err != ERR_OK;
}

/* False: stopping. */
static bool wait_ms(struct chat_bridge *bridge, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* always there */
    int64_t ns = until.tv_nsec + ms * 1000000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    int result = 0;
    (void)pthread_mutex_lock(&bridge->lock);
    while (!bridge->is_stopping && result == 0)
        result = pthread_cond_timedwait(&bridge->wakeup, &bridge->lock, &until);
    bool goes_on = !bridge->is_stopping;
    (void)pthread_mutex_unlock(&bridge->lock);
    return goes_on;
}

static void *bridge_main(void *ctx)
{
    struct chat_bridge *bridge = ctx;
    int64_t pause_ms = FACT_WAIT_MS;
    while (wait_ms(bridge, pause_ms)) {
        size_t count = 0;
        enum err err = ERR_OK;
        if (bridge->sink.may_act(bridge->sink.ctx)) {
            err = run_batch(bridge, &count);
            note(bridge, err);
        }
        arena_reset(&bridge->arena, BATCH_ARENA_KEPT);
        bridge->arena.overflow = false;
        pause_ms = err ? FACT_PAUSE_MS : count == FACT_BATCH_MAX ? 0 : FACT_WAIT_MS;
    }
    return NULL;
}

static struct chat_bridge *bridge_new(struct writer *writer, const struct facts *facts,
                                      const struct bridge_sink *sink)
{
    struct chat_bridge *bridge = calloc(1, sizeof(*bridge));
    pthread_condattr_t attributes;
    if (!bridge)
        return NULL;
    bridge->writer = writer;
    bridge->facts = *facts;
    bridge->sink = *sink;
    arena_init(&bridge->arena, BATCH_ARENA_MAX);
    (void)pthread_condattr_init(&attributes); /* these cannot fail on Linux */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&bridge->wakeup, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&bridge->lock, NULL);
    bridge->told = fact_metric(true);
    bridge->dropped = fact_metric(false);
    return bridge;
}

enum err chat_bridge_start(struct writer *writer, const char *database_path,
                           const struct facts *facts, const struct bridge_sink *sink,
                           struct chat_bridge **ret_bridge)
{
    struct chat_bridge *bridge = bridge_new(writer, facts, sink);
    if (!bridge)
        return ERR_NOMEM;
    enum err err = db_open(database_path, DB_READER, &bridge->db);
    if (!err && pthread_create(&bridge->thread, NULL, bridge_main, bridge) != 0)
        err = ERR_NOMEM;
    bridge->is_running = !err;
    if (err) {
        chat_bridge_stop(bridge);
        return err;
    }
    (void)pthread_setname_np(bridge->thread, "chat-bridge"); /* a name is a convenience */
    *ret_bridge = bridge;
    return ERR_OK;
}

void chat_bridge_stop(struct chat_bridge *bridge)
{
    if (!bridge)
        return;
    (void)pthread_mutex_lock(&bridge->lock);
    bridge->is_stopping = true;
    (void)pthread_cond_signal(&bridge->wakeup);
    (void)pthread_mutex_unlock(&bridge->lock);
    if (bridge->is_running)
        (void)pthread_join(bridge->thread, NULL); /* ours and joinable */
    db_close(bridge->db);
    arena_release(&bridge->arena);
    (void)pthread_cond_destroy(&bridge->wakeup); /* nobody waits */
    (void)pthread_mutex_destroy(&bridge->lock);
    free(bridge);
}
