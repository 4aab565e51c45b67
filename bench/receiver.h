/*
 * Receivers of webhooks: a process of its own that answers POSTs on 127.0.0.1, one thread on epoll. A
 * path is a number ("/17") and stands for one endpoint; how it behaves is set while it runs. Each
 * message that has arrived whole is written to a log in shared memory, with the time at which it was
 * meant to be sent: its payload carries it (receiver_payload).
 */
#ifndef BENCH_RECEIVER_H
#define BENCH_RECEIVER_H

#include <stdatomic.h>
#include <sys/types.h>

#include "base/buf.h"

#define RECEIVER_URL_SIZE 64
#define RECEIVER_NEVER    (-1)

/* Where the answer stops until its delay has passed. */
enum receiver_hang {
    RECEIVER_BEFORE, /* nothing is sent until then */
    RECEIVER_IN,     /* half of the head is there at once */
    RECEIVER_AFTER,  /* the whole head is, and no body */
    RECEIVER_MIXED,  /* these three in turn */
};

struct receiver_behaviour {
    int delay_ms; /* RECEIVER_NEVER: no end of the answer at all */
    enum receiver_hang hang;
    int status; /* 0: 200 */
};

struct receiver_path {
    _Atomic int delay_ms, hang, status;
    _Atomic uint64_t arrived, answered; /* answered: to the last byte */
    _Atomic int64_t under_way, most_under_way;
};

struct receiver_arrival {
    int64_t intended_ns, arrived_ns; /* monotonic, which is one clock for all processes */
    uint64_t seq;
    uint32_t path;
    uint32_t status; /* that it is or will be answered with */
};

struct receiver_shared;

struct receiver {
    pid_t pid;
    unsigned port;
    size_t path_count, log_max;
    struct receiver_shared *shared;
    struct receiver_path *paths; /* path_count */
    struct receiver_arrival *log;
};

/* Paths answer 200 at once until they are told otherwise. What arrives after log_max is counted in
 * receiver_unlogged and answered all the same. */
ERR_MUST_USE enum err receiver_start(struct receiver *receiver, size_t path_count, size_t log_max);
void receiver_stop(struct receiver *receiver);
void receiver_set(struct receiver *receiver, size_t path,
                  const struct receiver_behaviour *behaviour);
/* For an endpoint's URL. */
void receiver_url(const struct receiver *receiver, size_t path, char ret_url[RECEIVER_URL_SIZE]);
/* A JSON object of about that many bytes. intended_ns: of clock_mono_ns(). */
void receiver_payload(struct buf *buf, uint64_t seq, int64_t intended_ns, size_t bytes);
/* The first so many entries of the log may be read. */
size_t receiver_logged(const struct receiver *receiver);
uint64_t receiver_unlogged(const struct receiver *receiver);
/* Open now, and the most at one time. */
int64_t receiver_connections(const struct receiver *receiver, int64_t *ret_most);

#endif
