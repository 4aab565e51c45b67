/*
 * A loop with its connections and exchanges: what server_loop.c and server_exchange.c share, and
 * the one place where h2o is included. Everything here belongs to the loop's thread but for what
 * the lock guards.
 */
#ifndef NET_LOOP_INTERNAL_H
#define NET_LOOP_INTERNAL_H

#define H2O_USE_LIBUV 0 /* the library is built on its own loop */
#include <h2o.h>
#include <h2o/http1.h>

#include "net/head_internal.h"
#include "net/server_internal.h"

#define REQUEST_ID_MADE_SIZE 17
#define LINGER_MS            3000
#define MEMORY_LOOK_MS       1000

/* An accepted socket; lives until the socket is disposed of. */
struct connection {
    h2o_linklist_t link;
    struct server_loop *loop;
    h2o_socket_t *socket;
    struct exchange
        *exchange; /* the request it works on, until the answer is sent; NULL between requests */
    struct websocket *websocket; /* that it has become, or NULL */
    bool is_tls;
    bool is_shed;    /* closed for the memory it took */
    bool may_be_cut; /* an answer took so long that its deadline may have cut the connection */
    char peer_ip[46];
    int linger_fd; /* duplicate of the descriptor once a request was refused, else -1 */
    size_t lingered_bytes;
    h2o_timeout_entry_t linger_timer;
};

/* A request as the application sees it, with what it hangs on. */
struct exchange {
    struct request request;
    struct server_loop *loop;
    struct connection *connection;
    h2o_req_t *h2o;
    struct exchange *next_spare;
    bool is_with_app; /* handed out and not answered; the loop's view */
    bool must_close;  /* no further request on this connection */
    int64_t sending_since_ns;
    h2o_timeout_entry_t send_timer; /* while the answer is being sent */
    char made_id[REQUEST_ID_MADE_SIZE];
    struct head head; /* last: it is large and not cleared */
};

/* Written by the loop, read by anyone. */
struct loop_counters {
    _Atomic uint64_t accepted;
    _Atomic uint64_t open;
    _Atomic uint64_t requests;
    _Atomic uint64_t requests_open;
    _Atomic uint64_t malformed;
    _Atomic uint64_t shed;
};

struct server_loop {
    struct server *server;
    pthread_t thread;
    unsigned index;  /* of the server's loops */
    int listener_fd; /* taken over by listener */
    size_t connections_max;
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    h2o_socket_t *listener; /* NULL once draining */
    bool is_paused;         /* the listener is not read */
    h2o_timeout_entry_t accept_retry;
    h2o_timeout_t linger_timeout;
    h2o_timeout_t send_timeout;
    size_t bodies_max; /* of all connections of this loop */
    h2o_timeout_t memory_timeout;
    h2o_timeout_entry_t memory_timer;
    h2o_linklist_t connections;
    struct websocket_loop *hubs[SERVER_HUBS]; /* its parts of them; NULL: none */
    unsigned drain_ticks;                     /* 0: serving */
    uint64_t id_state;
    struct exchange *spares;
    size_t spare_count;
    struct loop_counters counters;

    h2o_multithread_receiver_t receiver;
    h2o_multithread_message_t wakeup;
    pthread_mutex_t lock; /* guards what follows */
    bool is_open;         /* the receiver may be sent to */
    bool is_woken;        /* the wakeup is under way */
    struct queue_node *replies;
    struct queue_node **replies_tail;

    /* Guarded by the server's lock. */
    enum server_loop_state state;
    bool is_detached;
};

static inline void counter_add(_Atomic uint64_t *counter, uint64_t delta)
{
    /* One writer: no need for a locked instruction. */
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + delta, memory_order_relaxed);
}

static inline uint64_t counter_get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* server_exchange.c */

/* Makes the loop answer requests: installs the handler and the filter of errors. */
void exchange_install(h2o_hostconf_t *host);
/* Sends the answer that another thread left; node is that of the request. On the loop. */
void exchange_send(struct queue_node *node);
void exchange_free_spares(struct server_loop *loop);

/* server_file.c */

/* Sends the answer whose body is a file; its head is set. */
void file_stream_start(struct exchange *exchange);

/* server_linger.c */

/* The connection ends with the answer that is about to be sent, and more may come in. */
void linger_prepare(struct connection *connection);
/* The connection's socket was closed. False when it does not linger; else it has another socket,
 * whose on_close is the caller's to set. */
bool linger_begin(struct connection *connection);

/* server_memory.c */

void memory_watch_start(struct server_loop *loop);
void memory_watch_stop(struct server_loop *loop);

/* server_loop.c */

/* The loop that this thread runs, or NULL. */
struct server_loop *loop_current(void);
/* Leaves an answered request to its loop. Any thread; never refused: the loop lives as long as it
 * has requests out. */
void loop_post_reply(struct server_loop *loop, struct queue_node *node);

#endif
