/* Kept answers; see kept_answer.h. */
#include "tickets/kept_answer.h"

#include <assert.h>
#include <stdlib.h>

void kept_slot_init(struct kept_slot *slot)
{
    slot->answer = NULL;
    (void)pthread_mutex_init(&slot->lock, NULL); /* cannot fail on Linux */
}

void kept_slot_release(struct kept_slot *slot)
{
    if (slot->answer)
        kept_answer_unref(slot->answer);
    slot->answer = NULL;
    pthread_mutex_destroy(&slot->lock);
}

static struct kept_answer *ref(struct kept_answer *answer)
{
    atomic_fetch_add_explicit(&answer->refs, 1, memory_order_relaxed);
    return answer;
}

struct kept_answer *kept_slot_get(struct kept_slot *slot, uint64_t state)
{
    struct kept_answer *answer = NULL;
    pthread_mutex_lock(&slot->lock);
    if (slot->answer && slot->answer->state == state)
        answer = ref(slot->answer);
    pthread_mutex_unlock(&slot->lock);
    return answer;
}

struct kept_answer *kept_answer_new(uint64_t state, size_t bytes_max)
{
    struct kept_answer *answer = malloc(sizeof(*answer));
    if (!answer)
        return NULL;
    buf_init(&answer->body, bytes_max);
    answer->state = state;
    atomic_init(&answer->refs, 1);
    return answer;
}

void kept_slot_put(struct kept_slot *slot, struct kept_answer *answer)
{
    struct kept_answer *old = NULL;
    pthread_mutex_lock(&slot->lock);
    if (!slot->answer || slot->answer->state < answer->state) {
        old = slot->answer;
        slot->answer = ref(answer);
    }
    pthread_mutex_unlock(&slot->lock);
    if (old)
        kept_answer_unref(old);
}

void kept_answer_unref(struct kept_answer *answer)
{
    unsigned before = atomic_fetch_sub_explicit(&answer->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    buf_release(&answer->body);
    free(answer);
}
