/*
 * The reading task of an audience: what it cannot be told from memory. One trip reads, in one snapshot, the
 * chat, its members if they may have changed, watermarks that are to be told, and the entries behind told_seq;
 * then tells all that under the lock, and looks whether more has been noted meanwhile. See
 * stream_audience.h for why nothing is missed.
 */
#include "chat/stream_audience_internal.h"

#include <stdlib.h>

#include "base/clock.h"

#define NEWS_ARENA_MAX ((size_t)32 << 20)

struct news {
    struct arena arena;
    /* Before: */
    int64_t told_seq;
    int64_t members_version;
    struct member *marks;
    size_t mark_count;
    /* What the snapshot says: */
    bool is_gone; /* there is no such chat */
    bool has_members;
    struct chat_seen seen;
    struct member *members;
    size_t member_count;
    struct message *messages;
    size_t count;
    struct message_extra *extras;
};

/* The lock is held. */
static enum err prepare(struct audience *audience, struct news *news)
{
    audience->must_read = false;
    news->told_seq = audience->told_seq;
    news->members_version = audience->members_version;
    news->marks = ARENA_ARRAY(&news->arena, struct member, MEMBERS_MAX);
    if (!news->marks)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < audience->mark_count; i++) {
        if (audience->marks[i].delivered_seq >= 0)
            continue;
        audience->marks[i].delivered_seq = MARK_READING;
        news->marks[news->mark_count++] = audience->marks[i];
    }
    return ERR_OK;
}

static enum err read_members(struct db *db, struct audience *audience, struct news *news)
{
    news->has_members = news->members_version != news->seen.chat.members_version;
    if (!news->has_members)
        return ERR_OK;
    news->members = ARENA_ARRAY(&news->arena, struct member, MEMBERS_MAX);
    if (!news->members)
        return ERR_NOMEM;
    return member_store_list(db, &news->arena, audience->chat_id, MEMBERS_MAX, news->members,
                             &news->member_count);
}

static enum err read_marks(struct db *db, struct audience *audience, struct news *news)
{
    size_t kept = 0;
    for (size_t i = 0; i < news->mark_count; i++) {
        enum err err = member_store_get(db, &news->arena, audience->chat_id, news->marks[i].user_id,
                                        &news->marks[kept]);
        if (err && err != ERR_NOT_FOUND)
            return err;
        kept += err == ERR_OK;
    }
    news->mark_count = kept;
    return ERR_OK;
}

static enum err read_entries(struct db *db, struct audience *audience, struct news *news)
{
    struct log_range range = {.chat_id = audience->chat_id,
                              .after = news->told_seq,
                              .before = INT64_MAX,
                              .is_ascending = true,
                              .limit = STREAM_NEWS_MESSAGES_MAX,
                              .bytes_max = STREAM_NEWS_BYTES_MAX};
    if (news->told_seq == TOLD_UNKNOWN || news->told_seq >= news->seen.chat.last_seq)
        return ERR_OK;
    news->messages = ARENA_ARRAY(&news->arena, struct message, STREAM_NEWS_MESSAGES_MAX);
    news->extras = ARENA_ARRAY(&news->arena, struct message_extra, STREAM_NEWS_MESSAGES_MAX);
    if (!news->messages || !news->extras)
        return ERR_NOMEM;
    enum err err =
        log_store_range(db, &news->arena, &range, &news->seen.days, news->messages, &news->count);
    return err ? err
               : chat_load_extras(db, &news->arena, &news->seen, news->messages, news->count,
                                  news->extras);
}

static enum err read_all(struct db *db, struct audience *audience, struct news *news)
{
    bool is_member;
    enum err err = chat_seen_load(db, &news->arena, audience->chat_id, 0, clock_now_ms(),
                                  &news->seen, &is_member);
    news->is_gone = err == ERR_NOT_FOUND;
    if (err)
        return news->is_gone ? ERR_OK : err;
    err = read_members(db, audience, news);
    if (!err)
        err = read_marks(db, audience, news);
    return err ? err : read_entries(db, audience, news);
}

/* ---- telling; the lock is held ---- */

static const struct member *find_member(const struct news *news, uint64_t user_id)
{
    for (size_t i = 0; i < news->member_count; i++) {
        if (news->members[i].user_id == user_id)
            return &news->members[i];
    }
    return NULL;
}

/* Who is no member any more, or one anew, listens no more; sessions of such a one begin again. */
static void drop_strangers(struct audience *audience, const struct news *news)
{
    for (uint32_t i = audience->count; i-- > 0;) {
        const struct listener *listener = &audience->listeners[i];
        const struct member *member = find_member(news, listener->user_id);
        websocket_id id = audience->ids[i];
        if (member && member->joined_seq == listener->joined_seq)
            continue;
        audience_remove_at(audience, i);
        session_post_note(audience->audiences->stream, id, audience->chat_id, false, 0);
        if (member)
            session_post_note(audience->audiences->stream, id, audience->chat_id, true,
                              member->joined_seq);
    }
}

static bool is_listening(const struct audience *audience, websocket_id id)
{
    for (uint32_t i = 0; i < audience->count; i++) {
        if (audience->ids[i] == id)
            return true;
    }
    return false;
}

/* audience: NULL: nobody listens to the chat. */
static void call_member(struct stream *stream, const struct audience *audience, uint64_t chat_id,
                        const struct member *member)
{
    websocket_id ids[STREAM_SESSIONS_MAX];
    size_t count = stream_users_ids(stream->users, member->user_id, ids, STREAM_SESSIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!audience || !is_listening(audience, ids[i]))
            session_post_note(stream, ids[i], chat_id, true, member->joined_seq);
    }
}

static void call_members(const struct audience *audience, const struct news *news)
{
    for (size_t i = 0; i < news->member_count; i++)
        call_member(audience->audiences->stream, audience, audience->chat_id, &news->members[i]);
}

void audience_call(struct audiences *audiences, uint64_t chat_id, uint64_t user_id,
                   int64_t joined_seq)
{
    const struct member member = {.user_id = user_id, .joined_seq = joined_seq};
    struct audience_shard *shard = audience_shard_of(audiences, chat_id);
    uintptr_t value;
    (void)pthread_mutex_lock(&shard->lock);
    const struct audience *audience =
        map_get(&shard->map, chat_id, &value)
            ? (struct audience *)value /* NOLINT(performance-no-int-to-ptr): it was one */
            : NULL;
    call_member(audiences->stream, audience, chat_id, &member);
    (void)pthread_mutex_unlock(&shard->lock);
}

/* One entry; of an edit, two: who joined behind its target sees nothing of that. Reactions to it are entries
 * behind it, which everybody here will hear, too; so it is told without them. */
static void tell_entry(struct audience *audience, const struct message *message,
                       const struct message_extra *extra)
{
    struct stream_frame frame;
    const struct message_extra none = {0};
    const struct message_extra shown = {.target = extra->target};
    int64_t target_seq = number_seq(message->target);
    bool has_target = extra->target != NULL;
    stream_put_message(&frame, message, &shown);
    struct shared *shared = stream_frame_end(&frame);
    audience_tell(audience, message->seq, 0, has_target ? target_seq : INT64_MAX, shared);
    shared_unref(shared);
    if (!has_target)
        return;
    stream_put_message(&frame, message, &none);
    shared = stream_frame_end(&frame);
    audience_tell(audience, message->seq, target_seq, INT64_MAX, shared);
    shared_unref(shared);
}

/* What is not kept any more cannot be told; nobody is so far behind unless the database was away for a month. */
static void tell_gap(struct audience *audience, const struct news *news, int64_t first_seq)
{
    struct stream_frame frame;
    const struct stream_gap gap = {.chat_id = audience->chat_id,
                                   .epoch = audience->audiences->stream->chat->log.epoch,
                                   .first_seq = first_seq,
                                   .last_seq = news->seen.chat.last_seq,
                                   .reason = "expired"};
    stream_put_resync(&frame, &gap);
    struct shared *shared = stream_frame_end(&frame);
    audience_tell(audience, first_seq, 0, INT64_MAX, shared);
    shared_unref(shared);
}

static void tell_entries(struct audience *audience, const struct news *news)
{
    int64_t last = news->seen.chat.last_seq;
    audience_set_told(audience, last);
    for (size_t i = 0; i < news->count; i++) {
        int64_t seq = news->messages[i].seq;
        if (seq != audience->told_seq + 1)
            tell_gap(audience, news, seq);
        tell_entry(audience, &news->messages[i], &news->extras[i]);
        audience->told_seq = seq;
    }
    bool has_asked = news->told_seq != TOLD_UNKNOWN && news->told_seq < last;
    if (has_asked && news->count == 0) {
        tell_gap(audience, news, last + 1);
        audience->told_seq = last;
    }
    atomic_fetch_add_explicit(&audience->audiences->stream->counters.news_read, news->count,
                              memory_order_relaxed);
}

static void tell_marks(struct audience *audience, const struct news *news)
{
    audience_tell_marks(audience, news->marks, news->mark_count);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < audience->mark_count; i++) {
        if (audience->marks[i].delivered_seq != MARK_READING)
            audience->marks[kept++] = audience->marks[i];
    }
    audience->mark_count = kept;
    audience_free_marks_if_none(audience);
}

/* All who listen have lost it. */
static void tell_gone(struct audience *audience)
{
    while (audience->count > 0) {
        websocket_id id = audience->ids[audience->count - 1];
        audience_remove_at(audience, audience->count - 1);
        session_post_note(audience->audiences->stream, id, audience->chat_id, false, 0);
    }
    audience->mark_count = 0;
    audience_free_marks_if_none(audience);
    audience->noted_seq = audience->told_seq;
}

static void tell_all(struct audience *audience, const struct news *news)
{
    if (news->is_gone) {
        tell_gone(audience);
        return;
    }
    /* A change that was noted while this was read is read once more. */
    if (news->has_members && !audience->must_read)
        audience->members_version = news->seen.chat.members_version;
    if (news->has_members)
        drop_strangers(audience, news);
    tell_entries(audience, news);
    tell_marks(audience, news);
    if (news->has_members)
        call_members(audience, news);
}

static bool has_more(const struct audience *audience)
{
    bool is_behind = audience->told_seq != TOLD_UNKNOWN && audience->noted_seq > audience->told_seq;
    return audience->must_read || is_behind;
}

void audience_read_run(struct stream_read *read, struct db *const *databases)
{
    struct audience *audience = container_of(read, struct audience, read);
    struct stream *stream = audience->audiences->stream;
    struct audience_shard *shard = audience_shard_of(audience->audiences, audience->chat_id);
    struct db *db = databases[stream->chat->service.database_index];
    struct news news = {0};
    arena_init(&news.arena, NEWS_ARENA_MAX);
    (void)pthread_mutex_lock(&shard->lock);
    enum err err = prepare(audience, &news);
    (void)pthread_mutex_unlock(&shard->lock);
    if (!err)
        err = db_snapshot_begin(db);
    if (!err) {
        err = read_all(db, audience, &news);
        db_snapshot_end(db);
    }
    (void)pthread_mutex_lock(&shard->lock);
    int64_t told_before = audience->told_seq;
    if (!err)
        tell_all(audience, &news);
    bool is_stuck =
        err || (has_more(audience) && !audience->must_read && audience->told_seq == told_before);
    if (is_stuck) {
        stream_reads_later(&stream->reads, read);
    } else if (has_more(audience)) {
        stream_reads_submit(&stream->reads, read);
    } else {
        audience->is_reading = false;
        audience_free_if_idle(shard, audience);
    }
    (void)pthread_mutex_unlock(&shard->lock);
    arena_release(&news.arena);
}
