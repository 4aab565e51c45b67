/* SQL of getting ready before a sale. */
#ifndef TICKETS_WARM_STORE_H
#define TICKETS_WARM_STORE_H

#include "store/db.h"
#include "tickets/limits.h"

/* Published events whose sale begins after from_ms and not after until_ms, the earliest first, at most
 * WARM_EVENTS_MAX. */
ERR_MUST_USE enum err warm_store_due(struct db *db, int64_t from_ms, int64_t until_ms,
                                     uint64_t ret_ids[static WARM_EVENTS_MAX], size_t *ret_count);

#endif
