/*
 * Receivers of deliveries on the loopback, good and bad ones, and a name server that says what a test
 * wants. Each connection has a thread that runs the receiver's script to its end.
 */
#ifndef TEST_NET_RECEIVER_H
#define TEST_NET_RECEIVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

#define RECEIVER_CONNECTIONS_MAX 1024
#define RECEIVER_REQUEST_MAX     (2u << 20)
#define RECEIVER_PATIENCE_NS     ((int64_t)60 * 1000000000)

struct receiver {
    int fd;
    unsigned port;
    void (*script)(struct receiver *receiver, int fd);
    pthread_t thread;
    pthread_mutex_t lock;
    int fds[RECEIVER_CONNECTIONS_MAX]; /* -1: over */
    pthread_t threads[RECEIVER_CONNECTIONS_MAX];
    size_t connections;
    _Atomic int requests;
    _Atomic int64_t written; /* bytes of endless ones */
    int status;              /* what receiver_good answers; 0: 200 */
    const char *extra;       /* header lines of it */
    char last[4096];         /* the last request's head; under the lock */
};

struct receiver_connection {
    struct receiver *receiver;
    size_t index;
    int fd;
};

static inline void receiver_sleep_ms(int64_t ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

#define receiver_wait(condition)                                                                   \
    do {                                                                                           \
        int64_t until_ns_ = clock_mono_ns() + RECEIVER_PATIENCE_NS;                                \
        while (!(condition)) {                                                                     \
            if (clock_mono_ns() > until_ns_)                                                       \
                fail_msg("waited in vain for %s", #condition);                                     \
            receiver_sleep_ms(1);                                                                  \
        }                                                                                          \
    } while (0)

/* False: the other side has gone. */
static inline bool receiver_write(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

static inline bool receiver_say(int fd, const char *text)
{
    return receiver_write(fd, text, strlen(text));
}

/* Reads one request, head and body. False: there is none. */
static inline bool receiver_read(struct receiver *receiver, int fd)
{
    char *data = malloc(RECEIVER_REQUEST_MAX);
    size_t len = 0, want = 0;
    bool is_whole = false;
    while (!is_whole && len < RECEIVER_REQUEST_MAX - 1) {
        ssize_t got = recv(fd, data + len, RECEIVER_REQUEST_MAX - 1 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        data[len] = '\0';
        const char *end = strstr(data, "\r\n\r\n");
        const char *length = end ? strcasestr(data, "content-length:") : NULL;
        if (end)
            want = (size_t)(end + 4 - data) + (length ? strtoul(length + 15, NULL, 10) : 0);
        is_whole = end && len >= want;
    }
    if (is_whole) {
        pthread_mutex_lock(&receiver->lock);
        (void)snprintf(receiver->last, sizeof(receiver->last), "%s", data);
        pthread_mutex_unlock(&receiver->lock);
        atomic_fetch_add(&receiver->requests, 1);
    }
    free(data);
    return is_whole;
}

static inline void receiver_good(struct receiver *receiver, int fd)
{
    char head[512];
    (void)snprintf(head, sizeof(head), "HTTP/1.1 %d Status\r\nContent-Length: 2\r\n%s\r\nok",
                   receiver->status ? receiver->status : 200,
                   receiver->extra ? receiver->extra : "");
    while (receiver_read(receiver, fd) && receiver_say(fd, head)) {
    }
}

static inline void *receiver_serve(void *arg)
{
    struct receiver_connection *connection = arg;
    struct receiver *receiver = connection->receiver;
    receiver->script(receiver, connection->fd);
    pthread_mutex_lock(&receiver->lock);
    if (receiver->fds[connection->index] >= 0)
        close(connection->fd);
    receiver->fds[connection->index] = -1;
    pthread_mutex_unlock(&receiver->lock);
    free(connection);
    return NULL;
}

static inline void *receiver_accept(void *arg)
{
    struct receiver *receiver = arg;
    int fd;
    while (receiver->connections < RECEIVER_CONNECTIONS_MAX &&
           (fd = accept4(receiver->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct receiver_connection *connection = malloc(sizeof(*connection));
        pthread_mutex_lock(&receiver->lock);
        *connection = (struct receiver_connection){receiver, receiver->connections, fd};
        receiver->fds[receiver->connections] = fd;
        if (pthread_create(&receiver->threads[receiver->connections++], NULL, receiver_serve,
                           connection) != 0)
            abort();
        pthread_mutex_unlock(&receiver->lock);
    }
    return NULL;
}

static inline void receiver_start(struct receiver *receiver,
                                  void (*script)(struct receiver *receiver, int fd))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    memset(receiver, 0, sizeof(*receiver));
    receiver->script = script;
    pthread_mutex_init(&receiver->lock, NULL);
    receiver->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(receiver->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(receiver->fd, 512), 0);
    assert_int_equal(getsockname(receiver->fd, (struct sockaddr *)&address, &size), 0);
    receiver->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&receiver->thread, NULL, receiver_accept, receiver), 0);
}

/* No more connections; those that are open break. */
static inline void receiver_stop(struct receiver *receiver)
{
    (void)shutdown(receiver->fd, SHUT_RDWR);
    pthread_join(receiver->thread, NULL);
    close(receiver->fd);
    pthread_mutex_lock(&receiver->lock);
    for (size_t i = 0; i < receiver->connections; i++)
        if (receiver->fds[i] >= 0)
            (void)shutdown(receiver->fds[i], SHUT_RDWR);
    pthread_mutex_unlock(&receiver->lock);
    for (size_t i = 0; i < receiver->connections; i++)
        pthread_join(receiver->threads[i], NULL);
    pthread_mutex_destroy(&receiver->lock);
}

/* --- names --- */

/*
 * Says of NAME.test, whatever comes before the first dot:
 *   local      127.0.0.1                     metadata   169.254.169.254
 *   mixed      169.254.169.254, 127.0.0.1    mapped     ::ffff:127.0.0.1 (AAAA only)
 *   dead       127.0.0.2, 127.0.0.1 (nobody listens on the first)
 *   rebind     127.0.0.1 the first time, then 169.254.169.254
 *   lasting    127.0.0.1, to be kept for an hour; the others are not to be kept
 *   never      nothing at all                all others: no such name
 */
struct name_server {
    int fd;
    char servers[64];
    pthread_t thread;
    _Atomic int asked;
    int rebind_asked;
};

struct name_reply {
    uint8_t data[512];
    size_t len;
    int answers;
    uint8_t ttl[4];
};

static inline void name_add(struct name_reply *reply, int type, const void *address, size_t size)
{
    uint8_t head[12] = {0xc0,
                        12,
                        0,
                        (uint8_t)type,
                        0,
                        1,
                        reply->ttl[0],
                        reply->ttl[1],
                        reply->ttl[2],
                        reply->ttl[3],
                        0,
                        (uint8_t)size};
    memcpy(reply->data + reply->len, head, sizeof(head));
    memcpy(reply->data + reply->len + sizeof(head), address, size);
    reply->len += sizeof(head) + size;
    reply->answers++;
}

static inline void name_add_v4(struct name_reply *reply, const char *text)
{
    uint8_t address[4];
    assert_int_equal(inet_pton(AF_INET, text, address), 1);
    name_add(reply, 1, address, sizeof(address));
}

static inline void name_answer(struct name_server *server, const char *name, int type,
                               struct name_reply *reply)
{
    uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    if (type == 28 && strcmp(name, "mapped") == 0)
        name_add(reply, 28, mapped, sizeof(mapped));
    if (type != 1)
        return;
    bool is_rebound = strcmp(name, "rebind") == 0 && server->rebind_asked++ > 0;
    bool is_lasting = strcmp(name, "lasting") == 0;
    reply->ttl[2] = is_lasting ? 14 : 0;
    if (strcmp(name, "dead") == 0)
        name_add_v4(reply, "127.0.0.2");
    if (strcmp(name, "metadata") == 0 || strcmp(name, "mixed") == 0 || is_rebound)
        name_add_v4(reply, "169.254.169.254");
    if (is_lasting || strcmp(name, "local") == 0 || strcmp(name, "mixed") == 0 ||
        strcmp(name, "dead") == 0 || (strcmp(name, "rebind") == 0 && !is_rebound))
        name_add_v4(reply, "127.0.0.1");
}

static inline void *name_serve(void *arg)
{
    struct name_server *server = arg;
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    struct name_reply reply;
    ssize_t got;
    while ((got = recvfrom(server->fd, reply.data, 300, 0, (struct sockaddr *)&from, &size)) > 12) {
        char name[64] = {0};
        memcpy(name, reply.data + 13, reply.data[12] < 63 ? reply.data[12] : 63);
        size_t end = 12;
        while (reply.data[end] && end < 250)
            end += reply.data[end] + 1u;
        int type = reply.data[end + 2];
        reply.len = end + 5;
        reply.answers = 0;
        memset(reply.ttl, 0, sizeof(reply.ttl));
        atomic_fetch_add(&server->asked, 1);
        if (strcmp(name, "never") == 0)
            continue;
        name_answer(server, name, type, &reply);
        bool is_known = reply.answers > 0 || strcmp(name, "mapped") == 0 || type == 28;
        uint8_t head[10] = {0x85, is_known ? 0x80 : 0x83, 0, 1, 0, (uint8_t)reply.answers};
        memcpy(reply.data + 2, head, sizeof(head));
        (void)sendto(server->fd, reply.data, reply.len, 0, (struct sockaddr *)&from, size);
    }
    return NULL;
}

static inline void name_server_start(struct name_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    memset(server, 0, sizeof(*server));
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(server->servers, sizeof(server->servers), "127.0.0.1:%u",
                   ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, name_serve, server), 0);
}

static inline void name_server_stop(struct name_server *server)
{
    (void)shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
}

#endif
