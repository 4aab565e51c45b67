/*
 * Bare h2o; see floor_http.h. The same library and the same number of loops as the server has, all
 * reading one listening socket, with nothing of ours between: no guard, no routing, no log.
 */
#include "floor_http.h"

#define H2O_USE_LIBUV 0 /* the library is built on its own loop */
#include <fcntl.h>
#include <h2o.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

#define ACCEPT_BATCH   8
#define HEAD_REST_SIZE 90 /* of our head without the padding; exact to a few bytes */
#define PADDING_MAX    1024

struct answer {
    int status;
    char padding[PADDING_MAX];
    size_t padding_len;
    h2o_iovec_t body;
};

struct floor_loop {
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    int listener_fd;
};

static struct answer answer; /* of this process; set before its threads start */

static int on_request(h2o_handler_t *handler, h2o_req_t *req)
{
    static h2o_generator_t generator = {NULL, NULL};
    (void)handler;
    req->res.status = answer.status;
    req->res.reason = "OK";
    req->res.content_length = answer.body.len;
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("content-type"), 0, NULL,
                          H2O_STRLIT("application/json"));
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("x-padding"), 0, NULL,
                          answer.padding, answer.padding_len);
    h2o_start_response(req, &generator);
    h2o_send(req, &answer.body, 1, H2O_SEND_STATE_FINAL);
    return 0;
}

static void on_listener_ready(h2o_socket_t *listener, const char *err)
{
    struct floor_loop *loop = listener->data;
    for (int i = 0; !err && i < ACCEPT_BATCH; i++) {
        h2o_socket_t *socket = h2o_evloop_socket_accept(listener);
        if (!socket)
            return;
        h2o_accept(&loop->accept, socket);
    }
}

static void *loop_main(void *arg)
{
    struct floor_loop *loop = arg;
    h2o_config_init(&loop->config);
    loop->config.server_name = (h2o_iovec_t){NULL, 0};
    loop->config.http1.upgrade_to_http2 = 0;
    h2o_hostconf_t *host =
        h2o_config_register_host(&loop->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_create_handler(&host->fallback_path, sizeof(h2o_handler_t))->on_req = on_request;
    h2o_context_init(&loop->context, h2o_evloop_create(), &loop->config);
    loop->accept.ctx = &loop->context;
    loop->accept.hosts = loop->config.hosts;
    h2o_socket_t *listener =
        h2o_evloop_socket_create(loop->context.loop, loop->listener_fd, H2O_SOCKET_FLAG_DONT_READ);
    listener->data = loop;
    h2o_socket_read_start(listener, on_listener_ready);
    for (;;)
        (void)h2o_evloop_run(loop->context.loop, INT32_MAX); /* fails on a signal only */
    return NULL;
}

/* In the child; ends with it. */
static void serve(int fd)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (long i = 0; i < cores; i++) {
        pthread_t thread;
        struct floor_loop *loop = calloc(1, sizeof(*loop));
        if (!loop)
            _exit(1);
        loop->listener_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (pthread_create(&thread, NULL, loop_main, loop) != 0)
            _exit(1);
    }
    for (;;)
        pause();
}

enum err floor_http_start(int status, size_t head_len, size_t body_len,
                          struct floor_http *ret_floor)
{
    int fd = process_listen(&ret_floor->port);
    if (fd < 0)
        return ERR_IO;
    size_t padding = head_len > HEAD_REST_SIZE ? head_len - HEAD_REST_SIZE : 1;
    answer.status = status;
    answer.padding_len = padding < PADDING_MAX ? padding : PADDING_MAX;
    memset(answer.padding, 'p', answer.padding_len);
    ret_floor->pid = fork();
    if (ret_floor->pid == 0) {
        answer.body = h2o_iovec_init(calloc(1, body_len + 1), body_len);
        if (!answer.body.base)
            _exit(1);
        memset(answer.body.base, 'b', body_len);
        serve(fd);
    }
    close(fd);
    return ret_floor->pid > 0 ? ERR_OK : ERR_IO;
}

void floor_http_stop(struct floor_http *floor)
{
    if (floor->pid <= 0)
        return;
    kill(floor->pid, SIGKILL);
    waitpid(floor->pid, NULL, 0);
    floor->pid = 0;
}
