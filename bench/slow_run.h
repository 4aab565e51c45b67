/*
 * A run with sick endpoints and healthy ones: a stream of messages at a fixed rate for each kind, and
 * what the receivers saw of them, span by span. The endpoints [0, sick_count) of the stage are those
 * that fall ill.
 */
#ifndef BENCH_SLOW_RUN_H
#define BENCH_SLOW_RUN_H

#include "arrivals.h"
#include "hooks_stage.h"

enum slow_kind {
    SLOW_SICK,
    SLOW_HEALTHY,
    SLOW_KINDS
};

/* Of a span of time; latencies from the time a message was meant to be sent to its arrival. */
struct slow_seen {
    uint64_t accepted, arrived;
    struct hist latency;
};

struct slow_stream {
    struct slow_run *run;
    size_t first_endpoint, endpoint_count;
    double rate;
    struct arrivals arrivals;
    struct hooks_message message;
    uint64_t next_seq, accepted, failed;
    uint64_t distinct, repeated; /* arrivals */
    uint8_t *is_seen;            /* by seq */
    size_t seq_max;
    struct slow_seen span;
};

/* What the server says of the first sick endpoint, once a second. */
struct slow_sample {
    int64_t pending, in_flight; /* -1: not asked */
    unsigned open_s, half_open_s, closed_s;
    const char *state;
};

struct slow_run {
    /* Given. */
    struct hooks_stage stage;
    size_t sick_count;
    double sick_rate, healthy_rate; /* messages a second, all endpoints of a kind together */
    int64_t seconds_max;
    /* Found. */
    struct slow_stream streams[SLOW_KINDS];
    struct slow_sample sample;
    int64_t resident_mib, resident_most_mib, files, files_most;
    int64_t start_ns;
    /* Its own. */
    struct load *load;
    struct load_conn *sampler;
    unsigned samples_under_way;
    int64_t sampled_ns;
    size_t log_read;
};

/* Opens the stage, and the streams begin. On failure slow_run_close is still to be called. */
ERR_MUST_USE enum err slow_run_open(struct slow_run *run);
/* Goes on until is_over(ctx), which is asked every millisecond, or that time. */
void slow_run_on(struct slow_run *run, int64_t until_ns, bool (*is_over)(void *ctx), void *ctx);
/* No more messages from now on. */
void slow_run_end_streams(struct slow_run *run);
/* Of the kind: accepted by the server and not yet answered for with 200. */
int64_t slow_run_backlog(const struct slow_run *run, enum slow_kind kind);
/* Of the kind: accepted and never arrived. */
int64_t slow_run_missing(const struct slow_run *run, enum slow_kind kind);
void slow_run_behave(struct slow_run *run, enum slow_kind kind,
                     const struct receiver_behaviour *behaviour);
/* A new span begins. */
void slow_run_span(struct slow_run *run);
bool slow_run_close(struct slow_run *run);

#endif
