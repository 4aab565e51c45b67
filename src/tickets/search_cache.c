/*
 * The table: a slot per hash of the query; a newer answer takes an older one's slot, so there is
 * nothing to evict. A generation says whether a kept answer is of the index as it is now, so
 * clearing is one increment.
 */
#include "tickets/search_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct slot {
    struct search_answer *answer; /* NULL: empty */
    uint64_t generation;
    int64_t made_at_ms;
    size_t query_len;
    char query[SEARCH_CACHE_QUERY_MAX];
};

struct search_cache {
    pthread_mutex_t lock;
    _Atomic uint64_t generation;
    _Atomic int64_t hits, misses;
    size_t bytes; /* of bodies; under the lock */
    size_t hand;  /* next slot to be cleared when there are too many */
    struct slot slots[SEARCH_CACHE_ANSWERS];
};

struct search_cache *search_cache_new(void)
{
    struct search_cache *cache = calloc(1, sizeof(*cache));
    if (cache)
        pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void search_answer_unref(struct search_answer *answer)
{
    if (!answer || atomic_fetch_sub(&answer->refs, 1) != 1)
        return;
    buf_release(&answer->body);
    free(answer);
}

void search_cache_free(struct search_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < SEARCH_CACHE_ANSWERS; i++)
        search_answer_unref(cache->slots[i].answer);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

uint64_t search_cache_generation(const struct search_cache *cache)
{
    return atomic_load(&cache->generation);
}

static struct slot *slot_of(struct search_cache *cache, struct str query)
{
    return &cache->slots[str_hash(query) % SEARCH_CACHE_ANSWERS];
}

struct search_answer *search_cache_get(struct search_cache *cache, struct str query, int64_t now_ms)
{
    struct slot *slot = slot_of(cache, query);
    struct search_answer *answer = NULL;
    pthread_mutex_lock(&cache->lock);
    bool is_fresh = slot->answer && slot->generation == search_cache_generation(cache) &&
                    now_ms - slot->made_at_ms < SEARCH_CACHE_MS;
    if (is_fresh && str_eq(str_from(slot->query, slot->query_len), query)) {
        answer = slot->answer;
        atomic_fetch_add(&answer->refs, 1);
    }
    pthread_mutex_unlock(&cache->lock);
    atomic_fetch_add_explicit(answer ? &cache->hits : &cache->misses, 1, memory_order_relaxed);
    return answer;
}

int64_t search_cache_hits(void *ctx)
{
    const struct search_cache *cache = ctx;
    return atomic_load(&cache->hits);
}

int64_t search_cache_misses(void *ctx)
{
    const struct search_cache *cache = ctx;
    return atomic_load(&cache->misses);
}

static struct search_answer *answer_new(struct str body)
{
    struct search_answer *answer = calloc(1, sizeof(*answer));
    if (!answer)
        return NULL;
    atomic_init(&answer->refs, 1);
    buf_init(&answer->body, SEARCH_CACHE_BODY_MAX);
    buf_append_str(&answer->body, body);
    if (!answer->body.overflow)
        return answer;
    search_answer_unref(answer);
    return NULL;
}

/* Whoever sends the answer keeps it by a reference of its own. */
static void slot_clear(struct search_cache *cache, struct slot *slot)
{
    if (!slot->answer)
        return;
    cache->bytes -= slot->answer->body.len;
    search_answer_unref(slot->answer);
    slot->answer = NULL;
}

static void make_room(struct search_cache *cache, size_t size)
{
    while (cache->bytes + size > SEARCH_CACHE_BYTES_MAX)
        slot_clear(cache, &cache->slots[cache->hand++ % SEARCH_CACHE_ANSWERS]);
}

void search_cache_put(struct search_cache *cache, struct str query, uint64_t generation,
                      int64_t now_ms, struct str body)
{
    struct search_answer *answer =
        query.len <= SEARCH_CACHE_QUERY_MAX && body.len <= SEARCH_CACHE_BODY_MAX ? answer_new(body)
                                                                                 : NULL;
    if (!answer)
        return;
    struct slot *slot = slot_of(cache, query);
    pthread_mutex_lock(&cache->lock);
    slot_clear(cache, slot);
    make_room(cache, body.len);
    slot->answer = answer;
    cache->bytes += body.len;
    slot->generation = generation; /* an old one is never found */
    slot->made_at_ms = now_ms;
    slot->query_len = query.len;
    if (query.len > 0)
        memcpy(slot->query, query.data, query.len);
    pthread_mutex_unlock(&cache->lock);
}

void search_cache_clear(struct search_cache *cache)
{
    atomic_fetch_add(&cache->generation, 1);
}
