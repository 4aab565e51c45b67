/* Problem documents: one table, one shape. */
#include "app/bare_call.h"

static void table_is_complete_and_unambiguous(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROBLEM_COUNT; i++) {
        assert_non_null(problem_types[i].slug);
        assert_non_null(problem_types[i].title);
        assert_in_range(problem_types[i].status, 400, 503);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(problem_types[i].slug, problem_types[j].slug);
    }
}

static void document_has_its_members(void **state)
{
    (void)state;
    struct bare_call bare;
    bare_call_init(&bare);
    problem_reply(&bare.call, PROBLEM_NOT_FOUND, "no \"such\" seat");
    assert_int_equal(bare.request.res.status, 404);
    assert_str(bare.request.res.content_type, "application/problem+json");
    assert_str(bare.request.res.body,
               "{\"type\":\"not-found\",\"title\":\"There is no such thing\",\"status\":404,"
               "\"detail\":\"no \\\"such\\\" seat\",\"request_id\":\"req-1\"}");
    bare_call_release(&bare);
}

static void members_may_be_added(void **state)
{
    (void)state;
    struct bare_call bare;
    struct buf *body;
    bare_call_init(&bare);
    struct json_writer writer = problem_begin(&bare.call, PROBLEM_ALREADY_USED, NULL, &body);
    json_put_str(&writer, "gate", STR("A"));
    problem_end(&bare.call, &writer, PROBLEM_ALREADY_USED, body);
    assert_int_equal(bare.request.res.status, 409);
    assert_str(bare.request.res.body,
               "{\"type\":\"already-used\",\"title\":\"The ticket was used before\",\"status\":409,"
               "\"request_id\":\"req-1\",\"gate\":\"A\"}");
    bare_call_release(&bare);
}

static void fields_are_listed(void **state)
{
    (void)state;
    struct bare_call bare;
    struct field_errors errors;
    bare_call_init(&bare);
    field_errors_init(&errors, &bare.request.arena);
    field_errors_add(&errors, "a", "is bad");
    field_errors_add(&errors, "b[2]", "is worse");
    problem_fields(&bare.call, &errors);
    assert_int_equal(bare.request.res.status, 422);
    assert_true(str_ends_with(bare.request.res.body,
                              STR("\"errors\":[{\"field\":\"a\",\"message\":\"is bad\"},"
                                  "{\"field\":\"b[2]\",\"message\":\"is worse\"}]}")));
    problem_field(&bare.call, "c", "is missing");
    assert_true(str_ends_with(bare.request.res.body,
                              STR("\"errors\":[{\"field\":\"c\",\"message\":\"is missing\"}]}")));
    bare_call_release(&bare);
}

static void headers_say_what_to_do(void **state)
{
    (void)state;
    struct bare_call bare;
    bare_call_init(&bare);
    problem_retry(&bare.call, PROBLEM_OVERLOADED, NULL, 7);
    assert_int_equal(bare.request.res.status, 503);
    assert_str(bare_call_answer(&bare, STR("retry-after")), "7");
    assert_null(bare_call_answer(&bare, STR("www-authenticate")).data);
    problem_reply(&bare.call, PROBLEM_UNAUTHENTICATED, NULL);
    assert_str(bare_call_answer(&bare, STR("www-authenticate")), "Bearer realm=\"foyer\"");
    bare_call_release(&bare);
}

static void another_dialect_has_another_shape(void **state)
{
    (void)state;
    struct bare_call bare;
    struct field_errors errors;
    bare_call_init(&bare);
    bare.route.dialect = DIALECT_HOOKS;
    bare.route.query = "limit iterator";
    problem_reply(&bare.call, PROBLEM_NOT_FOUND, "no \"such\" endpoint");
    assert_int_equal(bare.request.res.status, 404);
    assert_str(bare.request.res.content_type, "application/json");
    assert_str(bare.request.res.body,
               "{\"code\":\"not_found\",\"detail\":\"no \\\"such\\\" endpoint\"}");
    problem_retry(&bare.call, PROBLEM_RATE_LIMITED, NULL, 3);
    assert_str(bare.request.res.body,
               "{\"code\":\"rate_limited\",\"detail\":\"Too many requests\"}");
    field_errors_init(&errors, &bare.request.arena);
    field_errors_add(&errors, "metadata.a", "is bad");
    field_errors_add(&errors, "url", "is worse");
    problem_fields(&bare.call, &errors);
    assert_int_equal(bare.request.res.status, 422);
    assert_str(bare.request.res.body,
               "{\"detail\":[{\"loc\":[\"body\",\"metadata\",\"a\"],\"msg\":\"is bad\","
               "\"type\":\"value_error\"},{\"loc\":[\"body\",\"url\"],\"msg\":\"is worse\","
               "\"type\":\"value_error\"}]}");
    problem_field(&bare.call, "limit", "is bad");
    assert_str(bare.request.res.body, "{\"detail\":[{\"loc\":[\"query\",\"limit\"],\"msg\":"
                                      "\"is bad\",\"type\":\"value_error\"}]}");
    problem_reply(&bare.call, PROBLEM_LIMIT_EXCEEDED, NULL);
    assert_str(bare.request.res.body,
               "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"This is over a limit\",\"type\":"
               "\"value_error\"}]}");
    bare_call_release(&bare);
}

/* The server then answers 503 in its own words. */
static void no_memory_is_no_crash(void **state)
{
    (void)state;
    struct bare_call bare;
    bare_call_init(&bare);
    assert_null(arena_alloc(&bare.request.arena, 2u << 20));
    problem_field(&bare.call, "c", "is missing");
    assert_int_equal(bare.request.res.status, 422);
    assert_int_equal(bare.request.res.body.len, 0);
    assert_true(bare.request.arena.overflow);
    bare_call_release(&bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_complete_and_unambiguous),
        cmocka_unit_test(document_has_its_members),
        cmocka_unit_test(members_may_be_added),
        cmocka_unit_test(fields_are_listed),
        cmocka_unit_test(headers_say_what_to_do),
        cmocka_unit_test(another_dialect_has_another_shape),
        cmocka_unit_test(no_memory_is_no_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
