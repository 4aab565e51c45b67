/* Reading the event that is rehearsed: its rows become the bodies of the requests that make it anew.
 * Holds and bookings stay behind: the rehearsal begins with an empty house, but for blocked seats. */
#include "tickets/rehearse.h"

#include <stdio.h>

#include "tickets/event_store.h"
#include "tickets/event_view.h"
#include "tickets/layout.h"
#include "tickets/rehearse_store.h"

#define BODY_MAX ((size_t)64 << 20)

static void put_f64(struct json_writer *writer, const char *name, float value)
{
    json_key(writer, name);
    json_f64(writer, (double)value);
}

static void put_point(struct json_writer *writer, const char *name, float x, float y)
{
    json_key(writer, name);
    json_open_object(writer);
    put_f64(writer, "x", x);
    put_f64(writer, "y", y);
    json_close_object(writer);
}

static void put_focus(struct json_writer *writer, const struct layout_focus *focus)
{
    if (focus->is_given)
        put_point(writer, "focal_point", focus->x, focus->y);
}

static void write_row(struct json_writer *writer, const struct layout *layout, uint32_t first,
                      uint32_t count)
{
    json_open_object(writer);
    json_put_str(writer, "row_number", layout->seats[first].row);
    put_point(writer, "position", 0, 0);
    json_key(writer, "seats");
    json_open_array(writer);
    for (uint32_t i = first; i < first + count; i++) {
        const struct layout_seat *seat = &layout->seats[i];
        json_open_object(writer);
        json_put_str(writer, "seat_guid", seat->guid);
        json_put_str(writer, "seat_number", seat->number);
        put_point(writer, "position", seat->x, seat->y);
        json_put_str(writer, "category", layout->categories[seat->category_no].name);
        if (seat->is_accessible)
            json_put_bool(writer, "is_accessible", true);
        json_close_object(writer);
    }
    json_close_array(writer);
    json_close_object(writer);
}

static void write_areas(struct json_writer *writer, const struct layout *layout,
                        uint32_t section_no)
{
    json_key(writer, "areas");
    json_open_array(writer);
    for (uint32_t i = 0; i < layout->area_count; i++) {
        const struct layout_area *area = &layout->areas[i];
        if (area->section_no != section_no)
            continue;
        json_open_object(writer);
        json_put_str(writer, "guid", area->guid);
        json_put_str(writer, "name", area->name);
        json_put_i64(writer, "capacity", area->capacity);
        json_put_str(writer, "category", layout->categories[area->category_no].name);
        put_point(writer, "position", area->x, area->y);
        json_close_object(writer);
    }
    json_close_array(writer);
}

static void write_section(struct json_writer *writer, const struct layout *layout,
                          uint32_t section_no)
{
    const struct layout_section *section = &layout->sections[section_no];
    uint32_t end = section->seat_first + section->seat_count;
    json_open_object(writer);
    json_put_str(writer, "name", section->name);
    put_point(writer, "position", 0, 0);
    json_key(writer, "rows");
    json_open_array(writer);
    for (uint32_t first = section->seat_first; first < end;) {
        uint32_t count = 1;
        while (first + count < end &&
               str_eq(layout->seats[first + count].row, layout->seats[first].row))
            count++;
        write_row(writer, layout, first, count);
        first += count;
    }
    json_close_array(writer);
    write_areas(writer, layout, section_no);
    json_close_object(writer);
}

static void write_plan(struct json_writer *writer, const struct layout *layout)
{
    json_open_object(writer);
    json_put_str(writer, "name", STR("Rehearsal"));
    json_key(writer, "size");
    json_open_object(writer);
    put_f64(writer, "width", layout->width);
    put_f64(writer, "height", layout->height);
    json_close_object(writer);
    put_focus(writer, &layout->focus);
    json_key(writer, "categories");
    json_open_array(writer);
    for (uint32_t i = 0; i < layout->category_count; i++) {
        json_open_object(writer);
        json_put_str(writer, "name", layout->categories[i].name);
        json_put_str(writer, "color", layout->categories[i].color);
        put_focus(writer, &layout->categories[i].focus);
        json_close_object(writer);
    }
    json_close_array(writer);
    json_key(writer, "zones");
    json_open_array(writer);
    for (uint32_t i = 0; i < layout->section_count; i++)
        write_section(writer, layout, i);
    json_close_array(writer);
    json_close_object(writer);
}

static void write_venue(struct buf *buf, const struct layout *layout)
{
    struct json_writer writer;
    json_begin(&writer, buf);
    json_open_object(&writer);
    json_put_str(&writer, "name", STR("Rehearsal"));
    json_put_str(&writer, "city", STR("Rehearsal"));
    json_put_str(&writer, "country", STR("DE"));
    put_f64(&writer, "lat", (float)layout->lat);
    put_f64(&writer, "lon", (float)layout->lon);
    json_key(&writer, "seating_plan");
    write_plan(&writer, layout);
    json_close_object(&writer);
}

/* A challenge is for browsers: the people of a rehearsal have none. */
static void write_rules(struct json_writer *writer, const struct event *event, bool is_as_is)
{
    json_key(writer, "limits");
    json_open_object(writer);
    json_put_i64(writer, "per_booking", event->per_booking);
    json_put_i64(writer, "per_account", event->per_account);
    json_close_object(writer);
    json_put_i64(writer, "hold_ttl_s", event->hold_ttl_s);
    json_put_bool(writer, "orphan_rule", event->has_orphan_rule);
    json_put_str(writer, "waiting_room",
                 is_as_is && !str_eq(event->waiting_room, STR("off")) ? STR("on") : STR("off"));
    queue_settings_write(writer, &event->queue);
    json_key(writer, "abuse");
    json_open_object(writer);
    json_put_i64(writer, "per_device", event->abuse.per_device);
    json_put_i64(writer, "per_card", event->abuse.per_card);
    json_put_i64(writer, "per_network", event->abuse.per_network);
    json_put_i64(writer, "open_holds", event->abuse.open_holds);
    json_put_str(writer, "challenge", STR("off"));
    json_close_object(writer);
}

/* The members of an event; the object is left open for what is known only later. */
static void write_event(struct buf *buf, const struct event *event, const struct layout *layout,
                        const int64_t *prices, bool is_as_is)
{
    struct json_writer writer;
    json_begin(&writer, buf);
    json_open_object(&writer);
    json_put_str(&writer, "name", event->name);
    json_put_str(&writer, "category", event->category);
    json_put_str(&writer, "currency", str_from_c(event->currency));
    json_key(&writer, "prices");
    json_open_object(&writer);
    for (uint32_t i = 0; i < layout->category_count; i++)
        if (prices[i] != PRICE_NONE) /* names end with a NUL, as arenas have them */
            json_put_i64(&writer, layout->categories[i].name.data, prices[i]);
    json_close_object(&writer);
    write_rules(&writer, event, is_as_is);
}

static int64_t count_places(const struct layout *layout, const int64_t *prices)
{
    int64_t places = 0;
    for (uint32_t i = 0; i < layout->seat_count; i++)
        places += prices[layout->seat_categories[i]] != PRICE_NONE;
    for (uint32_t i = 0; i < layout->area_count; i++)
        if (prices[layout->areas[i].category_no] != PRICE_NONE)
            places += layout->areas[i].capacity;
    return places;
}

struct blocked {
    const struct layout *layout;
    const int64_t *prices;
    struct rehearse_event *event;
    size_t count;
};

/* Ids of one request's size are a line. */
static void on_blocked(void *ctx, uint32_t seat_no)
{
    struct blocked *blocked = ctx;
    struct buf *blocks = &blocked->event->blocks;
    struct json_writer writer;
    if (seat_no >= blocked->layout->seat_count)
        return;
    blocked->event->places -=
        blocked->prices[blocked->layout->seat_categories[seat_no]] != PRICE_NONE;
    if (blocks->len > 0)
        buf_append_char(blocks, blocked->count % BLOCK_SEATS_MAX == 0 ? '\n' : ',');
    json_begin(&writer, blocks);
    json_str(&writer, blocked->layout->seats[seat_no].guid);
    blocked->count++;
}

static enum err read_event(struct db *db, uint64_t event_id, struct arena *arena,
                           struct rehearse_event *ret_event)
{
    struct event event;
    int64_t prices[EVENT_PRICES_MAX];
    struct layout *layout = NULL;
    enum err err = event_load(db, event_id, arena, &event);
    if (!err)
        err = event_prices_load(db, event_id, prices);
    if (!err)
        err = layout_load(db, event.venue_id, event.plan_version, &layout);
    if (err)
        return err;
    write_venue(&ret_event->venue, layout);
    write_event(&ret_event->open, &event, layout, prices, false);
    write_event(&ret_event->as_is, &event, layout, prices, true);
    ret_event->places = count_places(layout, prices);
    ret_event->has_waiting_room = !str_eq(event.waiting_room, STR("off"));
    ret_event->opens_before_s = event.queue.opens_before_s;
    (void)snprintf(ret_event->name, sizeof(ret_event->name), "%.*s", STR_ARG(event.name));
    struct blocked blocked = {layout, prices, ret_event, 0};
    err = rehearse_store_blocked(db, event_id, on_blocked, &blocked);
    layout_unref(layout);
    bool is_full = ret_event->venue.overflow || ret_event->open.overflow ||
                   ret_event->as_is.overflow || ret_event->blocks.overflow;
    return !err && is_full ? ERR_NOMEM : err;
}

enum err rehearse_copy(const struct rehearse_options *options, struct rehearse_event *ret_event)
{
    char location[CONFIG_LOCATION_MAX];
    struct arena arena;
    struct db *db = NULL;
    *ret_event = (struct rehearse_event){.places = 0};
    buf_init(&ret_event->venue, BODY_MAX);
    buf_init(&ret_event->open, BODY_MAX);
    buf_init(&ret_event->as_is, BODY_MAX);
    buf_init(&ret_event->blocks, BODY_MAX);
    enum err err = config_database(&options->config, "tickets", location);
    if (!err)
        err = db_open(location, DB_READER, &db);
    if (err)
        return err;
    arena_init(&arena, BODY_MAX);
    err = db_snapshot_begin(db);
    if (!err) {
        err = read_event(db, options->event_id, &arena, ret_event);
        db_snapshot_end(db);
    }
    arena_release(&arena);
    db_close(db);
    return err;
}

void rehearse_event_free(struct rehearse_event *event)
{
    buf_release(&event->venue);
    buf_release(&event->open);
    buf_release(&event->as_is);
    buf_release(&event->blocks);
}
