/* Event types of an account: names that its messages have, with what is said about them. */
#ifndef HOOKS_EVENT_TYPE_H
#define HOOKS_EVENT_TYPE_H

#include "store/db.h"

struct event_type {
    uint64_t account_id;
    struct str name;
    struct str description;
    bool is_archived, is_deprecated;
    struct str group_name; /* STR_NONE: none */
    struct str schemas;    /* JSON; STR_NONE: none */
    int64_t created_at, updated_at;
};

/* event_type_store.c. ERR_CONFLICT: there is one. */
ERR_MUST_USE enum err event_type_store_add(struct db *db, const struct event_type *type);
ERR_MUST_USE enum err event_type_store_update(struct db *db, const struct event_type *type);
ERR_MUST_USE enum err event_type_store_delete(struct db *db, uint64_t account_id, struct str name);
/* ERR_NOT_FOUND */
ERR_MUST_USE enum err event_type_store_get(struct db *db, struct arena *arena, uint64_t account_id,
                                           struct str name, struct event_type *ret_type);
/* Whether there is one, and not archived. */
ERR_MUST_USE enum err event_type_store_is_known(struct db *db, uint64_t account_id, struct str name,
                                                bool *ret_is_known);

struct event_type_query {
    uint64_t account_id;
    bool with_archived;
    bool is_ascending;
    struct str beyond; /* STR_NONE: from the end where it begins */
    size_t limit;
};
/* types: room for limit. */
ERR_MUST_USE enum err event_type_store_list(struct db *db, struct arena *arena,
                                            const struct event_type_query *query,
                                            struct event_type *types, size_t *ret_count);

#endif
