/* The textbook baseline (bench/peers) as children: a Redis server and foyer-textbook. */
#ifndef BENCH_PEER_CHILD_H
#define BENCH_PEER_CHILD_H

#include "stage.h"

struct peer_child {
    pid_t redis, textbook;
    unsigned port;
    char socket[300], log[300], sessions[300], events[300];
};

/* Both programs are there. */
bool peer_child_is_there(void);
/* Starts Redis, in the stage's directory, and writes the stage's sessions and events down for
 * it. */
ERR_MUST_USE enum err peer_child_start(struct peer_child *peer, const struct stage *stage);
/* Starts foyer-textbook on the stage's PostgreSQL database with that many workers, which
 * pipeline their statements or not; its port is the stage's from now on. The one before is
 * stopped. */
ERR_MUST_USE enum err peer_child_serve(struct peer_child *peer, struct stage *stage,
                                       unsigned workers, bool is_plain);
/* Stops both. False when the server did not end well. */
bool peer_child_stop(struct peer_child *peer);

#endif
