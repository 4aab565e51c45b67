/* The event types that organizers are told, with the schema and an example of each payload. */
#ifndef TICKETS_BRIDGE_TYPES_H
#define TICKETS_BRIDGE_TYPES_H

#include "app/bridge.h"

extern const struct bridge_type bridge_types[];
extern const size_t bridge_type_count;

#endif
