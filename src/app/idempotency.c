/* See idempotency.h. */
#include "app/idempotency.h"

#include "app/identity.h"
#include "base/crypto.h"

_Static_assert(IDEMPOTENCY_HASH_SIZE <= SHA256_SIZE, "hashes are cut, never padded");

bool idempotency_key_is_valid(struct str key)
{
    if (key.len == 0 || key.len > IDEMPOTENCY_KEY_MAX)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] < 0x21 || key.data[i] > 0x7e)
            return false;
    }
    return true;
}

enum err idempotency_hash_body(struct request *request, uint8_t ret_hash[static 32])
{
    struct str method = str_from_c(http_method_name(request->method));
    struct str parts[] = {method, STR(" "), request->path, STR("?"), request->query, STR("\n")};
    size_t size = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        size += parts[i].len;
    char *target = arena_alloc(&request->arena, size);
    if (!target)
        return ERR_NOMEM;
    size_t len = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].len > 0)
            memcpy(target + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    crypto_sha256_2(str_from(target, len), request->body, ret_hash);
    return ERR_OK;
}

/* The same person or system, however often it logs in: the account, or the key of an operator,
 * which has none. Both come from the same ids, so they never meet. */
static uint64_t caller_id(const struct caller *caller)
{
    if (!caller)
        return 0;
    if (caller->portal_app_id) /* the complement of an id is none: never the owner's answers */
        return ~caller->portal_app_id;
    return caller->account_id ? caller->account_id : caller->key_id;
}

void idempotency_key_init(struct idempotency_key *key, const struct call *call)
{
    uint8_t hash[SHA256_SIZE];
    crypto_sha256(call->idempotency_key, hash);
    key->caller_id = caller_id(call->caller);
    memcpy(key->key_hash, hash, sizeof(key->key_hash));
    /* A body may hold a password (sign-up). Bound to the key, which is not stored, its hash tells a
     * thief of the table nothing. */
    crypto_sha256_2(call->idempotency_key, str_from((const char *)call->body_hash, SHA256_SIZE),
                    hash);
    memcpy(key->body_hash, hash, sizeof(key->body_hash));
}
