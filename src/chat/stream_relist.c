/*
 * After a doubt (fanout.h): what is followed is read anew by its audiences, but of a chat that somebody has come into
 * meanwhile no audience may know. So the clock walks through the users who have streams here, a batch at a time, and
 * has their chats listed; streams that do not follow one of them are told to.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "chat/stream_internal.h"

#define RELIST_USERS     32
#define RELIST_ARENA_MAX ((size_t)8 << 20)

struct relist {
    struct stream_read read;
    struct stream *stream;
    uint64_t round;      /* that is under way, or over */
    bool is_walking;     /* under way */
    _Atomic bool is_out; /* a batch is at a reader */
    size_t count;
    uint64_t user_ids[RELIST_USERS];
};

static enum err list_user(struct stream *stream, struct db *db, uint64_t user_id)
{
    struct arena arena;
    size_t count = 0;
    arena_init(&arena, RELIST_ARENA_MAX);
    struct chat_row *rows = ARENA_ARRAY(&arena, struct chat_row, CHATS_MAX);
    enum err err =
        rows ? chat_store_list(db, &arena, user_id, INT64_MAX, CHATS_MAX, rows, &count) : ERR_NOMEM;
    for (size_t i = 0; !err && i < count; i++)
        audience_call(stream->audiences, rows[i].chat.id, user_id, rows[i].member.joined_seq);
    arena_release(&arena);
    return err;
}

static void relist_run(struct stream_read *read, struct db *const *databases)
{
    struct relist *relist = container_of(read, struct relist, read);
    struct stream *stream = relist->stream;
    struct db *db = databases[stream->chat->service.database_index];
    while (relist->count > 0) {
        if (list_user(stream, db, relist->user_ids[relist->count - 1])) {
            stream_reads_later(&stream->reads, read); /* those that are left */
            return;
        }
        relist->count--;
    }
    atomic_store(&relist->is_out, false);
}

/* A doubt that comes while a round is under way begins another one, over all users: round is the count of doubts. */
void stream_relist_tick(struct stream *stream)
{
    struct relist *relist = stream->relist;
    if (atomic_load(&relist->is_out))
        return;
    if (!relist->is_walking) {
        uint64_t doubts = atomic_load(&stream->doubts);
        if (doubts == relist->round)
            return;
        relist->round = doubts;
        relist->is_walking = true;
    }
    relist->count = stream_users_walk(stream->users, relist->round, relist->user_ids, RELIST_USERS);
    relist->is_walking = relist->count > 0;
    if (!relist->is_walking)
        return;
    atomic_store(&relist->is_out, true);
    stream_reads_submit(&stream->reads, &relist->read);
}

enum err stream_relist_new(struct stream *stream)
{
    struct relist *relist = calloc(1, sizeof(*relist));
    if (!relist)
        return ERR_NOMEM;
    relist->read.run = relist_run;
    relist->stream = stream;
    stream->relist = relist;
    return ERR_OK;
}
