/* A pool of threads with a bounded queue; each thread has its own reading connections, one per
 * database given. */
#ifndef STORE_POOL_H
#define STORE_POOL_H

#include "base/queue.h"
#include "store/db.h"

#define POOL_DATABASES_MAX 6

struct pool;

struct pool_task {
    struct queue_node node;
    /* databases: as many as the pool was made with, in that order. */
    void (*run)(struct pool_task *task, struct db *const *databases);
};

struct pool_options {
    const char *name;
    unsigned threads;
    size_t queue_max;
    const char *database_paths[POOL_DATABASES_MAX]; /* NULL ends; files must exist */
};

ERR_MUST_USE enum err pool_new(const struct pool_options *options, struct pool **ret_pool);
/* Any thread. ERR_FULL, ERR_CLOSED. */
ERR_MUST_USE enum err pool_submit(struct pool *pool, struct pool_task *task);
size_t pool_queue_length(struct pool *pool);
/* Runs what is queued, joins. */
void pool_stop(struct pool *pool);
void pool_free(struct pool *pool);

#endif
