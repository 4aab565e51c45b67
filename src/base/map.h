/* Hash map from a 64-bit key to a pointer or number; open addressing, grows to a maximum. Not
 * thread-safe. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t key;
    uintptr_t value;
    uint8_t state;
};

struct map {
    struct map_slot *slots;
    size_t count;
    size_t used; /* with tombstones */
    size_t cap;
    size_t max;
};

void map_init(struct map *map, size_t max_items);
void map_release(struct map *map);
/* Replaces what was there. ERR_LIMIT at the maximum, ERR_NOMEM. */
ERR_MUST_USE enum err map_put(struct map *map, uint64_t key, uintptr_t value);
bool map_get(const struct map *map, uint64_t key, uintptr_t *ret_value);
bool map_has(const struct map *map, uint64_t key);
/* True when it was there. */
bool map_remove(struct map *map, uint64_t key);
/* Iterate: start with *position = 0; false at the end. The map must not change meanwhile. */
bool map_each(const struct map *map, size_t *position, uint64_t *ret_key, uintptr_t *ret_value);

#endif
