/* Floor of chat: the rows of a message by a bare writer. */
#ifndef BENCH_FLOOR_CHAT_H
#define BENCH_FLOOR_CHAT_H

#include "base/err.h"
#include "child.h"

/* What a message leaves behind (its row, its client id, the chat's head, the sender's watermarks),
 * in 1,000 chats in turn, group messages a commit, synchronous=FULL, for about duration_ms.
 * ret_rate: messages/s. */
ERR_MUST_USE enum err floor_chat(const struct child *child, unsigned group, int64_t duration_ms,
                                 double *ret_rate);

#endif
