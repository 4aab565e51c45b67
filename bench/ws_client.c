/* See ws_client.h. */
#include "ws_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process.h"

#define IN_MAX          (1u << 20)
#define OUT_MAX         (4u << 20)
#define READ_BYTES      (256 << 10)
#define OPCODE_TEXT     1
#define OPCODE_CLOSE    8
#define OPCODE_PING     9
#define OPCODE_PONG     10
#define SMALL_MAX       125
#define MEDIUM_MAX      65535
#define FRAME_HEAD_LONG 10

void ws_client_init(struct ws_client *client, void *ctx)
{
    *client = (struct ws_client){.fd = -1, .ctx = ctx};
    buf_init(&client->in, IN_MAX);
    buf_init(&client->out, OUT_MAX);
}

void ws_client_close(struct ws_client *client, int epoll)
{
    if (client->fd >= 0) {
        (void)epoll_ctl(epoll, EPOLL_CTL_DEL, client->fd, NULL);
        close(client->fd);
    }
    buf_release(&client->in);
    buf_release(&client->out);
    ws_client_init(client, client->ctx);
}

static void watch(struct ws_client *client, int epoll, bool is_writable_wanted)
{
    struct epoll_event event = {.events = is_writable_wanted ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                .data.ptr = client};
    if (client->is_writable_wanted == is_writable_wanted)
        return;
    client->is_writable_wanted = is_writable_wanted;
    (void)epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
}

enum err ws_client_open(struct ws_client *client, int epoll, const struct ws_client_from *from)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = client};
    client->fd = process_connect(from->source, from->port);
    client->state = WS_CLIENT_CONNECTING;
    client->is_writable_wanted = true;
    if (client->fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) == 0)
        return ERR_OK;
    ws_client_close(client, epoll);
    return ERR_IO;
}

/* --- what goes out --- */

/* Any will do: masks are against proxies, which there are none of here. */
static uint32_t next_mask(void)
{
    static uint32_t state = 0x9E3779B9u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

void ws_client_frame(struct buf *buf, unsigned opcode, struct str text)
{
    uint8_t head[8] = {(uint8_t)(0x80 | opcode)};
    size_t head_len = 2;
    uint32_t mask = next_mask();
    if (text.len <= SMALL_MAX) {
        head[1] = (uint8_t)(0x80 | text.len);
    } else {
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(text.len >> 8);
        head[3] = (uint8_t)text.len;
        head_len = 4;
    }
    memcpy(head + head_len, &mask, sizeof(mask));
    buf_append(buf, head, head_len + sizeof(mask));
    size_t at = buf->len;
    buf_append_str(buf, text);
    if (buf->overflow)
        return;
    for (size_t i = 0; i < text.len; i++)
        buf->data[at + i] = (char)((uint8_t)buf->data[at + i] ^ ((uint8_t *)&mask)[i % 4]);
}

static void flush(struct ws_client *client, int epoll)
{
    ssize_t sent =
        client->out.len > 0 ? send(client->fd, client->out.data, client->out.len, MSG_NOSIGNAL) : 0;
    if (sent > 0) {
        memmove(client->out.data, client->out.data + sent, client->out.len - (size_t)sent);
        client->out.len -= (size_t)sent;
    }
    watch(client, epoll, client->out.len > 0);
    if (client->out.len == 0)
        buf_release(&client->out);
}

void ws_client_send_frames(struct ws_client *client, int epoll, struct str frames)
{
    if (client->state == WS_CLIENT_CLOSED)
        return;
    if (client->out.len == 0) {
        ssize_t sent = send(client->fd, frames.data, frames.len, MSG_NOSIGNAL);
        if (sent == (ssize_t)frames.len)
            return;
        frames = str_sub(frames, sent > 0 ? (size_t)sent : 0, frames.len);
    }
    /* A connection that is lost is noticed when it is read. */
    buf_append_str(&client->out, frames);
    watch(client, epoll, true);
}

void ws_client_send(struct ws_client *client, int epoll, struct str text)
{
    char bytes[1024];
    struct buf frame;
    buf_init(&frame, OUT_MAX);
    if (text.len + FRAME_HEAD_LONG < sizeof(bytes) - 1)
        frame = (struct buf){
            .data = bytes, .cap = sizeof(bytes) - 1, .max = sizeof(bytes) - 1, .is_borrowed = true};
    ws_client_frame(&frame, OPCODE_TEXT, text);
    ws_client_send_frames(client, epoll, buf_str(&frame));
    if (!frame.is_borrowed)
        buf_release(&frame);
}

static void send_handshake(struct ws_client *client, int epoll, const struct ws_client_from *from)
{
    char text[512];
    int len = snprintf(text, sizeof(text),
                       "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s\r\n",
                       from->path, from->protocol ? "Sec-WebSocket-Protocol: " : "",
                       from->protocol ? from->protocol : "", from->protocol ? "\r\n" : "");
    client->state = WS_CLIENT_OPENING;
    ws_client_send_frames(client, epoll, str_from(text, (size_t)len));
    watch(client, epoll, client->out.len > 0);
}

/* --- what comes in --- */

struct reading {
    struct ws_client *client;
    int epoll;
    const struct ws_client_calls *calls;
};

static void end(const struct reading *reading, int status, int64_t retry_after_s)
{
    ws_client_close(reading->client, reading->epoll);
    reading->calls->on_end(reading->client, status, retry_after_s);
}

/* How many bytes the answer to the handshake has; 0: it is not whole, or the end has come. */
static size_t take_head(const struct reading *reading, struct str in)
{
    static const char retry[] = "retry-after:";
    const char *stop = memmem(in.data, in.len, "\r\n\r\n", 4);
    if (!stop)
        return 0;
    size_t len = (size_t)(stop - in.data) + 4;
    if (str_starts_with(in, STR("HTTP/1.1 101"))) {
        reading->client->state = WS_CLIENT_OPEN;
        reading->calls->on_open(reading->client);
        return reading->client->state == WS_CLIENT_OPEN ? len : 0;
    }
    int64_t after_s = 0;
    for (size_t at = 0; at < len; at = str_find(in, '\n', at) + 1) {
        if (str_eq_ci(str_sub(in, at, sizeof(retry) - 1), str_from_c(retry)))
            after_s = atoi(in.data + at + sizeof(retry) - 1);
    }
    end(reading, in.len > 12 ? atoi(in.data + 9) : -1, after_s);
    return 0;
}

static void take_frame(const struct reading *reading, unsigned opcode, struct str payload)
{
    struct buf pong;
    switch (opcode) {
    case OPCODE_TEXT:
        reading->calls->on_text(reading->client, payload);
        break;
    case OPCODE_PING:
        buf_init(&pong, OUT_MAX);
        ws_client_frame(&pong, OPCODE_PONG, payload);
        ws_client_send_frames(reading->client, reading->epoll, buf_str(&pong));
        buf_release(&pong);
        break;
    case OPCODE_CLOSE:
        end(reading, 0, 0);
        break;
    default:
        break; /* a pong */
    }
}

/* The bytes of the first frame; 0: it is not whole. */
static size_t next_frame(struct str in, unsigned *ret_opcode, struct str *ret_payload)
{
    const uint8_t *bytes = (const uint8_t *)in.data;
    size_t head = 2;
    if (in.len < head)
        return 0;
    size_t len = bytes[1] & 0x7F;
    if (len > SMALL_MAX) {
        head = len == 126 ? 4 : FRAME_HEAD_LONG;
        len = 0;
        for (size_t i = 2; i < head && head <= in.len; i++)
            len = len << 8 | bytes[i];
    }
    if (in.len < head || in.len - head < len)
        return 0;
    *ret_opcode = bytes[0] & 0x0F;
    *ret_payload = str_from(in.data + head, len);
    return head + len;
}

/* How many bytes were used up. Servers do not split messages into frames here. */
static size_t take_bytes(const struct reading *reading, struct str in)
{
    struct ws_client *client = reading->client;
    size_t used = client->state == WS_CLIENT_OPENING ? take_head(reading, in) : 0;
    while (client->state == WS_CLIENT_OPEN) {
        unsigned opcode = 0;
        struct str payload = STR_NONE;
        size_t len = next_frame(str_sub(in, used, in.len), &opcode, &payload);
        if (len == 0)
            break;
        used += len;
        take_frame(reading, opcode, payload);
    }
    return used;
}

static void take(const struct reading *reading, struct str bytes)
{
    struct ws_client *client = reading->client;
    bool was_begun = client->in.len > 0;
    if (was_begun) {
        buf_append_str(&client->in, bytes);
        bytes = buf_str(&client->in);
    }
    size_t used = take_bytes(reading, bytes);
    if (client->state == WS_CLIENT_CLOSED)
        return;
    if (!was_begun) {
        buf_append_str(&client->in, str_sub(bytes, used, bytes.len));
        return;
    }
    memmove(client->in.data, client->in.data + used, client->in.len - used);
    client->in.len -= used;
    if (client->in.len == 0)
        buf_release(&client->in);
}

void ws_client_ready(struct ws_client *client, int epoll, const struct ws_client_from *from,
                     uint32_t events, const struct ws_client_calls *calls)
{
    static char bytes[READ_BYTES];
    const struct reading reading = {client, epoll, calls};
    if (client->state == WS_CLIENT_CLOSED)
        return;
    if (client->state == WS_CLIENT_CONNECTING && !(events & (EPOLLERR | EPOLLHUP)))
        send_handshake(client, epoll, from);
    else if (events & EPOLLOUT)
        flush(client, epoll);
    if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
        return;
    ssize_t got = recv(client->fd, bytes, sizeof(bytes), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        end(&reading, 0, 0);
    else
        take(&reading, str_from(bytes, (size_t)got));
}
