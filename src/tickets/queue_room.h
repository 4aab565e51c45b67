/*
 * Waiting rooms in memory: what polls and gates are answered from, on the loop.
 *
 * A room has its entries (ROOM_ENTRY_BYTES each, and two maps), how many wait before a place (a
 * binary indexed tree over places: a position costs O(log n)), and how fast people were let in and
 * left lately, which is what a guess at the time left rests on. It grants nothing.
 *
 * It follows queue_log: own changes come at once by effects, those of other nodes, and what happened
 * while it was loaded, by queue_follow.c. The two meet in any order, and the room shows the same in
 * the end, because an entry's state only ever grows: a change to a state that is not above the one it
 * has is old news.
 *
 * Threads: all; one mutex a room, held for a look-up or a change.
 */
#ifndef TICKETS_QUEUE_ROOM_H
#define TICKETS_QUEUE_ROOM_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "tickets/kept_answer.h"
#include "tickets/limits.h"
#include "tickets/queue_store.h"

#define QUEUE_PACE_SLOT_MS 10000
#define QUEUE_PACE_SLOTS   18
#define QUEUE_SEEN_BATCH   64

struct queue_pace_slot {
    int64_t at; /* which slot since 1970 */
    uint32_t admitted, ended;
};

/* The closed list in the order of its places, while they are being written; see queue_list.c. */
struct queue_order {
    bool is_known;
    uint64_t *ids;
    size_t count, cap;
    uint8_t entries_hash[SHA256_SIZE];
};

struct room_entry {
    uint64_t id, account_id;
    int64_t admitted_until;
    uint32_t place;                /* 0: none */
    uint32_t seen_s, seen_noted_s; /* Unix seconds; noted: as far as it is written or on its way */
    uint8_t state;                 /* enum queue_state */
    bool was_admitted;
    uint8_t joins; /* entries of the account up to this one; 255: or more */
};

struct queue_room {
    uint64_t event_id;
    _Atomic uint32_t refs; /* the table's, and one of each who was given it */
    pthread_mutex_t lock;
    /* Under lock: */
    struct room_entry *entries;
    size_t count, cap;
    struct map by_id, by_account; /* to index; by_account: the newest entry */
    uint32_t *waiting;            /* tree over places, 1 to waiting_cap */
    size_t waiting_cap;
    int64_t pre_count, waiting_count, admitted_count;
    struct queue_pace_slot pace[QUEUE_PACE_SLOTS];
    int64_t first_admitted_at; /* 0: nobody was yet */
    uint32_t *seen;            /* indices of entries to be noted */
    size_t seen_count;
    int64_t log_no; /* the log up to here was read by queue_follow */
    bool is_loaded, is_broken;
    /* Anybody: */
    _Atomic bool is_engaged, is_over, wants_engage;
    _Atomic int64_t engaged_at; /* when the doors moved last, as far as is known here */
    _Atomic int64_t
        fresh_ns; /* clock_mono_ns() when all of that time was known; INT64_MAX: always */
    struct queue_crowd *crowd;  /* `auto`; see queue_crowd.h */
    struct kept_slot kept_list; /* the closed list as text */
    /* The rooms' thread: */
    double admit_credit; /* admissions that the pace lets by now */
    int64_t credit_at;
    struct queue_order order;
    uint64_t listed_at_look; /* the last look whose list had it; 0: none yet */
    /* The writer's thread: */
    uint64_t join_group;
    uint32_t join_count; /* of that group */
};

struct queue_rooms;

ERR_MUST_USE enum err queue_rooms_new(struct queue_rooms **ret_rooms);
void queue_rooms_free(struct queue_rooms *rooms);
/* With a reference, which queue_room_unref gives back. NULL: not in memory. */
struct queue_room *queue_rooms_get(struct queue_rooms *rooms, uint64_t event_id);
/* The one there is, or a new one that is not loaded; with a reference, too. NULL: too many, or no
 * memory. */
struct queue_room *queue_rooms_add(struct queue_rooms *rooms, uint64_t event_id);
void queue_room_unref(struct queue_room *room); /* NULL is fine */
size_t queue_rooms_count(struct queue_rooms *rooms);
/* Takes rooms that the list of this look has not, but an earlier one had, or that are known to be
 * over, out of the table: QUEUE_DROP_MAX at most; returns how many. They are freed when nobody has a
 * reference any more. The rooms' thread. */
size_t queue_rooms_drop(struct queue_rooms *rooms, uint64_t look);
/* Calls fn for each; the table must not grow meanwhile in fn. */
void queue_rooms_each(struct queue_rooms *rooms, void (*fn)(struct queue_room *room, void *ctx),
                      void *ctx);

/* Takes an entry as a row has it; while loading, and for entries that are new here. */
ERR_MUST_USE enum err queue_room_take(struct queue_room *room, const struct queue_row *row,
                                      int64_t now_ms);
/* What happened to an entry, to its row as it should be now. Entries that are not known are taken. */
void queue_room_change(struct queue_room *room, const struct queue_row *row, int64_t now_ms);
/* These got places from first on; who has left meanwhile has one, too, and waits for nothing. */
void queue_room_place(struct queue_room *room, int64_t first, const uint64_t *ids, size_t count,
                      int64_t now_ms);
/* A room that nobody has come to yet: there is nothing to load. */
void queue_room_begin(struct queue_room *room, int64_t fresh_ns);
/* What happened to the room itself. */
void queue_room_turn(struct queue_room *room, enum queue_kind kind, int64_t now_ms);
/* Forgets all entries. */
void queue_room_clear(struct queue_room *room);

/* An entry as its owner sees it. */
struct queue_sight {
    uint64_t id, account_id;
    enum queue_state state;
    int64_t admitted_until;
    int64_t ahead;       /* waiting: people before; else -1 */
    int64_t eta_seconds; /* -1: nothing can be said */
    int64_t people;      /* who wait in the room */
    int joins;           /* entries of the account up to this one */
};
/* What people are told of the speed, as far as it depends on settings. */
struct queue_pace {
    int64_t admitted_max, admit_per_minute, quiet_s, now_ms;
};
/* False: not known here. note_seen: it has just said something. */
bool queue_room_see(struct queue_room *room, uint64_t entry_id, const struct queue_pace *pace,
                    bool note_seen, struct queue_sight *ret_sight);
/* The account's newest entry. */
bool queue_room_see_account(struct queue_room *room, uint64_t account_id,
                            const struct queue_pace *pace, bool note_seen,
                            struct queue_sight *ret_sight);
struct queue_counts {
    int64_t pre, waiting, admitted, entries;
};
void queue_room_counts(struct queue_room *room, struct queue_counts *ret_counts);
/* Whether memory is new enough to accept tokens by it. */
bool queue_room_is_fresh(const struct queue_room *room);

/* Takes up to QUEUE_SEEN_BATCH of those whose seen_at is to be written. */
struct queue_seen {
    uint64_t id;
    int64_t seen_at;
};
size_t queue_room_take_seen(struct queue_room *room, struct queue_seen ret_seen[QUEUE_SEEN_BATCH]);

#endif
