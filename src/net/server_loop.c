/*
 * A loop thread: an h2o context, its share of the connections, and the answers that other threads
 * leave for it.
 *
 * Connections. All loops read one listening socket, each through a duplicate of its own, and take a
 * few connections per wake-up, so that none of them takes a burst alone. A loop at its share of the
 * cap stops reading the listener (whoever accepts at the descriptor limit spins) and goes on when a
 * connection closes. h2o bounds the time of reading a request (idle, head and body together). The
 * kernel drops a client that takes nothing of its answer for a while (TCP_USER_TIMEOUT);
 * server_exchange.c drops one that takes it in drips.
 *
 * Answers from other threads are linked into a list under the loop's lock; the first one sends the
 * wake-up, later ones travel with it. The lock is held until the wake-up is sent: without it the
 * loop could answer, end and free the queue under the sender's feet. The callback works on what it
 * took off the list, in order.
 *
 * Draining (server_stop): the listener closes, every answer says "Connection: close", and idle
 * connections are shut down; a connection with bytes waiting is not idle. When the time is over all
 * sockets are shut down; h2o then drops the connections it works on by itself. A request that the
 * application still has keeps its connection, its memory and this thread alive: see the states in
 * server_internal.h.
 *
 * h2o keeps buffers in thread-local pools, so everything of it is made and freed on this thread.
 */
#include "net/loop_internal.h"

#include "base/clock.h"
#include "base/rand.h"
#include "net/websocket_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ACCEPT_BATCH         8
#define DRAIN_TICK_MS        20
#define ABANDONED_TICK_MS    1000
#define DRAIN_GRACE_NS       ((int64_t)1000000000) /* for sockets that were shut down to close */
#define HANDSHAKE_TIMEOUT_MS 10000

static __thread struct server_loop *current_loop;

#if defined(__SANITIZE_ADDRESS__)
/* h2o never frees the free lists of a thread that ends, nor the struct of a queue. */
const char *__lsan_default_suppressions(void);
__attribute__((weak)) const char *__lsan_default_suppressions(void)
{
    return "leak:h2o_mem_alloc_pool\nleak:h2o_mem_alloc_recycle\nleak:h2o_buffer_reserve\n"
           "leak:h2o_multithread_create_queue\n";
}
const char *__lsan_default_options(void);
__attribute__((weak)) const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}
#endif

struct server_loop *loop_current(void)
{
    return current_loop;
}

/* --- waking and answers --- */

/* With the loop's lock held. */
static void wake_locked(struct server_loop *loop)
{
    if (!loop->is_open || loop->is_woken)
        return;
    loop->is_woken = true;
    h2o_multithread_send_message(&loop->receiver, &loop->wakeup);
}

void server_loop_wake(struct server_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    wake_locked(loop);
    pthread_mutex_unlock(&loop->lock);
}

void loop_post_reply(struct server_loop *loop, struct queue_node *node)
{
    pthread_mutex_lock(&loop->lock);
    assert(loop->is_open);
    node->next = NULL;
    *loop->replies_tail = node;
    loop->replies_tail = &node->next;
    wake_locked(loop);
    pthread_mutex_unlock(&loop->lock);
}

static void on_wakeup(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct server_loop *loop = container_of(receiver, struct server_loop, receiver);
    while (!h2o_linklist_is_empty(messages))
        h2o_linklist_unlink(messages->next);
    pthread_mutex_lock(&loop->lock);
    struct queue_node *node = loop->replies;
    loop->replies = NULL;
    loop->replies_tail = &loop->replies;
    loop->is_woken = false;
    pthread_mutex_unlock(&loop->lock);
    while (node) {
        struct queue_node *next = node->next;
        exchange_send(node);
        node = next;
    }
    for (int i = 0; i < SERVER_HUBS; i++) {
        if (loop->hubs[i])
            websocket_loop_take_posts(loop->hubs[i]);
    }
}

/* --- connections --- */

static void on_listener_ready(h2o_socket_t *listener, const char *err);

static void resume_listener(struct server_loop *loop)
{
    if (!loop->is_paused || !loop->listener)
        return;
    loop->is_paused = false;
    h2o_timeout_unlink(&loop->accept_retry);
    h2o_socket_read_start(loop->listener, on_listener_ready);
}

static void pause_listener(struct server_loop *loop)
{
    loop->is_paused = true;
    h2o_socket_read_stop(loop->listener);
}

static void on_accept_retry(h2o_timeout_entry_t *entry)
{
    resume_listener(container_of(entry, struct server_loop, accept_retry));
}

static void on_connection_closed(void *data);

static void watch_close(struct connection *connection)
{
    connection->socket->on_close.cb = on_connection_closed;
    connection->socket->on_close.data = connection;
}

static void on_connection_closed(void *data)
{
    struct connection *connection = data;
    struct server_loop *loop = connection->loop;
    assert(!connection->exchange);
    if (linger_begin(connection)) {
        watch_close(connection);
        return;
    }
    h2o_timeout_unlink(&connection->linger_timer);
    h2o_linklist_unlink(&connection->link);
    free(connection);
    counter_add(&loop->counters.open, (uint64_t)-1);
    resume_listener(loop);
}

static void format_peer(h2o_socket_t *socket, char ret_ip[static 46])
{
    struct sockaddr_storage peer;
    ret_ip[0] = '\0';
    if (h2o_socket_getpeername(socket, (struct sockaddr *)&peer) == 0)
        return;
    if (peer.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)&peer;
        (void)inet_ntop(AF_INET, &v4->sin_addr, ret_ip, 46); /* 46 is enough for both */
    } else if (peer.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)&peer;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
        (void)inet_ntop(is_mapped ? AF_INET : AF_INET6, &v6->sin6_addr.s6_addr[is_mapped ? 12 : 0],
                        ret_ip, 46);
    }
}

static void open_connection(struct server_loop *loop, h2o_socket_t *socket)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        h2o_socket_close(socket);
        return;
    }
    connection->loop = loop;
    connection->socket = socket;
    connection->is_tls = loop->accept.ssl_ctx;
    connection->linger_fd = -1;
    h2o_linklist_insert(&loop->connections, &connection->link);
    format_peer(socket, connection->peer_ip);
    watch_close(connection);
    unsigned timeout_ms = (unsigned)loop->server->options.send_timeout_ms;
    /* Fails on sockets that are gone already; the loop will see it. */
    (void)setsockopt(h2o_socket_get_fd(socket), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
                     sizeof(timeout_ms));
    counter_add(&loop->counters.open, 1);
    counter_add(&loop->counters.accepted, 1);
    h2o_accept(&loop->accept, socket);
}

static void on_listener_ready(h2o_socket_t *listener, const char *err)
{
    struct server_loop *loop = listener->data;
    if (err)
        return;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        if (counter_get(&loop->counters.open) >= loop->connections_max) {
            pause_listener(loop);
            return;
        }
        h2o_socket_t *socket = h2o_evloop_socket_accept(listener);
        if (socket) {
            open_connection(loop, socket);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_listener(loop);
            h2o_timeout_link(loop->context.loop, &loop->context.hundred_ms_timeout,
                             &loop->accept_retry);
            return;
        } else {
            return;
        }
    }
}

/* --- draining --- */

static void begin_drain(struct server_loop *loop)
{
    h2o_timeout_unlink(&loop->accept_retry);
    if (loop->listener)
        h2o_socket_close(loop->listener);
    loop->listener = NULL;
    /* Not by h2o_context_request_shutdown(), which starts a timer for HTTP/2. */
    loop->context.shutdown_requested = 1;
}

/* Nothing of a request is here or in the kernel, and it is no WebSocket. Between the records of a TLS handshake counts as
 * idle. */
static bool is_idle(const struct connection *connection)
{
    char byte;
    if (connection->exchange || connection->websocket || connection->socket->input->size > 0)
        return false;
    ssize_t got = recv(h2o_socket_get_fd(connection->socket), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* h2o sees the end of the stream and closes the connection itself. */
static void shut_connections(struct server_loop *loop, bool only_idle)
{
    for (h2o_linklist_t *link = loop->connections.next; link != &loop->connections;
         link = link->next) {
        struct connection *connection = container_of(link, struct connection, link);
        if (!only_idle || is_idle(connection))
            (void)shutdown(h2o_socket_get_fd(connection->socket), SHUT_RDWR); /* or gone already */
    }
}

static void set_state(struct server_loop *loop, enum server_loop_state state)
{
    struct server *server = loop->server;
    pthread_mutex_lock(&server->lock);
    loop->state = state;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static void drain_tick(struct server_loop *loop, int64_t stop_at_ns)
{
    int64_t now = clock_mono_ns();
    if (loop->drain_ticks++ == 0)
        begin_drain(loop); /* idle ones have until the next tick: a request may be on its way */
    else if (now < stop_at_ns)
        shut_connections(loop, true);
    for (int i = 0; i < SERVER_HUBS; i++) {
        if (loop->hubs[i])
            websocket_loop_drain(loop->hubs[i]);
    }
    if (now < stop_at_ns || h2o_linklist_is_empty(&loop->connections))
        return;
    shut_connections(loop, false);
    bool is_app_late = counter_get(&loop->counters.requests_open) > 0;
    if (loop->state == LOOP_RUNNING && (is_app_late || now >= stop_at_ns + DRAIN_GRACE_NS))
        set_state(loop, LOOP_ABANDONED);
}

/* --- the thread --- */

static void open_loop(struct server_loop *loop)
{
    const struct server_options *options = &loop->server->options;
    h2o_config_init(&loop->config);
    loop->config.server_name = (h2o_iovec_t){NULL, 0};
    loop->config.http1.upgrade_to_http2 = 0;
    loop->config.http1.req_timeout = (uint64_t)options->request_timeout_ms;
    loop->config.handshake_timeout = options->request_timeout_ms < HANDSHAKE_TIMEOUT_MS
                                         ? (uint64_t)options->request_timeout_ms
                                         : HANDSHAKE_TIMEOUT_MS;
    /* One more than we take: h2o refuses a chunked body that has exactly the maximum. */
    loop->config.max_request_entity_size = options->body_max + 1;
    h2o_hostconf_t *host =
        h2o_config_register_host(&loop->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    exchange_install(host);
    h2o_context_init(&loop->context, h2o_evloop_create(), &loop->config);
    h2o_timeout_init(loop->context.loop, &loop->linger_timeout, LINGER_MS);
    h2o_timeout_init(loop->context.loop, &loop->send_timeout, (uint64_t)options->send_timeout_ms);
    memory_watch_start(loop);
    for (int i = 0; i < SERVER_HUBS; i++) {
        if (loop->hubs[i])
            websocket_loop_open(loop->hubs[i], loop);
    }
    h2o_multithread_register_receiver(loop->context.queue, &loop->receiver, on_wakeup);
    loop->accept.ctx = &loop->context;
    loop->accept.hosts = loop->config.hosts;
    loop->accept.ssl_ctx = loop->server->tls;
    loop->accept_retry.cb = on_accept_retry;
    loop->listener =
        h2o_evloop_socket_create(loop->context.loop, loop->listener_fd, H2O_SOCKET_FLAG_DONT_READ);
    loop->listener->data = loop;
    loop->id_state = rand_u64();
    pthread_mutex_lock(&loop->lock);
    loop->is_open = true;
    pthread_mutex_unlock(&loop->lock);
    loop->is_paused = true;
    resume_listener(loop);
}

static void close_loop(struct server_loop *loop)
{
    h2o_evloop_t *evloop = loop->context.loop;
    pthread_mutex_lock(&loop->lock);
    loop->is_open = false;
    assert(!loop->replies);
    pthread_mutex_unlock(&loop->lock);
    /* A wake-up may still be in the pipe; and closed sockets are freed by the next turn. */
    do {
        (void)h2o_evloop_run(evloop, 0); /* fails on a signal only: then it is tried again */
    } while (h2o_linklist_is_linked(&loop->wakeup.link));
    h2o_multithread_unregister_receiver(loop->context.queue, &loop->receiver);
    memory_watch_stop(loop);
    for (int i = 0; i < SERVER_HUBS; i++) {
        if (loop->hubs[i])
            websocket_loop_close(loop->hubs[i]);
    }
    h2o_timeout_dispose(evloop, &loop->linger_timeout);
    h2o_timeout_dispose(evloop, &loop->send_timeout);
    h2o_context_dispose(&loop->context);
    h2o_config_dispose(&loop->config);
    h2o_evloop_destroy(evloop);
    exchange_free_spares(loop);
}

static void run_loop(struct server_loop *loop)
{
    struct server *server = loop->server;
    int64_t stop_at_ns = 0;
    while (stop_at_ns == 0 || !h2o_linklist_is_empty(&loop->connections) ||
           loop->drain_ticks == 0) {
        int32_t wait_ms = stop_at_ns == 0                 ? INT32_MAX
                          : loop->state == LOOP_ABANDONED ? ABANDONED_TICK_MS
                                                          : DRAIN_TICK_MS;
        (void)h2o_evloop_run(loop->context.loop, wait_ms); /* fails on a signal only */
        stop_at_ns = atomic_load(&server->stop_at_ns);
        if (stop_at_ns != 0)
            drain_tick(loop, stop_at_ns);
    }
}

static void free_loop(struct server_loop *loop)
{
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

static void *loop_main(void *arg)
{
    struct server_loop *loop = arg;
    struct server *server = loop->server;
    current_loop = loop;
    open_loop(loop);
    set_state(loop, LOOP_RUNNING);
    run_loop(loop);
    close_loop(loop);
    pthread_mutex_lock(&server->lock);
    bool is_detached = loop->is_detached;
    loop->state = LOOP_DONE;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    if (is_detached) {
        free_loop(loop);
        server_unref(server);
    }
    return NULL;
}

/* Signals belong to the main thread; SIGPIPE of a write to a closed socket is seen as EPIPE. */
static int start_thread(struct server_loop *loop)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails on a bad argument only */
    int result = pthread_create(&loop->thread, NULL, loop_main, loop);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

struct server_loop *server_loop_start(struct server *server, unsigned index, int take_fd)
{
    const struct server_options *options = &server->options;
    struct server_loop *loop = calloc(1, sizeof(*loop));
    if (!loop) {
        (void)close(take_fd); /* nothing was written to it */
        return NULL;
    }
    loop->server = server;
    loop->listener_fd = take_fd;
    loop->connections_max = options->connections_max / options->loops +
                            (index < options->connections_max % options->loops);
    loop->bodies_max = options->bodies_max / options->loops;
    loop->index = index;
    for (int i = 0; i < SERVER_HUBS; i++)
        loop->hubs[i] = server->hubs[i] ? &server->hubs[i]->loops[index] : NULL;
    loop->replies_tail = &loop->replies;
    h2o_linklist_init_anchor(&loop->connections);
    (void)pthread_mutex_init(&loop->lock, NULL); /* cannot fail on Linux */
    if (start_thread(loop) != 0) {
        (void)close(take_fd);
        free_loop(loop);
        return NULL;
    }
    return loop;
}

enum server_loop_state server_loop_state(const struct server_loop *loop)
{
    return loop->state;
}

void server_loop_stats(const struct server_loop *loop, struct server_stats *stats)
{
    stats->connections_accepted += counter_get(&loop->counters.accepted);
    stats->connections_open += counter_get(&loop->counters.open);
    stats->requests_total += counter_get(&loop->counters.requests);
    stats->requests_open += counter_get(&loop->counters.requests_open);
    stats->shed += counter_get(&loop->counters.shed);
    stats->refused_malformed += counter_get(&loop->counters.malformed);
}

void server_loop_end(struct server_loop *loop)
{
    struct server *server = loop->server;
    pthread_mutex_lock(&server->lock);
    bool is_done = loop->state == LOOP_DONE;
    pthread_t thread = loop->thread;
    loop->is_detached = !is_done;
    server->refs += !is_done;
    pthread_mutex_unlock(&server->lock);
    if (is_done) {
        (void)pthread_join(thread, NULL); /* ours, and not joined before */
        free_loop(loop);
    } else {
        (void)pthread_detach(thread);
    }
}
