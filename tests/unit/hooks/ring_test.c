/* The ring of day tables and retention, over months of a clock that the test moves. */
#include "hooks/hooks_rig.h"

static int64_t today(void)
{
    return ring_day_of_ms(clock_now_ms());
}

static void sleep_days(int64_t days)
{
    clock_advance_ms(days * DAY_MS);
}

static enum err sweep(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    (void)rig, (void)ctx;
    return ring_sweep(tx);
}

static bool is_there(struct rig *rig, uint64_t id)
{
    struct message message;
    enum err err = rig_get(rig, id, &message);
    assert_true(err == ERR_OK || err == ERR_NOT_FOUND);
    return err == ERR_OK;
}

static int64_t rows_of_slot(struct rig *rig, size_t slot)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "SELECT count(*) FROM message_%02zu", slot);
    struct db *db;
    struct sql sql = {.text = text};
    assert_ok(db_open(rig->hooks->database_path, DB_READER, &db));
    struct rig other = {.db = db};
    int64_t rows = rig_number(&other, &sql);
    db_close(db);
    return rows;
}

static void test_each_day_has_its_table(void **state)
{
    struct rig *rig = *state;
    struct ring_slots slots;
    for (int i = 0; i < 3; i++) {
        uint64_t id = rig_message(rig);
        assert_int_equal(ring_day_of(id), today());
        assert_int_equal(ring_slot_of(id), today() % RING_SLOTS);
        assert_int_equal(rows_of_slot(rig, ring_slot_of(id)), 1);
        sleep_days(1);
    }
    assert_ok(ring_slots(rig->db, clock_now_ms(), &slots));
    assert_int_equal(slots.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(slots.items[i].day, today() - 1 - (int64_t)i);
        assert_int_equal(slots.items[i].slot, slots.items[i].day % RING_SLOTS);
    }
}

/* Every day for four months a message: what is younger than is kept is there, each day, and nothing else. */
static void test_messages_stay_for_a_month_and_go_by_day(void **state)
{
    enum {
        DAYS = 120
    };
    struct rig *rig = *state;
    uint64_t ids[DAYS];
    for (int day = 0; day < DAYS; day++) {
        ids[day] = rig_message(rig);
        for (int old = 0; old <= day; old++) {
            bool is_kept = day - old <= RETENTION_DAYS;
            if (is_there(rig, ids[old]) != is_kept)
                fail_msg("day %d, message of day %d", day, old);
        }
        assert_int_equal(rows_of_slot(rig, ring_slot_of(ids[day])), 1);
        sleep_days(1);
    }
}

static void test_a_sweep_empties_old_days_alone(void **state)
{
    struct rig *rig = *state;
    uint64_t old = rig_message(rig);
    sleep_days(1);
    uint64_t young = rig_message(rig);
    sleep_days(RETENTION_DAYS - 1);
    assert_ok(rig_run(rig, sweep, NULL));
    assert_true(is_there(rig, old));
    assert_int_equal(rows_of_slot(rig, ring_slot_of(old)), 1);
    sleep_days(1);
    assert_false(is_there(rig, old));
    assert_int_equal(rows_of_slot(rig, ring_slot_of(old)), 1);
    assert_ok(rig_run(rig, sweep, NULL));
    assert_int_equal(rows_of_slot(rig, ring_slot_of(old)), 0);
    assert_true(is_there(rig, young));
    assert_true(rig_has_delivery(rig, rig->all_id, young));
    assert_false(rig_has_delivery(rig, rig->all_id, old));
}

static void test_a_slot_takes_its_next_day_after_any_pause(void **state)
{
    struct rig *rig = *state;
    static const int64_t pauses[] = {RING_SLOTS, 1, 2 * RING_SLOTS, 400};
    uint64_t last = rig_message(rig);
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        sleep_days(pauses[i]);
        uint64_t id = rig_message(rig);
        assert_true(is_there(rig, id));
        assert_int_equal(is_there(rig, last), pauses[i] <= RETENTION_DAYS);
        assert_int_equal(rows_of_slot(rig, ring_slot_of(id)), 1);
        last = id;
    }
}

/* As memory is empty after a restart, the tables judge. */
static void test_a_restart_changes_nothing(void **state)
{
    struct rig *rig = *state;
    uint64_t first = rig_message(rig);
    rig_close(rig);
    rig_open(rig);
    uint64_t second = rig_message(rig);
    assert_true(is_there(rig, first));
    assert_true(is_there(rig, second));
    sleep_days(RING_SLOTS);
    rig_close(rig);
    rig_open(rig);
    uint64_t third = rig_message(rig);
    assert_int_equal(ring_slot_of(third), ring_slot_of(first));
    assert_int_equal(rows_of_slot(rig, ring_slot_of(third)), 1);
}

static enum err open_day(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    return ring_open(rig->hooks->ring, tx, *(uint64_t *)ctx);
}

static void test_a_day_that_has_gone_is_not_opened_again(void **state)
{
    struct rig *rig = *state;
    uint64_t old = rig_message(rig);
    sleep_days(RING_SLOTS);
    uint64_t id = rig_message(rig);
    assert_int_equal(ring_slot_of(id), ring_slot_of(old));
    assert_err(rig_run(rig, open_day, &old), ERR_NOT_FOUND);
    assert_ok(rig_run(rig, open_day, &id));
    rig_close(rig);
    rig_open(rig);
    assert_err(rig_run(rig, open_day, &old), ERR_NOT_FOUND);
    assert_true(is_there(rig, id));
}

/* ---- eventIds ---- */

static enum ingest_outcome event(struct rig *rig)
{
    struct message message = {.event_type = STR("a"), .event_id = STR("e"), .payload = STR("{}")};
    struct rig_ingest taken = rig_take(rig, message, STR_NONE);
    return taken.outcome;
}

static void test_event_ids_are_known_as_long_as_their_message_is_kept(void **state)
{
    struct rig *rig = *state;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(event(rig), INGEST_TAKEN);
        for (int day = 0; day < RETENTION_DAYS; day++) {
            sleep_days(1);
            assert_int_equal(event(rig), INGEST_SAME);
            if (day % 7 == 0)
                assert_ok(rig_run(rig, sweep, NULL));
        }
        sleep_days(1);
    }
}

static void test_event_ids_of_the_past_leave_no_rows(void **state)
{
    struct rig *rig = *state;
    SQL(SQL_SEEN, "SELECT (SELECT count(*) FROM event_seen_0) + (SELECT count(*) FROM event_seen_1)"
                  " + (SELECT count(*) FROM event_seen_2) + (SELECT count(*) FROM event_seen_3)");
    assert_int_equal(event(rig), INGEST_TAKEN);
    assert_int_equal(rig_number(rig, &SQL_SEEN), 1);
    sleep_days(SEEN_SLOTS * SEEN_DAYS);
    assert_ok(rig_run(rig, sweep, NULL));
    assert_int_equal(rig_number(rig, &SQL_SEEN), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_day_has_its_table),
        TEST(test_messages_stay_for_a_month_and_go_by_day),
        TEST(test_a_sweep_empties_old_days_alone),
        TEST(test_a_slot_takes_its_next_day_after_any_pause),
        TEST(test_a_restart_changes_nothing),
        TEST(test_a_day_that_has_gone_is_not_opened_again),
        TEST(test_event_ids_are_known_as_long_as_their_message_is_kept),
        TEST(test_event_ids_of_the_past_leave_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
