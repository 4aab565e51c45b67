/* See delivery_list_store.h. */
#include "hooks/delivery_list_store.h"

#include "base/ids.h"

/* Ids that a span holds: from <= id < to. */
static void bind_span(struct db_stmt *stmt, int index, const struct delivery_span *span,
                      uint64_t before_id)
{
    uint64_t from = span->since_ms > 0 ? id_at_ms(span->since_ms) : 0;
    uint64_t to = span->until_ms > 0 ? id_at_ms(span->until_ms) : (uint64_t)INT64_MAX;
    if (before_id && before_id < to)
        to = before_id;
    db_bind_i64(stmt, index, (int64_t)from);
    db_bind_i64(stmt, index + 1, (int64_t)to);
}

#define COUNT(NN)                                                                                  \
    "SELECT state, count(*) FROM delivery_" NN                                                     \
    " WHERE app_id = $1 AND endpoint_id = $2 AND message_id >= $3 AND message_id < $4"             \
    " GROUP BY state LIMIT 4"
RING_SQL(SQL_COUNT, COUNT);

static enum err count_slot(struct db_stmt *stmt, struct delivery_counts *counts)
{
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row; err = db_step(stmt, &has_row)) {
        int64_t state = db_col_i64(stmt, 0);
        int64_t *count = state == DELIVERY_SUCCESS   ? &counts->success
                         : state == DELIVERY_PENDING ? &counts->pending
                                                     : &counts->dead;
        *count += db_col_i64(stmt, 1);
    }
    db_done(stmt);
    return err;
}

enum err delivery_store_count(struct db *db, uint64_t app_id, uint64_t endpoint_id,
                              const struct delivery_span *span, struct delivery_counts *ret_counts)
{
    struct ring_slots slots;
    enum err err = ring_slots(db, span->now_ms, &slots);
    for (size_t i = 0; !err && i < slots.count; i++) {
        struct db_stmt *stmt = db_stmt(db, &SQL_COUNT[slots.items[i].slot]);
        db_bind_i64(stmt, 1, (int64_t)app_id);
        db_bind_i64(stmt, 2, (int64_t)endpoint_id);
        bind_span(stmt, 3, span, 0);
        err = count_slot(stmt, ret_counts);
    }
    return err;
}

#define WAITING(NN)                                                                                \
    "SELECT count(*) FROM (SELECT 1 FROM delivery_" NN                                             \
    " WHERE app_id = $1 AND endpoint_id = $2 AND next_at IS NOT NULL LIMIT $3) AS waiting"
RING_SQL(SQL_WAITING, WAITING);

enum err delivery_store_count_waiting(struct db *db, uint64_t app_id, uint64_t endpoint_id,
                                      int64_t now_ms, int64_t *ret_count)
{
    struct ring_slots slots;
    int64_t count = 0;
    enum err err = ring_slots(db, now_ms, &slots);
    for (size_t i = 0; !err && i < slots.count && count < QUEUED_COUNT_MAX; i++) {
        struct db_stmt *stmt = db_stmt(db, &SQL_WAITING[slots.items[i].slot]);
        bool has_row;
        db_bind_i64(stmt, 1, (int64_t)app_id);
        db_bind_i64(stmt, 2, (int64_t)endpoint_id);
        db_bind_i64(stmt, 3, QUEUED_COUNT_MAX - count);
        err = db_step(stmt, &has_row);
        if (!err && has_row)
            count += db_col_i64(stmt, 0);
        db_done(stmt);
    }
    if (!err)
        *ret_count = count;
    return err;
}

#define COLUMNS "endpoint_id, message_id, state, attempts, next_at, lane, created_at, ended_at"
/* Lists of names are lines; that a name is among them is looked for with its newlines. */
#define IS_OF_TYPE(NN, POSITION, CHAR)                                                             \
    " AND ($7 = '' OR EXISTS (SELECT 1 FROM message_" NN " m WHERE m.app_id = d.app_id"            \
    " AND m.id = d.message_id AND " POSITION "(" CHAR "(10) || $7 || " CHAR "(10), " CHAR          \
    "(10) || m.event_type || " CHAR "(10)) > 0))"
#define OF_ENDPOINT(NN, POSITION, CHAR)                                                            \
    "SELECT " COLUMNS " FROM delivery_" NN " d"                                                    \
    " WHERE app_id = $1 AND message_id >= $2 AND message_id < $3 AND endpoint_id = $4"             \
    " AND ($5 < 0 OR state = $5)" IS_OF_TYPE(NN, POSITION,                                         \
                                             CHAR) " ORDER BY message_id DESC LIMIT $6"
#define DEAD(NN, POSITION, CHAR)                                                                   \
    "SELECT " COLUMNS " FROM delivery_" NN " d"                                                    \
    " WHERE app_id = $1 AND message_id >= $2 AND message_id < $3 AND state = 2"                    \
    " AND (message_id < $5 OR endpoint_id < $6)" IS_OF_TYPE(                                       \
        NN, POSITION, CHAR) " ORDER BY message_id DESC, endpoint_id DESC LIMIT $4"
#define OF_ENDPOINT_LITE(NN)  OF_ENDPOINT(NN, "instr", "char")
#define OF_ENDPOINT_PGSQL(NN) OF_ENDPOINT(NN, "strpos", "chr")
#define DEAD_LITE(NN)         DEAD(NN, "instr", "char")
#define DEAD_PGSQL(NN)        DEAD(NN, "strpos", "chr")
RING_SQL_PAIR(SQL_OF_ENDPOINT, OF_ENDPOINT_LITE, OF_ENDPOINT_PGSQL);
RING_SQL_PAIR(SQL_DEAD, DEAD_LITE, DEAD_PGSQL);

static enum err read_rows(struct db_stmt *stmt, uint64_t app_id, size_t limit,
                          struct delivery *deliveries, size_t *count)
{
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && *count < limit; err = db_step(stmt, &has_row))
        deliveries[(*count)++] = (struct delivery){
            .key = {app_id, (uint64_t)db_col_i64(stmt, 0), (uint64_t)db_col_i64(stmt, 1)},
            .state = (enum delivery_state)db_col_i64(stmt, 2),
            .attempts = db_col_i64(stmt, 3),
            .next_at = db_col_i64(stmt, 4),
            .lane = (enum lane)db_col_i64(stmt, 5),
            .created_at = db_col_i64(stmt, 6),
            .ended_at = db_col_i64(stmt, 7)};
    db_done(stmt);
    return err;
}

static enum err list_slot(struct db *db, const struct delivery_query *query, size_t slot,
                          struct delivery *deliveries, size_t *count)
{
    bool is_of_one = query->endpoint_id != 0;
    struct db_stmt *stmt = db_stmt(db, is_of_one ? &SQL_OF_ENDPOINT[slot] : &SQL_DEAD[slot]);
    int64_t room = (int64_t)(query->limit - *count);
    db_bind_i64(stmt, 1, (int64_t)query->app_id);
    if (is_of_one) {
        bind_span(stmt, 2, &query->span, query->before_id);
        db_bind_i64(stmt, 4, (int64_t)query->endpoint_id);
        db_bind_i64(stmt, 5, query->state);
        db_bind_i64(stmt, 6, room);
    } else {
        bind_span(stmt, 2, &query->span, query->before_id ? query->before_id + 1 : 0);
        db_bind_i64(stmt, 4, room);
        db_bind_i64(stmt, 5, query->before_id ? (int64_t)query->before_id : INT64_MAX);
        db_bind_i64(stmt, 6, (int64_t)query->before_endpoint_id);
    }
    db_bind_str(stmt, 7, query->event_types);
    return read_rows(stmt, query->app_id, query->limit, deliveries, count);
}

enum err delivery_store_list(struct db *db, const struct delivery_query *query,
                             struct delivery *deliveries, size_t *ret_count)
{
    struct ring_slots slots;
    size_t count = 0;
    enum err err = ring_slots(db, query->span.now_ms, &slots);
    for (size_t i = 0; !err && i < slots.count && count < query->limit; i++)
        err = list_slot(db, query, slots.items[i].slot, deliveries, &count);
    if (!err)
        *ret_count = count;
    return err;
}
