/* SQL of tickets and of the key that signs them. */
#ifndef TICKETS_TICKET_STORE_H
#define TICKETS_TICKET_STORE_H

#include "tickets/ticket.h"

ERR_MUST_USE enum err ticket_store_insert(struct db *db, const struct ticket *ticket);
/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err ticket_store_load(struct db *db, uint64_t event_id, uint64_t ticket_id,
                                        struct ticket *ret_ticket);
/* Valid and unused becomes revoked; ERR_CONFLICT otherwise. */
ERR_MUST_USE enum err ticket_store_revoke(struct db *db, uint64_t event_id, uint64_t ticket_id,
                                          uint64_t refund_id);

#endif
