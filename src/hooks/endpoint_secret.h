/*
 * What an endpoint's deliveries are signed with: a secret that both sides know (HMAC-SHA256,
 * "whsec_"), or an Ed25519 key pair, of which the receiver knows the public half ("whpk_") and its
 * owner may bring the private one ("whsk_"). The forms are those of Standard Webhooks.
 *
 * Stored, before it is sealed, a secret is its bytes, and a key pair SECRET_TAG and the 64 bytes
 * of the private key. So a key pair is longer than any secret, and what is sealed tells its kind
 * by its length.
 */
#ifndef HOOKS_ENDPOINT_SECRET_H
#define HOOKS_ENDPOINT_SECRET_H

#include "base/arena.h"
#include "base/crypto.h"
#include "hooks/limits.h"

enum secret_kind {
    SECRET_HMAC,
    SECRET_ED25519,
};
#define SECRET_TAG         "whsk_"
#define SECRET_STORED_PAIR (sizeof(SECRET_TAG) - 1 + ED25519_SECRET_SIZE)

/* The names of the kinds in the API; NULL at the end. */
extern const char *const secret_kind_names[];

_Static_assert(SECRET_STORED_PAIR > SECRET_BYTES_MAX, "the length tells the kind");
static inline enum secret_kind secret_kind_of(struct str stored)
{
    return stored.len == SECRET_STORED_PAIR ? SECRET_ED25519 : SECRET_HMAC;
}
static inline enum secret_kind secret_kind_of_sealed(int64_t bytes)
{
    return bytes == (int64_t)SECRET_STORED_PAIR + CRYPTO_SEAL_EXTRA ? SECRET_ED25519 : SECRET_HMAC;
}
/* What it signs with: the secret, or the private key. Borrowed. */
struct str endpoint_secret_key(struct str stored);

/* A new one as it is stored; STR_NONE: no memory. */
struct str endpoint_secret_make(struct arena *arena, enum secret_kind kind);
/* "whsec_" and base64 of 24 to 64 bytes, or "whsk_" and base64 of a private key of 64 bytes or
 * its seed of 32; as it is stored. ERR_INVALID, ERR_NOMEM. */
ERR_MUST_USE enum err endpoint_secret_parse(struct arena *arena, struct str text,
                                            struct str *ret_stored);
#define SECRET_RULE                                                                                \
    "must be whsec_ and base64 of 24 to 64 bytes, or whsk_ and base64 of an Ed25519 key"
/* What its owner and the receiver see: "whsec_...", or the public half, "whpk_...". */
struct str endpoint_secret_show(struct arena *arena, struct str stored);

#endif
