/* Who watches whom, and whether they may: see presence.h. Checks wait in a ring, by the names of what they are about, so
 * that sockets and users may go meanwhile. */
#include "chat/presence_internal.h"

#include <stdlib.h>

/* ---- lists; the lock is held ---- */

static struct watch *first_of(struct presence *presence, websocket_id id)
{
    uintptr_t value;
    if (!map_get(&presence->sockets, id, &value))
        return NULL;
    return (struct watch *)value; /* NOLINT(performance-no-int-to-ptr): it was one */
}

static struct watch *find_watch(struct presence *presence, websocket_id id, uint64_t user_id)
{
    struct watch *watch = first_of(presence, id);
    while (watch && watch->seen->user_id != user_id)
        watch = watch->next_of_socket;
    return watch;
}

/* Out of the user's list, and freed. */
static void drop(struct presence *presence, struct watch *watch)
{
    struct seen *seen = watch->seen;
    *watch->link_of_user = watch->next_of_user;
    if (watch->next_of_user)
        watch->next_of_user->link_of_user = watch->link_of_user;
    presence->watch_count--;
    free(watch);
    presence_forget_stranger(presence, seen);
}

static void drop_all(struct presence *presence, websocket_id id)
{
    struct watch *next, *watch = first_of(presence, id);
    if (watch)
        (void)map_remove(&presence->sockets, id);
    for (; watch; watch = next) {
        next = watch->next_of_socket;
        drop(presence, watch);
    }
}

static void drop_one(struct presence *presence, struct watch *gone)
{
    struct watch *first = first_of(presence, gone->id);
    if (first == gone && !gone->next_of_socket)
        (void)map_remove(&presence->sockets, gone->id);
    else if (first == gone) /* it is there, so this needs no room */
        (void)!map_put(&presence->sockets, gone->id, (uintptr_t)gone->next_of_socket);
    for (struct watch *watch = first; watch && watch != gone; watch = watch->next_of_socket) {
        if (watch->next_of_socket == gone)
            watch->next_of_socket = gone->next_of_socket;
    }
    drop(presence, gone);
}

/* What finds no room is not watched. */
static void add(struct presence *presence, websocket_id id, uint64_t watcher_id, uint64_t user_id)
{
    if (user_id == watcher_id || find_watch(presence, id, user_id) ||
        presence->watch_count >= PRESENCE_WATCHES_MAX)
        return;
    struct seen *seen = presence_find_or_add(presence, user_id);
    struct watch *watch = seen ? calloc(1, sizeof(*watch)) : NULL;
    if (!watch)
        return;
    *watch = (struct watch){.id = id,
                            .watcher_id = watcher_id,
                            .seen = seen,
                            .next_of_socket = first_of(presence, id),
                            .next_of_user = seen->watches,
                            .link_of_user = &seen->watches};
    if (map_put(&presence->sockets, id, (uintptr_t)watch)) {
        free(watch);
        return;
    }
    if (!seen->watches && !seen->is_changed)
        seen->is_told_online = seen_is_online(seen);
    if (seen->watches)
        seen->watches->link_of_user = &watch->next_of_user;
    seen->watches = watch;
    presence->watch_count++;
}

/* ---- checks; the lock is held ---- */

static void queue_check(struct presence *presence, struct watch *watch)
{
    if (watch->is_asked || presence->check_count == PRESENCE_CHECKS_MAX)
        return;
    size_t at = (presence->check_first + presence->check_count++) % PRESENCE_CHECKS_MAX;
    presence->checks[at] = (struct presence_check){.id = watch->id,
                                                   .watcher_id = watch->watcher_id,
                                                   .user_id = watch->seen->user_id,
                                                   .must_look_up = !watch->seen->is_looked_up,
                                                   .doubts = watch->doubts};
    watch->is_asked = true;
}

bool presence_must_ask(struct presence *presence)
{
    if (presence->is_asking || presence->check_count == 0)
        return false;
    presence->is_asking = true;
    return true;
}

size_t presence_collect(struct presence *presence, struct seen *seen, websocket_id *ret_ids,
                        size_t cap)
{
    size_t count = 0;
    int64_t since_ms = clock_now_ms() - PRESENCE_TRUST_MS;
    for (struct watch *watch = seen->watches; watch; watch = watch->next_of_user) {
        bool is_trusted = watch->checked_ms > 0 && watch->checked_ms > since_ms;
        if (is_trusted && count < cap)
            ret_ids[count++] = watch->id;
        else
            queue_check(presence, watch);
    }
    return count;
}

/* False: there is nothing to tell. */
static bool take_answer(struct presence *presence, const struct presence_check *check,
                        struct presence_state *ret_state)
{
    struct watch *watch = find_watch(presence, check->id, check->user_id);
    if (!watch || watch->watcher_id != check->watcher_id)
        return false;
    struct seen *seen = watch->seen;
    watch->is_asked = false;
    if (check->doubts != watch->doubts) { /* a block came in between */
        queue_check(presence, watch);
        return false;
    }
    if (!check->may_see) {
        bool was_shown = watch->is_shown;
        drop_one(presence, watch);
        *ret_state = (struct presence_state){.user_id = check->user_id};
        return was_shown;
    }
    if (check->must_look_up && !seen->is_looked_up) {
        seen->last_ms = check->last_ms;
        seen->is_looked_up = true;
    }
    watch->checked_ms = clock_now_ms();
    watch->is_shown = true;
    presence->told++;
    *ret_state = seen_state(seen);
    return true;
}

/* False: the database does not answer. */
static bool look(struct db *db, struct presence_check *check)
{
    enum err err = presence_store_may_see(db, check->watcher_id, check->user_id, &check->may_see);
    if (!err && check->may_see && check->must_look_up)
        err = presence_store_last_seen(db, check->user_id, &check->last_ms);
    return err == ERR_OK;
}

static size_t take_checks(struct presence *presence, struct presence_check *ret_checks)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&presence->lock);
    while (count < PRESENCE_CHECKS_BATCH && presence->check_count > 0) {
        ret_checks[count++] = presence->checks[presence->check_first];
        presence->check_first = (presence->check_first + 1) % PRESENCE_CHECKS_MAX;
        presence->check_count--;
    }
    (void)pthread_mutex_unlock(&presence->lock);
    return count;
}

/* Nothing is told where the database did not answer; the next change, or the next watch, asks again. */
static void give_up(struct presence *presence, const struct presence_check *check)
{
    struct watch *watch = find_watch(presence, check->id, check->user_id);
    if (watch)
        watch->is_asked = false;
}

void presence_check(struct presence *presence, struct db *db)
{
    struct presence_check checks[PRESENCE_CHECKS_BATCH];
    size_t count = take_checks(presence, checks);
    for (size_t i = 0; i < count; i++) {
        bool has_answer = look(db, &checks[i]);
        struct presence_state state;
        bool is_told = false;
        (void)pthread_mutex_lock(&presence->lock);
        if (has_answer)
            is_told = take_answer(presence, &checks[i], &state);
        else
            give_up(presence, &checks[i]);
        (void)pthread_mutex_unlock(&presence->lock);
        if (is_told)
            presence->ways.tell(presence->ways.ctx, &checks[i].id, 1, &state);
    }
    (void)pthread_mutex_lock(&presence->lock);
    presence->is_asking = false;
    bool must_ask = presence_must_ask(presence);
    (void)pthread_mutex_unlock(&presence->lock);
    if (must_ask)
        presence->ways.ask(presence->ways.ctx);
}

/* ---- what others say ---- */

void presence_watch(struct presence *presence, websocket_id id, uint64_t watcher_id,
                    const uint64_t *user_ids, size_t count)
{
    (void)pthread_mutex_lock(&presence->lock);
    drop_all(presence, id);
    for (size_t i = 0; i < count && i < PRESENCE_WATCHED_MAX; i++)
        add(presence, id, watcher_id, user_ids[i]);
    for (struct watch *watch = first_of(presence, id); watch; watch = watch->next_of_socket)
        queue_check(presence, watch);
    bool must_ask = presence_must_ask(presence);
    (void)pthread_mutex_unlock(&presence->lock);
    if (must_ask)
        presence->ways.ask(presence->ways.ctx);
}

void presence_unwatch(struct presence *presence, websocket_id id)
{
    (void)pthread_mutex_lock(&presence->lock);
    drop_all(presence, id);
    (void)pthread_mutex_unlock(&presence->lock);
}

static void distrust(struct presence *presence, uint64_t watcher_id, uint64_t user_id)
{
    struct seen *seen = presence_find(presence, user_id);
    struct watch *watch = seen ? seen->watches : NULL;
    for (; watch; watch = watch->next_of_user) {
        if (watch->watcher_id != watcher_id)
            continue;
        watch->checked_ms = 0;
        watch->doubts++;
        queue_check(presence, watch);
    }
}

void presence_distrust(struct presence *presence, uint64_t user_id, uint64_t other_id)
{
    presence->ways.block(presence->ways.ctx);
    (void)pthread_mutex_lock(&presence->lock);
    distrust(presence, user_id, other_id);
    distrust(presence, other_id, user_id);
    bool must_ask = presence_must_ask(presence);
    (void)pthread_mutex_unlock(&presence->lock);
    if (must_ask)
        presence->ways.ask(presence->ways.ctx);
}

void presence_block(struct presence *presence, uint64_t user_id, uint64_t other_id)
{
    ephemera_say(presence->ephemera, &(struct ephemeral){EPHEMERAL_BLOCK, user_id, other_id});
    presence_distrust(presence, user_id, other_id);
}

void presence_free_watches(struct presence *presence)
{
    size_t position = 0;
    uint64_t id;
    uintptr_t value;
    while (map_each(&presence->sockets, &position, &id, &value)) {
        struct watch *next, *watch = (struct watch *)value; /* NOLINT(performance-no-int-to-ptr) */
        for (; watch; watch = next) {
            next = watch->next_of_socket;
            free(watch);
        }
    }
}
