/*
 * See db_sqlite_cache.h. The cache is SQLite's own; around it stands a note of the highest page.
 *
 * At each end of a transaction SQLite has its cache drop the pages behind the end of the file. There
 * are none after a COMMIT, and the cache would see that from the highest number it has ever had. But
 * where pages are split, two of them may swap their numbers, one by way of a number far behind the
 * end; from then on the cache believes in pages there and looks at each one it holds: 16,000 in a
 * full cache, 0.4 ms of the writer's time in nearly every group (seen with 3.40).
 *
 * Here a number that a page was given by renaming counts only as long as the page has it.
 *
 * Invariants: no page in the cache has a higher number than highest; while is_renamed is set, one
 * that was renamed has highest itself, and all others have highest_but_one at most. So a drop of
 * what lies above highest has nothing to do.
 *
 * Threads: a cache is its connection's.
 */
#include "store/db_sqlite_cache.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>

struct cache {
    sqlite3_pcache *inner;
    unsigned highest, highest_but_one;
    bool is_renamed;
};

static sqlite3_pcache_methods2 inner; /* SQLite's own; set once, before there is a cache */

static struct cache *cache_of(sqlite3_pcache *pcache)
{
    return (struct cache *)pcache;
}

static void note_key(struct cache *cache, unsigned key)
{
    if (key > cache->highest) {
        cache->highest = key;
        cache->is_renamed = false;
    } else if (cache->is_renamed && key > cache->highest_but_one) {
        cache->highest_but_one = key;
    }
}

static sqlite3_pcache *cache_create(int page_size, int extra_size, int is_purgeable)
{
    struct cache *cache = calloc(1, sizeof(*cache));
    if (!cache) {
        return NULL;
    }
    cache->inner = inner.xCreate(page_size, extra_size, is_purgeable);
    if (!cache->inner) {
        free(cache);
        return NULL;
    }
    return (sqlite3_pcache *)cache;
}

static void cache_destroy(sqlite3_pcache *pcache)
{
    struct cache *cache = cache_of(pcache);
    inner.xDestroy(cache->inner);
    free(cache);
}

static void cache_set_size(sqlite3_pcache *pcache, int pages)
{
    inner.xCachesize(cache_of(pcache)->inner, pages);
}

static int cache_count(sqlite3_pcache *pcache)
{
    return inner.xPagecount(cache_of(pcache)->inner);
}

static sqlite3_pcache_page *cache_fetch(sqlite3_pcache *pcache, unsigned key, int create)
{
    struct cache *cache = cache_of(pcache);
    if (create) {
        note_key(cache, key);
    }
    return inner.xFetch(cache->inner, key, create);
}

static void cache_unpin(sqlite3_pcache *pcache, sqlite3_pcache_page *page, int is_discarded)
{
    inner.xUnpin(cache_of(pcache)->inner, page, is_discarded);
}

static void cache_rename(sqlite3_pcache *pcache, sqlite3_pcache_page *page, unsigned old_key,
                         unsigned new_key)
{
    struct cache *cache = cache_of(pcache);
    if (cache->is_renamed && old_key == cache->highest) {
        cache->highest = cache->highest_but_one;
        cache->is_renamed = false;
    }
    if (new_key > cache->highest) {
        cache->highest_but_one = cache->highest;
        cache->highest = new_key;
        cache->is_renamed = true;
    } else {
        note_key(cache, new_key);
    }
    inner.xRekey(cache->inner, page, old_key, new_key);
}

/* Drops the pages from limit on. */
static void cache_truncate(sqlite3_pcache *pcache, unsigned limit)
{
    struct cache *cache = cache_of(pcache);
    if (limit > cache->highest) {
        return;
    }
    inner.xTruncate(cache->inner, limit);
    cache->highest = limit > 0 ? limit - 1 : 0;
    cache->is_renamed = false;
}

static void cache_shrink(sqlite3_pcache *pcache)
{
    inner.xShrink(cache_of(pcache)->inner);
}

void db_sqlite_cache_setup(void)
{
    if (sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &inner) != SQLITE_OK) {
        return;
    }
    sqlite3_pcache_methods2 methods = {
        .iVersion = inner.iVersion,
        .pArg = inner.pArg,
        .xInit = inner.xInit,
        .xShutdown = inner.xShutdown,
        .xCreate = cache_create,
        .xCachesize = cache_set_size,
        .xPagecount = cache_count,
        .xFetch = cache_fetch,
        .xUnpin = cache_unpin,
        .xRekey = cache_rename,
        .xTruncate = cache_truncate,
        .xDestroy = cache_destroy,
        .xShrink = cache_shrink,
    };
    (void)sqlite3_config(SQLITE_CONFIG_PCACHE2, &methods);
}
