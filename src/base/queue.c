/*
 * Bounded queue between threads. The list is guarded by the lock; a push wakes one sleeper when
 * there is one, after the lock is free, so that the sleeper does not run into it. A busy consumer
 * costs its producers no system call.
 *
 * queue_release is for the time after the threads have ended.
 */
#include "base/queue.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

void queue_init(struct queue *queue, size_t max_items)
{
    pthread_condattr_t attributes;
    *queue = (struct queue){.max = max_items};
    queue->tail = &queue->head;
    /* On Linux these cannot fail: they only fill in the structs. */
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&queue->wakeup, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

void queue_release(struct queue *queue)
{
    assert(queue->waiters == 0);
    (void)pthread_cond_destroy(
        &queue->wakeup); /* fails only while in use, which is asserted above */
    (void)pthread_mutex_destroy(&queue->lock);
}

static enum err push(struct queue *queue, struct queue_node *node, size_t max)
{
    pthread_mutex_lock(&queue->lock);
    enum err err = queue->is_closed ? ERR_CLOSED : queue->count >= max ? ERR_FULL : ERR_OK;
    bool is_awaited = false;
    if (err == ERR_OK) {
        node->next = NULL;
        *queue->tail = node;
        queue->tail = &node->next;
        queue->count++;
        is_awaited = queue->waiters > 0;
    }
    pthread_mutex_unlock(&queue->lock);
    if (is_awaited)
        pthread_cond_signal(&queue->wakeup);
    return err;
}

enum err queue_push(struct queue *queue, struct queue_node *node)
{
    return push(queue, node, queue->max);
}

enum err queue_requeue(struct queue *queue, struct queue_node *node)
{
    return push(queue, node, SIZE_MAX);
}

static struct timespec deadline_after(int64_t wait_ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at); /* cannot fail for this clock */
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += wait_ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* With the lock held: returns when there is something, nothing more to come, or the time is over.
 */
static void wait_for_nodes(struct queue *queue, int64_t wait_ms)
{
    struct timespec deadline = deadline_after(wait_ms > 0 ? wait_ms : 0);
    int result = 0;
    queue->waiters++;
    while (!queue->head && !queue->is_closed && result != ETIMEDOUT) {
        if (wait_ms < 0)
            result = pthread_cond_wait(&queue->wakeup, &queue->lock);
        else
            result = pthread_cond_timedwait(&queue->wakeup, &queue->lock, &deadline);
    }
    queue->waiters--;
}

/* With the lock held. */
static struct queue_node *unlink_nodes(struct queue *queue, size_t max)
{
    struct queue_node *first = queue->head;
    if (!first || max == 0)
        return NULL;
    if (max >= queue->count) {
        queue->head = NULL;
        queue->tail = &queue->head;
        queue->count = 0;
        return first;
    }
    struct queue_node *last = first;
    for (size_t i = 1; i < max; i++)
        last = last->next;
    queue->head = last->next;
    last->next = NULL;
    queue->count -= max;
    return first;
}

struct queue_node *queue_take(struct queue *queue, size_t max, int64_t wait_ms)
{
    pthread_mutex_lock(&queue->lock);
    if (!queue->head && !queue->is_closed && wait_ms != 0)
        wait_for_nodes(queue, wait_ms);
    struct queue_node *nodes = unlink_nodes(queue, max);
    pthread_mutex_unlock(&queue->lock);
    return nodes;
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->is_closed = true;
    pthread_cond_broadcast(&queue->wakeup);
    pthread_mutex_unlock(&queue->lock);
}

bool queue_is_closed(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool is_closed = queue->is_closed;
    pthread_mutex_unlock(&queue->lock);
    return is_closed;
}

size_t queue_count(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}
