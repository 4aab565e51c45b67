/*
 * The way of what was committed to those who listen. The writer's thread calls it after the commit, in the
 * order of the transactions, so along a chat in the order of seq; on one node, for what this node wrote.
 *
 * Who listens (the stream) sets a listener before the service starts. It must not block, and keeps
 * nothing of the event but what it copies. It holds the members of the chats it has connections of, at
 * members_version; an event of a higher version has it read them anew. So no member is read or listed for
 * a message.
 *
 * What other nodes write is not told here yet: see docs/design/chat.md, "Several nodes".
 */
#ifndef CHAT_FANOUT_H
#define CHAT_FANOUT_H

#include "chat/log.h"

enum fanout_kind {
    FANOUT_ENTRY,   /* a new entry of the log */
    FANOUT_RECEIPT, /* a member's watermarks have grown */
};

struct fanout_event {
    enum fanout_kind kind;
    uint64_t chat_id;
    int64_t epoch;
    int64_t first_seq, last_seq; /* FANOUT_ENTRY: the entries told, today always one */
    int64_t members_version;
    const struct message *message; /* FANOUT_ENTRY */
    struct member member;          /* FANOUT_RECEIPT: user_id, delivered_seq, read_seq */
};

struct fanout {
    void (*on_event)(void *ctx, const struct fanout_event *event); /* NULL: nobody listens */
    void *ctx;
};

/* In apply. What the event points to must live until the effects have run. Costs nothing when nobody
 * listens. */
ERR_MUST_USE enum err fanout_stage(struct fanout *fanout, struct writer_tx *tx,
                                   const struct fanout_event *event);

#endif
