/* See endpoint.h: an endpoint with what is sealed of it. */
#include "hooks/endpoint.h"

#include "base/crypto.h"
#include "hooks/endpoint_store.h"
#include "hooks/keyring.h"

static enum err read_headers(struct arena *arena, struct str json, struct endpoint *endpoint)
{
    struct json_node *object;
    struct str message;
    void *position = NULL;
    struct str name, value;
    struct json_node *node;
    enum err err = json_parse(arena, json, &object, &message);
    if (err)
        return err == ERR_INVALID ? ERR_CORRUPT : err;
    while (json_each(object, &position, &name, &node)) {
        if (endpoint->header_count == ENDPOINT_HEADERS_MAX || !json_as_str(node, &value))
            return ERR_CORRUPT;
        endpoint->headers[endpoint->header_count++] = (struct endpoint_header){name, value};
    }
    return ERR_OK;
}

static enum err load_headers(struct db *db, const struct keyring *keyring, struct arena *arena,
                             struct endpoint *endpoint)
{
    struct str sealed, json;
    enum err err = endpoint_store_headers(db, arena, endpoint->app_id, endpoint->id, &sealed);
    if (!err)
        err = keyring_open(keyring, arena, sealed, &json);
    return err ? err : read_headers(arena, json, endpoint);
}

static enum err add_secret(const struct keyring *keyring, struct arena *arena, struct str sealed,
                           int64_t until_ms, struct endpoint *endpoint)
{
    struct endpoint_secret *secret = &endpoint->secrets[endpoint->secret_count];
    struct str stored;
    enum err err = keyring_open(keyring, arena, sealed, &stored);
    if (err)
        return err;
    struct str key = endpoint_secret_key(stored);
    if (key.len > sizeof(secret->key))
        return ERR_CORRUPT;
    secret->kind = secret_kind_of(stored);
    memcpy(secret->key, key.data, key.len);
    crypto_wipe((char *)(uintptr_t)stored.data, stored.len); /* the arena's: ours to write */
    secret->len = key.len;
    secret->until_ms = until_ms;
    endpoint->secret_count++;
    return ERR_OK;
}

static enum err load_secrets(struct db *db, const struct keyring *keyring, struct arena *arena,
                             int64_t now_ms, struct endpoint *endpoint)
{
    struct str sealed;
    struct old_secret old[SECRETS_MAX - 1];
    size_t count = 0;
    enum err err = endpoint_store_secret(db, arena, endpoint->app_id, endpoint->id, &sealed);
    if (!err)
        err = add_secret(keyring, arena, sealed, INT64_MAX, endpoint);
    if (!err)
        err = endpoint_store_old_secrets(db, arena, endpoint->app_id, endpoint->id, now_ms, old,
                                         &count);
    for (size_t i = 0; !err && i < count; i++)
        err = add_secret(keyring, arena, old[i].sealed, old[i].until_ms, endpoint);
    return err;
}

enum err endpoint_load(struct db *db, const struct keyring *keyring, struct arena *arena,
                       uint64_t app_id, uint64_t id, int64_t now_ms, struct endpoint *ret_endpoint)
{
    enum err err = endpoint_store_get(db, arena, app_id, id, ret_endpoint);
    if (!err)
        err = load_headers(db, keyring, arena, ret_endpoint);
    if (!err)
        err = load_secrets(db, keyring, arena, now_ms, ret_endpoint);
    return err;
}

void endpoint_wipe(struct endpoint *endpoint)
{
    crypto_wipe(endpoint->secrets, sizeof(endpoint->secrets));
    endpoint->secret_count = 0;
}
