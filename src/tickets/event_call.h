/* What the routes of venues, events and maps share: finding the event of a path, and who may see or
 * change it. */
#ifndef TICKETS_EVENT_CALL_H
#define TICKETS_EVENT_CALL_H

#include "app/problem.h"
#include "tickets/tickets.h"

#define ORGANIZER_SCOPES (SCOPE_ORGANIZER | SCOPE_ADMIN)

static inline struct tickets *event_call_tickets(const struct call *call)
{
    return call->service->state;
}

/* The model of an event, referenced until the request ends, whoever asks. ERR_NOT_FOUND; on the
 * loop, where db is NULL, ERR_AGAIN when it is not in memory. */
ERR_MUST_USE enum err event_call_find(struct call *call, struct db *db, uint64_t event_id,
                                      struct event_model **ret_model);
/* Administrators own everything. Anonymous callers own nothing. */
bool event_call_owns(const struct call *call, uint64_t account_id);
/* The model of the event {id}, held until the request ends, if the caller may see it: drafts only
 * their owner. False: *ret_err is to be returned (ERR_OK when 404 was answered; on the loop, where
 * db is NULL, ERR_AGAIN sends the request to the pool). */
bool event_call_model(struct call *call, struct db *db, struct event_model **ret_model,
                      enum err *ret_err);
/* The same for the organizer's routes: anybody else's event is 404. db must not be NULL. */
bool event_call_own_model(struct call *call, struct db *db, struct event_model **ret_model,
                          enum err *ret_err);

#endif
