/* Receivers of webhooks; see receiver.h. */
#include "receiver.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heap.h"
#include "process.h"

#define CONNECTIONS_MAX   32768 /* also the highest descriptor */
#define EVENTS_MAX        512
#define READ_SIZE         131072
#define REQUEST_BYTES_MAX (2u << 20)
#define ACCEPT_BATCH      64
#define WAIT_NS           (100 * INT64_C(1000000))
#define BODY              "{\"ok\":true}"
#define HEAD_HALF         24 /* bytes of the head that come when it stops in the middle */

struct receiver_shared {
    _Atomic size_t logged;
    _Atomic uint64_t unlogged;
    _Atomic int64_t connections, most_connections;
};

struct conn {
    bool is_open, is_waiting; /* waiting: an answer is not at its end */
    unsigned generation;      /* a timer of an earlier one means nothing */
    struct buf in;            /* the beginning of a request */
    uint32_t path;
    int status;
    size_t sent; /* of the answer */
};

/* The process that receives. */
struct server {
    struct receiver *receiver;
    int epoll_fd, listener_fd;
    struct conn *conns; /* by descriptor */
    struct heap timers; /* due in microseconds; shard: generation, id: descriptor */
    unsigned turn;      /* of RECEIVER_MIXED */
    char bytes[READ_SIZE];
};

/* --- connections --- */

static void raise_most(_Atomic int64_t *most, int64_t value)
{
    if (value > atomic_load_explicit(most, memory_order_relaxed))
        atomic_store_explicit(most, value, memory_order_relaxed);
}

static void conn_open(struct server *server, int fd)
{
    struct receiver_shared *shared = server->receiver->shared;
    struct conn *conn = &server->conns[fd];
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        close(fd);
        return;
    }
    unsigned generation = conn->generation + 1;
    *conn = (struct conn){.is_open = true, .generation = generation};
    buf_init(&conn->in, REQUEST_BYTES_MAX);
    raise_most(&shared->most_connections, atomic_fetch_add(&shared->connections, 1) + 1);
}

static void conn_close(struct server *server, int fd)
{
    struct conn *conn = &server->conns[fd];
    if (conn->is_waiting)
        atomic_fetch_sub(&server->receiver->paths[conn->path].under_way, 1);
    buf_release(&conn->in);
    conn->is_open = conn->is_waiting = false;
    conn->generation++;
    close(fd);
    atomic_fetch_sub(&server->receiver->shared->connections, 1);
}

static void accept_some(struct server *server)
{
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(server->listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (fd >= CONNECTIONS_MAX)
            close(fd);
        else
            conn_open(server, fd);
    }
}

/* --- answers --- */

static size_t answer_text(int status, char *ret_text, size_t size, size_t *ret_head)
{
    int head = snprintf(ret_text, size,
                        "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        status, status < 300 ? "OK" : "No", sizeof(BODY) - 1);
    int len = snprintf(ret_text + head, size - (size_t)head, "%s", BODY);
    *ret_head = (size_t)head;
    return (size_t)head + (size_t)len;
}

/* Sends the answer as far as that byte; 0: to its end. An answer is small: it always fits. */
static void answer_until(struct server *server, int fd, size_t until)
{
    char text[256];
    size_t head;
    struct conn *conn = &server->conns[fd];
    size_t len = answer_text(conn->status, text, sizeof(text), &head);
    size_t end = until ? until : len;
    if (end > conn->sent && send(fd, text + conn->sent, end - conn->sent, MSG_NOSIGNAL) !=
                                (ssize_t)(end - conn->sent)) {
        conn_close(server, fd);
        return;
    }
    conn->sent = end;
    if (end < len)
        return;
    struct receiver_path *path = &server->receiver->paths[conn->path];
    conn->is_waiting = false;
    atomic_fetch_sub_explicit(&path->under_way, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&path->answered, 1, memory_order_relaxed);
}

static void answer_begin(struct server *server, int fd)
{
    char text[256];
    size_t head;
    struct conn *conn = &server->conns[fd];
    struct receiver_path *path = &server->receiver->paths[conn->path];
    int delay_ms = atomic_load_explicit(&path->delay_ms, memory_order_relaxed);
    int hang = atomic_load_explicit(&path->hang, memory_order_relaxed);
    conn->is_waiting = true;
    conn->sent = 0;
    raise_most(&path->most_under_way,
               atomic_fetch_add_explicit(&path->under_way, 1, memory_order_relaxed) + 1);
    if (delay_ms == 0) {
        answer_until(server, fd, 0);
        return;
    }
    if (hang == RECEIVER_MIXED)
        hang = (int)(server->turn++ % 3);
    unsigned generation = conn->generation;
    (void)answer_text(conn->status, text, sizeof(text), &head);
    if (hang != RECEIVER_BEFORE)
        answer_until(server, fd, hang == RECEIVER_IN ? HEAD_HALF : head);
    if (delay_ms == RECEIVER_NEVER || conn->generation != generation)
        return;
    struct heap_item item = {clock_mono_ns() / 1000 + delay_ms * INT64_C(1000), generation,
                             (uint64_t)fd};
    if (heap_push(&server->timers, item) != ERR_OK)
        conn_close(server, fd);
}

/* The first that is not yet due, in nanoseconds from now. */
static int64_t run_timers(struct server *server)
{
    const struct heap_item *first;
    int64_t now_us = clock_mono_ns() / 1000;
    while ((first = heap_peek(&server->timers)) && first->due_ms <= now_us) {
        struct heap_item item = heap_pop(&server->timers);
        struct conn *conn = &server->conns[item.id];
        if (conn->is_open && conn->is_waiting && conn->generation == (unsigned)item.shard)
            answer_until(server, (int)item.id, 0);
    }
    int64_t wait_ns = first ? (first->due_ms - now_us) * 1000 : WAIT_NS;
    return wait_ns < WAIT_NS ? wait_ns : WAIT_NS;
}

/* --- requests --- */

static uint64_t number_at(struct str text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    return value;
}

/* The number behind the first such name; 0 when there is none. */
static uint64_t number_after(struct str text, struct str name)
{
    const char *at = text.len ? memmem(text.data, text.len, name.data, name.len) : NULL;
    if (!at)
        return 0;
    at += name.len;
    return number_at(str_from(at, (size_t)(text.data + text.len - at)));
}

static size_t body_length(struct str head)
{
    while (head.len > 0) {
        struct str value = str_split(&head, '\n');
        struct str name = str_split(&value, ':');
        if (str_eq_ci(name, STR("content-length")))
            return number_at(str_trim(value));
    }
    return 0;
}

static void log_arrival(struct server *server, const struct conn *conn, struct str body)
{
    struct receiver *receiver = server->receiver;
    struct receiver_shared *shared = receiver->shared;
    size_t at = atomic_load_explicit(&shared->logged, memory_order_relaxed);
    if (at >= receiver->log_max) {
        atomic_fetch_add(&shared->unlogged, 1);
        return;
    }
    receiver->log[at] =
        (struct receiver_arrival){.intended_ns = (int64_t)number_after(body, STR("\"at\":")),
                                  .arrived_ns = clock_mono_ns(),
                                  .seq = number_after(body, STR("\"seq\":")),
                                  .path = conn->path,
                                  .status = (uint32_t)conn->status};
    atomic_store_explicit(&shared->logged, at + 1, memory_order_release);
}

/* A whole request at the beginning of the bytes is answered; its length, 0: there is none yet. */
static size_t take_request(struct server *server, int fd, struct str in)
{
    struct receiver *receiver = server->receiver;
    struct conn *conn = &server->conns[fd];
    const char *end = in.len ? memmem(in.data, in.len, "\r\n\r\n", 4) : NULL;
    if (!end)
        return 0;
    struct str head = str_from(in.data, (size_t)(end - in.data) + 4);
    size_t body_len = body_length(head);
    if (in.len - head.len < body_len)
        return 0;
    size_t path = (size_t)number_after(head, STR(" /"));
    conn->path = (uint32_t)(path < receiver->path_count ? path : 0);
    struct receiver_path *to = &receiver->paths[conn->path];
    conn->status = atomic_load_explicit(&to->status, memory_order_relaxed);
    atomic_fetch_add_explicit(&to->arrived, 1, memory_order_relaxed);
    log_arrival(server, conn, str_from(end + 4, body_len));
    answer_begin(server, fd);
    return head.len + body_len;
}

/* One request at a time: nobody who calls us sends the next before the answer. */
static void take_bytes(struct server *server, int fd, struct str bytes)
{
    struct conn *conn = &server->conns[fd];
    bool was_begun = conn->in.len > 0;
    if (was_begun)
        buf_append_str(&conn->in, bytes);
    size_t len =
        conn->is_waiting ? 0 : take_request(server, fd, was_begun ? buf_str(&conn->in) : bytes);
    if (!conn->is_open)
        return;
    if (len > 0)
        buf_clear(&conn->in);
    else if (!was_begun)
        buf_append_str(&conn->in, bytes);
    if (conn->in.overflow)
        conn_close(server, fd);
}

static void conn_read(struct server *server, int fd)
{
    struct conn *conn = &server->conns[fd];
    unsigned generation = conn->generation;
    while (conn->is_open && conn->generation == generation) {
        ssize_t n = recv(fd, server->bytes, READ_SIZE, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            conn_close(server, fd);
            return;
        }
        take_bytes(server, fd, str_from(server->bytes, (size_t)n));
        if (n < READ_SIZE)
            return;
    }
}

/* --- the process --- */

static void serve(struct receiver *receiver, int listener_fd)
{
    struct epoll_event events[EVENTS_MAX];
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener_fd};
    struct server *server = calloc(1, sizeof(*server));
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    process_raise_files();
    if (!server)
        _exit(1);
    server->receiver = receiver;
    server->listener_fd = listener_fd;
    server->conns = calloc(CONNECTIONS_MAX, sizeof(*server->conns));
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    heap_init(&server->timers, 8 * CONNECTIONS_MAX);
    if (!server->conns || epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, listener_fd, &event))
        _exit(1);
    for (;;) {
        struct timespec wait = {.tv_nsec = run_timers(server)};
        int count = epoll_pwait2(server->epoll_fd, events, EVENTS_MAX, &wait, NULL);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener_fd)
                accept_some(server);
            else
                conn_read(server, events[i].data.fd);
        }
    }
}

enum err receiver_start(struct receiver *receiver, size_t path_count, size_t log_max)
{
    static const struct receiver_behaviour well = {0};
    *receiver = (struct receiver){.path_count = path_count, .log_max = log_max};
    receiver->shared = process_share(sizeof(*receiver->shared));
    receiver->paths = process_share(path_count * sizeof(*receiver->paths));
    receiver->log = process_share(log_max * sizeof(*receiver->log));
    if (path_count == 0 || !receiver->shared || !receiver->paths || !receiver->log) {
        receiver_stop(receiver);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < path_count; i++)
        receiver_set(receiver, i, &well);
    int fd = process_listen(&receiver->port);
    receiver->pid = fd < 0 ? -1 : fork();
    if (receiver->pid == 0)
        serve(receiver, fd);
    if (fd >= 0)
        close(fd);
    if (receiver->pid > 0)
        return ERR_OK;
    receiver_stop(receiver);
    return ERR_IO;
}

void receiver_stop(struct receiver *receiver)
{
    if (receiver->pid > 0) {
        kill(receiver->pid, SIGKILL);
        waitpid(receiver->pid, NULL, 0);
    }
    receiver->pid = 0;
    process_unshare(receiver->shared, sizeof(*receiver->shared));
    process_unshare(receiver->paths, receiver->path_count * sizeof(*receiver->paths));
    process_unshare(receiver->log, receiver->log_max * sizeof(*receiver->log));
    receiver->shared = NULL;
    receiver->paths = NULL;
    receiver->log = NULL;
}

void receiver_set(struct receiver *receiver, size_t path,
                  const struct receiver_behaviour *behaviour)
{
    struct receiver_path *to = &receiver->paths[path];
    atomic_store(&to->hang, (int)behaviour->hang);
    atomic_store(&to->status, behaviour->status ? behaviour->status : 200);
    atomic_store(&to->delay_ms, behaviour->delay_ms);
}

void receiver_url(const struct receiver *receiver, size_t path, char ret_url[RECEIVER_URL_SIZE])
{
    snprintf(ret_url, RECEIVER_URL_SIZE, "http://127.0.0.1:%u/%zu", receiver->port, path);
}

void receiver_payload(struct buf *buf, uint64_t seq, int64_t intended_ns, size_t bytes)
{
    size_t begin = buf->len;
    buf_printf(buf, "{\"at\":%lld,\"seq\":%llu,\"text\":\"", (long long)intended_ns,
               (unsigned long long)seq);
    while (buf->len - begin + 2 < bytes && !buf->overflow)
        buf_append_char(buf, 'x');
    buf_append_str(buf, STR("\"}"));
}

size_t receiver_logged(const struct receiver *receiver)
{
    return atomic_load_explicit(&receiver->shared->logged, memory_order_acquire);
}

uint64_t receiver_unlogged(const struct receiver *receiver)
{
    return atomic_load(&receiver->shared->unlogged);
}

int64_t receiver_connections(const struct receiver *receiver, int64_t *ret_most)
{
    *ret_most = atomic_load(&receiver->shared->most_connections);
    return atomic_load(&receiver->shared->connections);
}
