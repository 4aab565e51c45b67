/* Parsing: what RFC 8259 allows, what we refuse beyond it and how it is said, and reading the tree.
 */
#include "base/json.h"

#include "base/check.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct json_node *parse(struct str text)
{
    struct json_node *node = NULL;
    struct str message = STR_NONE;
    assert_ok(json_parse(&arena, text, &node, &message));
    assert_non_null(node);
    return node;
}

static void refuse(struct str text, const char *want)
{
    struct json_node *node = NULL;
    struct str message = STR_NONE;
    assert_err(json_parse(&arena, text, &node, &message), ERR_INVALID);
    assert_null(node);
    assert_str(message, want);
}

static void test_scalars(void **state)
{
    (void)state;
    int64_t integer = 0;
    double number = 0;
    bool flag = false;
    struct str text;
    assert_true(json_as_i64(parse(STR("-5")), &integer) && integer == -5);
    assert_true(json_as_i64(parse(STR("9223372036854775807")), &integer) && integer == INT64_MAX);
    assert_true(json_as_i64(parse(STR("-9223372036854775808")), &integer) && integer == INT64_MIN);
    assert_true(json_as_f64(parse(STR("2.5e1")), &number) && number == 25);
    assert_true(json_as_f64(parse(STR("7")), &number) && number == 7);
    assert_true(json_as_bool(parse(STR(" true ")), &flag) && flag);
    assert_true(json_as_bool(parse(STR("false")), &flag) && !flag);
    assert_true(json_as_str(parse(STR("\"a\\u00e4\\n\\ud83d\\ude00\"")), &text));
    assert_str(text, "a\xC3\xA4\n\xF0\x9F\x98\x80");
    assert_true(json_is_null_node(parse(STR("null"))));
    assert_false(json_is_null_node(NULL));
}

static void test_readers_refuse_other_types(void **state)
{
    (void)state;
    int64_t integer = 77;
    double number = 77;
    bool flag = true;
    struct str text = STR("77");
    struct json_node *string = parse(STR("\"1\""));
    assert_false(json_as_i64(string, &integer));
    assert_false(json_as_i64(parse(STR("1.0")), &integer));
    assert_false(json_as_f64(string, &number));
    assert_false(json_as_bool(parse(STR("1")), &flag));
    assert_false(json_as_bool(parse(STR("null")), &flag));
    assert_false(json_as_str(parse(STR("1")), &text));
    assert_false(json_as_str(NULL, &text));
    assert_false(json_as_i64(NULL, &integer));
    assert_false(json_is_object(NULL));
    assert_false(json_is_array(string));
    assert_null(json_get(string, "x"));
    assert_null(json_get(NULL, "x"));
    assert_null(json_at(string, 0));
    assert_int_equal(json_count(string), 0);
    assert_int_equal(json_count(NULL), 0);
    assert_int_equal(integer, 77);
    assert_true(number == 77 && flag);
    assert_str(text, "77");
}

static void test_containers_keep_their_order(void **state)
{
    (void)state;
    struct json_node *root = parse(STR("{\"z\":[1,[],{}],\"a\":2,\"m\":null}"));
    static const char *const names[] = {"z", "a", "m"};
    void *position = NULL;
    struct str name;
    struct json_node *value;
    int64_t number;
    size_t count = 0;
    assert_true(json_is_object(root));
    assert_int_equal(json_count(root), 3);
    while (json_each(root, &position, &name, &value)) {
        assert_str(name, names[count]);
        assert_ptr_equal(value, json_get(root, names[count]));
        count++;
    }
    assert_int_equal(count, 3);
    struct json_node *array = json_get(root, "z");
    assert_true(json_is_array(array));
    assert_int_equal(json_count(array), 3);
    assert_true(json_as_i64(json_at(array, 0), &number) && number == 1);
    assert_true(json_is_array(json_at(array, 1)));
    assert_null(json_at(array, 3));
    assert_null(json_get(root, "absent"));
    position = NULL;
    assert_false(json_each(array, &position, &name, &value));
    assert_false(json_each(parse(STR("{}")), &position, &name, &value));
}

static void test_strings_live_as_long_as_the_arena(void **state)
{
    (void)state;
    char input[] = "{\"name\":\"Lower 12\"}";
    struct str name;
    assert_true(json_as_str(json_get(parse(str_from_c(input)), "name"), &name));
    memset(input, 'x', sizeof(input));
    assert_str(name, "Lower 12");
}

static void test_refusals_say_what_and_where(void **state)
{
    (void)state;
    refuse(STR("{\"a\":1,\n \"a\":2}"), "line 2, column 4: a name appears twice in one object");
    refuse(STR("{} x"), "line 1, column 4: something follows the document");
    refuse(STR("{}{}"), "line 1, column 3: something follows the document");
    refuse(STR("[1,2"), "line 1, column 4: the document ends too early");
    refuse(STR("[12345678901234567890]"),
           "line 1, column 21: an integer does not fit into 64 bits");
    refuse(STR("[-9223372036854775809]"),
           "line 1, column 21: an integer does not fit into 64 bits");
    refuse(STR("[1e999]"), "line 1, column 6: a number is out of range");
    refuse(STR("\"\\u0000\""), "line 1, column 8: a string must not contain U+0000");
    refuse(STR("{\"a\\u0000b\":1}"), "line 1, column 11: a string must not contain U+0000");
    refuse(STR("\"\xFF\""), "line 1, column 1: not valid UTF-8");
}

static void test_refuses_what_is_not_json(void **state)
{
    (void)state;
    static const struct str bad[] = {
        STR_NONE,
        STR(""),
        STR(" "),
        STR("{"),
        STR("}"),
        STR("]"),
        STR("{\"a\"}"),
        STR("{\"a\":}"),
        STR("{a:1}"),
        STR("{'a':1}"),
        STR("{\"a\":1,}"),
        STR("[1,]"),
        STR("[,1]"),
        STR("01"),
        STR("+1"),
        STR("1."),
        STR(".5"),
        STR("0x1"),
        STR("NaN"),
        STR("Infinity"),
        STR("tru"),
        STR("TRUE"),
        STR("\"a"),
        STR("\"\\x\""),
        STR("\"\\"),
        STR("\"\t\""),
        STR("\"\\ud800\""),
        STR("\"\\udc00\""),
        STR("// c\n1"),
        STR("/**/1"),
        STR("\"\xC0\x80\""),
        STR("\"\xED\xA0\x80\""),
        STR("1\0"),
        STR("{}\0\0"),
        STR("\0"),
        STR("\"a\0b\""),
        STR("\xEF\xBB\xBF{}"),
        STR("[1 2]"),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct json_node *node = NULL;
        struct str message = STR_NONE;
        assert_err(json_parse(&arena, bad[i], &node, &message), ERR_INVALID);
        assert_true(str_starts_with(message, STR("line ")));
    }
}

/* "[[[...]]]" of that depth, with brackets in strings that must not count. */
static struct str nested(char *text, size_t depth)
{
    static const char noise[] = "\"[{\\\"[\\\\\",";
    char *out = text;
    for (size_t i = 0; i < depth; i++) {
        *out++ = '[';
        memcpy(out, noise, sizeof(noise) - 1);
        out += sizeof(noise) - 1;
    }
    *out++ = '1';
    for (size_t i = 0; i < depth; i++)
        *out++ = ']';
    return str_from(text, (size_t)(out - text));
}

static void test_depth(void **state)
{
    (void)state;
    static char text[200000];
    parse(nested(text, JSON_DEPTH_MAX));
    struct json_node *node = NULL;
    struct str message = STR_NONE;
    assert_err(json_parse(&arena, nested(text, JSON_DEPTH_MAX + 1), &node, &message), ERR_INVALID);
    assert_non_null(strstr(message.data, "nested too deep"));
    assert_err(json_parse(&arena, nested(text, 10000), &node, &message), ERR_INVALID);
    memset(text, '[', sizeof(text));
    text[5] = '\n';
    refuse(str_from(text, sizeof(text)), "line 2, column 28: nested too deep");
    parse(
        STR("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
            "[],[],[],[],[],[],[],[],[],[],[],[]]"));
}

static void test_full_arena(void **state)
{
    (void)state;
    struct arena small;
    struct json_node *node = NULL;
    struct str message = STR_NONE;
    arena_init(&small, 8);
    assert_err(json_parse(&small, STR("{\"a\":1}"), &node, &message), ERR_NOMEM);
    assert_null(node);
    arena_release(&small);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_scalars),
        TEST(test_readers_refuse_other_types),
        TEST(test_containers_keep_their_order),
        TEST(test_strings_live_as_long_as_the_arena),
        TEST(test_refusals_say_what_and_where),
        TEST(test_refuses_what_is_not_json),
        TEST(test_depth),
        TEST(test_full_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
