/* Making the headers of signatures; the forms stand in signing.h. */
#include "hooks/signing.h"

#include <assert.h>
#include <stdio.h>

#include "base/crypto.h"

#define SECRET_PREFIX   STR("whsec_")
#define VALUE_MAX       (SIGNING_HEADER_TEXT_MAX - 32) /* less the name */
#define SIGNED_HEAD_MAX 128                            /* id and time before the body */

void signing_secret_text(struct str key, char ret_text[static SIGNING_SECRET_TEXT_MAX])
{
    struct buf text;
    assert(key.len <= SIGNING_KEY_BYTES_MAX);
    buf_init(&text, SIGNING_SECRET_TEXT_MAX - 1);
    buf_append_str(&text, SECRET_PREFIX);
    base64_append(&text, key.data, key.len);
    (void)snprintf(ret_text, SIGNING_SECRET_TEXT_MAX, "%.*s", STR_ARG(buf_str(&text)));
    if (text.data)
        crypto_wipe(text.data, text.len);
    buf_release(&text);
}

static void add_line(struct signing_headers *headers, const char *name, struct str value)
{
    assert(headers->count < SIGNING_HEADERS_MAX);
    (void)snprintf(headers->lines[headers->count++], SIGNING_HEADER_TEXT_MAX, "%s: %.*s", name,
                   STR_ARG(value));
}

/* "v1,<base64> v1a,<base64>" */
static void standard_signatures(const struct signing *signing, struct str text, struct buf *value)
{
    for (size_t i = 0; i < signing->key_count; i++) {
        uint8_t mac[SHA256_SIZE], signature[ED25519_SIG_SIZE];
        if (i > 0)
            buf_append_char(value, ' ');
        if (signing->is_ed25519[i]) {
            crypto_ed25519_sign(text, (const uint8_t *)signing->keys[i].data, signature);
            buf_append_str(value, STR("v1a,"));
            base64_append(value, signature, sizeof(signature));
        } else {
            crypto_hmac_sha256(signing->keys[i], text, mac);
            buf_append_str(value, STR("v1,"));
            base64_append(value, mac, sizeof(mac));
        }
    }
}

static enum err add_standard(const struct signing *signing, struct str time_text,
                             struct str signed_text, struct signing_headers *headers)
{
    struct buf value;
    buf_init(&value, VALUE_MAX);
    standard_signatures(signing, signed_text, &value);
    enum err err = value.overflow ? ERR_NOMEM : ERR_OK;
    if (!err) {
        add_line(headers, "webhook-id", signing->message_id);
        add_line(headers, "webhook-timestamp", time_text);
        add_line(headers, "webhook-signature", buf_str(&value));
        add_line(headers, "svix-id", signing->message_id);
        add_line(headers, "svix-timestamp", time_text);
        add_line(headers, "svix-signature", buf_str(&value));
    }
    buf_release(&value);
    return err;
}

static enum err add_timestamped(const struct signing *signing, struct str time_text,
                                struct str signed_text, struct signing_headers *headers)
{
    struct buf value;
    buf_init(&value, VALUE_MAX);
    buf_append_str(&value, STR("t="));
    buf_append_str(&value, time_text);
    for (size_t i = 0; i < signing->key_count; i++) {
        if (signing->is_ed25519[i])
            continue;
        uint8_t mac[SHA256_SIZE];
        char secret[SIGNING_SECRET_TEXT_MAX];
        signing_secret_text(signing->keys[i], secret);
        crypto_hmac_sha256(str_from_c(secret), signed_text, mac);
        crypto_wipe(secret, sizeof(secret));
        buf_append_str(&value, STR(",v1="));
        hex_append(&value, mac, sizeof(mac));
    }
    enum err err = value.overflow ? ERR_NOMEM : ERR_OK;
    if (!err)
        add_line(headers, "foyer-signature", buf_str(&value));
    buf_release(&value);
    return err;
}

static bool is_valid(const struct signing *signing)
{
    if (signing->key_count == 0 || signing->key_count > SIGNING_KEYS_MAX)
        return false;
    for (size_t i = 0; i < signing->key_count; i++)
        if (signing->keys[i].len > SIGNING_KEY_BYTES_MAX ||
            (signing->is_ed25519[i] && signing->keys[i].len != ED25519_SECRET_SIZE))
            return false;
    return signing->message_id.len <= SIGNED_HEAD_MAX / 2;
}

static bool has_hmac(const struct signing *signing)
{
    for (size_t i = 0; i < signing->key_count; i++)
        if (!signing->is_ed25519[i])
            return true;
    return false;
}

enum err signing_headers_make(const struct signing *signing, struct signing_headers *ret_headers)
{
    struct buf text;
    char time_text[24];
    if (!is_valid(signing))
        return ERR_INVALID;
    int time_len =
        snprintf(time_text, sizeof(time_text), "%lld", (long long)(signing->at_ms / 1000));
    struct str time = str_from(time_text, (size_t)time_len);
    ret_headers->count = 0;
    buf_init(&text, signing->body.len + SIGNED_HEAD_MAX);
    buf_append_str(&text, signing->message_id);
    buf_append_char(&text, '.');
    size_t time_at = text.len;
    buf_append_str(&text, time);
    buf_append_char(&text, '.');
    buf_append_str(&text, signing->body);
    enum err err = text.overflow ? ERR_NOMEM : ERR_OK;
    struct str whole = buf_str(&text);
    if (!err && signing->is_standard)
        err = add_standard(signing, time, whole, ret_headers);
    if (!err && signing->is_timestamped && has_hmac(signing))
        err = add_timestamped(signing, time, str_sub(whole, time_at, whole.len), ret_headers);
    buf_release(&text);
    return err;
}
