/* Signatures of callbacks: vectors computed elsewhere, rotation, replay window, forgery, malformed
 * headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/crypto.h"
#include "tickets/signature.h"

#define SECRET "whsec_test_secret"
#define BODY   "{\"id\":\"evt_1\",\"object\":\"event\"}"
#define AT_S   1700000000LL
/* printf '1700000000.{"id":"evt_1","object":"event"}' | openssl dgst -sha256 -hmac
 * whsec_test_secret */
#define MAC "0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd"

static enum err verify_at(const char *header, const char *secrets, const char *body, int64_t now_ms)
{
    struct signature_check check = {.secrets = str_from_c(secrets),
                                    .header = str_from_c(header),
                                    .body = str_from_c(body),
                                    .now_ms = now_ms,
                                    .tolerance_ms = 300000};
    int64_t signed_at_ms = -1;
    enum err err = signature_verify(&check, &signed_at_ms);
    assert_int_equal(signed_at_ms, err ? -1 : AT_S * 1000);
    return err;
}

static enum err verify(const char *header)
{
    return verify_at(header, SECRET, BODY, AT_S * 1000 + 1234);
}

static void the_known_vector_is_good(void **state)
{
    (void)state;
    assert_int_equal(verify("t=1700000000,v1=" MAC), ERR_OK);
    struct buf header;
    buf_init(&header, 256);
    signature_append(&header, STR(SECRET), AT_S * 1000 + 999, STR(BODY));
    assert_true(str_eq(buf_str(&header), STR("t=1700000000,v1=" MAC)));
    buf_release(&header);
}

static void one_good_signature_among_others_is_enough(void **state)
{
    (void)state;
    char bad[65] = {0};
    memset(bad, 'a', 64);
    char header[512];
    snprintf(header, sizeof(header), "t=1700000000,v1=%s,v1=%s,v0=%s", bad, MAC, bad);
    assert_int_equal(verify(header), ERR_OK);
    assert_int_equal(verify("v1=" MAC ", t=1700000000"), ERR_OK);
    snprintf(header, sizeof(header), "t=1700000000,v1=%s,v0=%s", bad, MAC); /* v0 proves nothing */
    assert_int_equal(verify(header), ERR_DENIED);
}

static void any_current_secret_may_sign(void **state)
{
    (void)state;
    const char *header = "t=1700000000,v1=" MAC;
    assert_int_equal(verify_at(header, "whsec_new," SECRET, BODY, AT_S * 1000), ERR_OK);
    assert_int_equal(verify_at(header, SECRET " , whsec_new", BODY, AT_S * 1000), ERR_OK);
    assert_int_equal(verify_at(header, "whsec_new", BODY, AT_S * 1000), ERR_DENIED);
    assert_int_equal(verify_at(header, "", BODY, AT_S * 1000), ERR_DENIED);
    assert_int_equal(verify_at(header, ",,", BODY, AT_S * 1000), ERR_DENIED);
}

static void five_minutes_either_way(void **state)
{
    (void)state;
    const char *header = "t=1700000000,v1=" MAC;
    assert_int_equal(verify_at(header, SECRET, BODY, AT_S * 1000 + 300000), ERR_OK);
    assert_int_equal(verify_at(header, SECRET, BODY, AT_S * 1000 + 300999), ERR_OK);
    assert_int_equal(verify_at(header, SECRET, BODY, AT_S * 1000 + 301000), ERR_TIMEOUT);
    assert_int_equal(verify_at(header, SECRET, BODY, AT_S * 1000 - 300000), ERR_OK);
    assert_int_equal(verify_at(header, SECRET, BODY, AT_S * 1000 - 300001), ERR_TIMEOUT);
    /* A forger does not learn about time. */
    assert_int_equal(verify_at(header, "other", BODY, AT_S * 1000 + 301000), ERR_DENIED);
}

static void changed_bytes_are_refused(void **state)
{
    (void)state;
    const char *header = "t=1700000000,v1=" MAC;
    assert_int_equal(verify_at(header, SECRET, BODY " ", AT_S * 1000), ERR_DENIED);
    assert_int_equal(verify_at(header, SECRET, "", AT_S * 1000), ERR_DENIED);
    assert_int_equal(verify("t=1700000001,v1=" MAC), ERR_DENIED);
    assert_int_equal(verify("t=01700000000,v1=" MAC), ERR_DENIED); /* the same time, other bytes */
    char mac[] = MAC;
    for (size_t i = 0; i < sizeof(mac) - 1; i++) {
        char kept = mac[i], flipped[128];
        mac[i] = kept == '0' ? '1' : '0';
        snprintf(flipped, sizeof(flipped), "t=1700000000,v1=%s", mac);
        assert_int_equal(verify(flipped), ERR_DENIED);
        mac[i] = kept;
    }
}

static void malformed_headers_are_invalid(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "",
        ",",
        "t=",
        "t=1700000000",
        "v1=" MAC,
        "t=,v1=" MAC,
        "t=x,v1=" MAC,
        "t=-5,v1=" MAC,
        "t=1700000000,t=1700000000,v1=" MAC,
        "t=99999999999999999999,v1=" MAC,
        "t=9223372036854775807,v1=" MAC,
        "T=1700000000,V1=" MAC,
        "t=1,v1=a,v1=a,v1=a,v1=a,v1=a,v1=a,v1=a,v1=a,v1=a,v1=a,v1=a,v1=a,v1=a,v1=a,v1=a,v1=a",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        assert_int_equal(verify(headers[i]), ERR_INVALID);
    assert_int_equal(verify("t=1700000000,v1=zz"), ERR_DENIED);
    assert_int_equal(verify("t=1700000000,v1="), ERR_DENIED);
    assert_int_equal(verify("t=1700000000,v1=" MAC "00"), ERR_DENIED);
    char longest[SIGNATURE_HEADER_MAX + 16];
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, "t=1700000000,v1=", 16);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(verify(longest), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_vector_is_good),
        cmocka_unit_test(one_good_signature_among_others_is_enough),
        cmocka_unit_test(any_current_secret_may_sign),
        cmocka_unit_test(five_minutes_either_way),
        cmocka_unit_test(changed_bytes_are_refused),
        cmocka_unit_test(malformed_headers_are_invalid),
    };
    return crypto_init() == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
