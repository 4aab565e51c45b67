/*
 * Bounded queue between threads, intrusive: the node lives in the thing that is queued, so a push
 * never allocates. Many producers, many consumers; one mutex and one condition variable.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include "base/err.h"
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue_node {
    struct queue_node *next;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* CLOCK_MONOTONIC */
    struct queue_node *head;
    struct queue_node **tail;
    size_t count;
    size_t max;
    size_t waiters; /* threads asleep in queue_take: without them nobody needs a wakeup */
    bool is_closed;
};

void queue_init(struct queue *queue, size_t max_items);
void queue_release(struct queue *queue);
/* ERR_FULL at the maximum, ERR_CLOSED after queue_close. Takes the node until it is popped. */
ERR_MUST_USE enum err queue_push(struct queue *queue, struct queue_node *node);
/* As queue_push without the maximum: for things that were accepted before and go round again. */
ERR_MUST_USE enum err queue_requeue(struct queue *queue, struct queue_node *node);
/* Takes up to max nodes as a list in order; waits up to wait_ms (-1: for ever, 0: not at all). NULL
 * when none came, or when closed and empty. */
struct queue_node *queue_take(struct queue *queue, size_t max, int64_t wait_ms);
/* No more pushes; consumers drain and then get NULL at once. */
void queue_close(struct queue *queue);
bool queue_is_closed(struct queue *queue);
size_t queue_count(struct queue *queue);

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
