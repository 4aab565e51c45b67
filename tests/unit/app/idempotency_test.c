/* Keys and what they are compared by; their rows are tested through dispatch (replay_test). */
#include "app/bare_call.h"
#include "app/idempotency.h"
#include "app/identity.h"
#include "base/crypto.h"

static void keys_are_visible_ascii(void **state)
{
    (void)state;
    char longest[IDEMPOTENCY_KEY_MAX + 1];
    memset(longest, 'k', sizeof(longest));
    assert_true(idempotency_key_is_valid(STR("a")));
    assert_true(idempotency_key_is_valid(STR("\"8e03978e-40d5\"~!")));
    assert_true(idempotency_key_is_valid(str_from(longest, IDEMPOTENCY_KEY_MAX)));
    assert_false(idempotency_key_is_valid(str_from(longest, IDEMPOTENCY_KEY_MAX + 1)));
    assert_false(idempotency_key_is_valid(STR("")));
    assert_false(idempotency_key_is_valid(STR("a b")));
    assert_false(idempotency_key_is_valid(STR("a\x7f")));
    assert_false(idempotency_key_is_valid(STR("\xc3\xa4")));
}

static void hash_of(enum http_method method, struct str path, struct str query, struct str body,
                    uint8_t ret_hash[static SHA256_SIZE])
{
    struct bare_call bare;
    bare_call_init(&bare);
    bare.request.method = method;
    bare.request.path = path;
    bare.request.query = query;
    bare.request.body = body;
    assert_ok(idempotency_hash_body(&bare.request, ret_hash));
    bare_call_release(&bare);
}

static void every_part_of_the_request_counts(void **state)
{
    (void)state;
    uint8_t hashes[7][SHA256_SIZE];
    hash_of(HTTP_POST, STR("/a"), STR_NONE, STR("{}"), hashes[0]);
    hash_of(HTTP_PUT, STR("/a"), STR_NONE, STR("{}"), hashes[1]);
    hash_of(HTTP_POST, STR("/b"), STR_NONE, STR("{}"), hashes[2]);
    hash_of(HTTP_POST, STR("/a"), STR("q=1"), STR("{}"), hashes[3]);
    hash_of(HTTP_POST, STR("/a"), STR_NONE, STR("{ }"), hashes[4]);
    hash_of(HTTP_POST, STR("/a"), STR_NONE, STR_NONE, hashes[5]);
    hash_of(HTTP_POST, STR("/a\n{}"), STR_NONE, STR_NONE, hashes[6]);
    for (size_t i = 0; i < 7; i++) {
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(hashes[i], hashes[j], SHA256_SIZE);
    }
    hash_of(HTTP_POST, STR("/a"), STR_NONE, STR("{}"), hashes[1]);
    assert_memory_equal(hashes[0], hashes[1], SHA256_SIZE);
}

static uint64_t id_for(const struct caller *caller)
{
    struct bare_call bare;
    struct idempotency_key key;
    bare_call_init(&bare);
    bare.call.caller = caller;
    bare.call.idempotency_key = STR("k");
    idempotency_key_init(&key, &bare.call);
    bare_call_release(&bare);
    return key.caller_id;
}

static void key_belongs_to_the_account(void **state)
{
    (void)state;
    struct caller session = {.account_id = 5, .session_id = 6};
    struct caller key = {.account_id = 5, .key_id = 7};
    struct caller operator_key = {.key_id = 8};
    assert_int_equal(id_for(&session), 5);
    assert_int_equal(id_for(&key), 5);
    assert_int_equal(id_for(&operator_key), 8);
    assert_int_equal(id_for(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_visible_ascii),
        cmocka_unit_test(every_part_of_the_request_counts),
        cmocka_unit_test(key_belongs_to_the_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
