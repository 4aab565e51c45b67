/* See replay_store.h. */
#include "hooks/replay_store.h"

static void bind_or_null(struct db_stmt *stmt, int index, int64_t value)
{
    if (value)
        db_bind_i64(stmt, index, value);
    else
        db_bind_null(stmt, index);
}

/* ---- jobs ---- */

SQL(SQL_ADD, "INSERT INTO replay(app_id, id, kind, state, endpoint_id, since_at, until_at,"
             " event_types, created_at, updated_at, ended_at)"
             " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");

enum err replay_store_add(struct db *db, const struct replay *replay)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, (int64_t)replay->app_id);
    db_bind_i64(stmt, 2, (int64_t)replay->id);
    db_bind_i64(stmt, 3, replay->kind);
    db_bind_i64(stmt, 4, replay->state);
    db_bind_i64(stmt, 5, (int64_t)replay->endpoint_id);
    db_bind_i64(stmt, 6, replay->since_ms);
    db_bind_i64(stmt, 7, replay->until_ms);
    db_bind_str(stmt, 8, replay->event_types);
    db_bind_i64(stmt, 9, replay->created_at);
    db_bind_i64(stmt, 10, replay->updated_at);
    bind_or_null(stmt, 11, replay->ended_at);
    return db_exec_later(stmt);
}

SQL(SQL_SET_STATE, "UPDATE replay SET state = $3, updated_at = $4, ended_at = $5"
                   " WHERE app_id = $1 AND id = $2");

enum err replay_store_set_state(struct db *db, const struct replay *replay)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SET_STATE);
    db_bind_i64(stmt, 1, (int64_t)replay->app_id);
    db_bind_i64(stmt, 2, (int64_t)replay->id);
    db_bind_i64(stmt, 3, replay->state);
    db_bind_i64(stmt, 4, replay->updated_at);
    bind_or_null(stmt, 5, replay->ended_at);
    return db_exec_later(stmt);
}

#define COLUMNS                                                                                    \
    "app_id, id, kind, state, endpoint_id, since_at, until_at, event_types, created_at,"           \
    " updated_at, ended_at"

static struct replay replay_of(struct db_stmt *stmt, struct arena *arena)
{
    return (struct replay){.app_id = (uint64_t)db_col_i64(stmt, 0),
                           .id = (uint64_t)db_col_i64(stmt, 1),
                           .kind = (enum replay_kind)db_col_i64(stmt, 2),
                           .state = (enum replay_state)db_col_i64(stmt, 3),
                           .endpoint_id = (uint64_t)db_col_i64(stmt, 4),
                           .since_ms = db_col_i64(stmt, 5),
                           .until_ms = db_col_i64(stmt, 6),
                           .event_types = arena_str_dup(arena, db_col_str(stmt, 7)),
                           .created_at = db_col_i64(stmt, 8),
                           .updated_at = db_col_i64(stmt, 9),
                           .ended_at = db_col_i64(stmt, 10)};
}

static enum err read_replays(struct db_stmt *stmt, struct arena *arena, size_t limit,
                             struct replay *replays, size_t *ret_count)
{
    bool has_row;
    size_t count = 0;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < limit; err = db_step(stmt, &has_row))
        replays[count++] = replay_of(stmt, arena);
    db_done(stmt);
    if (!err && arena->overflow)
        err = ERR_NOMEM;
    if (!err)
        *ret_count = count;
    return err;
}

SQL(SQL_GET, "SELECT " COLUMNS " FROM replay WHERE app_id = $1 AND id = $2");

enum err replay_store_get(struct db *db, struct arena *arena, uint64_t app_id, uint64_t id,
                          struct replay *ret_replay)
{
    size_t count = 0;
    struct db_stmt *stmt = db_stmt(db, &SQL_GET);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, (int64_t)id);
    enum err err = read_replays(stmt, arena, 1, ret_replay, &count);
    return err ? err : count ? ERR_OK : ERR_NOT_FOUND;
}

SQL(SQL_LIST, "SELECT " COLUMNS " FROM replay WHERE app_id = $1 AND id < $2"
              " ORDER BY id DESC LIMIT $3");

enum err replay_store_list(struct db *db, struct arena *arena, uint64_t app_id, uint64_t before_id,
                           size_t limit, struct replay *replays, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, before_id ? (int64_t)before_id : INT64_MAX);
    db_bind_i64(stmt, 3, (int64_t)limit);
    return read_replays(stmt, arena, limit, replays, ret_count);
}

SQL(SQL_RUNNING, "SELECT " COLUMNS " FROM replay WHERE app_id = $1 AND state = 0"
                 " ORDER BY id LIMIT $2");

enum err replay_store_running(struct db *db, struct arena *arena, uint64_t app_id,
                              struct replay replays[static REPLAY_RUNNING_MAX], size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_RUNNING);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, REPLAY_RUNNING_MAX);
    return read_replays(stmt, arena, REPLAY_RUNNING_MAX, replays, ret_count);
}

/* Of all messages that were shown when it was made, or since then. */
SQL_PAIR(SQL_FIRST, "SELECT MIN(MAX(since_at, created_at - $1)) FROM replay WHERE state = 0",
         "SELECT MIN(GREATEST(since_at, created_at - $1)) FROM replay WHERE state = 0");

enum err replay_store_first(struct db *db, int64_t *ret_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FIRST);
    db_bind_i64(stmt, 1, RETENTION_DAYS * DAY_MS);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    bool has_first = has_row && !db_col_is_null(stmt, 0);
    if (has_first)
        *ret_ms = db_col_i64(stmt, 0);
    db_done(stmt);
    return has_first ? ERR_OK : ERR_NOT_FOUND;
}

SQL(SQL_OLD, "SELECT app_id, id FROM replay WHERE ended_at IS NOT NULL AND ended_at < $1"
             " ORDER BY ended_at LIMIT $2");
SQL(SQL_DELETE, "DELETE FROM replay WHERE app_id = $1 AND id = $2");
SQL(SQL_DELETE_LEGS, "DELETE FROM replay_endpoint WHERE app_id = $1 AND replay_id = $2");

enum err replay_store_purge(struct db *db, int64_t before_ms)
{
    static struct sql *const deletes[] = {&SQL_DELETE, &SQL_DELETE_LEGS};
    int64_t ids[REPLAY_SWEEP_MAX][2];
    size_t count = 0;
    struct db_stmt *stmt = db_stmt(db, &SQL_OLD);
    db_bind_i64(stmt, 1, before_ms);
    db_bind_i64(stmt, 2, REPLAY_SWEEP_MAX);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < REPLAY_SWEEP_MAX; err = db_step(stmt, &has_row)) {
        ids[count][0] = db_col_i64(stmt, 0);
        ids[count++][1] = db_col_i64(stmt, 1);
    }
    db_done(stmt);
    for (size_t i = 0; !err && i < 2 * count; i++) {
        stmt = db_stmt(db, deletes[i % 2]);
        db_bind_i64(stmt, 1, ids[i / 2][0]);
        db_bind_i64(stmt, 2, ids[i / 2][1]);
        err = db_exec(stmt);
    }
    return err;
}

/* ---- legs ---- */

static void bind_leg(struct db_stmt *stmt, const struct replay_leg *leg)
{
    db_bind_i64(stmt, 1, (int64_t)leg->app_id);
    db_bind_i64(stmt, 2, (int64_t)leg->replay_id);
    db_bind_i64(stmt, 3, (int64_t)leg->endpoint_id);
    db_bind_i64(stmt, 4, leg->state);
    db_bind_i64(stmt, 5, (int64_t)leg->position);
    db_bind_i64(stmt, 6, leg->queued);
    db_bind_i64(stmt, 7, leg->waiting);
    db_bind_i64(stmt, 8, leg->done);
    db_bind_i64(stmt, 9, leg->failed);
}

SQL(SQL_ADD_LEG, "INSERT INTO replay_endpoint(app_id, replay_id, endpoint_id, state, position,"
                 " queued, waiting, done, failed, until_id, total)"
                 " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");

enum err replay_store_add_leg(struct db *db, const struct replay_leg *leg)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD_LEG);
    bind_leg(stmt, leg);
    db_bind_i64(stmt, 10, (int64_t)leg->until_id);
    db_bind_i64(stmt, 11, leg->total);
    return db_exec_later(stmt);
}

SQL(SQL_SET_LEG, "UPDATE replay_endpoint SET state = $4, position = $5, queued = $6, waiting = $7,"
                 " done = $8, failed = $9 WHERE app_id = $1 AND replay_id = $2"
                 " AND endpoint_id = $3");

enum err replay_store_set_leg(struct db *db, const struct replay_leg *leg)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SET_LEG);
    bind_leg(stmt, leg);
    return db_exec_later(stmt);
}

#define LEG_COLUMNS                                                                                \
    "app_id, replay_id, endpoint_id, state, position, until_id, total, queued, waiting, done,"     \
    " failed"

static enum err read_legs(struct db_stmt *stmt, size_t limit, struct replay_leg *legs,
                          size_t *ret_count)
{
    bool has_row;
    size_t count = 0;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < limit; err = db_step(stmt, &has_row))
        legs[count++] = (struct replay_leg){.app_id = (uint64_t)db_col_i64(stmt, 0),
                                            .replay_id = (uint64_t)db_col_i64(stmt, 1),
                                            .endpoint_id = (uint64_t)db_col_i64(stmt, 2),
                                            .state = (enum leg_state)db_col_i64(stmt, 3),
                                            .position = (uint64_t)db_col_i64(stmt, 4),
                                            .until_id = (uint64_t)db_col_i64(stmt, 5),
                                            .total = db_col_i64(stmt, 6),
                                            .queued = db_col_i64(stmt, 7),
                                            .waiting = db_col_i64(stmt, 8),
                                            .done = db_col_i64(stmt, 9),
                                            .failed = db_col_i64(stmt, 10)};
    db_done(stmt);
    if (!err)
        *ret_count = count;
    return err;
}

SQL(SQL_GET_LEG, "SELECT " LEG_COLUMNS " FROM replay_endpoint"
                 " WHERE app_id = $1 AND replay_id = $2 AND endpoint_id = $3");

enum err replay_store_get_leg(struct db *db, uint64_t app_id, uint64_t replay_id,
                              uint64_t endpoint_id, struct replay_leg *ret_leg)
{
    size_t count = 0;
    struct db_stmt *stmt = db_stmt(db, &SQL_GET_LEG);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, (int64_t)replay_id);
    db_bind_i64(stmt, 3, (int64_t)endpoint_id);
    enum err err = read_legs(stmt, 1, ret_leg, &count);
    return err ? err : count ? ERR_OK : ERR_NOT_FOUND;
}

SQL(SQL_LEGS, "SELECT " LEG_COLUMNS " FROM replay_endpoint WHERE app_id = $1 AND replay_id = $2"
              " ORDER BY endpoint_id LIMIT $3");

enum err replay_store_legs(struct db *db, uint64_t app_id, uint64_t replay_id,
                           struct replay_leg legs[static ENDPOINTS_MAX], size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LEGS);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, (int64_t)replay_id);
    db_bind_i64(stmt, 3, ENDPOINTS_MAX);
    return read_legs(stmt, ENDPOINTS_MAX, legs, ret_count);
}

SQL(SQL_HUNGRY, "SELECT " LEG_COLUMNS " FROM replay_endpoint WHERE state = 0"
                " AND (app_id, replay_id, endpoint_id) > ($1, $2, $3)"
                " ORDER BY app_id, replay_id, endpoint_id LIMIT $4");

enum err replay_store_hungry(struct db *db, const struct replay_leg *behind,
                             struct replay_leg legs[static REPLAY_ROUND_MAX], size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_HUNGRY);
    db_bind_i64(stmt, 1, (int64_t)behind->app_id);
    db_bind_i64(stmt, 2, (int64_t)behind->replay_id);
    db_bind_i64(stmt, 3, (int64_t)behind->endpoint_id);
    db_bind_i64(stmt, 4, REPLAY_ROUND_MAX);
    return read_legs(stmt, REPLAY_ROUND_MAX, legs, ret_count);
}

/* ---- deliveries in a job's hands ---- */

#define NO_STATE (-1) /* was_state of a delivery that was not there */

static void bind_key(struct db_stmt *stmt, const struct delivery_key *key)
{
    db_bind_i64(stmt, 1, (int64_t)key->app_id);
    db_bind_i64(stmt, 2, (int64_t)key->endpoint_id);
    db_bind_i64(stmt, 3, (int64_t)key->message_id);
}

SQL(SQL_PUT_LINK,
    "INSERT INTO replay_delivery(app_id, endpoint_id, message_id, replay_id, was_state,"
    " was_attempts, was_lane, was_created_at, was_ended_at, is_begun)"
    " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    " ON CONFLICT(app_id, endpoint_id, message_id) DO UPDATE SET replay_id = excluded.replay_id,"
    " was_state = excluded.was_state, was_attempts = excluded.was_attempts,"
    " was_lane = excluded.was_lane, was_created_at = excluded.was_created_at,"
    " was_ended_at = excluded.was_ended_at, is_begun = excluded.is_begun");

enum err replay_store_put_link(struct db *db, const struct replay_link *link)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT_LINK);
    bind_key(stmt, &link->key);
    db_bind_i64(stmt, 4, (int64_t)link->replay_id);
    db_bind_i64(stmt, 5, link->is_new ? NO_STATE : (int64_t)link->was.state);
    db_bind_i64(stmt, 6, link->was.attempts);
    db_bind_i64(stmt, 7, link->was.lane);
    db_bind_i64(stmt, 8, link->was.created_at);
    db_bind_i64(stmt, 9, link->was.ended_at);
    db_bind_i64(stmt, 10, link->is_begun);
    return db_exec_later(stmt);
}

#define LINK_COLUMNS                                                                               \
    "app_id, endpoint_id, message_id, replay_id, was_state, was_attempts, was_lane,"               \
    " was_created_at, was_ended_at, is_begun"

static struct replay_link link_of(struct db_stmt *stmt)
{
    int64_t state = db_col_i64(stmt, 4);
    struct replay_link link = {.key = {(uint64_t)db_col_i64(stmt, 0), (uint64_t)db_col_i64(stmt, 1),
                                       (uint64_t)db_col_i64(stmt, 2)},
                               .replay_id = (uint64_t)db_col_i64(stmt, 3),
                               .is_new = state == NO_STATE,
                               .is_begun = db_col_i64(stmt, 9) != 0};
    link.was = (struct delivery){.key = link.key,
                                 .state = link.is_new ? DELIVERY_DEAD : (enum delivery_state)state,
                                 .attempts = db_col_i64(stmt, 5),
                                 .lane = (enum lane)db_col_i64(stmt, 6),
                                 .created_at = db_col_i64(stmt, 7),
                                 .ended_at = db_col_i64(stmt, 8)};
    return link;
}

SQL(SQL_GET_LINK, "SELECT " LINK_COLUMNS " FROM replay_delivery"
                  " WHERE app_id = $1 AND endpoint_id = $2 AND message_id = $3");

enum err replay_store_get_link(struct db *db, const struct delivery_key *key,
                               struct replay_link *ret_link)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GET_LINK);
    bind_key(stmt, key);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    *ret_link = link_of(stmt);
    db_done(stmt);
    return ERR_OK;
}

SQL(SQL_DELETE_LINK, "DELETE FROM replay_delivery"
                     " WHERE app_id = $1 AND endpoint_id = $2 AND message_id = $3");

enum err replay_store_delete_link(struct db *db, const struct delivery_key *key)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DELETE_LINK);
    bind_key(stmt, key);
    return db_exec_later(stmt);
}

SQL(SQL_WAITING, "SELECT " LINK_COLUMNS " FROM replay_delivery"
                 " WHERE app_id = $1 AND replay_id = $2 AND endpoint_id = $3 AND is_begun = 0"
                 " ORDER BY message_id LIMIT $4");

enum err replay_store_waiting(struct db *db, const struct replay_leg *leg,
                              struct replay_link *links, size_t *ret_count)
{
    size_t count = 0;
    struct db_stmt *stmt = db_stmt(db, &SQL_WAITING);
    db_bind_i64(stmt, 1, (int64_t)leg->app_id);
    db_bind_i64(stmt, 2, (int64_t)leg->replay_id);
    db_bind_i64(stmt, 3, (int64_t)leg->endpoint_id);
    db_bind_i64(stmt, 4, REPLAY_WAITING_MAX);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < REPLAY_WAITING_MAX; err = db_step(stmt, &has_row))
        links[count++] = link_of(stmt);
    db_done(stmt);
    if (!err)
        *ret_count = count;
    return err;
}

SQL(SQL_OLD_LINKS, "SELECT app_id, endpoint_id, message_id FROM replay_delivery"
                   " WHERE message_id < $1 ORDER BY message_id LIMIT $2");

enum err replay_store_old_links(struct db *db, uint64_t before_id, struct delivery_key *keys,
                                size_t *ret_count)
{
    size_t count = 0;
    struct db_stmt *stmt = db_stmt(db, &SQL_OLD_LINKS);
    db_bind_i64(stmt, 1, (int64_t)before_id);
    db_bind_i64(stmt, 2, REPLAY_SWEEP_MAX);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < REPLAY_SWEEP_MAX; err = db_step(stmt, &has_row))
        keys[count++] =
            (struct delivery_key){(uint64_t)db_col_i64(stmt, 0), (uint64_t)db_col_i64(stmt, 1),
                                  (uint64_t)db_col_i64(stmt, 2)};
    db_done(stmt);
    if (!err)
        *ret_count = count;
    return err;
}
