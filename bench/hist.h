/* Latency histogram: logarithmic buckets with 64 steps per doubling (1.1 % wide), 1 us to 17
 * minutes. One thread. */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_BUCKETS (64 * 31)

struct hist {
    uint64_t counts[HIST_BUCKETS];
    uint64_t total;
    int64_t max_ns;
};

void hist_add(struct hist *hist, int64_t elapsed_ns);
/* Adds all that is in from. */
void hist_merge(struct hist *to, const struct hist *from);
/* Milliseconds at the given quantile (0.99); 0 when empty. */
double hist_ms(const struct hist *hist, double quantile);

#endif
