/* Floor of the live map: a bare loop that writes the same frames to as many sockets, one after the other. */
#ifndef BENCH_LIVE_FLOOR_H
#define BENCH_LIVE_FLOOR_H

#include "live_crowd.h"

struct live_floor {
    size_t listeners;
    int64_t tick_ms;
    double rate; /* holds of two seats a second */
    int64_t seconds;
};

/* In processes of its own. */
ERR_MUST_USE enum err live_floor(const struct live_floor *floor, struct live_crowd_part *ret_sum);

#endif
