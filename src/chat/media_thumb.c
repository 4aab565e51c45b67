/* See media_thumb.h: the server's side. */
#include "chat/media_thumb.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

/* Between fork and exec: nothing but system calls. */
static _Noreturn void run_program(const char *program, int input, int output, pid_t parent)
{
    static const char *const arguments[] = {"foyer", "thumbnail", NULL};
    static char *const environment[] = {NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0)
        _exit(126);
    close_range(STDERR_FILENO + 1, ~0U, 0);
    execve(program ? program : "/proc/self/exe", (char *const *)arguments,
           environment); /* changes none */
    _exit(127);
}

static enum err start(const char *program, int input, pid_t *ret_pid, int *ret_output)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ERR_IO;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        run_program(program, input, ends[1], parent);
    (void)close(ends[1]); /* the process has its own */
    if (pid < 0) {
        (void)close(ends[0]); /* nothing came */
        return ERR_IO;
    }
    *ret_pid = pid;
    *ret_output = ends[0];
    return ERR_OK;
}

/* ERR_NOT_FOUND: the end of what the process writes. */
static enum err read_some(int output, int64_t deadline_ns, char *bytes, size_t size, size_t *done)
{
    int64_t left_ms = (deadline_ns - clock_mono_ns()) / 1000000;
    struct pollfd wait = {.fd = output, .events = POLLIN};
    if (left_ms <= 0)
        return ERR_TIMEOUT;
    int ready = poll(&wait, 1, (int)left_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR))
        return ERR_OK;
    ssize_t got = ready < 0 ? -1 : read(output, bytes + *done, size - *done);
    if (got < 0)
        return errno == EINTR ? ERR_OK : ERR_IO;
    *done += (size_t)got;
    return got == 0 ? ERR_NOT_FOUND : ERR_OK;
}

/* All that it writes, which is not more than may be. */
static enum err read_output(int output, char *bytes, size_t size, size_t *ret_size)
{
    int64_t deadline_ns = clock_mono_ns() + THUMB_WAIT_MS * INT64_C(1000000);
    enum err err = ERR_OK;
    *ret_size = 0;
    while (!err && *ret_size < size)
        err = read_some(output, deadline_ns, bytes, size, ret_size);
    return err == ERR_NOT_FOUND ? ERR_OK : err ? err : ERR_CORRUPT;
}

static enum err await_end(pid_t pid)
{
    int status = 0;
    pid_t ended;
    do
        ended = waitpid(pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    if (ended != pid || !WIFEXITED(status))
        return ERR_CORRUPT;
    return WEXITSTATUS(status) == 0 ? ERR_OK : WEXITSTATUS(status) == 1 ? ERR_INVALID : ERR_CORRUPT;
}

static enum err take_thumb(char *take_bytes, size_t size, struct thumb *ret_thumb)
{
    struct thumb_head head;
    if (size < sizeof(head)) {
        free(take_bytes);
        return ERR_CORRUPT;
    }
    memcpy(&head, take_bytes, sizeof(head));
    bool is_webp = size >= sizeof(head) + 12 && memcmp(take_bytes + sizeof(head), "RIFF", 4) == 0 &&
                   memcmp(take_bytes + sizeof(head) + 8, "WEBP", 4) == 0;
    if (!is_webp || head.size != size - sizeof(head) || head.width == 0 || head.height == 0 ||
        (int64_t)head.width * head.height > THUMB_SOURCE_PX) {
        free(take_bytes);
        return ERR_CORRUPT;
    }
    memmove(take_bytes, take_bytes + sizeof(head), head.size);
    *ret_thumb = (struct thumb){head.width, head.height, head.size, take_bytes};
    return ERR_OK;
}

enum err thumb_make(const char *program, int fd, struct thumb *ret_thumb)
{
    pid_t pid;
    int output;
    size_t size = 0;
    size_t max = sizeof(struct thumb_head) + THUMB_BYTES_MAX + 1;
    char *bytes = malloc(max);
    enum err err = bytes ? start(program, fd, &pid, &output) : ERR_NOMEM;
    if (err) {
        free(bytes);
        return err;
    }
    err = read_output(output, bytes, max, &size);
    (void)close(output); /* read to its end, or given up */
    if (err)
        (void)kill(pid, SIGKILL); /* it is ours until await_end */
    enum err end = await_end(pid);
    if (!err)
        err = end;
    if (err) {
        free(bytes);
        return err;
    }
    return take_thumb(bytes, size, ret_thumb);
}
