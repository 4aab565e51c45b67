/* The Ed25519 key that signs ticket codes: made at first start, kept in signing_key. */
#ifndef TICKETS_TICKET_KEY_H
#define TICKETS_TICKET_KEY_H

#include "tickets/tickets.h"

/* Fills the ticket key of tickets, making one when there is none; before the writer's thread runs.
 */
ERR_MUST_USE enum err ticket_key_load(struct db *writer_db, struct tickets *tickets);

#endif
