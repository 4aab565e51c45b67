/* The closed list of a room: its text's hash, and the order of the places. Cost, measured with 150,000
 * entries: see docs/design/onsale.md. On the rooms' thread; the writer only gets what comes out. */
#include "tickets/queue_internal.h"

#include <stdlib.h>

#include "base/log.h"
#include "tickets/queue_order.h"

void queue_order_release(struct queue_order *order)
{
    free(order->ids);
    *order = (struct queue_order){.is_known = false};
}

struct list_reading {
    struct queue_order *order;
    struct crypto_sha256 hash;
    uint64_t event_id;
};

static enum err on_id(uint64_t id, void *ctx)
{
    struct list_reading *reading = ctx;
    struct queue_order *order = reading->order;
    char text[ID_TEXT_SIZE];
    if (order->count == order->cap) {
        size_t cap = order->cap ? order->cap * 2 : 1024;
        uint64_t *ids = realloc(order->ids, cap * sizeof(*ids));
        if (!ids)
            return ERR_NOMEM;
        order->ids = ids;
        order->cap = cap;
    }
    order->ids[order->count++] = id;
    crypto_sha256_add(&reading->hash, id_format2(text, "que", reading->event_id, id));
    crypto_sha256_add(&reading->hash, STR("\n"));
    return ERR_OK;
}

static enum err put_in_order(struct queue_order *order, uint64_t event_id,
                             const struct queue_secret *secret)
{
    uint8_t key[SHA256_SIZE];
    struct queue_ranked *ranked = calloc(order->count + 1, sizeof(*ranked));
    if (!ranked)
        return ERR_NOMEM;
    queue_order_key(secret->seed, secret->entries_hash, key);
    for (size_t i = 0; i < order->count; i++) {
        char text[ID_TEXT_SIZE];
        ranked[i].id = order->ids[i];
        queue_order_rank(key, id_format2(text, "que", event_id, order->ids[i]), ranked[i].rank);
    }
    qsort(ranked, order->count, sizeof(*ranked), queue_order_compare);
    for (size_t i = 0; i < order->count; i++)
        order->ids[i] = ranked[i].id;
    free(ranked);
    return ERR_OK;
}

enum err queue_list_read(struct queue_desk *queue, const struct queue_terms *terms,
                         struct queue_order *order)
{
    struct queue_secret secret;
    struct list_reading reading = {.order = order, .event_id = terms->event_id};
    queue_order_release(order);
    crypto_sha256_begin(&reading.hash);
    enum err err = queue_store_list(queue->db, terms->event_id, terms->closed_at, on_id, &reading);
    if (!err)
        err = queue_store_secret(queue->db, terms->event_id, &secret);
    if (err)
        return err;
    crypto_sha256_end(&reading.hash, order->entries_hash);
    bool is_whole = (int64_t)order->count == terms->entry_count;
    bool is_same =
        !secret.is_revealed || memcmp(secret.entries_hash, order->entries_hash, SHA256_SIZE) == 0;
    if (!is_whole || !is_same) { /* rows were changed by hand: the audit says what is wrong */
        log_error("the closed list of a waiting room is not what it was", "event=%llu",
                  (unsigned long long)terms->event_id);
        return ERR_CORRUPT;
    }
    if (secret.is_revealed)
        err = put_in_order(order, terms->event_id, &secret);
    order->is_known = !err;
    crypto_wipe(&secret, sizeof(secret));
    return err;
}
