/* Idle connections in child processes; see crowd.h. */
#include "crowd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

#define CHILD_CONNECTIONS_MAX 5000
#define ANSWER_SECONDS        30

static bool ask(int fd)
{
    static const char request[] = "GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    char answer[65536];
    size_t len = 0;
    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1)
        return false;
    while (len < sizeof(answer) - 1) {
        ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        answer[len] = '\0';
        const char *end = strstr(answer, "\r\n\r\n");
        const char *length = end ? strcasestr(answer, "\r\nContent-Length: ") : NULL;
        if (length && len >= (size_t)(end + 4 - answer) + strtoul(length + 18, NULL, 10))
            return strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
    }
    return false;
}

/* Each child has a loopback address of its own: with most ports of one address taken, the kernel
 * looks long for a free one, and the connections of the mix would wait for that. */
static int open_one(unsigned port, unsigned child)
{
    int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + child)};
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0 &&
        bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0 &&
        connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && ask(fd))
        return fd;
    close(fd);
    return -1;
}

/* The child: opens, says so, waits for the other end to close, asks again. */
static int hold_connections(const struct crowd *crowd, size_t count, unsigned port, int ready,
                            int control)
{
    static int fds[CHILD_CONNECTIONS_MAX];
    char byte = 1;
    process_raise_files();
    for (size_t i = 0; i < count; i++) {
        fds[i] = open_one(port, crowd->child_count);
        if (fds[i] < 0)
            return 1;
    }
    if (write(ready, &byte, 1) != 1 || read(control, &byte, 1) != 0)
        return 1;
    for (size_t i = 0; i < count; i++) {
        if (!ask(fds[i]))
            return 1;
    }
    return 0;
}

static enum err start_child(struct crowd *crowd, size_t count, unsigned port, int ready[2])
{
    int control[2];
    if (pipe(control))
        return ERR_IO;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        close(ready[0]);
        close(control[1]);
        /* What the others' control pipes are to this one: their end must be seen. */
        for (unsigned i = 0; i < crowd->child_count; i++)
            close(crowd->children[i].control);
        _exit(hold_connections(crowd, count, port, ready[1], control[0]));
    }
    close(control[0]);
    crowd->children[crowd->child_count].control = control[1];
    crowd->children[crowd->child_count].pid = pid;
    crowd->child_count += pid > 0;
    return pid > 0 ? ERR_OK : ERR_IO;
}

enum err crowd_gather(struct crowd *crowd, size_t connections, unsigned port)
{
    int ready[2];
    char byte;
    enum err err = ERR_OK;
    *crowd = (struct crowd){0};
    if (connections > (size_t)CROWD_CHILDREN_MAX * CHILD_CONNECTIONS_MAX || pipe(ready))
        return ERR_IO;
    for (size_t left = connections; left > 0 && !err;) {
        size_t count = left < CHILD_CONNECTIONS_MAX ? left : CHILD_CONNECTIONS_MAX;
        err = start_child(crowd, count, port, ready);
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

enum err crowd_disperse(struct crowd *crowd)
{
    enum err err = ERR_OK;
    for (unsigned i = 0; i < crowd->child_count; i++) {
        int status;
        close(crowd->children[i].control);
        pid_t got = waitpid(crowd->children[i].pid, &status, 0);
        if (got <= 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            err = ERR_IO;
    }
    crowd->child_count = 0;
    return err;
}
