/* See stream_users.h. A user's entries stand in the order in which they came. */
#include "chat/stream_users.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/map.h"
#include "chat/limits.h"

#define USERS_MAX ((size_t)1 << 22)

struct user {
    size_t count, cap;
    uint64_t round; /* of the last walk that came by */
    struct stream_entry *entries;
};

struct stream_users {
    pthread_mutex_t lock; /* guards what follows */
    struct map map;       /* user's id: struct user */
    size_t due_position;  /* where the last look for what is due has ended */
    _Atomic size_t count; /* written under the lock */
};

struct stream_users *stream_users_new(void)
{
    struct stream_users *users = calloc(1, sizeof(*users));
    if (!users)
        return NULL;
    (void)pthread_mutex_init(&users->lock, NULL); /* cannot fail on Linux */
    map_init(&users->map, USERS_MAX);
    return users;
}

static struct user *user_of(uintptr_t value)
{
    return (struct user *)value; /* NOLINT(performance-no-int-to-ptr): it was one */
}

static void user_free(struct user *user)
{
    free(user->entries);
    free(user);
}

void stream_users_free(struct stream_users *users)
{
    size_t position = 0;
    uint64_t id;
    uintptr_t value;
    if (!users)
        return;
    while (map_each(&users->map, &position, &id, &value))
        user_free(user_of(value));
    map_release(&users->map);
    (void)pthread_mutex_destroy(&users->lock); /* nobody holds it */
    free(users);
}

/* The lock is held, here and below. NULL: has none. */
static struct user *find(struct stream_users *users, uint64_t user_id)
{
    uintptr_t value;
    return map_get(&users->map, user_id, &value) ? user_of(value) : NULL;
}

static struct user *find_or_make(struct stream_users *users, uint64_t user_id)
{
    struct user *user = find(users, user_id);
    if (user)
        return user;
    user = calloc(1, sizeof(*user));
    if (user && map_put(&users->map, user_id, (uintptr_t)user) == ERR_OK)
        return user;
    free(user);
    return NULL;
}

static void drop_at(struct stream_users *users, struct user *user, size_t at)
{
    user->count--;
    memmove(&user->entries[at], &user->entries[at + 1],
            (user->count - at) * sizeof(user->entries[0]));
    atomic_fetch_sub(&users->count, 1);
}

static void drop_if_empty(struct stream_users *users, uint64_t user_id, struct user *user)
{
    if (user->count > 0)
        return;
    (void)map_remove(&users->map, user_id);
    user_free(user);
}

static enum err append(struct stream_users *users, struct user *user,
                       const struct stream_entry *entry)
{
    if (user->count == user->cap) {
        size_t cap = user->cap ? user->cap * 2 : 1;
        struct stream_entry *entries = realloc(user->entries, cap * sizeof(*entries));
        if (!entries)
            return ERR_NOMEM;
        user->entries = entries;
        user->cap = cap;
    }
    user->entries[user->count++] = *entry;
    atomic_fetch_add(&users->count, 1);
    return ERR_OK;
}

static websocket_id take_device(struct stream_users *users, struct user *user, uint64_t device_id)
{
    for (size_t i = 0; device_id && i < user->count; i++) {
        if (user->entries[i].device_id != device_id)
            continue;
        websocket_id id = user->entries[i].id;
        drop_at(users, user, i);
        return id;
    }
    return 0;
}

static websocket_id take_oldest(struct stream_users *users, struct user *user)
{
    if (user->count <= STREAM_SESSIONS_MAX)
        return 0;
    websocket_id id = user->entries[0].id;
    drop_at(users, user, 0);
    return id;
}

enum err stream_users_add(struct stream_users *users, uint64_t user_id,
                          const struct stream_entry *entry, websocket_id *ret_replaced,
                          websocket_id *ret_over)
{
    *ret_replaced = *ret_over = 0;
    (void)pthread_mutex_lock(&users->lock);
    struct user *user = find_or_make(users, user_id);
    enum err err = user ? ERR_OK : ERR_NOMEM;
    if (user) {
        *ret_replaced = take_device(users, user, entry->device_id);
        err = append(users, user, entry);
        *ret_over = take_oldest(users, user);
        drop_if_empty(users, user_id, user);
    }
    (void)pthread_mutex_unlock(&users->lock);
    return err;
}

void stream_users_remove(struct stream_users *users, uint64_t user_id, websocket_id id)
{
    (void)pthread_mutex_lock(&users->lock);
    struct user *user = find(users, user_id);
    for (size_t i = 0; user && i < user->count; i++) {
        if (user->entries[i].id != id)
            continue;
        drop_at(users, user, i);
        drop_if_empty(users, user_id, user);
        break;
    }
    (void)pthread_mutex_unlock(&users->lock);
}

size_t stream_users_ids(struct stream_users *users, uint64_t user_id, websocket_id *ret_ids,
                        size_t max)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&users->lock);
    const struct user *user = find(users, user_id);
    for (; user && count < user->count && count < max; count++)
        ret_ids[count] = user->entries[count].id;
    (void)pthread_mutex_unlock(&users->lock);
    return count;
}

size_t stream_users_walk(struct stream_users *users, uint64_t round, uint64_t *ret_user_ids,
                         size_t max)
{
    size_t count = 0, position = 0;
    uint64_t user_id;
    uintptr_t value;
    (void)pthread_mutex_lock(&users->lock);
    while (count < max && map_each(&users->map, &position, &user_id, &value)) {
        struct user *user = user_of(value);
        if (user->round == round)
            continue;
        user->round = round;
        ret_user_ids[count++] = user_id;
    }
    (void)pthread_mutex_unlock(&users->lock);
    return count;
}

size_t stream_users_ids_of_token(struct stream_users *users, uint64_t user_id,
                                 const uint8_t token_hash[static SHA256_SIZE],
                                 websocket_id *ret_ids, size_t max)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&users->lock);
    const struct user *user = find(users, user_id);
    for (size_t i = 0; user && i < user->count && count < max; i++) {
        if (memcmp(user->entries[i].token_hash, token_hash, SHA256_SIZE) == 0)
            ret_ids[count++] = user->entries[i].id;
    }
    (void)pthread_mutex_unlock(&users->lock);
    return count;
}

size_t stream_users_due(struct stream_users *users, int64_t before_ms, int64_t now_ms,
                        struct stream_entry *ret_entries, size_t max)
{
    size_t count = 0, users_seen = 0;
    bool has_begun_anew = false;
    uint64_t user_id;
    uintptr_t value;
    (void)pthread_mutex_lock(&users->lock);
    while (count < max && users_seen++ < STREAM_RECHECK_USERS) {
        if (!map_each(&users->map, &users->due_position, &user_id, &value)) {
            users->due_position = 0;
            if (has_begun_anew)
                break;
            has_begun_anew = true;
            continue;
        }
        struct user *user = user_of(value);
        for (size_t i = 0; i < user->count && count < max; i++) {
            if (user->entries[i].checked_ms > before_ms)
                continue;
            user->entries[i].checked_ms = now_ms;
            ret_entries[count++] = user->entries[i];
        }
    }
    (void)pthread_mutex_unlock(&users->lock);
    return count;
}

void stream_users_doubt(struct stream_users *users, uint64_t user_id, websocket_id id)
{
    (void)pthread_mutex_lock(&users->lock);
    struct user *user = find(users, user_id);
    for (size_t i = 0; user && i < user->count; i++) {
        if (user->entries[i].id == id)
            user->entries[i].checked_ms = INT64_MIN;
    }
    (void)pthread_mutex_unlock(&users->lock);
}

size_t stream_users_count(struct stream_users *users)
{
    return atomic_load(&users->count); /* in one order with what was read from the database */
}
