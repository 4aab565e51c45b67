/*
 * See ring.h; whose a slot is, store/slots.c decides. A day that memory has in a slot was really given that
 * slot, and nobody gives it to another for RING_SLOTS days.
 */
#include "hooks/ring.h"

#include <stdlib.h>

#include "base/crypto.h"
#include "base/ids.h"

_Static_assert(RING_SLOTS == SLOTS_MAX, "statements are made for all slots");

struct ring {
    _Atomic int64_t days[RING_SLOTS]; /* 0: not known */
    _Atomic int64_t periods[SEEN_SLOTS];
};

int64_t ring_day_of_ms(int64_t at_ms)
{
    return at_ms / DAY_MS;
}

int64_t ring_day_of(uint64_t message_id)
{
    return ring_day_of_ms(id_time_ms(message_id));
}

size_t ring_slot_of(uint64_t message_id)
{
    return (size_t)ring_day_of(message_id) % RING_SLOTS;
}

bool ring_is_kept(uint64_t message_id, int64_t now_ms)
{
    return ring_day_of(message_id) + RETENTION_DAYS >= ring_day_of_ms(now_ms);
}

enum err ring_new(struct ring **ret_ring)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    if (!ring)
        return ERR_NOMEM;
    *ret_ring = ring;
    return ERR_OK;
}

void ring_free(struct ring *ring)
{
    free(ring);
}

/* ---- whose a slot is ---- */

SLOTS_TABLE(SQL_DAY, "ring_slot", "day");
SLOTS_TABLE(SQL_PERIOD, "seen_slot", "period");

/* Without a condition SQLite throws the pages away unread. */
#define MESSAGES_DELETE(NN)     "DELETE FROM message_" NN
#define MESSAGES_TRUNCATE(NN)   "TRUNCATE message_" NN
#define DELIVERIES_DELETE(NN)   "DELETE FROM delivery_" NN
#define DELIVERIES_TRUNCATE(NN) "TRUNCATE delivery_" NN
#define ATTEMPTS_DELETE(NN)     "DELETE FROM attempt_" NN
#define ATTEMPTS_TRUNCATE(NN)   "TRUNCATE attempt_" NN
/* What waits still ends with its day. */
#define BACKLOG(NN)                                                                                \
    "UPDATE application_backlog SET pending = pending - (SELECT count(*) FROM delivery_" NN        \
    " d WHERE d.app_id = application_backlog.app_id AND d.next_at IS NOT NULL)"                    \
    " WHERE app_id IN (SELECT app_id FROM delivery_" NN " WHERE next_at IS NOT NULL)"
RING_SQL(SQL_BACKLOG, BACKLOG);
RING_SQL_PAIR(SQL_MESSAGES_EMPTY, MESSAGES_DELETE, MESSAGES_TRUNCATE);
RING_SQL_PAIR(SQL_DELIVERIES_EMPTY, DELIVERIES_DELETE, DELIVERIES_TRUNCATE);
RING_SQL_PAIR(SQL_ATTEMPTS_EMPTY, ATTEMPTS_DELETE, ATTEMPTS_TRUNCATE);

static struct sql SQL_SEEN_EMPTY[SEEN_SLOTS] = {
    {.text = "DELETE FROM event_seen_0", .pgsql = "TRUNCATE event_seen_0"},
    {.text = "DELETE FROM event_seen_1", .pgsql = "TRUNCATE event_seen_1"},
    {.text = "DELETE FROM event_seen_2", .pgsql = "TRUNCATE event_seen_2"},
    {.text = "DELETE FROM event_seen_3", .pgsql = "TRUNCATE event_seen_3"},
};

static const struct slots day_slots = {
    .count = RING_SLOTS,
    SLOTS_STATEMENTS(SQL_DAY),
    .empties = {SQL_BACKLOG, SQL_MESSAGES_EMPTY, SQL_DELIVERIES_EMPTY, SQL_ATTEMPTS_EMPTY}};
static const struct slots seen_slots = {
    .count = SEEN_SLOTS, SLOTS_STATEMENTS(SQL_PERIOD), .empties = {SQL_SEEN_EMPTY}};

enum err ring_open(struct ring *ring, struct writer_tx *tx, uint64_t message_id)
{
    return slots_open(&day_slots, ring->days, tx, ring_day_of(message_id));
}

/* ---- for readers ---- */

SQL(SQL_KEPT, "SELECT slot, day FROM ring_slot WHERE day >= $1 ORDER BY day DESC LIMIT 33");

enum err ring_slots(struct db *db, int64_t now_ms, struct ring_slots *ret_slots)
{
    struct ring_slots slots = {0};
    struct db_stmt *stmt = db_stmt(db, &SQL_KEPT);
    db_bind_i64(stmt, 1, ring_day_of_ms(now_ms) - RETENTION_DAYS);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && slots.count < RING_SLOTS; err = db_step(stmt, &has_row)) {
        slots.items[slots.count].slot = (size_t)db_col_i64(stmt, 0);
        slots.items[slots.count++].day = db_col_i64(stmt, 1);
    }
    db_done(stmt);
    if (!err)
        *ret_slots = slots;
    return err;
}

/* ---- retention ---- */

static int64_t period_of_ms(int64_t at_ms)
{
    return ring_day_of_ms(at_ms) / SEEN_DAYS;
}

enum err ring_sweep(struct writer_tx *tx)
{
    return ring_sweep_before(tx, ring_day_of_ms(tx->now_ms) - RETENTION_DAYS);
}

enum err ring_sweep_before(struct writer_tx *tx, int64_t first_day)
{
    enum err err = slots_sweep(&day_slots, tx->db, first_day);
    if (err)
        return err;
    return slots_sweep(&seen_slots, tx->db, period_of_ms(tx->now_ms) - (SEEN_SLOTS - 1));
}

/* ---- eventIds ---- */

#define SEEN_FIND(N)                                                                               \
    "SELECT message_id, body_hash FROM event_seen_" N " WHERE app_id = $1 AND event_hash = $2"
SQL(SQL_SEEN_FIND, SEEN_FIND("0") " UNION ALL " SEEN_FIND("1") " UNION ALL " SEEN_FIND(
                       "2") " UNION ALL " SEEN_FIND("3"));

#define SEEN_PUT(N)                                                                                \
    {                                                                                              \
        .text = "INSERT INTO event_seen_" N "(app_id, event_hash, message_id, body_hash)"          \
                " VALUES($1, $2, $3, $4) ON CONFLICT(app_id, event_hash)"                          \
                " DO UPDATE SET message_id = excluded.message_id,"                                 \
                " body_hash = excluded.body_hash"                                                  \
    }
static struct sql SQL_SEEN_PUT[SEEN_SLOTS] = {SEEN_PUT("0"), SEEN_PUT("1"), SEEN_PUT("2"),
                                              SEEN_PUT("3")};

static void bind_event(struct db_stmt *stmt, uint64_t app_id, struct str event_id,
                       uint8_t hash[static SHA256_SIZE])
{
    crypto_sha256(event_id, hash);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_blob(stmt, 2, str_from((const char *)hash, SHA256_SIZE));
}

/* A table may still hold a period that has gone by, and a name a message that is not kept any more:
 * only what its message's id says counts. Of two the newer, which came when the older had gone. */
enum err ring_seen_find(struct writer_tx *tx, uint64_t app_id, struct str event_id,
                        struct seen *ret_seen)
{
    uint8_t hash[SHA256_SIZE];
    struct seen found = {0};
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_SEEN_FIND);
    bind_event(stmt, app_id, event_id, hash);
    bool has_row, is_whole = true;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row; err = db_step(stmt, &has_row)) {
        uint64_t message_id = (uint64_t)db_col_i64(stmt, 0);
        struct str body_hash = db_col_blob(stmt, 1);
        if (message_id <= found.message_id || !ring_is_kept(message_id, tx->now_ms))
            continue;
        found.message_id = message_id;
        is_whole = body_hash.len == sizeof(found.body_hash);
        if (is_whole)
            memcpy(found.body_hash, body_hash.data, body_hash.len);
    }
    db_done(stmt);
    if (err || !is_whole)
        return err ? err : ERR_CORRUPT;
    *ret_seen = found;
    return found.message_id ? ERR_OK : ERR_NOT_FOUND;
}

enum err ring_seen_put(struct ring *ring, struct writer_tx *tx, uint64_t app_id,
                       struct str event_id, const struct seen *seen)
{
    int64_t period = period_of_ms(tx->now_ms);
    size_t slot = (size_t)period % SEEN_SLOTS;
    enum err err = slots_open(&seen_slots, ring->periods, tx, period);
    if (err)
        return err;
    uint8_t hash[SHA256_SIZE];
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_SEEN_PUT[slot]);
    bind_event(stmt, app_id, event_id, hash);
    db_bind_i64(stmt, 3, (int64_t)seen->message_id);
    db_bind_blob(stmt, 4, str_from((const char *)seen->body_hash, sizeof(seen->body_hash)));
    return db_exec_later(stmt);
}
