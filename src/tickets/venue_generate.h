/* `foyer venue generate`: writes the seating plan of an arena of any size, for demos, tests and
 * trials. */
#ifndef TICKETS_VENUE_GENERATE_H
#define TICKETS_VENUE_GENERATE_H

#include "base/buf.h"

struct venue_generate_options {
    uint32_t seats;          /* exactly so many */
    uint32_t floor_capacity; /* standing places of a general-admission area; 0: none */
};

/* Appends the plan as JSON. ERR_INVALID: no places, or more than PLAN_SEATS_MAX; ERR_LIMIT: the
 * buffer is too small. */
ERR_MUST_USE enum err venue_generate(const struct venue_generate_options *options,
                                     struct buf *json);
/* argv: generate --seats N [--floor N] --out FILE. The program's exit status. */
int venue_generate_main(int argc, char *const *argv);

#endif
