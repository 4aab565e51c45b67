/* A server of WebSockets that sends back what it gets: the project's own connection layer with
 * nothing of a service behind it. A child process. */
#ifndef BENCH_WS_SERVER_H
#define BENCH_WS_SERVER_H

#include <sys/types.h>

#include "base/err.h"

#define WS_SERVER_CONNECTIONS_MAX 19000
/* "!" and a number: a frame of WS_SERVER_FAN_BYTES goes to every socket, so often. */
#define WS_SERVER_FAN_BYTES 200

struct ws_server {
    pid_t pid;
    unsigned port;
};

ERR_MUST_USE enum err ws_server_start(unsigned loops, struct ws_server *ret_server);
void ws_server_stop(struct ws_server *server);

#endif
