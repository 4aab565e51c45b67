/* Randomness: bounds, spread, and repeatable numbers under a seed. */
#include "base/rand.h"

#include "base/check.h"

static void test_bytes_fill_exactly_the_range(void **state)
{
    (void)state;
    uint8_t bytes[34] = {0};
    uint8_t seen = 0;
    for (int i = 0; i < 64; i++) {
        rand_bytes(bytes + 1, 32);
        seen |= bytes[1] | bytes[32];
    }
    assert_int_equal(bytes[0], 0);
    assert_int_equal(bytes[33], 0);
    assert_int_not_equal(seen, 0);
    rand_bytes(bytes, 0);
}

static void test_numbers_differ(void **state)
{
    (void)state;
    uint64_t a = rand_u64();
    uint64_t b = rand_u64();
    assert_true(a != b); /* wrong once in 2^64 runs */
}

static void test_below_stays_below_and_reaches_all(void **state)
{
    (void)state;
    int counts[10] = {0};
    for (int i = 0; i < 10000; i++) {
        uint64_t value = rand_below(10);
        assert_true(value < 10);
        counts[value]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(counts[i], 700, 1300); /* ten standard deviations */
    assert_int_equal(rand_below(1), 0);
    for (int i = 0; i < 100; i++)
        assert_true(rand_below(UINT64_MAX) < UINT64_MAX);
}

static void test_seed_repeats(void **state)
{
    (void)state;
    uint64_t first[8], second[8];
    rand_seed(42);
    for (int i = 0; i < 8; i++)
        first[i] = rand_u64();
    rand_seed(42);
    for (int i = 0; i < 8; i++)
        second[i] = rand_u64();
    assert_memory_equal(first, second, sizeof(first));
    assert_true(first[0] != first[1]);
    rand_seed(43);
    assert_true(rand_u64() != first[0]);
    rand_seed(0);
    assert_true(rand_u64() != first[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_fill_exactly_the_range),
        cmocka_unit_test(test_numbers_differ),
        cmocka_unit_test(test_below_stays_below_and_reaches_all),
        cmocka_unit_test(test_seed_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
