/* Every error has its own name. */
#include "base/err.h"

#include "base/check.h"

static void test_names_are_distinct(void **state)
{
    (void)state;
    for (int a = ERR_OK; a <= ERR_DENIED; a++) {
        assert_string_not_equal(err_name((enum err)a), "unknown error");
        for (int b = ERR_OK; b < a; b++)
            assert_string_not_equal(err_name((enum err)a), err_name((enum err)b));
    }
}

static void test_foreign_number_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(err_name((enum err)(ERR_DENIED + 1)), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_distinct),
        cmocka_unit_test(test_foreign_number_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
