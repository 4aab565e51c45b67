/* Signatures against the published vector of Standard Webhooks, and against the reader of callbacks
 * that tickets has. The official libraries verify what is delivered in tests/e2e/hooks-delivery. */
#include "base/check.h"

#include "base/crypto.h"
#include "hooks/signing.h"
#include "tickets/signature.h"

static const char *line(const struct signing_headers *headers, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < headers->count; i++)
        if (strncmp(headers->lines[i], name, len) == 0 && headers->lines[i][len] == ':')
            return headers->lines[i] + len + 2;
    return NULL;
}

static struct str key_of(const char *base64, uint8_t key[static SIGNING_KEY_BYTES_MAX])
{
    size_t len;
    assert_ok(base64_decode(str_from_c(base64), key, SIGNING_KEY_BYTES_MAX, &len));
    return str_from((const char *)key, len);
}

static void the_published_vector(void **state)
{
    (void)state;
    uint8_t key[SIGNING_KEY_BYTES_MAX];
    struct signing signing = {.message_id = STR("msg_p5jXN8AQM9LWM0D4loKWxJek"),
                              .at_ms = 1614265330999,
                              .body = STR("{\"test\": 2432232314}"),
                              .is_standard = true,
                              .keys = {key_of("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", key)},
                              .key_count = 1};
    struct signing_headers headers;
    assert_ok(signing_headers_make(&signing, &headers));
    assert_int_equal(headers.count, 6);
    assert_string_equal(line(&headers, "webhook-id"), "msg_p5jXN8AQM9LWM0D4loKWxJek");
    assert_string_equal(line(&headers, "webhook-timestamp"), "1614265330");
    assert_string_equal(line(&headers, "webhook-signature"),
                        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_string_equal(line(&headers, "svix-signature"), line(&headers, "webhook-signature"));
    assert_null(line(&headers, "foyer-signature"));
    signing.body = STR("{\"test\": 2432232315}");
    assert_ok(signing_headers_make(&signing, &headers));
    assert_string_not_equal(line(&headers, "webhook-signature"),
                            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static enum err verify(const struct signing_headers *headers, struct str key, struct str body)
{
    char secret[SIGNING_SECRET_TEXT_MAX];
    int64_t at_ms;
    signing_secret_text(key, secret);
    struct signature_check check = {.secrets = str_from_c(secret),
                                    .header = str_from_c(line(headers, "foyer-signature")),
                                    .body = body,
                                    .now_ms = 1700000000000,
                                    .tolerance_ms = 300000};
    return signature_verify(&check, &at_ms);
}

static void both_keys_sign_while_one_is_rotated(void **state)
{
    (void)state;
    struct str new_key = STR("new key of 24 bytes or so"),
               old_key = STR("the old key of 24 bytes!!");
    struct signing signing = {.message_id = STR("msg_1"),
                              .at_ms = 1700000000000,
                              .body = STR("{}"),
                              .is_standard = true,
                              .is_timestamped = true,
                              .keys = {new_key, old_key},
                              .key_count = 2};
    struct signing_headers headers;
    assert_ok(signing_headers_make(&signing, &headers));
    assert_int_equal(headers.count, SIGNING_HEADERS_MAX);
    assert_ok(verify(&headers, new_key, STR("{}")));
    assert_ok(verify(&headers, old_key, STR("{}")));
    assert_err(verify(&headers, STR("some other key of 24 bytes"), STR("{}")), ERR_DENIED);
    assert_err(verify(&headers, new_key, STR("{ }")), ERR_DENIED);
    struct str both = str_from_c(line(&headers, "webhook-signature"));
    assert_int_equal(both.len, 2 * 47 + 1);
    assert_int_equal(str_find(both, ' ', 0), 47);
    signing.at_ms -= 400000;
    assert_ok(signing_headers_make(&signing, &headers));
    assert_err(verify(&headers, new_key, STR("{}")), ERR_TIMEOUT);
}

static void formats_and_limits(void **state)
{
    (void)state;
    static char longest[SIGNING_KEY_BYTES_MAX + 1];
    struct signing signing = {.message_id = STR("msg_1"), .is_timestamped = true};
    struct signing_headers headers;
    assert_err(signing_headers_make(&signing, &headers), ERR_INVALID); /* no key */
    for (size_t i = 0; i < SIGNING_KEYS_MAX; i++)
        signing.keys[i] = str_from(longest, SIGNING_KEY_BYTES_MAX);
    signing.key_count = SIGNING_KEYS_MAX;
    assert_ok(signing_headers_make(&signing, &headers));
    assert_int_equal(headers.count, 1);
    assert_non_null(strstr(line(&headers, "foyer-signature"), "t=0,v1="));
    signing.is_standard = true;
    signing.at_ms = INT64_MAX;
    assert_ok(signing_headers_make(&signing, &headers));
    assert_int_equal(strlen(line(&headers, "webhook-signature")), SIGNING_KEYS_MAX * 48 - 1);
    signing.keys[4].len++;
    assert_err(signing_headers_make(&signing, &headers), ERR_INVALID);
    signing.key_count = SIGNING_KEYS_MAX + 1;
    assert_err(signing_headers_make(&signing, &headers), ERR_INVALID);
}

/* RFC 8032, 7.1, test 1: its key pair. */
static void key_pairs_sign_the_standard_form_alone(void **state)
{
    (void)state;
    static const char seed[] = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    static const char public_hex[] =
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    uint8_t bytes[32], public_key[32], secret[64], expected[32], signature[64];
    size_t len;
    assert_ok(hex_decode(str_from_c(seed), bytes, sizeof(bytes), &len));
    assert_ok(hex_decode(str_from_c(public_hex), expected, sizeof(expected), &len));
    crypto_ed25519_from_seed(bytes, public_key, secret);
    assert_memory_equal(public_key, expected, sizeof(expected));
    struct signing signing = {.message_id = STR("msg_1"),
                              .at_ms = 1700000000000,
                              .body = STR("{}"),
                              .is_standard = true,
                              .is_timestamped = true,
                              .keys = {str_from((const char *)secret, sizeof(secret))},
                              .is_ed25519 = {true},
                              .key_count = 1};
    struct signing_headers headers;
    assert_ok(signing_headers_make(&signing, &headers));
    assert_int_equal(headers.count, SIGNING_HEADERS_MAX - 1);
    struct str value = str_from_c(line(&headers, "webhook-signature"));
    assert_true(str_starts_with(value, STR("v1a,")));
    assert_ok(base64_decode(str_sub(value, 4, value.len), signature, sizeof(signature), &len));
    assert_true(crypto_ed25519_verify(STR("msg_1.1700000000.{}"), signature, public_key));
    assert_false(crypto_ed25519_verify(STR("msg_1.1700000000.{ }"), signature, public_key));
    /* All of the keys that there may be have room, and one that is cut is refused. */
    for (size_t i = 0; i < SIGNING_KEYS_MAX; i++) {
        signing.keys[i] = signing.keys[0];
        signing.is_ed25519[i] = true;
    }
    signing.key_count = SIGNING_KEYS_MAX;
    assert_ok(signing_headers_make(&signing, &headers));
    assert_int_equal(strlen(line(&headers, "webhook-signature")), SIGNING_KEYS_MAX * 93 - 1);
    signing.keys[2].len--;
    assert_err(signing_headers_make(&signing, &headers), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vector),
        cmocka_unit_test(both_keys_sign_while_one_is_rotated),
        cmocka_unit_test(formats_and_limits),
        cmocka_unit_test(key_pairs_sign_the_standard_form_alone),
    };
    return crypto_init() == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
