/*
 * Answers of common searches, kept for SEARCH_CACHE_MS at most and until the index changes. A mutex
 * around a small table: it is held for a look-up, never while an answer is made or sent; bodies are
 * reference counted.
 */
#ifndef TICKETS_SEARCH_CACHE_H
#define TICKETS_SEARCH_CACHE_H

#include "base/buf.h"

#define SEARCH_CACHE_MS        30000
#define SEARCH_CACHE_ANSWERS   8192
#define SEARCH_CACHE_BYTES_MAX ((size_t)64 << 20) /* of bodies; the oldest places are cleared */
#define SEARCH_CACHE_BODY_MAX  ((size_t)128 << 10)
#define SEARCH_CACHE_QUERY_MAX 256 /* bytes; longer ones aren't kept */

struct search_cache;

/* A body with its references; data stays as long as one is held. */
struct search_answer {
    _Atomic int refs;
    struct buf body;
};
void search_answer_unref(struct search_answer *answer);

struct search_cache *search_cache_new(void); /* NULL: out of memory */
void search_cache_free(struct search_cache *cache);
/* Changes with every search_cache_clear; to be read before the question is asked. Any thread. */
uint64_t search_cache_generation(const struct search_cache *cache);
/* The answer to the raw query, with a reference, or NULL. Any thread. */
struct search_answer *search_cache_get(struct search_cache *cache, struct str query,
                                       int64_t now_ms);
/* Keeps a copy of the body unless the index has changed since generation. Any thread. */
void search_cache_put(struct search_cache *cache, struct str query, uint64_t generation,
                      int64_t now_ms, struct str body);
/* The index changed. */
void search_cache_clear(struct search_cache *cache);

/* Questions that were found and that were not; ctx is the cache. Any thread. */
int64_t search_cache_hits(void *ctx);
int64_t search_cache_misses(void *ctx);

#endif
