/*
 * Fuzz target of what callers say of themselves: the first line is X-Forwarded-For, the second a
 * device's cookie, the rest the solution of a challenge. Whatever comes: the client of an untrusted
 * peer is the peer; that of a trusted one is an address, the same when it is read again; and no cookie
 * and no solution is taken, because nobody here knows the keys.
 *
 * Run: origin_fuzz tests/fuzz/corpus/origin
 */
#include "fuzz.h"

#include "net/forwarded.h"
#include "tickets/challenge.h"
#include "tickets/origin.h"

#define NOW_MS 1700000000000LL

static void read_client(struct str header)
{
    struct egress_rules proxies;
    struct egress_address address;
    char client[EGRESS_ADDRESS_TEXT], again[EGRESS_ADDRESS_TEXT];
    const struct request_field fields[] = {{STR("x-forwarded-for"), header}};
    require(egress_rules_parse(STR("10.0.0.0/8, fd00::/8"), &proxies) == ERR_OK);
    forwarded_client(&proxies, "192.0.2.1", fields, 1, client);
    require_eq(str_from_c(client), STR("192.0.2.1"));
    forwarded_client(&proxies, "10.0.0.1", fields, 1, client);
    require(egress_address_parse(str_from_c(client), &address) == ERR_OK);
    /* What is no proxy stands in the header as some notation of that address; alone it is the client. */
    const struct request_field alone[] = {{STR("x-forwarded-for"), str_from_c(client)}};
    forwarded_client(&proxies, "10.0.0.1", alone, 1, again);
    require_eq(str_from_c(client), str_from_c(again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct abuse_keys keys;
    struct challenge_scope scope = {77, 5};
    struct arena arena;
    uint64_t id = 0;
    struct str rest = str_from((const char *)data, size);
    if (crypto_init() != ERR_OK)
        abort();
    abuse_keys_derive(STR("a secret of the fuzzer's own"), &keys);
    read_client(str_split(&rest, '\n'));
    require(origin_device(&keys, str_split(&rest, '\n')) == 0);
    arena_init(&arena, 1u << 20);
    require(challenge_check(&keys, &scope, rest, NOW_MS, &arena, &id) == CHALLENGE_WRONG);
    arena_release(&arena);
    return 0;
}
