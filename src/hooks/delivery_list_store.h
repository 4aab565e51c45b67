/* Deliveries as people look at them: see delivery.h. */
#ifndef HOOKS_DELIVERY_LIST_STORE_H
#define HOOKS_DELIVERY_LIST_STORE_H

#include "hooks/delivery.h"

struct delivery_counts {
    int64_t success, pending, dead;
};
struct delivery_span {
    int64_t now_ms;
    int64_t since_ms, until_ms; /* of the message's making; 0: open */
};
ERR_MUST_USE enum err delivery_store_count(struct db *db, uint64_t app_id, uint64_t endpoint_id,
                                           const struct delivery_span *span,
                                           struct delivery_counts *ret_counts);

/* All that waits, due or not, and what is under way; no further than QUEUED_COUNT_MAX. */
ERR_MUST_USE enum err delivery_store_count_waiting(struct db *db, uint64_t app_id,
                                                   uint64_t endpoint_id, int64_t now_ms,
                                                   int64_t *ret_count);

#define DELIVERY_ANY (-1)
/* Newest message first. */
struct delivery_query {
    uint64_t app_id;
    uint64_t endpoint_id;        /* 0: of all; dead ones only then */
    int64_t state;               /* enum delivery_state; DELIVERY_ANY: all */
    uint64_t before_id;          /* message; 0: from the newest on */
    uint64_t before_endpoint_id; /* without endpoint_id: items of that message below it come, too */
    struct delivery_span span;
    struct str event_types; /* a name a line; empty: any */
    size_t limit;
};
/* deliveries: room for limit. */
ERR_MUST_USE enum err delivery_store_list(struct db *db, const struct delivery_query *query,
                                          struct delivery *deliveries, size_t *ret_count);

#endif
