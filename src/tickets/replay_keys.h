/*
 * Which Idempotency-Keys have made a booking in the last IDEMPOTENCY_MS, in memory: lets the loop
 * refuse a taken seat at once without ever refusing a winner who lost the reply, and spares the
 * writer a look-up for keys it has never seen. The booking rows remain the truth: a hit is verified
 * against the row.
 */
#ifndef TICKETS_REPLAY_KEYS_H
#define TICKETS_REPLAY_KEYS_H

#include "store/writer.h"
#include "tickets/booking.h"

struct replay_keys;

struct replay_key {
    uint64_t event_id, account_id;
    const uint8_t *key_hash; /* 16 bytes */
};

ERR_MUST_USE enum err replay_keys_new(struct replay_keys **ret_keys);
void replay_keys_free(struct replay_keys *keys);
/* Reads the holds of the last IDEMPOTENCY_MS from the journal, on a thread of its own. */
ERR_MUST_USE enum err replay_keys_start(struct replay_keys *keys, const char *database_path);
void replay_keys_stop(struct replay_keys *keys);
/* 0 when the key is not known. Any thread. */
uint64_t replay_keys_find(struct replay_keys *keys, const struct replay_key *key);
/* True when a key that is not found is certainly new. Any thread. */
bool replay_keys_is_complete(const struct replay_keys *keys);
/* Known from now on: what the tail has read. Any thread. */
void replay_keys_note(struct replay_keys *keys, const struct replay_key *key, uint64_t booking_id);
/* In a job: known after the commit. Stage it before the seats' effects. */
ERR_MUST_USE enum err replay_keys_stage(struct replay_keys *keys, struct writer_tx *tx,
                                        const struct booking *booking);

#endif
