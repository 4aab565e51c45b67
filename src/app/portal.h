/*
 * Portal tokens: a customer without an account opens one application of a service with one. The
 * service gives them out for its routes of DIALECT_HOOKS, keeps their hashes and says what each may do (struct service's
 * find_token); the frame asks it for every request, so a token that is revoked ends at once on every
 * node, and nothing of it is kept in memory.
 *
 * "por_" and the digits of the application's id, "_" and 32 random bytes. The id leads to the
 * application's shard; it is no secret, and a token of another id has another hash. Any thread.
 */
#ifndef APP_PORTAL_H
#define APP_PORTAL_H

#include "app/identity.h"
#include "base/crypto.h"

#define PORTAL_TOKEN_SIZE 80

/* What a token stands for. */
struct portal_token {
    uint64_t app_id;
    uint64_t account_id; /* whose application it is */
    unsigned scopes;     /* bits of SCOPE_PORTAL */
};

/* A new token; ERR_NOMEM. Wipe it when it has been shown. */
ERR_MUST_USE enum err portal_token_make(uint64_t app_id, char ret_token[static PORTAL_TOKEN_SIZE],
                                        uint8_t ret_hash[static SHA256_SIZE]);
/* Whether the request comes with what looks like one (bearer only). */
bool portal_token_of(const struct request *request, uint64_t *ret_app_id,
                     uint8_t ret_hash[static SHA256_SIZE]);
/* The same of the header's value, any bytes. */
bool portal_token_parse(struct str authorization, uint64_t *ret_app_id,
                        uint8_t ret_hash[static SHA256_SIZE]);
/* The caller, with a reference that the request's arena drops. databases: of the pool's thread. ERR_DENIED:
 * unknown, revoked, or its time is over. */
ERR_MUST_USE enum err portal_lookup(struct service *const *services, size_t service_count,
                                    struct db *const *databases, struct request *request,
                                    const struct caller **ret_caller);

#endif
