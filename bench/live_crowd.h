/*
 * Listeners of a live map in child processes. Each frame that comes is compared by bytes with the last one of the process, so
 * that looking at what ten thousand are told costs little; each listener's frames must come without a gap. How late a frame is counts from
 * the acknowledgement of each hold in it, which whoever holds notes by seat in shared memory.
 */
#ifndef BENCH_LIVE_CROWD_H
#define BENCH_LIVE_CROWD_H

#include <stdatomic.h>
#include <sys/types.h>

#include "base/buf.h"
#include "hist.h"

#define LIVE_CROWD_CHILDREN_MAX 8
#define LIVE_CROWD_SEATS_MAX    60000

struct live_crowd_part {
    struct hist delays; /* a listener and a seat each; of every eighth pair */
    uint64_t heard;     /* the pairs */
    uint64_t frames, early, gaps, resyncs, ended;
};

/* Shared by all processes. */
struct live_crowd_board {
    _Atomic int64_t held_ns[LIVE_CROWD_SEATS_MAX]; /* when the hold of this seat was acknowledged */
    _Atomic bool is_measuring;
    struct live_crowd_part parts[LIVE_CROWD_CHILDREN_MAX];
};

struct live_crowd {
    struct live_crowd_board *board;
    unsigned child_count;
    size_t listeners;
    struct {
        pid_t pid;
        int control; /* closed: end */
    } children[LIVE_CROWD_CHILDREN_MAX];
};

/* Returns when all have heard the first event. board: of process_share, zeroed; the caller's. */
ERR_MUST_USE enum err live_crowd_gather(struct live_crowd *crowd, struct live_crowd_board *board,
                                        size_t listeners, unsigned port, const char *path);
/* They end; what they found is in ret_sum. */
ERR_MUST_USE enum err live_crowd_disperse(struct live_crowd *crowd,
                                          struct live_crowd_part *ret_sum);

#endif
