/* Latency histogram; see hist.h. */
#include "hist.h"

static unsigned bucket_of(int64_t elapsed_ns)
{
    uint64_t us = elapsed_ns < 1000 ? 1 : (uint64_t)elapsed_ns / 1000;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(us);
    uint64_t mantissa = exponent >= 6 ? (us >> (exponent - 6)) & 63 : (us << (6 - exponent)) & 63;
    unsigned bucket = exponent * 64 + (unsigned)mantissa;
    return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

void hist_add(struct hist *hist, int64_t elapsed_ns)
{
    hist->counts[bucket_of(elapsed_ns)]++;
    hist->total++;
    if (elapsed_ns > hist->max_ns)
        hist->max_ns = elapsed_ns;
}

void hist_merge(struct hist *to, const struct hist *from)
{
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        to->counts[i] += from->counts[i];
    to->total += from->total;
    if (from->max_ns > to->max_ns)
        to->max_ns = from->max_ns;
}

double hist_ms(const struct hist *hist, double quantile)
{
    if (hist->total == 0)
        return 0;
    uint64_t rank = (uint64_t)(quantile * (double)(hist->total - 1));
    uint64_t seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += hist->counts[i];
        if (seen > rank)
            return (double)(1ull << (i / 64)) * (1.0 + (double)(i % 64) / 64.0) / 1000.0;
    }
    return (double)hist->max_ns / 1e6;
}
