/*
 * What a replay is for: the deliveries, or for REPLAY_MISSING the messages, of one endpoint, the oldest
 * first, day by day through the ring. See replay_store.h.
 */
#include "hooks/replay_store.h"

#include "base/ids.h"
#include "hooks/match.h"
#include "hooks/ring.h"

/* Lists of names are lines; that a name is among them is looked for with its newlines. */
#define IS_AMONG(LINES, NAME, POSITION, CHAR)                                                      \
    "(" LINES " = '' OR " POSITION "(" CHAR "(10) || " LINES " || " CHAR "(10), " CHAR             \
    "(10) || " NAME " || " CHAR "(10)) > 0)"

/* Dead letters have an index of their own, which is by message: the + keeps from the way over all
 * deliveries of the endpoint. */
#define OF_DEAD  "+d.endpoint_id = $2 AND d.state = 2"
#define OF_ENDED "d.endpoint_id = $2 AND d.state IN (0, 2)"
#define ENDED(NN, WHICH, POSITION, CHAR)                                                           \
    " FROM delivery_" NN " d WHERE d.app_id = $1 AND " WHICH " AND d.message_id > $3"              \
    " AND d.message_id < $4 AND d.ended_at < $5"                                                   \
    " AND ($6 = '' OR EXISTS (SELECT 1 FROM message_" NN " m WHERE m.app_id = d.app_id"            \
    " AND m.id = d.message_id AND " IS_AMONG("$6", "m.event_type", POSITION, CHAR) "))"
#define NEXT(NN, WHICH, POSITION, CHAR)                                                            \
    "SELECT d.message_id" ENDED(NN, WHICH, POSITION, CHAR) " ORDER BY d.message_id LIMIT $7"
#define COUNT(NN, WHICH, POSITION, CHAR)                                                           \
    "SELECT count(*) FROM (SELECT 1" ENDED(NN, WHICH, POSITION, CHAR) " LIMIT $7) t"
#define NEXT_LITE(NN)        NEXT(NN, OF_ENDED, "instr", "char")
#define NEXT_PGSQL(NN)       NEXT(NN, OF_ENDED, "strpos", "chr")
#define NEXT_DEAD_LITE(NN)   NEXT(NN, OF_DEAD, "instr", "char")
#define NEXT_DEAD_PGSQL(NN)  NEXT(NN, OF_DEAD, "strpos", "chr")
#define COUNT_LITE(NN)       COUNT(NN, OF_ENDED, "instr", "char")
#define COUNT_PGSQL(NN)      COUNT(NN, OF_ENDED, "strpos", "chr")
#define COUNT_DEAD_LITE(NN)  COUNT(NN, OF_DEAD, "instr", "char")
#define COUNT_DEAD_PGSQL(NN) COUNT(NN, OF_DEAD, "strpos", "chr")
RING_SQL_PAIR(SQL_NEXT, NEXT_LITE, NEXT_PGSQL);
RING_SQL_PAIR(SQL_NEXT_DEAD, NEXT_DEAD_LITE, NEXT_DEAD_PGSQL);
RING_SQL_PAIR(SQL_COUNT, COUNT_LITE, COUNT_PGSQL);
RING_SQL_PAIR(SQL_COUNT_DEAD, COUNT_DEAD_LITE, COUNT_DEAD_PGSQL);

/* Whether the endpoint has a delivery of it that was tried or is under way. */
#define MESSAGES(NN, POSITION, CHAR)                                                               \
    "SELECT m.id, m.event_type, m.channels, CASE WHEN EXISTS (SELECT 1 FROM delivery_" NN " d"     \
    " WHERE d.app_id = m.app_id AND d.endpoint_id = $4 AND d.message_id = m.id"                    \
    " AND (d.state <> 2 OR d.attempts > 0 OR d.ended_at >= $5)) THEN 1 ELSE 0 END"                 \
    " FROM message_" NN " m WHERE m.app_id = $1 AND m.id > $2 AND m.id < $3"                       \
    " AND " IS_AMONG("$6", "m.event_type", POSITION, CHAR) " ORDER BY m.id LIMIT $7"
#define MESSAGES_LITE(NN)  MESSAGES(NN, "instr", "char")
#define MESSAGES_PGSQL(NN) MESSAGES(NN, "strpos", "chr")
RING_SQL_PAIR(SQL_MESSAGES, MESSAGES_LITE, MESSAGES_PGSQL);

uint64_t replay_scan_start(int64_t since_ms, int64_t now_ms)
{
    int64_t first_ms = (ring_day_of_ms(now_ms) - RETENTION_DAYS) * DAY_MS;
    return id_at_ms(since_ms > first_ms ? since_ms : first_ms) - 1;
}

/* The first id of the day after. */
static uint64_t day_end(int64_t day)
{
    return id_at_ms((day + 1) * DAY_MS);
}

/* ---- deliveries ---- */

static void bind_ended(struct db_stmt *stmt, const struct replay_scan *scan, int64_t limit)
{
    const struct replay *replay = scan->replay;
    db_bind_i64(stmt, 1, (int64_t)replay->app_id);
    db_bind_i64(stmt, 2, (int64_t)scan->endpoint_id);
    db_bind_i64(stmt, 3, (int64_t)scan->position);
    db_bind_i64(stmt, 4, (int64_t)scan->until_id);
    db_bind_i64(stmt, 5, replay->created_at);
    db_bind_str(stmt, 6, replay->event_types);
    db_bind_i64(stmt, 7, limit);
}

/* is_at_end of the step: of this slot. */
static enum err next_ended(struct db *db, const struct replay_scan *scan, size_t slot,
                           struct replay_step *step)
{
    size_t room = REPLAY_STEP_MAX - step->count;
    struct sql *ring = scan->replay->kind == REPLAY_DEAD ? SQL_NEXT_DEAD : SQL_NEXT;
    struct db_stmt *stmt = db_stmt(db, &ring[slot]);
    bind_ended(stmt, scan, (int64_t)room);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && step->count < REPLAY_STEP_MAX; err = db_step(stmt, &has_row))
        step->ids[step->count++] = (uint64_t)db_col_i64(stmt, 0);
    db_done(stmt);
    step->is_at_end = step->count < REPLAY_STEP_MAX;
    if (step->count > 0)
        step->position = step->ids[step->count - 1];
    return err;
}

/* ---- messages that were never tried ---- */

struct missing {
    size_t looked_at;
    int64_t count;
    uint64_t last_id;
    bool is_cut;
};

/* Looks at some messages behind the position. step: takes what counts, until it is full; NULL: all is
 * counted. */
static enum err look_at_messages(struct db *db, const struct replay_scan *scan, size_t slot,
                                 struct replay_step *step, struct missing *missing)
{
    const struct replay *replay = scan->replay;
    struct db_stmt *stmt = db_stmt(db, &SQL_MESSAGES[slot]);
    db_bind_i64(stmt, 1, (int64_t)replay->app_id);
    db_bind_i64(stmt, 2, (int64_t)scan->position);
    db_bind_i64(stmt, 3, (int64_t)scan->until_id);
    db_bind_i64(stmt, 4, (int64_t)scan->endpoint_id);
    db_bind_i64(stmt, 5, replay->created_at);
    db_bind_str(stmt, 6, replay->event_types);
    db_bind_i64(stmt, 7, REPLAY_SCAN_MAX);
    *missing = (struct missing){.last_id = scan->position};
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    while (!err && has_row) {
        missing->looked_at++;
        missing->last_id = (uint64_t)db_col_i64(stmt, 0);
        bool is_wanted =
            db_col_i64(stmt, 3) == 0 && match_wants(scan->wanted_types, scan->wanted_channels,
                                                    db_col_str(stmt, 1), db_col_str(stmt, 2));
        missing->count += is_wanted;
        if (is_wanted && step)
            step->ids[step->count++] = missing->last_id;
        if (step && step->count == REPLAY_STEP_MAX)
            break;
        err = db_step(stmt, &has_row);
    }
    db_done(stmt);
    missing->is_cut =
        missing->looked_at == REPLAY_SCAN_MAX || (step && step->count == REPLAY_STEP_MAX);
    return err;
}

static enum err next_missing(struct db *db, const struct replay_scan *scan, size_t slot,
                             struct replay_step *step)
{
    struct missing missing;
    enum err err = look_at_messages(db, scan, slot, step, &missing);
    step->position = missing.last_id;
    step->is_at_end = !missing.is_cut;
    return err;
}

/* ---- through the ring ---- */

/* Old days are held for running jobs: as one who looked REPLAY_HELD_DAYS ago would see the ring. */
static enum err slots_of(struct db *db, const struct replay_scan *scan,
                         struct ring_slots *ret_slots)
{
    return ring_slots(db, scan->now_ms - REPLAY_HELD_DAYS * DAY_MS, ret_slots);
}

enum err replay_scan_next(struct db *db, const struct replay_scan *scan,
                          struct replay_step *ret_step)
{
    struct ring_slots slots;
    struct replay_scan part = *scan;
    struct replay_step *step = ret_step;
    enum err err = slots_of(db, scan, &slots);
    step->from = scan->position;
    step->position = scan->position;
    step->count = 0;
    step->is_at_end = true;
    for (size_t i = slots.count; !err && i > 0 && step->is_at_end; i--) {
        int64_t day = slots.items[i - 1].day;
        if (day_end(day) <= part.position + 1 || id_at_ms(day * DAY_MS) >= scan->until_id)
            continue;
        err = scan->replay->kind == REPLAY_MISSING
                  ? next_missing(db, &part, slots.items[i - 1].slot, step)
                  : next_ended(db, &part, slots.items[i - 1].slot, step);
        if (step->is_at_end) /* of this day */
            step->position = day_end(day) - 1;
        part.position = step->position;
    }
    return err;
}

/* looked_at: of all days. With too many of them there are as good as too many that count. */
static enum err count_missing(struct db *db, const struct replay_scan *scan, size_t slot,
                              int64_t limit, int64_t *looked_at, int64_t *count)
{
    struct missing missing = {.is_cut = true};
    struct replay_scan part = *scan;
    enum err err = ERR_OK;
    while (!err && missing.is_cut && *count <= limit) {
        err = look_at_messages(db, &part, slot, NULL, &missing);
        *count += missing.count;
        *looked_at += (int64_t)missing.looked_at;
        if (*looked_at > REPLAY_LOOK_MAX)
            *count = limit + 1;
        part.position = missing.last_id;
    }
    return err;
}

enum err replay_scan_count(struct db *db, const struct replay_scan *scan, int64_t limit,
                           int64_t *ret_count)
{
    struct ring_slots slots;
    int64_t total = 0, looked_at = 0;
    enum err err = slots_of(db, scan, &slots);
    for (size_t i = 0; !err && i < slots.count && total <= limit; i++) {
        int64_t day = slots.items[i].day, count = 0;
        if (day_end(day) <= scan->position + 1 || id_at_ms(day * DAY_MS) >= scan->until_id)
            continue;
        size_t slot = slots.items[i].slot;
        if (scan->replay->kind == REPLAY_MISSING) {
            err = count_missing(db, scan, slot, limit - total, &looked_at, &count);
        } else {
            bool is_dead = scan->replay->kind == REPLAY_DEAD;
            struct db_stmt *stmt = db_stmt(db, is_dead ? &SQL_COUNT_DEAD[slot] : &SQL_COUNT[slot]);
            bind_ended(stmt, scan, limit - total + 1);
            err = db_get_i64(stmt, &count);
        }
        total += count;
    }
    if (!err)
        *ret_count = total;
    return err;
}
