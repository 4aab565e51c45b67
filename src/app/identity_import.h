/* Accounts and sessions in bulk, without a password hash each: `foyer admin import-users`. The
 * database is the caller's alone, or PostgreSQL's. */
#ifndef APP_IDENTITY_IMPORT_H
#define APP_IDENTITY_IMPORT_H

#include "app/config.h"

#define IMPORT_COUNT_MAX   10000000
#define IMPORT_PREFIX_MAX  48
#define IMPORT_ROWS_MAX    500 /* accounts of one transaction */
#define IMPORT_MESSAGE_MAX 1024

struct import_options {
    const char *csv;      /* lines of email,name; NULL: made up, count of them */
    int64_t count;        /* PREFIX000001@example.invalid and so on */
    const char *prefix;   /* of letters, digits, '.', '_' and '-' */
    const char *sessions; /* file to write lines of email,token into; NULL: no sessions */
};

struct import_totals {
    uint64_t made;
    uint64_t kept;     /* there was an account with that email already */
    uint64_t sessions; /* that are valid now */
    uint64_t
        without_session; /* accounts with a password of their own, or with a role: kept as they are */
};

/* NULL, or what is wrong with the options. */
const char *import_options_problem(const struct import_options *options);
/* All of it, or as much as was committed before something failed: then running it again goes on, with
 * the same tokens. One line in ret_message on failure. ERR_INVALID: a line of a file is wrong, and
 * nothing was imported. */
ERR_MUST_USE enum err import_run(const struct config *config, const struct import_options *options,
                                 struct import_totals *ret_totals,
                                 char ret_message[static IMPORT_MESSAGE_MAX]);

#endif
