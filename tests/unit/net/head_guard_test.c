/* The framing guard: what is one request to everybody is taken, anything else has its own refusal.
 */
#include "net/head_internal.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

static struct head head;

/* Parses a copy of exactly its size, so that a sanitizer sees a step over the end. */
static enum head_fault parse(struct str raw)
{
    static char *copy;
    free(copy);
    copy = malloc(raw.len ? raw.len : 1);
    assert_non_null(copy);
    if (raw.len > 0)
        memcpy(copy, raw.data, raw.len);
    return head_parse(str_from(copy, raw.len), &head);
}

#define PARSE(text) parse(STR(text))

static void test_plain_request_is_sliced(void **state)
{
    (void)state;
    assert_int_equal(PARSE("POST /v1/a?b=c&d HTTP/1.1\r\nHost: x.example:8080\r\n"
                           "X-Empty:\r\nX-Blanks: \t a b \t\r\nContent-Length: 3\r\n\r\nabcGET /"),
                     HEAD_OK);
    assert_str(head.method, "POST");
    assert_str(head.path, "/v1/a");
    assert_str(head.query, "b=c&d");
    assert_str(head.host, "x.example:8080");
    assert_int_equal(head.minor, 1);
    assert_true(head.has_length);
    assert_int_equal(head.length, 3);
    assert_false(head.is_chunked);
    assert_int_equal(head.field_count, 4);
    assert_str(head.fields[1].name, "X-Empty");
    assert_str(head.fields[1].value, "");
    assert_str(head.fields[2].value, "a b");
    assert_int_equal(head.size,
                     strlen("POST /v1/a?b=c&d HTTP/1.1\r\nHost: x.example:8080\r\n"
                            "X-Empty:\r\nX-Blanks: \t a b \t\r\nContent-Length: 3\r\n\r\n"));
}

static void test_other_good_heads(void **state)
{
    (void)state;
    static const char *const good[] = {
        "GET / HTTP/1.0\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /?? HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET / HTTP/1.1\r\nhOsT:a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff tab\there\r\n\r\n",
        "PURGE / HTTP/1.9\r\nHost: a\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(parse(str_from_c(good[i])), HEAD_OK);
}

static void test_absolute_form_only_for_the_same_host(void **state)
{
    (void)state;
    assert_int_equal(PARSE("GET http://a:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n"), HEAD_OK);
    assert_str(head.path, "/x");
    assert_str(head.query, "y");
    assert_int_equal(PARSE("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), HEAD_OK);
    assert_int_equal(PARSE("GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n"), HEAD_BAD_TARGET);
    assert_int_equal(PARSE("GET http://ab/x HTTP/1.1\r\nHost: a\r\n\r\n"), HEAD_BAD_TARGET);
    assert_int_equal(PARSE("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"), HEAD_BAD_TARGET);
    assert_int_equal(PARSE("GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n"), HEAD_BAD_TARGET);
    assert_int_equal(PARSE("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), HEAD_BAD_TARGET);
    assert_int_equal(PARSE("GET http:///x HTTP/1.0\r\n\r\n"), HEAD_BAD_TARGET);
}

struct bad {
    const char *text;
    enum head_fault fault;
};

static const struct bad bad_lines[] = {
    {"", HEAD_INCOMPLETE},
    {"GET / HTTP/1.1\r\nHost: a\r\n", HEAD_INCOMPLETE},
    {"GET / HTTP/1.1\r\nHost: a", HEAD_INCOMPLETE},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_REQUEST_LINE},
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", HEAD_BAD_LINE_END},
    {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_LINE_END},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", HEAD_BAD_LINE_END},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", HEAD_BAD_LINE_END},
    {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", HEAD_BAD_VALUE},
    {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", HEAD_BAD_VALUE},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_REQUEST_LINE},
    {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_REQUEST_LINE},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_REQUEST_LINE},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", HEAD_BAD_REQUEST_LINE},
    {"GET /\r\nHost: a\r\n\r\n", HEAD_BAD_REQUEST_LINE},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", HEAD_BAD_REQUEST_LINE},
    {"GET / HTTP/1.x\r\nHost: a\r\n\r\n", HEAD_BAD_REQUEST_LINE},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_REQUEST_LINE},
    {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_REQUEST_LINE},
    {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_REQUEST_LINE},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_TARGET},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_TARGET},
    {"GET x HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_TARGET},
    {"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_TARGET},
    {"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_TARGET},
    {"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_TARGET},
    {"GET /\tx HTTP/1.1\r\nHost: a\r\n\r\n", HEAD_BAD_TARGET},
};

static const struct bad bad_fields[] = {
    {"X : b", HEAD_BAD_NAME},
    {"X\t: b", HEAD_BAD_NAME},
    {": b", HEAD_BAD_NAME},
    {"X", HEAD_BAD_NAME},
    {"X\x01: b", HEAD_BAD_NAME},
    {"X\x80: b", HEAD_BAD_NAME},
    {"X(Y): b", HEAD_BAD_NAME},
    {"X: b\r\n folded", HEAD_FOLDED},
    {"X: b\r\n\tfolded", HEAD_FOLDED},
    {"X: a\x01z", HEAD_BAD_VALUE},
    {"X: a\x7fz", HEAD_BAD_VALUE},
    {"X: 12345678\x1b[0m", HEAD_BAD_VALUE},
    {"X: 1234567\x7f"
     "9012345678",
     HEAD_BAD_VALUE},
    {"Host: b", HEAD_HOST_TWICE},
    {"Host: a", HEAD_HOST_TWICE},
    {"Content-Length: 1\r\nContent-Length: 2", HEAD_LENGTH_TWICE},
    {"Content-Length: 1\r\ncontent-length: 1", HEAD_LENGTH_TWICE},
    {"Content-Length: 1, 1", HEAD_BAD_LENGTH},
    {"Content-Length: +1", HEAD_BAD_LENGTH},
    {"Content-Length: -1", HEAD_BAD_LENGTH},
    {"Content-Length: 0x1", HEAD_BAD_LENGTH},
    {"Content-Length:", HEAD_BAD_LENGTH},
    {"Content-Length: 1 1", HEAD_BAD_LENGTH},
    {"Content-Length: 18446744073709551617", HEAD_BAD_LENGTH},
    {"Content-Length: 3\r\nTransfer-Encoding: chunked", HEAD_LENGTH_AND_CODING},
    {"Transfer-Encoding: chunked\r\nContent-Length: 3", HEAD_LENGTH_AND_CODING},
    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", HEAD_BAD_CODING},
    {"Transfer-Encoding: gzip, chunked", HEAD_BAD_CODING},
    {"Transfer-Encoding: chunked, identity", HEAD_BAD_CODING},
    {"Transfer-Encoding: identity", HEAD_BAD_CODING},
    {"Transfer-Encoding: xchunked", HEAD_BAD_CODING},
    {"Transfer-Encoding:", HEAD_BAD_CODING},
};

static void test_bad_lines_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++) {
        enum head_fault fault = parse(str_from_c(bad_lines[i].text));
        if (fault != bad_lines[i].fault)
            fail_msg("%s: %d instead of %d", bad_lines[i].text, fault, bad_lines[i].fault);
    }
}

static void test_bad_fields_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_fields) / sizeof(bad_fields[0]); i++) {
        char text[300];
        (void)snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
                       bad_fields[i].text);
        enum head_fault fault = parse(str_from_c(text));
        if (fault != bad_fields[i].fault)
            fail_msg("%s: %d instead of %d", bad_fields[i].text, fault, bad_fields[i].fault);
    }
}

static void test_hosts(void **state)
{
    (void)state;
    assert_int_equal(PARSE("GET / HTTP/1.1\r\n\r\n"), HEAD_HOST_MISSING);
    assert_int_equal(PARSE("GET / HTTP/1.1\r\nHost:\r\n\r\n"), HEAD_BAD_HOST);
    assert_int_equal(PARSE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), HEAD_BAD_HOST);
    assert_int_equal(PARSE("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), HEAD_BAD_HOST);
    assert_int_equal(PARSE("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), HEAD_BAD_HOST);
    assert_int_equal(PARSE("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), HEAD_HOST_TWICE);
}

static void test_chunked_is_not_for_http_1_0(void **state)
{
    (void)state;
    assert_int_equal(PARSE("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
                     HEAD_BAD_CODING);
}

static void test_nul_is_refused_anywhere(void **state)
{
    (void)state;
    assert_int_equal(PARSE("GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n"), HEAD_BAD_REQUEST_LINE);
    assert_int_equal(PARSE("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"), HEAD_BAD_TARGET);
    assert_int_equal(PARSE("GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n"), HEAD_BAD_NAME);
    assert_int_equal(PARSE("GET / HTTP/1.1\r\nX: \0a\r\nHost: a\r\n\r\n"), HEAD_BAD_VALUE);
}

/* Every control byte at every place of a value: the words of eight must hide none. */
static void test_control_bytes_are_found_at_every_offset(void **state)
{
    (void)state;
    for (size_t length = 1; length < 20; length++) {
        for (size_t at = 0; at < length; at++) {
            for (int c = 0; c < 256; c++) {
                char text[80] = "GET / HTTP/1.1\r\nHost: a\r\nX:";
                size_t begin = strlen(text);
                memset(text + begin, 'v', length);
                text[begin + at] = (char)c;
                memcpy(text + begin + length, "\r\n\r\n", 4);
                bool is_good = c == '\t' || (c >= ' ' && c != 0x7f);
                bool is_taken = parse(str_from(text, begin + length + 4)) == HEAD_OK;
                assert_int_equal(is_taken, is_good);
            }
        }
    }
}

static void test_limits(void **state)
{
    (void)state;
    static char text[HEAD_BYTES_MAX + 1000];
    /* The target: at its limit, and one over. */
    for (size_t over = 0; over < 2; over++) {
        char *end = stpcpy(text, "GET /");
        memset(end, 'x', REQUEST_URL_MAX - 1 + over);
        strcpy(end + REQUEST_URL_MAX - 1 + over, " HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_int_equal(parse(str_from_c(text)), over ? HEAD_TARGET_TOO_LONG : HEAD_OK);
    }
    /* The head: at its limit, and one over. */
    for (size_t over = 0; over < 2; over++) {
        char *end = stpcpy(text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
        size_t fill = HEAD_BYTES_MAX - (size_t)(end - text) - 4 + over;
        memset(end, 'x', fill);
        strcpy(end + fill, "\r\n\r\n");
        assert_int_equal(parse(str_from_c(text)), over ? HEAD_TOO_LARGE : HEAD_OK);
    }
    /* The number of fields: at its limit, and one over. */
    for (size_t over = 0; over < 2; over++) {
        char *end = stpcpy(text, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (size_t i = 0; i < HEAD_FIELDS_MAX - 1 + over; i++)
            end = stpcpy(end, "X: y\r\n");
        strcpy(end, "\r\n");
        assert_int_equal(parse(str_from_c(text)), over ? HEAD_TOO_MANY_FIELDS : HEAD_OK);
    }
}

static void test_every_fault_has_a_status_and_a_sentence(void **state)
{
    (void)state;
    for (int fault = HEAD_OK + 1; fault < HEAD_FAULT_COUNT; fault++) {
        int status = head_fault_status((enum head_fault)fault);
        assert_true(status == 400 || status == 414 || status == 431);
        const char *detail = head_fault_detail((enum head_fault)fault);
        assert_true(strlen(detail) > 10);
        assert_null(strpbrk(detail, "\"\\")); /* it goes into JSON as it is */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_request_is_sliced),
        cmocka_unit_test(test_other_good_heads),
        cmocka_unit_test(test_absolute_form_only_for_the_same_host),
        cmocka_unit_test(test_bad_lines_are_refused),
        cmocka_unit_test(test_bad_fields_are_refused),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_chunked_is_not_for_http_1_0),
        cmocka_unit_test(test_nul_is_refused_anywhere),
        cmocka_unit_test(test_control_bytes_are_found_at_every_offset),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_every_fault_has_a_status_and_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
