/* Cryptography by libsodium, included in crypto.c only. Any thread after crypto_init. */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include "base/buf.h"

#define SHA256_SIZE         32
#define ED25519_PUBLIC_SIZE 32
#define ED25519_SECRET_SIZE 64
#define ED25519_SEED_SIZE   32
#define ED25519_SIG_SIZE    64
#define PASSWORD_HASH_SIZE  128

/* Once, before threads. */
ERR_MUST_USE enum err crypto_init(void);
void crypto_sha256(struct str data, uint8_t ret_hash[static SHA256_SIZE]);
/* SHA-256 over two pieces, without a copy (hash chain). */
void crypto_sha256_2(struct str a, struct str b, uint8_t ret_hash[static SHA256_SIZE]);
/* Over pieces that come one after the other. */
struct crypto_sha256 {
    _Alignas(8) unsigned char state[112];
};
void crypto_sha256_begin(struct crypto_sha256 *hash);
void crypto_sha256_add(struct crypto_sha256 *hash, struct str piece);
void crypto_sha256_end(struct crypto_sha256 *hash, uint8_t ret_hash[static SHA256_SIZE]);
/* Against mistakes on the way only: nobody's word may rest on it. */
#define SHA1_SIZE 20
void crypto_sha1(struct str data, uint8_t ret_hash[static SHA1_SIZE]);
void crypto_hmac_sha256(struct str key, struct str data,
                        uint8_t ret_mac[static SHA256_SIZE]); /* RFC 2104, any key length */
/* For one-time codes (RFC 6238) only, where SHA-1 is what apps compute. Any key length. */
void crypto_hmac_sha1(struct str key, struct str data, uint8_t ret_mac[static SHA1_SIZE]);
bool crypto_equal(const void *a, const void *b, size_t len); /* constant time */
void crypto_wipe(void *data, size_t len);
void crypto_ed25519_keypair(uint8_t ret_public[static ED25519_PUBLIC_SIZE],
                            uint8_t ret_secret[static ED25519_SECRET_SIZE]);
/* The pair of this seed, which is the secret key's first half; the public key is its second. */
void crypto_ed25519_from_seed(const uint8_t seed[static ED25519_SEED_SIZE],
                              uint8_t ret_public[static ED25519_PUBLIC_SIZE],
                              uint8_t ret_secret[static ED25519_SECRET_SIZE]);
void crypto_ed25519_sign(struct str data, const uint8_t secret[static ED25519_SECRET_SIZE],
                         uint8_t ret_sig[static ED25519_SIG_SIZE]);
bool crypto_ed25519_verify(struct str data, const uint8_t sig[static ED25519_SIG_SIZE],
                           const uint8_t public_key[static ED25519_PUBLIC_SIZE]);
/* XSalsa20-Poly1305 under a fresh nonce, which stands in front: CRYPTO_SEAL_EXTRA bytes more than the
 * text. */
#define CRYPTO_SEAL_KEY_SIZE 32
#define CRYPTO_SEAL_EXTRA    40
void crypto_seal(struct str plain, const uint8_t key[static CRYPTO_SEAL_KEY_SIZE],
                 uint8_t *ret_sealed);
/* ret_plain: CRYPTO_SEAL_EXTRA bytes less than what is sealed. ERR_CORRUPT: another key, or changed. */
ERR_MUST_USE enum err crypto_unseal(struct str sealed,
                                    const uint8_t key[static CRYPTO_SEAL_KEY_SIZE],
                                    uint8_t *ret_plain);
/* Argon2id, interactive limits: tens of milliseconds and 64 MiB; POOL_SLOW only. */
ERR_MUST_USE enum err crypto_password_hash(struct str password,
                                           char ret_hash[static PASSWORD_HASH_SIZE]);
bool crypto_password_verify(struct str password, const char *hash);

/* Text forms. Decoders write at most size bytes and give ERR_INVALID on anything not canonical. */
void hex_append(struct buf *buf, const void *data, size_t len);
ERR_MUST_USE enum err hex_decode(struct str text, void *ret_data, size_t size, size_t *ret_len);
void base64_append(struct buf *buf, const void *data, size_t len); /* padded, standard alphabet */
void base64url_append(struct buf *buf, const void *data, size_t len); /* unpadded */
ERR_MUST_USE enum err base64_decode(struct str text, void *ret_data, size_t size, size_t *ret_len);
ERR_MUST_USE enum err base64url_decode(struct str text, void *ret_data, size_t size,
                                       size_t *ret_len);

#endif
