/* Field errors: copies, the maximum, a full arena. */
#include "base/field_errors.h"

#include "base/check.h"

static void test_texts_are_copied(void **state)
{
    (void)state;
    struct arena arena;
    struct field_errors errors;
    char field[16] = "name";
    arena_init(&arena, 4096);
    field_errors_init(&errors, &arena);
    assert_int_equal(errors.count, 0);
    field_errors_add(&errors, field, "must have %d to %d bytes", 1, 80);
    field[0] = 'x';
    assert_int_equal(errors.count, 1);
    assert_str(errors.items[0].field, "name");
    assert_str(errors.items[0].message, "must have 1 to 80 bytes");
    arena_release(&arena);
}

static void test_later_ones_are_dropped(void **state)
{
    (void)state;
    struct arena arena;
    struct field_errors errors;
    arena_init(&arena, 1 << 16);
    field_errors_init(&errors, &arena);
    for (int i = 0; i < FIELD_ERRORS_MAX + 5; i++)
        field_errors_add(&errors, "field", "number %d", i);
    assert_int_equal(errors.count, FIELD_ERRORS_MAX);
    assert_str(errors.items[FIELD_ERRORS_MAX - 1].message, "number 19");
    arena_release(&arena);
}

static void test_full_arena_still_counts(void **state)
{
    (void)state;
    struct arena arena;
    struct field_errors errors;
    arena_init(&arena, 8);
    field_errors_init(&errors, &arena);
    field_errors_add(&errors, "a rather long name", "a rather long message");
    assert_int_equal(errors.count, 1);
    assert_int_equal(errors.items[0].message.len, 0);
    assert_true(arena.overflow);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_are_copied),
        cmocka_unit_test(test_later_ones_are_dropped),
        cmocka_unit_test(test_full_arena_still_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
