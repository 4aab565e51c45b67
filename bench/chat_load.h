/*
 * Clients of the chat stream: processes that each hold thousands of devices, behave as
 * docs/chat-stream.md says, and note what they were acknowledged and what they showed (the ledger).
 * The parent says what is to be done by work that all processes read, and sees figures that they
 * keep, in memory that they share.
 *
 * User u belongs to process u modulo the number of processes; its first node is another one than
 * its neighbour's.
 */
#ifndef BENCH_CHAT_LOAD_H
#define BENCH_CHAT_LOAD_H

#include "chat_ledger.h"
#include "hist.h"

#define CHAT_NODES_MAX  16
#define CHAT_PHASES_MAX 8
#define CHAT_NOBODY     UINT32_MAX

enum chat_pace {
    CHAT_SILENT,
    CHAT_OPEN_LOOP,   /* at a rate, whatever the answers do */
    CHAT_CLOSED_LOOP, /* each sender has so many messages without an answer */
};

struct chat_work {
    enum chat_pace pace;
    unsigned phase;      /* figures are kept by the phase in which a message was due */
    double rate;         /* open loop: messages a second of this process */
    unsigned groups;     /* of 1,000 messages go to the sender's group */
    uint32_t senders;    /* of this process; 0: all. Closed loop, too */
    unsigned depth;      /* closed loop */
    uint32_t opened;     /* so many of this process's devices shall be connected, and no more */
    unsigned opening;    /* so many at a time */
    uint32_t open_per_s; /* of this process; 0: as fast as they are taken */
};

/* What a process has seen. Written by it alone. */
struct chat_figures {
    _Atomic uint64_t tried, refused, busy; /* connections; refused: not taken; busy: 503 */
    _Atomic uint64_t opened, ready,
        lost;                    /* handshakes done; hellos answered; open ones that ended */
    _Atomic uint64_t open, live; /* now */
    _Atomic uint64_t sent, acked, repeated; /* frames; messages; "repeated": true */
    _Atomic uint64_t again;                 /* sent again on another connection */
    _Atomic uint64_t came, shown, passed;   /* messages; shown; passed over, because it has them */
    _Atomic uint64_t receipts;              /* that came */
    _Atomic uint64_t gaps, resyncs, byes, errors; /* errors: answers that are no ack */
    _Atomic uint64_t strange;                     /* what must not be */
    _Atomic uint64_t late; /* open loop: due more than 10 ms before it was sent */
    struct hist acks[CHAT_PHASES_MAX], receives[CHAT_PHASES_MAX];
    /* Where neither sender nor receiver began at the node that is killed. */
    struct hist other_acks[CHAT_PHASES_MAX], other_receives[CHAT_PHASES_MAX];
};

/* Of a device, since the parent cleared it. */
struct chat_comeback {
    int64_t lost_ns, ready_ns, live_ns; /* 0: not yet */
    uint32_t tries;
};

struct chat_load {
    /* Given. */
    struct chat_seed *seed;
    struct chat_ledger ledger; /* with processes, sent_max and shown_max */
    unsigned processes;
    unsigned node_count;
    unsigned ports[CHAT_NODES_MAX];
    unsigned killed_node; /* that will be: figures of others are kept apart; node_count: none */
    int64_t receipts_ms;  /* what came is receipted so much later; 0: never */
    /* Made. */
    pid_t pids[CHAT_PROCESSES_MAX];
    struct chat_figures *figures;    /* by process */
    struct chat_comeback *comebacks; /* by user */
    struct chat_orders {
        struct chat_work work;
        _Atomic unsigned number; /* grows with each new work */
        _Atomic bool is_over;
        _Atomic unsigned seen[CHAT_PROCESSES_MAX];
    } * orders;
};

ERR_MUST_USE enum err chat_load_start(struct chat_load *load);
/* Ends the processes. ERR_IO: one of them had ended before. */
ERR_MUST_USE enum err chat_load_stop(struct chat_load *load);
/* Returns when all processes have it. */
ERR_MUST_USE enum err chat_load_work(struct chat_load *load, const struct chat_work *work);
unsigned chat_load_home(const struct chat_load *load, uint32_t user);
uint32_t chat_load_users(const struct chat_load *load, unsigned process);

/* The sum over processes of a figure: CHAT_SUM(load, acked). */
#define CHAT_SUM(load, field) chat_load_sum((load), offsetof(struct chat_figures, field))
uint64_t chat_load_sum(const struct chat_load *load, size_t offset);
/* Merges a histogram of a phase: CHAT_HIST(load, acks, phase, &hist). */
#define CHAT_HIST(load, field, phase, hist)                                                        \
    chat_load_hist((load), offsetof(struct chat_figures, field[0]), (phase), (hist))
void chat_load_hist(const struct chat_load *load, size_t offset, unsigned phase,
                    struct hist *ret_hist);
/* Looks every few milliseconds whether the figure has come that far. ERR_TIMEOUT. */
ERR_MUST_USE enum err chat_load_wait(const struct chat_load *load, size_t offset, uint64_t value,
                                     int64_t until_ns);
#define CHAT_WAIT(load, field, value, until_ns)                                                    \
    chat_load_wait((load), offsetof(struct chat_figures, field), (value), (until_ns))
void chat_load_nap(int64_t ms);

#endif
