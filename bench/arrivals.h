/*
 * Arrivals: an open loop. Requests are due at times that do not depend on the answers: evenly
 * spaced or a Poisson process at a given rate. A bounded pool of connections serves them; who is
 * due while all are busy waits for the first that is free. Latency counts from the time a request
 * was due, so a server (or a load generator) that stalls pays for everybody who came meanwhile.
 * Nothing is dropped: late sends are counted, and what was due and never sent is, too.
 */
#ifndef BENCH_ARRIVALS_H
#define BENCH_ARRIVALS_H

#include "hist.h"
#include "load.h"

#define ARRIVALS_LATE_NS 1000000 /* sent so long after it was due: late */

struct arrivals {
    /* Given. */
    double rate;              /* a second */
    bool is_even;             /* else Poisson */
    unsigned depth;           /* requests under way on one connection, 0: one */
    size_t first, count;      /* the connections of the load that serve it */
    int64_t start_ns, end_ns; /* nothing is due from end_ns on */
    int64_t measure_ns;       /* what was due earlier is left out of the figures */
    /* Fills the request; false: there is nothing more to ask for, the arrivals end. */
    bool (*make)(void *ctx, struct load_request *request);
    void (*on_answer)(void *ctx, const struct load_answer *answer);
    void *ctx;
    /* Found. */
    struct hist hist; /* of what was due in the measured time */
    uint64_t due, sent, answered, broken;
    uint64_t late;   /* sent, but more than ARRIVALS_LATE_NS after they were due */
    uint64_t unsent; /* due and never sent, after arrivals_finish */
    int64_t last_answer_ns;
    /* Its own. */
    struct load_source source;
    struct load *load;
    int64_t next_ns;
    uint64_t seed;
    size_t *idle, idle_count;
    bool is_ended;
};

/* The arrivals must be zero but for what is given. They run with load_run. */
ERR_MUST_USE enum err arrivals_start(struct arrivals *arrivals, struct load *load);
/* All that was due is sent and answered. For load_run. */
bool arrivals_are_over(void *arrivals);
/* Takes them out of the load; counts what was never sent. */
void arrivals_finish(struct arrivals *arrivals);
/* Answers a second within the measured time. */
double arrivals_rate(const struct arrivals *arrivals);

#endif
