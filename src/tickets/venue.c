/* What a venue looks like outside. */
#include "tickets/venue.h"

#include "tickets/limits.h"

#include <assert.h>

void venue_plan_count(const struct plan *plan, struct venue_plan *ret_plan)
{
    *ret_plan = (struct venue_plan){.section_count = plan->section_count,
                                    .seat_count = plan->seat_count,
                                    .area_count = plan->area_count,
                                    .categories = plan->categories,
                                    .category_count = plan->category_count};
    assert(plan->category_count <= PLAN_CATEGORIES_MAX);
    for (uint32_t i = 0; i < plan->seat_count; i++)
        ret_plan->category_seats[plan->seats[i].category_no]++;
    for (uint32_t i = 0; i < plan->area_count; i++)
        ret_plan->area_capacity += plan->areas[i].capacity;
}

static void write_members(struct json_writer *writer, const struct venue *venue)
{
    json_put_id(writer, "id", "ven", venue->id);
    json_put_str(writer, "name", venue->name);
    json_put_str(writer, "city", venue->city);
    json_put_str(writer, "country", venue->country);
    json_key(writer, "lat");
    json_f64(writer, venue->lat);
    json_key(writer, "lon");
    json_f64(writer, venue->lon);
}

void venue_write_brief(struct json_writer *writer, const struct venue *venue)
{
    json_open_object(writer);
    write_members(writer, venue);
    json_close_object(writer);
}

static void write_plan(struct json_writer *writer, const struct venue_plan *plan)
{
    json_put_i64(writer, "section_count", plan->section_count);
    json_put_i64(writer, "seat_count", plan->seat_count);
    json_put_i64(writer, "area_count", plan->area_count);
    json_put_i64(writer, "area_capacity", plan->area_capacity);
    json_key(writer, "categories");
    json_open_array(writer);
    for (uint32_t i = 0; i < plan->category_count; i++) {
        json_open_object(writer);
        json_put_str(writer, "name", plan->categories[i].name);
        json_put_str(writer, "color", plan->categories[i].color);
        json_put_i64(writer, "seat_count", plan->category_seats[i]);
        json_close_object(writer);
    }
    json_close_array(writer);
}

void venue_write(struct json_writer *writer, const struct venue *venue,
                 const struct venue_plan *plan)
{
    json_open_object(writer);
    write_members(writer, venue);
    json_put_i64(writer, "plan_version", venue->plan_version);
    json_put_time(writer, "created_at", venue->created_at);
    if (plan)
        write_plan(writer, plan);
    json_close_object(writer);
}
