/* See onsale_live.h. */
#include "onsale_live.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "process.h"

#define EVENTS_MAX  64
#define READ_BYTES  65536
#define AGAIN_MS    500
#define SOURCE_STEP 256 /* a /24 of its own for each */

struct listener {
    int fd;
    bool has_asked;
};

static size_t count_of(const char *bytes, size_t len, const char *what)
{
    size_t count = 0, what_len = strlen(what);
    const char *at = bytes, *end = bytes + len;
    while ((at = memmem(at, (size_t)(end - at), what, what_len)) != NULL) {
        at += what_len;
        count++;
    }
    return count;
}

static void come(const struct onsale_listeners *listeners, struct listener *all, unsigned i,
                 int epoll)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.u32 = i};
    all[i] = (struct listener){.fd = process_connect(1 + i * SOURCE_STEP, listeners->port)};
    if (all[i].fd < 0)
        return;
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
    listeners->figures->opened++;
}

static void ask(const struct onsale_listeners *listeners, struct listener *listener, unsigned i,
                int epoll)
{
    char request[512];
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    int len = snprintf(request, sizeof(request),
                       "GET /v1/events/%s/live HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: "
                       "text/event-stream\r\nAuthorization: Bearer " BENCH_ADMIN_KEY "\r\n\r\n",
                       listeners->event);
    listener->has_asked = true;
    (void)epoll_ctl(epoll, EPOLL_CTL_MOD, listener->fd, &event);
    if (send(listener->fd, request, (size_t)len, MSG_NOSIGNAL) != len) {
        close(listener->fd);
        listener->fd = -1;
    }
}

/* What is split between two reads is not counted: a figure, not a proof. */
static void hear(const struct onsale_listeners *listeners, struct listener *listener)
{
    static char bytes[READ_BYTES];
    ssize_t n = recv(listener->fd, bytes, sizeof(bytes), 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close(listener->fd);
        listener->fd = -1;
        return;
    }
    listeners->figures->bytes += (uint64_t)n;
    listeners->figures->deltas += count_of(bytes, (size_t)n, "event: delta");
    listeners->figures->snapshots += count_of(bytes, (size_t)n, "event: snapshot");
    listeners->figures->resyncs += count_of(bytes, (size_t)n, "event: resync");
}

static void listen_for_ever(const struct onsale_listeners *listeners)
{
    struct epoll_event events[EVENTS_MAX];
    struct listener *all = calloc(listeners->count, sizeof(*all));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    process_raise_files();
    if (!all || epoll < 0)
        _exit(1);
    for (unsigned i = 0; i < listeners->count; i++)
        all[i].fd = -1;
    for (;;) {
        for (unsigned i = 0; i < listeners->count; i++)
            if (all[i].fd < 0)
                come(listeners, all, i, epoll);
        int count = epoll_wait(epoll, events, EVENTS_MAX, AGAIN_MS);
        for (int i = 0; i < count; i++) {
            struct listener *listener = &all[events[i].data.u32];
            if (listener->fd >= 0 && !listener->has_asked && (events[i].events & EPOLLOUT))
                ask(listeners, listener, events[i].data.u32, epoll);
            if (listener->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                hear(listeners, listener);
        }
    }
}

enum err onsale_listeners_start(struct onsale_listeners *listeners)
{
    listeners->figures = process_share(sizeof(*listeners->figures));
    if (!listeners->figures)
        return ERR_NOMEM;
    listeners->pid = fork();
    if (listeners->pid == 0)
        listen_for_ever(listeners);
    return listeners->pid > 0 ? ERR_OK : ERR_IO;
}

void onsale_listeners_stop(struct onsale_listeners *listeners)
{
    if (listeners->pid > 0) {
        kill(listeners->pid, SIGKILL);
        waitpid(listeners->pid, NULL, 0);
    }
    listeners->pid = 0;
    process_unshare(listeners->figures, sizeof(*listeners->figures));
    listeners->figures = NULL;
}
