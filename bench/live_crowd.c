/* See live_crowd.h. */
#include "live_crowd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "process.h"

#define CHILD_LISTENERS_MAX 5000
#define READ_BYTES          65536
#define EVENT_BYTES_MAX     ((size_t)1 << 20)
#define FRAME_SEATS_MAX     4096
#define CONNECTS_UNDER_WAY  64
#define CONNECTS_PER_S      1500 /* of one child: two of them stay below what is admitted */
#define POLL_EVENTS         512
#define KNOWN_FRAMES        64
#define SAMPLED_EVERY       8

struct listener {
    int fd;
    bool is_asked, has_head, has_first;
    uint32_t frame; /* of the last event */
    struct buf rest;
};

/* A frame that somebody got, and what is in it. Listeners are not all at the same one. */
struct known {
    struct buf text;
    bool is_resync, is_frame;
    uint32_t frame;
    size_t seat_count;
    uint32_t seats[FRAME_SEATS_MAX]; /* that it says are held */
};

struct group {
    struct live_crowd_board *board;
    struct live_crowd_part *part;
    struct listener *listeners;
    size_t count, opened, ready;
    unsigned port;
    const char *path;
    int epoll;
    size_t turn;
    int64_t began_ns;
    struct known known[KNOWN_FRAMES]; /* by number */
};

static bool say_failure(const char *what)
{
    fprintf(stderr, "live: %s: %s\n", what, strerror(errno));
    return false;
}

/* --- frames --- */

static void know(struct known *known, struct str text)
{
    char *copy = NULL;
    buf_clear(&known->text);
    buf_append_str(&known->text, text);
    copy = strndup(text.data, text.len);
    known->seat_count = 0;
    known->is_resync = copy && strstr(copy, "event: resync");
    known->is_frame = copy && sscanf(copy, "id: %*d.%*[^.].%u\n", &known->frame) == 1;
    const char *at = copy ? strstr(copy, "\"changes\":[") : NULL;
    at = at ? at + strlen("\"changes\":[") : NULL;
    unsigned seat, state;
    int used;
    while (at && sscanf(at, "[%u,%u]%n", &seat, &state, &used) == 2) {
        if (state == 1 && seat < LIVE_CROWD_SEATS_MAX && known->seat_count < FRAME_SEATS_MAX)
            known->seats[known->seat_count++] = seat;
        at += used;
        at += *at == ',';
    }
    free(copy);
}

/* The last number of "id: V.N.F\n"; 0: none. */
static uint32_t number_of(struct str text)
{
    uint32_t number = 0;
    for (size_t i = 0; i < text.len && text.data[i] != '\n'; i++)
        number = text.data[i] == '.' ? 0 : number * 10 + (uint32_t)(text.data[i] - '0');
    return number;
}

static void measure(struct group *group, const struct known *known, int64_t now_ns)
{
    group->part->heard += known->seat_count;
    /* Each listener measures some of them, all together all: looking must not cost more than hearing. */
    for (size_t i = group->turn++ % SAMPLED_EVERY; i < known->seat_count; i += SAMPLED_EVERY) {
        int64_t held_ns =
            atomic_load_explicit(&group->board->held_ns[known->seats[i]], memory_order_relaxed);
        bool is_early = held_ns == 0 || held_ns > now_ns; /* before the acknowledgement */
        group->part->early += is_early;
        hist_add(&group->part->delays, is_early ? 0 : now_ns - held_ns);
    }
}

static void on_event(struct group *group, struct listener *listener, struct str text,
                     int64_t now_ns)
{
    if (text.data[0] == ':')
        return;
    struct known *known = &group->known[number_of(text) % KNOWN_FRAMES];
    if (!str_eq(buf_str(&known->text), text))
        know(known, text);
    group->part->resyncs += known->is_resync;
    if (!known->is_frame)
        return;
    group->part->gaps += listener->has_first && known->frame != listener->frame + 1;
    group->ready += !listener->has_first;
    listener->frame = known->frame;
    if (listener->has_first &&
        atomic_load_explicit(&group->board->is_measuring, memory_order_relaxed)) {
        group->part->frames++;
        measure(group, known, now_ns);
    }
    listener->has_first = true;
}

/* Takes the head and whole events from the text; the rest stays. False: the answer is another one. */
static bool take_text(struct group *group, struct listener *listener, struct str *text)
{
    int64_t now_ns = clock_mono_ns();
    if (!listener->has_head) {
        const char *end = memmem(text->data, text->len, "\r\n\r\n", 4);
        if (!end)
            return true;
        if (!str_starts_with(*text, STR("HTTP/1.1 200 ")))
            return false;
        *text = str_sub(*text, (size_t)(end + 4 - text->data), text->len);
        listener->has_head = true;
    }
    const char *end;
    while (text->len > 0 && (end = memmem(text->data, text->len, "\n\n", 2))) {
        size_t len = (size_t)(end + 2 - text->data);
        on_event(group, listener, str_sub(*text, 0, len), now_ns);
        *text = str_sub(*text, len, text->len);
    }
    return true;
}

static bool read_some(struct group *group, struct listener *listener)
{
    static char bytes[READ_BYTES];
    ssize_t got = recv(listener->fd, bytes, sizeof(bytes), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0) {
        group->part->ended++;
        (void)close(listener->fd);
        listener->fd = -1;
        return listener->has_first; /* one that never began is a failure */
    }
    struct str text = str_from(bytes, (size_t)got);
    bool was_empty = listener->rest.len == 0;
    if (!was_empty) {
        buf_append_str(&listener->rest, text);
        text = buf_str(&listener->rest);
    }
    if (!take_text(group, listener, &text))
        return say_failure("the answer is not a stream");
    if (text.len == 0) {
        buf_release(&listener->rest);
        buf_init(&listener->rest, EVENT_BYTES_MAX);
    } else if (was_empty) {
        buf_append_str(&listener->rest, text);
    } else {
        memmove(listener->rest.data, text.data, text.len);
        listener->rest.len = text.len;
    }
    return true;
}

/* --- the child --- */

static bool ask(struct group *group, struct listener *listener)
{
    char text[512];
    int len =
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", group->path);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
    listener->is_asked = true;
    return send(listener->fd, text, (size_t)len, MSG_NOSIGNAL) == len &&
           epoll_ctl(group->epoll, EPOLL_CTL_MOD, listener->fd, &event) == 0;
}

static bool open_more(struct group *group)
{
    size_t due = (size_t)((clock_mono_ns() - group->began_ns) * CONNECTS_PER_S / 1000000000);
    while (group->opened < group->count && group->opened < due &&
           group->opened < group->ready + CONNECTS_UNDER_WAY) {
        struct listener *listener = &group->listeners[group->opened];
        struct epoll_event event = {.events = EPOLLOUT, .data.ptr = listener};
        buf_init(&listener->rest, EVENT_BYTES_MAX);
        listener->fd = process_connect((uint32_t)(group->opened++ + (size_t)getpid()), group->port);
        if (listener->fd < 0 || epoll_ctl(group->epoll, EPOLL_CTL_ADD, listener->fd, &event) != 0)
            return say_failure("connect");
    }
    return true;
}

/* Until control is closed. */
static bool run(struct group *group, int ready, int control)
{
    struct epoll_event events[POLL_EVENTS];
    struct epoll_event end = {.events = EPOLLIN, .data.ptr = NULL};
    bool is_said = false;
    if (epoll_ctl(group->epoll, EPOLL_CTL_ADD, control, &end) != 0)
        return say_failure("epoll");
    for (;;) {
        if (!open_more(group))
            return false;
        if (!is_said && group->ready == group->count) {
            is_said = true;
            if (write(ready, "r", 1) != 1)
                return say_failure("the parent");
        }
        int count =
            epoll_wait(group->epoll, events, POLL_EVENTS, group->opened < group->count ? 5 : -1);
        for (int i = 0; i < count; i++) {
            struct listener *listener = events[i].data.ptr;
            if (!listener)
                return true;
            if (listener->fd < 0)
                continue;
            if (!(listener->is_asked ? read_some(group, listener) : ask(group, listener)))
                return false;
        }
    }
}

static int child_main(struct live_crowd *crowd, struct group *group, int ready, int control)
{
    process_raise_files();
    group->began_ns = clock_mono_ns();
    group->part = &crowd->board->parts[crowd->child_count];
    group->listeners = calloc(group->count, sizeof(*group->listeners));
    group->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < KNOWN_FRAMES; i++)
        buf_init(&group->known[i].text, EVENT_BYTES_MAX);
    return group->listeners && group->epoll >= 0 && run(group, ready, control) ? 0 : 1;
}

static enum err start_child(struct live_crowd *crowd, struct group *group, const int ready[2])
{
    int control[2];
    if (pipe(control))
        return ERR_IO;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        close(ready[0]);
        close(control[1]);
        for (unsigned i = 0; i < crowd->child_count; i++)
            close(crowd->children[i].control); /* the others' ends must be seen */
        _exit(child_main(crowd, group, ready[1], control[0]));
    }
    close(control[0]);
    crowd->children[crowd->child_count].control = control[1];
    crowd->children[crowd->child_count].pid = pid;
    crowd->child_count += pid > 0;
    return pid > 0 ? ERR_OK : ERR_IO;
}

enum err live_crowd_gather(struct live_crowd *crowd, struct live_crowd_board *board,
                           size_t listeners, unsigned port, const char *path)
{
    static struct group group;
    int ready[2];
    char byte;
    enum err err = ERR_OK;
    *crowd = (struct live_crowd){.listeners = listeners, .board = board};
    if (listeners > (size_t)LIVE_CROWD_CHILDREN_MAX * CHILD_LISTENERS_MAX || pipe(ready))
        return ERR_IO;
    for (size_t left = listeners; left > 0 && !err;) {
        size_t count = left < CHILD_LISTENERS_MAX ? left : CHILD_LISTENERS_MAX;
        group = (struct group){.board = crowd->board, .count = count, .port = port, .path = path};
        err = start_child(crowd, &group, ready);
        left -= count;
    }
    close(ready[1]);
    for (unsigned i = 0; i < crowd->child_count && !err; i++) {
        if (read(ready[0], &byte, 1) != 1) /* a child has ended */
            err = ERR_IO;
    }
    close(ready[0]);
    return err;
}

enum err live_crowd_disperse(struct live_crowd *crowd, struct live_crowd_part *ret_sum)
{
    enum err err = ERR_OK;
    *ret_sum = (struct live_crowd_part){0};
    for (unsigned i = 0; i < crowd->child_count; i++) {
        const struct live_crowd_part *part = &crowd->board->parts[i];
        int status;
        close(crowd->children[i].control);
        pid_t got = waitpid(crowd->children[i].pid, &status, 0);
        if (got <= 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            err = ERR_IO;
        hist_merge(&ret_sum->delays, &part->delays);
        ret_sum->frames += part->frames;
        ret_sum->heard += part->heard;
        ret_sum->early += part->early;
        ret_sum->gaps += part->gaps;
        ret_sum->resyncs += part->resyncs;
        ret_sum->ended += part->ended;
    }
    *crowd = (struct live_crowd){0};
    return err;
}
