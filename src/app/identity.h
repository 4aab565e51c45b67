/*
 * Who is calling: people with a session (opaque token, bearer or cookie) and systems with an API
 * key (sk_...). Only SHA-256 of tokens and keys are stored. A cache of callers by token hash is
 * read on the loops; the platform writer's effects remove entries, so a logout or a deleted key
 * counts at once.
 */
#ifndef APP_IDENTITY_H
#define APP_IDENTITY_H

#include "app/route.h"

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

#endif
