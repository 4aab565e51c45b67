/* Seating plans: what is read, and what is wrong with what isn't. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "tickets/limits.h"
#include "tickets/plan.h"
#include "tickets/rig.h"
#include "tickets/venue_generate.h"

#define ARENA_MAX ((size_t)64 << 20)

struct reading {
    struct arena arena;
    struct field_errors errors;
    struct plan plan;
    enum err err;
};

static void read_plan(struct reading *reading, struct str text)
{
    struct json_node *node;
    struct str message;
    memset(reading, 0, sizeof(*reading));
    arena_init(&reading->arena, ARENA_MAX);
    field_errors_init(&reading->errors, &reading->arena);
    assert_ok(json_parse(&reading->arena, text, &node, &message));
    reading->err =
        plan_parse(&reading->arena, node, "seating_plan", &reading->errors, &reading->plan);
}

static void release(struct reading *reading)
{
    arena_release(&reading->arena);
}

/* The plan of the rig with the first occurrence of what replaced by with. */
static struct str broken_plan(char *text, size_t size, const char *what, const char *with)
{
    static const char plan[] = RIG_PLAN;
    const char *at = strstr(plan, what);
    assert_non_null(at);
    int len = snprintf(text, size, "%.*s%s%s", (int)(at - plan), plan, with, at + strlen(what));
    assert_true(len > 0 && (size_t)len < size);
    return str_from(text, (size_t)len);
}

static void numbers_follow_the_document(void **state)
{
    (void)state;
    struct reading reading;
    read_plan(&reading, STR(RIG_PLAN));
    assert_ok(reading.err);
    const struct plan *plan = &reading.plan;
    assert_int_equal(plan->seat_count, RIG_SEATS);
    assert_int_equal(plan->section_count, 2);
    assert_int_equal(plan->category_count, 2);
    assert_str(plan->sections[1].name, "B");
    assert_int_equal(plan->sections[0].seat_first, 0);
    assert_int_equal(plan->sections[0].seat_count, 6);
    assert_int_equal(plan->sections[1].seat_first, 6);
    assert_str(plan->seats[3].guid, "A-2-1");
    assert_str(plan->seats[3].row, "2");
    assert_str(plan->seats[5].number, "3");
    assert_true(plan->seats[5].is_accessible);
    assert_false(plan->seats[4].is_accessible);
    assert_int_equal(plan->seats[7].category_no, 1);
    assert_int_equal(plan->seats[7].section_no, 1);
    release(&reading);
}

static void positions_add_up(void **state)
{
    (void)state;
    struct reading reading;
    read_plan(&reading, STR(RIG_PLAN));
    assert_ok(reading.err);
    assert_float_equal(reading.plan.seats[0].x, 11.25, 1e-6);
    assert_float_equal(reading.plan.seats[0].y, 22, 1e-6);
    assert_float_equal(reading.plan.seats[4].x, 21, 1e-6);
    assert_float_equal(reading.plan.seats[4].y, 32, 1e-6);
    assert_float_equal(reading.plan.width, 200, 1e-6);
    release(&reading);
}

static void only_areas_with_a_capacity_count(void **state)
{
    (void)state;
    struct reading reading;
    read_plan(&reading, STR(RIG_PLAN));
    assert_ok(reading.err);
    assert_int_equal(reading.plan.area_count, 1);
    const struct layout_area *area = &reading.plan.areas[0];
    assert_str(area->guid, "floor");
    assert_int_equal(area->capacity, 10);
    assert_int_equal(area->section_no, 1);
    assert_float_equal(area->x, 105, 1e-6);
    assert_float_equal(area->width, 50, 1e-6);
    release(&reading);
}

static void areas_without_names_get_some(void **state)
{
    (void)state;
    char text[RIG_TEXT_SIZE];
    struct reading reading;
    read_plan(&reading,
              broken_plan(text, sizeof(text), "\"guid\":\"floor\",\"name\":\"Floor\",", ""));
    assert_ok(reading.err);
    assert_str(reading.plan.areas[0].guid, "area-2-2");
    assert_str(reading.plan.areas[0].name, "B");
    release(&reading);
}

/* Each row: what of the valid plan is replaced, by what, and the error's path and message. */
static const struct {
    const char *what, *with, *field, *message;
} faults[] = {
    {"\"A-2-3\"", "\"A-1-2\"", "zones[0].rows[1].seats[2].seat_guid",
     "duplicate of zones[0].rows[0].seats[1].seat_guid"},
    {"\"guid\":\"floor\"", "\"guid\":\"B-1-1\"", "zones[1].areas[1].guid",
     "duplicate of zones[1].rows[0].seats[0].seat_guid"},
    {"\"category\":\"Upper\"},{", "\"category\":\"Loge\"},{", "zones[1].rows[0].seats[0].category",
     "no category \"Loge\" in categories"},
    {"\"seat_guid\":\"A-1-1\"", "\"seat_guid\":1", "zones[0].rows[0].seats[0].seat_guid",
     "must be a string"},
    {"\"seat_guid\":\"A-1-1\",", "", "zones[0].rows[0].seats[0].seat_guid", "is required"},
    {"\"seat_guid\":\"A-1-1\"", "\"seat_guid\":\"\"", "zones[0].rows[0].seats[0].seat_guid",
     "must have 1 to 64 bytes, no control characters"},
    {"\"seat_guid\":\"A-1-1\"", "\"seat_guid\":\"A\\n\"", "zones[0].rows[0].seats[0].seat_guid",
     "must have 1 to 64 bytes, no control characters"},
    {"\"seat_number\":\"1\"", "\"seat_number\":true", "zones[0].rows[0].seats[0].seat_number",
     "must be a string"},
    {"\"row_number\":2", "\"row_number\":[]", "zones[0].rows[1].row_number", "must be a string"},
    {"\"x\":0.25", "\"x\":\"0\"", "zones[0].rows[0].seats[0].position.x", "must be a number"},
    {"\"x\":0.25", "\"x\":1e300", "zones[0].rows[0].seats[0].position.x",
     "must be -1000000 to 1000000"},
    {"\"position\":{\"x\":10,\"y\":20},", "", "zones[0].position", "is required"},
    {"\"position\":{\"x\":1,\"y\":12}", "\"position\":7", "zones[0].rows[1].position",
     "must be an object"},
    {"\"seats\":[", "\"seats\":{},\"old\":[", "zones[0].rows[0].seats", "must be an array"},
    {"\"rows\":[", "\"rows\":{},\"old\":[", "zones[0].rows", "must be an array"},
    {"\"areas\":[", "\"areas\":5,\"old\":[", "zones[1].areas", "must be an array"},
    {"\"areas\":[", "\"areas\":[null,", "zones[1].areas[0]", "must be an object"},
    {"\"capacity\":10", "\"capacity\":0", "zones[1].areas[1].capacity",
     "must be an integer, 1 to 1000000"},
    {"\"capacity\":10", "\"capacity\":1.5", "zones[1].areas[1].capacity",
     "must be an integer, 1 to 1000000"},
    {"\"width\":50", "\"width\":-1", "zones[1].areas[1].rectangle.width", "must be 0 to 1000000"},
    {"\"is_accessible\":true", "\"is_accessible\":1", "zones[0].rows[1].seats[2].is_accessible",
     "must be true or false"},
    {"\"color\":\"#e67e22\"", "\"color\":\"orange\"", "categories[0].color",
     "must be a color such as #2980b9"},
    {"\"name\":\"Upper\"", "\"name\":\"Lower\"", "categories[1].name",
     "duplicate of categories[0].name"},
    {"{\"name\":\"Lower\",", "{\"name\":5,", "categories[0].name",
     "must be a string of 1 to 100 bytes"},
    {"\"size\":{\"width\":200,\"height\":100}", "\"size\":{\"width\":200}", "size.height",
     "is required"},
    {"{\"name\":\"A\",", "{", "zones[0].name", "is required"},
    {"\"categories\":[", "\"categories\":[],\"old\":[", "categories", "must have 1 to 50 items"},
    {"\"zones\":[", "\"zones\":null,\"old\":[", "zones", "must be an array"},
    {"\"zones\":[", "\"old\":[", "zones", "is required"},
};

static void every_fault_is_named_where_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        char text[RIG_TEXT_SIZE], field[256];
        struct reading reading;
        bool is_found = false;
        read_plan(&reading, broken_plan(text, sizeof(text), faults[i].what, faults[i].with));
        (void)snprintf(field, sizeof(field), "seating_plan.%s", faults[i].field);
        for (size_t k = 0; k < reading.errors.count; k++)
            is_found |= str_eq(reading.errors.items[k].field, str_from_c(field)) &&
                        str_eq(reading.errors.items[k].message, str_from_c(faults[i].message));
        if (!is_found)
            print_error("%s: %s; first error: %.*s %.*s\n", field, faults[i].message,
                        STR_ARG(reading.errors.items[0].field),
                        STR_ARG(reading.errors.items[0].message));
        assert_true(is_found);
        assert_err(reading.err, ERR_INVALID);
        release(&reading);
    }
}

static void one_fault_makes_one_error(void **state)
{
    (void)state;
    char text[RIG_TEXT_SIZE];
    struct reading reading;
    read_plan(&reading, broken_plan(text, sizeof(text), "\"A-2-3\"", "\"A-1-2\""));
    assert_int_equal(reading.errors.count, 1);
    release(&reading);
}

static void errors_stop_at_twenty(void **state)
{
    (void)state;
    struct reading reading;
    struct buf text;
    buf_init(&text, 1u << 20);
    buf_append_str(
        &text,
        STR("{\"size\":{\"width\":1,\"height\":1},\"categories\":[{\"name\":\"A\"}],\"zones\":["));
    for (int i = 0; i < 100; i++)
        buf_append_str(&text, i ? STR(",{\"rows\":[{\"seats\":[{}]}]}")
                                : STR("{\"rows\":[{\"seats\":[{}]}]}"));
    buf_append_str(&text, STR("]}"));
    read_plan(&reading, buf_str(&text));
    assert_err(reading.err, ERR_INVALID);
    assert_int_equal(reading.errors.count, FIELD_ERRORS_MAX);
    release(&reading);
    buf_release(&text);
}

static void plan_of_zones(struct buf *text, size_t zones, size_t seats)
{
    buf_append_str(
        text,
        STR("{\"size\":{\"width\":1,\"height\":1},\"categories\":[{\"name\":\"A\"}],\"zones\":["));
    for (size_t i = 0; i < zones; i++) {
        buf_printf(
            text,
            "%s{\"name\":\"%zu\",\"position\":{\"x\":0,\"y\":0},\"rows\":[{\"row_number\":\"1\",",
            i ? "," : "", i);
        buf_append_str(text, STR("\"position\":{\"x\":0,\"y\":0},\"seats\":["));
        for (size_t k = 0; k < seats; k++)
            buf_printf(text, "%s{}", k ? "," : "");
        buf_append_str(text, STR("]}]}"));
    }
    buf_append_str(text, STR("]}"));
}

static void too_many_of_anything_is_refused(void **state)
{
    (void)state;
    struct reading reading;
    struct buf text;
    buf_init(&text, (size_t)32 << 20);
    plan_of_zones(&text, PLAN_SECTIONS_MAX + 1, 1);
    read_plan(&reading, buf_str(&text));
    assert_err(reading.err, ERR_INVALID);
    assert_str(reading.errors.items[0].field, "seating_plan.zones");
    assert_str(reading.errors.items[0].message, "must have 1 to 2000 items");
    release(&reading);
    buf_clear(&text);
    plan_of_zones(&text, 251, 1000);
    read_plan(&reading, buf_str(&text));
    assert_err(reading.err, ERR_INVALID);
    assert_str(reading.errors.items[0].message, "251000 seats are more than 250000");
    release(&reading);
    buf_clear(&text);
    plan_of_zones(&text, 1, 0);
    read_plan(&reading, buf_str(&text));
    assert_err(reading.err, ERR_INVALID);
    assert_str(reading.errors.items[0].message, "has no seats and no areas with a capacity");
    release(&reading);
    buf_release(&text);
}

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"[]", "5", "null", "\"plan\"", "{}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct reading reading;
        read_plan(&reading, str_from_c(texts[i]));
        assert_err(reading.err, ERR_INVALID);
        assert_true(reading.errors.count > 0);
        release(&reading);
    }
}

static void generated_arenas_are_exact_and_valid(void **state)
{
    (void)state;
    static const struct venue_generate_options sizes[] = {
        {1, 0}, {7, 0}, {999, 50}, {16054, 0}, {50000, 2000}, {250000, 0}, {0, 100}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct reading reading;
        struct buf text;
        buf_init(&text, (size_t)64 << 20);
        assert_ok(venue_generate(&sizes[i], &text));
        memset(&reading, 0, sizeof(reading));
        read_plan(&reading, buf_str(&text));
        assert_ok(reading.err);
        assert_int_equal(reading.plan.seat_count, sizes[i].seats);
        assert_int_equal(reading.plan.area_count, sizes[i].floor_capacity ? 1 : 0);
        for (uint32_t k = 0; k < reading.plan.seat_count; k++) {
            const struct layout_seat *seat = &reading.plan.seats[k];
            assert_true(seat->x >= 0 && seat->x <= reading.plan.width && seat->y >= 0 &&
                        seat->y <= reading.plan.height);
        }
        release(&reading);
        buf_release(&text);
    }
    struct buf text;
    buf_init(&text, 1000);
    assert_err(venue_generate(&(struct venue_generate_options){PLAN_SEATS_MAX + 1, 0}, &text),
               ERR_INVALID);
    assert_err(venue_generate(&(struct venue_generate_options){0, 0}, &text), ERR_INVALID);
    assert_err(venue_generate(&(struct venue_generate_options){100, 0}, &text), ERR_LIMIT);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_follow_the_document),
        cmocka_unit_test(positions_add_up),
        cmocka_unit_test(only_areas_with_a_capacity_count),
        cmocka_unit_test(areas_without_names_get_some),
        cmocka_unit_test(every_fault_is_named_where_it_is),
        cmocka_unit_test(one_fault_makes_one_error),
        cmocka_unit_test(errors_stop_at_twenty),
        cmocka_unit_test(too_many_of_anything_is_refused),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(generated_arenas_are_exact_and_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
