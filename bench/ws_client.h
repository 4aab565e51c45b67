/*
 * The client's end of a WebSocket (RFC 6455) for benchmarks: opens without blocking, from many
 * loopback addresses, frames and masks what it sends, answers pings, and hands over whole text
 * messages. One thread; whoever has it watches the descriptor in an epoll, level-triggered.
 */
#ifndef BENCH_WS_CLIENT_H
#define BENCH_WS_CLIENT_H

#include "base/buf.h"

enum ws_client_state {
    WS_CLIENT_CLOSED,
    WS_CLIENT_CONNECTING,
    WS_CLIENT_OPENING, /* the handshake is on its way */
    WS_CLIENT_OPEN,
};

struct ws_client {
    int fd;
    enum ws_client_state state;
    bool is_writable_wanted;
    struct buf in, out; /* what is not whole, and what the socket did not take */
    void *ctx;
};

struct ws_client_calls {
    void (*on_open)(struct ws_client *client);
    void (*on_text)(struct ws_client *client, struct str text);
    /* It is closed. status: of an answer that is not 101, else 0; retry_after_s: 0 when it did not
     * say. Not for ws_client_close(). */
    void (*on_end)(struct ws_client *client, int status, int64_t retry_after_s);
};

struct ws_client_from {
    unsigned port;        /* of the server */
    uint32_t source;      /* see process_connect() */
    const char *path;     /* "/v1/stream" */
    const char *protocol; /* subprotocol, or NULL */
};

void ws_client_init(struct ws_client *client, void *ctx);
/* ERR_IO: refused at once. */
ERR_MUST_USE enum err ws_client_open(struct ws_client *client, int epoll,
                                     const struct ws_client_from *from);
void ws_client_close(struct ws_client *client, int epoll);
/* What epoll said. */
void ws_client_ready(struct ws_client *client, int epoll, const struct ws_client_from *from,
                     uint32_t events, const struct ws_client_calls *calls);
/* A text message; kept until the socket takes it. */
void ws_client_send(struct ws_client *client, int epoll, struct str text);
/* Appends the frame of a text message, masked. */
void ws_client_frame(struct buf *buf, unsigned opcode, struct str text);
/* Several frames at once. */
void ws_client_send_frames(struct ws_client *client, int epoll, struct str frames);

#endif
