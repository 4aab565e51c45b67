/*
 * Hash map with linear probing over a power of two of slots, at most three quarters of them used. A
 * removed slot becomes a tombstone, so that searches walk over it; tombstones go when the table is
 * built anew. Keys are our own ids, and their bits are mixed, so neighbours in time do not become
 * neighbours in the table.
 *
 * Invariants: count <= used < cap; there is always a free slot, so every search ends.
 */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>

#define MAP_CAP_MIN 16

enum slot_state {
    SLOT_FREE = 0,
    SLOT_TAKEN,
    SLOT_REMOVED
};

void map_init(struct map *map, size_t max_items)
{
    *map = (struct map){.max = max_items};
}

void map_release(struct map *map)
{
    free(map->slots);
    map_init(map, map->max);
}

/* The finaliser of MurmurHash3: every bit of the key reaches every bit of the place. */
static size_t mix(uint64_t key)
{
    key ^= key >> 33;
    key *= UINT64_C(0xff51afd7ed558ccd);
    key ^= key >> 33;
    key *= UINT64_C(0xc4ceb9fe1a85ec53);
    return (size_t)(key ^ key >> 33);
}

static struct map_slot *find(const struct map *map, uint64_t key)
{
    if (map->cap == 0)
        return NULL;
    for (size_t i = mix(key) & (map->cap - 1);; i = (i + 1) & (map->cap - 1)) {
        struct map_slot *slot = &map->slots[i];
        if (slot->state == SLOT_FREE)
            return NULL;
        if (slot->state == SLOT_TAKEN && slot->key == key)
            return slot;
    }
}

/* The first slot the key may take; the key is known to be absent. */
static struct map_slot *find_place(const struct map *map, uint64_t key)
{
    size_t i = mix(key) & (map->cap - 1);
    while (map->slots[i].state == SLOT_TAKEN)
        i = (i + 1) & (map->cap - 1);
    return &map->slots[i];
}

static enum err rebuild(struct map *map)
{
    /* Twice the taken slots at least: half full after it, whether it grows or only drops
     * tombstones. */
    struct map fresh = {.cap = map->cap ? map->cap : MAP_CAP_MIN, .max = map->max};
    while (fresh.cap < (map->count + 1) * 2)
        fresh.cap *= 2;
    fresh.slots = calloc(fresh.cap, sizeof(*fresh.slots));
    if (!fresh.slots)
        return ERR_NOMEM;
    for (size_t i = 0; i < map->cap; i++) {
        if (map->slots[i].state == SLOT_TAKEN)
            *find_place(&fresh, map->slots[i].key) = map->slots[i];
    }
    fresh.count = fresh.used = map->count;
    free(map->slots);
    *map = fresh;
    return ERR_OK;
}

enum err map_put(struct map *map, uint64_t key, uintptr_t value)
{
    struct map_slot *slot = find(map, key);
    if (slot) {
        slot->value = value;
        return ERR_OK;
    }
    if (map->count >= map->max)
        return ERR_LIMIT;
    if ((map->used + 1) * 4 > map->cap * 3 && rebuild(map) != ERR_OK)
        return ERR_NOMEM;
    slot = find_place(map, key);
    if (slot->state == SLOT_FREE)
        map->used++;
    *slot = (struct map_slot){.key = key, .value = value, .state = SLOT_TAKEN};
    map->count++;
    assert(map->count <= map->used && map->used < map->cap);
    return ERR_OK;
}

bool map_get(const struct map *map, uint64_t key, uintptr_t *ret_value)
{
    const struct map_slot *slot = find(map, key);
    if (slot)
        *ret_value = slot->value;
    return slot;
}

bool map_has(const struct map *map, uint64_t key)
{
    return find(map, key);
}

bool map_remove(struct map *map, uint64_t key)
{
    struct map_slot *slot = find(map, key);
    if (!slot)
        return false;
    size_t next = ((size_t)(slot - map->slots) + 1) & (map->cap - 1);
    /* No search passes a slot whose follower is free, so no tombstone is needed there. */
    bool is_end = map->slots[next].state == SLOT_FREE;
    slot->state = is_end ? SLOT_FREE : SLOT_REMOVED;
    map->used -= is_end;
    map->count--;
    return true;
}

bool map_each(const struct map *map, size_t *position, uint64_t *ret_key, uintptr_t *ret_value)
{
    while (*position < map->cap) {
        const struct map_slot *slot = &map->slots[(*position)++];
        if (slot->state == SLOT_TAKEN) {
            *ret_key = slot->key;
            *ret_value = slot->value;
            return true;
        }
    }
    return false;
}
