/* Rows of deliveries: see delivery.h. */
#ifndef HOOKS_DELIVERY_STORE_H
#define HOOKS_DELIVERY_STORE_H

#include "hooks/delivery.h"

/* In apply, after ring_open. Takes the place of the row that is there. */
ERR_MUST_USE enum err delivery_store_put(struct db *db, const struct delivery *delivery);

#endif
