/* See live_floor.h. The loop notes itself when a hold would have been acknowledged. */
#include "live_floor.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "process.h"

#define FRAME_BYTES_MAX 65536
#define STEP_US         1000

struct server {
    const struct live_floor *floor;
    int listener;
    int *fds;
    size_t count;
    uint32_t seat, frame;
};

static bool write_all(int fd, struct str text)
{
    /* The readers keep up, so a frame fits into the socket's buffer. */
    return send(fd, text.data, text.len, MSG_NOSIGNAL) == (ssize_t)text.len;
}

static bool answer(int fd)
{
    char request[1024];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, 10000) == 1 && recv(fd, request, sizeof(request), 0) > 0 &&
           write_all(fd, STR("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                             "id: 1.00000000.0\nevent: snapshot\ndata: {}\n\n"));
}

static bool gather(struct server *server)
{
    while (server->count < server->floor->listeners) {
        struct pollfd ready = {.fd = server->listener, .events = POLLIN};
        if (poll(&ready, 1, 20000) != 1)
            return false;
        int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && errno == EAGAIN)
            continue;
        if (fd < 0 || !answer(fd))
            return false;
        server->fds[server->count++] = fd;
    }
    return true;
}

/* Holds that are due until the tick; their frame. */
static void collect(struct server *server, struct live_crowd_board *board, int64_t until_ns,
                    struct buf *frame)
{
    const struct live_floor *floor = server->floor;
    int64_t each_ns = (int64_t)(1e9 / floor->rate), next_ns = clock_mono_ns();
    const char *before = "";
    buf_clear(frame);
    buf_printf(frame,
               "id: 1.00000000.%" PRIu32 "\nevent: delta\ndata: {\"version\":1,\"changes\":[",
               ++server->frame);
    for (int64_t now_ns = next_ns; now_ns < until_ns; now_ns = clock_mono_ns()) {
        for (; next_ns <= now_ns; next_ns += each_ns) {
            for (int i = 0; i < 2; i++, before = ",") {
                uint32_t seat = server->seat++ % LIVE_CROWD_SEATS_MAX;
                atomic_store(&board->held_ns[seat], now_ns);
                buf_printf(frame, "%s[%" PRIu32 ",1]", before, seat);
            }
        }
        (void)usleep(STEP_US);
    }
    buf_append_str(frame, STR("]}\n\n"));
}

static bool serve(struct server *server, struct live_crowd_board *board, int go)
{
    struct buf frame;
    char byte;
    buf_init(&frame, FRAME_BYTES_MAX);
    if (!gather(server) || read(go, &byte, 1) != 1)
        return false;
    int64_t tick_ns = clock_mono_ns();
    int64_t end_ns = tick_ns + server->floor->seconds * 1000000000;
    while (tick_ns < end_ns) {
        int64_t now_ns = clock_mono_ns();
        tick_ns += server->floor->tick_ms * 1000000;
        tick_ns = tick_ns > now_ns ? tick_ns : now_ns + 1000000;
        collect(server, board, tick_ns, &frame);
        for (size_t i = 0; i < server->count; i++) {
            if (!write_all(server->fds[i], buf_str(&frame)))
                return false;
        }
    }
    buf_release(&frame);
    return true;
}

enum err live_floor(const struct live_floor *floor, struct live_crowd_part *ret_sum)
{
    struct live_crowd crowd;
    unsigned port = 0;
    int go[2], done[2], status = 1;
    char byte = 0;
    struct server server = {.floor = floor,
                            .listener = process_listen(&port),
                            .fds = calloc(floor->listeners, sizeof(int))};
    struct live_crowd_board *board = process_share(sizeof(*board));
    if (server.listener < 0 || !server.fds || !board || pipe(go) || pipe(done)) {
        free(server.fds);
        return ERR_IO;
    }
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        process_raise_files();
        bool is_good = serve(&server, board, go[0]);
        _exit(write(done[1], "d", 1) == 1 && is_good ? 0 : 1);
    }
    close(done[1]);
    close(server.listener);
    enum err err = pid > 0 ? live_crowd_gather(&crowd, board, floor->listeners, port, "/") : ERR_IO;
    if (!err) {
        atomic_store(&board->is_measuring, true);
        err = write(go[1], "g", 1) == 1 && read(done[0], &byte, 1) == 1 ? ERR_OK : ERR_IO;
        (void)usleep(300000); /* what was written last arrives */
        enum err crowd_err = live_crowd_disperse(&crowd, ret_sum);
        err = err ? err : crowd_err;
    }
    if (pid > 0 && (err || waitpid(pid, &status, 0) != pid || status != 0)) {
        (void)kill(pid, SIGKILL);
        err = err ? err : ERR_IO;
    }
    close(go[0]);
    close(go[1]);
    close(done[0]);
    process_unshare(board, sizeof(*board));
    free(server.fds);
    return err;
}
