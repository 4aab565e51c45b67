/*
 * The cache of callers: what a token's hash stands for, so that the loops need no database to know
 * who is calling.
 *
 * Shards with a mutex each; a shard is sets of WAYS entries, and a hash can only stand in its set.
 * So a lookup is one lock and at most WAYS comparisons, the size never grows, and a full set gives
 * up its oldest entry.
 *
 * Invariant: once a removal on this node has returned, no entry made from what the database said before it is in
 * the cache, and none comes in later. A reader notes the shard's generation before it reads the
 * database; every removal moves the generation under the shard's lock; an insert under the same
 * lock refuses an old generation. So whichever of the two comes first, either the insert is refused
 * or the removal finds the entry.
 *
 * Removals on other nodes are not heard of. Where there are any, an entry counts for fresh_ms from
 * before its database was read, and that is how long they take to arrive.
 *
 * Callers are reference counted: an entry holds one, each request holds one.
 */
#include "app/session_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "app/identity_internal.h"
#include "base/clock.h"
#include "base/queue.h"

#define SHARDS 64
#define WAYS   8
#define SETS   (SESSION_CACHE_MAX / SHARDS / WAYS)

_Static_assert(SHARDS *SETS *WAYS == SESSION_CACHE_MAX, "the cache has its size");
_Static_assert((SETS & (SETS - 1)) == 0 && SETS <= 256, "a byte of the hash picks the set");

struct counted_caller {
    struct caller caller;
    _Atomic unsigned refs;
};

struct entry {
    uint8_t token_hash[SHA256_SIZE];
    const struct caller *caller; /* NULL: free */
    int64_t expires_ms;
    int64_t fresh_until_ns; /* of the monotonic clock, which nobody sets */
    uint64_t order;         /* of insertion, in the shard */
};

struct shard {
    pthread_mutex_t lock;
    uint64_t generation;
    uint64_t order;
    struct entry entries[SETS][WAYS];
};

struct session_cache {
    int64_t fresh_ns; /* INT64_MAX: as long as it lasts */
    struct shard shards[SHARDS];
};

struct caller *caller_new(void)
{
    struct counted_caller *counted = calloc(1, sizeof(*counted));
    if (!counted)
        return NULL;
    atomic_init(&counted->refs, 1);
    return &counted->caller;
}

static struct counted_caller *counted_of(const struct caller *caller)
{
    return container_of((struct caller *)(uintptr_t)caller, struct counted_caller, caller);
}

const struct caller *caller_ref(const struct caller *caller)
{
    unsigned before = atomic_fetch_add_explicit(&counted_of(caller)->refs, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before; /* for builds without asserts */
    return caller;
}

void caller_unref(const struct caller *caller)
{
    if (!caller)
        return;
    struct counted_caller *counted = counted_of(caller);
    unsigned before = atomic_fetch_sub_explicit(&counted->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        free(counted);
}

struct session_cache *session_cache_new(int64_t fresh_ms)
{
    struct session_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return NULL;
    cache->fresh_ns = fresh_ms ? fresh_ms * 1000000 : INT64_MAX;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&cache->shards[i].lock, NULL);
    return cache;
}

/* The lock is held (or nobody else is left). */
static void entry_clear(struct entry *entry)
{
    caller_unref(entry->caller);
    *entry = (struct entry){0};
}

void session_cache_free(struct session_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        for (size_t j = 0; j < SETS * WAYS; j++)
            entry_clear(&shard->entries[j / WAYS][j % WAYS]);
        pthread_mutex_destroy(&shard->lock);
    }
    free(cache);
}

/* Hashes are of random tokens: their bytes are spread well enough as they are. */
static struct shard *shard_of(struct session_cache *cache, const uint8_t *token_hash)
{
    return &cache->shards[token_hash[0] % SHARDS];
}

static struct entry *set_of(struct shard *shard, const uint8_t *token_hash)
{
    return shard->entries[token_hash[1] % SETS];
}

/* The lock is held. NULL: not there. */
static struct entry *entry_find(struct shard *shard, const uint8_t *token_hash)
{
    struct entry *set = set_of(shard, token_hash);
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].caller && memcmp(set[i].token_hash, token_hash, SHA256_SIZE) == 0)
            return &set[i];
    }
    return NULL;
}

const struct caller *session_cache_get(struct session_cache *cache,
                                       const uint8_t token_hash[static SHA256_SIZE])
{
    struct shard *shard = shard_of(cache, token_hash);
    const struct caller *caller = NULL;
    int64_t now_ms = clock_now_ms();
    bool must_be_fresh = cache->fresh_ns != INT64_MAX;
    int64_t now_ns = must_be_fresh ? clock_mono_ns() : 0;
    pthread_mutex_lock(&shard->lock);
    struct entry *entry = entry_find(shard, token_hash);
    if (entry && entry->expires_ms > now_ms && now_ns <= entry->fresh_until_ns)
        caller = caller_ref(entry->caller);
    else if (entry)
        entry_clear(entry);
    pthread_mutex_unlock(&shard->lock);
    return caller;
}

struct session_note session_cache_note(struct session_cache *cache,
                                       const uint8_t token_hash[static SHA256_SIZE])
{
    struct shard *shard = shard_of(cache, token_hash);
    struct session_note note = {.at_ns = clock_mono_ns()};
    pthread_mutex_lock(&shard->lock);
    note.generation = shard->generation;
    pthread_mutex_unlock(&shard->lock);
    return note;
}

/* The lock is held. The entry to overwrite: the same token's, a free one, or the oldest. */
static struct entry *entry_for(struct shard *shard, const uint8_t *token_hash)
{
    struct entry *best = entry_find(shard, token_hash);
    struct entry *set = set_of(shard, token_hash);
    for (size_t i = 0; i < WAYS && !best; i++) {
        if (!set[i].caller)
            best = &set[i];
    }
    if (best)
        return best;
    best = &set[0];
    for (size_t i = 1; i < WAYS; i++) {
        if (set[i].order < best->order)
            best = &set[i];
    }
    return best;
}

bool session_cache_put(struct session_cache *cache, const uint8_t token_hash[static SHA256_SIZE],
                       const struct caller *caller, int64_t expires_ms, struct session_note note)
{
    struct shard *shard = shard_of(cache, token_hash);
    pthread_mutex_lock(&shard->lock);
    bool is_current = shard->generation == note.generation;
    if (is_current) {
        struct entry *entry = entry_for(shard, token_hash);
        entry_clear(entry);
        memcpy(entry->token_hash, token_hash, SHA256_SIZE);
        entry->caller = caller_ref(caller);
        entry->expires_ms = expires_ms;
        entry->fresh_until_ns =
            cache->fresh_ns == INT64_MAX ? INT64_MAX : note.at_ns + cache->fresh_ns;
        entry->order = ++shard->order;
    }
    pthread_mutex_unlock(&shard->lock);
    return is_current;
}

void session_cache_remove(struct session_cache *cache, const uint8_t token_hash[static SHA256_SIZE])
{
    struct shard *shard = shard_of(cache, token_hash);
    pthread_mutex_lock(&shard->lock);
    shard->generation++;
    struct entry *entry = entry_find(shard, token_hash);
    if (entry)
        entry_clear(entry);
    pthread_mutex_unlock(&shard->lock);
}

void session_cache_remove_account(struct session_cache *cache, uint64_t account_id)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->lock);
        shard->generation++;
        for (size_t j = 0; j < SETS * WAYS; j++) {
            struct entry *entry = &shard->entries[j / WAYS][j % WAYS];
            if (entry->caller && entry->caller->account_id == account_id)
                entry_clear(entry);
        }
        pthread_mutex_unlock(&shard->lock);
    }
}
