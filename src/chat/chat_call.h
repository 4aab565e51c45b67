/*
 * What the handlers of this service share: what a path names, who may, and how things are shown.
 *
 * Finders give ERR_NOT_FOUND after they have answered; chat_said() makes of it what a handler returns.
 * Whoever is not a member of a chat is told that there is none.
 */
#ifndef CHAT_CHAT_CALL_H
#define CHAT_CHAT_CALL_H

#include "app/problem.h"
#include "app/route.h"
#include "chat/service.h"

static inline struct chat_service *chat_of(const struct call *call)
{
    return call->service->state;
}
static inline enum err chat_said(enum err err)
{
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}
static inline uint64_t chat_caller(const struct call *call)
{
    return call->caller->account_id;
}

/* A chat and the caller's place in it. */
struct chat_seen {
    struct chat chat;
    struct member me;
    struct chat_days days; /* as of now */
};
/* The chat of {id}, for its members. */
ERR_MUST_USE enum err chat_call_seen(struct call *call, struct db *db, int64_t now_ms,
                                     struct chat_seen *ret_seen);
ERR_MUST_USE enum err chat_find_seen(struct call *call, struct db *db, uint64_t id, int64_t now_ms,
                                     struct chat_seen *ret_seen);
/* The same for those who need not be members: is_member says whether they are. ERR_NOT_FOUND without an
 * answer. */
ERR_MUST_USE enum err chat_load_seen(struct call *call, struct db *db, uint64_t id, int64_t now_ms,
                                     struct chat_seen *ret_seen, bool *ret_is_member);
/* The same without a request. */
ERR_MUST_USE enum err chat_seen_load(struct db *db, struct arena *arena, uint64_t id,
                                     uint64_t user_id, int64_t now_ms, struct chat_seen *ret_seen,
                                     bool *ret_is_member);

/* Id of a message: msg_ with its chat and its number (log.h). */
struct message_id {
    uint64_t chat_id;
    int64_t number;
};
bool message_id_parse(struct str text, struct message_id *ret_id);
/* {id}; answers 404 and returns false when it is none. */
bool chat_call_message_id(struct call *call, struct message_id *ret_id);
/* The message, if the caller may see it and it is kept; ERR_NOT_FOUND: 404 is answered. */
ERR_MUST_USE enum err chat_find_message(struct call *call, struct db *db,
                                        const struct message_id *id, const struct chat_seen *seen,
                                        struct message *ret_message, size_t *ret_slot);

/* Answers 403 and gives ERR_NOT_FOUND when one of a direct chat has blocked the other. */
ERR_MUST_USE enum err chat_check_block(struct call *call, struct db *db, const struct chat *chat);

/* 422 limit-exceeded: "MAX WHAT are the most". */
void chat_reply_limit(struct call *call, const char *field, const char *what, int64_t max);

/* A text of people: printable, and lines and tabs where they are allowed. */
bool chat_is_text(struct str text, bool has_lines);
/* Answers 422. */
bool chat_check_text(struct call *call, const char *field, struct str text, bool has_lines);

/* prepare of routes on a chat, a message and nothing else to prepare: sets the shard. */
ERR_MUST_USE enum err chat_shard_prepare(struct call *call, struct db *db);
ERR_MUST_USE enum err chat_message_shard_prepare(struct call *call, struct db *db);
/* In a prepare: all that apply writes belongs to this chat, unless dispatch keeps the answer. */
void chat_set_shard(struct call *call, uint64_t chat_id);

/* ---- media_download.c ---- */

/* read of routes that give a file. */
ERR_MUST_USE enum err media_download_read(struct call *call, struct db *db);

/* ---- chat_view.c ---- */

void chat_write_members(struct json_writer *writer, const struct member *members, size_t count);
/* Beside a message's row. */
struct message_extra {
    const struct message *target; /* of an edit; NULL: not kept any more */
    const struct reaction *reactions;
    size_t reaction_count;
};
void chat_write_message(struct json_writer *writer, const struct message *message,
                        const struct message_extra *extra);
/* The same as members of an open object. */
void chat_put_message(struct json_writer *writer, const struct message *message,
                      const struct message_extra *extra);
/* What belongs to these messages of one chat, in order of seq, as the member seen->me sees it. */
ERR_MUST_USE enum err chat_load_extras(struct db *db, struct arena *arena,
                                       const struct chat_seen *seen, const struct message *messages,
                                       size_t count, struct message_extra *ret_extras);
/* One message and all that belongs to it. status 200 or 201. */
ERR_MUST_USE enum err chat_reply_message(struct call *call, struct db *db, int status,
                                         const struct chat_seen *seen,
                                         const struct message *message);
/* Several of one chat, in order of seq: items of an open array. */
ERR_MUST_USE enum err chat_write_messages(struct call *call, struct db *db,
                                          struct json_writer *writer, const struct chat_seen *seen,
                                          const struct message *messages, size_t count);
/* The chat with all of its members. */
ERR_MUST_USE enum err chat_reply_chat(struct call *call, struct db *db, int status,
                                      const struct chat_seen *seen);
/* Members of the object of a chat, within an open object; members_max of them. */
ERR_MUST_USE enum err chat_write_chat(struct call *call, struct db *db, struct json_writer *writer,
                                      const struct chat_seen *seen, size_t members_max);

#endif
