/*
 * Cryptography by libsodium; the only file that includes its header. SHA-256 alone is OpenSSL's:
 * it uses the processor's instructions for it where there are any, and every request takes three
 * hashes, every journal row one. Its low-level functions allocate nothing and cannot fail, which
 * the newer interface cannot say. Stateless but for the key of
 * the string hash, which is drawn once with the library's own start. Whatever needs the library
 * started (randomness, the hash key) starts it by itself, so a unit test may use maps and ids
 * without ceremony; crypto_init makes a failure visible at start.
 *
 * libsodium's codecs take the same strict view as ours: padding and the unused low bits of the last
 * character are checked, nothing is skipped. Hex is our own, since only lowercase is canonical
 * here.
 */
#include "base/crypto.h"

#include "base/buf_internal.h"
#include "base/crypto_internal.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include <assert.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HMAC_BLOCK_SIZE 64

static_assert(SHA256_SIZE == SHA256_DIGEST_LENGTH, "size of SHA-256");
static_assert(ED25519_PUBLIC_SIZE == crypto_sign_PUBLICKEYBYTES, "size of a public key");
static_assert(ED25519_SECRET_SIZE == crypto_sign_SECRETKEYBYTES, "size of a secret key");
static_assert(ED25519_SIG_SIZE == crypto_sign_BYTES, "size of a signature");
static_assert(CRYPTO_SEAL_KEY_SIZE == crypto_secretbox_KEYBYTES, "size of a sealing key");
static_assert(CRYPTO_SEAL_EXTRA == crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES,
              "what sealing adds");
static_assert(PASSWORD_HASH_SIZE >= crypto_pwhash_STRBYTES, "size of a password hash");

static pthread_once_t start_once = PTHREAD_ONCE_INIT;
static bool is_started;
static unsigned char hash_key[crypto_shorthash_KEYBYTES];

static void start_library(void)
{
    if (sodium_init() < 0)
        return;
    crypto_shorthash_keygen(hash_key);
    is_started = true;
}

/* Without randomness nothing here is safe, and no caller of rand_bytes could carry on. */
static void require_library(void)
{
    (void)pthread_once(&start_once, start_library); /* cannot fail with a valid control */
    if (!is_started)
        abort();
}

/* libsodium wants a pointer it may add zero to. */
static const unsigned char *bytes_of(struct str s)
{
    return (const unsigned char *)(s.data ? s.data : "");
}

enum err crypto_init(void)
{
    (void)pthread_once(&start_once, start_library); /* cannot fail with a valid control */
    return is_started ? ERR_OK : ERR_IO;
}

uint64_t crypto_siphash(struct str data)
{
    unsigned char out[crypto_shorthash_BYTES];
    uint64_t hash;
    require_library();
    static_assert(sizeof(out) == sizeof(hash), "SipHash gives 64 bits");
    (void)crypto_shorthash(out, bytes_of(data), data.len, hash_key); /* always 0 */
    memcpy(&hash, out, sizeof(hash));
    return hash;
}

void crypto_random(void *ret_bytes, size_t len)
{
    require_library();
    randombytes_buf(ret_bytes, len);
}

void crypto_random_seeded(uint64_t seed, uint64_t turn, void *ret_bytes, size_t len)
{
    unsigned char key[randombytes_SEEDBYTES] = {0};
    memcpy(key, &seed, sizeof(seed));
    memcpy(key + sizeof(seed), &turn, sizeof(turn));
    require_library();
    randombytes_buf_deterministic(ret_bytes, len, key);
}

void crypto_sha256(struct str data, uint8_t ret_hash[static SHA256_SIZE])
{
    crypto_sha256_2(data, STR_NONE, ret_hash);
}

static_assert(sizeof(struct crypto_sha256) == sizeof(SHA256_CTX), "size of SHA-256's state");

void crypto_sha256_begin(struct crypto_sha256 *hash)
{
    (void)SHA256_Init((SHA256_CTX *)(void *)hash->state); /* always 1, as those below */
}

void crypto_sha256_add(struct crypto_sha256 *hash, struct str piece)
{
    (void)SHA256_Update((SHA256_CTX *)(void *)hash->state, bytes_of(piece), piece.len);
}

void crypto_sha256_end(struct crypto_sha256 *hash, uint8_t ret_hash[static SHA256_SIZE])
{
    (void)SHA256_Final(ret_hash, (SHA256_CTX *)(void *)hash->state);
}

void crypto_sha1(struct str data, uint8_t ret_hash[static SHA1_SIZE])
{
    (void)SHA1(bytes_of(data), data.len, ret_hash);
}

void crypto_sha256_2(struct str a, struct str b, uint8_t ret_hash[static SHA256_SIZE])
{
    SHA256_CTX state;
    (void)SHA256_Init(&state); /* these three always give 1 */
    (void)SHA256_Update(&state, bytes_of(a), a.len);
    (void)SHA256_Update(&state, bytes_of(b), b.len);
    (void)SHA256_Final(ret_hash, &state);
}

/* RFC 2104, on the SHA-256 that uses the processor's own instructions. */
void crypto_hmac_sha256(struct str key, struct str data, uint8_t ret_mac[static SHA256_SIZE])
{
    uint8_t pad[HMAC_BLOCK_SIZE] = {0}, inner[SHA256_SIZE];
    if (key.len > sizeof(pad))
        crypto_sha256(key, pad);
    else
        memcpy(pad, bytes_of(key), key.len);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36;
    crypto_sha256_2(str_from((const char *)pad, sizeof(pad)), data, inner);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    crypto_sha256_2(str_from((const char *)pad, sizeof(pad)),
                    str_from((const char *)inner, sizeof(inner)), ret_mac);
    sodium_memzero(pad, sizeof(pad));
    sodium_memzero(inner, sizeof(inner));
}

/* RFC 2104. */
void crypto_hmac_sha1(struct str key, struct str data, uint8_t ret_mac[static SHA1_SIZE])
{
    uint8_t pad[HMAC_BLOCK_SIZE] = {0}, inner[SHA1_SIZE];
    SHA_CTX state;
    if (key.len > sizeof(pad))
        crypto_sha1(key, pad);
    else
        memcpy(pad, bytes_of(key), key.len);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36;
    (void)SHA1_Init(&state); /* all of these always give 1 */
    (void)SHA1_Update(&state, pad, sizeof(pad));
    (void)SHA1_Update(&state, bytes_of(data), data.len);
    (void)SHA1_Final(inner, &state);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    (void)SHA1_Init(&state);
    (void)SHA1_Update(&state, pad, sizeof(pad));
    (void)SHA1_Update(&state, inner, sizeof(inner));
    (void)SHA1_Final(ret_mac, &state);
    sodium_memzero(pad, sizeof(pad));
    sodium_memzero(inner, sizeof(inner));
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || sodium_memcmp(a, b, len) == 0;
}

void crypto_wipe(void *data, size_t len)
{
    if (len > 0)
        sodium_memzero(data, len);
}

void crypto_ed25519_keypair(uint8_t ret_public[static ED25519_PUBLIC_SIZE],
                            uint8_t ret_secret[static ED25519_SECRET_SIZE])
{
    require_library();
    (void)crypto_sign_keypair(ret_public, ret_secret); /* always 0 */
}

void crypto_ed25519_from_seed(const uint8_t seed[static ED25519_SEED_SIZE],
                              uint8_t ret_public[static ED25519_PUBLIC_SIZE],
                              uint8_t ret_secret[static ED25519_SECRET_SIZE])
{
    require_library();
    (void)crypto_sign_seed_keypair(ret_public, ret_secret, seed); /* always 0 */
}

void crypto_ed25519_sign(struct str data, const uint8_t secret[static ED25519_SECRET_SIZE],
                         uint8_t ret_sig[static ED25519_SIG_SIZE])
{
    (void)crypto_sign_detached(ret_sig, NULL, bytes_of(data), data.len, secret); /* always 0 */
}

bool crypto_ed25519_verify(struct str data, const uint8_t sig[static ED25519_SIG_SIZE],
                           const uint8_t public_key[static ED25519_PUBLIC_SIZE])
{
    return crypto_sign_verify_detached(sig, bytes_of(data), data.len, public_key) == 0;
}

void crypto_seal(struct str plain, const uint8_t key[static CRYPTO_SEAL_KEY_SIZE],
                 uint8_t *ret_sealed)
{
    require_library();
    randombytes_buf(ret_sealed, crypto_secretbox_NONCEBYTES);
    (void)crypto_secretbox_easy(ret_sealed + crypto_secretbox_NONCEBYTES, bytes_of(plain),
                                plain.len, ret_sealed,
                                key); /* fails only for lengths that no memory has */
}

enum err crypto_unseal(struct str sealed, const uint8_t key[static CRYPTO_SEAL_KEY_SIZE],
                       uint8_t *ret_plain)
{
    if (sealed.len < CRYPTO_SEAL_EXTRA)
        return ERR_CORRUPT;
    const unsigned char *nonce = bytes_of(sealed);
    const unsigned char *box = nonce + crypto_secretbox_NONCEBYTES;
    size_t box_len = sealed.len - crypto_secretbox_NONCEBYTES;
    return crypto_secretbox_open_easy(ret_plain, box, box_len, nonce, key) == 0 ? ERR_OK
                                                                                : ERR_CORRUPT;
}

enum err crypto_password_hash(struct str password, char ret_hash[static PASSWORD_HASH_SIZE])
{
    char hash[crypto_pwhash_STRBYTES];
    require_library();
    if (crypto_pwhash_str(hash, password.data ? password.data : "", password.len,
                          crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
        return ERR_NOMEM;
    memcpy(ret_hash, hash, sizeof(hash));
    return ERR_OK;
}

bool crypto_password_verify(struct str password, const char *hash)
{
    const char *text = password.data ? password.data : "";
    require_library();
    return crypto_pwhash_str_verify(hash, text, password.len) == 0;
}

void hex_append(struct buf *buf, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    char *out = len <= SIZE_MAX / 2 - 1 ? buf_reserve(buf, len * 2) : NULL;
    if (!out) {
        buf->overflow = true;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    buf->len += len * 2;
}

/* 0-15, or -1 when it is not a lowercase hexadecimal digit. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err hex_decode(struct str text, void *ret_data, size_t size, size_t *ret_len)
{
    unsigned char *out = ret_data;
    if (text.len % 2 != 0 || text.len / 2 > size)
        return ERR_INVALID;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = hex_value(text.data[i]);
        int low = hex_value(text.data[i + 1]);
        if (high < 0 || low < 0)
            return ERR_INVALID;
        out[i / 2] = (unsigned char)(high << 4 | low);
    }
    *ret_len = text.len / 2;
    return ERR_OK;
}

static void base64_append_as(struct buf *buf, struct str data, int variant)
{
    if (data.len > SIZE_MAX / 2) {
        buf->overflow = true;
        return;
    }
    size_t size = sodium_base64_encoded_len(data.len, variant); /* counts the NUL */
    char *out = buf_reserve(buf, size - 1);
    if (!out)
        return;
    (void)sodium_bin2base64(out, size, bytes_of(data), data.len, variant); /* gives out */
    buf->len += strlen(out);
}

void base64_append(struct buf *buf, const void *data, size_t len)
{
    base64_append_as(buf, str_from(data, len), sodium_base64_VARIANT_ORIGINAL);
}

void base64url_append(struct buf *buf, const void *data, size_t len)
{
    base64_append_as(buf, str_from(data, len), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* libsodium takes the byte 0xff, which is -1 as a char, for a digit. */
static bool is_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] > 0x7f)
            return false;
    return true;
}

enum err base64_decode(struct str text, void *ret_data, size_t size, size_t *ret_len)
{
    size_t len = 0;
    if (!is_ascii(text) || sodium_base642bin(ret_data, size, (const char *)bytes_of(text), text.len,
                                             NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
        return ERR_INVALID;
    *ret_len = len;
    return ERR_OK;
}

enum err base64url_decode(struct str text, void *ret_data, size_t size, size_t *ret_len)
{
    size_t len = 0;
    if (!is_ascii(text) ||
        sodium_base642bin(ret_data, size, (const char *)bytes_of(text), text.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return ERR_INVALID;
    *ret_len = len;
    return ERR_OK;
}
