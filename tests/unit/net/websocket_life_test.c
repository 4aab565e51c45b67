/*
 * Sockets over time: frames from other threads to many of them, clients that read slowly, not at
 * all, or vanish, that begin and do not end, that send garbage; admission, and the end of the
 * server.
 */
#include "net/websocket_rig.h"

#define CLIENTS 40

static char stars[WS_MAX];

static void start_with(const struct websocket_options *sockets)
{
    memset(stars, '*', sizeof(stars));
    rig_start(sockets);
}

static void start(void)
{
    struct websocket_options sockets = rig_sockets();
    start_with(&sockets);
}

/* Opens one and says which it is. */
static int open_known(int receive_bytes, websocket_id *ret_id)
{
    int before = rig.opened;
    int fd = client_open_with(receive_bytes);
    wait_for(rig.opened == before + 1);
    *ret_id = rig.id;
    return fd;
}

static void post_text(websocket_id id, const char *text)
{
    struct shared *frame = websocket_text_frame(str_from_c(text));
    assert_non_null(frame);
    assert_ok(websocket_post(rig.hub, &id, 1, frame, false));
    shared_unref(frame);
}

/* Says goodbye and waits for the answer. */
static void leave(int fd)
{
    assert_true(client_send_frame(fd, CLOSE, STR_NONE));
    expect_story(fd, "c().");
    assert_int_equal(close(fd), 0);
}

/* --- posts --- */

static void test_one_frame_goes_to_many(void **state)
{
    int fds[CLIENTS];
    websocket_id ids[CLIENTS];
    (void)state;
    start();
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = open_known(0, &ids[i]);
    struct shared *frame = websocket_text_frame(STR("to all"));
    assert_ok(websocket_post(rig.hub, ids, CLIENTS, frame, false));
    for (int i = 0; i < CLIENTS; i++)
        expect_frame(fds[i], "t(to all)");
    wait_for(atomic_load(&frame->refs) == 1); /* everybody has let go of it */
    shared_unref(frame);
    for (int i = 0; i < CLIENTS; i++)
        leave(fds[i]);
    wait_for(rig.closed == CLIENTS);
    assert_int_equal(rig_stats().closed[WEBSOCKET_END_PEER], CLIENTS);
    rig_stop();
}

static void test_an_id_is_never_that_of_another(void **state)
{
    websocket_id old, new, ids[3];
    (void)state;
    start();
    int fd = open_known(0, &old);
    leave(fd);
    wait_for(rig.closed == 1);
    for (int i = 0; i < 200; i++) { /* on both loops, so some take the same slot */
        fd = open_known(0, &new);
        assert_true(new != old);
        post_text(old, "for the old one");
        ids[0] = 0;
        ids[1] = UINT64_MAX;
        ids[2] = new;
        struct shared *frame = websocket_text_frame(STR("for the new one"));
        assert_ok(websocket_post(rig.hub, ids, 3, frame, false));
        shared_unref(frame);
        expect_frame(fd, "t(for the new one)");
        leave(fd);
        old = new;
    }
    rig_stop();
}

static void test_another_thread_closes(void **state)
{
    websocket_id id;
    (void)state;
    start();
    int fd = open_known(0, &id);
    post_text(id, "last");
    assert_ok(websocket_post_close(rig.hub, id, WEBSOCKET_POLICY));
    assert_ok(websocket_post_close(rig.hub, id, WEBSOCKET_NORMAL)); /* the first one counts */
    post_text(id, "too late");
    expect_frame(fd, "t(last)");
    expect_frame(fd, "c1008()");
    assert_true(client_send_frame(fd, CLOSE, STR("\x03\xf0")));
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_SERVICE);
    assert_int_equal(rig.peer_code, WEBSOCKET_POLICY);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

static void run_send_ten(struct websocket_task *task, struct websocket *socket)
{
    (void)task;
    for (int i = 0; socket && i < 10; i++) {
        struct shared *frame = websocket_text_frame(STR("x"));
        assert_ok(websocket_send(socket, frame, false));
        shared_unref(frame);
    }
    atomic_fetch_add(&rig.tasks, socket ? 1 : 100);
}

static void test_tasks_run_where_the_socket_is_and_write_once(void **state)
{
    struct websocket_task task = {.run = run_send_ten};
    (void)state;
    start();
    int fd = open_known(0, &task.id);
    uint64_t writes = rig_stats().writes;
    assert_ok(websocket_post_task(rig.hub, &task));
    for (int i = 0; i < 10; i++)
        expect_frame(fd, "t(x)");
    assert_int_equal(rig.tasks, 1);
    assert_int_equal(rig_stats().writes, writes + 1);
    leave(fd);
    wait_for(rig.closed == 1);
    assert_ok(websocket_post_task(rig.hub, &task)); /* comes back without a socket */
    wait_for(rig.tasks == 101);
    rig_stop();
}

#define POSTERS 3
#define POSTS   2000

struct poster {
    int number;
    websocket_id ids[CLIENTS];
};

static void *post_numbers(void *arg)
{
    const struct poster *poster = arg;
    char text[32];
    for (int i = 0; i < POSTS; i++) {
        (void)snprintf(text, sizeof(text), "%d %d", poster->number, i);
        struct shared *frame = websocket_text_frame(str_from_c(text));
        (void)websocket_post(rig.hub, poster->ids, CLIENTS, frame, false);
        shared_unref(frame);
    }
    return NULL;
}

/* Of each thread in its order, none missing, none twice. */
static void expect_numbers(int fd)
{
    int next[POSTERS] = {0};
    struct buf story;
    buf_init(&story, 4096);
    for (int i = 0; i < POSTERS * POSTS; i++) {
        int number, count;
        buf_clear(&story);
        assert_true(client_tell_frame(fd, &story));
        buf_append_char(&story, '\0');
        assert_int_equal(sscanf(story.data, "t(%d %d)", &number, &count), 2);
        assert_int_equal(count, next[number]++);
    }
    buf_release(&story);
}

static void test_threads_post_in_order_while_others_come_and_go(void **state)
{
    struct websocket_options sockets = rig_sockets();
    static struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    int fds[CLIENTS];
    (void)state;
    sockets.queue_frames_max = 3 * POSTERS * POSTS;
    sockets.posts_max = (size_t)CLIENTS * POSTERS * POSTS;
    start_with(&sockets);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = open_known(0, &posters[0].ids[i]);
    for (int i = 0; i < POSTERS; i++) {
        memcpy(posters[i].ids, posters[0].ids, sizeof(posters[i].ids));
        posters[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, post_numbers, &posters[i]), 0);
    }
    for (int i = CLIENTS / 2; i < CLIENTS; i++) /* these do not wait */
        assert_int_equal(close(fds[i]), 0);
    for (int i = 0; i < 50; i++)
        leave(client_open());
    for (int i = 0; i < CLIENTS / 2; i++)
        expect_numbers(fds[i]);
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < CLIENTS / 2; i++)
        leave(fds[i]);
    wait_for(rig.closed == rig.opened);
    assert_int_equal(rig_stats().closed[WEBSOCKET_END_FULL], 0);
    rig_stop();
}

/* What cannot be carried there is not lost without a word. */
static void test_too_much_under_way_closes_for_a_resync(void **state)
{
    struct websocket_options sockets = rig_sockets();
    websocket_id ids[8];
    int fds[8];
    (void)state;
    sockets.posts_max = 2;
    start_with(&sockets);
    for (int i = 0; i < 8; i++)
        fds[i] = open_known(0, &ids[i]);
    struct shared *frame = websocket_text_frame(STR("x"));
    for (int i = 1; i < 8; i++) /* all to one socket, so to one loop */
        ids[i] = ids[0];
    assert_err(websocket_post(rig.hub, ids, 8, frame, true), ERR_FULL);
    assert_int_equal(rig_stats().dropped_posts, 8);
    assert_ok(websocket_post(rig.hub, ids, 1, frame, true));
    expect_frame(fds[0], "t(x)");
    assert_err(websocket_post(rig.hub, ids, 8, frame, false), ERR_FULL);
    shared_unref(frame);
    expect_frame(fds[0], "c1013(resync)");
    assert_true(client_send_frame(fds[0], CLOSE, STR_NONE));
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_FULL);
    for (int i = 0; i < 8; i++) {
        if (i > 0)
            leave(fds[i]);
        else
            assert_int_equal(close(fds[i]), 0);
    }
    rig_stop();
}

/* --- back-pressure --- */

/* Posts large frames until the queue behind the kernel's buffers is full. */
static void post_until(websocket_id id, bool is_ephemeral, bool (*is_enough)(void))
{
    struct shared *frame = websocket_text_frame(str_from(stars, 32768));
    int64_t until = clock_mono_ns() + PATIENCE_NS;
    while (!is_enough()) {
        assert_true(clock_mono_ns() < until);
        (void)websocket_post(rig.hub, &id, 1, frame, is_ephemeral);
        (void)usleep(200);
    }
    shared_unref(frame);
}

static bool is_one_full(void)
{
    return rig.full > 0;
}

/* So many one after another, that the kernel takes nothing more: with the first it may still make its
 * buffers wider, and empty the queue into them. */
static bool is_ephemeral_dropped(void)
{
    return rig_stats().dropped_ephemeral >= 64;
}

static void start_narrow(enum websocket_full_choice choice)
{
    struct websocket_options sockets = rig_sockets();
    sockets.queue_bytes_max = 256 << 10;
    start_with(&sockets);
    rig.on_full = choice;
}

/* Reads large frames until another comes; how many. */
static int skip_large(int fd, const char *last)
{
    struct buf story;
    int count = 0;
    buf_init(&story, 4096);
    for (;; count++) {
        buf_clear(&story);
        (void)client_tell_frame(fd, &story);
        buf_append_char(&story, '\0');
        if (strcmp(story.data, "t#32768") != 0)
            break;
    }
    assert_string_equal(story.data, last);
    buf_release(&story);
    return count;
}

static void test_a_full_queue_closes_for_a_resync(void **state)
{
    websocket_id id;
    (void)state;
    start_narrow(WEBSOCKET_FULL_CLOSE);
    int fd = open_known(4096, &id);
    struct shared *frame = websocket_text_frame(str_from(stars, 32768));
    assert_ok(websocket_post(rig.hub, &id, 1, frame, false));
    shared_unref(frame);
    wait_for(rig_stats().writes > 0); /* one is on its way, and arrives whole */
    post_until(id, false, is_one_full);
    assert_true(skip_large(fd, "c1013(resync)") > 0);
    assert_true(client_send_frame(fd, CLOSE, STR_NONE));
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_FULL);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

static void test_the_service_may_drop_instead(void **state)
{
    websocket_id id;
    (void)state;
    start_narrow(WEBSOCKET_FULL_DROP);
    int fd = open_known(4096, &id);
    post_until(id, false, is_one_full);
    uint64_t queued = rig_stats().frames_out;
    for (uint64_t i = 0; i < queued; i++)
        expect_frame(fd, "t#32768");
    post_text(id, "and on");
    (void)skip_large(fd, "t(and on)"); /* the last post may have found room after all */
    leave(fd);
    rig_stop();
}

static void test_what_need_not_arrive_makes_room(void **state)
{
    websocket_id id;
    (void)state;
    start_narrow(WEBSOCKET_FULL_CLOSE);
    int fd = open_known(4096, &id);
    post_until(id, true, is_ephemeral_dropped); /* half full of them */
    struct shared *frame = websocket_text_frame(str_from(stars, 200 << 10));
    uint64_t dropped = rig_stats().dropped_ephemeral;
    assert_ok(websocket_post(rig.hub, &id, 1, frame, false));
    wait_for(rig_stats().dropped_ephemeral > dropped + 1); /* thrown out of the queue */
    shared_unref(frame);
    assert_int_equal(rig.full, 0);
    assert_true(skip_large(fd, "t#204800") > 0);
    leave(fd);
    rig_stop();
}

/* Sends until nothing is taken any more. */
static size_t send_until_stuck(int fd)
{
    struct buf out;
    size_t sent_bytes = 0;
    buf_init(&out, WS_MAX);
    for (int i = 0; i < 64; i++)
        put_frame(&out, FIN | TEXT, str_from(stars, 1000));
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        if (poll(&ready, 1, 300) == 0)
            break;
        ssize_t sent = send(fd, out.data + sent_bytes % out.len, out.len - sent_bytes % out.len,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(sent > 0 || errno == EAGAIN);
        sent_bytes += sent > 0 ? (size_t)sent : 0;
    }
    buf_release(&out);
    return sent_bytes;
}

/* Answers are not queued for somebody who only talks; and when he listens, all are there. */
static void test_who_sends_without_reading_is_not_read(void **state)
{
    (void)state;
    start_narrow(WEBSOCKET_FULL_CLOSE);
    int fd = client_open_with(4096);
    size_t sent_bytes = send_until_stuck(fd);
    assert_true(sent_bytes / 1008 > (uint64_t)rig.messages); /* the rest waits in the kernel */
    assert_int_equal(rig.full, 0);
    for (size_t i = 0; i < sent_bytes / 1008; i++)
        expect_frame(fd, "t#1000");
    assert_int_equal(rig.full, 0);
    assert_int_equal(close(fd), 0);
    wait_for(rig.closed == 1);
    rig_stop();
}

static void test_a_reader_that_stops_is_dropped(void **state)
{
    struct websocket_options sockets = rig_sockets();
    websocket_id id;
    (void)state;
    sockets.write_ms = 300;
    start_with(&sockets);
    int fd = open_known(4096, &id);
    struct shared *frame = websocket_text_frame(str_from(stars, WS_MAX));
    assert_ok(websocket_post(rig.hub, &id, 1, frame, false));
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_SLOW_READER);
    assert_int_equal(atomic_load(&frame->refs), 1);
    shared_unref(frame);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

/* --- time --- */

static void test_silence_is_asked_and_ends(void **state)
{
    struct websocket_options sockets = rig_sockets();
    (void)state;
    sockets.ping_ms = 60;
    sockets.pong_ms = 60;
    start_with(&sockets);
    int fd = client_open();
    expect_story(fd, "i().");
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_IDLE);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

static void test_who_answers_pings_stays(void **state)
{
    struct websocket_options sockets = rig_sockets();
    (void)state;
    sockets.ping_ms = 30;
    sockets.pong_ms = 10000;
    start_with(&sockets);
    int fd = client_open();
    for (int i = 0; i < 10; i++) {
        expect_frame(fd, "i()");
        assert_true(client_send_frame(fd, PONG, STR_NONE));
    }
    assert_int_equal(rig.closed, 0);
    assert_int_equal(close(fd), 0);
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_GONE);
    rig_stop();
}

/* Whatever else comes meanwhile. */
static void test_a_message_must_end_in_time(void **state)
{
    struct websocket_options sockets = rig_sockets();
    char byte = 0;
    (void)state;
    sockets.message_ms = 100;
    start_with(&sockets);
    int fd = client_open(); /* in the middle of a frame */
    assert_true(client_send(fd, STR("\x81\x8amask*")));
    expect_story(fd, "c1008().");
    assert_int_equal(close(fd), 0);
    fd = client_open(); /* between two frames of a message */
    assert_true(client_send_frame(fd, TEXT, STR("begun")));
    while (client_send_frame(fd, PONG, STR_NONE) && recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0)
        (void)usleep(5000);
    expect_story(fd, "c1008().");
    assert_int_equal(close(fd), 0);
    wait_for(rig.closed == 2);
    assert_int_equal(rig_stats().closed[WEBSOCKET_END_SLOW_MESSAGE], 2);
    assert_int_equal(rig_stats().partial_bytes, 0);
    rig_stop();
}

static void test_a_client_that_does_not_close(void **state)
{
    struct websocket_options sockets = rig_sockets();
    websocket_id id;
    (void)state;
    sockets.close_ms = 100;
    start_with(&sockets);
    int fd = open_known(0, &id);
    assert_ok(websocket_post_close(rig.hub, id, WEBSOCKET_NORMAL));
    expect_story(fd, "c1000().");
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_SERVICE);
    assert_int_equal(rig.peer_code, WEBSOCKET_ABNORMAL);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

static void test_a_client_that_vanishes(void **state)
{
    struct linger reset = {.l_onoff = 1};
    (void)state;
    start();
    for (int i = 0; i < 20; i++) {
        int fd = client_open();
        if (i % 2)
            assert_true(client_send_frame(fd, TEXT, STR("begun")));
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        assert_int_equal(close(fd), 0);
    }
    wait_for(rig.closed == 20);
    assert_int_equal(rig_stats().closed[WEBSOCKET_END_GONE], 20);
    assert_int_equal(rig_stats().partial_bytes, 0);
    assert_int_equal(rig_stats().open, 0);
    wait_for(rig_connections() == 0);
    rig_stop();
}

/* --- more than there is room for --- */

static void test_messages_that_have_begun_share_a_limit(void **state)
{
    struct websocket_options sockets = rig_sockets();
    int fds[8];
    (void)state;
    sockets.partial_max = 2 * (64 << 10); /* of two loops */
    start_with(&sockets);
    for (int i = 0; i < 8; i++) {
        fds[i] = client_open();
        assert_true(client_send_frame(fds[i], TEXT, str_from(stars, 40 << 10)));
    }
    wait_for(rig_stats().closed[WEBSOCKET_END_MEMORY] >= 6); /* at most one on each loop stays */
    assert_true(rig_stats().partial_bytes <= 2 * (64 << 10));
    for (int i = 0; i < 8; i++)
        assert_int_equal(close(fds[i]), 0);
    wait_for(rig.closed == 8);
    assert_int_equal(rig_stats().partial_bytes, 0);
    rig_stop();
}

static void test_admission(void **state)
{
    struct websocket_options sockets = rig_sockets();
    int accepted = 0;
    char head[4096];
    (void)state;
    sockets.admit_per_s = 10;
    start_with(&sockets);
    int64_t begun_ns = clock_mono_ns();
    for (int i = 0; i < 60; i++) {
        int fd = client_connect_with(0);
        assert_true(client_send(fd, STR(WS_HEAD "\r\n")));
        int status = client_read_head(fd, head, sizeof(head));
        assert_true(status == 101 || status == 503);
        accepted += status == 101;
        if (status == 503)
            assert_in_range(rig.retry_ms, 1000, 61000);
        assert_int_equal(close(fd), 0);
    }
    int64_t elapsed_ms = (clock_mono_ns() - begun_ns) / 1000000;
    assert_true(accepted >= 10 && accepted <= 11 + elapsed_ms / 100);
    assert_int_equal(rig_stats().refused[WEBSOCKET_TOO_FAST], 60 - accepted);
    rig_stop();
}

static void test_garbage(void **state)
{
    char bytes[400];
    uint32_t seed = 12345;
    (void)state;
    start();
    for (int i = 0; i < 300; i++) {
        for (size_t j = 0; j < sizeof(bytes); j++) {
            seed = seed * 1664525 + 1013904223;
            bytes[j] = (char)(seed >> 24);
        }
        int fd = client_open();
        (void)client_send(fd, str_from(bytes, 1 + seed % sizeof(bytes)));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        struct buf story;
        buf_init(&story, 65536);
        while (client_tell_frame(fd, &story)) {
        }
        buf_release(&story);
        assert_int_equal(close(fd), 0);
    }
    leave(client_open()); /* it is there and well */
    wait_for(rig.closed == 301);
    rig_stop();
}

/* --- the end of the server --- */

static void *stop_server(void *arg)
{
    server_stop(rig.server, *(int64_t *)arg);
    return NULL;
}

static void test_stopping_says_goodbye(void **state)
{
    struct websocket_options sockets = rig_sockets();
    int64_t drain_ms = 15000;
    pthread_t stopper;
    int fds[CLIENTS];
    websocket_id id = 0;
    (void)state;
    sockets.admit_per_s = 20; /* 40 need two seconds to come again */
    sockets.close_ms = 100;
    start_with(&sockets);
    for (int i = 0; i < CLIENTS; i++) {
        if (i >= 20)
            (void)usleep(60000);
        fds[i] = open_known(0, &id);
    }
    assert_true(client_send_frame(fds[3], TEXT, STR("begun")));
    int64_t begun_ns = clock_mono_ns();
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, &drain_ms), 0);
    for (int i = 0; i < CLIENTS; i++) {
        expect_frame(fds[i], "t(bye)");
        expect_frame(fds[i], "c1001()");
        if (i % 2) /* the others just look on */
            assert_true(client_send_frame(fds[i], CLOSE, STR("\x03\xe9")));
    }
    assert_int_equal(pthread_join(stopper, NULL), 0);
    assert_true(clock_mono_ns() - begun_ns < drain_ms * 1000000); /* nobody waited for the time */
    assert_int_equal(rig.closed, CLIENTS);
    assert_int_equal(rig_stats().closed[WEBSOCKET_END_STOP], CLIENTS);
    assert_true(rig.stop_ms_max > 0 && rig.stop_ms_max < 2000);
    post_text(id, "nobody is there");
    struct websocket_task task = {.id = id, .run = run_send_ten};
    assert_err(websocket_post_task(rig.hub, &task), ERR_CLOSED);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(close(fds[i]), 0);
    rig_stop();
}

static void test_stopping_at_once(void **state)
{
    int64_t drain_ms = 0;
    websocket_id id;
    (void)state;
    start();
    int fd = open_known(4096, &id);
    struct shared *frame = websocket_text_frame(str_from(stars, WS_MAX));
    assert_ok(websocket_post(rig.hub, &id, 1, frame, false)); /* a write is under way */
    wait_for(rig_stats().writes > 0);
    int64_t begun_ns = clock_mono_ns();
    (void)stop_server(&drain_ms);
    assert_true(clock_mono_ns() - begun_ns < PATIENCE_NS);
    wait_for(rig.closed == 1);
    assert_int_equal(atomic_load(&frame->refs), 1);
    shared_unref(frame);
    assert_int_equal(close(fd), 0);
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_frame_goes_to_many),
        cmocka_unit_test(test_an_id_is_never_that_of_another),
        cmocka_unit_test(test_another_thread_closes),
        cmocka_unit_test(test_tasks_run_where_the_socket_is_and_write_once),
        cmocka_unit_test(test_threads_post_in_order_while_others_come_and_go),
        cmocka_unit_test(test_too_much_under_way_closes_for_a_resync),
        cmocka_unit_test(test_a_full_queue_closes_for_a_resync),
        cmocka_unit_test(test_the_service_may_drop_instead),
        cmocka_unit_test(test_what_need_not_arrive_makes_room),
        cmocka_unit_test(test_who_sends_without_reading_is_not_read),
        cmocka_unit_test(test_a_reader_that_stops_is_dropped),
        cmocka_unit_test(test_silence_is_asked_and_ends),
        cmocka_unit_test(test_who_answers_pings_stays),
        cmocka_unit_test(test_a_message_must_end_in_time),
        cmocka_unit_test(test_a_client_that_does_not_close),
        cmocka_unit_test(test_a_client_that_vanishes),
        cmocka_unit_test(test_messages_that_have_begun_share_a_limit),
        cmocka_unit_test(test_admission),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_stopping_says_goodbye),
        cmocka_unit_test(test_stopping_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
