/* What send-example sends. */
#ifndef HOOKS_EXAMPLE_H
#define HOOKS_EXAMPLE_H

#include "base/arena.h"

/* The first of the "examples" of the last version in an event type's schemas, byte for byte, if it is an
 * object or a list; STR_NONE: none. schemas: JSON, as event_type.h has it. */
struct str example_of_schemas(struct arena *arena, struct str schemas);

#endif
