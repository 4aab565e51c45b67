/*
 * Admission tokens: what an admitted person shows at the gate. 31 bytes in base64url: a version, the
 * entry, when it ends, and 16 bytes of HMAC-SHA-256 over these, the event and the account, so that it
 * opens one event to one account. Nothing in it is secret but the signature.
 *
 * Pure; any thread.
 */
#ifndef TICKETS_QUEUE_TOKEN_H
#define TICKETS_QUEUE_TOKEN_H

#include "base/crypto.h"

#define QUEUE_TOKEN_TEXT_SIZE 43 /* with NUL */
#define QUEUE_TOKEN_KEY_SIZE  SHA256_SIZE

struct queue_token {
    uint64_t event_id, account_id, entry_id;
    int64_t expires_at;
};

/* All nodes make the same key from the secret they share. */
void queue_token_key(struct str secret, uint8_t ret_key[static QUEUE_TOKEN_KEY_SIZE]);
void queue_token_write(const uint8_t key[static QUEUE_TOKEN_KEY_SIZE],
                       const struct queue_token *token,
                       char ret_text[static QUEUE_TOKEN_TEXT_SIZE]);
/* token says for which event and account it must be; the rest comes from the text. ERR_INVALID: not
 * one of ours, or for somebody else; ERR_TIMEOUT: it ended at or before now_ms. */
ERR_MUST_USE enum err queue_token_read(const uint8_t key[static QUEUE_TOKEN_KEY_SIZE],
                                       struct str text, int64_t now_ms, struct queue_token *token);

#endif
