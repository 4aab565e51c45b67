/*
 * Event streams on a real server: what a client gets, in order and for as long as it reads; clients that do not read,
 * talk, vanish; comments in silence, the last words when the server stops; and the loop's other work while a frame goes out
 * to many.
 */
#include "net/event_stream.h"
#include "net/websocket_rig.h"

#define CLIENTS  40
#define GET_HEAD "GET /live HTTP/1.1\r\nHost: a.b\r\n\r\n"

static char stars[WS_MAX];

/* --- the server --- */

static void on_open(struct websocket *socket, void *ctx)
{
    struct shared *frame = event_stream_frame("snapshot", STR("1"), STR("{}"));
    rig_on_open(socket, ctx);
    assert_ok(websocket_send(socket, frame, false));
    shared_unref(frame);
}

static void on_overflow(struct websocket *socket, void *ctx)
{
    struct shared *frame = event_stream_frame("resync", STR_NONE, STR("{}"));
    (void)ctx;
    atomic_fetch_add(&rig.full, 1);
    websocket_send_last(socket, frame);
    shared_unref(frame);
}

static void on_stop(struct websocket *socket, int64_t reconnect_after_ms, void *ctx)
{
    struct shared *frame = event_stream_retry(reconnect_after_ms);
    (void)ctx;
    websocket_send_last(socket, frame);
    shared_unref(frame);
}

static void on_request(struct request *request, void *ctx)
{
    int64_t retry_ms = 0;
    enum websocket_refusal refusal = WEBSOCKET_ACCEPTED;
    (void)ctx;
    if (str_eq(request->path, STR("/other"))) {
        request->res.status = 200;
        request->res.body = STR("other");
    } else {
        refusal = event_stream_accept(rig.hub, request, &rig, &retry_ms);
    }
    if (refusal != WEBSOCKET_ACCEPTED)
        request->res.status = websocket_refusal_status(refusal);
    atomic_store(&rig.retry_ms, retry_ms);
    request_reply(request);
}

static struct websocket_options sockets_of(void)
{
    return (struct websocket_options){.is_event_stream = true,
                                      .queue_bytes_max = 256 << 10,
                                      .queue_frames_max = 512,
                                      .send_buffer = 32 << 10,
                                      .admit_per_s = 100000,
                                      .on_open = on_open,
                                      .on_overflow = on_overflow,
                                      .on_stop = on_stop,
                                      .on_close = rig_on_close,
                                      .ctx = &rig};
}

static void start_with(const struct websocket_options *sockets)
{
    char message[256] = "";
    struct server_options options = {.listen = "127.0.0.1:0",
                                     .loops = 2,
                                     .connections_max = 1000,
                                     .body_max = 65536,
                                     .request_timeout_ms = 20000,
                                     .send_timeout_ms = 20000,
                                     .on_request = on_request,
                                     .event_streams = sockets};
    rig = (struct ws_rig){0};
    memset(stars, '*', sizeof(stars));
    assert_ok(server_new(&options, &rig.server, message));
    rig.hub = server_event_streams(rig.server);
    assert_non_null(rig.hub);
    assert_null(server_websockets(rig.server));
    assert_ok(server_start(rig.server));
}

static void start(void)
{
    struct websocket_options sockets = sockets_of();
    start_with(&sockets);
}

/* --- clients --- */

#define FDS_MAX 4096

/* What was read of a socket and is no event yet. */
static struct {
    size_t len;
    char bytes[65536];
} rests[FDS_MAX];

/* What comes until an empty line, which is an event; "" at the end of the stream. */
static void read_event(int fd, char *ret_text, size_t size)
{
    char *bytes = rests[fd].bytes;
    const char *end;
    while (!(end = memmem(bytes, rests[fd].len, "\n\n", 2))) {
        assert_true(rests[fd].len < sizeof(rests[fd].bytes));
        ssize_t got = recv(fd, bytes + rests[fd].len, sizeof(rests[fd].bytes) - rests[fd].len, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            assert_int_equal(rests[fd].len, 0); /* not in the middle of an event */
            ret_text[0] = '\0';
            return;
        }
        assert_true(got > 0); /* or it took too long */
        rests[fd].len += (size_t)got;
    }
    size_t len = (size_t)(end + 2 - bytes);
    assert_true(len < size);
    memcpy(ret_text, bytes, len);
    ret_text[len] = '\0';
    rests[fd].len -= len;
    memmove(bytes, bytes + len, rests[fd].len);
}

static void expect_event(int fd, const char *expected)
{
    static char text[WS_MAX];
    read_event(fd, text, sizeof(text));
    assert_string_equal(text, expected);
}

static int open_stream(int receive_bytes, websocket_id *ret_id)
{
    char head[4096];
    int before = rig.opened;
    int fd = client_connect_with(receive_bytes);
    assert_true(fd < FDS_MAX);
    rests[fd].len = 0;
    assert_true(client_send(fd, STR(GET_HEAD)));
    assert_int_equal(client_read_head(fd, head, sizeof(head)), 200);
    assert_non_null(strstr(head, "content-type: text/event-stream\r\n"));
    assert_null(strcasestr(head, "content-length"));
    assert_null(strstr(head, "chunked"));
    expect_event(fd, "id: 1\nevent: snapshot\ndata: {}\n\n");
    wait_for(rig.opened == before + 1);
    if (ret_id)
        *ret_id = rig.id;
    return fd;
}

static void post(const websocket_id *ids, size_t count, const char *id, struct str data)
{
    struct shared *frame = event_stream_frame("delta", str_from_c(id), data);
    assert_non_null(frame);
    assert_ok(websocket_post(rig.hub, ids, count, frame, false));
    shared_unref(frame);
}

/* --- what arrives --- */

static void test_one_frame_goes_to_many_in_order(void **state)
{
    websocket_id ids[CLIENTS];
    int fds[CLIENTS];
    char id[16], expected[64];
    (void)state;
    start();
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = open_stream(0, &ids[i]);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(id, sizeof(id), "%d", i);
        post(ids, CLIENTS, id, STR("[]"));
    }
    for (int i = 0; i < CLIENTS; i++) {
        for (int n = 0; n < 100; n++) {
            (void)snprintf(expected, sizeof(expected), "id: %d\nevent: delta\ndata: []\n\n", n);
            expect_event(fds[i], expected);
        }
        assert_int_equal(close(fds[i]), 0);
    }
    wait_for(rig.closed == CLIENTS);
    assert_int_equal(rig.end, WEBSOCKET_END_GONE);
    rig_stop();
}

/* More than a loop writes to in one turn; others are answered in between, and none of them is forgotten. */
static void test_more_than_a_turn_of_them(void **state)
{
    enum {
        MANY = 600
    };
    static websocket_id ids[MANY];
    static int fds[MANY];
    char head[4096], body[5];
    (void)state;
    start();
    for (int i = 0; i < MANY; i++)
        fds[i] = open_stream(0, &ids[i]);
    for (int round = 0; round < 3; round++) {
        int fd = client_connect_with(0);
        post(ids, MANY, "2", STR("[]"));
        assert_true(client_send(fd, STR("GET /other HTTP/1.1\r\nHost: a.b\r\n\r\n")));
        assert_int_equal(client_read_head(fd, head, sizeof(head)), 200);
        assert_true(client_read(fd, body, sizeof(body)));
        assert_int_equal(close(fd), 0);
        for (int i = 0; i < MANY; i++)
            expect_event(fds[i], "id: 2\nevent: delta\ndata: []\n\n");
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(close(fds[i]), 0);
    wait_for(rig.closed == MANY);
    rig_stop();
}

static void test_silence_is_filled_with_comments(void **state)
{
    struct websocket_options sockets = sockets_of();
    websocket_id id;
    (void)state;
    sockets.ping_ms = 40;
    start_with(&sockets);
    int fd = open_stream(0, &id);
    for (int i = 0; i < 3; i++)
        expect_event(fd, ":\n\n");
    post(&id, 1, "2", STR("[]"));
    char text[64];
    do /* one may have been on its way */
        read_event(fd, text, sizeof(text));
    while (strcmp(text, ":\n\n") == 0);
    assert_string_equal(text, "id: 2\nevent: delta\ndata: []\n\n");
    assert_int_equal(rig.closed, 0);
    assert_int_equal(close(fd), 0);
    wait_for(rig.closed == 1);
    rig_stop();
}

static void test_a_close_is_the_end_behind_what_was_sent(void **state)
{
    websocket_id id;
    (void)state;
    start();
    int fd = open_stream(0, &id);
    post(&id, 1, "2", STR("[]"));
    assert_ok(websocket_post_close(rig.hub, id, WEBSOCKET_NORMAL));
    post(&id, 1, "3", STR("[]"));
    expect_event(fd, "id: 2\nevent: delta\ndata: []\n\n");
    expect_event(fd, "");
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_SERVICE);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

/* --- clients that are no good --- */

static void test_who_does_not_read_hears_resync_and_is_closed(void **state)
{
    struct websocket_options sockets = sockets_of();
    websocket_id slow_id, other_id;
    static char text[WS_MAX];
    (void)state;
    sockets.close_ms = 20000; /* for it to hear that, on a machine that is busy, too */
    start_with(&sockets);
    int slow = open_stream(4096, &slow_id), other = open_stream(0, &other_id);
    websocket_id ids[] = {slow_id, other_id};
    int sent = 0;
    for (; rig.full == 0; sent++) { /* the other one keeps up */
        post(ids, 2, "2", str_from(stars, 20000));
        read_event(other, text, sizeof(text));
        assert_int_equal(strlen(text), 20000 + strlen("id: 2\nevent: delta\ndata: \n\n"));
        assert_true(sent < 1000); /* the queue has an end */
    }
    int got = 0;
    for (;; got++) {
        read_event(slow, text, sizeof(text));
        if (strstr(text, "delta") == NULL)
            break;
    }
    assert_string_equal(text, "event: resync\ndata: {}\n\n");
    assert_true(got < sent); /* what waited was dropped */
    expect_event(slow, "");
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_FULL);
    post(&other_id, 1, "3", STR("[]"));
    expect_event(other, "id: 3\nevent: delta\ndata: []\n\n");
    assert_int_equal(close(slow) | close(other), 0);
    wait_for(rig.closed == 2);
    rig_stop();
}

static void test_who_never_reads_is_dropped(void **state)
{
    struct websocket_options sockets = sockets_of();
    websocket_id id;
    (void)state;
    sockets.write_ms = 200;
    start_with(&sockets);
    int fd = open_stream(4096, &id);
    for (int i = 0; i < 12 && rig.closed == 0;
         i++) /* less than the queue, more than the kernel takes */
        post(&id, 1, "2", str_from(stars, 20000));
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_SLOW_READER);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

static void test_who_talks_is_heard_for_a_while_only(void **state)
{
    websocket_id id;
    (void)state;
    start();
    int fd = open_stream(0, &id);
    assert_true(client_send(fd, STR(GET_HEAD GET_HEAD))); /* is not a request any more */
    post(&id, 1, "2", STR("[]"));
    expect_event(fd, "id: 2\nevent: delta\ndata: []\n\n");
    assert_int_equal(rig.closed, 0);
    (void)client_send(fd, str_from(stars, 100000));
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_PROTOCOL);
    assert_int_equal(rig.opened, 1);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

/* What stands behind the request in the same packet counts as well. */
static void test_a_client_in_a_hurry(void **state)
{
    struct buf out;
    char head[4096];
    (void)state;
    start();
    buf_init(&out, 1 << 20);
    buf_append_str(&out, STR(GET_HEAD));
    buf_append(&out, stars, 2000);
    int fd = client_connect_with(0);
    rests[fd].len = 0;
    assert_true(client_send(fd, buf_str(&out)));
    assert_int_equal(client_read_head(fd, head, sizeof(head)), 200);
    expect_event(fd, "id: 1\nevent: snapshot\ndata: {}\n\n");
    assert_true(client_send(fd, str_from(stars, 2000)));
    (void)client_send(fd, str_from(stars, 2000)); /* 6,000 in all */
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_PROTOCOL);
    assert_int_equal(close(fd), 0);
    buf_release(&out);
    rig_stop();
}

static void *post_all_the_time(void *arg)
{
    const websocket_id *ids = arg;
    while (rig.tasks == 0)
        post(ids, CLIENTS, "2", STR("[]"));
    return NULL;
}

static void test_they_come_and_vanish_while_frames_go_out(void **state)
{
    static websocket_id ids[CLIENTS];
    int fds[CLIENTS];
    pthread_t thread;
    (void)state;
    start();
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = open_stream(0, &ids[i]);
    assert_int_equal(pthread_create(&thread, NULL, post_all_the_time, ids), 0);
    for (int i = 0; i < CLIENTS; i++) {
        struct linger at_once = {.l_onoff = 1}; /* a reset, with frames on the way */
        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
        assert_int_equal(close(fds[i]), 0);
        int fd = open_stream(0, NULL);
        assert_int_equal(close(fd), 0);
    }
    wait_for(rig.closed == rig.opened);
    atomic_store(&rig.tasks, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rig.opened, 2 * CLIENTS);
    wait_for(rig_connections() == 0);
    rig_stop();
}

/* --- the end --- */

static void test_a_stop_says_when_to_come_again(void **state)
{
    char text[256];
    int fds[CLIENTS];
    (void)state;
    start();
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = open_stream(0, NULL);
    int64_t before = clock_mono_ns();
    server_stop(rig.server, 20000);
    assert_true(clock_mono_ns() - before < PATIENCE_NS / 2); /* nobody is waited for */
    for (int i = 0; i < CLIENTS; i++) {
        int ms = -1;
        read_event(fds[i], text, sizeof(text));
        assert_int_equal(sscanf(text, "retry: %d\n\n", &ms), 1);
        assert_true(ms >= 0);
        expect_event(fds[i], "");
        assert_int_equal(close(fds[i]), 0);
    }
    assert_int_equal(rig.end, WEBSOCKET_END_STOP);
    rig_stop();
}

static void test_too_many_at_once_are_told_when(void **state)
{
    struct websocket_options sockets = sockets_of();
    char head[4096];
    int refused = 0;
    (void)state;
    sockets.admit_per_s = 5;
    start_with(&sockets);
    for (int i = 0; i < 50 && refused == 0; i++) {
        int fd = client_connect_with(0);
        assert_true(client_send(fd, STR(GET_HEAD)));
        refused += client_read_head(fd, head, sizeof(head)) == 503;
        assert_int_equal(close(fd), 0);
    }
    assert_int_equal(refused, 1);
    assert_true(rig.retry_ms > 0);
    wait_for(rig.closed == rig.opened);
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_frame_goes_to_many_in_order),
        cmocka_unit_test(test_more_than_a_turn_of_them),
        cmocka_unit_test(test_silence_is_filled_with_comments),
        cmocka_unit_test(test_a_close_is_the_end_behind_what_was_sent),
        cmocka_unit_test(test_who_does_not_read_hears_resync_and_is_closed),
        cmocka_unit_test(test_who_never_reads_is_dropped),
        cmocka_unit_test(test_who_talks_is_heard_for_a_while_only),
        cmocka_unit_test(test_a_client_in_a_hurry),
        cmocka_unit_test(test_they_come_and_vanish_while_frames_go_out),
        cmocka_unit_test(test_a_stop_says_when_to_come_again),
        cmocka_unit_test(test_too_many_at_once_are_told_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
