/*
 * The search service: its database, and the thread that follows the tickets journal.
 *
 * A journal row only says that an event changed; what it is now is read from the tickets database
 * itself, so rows may be repeated, skipped over or arrive in bunches without harm. Rows of a batch
 * and the cursor are one job of the search writer. Batches without events (an on-sale writes
 * thousands of holds a second) move the cursor in memory and on disk only now and then: after a
 * crash they are read again.
 */
#include "tickets/search.h"

#include "app/consumer.h"
#include "app/metrics.h"
#include "base/fold.h"
#include "base/log.h"
#include "tickets/event_store.h"
#include "tickets/event_view.h"
#include "tickets/search_store.h"
#include "tickets/tickets.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS           250
#define BATCH_ROWS_MAX    4000  /* fewer, larger pieces of the word index to merge later */
#define TIDY_CHANGES      20000 /* changed events after which the word index is looked at */
#define TIDY_PIECES       6     /* more are merged */
#define TIDY_PAGES        1000  /* at once, of each of the two indexes */
#define CURSOR_LAG_MAX    20000 /* rows followed in memory alone */
#define BATCH_ARENA_MAX   ((size_t)64 << 20)
#define SUMMARY_BYTES_MAX ((size_t)16 << 10)

struct search {
    struct writer *writer;
    struct service service;
    char path[CONFIG_TEXT_MAX + 32];
    pthread_mutex_t lock;      /* of consumer: writers may still wake it while it is stopped */
    struct consumer *consumer; /* NULL: not following */
    struct search_cache *cache;
    _Atomic int64_t followed_seq;
    /* Of the consumer's thread. */
    struct search_cursor saved;
    size_t unsaved_rows; /* followed after it */
    size_t changes;      /* since the pieces were counted */
    bool is_merging;
    _Atomic bool is_untidy; /* pieces are to be counted or merged; read by /metrics */
};

enum err search_new(const struct config *config, struct search **ret_search)
{
    struct search *search = calloc(1, sizeof(*search));
    if (!search)
        return ERR_NOMEM;
    pthread_mutex_init(&search->lock, NULL);
    (void)snprintf(search->path, sizeof(search->path), "%s/search.db",
                   config->data); /* fits by its size */
    search->cache = search_cache_new();
    enum err err = search->cache ? writer_new(search->path, "search", &search->writer) : ERR_NOMEM;
    if (!err)
        err = search_cursor_get(writer_db(search->writer), &search->saved);
    if (!err)
        err = writer_start(search->writer);
    if (err) {
        search_free(search);
        return err;
    }
    atomic_store(&search->followed_seq, search->saved.seq);
    search->changes = TIDY_CHANGES; /* a merge may have been cut short by the last stop */
    atomic_store(&search->is_untidy, true);
    search->service = (struct service){.name = "search",
                                       .routes = search_routes,
                                       .route_count = search_routes_count,
                                       .writer = search->writer,
                                       .state = search};
    *ret_search = search;
    return ERR_OK;
}

void search_free(struct search *search)
{
    if (!search)
        return;
    if (search->writer)
        writer_free(search->writer);
    metrics_forget(search->cache);
    metrics_forget(search);
    search_cache_free(search->cache);
    pthread_mutex_destroy(&search->lock);
    free(search);
}

struct service *search_service(struct search *search)
{
    return &search->service;
}

const char *search_database_path(const struct search *search)
{
    return search->path;
}

struct search_cache *search_answers(struct search *search)
{
    return search->cache;
}

int64_t search_followed_seq(const struct search *search)
{
    return atomic_load(&search->followed_seq);
}

/* --- Following --- */

struct change {
    uint64_t event_id;
    bool is_listed; /* else it leaves the index */
    struct search_doc doc;
};

struct batch {
    struct writer_job job;
    struct search *search;
    struct change *changes;
    size_t count;
    struct search_cursor cursor;
};

static enum err batch_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct batch *batch = container_of(job, struct batch, job);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < batch->count; i++) {
        struct change *change = &batch->changes[i];
        err = change->is_listed ? search_doc_put(tx->db, &change->doc)
                                : search_doc_remove(tx->db, change->event_id);
    }
    return err ? err : search_cursor_set(tx->db, &batch->cursor);
}

static void batch_done(struct writer_job *job, enum err outcome)
{
    (void)job;
    (void)outcome; /* writer_run hands it on */
}

static enum err describe(struct arena *arena, const struct event_row *row,
                         struct search_doc *ret_doc)
{
    struct buf *summary = buf_new_in(arena, SUMMARY_BYTES_MAX);
    if (!summary)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, summary);
    event_write_summary(&writer, row);
    *ret_doc = (struct search_doc){.event_id = row->event.id,
                                   .venue_id = row->venue.id,
                                   .starts_at = row->event.starts_at,
                                   .at = {row->venue.lat, row->venue.lon},
                                   .name = row->event.name,
                                   .description = row->event.description,
                                   .venue = row->venue.name,
                                   .city = row->venue.city,
                                   .city_key = fold_text(arena, row->venue.city),
                                   .category = row->event.category,
                                   .summary = buf_str(summary)};
    return summary->overflow || arena->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err read_change(struct db *source, uint64_t event_id, struct arena *arena,
                            struct change *change)
{
    struct event_row row;
    change->event_id = event_id;
    enum err err = event_row_load(source, event_id, arena, &row);
    if (err == ERR_NOT_FOUND)
        return ERR_OK; /* leaves the index */
    change->is_listed = !err && row.event.status == EVENT_PUBLISHED;
    return change->is_listed ? describe(arena, &row, &change->doc) : err;
}

static bool is_noted(const struct batch *batch, uint64_t event_id)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->changes[i].event_id == event_id)
            return true;
    }
    return false;
}

static enum err read_changes(const struct journal_row *rows, size_t count, struct db *source,
                             struct arena *arena, struct batch *batch)
{
    batch->changes = ARENA_ARRAY(arena, struct change, count);
    enum err err = batch->changes ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; !err && i < count; i++) {
        if (!str_starts_with(rows[i].type, STR("event.")) || is_noted(batch, rows[i].shard))
            continue;
        err = read_change(source, rows[i].shard, arena, &batch->changes[batch->count]);
        batch->count++;
    }
    return err;
}

static enum err write_batch(struct search *search, struct batch *batch)
{
    bool is_worth_it = batch->count > 0 || search->unsaved_rows >= CURSOR_LAG_MAX;
    if (!is_worth_it)
        return ERR_OK;
    enum err err = writer_run(search->writer, &batch->job);
    if (err)
        return err;
    search->saved = batch->cursor;
    search->unsaved_rows = 0;
    search->changes += batch->count;
    if (search->changes >= TIDY_CHANGES)
        atomic_store(&search->is_untidy, true);
    if (batch->count > 0)
        search_cache_clear(search->cache);
    return ERR_OK;
}

static struct search_cursor cursor_at(const struct journal_row *row)
{
    struct search_cursor cursor = {.seq = row->seq};
    if (row->hash.len == sizeof(cursor.hash))
        memcpy(cursor.hash, row->hash.data, sizeof(cursor.hash));
    return cursor;
}

static enum err on_batch(const struct journal_row *rows, size_t count, struct db *source, void *ctx)
{
    struct search *search = ctx;
    struct arena arena;
    arena_init(&arena, BATCH_ARENA_MAX);
    struct batch batch = {.job = {.apply = batch_apply, .done = batch_done},
                          .search = search,
                          .cursor = count > 0 ? cursor_at(&rows[count - 1]) : search->saved};
    search->unsaved_rows += count;
    enum err err = read_changes(rows, count, source, &arena, &batch);
    if (!err)
        err = write_batch(search, &batch);
    if (!err)
        atomic_store(&search->followed_seq, batch.cursor.seq);
    arena_release(&arena);
    return err;
}

/* --- Tidying --- */

struct merge {
    struct writer_job job;
    bool is_first;
    bool has_more;
};

static enum err merge_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct merge *merge = container_of(job, struct merge, job);
    int64_t pieces = INT64_MAX;
    enum err err = merge->is_first ? search_pieces(tx->db, &pieces) : ERR_OK;
    merge->has_more = false;
    if (err || pieces <= TIDY_PIECES)
        return err;
    return search_merge(tx->db, merge->is_first ? -TIDY_PAGES : TIDY_PAGES, &merge->has_more);
}

/* With many changes the word index comes to have many pieces, each of which every question has to
 * ask: a merged one answers in half the time and less. Piece by piece while nothing else is to be
 * done; a failure is left to the next time. */
static bool on_idle(void *ctx)
{
    struct search *search = ctx;
    struct merge merge = {.job = {.apply = merge_apply, .done = batch_done},
                          .is_first = !search->is_merging};
    if (merge.is_first && search->changes < TIDY_CHANGES)
        return false;
    search->changes = 0;
    search->is_merging = writer_run(search->writer, &merge.job) == ERR_OK && merge.has_more;
    atomic_store(&search->is_untidy, search->is_merging);
    return search->is_merging;
}

static int64_t is_untidy(void *ctx)
{
    const struct search *search = ctx;
    return atomic_load(&search->is_untidy);
}

static void register_metrics(struct search *search)
{
    static const char name[] = "foyer_search_answers_total";
    static const char help[] = "Searches answered from memory and from the index.";
    metric_counter_fn(name, "from=\"memory\"", help, search_cache_hits, search->cache);
    metric_counter_fn(name, "from=\"index\"", help, search_cache_misses, search->cache);
    metric_gauge_fn("foyer_search_untidy", NULL,
                    "1 while the word index has pieces that are to be merged.", is_untidy, search);
}

/* --- Is it the journal that was followed? --- */

static enum err compare_row(const struct journal_row *row, void *ctx)
{
    struct search_cursor *cursor = ctx;
    struct search_cursor found = cursor_at(row);
    if (found.seq != cursor->seq || memcmp(found.hash, cursor->hash, sizeof(found.hash)) != 0)
        cursor->seq = 0;
    return ERR_CONFLICT; /* one row is enough */
}

static enum err forget_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job;
    return search_forget(tx->db);
}

/* Before the consumer starts. A journal restored to an earlier moment has no such row, or another:
 * what was followed never happened, and what comes may be numbered below. */
static enum err check_history(struct search *search, const char *journal_path)
{
    struct search_cursor cursor = search->saved;
    struct db *source;
    if (cursor.seq == 0)
        return ERR_OK;
    enum err err = db_open(journal_path, DB_ADMIN, &source);
    if (err)
        return err;
    bool is_known = false;
    err = journal_read(source, cursor.seq - 1, 1, compare_row, &cursor);
    if (err == ERR_CONFLICT) {
        is_known = cursor.seq > 0;
        err = ERR_OK;
    }
    db_close(source);
    if (err || is_known)
        return err;
    log_warn("the journal is not the one that search followed: its index is built again", NULL);
    struct writer_job job = {.apply = forget_apply, .done = batch_done};
    err = writer_run(search->writer, &job);
    if (!err) {
        search->saved = (struct search_cursor){0};
        atomic_store(&search->followed_seq, 0);
    }
    return err;
}

enum err search_start(struct search *search, struct tickets *tickets)
{
    register_metrics(search);
    enum err err = check_history(search, tickets->database_path);
    if (err)
        return err;
    struct consumer_options options = {.name = "search",
                                       .source_path = tickets->database_path,
                                       .cursor = search->saved.seq,
                                       .interval_ms = POLL_MS,
                                       .batch_max = BATCH_ROWS_MAX,
                                       .on_batch = on_batch,
                                       .on_idle = on_idle,
                                       .ctx = search};
    struct consumer *consumer;
    err = consumer_start(&options, &consumer);
    if (err)
        return err;
    pthread_mutex_lock(&search->lock);
    search->consumer = consumer;
    pthread_mutex_unlock(&search->lock);
    return ERR_OK;
}

void search_wake(struct search *search)
{
    if (!search)
        return;
    pthread_mutex_lock(&search->lock);
    if (search->consumer)
        consumer_wake(search->consumer);
    pthread_mutex_unlock(&search->lock);
}

void search_stop(struct search *search)
{
    if (!search)
        return;
    pthread_mutex_lock(&search->lock);
    struct consumer *consumer = search->consumer;
    search->consumer = NULL;
    pthread_mutex_unlock(&search->lock);
    consumer_stop(consumer);
    writer_stop(search->writer);
}
