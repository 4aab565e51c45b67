/*
 * The way of what was committed to those who listen (the stream).
 *
 * What this node writes comes from its writer's thread, after the commit, in the order of the commits:
 * along a chat in the order of seq, with the message. What other nodes write comes from the feed's thread
 * (feed.h), a little later: message NULL, members_version 0, watermarks -1; who has members of the chat
 * connected reads what it needs. Along a chat events of the two threads may cross. Seqs tell: what is not
 * above the last one told is old, and what is more than one above it leaves a gap to be read.
 *
 * The listener is set before the service starts. It must not block, and keeps nothing of the event but
 * what it copies. FANOUT_MEMBERS comes before the system entry that says what has changed. So no member is
 * read or listed for a message.
 */
#ifndef CHAT_FANOUT_H
#define CHAT_FANOUT_H

#include "chat/log.h"

enum fanout_kind {
    FANOUT_ENTRY,   /* new entries of a chat's log */
    FANOUT_RECEIPT, /* a member's watermarks have grown */
    FANOUT_MEMBERS, /* the members of a chat have changed, or it is new, or gone */
    FANOUT_DOUBT,   /* of no chat: news may have been missed; all that is followed is read anew */
};

struct fanout_event {
    enum fanout_kind kind;
    uint64_t chat_id;
    int64_t epoch;
    int64_t first_seq, last_seq; /* FANOUT_ENTRY */
    int64_t members_version;
    const struct message *message; /* FANOUT_ENTRY: the only one; or NULL */
    struct member member;          /* FANOUT_RECEIPT: user_id, delivered_seq, read_seq */
};

struct fanout {
    void (*on_event)(void *ctx, const struct fanout_event *event); /* NULL: nobody listens */
    void *ctx;
};

/* In apply: for listeners of this node and, through the feed, of others. What the event points to must
 * live until the effects have run. */
ERR_MUST_USE enum err fanout_stage(struct fanout *fanout, struct writer_tx *tx,
                                   const struct fanout_event *event);
/* FANOUT_MEMBERS. */
ERR_MUST_USE enum err fanout_stage_members(struct fanout *fanout, struct writer_tx *tx,
                                           const struct chat *chat);

#endif
