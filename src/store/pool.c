/*
 * The reader pool: see pool.h. Threads take one task at a time from one queue, so a slow read
 * delays nobody as long as a thread is free. After each task its connections are tidied: a
 * statement or snapshot left open would hold the WAL.
 *
 * Threads: submit and queue length from any; new, stop and free from the owner.
 */
#include "store/pool.h"

#include "store/db_internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define POOL_MAGIC      0x706f6f6cu
#define THREAD_NAME_MAX 16

struct pool_thread {
    pthread_t thread;
    bool is_running;
    struct pool *pool;
    struct db *databases[POOL_DATABASES_MAX];
};

struct pool {
    uint32_t magic;
    char name[THREAD_NAME_MAX];
    struct queue queue;
    size_t databases_count;
    unsigned threads_count;
    struct pool_thread threads[];
};

static void *pool_main(void *ctx)
{
    struct pool_thread *thread = ctx;
    struct pool *pool = thread->pool;
    struct queue_node *node;
    while ((node = queue_take(&pool->queue, 1, -1))) {
        struct pool_task *task = container_of(node, struct pool_task, node);
        task->run(task, thread->databases); /* the task may be gone from here on */
        for (size_t i = 0; i < pool->databases_count; i++) {
            db_end_reads(thread->databases[i]);
        }
    }
    return NULL;
}

static enum err thread_start(struct pool_thread *thread, const struct pool_options *options)
{
    for (size_t i = 0; i < thread->pool->databases_count; i++) {
        enum err err = db_open(options->database_paths[i], DB_READER, &thread->databases[i]);
        if (err != ERR_OK) {
            return err;
        }
    }
    if (pthread_create(&thread->thread, NULL, pool_main, thread) != 0) {
        return ERR_NOMEM;
    }
    thread->is_running = true;
    (void)pthread_setname_np(thread->thread, thread->pool->name); /* a name is a convenience */
    return ERR_OK;
}

static size_t count_databases(const struct pool_options *options)
{
    size_t count = 0;
    while (count < POOL_DATABASES_MAX && options->database_paths[count]) {
        count++;
    }
    return count;
}

enum err pool_new(const struct pool_options *options, struct pool **ret_pool)
{
    assert(options->threads > 0);
    struct pool *pool = calloc(1, sizeof(*pool) + options->threads * sizeof(pool->threads[0]));
    if (!pool) {
        return ERR_NOMEM;
    }
    pool->magic = POOL_MAGIC;
    (void)snprintf(pool->name, sizeof(pool->name), "%s", options->name); /* cut to what fits */
    pool->databases_count = count_databases(options);
    pool->threads_count = options->threads;
    queue_init(&pool->queue, options->queue_max);
    for (unsigned i = 0; i < pool->threads_count; i++) {
        pool->threads[i].pool = pool;
        enum err err = thread_start(&pool->threads[i], options);
        if (err != ERR_OK) {
            pool_free(pool);
            return err;
        }
    }
    *ret_pool = pool;
    return ERR_OK;
}

enum err pool_submit(struct pool *pool, struct pool_task *task)
{
    return queue_push(&pool->queue, &task->node);
}

size_t pool_queue_length(struct pool *pool)
{
    return queue_count(&pool->queue);
}

void pool_stop(struct pool *pool)
{
    assert(pool->magic == POOL_MAGIC);
    queue_close(&pool->queue);
    for (unsigned i = 0; i < pool->threads_count; i++) {
        struct pool_thread *thread = &pool->threads[i];
        if (thread->is_running) {
            (void)pthread_join(thread->thread, NULL); /* the thread is ours and joinable */
            thread->is_running = false;
        }
    }
}

void pool_free(struct pool *pool)
{
    if (!pool) {
        return;
    }
    pool_stop(pool);
    for (unsigned i = 0; i < pool->threads_count; i++) {
        for (size_t j = 0; j < pool->databases_count; j++) {
            db_close(pool->threads[i].databases[j]);
        }
    }
    queue_release(&pool->queue);
    pool->magic = 0;
    free(pool);
}
