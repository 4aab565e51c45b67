/* Brute-force limits: lock-outs double, end by the clock, and hit the right person. */
#include "app/login_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/clock.h"

#define ANNA STR("anna@example.com")
#define BOB  STR("bob@example.com")
#define HOME STR("192.0.2.1")
#define AWAY STR("192.0.2.2")

static int setup(void **state)
{
    *state = login_guard_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    login_guard_free(*state);
    return 0;
}

static void fail_times(struct login_guard *guard, struct str email, struct str ip, int times)
{
    for (int i = 0; i < times; i++)
        login_guard_end(guard, email, ip, LOGIN_WRONG);
}

static void few_failures_are_free(void **state)
{
    struct login_guard *guard = *state;
    assert_int_equal(login_guard_wait_s(guard, ANNA, HOME), 0);
    fail_times(guard, ANNA, HOME, 4);
    assert_int_equal(login_guard_wait_s(guard, ANNA, HOME), 0);
}

static void lock_outs_double_and_end_by_the_clock(void **state)
{
    struct login_guard *guard = *state;
    fail_times(guard, ANNA, HOME, 5);
    assert_int_equal(login_guard_wait_s(guard, ANNA, HOME), 5);
    clock_advance_ms(4000);
    assert_true(login_guard_wait_s(guard, ANNA, HOME) >= 1);
    clock_advance_ms(1000);
    assert_int_equal(login_guard_wait_s(guard, ANNA, HOME), 0);
    int64_t before_s = 5;
    for (int i = 0; i < 7; i++) {
        login_guard_end(guard, ANNA, HOME, LOGIN_WRONG);
        int64_t wait_s = login_guard_wait_s(guard, ANNA, HOME);
        assert_true(wait_s == 2 * before_s || wait_s == 900);
        clock_advance_ms(wait_s * 1000);
        assert_int_equal(login_guard_wait_s(guard, ANNA, HOME), 0);
        before_s = wait_s;
    }
    fail_times(guard, ANNA, HOME, 100); /* the longest, not an overflow */
    assert_int_equal(login_guard_wait_s(guard, ANNA, HOME), 900);
}

static void others_are_not_locked_out(void **state)
{
    struct login_guard *guard = *state;
    fail_times(guard, ANNA, HOME, 6);
    assert_true(login_guard_wait_s(guard, ANNA, HOME) > 0);
    assert_int_equal(login_guard_wait_s(guard, ANNA, AWAY), 0);
    assert_int_equal(login_guard_wait_s(guard, BOB, HOME), 0);
}

static void guessing_from_many_addresses_is_slowed(void **state)
{
    struct login_guard *guard = *state;
    char ip[32];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(ip, sizeof(ip), "198.51.100.%d", i);
        login_guard_end(guard, ANNA, str_from_c(ip), LOGIN_WRONG);
    }
    int64_t wait_s = login_guard_wait_s(guard, ANNA, HOME);
    assert_true(wait_s > 0 && wait_s <= 60);
    assert_int_equal(login_guard_wait_s(guard, BOB, HOME), 0);
}

static void one_address_guessing_many_accounts_is_slowed(void **state)
{
    struct login_guard *guard = *state;
    char email[64];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(email, sizeof(email), "user%d@example.com", i);
        login_guard_end(guard, str_from_c(email), HOME, LOGIN_WRONG);
    }
    assert_true(login_guard_wait_s(guard, BOB, HOME) > 0);
    assert_int_equal(login_guard_wait_s(guard, BOB, AWAY), 0);
}

static void success_forgives_the_account_but_not_the_address(void **state)
{
    struct login_guard *guard = *state;
    fail_times(guard, ANNA, HOME, 4);
    login_guard_end(guard, ANNA, HOME, LOGIN_RIGHT);
    fail_times(guard, ANNA, HOME, 4);
    assert_int_equal(login_guard_wait_s(guard, ANNA, HOME), 0);

    char email[64];
    for (int i = 0; i < 92; i++) { /* 8 + 92 */
        (void)snprintf(email, sizeof(email), "user%d@example.com", i);
        login_guard_end(guard, str_from_c(email), HOME, LOGIN_WRONG);
        login_guard_end(guard, BOB, HOME, LOGIN_RIGHT);
    }
    assert_true(login_guard_wait_s(guard, BOB, HOME) > 0);
}

static void failures_are_forgotten_in_time(void **state)
{
    struct login_guard *guard = *state;
    fail_times(guard, ANNA, HOME, 4);
    clock_advance_ms(61 * 60 * 1000);
    fail_times(guard, ANNA, HOME, 4);
    assert_int_equal(login_guard_wait_s(guard, ANNA, HOME), 0);
}

static void ipv6_counts_by_network(void **state)
{
    struct login_guard *guard = *state;
    fail_times(guard, ANNA, STR("2001:db8::1:5"), 5);
    assert_true(login_guard_wait_s(guard, ANNA, STR("2001:db8:0:0:ffff::9")) > 0);
    assert_int_equal(login_guard_wait_s(guard, ANNA, STR("2001:db8:0:1::5")), 0);
}

/* Spraying fills the table but does not wash a real lock-out away. */
static void spraying_keeps_the_worst(void **state)
{
    struct login_guard *guard = *state;
    char ip[32];
    fail_times(guard, ANNA, HOME, 12);
    for (int i = 0; i < 4 * LOGIN_GUARD_MAX; i++) {
        (void)snprintf(ip, sizeof(ip), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        login_guard_end(guard, BOB, str_from_c(ip), LOGIN_WRONG);
    }
    assert_true(login_guard_wait_s(guard, ANNA, HOME) > 60);
}

/* Many at once are let in by the same count, unless what is being checked counts, too. */
static void tries_at_once_share_the_allowance(void **state)
{
    struct login_guard *guard = *state;
    fail_times(guard, ANNA, HOME, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(login_guard_begin(guard, ANNA, HOME), 0);
    assert_int_equal(login_guard_begin(guard, ANNA, HOME), 1);
    assert_int_equal(login_guard_wait_s(guard, ANNA, HOME), 1);
    assert_int_equal(login_guard_begin(guard, ANNA, AWAY), 0);
    assert_int_equal(login_guard_begin(guard, BOB, HOME), 0);
    login_guard_end(guard, ANNA, HOME, LOGIN_UNDECIDED); /* gives its place back */
    assert_int_equal(login_guard_begin(guard, ANNA, HOME), 0);
    for (int i = 0; i < 3; i++)
        login_guard_end(guard, ANNA, HOME, LOGIN_WRONG);
    assert_int_equal(login_guard_begin(guard, ANNA, HOME), 5);

    /* Once that is over: one at a time. */
    clock_advance_ms(5000);
    assert_int_equal(login_guard_begin(guard, ANNA, HOME), 0);
    assert_int_equal(login_guard_begin(guard, ANNA, HOME), 1);
    login_guard_end(guard, ANNA, HOME, LOGIN_WRONG);
    assert_int_equal(login_guard_begin(guard, ANNA, HOME), 10);
}

static void a_right_try_keeps_the_place_of_others(void **state)
{
    struct login_guard *guard = *state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(login_guard_begin(guard, ANNA, HOME), 0);
    login_guard_end(guard, ANNA, HOME, LOGIN_RIGHT);
    assert_int_equal(login_guard_begin(guard, ANNA, HOME), 0);
    assert_int_equal(login_guard_begin(guard, ANNA, HOME), 1);
    for (int i = 0; i < 5; i++)
        login_guard_end(guard, ANNA, HOME, LOGIN_UNDECIDED);
    for (int i = 0; i < 5; i++)
        assert_int_equal(login_guard_begin(guard, ANNA, HOME), 0);
}

static void a_try_that_goes_on_for_long_keeps_its_place(void **state)
{
    struct login_guard *guard = *state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(login_guard_begin(guard, ANNA, HOME), 0);
    clock_advance_ms(61 * 60 * 1000);
    assert_int_equal(login_guard_begin(guard, ANNA, HOME), 1);
    login_guard_end(guard, ANNA, HOME, LOGIN_WRONG);
    assert_int_equal(login_guard_begin(guard, ANNA, HOME), 1);
}

static void codes_lock_out_by_account_and_are_not_told(void **state)
{
    struct login_guard *guard = *state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(login_guard_code(guard, ANNA, false), 0);
    assert_int_equal(login_guard_code(guard, ANNA, true), 60);
    assert_int_equal(login_guard_code(guard, ANNA, false), 60); /* not counted */
    assert_int_equal(login_guard_code(guard, BOB, true), 0);
    clock_advance_ms(60 * 1000);
    assert_int_equal(login_guard_code(guard, ANNA, true), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(login_guard_code(guard, ANNA, false), 0);
    assert_int_equal(login_guard_code(guard, ANNA, true), 0);
}

#define guard_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        guard_test(few_failures_are_free),
        guard_test(lock_outs_double_and_end_by_the_clock),
        guard_test(others_are_not_locked_out),
        guard_test(guessing_from_many_addresses_is_slowed),
        guard_test(one_address_guessing_many_accounts_is_slowed),
        guard_test(success_forgives_the_account_but_not_the_address),
        guard_test(failures_are_forgotten_in_time),
        guard_test(ipv6_counts_by_network),
        guard_test(spraying_keeps_the_worst),
        guard_test(tries_at_once_share_the_allowance),
        guard_test(a_right_try_keeps_the_place_of_others),
        guard_test(a_try_that_goes_on_for_long_keeps_its_place),
        guard_test(codes_lock_out_by_account_and_are_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
