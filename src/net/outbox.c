/*
 * A ring of references that doubles as it fills and is freed when it is empty: a connection that is
 * sent to now and then pays for its queue only while something waits. What is in flight stands at
 * the head and is never moved or dropped: the kernel, or the TLS layer, may be reading it.
 */
#include "net/outbox.h"

#include <assert.h>
#include <stdlib.h>

#define CAP_FIRST 4

static uintptr_t *slot_at(const struct outbox *outbox, size_t index)
{
    return &outbox->ring[(outbox->head + index) & (outbox->cap - 1u)];
}

static struct shared *shared_of(uintptr_t entry)
{
    return (struct shared *)(entry & ~(uintptr_t)1);
}

static bool is_ephemeral_entry(uintptr_t entry)
{
    return entry & 1;
}

static enum err grow(struct outbox *outbox)
{
    size_t cap = outbox->cap ? (size_t)outbox->cap * 2 : CAP_FIRST;
    uintptr_t *ring = malloc(cap * sizeof(*ring));
    if (!ring)
        return ERR_NOMEM;
    for (size_t i = 0; i < outbox->count; i++)
        ring[i] = *slot_at(outbox, i);
    free(outbox->ring);
    outbox->ring = ring;
    outbox->cap = (uint16_t)cap;
    outbox->head = 0;
    return ERR_OK;
}

static void free_if_empty(struct outbox *outbox)
{
    if (outbox->count > 0)
        return;
    assert(outbox->bytes == 0 && outbox->in_flight == 0);
    free(outbox->ring);
    *outbox = (struct outbox){0};
}

enum err outbox_put(struct outbox *outbox, const struct outbox_limits *limits,
                    struct shared *shared, bool is_ephemeral)
{
    assert(limits->frames_max <= OUTBOX_FRAMES_LIMIT && limits->bytes_max <= UINT32_MAX);
    if (outbox->count >= limits->frames_max ||
        (size_t)outbox->bytes + shared->size > limits->bytes_max)
        return ERR_FULL;
    if (outbox->count == outbox->cap) {
        enum err err = grow(outbox);
        if (err)
            return err;
    }
    *slot_at(outbox, outbox->count) = (uintptr_t)shared_ref(shared) | is_ephemeral;
    outbox->count++;
    outbox->bytes += shared->size;
    return ERR_OK;
}

size_t outbox_take(struct outbox *outbox, struct iovec *ret_parts, size_t parts_max,
                   size_t bytes_max)
{
    assert(outbox->in_flight == 0);
    size_t count = 0, bytes = 0;
    while (count < outbox->count && count < parts_max) {
        struct shared *shared = shared_of(*slot_at(outbox, count));
        bytes += shared->size;
        if (count > 0 && bytes > bytes_max)
            break;
        ret_parts[count++] = (struct iovec){shared->bytes, shared->size};
    }
    outbox->in_flight = (uint16_t)count;
    return count;
}

static void drop_head(struct outbox *outbox)
{
    struct shared *shared = shared_of(*slot_at(outbox, 0));
    outbox->head = (uint16_t)((outbox->head + 1) & (outbox->cap - 1));
    outbox->count--;
    outbox->bytes -= shared->size;
    shared_unref(shared);
}

void outbox_sent(struct outbox *outbox)
{
    for (; outbox->in_flight > 0; outbox->in_flight--)
        drop_head(outbox);
    free_if_empty(outbox);
}

/* Those that stay close up behind what is in flight. */
static size_t drop_waiting(struct outbox *outbox, bool only_ephemeral)
{
    size_t kept = outbox->in_flight, count = outbox->count;
    for (size_t i = kept; i < count; i++) {
        uintptr_t entry = *slot_at(outbox, i);
        if (only_ephemeral && !is_ephemeral_entry(entry)) {
            *slot_at(outbox, kept++) = entry;
            continue;
        }
        outbox->bytes -= shared_of(entry)->size;
        shared_unref(shared_of(entry));
    }
    outbox->count = (uint16_t)kept;
    free_if_empty(outbox);
    return count - kept;
}

size_t outbox_drop_ephemeral(struct outbox *outbox)
{
    return drop_waiting(outbox, true);
}

size_t outbox_drop_waiting(struct outbox *outbox)
{
    return drop_waiting(outbox, false);
}

void outbox_release(struct outbox *outbox)
{
    outbox->in_flight = 0;
    (void)drop_waiting(outbox, false);
}
