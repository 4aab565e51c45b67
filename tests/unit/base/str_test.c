/* Byte strings: comparison, slicing, numbers, UTF-8, copying, hashing; the empty string and NULL
 * data everywhere. */
#include "base/str.h"

#include "base/check.h"

static void test_equality(void **state)
{
    (void)state;
    assert_true(str_eq(STR("abc"), STR("abc")));
    assert_false(str_eq(STR("abc"), STR("abd")));
    assert_false(str_eq(STR("abc"), STR("ab")));
    assert_true(str_eq(STR_NONE, STR("")));
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_true(str_eq_ci(STR("Content-Type"), STR("content-tYPE")));
    assert_false(str_eq_ci(STR("[@"), STR("{`")));
    assert_false(str_eq_ci(STR("\xC4"), STR("\xE4")));
    assert_true(str_eq_ci(STR_NONE, STR_NONE));
}

static void test_prefix_and_suffix(void **state)
{
    (void)state;
    assert_true(str_starts_with(STR("Bearer x"), STR("Bearer ")));
    assert_false(str_starts_with(STR("Bear"), STR("Bearer ")));
    assert_true(str_starts_with(STR("x"), STR_NONE));
    assert_true(str_ends_with(STR("plan.json"), STR(".json")));
    assert_false(str_ends_with(STR("json"), STR(".json")));
    assert_true(str_ends_with(STR_NONE, STR_NONE));
}

static void test_order_is_by_bytes_then_length(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("b"), STR("a")) > 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("\xFF"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
    assert_true(str_cmp(STR_NONE, STR("a")) < 0);
}

static void test_find_and_sub_stay_inside(void **state)
{
    (void)state;
    struct str s = STR("a,b,c");
    assert_int_equal(str_find(s, ',', 0), 1);
    assert_int_equal(str_find(s, ',', 2), 3);
    assert_int_equal(str_find(s, ',', 4), 5);
    assert_int_equal(str_find(s, ',', 99), 5);
    assert_int_equal(str_find(STR_NONE, ',', 0), 0);
    assert_str(str_sub(s, 2, 1), "b");
    assert_str(str_sub(s, 2, SIZE_MAX), "b,c");
    assert_str(str_sub(s, 5, 1), "");
    assert_str(str_sub(s, SIZE_MAX, SIZE_MAX), "");
}

static void test_trim(void **state)
{
    (void)state;
    assert_str(str_trim(STR(" \t\r\n a b \v\f")), "a b");
    assert_str(str_trim(STR(" \t ")), "");
    assert_str(str_trim(STR_NONE), "");
}

static void test_split(void **state)
{
    (void)state;
    struct str s = STR("a,,b");
    assert_str(str_split(&s, ','), "a");
    assert_str(str_split(&s, ','), "");
    assert_str(s, "b");
    assert_str(str_split(&s, ','), "b");
    assert_int_equal(s.len, 0);
    assert_str(str_split(&s, ','), "");
    s = STR("a,");
    assert_str(str_split(&s, ','), "a");
    assert_int_equal(s.len, 0);
}

static void assert_i64(const char *text, int64_t want)
{
    int64_t value = 77;
    assert_ok(str_to_i64(str_from_c(text), &value));
    assert_true(value == want);
}

static void test_integers(void **state)
{
    (void)state;
    assert_i64("0", 0);
    assert_i64("-0", 0);
    assert_i64("007", 7);
    assert_i64("9223372036854775807", INT64_MAX);
    assert_i64("-9223372036854775808", INT64_MIN);
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1x",
                                      "0x1",
                                      "1.0",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t value = 77;
        assert_err(str_to_i64(str_from_c(bad[i]), &value), ERR_INVALID);
        assert_int_equal(value, 77);
    }
    int64_t value;
    assert_err(str_to_i64(STR("1\0"), &value), ERR_INVALID);
}

static void assert_f64(const char *text, double want)
{
    double value = 77;
    assert_ok(str_to_f64(str_from_c(text), &value));
    assert_true(value == want);
}

static void test_floats(void **state)
{
    (void)state;
    assert_f64("0", 0);
    assert_f64("-1.5", -1.5);
    assert_f64("1e3", 1000);
    assert_f64("2.5E-1", 0.25);
    assert_f64("1e+2", 100);
    static const char *const bad[] = {"",    "-",   ".",   "1.",    ".5", "1e", "1e+", "+1",
                                      "inf", "nan", "0x1", "1e999", " 1", "1 ", "1,5", "1.5.5"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        double value = 77;
        assert_err(str_to_f64(str_from_c(bad[i]), &value), ERR_INVALID);
        assert_true(value == 77);
    }
}

static void test_utf8_takes_well_formed_text(void **state)
{
    (void)state;
    assert_true(str_is_utf8(STR_NONE));
    assert_true(str_is_utf8(STR("plain")));
    assert_true(str_is_utf8(STR("\xC2\x80 \xDF\xBF")));
    assert_true(str_is_utf8(STR("\xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF")));
    assert_true(str_is_utf8(STR("\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF")));
}

static void test_utf8_refuses_malformed_text(void **state)
{
    (void)state;
    static const struct str bad[] = {
        STR("\x80"),             /* continuation alone */
        STR("\xC0\x80"),         /* overlong NUL */
        STR("\xC1\xBF"),         /* overlong */
        STR("\xE0\x9F\xBF"),     /* overlong */
        STR("\xF0\x8F\xBF\xBF"), /* overlong */
        STR("\xED\xA0\x80"),     /* surrogate */
        STR("\xF4\x90\x80\x80"), /* above U+10FFFF */
        STR("\xF5\x80\x80\x80"),
        STR("\xFF"),
        STR("\xC3"), /* cut */
        STR("\xE2\x82"),
        STR("\xF0\x9F\x98"),
        STR("\xC3("),
        STR("\xE2(\xA1"),
        STR("\xE2\x82("),
        STR("\xF0\x9F\x98("),
        STR("ok\xE2"),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(str_is_utf8(bad[i]));
}

static void test_printable(void **state)
{
    (void)state;
    assert_true(str_is_printable(STR("a b \xC3\xA4~")));
    assert_true(str_is_printable(STR_NONE));
    assert_false(str_is_printable(STR("a\nb")));
    assert_false(str_is_printable(STR("a\0b")));
    assert_false(str_is_printable(STR("\x7F")));
    assert_false(str_is_printable(STR("\x1F")));
}

static void test_to_c_copies_all_or_nothing(void **state)
{
    (void)state;
    char text[4] = "zzz";
    assert_err(str_to_c(STR("four"), text, sizeof(text)), ERR_LIMIT);
    assert_string_equal(text, "zzz");
    assert_ok(str_to_c(STR("abc"), text, sizeof(text)));
    assert_string_equal(text, "abc");
    assert_ok(str_to_c(STR_NONE, text, sizeof(text)));
    assert_string_equal(text, "");
    assert_err(str_to_c(STR_NONE, text, 0), ERR_LIMIT);
}

static void test_hash_depends_on_every_byte(void **state)
{
    (void)state;
    assert_true(str_hash(STR("abc")) == str_hash(STR("abc")));
    assert_true(str_hash(STR("abc")) != str_hash(STR("abd")));
    assert_true(str_hash(STR("")) != str_hash(STR("\0")));
    assert_true(str_hash(STR_NONE) == str_hash(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_prefix_and_suffix),
        cmocka_unit_test(test_order_is_by_bytes_then_length),
        cmocka_unit_test(test_find_and_sub_stay_inside),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_utf8_takes_well_formed_text),
        cmocka_unit_test(test_utf8_refuses_malformed_text),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_to_c_copies_all_or_nothing),
        cmocka_unit_test(test_hash_depends_on_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
