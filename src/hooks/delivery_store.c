/* See delivery_store.h. */
#include "hooks/delivery_store.h"

static void bind_time(struct db_stmt *stmt, int index, int64_t at_ms)
{
    if (at_ms)
        db_bind_i64(stmt, index, at_ms);
    else
        db_bind_null(stmt, index);
}

static void bind_key(struct db_stmt *stmt, const struct delivery_key *key)
{
    db_bind_i64(stmt, 1, (int64_t)key->app_id);
    db_bind_i64(stmt, 2, (int64_t)key->endpoint_id);
    db_bind_i64(stmt, 3, (int64_t)key->message_id);
}

#define ADD(NN)                                                                                    \
    "INSERT INTO delivery_" NN "(app_id, endpoint_id, message_id, state, attempts, next_at, lane," \
    " created_at, ended_at) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9)"
#define PUT(NN)                                                                                    \
    ADD(NN)                                                                                        \
    " ON CONFLICT(app_id, endpoint_id, message_id) DO UPDATE SET state = excluded.state,"          \
    " attempts = excluded.attempts, next_at = excluded.next_at, lane = excluded.lane,"             \
    " created_at = excluded.created_at, ended_at = excluded.ended_at"
RING_SQL(SQL_ADD, ADD);
RING_SQL(SQL_PUT, PUT);

static enum err put(struct db *db, struct sql *ring, const struct delivery *delivery)
{
    struct db_stmt *stmt = db_stmt(db, &ring[ring_slot_of(delivery->key.message_id)]);
    bind_key(stmt, &delivery->key);
    db_bind_i64(stmt, 4, delivery->state);
    db_bind_i64(stmt, 5, delivery->attempts);
    bind_time(stmt, 6, delivery->next_at);
    db_bind_i64(stmt, 7, delivery->lane);
    db_bind_i64(stmt, 8, delivery->created_at);
    bind_time(stmt, 9, delivery->ended_at);
    return db_exec_later(stmt);
}

enum err delivery_store_add(struct db *db, const struct delivery *delivery)
{
    return put(db, SQL_ADD, delivery);
}

enum err delivery_store_put(struct db *db, const struct delivery *delivery)
{
    return put(db, SQL_PUT, delivery);
}

#define DELETE(NN)                                                                                 \
    "DELETE FROM delivery_" NN " WHERE app_id = $1 AND endpoint_id = $2 AND message_id = $3"
RING_SQL(SQL_DELETE, DELETE);

enum err delivery_store_delete(struct db *db, const struct delivery_key *key)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DELETE[ring_slot_of(key->message_id)]);
    bind_key(stmt, key);
    return db_exec(stmt);
}

#define GET(NN)                                                                                    \
    "SELECT state, attempts, next_at, lane, created_at, ended_at FROM delivery_" NN                \
    " WHERE app_id = $1 AND endpoint_id = $2 AND message_id = $3"
RING_SQL(SQL_GET, GET);

enum err delivery_store_get(struct db *db, const struct delivery_key *key,
                            struct delivery *ret_delivery)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GET[ring_slot_of(key->message_id)]);
    bind_key(stmt, key);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    *ret_delivery = (struct delivery){.key = *key,
                                      .state = (enum delivery_state)db_col_i64(stmt, 0),
                                      .attempts = db_col_i64(stmt, 1),
                                      .next_at = db_col_i64(stmt, 2),
                                      .lane = (enum lane)db_col_i64(stmt, 3),
                                      .created_at = db_col_i64(stmt, 4),
                                      .ended_at = db_col_i64(stmt, 5)};
    db_done(stmt);
    return ERR_OK;
}

/* ---- what waits ---- */

#define PENDING_COLUMNS "message_id, state, attempts, next_at, lane, created_at"
#define DUE(NN)                                                                                    \
    "SELECT " PENDING_COLUMNS " FROM delivery_" NN                                                 \
    " WHERE app_id = $1 AND endpoint_id = $2 AND lane = $3 AND next_at IS NOT NULL"                \
    " ORDER BY next_at, created_at LIMIT $4"
#define OVER(NN)                                                                                   \
    "SELECT " PENDING_COLUMNS " FROM delivery_" NN                                                 \
    " WHERE app_id = $1 AND endpoint_id = $2 AND lane = $3 AND next_at IS NOT NULL"                \
    " AND created_at < $5 ORDER BY next_at, created_at LIMIT $4"
RING_SQL(SQL_DUE, DUE);
RING_SQL(SQL_OVER, OVER);

enum err delivery_store_waiting(struct db *db, const struct delivery_wait *wait,
                                struct delivery *ret_rows, size_t *ret_count)
{
    bool is_over = wait->before_ms != 0;
    struct db_stmt *stmt = db_stmt(db, is_over ? &SQL_OVER[wait->slot] : &SQL_DUE[wait->slot]);
    db_bind_i64(stmt, 1, (int64_t)wait->app_id);
    db_bind_i64(stmt, 2, (int64_t)wait->endpoint_id);
    db_bind_i64(stmt, 3, wait->lane);
    db_bind_i64(stmt, 4, (int64_t)wait->limit);
    if (is_over)
        db_bind_i64(stmt, 5, wait->before_ms);
    bool has_row;
    size_t count = 0;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < wait->limit; err = db_step(stmt, &has_row))
        ret_rows[count++] = (struct delivery){
            .key = {wait->app_id, wait->endpoint_id, (uint64_t)db_col_i64(stmt, 0)},
            .state = (enum delivery_state)db_col_i64(stmt, 1),
            .attempts = db_col_i64(stmt, 2),
            .next_at = db_col_i64(stmt, 3),
            .lane = (enum lane)db_col_i64(stmt, 4),
            .created_at = db_col_i64(stmt, 5)};
    db_done(stmt);
    *ret_count = count;
    return err;
}

/* The steward looks for other nodes' deliveries again and again: PostgreSQL steps from line to line in the
 * index, and the rows of a long queue are not read. */
#define LINES(NN)                                                                                  \
    "SELECT app_id, endpoint_id, lane, MIN(next_at) FROM delivery_" NN                             \
    " WHERE next_at IS NOT NULL GROUP BY app_id, endpoint_id, lane"
#define LINES_STEPPED(NN)                                                                          \
    "WITH RECURSIVE line AS ((SELECT app_id, endpoint_id, lane, next_at FROM delivery_" NN         \
    " WHERE next_at IS NOT NULL ORDER BY app_id, endpoint_id, lane, next_at LIMIT 1) UNION ALL"    \
    " SELECT n.* FROM line AS l CROSS JOIN LATERAL (SELECT d.app_id, d.endpoint_id, d.lane,"       \
    " d.next_at FROM delivery_" NN " AS d WHERE d.next_at IS NOT NULL AND"                         \
    " (d.app_id, d.endpoint_id, d.lane) > (l.app_id, l.endpoint_id, l.lane)"                       \
    " ORDER BY d.app_id, d.endpoint_id, d.lane, d.next_at LIMIT 1) AS n)"                          \
    " SELECT app_id, endpoint_id, lane, next_at FROM line"
RING_SQL_PAIR(SQL_LINES, LINES, LINES_STEPPED);

enum err delivery_store_each_line(struct db *db, size_t slot,
                                  enum err (*on_line)(const struct delivery_line *line, void *ctx),
                                  void *ctx)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LINES[slot]);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    while (!err && has_row) {
        struct delivery_line line = {.app_id = (uint64_t)db_col_i64(stmt, 0),
                                     .endpoint_id = (uint64_t)db_col_i64(stmt, 1),
                                     .lane = (enum lane)(db_col_i64(stmt, 2) % LANE_COUNT),
                                     .next_at = db_col_i64(stmt, 3)};
        err = on_line(&line, ctx);
        if (!err)
            err = db_step(stmt, &has_row);
    }
    db_done(stmt);
    return err;
}
