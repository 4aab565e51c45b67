/*
 * Fuzz target of admission tokens. Whatever comes: no crash, and nothing that our key has not signed a
 * moment ago is accepted; what its bytes say, signed by us, is accepted and says the same.
 *
 * Run: queue_token_fuzz tests/fuzz/corpus/queue_token
 */
#include "fuzz.h"

#include "tickets/queue_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t key[QUEUE_TOKEN_KEY_SIZE];
    static bool has_key;
    char text[QUEUE_TOKEN_TEXT_SIZE];
    if (!has_key) {
        uint8_t secret[32];
        require(crypto_init() == ERR_OK);
        crypto_sha256(STR("fuzz"), secret);
        queue_token_key(str_from((const char *)secret, sizeof(secret)), key);
        has_key = true;
    }
    struct queue_token token = {.event_id = 7, .account_id = 8};
    struct str input = str_from((const char *)data, size);
    enum err err = queue_token_read(key, input, 0, &token);
    require(err == ERR_INVALID || err == ERR_TIMEOUT || err == ERR_OK);
    if (size < 14)
        return 0;
    struct queue_token made = {.event_id = 7, .account_id = 8}, again = made;
    memcpy(&made.entry_id, data, 8);
    for (size_t i = 8; i < 14; i++)
        made.expires_at = made.expires_at << 8 | data[i];
    queue_token_write(key, &made, text);
    require(queue_token_read(key, str_from_c(text), made.expires_at - 1, &again) == ERR_OK);
    require(again.entry_id == made.entry_id && again.expires_at == made.expires_at);
    require(queue_token_read(key, str_from_c(text), made.expires_at, &again) == ERR_TIMEOUT);
    /* What was given is ours only if it is what we have just written for these numbers. */
    if (err != ERR_INVALID) {
        queue_token_write(key, &token, text);
        require(str_eq(str_from_c(text), input));
    }
    return 0;
}
