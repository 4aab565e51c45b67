/* Rows of endpoints: see endpoint.h, which has what the dispatcher asks. */
#ifndef HOOKS_ENDPOINT_STORE_H
#define HOOKS_ENDPOINT_STORE_H

#include "hooks/endpoint.h"

/* Sealed: see keyring.h. ERR_CONFLICT: the application has another of this uid. */
ERR_MUST_USE enum err endpoint_store_add(struct db *db, const struct endpoint *endpoint,
                                         struct str sealed_headers, struct str sealed_secret);
/* All but headers and secret; the version grows. ERR_CONFLICT. */
ERR_MUST_USE enum err endpoint_store_update(struct db *db, const struct endpoint *endpoint);
ERR_MUST_USE enum err endpoint_store_delete(struct db *db, uint64_t app_id, uint64_t id);
/* Without headers and secrets. ERR_NOT_FOUND. */
ERR_MUST_USE enum err endpoint_store_get(struct db *db, struct arena *arena, uint64_t app_id,
                                         uint64_t id, struct endpoint *ret_endpoint);
ERR_MUST_USE enum err endpoint_store_find(struct db *db, struct arena *arena, uint64_t app_id,
                                          struct str uid, struct endpoint *ret_endpoint);
ERR_MUST_USE enum err endpoint_store_count(struct db *db, uint64_t app_id, int64_t *ret_count);

struct endpoint_query {
    uint64_t app_id;
    bool is_ascending;
    uint64_t beyond_id; /* 0: from the end where it begins */
    size_t limit;
};
/* endpoints: room for limit. */
ERR_MUST_USE enum err endpoint_store_list(struct db *db, struct arena *arena,
                                          const struct endpoint_query *query,
                                          struct endpoint *endpoints, size_t *ret_count);

/* Grows with each change of an application's or endpoint's row that this process makes, as it is made. */
uint64_t endpoint_store_changes(void);
void endpoint_store_changed(void);

/* What ingest looks at: endpoints that are not disabled, and whose application it is. ERR_NOT_FOUND:
 * there is no such application. */
struct endpoint_target {
    uint64_t id;
    struct str event_types, channels;
};
ERR_MUST_USE enum err endpoint_store_targets(struct db *db, struct arena *arena, uint64_t app_id,
                                             uint64_t *ret_account_id,
                                             struct endpoint_target targets[static ENDPOINTS_MAX],
                                             size_t *ret_count);

/* Sealed. ERR_NOT_FOUND. */
ERR_MUST_USE enum err endpoint_store_headers(struct db *db, struct arena *arena, uint64_t app_id,
                                             uint64_t id, struct str *ret_sealed);
ERR_MUST_USE enum err endpoint_store_set_headers(struct db *db, uint64_t app_id, uint64_t id,
                                                 struct str sealed, int64_t now_ms);
ERR_MUST_USE enum err endpoint_store_secret(struct db *db, struct arena *arena, uint64_t app_id,
                                            uint64_t id, struct str *ret_sealed);
ERR_MUST_USE enum err endpoint_store_set_secret(struct db *db, uint64_t app_id, uint64_t id,
                                                struct str sealed, int64_t now_ms);

/* Secrets of the grace period, newest first. */
struct old_secret {
    uint64_t id;
    struct str sealed;
    int64_t until_ms;
};
ERR_MUST_USE enum err endpoint_store_old_secrets(struct db *db, struct arena *arena,
                                                 uint64_t app_id, uint64_t id, int64_t now_ms,
                                                 struct old_secret secrets[static SECRETS_MAX - 1],
                                                 size_t *ret_count);
/* Deletes those whose time has ended, then keeps this one, and of all only the newest that count. */
ERR_MUST_USE enum err endpoint_store_add_old_secret(struct db *db, uint64_t app_id, uint64_t id,
                                                    const struct old_secret *secret,
                                                    int64_t now_ms);

#endif
