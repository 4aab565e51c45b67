/* From rows of the tickets journal to messages for the organizer: see bridge.h. */
#ifndef TICKETS_BRIDGE_FACTS_H
#define TICKETS_BRIDGE_FACTS_H

#include "app/bridge.h"
#include "store/journal.h"
#include "tickets/event.h"

struct tickets;
struct fact_type;

/* Who is told. */
enum fact_audience {
    FACTS_FOR_ORGANIZERS, /* all that happens to their events */
    FACTS_FOR_TALKS,      /* what organizer and buyer of a booking should both know */
};

/* NULL: rows of this type are not told there. */
const struct fact_type *fact_type_of(struct str row_type, enum fact_audience audience);
/* What the row says to the organizer of its event (its shard); texts in the arena. source: a
 * reading connection. ERR_INVALID: the row makes no sense. */
struct fact {
    struct tickets *tickets;
    struct db *source;
    const struct fact_type *type;
    const struct journal_row *row;
    const struct event *event;
    enum fact_audience audience;
};
ERR_MUST_USE enum err fact_message(const struct fact *fact, struct arena *arena,
                                   struct bridge_message *ret_message);

#endif
