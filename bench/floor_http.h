/* The floor of an answer over HTTP: a bare h2o server, one loop a core, that answers every request
 * with the same bytes. */
#ifndef BENCH_FLOOR_HTTP_H
#define BENCH_FLOOR_HTTP_H

#include <sys/types.h>

#include "base/str.h"

struct floor_http {
    pid_t pid;
    unsigned port;
};

/* Answers with this status, and with a head and a body of these sizes, like the answer that it is
 * the floor of. A child process; stop it with floor_http_stop. */
ERR_MUST_USE enum err floor_http_start(int status, size_t head_len, size_t body_len,
                                       struct floor_http *ret_floor);
void floor_http_stop(struct floor_http *floor);

#endif
