/* A plan's way through the database and back: import, loading, and what an interrupted import
 * leaves. */
#include "tickets/rig.h"

#include "tickets/layout.h"
#include "tickets/venue.h"
#include "tickets/venue_generate.h"

static uint64_t venue_id(const struct rig *rig)
{
    uint64_t id;
    assert_ok(id_parse(str_from_c(rig->venue), "ven", &id));
    return id;
}

static enum err load(struct rig *rig, uint64_t id, struct layout **ret_layout)
{
    struct db *db;
    assert_ok(db_open(tickets_database_path(rig->tickets), DB_READER, &db));
    enum err err = layout_load(db, id, 1, ret_layout);
    db_close(db);
    return err;
}

struct script {
    struct writer_job job;
    const char *text;
};

static enum err script_apply(struct writer_job *job, struct writer_tx *tx)
{
    return db_script(tx->db, str_from_c(container_of(job, struct script, job)->text));
}

static void script_done(struct writer_job *job, enum err outcome)
{
    (void)job, (void)outcome;
}

static void run_sql(struct rig *rig, const char *text)
{
    struct script script = {.job = {.apply = script_apply, .done = script_done}, .text = text};
    assert_ok(writer_run(rig->tickets->writer, &script.job));
}

static void what_was_imported_is_loaded(void **state)
{
    struct rig *rig = *state;
    struct layout *layout;
    assert_ok(load(rig, venue_id(rig), &layout));
    assert_int_equal(layout->seat_count, RIG_SEATS);
    assert_int_equal(layout->section_count, 2);
    assert_int_equal(layout->category_count, 2);
    assert_int_equal(layout->area_count, 1);
    assert_str(layout->seats[3].guid, "A-2-1");
    assert_str(layout->seats[3].row, "2");
    assert_true(layout->seats[5].is_accessible);
    assert_float_equal(layout->seats[0].x, 11.25, 1e-6);
    assert_int_equal(layout->sections[1].seat_first, 6);
    assert_int_equal(layout->sections[1].seat_count, 2);
    assert_int_equal(layout->section_seats[0 * 2 + 0], 6);
    assert_int_equal(layout->section_seats[0 * 2 + 1], 0);
    assert_int_equal(layout->section_seats[1 * 2 + 1], 2);
    assert_int_equal(layout->seat_categories[7], 1);
    assert_float_equal(layout->areas[0].height, 40, 1e-6);
    assert_float_equal(layout->lat, 47.38, 1e-9);
    assert_float_equal(layout->width, 200, 1e-6);
    layout_unref(layout);
}

static void seats_and_categories_are_found_by_name(void **state)
{
    struct rig *rig = *state;
    struct layout *layout;
    uint32_t no;
    assert_ok(load(rig, venue_id(rig), &layout));
    for (uint32_t i = 0; i < layout->seat_count; i++) {
        assert_true(layout_find_seat(layout, layout->seats[i].guid, &no));
        assert_int_equal(no, i);
    }
    assert_false(layout_find_seat(layout, STR("A-9-9"), &no));
    assert_false(layout_find_seat(layout, STR(""), &no));
    assert_true(layout_find_category(layout, STR("Upper"), &no));
    assert_int_equal(no, 1);
    assert_false(layout_find_category(layout, STR("upper"), &no));
    assert_str(layout_section_name(layout, 1), "B");
    assert_str(layout_section_name(layout, SECTION_NONE), "");
    layout_unref(layout);
}

static void unknown_plans_are_not_found(void **state)
{
    struct rig *rig = *state;
    struct layout *layout;
    assert_err(load(rig, 12345, &layout), ERR_NOT_FOUND);
}

static void damaged_plans_are_corrupt(void **state)
{
    static const char *const damages[] = {
        "DELETE FROM venue_seat WHERE seat_no = 2",
        "UPDATE venue_seat SET section_no = 7 WHERE seat_no = 2",
        "UPDATE venue_seat SET category_no = 9 WHERE seat_no = 2",
        "UPDATE venue_seat SET section_no = 1 WHERE seat_no = 2",
        "DELETE FROM section WHERE section_no = 1",
        "UPDATE plan SET seat_count = 3",
        "DELETE FROM venue_area",
    };
    struct rig *rig = *state;
    struct layout *layout;
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        rig_make_venue(rig);
        run_sql(rig, damages[i]);
        assert_err(load(rig, venue_id(rig), &layout), ERR_CORRUPT);
    }
}

/* More rows than one job and one wave take. */
static void large_plans_arrive_whole(void **state)
{
    struct rig *rig = *state;
    struct buf text;
    struct arena arena;
    struct field_errors errors;
    struct json_node *node;
    struct str message;
    struct plan plan;
    struct layout *layout;
    arena_init(&arena, (size_t)64 << 20);
    field_errors_init(&errors, &arena);
    buf_init(&text, (size_t)16 << 20);
    assert_ok(venue_generate(&(struct venue_generate_options){5003, 100}, &text));
    assert_ok(json_parse(&arena, buf_str(&text), &node, &message));
    assert_ok(plan_parse(&arena, node, "plan", &errors, &plan));
    assert_ok(venue_import_plan(rig->tickets->writer, 900, 1, &plan));
    assert_err(load(rig, 900, &layout), ERR_NOT_FOUND); /* nobody sees it yet */
    run_sql(rig, "INSERT INTO plan VALUES (900, 1, '', 1, 1, (SELECT COUNT(*) FROM section WHERE"
                 " venue_id = 900), 5003, 1, NULL, NULL); INSERT INTO venue VALUES (900, 1, 'V', "
                 "'C', 'D', 1, 2, 1, 0)");
    assert_ok(load(rig, 900, &layout));
    for (uint32_t i = 0; i < plan.seat_count; i++) {
        assert_true(str_eq(layout->seats[i].guid, plan.seats[i].guid));
        assert_true(str_eq(layout->seats[i].row, plan.seats[i].row));
        assert_int_equal(layout->seats[i].section_no, plan.seats[i].section_no);
        assert_float_equal(layout->seats[i].x, plan.seats[i].x, 1e-3);
    }
    layout_unref(layout);
    buf_release(&text);
    arena_release(&arena);
}

static void leftovers_of_an_import_are_removed_and_nothing_else(void **state)
{
    struct rig *rig = *state;
    run_sql(rig, "INSERT INTO section VALUES (901, 1, 0, 'X');"
                 "INSERT INTO plan_category VALUES (901, 1, 0, 'X', '#000000', NULL, NULL);"
                 "INSERT INTO venue_area VALUES (901, 1, 0, 'a', 0, 'X', 1, 0, '{}');"
                 "INSERT INTO venue_seat VALUES (901, 1, 0, 's', 0, '1', '1', 0, 0, 0, 0)");
    int64_t seats = rig_count(rig, "SELECT COUNT(*) FROM venue_seat");
    assert_ok(venue_remove_orphans(rig->tickets->writer, INT64_MAX));
    assert_int_equal(rig_count(rig, "SELECT COUNT(*) FROM venue_seat"), seats - 1);
    assert_int_equal(rig_count(rig, "SELECT (SELECT COUNT(*) FROM section WHERE venue_id = 901) +"
                                    " (SELECT COUNT(*) FROM plan_category WHERE venue_id = 901) +"
                                    " (SELECT COUNT(*) FROM venue_area WHERE venue_id = 901)"),
                     0);
    struct layout *layout;
    assert_ok(load(rig, venue_id(rig), &layout));
    layout_unref(layout);
}

/* Two writers of the same id: the second import fails on the first row, and says so. */
static void an_import_over_rows_that_are_there_fails(void **state)
{
    struct rig *rig = *state;
    struct layout_section section = {.name = STR("A")};
    struct plan plan = {.section_count = 1, .sections = &section};
    assert_err(venue_import_plan(rig->tickets->writer, venue_id(rig), 1, &plan), ERR_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(what_was_imported_is_loaded),
        rig_test(seats_and_categories_are_found_by_name),
        rig_test(unknown_plans_are_not_found),
        rig_test(damaged_plans_are_corrupt),
        rig_test(large_plans_arrive_whole),
        rig_test(leftovers_of_an_import_are_removed_and_nothing_else),
        rig_test(an_import_over_rows_that_are_there_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
