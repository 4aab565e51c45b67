/*
 * A payment provider, as the worker and the callback route see it: a small table of pure functions
 * that build requests, read answers and read callbacks. Nothing here does I/O; sending is the
 * worker's. Drivers: provider_sandbox.c, provider_stripe.c.
 */
#ifndef TICKETS_PROVIDER_H
#define TICKETS_PROVIDER_H

#include "net/http_client.h"
#include "tickets/payment.h"

#define PROVIDER_TEXT_MAX 512

enum provider_op {
    PROVIDER_CREATE,     /* open a checkout session */
    PROVIDER_ASK,        /* how does the session stand */
    PROVIDER_CLOSE,      /* end the session; repeating it is harmless */
    PROVIDER_REFUND,     /* give money back */
    PROVIDER_ASK_REFUND, /* how does the refund stand */
    PROVIDER_ANNOUNCE,   /* tell the provider where we are; only drivers with has_announce */
};

struct provider_driver;

/* Made once at start, immutable afterwards. */
struct provider {
    const struct provider_driver *driver;
    char api_url[PROVIDER_TEXT_MAX]; /* without a slash at the end */
    char api_key[PROVIDER_TEXT_MAX];
    char callback_secrets[PROVIDER_TEXT_MAX]; /* comma separated */
    char callback_url[PROVIDER_TEXT_MAX + 64];
    bool sends_clock; /* the test clock is on: tell the provider what time it is */
};

/* What a request is about. Texts are borrowed. */
struct provider_order {
    struct str reference; /* our payment, "pay_..."; also the idempotency key of CREATE */
    int64_t amount;
    char currency[4];
    struct str description;
    struct str return_url;
    int64_t expires_at_ms; /* the session ends by itself then, should we never close it */
    struct str session_ref;
    struct str refund_reference; /* our refund, "ref_..."; also the idempotency key of REFUND */
    struct str provider_ref;     /* the capture that is given back */
    struct str provider_refund_ref;
};

enum provider_verdict {
    VERDICT_OK,      /* done; the answer says how things stand */
    VERDICT_UNKNOWN, /* the provider knows no such object */
    VERDICT_REFUSED, /* it won't, however often we ask */
    VERDICT_RETRY,   /* busy, or nothing we understand */
    VERDICT_DOWN,    /* no answer, or one that says it is broken */
};

/* Texts live in the arena given to the reader. */
struct provider_answer {
    enum provider_verdict verdict;
    enum provider_fact fact; /* of the session or the refund */
    struct str session_ref, url, provider_ref, provider_refund_ref;
    struct str card;        /* as in struct provider_event */
    bool is_card_elsewhere; /* the same */
    int64_t amount;
    char currency[4];
    struct str message; /* of a refusal, for logs */
};

struct provider_driver {
    const char *name; /* in rows and in the callback's path */
    bool has_announce;
    const char *signature_header; /* lowercase */
    /* Fills method, url, headers, body and basic_user of a call; memory is the arena's. ERR_NOMEM.
     */
    enum err (*build)(const struct provider *provider, struct arena *arena, enum provider_op op,
                      const struct provider_order *order, struct http_call *ret_call);
    /* Reads the body of a 2xx answer. ERR_INVALID: not understood. */
    enum err (*read_answer)(enum provider_op op, struct arena *arena, struct str body,
                            struct provider_answer *ret_answer);
    /* Says what a status other than 2xx means; the body may explain. */
    enum provider_verdict (*read_refusal)(enum provider_op op, struct arena *arena, int status,
                                          struct str body, struct str *ret_message);
    /* Reads a callback whose signature was good. Types it doesn't know become FACT_IGNORED.
     * ERR_INVALID. */
    enum err (*read_event)(struct arena *arena, struct str body, struct provider_event *ret_event);
};

extern const struct provider_driver provider_sandbox;
extern const struct provider_driver provider_stripe;

/* Sorts what came back from a call into an answer: transport failures, 5xx, refusals, bodies. */
void provider_read(const struct provider_driver *driver, enum provider_op op,
                   const struct http_call *call, struct arena *arena,
                   struct provider_answer *ret_answer);
/* Signature and time. ERR_INVALID, ERR_DENIED, ERR_TIMEOUT as signature_verify. */
ERR_MUST_USE enum err provider_verify(const struct provider *provider, struct str header,
                                      struct str body, int64_t now_ms, int64_t *ret_signed_at_ms);

/* For drivers. Adds "name: value" to a call's headers; false when memory or places are gone. */
bool provider_add_header(struct http_call *call, struct arena *arena, const char *name,
                         struct str value);
/* Percent-encodes everything but unreserved characters. */
void provider_append_escaped(struct buf *buf, struct str text);
/* Three letters to upper case; ERR_INVALID. */
ERR_MUST_USE enum err provider_read_currency(struct str text, char ret_currency[static 4]);
/* Text member of an object, copied; STR_NONE when absent or of another type. */
struct str provider_json_str(struct arena *arena, const struct json_node *object, const char *name);
/* Fills event_id and payment_id when the text is one of our references; leaves them 0 otherwise. */
void provider_read_reference(struct str text, uint64_t *ret_event_id, uint64_t *ret_payment_id);

#endif
