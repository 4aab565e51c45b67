/* Applications: the customers of whoever sends messages. */
#ifndef HOOKS_APPLICATION_H
#define HOOKS_APPLICATION_H

#include "hooks/limits.h"
#include "store/db.h"

/* Texts belong to the arena that it was read into. */
struct application {
    uint64_t id, account_id;
    struct str uid; /* STR_NONE: none */
    struct str name;
    struct str metadata;   /* JSON object of texts */
    int64_t throttle_rate; /* 0: no limit */
    int64_t created_at, updated_at;
};

/* application_store.c. ERR_CONFLICT: the account has another of this uid. */
ERR_MUST_USE enum err application_store_add(struct db *db, const struct application *application);
ERR_MUST_USE enum err application_store_update(struct db *db,
                                               const struct application *application);
/* With its endpoints; its messages end with their days. */
ERR_MUST_USE enum err application_store_delete(struct db *db, uint64_t id);
/* ERR_NOT_FOUND */
ERR_MUST_USE enum err application_store_get(struct db *db, struct arena *arena, uint64_t id,
                                            struct application *ret_application);
ERR_MUST_USE enum err application_store_find(struct db *db, struct arena *arena,
                                             uint64_t account_id, struct str uid,
                                             struct application *ret_application);

struct application_query {
    uint64_t account_id;
    bool is_admin; /* those of all accounts */
    bool is_ascending;
    uint64_t beyond_id; /* 0: from the end where it begins */
    size_t limit;
};
/* applications: room for limit. */
ERR_MUST_USE enum err application_store_list(struct db *db, struct arena *arena,
                                             const struct application_query *query,
                                             struct application *applications, size_t *ret_count);

#endif
