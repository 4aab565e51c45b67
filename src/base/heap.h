/* Binary heap of timers, earliest first. Holds values, not pointers. Not thread-safe. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_item {
    int64_t due_ms;
    uint64_t shard;
    uint64_t id;
};

struct heap {
    struct heap_item *items;
    size_t count;
    size_t cap;
    size_t max;
};

void heap_init(struct heap *heap, size_t max_items);
void heap_release(struct heap *heap);
/* ERR_LIMIT at the maximum, ERR_NOMEM. */
ERR_MUST_USE enum err heap_push(struct heap *heap, struct heap_item item);
/* NULL when empty; valid until the next push or pop. */
const struct heap_item *heap_peek(const struct heap *heap);
/* Heap must not be empty. */
struct heap_item heap_pop(struct heap *heap);

#endif
