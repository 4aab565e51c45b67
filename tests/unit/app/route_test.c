/* What handlers call: answers, parameters, list positions. */
#include "app/bare_call.h"
#include "base/ids.h"

#define fresh_call(bare)                                                                           \
    __attribute__((cleanup(bare_call_release))) struct bare_call bare;                             \
    bare_call_init(&bare)

static bool is_unchanged(struct str if_none_match)
{
    fresh_call(bare);
    bare_call_field(&bare, STR("If-None-Match"), if_none_match);
    bool result = reply_not_modified(&bare.call, STR("v7"));
    assert_int_equal(bare.request.res.status, result ? 304 : 0);
    assert_str(bare_call_answer(&bare, STR("etag")), "\"v7\"");
    return result;
}

static void etag_is_compared_as_a_list(void **state)
{
    (void)state;
    assert_true(is_unchanged(STR("\"v7\"")));
    assert_true(is_unchanged(STR("\"v6\", W/\"v7\"")));
    assert_true(is_unchanged(STR("*")));
    assert_false(is_unchanged(STR("\"v6\"")));
    assert_false(is_unchanged(STR("v7")));
    assert_false(is_unchanged(STR("\"v70\"")));
    assert_false(is_unchanged(STR("\"")));
    assert_false(is_unchanged(STR(",,")));
    assert_false(is_unchanged(STR_NONE));
}

static void json_over_its_maximum_is_no_answer(void **state)
{
    (void)state;
    fresh_call(bare);
    struct buf *body = buf_new_in(&bare.request.arena, 4);
    assert_non_null(body);
    buf_append(body, "{\"a\":1}", 7);
    reply_json(&bare.call, 200, body);
    assert_int_equal(bare.request.res.status, 500);
}

struct form {
    struct str name;
    int64_t count;
};

static const struct json_field form_fields[] = {
    {.name = "name",
     .kind = JSON_STR,
     .offset = offsetof(struct form, name),
     .is_required = true,
     .max = 8},
    {.name = "count", .kind = JSON_I64, .offset = offsetof(struct form, count), .max = 5},
    {0},
};

/* The status of the refusal; 0: decoded. */
static int decode(struct str body, struct form *form, const char *part)
{
    fresh_call(bare);
    bare.route.request = form_fields;
    bare.request.body = body;
    *form = (struct form){0};
    bool is_ok = call_decode(&bare.call, form);
    assert_int_equal(is_ok, bare.request.res.status == 0);
    if (part) {
        char text[1024];
        assert_ok(str_to_c(bare.request.res.body, text, sizeof(text)));
        assert_non_null(strstr(text, part));
    }
    return bare.request.res.status;
}

static void body_is_decoded_or_refused(void **state)
{
    (void)state;
    struct form form;
    assert_int_equal(decode(STR("{\"name\":\"a\",\"count\":5}"), &form, NULL), 0);
    assert_int_equal(form.count, 5);
    assert_int_equal(decode(STR("{\"name\":\"a\",\"count\":6}"), &form, "\"count\""), 422);
    assert_int_equal(decode(STR("{\"name\":\"a\",\"size\":6}"), &form, "\"size\""), 422);
    assert_int_equal(decode(STR_NONE, &form, "\"name\""), 422);
    assert_int_equal(decode(STR("{\"name\":"), &form, "malformed-json"), 400);
    assert_int_equal(decode(STR("{\"name\":\"\xff\"}"), &form, "malformed-json"), 400);
}

static void path_ids_have_their_prefix(void **state)
{
    (void)state;
    char text[ID_TEXT_SIZE];
    uint64_t a = 0, b = 0;
    fresh_call(bare);
    bare.request.params[0].name = "id";
    bare.request.param_count = 1;
    bare.request.params[0].value = id_format(text, "evt", 5);
    assert_true(call_param_id(&bare.call, "id", "evt", &a));
    assert_int_equal(a, 5);
    assert_false(call_param_id(&bare.call, "id", "bkg", &a));
    assert_int_equal(bare.request.res.status, 404);
    bare.request.params[0].value = id_format2(text, "bkg", 7, 9);
    assert_true(call_param_id2(&bare.call, "id", "bkg", &a, &b));
    assert_int_equal(a, 7);
    assert_int_equal(b, 9);
    assert_false(call_param_id2(&bare.call, "none", "bkg", &a, &b));
}

struct query {
    struct str text;
    int64_t number, at_ms;
    double real;
};

static int ask(struct str raw, struct query *query)
{
    fresh_call(bare);
    bare.request.query = raw;
    *query = (struct query){STR("default"), -1, -1, -1};
    bool is_ok = call_query_str(&bare.call, "s", &query->text) &&
                 call_query_i64(&bare.call, "i", 0, 10, &query->number) &&
                 call_query_f64(&bare.call, "f", -90, 90, &query->real) &&
                 call_query_time(&bare.call, "t", &query->at_ms);
    assert_int_equal(is_ok, bare.request.res.status == 0);
    return bare.request.res.status;
}

static void query_is_typed(void **state)
{
    (void)state;
    struct query query;
    assert_int_equal(ask(STR("i=10&f=-12.5&t=1970-01-01T00:00:01Z&s="), &query), 0);
    assert_int_equal(query.number, 10);
    assert_true(query.real == -12.5);
    assert_int_equal(query.at_ms, 1000);
    assert_int_equal(query.text.len, 0);
    assert_int_equal(ask(STR_NONE, &query), 0);
    assert_int_equal(query.number, -1);
    assert_str(query.text, "default");
    assert_int_equal(ask(STR("i=11"), &query), 422);
    assert_int_equal(ask(STR("i=x"), &query), 422);
    assert_int_equal(ask(STR("i="), &query), 422);
    assert_int_equal(ask(STR("i=1&i=1"), &query), 422);
    assert_int_equal(ask(STR("f=91"), &query), 422);
    assert_int_equal(ask(STR("f=nan"), &query), 422);
    assert_int_equal(ask(STR("t=yesterday"), &query), 422);
    assert_int_equal(ask(STR("s=%zz"), &query), 422);
    assert_int_equal(ask(STR("s=%ff"), &query), 422);
}

/* Writes an empty list and gives back its next_cursor. */
static struct str list_end(struct arena *arena, bool has_more, int64_t a, int64_t b)
{
    struct json_writer writer;
    struct json_node *node;
    struct str message, cursor = STR_NONE;
    struct buf *body = buf_new_in(arena, 1024);
    assert_non_null(body);
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    list_close(&writer, has_more, a, b);
    assert_ok(json_parse(arena, buf_str(body), &node, &message));
    assert_true(json_is_array(json_get(node, "data")));
    assert_int_equal(json_as_str(json_get(node, "next_cursor"), &cursor), has_more);
    return cursor;
}

static void cursor_brings_back_the_position(void **state)
{
    (void)state;
    const int64_t positions[][2] = {{0, 0}, {1, -1}, {INT64_MAX, INT64_MIN}};
    for (size_t i = 0; i < 3; i++) {
        fresh_call(bare);
        struct list_page page;
        struct str cursor = list_end(&bare.request.arena, true, positions[i][0], positions[i][1]);
        bare.request.query =
            arena_printf(&bare.request.arena, "limit=7&cursor=%.*s", STR_ARG(cursor));
        assert_true(call_list_page(&bare.call, &page));
        assert_true(page.has_cursor);
        assert_int_equal(page.limit, 7);
        assert_int_equal(page.a, positions[i][0]);
        assert_int_equal(page.b, positions[i][1]);
        assert_null(list_end(&bare.request.arena, false, 1, 2).data);
    }
}

static void bad_list_pages_are_refused(void **state)
{
    (void)state;
    const struct str bad[] = {STR("limit=0"),    STR("limit=201"),      STR("limit=-1"),
                              STR("cursor="),    STR("cursor=AAAA"),    STR("cursor=!"),
                              STR("cursor=%00"), STR("limit=1&limit=1")};
    struct list_page page;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fresh_call(bare);
        bare.request.query = bad[i];
        assert_false(call_list_page(&bare.call, &page));
        assert_int_equal(bare.request.res.status, 422);
    }
    fresh_call(bare);
    assert_true(call_list_page(&bare.call, &page));
    assert_int_equal(page.limit, LIST_LIMIT_DEFAULT);
    assert_false(page.has_cursor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(etag_is_compared_as_a_list),
        cmocka_unit_test(json_over_its_maximum_is_no_answer),
        cmocka_unit_test(body_is_decoded_or_refused),
        cmocka_unit_test(path_ids_have_their_prefix),
        cmocka_unit_test(query_is_typed),
        cmocka_unit_test(cursor_brings_back_the_position),
        cmocka_unit_test(bad_list_pages_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
