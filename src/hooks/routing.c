/* See routing.h. The entries belong to the writer's thread; the accounts to all, under the lock. */
#include "hooks/routing.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/map.h"

struct entry {
    struct arena arena; /* texts of the targets */
    struct route_targets targets;
};

struct routing {
    struct map entries; /* by application */
    size_t bytes;
    uint64_t changes;      /* counted when what is kept was read */
    uint64_t group;        /* PostgreSQL: what is kept was read in it */
    uint64_t changed_in;   /* in this group something changed */
    struct entry *passing; /* was read and is not kept */

    pthread_mutex_t lock;
    struct map accounts; /* of applications */
};

enum err routing_new(struct routing **ret_routing)
{
    struct routing *routing = calloc(1, sizeof(*routing));
    if (!routing)
        return ERR_NOMEM;
    map_init(&routing->entries, ROUTING_APPS_MAX);
    map_init(&routing->accounts, ROUTING_ACCOUNTS_MAX);
    pthread_mutex_init(&routing->lock, NULL);
    *ret_routing = routing;
    return ERR_OK;
}

static void entry_free(struct entry *entry)
{
    if (!entry)
        return;
    arena_release(&entry->arena);
    free(entry);
}

static void forget_all(struct routing *routing)
{
    uint64_t app_id;
    uintptr_t value;
    for (size_t position = 0; map_each(&routing->entries, &position, &app_id, &value);)
        entry_free((struct entry *)value);
    map_release(&routing->entries);
    map_init(&routing->entries, ROUTING_APPS_MAX);
    routing->bytes = 0;
}

void routing_free(struct routing *routing)
{
    if (!routing)
        return;
    forget_all(routing);
    entry_free(routing->passing);
    map_release(&routing->entries);
    map_release(&routing->accounts);
    pthread_mutex_destroy(&routing->lock);
    free(routing);
}

/* ---- what apply asks ---- */

/* Drops what does not count any more. */
static void catch_up(struct routing *routing, const struct writer_tx *tx)
{
    uint64_t changes = endpoint_store_changes();
    bool has_changed = changes != routing->changes;
    bool is_other_group = routing->group != tx->group && db_is_pgsql(tx->db);
    if (has_changed)
        routing->changed_in = tx->group; /* or before it, which only costs */
    if ((has_changed || is_other_group) && routing->entries.count > 0)
        forget_all(routing);
    routing->changes = changes;
    routing->group = tx->group;
}

static enum err read_entry(struct writer_tx *tx, uint64_t app_id, struct entry **ret_entry)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return ERR_NOMEM;
    arena_init(&entry->arena, ROUTING_BYTES_MAX);
    struct route_targets *targets = &entry->targets;
    enum err err = endpoint_store_targets(tx->db, &entry->arena, app_id, &targets->account_id,
                                          targets->targets, &targets->count);
    if (err)
        entry_free(entry);
    else
        *ret_entry = entry;
    return err;
}

static bool entry_keep(struct routing *routing, const struct writer_tx *tx, uint64_t app_id,
                       struct entry *entry)
{
    size_t bytes = sizeof(*entry) + entry->arena.used_bytes;
    if (routing->changed_in == tx->group)
        return false;
    if (routing->entries.count == ROUTING_APPS_MAX || routing->bytes + bytes > ROUTING_BYTES_MAX)
        forget_all(routing);
    if (map_put(&routing->entries, app_id, (uintptr_t)entry) != ERR_OK)
        return false;
    routing->bytes += bytes;
    return true;
}

enum err routing_get(struct routing *routing, struct writer_tx *tx, uint64_t app_id,
                     const struct route_targets **ret_targets)
{
    uintptr_t value;
    struct entry *entry;
    catch_up(routing, tx);
    if (map_get(&routing->entries, app_id, &value)) {
        *ret_targets = &((struct entry *)value)->targets;
        return ERR_OK;
    }
    enum err err = read_entry(tx, app_id, &entry);
    if (err)
        return err;
    *ret_targets = &entry->targets;
    if (!entry_keep(routing, tx, app_id, entry)) {
        entry_free(routing->passing);
        routing->passing = entry;
    }
    return ERR_OK;
}

/* ---- whose an application is ---- */

void routing_learn(struct routing *routing, uint64_t app_id, uint64_t account_id)
{
    pthread_mutex_lock(&routing->lock);
    if (routing->accounts.count == ROUTING_ACCOUNTS_MAX) {
        map_release(&routing->accounts);
        map_init(&routing->accounts, ROUTING_ACCOUNTS_MAX);
    }
    (void)!map_put(&routing->accounts, app_id, (uintptr_t)account_id); /* or it is read again */
    pthread_mutex_unlock(&routing->lock);
}

bool routing_knows(struct routing *routing, uint64_t app_id, uint64_t *ret_account_id)
{
    uintptr_t value = 0;
    pthread_mutex_lock(&routing->lock);
    bool is_known = map_get(&routing->accounts, app_id, &value);
    pthread_mutex_unlock(&routing->lock);
    *ret_account_id = value;
    return is_known;
}
