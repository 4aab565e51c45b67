/* See web_push.h. */
#include "chat/web_push.h"

#include <string.h>

#include "base/crypto.h"
#include "base/json.h"
#include "base/rand.h"

#define JWT_MAX 1024

/* HKDF (RFC 5869) of one block at most. parts are what info is joined of. */
static void derive(struct str salt, struct str secret, const struct str *parts, size_t count,
                   uint8_t *ret_key, size_t len)
{
    uint8_t prk[SHA256_SIZE], out[SHA256_SIZE], info[256];
    size_t info_len = 0;
    crypto_hmac_sha256(salt, secret, prk);
    for (size_t i = 0; i < count && info_len + parts[i].len < sizeof(info); i++) {
        memcpy(info + info_len, parts[i].data, parts[i].len);
        info_len += parts[i].len;
    }
    info[info_len++] = 1;
    crypto_hmac_sha256(str_from((const char *)prk, sizeof(prk)),
                       str_from((const char *)info, info_len), out);
    memcpy(ret_key, out, len);
    crypto_wipe(prk, sizeof(prk));
    crypto_wipe(out, sizeof(out));
}

static struct str bytes(const uint8_t *data, size_t len)
{
    return str_from((const char *)data, len);
}

enum err web_push_seed_make(struct web_push_seed *ret_seed)
{
    rand_bytes(ret_seed->salt, sizeof(ret_seed->salt));
    return p256_key_make(&ret_seed->key);
}

static void put_head(struct buf *buf, const struct web_push_seed *seed)
{
    static const uint8_t record_size[] = {0, 0, WEB_PUSH_BODY_MAX >> 8, WEB_PUSH_BODY_MAX & 255};
    buf_append(buf, seed->salt, sizeof(seed->salt));
    buf_append(buf, record_size, sizeof(record_size));
    buf_append_char(buf, P256_PUBLIC_SIZE);
    buf_append(buf, seed->key.public_key, P256_PUBLIC_SIZE);
}

static size_t padded(size_t len, size_t pad_to)
{
    size_t whole = pad_to ? (len + pad_to - 1) / pad_to * pad_to : len;
    return whole > WEB_PUSH_PLAIN_MAX ? WEB_PUSH_PLAIN_MAX : whole;
}

/* text, the delimiter of the last record, zeros. */
static enum err seal_record(struct str plain, size_t pad_to, const uint8_t *key,
                            const uint8_t *nonce, struct buf *buf)
{
    uint8_t record[WEB_PUSH_PLAIN_MAX + 1] = {0}, sealed[WEB_PUSH_PLAIN_MAX + 1 + AES128_TAG_SIZE];
    size_t len = padded(plain.len, pad_to) + 1;
    if (plain.len > 0)
        memcpy(record, plain.data, plain.len);
    record[plain.len] = 2;
    enum err err = aes128_gcm_seal(key, nonce, bytes(record, len), sealed);
    crypto_wipe(record, sizeof(record));
    if (!err)
        buf_append(buf, sealed, len + AES128_TAG_SIZE);
    return err ? err : buf->overflow ? ERR_NOMEM : ERR_OK;
}

enum err web_push_seal(const struct web_push_target *target, const struct web_push_seed *seed,
                       struct str plain, size_t pad_to, struct buf *ret_body)
{
    uint8_t shared[P256_SHARED_SIZE], input[SHA256_SIZE], key[AES128_KEY_SIZE],
        nonce[AES128_NONCE_SIZE];
    if (plain.len > WEB_PUSH_PLAIN_MAX)
        return ERR_LIMIT;
    enum err err = p256_shared(&seed->key, target->public_key, shared);
    if (err)
        return err;
    /* The zero that ends these texts belongs to them. */
    struct str pair[] = {str_from("WebPush: info", sizeof("WebPush: info")),
                         bytes(target->public_key, P256_PUBLIC_SIZE),
                         bytes(seed->key.public_key, P256_PUBLIC_SIZE)};
    struct str key_info =
        str_from("Content-Encoding: aes128gcm", sizeof("Content-Encoding: aes128gcm"));
    struct str nonce_info = str_from("Content-Encoding: nonce", sizeof("Content-Encoding: nonce"));
    struct str salt = bytes(seed->salt, sizeof(seed->salt));
    derive(bytes(target->auth, sizeof(target->auth)), bytes(shared, sizeof(shared)), pair, 3, input,
           sizeof(input));
    derive(salt, bytes(input, sizeof(input)), &key_info, 1, key, sizeof(key));
    derive(salt, bytes(input, sizeof(input)), &nonce_info, 1, nonce, sizeof(nonce));
    put_head(ret_body, seed);
    err = seal_record(plain, pad_to, key, nonce, ret_body);
    crypto_wipe(shared, sizeof(shared));
    crypto_wipe(input, sizeof(input));
    crypto_wipe(key, sizeof(key));
    return err;
}

struct str web_push_origin(struct str endpoint)
{
    size_t at = str_find(endpoint, ':', 0) + 3; /* "://" */
    while (at < endpoint.len && !strchr("/?#", endpoint.data[at]))
        at++;
    return str_sub(endpoint, 0, at);
}

static void put_base64url(struct buf *buf, struct str text)
{
    base64url_append(buf, text.data, text.len);
}

enum err web_push_authorize(const struct p256_key *key, struct str endpoint, struct str contact,
                            int64_t until_ms, struct buf *ret_value)
{
    char claims[JWT_MAX], signed_text[2 * JWT_MAX];
    struct buf claim = {.data = claims, .cap = sizeof(claims), .max = sizeof(claims)};
    struct buf text = {.data = signed_text, .cap = sizeof(signed_text), .max = sizeof(signed_text)};
    uint8_t sig[P256_SIG_SIZE];
    struct json_writer writer;
    json_begin(&writer, &claim);
    json_open_object(&writer);
    json_put_str(&writer, "aud", web_push_origin(endpoint));
    json_put_i64(&writer, "exp", until_ms / 1000);
    json_put_str(&writer, "sub", contact);
    json_close_object(&writer);
    put_base64url(&text, STR("{\"typ\":\"JWT\",\"alg\":\"ES256\"}"));
    buf_append_char(&text, '.');
    put_base64url(&text, buf_str(&claim));
    if (claim.overflow || text.overflow)
        return ERR_LIMIT;
    enum err err = p256_sign(key, buf_str(&text), sig);
    if (err)
        return err;
    buf_append_str(ret_value, STR("vapid t="));
    buf_append_str(ret_value, buf_str(&text));
    buf_append_char(ret_value, '.');
    base64url_append(ret_value, sig, sizeof(sig));
    buf_append_str(ret_value, STR(", k="));
    base64url_append(ret_value, key->public_key, P256_PUBLIC_SIZE);
    return ret_value->overflow ? ERR_NOMEM : ERR_OK;
}
