/* What an organizer may set against bots. Pure functions; see event_input.h. */
#ifndef TICKETS_ABUSE_SETTINGS_H
#define TICKETS_ABUSE_SETTINGS_H

#include "base/json.h"
#include "tickets/event.h"

void abuse_set_defaults(struct abuse_settings *abuse);
/* The member "abuse" of an event's body (NULL: it did not come) upon what the event has. Caps that
 * count people together follow per_account up when they are left out; a fault goes to errors. */
void abuse_settings_apply(const struct json_node *node, struct event *event,
                          struct field_errors *errors);

#endif
