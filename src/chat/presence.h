/*
 * Presence: who has a stream on any node, who watches whom, and when somebody was seen last.
 *
 * Invariants
 *  1. A watcher is told of somebody only after the database said that they share a chat and have no block between
 *     them (may see), and no longer than PRESENCE_TRUST_MS ago when it is told of a change. A block between two ends
 *     that trust at once on this node, and on others as soon as they hear of it (ephemera.h).
 *  2. What is told of somebody is the same for all watchers, and changes only in presence_tick: who is away for less
 *     than PRESENCE_GRACE_MS was never away.
 *  3. Who is online at another node was said to be so by it within PRESENCE_AGES turns of PRESENCE_AGAIN_MS, and
 *     that node is not lost.
 *  4. A user's last_seen is written at most once in PRESENCE_WRITE_MS, many users in one job.
 *
 * Everything is bounded and may be dropped: a watch that finds no room shows nothing.
 *
 * Threads: any, under one lock, which is held for no call of anybody else but ephemera_say.
 */
#ifndef CHAT_PRESENCE_H
#define CHAT_PRESENCE_H

#include "chat/ephemera.h"
#include "net/websocket.h"
#include "store/writer.h"

struct presence;

struct presence_state {
    uint64_t user_id;
    bool is_online;
    int64_t last_seen_ms; /* 0: online, never, or not to be known */
};

/* What presence needs of the stream. */
struct presence_ways {
    /* To each of the sockets, ephemeral. */
    void (*tell)(void *ctx, const websocket_id *ids, size_t count,
                 const struct presence_state *state);
    /* presence_check() is to run on a reader soon; not called again before it has. */
    void (*ask)(void *ctx);
    /* Somebody types, on another node; they may. */
    void (*typing)(void *ctx, uint64_t chat_id, uint64_t user_id);
    /* A block was made or taken back, on whatever node. */
    void (*block)(void *ctx);
    void *ctx;
};

/* writer: of the chat service. location: of its database, for ephemera. */
ERR_MUST_USE enum err presence_new(const struct presence_ways *ways, struct writer *writer,
                                   const char *location, struct presence **ret_presence);
ERR_MUST_USE enum err presence_start(struct presence *presence);
/* Writes when everybody here was seen last, and joins; after the streams have ended, before the writer stops.
 * NULL is fine, here and below. */
void presence_stop(struct presence *presence);
void presence_free(struct presence *presence);

/* A stream of the user begins or ends on this node. */
void presence_join(struct presence *presence, uint64_t user_id);
void presence_leave(struct presence *presence, uint64_t user_id);
/* Whom the user at that socket shows from now on, in place of those before. */
void presence_watch(struct presence *presence, websocket_id id, uint64_t watcher_id,
                    const uint64_t *user_ids, size_t count);
/* The socket has ended. */
void presence_unwatch(struct presence *presence, websocket_id id);
/* A block between the two was made or taken back, in a transaction that is committed. */
void presence_block(struct presence *presence, uint64_t user_id, uint64_t other_id);
/* For other nodes: somebody types here. */
void presence_say_typing(struct presence *presence, uint64_t chat_id, uint64_t user_id);
/* Tells what has changed, about once a second. */
void presence_tick(struct presence *presence);
/* On a reader, after ask(): what the database says of those who watch. */
void presence_check(struct presence *presence, struct db *db);
bool presence_is_online(struct presence *presence, uint64_t user_id);

struct presence_stats {
    uint64_t users; /* known: online anywhere, watched, or seen a little while ago */
    uint64_t watches;
    uint64_t told;
    uint64_t written;
    struct ephemera_stats ephemera;
};
void presence_stats(struct presence *presence, struct presence_stats *ret_stats);
/* Tests: the listener's side of ephemera, without it. */
void presence_heard(void *ctx, uint64_t node, const struct ephemeral *what);
void presence_lost(void *ctx, uint64_t node);

/* ---- presence_store.c ---- */

/* They share a chat, and neither has blocked the other. */
ERR_MUST_USE enum err presence_store_may_see(struct db *db, uint64_t watcher_id, uint64_t user_id,
                                             bool *ret_may_see);
/* 0: never. */
ERR_MUST_USE enum err presence_store_last_seen(struct db *db, uint64_t user_id, int64_t *ret_at_ms);
/* Earlier than what is there: changes nothing. */
ERR_MUST_USE enum err presence_store_put(struct db *db, uint64_t user_id, int64_t at_ms);

#endif
