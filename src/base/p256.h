/* The curve P-256 (ECDH, ES256) and AES-128-GCM by OpenSSL, which libsodium does not have: what Web Push is
 * made of. Any thread. ERR_NOMEM: OpenSSL could not, which is mostly memory. */
#ifndef BASE_P256_H
#define BASE_P256_H

#include "base/err.h"
#include "base/str.h"

#define P256_SECRET_SIZE 32
#define P256_PUBLIC_SIZE 65 /* an uncompressed point (SEC 1) */
#define P256_SHARED_SIZE 32
#define P256_SIG_SIZE    64 /* r and s (RFC 7518, 3.4) */

#define AES128_KEY_SIZE   16
#define AES128_NONCE_SIZE 12
#define AES128_TAG_SIZE   16

struct p256_key {
    uint8_t public_key[P256_PUBLIC_SIZE];
    uint8_t secret[P256_SECRET_SIZE];
};

ERR_MUST_USE enum err p256_key_make(struct p256_key *ret_key);
/* It is a point of the curve. */
bool p256_is_public(const uint8_t public_key[static P256_PUBLIC_SIZE]);
/* ECDH: the x coordinate. ERR_INVALID: the other one is not a point of the curve. */
ERR_MUST_USE enum err p256_shared(const struct p256_key *key,
                                  const uint8_t other[static P256_PUBLIC_SIZE],
                                  uint8_t ret_shared[static P256_SHARED_SIZE]);
/* ECDSA over SHA-256. */
ERR_MUST_USE enum err p256_sign(const struct p256_key *key, struct str data,
                                uint8_t ret_sig[static P256_SIG_SIZE]);
/* ret_sealed: AES128_TAG_SIZE bytes more than plain; the tag comes last. */
ERR_MUST_USE enum err aes128_gcm_seal(const uint8_t key[static AES128_KEY_SIZE],
                                      const uint8_t nonce[static AES128_NONCE_SIZE],
                                      struct str plain, uint8_t *ret_sealed);

#endif
