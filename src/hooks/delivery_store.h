/* Rows of deliveries: see delivery.h. */
#ifndef HOOKS_DELIVERY_STORE_H
#define HOOKS_DELIVERY_STORE_H

#include "hooks/delivery.h"

/* In apply, after ring_open. Of a message that is made in the same transaction: there is no row. */
ERR_MUST_USE enum err delivery_store_add(struct db *db, const struct delivery *delivery);
/* In apply, after ring_open. Takes the place of the row that is there. */
ERR_MUST_USE enum err delivery_store_put(struct db *db, const struct delivery *delivery);
ERR_MUST_USE enum err delivery_store_delete(struct db *db, const struct delivery_key *key);

/* Those of an endpoint that wait in one lane, in one slot of the ring, the first ones to be due first;
 * before_ms: only those that were made earlier (0: all). */
struct delivery_wait {
    size_t slot;
    enum lane lane;
    uint64_t app_id, endpoint_id;
    int64_t before_ms;
    size_t limit;
};
ERR_MUST_USE enum err delivery_store_waiting(struct db *db, const struct delivery_wait *wait,
                                             struct delivery *ret_rows, size_t *ret_count);
/* Each endpoint and lane in which something waits in that slot, and when the first is due. */
struct delivery_line {
    uint64_t app_id, endpoint_id;
    enum lane lane;
    int64_t next_at;
};
ERR_MUST_USE enum err delivery_store_each_line(struct db *db, size_t slot,
                                               enum err (*on_line)(const struct delivery_line *line,
                                                                   void *ctx),
                                               void *ctx);

#endif
