/* Decoding by a table: every kind valid, at its borders and beyond, and all errors of a document at
 * once. */
#include "base/json.h"

#include "base/check.h"

#include <stdio.h>

struct order {
    struct str name;
    struct str currency;
    int64_t count;
    double x;
    bool is_open;
    bool has_open;
    int64_t opens_at;
    struct json_strs seats;
    struct json_node *prices;
    struct json_node *areas;
};

static const char *const currencies[] = {"EUR", "USD", NULL};

static const struct json_field order_fields[] = {
    {"name", JSON_STR, offsetof(struct order, name), .is_required = true, .min = 1, .max = 10},
    {"currency", JSON_STR, offsetof(struct order, currency), .one_of = currencies},
    {"count", JSON_I64, offsetof(struct order, count), .min = -5, .max = 5},
    {"x", JSON_F64, offsetof(struct order, x), .min = -1, .max = 1},
    {"open", JSON_BOOL, offsetof(struct order, is_open),
     .has_offset = offsetof(struct order, has_open)},
    {.name = "opens_at", .kind = JSON_TIME, .offset = offsetof(struct order, opens_at)},
    {"seats", JSON_STR_LIST, offsetof(struct order, seats), .min = 1, .max = 3},
    {.name = "prices", .kind = JSON_OBJECT, .offset = offsetof(struct order, prices)},
    {"areas", JSON_ARRAY, offsetof(struct order, areas), .max = 2},
    {.name = NULL},
};

static struct arena arena;
static struct field_errors errors;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    field_errors_init(&errors, &arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct order decode(struct str text)
{
    struct order order = {.count = 77};
    errors.count = 0;
    assert_ok(json_decode(&arena, text, order_fields, &order, &errors));
    assert_int_equal(errors.count, 0);
    return order;
}

/* One error: its field and message. */
static void refuse(struct str text, const char *field, const char *message)
{
    struct order order = {.count = 77};
    errors.count = 0;
    assert_err(json_decode(&arena, text, order_fields, &order, &errors), ERR_INVALID);
    assert_int_equal(errors.count, 1);
    assert_str(errors.items[0].field, field);
    assert_str(errors.items[0].message, message);
}

static void test_every_kind(void **state)
{
    (void)state;
    struct order order = decode(STR(
        "{\"name\":\"Ada\",\"currency\":\"USD\",\"count\":5,\"x\":-0.5,\"open\":false,"
        "\"opens_at\":\"2026-01-31T22:00:00+02:00\",\"seats\":[\"a\",\"b\"],\"prices\":{\"A\":1},"
        "\"areas\":[]}"));
    assert_str(order.name, "Ada");
    assert_str(order.currency, "USD");
    assert_int_equal(order.count, 5);
    assert_true(order.x == -0.5);
    assert_true(order.has_open && !order.is_open);
    assert_true(order.opens_at == 1769889600000);
    assert_int_equal(order.seats.count, 2);
    assert_str(order.seats.items[1], "b");
    assert_int_equal(json_count(order.prices), 1);
    assert_int_equal(json_count(order.areas), 0);
}

static void test_absent_and_null_leave_defaults(void **state)
{
    (void)state;
    struct order order = decode(STR("{\"count\":null,\"open\":null,\"name\":\"x\"}"));
    assert_int_equal(order.count, 77);
    assert_false(order.has_open);
    assert_null(order.seats.items);
    assert_null(order.prices);
}

static void test_any_order_of_members(void **state)
{
    (void)state;
    struct order order = decode(STR("{\"seats\":[\"q\"],\"x\":1,\"name\":\"n\",\"count\":-5}"));
    assert_str(order.name, "n");
    assert_str(order.seats.items[0], "q");
    assert_int_equal(order.count, -5);
    assert_true(order.x == 1);
}

static void test_required(void **state)
{
    (void)state;
    refuse(STR("{}"), "name", "is required");
    refuse(STR("{\"name\":null}"), "name", "is required");
}

static void test_strings(void **state)
{
    (void)state;
    decode(STR("{\"name\":\"1234567890\"}"));
    refuse(STR("{\"name\":\"\"}"), "name", "must have 1 to 10 bytes");
    refuse(STR("{\"name\":\"12345678901\"}"), "name", "must have 1 to 10 bytes");
    refuse(STR("{\"name\":5}"), "name", "must be a string");
    refuse(STR("{\"name\":\"n\",\"currency\":\"eur\"}"), "currency", "must be one of: EUR, USD");
    refuse(STR("{\"name\":\"n\",\"currency\":\"\"}"), "currency", "must be one of: EUR, USD");
}

static void test_numbers(void **state)
{
    (void)state;
    refuse(STR("{\"name\":\"n\",\"count\":6}"), "count", "must be -5 to 5");
    refuse(STR("{\"name\":\"n\",\"count\":-6}"), "count", "must be -5 to 5");
    refuse(STR("{\"name\":\"n\",\"count\":1.0}"), "count", "must be an integer");
    refuse(STR("{\"name\":\"n\",\"count\":\"1\"}"), "count", "must be an integer");
    refuse(STR("{\"name\":\"n\",\"x\":1.01}"), "x", "must be -1 to 1");
    refuse(STR("{\"name\":\"n\",\"x\":true}"), "x", "must be a number");
    refuse(STR("{\"name\":\"n\",\"open\":1}"), "open", "must be true or false");
}

static void test_times(void **state)
{
    (void)state;
    refuse(STR("{\"name\":\"n\",\"opens_at\":\"2026-02-30T00:00:00Z\"}"), "opens_at",
           "must be a time such as 2026-01-31T20:00:00Z");
    refuse(STR("{\"name\":\"n\",\"opens_at\":1769889600}"), "opens_at", "must be a string");
}

static void test_lists(void **state)
{
    (void)state;
    char text[400];
    refuse(STR("{\"name\":\"n\",\"seats\":[]}"), "seats", "must have 1 to 3 items");
    refuse(STR("{\"name\":\"n\",\"seats\":[\"1\",\"2\",\"3\",\"4\"]}"), "seats",
           "must have 1 to 3 items");
    refuse(STR("{\"name\":\"n\",\"seats\":\"1\"}"), "seats", "must be an array of strings");
    refuse(STR("{\"name\":\"n\",\"seats\":[\"1\",2]}"), "seats[1]",
           "must be a string of 1 to 256 bytes");
    refuse(STR("{\"name\":\"n\",\"seats\":[\"\"]}"), "seats[0]",
           "must be a string of 1 to 256 bytes");
    refuse(STR("{\"name\":\"n\",\"seats\":[\"1\",\"2\",\"1\"]}"), "seats",
           "must not have the same item twice");
    (void)snprintf(text, sizeof(text), "{\"name\":\"n\",\"seats\":[\"%0256d\"]}", 1);
    decode(str_from_c(text));
    (void)snprintf(text, sizeof(text), "{\"name\":\"n\",\"seats\":[\"%0257d\"]}", 1);
    refuse(str_from_c(text), "seats[0]", "must be a string of 1 to 256 bytes");
}

static void test_trees(void **state)
{
    (void)state;
    refuse(STR("{\"name\":\"n\",\"prices\":[]}"), "prices", "must be an object");
    refuse(STR("{\"name\":\"n\",\"areas\":{}}"), "areas", "must be an array");
    refuse(STR("{\"name\":\"n\",\"areas\":[1,2,3]}"), "areas", "must have 0 to 2 items");
}

static void test_unknown_fields(void **state)
{
    (void)state;
    refuse(STR("{\"name\":\"n\",\"colour\":1}"), "colour", "is not a known field");
    refuse(STR("{\"name\":\"n\",\"nam\":1}"), "nam", "is not a known field");
    refuse(STR("{\"name\":\"n\",\"names\":1}"), "names", "is not a known field");
    refuse(STR("{\"name\":\"n\",\"\":1}"), "", "is not a known field");
}

static void test_unknown_fields_may_be_passed_over(void **state)
{
    (void)state;
    struct order order = {.count = 77};
    errors.count = 0;
    struct str text = STR("{\"name\":\"Ada\",\"nope\":{\"a\":[1]},\"count\":3,\"\":null}");
    assert_ok(json_decode_known(&arena, text, order_fields, &order, &errors));
    assert_str(order.name, "Ada");
    assert_int_equal(order.count, 3);
    text = STR("{\"nope\":1,\"count\":6}");
    assert_err(json_decode_known(&arena, text, order_fields, &order, &errors), ERR_INVALID);
    assert_int_equal(errors.count, 2);
    assert_err(json_decode_known(&arena, STR("[]"), order_fields, &order, &errors), ERR_INVALID);
    assert_err(json_decode_known(&arena, STR("{"), order_fields, &order, &errors), ERR_INVALID);
}

static void test_long_unknown_names_are_cut_at_a_character(void **state)
{
    (void)state;
    char text[400] = "{\"name\":\"n\",\"x";
    for (int i = 0; i < 100; i++)
        strcat(text, "\xC3\xA4");
    strcat(text, "\":1}");
    struct order order;
    errors.count = 0;
    assert_err(json_decode(&arena, str_from_c(text), order_fields, &order, &errors), ERR_INVALID);
    assert_int_equal(errors.items[0].field.len, 63);
    assert_true(str_is_utf8(errors.items[0].field));
}

static void test_all_errors_at_once(void **state)
{
    (void)state;
    struct order order;
    assert_err(json_decode(&arena, STR("{\"count\":9,\"x\":\"\",\"zzz\":0}"), order_fields, &order,
                           &errors),
               ERR_INVALID);
    assert_int_equal(errors.count, 4);
    assert_str(errors.items[0].field, "count");
    assert_str(errors.items[1].field, "x");
    assert_str(errors.items[2].field, "zzz");
    assert_str(errors.items[3].field, "name");
}

static void test_still_invalid_when_the_list_is_full(void **state)
{
    (void)state;
    struct order order;
    for (int i = 0; i < FIELD_ERRORS_MAX; i++)
        field_errors_add(&errors, "before", "%s", "x");
    assert_err(json_decode(&arena, STR("{}"), order_fields, &order, &errors), ERR_INVALID);
}

static void test_what_is_no_object(void **state)
{
    (void)state;
    refuse(STR("[]"), "", "must be an object");
    refuse(STR("null"), "", "must be an object");
    refuse(STR("{\"name\":"), "", "line 1, column 8: the document ends too early");
    refuse(STR_NONE, "", "line 1, column 0: the document ends too early");
}

static void test_path_prefixes_fields(void **state)
{
    (void)state;
    struct json_node *root;
    struct str message;
    struct order order = {.count = 0};
    assert_ok(json_parse(&arena, STR("[{\"name\":1,\"seats\":[1]}, 5]"), &root, &message));
    assert_err(
        json_decode_node(&arena, json_at(root, 0), "orders[0]", order_fields, &order, &errors),
        ERR_INVALID);
    assert_err(
        json_decode_node(&arena, json_at(root, 1), "orders[1]", order_fields, &order, &errors),
        ERR_INVALID);
    assert_err(json_decode_node(&arena, NULL, "orders[2]", order_fields, &order, &errors),
               ERR_INVALID);
    assert_int_equal(errors.count, 4);
    assert_str(errors.items[0].field, "orders[0].name");
    assert_str(errors.items[1].field, "orders[0].seats[0]");
    assert_str(errors.items[2].field, "orders[1]");
    assert_str(errors.items[3].field, "orders[2]");
}

static void test_full_arena(void **state)
{
    (void)state;
    struct str text = STR("{\"name\":\"n\",\"seats\":[\"a\",\"b\",\"c\"]}");
    for (size_t max = 0; max < 1024; max += 16) {
        struct arena small;
        struct field_errors small_errors;
        struct order order;
        arena_init(&small, max);
        field_errors_init(&small_errors, &small);
        enum err err = json_decode(&small, text, order_fields, &order, &small_errors);
        assert_err(err, small.overflow ? ERR_NOMEM : ERR_OK);
        arena_release(&small);
    }
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_every_kind),
        TEST(test_absent_and_null_leave_defaults),
        TEST(test_any_order_of_members),
        TEST(test_required),
        TEST(test_strings),
        TEST(test_numbers),
        TEST(test_times),
        TEST(test_lists),
        TEST(test_trees),
        TEST(test_unknown_fields),
        TEST(test_unknown_fields_may_be_passed_over),
        TEST(test_long_unknown_names_are_cut_at_a_character),
        TEST(test_all_errors_at_once),
        TEST(test_still_invalid_when_the_list_is_full),
        TEST(test_what_is_no_object),
        TEST(test_path_prefixes_fields),
        TEST(test_full_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
