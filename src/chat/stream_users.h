/* Which streams a user has on this node. All functions: any thread; the lock is a leaf. */
#ifndef CHAT_STREAM_USERS_H
#define CHAT_STREAM_USERS_H

#include "base/crypto.h"
#include "net/websocket.h"

struct stream_users;

struct stream_entry {
    websocket_id id;
    uint64_t device_id; /* 0: none */
    uint8_t token_hash[SHA256_SIZE];
    int64_t checked_ms; /* monotonic, when the token counted last */
};

/* NULL: no memory. */
struct stream_users *stream_users_new(void);
void stream_users_free(struct stream_users *users); /* NULL is fine */
/* replaced: the stream that this device had, which is out of the table now; over: the user's oldest, if there are
 * too many, the same; 0: none. ERR_NOMEM, ERR_LIMIT. */
ERR_MUST_USE enum err stream_users_add(struct stream_users *users, uint64_t user_id,
                                       const struct stream_entry *entry, websocket_id *ret_replaced,
                                       websocket_id *ret_over);
void stream_users_remove(struct stream_users *users, uint64_t user_id, websocket_id id);
/* At most max, and returns how many. STREAM_SESSIONS_MAX are all. */
size_t stream_users_ids(struct stream_users *users, uint64_t user_id, websocket_id *ret_ids,
                        size_t max);
/* Those of them that came with this token. */
size_t stream_users_ids_of_token(struct stream_users *users, uint64_t user_id,
                                 const uint8_t token_hash[static SHA256_SIZE],
                                 websocket_id *ret_ids, size_t max);
/* Users that no call with this round (not 0) has given before. */
size_t stream_users_walk(struct stream_users *users, uint64_t round, uint64_t *ret_user_ids,
                         size_t max);
/* Entries whose token was not looked at since before_ms; they count as looked at now. A part of the table, if it is
 * large: the next call goes on behind it. */
size_t stream_users_due(struct stream_users *users, int64_t before_ms, int64_t now_ms,
                        struct stream_entry *ret_entries, size_t max);
/* The token of that one is to be looked at as soon as may be. */
void stream_users_doubt(struct stream_users *users, uint64_t user_id, websocket_id id);
size_t stream_users_count(struct stream_users *users); /* streams */

#endif
