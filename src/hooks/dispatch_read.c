/*
 * From the database into memory. Deliveries that are due stand in an index by endpoint and time; an
 * endpoint in line has the first few of its own in memory, and reads on when they are gone. So what
 * waits for one endpoint never stands before what waits for another, however much it is.
 *
 * The rows of what is in memory still stand in the index until their results are committed; they are
 * known by item_key and passed over.
 *
 * What is due in an earlier lane is read first. Should it become due while something of a later lane
 * waits in memory, that is left to the database again: so live traffic stands behind what is under way,
 * and behind nothing else.
 */
#include "hooks/dispatcher_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "hooks/ring.h"

/* Beside all that may be known, as many rows as are wanted. */
#define ROWS_MAX (DISPATCH_READ_MAX + 1 + DISPATCH_KNOWN_MAX)

static uint64_t item_key(const struct delivery_key *key)
{
    uint64_t ids[2] = {key->endpoint_id, key->message_id};
    return str_hash(str_from((const char *)ids, sizeof(ids)));
}

/* --- what is in memory --- */

static enum err item_add(struct dispatcher *dispatcher, struct target *target,
                         const struct delivery *row, struct item **ret_item)
{
    struct item *item = calloc(1, sizeof(*item));
    if (!item)
        return ERR_NOMEM;
    item->target = target;
    item->row = *row;
    enum err err = map_put(&dispatcher->known, item_key(&row->key), (uintptr_t)item);
    if (err) {
        free(item);
        return err;
    }
    target->known_count++;
    *ret_item = item;
    return ERR_OK;
}

void item_forget(struct dispatcher *dispatcher, struct item *item)
{
    (void)map_remove(&dispatcher->known, item_key(&item->row.key)); /* it was put there */
    item->target->known_count--;
    free(item);
}

static void target_append(struct target *target, struct item *item)
{
    *target->last = item;
    target->last = &item->next;
    target->last_lane = item->row.lane;
    target->waiting_count++;
}

struct item *target_take(struct target *target)
{
    struct item *item = target->first;
    target->first = item->next;
    if (!target->first)
        target->last = &target->first;
    target->waiting_count--;
    item->next = NULL;
    return item;
}

void target_unread(struct dispatcher *dispatcher, struct target *target)
{
    while (target->first) {
        item_forget(dispatcher, target_take(target));
        target->is_stale = true;
    }
}

void target_news(struct dispatcher *dispatcher, struct target *target, enum lane lane)
{
    if (target->first && target->last_lane > lane)
        target_unread(dispatcher, target);
    target->is_stale = true;
    target_queue(dispatcher, target);
}

/* --- what is due --- */

struct reading {
    struct delivery rows[RING_SLOTS * 4 > ROWS_MAX ? RING_SLOTS * 4 : ROWS_MAX];
    size_t count;
    bool is_cut; /* there are more than these */
};

static int by_time(const void *a, const void *b)
{
    const struct delivery *left = a, *right = b;
    if (left->next_at != right->next_at)
        return left->next_at < right->next_at ? -1 : 1;
    return left->key.message_id < right->key.message_id
               ? -1
               : left->key.message_id > right->key.message_id;
}

/* One that is known is passed over. Somebody may have sent it again behind its result, which memory has
 * not heard of yet: then this row is nobody's news any more. */
static bool is_known(const struct dispatcher *dispatcher, const struct delivery *row)
{
    uintptr_t value = 0;
    if (!map_get(&dispatcher->known, item_key(&row->key), &value))
        return false;
    struct item *item = (struct item *)value;
    item->is_outrun |= row->next_at != item->row.next_at || row->lane != item->row.lane ||
                       row->created_at != item->row.created_at;
    return true;
}

/* Adds the unknown rows of one slot that are among the first so far. */
static enum err read_slot(struct dispatcher *dispatcher, struct target *target,
                          const struct delivery_wait *wait, struct reading *reading)
{
    static _Thread_local struct delivery rows[ROWS_MAX];
    size_t count;
    enum err err = delivery_store_waiting(dispatcher->db, wait, rows, &count);
    if (err)
        return err;
    if (count == 0 && wait->before_ms == 0)
        target->slots[wait->lane] &= ~(UINT64_C(1) << wait->slot);
    reading->is_cut |= count == wait->limit;
    for (size_t i = 0; i < count && reading->count < ROWS_MAX; i++)
        if (!is_known(dispatcher, &rows[i]))
            reading->rows[reading->count++] = rows[i];
    qsort(reading->rows, reading->count, sizeof(rows[0]), by_time);
    if (reading->count > DISPATCH_READ_MAX + 1) {
        reading->count = DISPATCH_READ_MAX + 1;
        reading->is_cut = true;
    }
    return ERR_OK;
}

static enum err read_slots(struct dispatcher *dispatcher, struct target *target, enum lane lane,
                           int64_t before_ms, struct reading *reading)
{
    size_t limit = DISPATCH_READ_MAX + 1 + target->known_count;
    struct delivery_wait wait = {.app_id = target->customer->id,
                                 .endpoint_id = target->id,
                                 .lane = lane,
                                 .before_ms = before_ms,
                                 .limit = limit < ROWS_MAX ? limit : ROWS_MAX};
    reading->count = 0;
    reading->is_cut = false;
    for (wait.slot = 0; wait.slot < RING_SLOTS; wait.slot++) {
        bool may_hold = target->slots[lane] >> wait.slot & 1;
        enum err err = may_hold ? read_slot(dispatcher, target, &wait, reading) : ERR_OK;
        if (err)
            return err;
    }
    return ERR_OK;
}

/* Takes what is due of it into memory, as far as there is room. Of what is due later the first has the
 * target's timer. */
static enum err take_due(struct dispatcher *dispatcher, struct target *target,
                         const struct reading *reading)
{
    int64_t now_ms = clock_now_ms();
    bool is_over = target_is_over(target);
    for (size_t i = 0; i < reading->count; i++) {
        const struct delivery *row = &reading->rows[i];
        struct item *item;
        if (row->next_at > now_ms && !is_over) {
            target_timer(dispatcher, target, row->next_at);
            return ERR_OK;
        }
        if (target->waiting_count == DISPATCH_READ_MAX) {
            target->is_stale = true;
            return ERR_OK;
        }
        enum err err = item_add(dispatcher, target, row, &item);
        if (err)
            return err;
        target_append(target, item);
    }
    /* All that was read is due: there may be more. */
    target->is_stale |= reading->is_cut;
    return ERR_OK;
}

enum err target_read(struct dispatcher *dispatcher, struct target *target)
{
    static _Thread_local struct reading reading;
    enum err err = ERR_OK;
    target->is_stale = false;
    target->line_read_ms = clock_now_ms();
    for (enum lane lane = LANE_LIVE; lane < LANE_COUNT && !target->is_stale; lane++) {
        if (target->slots[lane] == 0)
            continue;
        err = read_slots(dispatcher, target, lane, 0, &reading);
        if (!err)
            err = take_due(dispatcher, target, &reading);
        target->is_stale |= err != ERR_OK;
    }
    return target->first ? ERR_OK : err;
}

static enum err read_over(struct dispatcher *dispatcher, struct target *target, enum lane lane)
{
    static _Thread_local struct reading reading;
    int64_t before_ms = clock_now_ms() - SCHEDULE_MS_MAX;
    enum err err = read_slots(dispatcher, target, lane, before_ms, &reading);
    for (size_t i = 0; !err && i < reading.count; i++) {
        struct item *item;
        err = item_add(dispatcher, target, &reading.rows[i], &item);
        if (!err && !item_give_up(dispatcher, item, "a day is over"))
            err = ERR_NOMEM;
    }
    if (!err && reading.is_cut)
        target->over_read_at_ms = 0; /* go on as soon as these are written */
    return err;
}

enum err target_read_over(struct dispatcher *dispatcher, struct target *target)
{
    enum err err = ERR_OK;
    for (enum lane lane = LANE_LIVE; !err && lane < LANE_COUNT; lane++)
        if (target->slots[lane] != 0 && target->known_count < DISPATCH_KNOWN_MAX)
            err = read_over(dispatcher, target, lane);
    return err;
}

/* --- all that waits --- */

struct scanning {
    struct dispatcher *dispatcher;
    size_t slot;
};

static enum err on_line(const struct delivery_line *line, void *ctx)
{
    struct scanning *scanning = ctx;
    struct target *target;
    bool is_new = !target_get(scanning->dispatcher, line->endpoint_id);
    enum err err = target_find(scanning->dispatcher, line->app_id, line->endpoint_id, &target);
    if (err)
        return err;
    target->slots[line->lane] |= UINT64_C(1) << scanning->slot;
    /* A new one may have been disabled meanwhile: it is looked at at once. */
    target_timer(scanning->dispatcher, target, is_new ? 0 : line->next_at);
    return ERR_OK;
}

enum err dispatch_scan(struct dispatcher *dispatcher, int64_t from_day)
{
    struct ring_slots slots;
    int64_t held_ms =
        REPLAY_HELD_DAYS * DAY_MS; /* what a replay has queued at the end of its time */
    enum err err = ring_slots(dispatcher->db, clock_now_ms() - held_ms, &slots);
    for (size_t i = 0; !err && i < slots.count && slots.items[i].day >= from_day; i++) {
        struct scanning scanning = {dispatcher, slots.items[i].slot};
        err = delivery_store_each_line(dispatcher->db, scanning.slot, on_line, &scanning);
    }
    return err;
}

/* --- endpoints --- */

static void schedule_of(const struct endpoint *endpoint, struct schedule *schedule)
{
    *schedule = schedule_default;
    if (endpoint->delay_count == 0)
        return;
    schedule->count = endpoint->delay_count;
    memcpy(schedule->delays_ms, endpoint->delays_ms, sizeof(endpoint->delays_ms));
}

enum err target_load(struct dispatcher *dispatcher, struct target *target)
{
    int64_t now_ms = clock_now_ms();
    bool is_known = target->has_endpoint || target->is_gone;
    if (is_known && !target->is_changed && now_ms - target->read_at_ms < DISPATCH_ENDPOINT_AGE_MS)
        return ERR_OK;
    target_forget_endpoint(target);
    enum err err = endpoint_load(dispatcher->db, dispatcher->hooks->keyring, &target->arena,
                                 target->customer->id, target->id, now_ms, &target->endpoint);
    if (err && err != ERR_NOT_FOUND)
        return err;
    target->has_endpoint = err == ERR_OK;
    target->is_gone = err == ERR_NOT_FOUND;
    target->is_changed = false;
    target->read_at_ms = now_ms;
    if (target->has_endpoint)
        schedule_of(&target->endpoint, &target->schedule);
    return ERR_OK;
}
