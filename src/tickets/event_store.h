/* SQL of events, their prices, areas and blocks. event_load is in event.h. */
#ifndef TICKETS_EVENT_STORE_H
#define TICKETS_EVENT_STORE_H

#include "tickets/inventory.h"
#include "tickets/limits.h"
#include "tickets/venue.h"

#define EVENT_PRICES_MAX 64 /* as struct event_model has them */

/* Fills EVENT_PRICES_MAX prices by category_no; PRICE_NONE where there is none. */
ERR_MUST_USE enum err event_prices_load(struct db *db, uint64_t event_id,
                                        int64_t ret_prices[static EVENT_PRICES_MAX]);

/* In a job's apply. */
ERR_MUST_USE enum err event_insert(struct db *db, const struct event *event);
ERR_MUST_USE enum err event_update(struct db *db, const struct event *event);
/* Replaces them all. */
ERR_MUST_USE enum err event_prices_put(struct db *db, uint64_t event_id,
                                       const int64_t prices[static EVENT_PRICES_MAX]);
/* The plan's areas become the event's. */
ERR_MUST_USE enum err event_areas_copy(struct db *db, const struct event *event);
/* One past the highest area_no. */
ERR_MUST_USE enum err event_area_next(struct db *db, uint64_t event_id, uint32_t *ret_area_no);
ERR_MUST_USE enum err event_area_insert(struct db *db, uint64_t event_id,
                                        const struct model_area *area);

/* ERR_CONFLICT: somebody has a claim on the seat; ret_is_new is false when it was blocked before.
 */
ERR_MUST_USE enum err event_seat_block(struct db *db, uint64_t event_id, uint32_t seat_no,
                                       bool *ret_is_new);
/* ret_was_blocked is false when there was nothing to do. */
ERR_MUST_USE enum err event_seat_unblock(struct db *db, uint64_t event_id, uint32_t seat_no,
                                         bool *ret_was_blocked);

/* An event as lists show it. */
struct event_row {
    struct event event;
    struct venue venue;
    bool has_price;
    int64_t price_min, price_max;
};
struct event_query {
    uint64_t account_id; /* organizer; ignored when is_admin */
    bool is_admin;
    uint64_t before_id; /* 0: from the newest */
    int64_t limit;
};
ERR_MUST_USE enum err event_list(struct db *db, const struct event_query *query,
                                 struct arena *arena, struct event_row *ret_rows,
                                 size_t *ret_count);
/* The same of one event. ERR_NOT_FOUND. */
ERR_MUST_USE enum err event_row_load(struct db *db, uint64_t event_id, struct arena *arena,
                                     struct event_row *ret_row);

#endif
