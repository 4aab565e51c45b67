/* The second factor: RFC 6238's and RFC 4226's test vectors, what codes look like, and that a code counts once
 * whichever of two log-ins comes first. */
#include "app/identity_totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "app/identity_store.h"

#define ACCOUNT 7
#define NOW_MS  1700000000000LL

static const uint8_t rfc_secret[] = "12345678901234567890";

/* RFC 6238, appendix B, SHA-1: eight digits. */
static void time_codes_are_those_of_the_rfc(void **state)
{
    static const struct {
        int64_t time_s;
        uint32_t digits;
    } vectors[] = {
        {59, 94287082},         {1111111109, 7081804},  {1111111111, 14050471},
        {1234567890, 89005924}, {2000000000, 69279037}, {20000000000, 65353130},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char code[TOTP_CODE_SIZE], wanted[16];
        int64_t step = totp_step_at(vectors[i].time_s * 1000);
        uint32_t number =
            totp_number(str_from((const char *)rfc_secret, TOTP_SECRET_SIZE), (uint64_t)step);
        assert_int_equal(number % 100000000, vectors[i].digits);
        totp_code(rfc_secret, step, code);
        (void)snprintf(wanted, sizeof(wanted), "%06u", (unsigned)(vectors[i].digits % 1000000));
        assert_string_equal(code, wanted);
    }
}

/* RFC 4226, appendix D: six digits of the first ten counters. */
static void counter_codes_are_those_of_the_rfc(void **state)
{
    static const char *const codes[] = {"755224", "287082", "359152", "969429", "338314",
                                        "254676", "287922", "162583", "399871", "520489"};
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char code[TOTP_CODE_SIZE];
        totp_code(rfc_secret, (int64_t)i, code);
        assert_string_equal(code, codes[i]);
    }
}

/* RFC 2202, test cases 1, 2 and 6 (a key longer than a block). */
static void mac_is_that_of_the_rfc(void **state)
{
    static const uint8_t first[] = {0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64, 0xe2, 0x8b,
                                    0xc0, 0xb6, 0xfb, 0x37, 0x8c, 0x8e, 0xf1, 0x46, 0xbe, 0x00};
    static const uint8_t second[] = {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
                                     0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79};
    static const uint8_t sixth[] = {0xaa, 0x4a, 0xe5, 0xe1, 0x52, 0x72, 0xd0, 0x0e, 0x95, 0x70,
                                    0x56, 0x37, 0xce, 0x8a, 0x3b, 0x55, 0xed, 0x40, 0x21, 0x12};
    uint8_t mac[SHA1_SIZE];
    char key[80];
    (void)state;
    memset(key, 0x0b, 20);
    crypto_hmac_sha1(str_from(key, 20), STR("Hi There"), mac);
    assert_memory_equal(mac, first, SHA1_SIZE);
    crypto_hmac_sha1(STR("Jefe"), STR("what do ya want for nothing?"), mac);
    assert_memory_equal(mac, second, SHA1_SIZE);
    memset(key, (char)0xaa, sizeof(key));
    crypto_hmac_sha1(str_from(key, sizeof(key)),
                     STR("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    assert_memory_equal(mac, sixth, SHA1_SIZE);
}

static void secret_is_written_in_base32(void **state)
{
    char text[TOTP_TEXT_SIZE];
    struct arena arena;
    (void)state;
    totp_secret_text(rfc_secret, text);
    assert_string_equal(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    arena_init(&arena, 1u << 14);
    struct str url = totp_url(&arena, STR("a+b@example.com"), text);
    assert_true(str_eq(url, STR("otpauth://totp/Foyer:a%2Bb%40example.com?secret="
                                "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Foyer&algorithm=SHA1"
                                "&digits=6&period=30")));
    arena_release(&arena);
}

static bool finds(int64_t code_step, int64_t last_step, int64_t *ret_step)
{
    char code[TOTP_CODE_SIZE];
    totp_code(rfc_secret, code_step, code);
    return totp_find_step(rfc_secret, code, NOW_MS, last_step, ret_step);
}

static void clocks_may_be_one_step_apart(void **state)
{
    int64_t now = totp_step_at(NOW_MS), step = 0;
    (void)state;
    for (int64_t off = -TOTP_DRIFT; off <= TOTP_DRIFT; off++) {
        assert_true(finds(now + off, 0, &step));
        assert_int_equal(step, now + off);
    }
    assert_false(finds(now - TOTP_DRIFT - 1, 0, &step));
    assert_false(finds(now + TOTP_DRIFT + 1, 0, &step));
    /* What was used, and what was before it, is over. */
    assert_false(finds(now, now, &step));
    assert_false(finds(now - 1, now, &step));
    assert_true(finds(now + 1, now, &step));
}

static void codes_are_read_as_people_type_them(void **state)
{
    char code[TOTP_CODE_SIZE];
    uint8_t one[SHA256_SIZE], other[SHA256_SIZE];
    (void)state;
    assert_int_equal(totp_code_parse(STR("123 456"), code), ERR_OK);
    assert_string_equal(code, "123456");
    assert_int_equal(totp_code_parse(STR("12345"), code), ERR_INVALID);
    assert_int_equal(totp_code_parse(STR("1234567"), code), ERR_INVALID);
    assert_int_equal(totp_code_parse(STR("12345a"), code), ERR_INVALID);
    assert_int_equal(totp_code_parse(STR_NONE, code), ERR_INVALID);
    assert_int_equal(recovery_code_hash(STR("0123-4567-89ab-cdef"), one), ERR_OK);
    assert_int_equal(recovery_code_hash(STR("oi23 4567 89ABCDEF"), other), ERR_OK);
    assert_memory_equal(one, other, SHA256_SIZE);
    assert_int_equal(recovery_code_hash(STR("0123-4567-89ab-cde"), one), ERR_INVALID);
    assert_int_equal(recovery_code_hash(STR("0123-4567-89ab-cdef0"), one), ERR_INVALID);
    assert_int_equal(recovery_code_hash(STR("0123-4567-89ab-cdeu"), one), ERR_INVALID);
    assert_int_equal(recovery_code_hash(str_from("0123456789abcde\0", 16), one), ERR_INVALID);
}

static void recovery_codes_differ_and_read_back(void **state)
{
    char codes[64][RECOVERY_CODE_SIZE];
    uint8_t hash[SHA256_SIZE];
    (void)state;
    for (size_t i = 0; i < 64; i++) {
        recovery_code_make(codes[i]);
        assert_int_equal(strlen(codes[i]), RECOVERY_CODE_SIZE - 1);
        assert_int_equal(recovery_code_hash(str_from_c(codes[i]), hash), ERR_OK);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(codes[i], codes[j]);
    }
}

/* ---- each once ---- */

struct login_job {
    struct writer_job job;
    struct factor_proof proof;
    enum err outcome; /* of the factor */
    enum err done;
};

static enum err on_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct login_job *login = container_of(job, struct login_job, job);
    tx->now_ms = NOW_MS;
    login->outcome = factor_use(tx, ACCOUNT, &login->proof);
    return login->outcome;
}

static void on_done(struct writer_job *job, enum err outcome)
{
    struct login_job *login = container_of(job, struct login_job, job);
    login->done = outcome;
}

static void make_account(struct db *db)
{
    struct account account = {.id = ACCOUNT, .email = STR("a@example.com"), .name = STR("A")};
    uint8_t hash[SHA256_SIZE];
    assert_int_equal(db_begin(db), ERR_OK);
    assert_int_equal(account_insert(db, &account), ERR_OK);
    assert_int_equal(totp_put(db, ACCOUNT, rfc_secret, NOW_MS), ERR_OK);
    assert_int_equal(totp_put(db, ACCOUNT, rfc_secret, NOW_MS), ERR_OK); /* not confirmed yet */
    assert_int_equal(totp_confirm(db, ACCOUNT, 1, NOW_MS), ERR_OK);
    assert_int_equal(totp_confirm(db, ACCOUNT, 1, NOW_MS), ERR_CONFLICT);
    assert_int_equal(totp_put(db, ACCOUNT, rfc_secret, NOW_MS), ERR_CONFLICT);
    assert_int_equal(recovery_code_hash(STR("0123-4567-89ab-cdef"), hash), ERR_OK);
    assert_int_equal(recovery_insert(db, ACCOUNT, hash), ERR_OK);
    assert_int_equal(db_commit(db), ERR_OK);
}

static void set_proof(struct login_job *login, bool is_recovery)
{
    *login = (struct login_job){.job = {.apply = on_apply, .done = on_done}};
    login->proof.has_code = !is_recovery;
    login->proof.has_recovery = is_recovery;
    totp_code(rfc_secret, totp_step_at(NOW_MS), login->proof.code);
    assert_int_equal(recovery_code_hash(STR("0123-4567-89ab-cdef"), login->proof.recovery_hash),
                     ERR_OK);
}

/* Both have passed prepare with the same proof; whichever is applied first gets in, alone. */
static void proof_counts_once(bool is_recovery, bool is_swapped)
{
    struct writer *writer = NULL;
    struct login_job logins[2];
    assert_int_equal(writer_new(DB_IN_MEMORY, "platform", &writer), ERR_OK);
    make_account(writer_db(writer));
    for (size_t i = 0; i < 2; i++) {
        set_proof(&logins[i], is_recovery);
        assert_int_equal(factor_check(writer_db(writer), ACCOUNT, &logins[i].proof, NOW_MS),
                         ERR_OK);
    }
    assert_int_equal(writer_start(writer), ERR_OK);
    struct login_job *first = &logins[is_swapped], *second = &logins[!is_swapped];
    assert_int_equal(writer_run(writer, &first->job), ERR_OK);
    assert_int_equal(first->done, ERR_OK);
    assert_int_equal(writer_run(writer, &second->job), ERR_DENIED);
    assert_int_equal(second->done, ERR_DENIED);
    assert_int_equal(second->outcome, ERR_DENIED);
    writer_stop(writer);
    writer_free(writer);
}

static void code_counts_once_in_either_order(void **state)
{
    (void)state;
    proof_counts_once(false, false);
    proof_counts_once(false, true);
}

static void recovery_code_counts_once_in_either_order(void **state)
{
    (void)state;
    proof_counts_once(true, false);
    proof_counts_once(true, true);
}

static void nothing_brought_is_told_apart_from_no_factor(void **state)
{
    struct writer *writer = NULL;
    struct factor_proof none = {0};
    struct login_job wrong;
    (void)state;
    assert_int_equal(writer_new(DB_IN_MEMORY, "platform", &writer), ERR_OK);
    struct db *db = writer_db(writer);
    assert_int_equal(factor_check(db, ACCOUNT, &none, NOW_MS), ERR_NOT_FOUND);
    make_account(db);
    assert_int_equal(factor_check(db, ACCOUNT, &none, NOW_MS), ERR_AGAIN);
    set_proof(&wrong, true);
    wrong.proof.recovery_hash[0] ^= 1;
    assert_int_equal(factor_check(db, ACCOUNT, &wrong.proof, NOW_MS), ERR_DENIED);
    assert_int_equal(db_begin(db), ERR_OK);
    assert_int_equal(totp_delete(db, ACCOUNT), ERR_OK);
    assert_int_equal(totp_delete(db, ACCOUNT), ERR_NOT_FOUND);
    assert_int_equal(db_commit(db), ERR_OK);
    set_proof(&wrong, true);
    assert_int_equal(factor_check(db, ACCOUNT, &wrong.proof, NOW_MS), ERR_NOT_FOUND);
    writer_free(writer);
}

static int setup_group(void **state)
{
    (void)state;
    return crypto_init() == ERR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_codes_are_those_of_the_rfc),
        cmocka_unit_test(counter_codes_are_those_of_the_rfc),
        cmocka_unit_test(mac_is_that_of_the_rfc),
        cmocka_unit_test(secret_is_written_in_base32),
        cmocka_unit_test(clocks_may_be_one_step_apart),
        cmocka_unit_test(codes_are_read_as_people_type_them),
        cmocka_unit_test(recovery_codes_differ_and_read_back),
        cmocka_unit_test(code_counts_once_in_either_order),
        cmocka_unit_test(recovery_code_counts_once_in_either_order),
        cmocka_unit_test(nothing_brought_is_told_apart_from_no_factor),
    };
    return cmocka_run_group_tests(tests, setup_group, NULL);
}
