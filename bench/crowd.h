/* Connections that are open and say nothing: held by child processes, because a process has only so
 * many descriptors. Each connection has asked once, as a real one would have. */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include "base/buf.h"

#include <sys/types.h>

#define CROWD_CHILDREN_MAX 16

struct crowd {
    unsigned child_count;
    struct {
        pid_t pid;
        int control; /* closed: ask once more on each connection, then end */
    } children[CROWD_CHILDREN_MAX];
};

/* Returns when all connections are open and answered. */
ERR_MUST_USE enum err crowd_gather(struct crowd *crowd, size_t connections, unsigned port);
/* Every connection asks once more. ERR_IO when any of them was not answered. */
ERR_MUST_USE enum err crowd_disperse(struct crowd *crowd);

#endif
