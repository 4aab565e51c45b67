/* Growable bytes: content, the maximum, sticky overflow, numbers, printf at every border. */
#include "base/buf.h"

#include "base/check.h"

static void test_appends(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    assert_int_equal(buf_str(&buf).len, 0);
    buf_append(&buf, NULL, 0);
    buf_append_str(&buf, STR("ab"));
    buf_append_char(&buf, 'c');
    buf_append(&buf, "\0d", 2);
    buf_printf(&buf, "%d", 5);
    assert_int_equal(buf.len, 6);
    assert_memory_equal(buf.data, "abc\0d5", 6);
    buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    buf_release(&buf);
    assert_null(buf.data);
}

static void test_numbers(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    const int64_t values[] = {0, 7, -7, INT64_MAX, INT64_MIN, 10, 99, 100};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        buf_append_i64(&buf, values[i]);
        buf_append_char(&buf, ' ');
    }
    assert_str(buf_str(&buf), "0 7 -7 9223372036854775807 -9223372036854775808 10 99 100 ");
    buf_release(&buf);
}

static void test_exactly_the_maximum_fits(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    buf_append_str(&buf, STR("0123456789"));
    assert_false(buf.overflow);
    assert_str(buf_str(&buf), "0123456789");
    buf_append_char(&buf, 'x');
    assert_true(buf.overflow);
    assert_str(buf_str(&buf), "0123456789");
    buf_release(&buf);
}

static void test_overflow_appends_nothing_and_sticks(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    buf_append_str(&buf, STR("01234567"));
    buf_append_str(&buf, STR("abc"));
    assert_true(buf.overflow);
    buf_append_char(&buf, 'x'); /* would fit: a hole in the middle must never appear */
    buf_printf(&buf, "y");
    buf_append_i64(&buf, 1);
    assert_str(buf_str(&buf), "01234567");
    buf_clear(&buf);
    assert_false(buf.overflow);
    buf_append_str(&buf, STR("again"));
    assert_str(buf_str(&buf), "again");
    buf_release(&buf);
}

static void test_nothing_fits_into_a_maximum_of_zero(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 0);
    buf_printf(&buf, "%s", "");
    assert_false(buf.overflow);
    buf_append_char(&buf, 'x');
    assert_true(buf.overflow);
    assert_int_equal(buf.len, 0);
    buf_release(&buf);
}

static void test_printf_at_every_border(void **state)
{
    (void)state;
    for (int len = 0; len <= 600; len++) {
        struct buf buf;
        buf_init(&buf, 512);
        buf_append_char(&buf, '>');
        buf_printf(&buf, "%.*s", len, "");
        buf_printf(&buf, "%*s", len, "");
        assert_int_equal(buf.overflow, len > 511);
        assert_int_equal(buf.len, len > 511 ? 1 : 1 + len);
        buf_release(&buf);
    }
}

static void test_grows_by_many_appends(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100000);
    for (int i = 0; i < 100000; i++)
        buf_append_char(&buf, (char)('a' + i % 26));
    assert_false(buf.overflow);
    assert_int_equal(buf.len, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buf.data[i], 'a' + i % 26);
    buf_release(&buf);
}

static void test_huge_lengths_do_not_wrap(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, SIZE_MAX);
    buf_append_char(&buf, 'a');
    buf_append(&buf, "b", SIZE_MAX);
    assert_true(buf.overflow);
    assert_str(buf_str(&buf), "a");
    buf_release(&buf);
}

static void test_lives_with_the_arena(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct buf *buf = buf_new_in(&arena, 1 << 20);
    assert_non_null(buf);
    buf_printf(buf, "%10000d", 1);
    assert_int_equal(buf->len, 10000);
    arena_release(&arena); /* the leak checker sees to the rest */
    arena_init(&arena, 8);
    assert_null(buf_new_in(&arena, 10));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_exactly_the_maximum_fits),
        cmocka_unit_test(test_overflow_appends_nothing_and_sticks),
        cmocka_unit_test(test_nothing_fits_into_a_maximum_of_zero),
        cmocka_unit_test(test_printf_at_every_border),
        cmocka_unit_test(test_grows_by_many_appends),
        cmocka_unit_test(test_huge_lengths_do_not_wrap),
        cmocka_unit_test(test_lives_with_the_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
