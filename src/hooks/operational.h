/*
 * Operational events: what Foyer does with endpoints and deliveries is told to their owner, as
 * messages of the application of his account whose uid is "operational". He makes it, and its
 * endpoints, if he wants to know; without it nothing is made. About that application itself
 * nothing is told, so an endpoint of it that fails makes no message that fails.
 *
 * All functions: in apply, in the transaction of what they tell of.
 */
#ifndef HOOKS_OPERATIONAL_H
#define HOOKS_OPERATIONAL_H

#include "hooks/delivery.h"
#include "hooks/endpoint.h"
#include "store/writer.h"

#define OPERATIONAL_UID "operational"

enum endpoint_change {
    ENDPOINT_CREATED,
    ENDPOINT_UPDATED,
    ENDPOINT_DELETED,
};
/* By its owner. */
ERR_MUST_USE enum err operational_changed(struct hooks *hooks, struct writer_tx *tx,
                                          enum endpoint_change change,
                                          const struct endpoint *endpoint);
/* By its owner, or by Foyer: as endpoint->disabled_by says. */
ERR_MUST_USE enum err operational_disabled(struct hooks *hooks, struct writer_tx *tx,
                                           const struct endpoint *endpoint);
/* Nothing more will be tried, though the endpoint is there. */
ERR_MUST_USE enum err operational_exhausted(struct hooks *hooks, struct writer_tx *tx,
                                            const struct delivery_key *key);

#endif
