/* See peer_child.h. Redis is the guard alone: it writes nothing down. */
#include "peer_child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REDIS_TRIES   200
#define REDIS_WAIT_NS 20000000

static const char *redis_path(void)
{
    static const char *const paths[] = {"/usr/bin/redis-server", "/usr/local/bin/redis-server"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    return NULL;
}

bool peer_child_is_there(void)
{
    char program[512];
    child_program("foyer-textbook", program, sizeof(program));
    return redis_path() != NULL && access(program, X_OK) == 0;
}

static enum err write_sessions(const struct peer_child *peer, const struct stage *stage)
{
    FILE *file = fopen(peer->sessions, "w");
    if (!file)
        return ERR_IO;
    for (size_t i = 0; i < stage->buyers.count; i++)
        fprintf(file, "%s\n", stage->buyers.tokens[i]);
    return fclose(file) == 0 ? ERR_OK : ERR_IO;
}

static enum err write_events(const struct peer_child *peer, const struct stage *stage)
{
    FILE *file = fopen(peer->events, "w");
    if (!file)
        return ERR_IO;
    for (unsigned i = 0; i < stage->event_count; i++)
        fprintf(file, "%s\n", stage->events[i]);
    return fclose(file) == 0 ? ERR_OK : ERR_IO;
}

static void run_redis(const struct peer_child *peer)
{
    const char *program = redis_path();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    execl(program, program, "--port", "0", "--unixsocket", peer->socket, "--save", "",
          "--appendonly", "no", "--logfile", peer->log, (char *)NULL);
    _exit(127);
}

enum err peer_child_start(struct peer_child *peer, const struct stage *stage)
{
    const char *data = stage->child.data;
    snprintf(peer->socket, sizeof(peer->socket), "%s/redis.sock", data);
    snprintf(peer->log, sizeof(peer->log), "%s/redis.log", data);
    snprintf(peer->sessions, sizeof(peer->sessions), "%s/sessions", data);
    snprintf(peer->events, sizeof(peer->events), "%s/events", data);
    enum err err = write_sessions(peer, stage);
    if (!err)
        err = write_events(peer, stage);
    if (err)
        return err;
    peer->redis = fork();
    if (peer->redis == 0)
        run_redis(peer);
    for (int i = 0; peer->redis > 0 && i < REDIS_TRIES && access(peer->socket, W_OK) != 0; i++) {
        struct timespec pause = {.tv_nsec = REDIS_WAIT_NS};
        nanosleep(&pause, NULL);
    }
    return peer->redis > 0 && access(peer->socket, W_OK) == 0 ? ERR_OK : ERR_IO;
}

static bool stop_one(pid_t *pid)
{
    int status = 0;
    if (*pid <= 0)
        return true;
    kill(*pid, SIGTERM);
    pid_t got = waitpid(*pid, &status, 0);
    *pid = 0;
    return got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void run_textbook(const struct peer_child *peer, const struct stage *stage,
                         const char *workers, bool is_plain)
{
    char program[512];
    child_program("foyer-textbook", program, sizeof(program));
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    execl(program, program, "--postgres", stage->child.store, "--redis", peer->socket, "--sessions",
          peer->sessions, "--events", peer->events, "--workers", workers,
          is_plain ? "--plain" : NULL, (char *)NULL);
    perror(program);
    _exit(127);
}

enum err peer_child_serve(struct peer_child *peer, struct stage *stage, unsigned workers,
                          bool is_plain)
{
    char number[16];
    int out[2];
    if (!stop_one(&peer->textbook) || pipe(out))
        return ERR_IO;
    snprintf(number, sizeof(number), "%u", workers);
    peer->textbook = fork();
    if (peer->textbook == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        run_textbook(peer, stage, number, is_plain);
    }
    close(out[1]);
    enum err err = peer->textbook > 0 ? child_ready_port(out[0], &peer->port) : ERR_IO;
    close(out[0]);
    stage->child.port = peer->port;
    return err;
}

bool peer_child_stop(struct peer_child *peer)
{
    bool is_well = stop_one(&peer->textbook);
    return stop_one(&peer->redis) && is_well;
}
