/*
 * Binary heap of timers: the children of i are 2i+1 and 2i+2, and no child is earlier than its
 * parent. Ties are broken by shard and id, so that the order never depends on the order of pushing.
 */
#include "base/heap.h"

#include <assert.h>
#include <stdlib.h>

#define HEAP_CAP_MIN 64

void heap_init(struct heap *heap, size_t max_items)
{
    *heap = (struct heap){.max = max_items};
}

void heap_release(struct heap *heap)
{
    free(heap->items);
    heap_init(heap, heap->max);
}

static bool is_before(const struct heap_item *a, const struct heap_item *b)
{
    if (a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms;
    if (a->shard != b->shard)
        return a->shard < b->shard;
    return a->id < b->id;
}

static enum err grow(struct heap *heap)
{
    size_t cap = heap->cap ? heap->cap * 2 : HEAP_CAP_MIN;
    if (cap > heap->max)
        cap = heap->max;
    struct heap_item *items = reallocarray(heap->items, cap, sizeof(*items));
    if (!items)
        return ERR_NOMEM;
    heap->items = items;
    heap->cap = cap;
    return ERR_OK;
}

enum err heap_push(struct heap *heap, struct heap_item item)
{
    if (heap->count >= heap->max)
        return ERR_LIMIT;
    if (heap->count == heap->cap && grow(heap) != ERR_OK)
        return ERR_NOMEM;
    size_t i = heap->count++;
    while (i > 0 && is_before(&item, &heap->items[(i - 1) / 2])) {
        heap->items[i] = heap->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->items[i] = item;
    return ERR_OK;
}

const struct heap_item *heap_peek(const struct heap *heap)
{
    return heap->count > 0 ? &heap->items[0] : NULL;
}

struct heap_item heap_pop(struct heap *heap)
{
    assert(heap->count > 0);
    struct heap_item first = heap->items[0];
    struct heap_item last = heap->items[--heap->count];
    size_t i = 0;
    for (size_t child = 1; child < heap->count; child = 2 * i + 1) {
        if (child + 1 < heap->count && is_before(&heap->items[child + 1], &heap->items[child]))
            child++;
        if (!is_before(&heap->items[child], &last))
            break;
        heap->items[i] = heap->items[child];
        i = child;
    }
    heap->items[i] = last;
    return first;
}
