/* Waiting rooms in memory; purpose and rules stand in queue_room.h. */
#include "tickets/queue_room.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tickets/queue_crowd.h"

#define FIRST_ENTRIES 64

struct queue_rooms {
    pthread_mutex_t lock;
    struct map rooms;
};

enum err queue_rooms_new(struct queue_rooms **ret_rooms)
{
    struct queue_rooms *rooms = calloc(1, sizeof(*rooms));
    if (!rooms)
        return ERR_NOMEM;
    pthread_mutex_init(&rooms->lock, NULL);
    map_init(&rooms->rooms, QUEUE_ROOMS_MAX);
    *ret_rooms = rooms;
    return ERR_OK;
}

static void room_empty(struct queue_room *room)
{
    free(room->entries);
    free(room->waiting);
    free(room->seen);
    map_release(&room->by_id);
    map_release(&room->by_account);
    room->entries = NULL;
    room->waiting = room->seen = NULL;
    room->count = room->cap = room->waiting_cap = room->seen_count = 0;
    room->pre_count = room->waiting_count = room->admitted_count = 0;
    room->first_admitted_at = room->log_no = 0;
    memset(room->pace, 0, sizeof(room->pace));
    map_init(&room->by_id, QUEUE_ENTRIES_MAX);
    map_init(&room->by_account, QUEUE_ENTRIES_MAX);
}

static void room_free(struct queue_room *room)
{
    room_empty(room);
    map_release(&room->by_id);
    map_release(&room->by_account);
    queue_crowd_free(room->crowd);
    kept_slot_release(&room->kept_list);
    free(room->order.ids);
    pthread_mutex_destroy(&room->lock);
    free(room);
}

void queue_rooms_free(struct queue_rooms *rooms)
{
    if (!rooms)
        return;
    size_t position = 0;
    uint64_t key;
    uintptr_t value;
    while (map_each(&rooms->rooms, &position, &key, &value))
        queue_room_unref((struct queue_room *)value); /* nobody else has one any more */
    map_release(&rooms->rooms);
    pthread_mutex_destroy(&rooms->lock);
    free(rooms);
}

struct queue_room *queue_rooms_get(struct queue_rooms *rooms, uint64_t event_id)
{
    uintptr_t value = 0;
    pthread_mutex_lock(&rooms->lock);
    struct queue_room *room =
        map_get(&rooms->rooms, event_id, &value) ? (struct queue_room *)value : NULL;
    if (room)
        atomic_fetch_add(&room->refs, 1);
    pthread_mutex_unlock(&rooms->lock);
    return room;
}

void queue_room_unref(struct queue_room *room)
{
    if (room && atomic_fetch_sub(&room->refs, 1) == 1)
        room_free(room);
}

size_t queue_rooms_count(struct queue_rooms *rooms)
{
    pthread_mutex_lock(&rooms->lock);
    size_t count = rooms->rooms.count;
    pthread_mutex_unlock(&rooms->lock);
    return count;
}

size_t queue_rooms_drop(struct queue_rooms *rooms, uint64_t look)
{
    struct queue_room *gone[QUEUE_DROP_MAX];
    size_t position = 0, count = 0;
    uint64_t key;
    uintptr_t value;
    pthread_mutex_lock(&rooms->lock);
    while (count < QUEUE_DROP_MAX && map_each(&rooms->rooms, &position, &key, &value)) {
        struct queue_room *room = (struct queue_room *)value;
        bool was_known = room->listed_at_look != 0 || atomic_load(&room->is_over);
        if (was_known && room->listed_at_look != look)
            gone[count++] = room;
    }
    for (size_t i = 0; i < count; i++)
        (void)map_remove(&rooms->rooms, gone[i]->event_id);
    pthread_mutex_unlock(&rooms->lock);
    for (size_t i = 0; i < count; i++)
        queue_room_unref(gone[i]);
    return count;
}

static struct queue_room *room_new(uint64_t event_id)
{
    struct queue_room *room = calloc(1, sizeof(*room));
    if (!room)
        return NULL;
    room->event_id = event_id;
    atomic_init(&room->refs, 1);
    pthread_mutex_init(&room->lock, NULL);
    room_empty(room);
    kept_slot_init(&room->kept_list);
    room->crowd = queue_crowd_new();
    if (room->crowd)
        return room;
    room_free(room);
    return NULL;
}

struct queue_room *queue_rooms_add(struct queue_rooms *rooms, uint64_t event_id)
{
    struct queue_room *room = NULL;
    uintptr_t value;
    pthread_mutex_lock(&rooms->lock);
    if (map_get(&rooms->rooms, event_id, &value)) {
        room = (struct queue_room *)value;
    } else {
        room = room_new(event_id);
        if (room && map_put(&rooms->rooms, event_id, (uintptr_t)room) != ERR_OK) {
            room_free(room);
            room = NULL;
        }
    }
    if (room)
        atomic_fetch_add(&room->refs, 1);
    pthread_mutex_unlock(&rooms->lock);
    return room;
}

void queue_rooms_each(struct queue_rooms *rooms, void (*fn)(struct queue_room *room, void *ctx),
                      void *ctx)
{
    size_t position = 0;
    uint64_t key;
    uintptr_t value;
    pthread_mutex_lock(&rooms->lock);
    while (map_each(&rooms->rooms, &position, &key, &value))
        fn((struct queue_room *)value, ctx);
    pthread_mutex_unlock(&rooms->lock);
}

/* --- The tree of places --- */

/* A tree twice as large begins with the same sums, and its last node has all of them: sizes are
 * powers of two. */
static enum err tree_reach(struct queue_room *room, size_t place)
{
    size_t cap = room->waiting_cap ? room->waiting_cap : FIRST_ENTRIES;
    while (cap < place)
        cap *= 2;
    if (cap == room->waiting_cap)
        return ERR_OK;
    uint32_t *tree = realloc(room->waiting, (cap + 1) * sizeof(*tree));
    if (!tree)
        return ERR_NOMEM;
    size_t before = room->waiting_cap;
    memset(tree + (before ? before + 1 : 0), 0, (cap - before + !before) * sizeof(*tree));
    for (size_t size = before; before && size < cap; size *= 2)
        tree[size * 2] = tree[before];
    room->waiting = tree;
    room->waiting_cap = cap;
    return ERR_OK;
}

static void tree_add(struct queue_room *room, size_t place, uint32_t change)
{
    for (size_t i = place; i <= room->waiting_cap; i += i & -i)
        room->waiting[i] += change; /* may be -1: it wraps back */
}

/* How many wait at places up to this one. */
static int64_t tree_sum(const struct queue_room *room, size_t place)
{
    int64_t sum = 0;
    for (size_t i = place < room->waiting_cap ? place : room->waiting_cap; i > 0; i &= i - 1)
        sum += room->waiting[i];
    return sum;
}

/* --- The pace --- */

static struct queue_pace_slot *pace_slot(struct queue_room *room, int64_t at_ms)
{
    int64_t at = at_ms / QUEUE_PACE_SLOT_MS;
    struct queue_pace_slot *slot = &room->pace[at % QUEUE_PACE_SLOTS];
    if (slot->at > at)
        return NULL; /* too long ago to matter */
    if (slot->at < at)
        *slot = (struct queue_pace_slot){.at = at};
    return slot;
}

static void pace_note(struct queue_room *room, int64_t at_ms, bool is_end)
{
    struct queue_pace_slot *slot = pace_slot(room, at_ms);
    if (!is_end && (!room->first_admitted_at || at_ms < room->first_admitted_at))
        room->first_admitted_at = at_ms;
    if (!slot)
        return;
    slot->admitted += !is_end;
    slot->ended += is_end;
}

/* How many places were given back a second, lately; negative: too early to say. */
static double pace_of_ends(const struct queue_room *room, int64_t now_ms)
{
    int64_t now = now_ms / QUEUE_PACE_SLOT_MS;
    int64_t ended = 0;
    for (size_t i = 0; i < QUEUE_PACE_SLOTS; i++)
        if (room->pace[i].at > now - QUEUE_PACE_SLOTS)
            ended += room->pace[i].ended;
    int64_t since_ms = (now - QUEUE_PACE_SLOTS + 1) * QUEUE_PACE_SLOT_MS;
    if (room->first_admitted_at > since_ms)
        since_ms = room->first_admitted_at;
    int64_t span_ms = now_ms - since_ms;
    if (ended < 5 || span_ms < QUEUE_PACE_SLOT_MS)
        return -1;
    return (double)ended * 1000 / (double)span_ms;
}

/*
 * Free places are filled as fast as the settings let; from then on as fast as people leave, which the
 * last three minutes tell. -1: nobody has left yet, and nothing can be said.
 */
static int64_t pace_eta(const struct queue_room *room, const struct queue_pace *pace, int64_t ahead)
{
    double most = (double)pace->admit_per_minute / 60;
    int64_t free_places = pace->admitted_max - room->admitted_count;
    if (free_places < 0)
        free_places = 0;
    if (!room->first_admitted_at)
        return -1;
    if (ahead < free_places)
        return (int64_t)((double)ahead / most);
    double ends = pace_of_ends(room, pace->now_ms);
    if (ends <= 0)
        return -1;
    if (ends > most)
        ends = most;
    return (int64_t)((double)free_places / most + (double)(ahead - free_places + 1) / ends);
}

/* --- Entries --- */

static struct room_entry *entry_find(struct queue_room *room, uint64_t id)
{
    uintptr_t index;
    return map_get(&room->by_id, id, &index) ? &room->entries[index] : NULL;
}

static void count_state(struct queue_room *room, const struct room_entry *entry, int by)
{
    switch ((enum queue_state)entry->state) {
    case QUEUE_PRE:
        room->pre_count += by;
        break;
    case QUEUE_WAITING:
        room->waiting_count += by;
        tree_add(room, entry->place, (uint32_t)by);
        break;
    case QUEUE_ADMITTED:
        room->admitted_count += by;
        break;
    case QUEUE_DONE:
    case QUEUE_LEFT:
    case QUEUE_LAPSED:
        break;
    }
}

static enum err entry_add(struct queue_room *room, const struct queue_row *row,
                          struct room_entry **ret_entry)
{
    if (room->count == room->cap) {
        size_t cap = room->cap ? room->cap + room->cap / 2 : FIRST_ENTRIES;
        struct room_entry *entries = realloc(room->entries, cap * sizeof(*entries));
        if (!entries)
            return ERR_NOMEM;
        room->entries = entries;
        room->cap = cap;
    }
    uintptr_t before;
    uint8_t joins = 0;
    assert(room->entries);
    if (map_get(&room->by_account, row->account_id, &before))
        joins = room->entries[before].joins;
    enum err err = map_put(&room->by_id, row->id, room->count);
    if (!err)
        err = map_put(&room->by_account, row->account_id, room->count);
    if (err)
        return err;
    *ret_entry = &room->entries[room->count++];
    **ret_entry = (struct room_entry){.id = row->id, .account_id = row->account_id, .joins = joins};
    (*ret_entry)->joins = (uint8_t)(joins < UINT8_MAX ? joins + 1 : joins);
    return ERR_OK;
}

/* The lock is held. state 0: an entry that is new here. */
static enum err entry_move(struct queue_room *room, struct room_entry *entry,
                           const struct queue_row *row, int64_t now_ms)
{
    if (row->place > 0) {
        enum err err = tree_reach(room, (size_t)row->place);
        if (err)
            return err;
    }
    bool is_news = row->state > (enum queue_state)entry->state &&
                   (entry->state == 0 || queue_state_is_open((enum queue_state)entry->state));
    if (row->place > 0 && !entry->place) {
        assert(entry->state != QUEUE_WAITING);
        entry->place = (uint32_t)row->place;
    }
    if (!is_news)
        return ERR_OK;
    if (entry->state)
        count_state(room, entry, -1);
    entry->state = (uint8_t)row->state;
    count_state(room, entry, 1);
    if (row->admitted_at && !entry->was_admitted) {
        entry->was_admitted = true;
        entry->admitted_until = row->admitted_until;
        entry->seen_s = entry->seen_noted_s = (uint32_t)(now_ms / 1000);
        pace_note(room, row->admitted_at, false);
    }
    if (!queue_state_is_open(row->state) && entry->was_admitted)
        pace_note(room, row->ended_at ? row->ended_at : now_ms, true);
    return ERR_OK;
}

static enum err take(struct queue_room *room, const struct queue_row *row, int64_t now_ms)
{
    struct room_entry *entry = entry_find(room, row->id);
    enum err err = entry ? ERR_OK : entry_add(room, row, &entry);
    return err ? err : entry_move(room, entry, row, now_ms);
}

enum err queue_room_take(struct queue_room *room, const struct queue_row *row, int64_t now_ms)
{
    pthread_mutex_lock(&room->lock);
    enum err err = take(room, row, now_ms);
    pthread_mutex_unlock(&room->lock);
    return err;
}

void queue_room_change(struct queue_room *room, const struct queue_row *row, int64_t now_ms)
{
    pthread_mutex_lock(&room->lock);
    /* Without memory the room is read again as a whole, once there is some. */
    if (room->is_loaded && take(room, row, now_ms) != ERR_OK)
        room->is_broken = true;
    pthread_mutex_unlock(&room->lock);
}

void queue_room_place(struct queue_room *room, int64_t first, const uint64_t *ids, size_t count,
                      int64_t now_ms)
{
    pthread_mutex_lock(&room->lock);
    for (size_t i = 0; i < count && room->is_loaded; i++) {
        struct room_entry *entry = entry_find(room, ids[i]);
        struct queue_row row = {.id = ids[i], .state = QUEUE_WAITING, .place = first + (int64_t)i};
        /* Who is not known here is on the way by the log, and its place with it. */
        if (entry && entry_move(room, entry, &row, now_ms) != ERR_OK)
            room->is_broken = true;
    }
    pthread_mutex_unlock(&room->lock);
}

void queue_room_begin(struct queue_room *room, int64_t fresh_ns)
{
    pthread_mutex_lock(&room->lock);
    bool is_first = !room->is_loaded && room->count == 0;
    room->is_loaded = true;
    pthread_mutex_unlock(&room->lock);
    if (is_first)
        atomic_store(&room->fresh_ns, fresh_ns);
}

void queue_room_turn(struct queue_room *room, enum queue_kind kind, int64_t now_ms)
{
    if (kind == QUEUE_LOG_ENGAGED || kind == QUEUE_LOG_RELEASED) {
        atomic_store(&room->is_engaged, kind == QUEUE_LOG_ENGAGED);
        atomic_store(&room->engaged_at, now_ms);
    }
    if (kind == QUEUE_LOG_OVER) {
        atomic_store(&room->is_over, true);
        queue_room_clear(room);
    }
}

void queue_room_clear(struct queue_room *room)
{
    pthread_mutex_lock(&room->lock);
    room_empty(room);
    room->is_loaded = room->is_broken = false;
    pthread_mutex_unlock(&room->lock);
}

/* --- Questions --- */

/* Nobody is forgotten for a full list: whoever speaks again is noted then. */
static void note(struct queue_room *room, struct room_entry *entry, const struct queue_pace *pace)
{
    uint32_t now_s = (uint32_t)(pace->now_ms / 1000);
    if (entry->state != QUEUE_ADMITTED || now_s <= entry->seen_s)
        return;
    entry->seen_s = now_s;
    if (now_s - entry->seen_noted_s < pace->quiet_s / QUEUE_SEEN_PART ||
        room->seen_count == QUEUE_SEEN_MAX)
        return;
    if (!room->seen)
        room->seen = calloc(QUEUE_SEEN_MAX, sizeof(*room->seen));
    if (!room->seen)
        return;
    entry->seen_noted_s = now_s;
    room->seen[room->seen_count++] = (uint32_t)(entry - room->entries);
}

static void see(struct queue_room *room, const struct room_entry *entry,
                const struct queue_pace *pace, struct queue_sight *ret_sight)
{
    *ret_sight = (struct queue_sight){.id = entry->id,
                                      .account_id = entry->account_id,
                                      .state = (enum queue_state)entry->state,
                                      .admitted_until = entry->admitted_until,
                                      .ahead = -1,
                                      .eta_seconds = -1,
                                      .people = room->pre_count + room->waiting_count,
                                      .joins = entry->joins};
    if (entry->state != QUEUE_WAITING)
        return;
    ret_sight->ahead = tree_sum(room, entry->place - 1);
    ret_sight->eta_seconds = pace_eta(room, pace, ret_sight->ahead);
}

bool queue_room_see(struct queue_room *room, uint64_t entry_id, const struct queue_pace *pace,
                    bool note_seen, struct queue_sight *ret_sight)
{
    pthread_mutex_lock(&room->lock);
    struct room_entry *entry = entry_find(room, entry_id);
    if (entry && note_seen)
        note(room, entry, pace);
    if (entry)
        see(room, entry, pace, ret_sight);
    pthread_mutex_unlock(&room->lock);
    return entry != NULL;
}

bool queue_room_see_account(struct queue_room *room, uint64_t account_id,
                            const struct queue_pace *pace, bool note_seen,
                            struct queue_sight *ret_sight)
{
    uintptr_t index;
    pthread_mutex_lock(&room->lock);
    bool has = map_get(&room->by_account, account_id, &index);
    if (has && note_seen)
        note(room, &room->entries[index], pace);
    if (has)
        see(room, &room->entries[index], pace, ret_sight);
    pthread_mutex_unlock(&room->lock);
    return has;
}

void queue_room_counts(struct queue_room *room, struct queue_counts *ret_counts)
{
    pthread_mutex_lock(&room->lock);
    *ret_counts = (struct queue_counts){.pre = room->pre_count,
                                        .waiting = room->waiting_count,
                                        .admitted = room->admitted_count,
                                        .entries = (int64_t)room->count};
    pthread_mutex_unlock(&room->lock);
}

bool queue_room_is_fresh(const struct queue_room *room)
{
    int64_t fresh_ns = atomic_load(&room->fresh_ns);
    return fresh_ns == INT64_MAX || clock_mono_ns() - fresh_ns < QUEUE_STALE_MS * 1000000LL;
}

size_t queue_room_take_seen(struct queue_room *room, struct queue_seen ret_seen[QUEUE_SEEN_BATCH])
{
    size_t count = 0;
    pthread_mutex_lock(&room->lock);
    while (count < QUEUE_SEEN_BATCH && room->seen_count > 0) {
        const struct room_entry *entry = &room->entries[room->seen[--room->seen_count]];
        ret_seen[count++] = (struct queue_seen){entry->id, entry->seen_s * 1000LL};
    }
    pthread_mutex_unlock(&room->lock);
    return count;
}
