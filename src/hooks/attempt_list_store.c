/*
 * Attempts as people look at them: see attempt_store.h.
 *
 * An attempt lies in the table of its message's day, so those of an endpoint, newest first, are merged
 * from all tables: as many of each as are wanted of all, then the newest of those.
 */
#include "hooks/attempt_store.h"

#include <stdlib.h>

/* What stands in front of the filters: KEY names the row whose attempts they are. */
#define FIND(NN, KEY, ORDER, POSITION, CHAR)                                                       \
    "SELECT t.message_id, t.id FROM attempt_" NN " t WHERE t.app_id = $1 AND t." KEY " = $2"       \
    " AND t.id > $3 AND t.id < $4 AND t.at >= $5 AND t.at < $6 AND ($7 < 0 OR t.status = $7)"      \
    " AND ($8 < 0 OR (t.code >= $8 AND t.code < $8 + 100))"                                        \
    " AND ($9 = 0 OR t.endpoint_id = $9)"                                                          \
    " AND ($10 = '' OR EXISTS (SELECT 1 FROM message_" NN " m WHERE m.app_id = t.app_id"           \
    " AND m.id = t.message_id AND " POSITION "(" CHAR "(10) || $10 || " CHAR "(10), " CHAR         \
    "(10) || m.event_type || " CHAR "(10)) > 0)) ORDER BY t.id" ORDER " LIMIT $11"

#define MESSAGE_DOWN_LITE(NN)   FIND(NN, "message_id", " DESC", "instr", "char")
#define MESSAGE_DOWN_PGSQL(NN)  FIND(NN, "message_id", " DESC", "strpos", "chr")
#define MESSAGE_UP_LITE(NN)     FIND(NN, "message_id", "", "instr", "char")
#define MESSAGE_UP_PGSQL(NN)    FIND(NN, "message_id", "", "strpos", "chr")
#define ENDPOINT_DOWN_LITE(NN)  FIND(NN, "endpoint_id", " DESC", "instr", "char")
#define ENDPOINT_DOWN_PGSQL(NN) FIND(NN, "endpoint_id", " DESC", "strpos", "chr")
#define ENDPOINT_UP_LITE(NN)    FIND(NN, "endpoint_id", "", "instr", "char")
#define ENDPOINT_UP_PGSQL(NN)   FIND(NN, "endpoint_id", "", "strpos", "chr")
RING_SQL_PAIR(SQL_MESSAGE_DOWN, MESSAGE_DOWN_LITE, MESSAGE_DOWN_PGSQL);
RING_SQL_PAIR(SQL_MESSAGE_UP, MESSAGE_UP_LITE, MESSAGE_UP_PGSQL);
RING_SQL_PAIR(SQL_ENDPOINT_DOWN, ENDPOINT_DOWN_LITE, ENDPOINT_DOWN_PGSQL);
RING_SQL_PAIR(SQL_ENDPOINT_UP, ENDPOINT_UP_LITE, ENDPOINT_UP_PGSQL);

static struct sql *sql_of(const struct attempt_query *query, size_t slot)
{
    if (query->message_id)
        return query->is_ascending ? &SQL_MESSAGE_UP[slot] : &SQL_MESSAGE_DOWN[slot];
    return query->is_ascending ? &SQL_ENDPOINT_UP[slot] : &SQL_ENDPOINT_DOWN[slot];
}

static void bind_query(struct db_stmt *stmt, const struct attempt_query *query)
{
    uint64_t above = query->is_ascending ? query->beyond_id : 0;
    uint64_t below = query->is_ascending || !query->beyond_id ? INT64_MAX : query->beyond_id;
    db_bind_i64(stmt, 1, (int64_t)query->app_id);
    db_bind_i64(stmt, 2, (int64_t)(query->message_id ? query->message_id : query->endpoint_id));
    db_bind_i64(stmt, 3, (int64_t)above);
    db_bind_i64(stmt, 4, (int64_t)below);
    db_bind_i64(stmt, 5, query->after_ms);
    db_bind_i64(stmt, 6, query->before_ms ? query->before_ms : INT64_MAX);
    db_bind_i64(stmt, 7, query->status);
    db_bind_i64(stmt, 8, query->code_class);
    db_bind_i64(stmt, 9, (int64_t)query->endpoint_id);
    db_bind_str(stmt, 10, query->event_types);
    db_bind_i64(stmt, 11, (int64_t)query->limit);
}

static enum err list_slot(struct db *db, const struct attempt_query *query, size_t slot,
                          struct attempt_ref *refs, size_t *count)
{
    bool has_row;
    size_t end = *count + query->limit;
    struct db_stmt *stmt = db_stmt(db, sql_of(query, slot));
    bind_query(stmt, query);
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && *count < end; err = db_step(stmt, &has_row))
        refs[(*count)++] =
            (struct attempt_ref){(uint64_t)db_col_i64(stmt, 0), (uint64_t)db_col_i64(stmt, 1)};
    db_done(stmt);
    return err;
}

static int order_up(const void *a, const void *b)
{
    const struct attempt_ref *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

static int order_down(const void *a, const void *b)
{
    return order_up(b, a);
}

enum err attempt_store_list(struct db *db, const struct attempt_query *query, int64_t now_ms,
                            struct attempt_ref *refs, size_t *ret_count)
{
    struct ring_slots slots;
    size_t count = 0;
    if (query->message_id) {
        enum err err = list_slot(db, query, ring_slot_of(query->message_id), refs, ret_count);
        return err;
    }
    enum err err = ring_slots(db, now_ms, &slots);
    for (size_t i = 0; !err && i < slots.count; i++)
        err = list_slot(db, query, slots.items[i].slot, refs, &count);
    if (err)
        return err;
    if (count > 0)
        qsort(refs, count, sizeof(*refs), query->is_ascending ? order_up : order_down);
    *ret_count = count < query->limit ? count : query->limit;
    return ERR_OK;
}

#define COLUMNS                                                                                    \
    "endpoint_id, at, status, code, trigger_type, url, queued_ms, dns_ms, connect_ms, tls_ms,"     \
    " first_byte_ms, total_ms, error_class, error_text, response_headers"
#define GET(NN)                                                                                    \
    "SELECT " COLUMNS ", response FROM attempt_" NN                                                \
    " WHERE app_id = $1 AND message_id = $2 AND id = $3"
#define GET_BARE(NN)                                                                               \
    "SELECT " COLUMNS " FROM attempt_" NN " WHERE app_id = $1 AND message_id = $2 AND id = $3"
RING_SQL(SQL_GET, GET);
RING_SQL(SQL_GET_BARE, GET_BARE);

static void read_row(struct db_stmt *stmt, struct arena *arena, bool with_response,
                     struct attempt *attempt)
{
    attempt->endpoint_id = (uint64_t)db_col_i64(stmt, 0);
    attempt->at_ms = db_col_i64(stmt, 1);
    attempt->status = (enum attempt_status)db_col_i64(stmt, 2);
    attempt->code = db_col_i64(stmt, 3);
    attempt->trigger = (enum trigger)db_col_i64(stmt, 4);
    attempt->url = arena_str_dup(arena, db_col_str(stmt, 5));
    attempt->times = (struct attempt_times){.queued_ms = db_col_i64(stmt, 6),
                                            .dns_ms = db_col_i64(stmt, 7),
                                            .connect_ms = db_col_i64(stmt, 8),
                                            .tls_ms = db_col_i64(stmt, 9),
                                            .first_byte_ms = db_col_i64(stmt, 10),
                                            .total_ms = db_col_i64(stmt, 11)};
    attempt->error_class = arena_str_dup(arena, db_col_str(stmt, 12));
    attempt->error_text = arena_str_dup(arena, db_col_str(stmt, 13));
    attempt->response_headers = arena_str_dup(arena, db_col_str(stmt, 14));
    attempt->response = with_response ? arena_str_dup(arena, db_col_blob(stmt, 15)) : STR_NONE;
}

enum err attempt_store_get(struct db *db, struct arena *arena, uint64_t app_id,
                           const struct attempt_ref *ref, bool with_response,
                           struct attempt *ret_attempt)
{
    struct sql *sql = with_response ? SQL_GET : SQL_GET_BARE;
    struct db_stmt *stmt = db_stmt(db, &sql[ring_slot_of(ref->message_id)]);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, (int64_t)ref->message_id);
    db_bind_i64(stmt, 3, (int64_t)ref->id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    *ret_attempt = (struct attempt){.app_id = app_id, .message_id = ref->message_id, .id = ref->id};
    read_row(stmt, arena, with_response, ret_attempt);
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}
