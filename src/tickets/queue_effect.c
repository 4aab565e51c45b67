/* What memory learns of the waiting room's jobs, on the writer's thread after their commit. */
#include "tickets/queue_internal.h"

#include "base/clock.h"

struct entry_effect {
    struct queue_desk *queue;
    uint64_t event_id;
    struct queue_row row;
};

static void entry_run(void *data)
{
    struct entry_effect *effect = data;
    struct queue_room *room = queue_rooms_get(effect->queue->rooms, effect->event_id);
    if (room)
        queue_room_change(room, &effect->row, clock_now_ms());
    if (effect->row.state == QUEUE_ADMITTED)
        metric_add(effect->queue->admitted, 1);
    if (effect->row.state == QUEUE_LAPSED)
        metric_add(effect->queue->lapsed, 1);
    struct queue_counts counts;
    if (room && effect->row.state == QUEUE_WAITING) {
        queue_room_counts(room, &counts);
        if (counts.waiting == 1)
            queue_desk_wake(
                effect->queue); /* who comes to an empty room need not wait for the next look */
    }
    queue_room_unref(room);
}

enum err queue_stage_entry(struct tickets *tickets, struct writer_tx *tx,
                           const struct queue_entry *entry)
{
    struct entry_effect *effect = writer_effect(tx, entry_run, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    *effect = (struct entry_effect){.queue = tickets->queue,
                                    .event_id = entry->event_id,
                                    .row = {.id = entry->id,
                                            .account_id = entry->account_id,
                                            .state = entry->state,
                                            .place = entry->place,
                                            .admitted_at = entry->admitted_at,
                                            .admitted_until = entry->admitted_until,
                                            .ended_at = entry->ended_at}};
    return ERR_OK;
}

struct places_effect {
    struct queue_desk *queue;
    uint64_t event_id;
    int64_t first;
    size_t count;
    uint64_t ids[];
};

static void places_run(void *data)
{
    struct places_effect *effect = data;
    struct queue_room *room = queue_rooms_get(effect->queue->rooms, effect->event_id);
    if (room)
        queue_room_place(room, effect->first, effect->ids, effect->count, clock_now_ms());
    queue_room_unref(room);
}

enum err queue_stage_places(struct tickets *tickets, struct writer_tx *tx, uint64_t event_id,
                            int64_t first, const uint64_t *ids, size_t count)
{
    struct places_effect *effect =
        writer_effect(tx, places_run, sizeof(*effect) + count * sizeof(*ids));
    if (!effect)
        return ERR_NOMEM;
    *effect = (struct places_effect){tickets->queue, event_id, first, count};
    memcpy(effect->ids, ids, count * sizeof(*ids));
    return ERR_OK;
}

struct room_effect {
    struct queue_desk *queue;
    uint64_t event_id;
    enum queue_kind kind;
};

static void room_run(void *data)
{
    struct room_effect *effect = data;
    bool is_new = effect->kind == QUEUE_LOG_NONE;
    struct queue_room *room = is_new ? queue_rooms_add(effect->queue->rooms, effect->event_id)
                                     : queue_rooms_get(effect->queue->rooms, effect->event_id);
    if (room && is_new)
        queue_room_begin(room, effect->queue->is_followed ? clock_mono_ns() : INT64_MAX);
    else if (room)
        queue_room_turn(room, effect->kind, clock_now_ms());
    queue_room_unref(room);
    queue_desk_wake(effect->queue);
}

enum err queue_stage_room(struct tickets *tickets, struct writer_tx *tx, uint64_t event_id,
                          enum queue_kind kind)
{
    struct room_effect *effect = writer_effect(tx, room_run, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    *effect = (struct room_effect){tickets->queue, event_id, kind};
    return ERR_OK;
}
