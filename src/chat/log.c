/* See log.h. */
#include "chat/log.h"

#include <assert.h>

#include "base/ids.h"
#include "chat/fact.h"
#include "chat/fanout.h"
#include "chat/push.h"

static bool is_shown(enum entry_type type)
{
    return entry_is_message(type) || type == ENTRY_SYSTEM;
}

enum err log_append(struct log *log, struct writer_tx *tx, struct chat *chat,
                    struct message *message)
{
    assert(message->type == ENTRY_TEXT || message->type == ENTRY_MEDIA ||
           message->type == ENTRY_SYSTEM || message->target > 0);
    int64_t at_ms = tx->now_ms > chat->last_at ? tx->now_ms : chat->last_at;
    int64_t day = chat_note_day(chat, at_ms);
    chat->last_seq++;
    chat->last_at = at_ms;
    chat->texts += entry_is_message(message->type);
    if (is_shown(message->type)) {
        chat->shown_seq = chat->last_seq;
        chat->active_id = id_next(tx->ids);
    }
    message->chat_id = chat->id;
    message->seq = chat->last_seq;
    message->epoch = log->epoch;
    message->texts = chat->texts;
    message->created_at = at_ms;
    enum err err = days_open(log->days, tx, day);
    if (!err)
        err = log_store_add(tx->db, day_slot(day), message);
    if (!err)
        err = chat_store_put_head(tx->db, chat);
    if (!err)
        err = push_note_message(tx, log, chat, message);
    if (!err)
        err = fact_entry(tx, log->facts, chat, message);
    struct fanout_event event = {.kind = FANOUT_ENTRY,
                                 .chat_id = chat->id,
                                 .epoch = log->epoch,
                                 .first_seq = message->seq,
                                 .last_seq = message->seq,
                                 .members_version = chat->members_version,
                                 .message = message};
    if (!err && message->type == ENTRY_SYSTEM)
        err = fanout_stage_members(log->fanout, tx, chat);
    return err ? err : fanout_stage(log->fanout, tx, &event);
}
