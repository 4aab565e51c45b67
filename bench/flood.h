/* As many requests a second as a server answers: closed loop, several under way on each connection,
 * so that the load generator costs little of the machine that both share. */
#ifndef BENCH_FLOOD_H
#define BENCH_FLOOD_H

#include <sys/types.h>

#include "hist.h"
#include "load.h"

struct flood {
    /* Given. */
    unsigned port;
    pid_t server; /* whose processor time is counted */
    size_t connections;
    unsigned depth; /* requests under way on each connection */
    int64_t seconds;
    int status; /* what every answer must have */
    void (*make)(void *ctx, struct load_request *request);
    void *ctx;
    /* Found. */
    struct hist hist;
    uint64_t answers, all_answers, wrong; /* all: with those before and after the measuring */
    size_t head_len, body_len;            /* of the last answer */
    double rate;
    double cpu_us; /* of the server for one answer */
    /* Its own. */
    int64_t measure_ns, until_ns;
    size_t under_way;
};

/* Runs for a quarter of a second more than is measured. */
ERR_MUST_USE enum err flood_run(struct flood *flood);

/* A flood and its floor: the server and bare h2o with answers of the same size take turns, so that
 * both see the same machine. rates and floors are means of two turns each. */
struct flood_pair {
    struct flood *flood;
    double rate, floor_rate;
    double floor_p99_ms, floor_cpu_us;
};
ERR_MUST_USE enum err flood_pair_run(struct flood_pair *pair);

#endif
