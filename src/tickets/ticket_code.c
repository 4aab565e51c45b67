/* The code of a ticket; its format stands in ticket_code.h. */
#include "tickets/ticket_code.h"

#include <assert.h>

#define PREFIX_LEN    3 /* "F1." */
#define PAYLOAD_SIZE  24
#define PAYLOAD_LEN   32
#define SIGNED_LEN    (PREFIX_LEN + PAYLOAD_LEN)
#define SIGNATURE_LEN 86
#define AREA_BIT      (UINT32_C(1) << 31)

static void put_be(uint8_t *at, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static uint64_t get_be(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return value;
}

struct str ticket_code_sign(const struct ticket_code *code,
                            const uint8_t secret[static ED25519_SECRET_SIZE],
                            char ret_text[static TICKET_CODE_SIZE])
{
    assert(code->place_no < AREA_BIT);
    uint8_t payload[PAYLOAD_SIZE], signature[ED25519_SIG_SIZE];
    put_be(payload, 4, code->key_id);
    put_be(payload + 4, 8, code->event_id);
    put_be(payload + 12, 8, code->ticket_id);
    put_be(payload + 20, 4, code->place_no | (code->is_area ? AREA_BIT : 0));
    struct buf text;
    buf_init(&text, TICKET_CODE_SIZE);
    buf_append_str(&text, STR(TICKET_CODE_FORMAT "."));
    base64url_append(&text, payload, sizeof(payload));
    crypto_ed25519_sign(buf_str(&text), secret, signature);
    buf_append_char(&text, '.');
    base64url_append(&text, signature, sizeof(signature));
    ret_text[0] = '\0';
    bool is_whole = text.len == TICKET_CODE_LEN; /* not when out of memory */
    if (is_whole) {
        memcpy(ret_text, text.data, text.len);
        ret_text[text.len] = '\0';
    }
    buf_release(&text);
    return str_from(ret_text, is_whole ? TICKET_CODE_LEN : 0);
}

enum err ticket_code_parse(struct str text, struct ticket_code *ret_code)
{
    uint8_t payload[PAYLOAD_SIZE], signature[ED25519_SIG_SIZE];
    size_t len;
    if (text.len != TICKET_CODE_LEN || !str_starts_with(text, STR(TICKET_CODE_FORMAT ".")) ||
        text.data[SIGNED_LEN] != '.')
        return ERR_INVALID;
    struct str payload_text = str_sub(text, PREFIX_LEN, PAYLOAD_LEN);
    struct str signature_text = str_sub(text, SIGNED_LEN + 1, SIGNATURE_LEN);
    if (base64url_decode(payload_text, payload, sizeof(payload), &len) || len != sizeof(payload) ||
        base64url_decode(signature_text, signature, sizeof(signature), &len) ||
        len != sizeof(signature))
        return ERR_INVALID;
    struct ticket_code code = {.key_id = (uint32_t)get_be(payload, 4),
                               .event_id = get_be(payload + 4, 8),
                               .ticket_id = get_be(payload + 12, 8)};
    uint32_t place = (uint32_t)get_be(payload + 20, 4);
    if (code.event_id > INT64_MAX || code.ticket_id > INT64_MAX)
        return ERR_INVALID; /* ids have 63 bits */
    code.is_area = (place & AREA_BIT) != 0;
    code.place_no = place & ~AREA_BIT;
    *ret_code = code;
    return ERR_OK;
}

bool ticket_code_verify(struct str text, const uint8_t public_key[static ED25519_PUBLIC_SIZE])
{
    uint8_t signature[ED25519_SIG_SIZE];
    size_t len;
    if (text.len != TICKET_CODE_LEN ||
        base64url_decode(str_sub(text, SIGNED_LEN + 1, SIGNATURE_LEN), signature, sizeof(signature),
                         &len) ||
        len != sizeof(signature))
        return false;
    return crypto_ed25519_verify(str_sub(text, 0, SIGNED_LEN), signature, public_key);
}
