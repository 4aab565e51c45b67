/* Floors: what the machine does without Foyer around it. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include "base/err.h"
#include <stdint.h>

/* A bare writer: the rows of a two-seat hold (two claims, the booking, its journal row, the journal
 * head once a commit) with prepared statements, group holds per commit, synchronous=FULL, for about
 * duration_ms. ret_rate: holds/s. */
ERR_MUST_USE enum err floor_holds(const char *directory, unsigned group, int64_t duration_ms,
                                  double *ret_rate);

#endif
