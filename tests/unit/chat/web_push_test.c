/* Web Push against the example of RFC 8291 (section 5 and appendix A), and signatures that verify. */
#include "base/check.h"

#include "base/crypto.h"
#include "chat/web_push.h"

static void read_base64(const char *text, uint8_t *ret_bytes, size_t size)
{
    size_t len = 0;
    assert_ok(base64url_decode(str_from_c(text), ret_bytes, size, &len));
    assert_int_equal(len, size);
}

#define UA_PUBLIC                                                                                  \
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
#define AUTH "BTBZMqHH6r4Tts7J_aSIgg"

static void example_target(struct web_push_target *ret_target)
{
    *ret_target = (struct web_push_target){.endpoint = STR("https://push.example.net/push/x")};
    read_base64(UA_PUBLIC, ret_target->public_key, P256_PUBLIC_SIZE);
    read_base64(AUTH, ret_target->auth, WEB_PUSH_AUTH_SIZE);
}

static void example_seed(struct web_push_seed *ret_seed)
{
    read_base64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", ret_seed->key.secret,
                P256_SECRET_SIZE);
    read_base64(
        "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
        ret_seed->key.public_key, P256_PUBLIC_SIZE);
    read_base64("DGv6ra1nlYgDCS1FRnbzlw", ret_seed->salt, WEB_PUSH_SALT_SIZE);
}

static void test_example_of_the_rfc(void **state)
{
    (void)state;
    struct web_push_target target;
    struct web_push_seed seed;
    struct buf body, text;
    example_target(&target);
    example_seed(&seed);
    buf_init(&body, WEB_PUSH_BODY_MAX);
    buf_init(&text, 2 * WEB_PUSH_BODY_MAX);
    assert_ok(
        web_push_seal(&target, &seed, STR("When I grow up, I want to be a watermelon"), 0, &body));
    base64url_append(&text, body.data, body.len);
    assert_str(
        buf_str(&text),
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLoc"
        "InmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLV"
        "WGNWQexSgSxsj_Qulcy4a-fN");
    buf_release(&body);
    buf_release(&text);
}

static void test_lengths(void **state)
{
    (void)state;
    static char text[WEB_PUSH_PLAIN_MAX + 1];
    struct web_push_target target;
    struct web_push_seed seed;
    struct buf body;
    example_target(&target);
    assert_ok(web_push_seed_make(&seed));
    memset(text, 'x', sizeof(text));
    buf_init(&body, WEB_PUSH_BODY_MAX);
    const size_t overhead = WEB_PUSH_HEAD_SIZE + AES128_TAG_SIZE + 1;
    assert_ok(web_push_seal(&target, &seed, STR(""), 256, &body));
    assert_int_equal(body.len, overhead);
    buf_clear(&body);
    assert_ok(web_push_seal(&target, &seed, STR("x"), 256, &body));
    assert_int_equal(body.len, overhead + 256);
    buf_clear(&body);
    assert_ok(web_push_seal(&target, &seed, str_from(text, WEB_PUSH_PLAIN_MAX), 256, &body));
    assert_int_equal(body.len, WEB_PUSH_BODY_MAX);
    assert_int_equal(web_push_seal(&target, &seed, str_from(text, sizeof(text)), 256, &body),
                     ERR_LIMIT);
    buf_release(&body);
}

static void test_what_is_no_point_is_refused(void **state)
{
    (void)state;
    struct web_push_target target;
    struct web_push_seed seed;
    struct buf body;
    example_target(&target);
    example_seed(&seed);
    buf_init(&body, WEB_PUSH_BODY_MAX);
    assert_true(p256_is_public(target.public_key));
    target.public_key[40] ^= 1;
    assert_false(p256_is_public(target.public_key));
    assert_int_equal(web_push_seal(&target, &seed, STR("x"), 0, &body), ERR_INVALID);
    memset(target.public_key, 0, sizeof(target.public_key));
    assert_false(p256_is_public(target.public_key));
    buf_release(&body);
}

static void test_shared_secrets_agree(void **state)
{
    (void)state;
    struct p256_key a, b;
    uint8_t ab[P256_SHARED_SIZE], ba[P256_SHARED_SIZE];
    for (int i = 0; i < 50; i++) {
        assert_ok(p256_key_make(&a));
        assert_ok(p256_key_make(&b));
        assert_true(p256_is_public(a.public_key));
        assert_ok(p256_shared(&a, b.public_key, ab));
        assert_ok(p256_shared(&b, a.public_key, ba));
        assert_memory_equal(ab, ba, sizeof(ab));
    }
}

static void test_origins(void **state)
{
    (void)state;
    assert_str(web_push_origin(STR("https://push.example/a?b")), "https://push.example");
    assert_str(web_push_origin(STR("https://push.example:8443/")), "https://push.example:8443");
    assert_str(web_push_origin(STR("http://127.0.0.1:1?x")), "http://127.0.0.1:1");
    assert_str(web_push_origin(STR("https://push.example")), "https://push.example");
}

static void test_authorization(void **state)
{
    (void)state;
    struct p256_key key;
    struct buf value;
    uint8_t claims[256];
    size_t len = 0;
    assert_ok(p256_key_make(&key));
    buf_init(&value, 2048);
    assert_ok(web_push_authorize(&key, STR("https://push.example/1"), STR("mailto:a@b.example"),
                                 1700000000123, &value));
    struct str rest = buf_str(&value);
    assert_true(str_starts_with(rest, STR("vapid t=")));
    (void)str_split(&rest, '.');
    assert_ok(base64url_decode(str_split(&rest, '.'), claims, sizeof(claims), &len));
    assert_str(
        str_from((const char *)claims, len),
        "{\"aud\":\"https://push.example\",\"exp\":1700000000,\"sub\":\"mailto:a@b.example\"}");
    buf_release(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example_of_the_rfc),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_what_is_no_point_is_refused),
        cmocka_unit_test(test_shared_secrets_agree),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_authorization),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
