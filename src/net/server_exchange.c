/*
 * The exchange: between h2o's request and the application's. When h2o has read a request whole, its
 * raw head is checked (head_guard.c), a struct request is filled with slices of h2o's memory, and
 * on_request is called. h2o stops reading a connection while a request is pending, so neither the
 * slices move nor can the request be freed before it is answered: a client that hangs up is noticed
 * when its answer is written.
 *
 * An answer on the request's own loop is sent at once; from elsewhere it goes over the loop's list.
 * Either way h2o gets the bytes by reference, and the exchange is released by the destructor of
 * h2o's pool, when they are sent or the connection is gone.
 *
 *   READ (h2o's) -> WITH_APP (on_request ... request_reply) -> SENDING (h2o's) -> released
 *
 * An answer with a socket makes the connection a WebSocket or an event stream (websocket.c): h2o lets go of its socket
 * when the head is written, and the exchange is released as after any other answer.
 *
 * Whatever h2o itself refuses with a status (a body over the limit, broken chunks) passes a filter
 * that makes it a problem document; a head that h2o cannot parse at all gets its plain 400.
 */
#include "net/loop_internal.h"

#include "base/clock.h"
#include "net/chunk_internal.h"
#include "net/forwarded.h"
#include "net/websocket_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define SPARES_MAX         256
#define SPARE_BYTES_KEPT   ((size_t)8 << 10) /* of an exchange's arena, for the next request */
#define PROBLEM_BYTES_MAX  512
#define PROBLEM_MEDIA_TYPE "application/problem+json"

struct problem_stream {
    h2o_ostream_t super;
    h2o_iovec_t body;
};

static const struct {
    int status;
    const char *type;
    const char *title;
} problems[] = {
    {400, "bad-request", "Bad request"},
    {413, "too-large", "Too large"},
    {414, "uri-too-long", "URI too long"},
    {417, "expectation-failed", "Expectation failed"},
    {431, "head-too-large", "Request head too large"},
    {503, "overloaded", "Overloaded"},
};

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {460, "Checksum Mismatch"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

/*
 * h2o's library exports its decoder of chunked bodies and calls it by name, so this one, of the
 * program itself, is the one it finds. Declared here, because the header is not installed. The
 * struct is h2o's: its first field is set for us, the rest is zero.
 */
ssize_t phr_decode_chunked(struct chunk_decoder *decoder, char *data, size_t *size);
ssize_t phr_decode_chunked(struct chunk_decoder *decoder, char *data, size_t *size)
{
    return chunk_decode(decoder, data, size);
}
_Static_assert(sizeof(struct chunk_decoder) == 16, "h2o makes room for as much");

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Other";
}

static struct connection *connection_of(h2o_req_t *h2o)
{
    return h2o->conn->callbacks->get_socket(h2o->conn)->on_close.data;
}

/* --- ids --- */

/* Unique, not secret: a counter through SplitMix64, from a random start per loop. */
static struct str make_id(struct server_loop *loop, char ret_text[static REQUEST_ID_MADE_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t z = loop->id_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    for (int i = 0; i < 16; i++)
        ret_text[i] = digits[z >> (60 - 4 * i) & 15];
    ret_text[16] = '\0';
    return str_from(ret_text, 16);
}

static bool is_well_formed_id(struct str id)
{
    if (id.len == 0 || id.len > REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

/* --- problem documents --- */

/* detail and id must need no escaping. The text lives in h2o's pool. */
static h2o_iovec_t problem_text(h2o_req_t *h2o, int status, const char *detail, struct str id)
{
    size_t i = 0;
    while (i + 1 < sizeof(problems) / sizeof(problems[0]) && problems[i].status != status)
        i++;
    char *text = h2o_mem_alloc_pool(&h2o->pool, PROBLEM_BYTES_MAX);
    int len = snprintf(text, PROBLEM_BYTES_MAX,
                       "{\"type\":\"%s\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\","
                       "\"request_id\":\"%.*s\"}",
                       problems[i].type, problems[i].title, status, detail, STR_ARG(id));
    assert(len > 0 && len < PROBLEM_BYTES_MAX);
    return h2o_iovec_init(text, (size_t)len);
}

/* --- answers --- */

static void add_header(h2o_req_t *h2o, struct str name, struct str value)
{
    /* Not as h2o's tokens: it rewrites some of those for browsers long gone. */
    h2o_add_header_by_str(&h2o->pool, &h2o->res.headers, name.data, name.len, 0, NULL, value.data,
                          value.len);
}

static void replace_by_503(struct exchange *exchange)
{
    struct response *res = &exchange->request.res;
    h2o_iovec_t text =
        problem_text(exchange->h2o, 503, "The answer needs too much memory.", exchange->request.id);
    res->status = 503;
    res->content_type = STR(PROBLEM_MEDIA_TYPE);
    res->body = str_from(text.base, text.len);
    res->file.size = 0; /* closed with the exchange */
    res->header_count = 0;
    response_header(&exchange->request, "retry-after", STR("1"));
}

static void set_head(h2o_req_t *h2o, const struct request *request)
{
    const struct response *res = &request->res;
    h2o->res.status = res->status;
    h2o->res.reason = reason_of(res->status);
    if (res->content_type.len > 0)
        add_header(h2o, STR("content-type"), res->content_type);
    for (size_t i = 0; i < res->header_count; i++)
        add_header(h2o, res->headers[i].name, res->headers[i].value);
    add_header(h2o, STR("x-request-id"), request->id);
}

/* The kernel's own time-out begins anew with every byte that the client takes. */
static void on_send_late(h2o_timeout_entry_t *entry)
{
    struct exchange *exchange = container_of(entry, struct exchange, send_timer);
    struct server_loop *loop = exchange->loop;
    const struct server_options *options = &loop->server->options;
    int64_t elapsed_ms = (clock_mono_ns() - exchange->sending_since_ns) / 1000000;
    const struct response *res = &exchange->request.res;
    int64_t body_bytes = res->file.size > 0 ? res->file.size : (int64_t)res->body.len;
    int64_t allowed_ms = options->send_timeout_ms + body_bytes * 1000 / options->send_rate_min;
    if (elapsed_ms < allowed_ms)
        h2o_timeout_link(loop->context.loop, &loop->send_timeout, entry);
    else /* h2o sees that it cannot write, and closes; or the client has gone already */
        (void)shutdown(h2o_socket_get_fd(exchange->connection->socket), SHUT_RDWR);
}

static void watch_sending(struct exchange *exchange)
{
    exchange->sending_since_ns = clock_mono_ns();
    exchange->send_timer.cb = on_send_late;
    h2o_timeout_link(exchange->loop->context.loop, &exchange->loop->send_timeout,
                     &exchange->send_timer);
}

/* The answer makes the connection a socket, if it still can; else it becomes another answer. */
static bool send_upgrade(struct exchange *exchange)
{
    struct websocket *socket = exchange->request.res.websocket;
    exchange->request.res.websocket = NULL;
    if (exchange->request.res.status != websocket_status(socket)) {
        websocket_abandon(socket);
        return false;
    }
    if (!websocket_prepare(socket, exchange->connection)) {
        replace_by_503(exchange);
        return false;
    }
    set_head(exchange->h2o, &exchange->request);
    exchange->h2o->res.content_length = SIZE_MAX;
    watch_sending(exchange);
    websocket_upgrade(socket, exchange->h2o);
    return true;
}

static void send_answer(struct exchange *exchange)
{
    static h2o_generator_t generator = {NULL, NULL};
    struct request *request = &exchange->request;
    h2o_req_t *h2o = exchange->h2o;
    if (request->arena.overflow)
        replace_by_503(exchange);
    if (request->res.websocket && send_upgrade(exchange))
        return;
    set_head(h2o, request);
    if (exchange->must_close || exchange->loop->drain_ticks > 0)
        h2o->http1_is_persistent = 0;
    bool has_body = request->res.status != 204 && request->res.status != 304;
    size_t size =
        request->res.file.size > 0 ? (size_t)request->res.file.size : request->res.body.len;
    /* Without a length h2o would chunk the answer, but not these two. */
    h2o->res.content_length = has_body ? size : SIZE_MAX;
    has_body = has_body && size > 0 && request->method != HTTP_HEAD;
    h2o_iovec_t body = {(char *)request->res.body.data, request->res.body.len};
    watch_sending(exchange);
    if (has_body && request->res.file.size > 0) {
        file_stream_start(exchange);
        return;
    }
    h2o_start_response(h2o, &generator);
    h2o_send(h2o, &body, has_body ? 1 : 0, H2O_SEND_STATE_FINAL);
}

static void finish(struct exchange *exchange)
{
    assert(exchange->is_with_app);
    exchange->is_with_app = false;
    counter_add(&exchange->loop->counters.requests_open, (uint64_t)-1);
    send_answer(exchange);
}

void exchange_send(struct queue_node *node)
{
    struct request *request = container_of(node, struct request, node);
    finish(container_of(request, struct exchange, request));
}

static void on_reply(struct request *request)
{
    struct exchange *exchange = container_of(request, struct exchange, request);
    if (exchange->loop == loop_current())
        finish(exchange);
    else
        loop_post_reply(exchange->loop, &request->node);
}

/* The connection ends with it: after bytes that were not understood nothing can be. */
static void refuse(struct exchange *exchange, int status, const char *detail)
{
    struct request *request = &exchange->request;
    if (request->id.len == 0)
        request->id = make_id(exchange->loop, exchange->made_id);
    h2o_iovec_t text = problem_text(exchange->h2o, status, detail, request->id);
    request->res.status = status;
    request->res.content_type = STR(PROBLEM_MEDIA_TYPE);
    request->res.body = str_from(text.base, text.len);
    exchange->must_close = true;
    linger_prepare(exchange->connection);
    counter_add(&exchange->loop->counters.malformed, 1);
    send_answer(exchange);
}

/* --- exchanges --- */

static int64_t send_timeout_ns(const struct server_loop *loop)
{
    return loop->server->options.send_timeout_ms * 1000000;
}

static void release_exchange(struct exchange *exchange)
{
    struct server_loop *loop = exchange->loop;
    struct response *res = &exchange->request.res;
    assert(!exchange->is_with_app);
    h2o_timeout_unlink(&exchange->send_timer);
    if (exchange->sending_since_ns > 0 &&
        clock_mono_ns() - exchange->sending_since_ns > send_timeout_ns(loop) / 2)
        exchange->connection->may_be_cut = true;
    if (res->body_release)
        res->body_release(res->body_ptr);
    exchange->connection->exchange = NULL;
    if (loop->spare_count == SPARES_MAX) {
        arena_release(&exchange->request.arena);
        free(exchange);
        return;
    }
    arena_reset(&exchange->request.arena, SPARE_BYTES_KEPT);
    exchange->next_spare = loop->spares;
    loop->spares = exchange;
    loop->spare_count++;
}

static void on_pool_dispose(void *data)
{
    release_exchange(*(struct exchange **)data);
}

void exchange_free_spares(struct server_loop *loop)
{
    while (loop->spares) {
        struct exchange *exchange = loop->spares;
        loop->spares = exchange->next_spare;
        arena_release(&exchange->request.arena);
        free(exchange);
    }
    loop->spare_count = 0;
}

/* NULL: out of memory. */
static struct exchange *make_exchange(struct connection *connection, h2o_req_t *h2o)
{
    struct server_loop *loop = connection->loop;
    struct exchange *exchange = loop->spares;
    struct arena arena;
    arena_init(&arena, REQUEST_ARENA_MAX);
    if (exchange) {
        loop->spares = exchange->next_spare;
        loop->spare_count--;
        arena = exchange->request.arena; /* reset, with what it has kept */
    } else {
        exchange = malloc(sizeof(*exchange));
        if (!exchange)
            return NULL;
    }
    memset(exchange, 0, offsetof(struct exchange, head));
    exchange->request.arena = arena;
    exchange->loop = loop;
    exchange->connection = connection;
    exchange->h2o = h2o;
    assert(!connection->exchange);
    connection->exchange = exchange;
    struct exchange **slot =
        h2o_mem_alloc_shared(&h2o->pool, sizeof(struct exchange *), on_pool_dispose);
    *slot = exchange;
    return exchange;
}

static enum http_method method_of(struct str name)
{
    for (enum http_method method = HTTP_GET; method < HTTP_OTHER; method++) {
        if (str_eq(name, str_from_c(http_method_name(method))))
            return method;
    }
    return HTTP_OTHER;
}

static void fill_request(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    const struct head *head = &exchange->head;
    const struct connection *connection = exchange->connection;
    request->method = method_of(head->method);
    request->http_minor = head->minor;
    request->path = head->path;
    request->query = head->query;
    request->body = str_from(exchange->h2o->entity.base, exchange->h2o->entity.len);
    const struct egress_rules *proxies = exchange->loop->server->options.proxies;
    if (proxies)
        forwarded_client(proxies, connection->peer_ip, head->fields, head->field_count,
                         request->peer_ip);
    else
        memcpy(request->peer_ip, connection->peer_ip, sizeof(request->peer_ip));
    request->is_tls = connection->is_tls;
    request->fields = head->fields;
    request->field_count = head->field_count;
    request->started_ns = clock_mono_ns();
    request->on_reply = on_reply;
    request->id = request_header(request, "x-request-id");
    if (!is_well_formed_id(request->id))
        request->id = make_id(exchange->loop, exchange->made_id);
}

/* h2o's framing of the body must be that of the head as we read it. */
static bool is_framed_alike(const struct head *head, const h2o_req_t *h2o)
{
    return head->is_chunked || h2o->entity.len == (head->has_length ? head->length : 0);
}

/* h2o does not look whether an answer could be written: it goes on with what the client has
 * pipelined behind it, and works for nobody. */
static bool is_cut(const struct connection *connection)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);
    if (!connection->may_be_cut)
        return false;
    if (getsockopt(h2o_socket_get_fd(connection->socket), IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return true;
    return info.tcpi_state != TCP_ESTABLISHED && info.tcpi_state != TCP_CLOSE_WAIT;
}

static int on_request(h2o_handler_t *handler, h2o_req_t *h2o)
{
    (void)handler;
    struct connection *connection = connection_of(h2o);
    const struct server_options *options = &connection->loop->server->options;
    struct exchange *exchange = is_cut(connection) ? NULL : make_exchange(connection, h2o);
    if (!exchange) {
        h2o_send_error_503(h2o, "Service Unavailable", "", H2O_SEND_ERROR_HTTP1_CLOSE_CONNECTION);
        return 0;
    }
    /* The head is still in front of the input: h2o consumes it after the answer. */
    const h2o_buffer_t *input = connection->socket->input;
    enum head_fault fault = head_parse(str_from(input->bytes, input->size), &exchange->head);
    counter_add(&connection->loop->counters.requests, 1);
    if (fault != HEAD_OK) {
        refuse(exchange, head_fault_status(fault), head_fault_detail(fault));
        return 0;
    }
    fill_request(exchange);
    if (!is_framed_alike(&exchange->head, h2o)) {
        refuse(exchange, 400, "The framing of the body is ambiguous.");
    } else if (exchange->request.body.len > options->body_max) {
        refuse(exchange, 413, "The body is too large.");
    } else if (connection->loop->state == LOOP_ABANDONED) {
        /* What was still in the socket when it was shut down: the application may be gone. */
        refuse(exchange, 503, "The server is stopping.");
    } else {
        exchange->is_with_app = true;
        counter_add(&connection->loop->counters.requests_open, 1);
        options->on_request(&exchange->request, options->ctx);
    }
    return 0;
}

/* --- h2o's own errors --- */

static void send_problem(h2o_ostream_t *super, h2o_req_t *h2o, h2o_iovec_t *bufs, size_t count,
                         h2o_send_state_t state)
{
    struct problem_stream *stream = container_of(super, struct problem_stream, super);
    (void)bufs;
    /* None for HEAD. */
    h2o_ostream_send_next(super, h2o, &stream->body, count > 0 ? 1 : 0, state);
}

static void on_setup_stream(h2o_filter_t *filter, h2o_req_t *h2o, h2o_ostream_t **slot)
{
    (void)filter;
    struct connection *connection = connection_of(h2o);
    if (!connection->exchange && h2o->res.status >= 400) {
        linger_prepare(connection);
        char *id_text = h2o_mem_alloc_pool(&h2o->pool, REQUEST_ID_MADE_SIZE);
        struct str id = make_id(connection->loop, id_text);
        struct problem_stream *stream = (void *)h2o_add_ostream(h2o, sizeof(*stream), slot);
        stream->super.do_send = send_problem;
        stream->body = problem_text(h2o, h2o->res.status, h2o->res.reason, id);
        slot = &stream->super.next;
        h2o->res.content_length = stream->body.len;
        h2o->res.headers.size = 0;
        add_header(h2o, STR("content-type"), STR(PROBLEM_MEDIA_TYPE));
        add_header(h2o, STR("x-request-id"), id);
        counter_add(&connection->loop->counters.requests, 1);
        counter_add(&connection->loop->counters.malformed, 1);
    }
    h2o_setup_next_ostream(h2o, slot);
}

void exchange_install(h2o_hostconf_t *host)
{
    /* No paths are registered: every request falls through to this one. */
    h2o_handler_t *handler = h2o_create_handler(&host->fallback_path, sizeof(*handler));
    handler->on_req = on_request;
    h2o_filter_t *filter = h2o_create_filter(&host->fallback_path, sizeof(*filter));
    filter->on_setup_ostream = on_setup_stream;
    host->fallback_path.error_log.emit_request_errors = 0;
}
