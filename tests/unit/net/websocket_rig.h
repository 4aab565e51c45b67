/*
 * A server on a free port of the loopback whose every request becomes a WebSocket that sends back
 * what it gets, and a client that speaks raw frames. What a client gets is told as text, a word a
 * frame: t(hello) b(hello) text and binary, i() ping, p(x) pong, c1000() close, "." the end of the
 * stream; of more than SHOWN_MAX bytes only the number: t#65536.
 */
#ifndef TEST_NET_WEBSOCKET_RIG_H
#define TEST_NET_WEBSOCKET_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/server.h"
#include "net/websocket.h"

#define PATIENCE_NS ((int64_t)20 * 1000000000)
#define SHOWN_MAX   64
#define WS_MAX      ((size_t)1 << 20)
#define WS_KEY      "dGhlIHNhbXBsZSBub25jZQ==" /* of RFC 6455, 1.3, and so the answer is known */
#define WS_HEAD                                                                                    \
    "GET /ws HTTP/1.1\r\nHost: a.b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"               \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: foyer.chat.v1\r\n"                       \
    "Sec-WebSocket-Key: " WS_KEY "\r\n"

enum frame_first { /* the first byte of a frame */
    CONT = 0x100,  /* 0, told from the end of a list */
    TEXT = 0x01,
    BIN = 0x02,
    CLOSE = 0x88,
    PING = 0x89,
    PONG = 0x8a,
    FIN = 0x80,
    RSV1 = 0x40,
    RSV2 = 0x20,
    RSV3 = 0x10,
};

struct ws_rig {
    struct server *server;
    struct websocket_hub *hub;
    _Atomic int opened, closed, messages, full, tasks;
    _Atomic int end, peer_code; /* of the one that was closed last */
    _Atomic websocket_id id;    /* of the one that was opened last */
    _Atomic int64_t stop_ms_max;
    _Atomic int refusal; /* of the last request */
    _Atomic int64_t retry_ms;
    enum websocket_full_choice on_full;
};

static struct ws_rig rig;

/* Waits until the condition holds, looking every millisecond; fails when it never does. */
#define wait_for(condition)                                                                        \
    do {                                                                                           \
        int64_t wait_until_ = clock_mono_ns() + PATIENCE_NS;                                       \
        while (!(condition)) {                                                                     \
            assert_true(clock_mono_ns() < wait_until_);                                            \
            (void)usleep(1000);                                                                    \
        }                                                                                          \
    } while (0)

/* --- the server --- */

static inline void rig_on_open(struct websocket *socket, void *ctx)
{
    assert_ptr_equal(ctx, &rig);
    assert_ptr_equal(websocket_data(socket), &rig);
    atomic_store(&rig.id, websocket_get_id(socket));
    atomic_fetch_add(&rig.opened, 1);
}

static inline void rig_on_message(struct websocket *socket, bool is_text, struct str message,
                                  void *ctx)
{
    struct shared *frame =
        is_text ? websocket_text_frame(message) : websocket_binary_frame(message);
    assert_ptr_equal(ctx, &rig);
    atomic_fetch_add(&rig.messages, 1);
    (void)websocket_send(socket, frame, false);
    shared_unref(frame);
    if (str_eq(message, STR("close me")))
        websocket_close(socket, 4000, STR("as you wish"));
}

static inline enum websocket_full_choice rig_on_full(struct websocket *socket, void *ctx)
{
    (void)socket;
    assert_ptr_equal(ctx, &rig);
    atomic_fetch_add(&rig.full, 1);
    return rig.on_full;
}

static inline void rig_on_stop(struct websocket *socket, int64_t reconnect_after_ms, void *ctx)
{
    struct shared *frame = websocket_text_frame(STR("bye"));
    assert_ptr_equal(ctx, &rig);
    assert_true(reconnect_after_ms >= 0);
    (void)websocket_send(socket, frame, false);
    shared_unref(frame);
    if (reconnect_after_ms > atomic_load(&rig.stop_ms_max))
        atomic_store(&rig.stop_ms_max, reconnect_after_ms);
}

static inline void rig_on_close(struct websocket *socket, enum websocket_end end,
                                unsigned peer_code, void *ctx)
{
    assert_ptr_equal(ctx, &rig);
    assert_ptr_equal(websocket_data(socket), &rig);
    atomic_store(&rig.end, (int)end);
    atomic_store(&rig.peer_code, (int)peer_code);
    atomic_fetch_add(&rig.closed, 1);
}

static inline void rig_on_request(struct request *request, void *ctx)
{
    int64_t retry_ms = 0;
    (void)ctx;
    enum websocket_refusal refusal = websocket_accept(rig.hub, request, &rig, &retry_ms);
    atomic_store(&rig.refusal, (int)refusal);
    atomic_store(&rig.retry_ms, retry_ms);
    if (refusal != WEBSOCKET_ACCEPTED) {
        request->res.status = websocket_refusal_status(refusal);
        request->res.body = str_from_c(websocket_refusal_detail(refusal));
    }
    request_reply(request);
}

static inline struct websocket_options rig_sockets(void)
{
    return (struct websocket_options){.protocol = "foyer.chat.v1",
                                      .message_max = WS_MAX,
                                      .queue_bytes_max = 4 * WS_MAX,
                                      .admit_per_s = 100000,
                                      .on_open = rig_on_open,
                                      .on_message = rig_on_message,
                                      .on_full = rig_on_full,
                                      .on_stop = rig_on_stop,
                                      .on_close = rig_on_close,
                                      .ctx = &rig};
}

/* cert and key: NULL for cleartext. */
static inline void rig_start_tls(const struct websocket_options *sockets, const char *cert,
                                 const char *key)
{
    char message[256] = "";
    struct server_options options = {.listen = "127.0.0.1:0",
                                     .loops = 2,
                                     .connections_max = 1000,
                                     .body_max = 65536,
                                     .request_timeout_ms = 20000,
                                     .send_timeout_ms = 20000,
                                     .tls_cert = cert,
                                     .tls_key = key,
                                     .on_request = rig_on_request,
                                     .websockets = sockets};
    rig = (struct ws_rig){0};
    assert_ok(server_new(&options, &rig.server, message));
    rig.hub = server_websockets(rig.server);
    assert_non_null(rig.hub);
    assert_ok(server_start(rig.server));
}

static inline void rig_start(const struct websocket_options *sockets)
{
    rig_start_tls(sockets, NULL, NULL);
}

static inline void rig_stop(void)
{
    server_free(rig.server);
    assert_int_equal(rig.opened, rig.closed);
}

static inline struct websocket_stats rig_stats(void)
{
    struct websocket_stats stats;
    websocket_stats(rig.hub, &stats);
    return stats;
}

static inline uint64_t rig_connections(void)
{
    struct server_stats stats;
    server_stats(rig.server, &stats);
    return stats.connections_open;
}

/* --- the client --- */

static inline int client_connect_with(int receive_bytes)
{
    struct timeval patience = {.tv_sec = PATIENCE_NS / 1000000000};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)server_port(rig.server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (receive_bytes > 0)
        assert_int_equal(
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* False: the other side has had enough. */
static inline bool client_send(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return false;
        assert_true(sent > 0);
        bytes = str_sub(bytes, (size_t)sent, bytes.len);
    }
    return true;
}

/* False: the end. */
static inline bool client_read(int fd, void *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = recv(fd, (char *)bytes + at, size - at, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return false;
        assert_true(got > 0); /* or it took too long */
        at += (size_t)got;
    }
    return true;
}

/* The status; the head of the answer is in ret_head. */
static inline int client_read_head(int fd, char *ret_head, size_t size)
{
    size_t len = 0;
    int status = 0;
    while (len < 4 || memcmp(ret_head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len + 1 < size);
        if (!client_read(fd, ret_head + len, 1))
            return 0;
        len++;
    }
    ret_head[len] = '\0';
    assert_int_equal(sscanf(ret_head, "HTTP/1.1 %d ", &status), 1);
    return status;
}

static inline int client_open_with(int receive_bytes)
{
    char head[4096];
    int fd = client_connect_with(receive_bytes);
    assert_true(client_send(fd, STR(WS_HEAD "\r\n")));
    assert_int_equal(client_read_head(fd, head, sizeof(head)), 101);
    return fd;
}

static inline int client_open(void)
{
    return client_open_with(0);
}

static inline void put_frame_head(struct buf *out, unsigned first, size_t size, bool is_masked)
{
    uint8_t head[10] = {(uint8_t)first};
    size_t head_size = size < 126 ? 2 : size <= 65535 ? 4 : 10;
    head[1] = (uint8_t)((is_masked ? 0x80 : 0) | (size < 126 ? size : size <= 65535 ? 126 : 127));
    for (size_t i = 2; i < head_size; i++)
        head[i] = (uint8_t)(size >> 8 * (head_size - 1 - i));
    buf_append(out, head, head_size);
}

static inline void put_frame(struct buf *out, unsigned first, struct str payload)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    put_frame_head(out, first, payload.len, true);
    buf_append(out, mask, sizeof(mask));
    for (size_t i = 0; i < payload.len; i++)
        buf_append_char(out, (char)(payload.data[i] ^ (char)mask[i % 4]));
    assert_false(out->overflow);
}

static inline bool client_send_frame(int fd, unsigned first, struct str payload)
{
    struct buf out;
    buf_init(&out, WS_MAX + 64);
    put_frame(&out, first, payload);
    bool is_sent = client_send(fd, buf_str(&out));
    buf_release(&out);
    return is_sent;
}

/* Appends the next frame as a word; false: it was the end, or a close. */
static inline bool client_tell_frame(int fd, struct buf *story)
{
    static char payload[WS_MAX + 1];
    static const char names[16] = {[1] = 't', [2] = 'b', [8] = 'c', [9] = 'i', [10] = 'p'};
    uint8_t head[10];
    if (!client_read(fd, head, 2)) {
        buf_append_char(story, '.');
        return false;
    }
    assert_int_equal(head[0] & 0xf0, FIN); /* we send no fragments */
    assert_int_equal(head[1] & 0x80, 0);   /* and no masks */
    size_t len = head[1], more = len == 126 ? 2 : len == 127 ? 8 : 0;
    assert_true(client_read(fd, head + 2, more));
    for (size_t i = 0; i < more; i++)
        len = (i == 0 ? 0 : len << 8) | head[2 + i];
    assert_true(len <= WS_MAX && names[head[0] & 0xf]);
    assert_true(client_read(fd, payload, len));
    buf_append_char(story, names[head[0] & 0xf]);
    bool is_close = head[0] == CLOSE;
    size_t from = is_close && len >= 2 ? 2 : 0;
    if (from)
        buf_append_i64(story, (uint8_t)payload[0] << 8 | (uint8_t)payload[1]);
    if (len > SHOWN_MAX)
        buf_printf(story, "#%zu", len);
    else
        buf_printf(story, "(%.*s)", (int)(len - from), payload + from);
    return !is_close;
}

/* Everything until the end. */
static inline void client_tell(int fd, struct buf *story)
{
    while (client_tell_frame(fd, story)) {
    }
    if (story->len > 0 && story->data[story->len - 1] != '.') {
        char byte;
        assert_false(client_read(fd, &byte, 1)); /* nothing comes behind a close frame */
        buf_append_char(story, '.');
    }
    buf_append_char(story, '\0');
}

static inline void expect_story(int fd, const char *expected)
{
    struct buf story;
    buf_init(&story, 65536);
    client_tell(fd, &story);
    assert_string_equal(story.data, expected);
    buf_release(&story);
}

static inline void expect_frame(int fd, const char *expected)
{
    struct buf story;
    buf_init(&story, 65536);
    (void)client_tell_frame(fd, &story);
    buf_append_char(&story, '\0');
    assert_string_equal(story.data, expected);
    buf_release(&story);
}

#endif
