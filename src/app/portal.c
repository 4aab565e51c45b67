/* See portal.h. */
#include "app/portal.h"

#include <stdio.h>

#include "app/identity_internal.h"
#include "app/identity_rules.h"
#include "app/session_cache.h"
#include "base/clock.h"
#include "base/ids.h"

#define PREFIX       "por_"
#define RANDOM_CHARS 43 /* 32 bytes as base64url */

enum err portal_token_make(uint64_t app_id, char ret_token[static PORTAL_TOKEN_SIZE],
                           uint8_t ret_hash[static SHA256_SIZE])
{
    char id[ID_TEXT_SIZE], secret[SECRET_SIZE];
    struct str app = id_format(id, "por", app_id);
    secret_make("", secret);
    bool is_made = secret[0] != '\0';
    (void)snprintf(ret_token, PORTAL_TOKEN_SIZE, "%.*s_%s", STR_ARG(app), secret);
    crypto_wipe(secret, sizeof(secret));
    secret_hash(str_from_c(ret_token), ret_hash);
    return is_made ? ERR_OK : ERR_NOMEM;
}

bool portal_token_of(const struct request *request, uint64_t *ret_app_id,
                     uint8_t ret_hash[static SHA256_SIZE])
{
    return portal_token_parse(request_header(request, "authorization"), ret_app_id, ret_hash);
}

bool portal_token_parse(struct str authorization, uint64_t *ret_app_id,
                        uint8_t ret_hash[static SHA256_SIZE])
{
    struct str rest = authorization;
    struct str scheme = str_split(&rest, ' ');
    struct str token = str_trim(rest);
    if (!str_eq_ci(scheme, STR("bearer")) || token.len >= PORTAL_TOKEN_SIZE ||
        token.len <= RANDOM_CHARS || !str_starts_with(token, STR(PREFIX)))
        return false;
    size_t end = token.len - RANDOM_CHARS - 1;
    if (token.data[end] != '_' || id_parse(str_sub(token, 0, end), "por", ret_app_id) != ERR_OK)
        return false;
    secret_hash(token, ret_hash);
    return true;
}

static void unref_at_release(void *ptr)
{
    caller_unref(ptr);
}

static enum err give(struct request *request, const struct portal_token *token,
                     const struct caller **ret_caller)
{
    struct caller *caller = caller_new();
    if (!caller)
        return ERR_NOMEM;
    caller->account_id = token->account_id;
    caller->portal_app_id = token->app_id;
    caller->scopes = token->scopes & SCOPE_PORTAL;
    enum err err = arena_on_release(&request->arena, unref_at_release, caller);
    if (!err)
        *ret_caller = caller;
    return err;
}

enum err portal_lookup(struct service *const *services, size_t service_count,
                       struct db *const *databases, struct request *request,
                       const struct caller **ret_caller)
{
    uint64_t app_id;
    uint8_t hash[SHA256_SIZE];
    struct portal_token token = {0};
    *ret_caller = NULL;
    if (!portal_token_of(request, &app_id, hash))
        return ERR_DENIED;
    for (size_t i = 0; i < service_count; i++) {
        const struct service *service = services[i];
        if (!service->find_token)
            continue;
        enum err err = service->find_token(databases[service->database_index], app_id, hash,
                                           clock_now_ms(), &token);
        if (err != ERR_NOT_FOUND)
            return err ? err : give(request, &token, ret_caller);
    }
    return ERR_DENIED;
}
