/* Codes of the second factor. */
#include "app/totp.h"

#include <stdio.h>

#include "base/rand.h"

#define CODES_BELOW 1000000

uint32_t totp_number(struct str secret, uint64_t step)
{
    uint8_t counter[8];
    uint8_t mac[SHA1_SIZE];
    for (size_t i = 0; i < sizeof(counter); i++)
        counter[i] = (uint8_t)(step >> (56 - 8 * i));
    crypto_hmac_sha1(secret, str_from((const char *)counter, sizeof(counter)), mac);
    size_t at = mac[SHA1_SIZE - 1] & 15;
    return (uint32_t)(mac[at] & 127) << 24 | (uint32_t)mac[at + 1] << 16 |
           (uint32_t)mac[at + 2] << 8 | mac[at + 3];
}

void totp_code(const uint8_t secret[static TOTP_SECRET_SIZE], int64_t step,
               char ret_code[static TOTP_CODE_SIZE])
{
    uint32_t number =
        totp_number(str_from((const char *)secret, TOTP_SECRET_SIZE), (uint64_t)step) % CODES_BELOW;
    for (size_t i = TOTP_CODE_SIZE - 1; i-- > 0; number /= 10)
        ret_code[i] = (char)('0' + number % 10);
    ret_code[TOTP_CODE_SIZE - 1] = '\0';
}

int64_t totp_step_at(int64_t now_ms)
{
    return now_ms / TOTP_STEP_MS;
}

enum err totp_code_parse(struct str text, char ret_code[static TOTP_CODE_SIZE])
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == ' ')
            continue;
        if (c < '0' || c > '9' || len == TOTP_CODE_SIZE - 1)
            return ERR_INVALID;
        ret_code[len++] = c;
    }
    ret_code[len] = '\0';
    return len == TOTP_CODE_SIZE - 1 ? ERR_OK : ERR_INVALID;
}

bool totp_find_step(const uint8_t secret[static TOTP_SECRET_SIZE],
                    const char code[static TOTP_CODE_SIZE], int64_t now_ms, int64_t last_step,
                    int64_t *ret_step)
{
    bool is_found = false;
    int64_t now = totp_step_at(now_ms);
    for (int64_t step = now - TOTP_DRIFT; step <= now + TOTP_DRIFT; step++) {
        char right[TOTP_CODE_SIZE];
        totp_code(secret, step, right);
        bool is_right = crypto_equal(right, code, TOTP_CODE_SIZE);
        if (is_right && step > last_step && !is_found) {
            *ret_step = step;
            is_found = true;
        }
    }
    return is_found;
}

void totp_secret_text(const uint8_t secret[static TOTP_SECRET_SIZE],
                      char ret_text[static TOTP_TEXT_SIZE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* RFC 4648 */
    for (size_t i = 0; i < TOTP_TEXT_SIZE - 1; i++) {
        size_t bit = i * 5;
        unsigned pair = (unsigned)secret[bit / 8] << 8;
        if (bit / 8 + 1 < TOTP_SECRET_SIZE)
            pair |= secret[bit / 8 + 1];
        ret_text[i] = digits[pair >> (11 - bit % 8) & 31];
    }
    ret_text[TOTP_TEXT_SIZE - 1] = '\0';
}

static void append_escaped(struct buf *buf, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || (c && strchr("-._~", c));
        if (is_plain)
            buf_append_char(buf, c);
        else
            buf_printf(buf, "%%%02X", (unsigned)(uint8_t)c);
    }
}

struct str totp_url(struct arena *arena, struct str email, const char *secret_text)
{
    struct buf *buf = buf_new_in(arena, 2048);
    if (!buf)
        return STR_NONE;
    buf_append_str(buf, STR("otpauth://totp/Foyer:"));
    append_escaped(buf, email);
    buf_printf(buf, "?secret=%s&issuer=Foyer&algorithm=SHA1&digits=%d&period=%d", secret_text,
               TOTP_CODE_SIZE - 1, TOTP_STEP_MS / 1000);
    return buf->overflow ? STR_NONE : buf_str(buf);
}

/* Crockford's, as in ids: no letter looks like a digit. */
static const char recovery_digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void recovery_code_make(char ret_code[static RECOVERY_CODE_SIZE])
{
    uint8_t bytes[RECOVERY_CODE_SIZE];
    rand_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < RECOVERY_CODE_SIZE - 1; i++)
        ret_code[i] = i % 5 == 4 ? '-' : recovery_digits[bytes[i] & 31];
    ret_code[RECOVERY_CODE_SIZE - 1] = '\0';
    crypto_wipe(bytes, sizeof(bytes));
}

enum err recovery_code_hash(struct str text, uint8_t ret_hash[static SHA256_SIZE])
{
    char code[16];
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '-' || c == ' ')
            continue;
        c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        c = c == 'o' ? '0' : c == 'i' || c == 'l' ? '1' : c;
        if (len == sizeof(code) || c == '\0' || !strchr(recovery_digits, c))
            return ERR_INVALID;
        code[len++] = c;
    }
    if (len != sizeof(code))
        return ERR_INVALID;
    crypto_sha256(str_from(code, len), ret_hash);
    crypto_wipe(code, sizeof(code));
    return ERR_OK;
}
