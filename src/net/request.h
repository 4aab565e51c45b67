/*
 * One HTTP request and its answer, as handlers see it: no socket, no h2o. Made by the server on a
 * loop thread, owned by one thread at a time (whoever the application handed it to), answered
 * exactly once with request_reply(). Everything hanging on it lives in its arena and dies after the
 * answer was sent or the connection is gone.
 */
#ifndef NET_REQUEST_H
#define NET_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/queue.h"

#define REQUEST_HEADERS_OUT_MAX 24
#define REQUEST_PARAMS_MAX      6
#define REQUEST_ARENA_MAX       (32u << 20)
#define REQUEST_URL_MAX         8192 /* longer: 414 */
#define REQUEST_ID_MAX          64

struct websocket;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER
};

struct request_field {
    struct str name; /* any case */
    struct str value;
};

struct response_header {
    struct str name; /* lowercase */
    struct str value;
};

struct response {
    int status; /* 0: not answered yet */
    struct str content_type;
    struct str body; /* arena, static, or held by body_release */
    struct {         /* set by response_file; size 0: the body is above */
        int fd;
        int64_t offset;
        int64_t size;
    } file;
    void (*body_release)(void *ptr); /* runs once the bytes have been sent or dropped; any loop
                                        thread; may be NULL */
    void *body_ptr;
    struct websocket *websocket; /* set by websocket_accept and event_stream_accept */
    size_t header_count;
    struct response_header headers[REQUEST_HEADERS_OUT_MAX];
};

struct request {
    struct queue_node node; /* for whichever queue holds it now */
    struct arena arena;
    enum http_method method;
    unsigned http_minor; /* HTTP/1.minor */
    struct str path;     /* as sent, without the query; always starts with '/' */
    struct str query;    /* raw, without '?' */
    struct str body;     /* whole */
    char peer_ip
        [46]; /* the client's, behind trusted proxies too; text form; v4-mapped is shown as v4 */
    bool is_tls;
    struct str id;      /* X-Request-Id as sent (if 1-64 of [A-Za-z0-9._-]) or made here */
    int64_t started_ns; /* clock_mono_ns when the head was read */
    struct response res;
    void *app; /* the application's per-request state, arena */
    struct {
        const char *name;
        struct str value; /* percent-decoded */
    } params[REQUEST_PARAMS_MAX];
    size_t param_count;
    const struct request_field *fields; /* the head's, in order; read them with request_header */
    size_t field_count;
    void (*on_reply)(
        struct request *request); /* set by whoever made the request: the server, or a test */
};

const char *http_method_name(enum http_method method);

/* Value of the first header of that name (lowercase literal); STR_NONE when absent. Any owner
 * thread. */
struct str request_header(const struct request *request, const char *name);
/* Path parameter by name; STR_NONE when the route has none of that name. */
struct str request_param(const struct request *request, const char *name);
/* Query parameter, percent-decoded (+ is a space) into the arena. ERR_NOT_FOUND; ERR_INVALID: bad
 * escape, bad UTF-8 or given twice. */
ERR_MUST_USE enum err request_query(struct request *request, const char *name,
                                    struct str *ret_value);
/* Iterates raw names of the query (decoded) to refuse unknown ones: position starts 0; false at the
 * end. */
bool request_query_each(struct request *request, size_t *position, struct str *ret_name);
/* Cookie value by name (RFC 6265, first one); STR_NONE when absent. */
struct str request_cookie(const struct request *request, const char *name);

/* Name must be a lowercase literal; value must live as long as the request. Over
 * REQUEST_HEADERS_OUT_MAX: assert. */
void response_header(struct request *request, const char *name, struct str value);
/* The body is that part of an open file, which is read piece by piece as the client takes it: what is
 * sent costs no more memory than a piece. take_fd is closed when the answer has gone or is dropped. size
 * is 1 at least, and the file must be that long as long as it is open: an answer that cannot be read
 * to its end breaks the connection. */
void response_file(struct request *request, int take_fd, int64_t offset, int64_t size);
/* Sends res (status must be set; 101 by websocket_accept only). Any thread, exactly once; the request is not yours afterwards.
 * Content-Length, Date and X-Request-Id are added here; HEAD answers carry no body. An arena that
 * overflowed turns the answer into a plain 503. */
void request_reply(struct request *request);

#endif
