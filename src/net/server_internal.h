/*
 * The server and its loops, as server.c, server_loop.c and tls.c see each other. No h2o types.
 */
#ifndef NET_SERVER_INTERNAL_H
#define NET_SERVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/server.h"

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct server_loop;

/*
 *   STARTING -> RUNNING -> DONE        every connection is gone, the thread ends
 *                  |
 *                  +-----> ABANDONED   the drain time is over and the application still has
 * requests: the thread goes on until they are answered, then frees what is left; nobody waits for
 * it
 */
enum server_loop_state {
    LOOP_STARTING,
    LOOP_RUNNING,
    LOOP_DONE,
    LOOP_ABANDONED
};

#define SERVER_HUBS       2 /* of sockets */
#define HUB_WEBSOCKETS    0
#define HUB_EVENT_STREAMS 1

struct server {
    struct server_options options;
    int listener_fd; /* -1 once stopping */
    unsigned port;
    struct ssl_ctx_st *tls;                  /* NULL: cleartext */
    struct websocket_hub *hubs[SERVER_HUBS]; /* NULL: none */
    /* 0 while serving; else clock_mono_ns of the end of the drain time. */
    _Atomic int64_t stop_at_ns;
    pthread_mutex_t lock; /* guards what follows and the states of the loops */
    pthread_cond_t changed;
    unsigned refs; /* the owner's and one for each abandoned loop */
    unsigned loop_count;
    struct server_loop *loops[]; /* options.loops of them */
};

/* The last one frees the server. */
void server_unref(struct server *server);

/* fd is the loop's own duplicate of the listener; taken also on failure. NULL: no memory or no
 * thread. */
struct server_loop *server_loop_start(struct server *server, unsigned index, int take_fd);
/* With the server's lock held. */
enum server_loop_state server_loop_state(const struct server_loop *loop);
/* Makes the loop look at stop_at_ns. */
void server_loop_wake(struct server_loop *loop);
/* Adds the loop's figures. */
void server_loop_stats(const struct server_loop *loop, struct server_stats *stats);
/* After its thread was waked to stop: joins and frees it, or leaves it to itself when it is
 * abandoned. */
void server_loop_end(struct server_loop *loop);

/* websocket_hub.c. NULL: no memory. */
struct websocket_hub *websocket_hub_new(const struct websocket_options *options, unsigned loops);
void websocket_hub_free(struct websocket_hub *hub); /* after its loops ended */

/* ERR_IO with a line in ret_message (256 bytes). */
ERR_MUST_USE enum err tls_context_new(const char *cert_path, const char *key_path,
                                      struct ssl_ctx_st **ret_tls, char *ret_message);
void tls_context_free(struct ssl_ctx_st *tls);

#endif
