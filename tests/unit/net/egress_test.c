/* Vetting of addresses, in every notation that a resolver or a URL may bring. */
#include "base/check.h"

#include "base/buf.h"
#include "net/egress.h"

static bool is_allowed(const struct egress_rules *rules, const char *text)
{
    struct egress_address address;
    assert_ok(egress_address_parse(str_from_c(text), &address));
    return egress_is_allowed(rules, &address);
}

static const char *const refused[] = {
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    /* IPv6 */
    "::",
    "::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "4000::1",
    "64:ff9b:1::1",
    "64:ff9b:1::a00:1",
    "5f00::1",
    "::ffff:0:127.0.0.1",
    /* IPv4 in IPv6 */
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:169.254.169.254",
    "::ffff:10.1.2.3",
    "::127.0.0.1",
    "::a9fe:a9fe",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::192.168.1.1",
};

static const char *const allowed[] = {
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "192.167.255.255",
    "192.169.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "168.63.129.15",
    /* IPv6 */
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450::1",
    "3ffe::1",
    "2003::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
};

static void special_addresses_are_refused_and_public_ones_are_not(void **state)
{
    (void)state;
    struct egress_rules rules;
    assert_ok(egress_rules_parse(STR_NONE, &rules));
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (is_allowed(&rules, refused[i]))
            fail_msg("%s", refused[i]);
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (!is_allowed(&rules, allowed[i]))
            fail_msg("%s", allowed[i]);
}

static void what_is_listed_is_allowed_and_nothing_beside_it(void **state)
{
    (void)state;
    struct egress_rules rules;
    assert_ok(egress_rules_parse(STR("127.0.0.0/8, fd00:1::/32,10.1.2.3/32"), &rules));
    assert_int_equal(rules.allowed_count, 3);
    assert_true(is_allowed(&rules, "127.0.0.1"));
    assert_true(is_allowed(&rules, "127.255.0.1"));
    assert_true(is_allowed(&rules, "::ffff:127.0.0.1"));
    assert_true(is_allowed(&rules, "64:ff9b::7f00:1"));
    assert_true(is_allowed(&rules, "fd00:1:ffff::9"));
    assert_true(is_allowed(&rules, "10.1.2.3"));
    assert_true(is_allowed(&rules, "8.8.8.8"));
    assert_false(is_allowed(&rules, "10.1.2.4"));
    assert_false(is_allowed(&rules, "128.0.0.0") && is_allowed(&rules, "126.0.0.1") &&
                 is_allowed(&rules, "169.254.169.254"));
    assert_false(is_allowed(&rules, "fd00:2::1"));
    assert_false(is_allowed(&rules, "::1"));
    assert_ok(egress_rules_parse(STR("::/0"), &rules));
    assert_true(is_allowed(&rules, "::1"));
    assert_false(is_allowed(&rules, "127.0.0.1"));
}

static void bad_lists_are_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "127.0.0.1",    "127.0.0.1/8", "127.0.0.0/33", "127.0.0.0/-1",  "127.0.0.0/",
        "/8",           "::1/127",     "fd00::/129",   "127.0.0.0/8,,", "127.0.0.0/8 10.0.0.0/8",
        "0x7f.0.0.0/8", "127/8",       "localhost/8",  "fe80::%1/64"};
    struct egress_rules rules;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        assert_err(egress_rules_parse(str_from_c(lists[i]), &rules), ERR_INVALID);
    struct buf many;
    buf_init(&many, 4096);
    for (int i = 0; i <= EGRESS_ALLOWED_MAX; i++)
        buf_append_str(&many, STR("127.0.0.0/8,"));
    assert_err(egress_rules_parse(buf_str(&many), &rules), ERR_LIMIT);
    buf_release(&many);
}

static void addresses_have_one_notation(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0177.0.0.1", "0x7f.0.0.1",   "127.1",       "2130706433",       "127.0.0.1 ",
        "[::1]",      "fe80::1%1",    "1.2.3.4.5",   "256.0.0.1",        "",
        ":",          "::ffff:1.2.3", "127.0.0.01.", "1:2:3:4:5:6:7:8:9"};
    struct egress_address address;
    char text[EGRESS_ADDRESS_TEXT];
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_err(egress_address_parse(str_from_c(texts[i]), &address), ERR_INVALID);
    assert_err(egress_address_parse(STR("8.8.8.8\0.evil"), &address), ERR_INVALID);
    assert_ok(egress_address_parse(STR("2001:0DB8:0:0:0:0:0:1"), &address));
    egress_address_format(&address, text);
    assert_string_equal(text, "2001:db8::1");
    assert_ok(egress_address_parse(STR("9.8.7.6"), &address));
    egress_address_format(&address, text);
    assert_string_equal(text, "9.8.7.6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_addresses_are_refused_and_public_ones_are_not),
        cmocka_unit_test(what_is_listed_is_allowed_and_nothing_beside_it),
        cmocka_unit_test(bad_lists_are_refused),
        cmocka_unit_test(addresses_have_one_notation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
