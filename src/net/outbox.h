/*
 * What waits to be written to one connection: a bounded queue of references to shared bytes. An
 * empty one takes no memory. One thread.
 */
#ifndef NET_OUTBOX_H
#define NET_OUTBOX_H

#include <sys/uio.h>

#include "net/shared.h"

#define OUTBOX_FRAMES_LIMIT 32768 /* the most that frames_max may be */

struct outbox_limits {
    size_t frames_max;
    size_t bytes_max;
};

struct outbox {
    uintptr_t *ring;    /* references; the lowest bit marks the ephemeral ones */
    uint32_t bytes;     /* of all of them */
    uint16_t cap;       /* a power of two, or 0 */
    uint16_t head;      /* the oldest */
    uint16_t count;     /* with those in flight */
    uint16_t in_flight; /* the oldest so many are being written */
};

static inline bool outbox_is_empty(const struct outbox *outbox)
{
    return outbox->count == 0;
}

/* Takes a reference of its own. ERR_FULL: over a limit; ERR_NOMEM. */
ERR_MUST_USE enum err outbox_put(struct outbox *outbox, const struct outbox_limits *limits,
                                 struct shared *shared, bool is_ephemeral);
/* The oldest, of at most so many bytes (but always one), are in flight from here on, until
 * outbox_sent. Returns how many; none may be in flight before. */
size_t outbox_take(struct outbox *outbox, struct iovec *ret_parts, size_t parts_max,
                   size_t bytes_max);
/* What was in flight has been written. */
void outbox_sent(struct outbox *outbox);
/* Drops what is ephemeral and not in flight; returns how many. */
size_t outbox_drop_ephemeral(struct outbox *outbox);
/* Drops everything that is not in flight; returns how many. */
size_t outbox_drop_waiting(struct outbox *outbox);
/* Drops everything: nobody writes any more. */
void outbox_release(struct outbox *outbox);

#endif
