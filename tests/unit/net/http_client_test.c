/* The HTTP client against the project's own server. */
#include "net/http_client.h"

#include "net/receiver.h"
#include "net/rig.h"

#define CALLS 200

struct asked {
    struct http_call call;
    _Atomic int done;
    char url[128];
};

static struct http_client *client;

static int set_up(void **state)
{
    (void)state;
    struct server_options options = rig_options();
    struct http_client_options client_options = {.in_flight_max = 4, .queue_max = CALLS};
    rig_start(&options);
    assert_ok(http_client_new(&client_options, &client));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_client_free(client);
    rig_stop();
    return 0;
}

static void on_done(struct http_call *call)
{
    struct asked *asked = container_of(call, struct asked, call);
    atomic_fetch_add(&asked->done, 1);
}

static void prepare(struct asked *asked, const char *method, const char *path)
{
    memset(asked, 0, sizeof(*asked));
    (void)snprintf(asked->url, sizeof(asked->url), "http://127.0.0.1:%u%s", server_port(rig.server),
                   path);
    asked->call.method = method;
    asked->call.url = asked->url;
    asked->call.timeout_ms = 20000;
    asked->call.response_max = 1000;
    asked->call.on_done = on_done;
}

static void ask(struct asked *asked)
{
    assert_ok(http_client_submit(client, &asked->call));
    wait_for(asked->done == 1);
}

static void test_methods_and_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        struct str body;
        const char *answer;
    } rows[] = {
        {"GET", {NULL, 0}, "GET /echo ?a=b 0 127.0.0.1 0"},
        {"POST", {"abc", 3}, "POST /echo ?a=b 3 127.0.0.1 0"},
        {"POST", {NULL, 0}, "POST /echo ?a=b 0 127.0.0.1 0"},
        {"PUT", {"abcd", 4}, "PUT /echo ?a=b 4 127.0.0.1 0"},
        {"DELETE", {NULL, 0}, "DELETE /echo ?a=b 0 127.0.0.1 0"},
        {"HEAD", {NULL, 0}, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct asked asked;
        prepare(&asked, rows[i].method, "/echo?a=b");
        asked.call.body = rows[i].body;
        ask(&asked);
        assert_ok(asked.call.err);
        assert_int_equal(asked.call.status, 200);
        assert_str(buf_str(&asked.call.response), rows[i].answer);
        http_call_release(&asked.call);
    }
    assert_int_equal(rig_stats().connections_accepted, 1); /* kept */
}

static void test_headers_and_basic_auth_are_sent(void **state)
{
    (void)state;
    struct asked asked;
    prepare(&asked, "POST", "/hold");
    asked.call.body = STR("{}");
    asked.call.basic_user = "sk_test";
    asked.call.headers[0] = "Content-Type: application/json";
    asked.call.headers[1] = "Idempotency-Key: k1";
    assert_ok(http_client_submit(client, &asked.call));
    struct request *request = rig_take_held();
    assert_str(request_header(request, "content-type"), "application/json");
    assert_str(request_header(request, "idempotency-key"), "k1");
    assert_str(request_header(request, "authorization"), "Basic c2tfdGVzdDo=");
    assert_null(request_header(request, "expect").data);
    rig_answer_status(request, 402, STR("no"));
    wait_for(asked.done == 1);
    assert_ok(asked.call.err);
    assert_int_equal(asked.call.status, 402);
    http_call_release(&asked.call);
}

static void test_deadline(void **state)
{
    (void)state;
    struct asked asked;
    prepare(&asked, "GET", "/hold");
    asked.call.timeout_ms = 100;
    int64_t start_ns = clock_mono_ns();
    ask(&asked);
    assert_err(asked.call.err, ERR_TIMEOUT);
    assert_true(asked.call.message[0] != '\0');
    assert_true(clock_mono_ns() - start_ns < (int64_t)5 * 1000000000);
    http_call_release(&asked.call);
    rig_answer(rig_take_held());
}

static void test_response_over_its_maximum(void **state)
{
    (void)state;
    struct asked asked;
    prepare(&asked, "GET", "/big");
    ask(&asked);
    assert_err(asked.call.err, ERR_LIMIT);
    http_call_release(&asked.call);
    prepare(&asked, "GET", "/big");
    asked.call.response_max = BIG_BYTES;
    ask(&asked);
    assert_ok(asked.call.err);
    assert_int_equal(asked.call.response.len, BIG_BYTES);
    http_call_release(&asked.call);
    prepare(&asked, "GET", "/big");
    asked.call.response_max = BIG_BYTES - 1;
    ask(&asked);
    assert_err(asked.call.err, ERR_LIMIT);
    http_call_release(&asked.call);
}

static void test_refused_connection_and_bad_urls(void **state)
{
    (void)state;
    struct asked asked;
    static const char *const urls[] = {
        "http://127.0.0.1:1/", "ftp://127.0.0.1/", "file:///etc/hosts",
        "nonsense://x",        "http://",          ""};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        prepare(&asked, "GET", "/");
        asked.call.url = urls[i];
        ask(&asked);
        assert_err(asked.call.err, ERR_IO);
        assert_true(asked.call.message[0] != '\0');
        http_call_release(&asked.call);
    }
}

static void no_status(struct receiver *receiver, int fd)
{
    if (receiver_read(receiver, fd))
        (void)receiver_say(fd, "HTTP/2 2\n");
}

static void test_a_status_has_three_digits(void **state)
{
    (void)state;
    static struct receiver receiver;
    struct asked asked;
    char url[64];
    receiver_start(&receiver, no_status);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", receiver.port);
    prepare(&asked, "GET", "/");
    asked.call.url = url;
    ask(&asked);
    assert_err(asked.call.err, ERR_IO);
    assert_int_equal(asked.call.status, 0);
    assert_string_equal(asked.call.message, "the answer has no valid status");
    http_call_release(&asked.call);
    receiver_stop(&receiver);
}

static void test_redirects_are_not_followed(void **state)
{
    (void)state;
    struct asked asked;
    prepare(&asked, "GET", "/hold");
    assert_ok(http_client_submit(client, &asked.call));
    struct request *request = rig_take_held();
    response_header(request, "location", STR("/echo"));
    rig_answer_status(request, 302, STR("moved"));
    wait_for(asked.done == 1);
    assert_int_equal(asked.call.status, 302);
    assert_str(buf_str(&asked.call.response), "moved");
    assert_int_equal(rig_stats().requests_total, 1);
    http_call_release(&asked.call);
}

static void test_calls_wait_for_room_in_flight(void **state)
{
    (void)state;
    static struct asked asked[8];
    for (int i = 0; i < 8; i++) {
        prepare(&asked[i], "GET", "/hold");
        assert_ok(http_client_submit(client, &asked[i].call));
    }
    struct request *first = rig_take_held();
    struct request *held[3];
    for (int i = 0; i < 3; i++)
        held[i] = rig_take_held();
    assert_null(queue_take(&rig.held, 1, 100));
    rig_answer(first);
    struct request *fifth = rig_take_held();
    assert_null(queue_take(&rig.held, 1, 100));
    rig_answer(fifth);
    for (int i = 0; i < 3; i++)
        rig_answer(held[i]);
    for (int i = 0; i < 3; i++)
        rig_answer(rig_take_held());
    for (int i = 0; i < 8; i++) {
        wait_for(asked[i].done == 1);
        assert_ok(asked[i].call.err);
        http_call_release(&asked[i].call);
    }
    assert_true(rig_stats().connections_accepted <= 4);
}

static void test_many_calls(void **state)
{
    (void)state;
    static struct asked asked[CALLS];
    for (int i = 0; i < CALLS; i++) {
        prepare(&asked[i], "POST", "/worker");
        asked[i].call.body = STR("abc");
        assert_ok(http_client_submit(client, &asked[i].call));
    }
    for (int i = 0; i < CALLS; i++) {
        wait_for(asked[i].done == 1);
        assert_ok(asked[i].call.err);
        assert_int_equal(asked[i].call.status, 200);
        http_call_release(&asked[i].call);
    }
}

static void test_full_queue(void **state)
{
    (void)state;
    static struct asked asked[8];
    struct http_client *small;
    struct http_client_options options = {.in_flight_max = 1, .queue_max = 2};
    assert_ok(http_client_new(&options, &small));
    prepare(&asked[0], "GET", "/hold");
    assert_ok(http_client_submit(small, &asked[0].call));
    struct request *request = rig_take_held();
    for (int i = 1; i < 4; i++) {
        prepare(&asked[i], "GET", "/hold");
        assert_err(http_client_submit(small, &asked[i].call), i < 3 ? ERR_OK : ERR_FULL);
    }
    /* One in flight and two waiting: all of them fail, none twice. */
    http_client_free(small);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(asked[i].done, 1);
        assert_err(asked[i].call.err, ERR_CLOSED);
        http_call_release(&asked[i].call);
    }
    assert_int_equal(asked[3].done, 0);
    rig_answer(request);
}

static void on_done_again(struct http_call *call)
{
    struct asked *asked = container_of(call, struct asked, call);
    int done = atomic_fetch_add(&asked->done, 1) + 1;
    http_call_release(call);
    if (done < 3)
        assert_ok(http_client_submit(client, call));
}

static void test_a_call_may_be_submitted_again_from_on_done(void **state)
{
    (void)state;
    struct asked asked;
    prepare(&asked, "GET", "/echo");
    asked.call.on_done = on_done_again;
    assert_ok(http_client_submit(client, &asked.call));
    wait_for(asked.done == 3);
    assert_int_equal(rig_stats().requests_total, 3);
}

static void on_tick(void *ctx)
{
    atomic_fetch_add((_Atomic int *)ctx, 1);
}

static void test_tickers(void **state)
{
    (void)state;
    static _Atomic int ticks[4];
    int64_t start_ns = clock_mono_ns();
    for (int i = 0; i < 4; i++)
        assert_ok(http_client_every(client, i == 0 ? 20 : 3600000, on_tick, &ticks[i]));
    assert_err(http_client_every(client, 1, on_tick, &ticks[0]), ERR_LIMIT);
    wait_for(ticks[0] >= 3);
    assert_true(clock_mono_ns() - start_ns >= (int64_t)60 * 1000000);
    assert_int_equal(ticks[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_methods_and_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_headers_and_basic_auth_are_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_response_over_its_maximum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused_connection_and_bad_urls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_status_has_three_digits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_redirects_are_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls_wait_for_room_in_flight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_call_may_be_submitted_again_from_on_done, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_tickers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
