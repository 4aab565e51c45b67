/*
 * The order in which those stand who came before the sale: recomputable by anybody from what is
 * public afterwards. commitment = SHA-256(seed). The list's text has the ids of its entries as the API
 * shows them, ascending, each with a newline behind it; entries_hash = SHA-256 of it. An entry's rank is
 * HMAC-SHA-256 with the key SHA-256(seed || entries_hash) over its id as text; lower ranks (as
 * unsigned bytes) stand further in front.
 *
 * Pure; any thread.
 */
#ifndef TICKETS_QUEUE_ORDER_H
#define TICKETS_QUEUE_ORDER_H

#include "base/crypto.h"

#define QUEUE_ORDER_ALGORITHM "foyer-queue-1"

struct queue_ranked {
    uint8_t rank[SHA256_SIZE];
    uint64_t id;
};

/* The key of the ranks. */
void queue_order_key(const uint8_t seed[static SHA256_SIZE],
                     const uint8_t entries_hash[static SHA256_SIZE],
                     uint8_t ret_key[static SHA256_SIZE]);
/* Over an id as text. */
void queue_order_rank(const uint8_t key[static SHA256_SIZE], struct str id,
                      uint8_t ret_rank[static SHA256_SIZE]);
/* Negative, 0 or positive, for qsort over struct queue_ranked. */
int queue_order_compare(const void *a, const void *b);

#endif
