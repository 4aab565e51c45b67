/*
 * The stream's clock: a thread that looks every STREAM_CLOCK_MS at what is due. Connections that have not said
 * hello, watermarks that wait to be told, reads that have failed, and tokens that may have ended elsewhere (what
 * ends on this node is heard of at once).
 */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "chat/stream_internal.h"

#define WAITING_FIRST 64

/* ---- hello in time ---- */

/* The lock is held. */
static enum err grow_waiting(struct stream *stream)
{
    size_t cap = stream->waiting_cap ? stream->waiting_cap * 2 : WAITING_FIRST;
    struct stream_waiting *waiting = calloc(cap, sizeof(*waiting));
    if (!waiting)
        return ERR_NOMEM;
    for (size_t i = 0; i < stream->waiting_count; i++)
        waiting[i] = stream->waiting[(stream->waiting_head + i) % stream->waiting_cap];
    free(stream->waiting);
    stream->waiting = waiting;
    stream->waiting_cap = cap;
    stream->waiting_head = 0;
    return ERR_OK;
}

enum err stream_expect_hello(struct stream *stream, websocket_id id)
{
    enum err err = ERR_OK;
    (void)pthread_mutex_lock(&stream->lock);
    if (stream->waiting_count == stream->waiting_cap)
        err = grow_waiting(stream);
    if (!err) {
        size_t at = (stream->waiting_head + stream->waiting_count++) % stream->waiting_cap;
        stream->waiting[at] = (struct stream_waiting){id, stream_now_ms() + STREAM_HELLO_MS};
    }
    (void)pthread_mutex_unlock(&stream->lock);
    return err;
}

/* 0: none is due. */
static websocket_id take_late(struct stream *stream, int64_t now)
{
    websocket_id id = 0;
    (void)pthread_mutex_lock(&stream->lock);
    const struct stream_waiting *first =
        stream->waiting_count > 0 ? &stream->waiting[stream->waiting_head] : NULL;
    if (first && first->until_ms <= now) {
        id = first->id;
        stream->waiting_head = (stream->waiting_head + 1) % stream->waiting_cap;
        stream->waiting_count--;
    }
    (void)pthread_mutex_unlock(&stream->lock);
    return id;
}

static void end_late(struct stream *stream, int64_t now)
{
    websocket_id id;
    while ((id = take_late(stream, now)))
        session_post_bye(stream, id, BYE_HELLO); /* if it is still new */
}

/* ---- tokens that have ended elsewhere ---- */

struct recheck {
    struct stream_read read;
    struct stream *stream;
    size_t count;
    struct stream_entry entries[STREAM_RECHECK_BATCH];
};

static void recheck_run(struct stream_read *read, struct db *const *databases)
{
    struct recheck *recheck = container_of(read, struct recheck, read);
    struct stream *stream = recheck->stream;
    struct db *platform = databases[app_platform_database(stream->app)];
    uint64_t account_id;
    for (size_t i = 0; i < recheck->count; i++) {
        const struct stream_entry *entry = &recheck->entries[i];
        if (identity_session_find(platform, entry->token_hash, &account_id) == ERR_DENIED)
            session_post_bye(stream, entry->id, BYE_UNAUTHENTICATED);
    }
    atomic_store(&stream->is_rechecking, false);
}

static void recheck_tokens(struct stream *stream, int64_t now)
{
    struct recheck *recheck = stream->recheck;
    if (atomic_load(&stream->is_rechecking))
        return;
    recheck->count = stream_users_due(stream->users, now - STREAM_RECHECK_MS, now, recheck->entries,
                                      STREAM_RECHECK_BATCH);
    if (recheck->count == 0)
        return;
    atomic_store(&stream->is_rechecking, true);
    stream_reads_submit(&stream->reads, &recheck->read);
}

/* ---- the thread ---- */

/* False: stopping. */
static bool wait_tick(struct stream *stream)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* always there */
    until.tv_nsec += STREAM_CLOCK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int result = 0;
    (void)pthread_mutex_lock(&stream->lock);
    while (!stream->is_stopping && result == 0)
        result = pthread_cond_timedwait(&stream->wakeup, &stream->lock, &until);
    bool goes_on = !stream->is_stopping;
    (void)pthread_mutex_unlock(&stream->lock);
    return goes_on;
}

static void *clock_main(void *ctx)
{
    struct stream *stream = ctx;
    while (wait_tick(stream)) {
        int64_t now = stream_now_ms();
        end_late(stream, now);
        stream_reads_tick(&stream->reads);
        audiences_tick(stream->audiences);
        stream_presence_tick(stream);
        stream_relist_tick(stream);
        recheck_tokens(stream, now);
    }
    return NULL;
}

enum err stream_clock_start(struct stream *stream)
{
    stream->recheck = calloc(1, sizeof(*stream->recheck));
    if (!stream->recheck)
        return ERR_NOMEM;
    stream->recheck->read.run = recheck_run;
    stream->recheck->stream = stream;
    if (pthread_create(&stream->thread, NULL, clock_main, stream) != 0)
        return ERR_NOMEM;
    (void)pthread_setname_np(stream->thread, "chat-stream"); /* a name is a convenience */
    stream->is_running = true;
    return ERR_OK;
}

void stream_clock_stop(struct stream *stream)
{
    if (!stream->is_running)
        return;
    (void)pthread_mutex_lock(&stream->lock);
    stream->is_stopping = true;
    (void)pthread_cond_signal(&stream->wakeup);
    (void)pthread_mutex_unlock(&stream->lock);
    (void)pthread_join(stream->thread, NULL); /* ours and joinable */
    stream->is_running = false;
}
