/* The published order; see queue_order.h. */
#include "tickets/queue_order.h"

#include <string.h>

void queue_order_key(const uint8_t seed[static SHA256_SIZE],
                     const uint8_t entries_hash[static SHA256_SIZE],
                     uint8_t ret_key[static SHA256_SIZE])
{
    crypto_sha256_2(str_from((const char *)seed, SHA256_SIZE),
                    str_from((const char *)entries_hash, SHA256_SIZE), ret_key);
}

void queue_order_rank(const uint8_t key[static SHA256_SIZE], struct str id,
                      uint8_t ret_rank[static SHA256_SIZE])
{
    crypto_hmac_sha256(str_from((const char *)key, SHA256_SIZE), id, ret_rank);
}

int queue_order_compare(const void *a, const void *b)
{
    const struct queue_ranked *first = a, *second = b;
    int order = memcmp(first->rank, second->rank, SHA256_SIZE);
    if (order != 0)
        return order;
    return first->id < second->id ? -1 : first->id > second->id;
}
