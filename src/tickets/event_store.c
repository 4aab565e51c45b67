/* SQL of events; what each function does stands in event_store.h. Lists join the venue and ask the
 * price range of each row by index. */
#include "tickets/event_store.h"

#define EVENT_COLUMNS                                                                              \
    "e.id, e.account_id, e.venue_id, e.plan_version, e.name, e.description, e.category,"           \
    " e.waiting_room, e.starts_at, e.onsale_at, e.currency, e.status, e.hold_ttl_s,"               \
    " e.per_booking, e.per_account, e.late_payment, e.refund_until_s, e.created_at, e.updated_at," \
    " e.buyer_chat, e.orphan_rule, e.per_device, e.per_card, e.per_network, e.open_holds,"         \
    " e.challenge"
#define EVENT_COLUMN_COUNT 26
#define ROW_COLUMNS                                                                                \
    EVENT_COLUMNS ", v.name, v.city, v.country, v.lat, v.lon,"                                     \
                  " (SELECT MIN(price) FROM event_price p WHERE p.event_id = e.id),"               \
                  " (SELECT MAX(price) FROM event_price p WHERE p.event_id = e.id)"
#define ROW_FROM " FROM event e JOIN venue v ON v.id = e.venue_id"

static struct str col_dup(struct arena *arena, struct db_stmt *stmt, int column)
{
    return arena_str_dup(arena, db_col_str(stmt, column));
}

static enum err read_event(struct db_stmt *stmt, struct arena *arena, struct event *ret_event)
{
    *ret_event = (struct event){
        .id = (uint64_t)db_col_i64(stmt, 0),
        .account_id = (uint64_t)db_col_i64(stmt, 1),
        .venue_id = (uint64_t)db_col_i64(stmt, 2),
        .plan_version = db_col_i64(stmt, 3),
        .name = col_dup(arena, stmt, 4),
        .description = col_dup(arena, stmt, 5),
        .category = col_dup(arena, stmt, 6),
        .waiting_room = col_dup(arena, stmt, 7),
        .starts_at = db_col_i64(stmt, 8),
        .onsale_at = db_col_i64(stmt, 9),
        .status = (enum event_status)db_col_i64(stmt, 11),
        .hold_ttl_s = db_col_i64(stmt, 12),
        .per_booking = db_col_i64(stmt, 13),
        .per_account = db_col_i64(stmt, 14),
        .late_payment = (enum late_payment)db_col_i64(stmt, 15),
        .refund_until_s = db_col_i64(stmt, 16),
        .created_at = db_col_i64(stmt, 17),
        .updated_at = db_col_i64(stmt, 18),
        .has_buyer_chat = db_col_i64(stmt, 19) != 0,
        .has_orphan_rule = db_col_i64(stmt, 20) != 0,
        .abuse = {.per_device = db_col_i64(stmt, 21),
                  .per_card = db_col_i64(stmt, 22),
                  .per_network = db_col_i64(stmt, 23),
                  .open_holds = db_col_i64(stmt, 24),
                  .challenge = (enum challenge_rule)db_col_i64(stmt, 25)},
    };
    if (str_to_c(db_col_str(stmt, 10), ret_event->currency, sizeof(ret_event->currency)))
        return ERR_CORRUPT;
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_EVENT_GET, "SELECT " EVENT_COLUMNS " FROM event e WHERE e.id = $1");

enum err event_load(struct db *db, uint64_t event_id, struct arena *arena, struct event *ret_event)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_EVENT_GET);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    err = read_event(stmt, arena, ret_event);
    db_done(stmt);
    return err ? err : queue_settings_load(db, event_id, &ret_event->queue);
}

static void bind_event(struct db_stmt *stmt, const struct event *event)
{
    db_bind_i64(stmt, 1, (int64_t)event->id);
    db_bind_str(stmt, 2, event->name);
    db_bind_str(stmt, 3, event->description);
    db_bind_str(stmt, 4, event->category);
    db_bind_str(stmt, 5, event->waiting_room);
    db_bind_i64(stmt, 6, event->starts_at);
    db_bind_i64(stmt, 7, event->onsale_at);
    db_bind_str(stmt, 8, str_from_c(event->currency));
    db_bind_i64(stmt, 9, event->status);
    db_bind_i64(stmt, 10, event->hold_ttl_s);
    db_bind_i64(stmt, 11, event->per_booking);
    db_bind_i64(stmt, 12, event->per_account);
    db_bind_i64(stmt, 13, event->late_payment);
    db_bind_i64(stmt, 14, event->refund_until_s);
    db_bind_i64(stmt, 15, event->updated_at);
    db_bind_i64(stmt, 16, event->has_buyer_chat);
    db_bind_i64(stmt, 17, event->has_orphan_rule);
    db_bind_i64(stmt, 18, event->abuse.per_device);
    db_bind_i64(stmt, 19, event->abuse.per_card);
    db_bind_i64(stmt, 20, event->abuse.per_network);
    db_bind_i64(stmt, 21, event->abuse.open_holds);
    db_bind_i64(stmt, 22, event->abuse.challenge);
}

SQL(SQL_EVENT_INSERT,
    "INSERT INTO event (id, name, description, category, waiting_room, starts_at, onsale_at,"
    " currency, status, hold_ttl_s, per_booking, per_account, late_payment, refund_until_s,"
    " updated_at, buyer_chat, orphan_rule, per_device, per_card, per_network, open_holds,"
    " challenge, account_id, venue_id, plan_version, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
    " $19, $20, $21, $22, $23, $24, $25, $26)");

enum err event_insert(struct db *db, const struct event *event)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_EVENT_INSERT);
    bind_event(stmt, event);
    db_bind_i64(stmt, 23, (int64_t)event->account_id);
    db_bind_i64(stmt, 24, (int64_t)event->venue_id);
    db_bind_i64(stmt, 25, event->plan_version);
    db_bind_i64(stmt, 26, event->created_at);
    enum err err = db_exec(stmt);
    return err ? err : queue_settings_put(db, event->id, &event->queue);
}

SQL(SQL_EVENT_UPDATE,
    "UPDATE event SET name = $2, description = $3, category = $4, waiting_room = $5,"
    " starts_at = $6, onsale_at = $7, currency = $8, status = $9, hold_ttl_s = $10,"
    " per_booking = $11, per_account = $12, late_payment = $13, refund_until_s = $14,"
    " updated_at = $15, buyer_chat = $16, orphan_rule = $17, per_device = $18, per_card = $19,"
    " per_network = $20, open_holds = $21, challenge = $22 WHERE id = $1");

enum err event_update(struct db *db, const struct event *event)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_EVENT_UPDATE);
    bind_event(stmt, event);
    enum err err = db_exec(stmt);
    if (!err && db_changes(db) != 1)
        return ERR_NOT_FOUND;
    return err ? err : queue_settings_put(db, event->id, &event->queue);
}

SQL(SQL_PRICES_GET, "SELECT category_no, price FROM event_price WHERE event_id = $1 LIMIT 64");

enum err event_prices_load(struct db *db, uint64_t event_id,
                           int64_t ret_prices[static EVENT_PRICES_MAX])
{
    for (size_t i = 0; i < EVENT_PRICES_MAX; i++)
        ret_prices[i] = PRICE_NONE;
    struct db_stmt *stmt = db_stmt(db, &SQL_PRICES_GET);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
        int64_t category_no = db_col_i64(stmt, 0);
        if (category_no >= 0 && category_no < EVENT_PRICES_MAX)
            ret_prices[category_no] = db_col_i64(stmt, 1);
    }
    return err;
}

SQL(SQL_PRICES_DELETE, "DELETE FROM event_price WHERE event_id = $1");
SQL(SQL_PRICE_INSERT, "INSERT INTO event_price (event_id, category_no, price) VALUES ($1, $2, $3)");

enum err event_prices_put(struct db *db, uint64_t event_id,
                          const int64_t prices[static EVENT_PRICES_MAX])
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PRICES_DELETE);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    enum err err = db_exec(stmt);
    for (int i = 0; !err && i < EVENT_PRICES_MAX; i++) {
        if (prices[i] == PRICE_NONE)
            continue;
        stmt = db_stmt(db, &SQL_PRICE_INSERT);
        db_bind_i64(stmt, 1, (int64_t)event_id);
        db_bind_i64(stmt, 2, i);
        db_bind_i64(stmt, 3, prices[i]);
        err = db_exec(stmt);
    }
    return err;
}

SQL(SQL_AREAS_COPY,
    "INSERT INTO event_area (event_id, area_no, guid, name, section_no, capacity, available,"
    " category_no) SELECT $1, area_no, guid, name, section_no, capacity, capacity, category_no"
    " FROM venue_area WHERE venue_id = $2 AND plan_version = $3");

enum err event_areas_copy(struct db *db, const struct event *event)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_AREAS_COPY);
    db_bind_i64(stmt, 1, (int64_t)event->id);
    db_bind_i64(stmt, 2, (int64_t)event->venue_id);
    db_bind_i64(stmt, 3, event->plan_version);
    return db_exec(stmt);
}

SQL(SQL_AREA_NEXT, "SELECT COALESCE(MAX(area_no) + 1, 0) FROM event_area WHERE event_id = $1");

enum err event_area_next(struct db *db, uint64_t event_id, uint32_t *ret_area_no)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_AREA_NEXT);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    int64_t area_no;
    enum err err = db_get_i64(stmt, &area_no);
    if (!err)
        *ret_area_no = (uint32_t)area_no;
    return err;
}

SQL(SQL_AREA_INSERT,
    "INSERT INTO event_area (event_id, area_no, guid, name, section_no, capacity, available,"
    " category_no) VALUES ($1, $2, $3, $4, $5, $6, $6, $7)");

enum err event_area_insert(struct db *db, uint64_t event_id, const struct model_area *area)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_AREA_INSERT);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, area->area_no);
    db_bind_str(stmt, 3, area->guid);
    db_bind_str(stmt, 4, area->name);
    db_bind_i64(stmt, 5, area->section_no);
    db_bind_i64(stmt, 6, area->capacity);
    db_bind_i64(stmt, 7, area->category_no);
    return db_exec(stmt);
}

SQL(SQL_BLOCK, "INSERT INTO seat_claim (event_id, seat_no, booking_id, state)"
               " VALUES ($1, $2, 0, 3) ON CONFLICT DO NOTHING");
SQL(SQL_CLAIM_STATE, "SELECT state FROM seat_claim WHERE event_id = $1 AND seat_no = $2");

enum err event_seat_block(struct db *db, uint64_t event_id, uint32_t seat_no, bool *ret_is_new)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BLOCK);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, seat_no);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    *ret_is_new = db_changes(db) == 1;
    if (*ret_is_new)
        return ERR_OK;
    stmt = db_stmt(db, &SQL_CLAIM_STATE);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, seat_no);
    int64_t state;
    err = db_get_i64(stmt, &state);
    if (err)
        return err;
    return state == SEAT_BLOCKED ? ERR_OK : ERR_CONFLICT;
}

SQL(SQL_UNBLOCK, "DELETE FROM seat_claim WHERE event_id = $1 AND seat_no = $2 AND state = 3");

enum err event_seat_unblock(struct db *db, uint64_t event_id, uint32_t seat_no,
                            bool *ret_was_blocked)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_UNBLOCK);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, seat_no);
    enum err err = db_exec(stmt);
    if (!err)
        *ret_was_blocked = db_changes(db) == 1;
    return err;
}

static enum err read_row(struct db_stmt *stmt, struct arena *arena, struct event_row *row)
{
    enum err err = read_event(stmt, arena, &row->event);
    if (err)
        return err;
    int column = EVENT_COLUMN_COUNT;
    row->venue = (struct venue){.id = row->event.venue_id,
                                .name = col_dup(arena, stmt, column),
                                .city = col_dup(arena, stmt, column + 1),
                                .country = col_dup(arena, stmt, column + 2),
                                .lat = db_col_f64(stmt, column + 3),
                                .lon = db_col_f64(stmt, column + 4)};
    row->has_price = !db_col_is_null(stmt, column + 5);
    row->price_min = db_col_i64(stmt, column + 5);
    row->price_max = db_col_i64(stmt, column + 6);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_LIST, "SELECT " ROW_COLUMNS ROW_FROM " WHERE e.account_id = $1 AND e.id < $2"
              " ORDER BY e.id DESC LIMIT $3");
SQL(SQL_LIST_ALL, "SELECT " ROW_COLUMNS ROW_FROM " WHERE e.id < $1 ORDER BY e.id DESC LIMIT $2");

enum err event_list(struct db *db, const struct event_query *query, struct arena *arena,
                    struct event_row *ret_rows, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, query->is_admin ? &SQL_LIST_ALL : &SQL_LIST);
    int index = 1;
    if (!query->is_admin)
        db_bind_i64(stmt, index++, (int64_t)query->account_id);
    db_bind_i64(stmt, index++, query->before_id ? (int64_t)query->before_id : INT64_MAX);
    db_bind_i64(stmt, index, query->limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
        err = read_row(stmt, arena, &ret_rows[count++]);
        if (err) {
            db_done(stmt);
            return err;
        }
    }
    *ret_count = count;
    return err;
}

SQL(SQL_ROW_GET, "SELECT " ROW_COLUMNS ROW_FROM " WHERE e.id = $1");

enum err event_row_load(struct db *db, uint64_t event_id, struct arena *arena,
                        struct event_row *ret_row)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ROW_GET);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    err = read_row(stmt, arena, ret_row);
    db_done(stmt);
    return err;
}
