/* From a row of mail.db to the bytes of the message, tickets attached. */
#ifndef TICKETS_MAIL_COMPOSE_H
#define TICKETS_MAIL_COMPOSE_H

#include "tickets/mail_store.h"
#include "tickets/tickets.h"

struct mail_composer {
    struct tickets *service;
    struct db *db; /* reading connection of tickets.db */
    struct str from_name, from_address;
};

/* Appends to buf. The same row gives the same message as long as its tickets stay as they are.
 * ERR_NOT_FOUND: what the mail is about is gone. Worker threads (may wait for the writer). */
ERR_MUST_USE enum err mail_compose(const struct mail_composer *composer, const struct mail *mail,
                                   struct arena *arena, struct buf *buf);

#endif
