/*
 * Load engine; see load.h.
 *
 * It shares the machine with what it measures, so it is made to cost little: answers are parsed
 * where recv() has put them, and what an actor sends while the answers of one read are handed out
 * leaves in one write.
 */
#include "load.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "process.h"

#define LOAD_EVENTS_MAX 512
#define LOAD_BYTES_MAX  (16u << 20)
#define LOAD_READ_SIZE  131072
#define LOAD_TURN_NS    1000000
#define TIMER_OF_BREAK  1 /* shard of heap items that tell an actor of its broken connection */

struct load {
    int epoll_fd;
    size_t count;
    struct load_conn *conns;
    struct heap timers;
    struct load_source *sources;
    char bytes[LOAD_READ_SIZE];
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
    heap_init(&load->timers, connections * 8);
    for (size_t i = 0; i < connections; i++) {
        struct load_conn *conn = &load->conns[i];
        conn->load = load;
        conn->index = i;
        conn->fd = -1;
        conn->port = port;
        buf_init(&conn->out, LOAD_BYTES_MAX);
        buf_init(&conn->in, LOAD_BYTES_MAX);
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
    conn->is_broken = false;
    conn->generation++;
    conn->out_done = 0;
    buf_clear(&conn->in);
    buf_clear(&conn->out);
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
    assert(conn->under_way == 0);
    if (conn->port == port)
        return;
    conn_close(conn);
    conn->port = port;
}

void load_close(struct load_conn *conn)
{
    assert(conn->under_way == 0);
    conn_close(conn);
}

bool load_is_open(const struct load_conn *conn)
{
    return conn->fd >= 0;
}

/* --- Timers and sources --- */

static void timer_push(struct load_conn *conn, int64_t delay_ms, uint64_t kind)
{
    struct heap_item item = {clock_mono_ns() / 1000000 + delay_ms, kind, conn->index};
    enum err err = heap_push(&conn->load->timers, item);
    assert(!err);
    (void)err;
}

void load_timer(struct load_conn *conn, int64_t delay_ms)
{
    timer_push(conn, delay_ms, 0);
}

void load_add_source(struct load *load, struct load_source *source)
{
    source->next = load->sources;
    load->sources = source;
}

void load_remove_source(struct load *load, struct load_source *source)
{
    struct load_source **at = &load->sources;
    while (*at && *at != source)
        at = &(*at)->next;
    if (*at)
        *at = source->next;
}

/* --- Connections --- */

/* Takes the oldest request under way off the ring; its start. */
static int64_t conn_take(struct load_conn *conn)
{
    assert(conn->under_way > 0);
    int64_t started_ns = conn->started_ns[conn->first];
    conn->first = (conn->first + 1) % LOAD_PIPELINE_MAX;
    conn->under_way--;
    return started_ns;
}

static void conn_broken(struct load_conn *conn)
{
    unsigned count = conn->under_way;
    int64_t started_ns[LOAD_PIPELINE_MAX];
    for (unsigned i = 0; i < count; i++)
        started_ns[i] = conn_take(conn);
    conn_close(conn);
    for (unsigned i = 0; i < count; i++) {
        struct load_answer answer = {.latency_ns = clock_mono_ns() - started_ns[i]};
        conn->on_answer(conn, &answer);
    }
}

/* The actor hears of it from a timer: never from inside load_send. */
static void conn_break_later(struct load_conn *conn)
{
    if (!conn->is_broken)
        timer_push(conn, 1, TIMER_OF_BREAK);
    conn->is_broken = true;
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
    if (conn->source) {
        conn->fd = process_connect(conn->source, conn->port);
        conn->wants_write = true;
        if (conn->fd >= 0)
            conn_watch(conn, EPOLL_CTL_ADD);
        return conn->fd >= 0;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)conn->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        return false;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(conn->fd, (struct sockaddr *)&address, sizeof(address)) && errno != EINPROGRESS) {
        close(conn->fd);
        conn->fd = -1;
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
            conn_break_later(conn);
            return;
        }
        conn->out_done += (size_t)n;
    }
    bool wants_write = conn->out_done < conn->out.len;
    if (!wants_write) {
        conn->out_done = 0;
        buf_clear(&conn->out);
    }
    if (wants_write != conn->wants_write) {
        conn->wants_write = wants_write;
        conn_watch(conn, EPOLL_CTL_MOD);
    }
}

static void request_append(struct buf *out, const struct load_request *request)
{
    buf_append_str(out, str_from_c(request->method));
    buf_append_char(out, ' ');
    buf_append_str(out, request->path);
    buf_append_str(out, STR(" HTTP/1.1\r\nHost: 127.0.0.1\r\n"));
    buf_append_str(out, request->headers);
    if (request->body.len)
        buf_append_str(out, STR("Content-Type: application/json\r\n"));
    bool has_length = request->body.len > 0 || strcmp(request->method, "GET") != 0;
    if (has_length) {
        buf_append_str(out, STR("Content-Length: "));
        buf_append_i64(out, (int64_t)request->body.len);
        buf_append_str(out, STR("\r\n"));
    }
    buf_append_str(out, STR("\r\n"));
    buf_append_str(out, request->body);
}

void load_send(struct load_conn *conn, const struct load_request *request)
{
    assert(conn->under_way < LOAD_PIPELINE_MAX);
    conn->started_ns[(conn->first + conn->under_way++) % LOAD_PIPELINE_MAX] =
        request->intended_ns ? request->intended_ns : clock_mono_ns();
    if (conn->is_broken)
        return; /* answered with the others */
    request_append(&conn->out, request);
    if (conn->fd < 0) {
        if (!conn_open(conn))
            conn_break_later(conn);
        return;
    }
    if (!conn->is_parsing && !conn->wants_write)
        conn_write(conn);
}

/* --- Answers --- */

static size_t content_length(struct str head)
{
    static const char name[] = "\r\ncontent-length: "; /* as h2o writes it */
    const char *at = memmem(head.data, head.len, name, sizeof(name) - 1);
    if (at)
        return strtoul(at + sizeof(name) - 1, NULL, 10); /* the head ends in CRLF */
    struct str rest = head;
    while (rest.len) {
        struct str line = str_split(&rest, '\n');
        struct str field = str_split(&line, ':');
        int64_t len;
        if (str_eq_ci(field, STR("content-length")) && !str_to_i64(str_trim(line), &len) &&
            len >= 0)
            return (size_t)len;
    }
    return 0;
}

static int status_of(struct str head)
{
    const char *digits = head.data + 9;
    return head.len > 12 ? (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + digits[2] - '0' : 0;
}

/* The first answer in the bytes, and its length; 0 when it is not yet whole. */
static size_t answer_parse(struct str in, struct load_answer *ret_answer)
{
    const char *end = in.len ? memmem(in.data, in.len, "\r\n\r\n", 4) : NULL;
    if (!end)
        return 0;
    ret_answer->head = str_from(in.data, (size_t)(end - in.data) + 4);
    ret_answer->status = status_of(ret_answer->head);
    bool has_body = ret_answer->status != 204 && ret_answer->status != 304;
    size_t len = has_body ? content_length(ret_answer->head) : 0;
    if (in.len - ret_answer->head.len < len)
        return 0;
    ret_answer->body = str_from(end + 4, len);
    return ret_answer->head.len + len;
}

/* Hands out the whole answers in the bytes; how many bytes they were. Stops when the actor has
 * closed the connection. */
static size_t conn_parse(struct load_conn *conn, struct str in)
{
    unsigned generation = conn->generation;
    size_t done = 0;
    while (conn->generation == generation && conn->under_way > 0) {
        struct load_answer answer = {0};
        size_t len = answer_parse(str_from(in.data + done, in.len - done), &answer);
        if (!len)
            break;
        done += len;
        answer.latency_ns = clock_mono_ns() - conn_take(conn);
        conn->on_answer(conn, &answer);
    }
    return done;
}

/* What was read: parsed where it is, unless the beginning of an answer waits for it. */
static void conn_take_bytes(struct load_conn *conn, struct str bytes)
{
    unsigned generation = conn->generation;
    bool was_waiting = conn->in.len > 0;
    struct buf kept = conn->in; /* whatever the actor does, what it was given must survive it */
    conn->is_parsing = true;
    if (was_waiting) {
        buf_append_str(&kept, bytes);
        bytes = buf_str(&kept);
    }
    buf_init(&conn->in, LOAD_BYTES_MAX);
    size_t done = conn_parse(conn, bytes);
    conn->is_parsing = false;
    if (conn->generation == generation) {
        size_t left = bytes.len - done;
        if (was_waiting) {
            memmove(kept.data, kept.data + done, left);
            kept.len = left;
        } else {
            buf_append(&kept, bytes.data + done, left);
        }
    } else {
        buf_clear(&kept);
    }
    conn->in = kept;
    if (conn->fd >= 0 && conn->out.len > 0 && !conn->wants_write && !conn->is_broken)
        conn_write(conn);
}

static void conn_read(struct load_conn *conn)
{
    struct load *load = conn->load;
    for (;;) {
        ssize_t n = recv(conn->fd, load->bytes, sizeof(load->bytes), 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            conn_broken(conn);
            return;
        }
        conn_take_bytes(conn, str_from(load->bytes, (size_t)n));
        if ((size_t)n < sizeof(load->bytes) || conn->fd < 0)
            return;
    }
}

/* --- The loop --- */

static void timers_run(struct load *load)
{
    int64_t now_ms = clock_mono_ns() / 1000000;
    const struct heap_item *first;
    while ((first = heap_peek(&load->timers)) && first->due_ms <= now_ms) {
        struct heap_item item = heap_pop(&load->timers);
        struct load_conn *conn = &load->conns[item.id];
        if (item.shard == TIMER_OF_BREAK) {
            if (conn->is_broken)
                conn_broken(conn);
        } else if (conn->on_timer) {
            conn->on_timer(conn);
        }
    }
}

/* Until the next source is due, a millisecond at most. */
static int64_t sources_run(struct load *load)
{
    int64_t now_ns = clock_mono_ns(), next_ns = now_ns + LOAD_TURN_NS;
    for (struct load_source *source = load->sources; source; source = source->next) {
        int64_t due_ns = source->on_turn(source, now_ns);
        if (due_ns < next_ns)
            next_ns = due_ns;
    }
    int64_t wait_ns = next_ns - clock_mono_ns();
    return wait_ns > 0 ? wait_ns : 0;
}

void load_run(struct load *load, int64_t until_ns, bool (*is_over)(void *ctx), void *ctx)
{
    struct epoll_event events[LOAD_EVENTS_MAX];
    while (clock_mono_ns() < until_ns && !(is_over && is_over(ctx))) {
        struct timespec wait = {.tv_nsec = sources_run(load)};
        int count = epoll_pwait2(load->epoll_fd, events, LOAD_EVENTS_MAX, &wait, NULL);
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
