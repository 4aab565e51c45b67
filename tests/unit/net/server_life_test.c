/* The server over time: answers from other threads, clients that vanish or stall, the cap of
 * connections, and stopping. */
#include "net/rig.h"

#include <netinet/tcp.h>

#define CLIENTS             6
#define REQUESTS_PER_CLIENT 300

static struct reply reply;

static int64_t ms_since(int64_t start_ns)
{
    return (clock_mono_ns() - start_ns) / 1000000;
}

static void start(void)
{
    struct server_options options = rig_options();
    rig_start(&options);
}

/* --- answers from other threads --- */

static void *ask_many(void *arg)
{
    int fd = client_connect();
    struct reply *mine = malloc(sizeof(*mine));
    size_t good = 0;
    for (int i = 0; i < REQUESTS_PER_CLIENT; i++) {
        client_send(fd, i % 2 ? STR(GET_ECHO) : STR("GET /worker HTTP/1.1\r\nHost: a\r\n\r\n"));
        if (client_read(fd, mine, false) && mine->status == 200 &&
            strstr(mine->body, i % 2 ? "/echo" : "/worker"))
            good++;
    }
    (void)close(fd);
    free(mine);
    *(size_t *)arg = good;
    return NULL;
}

static void test_answers_from_another_thread(void **state)
{
    (void)state;
    pthread_t threads[CLIENTS];
    size_t good[CLIENTS];
    start();
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, &good[i]), 0);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(good[i], REQUESTS_PER_CLIENT);
    }
    struct server_stats stats = rig_stats();
    assert_int_equal(stats.requests_total, CLIENTS * REQUESTS_PER_CLIENT);
    assert_int_equal(stats.requests_open, 0);
    assert_int_equal(stats.connections_accepted, CLIENTS);
    rig_stop();
}

static void test_client_that_hangs_up_while_its_request_is_pending(void **state)
{
    (void)state;
    start();
    for (int how = 0; how < 2; how++) {
        int fd = client_connect();
        client_send(fd, STR(GET_HOLD));
        struct request *request = rig_take_held();
        if (how == 1) { /* with a reset */
            struct linger linger = {.l_onoff = 1};
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
        }
        assert_int_equal(close(fd), 0);
        assert_int_equal(rig_stats().requests_open, 1);
        rig_answer(request);
        wait_for(rig_stats().connections_open == 0);
        assert_int_equal(rig.released, how + 1);
        assert_int_equal(rig_stats().requests_open, 0);
    }
    rig_stop();
}

/* --- clients that stall --- */

static void test_slow_senders_are_dropped(void **state)
{
    (void)state;
    static const char *const partial[] = {
        "",
        "GET /echo HT",
        "GET /echo HTTP/1.1\r\nHost: a\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        GET_ECHO, /* idle after an answer */
    };
    struct server_options options = rig_options();
    options.request_timeout_ms = 150;
    rig_start(&options);
    for (size_t i = 0; i < sizeof(partial) / sizeof(partial[0]); i++) {
        int64_t start_ns = clock_mono_ns();
        int fd = client_connect();
        client_send(fd, str_from_c(partial[i]));
        if (strcmp(partial[i], GET_ECHO) == 0)
            assert_true(client_read(fd, &reply, false));
        assert_true(client_is_closed(fd));
        assert_true(ms_since(start_ns) >= 100);
        assert_int_equal(close(fd), 0);
    }
    assert_int_equal(rig_stats().requests_total, 1);
    /* One that trickles has no more time than one that is silent. */
    int fd = client_connect();
    int64_t start_ns = clock_mono_ns();
    while (ms_since(start_ns) < 10000) {
        char byte;
        client_send(fd, STR("x"));
        ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
        (void)usleep(10000);
    }
    assert_true(ms_since(start_ns) < 10000);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

static void test_pending_request_outlives_the_request_timeout(void **state)
{
    (void)state;
    struct server_options options = rig_options();
    options.request_timeout_ms = 50;
    rig_start(&options);
    int fd = client_connect();
    client_send(fd, STR(GET_HOLD));
    struct request *request = rig_take_held();
    (void)usleep(
        200000); /* four times the timeout: nothing must happen, so there is nothing to poll */
    assert_int_equal(rig_stats().connections_open, 1);
    rig_answer(request);
    assert_true(client_read(fd, &reply, false));
    assert_int_equal(reply.status, 200);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

static void test_client_that_does_not_read_is_dropped(void **state)
{
    (void)state;
    struct server_options options = rig_options();
    options.send_timeout_ms = 300;
    rig_start(&options);
    int fd = client_connect();
    client_send(fd, STR("GET /big HTTP/1.1\r\nHost: a\r\n\r\n" GET_ECHO GET_ECHO GET_ECHO));
    wait_for(rig_stats().requests_total == 1);
    wait_for(rig_stats().connections_open == 0);
    /* What was pipelined behind it is not worked on for nobody. */
    assert_int_equal(rig.released, 1);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

/* The kernel sees progress all the time, so only the server can see that it takes too long. */
static void test_client_that_reads_in_drips_is_dropped(void **state)
{
    (void)state;
    static char bytes[64 << 10];
    struct server_options options = rig_options();
    options.send_timeout_ms = 1000;
    options.send_rate_min = 100 * BIG_BYTES;
    rig_start(&options);
    int fd = client_connect();
    client_send(fd, STR("GET /big HTTP/1.1\r\nHost: a\r\n\r\n"));
    size_t received = 0;
    for (ssize_t got = 1; got > 0; received += (size_t)got) {
        got = client_receive(fd, bytes, sizeof(bytes));
        (void)usleep(100000); /* 13 s for all of it */
    }
    assert_true(received < BIG_BYTES);
    wait_for(rig_stats().connections_open == 0);
    assert_int_equal(rig.released, 1);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

/* --- memory --- */

/* A body that is announced and nearly there. */
static int send_most_of_a_body(size_t bytes)
{
    char text[128];
    int fd = client_connect();
    (void)snprintf(text, sizeof(text),
                   "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", bytes);
    client_send(fd, str_from_c(text));
    client_send(fd, str_from(rig.big, bytes - 1));
    return fd;
}

static void test_bodies_over_the_memory_for_all_are_cut(void **state)
{
    (void)state;
    struct server_options options = rig_options();
    options.loops = 1;
    options.bodies_max = 8 * BODY_MAX;
    rig_start(&options);
    int small = send_most_of_a_body(1000);
    int fds[16];
    for (int i = 0; i < 3; i++)
        fds[i] = send_most_of_a_body(BODY_MAX);
    (void)usleep(2100000); /* two looks: nothing must happen, so there is nothing to poll */
    assert_int_equal(rig_stats().shed, 0);
    for (int i = 3; i < 16; i++)
        fds[i] = send_most_of_a_body(BODY_MAX);
    wait_for(rig_stats().shed >= 8);
    (void)usleep(1100000);
    assert_true(rig_stats().shed < 16); /* no more than it takes */
    assert_true(rig_stats().connections_open >= 2);
    /* The small one is none of those. */
    client_send(small, STR("x"));
    assert_true(client_read(small, &reply, false));
    assert_int_equal(reply.status, 200);
    assert_int_equal(close(small), 0);
    for (int i = 0; i < 16; i++)
        assert_int_equal(close(fds[i]), 0);
    wait_for(rig_stats().connections_open == 0);
    rig_stop();
}

/* --- the cap --- */

static bool is_answered_within(int fd, int ms)
{
    char byte;
    struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    struct timeval before = {.tv_sec = PATIENCE_NS / 1000000000};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &before, sizeof(before)), 0);
    return got == 1;
}

static void test_connections_over_the_cap_wait(void **state)
{
    (void)state;
    struct server_options options = rig_options();
    options.loops = 2;
    options.connections_max = 3;
    rig_start(&options);
    int fds[5];
    for (int i = 0; i < 5; i++) {
        fds[i] = client_connect();
        client_send(fds[i], STR(GET_ECHO));
    }
    for (int i = 0; i < 3; i++)
        assert_true(client_read(fds[i], &reply, false));
    assert_false(is_answered_within(fds[3], 100));
    assert_int_equal(rig_stats().connections_open, 3);
    assert_int_equal(close(fds[1]), 0);
    assert_true(client_read(fds[3], &reply, false));
    assert_int_equal(rig_stats().connections_open, 3);
    assert_int_equal(close(fds[0]), 0);
    assert_true(client_read(fds[4], &reply, false));
    assert_int_equal(close(fds[2]), 0);
    assert_int_equal(close(fds[3]), 0);
    assert_int_equal(close(fds[4]), 0);
    wait_for(rig_stats().connections_open == 0);
    assert_int_equal(rig_stats().connections_accepted, 5);
    rig_stop();
}

/* --- stopping --- */

struct stopping {
    pthread_t thread;
    int64_t drain_ms;
    _Atomic bool is_done;
};

static void *stop_server(void *arg)
{
    struct stopping *stopping = arg;
    server_stop(rig.server, stopping->drain_ms);
    atomic_store(&stopping->is_done, true);
    return NULL;
}

static void begin_stop(struct stopping *stopping, int64_t drain_ms)
{
    *stopping = (struct stopping){.drain_ms = drain_ms};
    assert_int_equal(pthread_create(&stopping->thread, NULL, stop_server, stopping), 0);
}

static void end_stop(struct stopping *stopping)
{
    assert_int_equal(pthread_join(stopping->thread, NULL), 0);
    assert_true(stopping->is_done);
}

static void test_stop_closes_idle_connections_at_once(void **state)
{
    (void)state;
    int fds[20];
    start();
    for (int i = 0; i < 20; i++) {
        fds[i] = client_connect();
        if (i % 2)
            continue; /* never said a word */
        client_send(fds[i], STR(GET_ECHO));
        assert_true(client_read(fds[i], &reply, false));
    }
    int64_t start_ns = clock_mono_ns();
    server_stop(rig.server, 20000);
    assert_true(ms_since(start_ns) < 15000);
    for (int i = 0; i < 20; i++) {
        assert_true(client_is_closed(fds[i]));
        assert_int_equal(close(fds[i]), 0);
    }
    assert_int_equal(client_connect_or_fail(), -1);
    rig_stop();
}

static void test_stop_waits_for_open_requests(void **state)
{
    (void)state;
    struct stopping stopping;
    start();
    int fd = client_connect();
    int half = client_connect();
    client_send(fd, STR(GET_HOLD GET_ECHO));
    client_send(half, STR("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"));
    struct request *request = rig_take_held();
    wait_for(rig_stats().connections_open == 2);
    begin_stop(&stopping, 20000);
    int late;
    wait_for((late = client_connect_or_fail()) < 0 || close(late) != 0);
    (void)usleep(60000); /* several ticks of the drain: nothing must happen */
    assert_false(stopping.is_done);
    client_send(half, STR("def"));
    assert_true(client_read(half, &reply, false));
    assert_string_equal(reply.body, "POST /echo ? 6 127.0.0.1 0");
    assert_true(has_header(&reply, "connection: close"));
    assert_true(client_is_closed(half));
    assert_false(stopping.is_done);
    rig_answer(request);
    assert_true(client_read(fd, &reply, false));
    assert_int_equal(reply.status, 200);
    assert_true(has_header(&reply, "connection: close"));
    assert_true(client_is_closed(fd));
    end_stop(&stopping);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(half), 0);
    rig_stop();
}

static void test_stop_cuts_slow_readers_when_the_time_is_over(void **state)
{
    (void)state;
    start();
    int fd = client_connect();
    client_send(fd, STR("GET /big HTTP/1.1\r\nHost: a\r\n\r\n"));
    wait_for(rig_stats().requests_total == 1);
    int64_t start_ns = clock_mono_ns();
    server_stop(rig.server, 200);
    assert_true(ms_since(start_ns) >= 190);
    assert_true(ms_since(start_ns) < 15000);
    assert_int_equal(rig.released, 1);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

/* The application answers after the server has given up: its request is still whole. */
static void stop_with_open_requests(bool is_freed_first)
{
    start();
    int fd = client_connect();
    client_send(
        fd, STR("POST /hold?q HTTP/1.1\r\nHost: a\r\nX: value\r\nContent-Length: 3\r\n\r\nabc"));
    struct request *request = rig_take_held();
    int64_t start_ns = clock_mono_ns();
    server_stop(rig.server, 100);
    assert_true(ms_since(start_ns) < 15000);
    assert_true(client_is_closed(fd));
    if (is_freed_first) {
        server_free(rig.server);
        rig.server = NULL;
    }
    assert_str(request->body, "abc");
    assert_str(request_header(request, "x"), "value");
    rig_answer(request);
    wait_for(rig.released == 1);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

static void test_late_answer_after_stop(void **state)
{
    (void)state;
    stop_with_open_requests(false);
}

static void test_late_answer_after_free(void **state)
{
    (void)state;
    stop_with_open_requests(true);
}

static void test_stop_under_load_loses_no_answer(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        start();
        int fds[50];
        for (int i = 0; i < 50; i++)
            fds[i] = client_connect();
        for (int i = 0; i < 50; i++)
            client_send(fds[i], STR("GET /worker HTTP/1.1\r\nHost: a\r\n\r\n"));
        server_stop(rig.server, 20000);
        /* Every request that was taken has its answer; the others see a closed connection. */
        uint64_t answered = 0;
        for (int i = 0; i < 50; i++) {
            answered += client_read(fds[i], &reply, false) && reply.status == 200;
            assert_int_equal(close(fds[i]), 0);
        }
        assert_int_equal(answered, rig.released);
        rig_stop();
    }
}

/* --- starting --- */

static void assert_no_server(const char *listen_at)
{
    struct server_options options = rig_options();
    struct server *server;
    char message[256] = "";
    options.listen = listen_at;
    assert_err(server_new(&options, &server, message), ERR_IO);
    assert_non_null(strstr(message, listen_at));
}

static void test_bad_addresses(void **state)
{
    (void)state;
    assert_no_server("127.0.0.1");
    assert_no_server("127.0.0.1:http");
    assert_no_server(":80x");
    assert_no_server("192.0.2.1:0");
    assert_no_server("");
    start();
    char taken[40];
    (void)snprintf(taken, sizeof(taken), "127.0.0.1:%u", server_port(rig.server));
    assert_no_server(taken);
    rig_stop();
}

static void test_server_that_never_started(void **state)
{
    (void)state;
    struct server_options options = rig_options();
    struct server *server;
    char message[256];
    assert_ok(server_new(&options, &server, message));
    assert_true(server_port(server) > 0);
    server_free(server);
    server_free(NULL);
}

static void test_v4_over_a_v6_listener_is_shown_as_v4(void **state)
{
    (void)state;
    struct server_options options = rig_options();
    options.listen = "[::]:0";
    rig_start(&options);
    client_ask(STR(GET_ECHO), &reply);
    assert_string_equal(reply.body, "GET /echo ? 0 127.0.0.1 0");
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_from_another_thread),
        cmocka_unit_test(test_client_that_hangs_up_while_its_request_is_pending),
        cmocka_unit_test(test_slow_senders_are_dropped),
        cmocka_unit_test(test_pending_request_outlives_the_request_timeout),
        cmocka_unit_test(test_client_that_does_not_read_is_dropped),
        cmocka_unit_test(test_client_that_reads_in_drips_is_dropped),
        cmocka_unit_test(test_bodies_over_the_memory_for_all_are_cut),
        cmocka_unit_test(test_connections_over_the_cap_wait),
        cmocka_unit_test(test_stop_closes_idle_connections_at_once),
        cmocka_unit_test(test_stop_waits_for_open_requests),
        cmocka_unit_test(test_stop_cuts_slow_readers_when_the_time_is_over),
        cmocka_unit_test(test_late_answer_after_stop),
        cmocka_unit_test(test_late_answer_after_free),
        cmocka_unit_test(test_stop_under_load_loses_no_answer),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_server_that_never_started),
        cmocka_unit_test(test_v4_over_a_v6_listener_is_shown_as_v4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
