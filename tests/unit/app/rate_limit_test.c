/* Token buckets. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "app/rate_limit.h"
#include "base/check.h"
#include "base/crypto.h"

#define NOW INT64_C(1800000000000)

static struct rate_limiter *limiter;

static int setup(void **state)
{
    (void)state;
    assert_ok(crypto_init());
    limiter = rate_limiter_new();
    return limiter ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    rate_limiter_free(limiter);
    return 0;
}

/* How many of count pass. */
static int take(enum rate_class rate_class, uint64_t who, int64_t at_ms, int count)
{
    int passed = 0;
    for (int i = 0; i < count; i++)
        passed += rate_limiter_take(limiter, rate_class, who, at_ms).is_allowed;
    return passed;
}

static void burst_then_one_per_interval(void **state)
{
    (void)state;
    assert_int_equal(take(RATE_AUTH, 1, NOW, 100), 60);
    assert_int_equal(take(RATE_AUTH, 1, NOW + 999, 5), 0);
    assert_int_equal(take(RATE_AUTH, 1, NOW + 1000, 5), 1);
    assert_int_equal(take(RATE_AUTH, 1, NOW + 11000, 50), 10);
    assert_int_equal(take(RATE_AUTH, 1, NOW + 3600000, 100), 60); /* never more than the burst */
}

static void verdict_tells_what_is_left(void **state)
{
    (void)state;
    struct rate_verdict verdict = rate_limiter_take(limiter, RATE_SELL, 1, NOW);
    assert_true(verdict.is_allowed);
    assert_int_equal(verdict.remaining, 59);
    assert_int_equal(verdict.full_in_s, 1);
    assert_int_equal(take(RATE_SELL, 1, NOW, 58), 58);
    verdict = rate_limiter_take(limiter, RATE_SELL, 1, NOW);
    assert_true(verdict.is_allowed);
    assert_int_equal(verdict.remaining, 0);
    assert_int_equal(verdict.full_in_s, 30);
    verdict = rate_limiter_take(limiter, RATE_SELL, 1, NOW);
    assert_false(verdict.is_allowed);
    assert_int_equal(verdict.retry_in_s, 1);
    /* What it says is true. */
    assert_int_equal(take(RATE_SELL, 1, NOW + verdict.retry_in_s * 1000, 1), 1);
}

static void classes_and_callers_are_apart(void **state)
{
    (void)state;
    assert_int_equal(take(RATE_AUTH, 1, NOW, 100), 60);
    assert_int_equal(take(RATE_AUTH, 2, NOW, 100), 60);
    assert_int_equal(take(RATE_SELL, 1, NOW, 100), 60);
    assert_int_equal(take(RATE_DEFAULT, 1, NOW, 400), 300);
}

static void addresses_count_by_customer(void **state)
{
    (void)state;
    assert_int_equal(rate_limit_address(STR("2001:db8:1:2::1")),
                     rate_limit_address(STR("2001:db8:1:2:ffff::9")));
    assert_int_not_equal(rate_limit_address(STR("2001:db8:1:2::1")),
                         rate_limit_address(STR("2001:db8:1:3::1")));
    assert_int_not_equal(rate_limit_address(STR("192.0.2.1")),
                         rate_limit_address(STR("192.0.2.2")));
    assert_int_equal(rate_limit_address(STR("192.0.2.1")), rate_limit_address(STR("192.0.2.1")));
}

static void flood_of_callers_frees_nobody(void **state)
{
    (void)state;
    assert_int_equal(take(RATE_AUTH, 1, NOW, 100), 60);
    for (uint64_t who = 2; who < 500000; who++)
        (void)rate_limiter_take(limiter, RATE_AUTH, who, NOW);
    assert_int_equal(take(RATE_AUTH, 1, NOW, 10), 0);
}

static void *take_many(void *ctx)
{
    atomic_fetch_add((_Atomic int *)ctx, take(RATE_DEFAULT, 1, NOW, 200));
    return NULL;
}

static void threads_share_a_bucket(void **state)
{
    (void)state;
    pthread_t threads[4];
    _Atomic int passed = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &passed), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&passed), 300);
}

/* What the policy promises is what the numbers do. */
static void policies_are_true(void **state)
{
    (void)state;
    for (int i = RATE_DEFAULT; i < RATE_NONE; i++) {
        char name[32];
        int quota, window_s;
        const struct rate_class_limits *limits = &rate_classes[i];
        assert_int_equal(sscanf(limits->policy, "\"%31[a-z-]\";q=%d;w=%d", name, &quota, &window_s),
                         3);
        assert_string_equal(name, limits->name);
        assert_int_equal(quota, limits->burst);
        assert_int_equal(window_s * 1000, limits->burst * limits->interval_ms);
    }
}

#define limiter_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        limiter_test(burst_then_one_per_interval),
        limiter_test(verdict_tells_what_is_left),
        limiter_test(classes_and_callers_are_apart),
        limiter_test(addresses_count_by_customer),
        limiter_test(flood_of_callers_frees_nobody),
        limiter_test(threads_share_a_bucket),
        limiter_test(policies_are_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
