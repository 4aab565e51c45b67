/* Time: text forms both ways, every day of two centuries, offsets, the test clock and its
 * subscribers. */
#include "base/clock.h"

#include "base/check.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define DAY_MS 86400000

static void assert_format(int64_t at_ms, const char *want)
{
    char text[CLOCK_TEXT_SIZE];
    clock_format(at_ms, text);
    assert_string_equal(text, want);
}

static void test_format(void **state)
{
    (void)state;
    assert_format(0, "1970-01-01T00:00:00.000Z");
    assert_format(1769889600000, "2026-01-31T20:00:00.000Z");
    assert_format(951782399999, "2000-02-28T23:59:59.999Z");
    assert_format(951782400000, "2000-02-29T00:00:00.000Z");
    assert_format(1709251199001, "2024-02-29T23:59:59.001Z");
    assert_format(4107542400000, "2100-03-01T00:00:00.000Z");
}

static void test_format_clamps_nonsense(void **state)
{
    (void)state;
    assert_format(-1, "1970-01-01T00:00:00.000Z");
    assert_format(INT64_MIN, "1970-01-01T00:00:00.000Z");
    assert_format(INT64_MAX, "9999-12-31T23:59:59.999Z");
}

/* A second opinion on the calendar, day by day. */
static void test_every_day_round_trips(void **state)
{
    (void)state;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t at_ms = 0;
    for (int year = 1970; year <= 2199; year++) {
        bool is_leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
        for (int month = 1; month <= 12; month++) {
            int days = lengths[month - 1] + (month == 2 && is_leap);
            for (int day = 1; day <= days; day++) {
                char want[80], got[CLOCK_TEXT_SIZE];
                (void)snprintf(want, sizeof(want), "%04d-%02d-%02dT12:34:56.789Z", year, month,
                               day);
                int64_t noon_ms = at_ms + 45296789;
                int64_t parsed = -1;
                clock_format(noon_ms, got);
                assert_string_equal(got, want);
                assert_ok(clock_parse(str_from_c(want), &parsed));
                assert_true(parsed == noon_ms);
                at_ms += DAY_MS;
            }
        }
    }
}

static void assert_parse(const char *text, int64_t want)
{
    int64_t at_ms = -7;
    assert_ok(clock_parse(str_from_c(text), &at_ms));
    assert_true(at_ms == want);
}

static void test_parse_forms(void **state)
{
    (void)state;
    assert_parse("1970-01-01T00:00:00Z", 0);
    assert_parse("2026-01-31t20:00:00z", 1769889600000);
    assert_parse("2026-01-31T22:00:00+02:00", 1769889600000);
    assert_parse("2026-01-31T14:30:00-05:30", 1769889600000);
    assert_parse("2026-02-01T19:59:00+23:59", 1769889600000);
    assert_parse("2026-01-31T20:00:00-00:00", 1769889600000);
    assert_parse("2026-01-31T20:00:00.5Z", 1769889600500);
    assert_parse("2026-01-31T20:00:00.007Z", 1769889600007);
    assert_parse("2026-01-31T20:00:00.123999999Z", 1769889600123);
    assert_parse("1970-01-01T00:00:00-01:00", 3600000);
    assert_parse("2199-12-31T23:59:59.999Z", 7258118399999);
}

static void test_parse_leap_seconds(void **state)
{
    (void)state;
    assert_parse("2016-12-31T23:59:60Z", 1483228800000);
    assert_parse("2017-01-01T00:59:60+01:00", 1483228800000);
    int64_t at_ms;
    assert_err(clock_parse(STR("2016-12-31T22:59:60Z"), &at_ms), ERR_INVALID);
    assert_err(clock_parse(STR("2016-12-31T23:59:61Z"), &at_ms), ERR_INVALID);
}

static void test_parse_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026",
        "2026-01-31",
        "2026-01-31T20:00:00",
        "2026-01-31 20:00:00Z",
        "2026-01-31T20:00Z",
        "2026-01-31T20:00:00.Z",
        "2026-01-31T20:00:00.1234567890Z",
        "2026-01-31T20:00:00,5Z",
        "2026-01-31T20:00:00ZZ",
        "2026-01-31T20:00:00Z ",
        " 2026-01-31T20:00:00Z",
        "2026-01-31T20:00:00+2:00",
        "2026-01-31T20:00:00+0200",
        "2026-01-31T20:00:00+24:00",
        "2026-01-31T20:00:00+02:60",
        "2026-01-31T24:00:00Z",
        "2026-01-31T20:60:00Z",
        "2026-00-31T20:00:00Z",
        "2026-13-01T20:00:00Z",
        "2026-01-00T20:00:00Z",
        "2026-01-32T20:00:00Z",
        "2026-04-31T20:00:00Z",
        "2026-02-29T20:00:00Z",
        "2100-02-29T20:00:00Z",
        "1969-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "1970-01-01T00:00:00+00:01",
        "2199-12-31T23:59:59-00:01",
        "+026-01-31T20:00:00Z",
        "2026-1-31T20:00:00Z",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t at_ms = -7;
        assert_err(clock_parse(str_from_c(bad[i]), &at_ms), ERR_INVALID);
        assert_int_equal(at_ms, -7);
    }
}

static void test_now_never_goes_back(void **state)
{
    (void)state;
    int64_t last = clock_now_ms();
    assert_true(last > 1700000000000);
    for (int i = 0; i < 10000; i++) {
        int64_t now = clock_now_ms();
        assert_true(now >= last);
        last = now;
    }
    int64_t mono = clock_mono_ns();
    assert_true(clock_mono_ns() >= mono);
}

static void count_call(void *ctx)
{
    ++*(int *)ctx;
}

static void test_advance_moves_the_wall_only_and_tells(void **state)
{
    (void)state;
    int calls = 0;
    assert_ok(clock_subscribe(count_call, &calls));
    int64_t wall = clock_now_ms();
    int64_t mono = clock_mono_ns();
    clock_advance_ms(DAY_MS);
    assert_int_equal(calls, 1);
    assert_true(clock_now_ms() >= wall + DAY_MS);
    assert_true(clock_now_ms() < wall + DAY_MS + 60000);
    assert_true(clock_mono_ns() - mono < (int64_t)60 * 1000000000);
    clock_unsubscribe(count_call, &calls);
    clock_advance_ms(1);
    assert_int_equal(calls, 1);
}

static void test_subscribers_are_limited(void **state)
{
    (void)state;
    int calls[CLOCK_SUBSCRIBERS_MAX + 1] = {0};
    for (int i = 0; i < CLOCK_SUBSCRIBERS_MAX; i++)
        assert_ok(clock_subscribe(count_call, &calls[i]));
    assert_err(clock_subscribe(count_call, &calls[CLOCK_SUBSCRIBERS_MAX]), ERR_LIMIT);
    clock_unsubscribe(count_call, &calls[3]);
    assert_ok(clock_subscribe(count_call, &calls[CLOCK_SUBSCRIBERS_MAX]));
    clock_advance_ms(0);
    for (int i = 0; i <= CLOCK_SUBSCRIBERS_MAX; i++) {
        assert_int_equal(calls[i], i == 3 ? 0 : 1);
        clock_unsubscribe(count_call, &calls[i]);
    }
}

static void *read_clock(void *arg)
{
    int64_t last = 0;
    for (int i = 0; i < 20000; i++) {
        int64_t now = clock_now_ms();
        if (now < last)
            return arg;
        last = now;
    }
    return NULL;
}

static void test_now_never_goes_back_in_any_thread(void **state)
{
    (void)state;
    pthread_t threads[4];
    int marker;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_clock, &marker), 0);
    for (int i = 0; i < 100; i++)
        clock_advance_ms(5);
    for (int i = 0; i < 4; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static int64_t follow(int64_t ahead_ms, int64_t within_ms)
{
    int64_t mono_ns = clock_mono_ns();
    return clock_follow(&(struct clock_reading){mono_ns / 1000000 + ahead_ms, mono_ns, within_ms});
}

/* Without the jumps that tests have made. */
static int64_t jumped_ms;

static int64_t ahead(void)
{
    return clock_now_ms() - jumped_ms - clock_mono_ns() / 1000000;
}

static void assert_ahead(int64_t ahead_ms)
{
    assert_in_range(ahead() - ahead_ms + 10000, 10000 - 2, 10000 + 2);
}

static int64_t own_ahead(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    jumped_ms = clock_now_ms() - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    return ahead();
}

/* Another machine's clock is 30 s ahead of ours, then ours seems to be 30 s ahead of it. */
static void test_another_clock_is_followed_both_ways(void **state)
{
    (void)state;
    int64_t own_ms = own_ahead();
    int calls = 0;
    assert_ok(clock_subscribe(count_call, &calls));
    (void)follow(own_ms + 30000, 5); /* from our own clock: by whatever it is */
    assert_ahead(own_ms + 30000);
    assert_int_equal(calls, 1);
    (void)follow(own_ms, 5); /* far behind: time is set */
    assert_ahead(own_ms);
    assert_int_equal(calls, 2);
    clock_unsubscribe(count_call, &calls);
    clock_follow_own();
}

static void test_small_corrections_never_turn_time_back(void **state)
{
    (void)state;
    int64_t base_ms = own_ahead() + 60000;
    (void)follow(base_ms, 5);
    assert_int_equal(follow(base_ms + 4, 5), 0); /* within the reading's own error */
    assert_ahead(base_ms);
    int64_t before_ms = clock_now_ms();
    (void)follow(base_ms - CLOCK_BACK_MS_MAX + 50, 5);
    assert_true(clock_now_ms() >= before_ms);
    (void)follow(base_ms + 200, 5);
    assert_true(clock_now_ms() >= before_ms + 200);
    clock_follow_own();
}

static void test_a_followed_clock_keeps_the_tests_jumps(void **state)
{
    (void)state;
    int64_t base_ms = own_ahead() + 120000;
    (void)follow(base_ms, 5);
    clock_advance_ms(DAY_MS);
    jumped_ms += DAY_MS;
    assert_ahead(base_ms);
    (void)follow(base_ms + 10, 5);
    assert_ahead(base_ms + 10);
    clock_follow_own();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_clamps_nonsense),
        cmocka_unit_test(test_every_day_round_trips),
        cmocka_unit_test(test_parse_forms),
        cmocka_unit_test(test_parse_leap_seconds),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_now_never_goes_back),
        cmocka_unit_test(test_advance_moves_the_wall_only_and_tells),
        cmocka_unit_test(test_subscribers_are_limited),
        cmocka_unit_test(test_now_never_goes_back_in_any_thread),
        cmocka_unit_test(test_another_clock_is_followed_both_ways),
        cmocka_unit_test(test_small_corrections_never_turn_time_back),
        cmocka_unit_test(test_a_followed_clock_keeps_the_tests_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
