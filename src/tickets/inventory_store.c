/* SQL of the inventory's read model: one event's prices, areas and claims. */
#include "tickets/inventory_store.h"

#include <stdlib.h>

#include "store/journal.h"
#include "tickets/limits.h"

SQL(SQL_PRICES, "SELECT category_no, price FROM event_price WHERE event_id = $1 LIMIT 64");

static enum err load_prices(struct db *db, struct event_model *model)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PRICES);
    db_bind_i64(stmt, 1, (int64_t)model->event.id);
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        int64_t category_no = db_col_i64(stmt, 0);
        if (category_no >= 0 && category_no < PLAN_CATEGORIES_MAX)
            model->prices[category_no] = db_col_i64(stmt, 1);
    }
    return err;
}

SQL(SQL_AREA_COUNT, "SELECT COUNT(*) FROM event_area WHERE event_id = $1");
SQL(SQL_AREAS,
    "SELECT area_no, guid, name, section_no, category_no, capacity, available FROM event_area "
    "WHERE event_id = $1 ORDER BY area_no");

static enum err load_areas(struct db *db, struct event_model *model)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_AREA_COUNT);
    db_bind_i64(stmt, 1, (int64_t)model->event.id);
    int64_t count;
    enum err err = db_get_i64(stmt, &count);
    if (err)
        return err;
    model->areas = ARENA_ARRAY(&model->arena, struct model_area, (size_t)count + 1);
    model->area_available = calloc((size_t)count + 1, sizeof(*model->area_available));
    if (!model->areas || !model->area_available)
        return ERR_NOMEM;
    stmt = db_stmt(db, &SQL_AREAS);
    db_bind_i64(stmt, 1, (int64_t)model->event.id);
    bool has_row;
    while (!(err = db_step(stmt, &has_row)) && has_row && model->area_count < (uint32_t)count) {
        struct model_area *area = &model->areas[model->area_count];
        area->area_no = (uint32_t)db_col_i64(stmt, 0);
        area->guid = arena_str_dup(&model->arena, db_col_str(stmt, 1));
        area->name = arena_str_dup(&model->arena, db_col_str(stmt, 2));
        area->section_no = (uint32_t)db_col_i64(stmt, 3);
        area->category_no = (uint32_t)db_col_i64(stmt, 4);
        area->capacity = (uint32_t)db_col_i64(stmt, 5);
        atomic_store(&model->area_available[model->area_count], (int32_t)db_col_i64(stmt, 6));
        model->area_count++;
    }
    db_done(stmt);
    return err;
}

SQL(SQL_CLAIMS, "SELECT seat_no, state FROM seat_claim WHERE event_id = $1");

enum err inventory_store_each_claim(struct db *db, struct event_model *model,
                                    void (*fn)(struct event_model *model, uint32_t seat_no,
                                               uint8_t state))
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CLAIMS);
    db_bind_i64(stmt, 1, (int64_t)model->event.id);
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        int64_t seat_no = db_col_i64(stmt, 0);
        if (seat_no < 0 || seat_no >= model->layout->seat_count) {
            db_done(stmt);
            return ERR_CORRUPT;
        }
        fn(model, (uint32_t)seat_no, (uint8_t)db_col_i64(stmt, 1));
    }
    return err;
}

static void load_claim(struct event_model *model, uint32_t seat_no, uint8_t state)
{
    atomic_store_explicit(&model->seats[seat_no], state, memory_order_relaxed);
}

SQL(SQL_VENUE, "SELECT name, city, country FROM venue WHERE id = $1");

static enum err load_venue(struct db *db, struct event_model *model)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_VENUE);
    db_bind_i64(stmt, 1, (int64_t)model->event.venue_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_CORRUPT;
    model->venue_name = arena_str_dup(&model->arena, db_col_str(stmt, 0));
    model->venue_city = arena_str_dup(&model->arena, db_col_str(stmt, 1));
    model->venue_country = arena_str_dup(&model->arena, db_col_str(stmt, 2));
    db_done(stmt);
    return ERR_OK;
}

enum err inventory_store_load(struct db *db, struct event_model *model)
{
    enum err err = load_prices(db, model);
    if (!err)
        err = load_areas(db, model);
    if (!err)
        err = inventory_store_each_claim(db, model, load_claim);
    if (!err)
        err = load_venue(db, model);
    int64_t version = 0;
    if (!err)
        err = journal_version(db, model->event.id, &version);
    atomic_store(&model->version, version);
    return err;
}

SQL(SQL_EVENT_UPDATED, "SELECT updated_at FROM event WHERE id = $1");

enum err inventory_store_refresh(struct db *db, struct event_model *model, bool *ret_is_same_event)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_EVENT_UPDATED);
    db_bind_i64(stmt, 1, (int64_t)model->event.id);
    int64_t updated_at;
    enum err err = db_get_i64(stmt, &updated_at);
    if (err)
        return err;
    stmt = db_stmt(db, &SQL_AREAS);
    db_bind_i64(stmt, 1, (int64_t)model->event.id);
    uint32_t index = 0;
    bool has_row;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        if (index < model->area_count)
            atomic_store(&model->area_available[index], (int32_t)db_col_i64(stmt, 6));
        index++;
    }
    if (err)
        return err;
    *ret_is_same_event = updated_at == model->event.updated_at && index == model->area_count;
    for (uint32_t i = 0; i < model->layout->seat_count; i++)
        atomic_store_explicit(&model->seats[i], SEAT_FREE, memory_order_relaxed);
    return inventory_store_each_claim(db, model, load_claim);
}
