/* SQL of venues and of what lists and forms need to know of their plans; whole plans are read by
 * layout.c. */
#include "tickets/limits.h"
#include "tickets/venue.h"

#define VENUE_COLUMNS "id, account_id, name, city, country, lat, lon, plan_version, created_at"

static struct str col_dup(struct arena *arena, struct db_stmt *stmt, int column)
{
    return arena_str_dup(arena, db_col_str(stmt, column));
}

static void read_venue(struct db_stmt *stmt, struct arena *arena, struct venue *ret_venue)
{
    *ret_venue = (struct venue){
        .id = (uint64_t)db_col_i64(stmt, 0),
        .account_id = (uint64_t)db_col_i64(stmt, 1),
        .name = col_dup(arena, stmt, 2),
        .city = col_dup(arena, stmt, 3),
        .country = col_dup(arena, stmt, 4),
        .lat = db_col_f64(stmt, 5),
        .lon = db_col_f64(stmt, 6),
        .plan_version = db_col_i64(stmt, 7),
        .created_at = db_col_i64(stmt, 8),
    };
}

SQL(SQL_VENUE_GET, "SELECT " VENUE_COLUMNS " FROM venue WHERE id = $1");

enum err venue_load(struct db *db, uint64_t venue_id, struct arena *arena, struct venue *ret_venue)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_VENUE_GET);
    db_bind_i64(stmt, 1, (int64_t)venue_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    read_venue(stmt, arena, ret_venue);
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_VENUE_LIST, "SELECT " VENUE_COLUMNS " FROM venue WHERE account_id = $1 AND id < $2"
                    " ORDER BY id DESC LIMIT $3");
SQL(SQL_VENUE_LIST_ALL,
    "SELECT " VENUE_COLUMNS " FROM venue WHERE id < $1 ORDER BY id DESC LIMIT $2");

enum err venue_list(struct db *db, const struct venue_query *query, struct arena *arena,
                    struct venue *ret_venues, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, query->is_admin ? &SQL_VENUE_LIST_ALL : &SQL_VENUE_LIST);
    int index = 1;
    if (!query->is_admin)
        db_bind_i64(stmt, index++, (int64_t)query->account_id);
    db_bind_i64(stmt, index++, query->before_id ? (int64_t)query->before_id : INT64_MAX);
    db_bind_i64(stmt, index, query->limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row)
        read_venue(stmt, arena, &ret_venues[count++]);
    *ret_count = count;
    return !err && arena->overflow ? ERR_NOMEM : err;
}

SQL(SQL_CATEGORIES,
    "SELECT name, color FROM plan_category WHERE venue_id = $1 AND plan_version = $2"
    " ORDER BY category_no LIMIT 50");

enum err venue_categories_load(struct db *db, uint64_t venue_id, int64_t plan_version,
                               struct arena *arena, struct layout_category **ret_categories,
                               uint32_t *ret_count)
{
    struct layout_category *categories =
        ARENA_ARRAY(arena, struct layout_category, PLAN_CATEGORIES_MAX);
    if (!categories)
        return ERR_NOMEM;
    struct db_stmt *stmt = db_stmt(db, &SQL_CATEGORIES);
    db_bind_i64(stmt, 1, (int64_t)venue_id);
    db_bind_i64(stmt, 2, plan_version);
    uint32_t count = 0;
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
        categories[count].name = col_dup(arena, stmt, 0);
        categories[count++].color = col_dup(arena, stmt, 1);
    }
    *ret_categories = categories;
    *ret_count = count;
    return !err && arena->overflow ? ERR_NOMEM : err;
}

SQL(SQL_PLAN_COUNTS, "SELECT section_count, seat_count, area_count FROM plan"
                     " WHERE venue_id = $1 AND plan_version = $2");

static enum err load_counts(struct db *db, uint64_t venue_id, int64_t plan_version,
                            struct venue_plan *plan)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PLAN_COUNTS);
    db_bind_i64(stmt, 1, (int64_t)venue_id);
    db_bind_i64(stmt, 2, plan_version);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    plan->section_count = db_col_i64(stmt, 0);
    plan->seat_count = db_col_i64(stmt, 1);
    plan->area_count = db_col_i64(stmt, 2);
    db_done(stmt);
    return ERR_OK;
}

SQL(SQL_CATEGORY_SEATS, "SELECT category_no, COUNT(*) FROM venue_seat"
                        " WHERE venue_id = $1 AND plan_version = $2 GROUP BY category_no LIMIT 64");

static enum err load_category_seats(struct db *db, uint64_t venue_id, int64_t plan_version,
                                    struct venue_plan *plan)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CATEGORY_SEATS);
    db_bind_i64(stmt, 1, (int64_t)venue_id);
    db_bind_i64(stmt, 2, plan_version);
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
        int64_t category_no = db_col_i64(stmt, 0);
        if (category_no >= 0 && category_no < PLAN_CATEGORIES_MAX)
            plan->category_seats[category_no] = db_col_i64(stmt, 1);
    }
    return err;
}

SQL(SQL_AREA_CAPACITY, "SELECT CAST(COALESCE(SUM(capacity), 0) AS BIGINT) FROM venue_area"
                       " WHERE venue_id = $1 AND plan_version = $2");

static enum err load_area_capacity(struct db *db, uint64_t venue_id, int64_t plan_version,
                                   int64_t *ret_capacity)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_AREA_CAPACITY);
    db_bind_i64(stmt, 1, (int64_t)venue_id);
    db_bind_i64(stmt, 2, plan_version);
    return db_get_i64(stmt, ret_capacity);
}

enum err venue_plan_load(struct db *db, uint64_t venue_id, int64_t plan_version,
                         struct arena *arena, struct venue_plan *ret_plan)
{
    *ret_plan = (struct venue_plan){.seat_count = 0};
    enum err err = load_counts(db, venue_id, plan_version, ret_plan);
    if (!err)
        err = venue_categories_load(db, venue_id, plan_version, arena, &ret_plan->categories,
                                    &ret_plan->category_count);
    if (!err)
        err = load_category_seats(db, venue_id, plan_version, ret_plan);
    if (!err)
        err = load_area_capacity(db, venue_id, plan_version, &ret_plan->area_capacity);
    return err;
}

SQL(SQL_PLAN_INSERT, "INSERT INTO plan (venue_id, plan_version, name, width, height, section_count,"
                     " seat_count, area_count, focal_x, focal_y)"
                     " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
SQL(SQL_VENUE_INSERT, "INSERT INTO venue (" VENUE_COLUMNS ")"
                      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");

void venue_bind_focus(struct db_stmt *stmt, int index, struct layout_focus focus)
{
    if (focus.is_given) {
        db_bind_f64(stmt, index, (double)focus.x);
        db_bind_f64(stmt, index + 1, (double)focus.y);
    } else {
        db_bind_null(stmt, index);
        db_bind_null(stmt, index + 1);
    }
}

static enum err insert_plan(struct db *db, const struct venue *venue, const struct plan *plan)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PLAN_INSERT);
    db_bind_i64(stmt, 1, (int64_t)venue->id);
    db_bind_i64(stmt, 2, venue->plan_version);
    db_bind_str(stmt, 3, plan->name);
    db_bind_f64(stmt, 4, (double)plan->width);
    db_bind_f64(stmt, 5, (double)plan->height);
    db_bind_i64(stmt, 6, plan->section_count);
    db_bind_i64(stmt, 7, plan->seat_count);
    db_bind_i64(stmt, 8, plan->area_count);
    venue_bind_focus(stmt, 9, plan->focus);
    return db_exec(stmt);
}

enum err venue_insert(struct db *db, const struct venue *venue, const struct plan *plan)
{
    enum err err = insert_plan(db, venue, plan);
    if (err)
        return err;
    struct db_stmt *stmt = db_stmt(db, &SQL_VENUE_INSERT);
    db_bind_i64(stmt, 1, (int64_t)venue->id);
    db_bind_i64(stmt, 2, (int64_t)venue->account_id);
    db_bind_str(stmt, 3, venue->name);
    db_bind_str(stmt, 4, venue->city);
    db_bind_str(stmt, 5, venue->country);
    db_bind_f64(stmt, 6, venue->lat);
    db_bind_f64(stmt, 7, venue->lon);
    db_bind_i64(stmt, 8, venue->plan_version);
    db_bind_i64(stmt, 9, venue->created_at);
    return db_exec(stmt);
}
