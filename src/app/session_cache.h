/* Callers by the hash of their token or key, read on the loops; see session_cache.c. All functions:
 * any thread. */
#ifndef APP_SESSION_CACHE_H
#define APP_SESSION_CACHE_H

#include "app/identity.h"
#include "base/crypto.h"

#define SESSION_CACHE_MAX 65536

struct session_cache;

/* A new caller with one reference; NULL: out of memory. Fill it in before it is shared. */
struct caller *caller_new(void);

/* fresh_ms: how long an entry counts before the database is asked again; 0: until it expires, for a
 * node that writes alone and hears of every removal. NULL: out of memory. */
#define SESSION_FRESH_MS 2000
struct session_cache *session_cache_new(int64_t fresh_ms);
void session_cache_free(struct session_cache *cache);

/* The caller with a reference for you, or NULL. */
const struct caller *session_cache_get(struct session_cache *cache,
                                       const uint8_t token_hash[static SHA256_SIZE]);
/* To be noted before the database is read: session_cache_put then refuses what a removal has
 * overtaken, and what it keeps is fresh from then on. */
struct session_note {
    uint64_t generation;
    int64_t at_ns;
};
struct session_note session_cache_note(struct session_cache *cache,
                                       const uint8_t token_hash[static SHA256_SIZE]);
/* Takes a reference of its own. False: not kept, because something was removed since the note. */
bool session_cache_put(struct session_cache *cache, const uint8_t token_hash[static SHA256_SIZE],
                       const struct caller *caller, int64_t expires_ms, struct session_note note);
void session_cache_remove(struct session_cache *cache,
                          const uint8_t token_hash[static SHA256_SIZE]);
void session_cache_remove_account(struct session_cache *cache, uint64_t account_id);

#endif
