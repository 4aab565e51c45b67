/* From rows of the tickets journal to messages for the organizer: see bridge.h. */
#ifndef TICKETS_BRIDGE_FACTS_H
#define TICKETS_BRIDGE_FACTS_H

#include "app/bridge.h"
#include "store/journal.h"
#include "tickets/event.h"

struct tickets;
struct fact_type;

/* NULL: rows of this type are told to nobody. */
const struct fact_type *fact_type_of(struct str row_type);
/* What the row says to the organizer of its event (its shard); texts in the arena. source: a
 * reading connection. ERR_INVALID: the row makes no sense. */
ERR_MUST_USE enum err fact_message(struct tickets *tickets, struct db *source,
                                   const struct fact_type *type, const struct journal_row *row,
                                   const struct event *event, struct arena *arena,
                                   struct bridge_message *ret_message);

#endif
