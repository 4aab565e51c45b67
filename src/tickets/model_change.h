/* How what happened reaches an event's model; see model_change.c. */
#ifndef TICKETS_MODEL_CHANGE_H
#define TICKETS_MODEL_CHANGE_H

#include "tickets/inventory.h"

/* Makes a model that was just read (or read again) ready for a tail. db: the connection it was read
 * by, after that read. Before others see the model. */
ERR_MUST_USE enum err event_model_follow(struct event_model *model, struct db *db);
/* From an effect, on the writer's thread. */
void event_model_change(struct event_model *model, const struct places_change *change);
/* From the tail's thread, which brings every row of the event in order. False: one is missing, or
 * makes no sense. */
bool event_model_change_in_order(struct event_model *model, const struct places_change *change);

#endif
