/*
 * Facts, as they are written: see fact.h. Each is
 *
 *     {"type":…,"timestamp":…,"data":{"chat_id":…,…}}
 *
 * and made in the arena of the writer's group.
 */
#include "chat/fact.h"

#include "base/ids.h"
#include "base/json.h"
#include "chat/device.h"
#include "chat/report.h"
#include "chat/system.h"

#define FACT_BUF_MAX (256u << 10)

struct draft {
    struct writer_tx *tx;
    const char *type;
    uint64_t chat_id;
    struct buf *buf;
    struct json_writer writer;
};

/* Within its data. */
static enum err draft_open(struct draft *draft, struct writer_tx *tx, const char *type,
                           uint64_t chat_id)
{
    *draft = (struct draft){.tx = tx, .type = type, .chat_id = chat_id};
    draft->buf = buf_new_in(tx->arena, FACT_BUF_MAX);
    if (!draft->buf)
        return ERR_NOMEM;
    json_begin(&draft->writer, draft->buf);
    json_open_object(&draft->writer);
    json_put_str(&draft->writer, "type", str_from_c(type));
    json_put_time(&draft->writer, "timestamp", tx->now_ms);
    json_key(&draft->writer, "data");
    json_open_object(&draft->writer);
    json_put_id(&draft->writer, "chat_id", "cht", chat_id);
    return ERR_OK;
}

static enum err draft_add(struct draft *draft)
{
    json_close_object(&draft->writer);
    json_close_object(&draft->writer);
    if (draft->buf->overflow)
        return ERR_NOMEM;
    struct fact fact = {.id = id_next(draft->tx->ids),
                        .chat_id = draft->chat_id,
                        .type = str_from_c(draft->type),
                        .payload = buf_str(draft->buf),
                        .created_at = draft->tx->now_ms};
    return fact_store_add(draft->tx->db, &fact);
}

static const char *chat_type_of(const struct chat *chat)
{
    return chat->type == CHAT_GROUP ? "group" : "direct";
}

/* ---- messages ---- */

static const char *entry_fact(enum entry_type type)
{
    switch (type) {
    case ENTRY_TEXT:
    case ENTRY_MEDIA:
        return "chat.message.created";
    case ENTRY_EDIT:
        return "chat.message.edited";
    case ENTRY_DELETE:
        return "chat.message.deleted";
    default:
        return NULL;
    }
}

enum err fact_entry(struct writer_tx *tx, const struct facts *facts, const struct chat *chat,
                    const struct message *message)
{
    struct draft draft;
    const char *type = entry_fact(message->type);
    bool is_message = entry_is_message(message->type);
    if (!facts || !type)
        return ERR_OK;
    enum err err = draft_open(&draft, tx, type, chat->id);
    if (err)
        return err;
    json_put_str(&draft.writer, "chat_type", str_from_c(chat_type_of(chat)));
    json_put_id2(&draft.writer, "message_id", "msg", chat->id,
                 (uint64_t)(is_message ? message_number(message) : message->target));
    json_put_i64(&draft.writer, "seq", message->seq);
    json_put_id(&draft.writer, "sender_id", "usr", message->sender_id);
    if (is_message)
        json_put_str(&draft.writer, "message_type",
                     message->type == ENTRY_MEDIA ? STR("media") : STR("text"));
    if (is_message && facts->has_text)
        json_put_str(&draft.writer, "body", message->body);
    return draft_add(&draft);
}

/* ---- members ---- */

static const char *system_fact(const struct system_event *event)
{
    static const char *const facts[][2] = {{"created", "chat.created"},
                                           {"added", "chat.member.added"},
                                           {"removed", "chat.member.removed"},
                                           {"left", "chat.member.removed"}};
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
        if (strcmp(event->event, facts[i][0]) == 0)
            return facts[i][1];
    return NULL;
}

enum err fact_system(struct writer_tx *tx, const struct facts *facts, const struct chat *chat,
                     const struct message *message, const struct system_event *event)
{
    struct draft draft;
    const char *type = facts ? system_fact(event) : NULL;
    if (!type)
        return ERR_OK;
    enum err err = draft_open(&draft, tx, type, chat->id);
    if (err)
        return err;
    json_put_i64(&draft.writer, "seq", message->seq);
    if (event->user_id)
        json_put_id(&draft.writer, "user_id", "usr", event->user_id);
    json_put_id(&draft.writer, "by", "usr", message->sender_id);
    json_put_i64(&draft.writer, "member_count", chat->member_count);
    if (event->title.data && facts->has_text)
        json_put_str(&draft.writer, "title", event->title);
    return draft_add(&draft);
}

/* ---- reports ---- */

enum err fact_report(struct writer_tx *tx, const struct facts *facts, const struct report *report)
{
    struct draft draft;
    if (!facts)
        return ERR_OK;
    enum err err = draft_open(&draft, tx, "chat.reported", report->chat_id);
    if (err)
        return err;
    json_put_id(&draft.writer, "report_id", "rpt", report->id);
    json_put_id2(&draft.writer, "message_id", "msg", report->chat_id,
                 (uint64_t)(report->epoch << NUMBER_SEQ_BITS | report->seq));
    json_put_id(&draft.writer, "reporter_id", "usr", report->reporter_id);
    if (facts->has_text)
        json_put_str(&draft.writer, "reason", report->reason);
    return draft_add(&draft);
}

/* ---- who was not there ---- */

/* The message; in a list of recipients. */
static enum err open_undelivered(struct draft *draft, struct writer_tx *tx,
                                 const struct facts *facts, const struct chat *chat,
                                 const struct message *message)
{
    enum err err = draft_open(draft, tx, "chat.message.undelivered", chat->id);
    if (err)
        return err;
    json_put_str(&draft->writer, "chat_type", str_from_c(chat_type_of(chat)));
    json_put_id2(&draft->writer, "message_id", "msg", chat->id, (uint64_t)message_number(message));
    json_put_i64(&draft->writer, "seq", message->seq);
    json_put_id(&draft->writer, "sender_id", "usr", message->sender_id);
    if (facts->has_text)
        json_put_str(&draft->writer, "body", message->body);
    json_key(&draft->writer, "recipients");
    json_open_array(&draft->writer);
    return ERR_OK;
}

static enum err close_undelivered(struct draft *draft)
{
    json_close_array(&draft->writer);
    return draft_add(draft);
}

/* With what the operator's own adapter has registered; Web Push is Foyer's business. */
static enum err put_recipient(struct draft *draft, uint64_t user_id)
{
    struct device *devices = ARENA_ARRAY(draft->tx->arena, struct device, DEVICES_MAX);
    size_t count = 0;
    if (!devices)
        return ERR_NOMEM;
    enum err err = device_store_list(draft->tx->db, draft->tx->arena, user_id, devices, &count);
    if (err)
        return err;
    json_open_object(&draft->writer);
    json_put_id(&draft->writer, "user_id", "usr", user_id);
    json_key(&draft->writer, "devices");
    json_open_array(&draft->writer);
    for (size_t i = 0; i < count; i++) {
        if (devices[i].push.len == 0 || devices[i].push_hash.len > 0)
            continue;
        json_open_object(&draft->writer);
        json_put_id(&draft->writer, "id", "dev", devices[i].id);
        json_put_str(&draft->writer, "platform", devices[i].platform);
        json_key(&draft->writer, "push");
        json_raw(&draft->writer, devices[i].push);
        json_close_object(&draft->writer);
    }
    json_close_array(&draft->writer);
    json_close_object(&draft->writer);
    return ERR_OK;
}

static enum err add_recipients(struct writer_tx *tx, const struct facts *facts,
                               const struct chat *chat, const struct message *message,
                               const uint64_t *users, size_t count)
{
    struct draft draft = {0};
    enum err err = open_undelivered(&draft, tx, facts, chat, message);
    for (size_t i = 0; !err && i < count; i++) {
        if (draft.buf->len > FACT_BYTES_MAX) {
            err = close_undelivered(&draft);
            if (!err)
                err = open_undelivered(&draft, tx, facts, chat, message);
        }
        if (!err)
            err = put_recipient(&draft, users[i]);
    }
    return err ? err : close_undelivered(&draft);
}

enum err fact_undelivered(struct writer_tx *tx, const struct facts *facts, const struct chat *chat,
                          int64_t seq)
{
    uint64_t users[MEMBERS_MAX];
    size_t count = 0, slot;
    struct chat_days days;
    struct message message;
    if (!facts)
        return ERR_OK;
    chat_days(chat, tx->now_ms, &days);
    enum err err = log_store_get(tx->db, tx->arena, chat->id, seq, &days, &message, &slot);
    if (err || message.deleted_at > 0)
        return err == ERR_NOT_FOUND ? ERR_OK : err; /* nobody is to be told of it any more */
    err = fact_store_absent(tx->db, chat->id, seq, tx->now_ms, users, &count);
    if (err || count == 0)
        return err;
    return add_recipients(tx, facts, chat, &message, users, count);
}
