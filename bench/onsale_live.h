/* Listeners to an event's live map, in a process of their own: they read what comes, count it,
 * and come again when they are sent away. */
#ifndef BENCH_ONSALE_LIVE_H
#define BENCH_ONSALE_LIVE_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct onsale_listeners {
    unsigned port, count;
    const char *event;
    pid_t pid;
    struct onsale_listener_figures {
        _Atomic uint64_t opened, deltas, snapshots, resyncs, bytes;
    } * figures; /* shared */
};

ERR_MUST_USE enum err onsale_listeners_start(struct onsale_listeners *listeners);
void onsale_listeners_stop(struct onsale_listeners *listeners);

#endif
