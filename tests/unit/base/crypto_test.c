/* Cryptography against published vectors (FIPS 180-4, RFC 4231, RFC 8032, RFC 4648), and the
 * codecs' strictness. */
#include "base/crypto.h"

#include "base/check.h"
#include "base/rand.h"

#define LOOP_LEN_MAX 100

static void assert_hex(const void *data, size_t len, const char *want)
{
    struct buf buf;
    buf_init(&buf, 4096);
    hex_append(&buf, data, len);
    assert_str(buf_str(&buf), want);
    buf_release(&buf);
}

static int start(void **state)
{
    (void)state;
    return crypto_init() == ERR_OK && crypto_init() == ERR_OK ? 0 : -1;
}

static void test_sha256(void **state)
{
    (void)state;
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    uint8_t hash[SHA256_SIZE];
    crypto_sha256(STR("abc"), hash);
    assert_hex(hash, sizeof(hash), abc);
    crypto_sha256_2(STR("a"), STR("bc"), hash);
    assert_hex(hash, sizeof(hash), abc);
    crypto_sha256_2(STR_NONE, STR("abc"), hash);
    assert_hex(hash, sizeof(hash), abc);
    struct crypto_sha256 pieces;
    crypto_sha256_begin(&pieces);
    crypto_sha256_add(&pieces, STR("ab"));
    crypto_sha256_add(&pieces, STR_NONE);
    crypto_sha256_add(&pieces, STR("c"));
    crypto_sha256_end(&pieces, hash);
    assert_hex(hash, sizeof(hash), abc);
    uint8_t sha1[SHA1_SIZE];
    crypto_sha1(STR("abc"), sha1);
    assert_hex(sha1, sizeof(sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
    crypto_sha256(STR_NONE, hash);
    assert_hex(hash, sizeof(hash),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_hmac_sha256(void **state)
{
    (void)state;
    uint8_t mac[SHA256_SIZE];
    crypto_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), mac);
    assert_hex(mac, sizeof(mac),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    char key[131];
    memset(key, 0xAA, sizeof(key)); /* longer than a block of the hash */
    crypto_hmac_sha256(str_from(key, sizeof(key)),
                       STR("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    assert_hex(mac, sizeof(mac),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    crypto_hmac_sha256(STR_NONE, STR_NONE, mac);
    assert_hex(mac, sizeof(mac),
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_equal_and_wipe(void **state)
{
    (void)state;
    char secret[] = "secret";
    assert_true(crypto_equal("abc", "abc", 3));
    assert_false(crypto_equal("abc", "abd", 3));
    assert_true(crypto_equal(NULL, NULL, 0));
    crypto_wipe(secret, sizeof(secret));
    for (size_t i = 0; i < sizeof(secret); i++)
        assert_int_equal(secret[i], 0);
    crypto_wipe(NULL, 0);
}

static void test_ed25519_vector(void **state)
{
    (void)state;
    uint8_t secret[ED25519_SECRET_SIZE], public_key[ED25519_PUBLIC_SIZE], sig[ED25519_SIG_SIZE];
    size_t len;
    /* The library's secret key is the seed followed by the public key. */
    assert_ok(hex_decode(STR("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
                             "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
                         secret, sizeof(secret), &len));
    memcpy(public_key, secret + 32, sizeof(public_key));
    crypto_ed25519_sign(STR("\x72"), secret, sig);
    assert_hex(sig, sizeof(sig),
               "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
               "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    assert_true(crypto_ed25519_verify(STR("\x72"), sig, public_key));
}

static void test_ed25519_refuses_any_change(void **state)
{
    (void)state;
    uint8_t secret[ED25519_SECRET_SIZE], public_key[ED25519_PUBLIC_SIZE], sig[ED25519_SIG_SIZE];
    crypto_ed25519_keypair(public_key, secret);
    crypto_ed25519_sign(STR("ticket 1"), secret, sig);
    assert_true(crypto_ed25519_verify(STR("ticket 1"), sig, public_key));
    assert_false(crypto_ed25519_verify(STR("ticket 2"), sig, public_key));
    for (size_t i = 0; i < sizeof(sig); i++) {
        sig[i] ^= 1;
        assert_false(crypto_ed25519_verify(STR("ticket 1"), sig, public_key));
        sig[i] ^= 1;
    }
    public_key[0] ^= 1;
    assert_false(crypto_ed25519_verify(STR("ticket 1"), sig, public_key));
    crypto_ed25519_sign(STR_NONE, secret, sig);
    public_key[0] ^= 1;
    assert_true(crypto_ed25519_verify(STR_NONE, sig, public_key));
}

static void test_sealing(void **state)
{
    (void)state;
    static const uint8_t key[CRYPTO_SEAL_KEY_SIZE] = {1}, other[CRYPTO_SEAL_KEY_SIZE] = {2};
    struct str plain = STR("a secret of some length");
    uint8_t sealed[64], again[64], opened[64];
    size_t len = plain.len + CRYPTO_SEAL_EXTRA;
    assert_true(len <= sizeof(sealed));
    crypto_seal(plain, key, sealed);
    crypto_seal(plain, key, again);
    assert_memory_not_equal(sealed, again, len);
    assert_null(memmem(sealed, len, "secret", 6));
    assert_ok(crypto_unseal(str_from((const char *)sealed, len), key, opened));
    assert_memory_equal(opened, plain.data, plain.len);
    assert_err(crypto_unseal(str_from((const char *)sealed, len), other, opened), ERR_CORRUPT);
    for (size_t i = 0; i < len; i++) {
        sealed[i] ^= 1;
        assert_err(crypto_unseal(str_from((const char *)sealed, len), key, opened), ERR_CORRUPT);
        sealed[i] ^= 1;
        assert_err(crypto_unseal(str_from((const char *)sealed, i), key, opened), ERR_CORRUPT);
    }
    crypto_seal(STR_NONE, key, sealed);
    assert_ok(crypto_unseal(str_from((const char *)sealed, CRYPTO_SEAL_EXTRA), key, opened));
}

static void test_passwords(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_SIZE], again[PASSWORD_HASH_SIZE];
    assert_ok(crypto_password_hash(STR("correct horse"), hash));
    assert_ok(crypto_password_hash(STR("correct horse"), again));
    assert_string_not_equal(hash, again); /* salted */
    assert_int_equal(strncmp(hash, "$argon2id$", 10), 0);
    assert_true(crypto_password_verify(STR("correct horse"), hash));
    assert_true(crypto_password_verify(STR("correct horse"), again));
    assert_false(crypto_password_verify(STR("correct horsf"), hash));
    assert_false(crypto_password_verify(STR_NONE, hash));
    assert_false(crypto_password_verify(STR("correct horse"), ""));
    assert_false(crypto_password_verify(STR("correct horse"), "$argon2id$nonsense"));
}

static void test_hex(void **state)
{
    (void)state;
    uint8_t data[4] = {9, 9, 9, 9};
    size_t len = 77;
    assert_hex("\x00\x01\xAB\xFF", 4, "0001abff");
    assert_hex("", 0, "");
    assert_ok(hex_decode(STR("00abff"), data, sizeof(data), &len));
    assert_int_equal(len, 3);
    assert_memory_equal(data, "\x00\xAB\xFF\x09", 4);
    assert_ok(hex_decode(STR_NONE, data, sizeof(data), &len));
    assert_int_equal(len, 0);
    static const char *const bad[] = {"0",          "0g", "AB", "0x", " 0",    "000",
                                      "0000000000", "0/", "0:", "`0", "00abFF"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_err(hex_decode(str_from_c(bad[i]), data, sizeof(data), &len), ERR_INVALID);
}

struct base64_vector {
    const char *plain, *padded, *url;
};

static void test_base64_vectors(void **state)
{
    (void)state;
    static const struct base64_vector vectors[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"\xFB\xFF\xBF", "+/+/", "-_-_"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct base64_vector *vector = &vectors[i];
        struct buf buf;
        uint8_t data[16];
        size_t len;
        buf_init(&buf, 100);
        base64_append(&buf, vector->plain, strlen(vector->plain));
        assert_str(buf_str(&buf), vector->padded);
        buf_clear(&buf);
        base64url_append(&buf, vector->plain, strlen(vector->plain));
        assert_str(buf_str(&buf), vector->url);
        buf_release(&buf);
        assert_ok(base64_decode(str_from_c(vector->padded), data, sizeof(data), &len));
        assert_str(str_from((char *)data, len), vector->plain);
        assert_ok(base64url_decode(str_from_c(vector->url), data, sizeof(data), &len));
        assert_str(str_from((char *)data, len), vector->plain);
    }
}

static void test_base64_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"Zg",    "Zg=",   "Zg===",  "Zh==", "Zm9=", "Z",       "====",
                                      "Zm9v ", " Zm9v", "Zm\n9v", "Zm9-", "Zm9*", "Zg==Zg=="};
    uint8_t data[64];
    size_t len = 77;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_err(base64_decode(str_from_c(bad[i]), data, sizeof(data), &len), ERR_INVALID);
    static const char *const bad_url[] = {"Zg==", "Zh", "Zm9", "Z", "Zm9v+/+/", "Zm9v=", "Zm9v "};
    for (size_t i = 0; i < sizeof(bad_url) / sizeof(bad_url[0]); i++)
        assert_err(base64url_decode(str_from_c(bad_url[i]), data, sizeof(data), &len), ERR_INVALID);
    assert_err(base64_decode(STR("Zm9vYg=="), data, 3, &len), ERR_INVALID);
    assert_int_equal(len, 77);
}

static void test_base64_has_64_digits(void **state)
{
    (void)state;
    char text[4] = {'Z', 'm', '9', 'v'};
    uint8_t data[4];
    size_t len, taken = 0, taken_url = 0;
    for (int c = 0; c < 256; c++) {
        text[1] = (char)c;
        taken += base64_decode(str_from(text, 4), data, sizeof(data), &len) == ERR_OK;
        taken_url += base64url_decode(str_from(text, 4), data, sizeof(data), &len) == ERR_OK;
    }
    assert_int_equal(taken, 64);
    assert_int_equal(taken_url, 64);
}

static void test_codecs_round_trip(void **state)
{
    (void)state;
    uint8_t data[LOOP_LEN_MAX], back[LOOP_LEN_MAX];
    for (size_t len = 0; len <= LOOP_LEN_MAX; len++) {
        struct buf buf;
        size_t back_len;
        rand_bytes(data, len);
        buf_init(&buf, 1000);
        base64_append(&buf, data, len);
        assert_ok(base64_decode(buf_str(&buf), back, sizeof(back), &back_len));
        assert_int_equal(back_len, len);
        assert_memory_equal(data, back, len);
        buf_clear(&buf);
        base64url_append(&buf, data, len);
        assert_ok(base64url_decode(buf_str(&buf), back, sizeof(back), &back_len));
        assert_int_equal(back_len, len);
        assert_memory_equal(data, back, len);
        buf_release(&buf);
    }
}

static void test_codecs_respect_the_buffer(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    base64_append(&buf, "foo", 3);
    assert_false(buf.overflow);
    assert_str(buf_str(&buf), "Zm9v");
    base64_append(&buf, "f", 1);
    assert_true(buf.overflow);
    assert_str(buf_str(&buf), "Zm9v");
    buf_clear(&buf);
    hex_append(&buf, "abc", 3);
    assert_true(buf.overflow);
    assert_int_equal(buf.len, 0);
    buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac_sha256),
        cmocka_unit_test(test_equal_and_wipe),
        cmocka_unit_test(test_ed25519_vector),
        cmocka_unit_test(test_ed25519_refuses_any_change),
        cmocka_unit_test(test_sealing),
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(test_base64_refuses),
        cmocka_unit_test(test_base64_has_64_digits),
        cmocka_unit_test(test_codecs_round_trip),
        cmocka_unit_test(test_codecs_respect_the_buffer),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
