/* See chat_call.h. */
#include "chat/chat_call.h"

#include "base/clock.h"
#include "base/ids.h"

static enum err not_found(struct call *call, const char *detail)
{
    problem_reply(call, PROBLEM_NOT_FOUND, detail);
    return ERR_NOT_FOUND;
}

enum err chat_seen_load(struct db *db, struct arena *arena, uint64_t id, uint64_t user_id,
                        int64_t now_ms, struct chat_seen *ret_seen, bool *ret_is_member)
{
    enum err err =
        chat_store_get(db, arena, id, user_id, &ret_seen->chat, &ret_seen->me, ret_is_member);
    if (!err)
        chat_days(&ret_seen->chat, now_ms, &ret_seen->days);
    return err;
}

enum err chat_load_seen(struct call *call, struct db *db, uint64_t id, int64_t now_ms,
                        struct chat_seen *ret_seen, bool *ret_is_member)
{
    return chat_seen_load(db, call_arena(call), id, chat_caller(call), now_ms, ret_seen,
                          ret_is_member);
}

enum err chat_find_seen(struct call *call, struct db *db, uint64_t id, int64_t now_ms,
                        struct chat_seen *ret_seen)
{
    bool is_member = false;
    enum err err = chat_load_seen(call, db, id, now_ms, ret_seen, &is_member);
    if (err == ERR_NOT_FOUND || (!err && !is_member))
        return not_found(call, "There is no such chat.");
    return err;
}

enum err chat_call_seen(struct call *call, struct db *db, int64_t now_ms,
                        struct chat_seen *ret_seen)
{
    uint64_t id;
    if (!call_param_id(call, "id", "cht", &id))
        return ERR_NOT_FOUND;
    return chat_find_seen(call, db, id, now_ms, ret_seen);
}

bool message_id_parse(struct str text, struct message_id *ret_id)
{
    uint64_t number;
    if (id_parse2(text, "msg", &ret_id->chat_id, &number) != ERR_OK)
        return false;
    ret_id->number = (int64_t)number;
    return number_seq(ret_id->number) > 0;
}

bool chat_call_message_id(struct call *call, struct message_id *ret_id)
{
    if (message_id_parse(request_param(call->req, "id"), ret_id))
        return true;
    problem_reply(call, PROBLEM_NOT_FOUND, "There is no such message.");
    return false;
}

enum err chat_find_message(struct call *call, struct db *db, const struct message_id *id,
                           const struct chat_seen *seen, struct message *ret_message,
                           size_t *ret_slot)
{
    enum err err = log_store_get(db, call_arena(call), seen->chat.id, number_seq(id->number),
                                 &seen->days, ret_message, ret_slot);
    if (!err &&
        (ret_message->epoch != number_epoch(id->number) || ret_message->seq <= seen->me.joined_seq))
        err = ERR_NOT_FOUND;
    return err == ERR_NOT_FOUND ? not_found(call, "There is no such message.") : err;
}

enum err chat_check_block(struct call *call, struct db *db, const struct chat *chat)
{
    bool is_blocked = false;
    if (chat->type != CHAT_DIRECT)
        return ERR_OK;
    enum err err = block_store_is_between(db, chat->user_a, chat->user_b, &is_blocked);
    if (err || !is_blocked)
        return err;
    problem_reply(call, PROBLEM_FORBIDDEN, "One of you has blocked the other.");
    return ERR_NOT_FOUND;
}

void chat_reply_limit(struct call *call, const char *field, const char *what, int64_t max)
{
    struct field_errors errors;
    field_errors_init(&errors, call_arena(call));
    field_errors_add(&errors, field, "%lld %s are the most", (long long)max, what);
    problem_fields_as(call, PROBLEM_LIMIT_EXCEEDED, &errors);
}

bool chat_is_text(struct str text, bool has_lines)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_layout = has_lines && (c == '\n' || c == '\r' || c == '\t');
        if ((c < 0x20 && !is_layout) || c == 0x7F)
            return false;
    }
    return true;
}

bool chat_check_text(struct call *call, const char *field, struct str text, bool has_lines)
{
    bool is_text = chat_is_text(text, has_lines);
    if (!is_text)
        problem_field(call, field, "must not have control characters");
    return is_text;
}

void chat_set_shard(struct call *call, uint64_t chat_id)
{
    if (!call->idempotency_key.data || call->route->idempotency == IDEMPOTENCY_IGNORED)
        call->shard = chat_id;
}

enum err chat_shard_prepare(struct call *call, struct db *db)
{
    (void)db;
    uint64_t id;
    if (call_param_id(call, "id", "cht", &id))
        chat_set_shard(call, id);
    return ERR_OK;
}

enum err chat_message_shard_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct message_id id;
    if (chat_call_message_id(call, &id))
        chat_set_shard(call, id.chat_id);
    return ERR_OK;
}
