/* Reference-counted bytes; see the header. */
#include "net/shared.h"

#include <assert.h>
#include <stdlib.h>

struct shared *shared_new(uint32_t size)
{
    struct shared *shared = malloc(sizeof(*shared) + size);
    if (!shared)
        return NULL;
    atomic_init(&shared->refs, 1);
    shared->size = size;
    return shared;
}

struct shared *shared_ref(struct shared *shared)
{
    uint32_t before = atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    assert(before > 0 && before < UINT32_MAX);
    return shared;
}

void shared_unref(struct shared *shared)
{
    /* What others did before they let go is seen by the one who frees. */
    if (shared && atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) == 1)
        free(shared);
}
