/* SQL of the inventory's read model. */
#ifndef TICKETS_INVENTORY_STORE_H
#define TICKETS_INVENTORY_STORE_H

#include "tickets/inventory.h"

/* Prices, areas, claims, venue names and version of model->event, whose layout and seat array are
 * there. In one snapshot. */
ERR_MUST_USE enum err inventory_store_load(struct db *db, struct event_model *model);
/* Claims and area counters once more; ret_is_same_event: false when the event's row or areas
 * changed since the model was read. */
ERR_MUST_USE enum err inventory_store_refresh(struct db *db, struct event_model *model,
                                              bool *ret_is_same_event);
/* All seats of the event that somebody has, as this transaction sees them. ERR_CORRUPT: one is not in
 * the hall. */
ERR_MUST_USE enum err inventory_store_each_claim(struct db *db, struct event_model *model,
                                                 void (*fn)(struct event_model *model,
                                                            uint32_t seat_no, uint8_t state));

#endif
