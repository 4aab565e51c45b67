/*
 * What happens to a message after it was sent: edited and deleted by its sender (deleted also by owners and
 * admins of the group, and by moderators), reacted to by members. Each is an entry of the log, so every
 * device gets it in order; the message's own row shows what it is now. To do again what is done already
 * changes nothing and adds no entry.
 *
 * A deleted message keeps its place and loses its text; no entry of the log repeats a text.
 */
#include "base/ids.h"
#include "chat/chat_call.h"
#include "chat/media.h"

/* A message that a route is about, with its chat. */
struct subject {
    struct chat_seen seen;
    struct message message;
    size_t slot;
    bool is_member;
};

static bool is_moderator(const struct call *call)
{
    return (call->caller->scopes & (SCOPE_SUPPORT | SCOPE_ADMIN)) != 0;
}

static enum err answer(struct call *call, enum problem problem, const char *detail)
{
    problem_reply(call, problem, detail);
    return ERR_NOT_FOUND;
}

/* ERR_NOT_FOUND: answered. Moderators need not be members where a route lets them. */
static enum err find_subject(struct call *call, struct writer_tx *tx, bool lets_moderators,
                             struct subject *subject)
{
    struct message_id id;
    if (!chat_call_message_id(call, &id))
        return ERR_NOT_FOUND;
    enum err err =
        chat_load_seen(call, tx->db, id.chat_id, tx->now_ms, &subject->seen, &subject->is_member);
    if (err == ERR_NOT_FOUND ||
        (!err && !subject->is_member && !(lets_moderators && is_moderator(call))))
        return answer(call, PROBLEM_NOT_FOUND, "There is no such message.");
    if (!err)
        err =
            chat_find_message(call, tx->db, &id, &subject->seen, &subject->message, &subject->slot);
    if (!err && !entry_is_message(subject->message.type))
        err = answer(call, PROBLEM_NOT_FOUND, "There is no such message.");
    return err;
}

/* The caller is its sender and may still write to the chat. */
static enum err check_sender(struct call *call, struct writer_tx *tx, const struct subject *subject)
{
    if (subject->message.sender_id != chat_caller(call))
        return answer(call, PROBLEM_FORBIDDEN, "Another one sent this message.");
    return chat_check_block(call, tx->db, &subject->seen.chat);
}

/* body must live until the effects have run. */
static enum err append_change(struct call *call, struct writer_tx *tx, struct subject *subject,
                              enum entry_type type, struct str body)
{
    struct message *entry = ARENA_NEW(call_arena(call), struct message);
    if (!entry)
        return ERR_NOMEM;
    *entry = (struct message){.type = type,
                              .sender_id = chat_caller(call),
                              .body = body,
                              .target = message_number(&subject->message)};
    return log_append(&chat_of(call)->log, tx, &subject->seen.chat, entry);
}

static enum err reply_subject(struct call *call, struct writer_tx *tx, struct subject *subject)
{
    return chat_reply_message(call, tx->db, 200, &subject->seen, &subject->message);
}

/* ---- edit ---- */

struct edit_body {
    struct str body;
};

static const struct json_field edit_fields[] = {
    {.name = "body",
     .kind = JSON_STR,
     .offset = offsetof(struct edit_body, body),
     .is_required = true,
     .min = 1,
     .max = TEXT_BYTES_MAX},
    {0},
};

static enum err edit_prepare(struct call *call, struct db *db)
{
    struct edit_body *body = ARENA_NEW(call_arena(call), struct edit_body);
    if (!body)
        return ERR_NOMEM;
    call->prepared = body;
    if (!call_decode(call, body) || !chat_check_text(call, "body", body->body, true))
        return ERR_OK;
    return chat_message_shard_prepare(call, db);
}

static enum err edit_apply(struct call *call, struct writer_tx *tx)
{
    const struct edit_body *body = call->prepared;
    struct subject subject;
    enum err err = find_subject(call, tx, false, &subject);
    if (!err)
        err = check_sender(call, tx, &subject);
    if (err)
        return chat_said(err);
    if (subject.message.deleted_at > 0) {
        problem_reply(call, PROBLEM_CONFLICT, "The message is deleted.");
        return ERR_OK;
    }
    if (subject.message.type != ENTRY_TEXT) {
        problem_reply(call, PROBLEM_CONFLICT, "Only texts can be edited.");
        return ERR_OK;
    }
    if (str_eq(subject.message.body, body->body))
        return reply_subject(call, tx, &subject);
    subject.message.body = body->body;
    subject.message.edited_at = tx->now_ms;
    err = log_store_change(tx->db, subject.slot, &subject.message);
    if (!err)
        err = append_change(call, tx, &subject, ENTRY_EDIT, STR(""));
    return err ? err : reply_subject(call, tx, &subject);
}

/* ---- delete ---- */

/* ERR_NOT_FOUND: answered. Who sent it may take it back whatever stands between the two. */
static enum err check_delete(struct call *call, const struct subject *subject)
{
    bool is_own = subject->message.sender_id == chat_caller(call);
    bool is_head = subject->is_member && subject->seen.me.role >= ROLE_ADMIN;
    if (is_own || is_head || is_moderator(call))
        return ERR_OK;
    return answer(call, PROBLEM_FORBIDDEN, "Another one sent this message.");
}

static enum err delete_apply(struct call *call, struct writer_tx *tx)
{
    struct subject subject;
    enum err err = find_subject(call, tx, true, &subject);
    if (!err)
        err = check_delete(call, &subject);
    if (err)
        return chat_said(err);
    if (subject.message.deleted_at == 0) {
        subject.message.body = STR("");
        subject.message.deleted_at = tx->now_ms;
        err = log_store_change(tx->db, subject.slot, &subject.message);
        if (!err && subject.message.media_id > 0)
            err = media_release(tx, &subject.message, subject.slot);
        if (!err)
            err = append_change(call, tx, &subject, ENTRY_DELETE, STR(""));
    }
    if (!err)
        reply_empty(call, 204);
    return err;
}

/* ---- reactions ---- */

static enum err react_prepare(struct call *call, struct db *db)
{
    struct str emoji = request_param(call->req, "emoji");
    bool is_fine = emoji.len > 0 && emoji.len <= EMOJI_BYTES_MAX && str_is_utf8(emoji) &&
                   str_is_printable(emoji);
    if (!is_fine) {
        problem_field(call, "emoji", "must be 1 to 32 bytes of printable UTF-8");
        return ERR_OK;
    }
    return chat_message_shard_prepare(call, db);
}

static enum err check_reaction(struct call *call, struct writer_tx *tx,
                               const struct subject *subject, bool is_set)
{
    int64_t count = 0;
    if (subject->message.deleted_at > 0)
        return answer(call, PROBLEM_CONFLICT, "The message is deleted.");
    enum err err = chat_check_block(call, tx->db, &subject->seen.chat);
    if (!err && is_set)
        err = reaction_store_count(tx->db, subject->slot, subject->seen.chat.id,
                                   subject->message.seq, chat_caller(call), &count);
    if (err || count <= REACTIONS_MAX)
        return err;
    chat_reply_limit(call, "emoji", "reactions of a user to a message", REACTIONS_MAX);
    return ERR_NOT_FOUND;
}

/* The limit is judged behind the write: what is there already may be set again at the limit. */
static enum err react_apply(struct call *call, struct writer_tx *tx)
{
    struct subject subject;
    struct str emoji = request_param(call->req, "emoji");
    bool is_set = call->route->method == HTTP_PUT;
    bool has_changed = false;
    enum err err = find_subject(call, tx, false, &subject);
    if (err)
        return chat_said(err);
    err = reaction_store_set(tx->db, subject.slot, &subject.message, chat_caller(call), emoji,
                             is_set, &has_changed);
    if (!err)
        err = check_reaction(call, tx, &subject, is_set);
    if (!err && has_changed) {
        enum entry_type type = is_set ? ENTRY_REACTION : ENTRY_REACTION_REMOVED;
        err = append_change(call, tx, &subject, type, emoji);
    }
    if (err)
        return chat_said(err);
    subject.message.reactions = 1; /* looks */
    return reply_subject(call, tx, &subject);
}

const struct route chat_message_change_routes[] = {
    {.method = HTTP_PATCH,
     .pattern = "/v1/messages/{id}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .rate = RATE_CHAT_SEND,
     .body_max = CHAT_BODY_BYTES_MAX,
     .prepare_on_loop = true,
     .prepare = edit_prepare,
     .apply = edit_apply,
     .summary = "Edit a message that the caller sent",
     .tag = "chat",
     .request = edit_fields,
     .response = "ChatMessage",
     .success = 200,
     .problems = "403 409",
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/messages/{id}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .rate = RATE_CHAT_SEND,
     .prepare_on_loop = true,
     .prepare = chat_message_shard_prepare,
     .apply = delete_apply,
     .summary = "Delete a message for all",
     .tag = "chat",
     .success = 204,
     .problems = "403",
     .is_retry_safe = true},
    {.method = HTTP_PUT,
     .pattern = "/v1/messages/{id}/reactions/{emoji}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .rate = RATE_CHAT_SEND,
     .prepare_on_loop = true,
     .prepare = react_prepare,
     .apply = react_apply,
     .summary = "React to a message",
     .tag = "chat",
     .response = "ChatMessage",
     .success = 200,
     .problems = "403 409 422",
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/messages/{id}/reactions/{emoji}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .rate = RATE_CHAT_SEND,
     .prepare_on_loop = true,
     .prepare = react_prepare,
     .apply = react_apply,
     .summary = "Take a reaction back",
     .tag = "chat",
     .response = "ChatMessage",
     .success = 200,
     .problems = "403 409 422",
     .is_retry_safe = true},
};
const size_t chat_message_change_routes_count =
    sizeof(chat_message_change_routes) / sizeof(chat_message_change_routes[0]);
