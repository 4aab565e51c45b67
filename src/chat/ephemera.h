/*
 * Ephemera: what nodes tell each other and nobody stores - who types, whose first stream has begun or last one has
 * ended, who has blocked whom. Gathered for EPHEMERA_INTERVAL_MS, sent in few calls on a connection of their own
 * (store/db_notify.h), and dropped when there is too much. On SQLite there is one node, and nothing of this runs.
 * Whatever carries it between nodes one day (Redis) takes the place of ephemera.c; ephemera_code.c is what is said.
 *
 * Invariants
 *  1. Saying something never waits and never fails a caller: what finds no room is not said.
 *  2. Each node says something every EPHEMERA_BEAT_MS. Who says that it stops, or is silent for EPHEMERA_LOST_MS, is
 *     lost, and told so once; a process that starts anew is another node.
 *  3. What was missed (lost calls, a connection that was away) is made good by those who say it again in turn.
 */
#ifndef CHAT_EPHEMERA_H
#define CHAT_EPHEMERA_H

#include "base/err.h"
#include "base/str.h"
#include "chat/limits.h"
#include "store/db_notify.h"

enum ephemeral_kind {
    EPHEMERAL_TYPING, /* user, other: the chat. The first to be dropped */
    EPHEMERAL_ONLINE, /* user: has a stream on this node; said when it begins, and again in turn */
    EPHEMERAL_OFFLINE,
    EPHEMERAL_BLOCK, /* user, other: a block between these two was made or taken back */
    EPHEMERAL_HERE,  /* the node itself; not told to listeners, as little as the next one */
    EPHEMERAL_GONE,  /* it stops, and with it goes whoever was online there */
    EPHEMERAL_KIND_COUNT,
};

struct ephemeral {
    enum ephemeral_kind kind;
    uint64_t user_id, other_id; /* 0 where the kind has none */
};

/* On the thread of ephemera. node: of this run of that process, never 0. */
struct ephemera_listener {
    void (*on_heard)(void *ctx, uint64_t node, const struct ephemeral *what);
    void (*on_lost)(void *ctx, uint64_t node);
    void *ctx;
};

struct ephemera;
struct ephemera_stats {
    uint64_t said, heard; /* ephemerals */
    uint64_t dropped;     /* for want of room */
    uint64_t nodes;       /* that are heard now */
};

/* NULL in *ret_ephemera where the database is one node's own. */
ERR_MUST_USE enum err ephemera_new(const char *location, const struct ephemera_listener *listener,
                                   struct ephemera **ret_ephemera);
ERR_MUST_USE enum err ephemera_start(struct ephemera *ephemera); /* NULL is fine, here and below */
void ephemera_stop(struct ephemera *ephemera); /* says what waits, and EPHEMERAL_GONE; joins */
void ephemera_free(struct ephemera *ephemera);
/* Any thread. */
void ephemera_say(struct ephemera *ephemera, const struct ephemeral *what);
void ephemera_stats(struct ephemera *ephemera, struct ephemera_stats *ret_stats);
/* The thread's own step, and tests': says what waits, hears for as long as wait_ms, looks who is lost. */
ERR_MUST_USE enum err ephemera_turn(struct ephemera *ephemera, int64_t wait_ms);
uint64_t ephemera_node(const struct ephemera *ephemera);

/* ---- ephemera_code.c: the text of a call ---- */

struct ephemera_text {
    size_t len;
    char bytes[DB_CALL_BYTES_MAX];
};
void ephemera_text_begin(struct ephemera_text *text, uint64_t node);
/* False: no room. */
bool ephemera_text_add(struct ephemera_text *text, const struct ephemeral *what);
/* fn for each that it says; kinds that are not known are passed over, so that newer nodes may say more. ERR_INVALID:
 * it is none of ours, from where it goes wrong on. */
ERR_MUST_USE enum err
ephemera_read(struct str call, uint64_t *ret_node,
              void (*fn)(void *ctx, uint64_t node, const struct ephemeral *what), void *ctx);

#endif
