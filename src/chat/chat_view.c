/* How chats and messages are shown: see chat_call.h. */
#include "base/ids.h"
#include "chat/chat_call.h"

#define REACTIONS_SHOWN_MAX 2000 /* different ones on a page */
#define REPLY_BYTES_MAX     (256u << 10)

static const char *const type_names[] = {
    [ENTRY_TEXT] = "text",     [ENTRY_MEDIA] = "media",       [ENTRY_EDIT] = "edit",
    [ENTRY_DELETE] = "delete", [ENTRY_REACTION] = "reaction", [ENTRY_REACTION_REMOVED] = "reaction",
    [ENTRY_SYSTEM] = "system",
};

static void put_time(struct json_writer *writer, const char *name, int64_t at_ms)
{
    if (at_ms > 0)
        json_put_time(writer, name, at_ms);
    else
        json_put_null(writer, name);
}

static void put_number(struct json_writer *writer, const char *name, uint64_t chat_id,
                       int64_t number)
{
    if (number > 0)
        json_put_id2(writer, name, "msg", chat_id, (uint64_t)number);
    else
        json_put_null(writer, name);
}

static void put_body(struct json_writer *writer, const struct message *message,
                     const struct message *target)
{
    const struct message *shown = message->type == ENTRY_EDIT ? target : message;
    if (message->type == ENTRY_DELETE || !shown || shown->deleted_at > 0 ||
        shown->type == ENTRY_MEDIA) {
        json_put_null(writer, "body");
        return;
    }
    json_key(writer, "body");
    if (message->type == ENTRY_SYSTEM)
        json_raw(writer, message->body);
    else
        json_str(writer, shown->body);
}

/* The body of such an entry is what is shown of the file (media_show). */
static void put_media(struct json_writer *writer, const struct message *message)
{
    if (message->type != ENTRY_MEDIA || message->deleted_at > 0) {
        json_put_null(writer, "media");
        return;
    }
    json_key(writer, "media");
    json_raw(writer, message->body);
}

static void put_reactions(struct json_writer *writer, const struct message_extra *extra)
{
    json_key(writer, "reactions");
    json_open_array(writer);
    for (size_t i = 0; i < extra->reaction_count; i++) {
        json_open_object(writer);
        json_put_str(writer, "emoji", extra->reactions[i].emoji);
        json_put_i64(writer, "count", extra->reactions[i].count);
        json_put_bool(writer, "mine", extra->reactions[i].is_mine);
        json_close_object(writer);
    }
    json_close_array(writer);
}

void chat_put_message(struct json_writer *writer, const struct message *message,
                      const struct message_extra *extra)
{
    json_put_id2(writer, "id", "msg", message->chat_id, (uint64_t)message_number(message));
    json_put_id(writer, "chat_id", "cht", message->chat_id);
    json_put_i64(writer, "seq", message->seq);
    json_put_id(writer, "sender_id", "usr", message->sender_id);
    if (message->client_id.len > 0)
        json_put_str(writer, "client_id", message->client_id);
    else
        json_put_null(writer, "client_id");
    json_put_str(writer, "type", str_from_c(type_names[message->type]));
    put_body(writer, message, extra->target);
    put_media(writer, message);
    put_number(writer, "reply_to", message->chat_id, message->reply_to);
    put_number(writer, "target", message->chat_id, message->target);
    if (message->type == ENTRY_REACTION || message->type == ENTRY_REACTION_REMOVED)
        json_put_bool(writer, "removed", message->type == ENTRY_REACTION_REMOVED);
    if (entry_is_message(message->type)) {
        put_time(writer, "edited_at", message->edited_at);
        put_time(writer, "deleted_at", message->deleted_at);
        put_reactions(writer, extra);
    }
    json_put_time(writer, "created_at", message->created_at);
}

void chat_write_message(struct json_writer *writer, const struct message *message,
                        const struct message_extra *extra)
{
    json_open_object(writer);
    chat_put_message(writer, message, extra);
    json_close_object(writer);
}

/* ---- with all that belongs to them ---- */

static enum err load_target(struct db *db, struct arena *arena, const struct chat_seen *seen,
                            const struct message *edit, const struct message **ret_target)
{
    size_t slot;
    struct message *target = ARENA_NEW(arena, struct message);
    *ret_target = NULL;
    if (!target)
        return ERR_NOMEM;
    enum err err = log_store_get(db, arena, edit->chat_id, number_seq(edit->target), &seen->days,
                                 target, &slot);
    if (!err && target->seq > seen->me.joined_seq)
        *ret_target = target;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Reactions of all the messages, in order of seq; none are looked for when no message has any. */
static enum err load_reactions(struct db *db, struct arena *arena, const struct chat_seen *seen,
                               const struct message *messages, size_t count,
                               struct reaction **ret_reactions, size_t *ret_count)
{
    bool has_any = false;
    *ret_count = 0;
    for (size_t i = 0; i < count; i++)
        has_any = has_any || messages[i].reactions > 0;
    if (!has_any)
        return ERR_OK;
    struct reaction *reactions = ARENA_ARRAY(arena, struct reaction, REACTIONS_SHOWN_MAX);
    if (!reactions)
        return ERR_NOMEM;
    *ret_reactions = reactions;
    return reaction_store_list(db, arena, seen->chat.id, messages[0].seq, messages[count - 1].seq,
                               seen->me.user_id, &seen->days, REACTIONS_SHOWN_MAX, reactions,
                               ret_count);
}

enum err chat_load_extras(struct db *db, struct arena *arena, const struct chat_seen *seen,
                          const struct message *messages, size_t count,
                          struct message_extra *ret_extras)
{
    struct reaction *reactions = NULL;
    size_t reaction_count = 0, at = 0;
    enum err err = load_reactions(db, arena, seen, messages, count, &reactions, &reaction_count);
    for (size_t i = 0; !err && i < count; i++) {
        const struct message *message = &messages[i];
        struct message_extra extra = {0};
        if (message->type == ENTRY_EDIT)
            err = load_target(db, arena, seen, message, &extra.target);
        while (at < reaction_count && reactions[at].seq < message->seq)
            at++;
        size_t end = at;
        while (end < reaction_count && reactions[end].seq == message->seq)
            end++;
        if (message->deleted_at == 0 && end > at) {
            extra.reactions = &reactions[at];
            extra.reaction_count = end - at;
        }
        ret_extras[i] = extra;
        at = end;
    }
    return err;
}

enum err chat_write_messages(struct call *call, struct db *db, struct json_writer *writer,
                             const struct chat_seen *seen, const struct message *messages,
                             size_t count)
{
    struct message_extra *extras = ARENA_ARRAY(call_arena(call), struct message_extra, count);
    if (count > 0 && !extras)
        return ERR_NOMEM;
    enum err err = chat_load_extras(db, call_arena(call), seen, messages, count, extras);
    for (size_t i = 0; !err && i < count; i++)
        chat_write_message(writer, &messages[i], &extras[i]);
    return err;
}

enum err chat_reply_message(struct call *call, struct db *db, int status,
                            const struct chat_seen *seen, const struct message *message)
{
    struct buf *body = buf_new_in(call_arena(call), REPLY_BYTES_MAX);
    struct json_writer writer;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    enum err err = chat_write_messages(call, db, &writer, seen, message, 1);
    if (!err)
        reply_json(call, status, body);
    return err ? err : body->overflow ? ERR_NOMEM : ERR_OK;
}

/* ---- chats ---- */

void chat_write_members(struct json_writer *writer, const struct member *members, size_t count)
{
    json_open_array(writer);
    for (size_t i = 0; i < count; i++) {
        json_open_object(writer);
        json_put_id(writer, "user_id", "usr", members[i].user_id);
        json_put_str(writer, "name", members[i].name);
        json_put_str(writer, "role", str_from_c(member_role_names[members[i].role]));
        json_put_time(writer, "joined_at", members[i].joined_at);
        json_close_object(writer);
    }
    json_close_array(writer);
}

static enum err write_last(struct call *call, struct db *db, struct json_writer *writer,
                           const struct chat_seen *seen)
{
    struct message message;
    size_t slot;
    enum err err = ERR_NOT_FOUND;
    if (seen->chat.shown_seq > seen->me.joined_seq)
        err = log_store_get(db, call_arena(call), seen->chat.id, seen->chat.shown_seq, &seen->days,
                            &message, &slot);
    if (err == ERR_NOT_FOUND) {
        json_put_null(writer, "last_message");
        return ERR_OK;
    }
    if (err)
        return err;
    json_key(writer, "last_message");
    return chat_write_messages(call, db, writer, seen, &message, 1);
}

/* What is unread and still kept. */
static enum err count_unread(struct db *db, const struct chat_seen *seen, int64_t *ret_unread)
{
    int64_t unread = seen->chat.texts - seen->me.read_texts;
    struct log_first first;
    enum err err = ERR_OK;
    if (unread > 0 && seen->days.has_older) {
        err = log_store_first(db, &seen->chat, &seen->days, &first);
        if (!err && seen->chat.texts - first.texts_before < unread)
            unread = seen->chat.texts - first.texts_before;
    }
    *ret_unread = unread > 0 ? unread : 0;
    return err;
}

enum err chat_write_chat(struct call *call, struct db *db, struct json_writer *writer,
                         const struct chat_seen *seen, size_t members_max)
{
    const struct chat *chat = &seen->chat;
    struct member *members = ARENA_ARRAY(call_arena(call), struct member, members_max);
    size_t count = 0;
    int64_t unread;
    if (!members)
        return ERR_NOMEM;
    enum err err =
        member_store_list(db, call_arena(call), chat->id, (int64_t)members_max, members, &count);
    if (!err)
        err = count_unread(db, seen, &unread);
    if (err)
        return err;
    json_open_object(writer);
    json_put_id(writer, "id", "cht", chat->id);
    json_put_str(writer, "type", str_from_c(chat_type_names[chat->type]));
    if (chat->type == CHAT_GROUP)
        json_put_str(writer, "title", chat->title);
    else
        json_put_null(writer, "title");
    if (chat->event_id)
        json_put_id(writer, "event_id", "evt", chat->event_id);
    else
        json_put_null(writer, "event_id");
    json_key(writer, "members");
    chat_write_members(writer, members, count);
    json_put_i64(writer, "member_count", chat->member_count);
    json_put_i64(writer, "members_version", chat->members_version);
    json_put_str(writer, "role", str_from_c(member_role_names[seen->me.role]));
    json_put_i64(writer, "epoch", chat_of(call)->log.epoch);
    json_put_i64(writer, "last_seq", chat->last_seq);
    json_put_i64(writer, "delivered_seq", seen->me.delivered_seq);
    json_put_i64(writer, "read_seq", seen->me.read_seq);
    json_put_i64(writer, "unread", unread);
    put_time(writer, "muted_until", seen->me.muted_until);
    err = write_last(call, db, writer, seen);
    json_put_time(writer, "created_at", chat->created_at);
    json_close_object(writer);
    return err;
}

enum err chat_reply_chat(struct call *call, struct db *db, int status, const struct chat_seen *seen)
{
    struct buf *body = buf_new_in(call_arena(call), REPLY_BYTES_MAX);
    struct json_writer writer;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    enum err err = chat_write_chat(call, db, &writer, seen, MEMBERS_MAX);
    if (!err)
        reply_json(call, status, body);
    return err ? err : body->overflow ? ERR_NOMEM : ERR_OK;
}
