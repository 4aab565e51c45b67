/* SQL of undoing a cancelled event's sales: how far each walk is. */
#ifndef TICKETS_EVENT_CANCEL_STORE_H
#define TICKETS_EVENT_CANCEL_STORE_H

#include "store/db.h"

struct cancel_progress {
    uint64_t event_id, after_id;
};

ERR_MUST_USE enum err event_cancel_put(struct db *db, uint64_t event_id);
ERR_MUST_USE enum err event_cancel_move(struct db *db, const struct cancel_progress *progress);
ERR_MUST_USE enum err event_cancel_delete(struct db *db, uint64_t event_id);
/* At most limit of them. */
ERR_MUST_USE enum err event_cancel_list(struct db *db, size_t limit,
                                        struct cancel_progress *ret_items, size_t *ret_count);
/* Ids of the event's bookings above after_id, at most limit. */
ERR_MUST_USE enum err event_cancel_bookings(struct db *db, const struct cancel_progress *progress,
                                            size_t limit, uint64_t *ret_ids, size_t *ret_count);

#endif
