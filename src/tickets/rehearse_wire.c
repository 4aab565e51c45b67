/* A blocking HTTP client over one kept connection: enough for a server of our own. */
#include "tickets/rehearse.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_S  10
#define HEAD_MAX  16384
#define READ_SIZE 16384

void rehearse_wire_close(struct rehearse_wire *wire)
{
    if (wire->fd >= 0)
        (void)close(wire->fd); /* nothing is lost with it */
    wire->fd = -1;
}

static bool wire_open(struct rehearse_wire *wire)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)wire->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = ANSWER_S};
    int yes = 1;
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire->fd < 0)
        return false;
    /* Without these it is slower, or waits longer. */
    (void)setsockopt(wire->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(wire->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    (void)setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (connect(wire->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return true;
    rehearse_wire_close(wire);
    return false;
}

static void put_header(struct buf *out, const char *name, const char *prefix, const char *value)
{
    if (!value)
        return;
    buf_append_str(out, str_from_c(name));
    buf_append_str(out, STR(": "));
    buf_append_str(out, str_from_c(prefix));
    buf_append_str(out, str_from_c(value));
    buf_append_str(out, STR("\r\n"));
}

static void put_request(struct buf *out, const struct rehearse_request *request)
{
    char text[48];
    buf_append_str(out, str_from_c(request->method));
    buf_append_char(out, ' ');
    buf_append_str(out, str_from_c(request->path));
    buf_append_str(out, STR(" HTTP/1.1\r\nhost: 127.0.0.1\r\n"));
    put_header(out, "authorization", "Bearer ", request->token);
    put_header(out, "foyer-admission", "", request->admission);
    put_header(out, "idempotency-key", "", request->key);
    if (request->network) {
        (void)snprintf(text, sizeof(text), "10.%u.%u.1", request->network >> 8 & 255,
                       request->network & 255); /* fits */
        put_header(out, "x-forwarded-for", "", text);
    }
    if (request->body.len > 0)
        put_header(out, "content-type", "", "application/json");
    (void)snprintf(text, sizeof(text), "%zu", request->body.len); /* fits */
    put_header(out, "content-length", "", text);
    buf_append_str(out, STR("\r\n"));
    buf_append_str(out, request->body);
}

static bool send_all(const struct rehearse_wire *wire, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(wire->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes = str_sub(bytes, (size_t)sent, bytes.len);
    }
    return true;
}

static bool read_more(const struct rehearse_wire *wire, struct buf *in)
{
    char bytes[READ_SIZE];
    for (;;) {
        ssize_t got = recv(wire->fd, bytes, sizeof(bytes), 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        buf_append(in, bytes, (size_t)got);
        return !in->overflow;
    }
}

/* Length of the head with its empty line; 0: not there yet. */
static size_t head_length(const struct buf *in)
{
    for (size_t i = 0; i + 4 <= in->len; i++)
        if (memcmp(in->data + i, "\r\n\r\n", 4) == 0)
            return i + 4;
    return 0;
}

static size_t body_length(struct str head)
{
    while (head.len > 0) {
        struct str line = str_trim(str_split(&head, '\n'));
        struct str name = str_split(&line, ':');
        int64_t length = 0;
        if (str_eq_ci(name, STR("content-length")) && str_to_i64(str_trim(line), &length) == ERR_OK)
            return (size_t)length;
    }
    return 0;
}

/* The answer's status, 0 when it does not come. */
static int receive(const struct rehearse_wire *wire, struct buf *in, struct buf *ret_body)
{
    size_t head;
    while ((head = head_length(in)) == 0)
        if (in->len > HEAD_MAX || !read_more(wire, in))
            return 0;
    size_t length = body_length(str_from(in->data, head));
    while (in->len < head + length)
        if (!read_more(wire, in))
            return 0;
    buf_append(ret_body, in->data + head, length);
    return head > 12 ? atoi(in->data + 9) : 0;
}

static int send_once(struct rehearse_wire *wire, struct str bytes, struct buf *ret_body)
{
    struct buf in;
    int status = 0;
    if (wire->fd < 0 && !wire_open(wire))
        return 0;
    buf_init(&in, (size_t)16 << 20);
    if (send_all(wire, bytes))
        status = receive(wire, &in, ret_body);
    buf_release(&in);
    if (status == 0)
        rehearse_wire_close(wire);
    return status;
}

int rehearse_send(struct rehearse_wire *wire, const struct rehearse_request *request,
                  struct buf *ret_body)
{
    struct buf out;
    bool was_open = wire->fd >= 0;
    buf_init(&out, (size_t)64 << 20);
    put_request(&out, request);
    ret_body->len = 0;
    int status = out.overflow ? 0 : send_once(wire, buf_str(&out), ret_body);
    /* A kept connection may have been closed meanwhile; every POST has a key. */
    if (status == 0 && was_open && !out.overflow && !rehearse_is_over()) {
        ret_body->len = 0;
        status = send_once(wire, buf_str(&out), ret_body);
    }
    buf_release(&out);
    return status;
}
