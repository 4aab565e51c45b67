/* Inside a process of chat clients: chat_load.c has the loop and the parent's side, chat_client.c
 * what one device does. */
#ifndef BENCH_CHAT_LOAD_INTERNAL_H
#define BENCH_CHAT_LOAD_INTERNAL_H

#include "base/heap.h"
#include "chat_load.h"
#include "ws_client.h"

#define CHAT_SLOTS_MAX (CHAT_SEED_DIRECTS_MAX + 1)
#define NO_MESSAGE     UINT32_MAX

enum client_state {
    CLIENT_OUT,      /* not connected: a timer brings it back, or nobody wants it yet */
    CLIENT_OPENING,  /* until `ready` */
    CLIENT_CATCHING, /* until `live` */
    CLIENT_LIVE,
};

enum client_timer {
    TIMER_OPEN,
    TIMER_DEADLINE, /* of opening */
    TIMER_RECEIPTS,
    TIMER_AGAIN, /* what was refused is sent again */
};

/* A device. */
struct client {
    struct ws_client socket;
    enum client_state state;
    uint32_t user;
    uint32_t generation; /* of its connection: a timer of an earlier one means nothing */
    unsigned node, tries, turn;
    int64_t after_ms, jitter_ms;              /* of the next try */
    int64_t told_after_ms, told_jitter_ms;    /* by `ready` */
    bool was_open, is_receipt_due, is_behind; /* behind: has something to send */
    /* Messages without an ack, oldest first; unsent: the first that is not under way. */
    uint32_t first, last, unsent;
    unsigned under_way;
    uint32_t dirty;                /* bits of slots with something to receipt */
    uint32_t seqs[CHAT_SLOTS_MAX]; /* what it has of each of its chats */
};

struct client_process {
    struct chat_load *load;
    const struct chat_seed *seed;
    struct chat_figures *figures;
    unsigned number;
    int epoll;
    uint32_t count, wanted; /* clients; how many were told to connect */
    unsigned opening;
    struct client *clients;
    struct heap timers; /* shard: generation << 8 | timer, id: client */
    uint32_t *next;     /* of each of this process's messages: the one behind it */
    struct chat_work work;
    unsigned order;
    int64_t now_ns, next_due_ns, next_open_ns;
    uint64_t seed_state;
};

static inline void figure_add(_Atomic uint64_t *figure, int64_t value)
{
    /* One writer: no need to lock the bus. */
    atomic_store_explicit(figure,
                          atomic_load_explicit(figure, memory_order_relaxed) + (uint64_t)value,
                          memory_order_relaxed);
}

uint64_t client_random(struct client_process *process);
void client_init(struct client_process *process, struct client *client, uint32_t user);
void client_open(struct client_process *process, struct client *client);
/* For good, until it is opened again. */
void client_close(struct client_process *process, struct client *client);
void client_timer(struct client_process *process, struct client *client, enum client_timer timer);
/* What epoll said. */
void client_ready(struct client_process *process, struct client *client, uint32_t events);
/* A new message of this client, due then. False: the ledger is full. */
bool client_write(struct client_process *process, struct client *client, bool is_to_group,
                  int64_t due_ns);
/* Sends what may be sent. */
void client_flush(struct client_process *process, struct client *client);

#endif
