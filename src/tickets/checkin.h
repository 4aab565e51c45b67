/* What the routes of the door share. */
#ifndef TICKETS_CHECKIN_H
#define TICKETS_CHECKIN_H

#include "app/route.h"
#include "tickets/inventory.h"
#include "tickets/ticket_code.h"

#define CHECKIN_SCOPES (SCOPE_CHECK_IN | SCOPE_ORGANIZER)

/* Reads a code and checks who signed it. ERR_NOT_FOUND: nobody of ours has. Any connection. */
ERR_MUST_USE enum err checkin_find_signed(struct db *db, struct str text,
                                          struct ticket_code *ret_code);
/* The model of the event {id}, held until the request ends, if it is the caller's own. False: *ret_err
 * is to be returned (ERR_OK when 404 was answered). */
bool checkin_call_model(struct call *call, struct db *db, struct event_model **ret_model,
                        enum err *ret_err);

#endif
