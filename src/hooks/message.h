/*
 * Ingest: a message is taken in one transaction with the deliveries that it asks for.
 */
#ifndef HOOKS_MESSAGE_H
#define HOOKS_MESSAGE_H

#include "base/crypto.h"
#include "hooks/hooks.h"
#include "hooks/message_store.h"

/* What came in. id and created_at are set by message_take. */
struct ingest {
    struct message message;
    struct str idempotency_key; /* STR_NONE: none */
    uint64_t caller_id;         /* whose key it is */
    uint64_t only_endpoint_id;  /* 0: all that match */
    bool has_hash;              /* message_hash has run; message_take runs it else */
    uint8_t hash[SHA256_SIZE];
    bool is_exempt; /* Foyer's own: no quota counts for it */
};

enum ingest_outcome {
    INGEST_TAKEN,
    INGEST_SAME,          /* it came before, and is filled in as it came first */
    INGEST_OTHER_EVENT,   /* the eventId came before, with another body */
    INGEST_OTHER_REQUEST, /* the key came before, with another body */
    INGEST_BACKLOG        /* too much waits already: nothing was stored */
};

/* Any thread: what message_take compares, when the message has a name under which it may come again. */
ERR_MUST_USE enum err message_hash(struct arena *arena, struct ingest *ingest);

/* In apply, under the application's shard. */
ERR_MUST_USE enum err message_take(struct hooks *hooks, struct writer_tx *tx, struct arena *arena,
                                   struct ingest *ingest, enum ingest_outcome *ret_outcome);

#endif
