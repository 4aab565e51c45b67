/*
 * How a room comes into memory and stays true: read whole once, then along its log.
 *
 * The log's end is noted before the entries are read, so an entry may show more than that end: what
 * the log says of it again is old news (queue_room.h). From the moment the room counts as loaded the
 * writer's effects reach it; what they told before is in the log behind that end, which is read now.
 * With one node that is all; with several the log is read on, every tick.
 */
#include "tickets/queue_internal.h"

#include "base/clock.h"
#include "base/log.h"

struct follow {
    struct queue_desk *queue;
    const struct queue_terms *terms;
    struct queue_room *room;
    int64_t now_ms;
    size_t count;
};

static enum err load_row(const struct queue_row *row, void *ctx)
{
    struct follow *follow = ctx;
    follow->count++;
    return queue_room_take(follow->room, row, follow->now_ms);
}

static enum err load(struct follow *follow)
{
    struct queue_room *room = follow->room;
    int64_t log_no = 0;
    int64_t begun_ns = clock_mono_ns();
    queue_room_clear(room);
    enum err err = queue_store_log_end(follow->queue->db, room->event_id, &log_no);
    if (!err)
        err = queue_store_each(follow->queue->db, room->event_id, load_row, follow);
    if (err)
        return err;
    atomic_store(&room->is_engaged, follow->terms->is_engaged);
    atomic_store(&room->engaged_at, follow->now_ms);
    pthread_mutex_lock(&room->lock);
    room->log_no = log_no;
    room->is_loaded = true;
    pthread_mutex_unlock(&room->lock);
    if (follow->count > 0)
        log_info("waiting room loaded", "entries=%zu ms=%lld", follow->count,
                 (long long)((clock_mono_ns() - begun_ns) / 1000000));
    return ERR_OK;
}

static enum err place_row(const struct queue_row *row, void *ctx)
{
    struct follow *follow = ctx;
    struct queue_row placed = *row;
    if (placed.state > QUEUE_WAITING)
        return ERR_OK; /* its later rows say it */
    placed.state = QUEUE_WAITING;
    queue_room_change(follow->room, &placed, follow->now_ms);
    return ERR_OK;
}

static enum queue_state state_after(const struct queue_log_row *row)
{
    switch (row->kind) {
    case QUEUE_LOG_JOINED:
        return row->amount ? QUEUE_WAITING : QUEUE_PRE;
    case QUEUE_LOG_ADMITTED:
        return QUEUE_ADMITTED;
    case QUEUE_LOG_DONE:
        return QUEUE_DONE;
    case QUEUE_LOG_LEFT:
        return QUEUE_LEFT;
    case QUEUE_LOG_LAPSED:
        return QUEUE_LAPSED;
    default:
        return row->entry.state;
    }
}

struct placed {
    int64_t from, until;
};

struct follow_log {
    struct follow *follow;
    struct placed placed; /* places that rows of this read have told of */
    int64_t last_no;
    size_t count;
};

static enum err log_row(const struct queue_log_row *row, void *ctx)
{
    struct follow_log *log = ctx;
    log->last_no = row->no;
    log->count++;
    if (row->kind == QUEUE_LOG_PLACED) {
        if (log->placed.until < row->amount)
            log->placed.until = row->amount;
        if (!log->placed.from)
            log->placed.from = row->amount - QUEUE_CHUNK_MAX + 1;
    } else if (row->entry.id == 0) {
        queue_room_turn(log->follow->room, row->kind, log->follow->now_ms);
    } else {
        struct queue_row entry = row->entry;
        entry.state = state_after(row);
        if (entry.state == QUEUE_PRE)
            entry.place = 0;
        queue_room_change(log->follow->room, &entry, log->follow->now_ms);
    }
    return ERR_OK;
}

/* Reads on; *ret_has_more: it is not the end. */
static enum err read_log(struct follow *follow, bool *ret_has_more)
{
    struct queue_room *room = follow->room;
    struct follow_log log = {.follow = follow};
    pthread_mutex_lock(&room->lock);
    log.last_no = room->log_no;
    pthread_mutex_unlock(&room->lock);
    enum err err = queue_store_log_read(follow->queue->db, room->event_id, log.last_no,
                                        QUEUE_FOLLOW_ROWS, log_row, &log);
    if (!err && log.placed.until > 0)
        err = queue_store_places(follow->queue->db, room->event_id, log.placed.from,
                                 log.placed.until, place_row, follow);
    if (err)
        return err;
    pthread_mutex_lock(&room->lock);
    if (room->is_loaded) /* else it was over or forgotten meanwhile */
        room->log_no = log.last_no;
    pthread_mutex_unlock(&room->lock);
    *ret_has_more = log.count == QUEUE_FOLLOW_ROWS;
    return ERR_OK;
}

static enum err follow_room(struct queue_desk *queue, const struct queue_terms *terms,
                            struct queue_room *room)
{
    struct follow follow = {.queue = queue, .terms = terms, .room = room, .now_ms = clock_now_ms()};
    pthread_mutex_lock(&room->lock);
    bool must_load = !room->is_loaded || room->is_broken;
    pthread_mutex_unlock(&room->lock);
    if (!must_load && !queue->is_followed)
        return ERR_OK;
    enum err err = must_load ? load(&follow) : ERR_OK;
    bool has_more = true;
    int64_t begun_ns = 0;
    while (!err && has_more) {
        begun_ns = clock_mono_ns();
        err = read_log(&follow, &has_more);
    }
    if (!err)
        atomic_store(&room->fresh_ns, queue->is_followed ? begun_ns : INT64_MAX);
    return err;
}

enum err queue_follow(struct queue_desk *queue, const struct queue_terms *terms)
{
    struct queue_room *room = queue_rooms_add(queue->rooms, terms->event_id);
    if (!room)
        return ERR_LIMIT;
    room->listed_at_look = queue->look_no;
    enum err err = follow_room(queue, terms, room);
    queue_room_unref(room);
    return err;
}
