/* What identity keeps in memory, shared by identity.c and identity_http*.c. */
#ifndef APP_IDENTITY_STATE_H
#define APP_IDENTITY_STATE_H

#include "app/identity_internal.h"
#include "app/identity_rules.h"
#include "app/identity_store.h"
#include "app/login_guard.h"
#include "app/session_cache.h"

#define SESSION_LIFETIME_MS  (30LL * 24 * 60 * 60 * 1000)
#define API_KEY_SIZE         136 /* "sk_" and up to 128 characters */
#define API_KEYS_PER_ACCOUNT 100
#define SESSIONS_ENDED_MAX   256 /* at once, whose streams are told; the rest ends without a word */

struct identity;

const struct config *identity_config(const struct identity *identity);
struct session_cache *identity_cache(struct identity *identity);
struct login_guard *identity_guard(struct identity *identity);

/* Reads the account and checks the password; takes as long, and answers the same, for an email that
 * nobody has. ERR_OK; ERR_DENIED: wrong email or password. POOL_SLOW. */
ERR_MUST_USE enum err identity_check_password(struct identity *identity, struct db *db,
                                              struct arena *arena, struct str email,
                                              struct str password, struct account *ret_account);

/* The cookie's name: with the __Host- prefix, which browsers bind to this very host, when it
 * travels over TLS. */
const char *identity_cookie_name(const struct identity *identity, const struct request *request);
/* TLS here, or at a proxy in front as --public-url says. */
bool identity_is_secure(const struct identity *identity, const struct request *request);

/* Stage, in a writer's apply: the cache forgets after the commit. */
ERR_MUST_USE enum err identity_forget_token(struct identity *identity, struct writer_tx *tx,
                                            uint64_t account_id,
                                            const uint8_t token_hash[static SHA256_SIZE]);
ERR_MUST_USE enum err identity_forget_account(struct identity *identity, struct writer_tx *tx,
                                              uint64_t account_id);

/* Appends {"key_id":...,"scopes":[...]} or the like to the account's shard. */
ERR_MUST_USE enum err identity_journal(struct writer_tx *tx, uint64_t account_id, const char *type,
                                       const char *member, struct str json_value);

/* An operator's key, which is an account of its own. fixed_key: STR_NONE makes one. Runs a job in
 * the writer and waits. */
ERR_MUST_USE enum err identity_make_operator_key(struct writer *writer, struct str name,
                                                 unsigned scopes, struct str fixed_key,
                                                 char ret_key[static API_KEY_SIZE]);

#endif
