/*
 * Getting ready before a sale: from WARM_BEFORE_MS before an event's on-sale time until WARM_AFTER_MS
 * behind it, its model, its map and the answers that everybody asks for are in memory and stay there,
 * also after a restart in that time, and after an edit, which makes them anew.
 *
 * /readyz says "warm: evt_…" while one that is due is being loaded, but no longer than
 * WARM_PATIENCE_MS: a damaged event must not take the whole node out of service.
 *
 * Threads: looks run on the application's timer; readiness and metrics ask from any thread.
 */
#ifndef TICKETS_WARM_H
#define TICKETS_WARM_H

#include "base/err.h"

struct tickets;
struct warm;

/* Looks for the first time which sales are due; loads them soon after. Before requests are served. */
ERR_MUST_USE enum err warm_start(struct tickets *tickets, struct warm **ret_warm);
/* After the application's timer has stopped; NULL is fine. */
void warm_free(struct warm *warm);

#endif
