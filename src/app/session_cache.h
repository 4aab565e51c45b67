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

struct session_cache *session_cache_new(void); /* NULL: out of memory */
void session_cache_free(struct session_cache *cache);

/* The caller with a reference for you, or NULL. */
const struct caller *session_cache_get(struct session_cache *cache,
                                       const uint8_t token_hash[static SHA256_SIZE]);
/* To be noted before the database is read; session_cache_put then refuses what a removal has
 * overtaken. */
uint64_t session_cache_generation(struct session_cache *cache,
                                  const uint8_t token_hash[static SHA256_SIZE]);
/* Takes a reference of its own. False: not kept, because something was removed since generation. */
bool session_cache_put(struct session_cache *cache, const uint8_t token_hash[static SHA256_SIZE],
                       const struct caller *caller, int64_t expires_ms, uint64_t generation);
void session_cache_remove(struct session_cache *cache,
                          const uint8_t token_hash[static SHA256_SIZE]);
void session_cache_remove_account(struct session_cache *cache, uint64_t account_id);

#endif
