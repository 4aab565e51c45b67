/* Audiences, as stream_audience.c and stream_news.c see them. */
#ifndef CHAT_STREAM_AUDIENCE_INTERNAL_H
#define CHAT_STREAM_AUDIENCE_INTERNAL_H

#include "base/map.h"
#include "chat/stream_internal.h"

#define AUDIENCE_SHARDS 64
#define TOLD_UNKNOWN    (-1)
#define MARK_UNKNOWN    (-1) /* delivered_seq of a mark: to be read */
#define MARK_READING    (-2) /* the task reads it; what comes meanwhile makes it MARK_UNKNOWN again */

struct audience {
    struct stream_read read; /* the reading task */
    struct audiences *audiences;
    uint64_t chat_id;
    int64_t told_seq; /* or TOLD_UNKNOWN */
    int64_t noted_seq;
    int64_t skip_seq; /* the highest after_seq of a listener: behind it nobody skips anything */
    int64_t members_version; /* 0: not known */
    uint32_t pins;
    uint32_t count, cap;
    websocket_id *ids;          /* count of them, */
    struct listener *listeners; /* and who they are */
    bool is_reading;            /* the task is on its way */
    bool must_read;             /* and once more */
    bool is_marked;             /* in the list of those with marks */
    struct shared *receipts;    /* or NULL */
    uint64_t change;            /* when watermarks changed last */
    struct member *marks;       /* watermarks to be told; NULL: none */
    uint32_t mark_count;
    struct audience *next_marked;
};

struct audience_shard {
    pthread_mutex_t lock; /* guards what follows, and all audiences in it */
    struct map map;       /* chat: struct audience */
    struct audience *marked;
};

struct audiences {
    struct stream *stream;
    _Atomic uint64_t change;
    struct audience_shard shards[AUDIENCE_SHARDS];
};

static inline struct audience_shard *audience_shard_of(struct audiences *audiences,
                                                       uint64_t chat_id)
{
    return &audiences->shards[(chat_id * UINT64_C(0x9E3779B97F4A7C15)) >> 58];
}

/* The lock is held, in all of these. */
void audience_free_if_idle(struct audience_shard *shard, struct audience *audience);
void audience_set_told(struct audience *audience, int64_t seq);
void audience_start_reading(struct audience *audience);
void audience_remove_at(struct audience *audience, uint32_t at);
/* To listeners that do not have seq yet and whose joined_seq is in [from, below). */
void audience_tell(struct audience *audience, int64_t seq, int64_t joined_from,
                   int64_t joined_below, struct shared *frame);
void audience_forget_receipts(struct audience *audience);
/* Watermarks to all who listen. */
void audience_tell_marks(struct audience *audience, const struct member *marks, size_t count);
void audience_free_marks_if_none(struct audience *audience);

/* stream_news.c: the reading task */
void audience_read_run(struct stream_read *read, struct db *const *databases);

#endif
