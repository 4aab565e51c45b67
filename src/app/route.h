/*
 * A route: one row of a service's route table. The table is the index of the product: dispatch,
 * authorization, idempotency, body limits, metrics and the OpenAPI document are all read from it.
 *
 * Kinds
 *   LOOP   `loop` answers on the loop thread from memory. It may return ERR_AGAIN: `read` (must
 *          be set then) runs on the pool. When the caller had to be looked up in the database,
 *          `loop` itself runs on a pool thread: it must not mind.
 *   READ   `read` runs on the reader pool with a reading connection.
 *   WRITE  `prepare` decodes and validates (loop thread when `prepare_on_loop`, where db is NULL
 *          and ERR_AGAIN sends it to the pool; otherwise the pool), then `apply` runs in the
 *          service's writer: statements only.
 *
 * Handlers answer with reply_*() or problem_*(). A handler that has set an answer ends the request:
 * prepare that answers skips apply; apply that answers with a status >= 400 is rolled back (the
 * answer leaves all the same). Return ERR_OK then. Any other return value is a failure of the
 * system: ERR_FULL, ERR_IO, ERR_CLOSED, ERR_TIMEOUT, ERR_NOMEM become 503 with Retry-After, the
 * rest 500; nothing is committed. apply may run twice (see writer.h): what it stores in the call it
 * overwrites.
 */
#ifndef APP_ROUTE_H
#define APP_ROUTE_H

#include "base/json.h"
#include "net/request.h"
#include "store/db.h"
#include "store/writer.h"

enum route_kind {
    ROUTE_LOOP,
    ROUTE_READ,
    ROUTE_WRITE
};

enum route_auth {
    AUTH_NONE,     /* the caller is not looked up */
    AUTH_OPTIONAL, /* looked up when credentials are there; bad ones are 401 */
    AUTH_CALLER,   /* 401 without */
};

/* Scopes of API keys and what roles imply; a bit set. */
enum scope {
    SCOPE_NONE = 0,
    SCOPE_ORGANIZER = 1, /* venues, events, reports */
    SCOPE_CHECK_IN = 2,
    SCOPE_SUPPORT = 4,
    SCOPE_ADMIN = 8, /* everything */
    /* Of portal tokens alone: what a customer may do with one application. Roles and keys never have
     * these, and a route without any of them is closed to portal tokens. */
    SCOPE_PORTAL_VIEW = 16,
    SCOPE_PORTAL_SECRET_VIEW = 32,
    SCOPE_PORTAL_SECRET_MANAGE = 64,
    SCOPE_PORTAL_ATTEMPT = 128, /* sending again, examples, replay */
    SCOPE_PORTAL_ENDPOINT = 256,
};

#define SCOPE_PORTAL                                                                               \
    (SCOPE_PORTAL_VIEW | SCOPE_PORTAL_SECRET_VIEW | SCOPE_PORTAL_SECRET_MANAGE |                   \
     SCOPE_PORTAL_ATTEMPT | SCOPE_PORTAL_ENDPOINT)

enum route_idempotency {
    IDEMPOTENCY_ACCEPTED,     /* default; looked up and stored by dispatch, for POST only */
    IDEMPOTENCY_REQUIRED,     /* 400 idempotency-key-required without */
    IDEMPOTENCY_OWN,          /* required, and the handler keeps it in its own rows */
    IDEMPOTENCY_OWN_OPTIONAL, /* the same, but it may be left out */
    IDEMPOTENCY_REFUSED, /* the answer reveals a secret, or a foreign system calls: 400 when the
                             header is sent */
    IDEMPOTENCY_IGNORED, /* has its own de-duplication */
};

enum route_pool {
    POOL_READ,
    POOL_SLOW,  /* password hashing, PDF, plans: few threads, short queue */
    POOL_FILES, /* what waits for disks: uploads; there only where a service has routes for it */
};
#define ROUTE_POOLS 3

/* How a route speaks of mistakes, and what it makes of what it does not know. */
enum route_dialect {
    DIALECT_FOYER, /* problem documents; unknown fields and parameters are mistakes */
    DIALECT_HOOKS, /* {code,detail}, fields {detail:[{loc,msg,type}]}; unknown ones are passed over */
};

enum rate_class {
    RATE_DEFAULT,
    RATE_AUTH,
    RATE_SELL,
    RATE_CHAT_SEND,
    RATE_CHAT_SEND_NETWORK,
    RATE_CHAT_ROOM, /* of one chat, whoever sends */
    RATE_CHAT_CREATE,
    RATE_CHAT_CREATE_NETWORK,
    RATE_CHAT_SEARCH,
    RATE_CHAT_PUSH, /* subscriptions, which take the locks of everything */
    RATE_LOOKUP,    /* of accounts by address */
    RATE_LOOKUP_NETWORK,
    RATE_MEDIA_CREATE,
    RATE_MEDIA_CREATE_NETWORK,
    RATE_MEDIA_WRITE, /* pieces of uploads */
    RATE_MEDIA_WRITE_NETWORK,
    RATE_NONE
};

#define ROUTE_BODY_DEFAULT (1u << 20)
#define ROUTE_BODY_MAX     (10u << 20)

struct service;
struct call;
struct caller;
struct portal_token;

struct route {
    enum http_method method;
    const char *pattern;
    enum route_kind kind;
    enum route_auth auth;
    unsigned scopes; /* caller needs one of these bits; 0: any caller */
    enum route_idempotency idempotency;
    enum route_pool pool;
    enum rate_class rate;
    enum route_dialect dialect;
    bool prepare_on_loop;
    bool is_hidden; /* not in OpenAPI (pages, test clock) */
    bool
        takes_any_body; /* content type is not checked (default: a body must be application/json) */
    size_t body_max;    /* 0: ROUTE_BODY_DEFAULT */

    enum err (*loop)(struct call *call);
    enum err (*read)(struct call *call, struct db *db);
    enum err (*prepare)(struct call *call, struct db *db);
    enum err (*apply)(struct call *call, struct writer_tx *tx);

    /* For OpenAPI. */
    const char *summary;
    const char *tag;
    const struct json_field *request; /* body; NULL: none */
    const char *response; /* name of a schema in docs/api/schemas.json; NULL: no JSON body */
    const char *media;    /* "image/png": what the success may be besides JSON; NULL: nothing */
    int success;          /* 200, 201, 202, 204 */
    const char
        *problems; /* "404 409 422": statuses besides those that follow from the row itself */
    const char
        *query; /* "q near radius_km": query parameters; others are refused with 422; "*": any */
    bool is_retry_safe; /* repeating it is harmless without an Idempotency-Key */
    bool may_lag;
};

/* A service: its routes, its writer, its database. Tables are static; the rest is set at start. */
struct service {
    const char *name; /* "tickets" */
    const struct route *routes;
    size_t route_count;
    struct writer *writer;
    size_t database_index; /* among the pool's connections */
    void *state;           /* the service's own */
    /* Who one of its portal tokens stands for (app/portal.h); NULL: it gives none out. db: a reading
     * connection of its database. ERR_NOT_FOUND: unknown, revoked or over. */
    enum err (*find_token)(struct db *db, uint64_t app_id, const uint8_t *token_hash,
                           int64_t now_ms, struct portal_token *ret_token);
};

/* A service's routes stand in tables of its parts. */
struct route_table {
    const struct route *routes;
    const size_t *count;
};
/* Copies them into one, which service_free_routes gives back. */
ERR_MUST_USE enum err service_join_routes(struct service *service, const struct route_table *tables,
                                          size_t table_count);
void service_free_routes(struct service *service);

/* One request on its way through a route. In the request's arena. */
struct call {
    struct request *req;
    const struct route *route;
    struct service *service;
    struct app *app;
    const struct caller *caller; /* NULL: anonymous */
    struct str idempotency_key;  /* STR_NONE: not sent */
    uint8_t
        body_hash[32]; /* SHA-256 of method, path and body; set when there is an idempotency key */
    uint64_t trace_hi, trace_lo; /* W3C trace id; 0: none */
    void *prepared;              /* from prepare to apply, arena */
    /* Set by prepare when it holds what must be given back whatever becomes of the request, such as a
     * locked file: runs once, after the commit and before the answer leaves. Any thread; must not block. */
    void (*at_end)(void *prepared);
    /* Set by prepare when all that apply writes, and what it reads to decide, belongs to this shard of
     * the journal (writer.h). Not where dispatch keeps the answer: its row belongs to none. */
    uint64_t shard;
    struct db *platform; /* accounts: a reading connection while read or prepare run on a pool; else
                            NULL */
};

static inline struct arena *call_arena(struct call *call)
{
    return &call->req->arena;
}

/* Answers. The body is sent as application/json; buf must live in the request's arena (buf_new_in).
 */
void reply_json(struct call *call, int status, struct buf *body);
void reply_empty(struct call *call, int status);
/* 304 when If-None-Match has it, and true; else sets ETag and returns false. etag without quotes,
 * arena or static. */
bool reply_not_modified(struct call *call, struct str etag);
static inline bool call_is_answered(const struct call *call)
{
    return call->req->res.status != 0;
}

/* Decodes the body by route->request (NULL: no fields; DIALECT_HOOKS: others are passed over); on errors answers 400 (not JSON) or 422 (fields) and returns
 * false. */
bool call_decode(struct call *call, void *ret);
/* The same of another text than the whole body. */
bool call_decode_text(struct call *call, struct str text, void *ret);
/* Path parameter as id; answers 404 and returns false when it is not one. */
bool call_param_id(struct call *call, const char *name, const char *prefix, uint64_t *ret_id);
bool call_param_id2(struct call *call, const char *name, const char *prefix, uint64_t *ret_shard,
                    uint64_t *ret_id);
/* Query helpers: absent leaves *ret as it is; malformed answers 422 naming the parameter and
 * returns false. */
bool call_query_str(struct call *call, const char *name, struct str *ret);
bool call_query_i64(struct call *call, const char *name, int64_t min, int64_t max, int64_t *ret);
bool call_query_f64(struct call *call, const char *name, double min, double max, double *ret);
bool call_query_time(struct call *call, const char *name, int64_t *ret_ms);

/* Takes one from the caller's allowance of the route's rate class; at the end of it answers 429 and
 * returns false. Dispatch calls it before every handler but those of IDEMPOTENCY_OWN routes, which
 * call it once they know that the request is no repetition. Loop and pool threads. */
bool call_rate_limit(struct call *call);
/* Takes one from another allowance besides: of who (an id), or with 0 of whom the class counts. Headers
 * speak of it only when it refuses. In prepare; any thread. */
bool call_rate_limit_also(struct call *call, enum rate_class rate_class, uint64_t who);

/* Lists: ?limit= (1-200, default 50) and ?cursor=. A cursor is opaque text over two integers or three,
 * authenticated by nothing: it is only a position, and whatever it says the rows are the caller's
 * own. */
#define LIST_LIMIT_DEFAULT   50
#define LIST_LIMIT_MAX       200
#define LIST_LIMIT_MAX_HOOKS 250 /* DIALECT_HOOKS: ?limit=&iterator= */
struct list_page {
    int64_t limit;
    bool has_cursor;
    int64_t a, b, c; /* the position: meaning is the route's; c: of list_close_at */
};
bool call_list_page(struct call *call, struct list_page *ret_page);
/* Closes the data array, if it is still open, and the object around it with next_cursor (null when
 * !has_more). */
void list_close(struct json_writer *writer, bool has_more, int64_t a, int64_t b);
void list_close_at(struct json_writer *writer, bool has_more, int64_t a, int64_t b, int64_t c);

#endif
