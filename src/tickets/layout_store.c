/*
 * Reading a seating plan from its tables into one block of memory, in a few sequential range reads:
 * rows come in primary key order, which is layout order. Everything hangs on the layout's own arena
 * and dies with the last reference. Loaders need no lock: nothing of a plan changes once it can be
 * seen.
 */
#include "tickets/layout.h"

#include "base/json.h"
#include "tickets/best_rows.h"
#include "tickets/limits.h"
#include "tickets/seatmap.h"

#include <stdlib.h>

#define LAYOUT_BYTES_MAX ((size_t)256 << 20)

SQL(SQL_PLAN, "SELECT v.lat, v.lon, p.width, p.height, p.section_count, p.seat_count, p.area_count,"
              " p.focal_x, p.focal_y"
              " FROM plan p JOIN venue v ON v.id = p.venue_id"
              " WHERE p.venue_id = $1 AND p.plan_version = $2");

static struct layout_focus col_focus(struct db_stmt *stmt, int column)
{
    return (struct layout_focus){(float)db_col_f64(stmt, column),
                                 (float)db_col_f64(stmt, column + 1),
                                 !db_col_is_null(stmt, column)};
}

static enum err load_plan(struct db *db, struct layout *layout)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PLAN);
    db_bind_i64(stmt, 1, (int64_t)layout->venue_id);
    db_bind_i64(stmt, 2, layout->plan_version);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    layout->lat = db_col_f64(stmt, 0);
    layout->lon = db_col_f64(stmt, 1);
    layout->width = (float)db_col_f64(stmt, 2);
    layout->height = (float)db_col_f64(stmt, 3);
    layout->section_count = (uint32_t)db_col_i64(stmt, 4);
    layout->seat_count = (uint32_t)db_col_i64(stmt, 5);
    layout->area_count = (uint32_t)db_col_i64(stmt, 6);
    layout->focus = col_focus(stmt, 7);
    db_done(stmt);
    return ERR_OK;
}

/* Runs a query over (venue, version) and hands each row to on_row; the number of rows must be
 * count. */
static enum err load_rows(struct db *db, struct sql *sql, struct layout *layout, uint32_t count,
                          bool (*on_row)(struct layout *layout, struct db_stmt *stmt, uint32_t i))
{
    struct db_stmt *stmt = db_stmt(db, sql);
    db_bind_i64(stmt, 1, (int64_t)layout->venue_id);
    db_bind_i64(stmt, 2, layout->plan_version);
    uint32_t i = 0;
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
        if (i >= count || !on_row(layout, stmt, i)) {
            db_done(stmt);
            return layout->arena.overflow ? ERR_NOMEM : ERR_CORRUPT;
        }
        i++;
    }
    if (err)
        return err;
    return i == count ? ERR_OK : ERR_CORRUPT;
}

static struct str col_dup(struct layout *layout, struct db_stmt *stmt, int column)
{
    return arena_str_dup(&layout->arena, db_col_str(stmt, column));
}

SQL(SQL_CATEGORY_COUNT,
    "SELECT COUNT(*) FROM plan_category WHERE venue_id = $1 AND plan_version = $2");
SQL(SQL_CATEGORIES, "SELECT name, color, focal_x, focal_y FROM plan_category WHERE venue_id = $1 "
                    "AND plan_version = $2"
                    " ORDER BY category_no LIMIT 64");

static bool on_category(struct layout *layout, struct db_stmt *stmt, uint32_t i)
{
    layout->categories[i] = (struct layout_category){col_dup(layout, stmt, 0),
                                                     col_dup(layout, stmt, 1), col_focus(stmt, 2)};
    return true;
}

SQL(SQL_SECTIONS, "SELECT name FROM section WHERE venue_id = $1 AND plan_version = $2"
                  " ORDER BY section_no LIMIT 2001");

static bool on_section(struct layout *layout, struct db_stmt *stmt, uint32_t i)
{
    layout->sections[i].name = col_dup(layout, stmt, 0);
    return true;
}

SQL(SQL_SEATS,
    "SELECT guid, section_no, row_label, number, x, y, category_no, is_accessible"
    " FROM venue_seat WHERE venue_id = $1 AND plan_version = $2 ORDER BY seat_no LIMIT 250001");

/* Neighbours mostly share their row's label: one copy does. */
static struct str row_label(struct layout *layout, struct db_stmt *stmt, uint32_t i)
{
    struct str label = db_col_str(stmt, 2);
    if (i > 0 && str_eq(layout->seats[i - 1].row, label))
        return layout->seats[i - 1].row;
    return arena_str_dup(&layout->arena, label);
}

static bool on_seat(struct layout *layout, struct db_stmt *stmt, uint32_t i)
{
    struct layout_seat *seat = &layout->seats[i];
    seat->guid = col_dup(layout, stmt, 0);
    seat->section_no = (uint32_t)db_col_i64(stmt, 1);
    seat->row = row_label(layout, stmt, i);
    seat->number = col_dup(layout, stmt, 3);
    seat->x = (float)db_col_f64(stmt, 4);
    seat->y = (float)db_col_f64(stmt, 5);
    seat->category_no = (uint32_t)db_col_i64(stmt, 6);
    seat->is_accessible = db_col_i64(stmt, 7) != 0;
    if (seat->section_no >= layout->section_count || seat->category_no >= layout->category_count)
        return false;
    struct layout_section *section = &layout->sections[seat->section_no];
    if (section->seat_count == 0)
        section->seat_first = i;
    if (i != section->seat_first + section->seat_count)
        return false; /* a section's seats must lie side by side */
    section->seat_count++;
    layout->seat_categories[i] = (uint8_t)seat->category_no;
    layout->section_seats[seat->section_no * layout->category_count + seat->category_no]++;
    return map_put(&layout->seat_by_guid, str_hash(seat->guid), i + 1) == ERR_OK;
}

SQL(SQL_AREAS,
    "SELECT guid, section_no, name, capacity, category_no, shape"
    " FROM venue_area WHERE venue_id = $1 AND plan_version = $2 ORDER BY area_no LIMIT 201");

/* A missing or odd shape only means that the area isn't drawn. */
static void read_shape(struct layout *layout, struct str json, struct layout_area *area)
{
    struct json_node *node = NULL;
    struct str message;
    double x = 0, y = 0, width = 0, height = 0;
    if (json_parse(&layout->arena, json, &node, &message) != ERR_OK)
        return;
    (void)json_as_f64(json_get(node, "x"), &x); /* absent: 0 */
    (void)json_as_f64(json_get(node, "y"), &y);
    (void)json_as_f64(json_get(node, "width"), &width);
    (void)json_as_f64(json_get(node, "height"), &height);
    area->x = (float)x;
    area->y = (float)y;
    area->width = (float)width;
    area->height = (float)height;
}

static bool on_area(struct layout *layout, struct db_stmt *stmt, uint32_t i)
{
    struct layout_area *area = &layout->areas[i];
    area->guid = col_dup(layout, stmt, 0);
    area->section_no = (uint32_t)db_col_i64(stmt, 1);
    area->name = col_dup(layout, stmt, 2);
    area->capacity = (uint32_t)db_col_i64(stmt, 3);
    area->category_no = (uint32_t)db_col_i64(stmt, 4);
    read_shape(layout, db_col_str(stmt, 5), area);
    return area->section_no < layout->section_count && area->category_no < layout->category_count;
}

static bool make_arrays(struct layout *layout)
{
    struct arena *arena = &layout->arena;
    size_t cells = (size_t)layout->section_count * layout->category_count;
    layout->categories = ARENA_ARRAY(arena, struct layout_category, layout->category_count + 1);
    layout->sections = ARENA_ARRAY(arena, struct layout_section, layout->section_count + 1);
    layout->seats = ARENA_ARRAY(arena, struct layout_seat, layout->seat_count + 1);
    layout->areas = ARENA_ARRAY(arena, struct layout_area, layout->area_count + 1);
    layout->seat_categories = ARENA_ARRAY(arena, uint8_t, layout->seat_count + 1);
    layout->section_seats = ARENA_ARRAY(arena, uint32_t, cells + 1);
    map_init(&layout->seat_by_guid, layout->seat_count + 1);
    return !arena->overflow;
}

static enum err count_categories(struct db *db, struct layout *layout)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CATEGORY_COUNT);
    db_bind_i64(stmt, 1, (int64_t)layout->venue_id);
    db_bind_i64(stmt, 2, layout->plan_version);
    int64_t count = 0;
    enum err err = db_get_i64(stmt, &count);
    if (err)
        return err;
    if (count > PLAN_CATEGORIES_MAX)
        return ERR_CORRUPT;
    layout->category_count = (uint32_t)count;
    return ERR_OK;
}

static enum err load_parts(struct db *db, struct layout *layout)
{
    enum err err = load_plan(db, layout);
    if (!err)
        err = count_categories(db, layout);
    if (!err && !make_arrays(layout))
        err = ERR_NOMEM;
    if (!err)
        err = load_rows(db, &SQL_CATEGORIES, layout, layout->category_count, on_category);
    if (!err)
        err = load_rows(db, &SQL_SECTIONS, layout, layout->section_count, on_section);
    if (!err)
        err = load_rows(db, &SQL_SEATS, layout, layout->seat_count, on_seat);
    if (!err)
        err = load_rows(db, &SQL_AREAS, layout, layout->area_count, on_area);
    if (!err)
        err = best_rows_make(layout, &layout->best);
    return !err && layout->arena.overflow ? ERR_NOMEM : err;
}

enum err layout_load(struct db *db, uint64_t venue_id, int64_t plan_version,
                     struct layout **ret_layout)
{
    struct layout *layout = calloc(1, sizeof(*layout));
    if (!layout)
        return ERR_NOMEM;
    arena_init(&layout->arena, LAYOUT_BYTES_MAX);
    atomic_init(&layout->refs, 1);
    layout->venue_id = venue_id;
    layout->plan_version = plan_version;
    enum err err = load_parts(db, layout);
    if (err)
        layout_unref(layout);
    else
        *ret_layout = layout;
    return err;
}
