/* Challenges and origins: what is ours is taken, and nothing that was changed. */
#include "base/check.h"

#include <stdio.h>

#include "base/json.h"
#include "tickets/challenge.h"
#include "tickets/limits.h"
#include "tickets/origin.h"

#define NOW_MS 1700000000000LL

static struct abuse_keys keys, other_keys;
static const struct challenge_scope scope = {77, 5}, other_account = {77, 6}, other_event = {78, 5};

static int setup(void **state)
{
    (void)state;
    assert_ok(crypto_init());
    abuse_keys_derive(STR("secret"), &keys);
    abuse_keys_derive(STR("another"), &other_keys);
    return 0;
}

/* The number that solves it. */
static int64_t solve(const struct challenge *challenge)
{
    for (int64_t number = 0; number <= CHALLENGE_NUMBER_MAX; number++) {
        char text[24], hex[CHALLENGE_HEX_SIZE];
        uint8_t hash[SHA256_SIZE];
        int len = snprintf(text, sizeof(text), "%lld", (long long)number);
        crypto_sha256_2(str_from_c(challenge->salt), str_from(text, (size_t)len), hash);
        struct buf out = {.data = hex, .cap = sizeof(hex) - 1, .max = sizeof(hex) - 1};
        hex_append(&out, hash, sizeof(hash));
        hex[out.len] = '\0';
        if (strcmp(hex, challenge->challenge) == 0)
            return number;
    }
    fail_msg("%s has no solution", challenge->salt);
    return -1;
}

/* What the widget sends. */
static struct str payload_of(struct arena *arena, const struct challenge *challenge, int64_t number)
{
    struct str json = arena_printf(
        arena,
        "{\"algorithm\":\"SHA-256\",\"challenge\":\"%s\",\"number\":%lld,\"salt\":\"%s\","
        "\"signature\":\"%s\",\"took\":12}",
        challenge->challenge, (long long)number, challenge->salt, challenge->signature);
    struct buf *out = buf_new_in(arena, 4096);
    assert_non_null(out);
    base64_append(out, json.data, json.len);
    return buf_str(out);
}

static enum challenge_verdict check(const struct challenge *challenge, int64_t number,
                                    const struct challenge_scope *whose, int64_t now_ms,
                                    uint64_t *ret_id)
{
    struct arena arena;
    arena_init(&arena, 1u << 20);
    enum challenge_verdict verdict = challenge_check(
        &keys, whose, payload_of(&arena, challenge, number), now_ms, &arena, ret_id);
    arena_release(&arena);
    return verdict;
}

static void a_solution_is_taken_for_its_account_and_event_until_it_expires(void **state)
{
    (void)state;
    struct challenge challenge;
    uint64_t id = 0, again = 0;
    challenge_make(&keys, &scope, NOW_MS, &challenge);
    int64_t number = solve(&challenge);
    assert_int_equal(check(&challenge, number, &scope, NOW_MS, &id), CHALLENGE_SOLVED);
    assert_true(id > 0 && id <= INT64_MAX);
    assert_int_equal(check(&challenge, number, &scope, NOW_MS + CHALLENGE_MS - 1000, &again),
                     CHALLENGE_SOLVED);
    assert_true(id == again);
    assert_int_equal(check(&challenge, number, &scope, NOW_MS + CHALLENGE_MS, &id),
                     CHALLENGE_EXPIRED);
    assert_int_equal(check(&challenge, number, &other_account, NOW_MS, &id), CHALLENGE_WRONG);
    assert_int_equal(check(&challenge, number, &other_event, NOW_MS, &id), CHALLENGE_WRONG);
    assert_int_equal(check(&challenge, number + 1, &scope, NOW_MS, &id), CHALLENGE_WRONG);
    struct challenge second;
    challenge_make(&keys, &scope, NOW_MS, &second);
    assert_int_equal(check(&second, solve(&second), &scope, NOW_MS, &again), CHALLENGE_SOLVED);
    assert_true(id != again);
}

/* Digits that move between salt and number leave the hash as it is. */
static void a_digit_cannot_move_from_the_number_to_the_salt(void **state)
{
    (void)state;
    struct challenge challenge, spliced;
    uint64_t id = 0;
    int64_t number = 0;
    do {
        challenge_make(&keys, &scope, NOW_MS, &challenge);
        number = solve(&challenge);
    } while (number < 10000);
    spliced = challenge;
    char digits[24];
    (void)snprintf(digits, sizeof(digits), "%lld", (long long)(number / 1000));
    assert_true(strlen(spliced.salt) + strlen(digits) < sizeof(spliced.salt));
    strcat(spliced.salt, digits);
    assert_int_equal(check(&spliced, number % 1000, &scope, NOW_MS, &id), CHALLENGE_WRONG);
}

static void what_is_changed_is_not_ours(void **state)
{
    (void)state;
    struct challenge challenge;
    uint64_t id = 0;
    challenge_make(&keys, &scope, NOW_MS, &challenge);
    int64_t number = solve(&challenge);
    for (size_t i = 0; challenge.salt[i]; i++) {
        struct challenge changed = challenge;
        changed.salt[i] = changed.salt[i] == '1' ? '2' : '1';
        assert_int_equal(check(&changed, number, &scope, NOW_MS, &id), CHALLENGE_WRONG);
    }
    for (size_t i = 0; challenge.signature[i]; i++) {
        struct challenge changed = challenge;
        changed.signature[i] = changed.signature[i] == 'a' ? 'b' : 'a';
        assert_int_equal(check(&changed, number, &scope, NOW_MS, &id), CHALLENGE_WRONG);
    }
    challenge_make(&other_keys, &scope, NOW_MS, &challenge);
    assert_int_equal(check(&challenge, solve(&challenge), &scope, NOW_MS, &id), CHALLENGE_WRONG);
}

static void devices_cannot_be_made_up(void **state)
{
    (void)state;
    char cookie[DEVICE_COOKIE_SIZE];
    uint64_t device = origin_new_device(&keys, cookie);
    assert_true(device > 0);
    assert_true(origin_device(&keys, str_from_c(cookie)) == device);
    assert_true(origin_device(&other_keys, str_from_c(cookie)) == 0);
    assert_true(origin_device(&keys, STR("")) == 0);
    for (size_t i = 0; i < DEVICE_COOKIE_SIZE - 1; i++) {
        char changed[DEVICE_COOKIE_SIZE];
        memcpy(changed, cookie, sizeof(changed));
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_true(origin_device(&keys, str_from_c(changed)) == 0);
    }
}

static void networks_are_prefixes(void **state)
{
    (void)state;
    uint64_t network = origin_network(&keys, STR("192.0.2.1"));
    assert_true(network > 0 && network <= INT64_MAX);
    assert_true(origin_network(&keys, STR("192.0.2.254")) == network);
    assert_true(origin_network(&keys, STR("192.0.3.1")) != network);
    assert_true(origin_network(&other_keys, STR("192.0.2.1")) != network);
    network = origin_network(&keys, STR("2001:db8:1:2::3"));
    assert_true(origin_network(&keys, STR("2001:db8:1:ffff::")) == network);
    assert_true(origin_network(&keys, STR("2001:db8:2::")) != network);
    assert_true(origin_network(&keys, STR("not an address")) == 0);
}

static void cards_are_their_providers(void **state)
{
    (void)state;
    uint64_t card = origin_card(&keys, STR("stripe"), STR("abc"));
    assert_true(card > 0);
    assert_true(origin_card(&keys, STR("stripe"), STR("abc")) == card);
    assert_true(origin_card(&keys, STR("sandbox"), STR("abc")) != card);
    assert_true(origin_card(&keys, STR("stripe"), STR("abd")) != card);
    assert_true(origin_card(&keys, STR("stripe"), STR_NONE) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_solution_is_taken_for_its_account_and_event_until_it_expires),
        cmocka_unit_test(a_digit_cannot_move_from_the_number_to_the_salt),
        cmocka_unit_test(what_is_changed_is_not_ours),
        cmocka_unit_test(devices_cannot_be_made_up),
        cmocka_unit_test(networks_are_prefixes),
        cmocka_unit_test(cards_are_their_providers),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
