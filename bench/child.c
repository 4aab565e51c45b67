/* The benchmark's own server; see child.h. */
#include "child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store.h"

#define ARGUMENTS_MAX 32
#define BUSY_ATTEMPTS 40 /* a server on a busy machine may say 503 */
#define BUSY_PAUSE_NS 250000000

void child_program(const char *name, char *ret_path, size_t size)
{
    char self[400];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    snprintf(ret_path, size, "%s/%s", self, name);
}

static bool make_directory(struct child *child)
{
    const char *base = getenv("TMPDIR");
    snprintf(child->data, sizeof(child->data), "%s/foyer-bench-XXXXXX", base ? base : "/tmp");
    return mkdtemp(child->data) != NULL;
}

enum err child_directory(struct child *child)
{
    return make_directory(child) ? bench_store_new(child) : ERR_IO;
}

enum err child_join(struct child *child, const struct child *first)
{
    if (!first->store[0])
        return ERR_INVALID;
    snprintf(child->store, sizeof(child->store), "%s", first->store);
    child->is_guest = true;
    return make_directory(child) ? ERR_OK : ERR_IO;
}

enum err child_ready_port(int fd, unsigned *ret_port)
{
    char line[512];
    size_t len = 0;
    while (len < sizeof(line) - 1) {
        ssize_t n = read(fd, line + len, 1);
        if (n <= 0)
            return ERR_IO;
        if (line[len] == '\n') {
            line[len] = '\0';
            const char *colon = strrchr(line, ':');
            if (strncmp(line, "ready ", 6) == 0 && colon) {
                *ret_port = (unsigned)atoi(colon + 1);
                return ERR_OK;
            }
            len = 0;
            continue;
        }
        len++;
    }
    return ERR_IO;
}

enum err child_start(struct child *child, const char *const *arguments)
{
    char program[512];
    int out[2];
    child_program("foyer", program, sizeof(program));
    if (pipe(out))
        return ERR_IO;
    child->pid = fork();
    if (child->pid == 0) {
        const char *argv[ARGUMENTS_MAX] = {program,     "serve",    "--data",
                                           child->data, "--listen", "127.0.0.1:0"};
        size_t count = 6;
        if (child->store[0]) {
            argv[count++] = "--store";
            argv[count++] = child->store;
        }
        for (size_t i = 0; arguments[i] && count < ARGUMENTS_MAX - 1; i++)
            argv[count++] = arguments[i];
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        setenv("FOYER_ADMIN_KEY", BENCH_ADMIN_KEY, 1);
        execv(program, (char *const *)argv);
        perror(program);
        _exit(127);
    }
    close(out[1]);
    enum err err = child->pid > 0 ? child_ready_port(out[0], &child->port) : ERR_IO;
    close(out[0]);
    return err;
}

enum err child_stop(struct child *child)
{
    int status;
    if (child->pid <= 0)
        return ERR_OK;
    kill(child->pid, SIGTERM);
    pid_t got = waitpid(child->pid, &status, 0);
    child->pid = 0;
    return got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? ERR_OK : ERR_IO;
}

void child_kill(struct child *child)
{
    if (child->pid <= 0)
        return;
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    child->pid = 0;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

void child_remove(struct child *child)
{
    if (!child->is_guest)
        bench_store_drop(child);
    if (child->data[0])
        (void)nftw(child->data, remove_one, 16,
                   FTW_DEPTH | FTW_PHYS); /* what stays is in the temporary directory */
}

int child_audit(const struct child *child)
{
    char program[512], command[1536];
    child_program("foyer", program, sizeof(program));
    snprintf(command, sizeof(command), "'%s' audit --data '%s'%s%s", program, child->data,
             child->store[0] ? " --store " : "", child->store);
    fflush(stdout);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int64_t child_memory_mib(const struct child *child)
{
    char path[64], line[256];
    long long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)child->pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmHWM: %lld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib / 1024;
}

/* --- Blocking requests --- */

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, struct str data)
{
    size_t done = 0;
    while (done < data.len) {
        ssize_t n = send(fd, data.data + done, data.len - done, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* One exchange on a connection of its own; the head is cut off the answer. */
static int request_once(unsigned port, struct str head, struct str body, struct buf *ret_body)
{
    int fd = connect_to(port);
    if (fd < 0)
        return 0;
    buf_clear(ret_body);
    if (send_all(fd, head) && send_all(fd, body)) {
        char bytes[65536];
        ssize_t n;
        while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
            buf_append(ret_body, bytes, (size_t)n);
    }
    close(fd);
    const char *end = ret_body->len ? memmem(ret_body->data, ret_body->len, "\r\n\r\n", 4) : NULL;
    if (!end || ret_body->len < 12)
        return 0;
    int status = atoi(ret_body->data + 9);
    size_t skip = (size_t)(end - ret_body->data) + 4;
    memmove(ret_body->data, ret_body->data + skip, ret_body->len - skip);
    ret_body->len -= skip;
    return status;
}

int child_request_as(const char *token, unsigned port, const char *method, const char *path,
                     struct str body, struct buf *ret_body)
{
    static unsigned key;
    char head[1024];
    int status = 0;
    buf_init(ret_body, 64u << 20);
    int len = snprintf(
        head, sizeof(head),
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer %s\r\n"
        "Content-Type: application/json\r\nIdempotency-Key: bench-%d-%u\r\nContent-Length: "
        "%zu\r\n\r\n",
        method, path, token, (int)getpid(), key++, body.len);
    for (unsigned attempt = 0; attempt < BUSY_ATTEMPTS; attempt++) {
        status = request_once(port, str_from(head, (size_t)len), body, ret_body);
        if (status != 503)
            break;
        struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
        nanosleep(&pause, NULL);
    }
    return status;
}

int child_request(unsigned port, const char *method, const char *path, struct str body,
                  struct buf *ret_body)
{
    return child_request_as(BENCH_ADMIN_KEY, port, method, path, body, ret_body);
}
