/*
 * Problem documents (RFC 9457) from one table: slug, status, title. type is
 * "https://foyer.dev/problems/<slug>"-free: the slug itself, stable. 5xx never leak internals.
 */
#ifndef APP_PROBLEM_H
#define APP_PROBLEM_H

#include "app/route.h"

enum problem {
    PROBLEM_BAD_REQUEST,              /* 400 bad-request */
    PROBLEM_MALFORMED_JSON,           /* 400 malformed-json */
    PROBLEM_IDEMPOTENCY_KEY_REQUIRED, /* 400 idempotency-key-required */
    PROBLEM_IDEMPOTENCY_KEY_REFUSED,  /* 400 idempotency-key-refused */
    PROBLEM_BAD_SIGNATURE,            /* 400 bad-signature */
    PROBLEM_UNAUTHENTICATED,          /* 401 unauthenticated */
    PROBLEM_TOTP_REQUIRED,            /* 401 totp-required */
    PROBLEM_FORBIDDEN,                /* 403 forbidden */
    PROBLEM_CHALLENGE_REQUIRED,       /* 403 challenge-required */
    PROBLEM_WAITING_ROOM_REQUIRED,    /* 403 waiting-room-required */
    PROBLEM_NOT_FOUND,                /* 404 not-found */
    PROBLEM_METHOD_NOT_ALLOWED,       /* 405 method-not-allowed */
    PROBLEM_CONFLICT,                 /* 409 conflict */
    PROBLEM_SEATS_UNAVAILABLE,        /* 409 seats-unavailable */
    PROBLEM_SALE_NOT_OPEN,            /* 409 sale-not-open */
    PROBLEM_SALE_CLOSED,              /* 409 sale-closed */
    PROBLEM_HOLD_EXPIRED,             /* 409 hold-expired */
    PROBLEM_ALREADY_USED,             /* 409 already-used */
    PROBLEM_EMAIL_TAKEN,              /* 409 email-taken */
    PROBLEM_REVOKED,                  /* 410 revoked */
    PROBLEM_PRECONDITION_FAILED,      /* 412 precondition-failed */
    PROBLEM_TOO_LARGE,                /* 413 too-large */
    PROBLEM_UNSUPPORTED_MEDIA_TYPE,   /* 415 unsupported-media-type */
    PROBLEM_RANGE_NOT_SATISFIABLE,    /* 416 range-not-satisfiable */
    PROBLEM_VALIDATION,               /* 422 validation */
    PROBLEM_LIMIT_EXCEEDED,           /* 422 limit-exceeded */
    PROBLEM_IDEMPOTENCY_CONFLICT,     /* 422 idempotency-conflict */
    PROBLEM_LOCKED,                   /* 423 locked */
    PROBLEM_UPGRADE_REQUIRED,         /* 426 upgrade-required */
    PROBLEM_RATE_LIMITED,             /* 429 rate-limited */
    PROBLEM_CHECKSUM_MISMATCH,        /* 460 checksum-mismatch */
    PROBLEM_INTERNAL,                 /* 500 internal */
    PROBLEM_OVERLOADED,               /* 503 overloaded */
    PROBLEM_COUNT,
};

struct problem_type {
    const char *slug;
    int status;
    const char *title;
};
extern const struct problem_type problem_types[PROBLEM_COUNT];

/* Answers with the document; detail may be NULL. */
void problem_reply(struct call *call, enum problem problem, const char *detail);
/* 422 with errors:[{field,message}]. */
void problem_fields(struct call *call, const struct field_errors *errors);
/* The same list under another problem of status 422. */
void problem_fields_as(struct call *call, enum problem problem, const struct field_errors *errors);
/* 422 for a single field. */
void problem_field(struct call *call, const char *field, const char *message);
/* With extra members: opens the document; the caller adds members, then problem_end. */
struct json_writer problem_begin(struct call *call, enum problem problem, const char *detail,
                                 struct buf **ret_body);
void problem_end(struct call *call, struct json_writer *writer, enum problem problem,
                 struct buf *body);
/* Sets Retry-After too. */
void problem_retry(struct call *call, enum problem problem, const char *detail,
                   int64_t retry_after_s);

#endif
