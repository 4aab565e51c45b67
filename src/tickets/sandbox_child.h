/*
 * The sandbox bank as a child process of `serve`: started from this very program, watched, started
 * again on the same port when it dies, and stopped with us (it dies with us, too). Its data, secret
 * and address are in DIR/sandbox: ledger, `secret`, `url`.
 */
#ifndef TICKETS_SANDBOX_CHILD_H
#define TICKETS_SANDBOX_CHILD_H

#include "base/str.h"

/* What a bank and its callers share when nobody gave them a secret: both run on a developer's
 * machine, and the money is play money. src/sandbox has the same text. */
#define SANDBOX_SECRET_DEFAULT "sandbox-development-secret"
#define SANDBOX_SECRET_MAX     128
#define SANDBOX_PATH_MAX       600

struct sandbox_child;

struct sandbox_child_options {
    const char *data_dir; /* the service's; the bank has "sandbox" below it */
    const char *ca_file;  /* to trust when it calls us back; "" for the system's */
};

/* Waits until it answers. ERR_IO, ERR_TIMEOUT. */
ERR_MUST_USE enum err sandbox_child_start(const struct sandbox_child_options *options,
                                          struct sandbox_child **ret_child);
const char *
sandbox_child_url(const struct sandbox_child *child); /* the same for the child's whole life */
const char *sandbox_child_secret(const struct sandbox_child *child);
void sandbox_child_stop(struct sandbox_child *child); /* and frees; NULL is fine */

#endif
