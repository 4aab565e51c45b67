/* SQL of the inlet. */
#ifndef HOOKS_INLET_STORE_H
#define HOOKS_INLET_STORE_H

#include "base/str.h"
#include "store/db.h"

/* The account's application of this uid, and whether it has endpoints, be they disabled.
 * ERR_NOT_FOUND. */
ERR_MUST_USE enum err inlet_store_find(struct db *db, uint64_t account_id, struct str uid,
                                       uint64_t *ret_app_id, bool *ret_has_endpoints);

#endif
