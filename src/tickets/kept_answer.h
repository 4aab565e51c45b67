/*
 * An answer's body kept for as long as what it says is true. Many people ask the same of one event
 * between two changes; the first one's bytes serve them all, by reference.
 *
 * A slot holds one body, made at some state of the model: a counter that moves after every change
 * names it. Whoever finds an older state makes the body anew. A body made while a change was under
 * way may show part of it; it is kept under the state before, so the end of that change replaces
 * it. Any thread; the lock is held for a comparison, never while a body is made.
 */
#ifndef TICKETS_KEPT_ANSWER_H
#define TICKETS_KEPT_ANSWER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"

struct kept_answer {
    struct buf body;
    uint64_t state;
    _Atomic unsigned refs;
};

struct kept_slot {
    pthread_mutex_t lock;
    struct kept_answer *answer; /* NULL: none yet */
};

void kept_slot_init(struct kept_slot *slot);
void kept_slot_release(struct kept_slot *slot);
/* The body of this state with a reference, or NULL. */
struct kept_answer *kept_slot_get(struct kept_slot *slot, uint64_t state);
/* A new answer with an empty body, the caller's reference; NULL when out of memory. */
struct kept_answer *kept_answer_new(uint64_t state, size_t bytes_max);
/* Keeps it instead of what was there, unless that is newer. The caller's reference stays. */
void kept_slot_put(struct kept_slot *slot, struct kept_answer *answer);
void kept_answer_unref(struct kept_answer *answer);

#endif
