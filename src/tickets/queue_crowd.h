/*
 * How many people are at an event's pages at once, for `auto`: those who have asked for seats or a
 * hold within the last QUEUE_CROWD_MS, as far as this node has served them. Two bitmaps by a hash of
 * the person take turns; a bit that is set already counts nobody, so a large crowd is counted a
 * little low (of 100,000 people some 20,000), a small one as it is.
 *
 * Threads: any.
 */
#ifndef TICKETS_QUEUE_CROWD_H
#define TICKETS_QUEUE_CROWD_H

#include "base/err.h"
#include <stdint.h>

struct queue_crowd;

/* Its bitmaps come with the first person. NULL: no memory. */
struct queue_crowd *queue_crowd_new(void);
void queue_crowd_free(struct queue_crowd *crowd); /* NULL is fine */
/* Somebody is there; returns how many are. */
int64_t queue_crowd_note(struct queue_crowd *crowd, uint64_t person, int64_t now_ms);
int64_t queue_crowd_count(struct queue_crowd *crowd, int64_t now_ms);

#endif
