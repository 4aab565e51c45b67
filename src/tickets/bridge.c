/*
 * See bridge.h.
 *
 *   journal ──consumer──▶ fact_message ──▶ sink.take (committed) ──▶ sink.advance (committed)
 *
 * Invariants
 *   1. The cursor stands in the sink's database and moves only behind what was taken. A crash in
 *      between tells the rows again, and the sink knows them.
 *   2. A row of an organizer to whom nobody listens makes no message: what is done with it costs a
 *      look at its event, not at its places.
 *   3. A row that makes no sense is logged and passed over: it must not hold up what comes behind
 *      it.
 *
 * Where several nodes share a database the one that sends messages follows the journal
 * (sink.may_act). One that has just ceased to be it may still tell what the next one tells, too:
 * once more that is the same message, and a cursor never goes back.
 *
 * Threads: the consumer's.
 */
#include "tickets/bridge.h"

#include <stdlib.h>

#include "app/consumer.h"
#include "app/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "tickets/bridge_facts.h"
#include "tickets/limits.h"
#include "tickets/tickets.h"

#define BATCH_ARENA_MAX  (64u << 20)
#define BATCH_ARENA_KEPT (1u << 20)

static const struct end {
    const char *name; /* of the consumer */
    const char *label;
    enum fact_audience audience;
} ends[] = {
    [BRIDGE_TO_HOOKS] = {"bridge", "to=\"hooks\"", FACTS_FOR_ORGANIZERS},
    [BRIDGE_TO_CHAT] = {"chat-bridge", "to=\"chat\"", FACTS_FOR_TALKS},
};

struct bridge {
    struct tickets *tickets;
    const struct end *end;
    struct bridge_sink sink;
    struct consumer *consumer;
    struct arena arena; /* of one batch */
    bool is_acting;
    int64_t begin_seq;          /* what the journal had already when this node started */
    size_t unsaved_rows;        /* read since the cursor was written */
    int64_t done_seq, saved_ns; /* the last one of them; when it was written, monotonic */
    struct metric *messages, *senseless;
};

/* An event of the batch. */
struct known_event {
    struct event event;
    bool is_wanted;
};

struct batch {
    struct bridge *bridge;
    struct db *source;
    struct known_event events[BRIDGE_BATCH_MAX];
    size_t event_count;
    struct bridge_message messages[BRIDGE_BATCH_MAX];
    size_t count;
};

static enum err learn_event(struct batch *batch, uint64_t event_id, struct known_event *known)
{
    struct bridge *bridge = batch->bridge;
    enum err err = event_load(batch->source, event_id, &bridge->arena, &known->event);
    known->is_wanted = false;
    if (!err && (bridge->end->audience != FACTS_FOR_TALKS || known->event.has_buyer_chat))
        err = bridge->sink.wants(bridge->sink.ctx, known->event.account_id, &known->is_wanted);
    return err;
}

/* ERR_NOT_FOUND: there is none. */
static enum err find_event(struct batch *batch, uint64_t event_id,
                           const struct known_event **ret_known)
{
    for (size_t i = batch->event_count; i > 0; i--) {
        if (batch->events[i - 1].event.id == event_id) {
            *ret_known = &batch->events[i - 1];
            return ERR_OK;
        }
    }
    struct known_event *known = &batch->events[batch->event_count];
    enum err err = learn_event(batch, event_id, known);
    if (err)
        return err;
    batch->event_count++;
    *ret_known = known;
    return ERR_OK;
}

static enum err tell_row(struct batch *batch, const struct journal_row *row)
{
    struct bridge *bridge = batch->bridge;
    const struct fact_type *type = fact_type_of(row->type, bridge->end->audience);
    const struct known_event *known;
    if (!type)
        return ERR_OK;
    enum err err = find_event(batch, row->shard, &known);
    if (!err && !known->is_wanted)
        return ERR_OK;
    if (!err)
        err = fact_message(&(struct fact){bridge->tickets, batch->source, type, row, &known->event,
                                          bridge->end->audience},
                           &bridge->arena, &batch->messages[batch->count]);
    if (err == ERR_INVALID || err == ERR_NOT_FOUND) {
        log_error("a journal row makes no message", "seq=%lld", (long long)row->seq);
        metric_add(bridge->senseless, 1);
        return ERR_OK;
    }
    if (!err)
        batch->count++;
    return err;
}

static enum err save_cursor(struct bridge *bridge)
{
    enum err err = bridge->sink.advance(bridge->sink.ctx, bridge->done_seq);
    if (err)
        return err;
    bridge->unsaved_rows = 0;
    bridge->saved_ns = clock_mono_ns();
    return ERR_OK;
}

/* Without messages the cursor on disk may lag: what is read again makes none then either, but
 * for those who begin to listen meanwhile; so not for long. */
static bool on_idle(void *ctx)
{
    struct bridge *bridge = ctx;
    bool is_due = clock_mono_ns() - bridge->saved_ns > BRIDGE_CURSOR_MS * INT64_C(1000000);
    if (bridge->unsaved_rows > 0 && is_due && save_cursor(bridge) != ERR_OK)
        log_warn("the cursor of the bridge lags", "seq=%lld", (long long)bridge->done_seq);
    return false;
}

static enum err run_batch(struct bridge *bridge, const struct journal_row *rows, size_t count,
                          struct db *source)
{
    const struct bridge_sink *sink = &bridge->sink;
    struct batch *batch = ARENA_NEW(&bridge->arena, struct batch);
    enum err err = batch ? ERR_OK : ERR_NOMEM;
    if (err)
        return err;
    batch->bridge = bridge;
    batch->source = source;
    for (size_t i = 0; !err && i < count; i++)
        err = tell_row(batch, &rows[i]);
    if (!err && batch->count > 0)
        err = sink->take(sink->ctx, batch->messages, batch->count);
    if (err)
        return err;
    metric_add(bridge->messages, (int64_t)batch->count);
    bridge->unsaved_rows += count;
    bridge->done_seq = rows[count - 1].seq;
    if (batch->count > 0 || bridge->unsaved_rows >= BRIDGE_CURSOR_ROWS)
        err = save_cursor(bridge);
    return err;
}

static enum err on_batch(const struct journal_row *rows, size_t count, struct db *source, void *ctx)
{
    struct bridge *bridge = ctx;
    enum err err = run_batch(bridge, rows, count, source);
    arena_reset(&bridge->arena, BATCH_ARENA_KEPT);
    bridge->arena.overflow = false;
    return err;
}

/* Where this node goes on: behind what another has done, or, the first time ever, where the journal
 * ended when it started. */
static enum err take_over(struct bridge *bridge, int64_t *ret_cursor)
{
    const struct bridge_sink *sink = &bridge->sink;
    enum err err = sink->cursor(sink->ctx, ret_cursor);
    if (err != ERR_NOT_FOUND)
        return err;
    err = sink->advance(sink->ctx, bridge->begin_seq);
    return err ? err : sink->cursor(sink->ctx, ret_cursor);
}

static bool may_read(int64_t *cursor, void *ctx)
{
    struct bridge *bridge = ctx;
    bool may_act = bridge->sink.may_act(bridge->sink.ctx);
    if (may_act && !bridge->is_acting)
        may_act = take_over(bridge, cursor) == ERR_OK;
    if (!may_act)
        bridge->unsaved_rows = 0;
    bridge->is_acting = may_act;
    return may_act;
}

static enum err find_begin(struct bridge *bridge)
{
    struct db *db = NULL;
    struct journal_bounds bounds;
    enum err err = db_open(tickets_database_path(bridge->tickets), DB_READER, &db);
    if (!err)
        err = journal_bounds(db, &bounds);
    if (!err)
        bridge->begin_seq = bounds.settled_seq - 1;
    db_close(db);
    return err;
}

enum err bridge_start(struct tickets *tickets, enum bridge_end end, const struct bridge_sink *sink,
                      struct bridge **ret_bridge)
{
    struct bridge *bridge = calloc(1, sizeof(*bridge));
    if (!bridge)
        return ERR_NOMEM;
    bridge->tickets = tickets;
    bridge->end = &ends[end];
    bridge->sink = *sink;
    arena_init(&bridge->arena, BATCH_ARENA_MAX);
    bridge->messages = metric_counter("foyer_bridge_messages_total", bridge->end->label,
                                      "Messages about what happened, to organizers or into chats.");
    bridge->senseless = metric_counter("foyer_bridge_skipped_total", bridge->end->label,
                                       "Journal rows that should have been one and made no sense.");
    struct consumer_options options = {.name = bridge->end->name,
                                       .source_path = tickets_database_path(tickets),
                                       .interval_ms = BRIDGE_POLL_MS,
                                       .batch_max = BRIDGE_BATCH_MAX,
                                       .may_read = may_read,
                                       .on_batch = on_batch,
                                       .on_idle = on_idle,
                                       .ctx = bridge};
    enum err err = find_begin(bridge);
    if (!err)
        err = consumer_start(&options, &bridge->consumer);
    if (err) {
        bridge_stop(bridge);
        return err;
    }
    *ret_bridge = bridge;
    return ERR_OK;
}

void bridge_stop(struct bridge *bridge)
{
    if (!bridge)
        return;
    consumer_stop(bridge->consumer);
    arena_release(&bridge->arena);
    free(bridge);
}
