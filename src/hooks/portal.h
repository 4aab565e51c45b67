/* Portal links: tokens that open one application to a customer (app/portal.h has their form). */
#ifndef HOOKS_PORTAL_H
#define HOOKS_PORTAL_H

#include "app/portal.h"
#include "hooks/limits.h"

struct portal_row {
    uint64_t app_id, id;
    uint8_t hash[SHA256_SIZE];
    unsigned scopes; /* bits of SCOPE_PORTAL */
    struct str session_id;
    int64_t created_at, expires_at;
};

/* In apply. Deletes those of the application whose time is over, and the oldest beyond
 * PORTAL_TOKENS_MAX. */
ERR_MUST_USE enum err portal_store_add(struct db *db, const struct portal_row *row);
/* struct service's find_token. */
ERR_MUST_USE enum err portal_store_find(struct db *db, uint64_t app_id, const uint8_t *token_hash,
                                        int64_t now_ms, struct portal_token *ret_token);
/* In apply: this one ends now. Nothing happens when it is not there. */
ERR_MUST_USE enum err portal_store_delete(struct db *db, uint64_t app_id,
                                          const uint8_t hash[static SHA256_SIZE]);
/* In apply: they end at until_ms at the latest. session_id: STR_NONE means all of the application. */
ERR_MUST_USE enum err portal_store_expire(struct db *db, uint64_t app_id, struct str session_id,
                                          int64_t until_ms);

#endif
