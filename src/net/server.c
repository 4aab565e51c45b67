/*
 * The server: binds one listening socket, starts the loops that share it, and stops them. A socket
 * of its own for each loop (SO_REUSEPORT) would lose the connections queued on it when it closes.
 *
 * Stopping: the listener closes at once (each loop has a duplicate, see server_loop.c), the loops
 * drain, and this thread waits until each of them is done or has given up waiting for the
 * application. An abandoned loop keeps a reference on the server and frees itself later, so a late
 * request_reply() finds everything it needs.
 *
 * Threads: new, start, stop and free belong to one thread; stats to any.
 */
#include "net/server_internal.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_MESSAGE_SIZE   256
#define SEND_RATE_MIN_DEFAULT 16000
#define BODIES_MAX_DEFAULT    ((size_t)512 << 20)
#define LISTEN_BACKLOG        4096
/* What a client may pile up in the kernel behind its request; h2o would take in all of it. */
#define LISTEN_RCVBUF_BYTES (128 * 1024)
/* What of an answer may wait in the kernel for a client that does not read; the kernel doubles it.
 * Left alone it takes 4 MiB a connection, which no figure of ours would show. */
#define LISTEN_SNDBUF_BYTES (256 * 1024)

static enum err fail(char *ret_message, const char *what, const char *why)
{
    (void)snprintf(ret_message, SERVER_MESSAGE_SIZE, "%s: %s", what, why);
    return ERR_IO;
}

/* "host:port" or "[v6]:port". */
static enum err split_listen(struct str listen_at, char *ret_host, size_t size,
                             const char **ret_port)
{
    size_t colon = listen_at.len;
    while (colon > 0 && listen_at.data[colon - 1] != ':')
        colon--;
    if (colon < 2)
        return ERR_INVALID;
    struct str host = str_sub(listen_at, 0, colon - 1);
    if (str_starts_with(host, STR("[")) && str_ends_with(host, STR("]")))
        host = str_sub(host, 1, host.len - 2);
    *ret_port = listen_at.data + colon;
    return str_to_c(host, ret_host, size);
}

static int open_listener(const struct addrinfo *address)
{
    int on = 1;
    int off = 0;
    int rcvbuf = LISTEN_RCVBUF_BYTES;
    int sndbuf = LISTEN_SNDBUF_BYTES;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    bool is_set = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)) == 0 &&
                  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)) == 0;
    if (is_set && address->ai_family == AF_INET6)
        is_set = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0;
    if (is_set && bind(fd, address->ai_addr, address->ai_addrlen) == 0 &&
        listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int error = errno;
    (void)close(fd); /* nothing was written to it */
    errno = error;
    return -1;
}

static enum err read_port(struct server *server)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound;
    socklen_t len = sizeof(bound);
    memset(&bound, 0, sizeof(bound));
    if (getsockname(server->listener_fd, &bound.any, &len) != 0)
        return ERR_IO;
    server->port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
    return ERR_OK;
}

static enum err bind_listener(struct server *server, char *ret_message)
{
    char host[256];
    const char *port;
    const char *listen_at = server->options.listen;
    if (split_listen(str_from_c(listen_at), host, sizeof(host), &port) != ERR_OK)
        return fail(ret_message, listen_at, "must be address:port");
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses;
    int result = getaddrinfo(host[0] ? host : NULL, port, &hints, &addresses);
    if (result != 0)
        return fail(ret_message, listen_at, gai_strerror(result));
    server->listener_fd = open_listener(addresses);
    freeaddrinfo(addresses);
    if (server->listener_fd < 0 || read_port(server) != ERR_OK)
        return fail(ret_message, listen_at, strerror(errno));
    return ERR_OK;
}

static struct server *server_alloc(const struct server_options *options)
{
    size_t size = sizeof(struct server) + options->loops * sizeof(struct server_loop *);
    struct server *server = calloc(1, size);
    if (!server)
        return NULL;
    server->options = *options;
    if (options->bodies_max == 0)
        server->options.bodies_max = BODIES_MAX_DEFAULT;
    if (options->send_rate_min == 0)
        server->options.send_rate_min = SEND_RATE_MIN_DEFAULT;
    server->listener_fd = -1;
    server->refs = 1;
    /* On Linux these cannot fail: they only fill in the structs. */
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_cond_init(&server->changed, NULL);
    return server;
}

enum err server_new(const struct server_options *options, struct server **ret_server,
                    char *ret_message)
{
    assert(options->loops >= 1 && options->loops <= 64 && options->connections_max >= 1);
    assert(options->request_timeout_ms > 0 && options->send_timeout_ms > 0 &&
           options->send_rate_min >= 0 && options->on_request);
    struct server *server = server_alloc(options);
    if (!server)
        return ERR_NOMEM;
    enum err err = ERR_OK;
    const struct websocket_options *hubs[SERVER_HUBS] = {
        [HUB_WEBSOCKETS] = options->websockets, [HUB_EVENT_STREAMS] = options->event_streams};
    for (int i = 0; i < SERVER_HUBS && err == ERR_OK; i++) {
        if (hubs[i])
            server->hubs[i] = websocket_hub_new(hubs[i], options->loops);
        err = server->hubs[i] || !hubs[i] ? ERR_OK : ERR_NOMEM;
    }
    if (err == ERR_OK && options->tls_cert)
        err = tls_context_new(options->tls_cert, options->tls_key, &server->tls, ret_message);
    if (err == ERR_OK)
        err = bind_listener(server, ret_message);
    if (err != ERR_OK) {
        server_free(server);
        return err;
    }
    *ret_server = server;
    return ERR_OK;
}

static bool is_any_loop(struct server *server, enum server_loop_state state)
{
    for (unsigned i = 0; i < server->loop_count; i++) {
        if (server_loop_state(server->loops[i]) == state)
            return true;
    }
    return false;
}

static void wait_until_none(struct server *server, enum server_loop_state state)
{
    pthread_mutex_lock(&server->lock);
    while (is_any_loop(server, state))
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

enum err server_start(struct server *server)
{
    assert(server->loop_count == 0 && server->listener_fd >= 0);
    enum err err = ERR_OK;
    for (unsigned i = 0; i < server->options.loops; i++) {
        int fd = dup(server->listener_fd);
        struct server_loop *loop = fd >= 0 ? server_loop_start(server, i, fd) : NULL;
        if (!loop) {
            err = fd >= 0 ? ERR_NOMEM : ERR_IO;
            break;
        }
        pthread_mutex_lock(&server->lock);
        server->loops[server->loop_count++] = loop;
        pthread_mutex_unlock(&server->lock);
    }
    wait_until_none(server, LOOP_STARTING);
    if (err != ERR_OK)
        server_stop(server, 0);
    return err;
}

unsigned server_port(const struct server *server)
{
    return server->port;
}

struct websocket_hub *server_websockets(const struct server *server)
{
    return server->hubs[HUB_WEBSOCKETS];
}

struct websocket_hub *server_event_streams(const struct server *server)
{
    return server->hubs[HUB_EVENT_STREAMS];
}

void server_stats(const struct server *server, struct server_stats *ret_stats)
{
    /* The lock keeps a loop from being freed meanwhile; taking it changes nothing that is const. */
    pthread_mutex_t *lock = (pthread_mutex_t *)&server->lock;
    *ret_stats = (struct server_stats){0};
    pthread_mutex_lock(lock);
    for (unsigned i = 0; i < server->loop_count; i++)
        server_loop_stats(server->loops[i], ret_stats);
    pthread_mutex_unlock(lock);
}

void server_stop(struct server *server, int64_t drain_ms)
{
    if (server->listener_fd >= 0)
        (void)close(server->listener_fd); /* nothing was written to it */
    server->listener_fd = -1;
    if (server->loop_count == 0)
        return;
    atomic_store(&server->stop_at_ns, clock_mono_ns() + drain_ms * 1000000);
    for (unsigned i = 0; i < server->loop_count; i++)
        server_loop_wake(server->loops[i]);
    wait_until_none(server, LOOP_RUNNING);
    while (server->loop_count > 0) {
        pthread_mutex_lock(&server->lock);
        struct server_loop *loop = server->loops[--server->loop_count];
        pthread_mutex_unlock(&server->lock);
        server_loop_end(loop);
    }
}

void server_unref(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned refs = --server->refs;
    pthread_mutex_unlock(&server->lock);
    if (refs > 0)
        return;
    tls_context_free(server->tls);
    for (int i = 0; i < SERVER_HUBS; i++)
        websocket_hub_free(server->hubs[i]);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    server_stop(server, 0);
    server_unref(server);
}
