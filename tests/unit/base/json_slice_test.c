/* The slice of a member's value, and what is no JSON. */
#include "base/json_slice.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

static void found(const char *text, const char *want)
{
    struct str value;
    size_t at;
    assert_ok(json_slice(str_from_c(text), "payload", &value, &at));
    assert_str(value, want);
    assert_true(value.data >= text && value.data < text + strlen(text));
}

static void refused(struct str text)
{
    struct str value = STR_NONE;
    size_t at;
    enum err err = json_slice(text, "payload", &value, &at);
    if (err != ERR_INVALID)
        fail_msg("%.*s: %s", STR_ARG(text), err_name(err));
    assert_null(value.data);
    assert_true(at <= text.len);
}

static void test_values_come_as_they_stand(void **state)
{
    (void)state;
    found("{\"payload\":{}}", "{}");
    found(" { \"a\" : 1 ,\n\t\"payload\" :\r {\"x\" : 1.0 }  , \"b\":[] } ", "{\"x\" : 1.0 }");
    found("{\"payload\":12345678901234567890123}", "12345678901234567890123");
    found("{\"payload\":-0.5e+10}", "-0.5e+10");
    found("{\"payload\":1E400}", "1E400");
    found("{\"payload\":\"a\\\"}\\\\\"}", "\"a\\\"}\\\\\"");
    found("{\"payload\":{\"a\":1,\"a\":2}}", "{\"a\":1,\"a\":2}");
    found("{\"payload\":\"\\u0000\\ud800\"}", "\"\\u0000\\ud800\"");
    found("{\"payload\":[{\"payload\":1},[[]],{}]}", "[{\"payload\":1},[[]],{}]");
    found("{\"payload\":null}", "null");
    found("{\"x\":{\"payload\":1},\"payload\":true}", "true");
    found("{\"pa\\u0079lo\\u0061d\":false}", "false");
    found("{\"\\/\":1,\"\\n\":2,\"payload\\n\":3,\"payloa\":4,\"payload\":5}", "5");
}

static void test_what_is_not_there_is_not_found(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",       "{\"x\":{\"payload\":1}}", "{\"Payload\":1}",
        "{\"\":1}", "{\"payload\\u0000\":1}",  "{\"\\u1070ayload\":1}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct str value;
        size_t at;
        assert_err(json_slice(str_from_c(texts[i]), "payload", &value, &at), ERR_NOT_FOUND);
    }
}

static void test_what_is_no_json_is_refused(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",      "01",    "1.",       ".5",           "-",           "+1",
        "1e",    "1e+",   "tru",      "nul",          "True",        "NaN",
        "'a'",   "\"a",   "\"\t\"",   "\"\\x\"",      "\"\\u12g4\"", "\"\\u123\"",
        "[1,]",  "[1 2]", "[",        "{\"a\"}",      "{\"a\":}",    "{\"a\":1,}",
        "{a:1}", "{1:1}", "[1}",      "{\"a\":1]",    "1,",          "1]",
        "1}",    "\"\\",  "//x",      "1 /**/",       "\x01",        "\"\x1f\"",
        "{,}",   "[,]",   "\"\xff\"", "\"\xC0\xAF\"",
    };
    char text[256];
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        int len = snprintf(text, sizeof(text), "{\"payload\":%s}", values[i]);
        refused(str_from(text, (size_t)len));
    }
    static const char *const wholes[] = {"",
                                         " ",
                                         "[]",
                                         "1",
                                         "null",
                                         "{",
                                         "{\"payload\"",
                                         "{\"payload\":1",
                                         "{\"payload\":1}x",
                                         "{\"payload\":1}}",
                                         "{}{}",
                                         "{\"payload\":1 \"a\":2}",
                                         "{payload:1}",
                                         "\xEF\xBB\xBF{}"};
    for (size_t i = 0; i < sizeof(wholes) / sizeof(wholes[0]); i++)
        refused(str_from_c(wholes[i]));
    refused(STR("{\"payload\":1}\0"));
    refused(STR("{\"payload\":1\0}"));
    refused(STR("{\"payload\":\"\0\"}"));
}

static void test_a_member_that_comes_twice_is_refused(void **state)
{
    (void)state;
    refused(STR("{\"payload\":1,\"payload\":2}"));
    refused(STR("{\"payload\":1,\"p\\u0061yload\":2}"));
}

static void nested(size_t depth, char *text)
{
    size_t at = (size_t)sprintf(text, "{\"payload\":");
    for (size_t i = 0; i < depth; i++)
        text[at++] = i % 2 ? '[' : '{', at += i % 2 ? 0 : (size_t)sprintf(text + at, "\"a\":");
    text[at++] = '0';
    for (size_t i = depth; i-- > 0;)
        text[at++] = i % 2 ? ']' : '}';
    strcpy(text + at, "}");
}

static void test_depth_has_a_limit(void **state)
{
    (void)state;
    char text[1024];
    struct str value;
    size_t at;
    nested(JSON_SLICE_DEPTH_MAX - 1, text);
    assert_ok(json_slice(str_from_c(text), "payload", &value, &at));
    nested(JSON_SLICE_DEPTH_MAX, text);
    assert_err(json_slice(str_from_c(text), "payload", &value, &at), ERR_INVALID);
}

/* Whatever is cut off, nothing beyond is read: the sanitizer watches over a copy of its own size. */
static void test_every_cut_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1.5e3,{\"b\":\"\\u0041\xC3\xA4\"}],\"payload\":{\"x\":true}}";
    for (size_t len = 0; len + 1 < sizeof(text); len++) {
        char *copy = malloc(len ? len : 1);
        assert_non_null(copy);
        memcpy(copy, text, len);
        refused(str_from(copy, len));
        free(copy);
    }
    found(text, "{\"x\":true}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_come_as_they_stand),
        cmocka_unit_test(test_what_is_not_there_is_not_found),
        cmocka_unit_test(test_what_is_no_json_is_refused),
        cmocka_unit_test(test_a_member_that_comes_twice_is_refused),
        cmocka_unit_test(test_depth_has_a_limit),
        cmocka_unit_test(test_every_cut_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
