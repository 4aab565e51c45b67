/* The schedule: when an attempt is due, when there is none; what receivers may ask for. */
#include "base/check.h"

#include "base/clock.h"
#include "hooks/schedule.h"
#include "net/retry_after.h"

#define HOUR   (INT64_C(3600) * 1000)
#define START  INT64_C(1700000000000)
#define LAST   (SCHEDULE_MS_MAX - SCHEDULE_MARGIN_MS)
#define CHANCE UINT64_MAX

/* Walks the whole schedule; each attempt ends at once. Returns how many were made; the last one's
 * time in ret_last_ms. */
static size_t walk(const struct schedule *schedule, uint64_t chance, int64_t retry_after_ms,
                   int64_t *ret_last_ms)
{
    struct schedule_step step = {.started_ms = START, .now_ms = START, .chance = chance};
    while (schedule_next(schedule, &step, &step.now_ms)) {
        *ret_last_ms = step.now_ms;
        step.retry_after_ms = retry_after_ms;
        step.attempts++;
    }
    return step.attempts;
}

static void the_default_has_twelve_attempts_within_a_day(void **state)
{
    (void)state;
    int64_t last_ms = 0;
    assert_true(schedule_is_valid(&schedule_default));
    assert_int_equal(walk(&schedule_default, 0, 0, &last_ms), 12);
    assert_int_equal(last_ms - START, 23 * HOUR + 42 * 60000 + 35000);
    /* With chances of all kinds, too. */
    for (uint64_t i = 1; i < 200; i++) {
        assert_int_equal(walk(&schedule_default, CHANCE / i, 0, &last_ms), 12);
        assert_in_range(last_ms - START, 23 * HOUR + 42 * 60000 + 35000, LAST);
    }
}

static void jitter_only_adds_and_is_bounded(void **state)
{
    (void)state;
    int64_t least = INT64_MAX, most = 0;
    for (uint64_t chance = 0; chance < 2000; chance++) {
        struct schedule_step step = {START, START, 2, 0, chance};
        int64_t due_ms;
        assert_true(schedule_next(&schedule_default, &step, &due_ms));
        least = due_ms - START < least ? due_ms - START : least;
        most = due_ms - START > most ? due_ms - START : most;
    }
    assert_int_equal(least, 30000);
    assert_in_range(most, 31000, 33000);
}

static void a_day_ends_it_whatever_is_left(void **state)
{
    (void)state;
    int64_t due_ms = 7;
    /* A slow receiver has used the day up: the last attempt comes earlier than it should. */
    struct schedule_step step = {START, START + 17 * HOUR, 11, 0, CHANCE};
    assert_true(schedule_next(&schedule_default, &step, &due_ms));
    assert_int_equal(due_ms, START + LAST);
    step.now_ms = START + LAST - 1;
    step.attempts = 5;
    assert_true(schedule_next(&schedule_default, &step, &due_ms));
    assert_int_equal(due_ms, START + LAST);
    step.now_ms = START + LAST;
    assert_false(schedule_next(&schedule_default, &step, &due_ms));
    assert_false(schedule_is_over(START, START + 24 * HOUR));
    assert_true(schedule_is_over(START, START + 24 * HOUR + 1));
}

static void a_receiver_may_ask_for_patience_but_not_for_haste(void **state)
{
    (void)state;
    int64_t due_ms;
    struct schedule_step step = {START, START, 3, 1000, 0};
    assert_true(schedule_next(&schedule_default, &step, &due_ms));
    assert_int_equal(due_ms, START + 120000);
    step.retry_after_ms = 300000;
    assert_true(schedule_next(&schedule_default, &step, &due_ms));
    assert_int_equal(due_ms, START + 300000);
    step.retry_after_ms = INT64_MAX;
    assert_true(schedule_next(&schedule_default, &step, &due_ms));
    assert_int_equal(due_ms, START + SCHEDULE_RETRY_AFTER_MS_MAX);
    step.now_ms = START + 20 * HOUR;
    assert_true(schedule_next(&schedule_default, &step, &due_ms));
    assert_int_equal(due_ms, START + LAST);
    int64_t last_ms = 0;
    assert_true(walk(&schedule_default, 0, INT64_MAX, &last_ms) < 12);
    assert_true(last_ms <= START + LAST);
}

static void owners_schedules(void **state)
{
    (void)state;
    int64_t last_ms = 0;
    struct schedule own = {{0, 0, 1000}, 3};
    assert_true(schedule_is_valid(&own));
    assert_int_equal(walk(&own, 0, 0, &last_ms), 3);
    assert_int_equal(last_ms, START + 1000);
    own.count = 0;
    assert_false(schedule_is_valid(&own));
    own.count = 13;
    assert_false(schedule_is_valid(&own));
    own = (struct schedule){{-1}, 1};
    assert_false(schedule_is_valid(&own));
    own = (struct schedule){{12 * HOUR, 12 * HOUR}, 2};
    assert_true(schedule_is_valid(&own));
    own.delays_ms[1]++;
    assert_false(schedule_is_valid(&own));
    own.delays_ms[1] = INT64_MAX;
    assert_false(schedule_is_valid(&own));
}

static void retry_after_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err err;
        int64_t wait_ms;
    } rows[] = {
        {"0", ERR_OK, 0},
        {"120", ERR_OK, 120000},
        {" 5 ", ERR_OK, 5000},
        {"99999999999999999999999999", ERR_OK, RETRY_AFTER_S_MAX * INT64_C(1000)},
        {"Tue, 14 Nov 2023 22:14:20 GMT", ERR_OK, 60000},
        {"Tue, 14 Nov 2023 22:12:20 GMT", ERR_OK, 0},
        {"Tue, 14 Nov 2173 22:12:20 GMT", ERR_OK, RETRY_AFTER_S_MAX * INT64_C(1000)},
        {"Sunday, 06-Nov-94 08:49:37 GMT", ERR_INVALID, 0},
        {"Tue, 14 Nov 2023 25:14:20 GMT", ERR_INVALID, 0},
        {"Tue, 31 Feb 2023 22:14:20 GMT", ERR_INVALID, 0},
        {"Tue, 14 Nix 2023 22:14:20 GMT", ERR_INVALID, 0},
        {"", ERR_INVALID, 0},
        {"-1", ERR_INVALID, 0},
        {"1.5", ERR_INVALID, 0},
        {"soon", ERR_INVALID, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t wait_ms = 0;
        enum err err = retry_after_parse(str_from_c(rows[i].text), START, &wait_ms);
        assert_err(err, rows[i].err);
        assert_int_equal(wait_ms, rows[i].wait_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_has_twelve_attempts_within_a_day),
        cmocka_unit_test(jitter_only_adds_and_is_bounded),
        cmocka_unit_test(a_day_ends_it_whatever_is_left),
        cmocka_unit_test(a_receiver_may_ask_for_patience_but_not_for_haste),
        cmocka_unit_test(owners_schedules),
        cmocka_unit_test(retry_after_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
