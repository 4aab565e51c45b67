/* What follows from cancelling an event: open holds end, confirmed bookings are refunded, in small
 * jobs behind waiting requests. */
#ifndef TICKETS_EVENT_CANCEL_H
#define TICKETS_EVENT_CANCEL_H

#include "tickets/tickets.h"

/* In the job that cancels: the work begins after its commit. */
ERR_MUST_USE enum err event_cancel_stage(struct tickets *tickets, struct writer_tx *tx,
                                         uint64_t event_id);
/* The tail has read that an event was cancelled, on whatever node: begins if this is the steward. */
void event_cancel_follow(struct tickets *tickets, uint64_t event_id);
/* At start, or as the new steward: takes up what a stop or crash interrupted. Before requests. */
ERR_MUST_USE enum err event_cancel_resume(struct tickets *tickets);
/* Takes up what the writer could not do, if anything; from time to time. Not on the writer. */
void event_cancel_retry(struct tickets *tickets);

#endif
