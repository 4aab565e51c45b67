/* Floors of webhooks: the rows of a message, and of an attempt, by a bare writer. */
#ifndef BENCH_FLOOR_HOOKS_H
#define BENCH_FLOOR_HOOKS_H

#include "base/err.h"
#include "child.h"

/* The rows of a message to one endpoint (message, delivery with its index, and its key when
 * has_key), group messages a commit, synchronous=FULL, for about duration_ms. ret_rate:
 * messages/s. */
ERR_MUST_USE enum err floor_messages(const struct child *child, bool has_key, unsigned group,
                                     int64_t duration_ms, double *ret_rate);
/* Writes messages, then only what their attempts leave: the attempt with its index, and the
 * delivery's end. ret_rate: attempts/s. */
ERR_MUST_USE enum err floor_attempts(const struct child *child, unsigned group, unsigned count,
                                     double *ret_rate);

#endif
