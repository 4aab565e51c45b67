/*
 * A chat: what its row says, and its members. The row is the head of the chat's log (log.h).
 *
 * Store functions: writer or reader connection as their statements say; strings live in the arena.
 */
#ifndef CHAT_CHAT_H
#define CHAT_CHAT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "chat/limits.h"
#include "store/db.h"

enum chat_type {
    CHAT_DIRECT,
    CHAT_GROUP
};

/* In the order of what they may do. */
enum member_role {
    ROLE_MEMBER,
    ROLE_ADMIN, /* adds and removes members, renames, deletes messages */
    ROLE_OWNER, /* also removes admins and gives roles; a group has one at least */
};
extern const char *const member_role_names[]; /* ends with NULL */
extern const char *const chat_type_names[];   /* the same */

struct chat {
    uint64_t id;
    enum chat_type type;
    struct str title;
    uint64_t event_id;       /* what it is about (inlet.h); 0: nothing but itself */
    uint64_t user_a, user_b; /* 0 in groups */
    uint64_t created_by;
    int64_t created_at;
    int64_t last_seq, last_at;
    int64_t last_day;
    uint64_t day_bits;
    int64_t shown_seq;
    uint64_t active_id;
    int64_t texts;
    int64_t member_count;
    int64_t members_version;
    bool push_wanted; /* some member may have a push subscription */
};

struct member {
    uint64_t user_id;
    enum member_role role;
    struct str name;
    int64_t joined_seq, joined_at;
    int64_t delivered_seq;
    int64_t read_seq;
    int64_t read_texts;
    int64_t muted_until; /* 0: is notified */
};

/* The other one of a direct chat. */
static inline uint64_t chat_peer(const struct chat *chat, uint64_t user_id)
{
    return chat->user_a == user_id ? chat->user_b : chat->user_a;
}

/* Slots of the days on which the chat has entries that are kept, oldest first. */
struct chat_days {
    size_t count;
    size_t slots[LOG_SLOTS];
    bool has_older; /* there were entries on days that are not kept any more */
};
void chat_days(const struct chat *chat, int64_t now_ms, struct chat_days *ret_days);
/* Notes that an entry is written at that time, and gives its day, which is never before that of the entry
 * before it. */
int64_t chat_note_day(struct chat *chat, int64_t now_ms);

/* chat_store.c. ERR_NOT_FOUND. is_member: false, and *ret_member is nobody's. */
ERR_MUST_USE enum err chat_store_get(struct db *db, struct arena *arena, uint64_t id,
                                     uint64_t user_id, struct chat *ret_chat,
                                     struct member *ret_member, bool *ret_is_member);
ERR_MUST_USE enum err chat_store_add(struct db *db, const struct chat *chat);
/* What an append has changed. */
ERR_MUST_USE enum err chat_store_put_head(struct db *db, const struct chat *chat);
/* Title, member_count and members_version. */
ERR_MUST_USE enum err chat_store_put_members(struct db *db, const struct chat *chat);
ERR_MUST_USE enum err chat_store_delete(struct db *db, uint64_t id);
/* ERR_NOT_FOUND. user_a < user_b. */
ERR_MUST_USE enum err chat_store_find_direct(struct db *db, uint64_t user_a, uint64_t user_b,
                                             uint64_t *ret_chat_id);
/* ERR_CONFLICT: they have one. */
ERR_MUST_USE enum err chat_store_add_direct(struct db *db, const struct chat *chat);
/* Chats of a user with activity before active_id, newest first, and the user's own membership. */
struct chat_row {
    struct chat chat;
    struct member member;
};
ERR_MUST_USE enum err chat_store_list(struct db *db, struct arena *arena, uint64_t user_id,
                                      uint64_t before_active_id, int64_t limit,
                                      struct chat_row *ret_rows, size_t *ret_count);
/* The same of those about an event; 0: all. */
ERR_MUST_USE enum err chat_store_list_about(struct db *db, struct arena *arena, uint64_t user_id,
                                            uint64_t event_id, uint64_t before_active_id,
                                            int64_t limit, struct chat_row *ret_rows,
                                            size_t *ret_count);
ERR_MUST_USE enum err chat_store_count(struct db *db, uint64_t user_id, int64_t *ret_count);
ERR_MUST_USE enum err chat_store_epoch(struct db *db, int64_t *ret_epoch);

/* member_store.c. In order of their ids. */
ERR_MUST_USE enum err member_store_list(struct db *db, struct arena *arena, uint64_t chat_id,
                                        int64_t limit, struct member *ret_members,
                                        size_t *ret_count);
/* The chats of a user, in order of their ids. */
ERR_MUST_USE enum err member_store_chats(struct db *db, uint64_t user_id, int64_t limit,
                                         uint64_t *ret_chat_ids, size_t *ret_count);
ERR_MUST_USE enum err member_store_get(struct db *db, struct arena *arena, uint64_t chat_id,
                                       uint64_t user_id, struct member *ret_member);
ERR_MUST_USE enum err member_store_add(struct db *db, uint64_t chat_id,
                                       const struct member *member);
ERR_MUST_USE enum err member_store_set_role(struct db *db, uint64_t chat_id, uint64_t user_id,
                                            enum member_role role);
ERR_MUST_USE enum err member_store_remove(struct db *db, uint64_t chat_id, uint64_t user_id);
/* Watermarks; lower ones than are there change nothing. */
ERR_MUST_USE enum err member_store_put_marks(struct db *db, uint64_t chat_id,
                                             const struct member *member);

/* block_store.c */
/* Either has blocked the other. */
ERR_MUST_USE enum err block_store_is_between(struct db *db, uint64_t a, uint64_t b,
                                             bool *ret_is_blocked);

#endif
