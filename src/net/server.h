/*
 * HTTP/1.1 server on h2o's event loop: N loop threads, one shared listening socket, optional TLS.
 * Guards what h2o 2.2.5 does not: RFC 9112 framing tricks, slow senders and readers, connection
 * cap. Loops only move bytes: on_request runs on a loop thread and must not block.
 */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "net/request.h"

struct egress_rules;
struct server;
struct websocket_hub;
struct websocket_options;

struct server_options {
    const char *listen;         /* "127.0.0.1:8080", "[::]:8080", port 0: any */
    unsigned loops;             /* threads, 1-64 */
    size_t connections_max;     /* over it the listener is not read */
    size_t body_max;            /* bytes of the largest route's body; above it h2o answers 413 */
    size_t bodies_max;          /* bytes of all bodies that are coming in; 0: 512 MiB */
    int64_t request_timeout_ms; /* idle, head and body together */
    int64_t send_timeout_ms;    /* in which nothing of an answer is taken */
    int64_t send_rate_min; /* bytes a second; a whole answer has the time-out and this; 0: 16,000 */
    const char *tls_cert;  /* PEM paths, or NULL for cleartext */
    const char *tls_key;
    void (*on_request)(struct request *request, void *ctx);
    void *ctx;
    const struct egress_rules *proxies;         /* whose X-Forwarded-For counts; NULL: nobody's */
    const struct websocket_options *websockets; /* NULL: none; copied; see net/websocket.h */
    const struct websocket_options *event_streams; /* the same; see net/event_stream.h */
};

struct server_stats {
    uint64_t connections_accepted;
    uint64_t connections_open;
    uint64_t requests_total;
    uint64_t requests_open;     /* handed to on_request, not yet answered */
    uint64_t refused_malformed; /* by the framing guard */
    uint64_t shed;              /* closed because bodies took more than bodies_max */
};

/* Binds and listens. ERR_IO with a line in ret_message (at least 256 bytes) on failure. */
ERR_MUST_USE enum err server_new(const struct server_options *options, struct server **ret_server,
                                 char *ret_message);
/* Starts the loop threads. */
ERR_MUST_USE enum err server_start(struct server *server);
/* The port that was bound. */
unsigned server_port(const struct server *server);
/* The server's sockets, while it is there; NULL: its options have none. */
struct websocket_hub *server_websockets(const struct server *server);
struct websocket_hub *server_event_streams(const struct server *server);
void server_stats(const struct server *server, struct server_stats *ret_stats);
/* Stops accepting, closes idle connections, takes leave of sockets, waits up to drain_ms for open requests, stops the
 * loops. */
void server_stop(struct server *server, int64_t drain_ms);
void server_free(struct server *server);

#endif
