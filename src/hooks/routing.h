/*
 * Where messages of an application go: its active endpoints and what they want, kept in memory so that
 * a message does not read them anew.
 *
 * What apply decides by is always what the database says at that moment of its transaction:
 *  1. On SQLite only this writer changes rows. What was read is kept until any application or endpoint
 *     changes; the stores count their changes as they are made (endpoint_store_changes), so a change
 *     that is rolled back only costs another reading.
 *  2. Behind a change nothing is kept for the rest of its group: what is read there may be rolled back.
 *  3. On PostgreSQL other nodes change rows, too, but none of an application that the group has locked.
 *     What was read counts until the group ends.
 */
#ifndef HOOKS_ROUTING_H
#define HOOKS_ROUTING_H

#include "hooks/endpoint_store.h"
#include "store/writer.h"

struct routing;

struct route_targets {
    uint64_t account_id; /* whose application it is */
    size_t count;
    struct endpoint_target targets[ENDPOINTS_MAX];
};

ERR_MUST_USE enum err routing_new(struct routing **ret_routing);
void routing_free(struct routing *routing);

/* In apply, under the application's shard. Valid until the next call. ERR_NOT_FOUND: there is no such
 * application. */
ERR_MUST_USE enum err routing_get(struct routing *routing, struct writer_tx *tx, uint64_t app_id,
                                  const struct route_targets **ret_targets);

/* Any thread: an application that somebody has read, and whose it is. That never changes while it
 * exists; whether it still does is for apply to ask. */
void routing_learn(struct routing *routing, uint64_t app_id, uint64_t account_id);
bool routing_knows(struct routing *routing, uint64_t app_id, uint64_t *ret_account_id);

#endif
