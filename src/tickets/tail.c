/*
 * The tail: how a node learns what other nodes wrote.
 *
 *   journal ──every TAIL_INTERVAL_MS──▶ tail_read ──┬─▶ keys of holds      (replay_keys.c)
 *    (all rows, in order,                           ├─▶ seats and areas    (inventory.c)
 *     the node's own too)                           ├─▶ edited events      their models are dropped
 *                                                   ├─▶ timers             (expiry.c), on the steward
 *                                                   └─▶ wakes: payments worker, search
 *
 * Nothing here decides anything: memory may refuse early, and the database grants. What is shown of
 * other nodes' sales lags by the interval.
 *
 * Invariants
 *  1. Of a row the key comes first and the seats second, so that a seat that memory shows as taken
 *     was never taken by an unknown key: whoever lost the reply of one node and asks another with
 *     the same key is not refused by his own seats. A model that was read from the database may know
 *     more than the tail; until the tail has passed what it knows (seen_seq), it refuses nobody.
 *  2. Only settled rows are read (journal_bounds), in the order of seq; within an event that is the
 *     order of versions. So a gap in them is a row that was missed, and the event is read anew.
 *  3. A commit whose outcome its node does not know has no effects there. If it happened, its rows
 *     come by the tail like those of any other node. When the writer's connection was lost, the next
 *     one may lead to a server that never saw the last commits, so all models are dropped; but not
 *     before the database answers again, and until then maps are shown as they last were.
 *  4. Rows are held back while an older transaction is open anywhere in the cluster. Memory that is older
 *     than TAIL_OLD_MS refuses nobody, because what it shows as taken may be free by now.
 *  5. What is repeated does no harm: places and keys are absolute, timers ask the database.
 *
 * How old a key may be that the tail has not seen: a mark is a time and the end of what could be seen
 * then. Once the tail has passed that end, every transaction that it has not seen began after that
 * time.
 *
 * The cursor is in memory only: at start the journal's end is noted before anything is loaded, and
 * from then on the journal itself keeps what a lost connection would miss.
 *
 * Threads: one of its own. Questions are answered from atomics.
 */
#include "tickets/tail.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "app/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/db_clock.h"
#include "store/journal.h"
#include "tickets/event_cancel.h"
#include "tickets/expiry.h"
#include "tickets/payment.h"
#include "tickets/replay_keys.h"
#include "tickets/search.h"

#define ROW_ARENA_MAX  ((size_t)8 << 20)
#define ROW_ARENA_KEPT ((size_t)64 << 10)

struct tail {
    struct tickets *tickets;
    struct db *db; /* the thread's own reader */
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* CLOCK_MONOTONIC */
    bool is_stopping;      /* under lock */

    /* The thread's. */
    struct arena arena; /* of one row */
    int64_t cursor;     /* seq of the last row taken up */
    size_t count;       /* rows of this round */
    int64_t mark_seq, mark_ms;
    bool wakes_payments, wakes_search;
    bool is_failing;
    int64_t clock_at_ns; /* when the database is asked for its time again */
    uint32_t seat_nos[BLOCK_SEATS_MAX];

    int64_t opened_ms;
    _Atomic unsigned doubts;
    _Atomic bool has_old_models; /* of before the last doubt */
    _Atomic int64_t passed_seq;  /* rows below it are in memory */
    _Atomic int64_t keys_ms;     /* keys of transactions that began before it are in memory */
    struct metric *rows;
};

/* --- What kinds of rows there are --- */

enum row_change {
    CHANGES_NOTHING, /* that is shown */
    CHANGES_PLACES,
    CHANGES_EVENT,
};

struct row_kind {
    struct str type;
    enum row_change change;
    enum seat_state state; /* CHANGES_PLACES: of its seats from now on */
    bool is_work;          /* for the payments worker */
};

static const struct row_kind kinds[] = {
    {STR("booking.held"), CHANGES_PLACES, SEAT_HELD, false},
    {STR("booking.confirmed"), CHANGES_PLACES, SEAT_BOOKED, false},
    {STR("booking.expired"), CHANGES_PLACES, SEAT_FREE, true},
    {STR("booking.cancelled"), CHANGES_PLACES, SEAT_FREE, true},
    {STR("booking.failed"), CHANGES_PLACES, SEAT_FREE, false},
    {STR("tickets.revoked"), CHANGES_PLACES, SEAT_FREE, false},
    {STR("seats.blocked"), CHANGES_PLACES, SEAT_BLOCKED, false},
    {STR("seats.unblocked"), CHANGES_PLACES, SEAT_FREE, false},
    {STR("event.created"), CHANGES_EVENT, SEAT_FREE, false},
    {STR("event.updated"), CHANGES_EVENT, SEAT_FREE, false},
    {STR("event.published"), CHANGES_EVENT, SEAT_FREE, false},
    {STR("event.cancelled"), CHANGES_EVENT, SEAT_FREE, false},
    {STR("areas.added"), CHANGES_EVENT, SEAT_FREE, false},
    {STR("payment.created"), CHANGES_NOTHING, SEAT_FREE, true},
    {STR("refund.requested"), CHANGES_NOTHING, SEAT_FREE, true},
};

static const struct row_kind *kind_of(struct str type)
{
    static const struct row_kind other = {STR_NONE, CHANGES_NOTHING, SEAT_FREE, false};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (str_eq(type, kinds[i].type))
            return &kinds[i];
    return &other;
}

/* --- What a row says --- */

/* Number index of a list that may stand for its first number alone: 7, or [7, 4500]. */
static bool number_at(const struct json_node *node, size_t index, int64_t *ret_value)
{
    return json_as_i64(json_is_array(node) ? json_at(node, index) : node, ret_value);
}

static bool read_seats(struct tail *tail, const struct json_node *data,
                       struct places_change *change)
{
    const struct json_node *seats = json_get(data, "seats");
    size_t count = json_count(seats);
    if (count > BLOCK_SEATS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        int64_t seat_no;
        if (!number_at(json_at(seats, i), 0, &seat_no) || seat_no < 0 || seat_no >= PLAN_SEATS_MAX)
            return false;
        tail->seat_nos[i] = (uint32_t)seat_no;
    }
    change->seat_nos = tail->seat_nos;
    change->seat_count = count;
    return true;
}

static bool read_areas(const struct json_node *data, struct places_change *change)
{
    const struct json_node *areas = json_get(data, "areas_free");
    size_t count = areas ? json_count(areas) : 0;
    if (count > BOOKING_PLACES_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        int64_t area_no, free;
        if (!number_at(json_at(areas, i), 0, &area_no) || !number_at(json_at(areas, i), 1, &free) ||
            area_no < 0 || area_no > UINT32_MAX || free < 0 || free > INT32_MAX)
            return false;
        change->areas[i] = (struct area_change){(uint32_t)area_no, (int32_t)free};
    }
    change->area_count = count;
    return true;
}

/* A hold's key, and its timer. */
static bool take_hold(struct tail *tail, const struct journal_row *row,
                      const struct json_node *data)
{
    int64_t booking_id, account_id, expires_at;
    struct str hex;
    uint8_t hash[16];
    size_t len;
    if (!json_as_i64(json_get(data, "booking"), &booking_id) ||
        !json_as_i64(json_get(data, "account"), &account_id) ||
        !json_as_i64(json_get(data, "expires_at"), &expires_at) ||
        !json_as_str(json_get(data, "key"), &hex) ||
        hex_decode(hex, hash, sizeof(hash), &len) != ERR_OK || len != sizeof(hash))
        return false;
    struct replay_key key = {row->shard, (uint64_t)account_id, hash};
    replay_keys_note(tail->tickets->replay_keys, &key, (uint64_t)booking_id);
    expiry_follow(tail->tickets->expiry,
                  (struct heap_item){expires_at, row->shard, (uint64_t)booking_id});
    return true;
}

static enum err take_places(struct tail *tail, const struct journal_row *row,
                            const struct row_kind *kind, bool *ret_is_sane)
{
    struct json_node *data;
    struct str message;
    struct places_change change = {.version = row->version, .state = kind->state};
    enum err err = json_parse(&tail->arena, row->data, &data, &message);
    if (err == ERR_NOMEM)
        return err;
    *ret_is_sane = !err && read_seats(tail, data, &change) && read_areas(data, &change) &&
                   (kind->state != SEAT_HELD || take_hold(tail, row, data));
    if (*ret_is_sane)
        inventory_follow(tail->tickets->inventory, row->shard, &change);
    return ERR_OK;
}

static void take_event(struct tail *tail, const struct journal_row *row)
{
    inventory_follow_edit(tail->tickets->inventory, row->shard, row->version);
    tail->wakes_search = true;
    if (str_eq(row->type, STR("event.cancelled")))
        event_cancel_follow(tail->tickets, row->shard);
}

static enum err on_row(const struct journal_row *row, void *ctx)
{
    struct tail *tail = ctx;
    const struct row_kind *kind = kind_of(row->type);
    struct places_change nothing = {.version = row->version};
    bool is_sane = true;
    enum err err = ERR_OK;
    switch (kind->change) {
    case CHANGES_PLACES:
        err = take_places(tail, row, kind, &is_sane);
        break;
    case CHANGES_EVENT:
        take_event(tail, row);
        break;
    case CHANGES_NOTHING:
        inventory_follow(tail->tickets->inventory, row->shard, &nothing);
        break;
    }
    arena_reset(&tail->arena, ROW_ARENA_KEPT);
    tail->arena.overflow = false;
    if (err)
        return err;
    if (!is_sane) { /* the audit says what is wrong with it; here the database is asked instead */
        log_error("a journal row makes no sense", "seq=%lld", (long long)row->seq);
        inventory_follow_edit(tail->tickets->inventory, row->shard, row->version);
    }
    tail->wakes_payments = tail->wakes_payments || kind->is_work;
    tail->cursor = row->seq;
    tail->count++;
    return ERR_OK;
}

/* --- A round --- */

/* A round's beginning. */
struct round {
    int64_t now_ms;
    unsigned doubts;
    struct journal_bounds bounds;
};

static void mark(struct tail *tail, const struct round *round)
{
    tail->mark_seq = round->bounds.seen_seq;
    tail->mark_ms = round->now_ms;
}

static void pass(struct tail *tail, int64_t passed_seq, const struct round *round)
{
    if (atomic_load(&tail->doubts) != round->doubts) {
        mark(tail, round);
        return;
    }
    atomic_store(&tail->passed_seq, passed_seq);
    if (passed_seq < tail->mark_seq)
        return;
    atomic_store(&tail->keys_ms, tail->mark_ms);
    mark(tail, round);
}

static void wake_others(struct tail *tail)
{
    if (tail->wakes_search)
        search_wake(tail->tickets->search);
    if (tail->wakes_payments)
        payments_wake(__atomic_load_n(&tail->tickets->payments, __ATOMIC_ACQUIRE));
    tail->wakes_search = tail->wakes_payments = false;
}

enum err tail_read(struct tail *tail, bool *ret_has_more)
{
    /* The time before the bounds: a later one would promise too much. */
    struct round round = {.now_ms = clock_now_ms(), .doubts = atomic_load(&tail->doubts)};
    tail->count = 0;
    *ret_has_more = false;
    enum err err = journal_bounds(tail->db, &round.bounds);
    if (!err)
        err = journal_read(tail->db, tail->cursor, TAIL_ROWS_MAX, on_row, tail);
    wake_others(tail);
    metric_add(tail->rows, (int64_t)tail->count);
    if (err)
        return err;
    if (atomic_exchange(&tail->has_old_models, false))
        inventory_drop_all(tail->tickets->inventory);
    *ret_has_more = tail->count == TAIL_ROWS_MAX;
    int64_t passed_seq = tail->cursor + 1;
    if (!*ret_has_more && round.bounds.settled_seq > passed_seq)
        passed_seq = round.bounds.settled_seq;
    pass(tail, passed_seq, &round);
    return ERR_OK;
}

/* --- The thread --- */

/* False: stopping. */
static bool wait_ms(struct tail *tail, int64_t ms)
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
    pthread_mutex_lock(&tail->lock);
    while (!tail->is_stopping && result == 0)
        result = pthread_cond_timedwait(&tail->wakeup, &tail->lock, &until);
    bool goes_on = !tail->is_stopping;
    pthread_mutex_unlock(&tail->lock);
    return goes_on;
}

static void note_outcome(struct tail *tail, enum err err)
{
    if (err && !tail->is_failing)
        log_warn("what other nodes write cannot be read now", "error=\"%s: %s\"", err_name(err),
                 db_message(tail->db));
    if (!err && tail->is_failing)
        log_info("what other nodes write is read again", NULL);
    tail->is_failing = err != ERR_OK;
}

/* Now and then: the database's clock is everybody's. */
static enum err keep_time(struct tail *tail)
{
    if (clock_mono_ns() < tail->clock_at_ns)
        return ERR_OK;
    tail->clock_at_ns = clock_mono_ns() + TAIL_CLOCK_MS * 1000000LL;
    return db_clock_follow(tail->db, 1);
}

static void *tail_main(void *ctx)
{
    struct tail *tail = ctx;
    (void)pthread_setname_np(pthread_self(), "tail"); /* a name is a convenience */
    int64_t pause_ms = TAIL_INTERVAL_MS;
    do {
        bool has_more;
        enum err err = tail_read(tail, &has_more);
        if (!err)
            err = keep_time(tail);
        note_outcome(tail, err);
        if (err)
            pause_ms = 2 * pause_ms < TAIL_PAUSE_MS_MAX ? 2 * pause_ms : TAIL_PAUSE_MS_MAX;
        else
            pause_ms = has_more ? 0 : TAIL_INTERVAL_MS;
    } while (wait_ms(tail, pause_ms));
    return NULL;
}

/* --- Questions --- */

bool tail_has_passed(const struct tail *tail, int64_t seq)
{
    if (!tail)
        return true;
    bool is_old = atomic_load(&tail->keys_ms) < clock_now_ms() - TAIL_OLD_MS;
    return !is_old && atomic_load(&tail->passed_seq) >= seq;
}

int64_t tail_keys_since_ms(const struct tail *tail, int64_t now_ms)
{
    if (!tail)
        return now_ms;
    int64_t keys_ms = atomic_load(&tail->keys_ms);
    return (keys_ms < now_ms ? keys_ms : now_ms) - KEYS_SLACK_MS;
}

void tail_doubt(struct tail *tail)
{
    atomic_fetch_add(&tail->doubts, 1);
    atomic_store(&tail->passed_seq, 0);
    atomic_store(&tail->keys_ms, 0);
    atomic_store(&tail->has_old_models, true);
}

static int64_t behind_metric(void *ctx)
{
    const struct tail *tail = ctx;
    int64_t keys_ms = atomic_load(&tail->keys_ms);
    return clock_now_ms() - (keys_ms ? keys_ms : tail->opened_ms);
}

/* --- Start and stop --- */

static enum err tail_open(struct tail *tail)
{
    struct journal_bounds bounds;
    enum err err = db_open(tail->tickets->database_path, DB_READER, &tail->db);
    if (!err)
        err = journal_bounds(tail->db, &bounds);
    if (err)
        return err;
    tail->cursor = bounds.settled_seq - 1;
    atomic_store(&tail->passed_seq, bounds.settled_seq);
    tail->mark_seq = bounds.seen_seq;
    tail->mark_ms = tail->opened_ms = clock_now_ms();
    return ERR_OK;
}

enum err tail_new(struct tickets *tickets, struct tail **ret_tail)
{
    struct tail *tail = calloc(1, sizeof(*tail));
    if (!tail)
        return ERR_NOMEM;
    tail->tickets = tickets;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&tail->wakeup, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&tail->lock, NULL);
    arena_init(&tail->arena, ROW_ARENA_MAX);
    tail->rows = metric_counter("foyer_tail_rows_total", NULL,
                                "Journal rows by which memory follows what all nodes write.");
    enum err err = tail_open(tail);
    if (err) {
        tail_free(tail);
        return err;
    }
    metric_gauge_fn("foyer_tail_behind_milliseconds", NULL,
                    "How old what memory knows of other nodes is; also while an open transaction "
                    "holds news back.",
                    behind_metric, tail);
    *ret_tail = tail;
    return ERR_OK;
}

enum err tail_start(struct tail *tail)
{
    if (!tail)
        return ERR_OK;
    if (pthread_create(&tail->thread, NULL, tail_main, tail) != 0)
        return ERR_NOMEM;
    tail->is_running = true;
    return ERR_OK;
}

void tail_stop(struct tail *tail)
{
    if (!tail || !tail->is_running)
        return;
    pthread_mutex_lock(&tail->lock);
    tail->is_stopping = true;
    pthread_cond_signal(&tail->wakeup);
    pthread_mutex_unlock(&tail->lock);
    pthread_join(tail->thread, NULL);
    tail->is_running = false;
}

void tail_free(struct tail *tail)
{
    if (!tail)
        return;
    tail_stop(tail);
    metrics_forget(tail);
    db_close(tail->db);
    arena_release(&tail->arena);
    pthread_cond_destroy(&tail->wakeup);
    pthread_mutex_destroy(&tail->lock);
    free(tail);
}
