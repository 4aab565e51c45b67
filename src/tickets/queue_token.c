/* Admission tokens; see queue_token.h. */
#include "tickets/queue_token.h"

#include <string.h>

#define VERSION     1
#define MAC_SIZE    16
#define BODY_SIZE   15 /* version 1, entry 8, expiry 6 */
#define TOKEN_SIZE  (BODY_SIZE + MAC_SIZE)
#define SIGNED_SIZE (BODY_SIZE + 16) /* and event and account */

static void put(uint8_t *bytes, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static uint64_t take(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

void queue_token_key(struct str secret, uint8_t ret_key[static QUEUE_TOKEN_KEY_SIZE])
{
    crypto_hmac_sha256(secret, STR("foyer admission token 1"), ret_key);
}

static void sign(const uint8_t key[static QUEUE_TOKEN_KEY_SIZE],
                 const uint8_t body[static BODY_SIZE], const struct queue_token *token,
                 uint8_t ret_mac[static SHA256_SIZE])
{
    uint8_t text[SIGNED_SIZE];
    memcpy(text, body, BODY_SIZE);
    put(text + BODY_SIZE, 8, token->event_id);
    put(text + BODY_SIZE + 8, 8, token->account_id);
    crypto_hmac_sha256(str_from((const char *)key, QUEUE_TOKEN_KEY_SIZE),
                       str_from((const char *)text, SIGNED_SIZE), ret_mac);
}

void queue_token_write(const uint8_t key[static QUEUE_TOKEN_KEY_SIZE],
                       const struct queue_token *token, char ret_text[static QUEUE_TOKEN_TEXT_SIZE])
{
    uint8_t bytes[TOKEN_SIZE], mac[SHA256_SIZE];
    bytes[0] = VERSION;
    put(bytes + 1, 8, token->entry_id);
    put(bytes + 9, 6, (uint64_t)token->expires_at);
    sign(key, bytes, token, mac);
    memcpy(bytes + BODY_SIZE, mac, MAC_SIZE);
    struct buf text = {
        .data = ret_text, .cap = QUEUE_TOKEN_TEXT_SIZE - 1, .max = QUEUE_TOKEN_TEXT_SIZE - 1};
    base64url_append(&text, bytes, TOKEN_SIZE);
    ret_text[text.len] = '\0';
}

enum err queue_token_read(const uint8_t key[static QUEUE_TOKEN_KEY_SIZE], struct str text,
                          int64_t now_ms, struct queue_token *token)
{
    uint8_t bytes[TOKEN_SIZE], mac[SHA256_SIZE];
    size_t size = 0;
    if (text.len != QUEUE_TOKEN_TEXT_SIZE - 1 ||
        base64url_decode(text, bytes, sizeof(bytes), &size) != ERR_OK || size != TOKEN_SIZE ||
        bytes[0] != VERSION)
        return ERR_INVALID;
    token->entry_id = take(bytes + 1, 8);
    token->expires_at = (int64_t)take(bytes + 9, 6);
    sign(key, bytes, token, mac);
    if (!crypto_equal(mac, bytes + BODY_SIZE, MAC_SIZE))
        return ERR_INVALID;
    return token->expires_at <= now_ms ? ERR_TIMEOUT : ERR_OK;
}
