/* Writing: commas, escapes at every position of a word, broken UTF-8, and that our own reader takes
 * what we write. */
#include "base/json.h"

#include "base/check.h"
#include "base/rand.h"

#include <math.h>

static struct buf buf;
static struct json_writer writer;

static int set_up(void **state)
{
    (void)state;
    buf_init(&buf, 1 << 20);
    json_begin(&writer, &buf);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_release(&buf);
    return 0;
}

static void test_commas(void **state)
{
    (void)state;
    json_open_object(&writer);
    json_key(&writer, "a");
    json_open_array(&writer);
    json_i64(&writer, 1);
    json_open_array(&writer);
    json_close_array(&writer);
    json_open_object(&writer);
    json_close_object(&writer);
    json_null(&writer);
    json_close_array(&writer);
    json_put_bool(&writer, "b", true);
    json_put_null(&writer, "c");
    json_key(&writer, "d");
    json_raw(&writer, STR("[1,2]"));
    json_put_i64(&writer, "e", INT64_MIN);
    json_close_object(&writer);
    assert_str(buf_str(&buf), "{\"a\":[1,[],{},null],\"b\":true,\"c\":null,\"d\":[1,2],"
                              "\"e\":-9223372036854775808}");
    assert_int_equal(writer.depth, 0);
}

static void test_members_of_our_own_kinds(void **state)
{
    (void)state;
    json_open_object(&writer);
    json_put_str(&writer, "s", STR("x"));
    json_put_time(&writer, "t", 1769889600123);
    json_put_id(&writer, "i", "evt", 5);
    json_put_id2(&writer, "j", "bkg", 1, 2);
    json_close_object(&writer);
    assert_str(buf_str(&buf),
               "{\"s\":\"x\",\"t\":\"2026-01-31T20:00:00.123Z\",\"i\":\"evt_0000000000005\","
               "\"j\":\"bkg_00000000000010000000000002\"}");
}

static void test_floats(void **state)
{
    (void)state;
    json_open_array(&writer);
    json_f64(&writer, 0.5);
    json_f64(&writer, 3);
    json_f64(&writer, -0.1);
    json_f64(&writer, -0.0);
    json_f64(&writer, 1e300);
    json_f64(&writer, -1.7976931348623157e308);
    json_f64(&writer, (double)NAN);
    json_f64(&writer, -(double)INFINITY);
    json_bool(&writer, false);
    json_close_array(&writer);
    assert_str(buf_str(&buf), "[0.5,3,-0.1,0,1e+300,-1.7976931348623157e+308,null,null,false]");
}

static void test_escapes(void **state)
{
    (void)state;
    json_str(&writer, STR("\"\\/\b\f\n\r\t\x01\x1f\0\x7f"));
    assert_str(buf_str(&buf), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u0000\x7f\"");
}

static void test_broken_utf8_is_replaced(void **state)
{
    (void)state;
    json_open_array(&writer);
    json_str(&writer, STR("\xC3\xA4\xF0\x9F\x98\x80"));
    json_str(&writer, STR("a\xFF"
                          "b"));
    json_str(&writer, STR("\xE2\x82"));
    json_str(&writer, STR("\xED\xA0\x80"));
    json_str(&writer, STR_NONE);
    json_close_array(&writer);
    assert_str(buf_str(&buf), "[\"\xC3\xA4\xF0\x9F\x98\x80\",\"a\xEF\xBF\xBD"
                              "b\","
                              "\"\xEF\xBF\xBD\xEF\xBF\xBD\","
                              "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\",\"\"]");
}

/* The reader is another implementation: what it gives back must be what was written. */
static void assert_round_trip(struct str value)
{
    struct arena arena;
    struct json_node *node;
    struct str message, back;
    arena_init(&arena, 4096);
    buf_clear(&buf);
    json_begin(&writer, &buf);
    json_str(&writer, value);
    assert_ok(json_parse(&arena, buf_str(&buf), &node, &message));
    assert_true(json_as_str(node, &back));
    assert_int_equal(back.len, value.len);
    assert_memory_equal(back.data, value.data, value.len);
    arena_release(&arena);
}

static void test_every_byte_at_every_position_round_trips(void **state)
{
    (void)state;
    for (int c = 1; c < 128; c++) {
        for (size_t at = 0; at < 20; at++) {
            char text[20];
            memset(text, 'x', sizeof(text));
            text[at] = (char)c;
            assert_round_trip(str_from(text, sizeof(text)));
            assert_round_trip(str_from(text, at + 1));
        }
    }
}

static void test_random_bytes_always_give_valid_json(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        struct arena arena;
        struct json_node *node;
        struct str message;
        char text[64];
        size_t len = rand_below(sizeof(text) + 1);
        rand_bytes(text, len);
        for (size_t at = 0; at < len; at++) /* the reader refuses NUL */
            text[at] = text[at] ? text[at] : '0';
        arena_init(&arena, 4096);
        buf_clear(&buf);
        json_begin(&writer, &buf);
        json_str(&writer, str_from(text, len));
        assert_ok(json_parse(&arena, buf_str(&buf), &node, &message));
        arena_release(&arena);
    }
}

static void test_deepest_level(void **state)
{
    (void)state;
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_open_array(&writer);
    json_i64(&writer, 1);
    json_i64(&writer, 2);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_close_array(&writer);
    struct arena arena;
    struct json_node *node;
    struct str message;
    arena_init(&arena, 4096);
    assert_ok(json_parse(&arena, buf_str(&buf), &node, &message));
    arena_release(&arena);
}

static void test_overflow_is_the_buffers(void **state)
{
    (void)state;
    buf_release(&buf);
    buf_init(&buf, 8);
    json_open_object(&writer);
    json_put_str(&writer, "name", STR("value"));
    json_close_object(&writer);
    assert_true(buf.overflow);
    assert_true(buf.len <= 8);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_commas),
        TEST(test_members_of_our_own_kinds),
        TEST(test_floats),
        TEST(test_escapes),
        TEST(test_broken_utf8_is_replaced),
        TEST(test_every_byte_at_every_position_round_trips),
        TEST(test_random_bytes_always_give_valid_json),
        TEST(test_deepest_level),
        TEST(test_overflow_is_the_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
