/* The router: precedence, methods, parameters, and paths that must never match. */
#include "net/router.h"

#include "base/check.h"

#include <stdio.h>

static struct request request;
static struct router *router;
static const char *const events = "events", *const event = "event", *const seats = "seats",
                         *const special = "special", *const create = "create", *const file = "file",
                         *const root = "root", *const two = "two";

static int set_up(void **state)
{
    (void)state;
    memset(&request, 0, sizeof(request));
    arena_init(&request.arena, REQUEST_ARENA_MAX);
    router = router_new();
    assert_non_null(router);
    assert_ok(router_add(router, HTTP_GET, "/", root));
    assert_ok(router_add(router, HTTP_GET, "/v1/events", events));
    assert_ok(router_add(router, HTTP_POST, "/v1/events", create));
    assert_ok(router_add(router, HTTP_GET, "/v1/events/{id}", event));
    assert_ok(router_add(router, HTTP_GET, "/v1/events/{event}/seats", seats));
    assert_ok(router_add(router, HTTP_GET, "/v1/events/special/map", special));
    assert_ok(router_add(router, HTTP_DELETE, "/v1/{a}/x/{b}", two));
    assert_ok(router_add(router, HTTP_GET, "/assets/{file*}", file));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    router_free(router);
    arena_release(&request.arena);
    return 0;
}

static enum err match(enum http_method method, const char *path, const void **ret_value,
                      struct str *ret_allow)
{
    request.method = method;
    request.path = str_from_c(path);
    return router_match(router, &request, ret_value, ret_allow);
}

static void assert_match(enum http_method method, const char *path, const char *wanted)
{
    const void *value = NULL;
    struct str allow;
    assert_int_equal(match(method, path, &value, &allow), ERR_OK);
    assert_string_equal(value, wanted);
}

static void assert_none(const char *path)
{
    const void *value;
    struct str allow;
    if (match(HTTP_GET, path, &value, &allow) != ERR_NOT_FOUND)
        fail_msg("%s matched", path);
}

static void test_literals_and_params(void **state)
{
    (void)state;
    assert_match(HTTP_GET, "/", root);
    assert_match(HTTP_GET, "/v1/events", events);
    assert_match(HTTP_HEAD, "/v1/events", events);
    assert_match(HTTP_POST, "/v1/events", create);
    assert_match(HTTP_GET, "/v1/events/evt_1", event);
    assert_int_equal(request.param_count, 1);
    assert_str(request_param(&request, "id"), "evt_1");
    assert_null(request_param(&request, "event").data);
    assert_match(HTTP_GET, "/v1/events/evt_1/seats", seats);
    assert_str(request_param(&request, "event"), "evt_1");
    assert_match(HTTP_DELETE, "/v1/p/x/q", two);
    assert_str(request_param(&request, "a"), "p");
    assert_str(request_param(&request, "b"), "q");
}

static void test_literal_wins_and_dead_ends_go_back(void **state)
{
    (void)state;
    assert_match(HTTP_GET, "/v1/events/special/map", special);
    assert_int_equal(request.param_count, 0);
    assert_match(HTTP_GET, "/v1/events/special/seats", seats);
    assert_str(request_param(&request, "event"), "special");
    assert_match(HTTP_GET, "/v1/events/special", event);
    assert_match(HTTP_DELETE, "/v1/events/x/y", two);
    assert_str(request_param(&request, "a"), "events");
}

static void test_rest_of_the_path(void **state)
{
    (void)state;
    assert_match(HTTP_GET, "/assets/a/b%20c.js", file);
    assert_str(request_param(&request, "file"), "a/b c.js");
    assert_match(HTTP_GET, "/assets/x", file);
    assert_str(request_param(&request, "file"), "x");
    assert_none("/assets");
    assert_none("/assets/");
    assert_none("/assets/a//b");
    assert_none("/assets/../x");
    assert_none("/assets/a/%2e%2e/x");
    assert_none("/assets/a%2fb");
}

static void test_params_are_decoded_strictly(void **state)
{
    (void)state;
    assert_match(HTTP_GET, "/v1/events/caf%C3%A9+1", event);
    assert_str(request_param(&request, "id"), "caf\xc3\xa9+1");
    assert_match(HTTP_GET, "/v1/events/...", event);
    assert_match(HTTP_GET, "/v1/events/.a", event);
    static const char *const bad[] = {"%",   "%4", "%zz", "%00", "a%00b", "%c3",  "%ff",   "%2f",
                                      "%2F", ".",  "..",  "%2e", "%2e.",  ".%2E", "a%2Fb", ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/v1/events/%s", bad[i]);
        assert_none(path);
        (void)snprintf(path, sizeof(path), "/v1/events/%s/seats", bad[i]);
        assert_none(path);
    }
}

static void test_paths_that_never_match(void **state)
{
    (void)state;
    static const char *const paths[] = {"",
                                        "v1/events",
                                        "//",
                                        "//v1/events",
                                        "/v1",
                                        "/v1/events/",
                                        "/v1//events",
                                        "/v1/events//seats",
                                        "/V1/events",
                                        "/v1/events/a/b",
                                        "/v1/./events",
                                        "/v1/../v1/events",
                                        "/v1/event%73"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_none(paths[i]);
    char deep[201];
    for (size_t i = 0; i < 200; i += 2)
        memcpy(deep + i, "/a", 3);
    assert_none(deep);
}

static void test_wrong_method_tells_the_right_ones(void **state)
{
    (void)state;
    const void *value;
    struct str allow;
    assert_int_equal(match(HTTP_DELETE, "/v1/events", &value, &allow), ERR_DENIED);
    assert_str(allow, "GET, HEAD, POST");
    assert_int_equal(match(HTTP_OTHER, "/v1/events/x", &value, &allow), ERR_DENIED);
    assert_str(allow, "GET, HEAD");
    assert_int_equal(match(HTTP_GET, "/v1/p/x/q", &value, &allow), ERR_DENIED);
    assert_str(allow, "DELETE");
    assert_int_equal(match(HTTP_HEAD, "/v1/p/x/q", &value, &allow), ERR_DENIED);
}

static void test_the_same_route_twice_is_a_conflict(void **state)
{
    (void)state;
    assert_int_equal(router_add(router, HTTP_GET, "/v1/events", events), ERR_CONFLICT);
    assert_int_equal(router_add(router, HTTP_GET, "/v1/events/{other}", events), ERR_CONFLICT);
    assert_ok(router_add(router, HTTP_PUT, "/v1/events/{other}", events));
}

static void test_head_may_have_a_route_of_its_own(void **state)
{
    (void)state;
    const void *value;
    struct str allow;
    assert_match(HTTP_HEAD, "/v1/events/evt_1", event);
    assert_ok(router_add(router, HTTP_HEAD, "/v1/events/{id}", two));
    assert_ok(router_add(router, HTTP_OPTIONS, "/v1/events/{id}", create));
    assert_match(HTTP_HEAD, "/v1/events/evt_1", two);
    assert_match(HTTP_GET, "/v1/events/evt_1", event);
    assert_match(HTTP_OPTIONS, "/v1/events/evt_1", create);
    assert_int_equal(match(HTTP_POST, "/v1/events/evt_1", &value, &allow), ERR_DENIED);
    assert_str(allow, "GET, HEAD, OPTIONS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_literals_and_params, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_literal_wins_and_dead_ends_go_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rest_of_the_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_params_are_decoded_strictly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paths_that_never_match, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_method_tells_the_right_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_head_may_have_a_route_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_same_route_twice_is_a_conflict, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
