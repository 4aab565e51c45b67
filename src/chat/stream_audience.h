/*
 * Audiences: who listens to a chat on this node, and how they are told what was committed.
 *
 * An audience is there as long as somebody pins it: each session that follows the chat, whether it listens
 * already or still reads what it has missed.
 *
 * No gap and nothing twice. told_seq is the entry up to which all listeners have been told. Then:
 *  1. A session pins the audience first, and reads the database after that. The first snapshot that was begun
 *     after the pin gives told_seq, the seq of the newest entry in it. A commit that this snapshot does not
 *     show is told to on_event later than the pin: on this node because effects run after the commit, from
 *     other nodes because the feed gives nothing before it is settled, which any later snapshot shows. If it
 *     comes before told_seq is known, noted_seq keeps it.
 *  2. Entries are told in order, under the lock: the next one goes out at once (from the writer's memory);
 *     anything else (a gap, an entry without its message, an entry that says more than itself) is read from
 *     the database by the audience's one reading task, from told_seq + 1 on, until nothing that was noted is
 *     missing. While it reads, nothing goes out by another way.
 *  3. A session that has read up to p becomes a listener only if p >= told_seq, under the same lock; if not, it
 *     reads on. What is told from then on and is not above p is not for it.
 * So each listener hears p + 1, p + 2, ... whatever crosses.
 *
 * Members. Entries of the system, and whatever else changes members, go through the reading task, which reads the
 * members in the same snapshot as the entries: who is a member no more is told that, and hears nothing of
 * this snapshot; who is one now, and has streams here, is told to follow.
 *
 * Threads: any. Locks: an audience's shard, then the leaves (users, reads, the loops of posts).
 */
#ifndef CHAT_STREAM_AUDIENCE_H
#define CHAT_STREAM_AUDIENCE_H

#include "chat/fanout.h"
#include "net/websocket.h"

struct stream;
struct audiences;

struct listener {
    uint64_t user_id;
    int64_t joined_seq; /* entries that point to older ones show nothing of them */
    int64_t after_seq;  /* it has all up to here */
};

/* NULL: no memory. */
struct audiences *audiences_new(struct stream *stream);
void audiences_free(struct audiences *audiences); /* NULL is fine */

/* ERR_NOMEM, ERR_LIMIT. */
ERR_MUST_USE enum err audience_pin(struct audiences *audiences, uint64_t chat_id);
void audience_unpin(struct audiences *audiences, uint64_t chat_id);
/* The newest entry in a snapshot that was begun after the caller's pin. */
void audience_note_head(struct audiences *audiences, uint64_t chat_id, int64_t last_seq);
/* False: told_seq is beyond listener->after_seq, or there is no memory: read on. */
bool audience_join(struct audiences *audiences, uint64_t chat_id, websocket_id id,
                   const struct listener *listener);
void audience_leave(struct audiences *audiences, uint64_t chat_id, websocket_id id);

/* The frame `receipts`, if it is known; a reference for the caller. */
struct shared *audience_receipts(struct audiences *audiences, uint64_t chat_id);
/* Before a snapshot is begun, and then with what was read in it: keeps the frame if nothing changed since. */
uint64_t audience_change(struct audiences *audiences);
void audience_keep_receipts(struct audiences *audiences, uint64_t chat_id, uint64_t change,
                            struct shared *frame);

/* The user is a member of the chat: streams of theirs that do not listen to it are told to follow, if they do not
 * do that already. */
void audience_call(struct audiences *audiences, uint64_t chat_id, uint64_t user_id,
                   int64_t joined_seq);

/* Frames that need not arrive, to all who listen to the chat but one (0: all). */
void audience_post(struct audiences *audiences, uint64_t chat_id, websocket_id but,
                   struct shared *frame);

void audiences_on_event(struct audiences *audiences, const struct fanout_event *event);
/* Tells watermarks that have changed since the last time. */
void audiences_tick(struct audiences *audiences);

#endif
