/* Patterns of event types, and channels. */
#include "hooks/match.h"

#include "base/check.h"

static void test_patterns(void **state)
{
    (void)state;
    static const char *const good[] = {"*",       "a",    "a.b", "invoice.*",
                                       "a-b_c.9", "a..b", ".",   "a.b.*"};
    static const char *const bad[] = {"",      ".*",  "**",  "*.a",     "a*",
                                      "a.*.b", "a b", "a\n", "\xC3\xA4"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(match_is_pattern(str_from_c(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(match_is_pattern(str_from_c(bad[i])));
}

static bool wants_type(const char *event_types, const char *event_type)
{
    return match_wants(str_from_c(event_types), STR(""), str_from_c(event_type), STR(""));
}

static void test_types(void **state)
{
    (void)state;
    assert_true(wants_type("", "a"));
    assert_true(wants_type("*", "a.b"));
    assert_true(wants_type("a", "a"));
    assert_false(wants_type("a", "ab"));
    assert_false(wants_type("ab", "a"));
    assert_true(wants_type("x\ninvoice.*\ny", "invoice.paid"));
    assert_true(wants_type("invoice.*", "invoice.item.added"));
    assert_false(wants_type("invoice.*", "invoice"));
    assert_false(wants_type("invoice.*", "invoice."));
    assert_false(wants_type("invoice.*", "invoices.paid"));
    assert_false(wants_type("x\ny", "z"));
}

static bool wants_channels(const char *channels, const char *message_channels)
{
    return match_wants(STR(""), str_from_c(channels), STR("a"), str_from_c(message_channels));
}

static void test_channels(void **state)
{
    (void)state;
    assert_true(wants_channels("", ""));
    assert_true(wants_channels("", "vip"));
    assert_false(wants_channels("vip", ""));
    assert_true(wants_channels("vip", "vip"));
    assert_true(wants_channels("a\nvip", "b\nvip"));
    assert_false(wants_channels("vip", "vi"));
    assert_false(wants_channels("vip\ngold", "blue"));
    assert_false(match_wants(STR("b"), STR("vip"), STR("a"), STR("vip")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
