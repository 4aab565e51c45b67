/*
 * Sockets and their hub, as the websocket_*.c files and the server's loop see them. Everything of a
 * loop's belongs to its thread but for what its lock guards.
 */
#ifndef NET_WEBSOCKET_INTERNAL_H
#define NET_WEBSOCKET_INTERNAL_H

#include "net/loop_internal.h"
#include "net/outbox.h"
#include "net/websocket.h"

#define WEBSOCKET_SLOTS_MAX  (1u << 20) /* of one loop */
#define WEBSOCKET_SPARES_MAX 16

/* See websocket.c. */
enum websocket_state {
    WEBSOCKET_ACCEPTING,
    WEBSOCKET_OPEN,
    WEBSOCKET_CLOSING,
    WEBSOCKET_LEAVING,
    WEBSOCKET_DONE
};

/* Kept small: thousands are idle. */
struct websocket {
    struct websocket_hub *hub;
    struct websocket_loop *loop;   /* NULL while accepting */
    struct connection *connection; /* NULL while accepting */
    void *data;
    struct websocket_reader *reader; /* NULL between messages */
    struct outbox outbox;
    h2o_linklist_t turn_link;   /* in the loop's list while there is something to write */
    h2o_linklist_t hungry_link; /* while its input waits for the next turn */
    h2o_timeout_entry_t tick;
    uint32_t slot, generation;
    int64_t heard_ms;   /* when bytes came last; of an event stream, when they were sent last */
    int64_t message_ms; /* since when a message is coming in; 0: none */
    int64_t write_ms;   /* since when a write is under way; 0: none */
    int64_t closing_ms; /* since when it is CLOSING or LEAVING */
    uint32_t
        reader_bytes; /* as they are counted in the loop; of an event stream, all that came in */
    uint16_t peer_code;
    uint8_t state;
    uint8_t end; /* why, once it is not OPEN */
    bool is_pinged;
    bool is_behind;    /* input waits: it is not read meanwhile */
    bool is_peer_done; /* its close frame came */
    bool wants_room;   /* on_room is to be called */
};

struct websocket_slot {
    struct websocket *socket; /* NULL: free */
    uint32_t generation;      /* of the next, or of this one */
    uint32_t next_free;
};

struct websocket_counters {
    _Atomic uint64_t open, opened, messages_in, frames_in, frames_out, bytes_in, bytes_out, writes,
        dropped_ephemeral, dropped_posts, partial_bytes, closed[WEBSOCKET_END_COUNT];
};

struct websocket_post; /* websocket_hub.c */

struct websocket_loop {
    struct websocket_hub *hub;
    struct server_loop *server_loop;
    unsigned index;
    h2o_timeout_t tick_timeout;
    h2o_timeout_entry_t turn; /* linked while the list below has something */
    h2o_linklist_t turn_list;
    h2o_linklist_t hungry_list; /* those that have used up their turn of input */
    struct websocket_reader *spares[WEBSOCKET_SPARES_MAX];
    unsigned spare_count;
    struct websocket_slot *slots;
    uint32_t slot_count, slot_free; /* free: index, or slot_count */
    bool is_draining;
    uint32_t drain_next; /* the slot whose socket hears next that the server stops */
    int64_t drain_spread_ms;
    struct websocket_counters counters;

    pthread_mutex_t lock; /* guards what follows; before the server loop's */
    bool is_open;
    struct websocket_post *posts;
    struct websocket_post **posts_tail;
    size_t post_targets;  /* in them */
    uint32_t *overflowed; /* by slot: the generation of a socket that missed a post; 0: none */
    uint32_t overflow_cap;
    bool has_overflowed;
};

struct websocket_hub {
    struct websocket_options options;
    struct outbox_limits limits;         /* for the service's frames */
    struct outbox_limits burst_limits;   /* the same while the client reads */
    struct outbox_limits control_limits; /* a little more, so that closing finds room */
    size_t partial_max;                  /* of one loop */
    int64_t tick_ms;
    struct shared *ping;
    _Atomic int64_t admitted_ns;     /* when the sockets admitted so far are all due; see admit() */
    _Atomic int64_t turned_away;     /* about how many come again: decays */
    _Atomic int64_t drain_spread_ms; /* 0: not draining */
    _Atomic uint64_t unopened;
    _Atomic uint64_t refused[WEBSOCKET_REFUSAL_COUNT];
    unsigned loop_count;
    struct websocket_loop loops[]; /* as many as the server's */
};

/* --- websocket_hub.c --- */

/* On the loop's thread, when its h2o context is there, and before that goes. No socket is left
 * then. */
void websocket_loop_open(struct websocket_loop *loop, struct server_loop *server_loop);
void websocket_loop_close(struct websocket_loop *loop);
/* The loop was woken: takes over what was posted. */
void websocket_loop_take_posts(struct websocket_loop *loop);
/* Gives the socket its id. ERR_NOMEM, ERR_LIMIT. */
ERR_MUST_USE enum err websocket_slot_take(struct websocket_loop *loop, struct websocket *socket);
/* Its id is nobody's from here on. */
void websocket_slot_leave(struct websocket_loop *loop, struct websocket *socket);

/* --- websocket_handshake.c --- */

/* A socket that the request is to become, if that many are admitted; else NULL. */
struct websocket *websocket_admit(struct websocket_hub *hub, struct request *request, void *data,
                                  enum websocket_refusal *ret_refusal, int64_t *ret_retry_ms);

/* --- websocket.c --- */

/* What the answer has that makes the socket. */
int websocket_status(const struct websocket *socket);

/* The accepted request is to be answered with that. False: it cannot; the socket is gone then, and
 * the caller answers otherwise. On the loop. */
bool websocket_prepare(struct websocket *socket, struct connection *connection);
/* Sends that answer, whose head is in h2o; the connection is the socket's from then on. */
void websocket_upgrade(struct websocket *socket, h2o_req_t *h2o);
/* The accepted request is answered otherwise after all. */
void websocket_abandon(struct websocket *socket);
/* Goes on with those that have used up their last turn. */
void websocket_loop_feed(struct websocket_loop *loop);
/* The time has come to say that the server stops; does a part of it, call it until the drain is
 * over. */
void websocket_loop_drain(struct websocket_loop *loop);
void websocket_on_turn(h2o_timeout_entry_t *entry);
/* Closes it for a resync. */
void websocket_overflow(struct websocket *socket);

#endif
