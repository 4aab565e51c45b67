/*
 * Web Push: what is sent to the push service of a browser. The payload is encrypted for the browser alone
 * (RFC 8291, in one record of aes128gcm, RFC 8188), and the request is signed with the server's key (VAPID,
 * RFC 8292). Pure but for randomness; any thread.
 */
#ifndef CHAT_WEB_PUSH_H
#define CHAT_WEB_PUSH_H

#include "base/buf.h"
#include "base/p256.h"

#define WEB_PUSH_AUTH_SIZE 16
#define WEB_PUSH_SALT_SIZE 16
#define WEB_PUSH_BODY_MAX  4096 /* that every push service takes (RFC 8030, 7.2) */
#define WEB_PUSH_HEAD_SIZE (WEB_PUSH_SALT_SIZE + 4 + 1 + P256_PUBLIC_SIZE)
/* Of a payload; one byte ends it. */
#define WEB_PUSH_PLAIN_MAX (WEB_PUSH_BODY_MAX - WEB_PUSH_HEAD_SIZE - AES128_TAG_SIZE - 1)

/* What a browser gives: PushSubscription.toJSON(). */
struct web_push_target {
    struct str endpoint;
    uint8_t public_key[P256_PUBLIC_SIZE];
    uint8_t auth[WEB_PUSH_AUTH_SIZE];
};

/* Fresh for each message; given by tests alone. */
struct web_push_seed {
    struct p256_key key;
    uint8_t salt[WEB_PUSH_SALT_SIZE];
};
ERR_MUST_USE enum err web_push_seed_make(struct web_push_seed *ret_seed);
/* Padded with zeros up to a multiple of pad_to (0: not), so that its length says little. ERR_LIMIT: too long;
 * ERR_INVALID: the target's key is none. */
ERR_MUST_USE enum err web_push_seal(const struct web_push_target *target,
                                    const struct web_push_seed *seed, struct str plain,
                                    size_t pad_to, struct buf *ret_body);
/* "https://push.example:8443" of an endpoint: scheme, host and port. */
struct str web_push_origin(struct str endpoint);
/* Value of the header Authorization. contact: who is told of trouble, mailto: or https:. */
ERR_MUST_USE enum err web_push_authorize(const struct p256_key *key, struct str endpoint,
                                         struct str contact, int64_t until_ms,
                                         struct buf *ret_value);

#endif
