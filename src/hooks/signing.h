/*
 * Signatures of deliveries, made afresh for each attempt over the very bytes that are sent.
 *
 *  standard     Standard Webhooks: webhook-id, webhook-timestamp, and webhook-signature, a list of
 *               "v1," and base64 of HMAC-SHA256 over "<id>.<timestamp>.<body>", or "v1a," and base64 of
 *               its Ed25519 signature; the same three again under the names of Svix, which its older
 *               libraries look for.
 *  timestamped  Foyer-Signature: "t=<timestamp>,v1=<hex>,..." over "<timestamp>.<body>". HMAC only:
 *               without such a key it is left out.
 *
 * Each key signs (a new one and, for its grace period, the old one). Pure; any thread.
 */
#ifndef HOOKS_SIGNING_H
#define HOOKS_SIGNING_H

#include "base/buf.h"

#define SIGNING_KEYS_MAX        5
#define SIGNING_KEY_BYTES_MAX   64
#define SIGNING_SECRET_TEXT_MAX 96 /* "whsec_" and base64 of a key */
#define SIGNING_HEADERS_MAX     7  /* at most so many are made */
#define SIGNING_HEADER_TEXT_MAX 640

struct signing {
    struct str message_id;
    int64_t at_ms;
    struct str body;
    bool is_standard, is_timestamped;
    struct str keys[SIGNING_KEYS_MAX]; /* bytes, newest first */
    bool is_ed25519[SIGNING_KEYS_MAX]; /* the key is a private one of 64 bytes */
    size_t key_count;
};

struct signing_headers {
    char lines[SIGNING_HEADERS_MAX][SIGNING_HEADER_TEXT_MAX]; /* "name: value" */
    size_t count;
};

/* The text of a secret, as its owner sees it: "whsec_" and the key in base64. The timestamped form,
 * like Stripe's, has this text as its key. */
void signing_secret_text(struct str key, char ret_text[static SIGNING_SECRET_TEXT_MAX]);
/* ERR_INVALID: no key, too many or too long ones; ERR_NOMEM. */
ERR_MUST_USE enum err signing_headers_make(const struct signing *signing,
                                           struct signing_headers *ret_headers);

#endif
