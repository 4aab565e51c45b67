/* Load engine; see load.h. */
#include "load.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define LOAD_EVENTS_MAX 512
#define LOAD_ANSWER_MAX (16u << 20)
#define LOAD_READ_SIZE  65536

struct load {
    int epoll_fd;
    size_t count;
    struct load_conn *conns;
    struct heap timers;
};

enum err load_new(size_t connections, unsigned port, struct load **ret_load)
{
    struct load *load = calloc(1, sizeof(*load));
    if (!load)
        return ERR_NOMEM;
    load->conns = calloc(connections, sizeof(*load->conns));
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!load->conns || load->epoll_fd < 0) {
        load_free(load);
        return ERR_NOMEM;
    }
    load->count = connections;
    heap_init(&load->timers, connections * 4);
    for (size_t i = 0; i < connections; i++) {
        struct load_conn *conn = &load->conns[i];
        conn->load = load;
        conn->index = i;
        conn->fd = -1;
        conn->port = port;
        buf_init(&conn->out, LOAD_ANSWER_MAX);
        buf_init(&conn->in, LOAD_ANSWER_MAX);
    }
    *ret_load = load;
    return ERR_OK;
}

static void conn_close(struct load_conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
    conn->wants_write = false;
    buf_clear(&conn->in);
}

void load_free(struct load *load)
{
    if (!load)
        return;
    for (size_t i = 0; i < load->count; i++) {
        conn_close(&load->conns[i]);
        buf_release(&load->conns[i].in);
        buf_release(&load->conns[i].out);
    }
    heap_release(&load->timers);
    if (load->epoll_fd >= 0)
        close(load->epoll_fd);
    free(load->conns);
    free(load);
}

struct load_conn *load_conn_at(struct load *load, size_t index)
{
    assert(index < load->count);
    return &load->conns[index];
}

size_t load_conn_count(const struct load *load)
{
    return load->count;
}

void load_retarget(struct load_conn *conn, unsigned port)
{
    assert(!conn->is_waiting);
    if (conn->port == port)
        return;
    conn_close(conn);
    conn->port = port;
}

void load_timer(struct load_conn *conn, int64_t delay_ms)
{
    struct heap_item item = {clock_mono_ns() / 1000000 + delay_ms, 0, conn->index};
    enum err err = heap_push(&conn->load->timers, item);
    assert(!err);
    (void)err;
}

static void conn_answer(struct load_conn *conn, const struct load_answer *answer)
{
    conn->is_waiting = false;
    conn->on_answer(conn, answer);
}

static void conn_broken(struct load_conn *conn)
{
    bool was_waiting = conn->is_waiting;
    conn_close(conn);
    if (was_waiting) {
        struct load_answer answer = {.latency_ns = clock_mono_ns() - conn->started_ns};
        conn_answer(conn, &answer);
    }
}

static void conn_watch(struct load_conn *conn, int op)
{
    struct epoll_event event = {.events = EPOLLIN | (conn->wants_write ? EPOLLOUT : 0),
                                .data.ptr = conn};
    (void)epoll_ctl(conn->load->epoll_fd, op, conn->fd,
                    &event); /* a failure shows as a request that never ends */
}

static bool conn_open(struct load_conn *conn)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)conn->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        return false;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(conn->fd, (struct sockaddr *)&address, sizeof(address)) && errno != EINPROGRESS) {
        conn_close(conn);
        return false;
    }
    conn->wants_write = true;
    conn_watch(conn, EPOLL_CTL_ADD);
    return true;
}

static void conn_write(struct load_conn *conn)
{
    while (conn->out_done < conn->out.len) {
        ssize_t n = send(conn->fd, conn->out.data + conn->out_done, conn->out.len - conn->out_done,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            conn_broken(conn);
            return;
        }
        conn->out_done += (size_t)n;
    }
    bool wants_write = conn->out_done < conn->out.len;
    if (wants_write != conn->wants_write) {
        conn->wants_write = wants_write;
        conn_watch(conn, EPOLL_CTL_MOD);
    }
}

void load_send(struct load_conn *conn, const struct load_request *request)
{
    assert(!conn->is_waiting);
    conn->is_waiting = true;
    conn->started_ns = request->intended_ns ? request->intended_ns : clock_mono_ns();
    conn->out_done = 0;
    buf_clear(&conn->out);
    buf_append_str(&conn->out, str_from_c(request->method));
    buf_append_char(&conn->out, ' ');
    buf_append_str(&conn->out, request->path);
    buf_append_str(&conn->out, STR(" HTTP/1.1\r\nHost: 127.0.0.1\r\n"));
    buf_append_str(&conn->out, request->headers);
    if (request->body.len)
        buf_append_str(&conn->out, STR("Content-Type: application/json\r\n"));
    buf_append_str(&conn->out, STR("Content-Length: "));
    buf_append_i64(&conn->out, (int64_t)request->body.len);
    buf_append_str(&conn->out, STR("\r\n\r\n"));
    buf_append_str(&conn->out, request->body);
    if (conn->fd < 0) {
        if (!conn_open(conn))
            load_timer(conn,
                       1); /* answered as broken from the timer: never from inside load_send */
        return;
    }
    conn_write(conn);
}

/* Length of the head with its blank line; 0 when it is not yet whole. */
static size_t head_len(struct str in)
{
    const char *end = in.len ? memmem(in.data, in.len, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - in.data) + 4 : 0;
}

static size_t content_length(struct str head)
{
    struct str rest = head;
    while (rest.len) {
        struct str line = str_split(&rest, '\n');
        struct str name = str_split(&line, ':');
        int64_t len;
        if (str_eq_ci(name, STR("content-length")) && !str_to_i64(str_trim(line), &len) && len >= 0)
            return (size_t)len;
    }
    return 0;
}

static int status_of(struct str head)
{
    int64_t status;
    return head.len > 12 && !str_to_i64(str_sub(head, 9, 3), &status) ? (int)status : 0;
}

/* Hands a whole answer to the actor, if there is one. */
static void conn_parse(struct load_conn *conn)
{
    struct str in = buf_str(&conn->in);
    size_t head = head_len(in);
    if (!head || !conn->is_waiting)
        return;
    struct load_answer answer = {.status = status_of(str_sub(in, 0, head)),
                                 .head = str_sub(in, 0, head)};
    size_t len = answer.status == 204 || answer.status == 304 ? 0 : content_length(answer.head);
    if (in.len < head + len)
        return;
    answer.body = str_sub(in, head, len);
    answer.latency_ns = clock_mono_ns() - conn->started_ns;
    /* The actor may send at once: what it was given must survive until it returns, and nothing else
     * may follow an answer. */
    struct buf taken = conn->in;
    buf_init(&conn->in, LOAD_ANSWER_MAX);
    conn_answer(conn, &answer);
    if (conn->in.len == 0 && conn->in.data == NULL) {
        conn->in = taken;
        buf_clear(&conn->in);
    } else {
        buf_release(&taken);
    }
}

static void conn_read(struct load_conn *conn)
{
    char bytes[LOAD_READ_SIZE];
    for (;;) {
        ssize_t n = recv(conn->fd, bytes, sizeof(bytes), 0);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            conn_broken(conn);
            return;
        }
        buf_append(&conn->in, bytes, (size_t)n);
        if ((size_t)n < sizeof(bytes))
            break;
    }
    conn_parse(conn);
}

static void timers_run(struct load *load)
{
    int64_t now_ms = clock_mono_ns() / 1000000;
    const struct heap_item *first;
    while ((first = heap_peek(&load->timers)) && first->due_ms <= now_ms) {
        struct heap_item item = heap_pop(&load->timers);
        struct load_conn *conn = &load->conns[item.id];
        if (conn->is_waiting && conn->fd < 0)
            conn_broken(conn);
        else if (conn->on_timer)
            conn->on_timer(conn);
    }
}

void load_run(struct load *load, int64_t until_ns, bool (*is_over)(void *ctx), void *ctx)
{
    struct epoll_event events[LOAD_EVENTS_MAX];
    while (clock_mono_ns() < until_ns && !(is_over && is_over(ctx))) {
        int count = epoll_wait(load->epoll_fd, events, LOAD_EVENTS_MAX, 1);
        for (int i = 0; i < count; i++) {
            struct load_conn *conn = events[i].data.ptr;
            if (conn->fd >= 0 && (events[i].events & EPOLLOUT))
                conn_write(conn);
            if (conn->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                conn_read(conn);
        }
        timers_run(load);
    }
}
