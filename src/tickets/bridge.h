/*
 * What happens is told: a journal consumer makes messages of its rows and gives them to another service's
 * sink (app/bridge.h), one a service. Exactly one message a row, however often a row is read. Organizers
 * are told what happens to their events; where an event gives its buyers a conversation, it is told there
 * what they bought, and what became of it.
 */
#ifndef TICKETS_BRIDGE_H
#define TICKETS_BRIDGE_H

#include "app/bridge.h"

struct tickets;
struct bridge;

enum bridge_end {
    BRIDGE_TO_HOOKS, /* FACTS_FOR_ORGANIZERS */
    BRIDGE_TO_CHAT,  /* FACTS_FOR_TALKS, of events that have buyer_chat */
};

/* After tickets_start and the start of the sink's service, before requests are served: of what the
 * journal has already when it is followed for the first time, nothing is told. */
ERR_MUST_USE enum err bridge_start(struct tickets *tickets, enum bridge_end end,
                                   const struct bridge_sink *sink, struct bridge **ret_bridge);
void bridge_stop(struct bridge *bridge); /* joins and frees; NULL is fine */

#endif
