/*
 * Who is calling: people with a session (opaque token, bearer or cookie) and systems with an API
 * key (sk_...). Only SHA-256 of tokens and keys are stored. A cache of callers by token hash is
 * read on the loops; the platform writer's effects remove entries, so a logout or a deleted key
 * counts at once.
 */
#ifndef APP_IDENTITY_H
#define APP_IDENTITY_H

#include "app/route.h"
#include "base/crypto.h"

struct identity;

#define SESSION_COOKIE "foyer_session"

/* Immutable once made; reference counted, a call holds one reference until its request ends. */
struct caller {
    uint64_t account_id;
    uint64_t session_id;    /* 0 for API keys */
    uint64_t key_id;        /* 0 for sessions */
    uint64_t portal_app_id; /* a portal token (portal.h): the one application it opens; else 0 */
    unsigned scopes;        /* from roles, the key or the token */
    bool is_cookie; /* came by cookie: state-changing requests were checked for same origin */
    char email[256];
    char name[128];
};

/* The email (empty: an operator's key, which is an account of its own) and name of an account,
 * for mail and tickets. ERR_NOT_FOUND. platform: a reading connection of the platform database. */
ERR_MUST_USE enum err identity_account(struct db *platform, uint64_t account_id,
                                       struct arena *arena, struct str *ret_email,
                                       struct str *ret_name);
/* Accounts whose email begins with the text, whatever its case, in order of the emails; at most
 * limit. */
ERR_MUST_USE enum err identity_find_emails(struct db *platform, struct str begin, int64_t limit,
                                           uint64_t *ret_ids, size_t *ret_count);

/* ---- sessions outside of requests: for what stays connected ---- */

/* Of the session cookie that a page of this site sent along; false: there is none, or another site's page sent it. On
 * the loop. */
bool identity_cookie_hash(const struct identity *identity, const struct request *request,
                          uint8_t ret_hash[static SHA256_SIZE]);
/* False: a session's token does not look like that. */
bool identity_token_hash(struct str token, uint8_t ret_hash[static SHA256_SIZE]);
/* Whose session it is, from memory. ERR_AGAIN: only the database can tell. Any thread, never blocks. */
ERR_MUST_USE enum err identity_session_cached(struct identity *identity,
                                              const uint8_t token_hash[static SHA256_SIZE],
                                              uint64_t *ret_account_id);
/* The same from the platform database. ERR_DENIED: it is over, or never was. */
ERR_MUST_USE enum err identity_session_find(struct db *platform,
                                            const uint8_t token_hash[static SHA256_SIZE],
                                            uint64_t *ret_account_id);
/* fn hears of each session that is ended on this node, after the commit, on the platform writer's
 * thread; it must not block. Once, before requests are served. */
void identity_on_end(struct identity *identity,
                     void (*fn)(void *ctx, uint64_t account_id, const uint8_t *token_hash),
                     void *ctx);

#endif
