/*
 * A connection that has become a WebSocket. h2o has let go of its socket (h2o_http1_upgrade); the
 * struct connection stays, so it counts among the server's connections and against its cap as
 * before. Bytes come in through h2o's socket, which also does TLS, and are read by a frame reader
 * that the loop lends to whoever is in the middle of something; what is sent is queued by reference
 * and written at the end of the loop's turn, everything of that turn in one call.
 *
 *   ACCEPTING --101 written--> OPEN --websocket_close()--> CLOSING --client's close, or time--> DONE
 *       |                       |                             |
 *       |                       +--client's close, fault------+--fault--> LEAVING --written--> DONE
 *       +--lost--> DONE         +--lost, idle, not reading--> DONE <--lost, time--+
 *
 * OPEN: all callbacks, all sending. CLOSING: our close frame is the last in the queue; input is read
 * for the client's and for nothing else. LEAVING: nothing is read any more; what is queued is
 * written, then the socket closes; after a fault it lingers (server_linger.c), or the reset would
 * take the close frame away from a client that still sends. DONE: on_close, and the struct is gone.
 * An event stream has no closing handshake: it goes from OPEN to LEAVING. What comes in on it is
 * thrown away.
 *
 * Only callbacks of h2o reach DONE, never a call of the service, so a service may close a socket
 * from anywhere and go on using it in that callback.
 *
 * Invariants
 * 1. Between messages, with nothing to write, a socket has no memory but this struct, the
 *    connection's and h2o's socket: no reader, no ring, no input buffer.
 * 2. Input waits in the kernel while more than half of the queue is full (is_behind): who sends
 *    without reading gets no answers queued without end. It also waits for the next turn after
 *    EVENTS_A_TURN, so that one socket cannot keep the loop.
 * 3. At most one write is under way; what it refers to stays at the head of the queue.
 * 4. Everything ends: silence by pings, a message that does not end, a write that is not taken and
 *    a closing handshake by the tick, which looks at each socket a few times in the shortest of
 *    these times.
 *
 * Frames that need not arrive (ephemeral) are dropped when the queue is half full, and thrown out of
 * it when a frame that must arrive finds no room. If there is none then, the service chooses: drop
 * that frame, or drop everything that waits and close with 1013, so that the client comes again and
 * asks for what it has missed.
 */
#include "net/websocket_internal.h"

#include "base/clock.h"
#include "base/rand.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#define EVENTS_A_TURN    256
#define WRITE_PARTS_MAX  64
#define WRITE_BYTES_MAX  ((size_t)64 << 10)
#define WRITES_A_TURN    256  /* sockets written to before the loop looks at others */
#define STREAM_INPUT_MAX 4096 /* bytes that a client may say to an event stream */
#define STUCK_MS         250  /* in which a client that reads takes something */
#define DRAIN_SLICE      1024 /* slots looked at in one tick of a drain */
#define DRAIN_SPREAD_MIN 1000

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

static bool is_stream(const struct websocket *socket)
{
    return socket->hub->options.is_event_stream;
}

static h2o_socket_t *sock_of(const struct websocket *socket)
{
    return socket->connection->socket;
}

static void set_state(struct websocket *socket, enum websocket_state state)
{
    static const bool allowed[WEBSOCKET_DONE + 1][WEBSOCKET_DONE + 1] = {
        [WEBSOCKET_ACCEPTING] = {[WEBSOCKET_OPEN] = true, [WEBSOCKET_DONE] = true},
        [WEBSOCKET_OPEN] =
            {[WEBSOCKET_CLOSING] = true, [WEBSOCKET_LEAVING] = true, [WEBSOCKET_DONE] = true},
        [WEBSOCKET_CLOSING] = {[WEBSOCKET_LEAVING] = true, [WEBSOCKET_DONE] = true},
        [WEBSOCKET_LEAVING] = {[WEBSOCKET_DONE] = true},
    };
    assert(allowed[socket->state][state]);
    socket->state = (uint8_t)state;
}

/* Keeps the first cause. */
static void set_end(struct websocket *socket, enum websocket_end end)
{
    if (socket->state == WEBSOCKET_OPEN)
        socket->end = (uint8_t)end;
}

void *websocket_data(const struct websocket *socket)
{
    return socket->data;
}

void websocket_set_data(struct websocket *socket, void *data)
{
    socket->data = data;
}

/* --- readers --- */

static void count_reader(struct websocket *socket, size_t bytes)
{
    counter_add(&socket->loop->counters.partial_bytes, bytes - socket->reader_bytes);
    socket->reader_bytes = (uint32_t)bytes;
}

static struct websocket_reader *take_reader(struct websocket *socket)
{
    struct websocket_loop *loop = socket->loop;
    const struct websocket_options *options = &loop->hub->options;
    struct websocket_reader *reader = socket->reader;
    if (!reader && loop->spare_count > 0)
        reader = loop->spares[--loop->spare_count];
    if (!reader)
        reader = websocket_reader_new(options->frame_max, options->message_max);
    socket->reader = reader;
    return reader;
}

/* Back to the loop, if nothing of this connection is in it. */
static void give_reader(struct websocket *socket)
{
    struct websocket_loop *loop = socket->loop;
    struct websocket_reader *reader = socket->reader;
    bool is_reusable = reader && websocket_reader_is_idle(reader) &&
                       socket->state != WEBSOCKET_LEAVING && socket->state != WEBSOCKET_DONE;
    socket->reader = NULL;
    socket->message_ms = 0;
    count_reader(socket, 0);
    if (is_reusable && loop->spare_count < WEBSOCKET_SPARES_MAX)
        loop->spares[loop->spare_count++] = reader;
    else
        websocket_reader_free(reader);
}

/* --- the end --- */

static void report_close(struct websocket *socket)
{
    const struct websocket_options *options = &socket->hub->options;
    if (options->on_close)
        options->on_close(socket, (enum websocket_end)socket->end, socket->peer_code, options->ctx);
    free(socket);
}

/* The socket is gone afterwards. */
static void finish(struct websocket *socket, bool does_linger)
{
    struct websocket_loop *loop = socket->loop;
    struct connection *connection = socket->connection;
    set_state(socket, WEBSOCKET_DONE);
    h2o_timeout_unlink(&socket->tick);
    if (h2o_linklist_is_linked(&socket->turn_link))
        h2o_linklist_unlink(&socket->turn_link);
    if (h2o_linklist_is_linked(&socket->hungry_link))
        h2o_linklist_unlink(&socket->hungry_link);
    websocket_slot_leave(loop, socket);
    give_reader(socket);
    connection->websocket = NULL;
    if (does_linger)
        linger_prepare(connection);
    h2o_socket_close(connection->socket); /* nobody reads what was in flight any more */
    outbox_release(&socket->outbox);
    counter_add(&loop->counters.open, (uint64_t)-1);
    counter_add(&loop->counters.closed[socket->end], 1);
    report_close(socket);
}

static void finish_as(struct websocket *socket, enum websocket_end end)
{
    set_end(socket, end);
    finish(socket, false);
}

/* Leaves when there is nothing more to write. The socket may be gone afterwards. */
static void settle(struct websocket *socket)
{
    if (socket->state == WEBSOCKET_LEAVING && outbox_is_empty(&socket->outbox))
        finish(socket,
               is_stream(socket) ? socket->end == WEBSOCKET_END_PROTOCOL : !socket->is_peer_done);
}

/* --- sending --- */

static void mark_turn(struct websocket *socket)
{
    struct websocket_loop *loop = socket->loop;
    h2o_context_t *context = &loop->server_loop->context;
    if (!h2o_linklist_is_linked(&socket->turn_link))
        h2o_linklist_insert(&loop->turn_list, &socket->turn_link);
    if (!h2o_timeout_is_linked(&loop->turn))
        h2o_timeout_link(context->loop, &context->zero_timeout, &loop->turn);
}

static enum err enqueue(struct websocket *socket, const struct outbox_limits *limits,
                        struct shared *frame, bool is_ephemeral)
{
    enum err err = outbox_put(&socket->outbox, limits, frame, is_ephemeral);
    if (err)
        return err;
    counter_add(&socket->loop->counters.frames_out, 1);
    counter_add(&socket->loop->counters.bytes_out, frame->size);
    mark_turn(socket);
    return ERR_OK;
}

/* Also beyond the limits of the service's frames. Takes the frame; NULL and no room are no error
 * for what is sent by it: the connection ends or the client pings again. */
static void enqueue_control(struct websocket *socket, struct shared *take_frame)
{
    if (take_frame)
        (void)enqueue(socket, &socket->hub->control_limits, take_frame, false);
    shared_unref(take_frame);
}

static bool is_half_full(const struct websocket *socket)
{
    const struct outbox_limits *limits = &socket->hub->limits;
    return socket->outbox.bytes > limits->bytes_max / 2 ||
           socket->outbox.count > limits->frames_max / 2;
}

static bool has_room(const struct websocket *socket)
{
    const struct outbox_limits *limits = &socket->hub->limits;
    return socket->outbox.bytes < limits->bytes_max / 4 &&
           socket->outbox.count < limits->frames_max / 4;
}

bool websocket_has_room(struct websocket *socket)
{
    socket->wants_room = !has_room(socket);
    return !socket->wants_room;
}

static void report_room(struct websocket *socket)
{
    const struct websocket_options *options = &socket->hub->options;
    if (!socket->wants_room || socket->state != WEBSOCKET_OPEN || !has_room(socket))
        return;
    socket->wants_room = false;
    if (options->on_room)
        options->on_room(socket, options->ctx);
}

static void begin_closing(struct websocket *socket, enum websocket_end end, unsigned code,
                          struct str reason)
{
    set_end(socket, end);
    socket->closing_ms = now_ms();
    if (is_stream(socket)) {
        set_state(socket, WEBSOCKET_LEAVING);
        mark_turn(socket);
        return;
    }
    set_state(socket, WEBSOCKET_CLOSING);
    enqueue_control(socket, websocket_close_frame(code, reason));
}

void websocket_close(struct websocket *socket, unsigned code, struct str reason)
{
    if (socket->state == WEBSOCKET_OPEN)
        begin_closing(socket, WEBSOCKET_END_SERVICE, code,
                      str_sub(reason, 0, WEBSOCKET_REASON_MAX));
}

void websocket_overflow(struct websocket *socket)
{
    if (socket->state != WEBSOCKET_OPEN)
        return;
    (void)outbox_drop_waiting(
        &socket->outbox); /* how many does not matter: it asks for all again */
    if (socket->hub->options.on_overflow)
        socket->hub->options.on_overflow(socket, socket->hub->options.ctx);
    if (socket->state == WEBSOCKET_OPEN)
        begin_closing(socket, WEBSOCKET_END_FULL, WEBSOCKET_TRY_LATER, STR("resync"));
}

static bool is_stuck(const struct websocket *socket)
{
    return socket->write_ms > 0 && now_ms() - socket->write_ms > STUCK_MS;
}

static enum err send_durable(struct websocket *socket, struct shared *frame)
{
    const struct websocket_options *options = &socket->hub->options;
    const struct outbox_limits *limits = &socket->hub->limits;
    enum err err = enqueue(socket, limits, frame, false);
    if (err != ERR_FULL)
        return err;
    if (!is_stuck(socket))
        limits = &socket->hub->burst_limits;
    counter_add(&socket->loop->counters.dropped_ephemeral, outbox_drop_ephemeral(&socket->outbox));
    err = enqueue(socket, limits, frame, false);
    if (err == ERR_FULL &&
        (!options->on_full || options->on_full(socket, options->ctx) == WEBSOCKET_FULL_CLOSE))
        websocket_overflow(socket);
    return err;
}

enum err websocket_send(struct websocket *socket, struct shared *frame, bool is_ephemeral)
{
    enum err err = ERR_NOMEM;
    if (socket->state != WEBSOCKET_OPEN)
        return ERR_CLOSED;
    if (frame && is_ephemeral)
        err = is_half_full(socket) ? ERR_FULL : enqueue(socket, &socket->hub->limits, frame, true);
    else if (frame)
        err = send_durable(socket, frame);
    if (err && is_ephemeral)
        counter_add(&socket->loop->counters.dropped_ephemeral, 1);
    else if (err == ERR_NOMEM)
        websocket_overflow(socket);
    return err;
}

void websocket_send_last(struct websocket *socket, struct shared *frame)
{
    if (frame && socket->state == WEBSOCKET_OPEN)
        (void)enqueue(socket, &socket->hub->control_limits, frame, false); /* or no words at all */
}

/* --- writing --- */

static void take_input(struct websocket *socket);

static void on_written(h2o_socket_t *sock, const char *err);

static void write_some(struct websocket *socket)
{
    struct iovec parts[WRITE_PARTS_MAX];
    h2o_iovec_t bufs[WRITE_PARTS_MAX];
    if (outbox_is_empty(&socket->outbox) || h2o_socket_is_writing(sock_of(socket)))
        return;
    size_t count = outbox_take(&socket->outbox, parts, WRITE_PARTS_MAX, WRITE_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        bufs[i] = h2o_iovec_init(parts[i].iov_base, parts[i].iov_len);
    socket->write_ms = now_ms();
    counter_add(&socket->loop->counters.writes, 1);
    h2o_socket_write(sock_of(socket), bufs, count, on_written);
}

/* Input that waited for room. */
static void catch_up(struct websocket *socket)
{
    bool is_open = socket->state == WEBSOCKET_OPEN || socket->state == WEBSOCKET_CLOSING;
    if (socket->is_behind && is_open && !is_half_full(socket) &&
        !h2o_linklist_is_linked(&socket->hungry_link))
        take_input(socket);
}

static void on_written(h2o_socket_t *sock, const char *err)
{
    struct websocket *socket = sock->data;
    outbox_sent(&socket->outbox);
    socket->write_ms = 0;
    if (is_stream(socket))
        socket->heard_ms = now_ms();
    if (err) {
        finish_as(socket, WEBSOCKET_END_GONE);
        return;
    }
    write_some(socket);
    report_room(socket);
    catch_up(socket);
    settle(socket);
}

void websocket_on_turn(h2o_timeout_entry_t *entry)
{
    struct websocket_loop *loop = container_of(entry, struct websocket_loop, turn);
    for (int i = 0; i < WRITES_A_TURN && !h2o_linklist_is_empty(&loop->turn_list); i++) {
        struct websocket *socket = container_of(loop->turn_list.next, struct websocket, turn_link);
        h2o_linklist_unlink(&socket->turn_link);
        write_some(socket);
        settle(socket);
    }
    if (!h2o_linklist_is_empty(&loop->turn_list)) /* not by the timer, which would run on now */
        server_loop_wake(loop->server_loop);
}

/* --- input --- */

static void fail(struct websocket *socket, enum websocket_end end, unsigned code)
{
    bool has_said_close = socket->state == WEBSOCKET_CLOSING || is_stream(socket);
    set_end(socket, end);
    set_state(socket, WEBSOCKET_LEAVING);
    socket->closing_ms = now_ms();
    if (!has_said_close)
        enqueue_control(socket, websocket_close_frame(code, STR_NONE));
    mark_turn(socket);
}

static enum websocket_end end_of_fault(unsigned code)
{
    return code == WEBSOCKET_NOT_TEXT   ? WEBSOCKET_END_NOT_TEXT
           : code == WEBSOCKET_TOO_BIG  ? WEBSOCKET_END_TOO_BIG
           : code == WEBSOCKET_INTERNAL ? WEBSOCKET_END_MEMORY
                                        : WEBSOCKET_END_PROTOCOL;
}

/* The client's part of the closing handshake: its code goes back to it. */
static void on_peer_close(struct websocket *socket, unsigned code)
{
    socket->is_peer_done = true;
    socket->peer_code = (uint16_t)code;
    fail(socket, WEBSOCKET_END_PEER, code);
}

static void on_event(struct websocket *socket, const struct websocket_event *event)
{
    const struct websocket_options *options = &socket->hub->options;
    bool is_open = socket->state == WEBSOCKET_OPEN;
    switch (event->type) {
    case WEBSOCKET_EVENT_MESSAGE:
        if (!is_open)
            break;
        counter_add(&socket->loop->counters.messages_in, 1);
        options->on_message(socket, event->is_text, event->data, options->ctx);
        break;
    case WEBSOCKET_EVENT_PING:
        if (is_open)
            enqueue_control(socket, websocket_pong_frame(event->data));
        break;
    case WEBSOCKET_EVENT_CLOSE:
        on_peer_close(socket, event->code);
        break;
    case WEBSOCKET_EVENT_FAULT:
        fail(socket, end_of_fault(event->code), event->code);
        break;
    case WEBSOCKET_EVENT_PONG:
    case WEBSOCKET_EVENT_NONE:
        break;
    }
}

/* An empty buffer goes back to h2o's pool of this thread. */
static void trim_input(h2o_socket_t *sock)
{
    if (sock->input->size > 0)
        return;
    h2o_buffer_dispose(&sock->input);
    h2o_buffer_init(&sock->input, &h2o_socket_buffer_prototype);
}

static void on_readable(h2o_socket_t *sock, const char *err);

/* Whether the reader stays with the socket, and what of it counts. */
static void keep_reader(struct websocket *socket)
{
    struct websocket_loop *loop = socket->loop;
    if (socket->state == WEBSOCKET_LEAVING || websocket_reader_is_idle(socket->reader)) {
        give_reader(socket);
        return;
    }
    if (socket->message_ms == 0)
        socket->message_ms = now_ms();
    count_reader(socket, websocket_reader_bytes(socket->reader));
    if (counter_get(&loop->counters.partial_bytes) > loop->hub->partial_max) {
        fail(socket, WEBSOCKET_END_MEMORY, WEBSOCKET_TRY_LATER);
        give_reader(socket);
    }
}

static void set_reading(struct websocket *socket)
{
    h2o_socket_t *sock = sock_of(socket);
    bool is_wanted = !socket->is_behind && socket->state != WEBSOCKET_LEAVING;
    if (is_wanted && !h2o_socket_is_reading(sock))
        h2o_socket_read_start(sock, on_readable);
    else if (!is_wanted && h2o_socket_is_reading(sock))
        h2o_socket_read_stop(sock);
}

static void wait_for_next_turn(struct websocket *socket)
{
    h2o_linklist_insert(&socket->loop->hungry_list, &socket->hungry_link);
    server_loop_wake(socket->loop->server_loop);
}

/* Of an event stream. */
static void drop_input(struct websocket *socket)
{
    h2o_socket_t *sock = sock_of(socket);
    size_t size = sock->input->size;
    bool is_too_much = size > STREAM_INPUT_MAX - socket->reader_bytes;
    socket->reader_bytes += is_too_much ? 0 : (uint32_t)size;
    h2o_buffer_consume(&sock->input, size);
    trim_input(sock);
    if (is_too_much && socket->state == WEBSOCKET_OPEN)
        fail(socket, WEBSOCKET_END_PROTOCOL, 0);
    set_reading(socket);
}

static void take_input(struct websocket *socket)
{
    h2o_socket_t *sock = sock_of(socket);
    if (is_stream(socket)) {
        drop_input(socket);
        return;
    }
    struct str input = str_from(sock->input->bytes, sock->input->size);
    struct websocket_event event = {.type = WEBSOCKET_EVENT_NONE};
    struct websocket_reader *reader = take_reader(socket);
    unsigned events = 0;
    bool is_done = false;
    if (!reader)
        fail(socket, WEBSOCKET_END_MEMORY, WEBSOCKET_INTERNAL);
    while (!is_done && socket->state != WEBSOCKET_LEAVING && !is_half_full(socket) &&
           events < EVENTS_A_TURN) {
        is_done = websocket_reader_next(reader, &input, &event) == WEBSOCKET_EVENT_NONE;
        events += !is_done;
        on_event(socket, &event);
    }
    counter_add(&socket->loop->counters.frames_in, events);
    h2o_buffer_consume(&sock->input, sock->input->size - input.len);
    if (reader)
        keep_reader(socket);
    trim_input(sock);
    socket->is_behind = !is_done && socket->state != WEBSOCKET_LEAVING;
    if (socket->is_behind && !is_half_full(socket))
        wait_for_next_turn(socket);
    set_reading(socket);
}

void websocket_loop_feed(struct websocket_loop *loop)
{
    h2o_linklist_t list;
    h2o_linklist_init_anchor(&list);
    h2o_linklist_insert_list(&list, &loop->hungry_list);
    while (!h2o_linklist_is_empty(&list)) {
        struct websocket *socket = container_of(list.next, struct websocket, hungry_link);
        h2o_linklist_unlink(&socket->hungry_link);
        catch_up(socket);
        settle(socket);
    }
}

static void on_readable(h2o_socket_t *sock, const char *err)
{
    struct websocket *socket = sock->data;
    if (err) {
        finish_as(socket, WEBSOCKET_END_GONE);
        return;
    }
    counter_add(&socket->loop->counters.bytes_in, sock->bytes_read);
    if (!is_stream(socket))
        socket->heard_ms = now_ms();
    socket->is_pinged = false;
    take_input(socket);
    settle(socket);
}

/* --- time --- */

static void tick_open(struct websocket *socket, int64_t now)
{
    const struct websocket_options *options = &socket->hub->options;
    int64_t silent_ms = now - socket->heard_ms;
    if (socket->is_behind)
        return; /* it is we who do not listen; the write that it waits for has its own time */
    if (socket->message_ms > 0 && now - socket->message_ms > options->message_ms) {
        fail(socket, WEBSOCKET_END_SLOW_MESSAGE, WEBSOCKET_POLICY);
        give_reader(socket);
        set_reading(socket);
    } else if (silent_ms > options->ping_ms + options->pong_ms) {
        finish_as(socket, WEBSOCKET_END_IDLE);
    } else if (silent_ms >= options->ping_ms && !socket->is_pinged) {
        socket->is_pinged = true;
        enqueue_control(socket, shared_ref(socket->hub->ping));
    }
}

/* An event stream is silent on the client's side; the write of the comment says whether it is there. */
static void tick_stream(struct websocket *socket, int64_t now)
{
    if (now - socket->heard_ms < socket->hub->options.ping_ms)
        return;
    socket->heard_ms = now;
    if (outbox_is_empty(&socket->outbox))
        enqueue_control(socket, shared_ref(socket->hub->ping));
}

static void on_tick(h2o_timeout_entry_t *entry)
{
    struct websocket *socket = container_of(entry, struct websocket, tick);
    struct websocket_loop *loop = socket->loop;
    const struct websocket_options *options = &socket->hub->options;
    int64_t now = now_ms();
    h2o_timeout_link(loop->server_loop->context.loop, &loop->tick_timeout, entry);
    bool is_overdue = socket->write_ms > 0 && now - socket->write_ms > options->write_ms;
    bool is_late = socket->closing_ms > 0 && now - socket->closing_ms > options->close_ms;
    if (is_overdue || is_late)
        finish_as(socket, WEBSOCKET_END_SLOW_READER);
    else if (socket->state == WEBSOCKET_OPEN && is_stream(socket))
        tick_stream(socket, now);
    else if (socket->state == WEBSOCKET_OPEN)
        tick_open(socket, now);
}

/* --- the beginning --- */

void websocket_abandon(struct websocket *socket)
{
    socket->end = WEBSOCKET_END_UNOPEN;
    atomic_fetch_add_explicit(&socket->hub->unopened, 1, memory_order_relaxed);
    if (socket->loop)
        websocket_slot_leave(socket->loop, socket);
    set_state(socket, WEBSOCKET_DONE);
    report_close(socket);
}

bool websocket_prepare(struct websocket *socket, struct connection *connection)
{
    struct websocket_loop *loop = &socket->hub->loops[connection->loop->index];
    if (!loop->is_draining && websocket_slot_take(loop, socket) == ERR_OK)
        return true;
    websocket_abandon(socket);
    return false;
}

int websocket_status(const struct websocket *socket)
{
    return is_stream(socket) ? 200 : 101;
}

static void stop_socket(struct websocket *socket)
{
    const struct websocket_options *options = &socket->hub->options;
    int64_t after_ms = (int64_t)rand_below((uint64_t)socket->loop->drain_spread_ms);
    if (options->on_stop)
        options->on_stop(socket, after_ms, options->ctx);
    if (socket->state == WEBSOCKET_OPEN)
        begin_closing(socket, WEBSOCKET_END_STOP, WEBSOCKET_GOING_AWAY, STR_NONE);
}

static void on_upgraded(void *user_data, h2o_socket_t *sock, size_t request_size)
{
    struct websocket *socket = user_data;
    if (!sock) {
        websocket_abandon(socket);
        return;
    }
    struct websocket_loop *loop = socket->loop;
    const struct websocket_options *options = &loop->hub->options;
    struct connection *connection = sock->on_close.data;
    assert(connection->socket == sock && !connection->exchange && !connection->websocket);
    connection->websocket = socket;
    socket->connection = connection;
    sock->data = socket;
    h2o_buffer_consume(&sock->input, request_size);
    set_state(socket, WEBSOCKET_OPEN);
    socket->heard_ms = now_ms();
    socket->tick.cb = on_tick;
    if (options->send_buffer > 0) /* fails only on sockets that are gone */
        (void)setsockopt(h2o_socket_get_fd(sock), SOL_SOCKET, SO_SNDBUF, &options->send_buffer,
                         sizeof(options->send_buffer));
    h2o_timeout_link(loop->server_loop->context.loop, &loop->tick_timeout, &socket->tick);
    counter_add(&loop->counters.open, 1);
    counter_add(&loop->counters.opened, 1);
    if (options->on_open)
        options->on_open(socket, options->ctx);
    if (loop->is_draining)
        stop_socket(socket);
    take_input(socket); /* the first frames may have come with the request */
    settle(socket);
}

void websocket_upgrade(struct websocket *socket, h2o_req_t *h2o)
{
    h2o_http1_upgrade(h2o, NULL, 0, on_upgraded, socket);
}

/* What admission needs for all that are open now. The loop that drains first says it for all: the
 * others may have begun to close theirs by then. */
static int64_t drain_spread_ms(struct websocket_hub *hub)
{
    int64_t known = 0;
    uint64_t open = 0;
    for (unsigned i = 0; i < hub->loop_count; i++)
        open += counter_get(&hub->loops[i].counters.open);
    int64_t spread = (int64_t)(open * 1000 / hub->options.admit_per_s);
    if (spread < DRAIN_SPREAD_MIN)
        spread = DRAIN_SPREAD_MIN;
    bool is_first = atomic_compare_exchange_strong(&hub->drain_spread_ms, &known, spread);
    return is_first ? spread : known;
}

void websocket_loop_drain(struct websocket_loop *loop)
{
    if (!loop->is_draining)
        loop->drain_spread_ms = drain_spread_ms(loop->hub);
    loop->is_draining = true;
    for (unsigned i = 0; i < DRAIN_SLICE && loop->drain_next < loop->slot_count; i++) {
        struct websocket *socket = loop->slots[loop->drain_next++].socket;
        if (socket && socket->state == WEBSOCKET_OPEN)
            stop_socket(socket);
    }
}
