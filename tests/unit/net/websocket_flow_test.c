/* How much a socket is sent at a time: as much as it has room for, in bursts, and what happens when there is too much. */
#include "net/websocket_rig.h"

#define PIECE_BYTES 20000
#define PIECES      200
#define BURST       40

static char stars[PIECE_BYTES + PIECES];
static _Atomic unsigned sent, rooms;

static void start_with(struct websocket_options sockets, unsigned burst)
{
    memset(stars, '*', sizeof(stars));
    atomic_store(&sent, 0);
    atomic_store(&rooms, 0);
    sockets.queue_bytes_max = 256 << 10;
    sockets.queue_burst = burst;
    rig_start(&sockets);
}

static int open_known(websocket_id *ret_id)
{
    int before = rig.opened;
    int fd = client_open_with(4096);
    wait_for(rig.opened > before);
    *ret_id = rig.id;
    return fd;
}

/* The number of a piece is in its size. */
static void send_piece(struct websocket *socket, unsigned number)
{
    struct shared *frame = websocket_text_frame(str_from(stars, PIECE_BYTES + number));
    (void)websocket_send(socket, frame, false);
    shared_unref(frame);
}

static void expect_piece(int fd, unsigned number)
{
    char expected[32];
    (void)snprintf(expected, sizeof(expected), "t#%u", PIECE_BYTES + number);
    expect_frame(fd, expected);
}

/* ---- room ---- */

static void send_while_room(struct websocket *socket)
{
    while (atomic_load(&sent) < PIECES && websocket_has_room(socket))
        send_piece(socket, atomic_fetch_add(&sent, 1));
}

static void on_room(struct websocket *socket, void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&rooms, 1);
    send_while_room(socket);
}

static void run_pieces(struct websocket_task *task, struct websocket *socket)
{
    (void)task;
    assert_non_null(socket);
    send_while_room(socket);
}

static void what_there_is_room_for_is_sent(void **state)
{
    websocket_id id;
    (void)state;
    struct websocket_options sockets = rig_sockets();
    sockets.on_room = on_room;
    start_with(sockets, 1);
    int fd = open_known(&id);
    struct websocket_task task = {.id = id, .run = run_pieces};
    assert_ok(websocket_post_task(rig.hub, &task));
    wait_for(atomic_load(&rooms) > 0 || atomic_load(&sent) > 0);
    for (unsigned i = 0; i < PIECES; i++)
        expect_piece(fd, i);
    assert_int_equal(rig.full, 0);
    assert_true(atomic_load(&rooms) > 0);
    (void)close(fd);
    wait_for(rig.closed == 1);
    rig_stop();
}

/* ---- bursts ---- */

static void run_burst(struct websocket_task *task, struct websocket *socket)
{
    (void)task;
    assert_non_null(socket);
    for (unsigned i = 0; i < BURST; i++)
        send_piece(socket, i);
}

static void on_overflow(struct websocket *socket, void *ctx)
{
    struct shared *frame = websocket_text_frame(STR("come again"));
    (void)ctx;
    websocket_send_last(socket, frame);
    shared_unref(frame);
}

static void a_burst_passes_where_it_may(void **state)
{
    websocket_id id;
    (void)state;
    start_with(rig_sockets(), 4);
    int fd = open_known(&id);
    struct websocket_task task = {.id = id, .run = run_burst};
    assert_ok(websocket_post_task(rig.hub, &task));
    for (unsigned i = 0; i < BURST; i++)
        expect_piece(fd, i);
    assert_int_equal(rig.full, 0);
    (void)close(fd);
    wait_for(rig.closed == 1);
    rig_stop();
}

static void a_burst_that_is_too_large_ends_with_last_words(void **state)
{
    websocket_id id;
    (void)state;
    struct websocket_options sockets = rig_sockets();
    sockets.on_overflow = on_overflow;
    start_with(sockets, 1);
    int fd = open_known(&id);
    struct websocket_task task = {.id = id, .run = run_burst};
    assert_ok(websocket_post_task(rig.hub, &task));
    expect_frame(fd, "t(come again)"); /* nothing was written yet when all was dropped */
    expect_frame(fd, "c1013(resync)");
    assert_int_equal(rig.full, 1);
    (void)close(fd);
    wait_for(rig.closed == 1);
    assert_int_equal(rig.end, WEBSOCKET_END_FULL);
    rig_stop();
}

static void a_frame_for_which_there_was_no_memory(void **state)
{
    websocket_id id;
    (void)state;
    start_with(rig_sockets(), 1);
    int fd = open_known(&id);
    assert_err(websocket_post(rig.hub, &id, 1, NULL, false), ERR_FULL);
    expect_frame(fd, "c1013(resync)");
    (void)close(fd);
    wait_for(rig.closed == 1);
    rig_stop();
}

/* ---- several frames in one run of bytes ---- */

static void frames_stand_side_by_side(void **state)
{
    static const size_t sizes[] = {0, 125, 126, 65535, 65536};
    websocket_id id;
    struct buf page;
    (void)state;
    start_with(rig_sockets(), 1);
    memset(stars, '*', sizeof(stars));
    int fd = open_known(&id);
    static char large[65536];
    memset(large, '-', sizeof(large));
    buf_init(&page, 1 << 20);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t head[WEBSOCKET_HEAD_MAX];
        buf_append(&page, head, websocket_text_head(head, sizes[i]));
        buf_append(&page, large, sizes[i]);
    }
    struct shared *frames = shared_new((uint32_t)page.len);
    assert_non_null(frames);
    memcpy(frames->bytes, page.data, page.len);
    assert_ok(websocket_post(rig.hub, &id, 1, frames, false));
    shared_unref(frames);
    buf_release(&page);
    expect_frame(fd, "t()");
    expect_frame(fd, "t#125");
    expect_frame(fd, "t#126");
    expect_frame(fd, "t#65535");
    expect_frame(fd, "t#65536");
    (void)close(fd);
    wait_for(rig.closed == 1);
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_there_is_room_for_is_sent),
        cmocka_unit_test(a_burst_passes_where_it_may),
        cmocka_unit_test(a_burst_that_is_too_large_ends_with_last_words),
        cmocka_unit_test(a_frame_for_which_there_was_no_memory),
        cmocka_unit_test(frames_stand_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
