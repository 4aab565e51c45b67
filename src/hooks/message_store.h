/* Messages in the ring of day tables. */
#ifndef HOOKS_MESSAGE_STORE_H
#define HOOKS_MESSAGE_STORE_H

#include "hooks/ring.h"

struct message {
    uint64_t app_id, id;
    struct str event_type;
    struct str event_id; /* STR_NONE: none */
    struct str channels; /* a name a line; empty: none */
    struct str payload;  /* as it was sent, byte for byte; STR_NONE when not asked for */
    int64_t created_at;
};

/* In apply, after ring_open. */
ERR_MUST_USE enum err message_store_put(struct db *db, const struct message *message);
/* Texts in the arena. ERR_NOT_FOUND also when it is older than is kept. */
ERR_MUST_USE enum err message_store_get(struct db *db, struct arena *arena, uint64_t app_id,
                                        uint64_t id, int64_t now_ms, bool with_payload,
                                        struct message *ret_message);

/* Ids of messages, newest first, or oldest first when is_ascending. Each filter that is empty or 0 lets
 * everything through. */
struct message_query {
    uint64_t app_id;
    bool is_ascending;
    uint64_t beyond_id;          /* 0: from the end where it begins */
    int64_t before_ms, after_ms; /* of its making */
    struct str event_types;      /* a name a line */
    struct str channel;
    size_t limit;
};
/* ids: room for limit. */
ERR_MUST_USE enum err message_store_list(struct db *db, const struct message_query *query,
                                         int64_t now_ms, uint64_t *ids, size_t *ret_count);

#endif
