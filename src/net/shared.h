/*
 * Bytes that many connections send: written once, then only read and counted. Whoever holds a
 * reference may be on any thread.
 */
#ifndef NET_SHARED_H
#define NET_SHARED_H

#include <stdatomic.h>

#include "base/str.h"

struct shared {
    _Atomic uint32_t refs;
    uint32_t size;
    char bytes[];
};

/* One reference, for the caller, who fills bytes in before anybody else has one. NULL: no memory.
 */
struct shared *shared_new(uint32_t size);
struct shared *shared_ref(struct shared *shared);
void shared_unref(struct shared *shared); /* NULL is a no-op */

#endif
