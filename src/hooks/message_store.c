/* See message_store.h. */
#include "hooks/message_store.h"

#include "base/ids.h"

#define PUT(NN)                                                                                    \
    "INSERT INTO message_" NN "(app_id, id, event_type, event_id, channels, payload, created_at)"  \
    " VALUES($1, $2, $3, $4, $5, $6, $7)"
RING_SQL(SQL_PUT, PUT);

enum err message_store_put(struct db *db, const struct message *message)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT[ring_slot_of(message->id)]);
    db_bind_i64(stmt, 1, (int64_t)message->app_id);
    db_bind_i64(stmt, 2, (int64_t)message->id);
    db_bind_str(stmt, 3, message->event_type);
    if (message->event_id.data)
        db_bind_str(stmt, 4, message->event_id);
    else
        db_bind_null(stmt, 4);
    db_bind_str(stmt, 5, message->channels);
    db_bind_blob(stmt, 6, message->payload);
    db_bind_i64(stmt, 7, message->created_at);
    return db_exec_later(stmt);
}

#define COLUMNS      "event_type, event_id, channels, created_at"
#define GET(NN)      "SELECT " COLUMNS ", payload FROM message_" NN " WHERE app_id = $1 AND id = $2"
#define GET_BARE(NN) "SELECT " COLUMNS " FROM message_" NN " WHERE app_id = $1 AND id = $2"
RING_SQL(SQL_GET, GET);
RING_SQL(SQL_GET_BARE, GET_BARE);

static void read_row(struct db_stmt *stmt, struct arena *arena, bool with_payload,
                     struct message *message)
{
    message->event_type = arena_str_dup(arena, db_col_str(stmt, 0));
    message->event_id =
        db_col_is_null(stmt, 1) ? STR_NONE : arena_str_dup(arena, db_col_str(stmt, 1));
    message->channels = arena_str_dup(arena, db_col_str(stmt, 2));
    message->created_at = db_col_i64(stmt, 3);
    message->payload = with_payload ? arena_str_dup(arena, db_col_blob(stmt, 4)) : STR_NONE;
}

enum err message_store_get(struct db *db, struct arena *arena, uint64_t app_id, uint64_t id,
                           int64_t now_ms, bool with_payload, struct message *ret_message)
{
    if (!ring_is_kept(id, now_ms))
        return ERR_NOT_FOUND;
    struct sql *sql = with_payload ? SQL_GET : SQL_GET_BARE;
    struct db_stmt *stmt = db_stmt(db, &sql[ring_slot_of(id)]);
    db_bind_i64(stmt, 1, (int64_t)app_id);
    db_bind_i64(stmt, 2, (int64_t)id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    struct message message = {.app_id = app_id, .id = id};
    read_row(stmt, arena, with_payload, &message);
    db_done(stmt);
    if (arena->overflow)
        return ERR_NOMEM;
    *ret_message = message;
    return ERR_OK;
}

/* ---- lists ---- */

/* Lists of names are lines; that a name is among them is looked for with its newlines. */
#define FILTER(POSITION, CHAR)                                                                     \
    " WHERE app_id = $1 AND id > $2 AND id < $3"                                                   \
    " AND ($4 = '' OR " POSITION "(" CHAR "(10) || $4 || " CHAR "(10), " CHAR "(10) || event_type" \
    " || " CHAR "(10)) > 0)"                                                                       \
    " AND ($5 = '' OR " POSITION "(" CHAR "(10) || channels || " CHAR "(10), " CHAR "(10) || $5"   \
    " || " CHAR "(10)) > 0)"
#define DOWN_LITE(NN)                                                                              \
    "SELECT id FROM message_" NN FILTER("instr", "char") " ORDER BY id DESC LIMIT $6"
#define DOWN_PGSQL(NN)                                                                             \
    "SELECT id FROM message_" NN FILTER("strpos", "chr") " ORDER BY id DESC LIMIT $6"
#define UP_LITE(NN)  "SELECT id FROM message_" NN FILTER("instr", "char") " ORDER BY id LIMIT $6"
#define UP_PGSQL(NN) "SELECT id FROM message_" NN FILTER("strpos", "chr") " ORDER BY id LIMIT $6"
RING_SQL_PAIR(SQL_DOWN, DOWN_LITE, DOWN_PGSQL);
RING_SQL_PAIR(SQL_UP, UP_LITE, UP_PGSQL);

/* Ids between these, both left out, are asked for. */
static void bounds_of(const struct message_query *query, uint64_t *above, uint64_t *below)
{
    *above = query->after_ms > 0 ? id_at_ms(query->after_ms) - 1 : 0;
    *below = query->before_ms > 0 ? id_at_ms(query->before_ms) : (uint64_t)INT64_MAX;
    if (query->beyond_id && query->is_ascending && query->beyond_id > *above)
        *above = query->beyond_id;
    if (query->beyond_id && !query->is_ascending && query->beyond_id < *below)
        *below = query->beyond_id;
}

static enum err list_slot(struct db *db, const struct message_query *query, size_t slot,
                          uint64_t *ids, size_t *count)
{
    uint64_t above, below;
    bool has_row;
    bounds_of(query, &above, &below);
    struct db_stmt *stmt = db_stmt(db, query->is_ascending ? &SQL_UP[slot] : &SQL_DOWN[slot]);
    db_bind_i64(stmt, 1, (int64_t)query->app_id);
    db_bind_i64(stmt, 2, (int64_t)above);
    db_bind_i64(stmt, 3, (int64_t)below);
    db_bind_str(stmt, 4, query->event_types);
    db_bind_str(stmt, 5, query->channel);
    db_bind_i64(stmt, 6, (int64_t)(query->limit - *count));
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && *count < query->limit; err = db_step(stmt, &has_row))
        ids[(*count)++] = (uint64_t)db_col_i64(stmt, 0);
    db_done(stmt);
    return err;
}

enum err message_store_list(struct db *db, const struct message_query *query, int64_t now_ms,
                            uint64_t *ids, size_t *ret_count)
{
    struct ring_slots slots;
    size_t count = 0;
    enum err err = ring_slots(db, now_ms, &slots);
    for (size_t i = 0; !err && i < slots.count && count < query->limit; i++) {
        size_t at = query->is_ascending ? slots.count - 1 - i : i;
        err = list_slot(db, query, slots.items[at].slot, ids, &count);
    }
    if (!err)
        *ret_count = count;
    return err;
}
