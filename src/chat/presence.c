/*
 * See presence.h. Users are in a map, and in an array that presence_tick walks through once in PRESENCE_AGAIN_MS: who is
 * here is said to other nodes again, what other nodes have not said again gets older, what is to be written is
 * gathered, and who is nobody's matter any more is forgotten.
 */
#include "chat/presence_internal.h"

#include <stdlib.h>

/* ---- users; the lock is held ---- */

struct seen *presence_find(struct presence *presence, uint64_t user_id)
{
    uintptr_t value;
    if (!map_get(&presence->users, user_id, &value))
        return NULL;
    return (struct seen *)value; /* NOLINT(performance-no-int-to-ptr): it was one */
}

static bool make_room(struct presence *presence)
{
    if (presence->count < presence->cap)
        return true;
    size_t cap = presence->cap ? 2 * presence->cap : 64;
    struct seen **all = realloc(presence->all, cap * sizeof(struct seen *));
    if (!all)
        return false;
    presence->all = all;
    presence->cap = cap;
    return true;
}

struct seen *presence_find_or_add(struct presence *presence, uint64_t user_id)
{
    struct seen *seen = presence_find(presence, user_id);
    if (seen)
        return seen;
    if (!make_room(presence))
        return NULL;
    seen = calloc(1, sizeof(*seen));
    if (!seen)
        return NULL;
    if (map_put(&presence->users, user_id, (uintptr_t)seen)) {
        free(seen);
        return NULL;
    }
    seen->user_id = user_id;
    seen->at = presence->count;
    presence->all[presence->count++] = seen;
    return seen;
}

static void forget(struct presence *presence, struct seen *seen)
{
    struct seen *last = presence->all[--presence->count];
    presence->all[seen->at] = last;
    last->at = seen->at;
    (void)map_remove(&presence->users, seen->user_id);
    free(seen);
}

void presence_forget_stranger(struct presence *presence, struct seen *seen)
{
    bool is_known = seen_is_online(seen) || seen->is_changed || seen->must_write ||
                    seen->is_looked_up || seen->last_ms != 0 || seen->written_ms != 0;
    if (!seen->watches && !is_known)
        forget(presence, seen);
}

void presence_note_change(struct presence *presence, struct seen *seen)
{
    if (seen->is_changed || !seen->watches)
        return;
    seen->is_changed = true;
    seen->next_changed = presence->changed;
    presence->changed = seen;
}

/* They are not online any more, here or anywhere. */
static void go_away(struct presence *presence, struct seen *seen)
{
    seen->last_ms = clock_now_ms();
    seen->is_looked_up = true;
    seen->away_since_ms = clock_now_ms();
    presence_note_change(presence, seen);
}

/* ---- on this node ---- */

void presence_join(struct presence *presence, uint64_t user_id)
{
    (void)pthread_mutex_lock(&presence->lock);
    struct seen *seen = presence_find_or_add(presence, user_id);
    if (seen && seen->streams++ == 0) {
        seen->must_write = true; /* should this process end before they go */
        presence_note_change(presence, seen);
        ephemera_say(presence->ephemera, &(struct ephemeral){EPHEMERAL_ONLINE, user_id, 0});
    }
    (void)pthread_mutex_unlock(&presence->lock);
}

void presence_leave(struct presence *presence, uint64_t user_id)
{
    (void)pthread_mutex_lock(&presence->lock);
    struct seen *seen = presence_find(presence, user_id);
    if (seen && seen->streams > 0 && --seen->streams == 0) {
        seen->must_write = true;
        ephemera_say(presence->ephemera, &(struct ephemeral){EPHEMERAL_OFFLINE, user_id, 0});
        if (seen_is_online(seen))
            seen->last_ms = clock_now_ms();
        else
            go_away(presence, seen);
    }
    (void)pthread_mutex_unlock(&presence->lock);
}

bool presence_is_online(struct presence *presence, uint64_t user_id)
{
    (void)pthread_mutex_lock(&presence->lock);
    const struct seen *seen = presence_find(presence, user_id);
    bool is_online = seen && seen_is_online(seen);
    (void)pthread_mutex_unlock(&presence->lock);
    return is_online;
}

void presence_say_typing(struct presence *presence, uint64_t chat_id, uint64_t user_id)
{
    ephemera_say(presence->ephemera, &(struct ephemeral){EPHEMERAL_TYPING, user_id, chat_id});
}

/* ---- on others ---- */

/* 0: there are too many. The lock is held. */
static uint64_t bit_of(struct presence *presence, uint64_t node)
{
    size_t free_place = EPHEMERA_NODES_MAX;
    for (size_t i = 0; i < EPHEMERA_NODES_MAX; i++) {
        if (presence->nodes[i] == node)
            return UINT64_C(1) << i;
        if (presence->nodes[i] == 0 && free_place == EPHEMERA_NODES_MAX)
            free_place = i;
    }
    if (free_place == EPHEMERA_NODES_MAX)
        return 0;
    presence->nodes[free_place] = node;
    return UINT64_C(1) << free_place;
}

/* True: that was the last of where they were online. */
static bool take_bit(struct presence *presence, struct seen *seen, uint64_t bit)
{
    bool was_online = seen_is_online(seen);
    for (size_t i = 0; i < PRESENCE_AGES; i++)
        seen->nodes[i] &= ~bit;
    if (!was_online || seen_is_online(seen))
        return false;
    go_away(presence, seen);
    return true;
}

static void hear_online(struct presence *presence, uint64_t node, uint64_t user_id)
{
    struct seen *seen = presence_find_or_add(presence, user_id);
    if (!seen)
        return;
    if (!seen_is_online(seen))
        presence_note_change(presence, seen);
    seen->nodes[0] |= bit_of(presence, node);
}

void presence_heard(void *ctx, uint64_t node, const struct ephemeral *what)
{
    struct presence *presence = ctx;
    if (what->kind == EPHEMERAL_TYPING) {
        presence->ways.typing(presence->ways.ctx, what->other_id, what->user_id);
        return;
    }
    (void)pthread_mutex_lock(&presence->lock);
    struct seen *seen = presence_find(presence, what->user_id);
    if (what->kind == EPHEMERAL_ONLINE)
        hear_online(presence, node, what->user_id);
    else if (what->kind == EPHEMERAL_OFFLINE && seen)
        (void)take_bit(presence, seen, bit_of(presence, node));
    (void)pthread_mutex_unlock(&presence->lock);
    if (what->kind == EPHEMERAL_BLOCK)
        presence_distrust(presence, what->user_id, what->other_id);
}

void presence_lost(void *ctx, uint64_t node)
{
    struct presence *presence = ctx;
    (void)pthread_mutex_lock(&presence->lock);
    uint64_t bit = bit_of(presence, node);
    for (size_t i = 0; i < presence->count; i++) {
        struct seen *seen = presence->all[i];
        if (take_bit(presence, seen, bit))
            seen->must_write = true; /* it cannot do so itself any more */
    }
    for (size_t i = 0; i < EPHEMERA_NODES_MAX; i++) {
        if (presence->nodes[i] == node)
            presence->nodes[i] = 0;
    }
    (void)pthread_mutex_unlock(&presence->lock);
}

/* ---- the walk; the lock is held ---- */

static bool is_write_due(const struct seen *seen, int64_t now_ms)
{
    int64_t since_ms = now_ms - seen->written_ms;
    if (seen->written_ms == 0)
        return seen->must_write;
    return (seen->must_write && since_ms >= PRESENCE_WRITE_MS) ||
           (seen->streams > 0 && since_ms >= PRESENCE_REFRESH_MS);
}

static bool is_over(const struct seen *seen, int64_t now_ms)
{
    return !seen_is_online(seen) && !seen->watches && !seen->is_changed && !seen->must_write &&
           (seen->written_ms == 0 || now_ms - seen->written_ms >= PRESENCE_WRITE_MS);
}

static void age(struct presence *presence, struct seen *seen)
{
    bool was_online = seen_is_online(seen);
    for (size_t i = PRESENCE_AGES - 1; i > 0; i--)
        seen->nodes[i] = seen->nodes[i - 1];
    seen->nodes[0] = 0;
    if (was_online && !seen_is_online(seen))
        go_away(presence, seen);
}

static void put_row(struct presence *presence, struct seen *seen, struct presence_write *write)
{
    int64_t at_ms = seen->streams > 0 ? clock_now_ms() : seen->last_ms;
    write->rows[write->count].user_id = seen->user_id;
    write->rows[write->count++].at_ms = at_ms;
    seen->must_write = false;
    seen->written_ms = clock_now_ms();
    presence->written++;
}

/* How many users the cursor has to pass for the time that has gone by. */
static size_t steps_due(struct presence *presence, int64_t now_ms)
{
    int64_t gone_ms = now_ms - presence->walked_ms;
    if (gone_ms < 0) /* the clock of another database server */
        presence->walked_ms = now_ms;
    if (gone_ms < 0 || gone_ms > PRESENCE_AGAIN_MS)
        gone_ms = gone_ms < 0 ? 0 : PRESENCE_AGAIN_MS;
    size_t steps = presence->count * (size_t)gone_ms / PRESENCE_AGAIN_MS;
    if (steps > 0 || gone_ms == PRESENCE_AGAIN_MS)
        presence->walked_ms = now_ms;
    return steps;
}

/* What the job has no room for is written the next time round. */
static void walk(struct presence *presence, struct presence_write *write)
{
    int64_t now_ms = clock_now_ms();
    size_t steps = steps_due(presence, now_ms);
    for (size_t i = 0; i < steps && presence->count > 0; i++) {
        if (presence->cursor >= presence->count)
            presence->cursor = 0;
        struct seen *seen = presence->all[presence->cursor];
        if (write && write->count < PRESENCE_WRITE_BATCH && is_write_due(seen, now_ms))
            put_row(presence, seen, write);
        if (seen->streams > 0)
            ephemera_say(presence->ephemera,
                         &(struct ephemeral){EPHEMERAL_ONLINE, seen->user_id, 0});
        age(presence, seen);
        if (is_over(seen, now_ms))
            forget(presence, seen); /* another one takes the place, and comes next */
        else
            presence->cursor++;
    }
}

/* ---- telling ---- */

/* The next one of the list whose state is to be told; those that are away for a moment only stay in it. */
static struct seen *take_changed(struct presence *presence, int64_t now_ms)
{
    struct seen **link = &presence->changed;
    while (*link) {
        struct seen *seen = *link;
        bool is_online = seen_is_online(seen);
        bool is_early =
            !is_online && seen->is_told_online && now_ms - seen->away_since_ms < PRESENCE_GRACE_MS;
        if (is_early) {
            link = &seen->next_changed;
            continue;
        }
        *link = seen->next_changed;
        seen->is_changed = false;
        if (is_online != seen->is_told_online) {
            seen->is_told_online = is_online;
            return seen;
        }
    }
    return NULL;
}

static void tell_changes(struct presence *presence)
{
    int64_t now_ms = clock_now_ms();
    for (bool has_more = true; has_more;) {
        websocket_id ids[PRESENCE_TELL_BATCH];
        struct presence_state state;
        size_t count = 0;
        (void)pthread_mutex_lock(&presence->lock);
        struct seen *seen = take_changed(presence, now_ms);
        has_more = seen;
        if (seen) {
            count = presence_collect(presence, seen, ids, PRESENCE_TELL_BATCH);
            state = seen_state(seen);
            presence->told += count;
        }
        bool must_ask = presence_must_ask(presence);
        (void)pthread_mutex_unlock(&presence->lock);
        if (count > 0)
            presence->ways.tell(presence->ways.ctx, ids, count, &state);
        if (must_ask)
            presence->ways.ask(presence->ways.ctx);
    }
}

void presence_tick(struct presence *presence)
{
    struct presence_write *write = calloc(1, sizeof(*write)); /* NULL: nothing is written now */
    (void)pthread_mutex_lock(&presence->lock);
    walk(presence, write);
    (void)pthread_mutex_unlock(&presence->lock);
    presence_write_submit(presence->writer, write);
    tell_changes(presence);
}

/* ---- making and ending it ---- */

enum err presence_new(const struct presence_ways *ways, struct writer *writer, const char *location,
                      struct presence **ret_presence)
{
    struct presence *presence = calloc(1, sizeof(*presence));
    if (!presence)
        return ERR_NOMEM;
    presence->ways = *ways;
    presence->writer = writer;
    presence->walked_ms = clock_now_ms();
    map_init(&presence->users, PRESENCE_USERS_MAX);
    map_init(&presence->sockets, PRESENCE_WATCHES_MAX);
    (void)pthread_mutex_init(&presence->lock, NULL); /* cannot fail on Linux */
    presence->checks = calloc(PRESENCE_CHECKS_MAX, sizeof(*presence->checks));
    struct ephemera_listener listener = {presence_heard, presence_lost, presence};
    enum err err =
        presence->checks ? ephemera_new(location, &listener, &presence->ephemera) : ERR_NOMEM;
    if (err) {
        presence_free(presence);
        return err;
    }
    *ret_presence = presence;
    return ERR_OK;
}

enum err presence_start(struct presence *presence)
{
    return ephemera_start(presence->ephemera);
}

/* Nothing else runs any more. */
static void write_all(struct presence *presence)
{
    struct presence_write *write = NULL;
    for (size_t i = 0; i < presence->count; i++) {
        struct seen *seen = presence->all[i];
        if (!seen->must_write)
            continue;
        if (!write)
            write = calloc(1, sizeof(*write));
        if (!write)
            return;
        put_row(presence, seen, write);
        if (write->count == PRESENCE_WRITE_BATCH) {
            presence_write_submit(presence->writer, write);
            write = NULL;
        }
    }
    presence_write_submit(presence->writer, write);
}

void presence_stop(struct presence *presence)
{
    if (!presence)
        return;
    ephemera_stop(presence->ephemera);
    write_all(presence);
}

void presence_free(struct presence *presence)
{
    if (!presence)
        return;
    ephemera_free(presence->ephemera);
    presence_free_watches(presence);
    for (size_t i = 0; i < presence->count; i++)
        free(presence->all[i]);
    free(presence->all);
    free(presence->checks);
    map_release(&presence->users);
    map_release(&presence->sockets);
    (void)pthread_mutex_destroy(&presence->lock); /* nobody holds it */
    free(presence);
}

void presence_stats(struct presence *presence, struct presence_stats *ret_stats)
{
    (void)pthread_mutex_lock(&presence->lock);
    *ret_stats = (struct presence_stats){.users = presence->count,
                                         .watches = presence->watch_count,
                                         .told = presence->told,
                                         .written = presence->written};
    (void)pthread_mutex_unlock(&presence->lock);
    ephemera_stats(presence->ephemera, &ret_stats->ephemera);
}
