/* The bank's state and objects, shared by the files of this folder. See sandbox.c for how they fit.
 */
#ifndef SANDBOX_BANK_H
#define SANDBOX_BANK_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/json.h"
#include "net/http_client.h"
#include "net/router.h"
#include "net/server.h"
#include "store/pool.h"
#include "store/writer.h"

#define BANK_TEXT_MAX         512
#define BANK_BODY_MAX         (64u << 10)
#define BANK_HUNG_MAX         256
#define BANK_CALLBACKS_MAX    20 /* copies of one callback that a script may ask for */
#define BANK_DELAY_MS_MAX     (24 * 3600 * 1000LL)
#define BANK_CALLBACK_DAYS_MS (24 * 3600 * 1000LL)
#define BANK_SECRET_DEFAULT   "sandbox-development-secret" /* as in src/tickets/sandbox_child.h */

/*
 *   OPEN ──paid──▶ SUCCEEDED      (a late capture leads here from FAILED and CLOSED, too)
 *     ├──failed for good──▶ FAILED
 *     └──closed by the merchant, or its time is over──▶ CLOSED
 */
enum session_status {
    SESSION_OPEN,
    SESSION_SUCCEEDED,
    SESSION_FAILED,
    SESSION_CLOSED
};

/* What a script may have us try on the merchant. */
enum forgery {
    FORGERY_NONE,
    FORGERY_SIGNATURE, /* signed with a secret of our own making */
    FORGERY_TIME,      /* well signed, ten minutes ago */
};

/* How a part of the bank behaves: POST /control. */
enum behaviour {
    BEHAVE_OK,
    BEHAVE_REFUSE,
    BEHAVE_HANG,
    BEHAVE_COUNT
};
enum bank_part {
    PART_SESSIONS,
    PART_STATUS,
    PART_REFUNDS,
    PART_CALLBACKS,
    PART_COUNT
};

struct session {
    struct str id, idempotency_key, reference;
    int64_t amount;
    char currency[4];
    struct str description, callback_url, return_url;
    enum session_status status;
    struct str payment_ref;
    struct str card_fingerprint; /* once there is money */
    int64_t captured, refunded;
    char captured_currency[4];
    int64_t created_at, expires_at;
};

struct courier;
struct bank_call;

struct bank {
    char data_dir[BANK_TEXT_MAX];
    char database_path[BANK_TEXT_MAX + 32];
    char secret[BANK_TEXT_MAX];
    char ca_file[BANK_TEXT_MAX];
    char base_url[BANK_TEXT_MAX];
    struct server *server;
    struct router *router;
    struct writer *writer;
    struct pool *pool;
    struct courier *_Atomic courier; /* NULL before and after its life */
    _Atomic int behaviour[PART_COUNT];
    _Atomic int64_t clock_offset_ms; /* the merchant's clock minus ours: scripts move theirs */

    pthread_mutex_t lock; /* below */
    struct bank_call *hung[BANK_HUNG_MAX];
    size_t hung_count;
};

/* The time that sessions and signatures have: the merchant's. Deliveries go by the real one. */
int64_t bank_now_ms(const struct bank *bank);

/* --- Requests: bank_http.c --- */

struct bank_route {
    enum http_method method;
    const char *pattern;
    bool is_open; /* no secret needed: pages and the buyer's side */
    bool is_page; /* refusals are pages, too */
    enum bank_part part;
    bool has_part; /* follows that part's behaviour */
    /* On the loop: reads the body. May answer. NULL: nothing to read. */
    void (*prepare)(struct bank_call *call);
    /* One of them. An answer with a status >= 400 rolls a write back. */
    enum err (*read)(struct bank_call *call, struct db *db);
    enum err (*apply)(struct bank_call *call, struct writer_tx *tx);
};
extern const struct bank_route bank_api_routes[];
extern const size_t bank_api_route_count;
extern const struct bank_route bank_page_routes[];
extern const size_t bank_page_route_count;

/* In its request's arena. */
struct bank_call {
    struct pool_task task;
    struct writer_job job;
    struct bank *bank;
    struct request *req;
    const struct bank_route *route;
    void *prepared;
    uint8_t nonce[12]; /* of a page's style */
};

ERR_MUST_USE enum err bank_http_init(struct bank *bank);
void bank_on_request(struct request *request, void *ctx);
/* Answers all that hang with 503. */
void bank_release_hung(struct bank *bank);
static inline struct arena *bank_arena(struct bank_call *call)
{
    return &call->req->arena;
}
void bank_reply_json(struct bank_call *call, int status, struct buf *body);
/* A problem document, or a page. detail: static or arena. */
void bank_refuse(struct bank_call *call, int status, const char *detail);
static inline bool bank_is_answered(const struct bank_call *call)
{
    return call->req->res.status != 0;
}
/* Answers 422 and returns false. */
bool bank_decode(struct bank_call *call, const struct json_field *fields, void *ret);

/* --- Pages: bank_page.c --- */

void bank_reply_page(struct bank_call *call, int status, const char *title, struct str content,
                     const char *form_origin);
void bank_append_money(struct buf *buf, int64_t amount, const char *currency);

/* --- Rules: bank_rules.c --- */

const char *session_status_name(enum session_status status);
void session_write(struct json_writer *writer, const struct bank *bank,
                   const struct session *session);

struct completion {
    bool is_success;
    bool is_late;   /* the money was on its way when the session ended */
    int64_t amount; /* 0: as ordered */
    char currency[4];
    struct str card; /* names it; len 0: a card of this session alone */
    int64_t count, delay_ms;
    bool shuffle, forge;
};
/* In a job: ends the session and queues its callbacks. ERR_CONFLICT: the session has ended
 * otherwise. Repeating it is harmless. */
ERR_MUST_USE enum err session_complete(struct bank *bank, struct writer_tx *tx,
                                       struct session *session,
                                       const struct completion *completion);
ERR_MUST_USE enum err session_close(struct bank *bank, struct writer_tx *tx,
                                    struct session *session);
/* Money back of a session. ERR_CONFLICT: more than there is. */
struct bank_refund {
    struct str id, idempotency_key, session_id, reference;
    int64_t amount;
    char currency[4];
};
ERR_MUST_USE enum err session_refund(struct bank *bank, struct writer_tx *tx,
                                     struct session *session, struct bank_refund *refund);

/* --- Callbacks: courier.c --- */

ERR_MUST_USE enum err courier_start(struct bank *bank, struct courier **ret_courier);
void courier_wake(struct courier *courier); /* any thread; NULL is fine */
void courier_stop(struct courier *courier); /* joins and frees; NULL is fine */

#endif
