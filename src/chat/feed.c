/*
 * See feed.h. A thread that reads every FEED_INTERVAL_MS, longer after failures. It has a position in each
 * table: a transaction writes to one, by the time of its group, and at the end of a turn neighbours may
 * write to different ones. So along a chat the last rows of one table may come behind the first of the
 * other, which is as much as listeners must bear anyway.
 */
#include "chat/feed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

struct feed {
    const struct fanout *fanout;
    const struct id_gen *ids;
    struct db *db;
    struct feed_position positions[FEED_TABLES];
    int64_t read_ns; /* monotonic, when all of it was read last */
    pthread_t thread;
    bool is_running;
    bool has_failed; /* it is in the log */
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* CLOCK_MONOTONIC */
    bool is_stopping;      /* under the lock */
};

/* ---- writing ---- */

static size_t table_of(int64_t now_ms)
{
    return (size_t)(now_ms / FEED_SPAN_MS) % FEED_TABLES;
}

static int64_t node_of(const struct id_gen *ids)
{
    return (int64_t)atomic_load_explicit(&ids->node, memory_order_relaxed);
}

enum err feed_put(struct writer_tx *tx, const struct fanout_event *event)
{
    int64_t item = event->kind == FANOUT_ENTRY     ? event->last_seq
                   : event->kind == FANOUT_MEMBERS ? event->members_version
                                                   : (int64_t)event->member.user_id;
    struct feed_row row = {
        .position = {.chat_id = (int64_t)event->chat_id, .kind = event->kind, .item = item},
        .node = node_of(tx->ids)};
    if (!db_is_pgsql(tx->db))
        return ERR_OK;
    return feed_store_put(tx->db, table_of(tx->now_ms), &row);
}

enum err feed_sweep(struct writer_tx *tx)
{
    bool is_second_half = tx->now_ms % FEED_SPAN_MS >= FEED_SPAN_MS / 2;
    if (!db_is_pgsql(tx->db) || !is_second_half)
        return ERR_OK;
    return feed_store_empty(tx->db, (table_of(tx->now_ms) + 1) % FEED_TABLES);
}

/* ---- reading ---- */

static void tell(const struct feed *feed, const struct fanout_event *event)
{
    feed->fanout->on_event(feed->fanout->ctx, event);
}

static struct fanout_event event_of(const struct feed_row *row)
{
    struct fanout_event event = {.kind = (enum fanout_kind)row->position.kind,
                                 .chat_id = (uint64_t)row->position.chat_id};
    if (event.kind == FANOUT_ENTRY)
        event.first_seq = event.last_seq = row->position.item;
    else if (event.kind == FANOUT_MEMBERS)
        event.members_version = row->position.item;
    else
        event.member = (struct member){
            .user_id = (uint64_t)row->position.item, .delivered_seq = -1, .read_seq = -1};
    return event;
}

/* Entries of a chat that follow each other are one event. */
static void tell_rows(const struct feed *feed, const struct feed_row *rows, size_t count)
{
    struct fanout_event event = {0};
    bool has_event = false;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].node == node_of(feed->ids))
            continue;
        struct fanout_event next = event_of(&rows[i]);
        bool follows = has_event && next.kind == FANOUT_ENTRY && event.kind == FANOUT_ENTRY &&
                       next.chat_id == event.chat_id && next.first_seq == event.last_seq + 1;
        if (follows) {
            event.last_seq = next.last_seq;
            continue;
        }
        if (has_event)
            tell(feed, &event);
        event = next;
        has_event = true;
    }
    if (has_event)
        tell(feed, &event);
}

enum err feed_read(struct feed *feed, bool *ret_has_more)
{
    struct feed_row rows[FEED_BATCH_MAX];
    bool has_more = false;
    int64_t now_ns = clock_mono_ns();
    if (now_ns - feed->read_ns > FEED_SPAN_MS / 2 * 1000000) {
        feed->read_ns = now_ns;
        tell(feed, &(struct fanout_event){.kind = FANOUT_DOUBT});
    }
    for (size_t i = 0; i < FEED_TABLES; i++) {
        size_t count;
        enum err err =
            feed_store_read(feed->db, i, &feed->positions[i], FEED_BATCH_MAX, rows, &count);
        if (err)
            return err;
        if (count > 0)
            feed->positions[i] = rows[count - 1].position;
        has_more = has_more || count == FEED_BATCH_MAX;
        tell_rows(feed, rows, count);
    }
    if (!has_more)
        feed->read_ns = now_ns;
    *ret_has_more = has_more;
    return ERR_OK;
}

/* ---- the thread ---- */

/* False: stopping. */
static bool wait_ms(struct feed *feed, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* always there */
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int result = 0;
    (void)pthread_mutex_lock(&feed->lock);
    while (!feed->is_stopping && result == 0)
        result = pthread_cond_timedwait(&feed->wakeup, &feed->lock, &until);
    bool goes_on = !feed->is_stopping;
    (void)pthread_mutex_unlock(&feed->lock);
    return goes_on;
}

/* Once, not every time. */
static void note_outcome(struct feed *feed, enum err err)
{
    if (err && !feed->has_failed)
        log_warn("other nodes' messages cannot be read", "err=%s", err_name(err));
    else if (!err && feed->has_failed)
        log_info("other nodes' messages can be read again", "feed=%s", "chat");
    feed->has_failed = err != ERR_OK;
}

static void *feed_main(void *ctx)
{
    struct feed *feed = ctx;
    int64_t pause_ms = FEED_INTERVAL_MS;
    do {
        bool has_more = false;
        enum err err = feed_read(feed, &has_more);
        note_outcome(feed, err);
        if (err)
            pause_ms = 2 * pause_ms + 1 < FEED_PAUSE_MS_MAX ? 2 * pause_ms + 1 : FEED_PAUSE_MS_MAX;
        else
            pause_ms = has_more ? 0 : FEED_INTERVAL_MS;
    } while (wait_ms(feed, pause_ms));
    return NULL;
}

/* ---- making and ending it ---- */

static enum err open_at_end(struct feed *feed, const char *location)
{
    int64_t end;
    enum err err = db_open(location, DB_READER, &feed->db);
    if (!err)
        err = feed_store_end(feed->db, &end);
    for (size_t i = 0; !err && i < FEED_TABLES; i++)
        feed->positions[i] = (struct feed_position){.tx = end - 1, .chat_id = INT64_MAX};
    return err;
}

enum err feed_new(const char *location, const struct id_gen *ids, const struct fanout *fanout,
                  struct feed **ret_feed)
{
    *ret_feed = NULL;
    if (!fanout->on_event || !db_location_is_pgsql(location))
        return ERR_OK;
    struct feed *feed = calloc(1, sizeof(*feed));
    if (!feed)
        return ERR_NOMEM;
    feed->fanout = fanout;
    feed->ids = ids;
    feed->read_ns = clock_mono_ns();
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes); /* these cannot fail on Linux */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&feed->wakeup, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&feed->lock, NULL);
    enum err err = open_at_end(feed, location);
    if (err) {
        feed_free(feed);
        return err;
    }
    *ret_feed = feed;
    return ERR_OK;
}

enum err feed_start(struct feed *feed)
{
    if (!feed)
        return ERR_OK;
    if (pthread_create(&feed->thread, NULL, feed_main, feed) != 0)
        return ERR_NOMEM;
    (void)pthread_setname_np(feed->thread, "chat-feed"); /* a name is a convenience */
    feed->is_running = true;
    return ERR_OK;
}

void feed_stop(struct feed *feed)
{
    if (!feed || !feed->is_running)
        return;
    (void)pthread_mutex_lock(&feed->lock);
    feed->is_stopping = true;
    (void)pthread_cond_signal(&feed->wakeup);
    (void)pthread_mutex_unlock(&feed->lock);
    (void)pthread_join(feed->thread, NULL); /* ours and joinable */
    feed->is_running = false;
}

void feed_free(struct feed *feed)
{
    if (!feed)
        return;
    db_close(feed->db);
    (void)pthread_cond_destroy(&feed->wakeup); /* nobody waits */
    (void)pthread_mutex_destroy(&feed->lock);
    free(feed);
}
