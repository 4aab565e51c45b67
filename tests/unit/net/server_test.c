/* The server over real sockets: what goes in, what comes out, and what is refused. */
#include "net/rig.h"

static struct reply reply;

static int set_up(void **state)
{
    (void)state;
    struct server_options options = rig_options();
    rig_start(&options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_stop();
    return 0;
}

static void test_answers_and_keeps_the_connection(void **state)
{
    (void)state;
    int fd = client_connect();
    for (int i = 0; i < 3; i++) {
        client_send(fd, STR("POST /echo?a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"));
        assert_true(client_read(fd, &reply, false));
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "POST /echo ?a=b 3 127.0.0.1 0");
        assert_true(has_header(&reply, "connection: keep-alive"));
        assert_true(has_header(&reply, "content-type: text/plain"));
        assert_non_null(strcasestr(reply.head, "\r\ndate: "));
        assert_null(strcasestr(reply.head, "\r\nserver:"));
        assert_null(strcasestr(reply.head, "transfer-encoding"));
    }
    assert_int_equal(rig_stats().connections_accepted, 1);
    assert_int_equal(rig_stats().requests_total, 3);
    assert_int_equal(close(fd), 0);
    wait_for(rig_stats().connections_open == 0);
    assert_int_equal(rig.released, 3);
}

static void assert_made_id(void)
{
    const char *id = strcasestr(reply.head, "\r\nx-request-id: ");
    assert_non_null(id);
    assert_int_equal(strspn(id + 16, "0123456789abcdef"), 16);
    assert_int_equal(id[32], '\r');
}

static void ask_with_id(const char *id)
{
    char text[256];
    (void)snprintf(text, sizeof(text), "GET /echo HTTP/1.1\r\nHost: a\r\nX-Request-Id: %s\r\n\r\n",
                   id);
    client_ask(str_from_c(text), &reply);
    assert_int_equal(reply.status, 200);
}

static void test_request_ids(void **state)
{
    (void)state;
    char long_id[REQUEST_ID_MAX + 2] = {0};
    memset(long_id, 'x', REQUEST_ID_MAX + 1);
    ask_with_id("Abc.1_2-3");
    assert_true(has_header(&reply, "x-request-id: Abc.1_2-3"));
    ask_with_id(long_id + 1);
    assert_non_null(strstr(reply.head, long_id + 1));
    ask_with_id(long_id);
    assert_made_id();
    ask_with_id("a b");
    assert_made_id();
    ask_with_id("a\"b");
    assert_made_id();
    ask_with_id("");
    assert_made_id();
}

static void test_head_has_the_length_and_no_body(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, STR("HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n" GET_ECHO));
    assert_true(client_read(fd, &reply, true));
    assert_int_equal(reply.status, 200);
    assert_true(has_header(&reply, "content-length: 26"));
    assert_true(client_read(fd, &reply, false));
    assert_string_equal(reply.body, "GET /echo ? 0 127.0.0.1 0");
    assert_int_equal(close(fd), 0);
}

static void test_empty_answers(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, STR("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /unchanged HTTP/1.1\r\nHost: a\r\n\r\n" GET_ECHO));
    assert_true(client_read(fd, &reply, false));
    assert_int_equal(reply.status, 204);
    assert_null(strcasestr(reply.head, "content-length"));
    assert_null(strcasestr(reply.head, "transfer-encoding"));
    assert_true(client_read(fd, &reply, false));
    assert_int_equal(reply.status, 304);
    assert_null(strcasestr(reply.head, "content-length"));
    assert_true(client_read(fd, &reply, false));
    assert_int_equal(reply.status, 200);
    assert_int_equal(close(fd), 0);
}

static void test_pipelined_requests_are_answered_one_by_one(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, STR(GET_HOLD "GET /worker HTTP/1.1\r\nHost: a\r\n\r\n" GET_HOLD GET_ECHO));
    struct request *first = rig_take_held();
    assert_int_equal(rig_stats().requests_open, 1);
    assert_int_equal(rig_stats().requests_total, 1);
    rig_answer(first);
    assert_true(client_read(fd, &reply, false));
    assert_non_null(strstr(reply.body, "/hold"));
    assert_true(client_read(fd, &reply, false));
    assert_non_null(strstr(reply.body, "/worker"));
    rig_answer(rig_take_held());
    assert_true(client_read(fd, &reply, false));
    assert_true(client_read(fd, &reply, false));
    assert_non_null(strstr(reply.body, "/echo"));
    assert_int_equal(rig.running_max, 1);
    assert_int_equal(close(fd), 0);
}

static void test_http_1_0(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, STR("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    assert_true(client_read(fd, &reply, false));
    assert_int_equal(reply.status, 200);
    client_send(fd, STR("GET /echo HTTP/1.0\r\n\r\n"));
    assert_true(client_read(fd, &reply, false));
    assert_true(has_header(&reply, "connection: close"));
    assert_true(client_is_closed(fd));
    assert_int_equal(close(fd), 0);
}

static void test_connection_close_is_kept(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, STR("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    assert_true(client_read(fd, &reply, false));
    assert_true(has_header(&reply, "connection: close"));
    assert_true(client_is_closed(fd));
    assert_int_equal(close(fd), 0);
}

static void test_unknown_method_reaches_the_application(void **state)
{
    (void)state;
    client_ask(STR("BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n"), &reply);
    assert_string_equal(reply.body, "OTHER /echo ? 0 127.0.0.1 0");
}

static void assert_problem(int status, const char *type)
{
    char wanted[128];
    assert_int_equal(reply.status, status);
    assert_true(has_header(&reply, "content-type: application/problem+json"));
    (void)snprintf(wanted, sizeof(wanted), "{\"type\":\"%s\",\"title\":\"", type);
    assert_memory_equal(reply.body, wanted, strlen(wanted));
    (void)snprintf(wanted, sizeof(wanted), "\"status\":%d,\"detail\":\"", status);
    assert_non_null(strstr(reply.body, wanted));
    const char *id = strstr(reply.body, "\"request_id\":\"");
    assert_non_null(id);
    char header[64];
    (void)snprintf(header, sizeof(header), "x-request-id: %.16s", id + 14);
    assert_true(has_header(&reply, header));
}

/* With a request behind it that must never be answered. */
static void assert_refused(struct str bytes, int status, const char *type)
{
    uint64_t before = rig_stats().refused_malformed;
    int fd = client_connect();
    client_send(fd, bytes);
    client_send(fd, STR(GET_ECHO));
    if (!client_read(fd, &reply, false))
        fail_msg("no answer to: %.*s", STR_ARG(str_sub(bytes, 0, 100)));
    assert_problem(status, type);
    assert_true(has_header(&reply, "connection: close"));
    assert_true(client_is_closed(fd));
    assert_int_equal(close(fd), 0);
    assert_int_equal(rig_stats().refused_malformed, before + 1);
}

static void test_ambiguous_heads_are_refused(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
        "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Host: b\r\n\r\n",
        "Host: a\r\n\r\n",
        "X: b\r\n folded\r\n\r\n",
        "X: b\nY: c\r\n\r\n",
        "X: \x80\n\r\n",
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char text[400];
        (void)snprintf(text, sizeof(text), "POST /echo HTTP/1.1\r\nHost: a\r\n%s", fields[i]);
        assert_refused(str_from_c(text), 400, "bad-request");
    }
    assert_int_equal(rig.running_max, 0);
}

static void test_bad_request_lines_are_refused(void **state)
{
    (void)state;
    assert_refused(STR("GET /echo HTTP/1.1\r\n\r\n"), 400, "bad-request");
    assert_refused(STR("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "bad-request");
    assert_refused(STR("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "bad-request");
    assert_refused(STR("GET http://b/echo HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "bad-request");
    assert_refused(STR("GET /echo#x HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "bad-request");
    assert_refused(STR("GET /echo HTTP/1.1\nHost: a\n\n"), 400, "bad-request");
    assert_refused(STR("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "bad-request");
    assert_int_equal(rig.running_max, 0);
}

static void test_absolute_form_of_the_same_host_is_taken(void **state)
{
    (void)state;
    client_ask(STR("GET http://a:1/echo?q HTTP/1.1\r\nHost: a:1\r\n\r\n"), &reply);
    assert_string_equal(reply.body, "GET /echo ?q 0 127.0.0.1 0");
}

/* What the parser of the library refuses itself: a plain 400, or nothing, and the end. */
static void test_garbage_closes_the_connection(void **state)
{
    (void)state;
    static const struct str garbage[] = {
        STR("\x16\x03\x01\x02\x01\x01\r\n\r\n"),
        STR("GET /echo HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n"),
        STR("GET /echo HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"),
        STR("GET /echo HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
        STR("GET /echo HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
        STR("GET /echo HTTP/2.0\r\nHost: a\r\n\r\n"),
        STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        STR("\r\n\r\n\r\n\r\n"),
        STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
        STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n"),
        STR("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        STR("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        STR("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            "ffffffffffffffffff\r\n"),
    };
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        int fd = client_connect();
        client_send(fd, garbage[i]);
        client_send(fd, STR(GET_ECHO));
        if (client_read(fd, &reply, false)) {
            assert_int_equal(reply.status, 400);
            assert_true(client_is_closed(fd));
        }
        assert_int_equal(close(fd), 0);
    }
    assert_int_equal(rig.running_max, 0);
}

static void test_long_targets_and_heads(void **state)
{
    (void)state;
    static char text[100000];
    for (size_t over = 0; over < 2; over++) {
        char *end = stpcpy(text, "GET /");
        memset(end, 'x', REQUEST_URL_MAX - 1 + over);
        strcpy(end + REQUEST_URL_MAX - 1 + over, " HTTP/1.1\r\nHost: a\r\n\r\n");
        if (over)
            assert_refused(str_from_c(text), 414, "uri-too-long");
        else
            client_ask(str_from_c(text), &reply);
        assert_int_equal(reply.status, over ? 414 : 200);
    }
    char *end = stpcpy(text, "GET /echo HTTP/1.1\r\nHost: a\r\nX: ");
    memset(end, 'x', 70000);
    strcpy(end + 70000, "\r\n\r\n");
    assert_refused(str_from_c(text), 431, "head-too-large");
}

/* The answer to a POST of that size. */
static void post(size_t size, bool is_chunked)
{
    char head[160];
    int fd = client_connect();
    if (is_chunked)
        (void)snprintf(
            head, sizeof(head),
            "POST /worker HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", size);
    else
        (void)snprintf(head, sizeof(head),
                       "POST /worker HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", size);
    client_send(fd, str_from_c(head));
    client_send(fd, str_from(rig.big, size));
    if (is_chunked)
        client_send(fd, STR("\r\n0\r\nTrailer: x\r\n\r\n"));
    if (!client_read(fd, &reply, false))
        reply.status = 0;
    assert_int_equal(close(fd), 0);
}

static void test_body_limit(void **state)
{
    (void)state;
    char wanted[80];
    (void)snprintf(wanted, sizeof(wanted), "POST /worker ? %zu 127.0.0.1 0", BODY_MAX);
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        post(BODY_MAX, is_chunked);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, wanted);
    }
    /* The answer comes while the client still sends, and is not lost with a reset. */
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        post(BODY_MAX + 1, is_chunked);
        assert_problem(413, "too-large");
        post(BIG_BYTES, is_chunked);
        assert_problem(413, "too-large");
    }
    wait_for(rig_stats().connections_open == 0);
    assert_int_equal(rig.running_max, 1);
}

/* All that the client has to say is taken, and then the connection ends in order. A reset would
 * take the answer with it. */
static void test_refusal_ends_without_a_reset(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nbad",
        "POST /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        char byte;
        int fd = client_connect();
        client_send(fd, str_from_c(heads[i]));
        for (size_t sent = 0; sent < BIG_BYTES; sent += BIG_BYTES / 128)
            assert_int_equal(send(fd, rig.big, BIG_BYTES / 128, MSG_NOSIGNAL), BIG_BYTES / 128);
        assert_true(client_read(fd, &reply, false));
        assert_true(reply.status == 413 || reply.status == 400);
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        assert_int_equal(close(fd), 0);
    }
    wait_for(rig_stats().connections_open == 0);
}

/* Who goes on sending is waited for, but not for ever. */
static void test_lingering_has_an_end(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"));
    assert_true(client_read(fd, &reply, false));
    wait_for(rig_stats().connections_open == 0); /* neither sending nor closing */
    assert_int_equal(close(fd), 0);
    fd = client_connect();
    client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"));
    size_t sent = 0;
    while (sent < 64 * BIG_BYTES && send(fd, rig.big, BIG_BYTES, MSG_NOSIGNAL) > 0)
        sent += BIG_BYTES;
    assert_true(sent < 64 * BIG_BYTES);
    assert_int_equal(close(fd), 0);
    wait_for(rig_stats().connections_open == 0);
}

static void test_body_over_the_limit_is_refused_before_it_is_sent(void **state)
{
    (void)state;
    client_ask(STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n"), &reply);
    assert_problem(413, "too-large");
    client_ask(STR("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                   "Content-Length: 999999999\r\n\r\n"),
               &reply);
    assert_problem(413, "too-large");
}

static void test_chunks_are_joined(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\nabc\r\n"));
    client_send(fd, STR("4;ext=1\r\ndefg\r\n0\r\n\r\n" GET_ECHO));
    assert_true(client_read(fd, &reply, false));
    assert_string_equal(reply.body, "POST /echo ? 7 127.0.0.1 0");
    assert_true(client_read(fd, &reply, false));
    assert_string_equal(reply.body, "GET /echo ? 0 127.0.0.1 0");
    assert_int_equal(close(fd), 0);
}

/* The library's own decoder would take each of these. */
static void test_malformed_chunks_are_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {"3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n",
                                         "3 junk\r\nabc\r\n0\r\n\r\n", "0\r\nno field\r\n\r\n",
                                         "0\n\n"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        int fd = client_connect();
        client_send(fd,
                    STR("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
        client_send(fd, str_from_c(broken[i]));
        assert_true(client_read(fd, &reply, false));
        assert_problem(400, "bad-request");
        assert_true(client_is_closed(fd));
        assert_int_equal(close(fd), 0);
    }
}

static void test_expect_continue(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        "Content-Length: 3\r\n\r\n"));
    assert_true(client_read(fd, &reply, true));
    assert_int_equal(reply.status, 100);
    client_send(fd, STR("abc"));
    assert_true(client_read(fd, &reply, false));
    assert_string_equal(reply.body, "POST /echo ? 3 127.0.0.1 0");
    client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n"
                        "Content-Length: 3\r\n\r\n"));
    assert_true(client_read(fd, &reply, false));
    assert_problem(417, "expectation-failed");
    assert_true(client_is_closed(fd));
    assert_int_equal(close(fd), 0);
}

static void test_full_arena_becomes_503(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, STR("GET /overflow HTTP/1.1\r\nHost: a\r\n\r\n" GET_ECHO));
    assert_true(client_read(fd, &reply, false));
    assert_problem(503, "overloaded");
    assert_true(has_header(&reply, "retry-after: 1"));
    assert_true(client_read(fd, &reply, false));
    assert_int_equal(reply.status, 200);
    assert_int_equal(close(fd), 0);
    wait_for(rig.released == 2);
}

static void read_big(int fd)
{
    static char bytes[65536];
    size_t left = BIG_BYTES;
    assert_true(client_read(fd, &reply, true));
    while (left > 0) {
        ssize_t got = client_receive(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));
        assert_true(got > 0);
        assert_int_equal(bytes[0], 'b');
        left -= (size_t)got;
    }
}

static void test_large_answers_are_sent_whole_and_released_once(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, STR("GET /big HTTP/1.1\r\nHost: a\r\n\r\n" GET_ECHO));
    read_big(fd);
    assert_true(client_read(fd, &reply, false));
    assert_int_equal(reply.status, 200);
    assert_int_equal(close(fd), 0);
    wait_for(rig.released == 2);
    fd = client_connect();
    client_send(fd, STR("GET /big HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_true(client_read(fd, &reply, true));
    assert_int_equal(rig.released, 2);
    assert_int_equal(close(fd), 0);
    wait_for(rig.released == 3);
    wait_for(rig_stats().connections_open == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers_and_keeps_the_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_ids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_head_has_the_length_and_no_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pipelined_requests_are_answered_one_by_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_http_1_0, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_connection_close_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_method_reaches_the_application, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_ambiguous_heads_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_request_lines_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_absolute_form_of_the_same_host_is_taken, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_garbage_closes_the_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_targets_and_heads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_body_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusal_ends_without_a_reset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lingering_has_an_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_body_over_the_limit_is_refused_before_it_is_sent,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chunks_are_joined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_malformed_chunks_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expect_continue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_arena_becomes_503, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_answers_are_sent_whole_and_released_once, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
