/* What the index costs without a server: the same questions put to search_run on one reading
 * connection, one after the other. */
#ifndef BENCH_SEARCH_FLOOR_H
#define BENCH_SEARCH_FLOOR_H

#include "hist.h"
#include "search_queries.h"

struct search_floor {
    double per_s, per_cpu_s; /* one thread: by the clock, and by its own processor time */
    struct hist classes[ASK_CLASSES];
    double class_cpu_s[ASK_CLASSES]; /* of this thread: what other processes do is left out */
};

ERR_MUST_USE enum err search_floor_run(const char *directory, const struct asks *asks,
                                       double seconds, struct search_floor *ret_floor);

#endif
