/* The decoder of chunked bodies: what the grammar allows, and what a laxer parser would take. */
#include "base/check.h"
#include "net/chunk_internal.h"

#include "base/str.h"

#define BODY_SIZE 1024

static char body[BODY_SIZE * 40];
static size_t body_len;

/* Feeds text in pieces of `step` bytes, as h2o does: each behind what was decoded so far. */
static ssize_t decode(struct str text, size_t step)
{
    struct chunk_decoder decoder = {.unused = 1};
    ssize_t result = CHUNK_INCOMPLETE;
    body_len = 0;
    for (size_t at = 0; at < text.len && result == CHUNK_INCOMPLETE; at += step) {
        size_t count = text.len - at < step ? text.len - at : step;
        assert_true(body_len + count <= sizeof(body));
        memcpy(body + body_len, text.data + at, count);
        result = chunk_decode(&decoder, body + body_len, &count);
        body_len += count;
        if (result >= 0) /* what was not given yet follows the body, too */
            result += (ssize_t)(text.len - at > step ? text.len - at - step : 0);
    }
    return result;
}

static void assert_body(const char *text, const char *wanted, ssize_t rest)
{
    struct str raw = str_from_c(text);
    for (size_t step = 1; step <= raw.len; step++) {
        assert_int_equal(decode(raw, step), rest);
        assert_str(str_from(body, body_len), wanted);
    }
}

static void test_bodies_are_joined(void **state)
{
    (void)state;
    assert_body("0\r\n\r\n", "", 0);
    assert_body("3\r\nabc\r\n0\r\n\r\n", "abc", 0);
    assert_body("3\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\nGET /", "abc0123456789", 5);
    assert_body("a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n\r\n\r\n\r\n", 0);
}

static void test_extensions_and_trailers_are_dropped(void **state)
{
    (void)state;
    assert_body("3;a\r\nabc\r\n0;b=c\r\n\r\n", "abc", 0);
    assert_body("3 ; a=\"b c\"\r\nabc\r\n0\r\nX-A: b\r\nTransfer-Encoding:chunked\r\n\r\nG", "abc",
                1);
}

static void test_unfinished_bodies_wait(void **state)
{
    (void)state;
    static const char whole[] = "3;x\r\nabc\r\n0\r\nA: b\r\n\r\n";
    for (size_t len = 1; len + 1 < sizeof(whole); len++)
        assert_int_equal(decode(str_from(whole, len), len), CHUNK_INCOMPLETE);
    assert_int_equal(decode(str_from(whole, sizeof(whole) - 1), sizeof(whole)), 0);
}

static void test_what_is_not_plainly_right_is_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "\r\n",
        "\n",
        ";a\r\n",
        "g\r\n",
        "-1\r\n",
        "+3\r\n",
        "0x3\r\n",
        " 3\r\n",
        "3 \r\nabc\r\n",
        "3 4\r\n",
        "3,4\r\n",
        "3\nabc",
        "3\r\r\n",
        "3\rabc",
        "3x\r\nabc",
        "3;a\nabc",
        "3;a\rb\r\n",
        "3;\x01\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc\r\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "0\r\n\n",
        "0\n\r\n",
        "0\r\n\r\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nGET / HTTP/1.1\r\n\r\n",
        "0\r\nA: \x7f\r\n\r\n",
        "1000000000000\r\n",
        "0000000000000\r\n",
        "ffffffffffffffff\r\n",
        "10000000000000000\r\n",
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct str raw = str_from_c(broken[i]);
        assert_int_equal(decode(raw, 1), CHUNK_MALFORMED);
        assert_int_equal(decode(raw, raw.len), CHUNK_MALFORMED);
    }
    assert_int_equal(decode(STR("3;\0\r\n"), 6), CHUNK_MALFORMED);
    assert_int_equal(decode(STR("0\r\nA: \0\r\n\r\n"), 11), CHUNK_MALFORMED);
    assert_int_equal(decode(STR("0\r\n\0: a\r\n\r\n"), 11), CHUNK_MALFORMED);
}

/* prefix, then count letters, then the end. */
static ssize_t decode_long(const char *prefix, size_t count, const char *end)
{
    static char text[BODY_SIZE * 16];
    size_t at = strlen(prefix);
    assert_true(at + count + strlen(end) <= sizeof(text));
    memcpy(text, prefix, at);
    memset(text + at, 'x', count);
    memcpy(text + at + count, end, strlen(end));
    return decode(str_from(text, at + count + strlen(end)), 7);
}

static void test_lines_have_a_limit(void **state)
{
    (void)state;
    assert_int_equal(decode_long("0;", CHUNK_LINE_MAX - 4, "\r\n\r\n"), 0);
    assert_int_equal(decode_long("0;", CHUNK_LINE_MAX - 3, "\r\n\r\n"), CHUNK_MALFORMED);
    /* Every chunk has its own. */
    assert_int_equal(decode_long("1;a\r\nb\r\n0;", CHUNK_LINE_MAX - 4, "\r\n\r\n"), 0);
    assert_int_equal(decode_long("0\r\nA:", CHUNK_TRAILERS_MAX - 6, "\r\n\r\n"), 0);
    assert_int_equal(decode_long("0\r\nA:", CHUNK_TRAILERS_MAX - 5, "\r\n\r\n"), CHUNK_MALFORMED);
    assert_int_equal(decode_long("0\r\nA: b\r\nB:", CHUNK_TRAILERS_MAX - 6, "\r\n\r\n"),
                     CHUNK_MALFORMED);
}

static void test_what_is_broken_stays_broken(void **state)
{
    (void)state;
    struct chunk_decoder decoder = {.unused = 1};
    char text[] = "x0\r\n\r\n";
    size_t size = 1;
    assert_int_equal(chunk_decode(&decoder, text, &size), CHUNK_MALFORMED);
    size = 5;
    assert_int_equal(chunk_decode(&decoder, text + 1, &size), CHUNK_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_are_joined),
        cmocka_unit_test(test_extensions_and_trailers_are_dropped),
        cmocka_unit_test(test_unfinished_bodies_wait),
        cmocka_unit_test(test_what_is_not_plainly_right_is_refused),
        cmocka_unit_test(test_lines_have_a_limit),
        cmocka_unit_test(test_what_is_broken_stays_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
