/* See message_send.h. */
#include "chat/message_send.h"

#include <stdio.h>

#include "base/ids.h"
#include "chat/media.h"
#include "chat/push.h"

#define NUMBER_TEXT_MAX 24
#define NO_MEDIA        "is not a file of yours, or one that you see"

/* ---- before the writer ---- */

static bool is_client_id(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7F)
            return false;
    }
    return true;
}

static bool invalid(struct send_refusal *refusal, const char *field, const char *detail)
{
    *refusal = (struct send_refusal){PROBLEM_VALIDATION, field, detail};
    return false;
}

static bool parse_reply_to(struct message_send *send)
{
    struct message_id id;
    if (!send->reply_to_id.data)
        return true;
    if (!message_id_parse(send->reply_to_id, &id) || id.chat_id != send->chat_id)
        return false;
    send->reply_to = id.number;
    return true;
}

/* A text or a file. */
static bool check_content(struct message_send *send, struct send_refusal *refusal)
{
    send->media_id = 0;
    if (!send->body.data && !send->media_text.data)
        return invalid(refusal, "body", "must be there, or media_id in its place");
    if (send->body.data && send->media_text.data)
        return invalid(refusal, "media_id", "stands in place of body");
    if (send->media_text.data && id_parse(send->media_text, "med", &send->media_id) != ERR_OK)
        return invalid(refusal, "media_id", NO_MEDIA);
    if (!chat_is_text(send->body, true))
        return invalid(refusal, "body", "must not have control characters");
    return true;
}

bool message_send_check(struct message_send *send, struct send_refusal *ret_refusal)
{
    char number[NUMBER_TEXT_MAX];
    if (!is_client_id(send->client_id))
        return invalid(ret_refusal, "client_id", "must be visible ASCII characters");
    if (!check_content(send, ret_refusal))
        return false;
    send->reply_to = 0;
    if (!parse_reply_to(send))
        return invalid(ret_refusal, "reply_to", "is not a message of this chat");
    struct str content = send->media_id > 0 ? send->media_text : send->body;
    (void)snprintf(number, sizeof(number), "%lld%c", (long long)send->reply_to,
                   send->media_id > 0 ? '/' : ':'); /* fits */
    send->sent = (struct sent){.chat_id = send->chat_id, .sender_id = send->sender_id};
    crypto_sha256(send->client_id, send->sent.client_hash);
    crypto_sha256_2(str_from_c(number), content, send->sent.body_hash);
    return true;
}

/* ---- on the writer ---- */

static enum err refuse(struct send_result *result, enum problem problem, const char *field,
                       const char *detail)
{
    result->outcome = SEND_REFUSED;
    result->refusal = (struct send_refusal){problem, field, detail};
    return ERR_OK;
}

static enum err refuse_no_chat(struct send_result *result)
{
    return refuse(result, PROBLEM_NOT_FOUND, NULL, "There is no such chat.");
}

/* What was sent under the client id. ERR_NOT_FOUND: nothing that is kept. */
static enum err find_original(struct writer_tx *tx, struct arena *arena,
                              const struct message_send *send, struct send_result *result)
{
    struct sent sent = send->sent;
    size_t slot;
    enum err err = days_sent_find(tx, result->seen.chat.created_at, &sent);
    if (err)
        return err;
    err = log_store_get(tx->db, arena, send->chat_id, sent.seq, &result->seen.days,
                        &result->message, &slot);
    if (err)
        return err;
    if (result->message.sender_id != sent.sender_id ||
        !str_eq(result->message.client_id, send->client_id))
        return ERR_NOT_FOUND; /* a row of long ago */
    if (memcmp(sent.body_hash, send->sent.body_hash, SENT_HASH_SIZE) != 0)
        return refuse(result, PROBLEM_IDEMPOTENCY_CONFLICT, NULL,
                      "Another message of yours has this client_id.");
    result->outcome = SEND_REPEATED;
    return ERR_OK;
}

static enum err check_block(struct writer_tx *tx, struct send_result *result)
{
    const struct chat *chat = &result->seen.chat;
    bool is_blocked = false;
    enum err err = ERR_OK;
    if (chat->type == CHAT_DIRECT)
        err = block_store_is_between(tx->db, chat->user_a, chat->user_b, &is_blocked);
    return err || !is_blocked
               ? err
               : refuse(result, PROBLEM_FORBIDDEN, NULL, "One of you has blocked the other.");
}

static enum err check_reply(struct writer_tx *tx, struct arena *arena,
                            const struct message_send *send, struct send_result *result)
{
    struct message target;
    size_t slot;
    if (send->reply_to == 0)
        return ERR_OK;
    enum err err = log_store_get(tx->db, arena, send->chat_id, number_seq(send->reply_to),
                                 &result->seen.days, &target, &slot);
    if (!err && (message_number(&target) != send->reply_to ||
                 target.seq <= result->seen.me.joined_seq || !entry_is_message(target.type)))
        err = ERR_NOT_FOUND;
    return err == ERR_NOT_FOUND
               ? refuse(result, PROBLEM_VALIDATION, "reply_to", "is not a message of this chat")
               : err;
}

/* Who sends has read what came before. */
static enum err mark_read(struct writer_tx *tx, const struct chat_seen *seen)
{
    struct member marks = {.user_id = seen->me.user_id,
                           .delivered_seq = seen->chat.last_seq,
                           .read_seq = seen->chat.last_seq,
                           .read_texts = seen->chat.texts};
    enum err err = push_note_read(tx, &seen->chat, marks.user_id, marks.read_seq);
    return err ? err : member_store_put_marks(tx->db, seen->chat.id, &marks);
}

/* What is shown of a file is written into the entry, which so needs nothing else to be read. */
static enum err take_media(struct writer_tx *tx, const struct message_send *send,
                           struct send_result *result, struct str *ret_shown)
{
    const struct chat *chat = &result->seen.chat;
    struct media media;
    *ret_shown = send->body;
    if (send->media_id == 0)
        return ERR_OK;
    int64_t day = day_of_ms(tx->now_ms > chat->last_at ? tx->now_ms : chat->last_at);
    enum err err = media_hold(tx, send->media_id, send->sender_id,
                              day > chat->last_day ? day : chat->last_day, &media);
    if (err == ERR_NOT_FOUND)
        return refuse(result, PROBLEM_VALIDATION, "media_id", NO_MEDIA);
    if (err)
        return err;
    *ret_shown = media_show(tx->arena, &media);
    return ret_shown->data ? ERR_OK : ERR_NOMEM;
}

static enum err append_message(struct chat_service *chat, struct writer_tx *tx,
                               const struct message_send *send, struct str body,
                               struct send_result *result)
{
    struct sent sent = send->sent;
    result->outcome = SEND_NEW;
    result->message = (struct message){.type = send->media_id > 0 ? ENTRY_MEDIA : ENTRY_TEXT,
                                       .sender_id = send->sender_id,
                                       .client_id = send->client_id,
                                       .body = body,
                                       .media_id = send->media_id,
                                       .reply_to = send->reply_to};
    enum err err = log_append(&chat->log, tx, &result->seen.chat, &result->message);
    sent.seq = result->message.seq;
    if (!err && send->media_id > 0)
        err = media_store_add_ref(tx->db, day_slot(result->seen.chat.last_day), &result->message);
    if (!err)
        err = days_sent_put(chat->days, tx, &sent);
    return err ? err : mark_read(tx, &result->seen);
}

enum err message_send_apply(struct chat_service *chat, struct writer_tx *tx, struct arena *arena,
                            struct message_send *send, struct send_result *result)
{
    bool is_member = false;
    struct str body;
    result->outcome = SEND_NEW;
    enum err err = chat_seen_load(tx->db, arena, send->chat_id, send->sender_id, tx->now_ms,
                                  &result->seen, &is_member);
    if (err == ERR_NOT_FOUND)
        return refuse_no_chat(result);
    if (!err)
        err = find_original(tx, arena, send, result);
    if (err != ERR_NOT_FOUND)
        return err;
    if (!is_member)
        return refuse_no_chat(result);
    err = check_block(tx, result);
    if (!err && result->outcome == SEND_NEW)
        err = check_reply(tx, arena, send, result);
    if (!err && result->outcome == SEND_NEW)
        err = take_media(tx, send, result, &body);
    if (err || result->outcome != SEND_NEW)
        return err;
    /* Here, so that nobody uses up the allowance of a chat who may not write to it. */
    if (!send->take_room(send)) {
        result->outcome = SEND_NO_ROOM;
        return ERR_OK;
    }
    return append_message(chat, tx, send, body, result);
}
