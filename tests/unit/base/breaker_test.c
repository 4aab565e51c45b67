/* The circuit breaker: when it opens, whom it lets through, when it closes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/breaker.h"

static const struct breaker_limits limits = {
    .failures = 5, .pause_ms = 500, .pause_max_ms = 5000, .probe_ms = 15000};

static void fail_n(struct breaker *breaker, uint32_t count, int64_t now_ms)
{
    for (uint32_t i = 0; i < count; i++)
        breaker_record(breaker, BREAKER_NORMAL, false, now_ms);
}

static struct breaker opened_at(int64_t now_ms)
{
    struct breaker breaker;
    breaker_init(&breaker, &limits);
    fail_n(&breaker, limits.failures, now_ms);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    return breaker;
}

static void it_opens_after_failures_in_a_row(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, &limits);
    for (int i = 0; i < 3; i++) {
        fail_n(&breaker, limits.failures - 1, 1000);
        assert_false(breaker_is_down(&breaker));
        for (int j = 0; j < BREAKER_WINDOW; j++) /* good calls wipe the memory */
            breaker_record(&breaker, BREAKER_NORMAL, true, 1000);
    }
    fail_n(&breaker, limits.failures, 1000);
    assert_true(breaker_is_down(&breaker));
    assert_int_equal(breaker_allow(&breaker, 1000), BREAKER_REFUSED);
    assert_int_equal(breaker_allow(&breaker, 1000 + limits.pause_ms - 1), BREAKER_REFUSED);
}

static void it_opens_when_half_of_the_calls_fail(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, &limits);
    for (int i = 0; i < BREAKER_WINDOW - 1; i++) {
        breaker_record(&breaker, BREAKER_NORMAL, i % 2 == 0, 0);
        assert_false(breaker_is_down(&breaker));
    }
    breaker_record(&breaker, BREAKER_NORMAL, false, 0);
    assert_true(breaker_is_down(&breaker));
    breaker_init(&breaker, &limits);
    for (int i = 0; i < 10 * BREAKER_WINDOW; i++) /* a third fails: it lives with that */
        breaker_record(&breaker, BREAKER_NORMAL, i % 3 != 0, 0);
    assert_false(breaker_is_down(&breaker));
}

static void one_probe_at_a_time(void **state)
{
    (void)state;
    struct breaker breaker = opened_at(0);
    int64_t now_ms = limits.pause_ms;
    assert_int_equal(breaker_allow(&breaker, now_ms), BREAKER_PROBE);
    assert_int_equal(breaker_allow(&breaker, now_ms), BREAKER_REFUSED);
    assert_true(breaker_is_down(&breaker)); /* probing proves nothing yet */
    breaker_give_back(&breaker, BREAKER_PROBE);
    assert_int_equal(breaker_allow(&breaker, now_ms), BREAKER_PROBE);
    assert_int_equal(breaker_allow(&breaker, now_ms + limits.probe_ms - 1), BREAKER_REFUSED);
    assert_int_equal(breaker_allow(&breaker, now_ms + limits.probe_ms), BREAKER_PROBE); /* lost */
    breaker_record(&breaker, BREAKER_PROBE, true, now_ms);
    assert_false(breaker_is_down(&breaker));
    assert_int_equal(breaker_allow(&breaker, now_ms), BREAKER_NORMAL);
    assert_int_equal(breaker_allow(&breaker, now_ms), BREAKER_NORMAL);
}

static void late_answers_do_not_count_while_it_is_down(void **state)
{
    (void)state;
    struct breaker breaker = opened_at(0);
    breaker_record(&breaker, BREAKER_NORMAL, true, 1);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker_allow(&breaker, limits.pause_ms), BREAKER_PROBE);
    breaker_record(&breaker, BREAKER_NORMAL, true, limits.pause_ms);
    breaker_record(&breaker, BREAKER_NORMAL, false, limits.pause_ms);
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
    breaker_give_back(&breaker, BREAKER_NORMAL);
    assert_int_equal(breaker_allow(&breaker, limits.pause_ms), BREAKER_REFUSED);
}

static void pauses_grow_to_their_maximum_and_start_anew(void **state)
{
    (void)state;
    struct breaker breaker = opened_at(0);
    int64_t now_ms = 0, last_ms = 0;
    for (int i = 0; i < 10; i++) {
        int64_t pause_ms = breaker.until_ms - now_ms;
        assert_true(pause_ms >= last_ms && pause_ms <= limits.pause_max_ms);
        last_ms = pause_ms;
        now_ms = breaker.until_ms;
        assert_int_equal(breaker_allow(&breaker, now_ms), BREAKER_PROBE);
        breaker_record(&breaker, BREAKER_PROBE, false, now_ms);
    }
    assert_int_equal(last_ms, limits.pause_max_ms);
    now_ms = breaker.until_ms;
    assert_int_equal(breaker_allow(&breaker, now_ms), BREAKER_PROBE);
    breaker_record(&breaker, BREAKER_PROBE, true, now_ms);
    fail_n(&breaker, limits.failures, now_ms);
    assert_int_equal(breaker.until_ms - now_ms, limits.pause_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_after_failures_in_a_row),
        cmocka_unit_test(it_opens_when_half_of_the_calls_fail),
        cmocka_unit_test(one_probe_at_a_time),
        cmocka_unit_test(late_answers_do_not_count_while_it_is_down),
        cmocka_unit_test(pauses_grow_to_their_maximum_and_start_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
