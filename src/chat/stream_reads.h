/*
 * The way of all streams to the database: tasks at the application's reader pool, at most STREAM_READS_MAX at
 * a time, so that a hundred thousand clients who come back at once leave readers to HTTP. The others wait
 * here: first what live listeners wait for, then who catches up, each in order. What waits is a part of
 * something that is bounded itself (a connection, a chat with listeners), so nothing is refused.
 */
#ifndef CHAT_STREAM_READS_H
#define CHAT_STREAM_READS_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/pool.h"

struct stream_reads;

struct stream_read {
    struct pool_task task;
    struct stream_reads *reads;
    struct stream_read *next;
    bool is_urgent;
    bool is_session; /* a catch-up: freed by catchup_release when it never runs */
    /* On a pool thread. The read is the callee's again. */
    void (*run)(struct stream_read *read, struct db *const *databases);
};

struct stream_read_list {
    struct stream_read *first;
    struct stream_read **last;
};

struct stream_reads {
    pthread_mutex_t lock; /* guards what follows; a leaf but for the pool's */
    struct pool *pool;
    unsigned at_pool;
    struct stream_read_list urgent, others, later;
    _Atomic uint64_t waiting; /* for metrics */
};

void stream_reads_init(struct stream_reads *reads);
void stream_reads_release(struct stream_reads *reads);
/* Before anything is submitted. */
void stream_reads_open(struct stream_reads *reads, struct pool *pool);
/* Any thread. */
void stream_reads_submit(struct stream_reads *reads, struct stream_read *read);
/* The same, at the next tick: what has failed. */
void stream_reads_later(struct stream_reads *reads, struct stream_read *read);
void stream_reads_tick(struct stream_reads *reads);
/* One that still waits, when nothing runs any more; NULL: none. */
struct stream_read *stream_reads_take(struct stream_reads *reads);

#endif
