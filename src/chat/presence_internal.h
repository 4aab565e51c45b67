/* Presence, as its files see it: presence.c (who is online), presence_watch.c (who watches whom), presence_write.c (when
 * somebody was seen last). All but the job is under the lock. */
#ifndef CHAT_PRESENCE_INTERNAL_H
#define CHAT_PRESENCE_INTERNAL_H

#include <pthread.h>

#include "base/clock.h"
#include "base/map.h"
#include "chat/presence.h"

/* That one user, at one socket, watches another. In the list of both. */
struct watch {
    websocket_id id;
    uint64_t watcher_id;
    struct seen *seen;
    struct watch *next_of_socket;
    struct watch *next_of_user, **link_of_user;
    int64_t checked_ms; /* 0: not, or not any more */
    uint32_t doubts;    /* how often that ended: an answer to an older question counts no more */
    bool is_shown;      /* the watcher has been told something */
    bool is_asked;      /* a check is on its way */
};

/* What is known of a user. */
struct seen {
    uint64_t user_id;
    size_t at; /* in presence->all */
    uint32_t streams;
    uint64_t nodes[PRESENCE_AGES]; /* where they are online: bits, by when that was said */
    int64_t last_ms;               /* seen last; 0: not known, or never */
    int64_t away_since_ms;         /* of those who are not online */
    int64_t written_ms;            /* the last time; 0: never */
    struct watch *watches;
    struct seen *next_changed;
    bool is_told_online;
    bool is_changed; /* in the list */
    bool must_write;
    bool is_looked_up; /* last_ms is what the database says, or newer */
};

struct presence_check {
    websocket_id id;
    uint64_t watcher_id, user_id;
    uint32_t doubts;
    bool must_look_up;
    bool may_see;
    int64_t last_ms;
};

struct presence {
    struct presence_ways ways;
    struct writer *writer;
    struct ephemera *ephemera;
    pthread_mutex_t lock;
    struct map users;   /* user: struct seen */
    struct map sockets; /* websocket_id: their first struct watch */
    struct seen **all;  /* the same users, to walk through */
    size_t count, cap;
    size_t cursor;
    int64_t walked_ms; /* up to when the cursor has walked */
    struct seen *changed;
    uint64_t nodes[EPHEMERA_NODES_MAX]; /* what a bit of seen.nodes means; 0: free */
    size_t watch_count;
    struct presence_check *checks; /* a ring */
    size_t check_first, check_count;
    bool is_asking;
    uint64_t told, written;
};

static inline bool seen_is_online(const struct seen *seen)
{
    uint64_t nodes = 0;
    for (size_t i = 0; i < PRESENCE_AGES; i++)
        nodes |= seen->nodes[i];
    return seen->streams > 0 || nodes != 0;
}

/* What watchers are told. */
static inline struct presence_state seen_state(const struct seen *seen)
{
    return (struct presence_state){seen->user_id, seen->is_told_online,
                                   seen->is_told_online ? 0 : seen->last_ms};
}

/* ---- presence.c; the lock is held ---- */

struct seen *presence_find(struct presence *presence, uint64_t user_id); /* NULL: not known */
struct seen *presence_find_or_add(struct presence *presence, uint64_t user_id); /* NULL: no room */
/* Who is there only because somebody has watched them who may not, or does no more: ids can be made up. */
void presence_forget_stranger(struct presence *presence, struct seen *seen);
void presence_note_change(struct presence *presence, struct seen *seen);

/* ---- presence_watch.c ---- */

/* The lock is held. Their state is to be told to those who may see it: ids of the sockets, at most cap, are told at
 * once; the others, when they were checked. */
size_t presence_collect(struct presence *presence, struct seen *seen, websocket_id *ret_ids,
                        size_t cap);
/* The lock is held: asks for what waits to be checked. True: ways.ask is to be called, without the lock. */
bool presence_must_ask(struct presence *presence);
/* A block between the two: who watches whom is checked anew, and watchers hear nothing before. */
void presence_distrust(struct presence *presence, uint64_t user_id, uint64_t other_id);
void presence_free_watches(struct presence *presence);

/* ---- presence_write.c ---- */

struct presence_write {
    struct writer_job job;
    size_t count;
    struct {
        uint64_t user_id;
        int64_t at_ms;
    } rows[PRESENCE_WRITE_BATCH];
};
/* Submits and frees it; NULL is fine. */
void presence_write_submit(struct writer *writer, struct presence_write *take_write);

#endif
