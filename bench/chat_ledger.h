/*
 * What the clients of a chat benchmark know: of each message when it was due and with which seq it
 * was acknowledged, of each device which messages it has shown. Processes write their own parts of
 * it, in memory that they share; the check at the end reads all.
 */
#ifndef BENCH_CHAT_LEDGER_H
#define BENCH_CHAT_LEDGER_H

#include <stdatomic.h>

#include "chat_seed.h"

#define CHAT_PROCESSES_MAX 16

struct chat_sent {
    int64_t due_ns; /* monotonic, which is one clock for all processes */
    uint32_t chat, sender;
    uint32_t seq; /* 0: never acknowledged */
    uint8_t phase;
};

struct chat_shown {
    uint32_t message, user, seq;
};

struct chat_ledger {
    /* Given. */
    const struct chat_seed *seed;
    unsigned processes;
    uint32_t sent_max, shown_max; /* of a process */
    /* Shared. Message m is sent[m]; process p has those from p * sent_max on. */
    struct chat_sent *sent;
    struct chat_shown *shown;
    struct chat_ledger_count {
        _Atomic uint32_t sent, shown;
        _Atomic uint64_t unlogged; /* for want of room: the run counts for nothing */
    } * counts;
};

ERR_MUST_USE enum err chat_ledger_make(struct chat_ledger *ledger);
void chat_ledger_release(struct chat_ledger *ledger);
/* A new message of the process's; UINT32_MAX: there is no room. */
uint32_t chat_ledger_send(struct chat_ledger *ledger, unsigned process,
                          const struct chat_sent *sent);
void chat_ledger_show(struct chat_ledger *ledger, unsigned process, const struct chat_shown *shown);

struct chat_verdict {
    uint64_t sent, acked;
    uint64_t shown;   /* by all devices */
    uint64_t lost;    /* acknowledged, but a member's device did not show it */
    uint64_t twice;   /* shown again by the same device */
    uint64_t strange; /* shown with another seq than acknowledged, or to somebody else */
    uint64_t unlogged;
};
/* While nobody writes. */
ERR_MUST_USE enum err chat_ledger_check(const struct chat_ledger *ledger,
                                        struct chat_verdict *ret_verdict);
/* Whether the check would notice: a device that shows one message twice and another never, and one
 * that shows a message with another seq. While nobody writes; all is as before afterwards. */
bool chat_ledger_is_sharp(struct chat_ledger *ledger);

#endif
