/*
 * The bank's process. One thread watches over it from fork to end, because the kernel ties the
 * child's death signal to the thread that made it: it starts the program, reads the line that says
 * where it listens, waits for its end, and starts it again after a growing pause. The port stays
 * the same: buyers hold links to it. It is also kept over restarts of ours, when it is free
 * (DIR/sandbox/url).
 *
 * The secret is made once (DIR/sandbox/secret, for its owner's eyes) and read by the bank from
 * there, so it stands in no command line.
 *
 * Threads: start and stop from one thread; url and secret from any after start.
 */
#include "tickets/sandbox_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/rand.h"

#define READY_MS       20000
#define STOP_MS        5000
#define WATCH_MS       50
#define RESTART_MS_MIN 100
#define RESTART_MS_MAX 5000
#define SAME_PORT_MS   3000 /* how long the old port is tried for at the first start */
#define SECRET_BYTES   24
#define LINE_MAX_BYTES 256

struct sandbox_child {
    char dir[SANDBOX_PATH_MAX];
    char ca_file[SANDBOX_PATH_MAX];
    char secret[SANDBOX_SECRET_MAX];
    char url[LINE_MAX_BYTES];
    unsigned port; /* 0: any */
    pthread_t thread;
    pthread_mutex_t lock; /* below */
    pthread_cond_t changed;
    bool is_stopping, is_ready, has_failed;
};

/* --- Files --- */

static enum err path_of(const struct sandbox_child *child, const char *name,
                        char ret_path[static SANDBOX_PATH_MAX + 32])
{
    int len = snprintf(ret_path, SANDBOX_PATH_MAX + 32, "%s/%s", child->dir, name);
    return len < SANDBOX_PATH_MAX + 32 ? ERR_OK : ERR_LIMIT;
}

/* One line. ERR_NOT_FOUND when there is no such file. */
static enum err read_line(const struct sandbox_child *child, const char *name, char *ret_line,
                          size_t size)
{
    char path[SANDBOX_PATH_MAX + 32];
    enum err err = path_of(child, name, path);
    FILE *file = err ? NULL : fopen(path, "re");
    if (!file)
        return err ? err : ERR_NOT_FOUND;
    bool is_read = fgets(ret_line, (int)size, file) != NULL;
    fclose(file);
    if (is_read)
        ret_line[strcspn(ret_line, "\r\n")] = '\0';
    return is_read && ret_line[0] ? ERR_OK : ERR_NOT_FOUND;
}

/* Whole or not at all. */
static enum err write_line(const struct sandbox_child *child, const char *name, const char *line)
{
    char path[SANDBOX_PATH_MAX + 32], next[SANDBOX_PATH_MAX + 40];
    enum err err = path_of(child, name, path);
    if (err)
        return err;
    (void)snprintf(next, sizeof(next), "%s.new", path); /* has room */
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return ERR_IO;
    bool is_written = dprintf(fd, "%s\n", line) > 0 && fsync(fd) == 0;
    is_written &= close(fd) == 0;
    return is_written && rename(next, path) == 0 ? ERR_OK : ERR_IO;
}

static enum err secret_init(struct sandbox_child *child)
{
    enum err err = read_line(child, "secret", child->secret, sizeof(child->secret));
    if (err != ERR_NOT_FOUND)
        return err;
    uint8_t bytes[SECRET_BYTES];
    rand_bytes(bytes, sizeof(bytes));
    struct buf text;
    buf_init(&text, sizeof(child->secret));
    hex_append(&text, bytes, sizeof(bytes));
    err =
        text.overflow ? ERR_NOMEM : str_to_c(buf_str(&text), child->secret, sizeof(child->secret));
    buf_release(&text);
    return err ? err : write_line(child, "secret", child->secret);
}

static unsigned port_of(const char *url)
{
    const char *colon = strrchr(url, ':');
    long port = colon ? strtol(colon + 1, NULL, 10) : 0;
    return port > 0 && port < 65536 ? (unsigned)port : 0;
}

/* --- The process --- */

struct spawned {
    pid_t pid;
    int output; /* our end of its standard output */
};

/* Between fork and exec: nothing but system calls. */
static void run_program(char *const *arguments, int output, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* its ledger is durable, its port must be free at once */
    if (getppid() != parent)
        _exit(1);
    setpgid(0, 0); /* Ctrl-C at the terminal is ours to pass on */
    int input = open("/dev/null", O_RDONLY);
    if (input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0)
        _exit(1);
    close_range(3, ~0U, 0);
    execv("/proc/self/exe", arguments);
    _exit(127);
}

static enum err spawn(const struct sandbox_child *child, struct spawned *ret_spawned)
{
    char listen[32];
    const char *arguments[16] = {"foyer", "sandbox", "--data", child->dir, "--listen", listen};
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", child->port);
    if (child->ca_file[0]) {
        arguments[6] = "--callback-ca";
        arguments[7] = child->ca_file;
    }
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return ERR_IO;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        run_program((char *const *)arguments, pipe_fds[1], parent); /* exec changes none of them */
    close(pipe_fds[1]);
    if (pid < 0) {
        close(pipe_fds[0]);
        return ERR_IO;
    }
    *ret_spawned = (struct spawned){pid, pipe_fds[0]};
    return ERR_OK;
}

static bool is_stopping(struct sandbox_child *child)
{
    pthread_mutex_lock(&child->lock);
    bool is_on = !child->is_stopping;
    pthread_mutex_unlock(&child->lock);
    return !is_on;
}

/* Reads until "ready http://...\n" or the end of the output. */
static enum err await_ready(struct sandbox_child *child, int output,
                            char ret_url[static LINE_MAX_BYTES])
{
    char line[LINE_MAX_BYTES];
    size_t len = 0;
    int64_t deadline_ns = clock_mono_ns() + READY_MS * 1000000LL;
    while (len < sizeof(line) - 1 && !memchr(line, '\n', len)) {
        struct pollfd poll_fd = {.fd = output, .events = POLLIN};
        int ready = poll(&poll_fd, 1, WATCH_MS);
        if (is_stopping(child) || clock_mono_ns() > deadline_ns)
            return ERR_TIMEOUT;
        if (ready <= 0)
            continue;
        ssize_t got = read(output, line + len, sizeof(line) - 1 - len);
        if (got <= 0)
            return ERR_IO;
        len += (size_t)got;
    }
    line[len] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (strncmp(line, "ready http", 10) != 0 || port_of(line) == 0)
        return ERR_IO;
    return str_to_c(str_from_c(line + 6), ret_url, LINE_MAX_BYTES);
}

/* Waits for its end; true when it has come within that time. */
static bool wait_end(pid_t pid, int64_t timeout_ms)
{
    int64_t deadline_ns = clock_mono_ns() + timeout_ms * 1000000LL;
    for (;;) {
        int status;
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid || (ended < 0 && errno == ECHILD))
            return true;
        if (clock_mono_ns() >= deadline_ns)
            return false;
        struct timespec pause = {.tv_nsec = 5000000};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL); /* shorter is fine */
    }
}

static void end_process(pid_t pid)
{
    kill(pid, SIGTERM);
    if (wait_end(pid, STOP_MS))
        return;
    kill(pid, SIGKILL);
    (void)wait_end(pid, STOP_MS); /* a killed process ends */
}

/* Sleeps; false when it is time to stop. */
static bool pause_unless_stopping(struct sandbox_child *child, int64_t pause_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += pause_ms / 1000;
    until.tv_nsec += (pause_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&child->lock);
    int rc = 0;
    while (!child->is_stopping && rc == 0)
        rc = pthread_cond_timedwait(&child->changed, &child->lock, &until);
    bool is_on = !child->is_stopping;
    pthread_mutex_unlock(&child->lock);
    return is_on;
}

/* --- The watching thread --- */

static enum err note_ready(struct sandbox_child *child, const char *url)
{
    enum err err = write_line(child, "url", url);
    pthread_mutex_lock(&child->lock);
    if (!err && !child->is_ready)
        err = str_to_c(str_from_c(url), child->url, sizeof(child->url));
    child->port = port_of(url);
    child->is_ready |= !err;
    pthread_cond_broadcast(&child->changed);
    pthread_mutex_unlock(&child->lock);
    return err;
}

/* One life of the process. ERR_OK: it was ready once. */
static enum err live(struct sandbox_child *child)
{
    struct spawned spawned;
    char url[LINE_MAX_BYTES];
    enum err err = spawn(child, &spawned);
    if (err)
        return err;
    err = await_ready(child, spawned.output, url);
    if (!err)
        err = note_ready(child, url);
    bool has_ended = false;
    while (!err && !has_ended && pause_unless_stopping(child, WATCH_MS))
        has_ended = wait_end(spawned.pid, 0);
    if (!has_ended)
        end_process(spawned.pid);
    close(spawned.output);
    if (has_ended)
        log_warn("the sandbox bank died", "url=%s", child->url);
    return err;
}

/* Before it was ever ready: gives up on the old port, then on all. */
static bool give_up(struct sandbox_child *child, int64_t began_ns)
{
    int64_t waited_ms = (clock_mono_ns() - began_ns) / 1000000;
    if (child->port != 0 && waited_ms > SAME_PORT_MS)
        child->port = 0;
    return waited_ms > READY_MS;
}

static void *child_main(void *ctx)
{
    struct sandbox_child *child = ctx;
    int64_t began_ns = clock_mono_ns(), pause_ms = RESTART_MS_MIN;
    do {
        int64_t started_ns = clock_mono_ns();
        enum err err = live(child);
        bool was_long = clock_mono_ns() - started_ns > 10 * 1000000000LL;
        pause_ms = !err && was_long ? RESTART_MS_MIN : pause_ms * 2;
        if (pause_ms > RESTART_MS_MAX)
            pause_ms = RESTART_MS_MAX;
        pthread_mutex_lock(&child->lock);
        bool is_lost = !child->is_ready && give_up(child, began_ns);
        child->has_failed = is_lost;
        pthread_cond_broadcast(&child->changed);
        pthread_mutex_unlock(&child->lock);
        if (is_lost)
            break;
    } while (pause_unless_stopping(child, pause_ms));
    return NULL;
}

/* --- Start and stop --- */

static enum err prepare(struct sandbox_child *child, const struct sandbox_child_options *options)
{
    int len = snprintf(child->dir, sizeof(child->dir), "%s/sandbox", options->data_dir);
    if ((size_t)len >= sizeof(child->dir))
        return ERR_LIMIT;
    if (mkdir(child->dir, 0700) != 0 && errno != EEXIST)
        return ERR_IO;
    enum err err = secret_init(child);
    if (!err && options->ca_file && options->ca_file[0])
        err = str_to_c(str_from_c(options->ca_file), child->ca_file, sizeof(child->ca_file));
    char url[LINE_MAX_BYTES];
    if (!err && read_line(child, "url", url, sizeof(url)) == ERR_OK)
        child->port = port_of(url);
    return err;
}

enum err sandbox_child_start(const struct sandbox_child_options *options,
                             struct sandbox_child **ret_child)
{
    struct sandbox_child *child = calloc(1, sizeof(*child));
    if (!child)
        return ERR_NOMEM;
    pthread_mutex_init(&child->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&child->changed, &attr);
    pthread_condattr_destroy(&attr);
    enum err err = prepare(child, options);
    if (!err && pthread_create(&child->thread, NULL, child_main, child) != 0)
        err = ERR_NOMEM;
    if (err) {
        pthread_cond_destroy(&child->changed);
        pthread_mutex_destroy(&child->lock);
        free(child);
        return err;
    }
    pthread_mutex_lock(&child->lock);
    while (!child->is_ready && !child->has_failed)
        pthread_cond_wait(&child->changed, &child->lock);
    bool is_ready = child->is_ready;
    pthread_mutex_unlock(&child->lock);
    if (!is_ready) {
        sandbox_child_stop(child);
        return ERR_IO;
    }
    *ret_child = child;
    return ERR_OK;
}

const char *sandbox_child_url(const struct sandbox_child *child)
{
    return child->url;
}

const char *sandbox_child_secret(const struct sandbox_child *child)
{
    return child->secret;
}

void sandbox_child_stop(struct sandbox_child *child)
{
    if (!child)
        return;
    pthread_mutex_lock(&child->lock);
    child->is_stopping = true;
    pthread_cond_broadcast(&child->changed);
    pthread_mutex_unlock(&child->lock);
    pthread_join(child->thread, NULL);
    crypto_wipe(child->secret, sizeof(child->secret));
    pthread_cond_destroy(&child->changed);
    pthread_mutex_destroy(&child->lock);
    free(child);
}
