/*
 * Idempotency-Key: what was answered first is answered again. Rows live in the database of the
 * service that wrote, committed with what the request did; only successes are kept, for
 * IDEMPOTENCY_MS. See dispatch.c for when it is asked.
 */
#ifndef APP_IDEMPOTENCY_H
#define APP_IDEMPOTENCY_H

#include "app/route.h"

#define IDEMPOTENCY_KEY_MAX     255
#define IDEMPOTENCY_KEEP_MS     (24 * INT64_C(3600) * 1000)
#define IDEMPOTENCY_HASH_SIZE   16
#define IDEMPOTENCY_PURGE_CHUNK 64

struct idempotency_key {
    uint64_t caller_id; /* account, or key without one; 0: anonymous */
    uint8_t key_hash[IDEMPOTENCY_HASH_SIZE];
    uint8_t body_hash[IDEMPOTENCY_HASH_SIZE];
};

struct idempotency_answer {
    bool is_same_body; /* false: the key belongs to another request, and there is no answer */
    int status;
    struct str body; /* arena */
};

/* 1-255 visible ASCII characters. */
bool idempotency_key_is_valid(struct str key);
/* SHA-256 of method, target and body. ERR_NOMEM. */
ERR_MUST_USE enum err idempotency_hash_body(struct request *request, uint8_t ret_hash[static 32]);
/* From the call's key, body_hash and caller. */
void idempotency_key_init(struct idempotency_key *key, const struct call *call);

/* idempotency_store.c: reader or writer connection. ERR_NOT_FOUND also when it is older than it
 * is kept. */
ERR_MUST_USE enum err idempotency_find(struct db *db, struct arena *arena,
                                       const struct idempotency_key *key, int64_t now_ms,
                                       struct idempotency_answer *ret_answer);
/* In apply, after an exact idempotency_find; body: UTF-8. */
ERR_MUST_USE enum err idempotency_put(struct db *db, const struct idempotency_key *key, int status,
                                      struct str body, int64_t now_ms);
/* Deletes at most IDEMPOTENCY_PURGE_CHUNK of the rows that are too old. */
ERR_MUST_USE enum err idempotency_purge(struct db *db, int64_t now_ms, int64_t *ret_deleted);

#endif
