/* A Foyer server of the benchmark's own: a child process on a free loopback port, with its data in
 * a temporary directory. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <sys/types.h>

#include "base/buf.h"

#define BENCH_ADMIN_KEY "sk_bench_0123456789abcdefghijklmnop"

struct child {
    pid_t pid;
    unsigned port;
    char data[256];
    char store[256]; /* "": files in data */
    bool is_guest;   /* the store is another's */
};

/* Makes a data directory (removed by child_remove). */
ERR_MUST_USE enum err child_directory(struct child *child);
/* The same for one more node of that one's store, which must be PostgreSQL. Removed before it. */
ERR_MUST_USE enum err child_join(struct child *child, const struct child *first);
/* Starts `foyer serve` beside this program with extra arguments (NULL-terminated) and waits for its
 * ready line. */
ERR_MUST_USE enum err child_start(struct child *child, const char *const *arguments);
/* The path of a program beside this one. */
void child_program(const char *name, char *ret_path, size_t size);
/* Reads a started program's output up to its line "ready http://HOST:PORT". ERR_IO: it ended before. */
ERR_MUST_USE enum err child_ready_port(int fd, unsigned *ret_port);
/* SIGTERM, then waits; the exit status must be 0. */
ERR_MUST_USE enum err child_stop(struct child *child);
void child_kill(struct child *child);
void child_remove(struct child *child);
/* `foyer audit --data`: its exit status, output to our own. */
int child_audit(const struct child *child);
/* Peak resident memory in MiB, 0 when unknown. */
int64_t child_memory_mib(const struct child *child);

/* One blocking request with the admin key, asked again under its key while the server is busy (503,
 * for ten seconds); the body of the answer is in ret_body (initialised by
 * the callee, released by the caller). 0 on failure, else the status. */
int child_request(unsigned port, const char *method, const char *path, struct str body,
                  struct buf *ret_body);

/* The same with another bearer token. */
int child_request_as(const char *token, unsigned port, const char *method, const char *path,
                     struct str body, struct buf *ret_body);

#endif
