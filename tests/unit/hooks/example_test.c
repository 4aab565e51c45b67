/* What send-example sends: the example of an event type's schemas. */
#include "hooks/example.h"

#include "base/check.h"

static void check(const char *schemas, const char *expected)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str found = example_of_schemas(&arena, schemas ? str_from_c(schemas) : STR_NONE);
    if (expected)
        assert_true(str_eq(found, str_from_c(expected)));
    else
        assert_null(found.data);
    arena_release(&arena);
}

static void test_examples(void **state)
{
    (void)state;
    check("{\"1\":{\"examples\":[ {\"a\": 1.50, \"b\":\"]}\\\"\"} , {\"a\":2}]}}",
          "{\"a\": 1.50, \"b\":\"]}\\\"\"}");
    check("{\"1\":{\"examples\":[{}]},\"2\":{\"examples\":[[1,[2]]]}}", "[1,[2]]");
    check("{\"1\":{\"examples\":[{\"old\":1}]},\"2\":{\"type\":\"object\"}}", "{\"old\":1}");
}

static void test_none(void **state)
{
    (void)state;
    static const char *const schemas[] = {
        NULL,
        "",
        "[]",
        "{}",
        "{",
        "{\"1\":null}",
        "{\"1\":{\"examples\":[]}}",
        "{\"1\":{\"examples\":{}}}",
        "{\"1\":{\"examples\":[7,{}]}}",
        "{\"1\":{\"examples\":\"[{}]\"}}",
        "{\"1\":{\"properties\":{\"examples\":[{}]}}}",
    };
    for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++)
        check(schemas[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
