/* The one error type. Expected failure is a return value; the impossible is an assert. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
    ERR_OK = 0,
    ERR_NOMEM,     /* an allocation failed or an arena is over its cap */
    ERR_LIMIT,     /* a named limit was reached */
    ERR_INVALID,   /* the input is malformed */
    ERR_NOT_FOUND, /* no such thing */
    ERR_CONFLICT,  /* a constraint or a state forbids it */
    ERR_AGAIN,     /* not possible on this thread or not yet */
    ERR_IO,        /* disk, socket or database failed */
    ERR_FULL,      /* a bounded queue is full */
    ERR_CORRUPT,   /* stored data contradicts an invariant */
    ERR_TIMEOUT,   /* a deadline passed */
    ERR_CLOSED,    /* shutting down or peer gone */
    ERR_DENIED,    /* not allowed */
};

#define ERR_MUST_USE __attribute__((warn_unused_result))

/* "not found" etc.; static string. */
const char *err_name(enum err err);

#endif
