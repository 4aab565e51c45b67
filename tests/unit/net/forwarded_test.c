/* Whom a request comes from behind proxies: trusted ones are walked past, everything else is hearsay. */
#include "base/check.h"

#include "net/forwarded.h"

#define PROXIES "10.0.0.0/8, 127.0.0.0/8, fd00::/8"

static const char *client_of_two(const char *peer, const char *first, const char *second)
{
    static char client[EGRESS_ADDRESS_TEXT];
    struct egress_rules proxies;
    const struct request_field fields[] = {
        {STR("Host"), STR("foyer.example")},
        {STR("X-Forwarded-For"), str_from_c(first)},
        {STR("x-forwarded-FOR"), str_from_c(second ? second : "")},
    };
    assert_ok(egress_rules_parse(STR(PROXIES), &proxies));
    forwarded_client(&proxies, peer, fields, second ? 3 : 2, client);
    return client;
}

static const char *client_of(const char *peer, const char *header)
{
    return client_of_two(peer, header, NULL);
}

static void an_untrusted_peer_is_the_client_whatever_it_says(void **state)
{
    (void)state;
    assert_string_equal(client_of("192.0.2.1", "198.51.100.1"), "192.0.2.1");
    assert_string_equal(client_of("2001:db8::1", "198.51.100.1"), "2001:db8::1");
    assert_string_equal(client_of("11.0.0.1", "10.0.0.1"), "11.0.0.1");
}

static void behind_trusted_peers_it_is_the_last_that_is_none_of_them(void **state)
{
    (void)state;
    assert_string_equal(client_of("10.0.0.1", "198.51.100.1"), "198.51.100.1");
    assert_string_equal(client_of("10.0.0.1", "198.51.100.1, 203.0.113.5"), "203.0.113.5");
    assert_string_equal(client_of("10.0.0.1", "198.51.100.1, 203.0.113.5 ,10.1.1.1,127.0.0.1"),
                        "203.0.113.5");
    assert_string_equal(client_of("fd00::1", "2001:db8::7,fd12::1"), "2001:db8::7");
    assert_string_equal(client_of_two("10.0.0.1", "198.51.100.1", "10.2.2.2"), "198.51.100.1");
    assert_string_equal(client_of_two("10.0.0.1", "198.51.100.1", "203.0.113.5"), "203.0.113.5");
}

static void notations_with_ports_and_mapped_addresses_are_read(void **state)
{
    (void)state;
    assert_string_equal(client_of("10.0.0.1", "198.51.100.1:443"), "198.51.100.1");
    assert_string_equal(client_of("10.0.0.1", "[2001:db8::7]:443"), "2001:db8::7");
    assert_string_equal(client_of("10.0.0.1", "[2001:db8::7]"), "2001:db8::7");
    assert_string_equal(client_of("10.0.0.1", "::ffff:198.51.100.1"), "198.51.100.1");
    assert_string_equal(client_of("10.0.0.1", "198.51.100.1, ::ffff:10.0.0.2"), "198.51.100.1");
}

static void what_cannot_be_read_ends_the_walk_where_it_was(void **state)
{
    (void)state;
    static const char *const garbage[] = {
        "",      "unknown",       "198.51.100.1:x:y",     "[2001:db8::7",
        "1.2.3", "198.51.100.1,", "198.51.100.1, unknown"};
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
        assert_string_equal(client_of("10.0.0.1", garbage[i]), "10.0.0.1");
    assert_string_equal(client_of("10.0.0.1", "198.51.100.1, unknown, 10.3.3.3"), "10.3.3.3");
    /* Only proxies: the first of them, as far as one looks. */
    assert_string_equal(client_of("10.0.0.1", "10.9.9.9, 10.8.8.8"), "10.9.9.9");
    char many[(FORWARDED_HOPS_MAX + 8) * 12] = "198.51.100.1";
    for (int i = 0; i < FORWARDED_HOPS_MAX + 1; i++)
        strcat(many, ",10.0.0.2");
    assert_string_equal(client_of("10.0.0.1", many), "10.0.0.2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_untrusted_peer_is_the_client_whatever_it_says),
        cmocka_unit_test(behind_trusted_peers_it_is_the_last_that_is_none_of_them),
        cmocka_unit_test(notations_with_ports_and_mapped_addresses_are_read),
        cmocka_unit_test(what_cannot_be_read_ends_the_walk_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
