/*
 * A server on a free port of the loopback, an application that answers by path, and a client that
 * speaks raw bytes.
 *
 *   /echo      at once: method, path, query, length of the body
 *   /worker    the same, from another thread
 *   /hold      kept until the test answers it (rig_take_held)
 *   /empty     204          /unchanged  304
 *   /file      FILE_BYTES of a file, from FILE_OFFSET on    /short  the same of one that is shorter
 *   /big       BIG_BYTES of body    /overflow  after more than the arena holds
 */
#ifndef TEST_NET_RIG_H
#define TEST_NET_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/server.h"

#define BIG_BYTES   ((size_t)8 << 20)
#define FILE_BYTES  ((size_t)(1 << 20) + 7)
#define FILE_OFFSET 3
#define BODY_MAX    ((size_t)2 << 20)
#define PATIENCE_NS ((int64_t)20 * 1000000000)
#define REPLY_BYTES 65536
#define GET_ECHO    "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_HOLD    "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
#define RIG_QUEUE   1000

struct rig {
    struct server *server;
    struct queue held;
    struct queue work;
    pthread_t worker;
    char *big;
    _Atomic int released; /* bodies */
    _Atomic int running;  /* requests in the application */
    _Atomic int running_max;
};

/* One answer, cut at the end of its body. */
struct reply {
    int status;
    size_t body_len;
    char head[8192];
    char body[REPLY_BYTES];
};

static struct rig rig;

static inline void rig_on_release(void *ptr)
{
    (void)ptr;
    atomic_fetch_add(&rig.released, 1);
}

static inline void rig_answer(struct request *request)
{
    request->res.status = 200;
    request->res.content_type = STR("text/plain");
    request->res.body =
        arena_printf(&request->arena, "%s %.*s ?%.*s %zu %s %d", http_method_name(request->method),
                     STR_ARG(request->path), STR_ARG(request->query), request->body.len,
                     request->peer_ip, request->is_tls);
    request->res.body_release = rig_on_release;
    atomic_fetch_sub(&rig.running, 1);
    request_reply(request);
}

static inline void rig_answer_status(struct request *request, int status, struct str body)
{
    request->res.status = status;
    request->res.body = body;
    request->res.body_release = rig_on_release;
    atomic_fetch_sub(&rig.running, 1);
    request_reply(request);
}

static inline char rig_file_byte(size_t at)
{
    return (char)(at * 31 >> 3);
}

/* Nobody else has the file: when the answer has let go of it, it is gone. */
static inline void rig_answer_file(struct request *request, size_t missing)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    for (size_t i = 0; i < FILE_OFFSET + FILE_BYTES - missing; i++)
        assert_int_not_equal(putc(rig_file_byte(i), file), EOF);
    assert_int_equal(fflush(file), 0);
    int fd = dup(fileno(file));
    assert_true(fd >= 0);
    assert_int_equal(fclose(file), 0);
    request->res.status = 200;
    response_file(request, fd, FILE_OFFSET, FILE_BYTES);
    atomic_fetch_sub(&rig.running, 1);
    request_reply(request);
}

static inline void rig_on_request(struct request *request, void *ctx)
{
    assert_ptr_equal(ctx, &rig);
    int running = atomic_fetch_add(&rig.running, 1) + 1;
    if (running > atomic_load(&rig.running_max))
        atomic_store(&rig.running_max, running);
    if (str_eq(request->path, STR("/hold"))) {
        assert_ok(queue_push(&rig.held, &request->node));
    } else if (str_eq(request->path, STR("/worker"))) {
        assert_ok(queue_push(&rig.work, &request->node));
    } else if (str_eq(request->path, STR("/empty"))) {
        rig_answer_status(request, 204, STR("never sent"));
    } else if (str_eq(request->path, STR("/unchanged"))) {
        rig_answer_status(request, 304, STR("never sent"));
    } else if (str_eq(request->path, STR("/file"))) {
        rig_answer_file(request, 0);
    } else if (str_eq(request->path, STR("/short"))) {
        rig_answer_file(request, 100000);
    } else if (str_eq(request->path, STR("/big"))) {
        rig_answer_status(request, 200, str_from(rig.big, BIG_BYTES));
    } else {
        if (str_eq(request->path, STR("/overflow")))
            assert_null(arena_alloc(&request->arena, REQUEST_ARENA_MAX + 1));
        rig_answer(request);
    }
}

static inline void *rig_work(void *arg)
{
    (void)arg;
    struct queue_node *node;
    while ((node = queue_take(&rig.work, 16, -1))) {
        while (node) {
            struct queue_node *next = node->next;
            rig_answer(container_of(node, struct request, node));
            node = next;
        }
    }
    return NULL;
}

static inline struct server_options rig_options(void)
{
    return (struct server_options){.listen = "127.0.0.1:0",
                                   .loops = 2,
                                   .connections_max = 1000,
                                   .body_max = BODY_MAX,
                                   .request_timeout_ms = 20000,
                                   .send_timeout_ms = 20000,
                                   .on_request = rig_on_request,
                                   .ctx = &rig};
}

static inline void rig_start(const struct server_options *options)
{
    char message[256] = "";
    rig = (struct rig){0};
    queue_init(&rig.held, RIG_QUEUE);
    queue_init(&rig.work, RIG_QUEUE);
    rig.big = malloc(BIG_BYTES);
    assert_non_null(rig.big);
    memset(rig.big, 'b', BIG_BYTES);
    assert_int_equal(pthread_create(&rig.worker, NULL, rig_work, NULL), 0);
    assert_ok(server_new(options, &rig.server, message));
    assert_ok(server_start(rig.server));
}

static inline void rig_stop(void)
{
    server_free(rig.server);
    queue_close(&rig.work);
    assert_int_equal(pthread_join(rig.worker, NULL), 0);
    queue_release(&rig.work);
    queue_release(&rig.held);
    free(rig.big);
}

static inline struct server_stats rig_stats(void)
{
    struct server_stats stats;
    server_stats(rig.server, &stats);
    return stats;
}

/* The next request to /hold. */
static inline struct request *rig_take_held(void)
{
    struct queue_node *node = queue_take(&rig.held, 1, PATIENCE_NS / 1000000);
    assert_non_null(node);
    return container_of(node, struct request, node);
}

/* Waits until the condition holds, looking every millisecond; fails when it never does. */
#define wait_for(condition)                                                                        \
    do {                                                                                           \
        int64_t wait_until_ = clock_mono_ns() + PATIENCE_NS;                                       \
        while (!(condition)) {                                                                     \
            assert_true(clock_mono_ns() < wait_until_);                                            \
            (void)usleep(1000);                                                                    \
        }                                                                                          \
    } while (0)

/* --- the raw client --- */

static inline int client_connect_or_fail(void)
{
    struct timeval patience = {.tv_sec = PATIENCE_NS / 1000000000};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)server_port(rig.server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    assert_int_equal(close(fd), 0);
    return -1;
}

static inline int client_connect(void)
{
    int fd = client_connect_or_fail();
    assert_true(fd >= 0);
    return fd;
}

static inline void client_send(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return; /* the server may have had enough already */
        assert_true(sent > 0);
        bytes = str_sub(bytes, (size_t)sent, bytes.len);
    }
}

/* 0: the other side closed. */
static inline ssize_t client_receive(int fd, char *bytes, size_t size)
{
    ssize_t got = recv(fd, bytes, size, 0);
    if (got < 0 && errno == ECONNRESET)
        return 0;
    assert_true(got >= 0); /* or it took too long */
    return got;
}

static inline bool client_is_closed(int fd)
{
    char byte;
    return client_receive(fd, &byte, 1) == 0;
}

/* Reads one answer, or what there is until the end; false when the connection ended first. Bytes
 * are read one by one in the head, so that nothing of the next answer is taken. */
static inline bool client_read(int fd, struct reply *reply, bool is_head)
{
    size_t len = 0;
    memset(reply, 0, sizeof(*reply));
    while (len < 4 || memcmp(reply->head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len + 1 < sizeof(reply->head));
        if (client_receive(fd, reply->head + len, 1) == 0)
            return false;
        len++;
    }
    assert_int_equal(sscanf(reply->head, "HTTP/1.1 %d ", &reply->status), 1);
    const char *length = strcasestr(reply->head, "\r\ncontent-length: ");
    size_t body_len = length && !is_head ? strtoul(length + 18, NULL, 10) : 0;
    assert_true(body_len < sizeof(reply->body));
    while (reply->body_len < body_len) {
        ssize_t got = client_receive(fd, reply->body + reply->body_len, body_len - reply->body_len);
        if (got == 0)
            return false;
        reply->body_len += (size_t)got;
    }
    return true;
}

static inline bool has_header(const struct reply *reply, const char *line)
{
    char wanted[512];
    (void)snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
    return strcasestr(reply->head, wanted);
}

/* Sends one request on a connection of its own, expects one answer and the end after half-closing.
 */
static inline void client_ask(struct str bytes, struct reply *reply)
{
    int fd = client_connect();
    client_send(fd, bytes);
    assert_true(client_read(fd, reply, false));
    assert_int_equal(close(fd), 0);
}

#endif
