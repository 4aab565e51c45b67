/* What handlers read from a request: headers, cookies, query; and the answer's headers. */
#include "net/request.h"

#include "base/check.h"
#include "net/url_internal.h"

#include <stdio.h>

static struct request request;

static int set_up(void **state)
{
    (void)state;
    memset(&request, 0, sizeof(request));
    arena_init(&request.arena, REQUEST_ARENA_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&request.arena);
    return 0;
}

static void test_headers_by_name(void **state)
{
    (void)state;
    const struct request_field fields[] = {
        {STR("Accept"), STR("a")}, {STR("x-y"), STR("b")}, {STR("X-Y"), STR("c")}};
    request.fields = fields;
    request.field_count = 3;
    assert_str(request_header(&request, "accept"), "a");
    assert_str(request_header(&request, "x-y"), "b");
    assert_null(request_header(&request, "x-").data);
    assert_null(request_header(&request, "host").data);
}

static void test_cookies(void **state)
{
    (void)state;
    const struct request_field fields[] = {
        {STR("cookie"), STR("a=1; sid=abc=def;b=\"q\" ;bad; =x; sid=second")},
        {STR("cookie"), STR("late=2")}};
    request.fields = fields;
    request.field_count = 2;
    assert_str(request_cookie(&request, "a"), "1");
    assert_str(request_cookie(&request, "sid"), "abc=def");
    assert_str(request_cookie(&request, "b"), "q");
    assert_str(request_cookie(&request, "late"), "2");
    assert_null(request_cookie(&request, "si").data);
    assert_null(request_cookie(&request, "SID").data);
    assert_null(request_cookie(&request, "bad").data);
}

static void assert_query(const char *query, const char *name, enum err err, const char *value)
{
    struct str got = STR_NONE;
    request.query = str_from_c(query);
    assert_int_equal(request_query(&request, name, &got), err);
    if (err == ERR_OK)
        assert_str(got, value);
}

static void test_query_is_decoded(void **state)
{
    (void)state;
    assert_query("a=1&b=2", "b", ERR_OK, "2");
    assert_query("&&a=1&&", "a", ERR_OK, "1");
    assert_query("a", "a", ERR_OK, "");
    assert_query("a=b=c", "a", ERR_OK, "b=c");
    assert_query("q=caf%C3%A9+%2B%26", "q", ERR_OK, "caf\xc3\xa9 +&");
    assert_query("%61b=x", "ab", ERR_OK, "x");
    assert_query("a+b=x", "a b", ERR_OK, "x");
    assert_query("", "a", ERR_NOT_FOUND, NULL);
    assert_query("ab=1&A=2", "a", ERR_NOT_FOUND, NULL);
    assert_query("%6=1&%zz=2", "a", ERR_NOT_FOUND, NULL);
}

static void test_bad_query_values_are_invalid(void **state)
{
    (void)state;
    static const char *const values[] = {"%",      "%4",        "%zz", "a%0",    "%00",    "%c3",
                                         "%c3%28", "%ed%a0%80", "%ff", "%e2%82", "%c0%80", "%4%31"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char query[64];
        (void)snprintf(query, sizeof(query), "a=%s&b=2", values[i]);
        assert_query(query, "a", ERR_INVALID, NULL);
        assert_query(query, "b", ERR_OK, "2");
    }
    assert_query("a=1&a=1", "a", ERR_INVALID, NULL);
    assert_query("a=1&%61=2", "a", ERR_INVALID, NULL);
}

static void test_query_names_are_listed(void **state)
{
    (void)state;
    size_t position = 0;
    struct str name;
    request.query = STR("a=1&&%62=2&c&%zz=3");
    assert_true(request_query_each(&request, &position, &name));
    assert_str(name, "a");
    assert_true(request_query_each(&request, &position, &name));
    assert_str(name, "b");
    assert_true(request_query_each(&request, &position, &name));
    assert_str(name, "c");
    assert_true(request_query_each(&request, &position, &name));
    assert_str(name, "%zz");
    assert_false(request_query_each(&request, &position, &name));
}

static void test_full_arena_is_an_error(void **state)
{
    (void)state;
    struct str value;
    arena_release(&request.arena);
    arena_init(&request.arena, 1);
    request.query = STR("a=%61%61%61%61%61");
    assert_int_equal(request_query(&request, "a", &value), ERR_NOMEM);
    assert_true(request.arena.overflow);
}

static void test_answer_headers_cannot_inject(void **state)
{
    (void)state;
    response_header(&request, "location", STR("/a\r\nset-cookie: x=y"));
    response_header(&request, "location", STR("/a\nb"));
    assert_int_equal(request.res.header_count, 0);
    response_header(&request, "location", STR("/a"));
    assert_int_equal(request.res.header_count, 1);
    assert_str(request.res.headers[0].name, "location");
    assert_str(request.res.headers[0].value, "/a");
}

static struct request *replied;

static void on_reply(struct request *answered)
{
    replied = answered;
}

static void test_reply_goes_to_the_maker(void **state)
{
    (void)state;
    request.on_reply = on_reply;
    request.res.status = 204;
    request_reply(&request);
    assert_ptr_equal(replied, &request);
}

static void test_method_names(void **state)
{
    (void)state;
    assert_string_equal(http_method_name(HTTP_GET), "GET");
    assert_string_equal(http_method_name(HTTP_DELETE), "DELETE");
    assert_string_equal(http_method_name(HTTP_OTHER), "OTHER");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_headers_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cookies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_query_is_decoded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_query_values_are_invalid, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_query_names_are_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_arena_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answer_headers_cannot_inject, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reply_goes_to_the_maker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_method_names, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
