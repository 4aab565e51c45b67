/* Searches at a steady rate, whether answers come or not: arrivals are drawn beforehand (Poisson),
 * and an answer's time counts from the moment at which its question was due. */
#ifndef BENCH_SEARCH_LOAD_H
#define BENCH_SEARCH_LOAD_H

#include "hist.h"
#include "load.h"
#include "search_queries.h"

struct search_load {
    const struct asks *asks;
    unsigned port;
    size_t connections;
    double rate; /* a second */
    double seconds;
    bool is_uncached; /* every question is one that was never asked */
    uint64_t seed;
};

struct search_load_result {
    struct hist total, classes[ASK_CLASSES];
    uint64_t failed;       /* answered by something else than 200 */
    uint64_t unanswered;   /* of those that were due when the time was over */
    double answered_per_s; /* of the time until the last answer */
    double body_bytes;     /* mean */
};

ERR_MUST_USE enum err search_load_run(const struct search_load *options,
                                      struct search_load_result *ret_result);
/* The same path again and again, as fast as answers come: answers a second. */
ERR_MUST_USE enum err search_load_closed(unsigned port, struct str path, size_t connections,
                                         double seconds, double *ret_rate);

#endif
