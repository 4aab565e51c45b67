/* See stream_audience.h. The reading task is in stream_news.c. */
#include "chat/stream_audience_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"

#define AUDIENCES_MAX ((size_t)1 << 20) /* of a shard */
#define POST_IDS_MAX  512               /* ids gathered at a time */
/* Listeners from which on the frame `receipts` is kept: 200 bytes for each chat of two would be more
 * than all else of it, and two rows are read quickly. */
#define RECEIPTS_KEPT_MIN 8

/* ---- making and finding ---- */

struct audiences *audiences_new(struct stream *stream)
{
    struct audiences *audiences = calloc(1, sizeof(*audiences));
    if (!audiences)
        return NULL;
    audiences->stream = stream;
    for (size_t i = 0; i < AUDIENCE_SHARDS; i++) {
        (void)pthread_mutex_init(&audiences->shards[i].lock, NULL); /* cannot fail on Linux */
        map_init(&audiences->shards[i].map, AUDIENCES_MAX);
    }
    return audiences;
}

static struct audience *audience_of(uintptr_t value)
{
    return (struct audience *)value; /* NOLINT(performance-no-int-to-ptr): it was one */
}

static void audience_free(struct audience *audience)
{
    shared_unref(audience->receipts);
    free(audience->ids);
    free(audience->listeners);
    free(audience->marks);
    free(audience);
}

void audiences_free(struct audiences *audiences)
{
    if (!audiences)
        return;
    for (size_t i = 0; i < AUDIENCE_SHARDS; i++) {
        size_t position = 0;
        uint64_t chat_id;
        uintptr_t value;
        while (map_each(&audiences->shards[i].map, &position, &chat_id, &value))
            audience_free(audience_of(value));
        map_release(&audiences->shards[i].map);
        (void)pthread_mutex_destroy(&audiences->shards[i].lock); /* nobody holds it */
    }
    free(audiences);
}

static struct audience_shard *lock_shard(struct audiences *audiences, uint64_t chat_id)
{
    struct audience_shard *shard = audience_shard_of(audiences, chat_id);
    (void)pthread_mutex_lock(&shard->lock);
    return shard;
}

static void unlock_shard(struct audience_shard *shard)
{
    (void)pthread_mutex_unlock(&shard->lock);
}

/* NULL: nobody follows the chat. */
static struct audience *find(const struct audience_shard *shard, uint64_t chat_id)
{
    uintptr_t value;
    return map_get(&shard->map, chat_id, &value) ? audience_of(value) : NULL;
}

static struct audience *find_or_make(struct audiences *audiences, struct audience_shard *shard,
                                     uint64_t chat_id)
{
    struct audience *audience = find(shard, chat_id);
    if (audience)
        return audience;
    audience = calloc(1, sizeof(*audience));
    if (!audience)
        return NULL;
    audience->audiences = audiences;
    audience->chat_id = chat_id;
    audience->told_seq = TOLD_UNKNOWN;
    audience->read = (struct stream_read){.is_urgent = true, .run = audience_read_run};
    if (map_put(&shard->map, chat_id, (uintptr_t)audience) == ERR_OK)
        return audience;
    free(audience);
    return NULL;
}

void audience_free_if_idle(struct audience_shard *shard, struct audience *audience)
{
    if (audience->pins > 0 || audience->is_reading || audience->is_marked)
        return;
    assert(audience->count == 0);
    (void)map_remove(&shard->map, audience->chat_id);
    audience_free(audience);
}

enum err audience_pin(struct audiences *audiences, uint64_t chat_id)
{
    struct audience_shard *shard = lock_shard(audiences, chat_id);
    struct audience *audience = find_or_make(audiences, shard, chat_id);
    if (audience)
        audience->pins++;
    unlock_shard(shard);
    return audience ? ERR_OK : ERR_NOMEM;
}

void audience_unpin(struct audiences *audiences, uint64_t chat_id)
{
    struct audience_shard *shard = lock_shard(audiences, chat_id);
    struct audience *audience = find(shard, chat_id);
    assert(audience && audience->pins > 0);
    if (audience) {
        audience->pins--;
        audience_free_if_idle(shard, audience);
    }
    unlock_shard(shard);
}

/* ---- the reading task ---- */

void audience_start_reading(struct audience *audience)
{
    if (audience->is_reading) {
        audience->must_read = true;
        return;
    }
    audience->is_reading = true;
    stream_reads_submit(&audience->audiences->stream->reads, &audience->read);
}

void audience_set_told(struct audience *audience, int64_t seq)
{
    if (audience->told_seq != TOLD_UNKNOWN)
        return;
    audience->told_seq = seq;
    if (audience->noted_seq > seq)
        audience_start_reading(audience);
}

void audience_note_head(struct audiences *audiences, uint64_t chat_id, int64_t last_seq)
{
    struct audience_shard *shard = lock_shard(audiences, chat_id);
    struct audience *audience = find(shard, chat_id);
    if (audience)
        audience_set_told(audience, last_seq);
    unlock_shard(shard);
}

/* ---- listeners ---- */

static enum err add_listener(struct audience *audience, websocket_id id,
                             const struct listener *listener)
{
    if (audience->count == audience->cap) {
        uint32_t cap = audience->cap ? audience->cap * 2 : 2;
        websocket_id *ids = realloc(audience->ids, cap * sizeof(*ids));
        if (!ids)
            return ERR_NOMEM;
        audience->ids = ids;
        struct listener *listeners = realloc(audience->listeners, cap * sizeof(*listeners));
        if (!listeners)
            return ERR_NOMEM;
        audience->listeners = listeners;
        audience->cap = cap;
    }
    audience->ids[audience->count] = id;
    audience->listeners[audience->count++] = *listener;
    if (audience->skip_seq < listener->after_seq)
        audience->skip_seq = listener->after_seq;
    return ERR_OK;
}

bool audience_join(struct audiences *audiences, uint64_t chat_id, websocket_id id,
                   const struct listener *listener)
{
    struct audience_shard *shard = lock_shard(audiences, chat_id);
    struct audience *audience = find(shard, chat_id);
    bool is_in = audience && audience->told_seq != TOLD_UNKNOWN &&
                 listener->after_seq >= audience->told_seq &&
                 add_listener(audience, id, listener) == ERR_OK;
    unlock_shard(shard);
    return is_in;
}

void audience_remove_at(struct audience *audience, uint32_t at)
{
    audience->count--;
    audience->ids[at] = audience->ids[audience->count];
    audience->listeners[at] = audience->listeners[audience->count];
}

void audience_leave(struct audiences *audiences, uint64_t chat_id, websocket_id id)
{
    struct audience_shard *shard = lock_shard(audiences, chat_id);
    struct audience *audience = find(shard, chat_id);
    for (uint32_t i = 0; audience && i < audience->count; i++) {
        if (audience->ids[i] != id)
            continue;
        audience_remove_at(audience, i);
        break;
    }
    unlock_shard(shard);
}

/* ---- telling ---- */

static void post(struct audience *audience, const websocket_id *ids, size_t count,
                 struct shared *frame)
{
    /* Whoever it does not reach is closed for a resync. */
    (void)websocket_post(audience->audiences->stream->hub, ids, count, frame, false);
}

void audience_tell(struct audience *audience, int64_t seq, int64_t joined_from,
                   int64_t joined_below, struct shared *frame)
{
    websocket_id ids[POST_IDS_MAX];
    size_t count = 0;
    bool is_for_all = seq > audience->skip_seq && joined_from <= 0 && joined_below == INT64_MAX;
    if (is_for_all) {
        post(audience, audience->ids, audience->count, frame);
        return;
    }
    for (uint32_t i = 0; i < audience->count; i++) {
        const struct listener *listener = &audience->listeners[i];
        if (listener->after_seq >= seq || listener->joined_seq < joined_from ||
            listener->joined_seq >= joined_below)
            continue;
        ids[count++] = audience->ids[i];
        if (count == POST_IDS_MAX) {
            post(audience, ids, count, frame);
            count = 0;
        }
    }
    if (count > 0)
        post(audience, ids, count, frame);
}

void audience_post(struct audiences *audiences, uint64_t chat_id, websocket_id but,
                   struct shared *frame)
{
    websocket_id ids[POST_IDS_MAX];
    size_t count = 0;
    struct audience_shard *shard = lock_shard(audiences, chat_id);
    const struct audience *audience = find(shard, chat_id);
    for (uint32_t i = 0; audience && i < audience->count; i++) {
        if (audience->ids[i] != but)
            ids[count++] = audience->ids[i];
        if (count < POST_IDS_MAX && i + 1 < audience->count)
            continue;
        /* Dropped where there is no room: it need not arrive. */
        (void)websocket_post(audiences->stream->hub, ids, count, frame, true);
        count = 0;
    }
    unlock_shard(shard);
}

/* All there is to say of it is in the row that was just written. */
static bool is_plain(const struct message *message)
{
    return message->type != ENTRY_EDIT && message->type != ENTRY_SYSTEM;
}

static void tell_message(struct audience *audience, const struct message *message)
{
    struct stream_frame frame;
    const struct message_extra extra = {0};
    audience->told_seq = message->seq;
    if (audience->count == 0)
        return;
    stream_put_message(&frame, message, &extra);
    struct shared *shared = stream_frame_end(&frame);
    audience_tell(audience, message->seq, 0, INT64_MAX, shared); /* NULL ends their connections */
    shared_unref(shared);
    atomic_fetch_add_explicit(&audience->audiences->stream->counters.told, audience->count,
                              memory_order_relaxed);
}

static void on_entry(struct audience *audience, const struct fanout_event *event)
{
    if (audience->told_seq != TOLD_UNKNOWN && event->last_seq <= audience->told_seq)
        return;
    audience_forget_receipts(audience); /* who sends has read */
    if (audience->noted_seq < event->last_seq)
        audience->noted_seq = event->last_seq;
    if (audience->told_seq == TOLD_UNKNOWN)
        return;
    bool is_next = event->last_seq == audience->told_seq + 1 && !audience->is_reading;
    if (is_next && event->message && is_plain(event->message))
        tell_message(audience, event->message);
    else if (!audience->is_reading) /* if it is, it sees what was noted */
        audience_start_reading(audience);
}

/* ---- watermarks ---- */

void audience_forget_receipts(struct audience *audience)
{
    audience->change =
        atomic_fetch_add_explicit(&audience->audiences->change, 1, memory_order_relaxed) + 1;
    shared_unref(audience->receipts);
    audience->receipts = NULL;
}

uint64_t audience_change(struct audiences *audiences)
{
    return atomic_load_explicit(&audiences->change, memory_order_relaxed);
}

struct shared *audience_receipts(struct audiences *audiences, uint64_t chat_id)
{
    struct audience_shard *shard = lock_shard(audiences, chat_id);
    const struct audience *audience = find(shard, chat_id);
    struct shared *frame = audience && audience->receipts ? shared_ref(audience->receipts) : NULL;
    unlock_shard(shard);
    return frame;
}

void audience_keep_receipts(struct audiences *audiences, uint64_t chat_id, uint64_t change,
                            struct shared *frame)
{
    struct audience_shard *shard = lock_shard(audiences, chat_id);
    struct audience *audience = find(shard, chat_id);
    if (audience && audience->count >= RECEIPTS_KEPT_MIN && audience->change <= change &&
        !audience->receipts)
        audience->receipts = shared_ref(frame);
    unlock_shard(shard);
}

/* What is to be read anyway stays so. */
static void put_mark(struct audience *audience, uint32_t at, const struct member *member)
{
    struct member *mark = &audience->marks[at];
    if (at == audience->mark_count)
        *mark = (struct member){.user_id = member->user_id};
    audience->mark_count += at == audience->mark_count;
    if (mark->delivered_seq < 0) {
        mark->delivered_seq = MARK_UNKNOWN;
        return;
    }
    bool is_known = member->delivered_seq >= 0;
    if (!is_known || mark->delivered_seq < member->delivered_seq)
        mark->delivered_seq = is_known ? member->delivered_seq : MARK_UNKNOWN;
    if (mark->read_seq < member->read_seq)
        mark->read_seq = member->read_seq;
}

/* The highest of each member; who finds no room is told with the next one. */
static void on_receipt(struct audience_shard *shard, struct audience *audience,
                       const struct member *member)
{
    audience_forget_receipts(audience);
    if (audience->count == 0)
        return;
    if (!audience->marks)
        audience->marks = calloc(MEMBERS_MAX, sizeof(*audience->marks));
    uint32_t at = 0;
    while (audience->marks && at < audience->mark_count &&
           audience->marks[at].user_id != member->user_id)
        at++;
    if (!audience->marks || at == MEMBERS_MAX)
        return;
    put_mark(audience, at, member);
    if (audience->is_marked)
        return;
    audience->is_marked = true;
    audience->next_marked = shard->marked;
    shard->marked = audience;
}

void audience_free_marks_if_none(struct audience *audience)
{
    if (audience->mark_count > 0)
        return;
    free(audience->marks);
    audience->marks = NULL;
}

/* Few are a message each, in one run of bytes; many are one message: a text to a hundred who are there comes back as a
 * hundred watermarks, for each of the hundred. */
void audience_tell_marks(struct audience *audience, const struct member *marks, size_t count)
{
    struct buf page;
    struct stream_frame frame;
    if (count == 0 || audience->count == 0)
        return;
    buf_init(&page, STREAM_FRAME_BYTES_MAX);
    if (count >= RECEIPTS_TOGETHER) {
        stream_put_receipts(&frame, audience->chat_id, marks, count);
        stream_frame_end_on(&frame, &page);
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        stream_put_receipt(&frame, audience->chat_id, &marks[i]);
        stream_frame_end_on(&frame, &page);
    }
    struct shared *shared = stream_page_end(&page);
    audience_tell(audience, INT64_MAX, 0, INT64_MAX, shared); /* NULL ends their connections */
    shared_unref(shared);
    buf_release(&page);
}

/* Those that are known. */
static void tell_marks(struct audience *audience)
{
    struct member known[MEMBERS_MAX];
    size_t count = 0;
    uint32_t kept = 0;
    bool has_unknown = false;
    for (uint32_t i = 0; i < audience->mark_count; i++) {
        const struct member *mark = &audience->marks[i];
        has_unknown = has_unknown || mark->delivered_seq == MARK_UNKNOWN;
        if (mark->delivered_seq >= 0)
            known[count++] = *mark;
        else
            audience->marks[kept++] = *mark;
    }
    audience->mark_count = kept;
    audience_tell_marks(audience, known, count);
    if (has_unknown)
        audience_start_reading(audience);
    audience_free_marks_if_none(audience);
}

void audiences_tick(struct audiences *audiences)
{
    for (size_t i = 0; i < AUDIENCE_SHARDS; i++) {
        struct audience_shard *shard = &audiences->shards[i];
        (void)pthread_mutex_lock(&shard->lock);
        struct audience *audience = shard->marked;
        shard->marked = NULL;
        while (audience) {
            struct audience *next = audience->next_marked;
            audience->is_marked = false;
            tell_marks(audience);
            audience_free_if_idle(shard, audience);
            audience = next;
        }
        unlock_shard(shard);
    }
}

/* ---- events ---- */

static void on_doubt(struct audiences *audiences)
{
    for (size_t i = 0; i < AUDIENCE_SHARDS; i++) {
        struct audience_shard *shard = &audiences->shards[i];
        size_t position = 0;
        uint64_t chat_id;
        uintptr_t value;
        (void)pthread_mutex_lock(&shard->lock);
        while (map_each(&shard->map, &position, &chat_id, &value)) {
            audience_of(value)->members_version = 0;
            audience_forget_receipts(audience_of(value));
            audience_start_reading(audience_of(value));
        }
        unlock_shard(shard);
    }
}

void audiences_on_event(struct audiences *audiences, const struct fanout_event *event)
{
    bool has_anybody = stream_users_count(audiences->stream->users) > 0;
    if (event->kind == FANOUT_DOUBT)
        on_doubt(audiences);
    if (event->kind == FANOUT_DOUBT || (event->kind == FANOUT_MEMBERS && !has_anybody))
        return;
    struct audience_shard *shard = lock_shard(audiences, event->chat_id);
    struct audience *audience = event->kind == FANOUT_MEMBERS
                                    ? find_or_make(audiences, shard, event->chat_id)
                                    : find(shard, event->chat_id);
    if (audience && event->kind == FANOUT_MEMBERS) {
        audience->members_version = 0;
        audience_forget_receipts(audience);
        audience_start_reading(audience);
    } else if (audience && event->kind == FANOUT_ENTRY) {
        on_entry(audience, event);
    } else if (audience) {
        on_receipt(shard, audience, &event->member);
    }
    unlock_shard(shard);
}
