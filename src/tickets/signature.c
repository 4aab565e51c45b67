/*
 * Checking who sent a callback. Order matters: the signature first, the time second, so that a
 * forger learns nothing about our clock; comparison in constant time. The time is text in the
 * signed bytes, taken as it was sent: "0100" and "100" are different messages. No state, any
 * thread.
 */
#include "tickets/signature.h"

#include "base/crypto.h"

struct signature_parts {
    struct str time_text;
    struct str macs[SIGNATURE_PARTS_MAX];
    size_t mac_count;
};

static enum err header_parse(struct str header, struct signature_parts *ret_parts)
{
    *ret_parts = (struct signature_parts){0};
    if (header.len == 0 || header.len > SIGNATURE_HEADER_MAX)
        return ERR_INVALID;
    for (size_t count = 0; header.len > 0; count++) {
        if (count == SIGNATURE_PARTS_MAX)
            return ERR_INVALID;
        struct str value = str_trim(str_split(&header, ','));
        struct str name = str_split(&value, '=');
        if (str_eq(name, STR("t"))) {
            if (ret_parts->time_text.len > 0)
                return ERR_INVALID;
            ret_parts->time_text = value;
        } else if (str_eq(name, STR("v1"))) {
            ret_parts->macs[ret_parts->mac_count++] = value;
        }
    }
    return ret_parts->time_text.len > 0 && ret_parts->mac_count > 0 ? ERR_OK : ERR_INVALID;
}

/* "<t>.<body>" */
static enum err signed_text(struct buf *buf, struct str time_text, struct str body)
{
    buf_append_str(buf, time_text);
    buf_append_char(buf, '.');
    buf_append_str(buf, body);
    return buf->overflow ? ERR_NOMEM : ERR_OK;
}

static bool is_signed_by(struct str secret, struct str text, const struct signature_parts *parts)
{
    uint8_t expected[SHA256_SIZE], given[SHA256_SIZE];
    crypto_hmac_sha256(secret, text, expected);
    bool is_good = false;
    for (size_t i = 0; i < parts->mac_count; i++) {
        size_t len;
        if (hex_decode(parts->macs[i], given, sizeof(given), &len) == ERR_OK &&
            len == sizeof(given))
            is_good |= crypto_equal(expected, given, sizeof(expected));
    }
    crypto_wipe(expected, sizeof(expected));
    return is_good;
}

static enum err check_time(const struct signature_check *check, int64_t seconds,
                           int64_t *ret_signed_at_ms)
{
    int64_t at_ms = seconds * 1000;
    int64_t age_ms = check->now_ms - at_ms;
    /* The time has whole seconds: a fresh one may look up to a second old. */
    if (age_ms > check->tolerance_ms + 999 || -age_ms > check->tolerance_ms)
        return ERR_TIMEOUT;
    *ret_signed_at_ms = at_ms;
    return ERR_OK;
}

enum err signature_verify(const struct signature_check *check, int64_t *ret_signed_at_ms)
{
    struct signature_parts parts;
    enum err err = header_parse(check->header, &parts);
    if (err)
        return err;
    int64_t seconds;
    if (str_to_i64(parts.time_text, &seconds) != ERR_OK || seconds < 0 ||
        seconds > INT64_MAX / 2000)
        return ERR_INVALID;
    struct buf text;
    buf_init(&text, parts.time_text.len + 1 + check->body.len);
    err = signed_text(&text, parts.time_text, check->body);
    bool is_good = false;
    struct str secrets = check->secrets;
    while (!err && secrets.len > 0) {
        struct str secret = str_trim(str_split(&secrets, ','));
        if (secret.len > 0)
            is_good |= is_signed_by(secret, buf_str(&text), &parts);
    }
    buf_release(&text);
    if (err)
        return err;
    return is_good ? check_time(check, seconds, ret_signed_at_ms) : ERR_DENIED;
}

void signature_append(struct buf *buf, struct str secret, int64_t at_ms, struct str body)
{
    struct buf text;
    buf_init(&text, body.len + 32);
    buf_printf(&text, "%lld.", (long long)(at_ms / 1000));
    size_t time_len = text.len;
    buf_append_str(&text, body);
    uint8_t mac[SHA256_SIZE];
    crypto_hmac_sha256(secret, buf_str(&text), mac);
    buf_append_str(buf, STR("t="));
    buf_append(buf, text.data, time_len - 1);
    buf_append_str(buf, STR(",v1="));
    hex_append(buf, mac, sizeof(mac));
    buf_release(&text);
}
