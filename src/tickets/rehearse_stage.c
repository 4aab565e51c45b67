/* The rehearsal's own server: a directory, accounts in it, and a child process that serves it with a
 * bank of its own. The directory goes with the rehearsal. */
#include "tickets/rehearse.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

#define READY_MS 60000
#define STOP_MS  20000

/* In the child: becomes this program again. A group of its own, so that Ctrl-C is ours to handle. */
static void become(const char *const *arguments, int output)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setenv("FOYER_ADMIN_KEY", REHEARSE_ADMIN_KEY, 1);
    (void)unsetenv("FOYER_STORE"); /* of the event, perhaps */
    (void)unsetenv("FOYER_DATA");
    (void)dup2(output, STDOUT_FILENO);
    (void)execv("/proc/self/exe", (char *const *)arguments);
    _exit(127);
}

static pid_t start(const char *const *arguments, int *ret_output)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        become(arguments, fds[1]);
    (void)close(fds[1]);
    if (pid < 0)
        (void)close(fds[0]);
    else
        *ret_output = fds[0];
    return pid;
}

/* Its first line, up to a limit of time. */
static bool read_line(int fd, char *line, size_t size)
{
    size_t len = 0;
    int64_t end_ns = clock_mono_ns() + READY_MS * 1000000LL;
    while (len + 1 < size && clock_mono_ns() < end_ns && !rehearse_is_over()) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 50) <= 0)
            continue;
        ssize_t got = read(fd, line + len, 1);
        if (got <= 0)
            return false;
        if (line[len] == '\n') {
            line[len] = '\0';
            return true;
        }
        len++;
    }
    return false;
}

static enum err make_people(struct rehearse_stage *stage)
{
    char count[24], file[REHEARSE_PATH_MAX + 16], line[256];
    int output = -1, status = 0;
    (void)snprintf(count, sizeof(count), "%lld", (long long)stage->people);
    (void)snprintf(file, sizeof(file), "%s/sessions", stage->dir); /* fits */
    const char *const arguments[] = {"foyer",   "admin", "import-users", "--data", stage->dir,
                                     "--count", count,   "--sessions",   file,     NULL};
    stage->pid = start(arguments, &output);
    if (stage->pid < 0)
        return ERR_IO;
    (void)close(output);
    if (waitpid(stage->pid, &status, 0) != stage->pid)
        return ERR_IO; /* interrupted: rehearse_stage_end stops it before the directory goes */
    stage->pid = -1;
    if (status != 0)
        return ERR_IO;
    FILE *sessions = fopen(file, "re");
    stage->tokens = calloc((size_t)stage->people, sizeof(*stage->tokens));
    int64_t i = 0;
    while (sessions && stage->tokens && i < stage->people && fgets(line, sizeof(line), sessions)) {
        char *token = strrchr(line, ',');
        if (!token)
            continue;
        token[strcspn(token, "\r\n")] = '\0';
        (void)snprintf(stage->tokens[i++], REHEARSE_TOKEN_MAX, "%s", token + 1);
    }
    if (sessions)
        (void)fclose(sessions); /* only read */
    return i == stage->people ? ERR_OK : ERR_IO;
}

static enum err start_server(struct rehearse_stage *stage)
{
    char line[256];
    int output = -1;
    const char *const arguments[] = {"foyer",
                                     "serve",
                                     "--data",
                                     stage->dir,
                                     "--listen",
                                     "127.0.0.1:0",
                                     "--trusted-proxies",
                                     "127.0.0.0/8",
                                     "--log-level",
                                     "error",
                                     NULL};
    stage->pid = start(arguments, &output);
    if (stage->pid < 0)
        return ERR_IO;
    bool is_ready = read_line(output, line, sizeof(line));
    (void)close(output); /* it says no more */
    char *port = is_ready ? strrchr(line, ':') : NULL;
    if (!port)
        return ERR_IO;
    stage->port = (unsigned)atoi(port + 1);
    return ERR_OK;
}

enum err rehearse_stage_begin(struct rehearse_stage *stage, int64_t people)
{
    const char *base = getenv("TMPDIR");
    *stage = (struct rehearse_stage){.pid = -1, .people = people};
    (void)snprintf(stage->dir, sizeof(stage->dir), "%s/foyer-rehearsal-XXXXXX",
                   base && base[0] ? base : "/tmp");
    if (!mkdtemp(stage->dir)) {
        stage->dir[0] = '\0';
        return ERR_IO;
    }
    enum err err = make_people(stage);
    return err ? err : start_server(stage);
}

/* --- Requests of the organizer --- */

static enum err post(const struct rehearse_stage *stage, const char *path, struct str body,
                     char *ret_id, size_t size)
{
    struct rehearse_wire wire = {-1, stage->port};
    const struct rehearse_request request = {
        .method = "POST", .path = path, .token = REHEARSE_ADMIN_KEY, .body = body};
    struct buf answer;
    struct arena arena;
    struct json_node *node = NULL;
    struct str message, id = STR_NONE;
    buf_init(&answer, (size_t)16 << 20);
    arena_init(&arena, (size_t)64 << 20);
    int status = rehearse_send(&wire, &request, &answer);
    bool is_ok = status >= 200 && status < 300;
    if (is_ok && json_parse(&arena, buf_str(&answer), &node, &message) == ERR_OK &&
        json_as_str(json_get(node, "id"), &id))
        is_ok = str_to_c(id, ret_id, size) == ERR_OK;
    if (!is_ok)
        fprintf(stderr, "foyer: the rehearsal's server answers %s with %d %.*s\n", path, status,
                (int)(answer.len < 400 ? answer.len : 400), answer.data ? answer.data : "");
    rehearse_wire_close(&wire);
    arena_release(&arena);
    buf_release(&answer);
    return is_ok ? ERR_OK : ERR_IO;
}

static enum err block_seats(const struct rehearse_stage *stage, const struct rehearse_event *event,
                            const char *id)
{
    struct str lines = buf_str(&event->blocks);
    char path[96], none[64];
    struct buf body;
    enum err err = ERR_OK;
    (void)snprintf(path, sizeof(path), "/v1/events/%s/blocks", id); /* fits */
    buf_init(&body, (size_t)4 << 20);
    while (!err && lines.len > 0) {
        body.len = 0;
        buf_append_str(&body, STR("{\"seat_ids\":["));
        buf_append_str(&body, str_split(&lines, '\n'));
        buf_append_str(&body, STR("]}"));
        err = post(stage, path, buf_str(&body), none, sizeof(none));
    }
    buf_release(&body);
    return err;
}

enum err rehearse_stage_event(const struct rehearse_stage *stage,
                              const struct rehearse_event *event, bool is_as_is, int64_t onsale_ms,
                              char *ret_id, size_t size)
{
    char venue[64], starts[CLOCK_TEXT_SIZE], onsale[CLOCK_TEXT_SIZE], rest[256], path[96];
    struct buf body;
    enum err err = post(stage, "/v1/venues", buf_str(&event->venue), venue, sizeof(venue));
    if (err)
        return err;
    clock_format(onsale_ms + 7 * 24 * 3600 * 1000LL, starts);
    clock_format(onsale_ms, onsale);
    (void)snprintf(rest, sizeof(rest),
                   ",\"venue_id\":\"%s\",\"starts_at\":\"%s\",\"onsale_at\":\"%s\"}", venue, starts,
                   onsale); /* fits */
    buf_init(&body, (size_t)4 << 20);
    buf_append_str(&body, buf_str(is_as_is ? &event->as_is : &event->open));
    buf_append_str(&body, str_from_c(rest));
    err = post(stage, "/v1/events", buf_str(&body), ret_id, size);
    buf_release(&body);
    if (!err)
        err = block_seats(stage, event, ret_id);
    (void)snprintf(path, sizeof(path), "/v1/events/%s/publish", ret_id); /* fits */
    return err ? err : post(stage, path, STR(""), venue, sizeof(venue));
}

int64_t rehearse_stage_drawn(const struct rehearse_stage *stage, const char *event_id)
{
    struct rehearse_wire wire = {-1, stage->port};
    struct buf answer;
    struct arena arena;
    struct json_node *node = NULL;
    struct str message;
    char path[96];
    int64_t count = 0;
    (void)snprintf(path, sizeof(path), "/v1/events/%s/queue/fairness", event_id); /* fits */
    const struct rehearse_request request = {.method = "GET", .path = path};
    buf_init(&answer, (size_t)1 << 20);
    arena_init(&arena, (size_t)1 << 20);
    if (rehearse_send(&wire, &request, &answer) == 200 &&
        json_parse(&arena, buf_str(&answer), &node, &message) == ERR_OK)
        (void)json_as_i64(json_get(node, "entry_count"), &count); /* null: no draw */
    rehearse_wire_close(&wire);
    arena_release(&arena);
    buf_release(&answer);
    return count;
}

/* --- The end --- */

void rehearse_stage_stop(struct rehearse_stage *stage)
{
    int status = 0;
    if (stage->pid <= 0)
        return;
    (void)kill(stage->pid, SIGTERM);
    int64_t end_ns = clock_mono_ns() + STOP_MS * 1000000LL;
    while (waitpid(stage->pid, &status, WNOHANG) == 0) {
        const struct timespec pause = {.tv_nsec = 10000000};
        if (clock_mono_ns() > end_ns)
            (void)kill(stage->pid, SIGKILL);
        (void)nanosleep(&pause, NULL);
    }
    stage->pid = -1;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    (void)remove(path);
    return 0;
}

void rehearse_stage_end(struct rehearse_stage *stage)
{
    rehearse_stage_stop(stage);
    if (stage->dir[0])
        (void)nftw(stage->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(stage->tokens);
    stage->tokens = NULL;
    stage->dir[0] = '\0';
}
