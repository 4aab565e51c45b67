/* The echo server; see ws_server.h. */
#include "ws_server.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/server.h"
#include "net/websocket.h"
#include "process.h"

static struct {
    struct websocket_hub *hub;
    pthread_mutex_t lock; /* guards what follows */
    websocket_id ids[WS_SERVER_CONNECTIONS_MAX];
    size_t count;
} sockets = {.lock = PTHREAD_MUTEX_INITIALIZER}; /* of this process */

static void on_open(struct websocket *socket, void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&sockets.lock);
    if (sockets.count < WS_SERVER_CONNECTIONS_MAX)
        sockets.ids[sockets.count++] = websocket_get_id(socket);
    pthread_mutex_unlock(&sockets.lock);
}

static void on_close(struct websocket *socket, enum websocket_end end, unsigned peer_code,
                     void *ctx)
{
    websocket_id id = websocket_get_id(socket);
    (void)end;
    (void)peer_code;
    (void)ctx;
    pthread_mutex_lock(&sockets.lock);
    for (size_t i = 0; i < sockets.count; i++) {
        if (sockets.ids[i] != id)
            continue;
        sockets.ids[i] = sockets.ids[--sockets.count];
        break;
    }
    pthread_mutex_unlock(&sockets.lock);
}

static void fan_out(int64_t times)
{
    char text[WS_SERVER_FAN_BYTES];
    memset(text, 'f', sizeof(text));
    for (int64_t i = 0; i < times; i++) {
        struct shared *frame = websocket_text_frame(str_from(text, sizeof(text)));
        pthread_mutex_lock(&sockets.lock);
        (void)websocket_post(sockets.hub, sockets.ids, sockets.count, frame, false);
        pthread_mutex_unlock(&sockets.lock);
        shared_unref(frame);
    }
}

static void on_message(struct websocket *socket, bool is_text, struct str message, void *ctx)
{
    int64_t times = 0;
    (void)is_text;
    (void)ctx;
    if (str_starts_with(message, STR("!")) &&
        str_to_i64(str_sub(message, 1, message.len), &times) == ERR_OK) {
        fan_out(times);
        return;
    }
    struct shared *frame = websocket_text_frame(message);
    (void)websocket_send(socket, frame, false);
    shared_unref(frame);
}

static void on_request(struct request *request, void *ctx)
{
    int64_t retry_ms;
    (void)ctx;
    enum websocket_refusal refusal = websocket_accept(sockets.hub, request, NULL, &retry_ms);
    if (refusal != WEBSOCKET_ACCEPTED)
        request->res.status = websocket_refusal_status(refusal);
    request_reply(request);
}

/* The child: says its port, and serves until the other end closes. */
static int serve(unsigned loops, int ready, int control)
{
    static const struct websocket_options ws = {.admit_per_s = 1000000,
                                                .ping_ms = 600000,
                                                .posts_max = 64u << 20,
                                                .on_open = on_open,
                                                .on_message = on_message,
                                                .on_close = on_close};
    struct server_options options = {.listen = "127.0.0.1:0",
                                     .loops = loops,
                                     .connections_max = WS_SERVER_CONNECTIONS_MAX,
                                     .body_max = 65536,
                                     .request_timeout_ms = 60000,
                                     .send_timeout_ms = 60000,
                                     .on_request = on_request,
                                     .websockets = &ws};
    struct server *server;
    char message[256], byte;
    process_raise_files();
    if (server_new(&options, &server, message) != ERR_OK)
        return 1;
    sockets.hub = server_websockets(server);
    unsigned port = server_port(server);
    if (server_start(server) != ERR_OK || write(ready, &port, sizeof(port)) != sizeof(port))
        return 1;
    bool is_over = read(control, &byte, 1) == 0; /* nothing comes but the end */
    server_stop(server, 0);
    server_free(server);
    return is_over ? 0 : 1;
}

static int control_fd = -1; /* the server lives as long as this is open */

enum err ws_server_start(unsigned loops, struct ws_server *ret_server)
{
    int ready[2], control[2];
    if (pipe(ready) != 0)
        return ERR_IO;
    if (pipe(control) != 0) {
        close(ready[0]);
        close(ready[1]);
        return ERR_IO;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(control[1]);
        _exit(serve(loops, ready[1], control[0]));
    }
    close(ready[1]);
    close(control[0]);
    control_fd = control[1];
    *ret_server = (struct ws_server){.pid = pid};
    bool is_ready = pid > 0 && read(ready[0], &ret_server->port, sizeof(ret_server->port)) ==
                                   sizeof(ret_server->port);
    close(ready[0]);
    if (is_ready)
        return ERR_OK;
    ws_server_stop(ret_server);
    return ERR_IO;
}

void ws_server_stop(struct ws_server *server)
{
    close(control_fd);
    control_fd = -1;
    if (server->pid > 0)
        (void)waitpid(server->pid, NULL, 0);
    server->pid = 0;
}
