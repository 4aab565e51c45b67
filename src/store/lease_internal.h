/*
 * Ids never go back when the clock does, not even over a restart: before ids are committed, the
 * database holds a bound that none of them exceeds (id_lease), and a new process begins above it.
 * The bound runs LEASE_MS ahead of the ids, so that it is written every few seconds instead of with
 * every group. Writer thread only.
 */
#ifndef STORE_LEASE_INTERNAL_H
#define STORE_LEASE_INTERNAL_H

#include "base/ids.h"
#include "store/db.h"

#define LEASE_MS       20000
#define LEASE_RENEW_MS 10000

struct lease {
    struct id_gen *ids;
    uint64_t until_id;   /* committed */
    uint64_t pending_id; /* written in the open transaction; 0: nothing */
};

/* Starts ids above what an earlier process may have used. */
ERR_MUST_USE enum err lease_init(struct lease *lease, struct db *db, struct id_gen *ids,
                                 uint32_t node);
/* In a transaction, last thing before the commit: raises the bound when the ids come near. */
ERR_MUST_USE enum err lease_reserve(struct lease *lease, struct db *db);
/* After the transaction. */
void lease_end(struct lease *lease, bool is_committed);
/* At a clean stop, outside a transaction: the bound comes down to the last id, so that ids of the
 * next process start at its clock. */
ERR_MUST_USE enum err lease_settle(struct lease *lease, struct db *db);

#endif
