/* Who has blocked whom. See also block_store_is_between() in chat.h. */
#ifndef CHAT_BLOCK_H
#define CHAT_BLOCK_H

#include "base/err.h"
#include "chat/limits.h"
#include "store/db.h"

struct block {
    uint64_t blocked_id;
    int64_t created_at;
};

/* There already: nothing changes. */
ERR_MUST_USE enum err block_store_add(struct db *db, uint64_t user_id, uint64_t blocked_id,
                                      int64_t now_ms);
ERR_MUST_USE enum err block_store_remove(struct db *db, uint64_t user_id, uint64_t blocked_id);
ERR_MUST_USE enum err block_store_count(struct db *db, uint64_t user_id, int64_t *ret_count);
/* In order of whom, beyond that one. */
ERR_MUST_USE enum err block_store_list(struct db *db, uint64_t user_id, uint64_t beyond_id,
                                       int64_t limit, struct block *ret_blocks, size_t *ret_count);

#endif
