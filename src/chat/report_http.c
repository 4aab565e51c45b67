/*
 * Reports: a member shows a message to the moderators (scope support), with what stood before it. The
 * context is copied when the report is made, because messages are edited, deleted and grow old.
 *
 * A report belongs to the shard of its chat. Who reports a message again gets the first report.
 */
#include "base/ids.h"
#include "chat/chat_call.h"
#include "chat/fact.h"
#include "chat/report.h"

#define CONTEXT_BYTES_MAX (1u << 20)

struct report_body {
    struct str message_id, reason;
};

static const struct json_field report_fields[] = {
    {.name = "message_id",
     .kind = JSON_STR,
     .offset = offsetof(struct report_body, message_id),
     .is_required = true,
     .min = 1,
     .max = ID_TEXT_SIZE},
    {.name = "reason",
     .kind = JSON_STR,
     .offset = offsetof(struct report_body, reason),
     .is_required = true,
     .min = 1,
     .max = REASON_BYTES_MAX},
    {0},
};

struct report_form {
    struct report_body body;
    struct message_id id;
};

static enum err report_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct report_form *form = ARENA_NEW(call_arena(call), struct report_form);
    if (!form)
        return ERR_NOMEM;
    call->prepared = form;
    if (!call_decode(call, &form->body) ||
        !chat_check_text(call, "reason", form->body.reason, true))
        return ERR_OK;
    if (!message_id_parse(form->body.message_id, &form->id))
        problem_field(call, "message_id", "is not a message");
    else
        chat_set_shard(call, form->id.chat_id);
    return ERR_OK;
}

static void write_report(struct json_writer *writer, const struct report *report)
{
    json_open_object(writer);
    json_put_id(writer, "id", "rpt", report->id);
    json_put_id(writer, "chat_id", "cht", report->chat_id);
    json_put_id2(writer, "message_id", "msg", report->chat_id,
                 (uint64_t)(report->epoch << NUMBER_SEQ_BITS | report->seq));
    json_put_id(writer, "reporter_id", "usr", report->reporter_id);
    json_put_str(writer, "reason", report->reason);
    json_key(writer, "context");
    json_raw(writer, report->context);
    json_put_time(writer, "created_at", report->created_at);
    json_close_object(writer);
}

static enum err reply_report(struct call *call, int status, const struct report *report)
{
    struct buf *body = buf_new_in(call_arena(call), CONTEXT_BYTES_MAX + 65536);
    struct json_writer writer;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    write_report(&writer, report);
    reply_json(call, status, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

/* The message and what the reporter sees before it. */
static enum err make_context(struct call *call, struct writer_tx *tx, const struct chat_seen *seen,
                             const struct message *message, struct str *ret_context)
{
    struct message *messages = ARENA_ARRAY(call_arena(call), struct message, CONTEXT_MESSAGES + 1);
    struct buf *buf = buf_new_in(call_arena(call), CONTEXT_BYTES_MAX);
    struct json_writer writer;
    size_t count;
    struct log_range range = {.chat_id = seen->chat.id,
                              .after = message->seq - CONTEXT_MESSAGES - 1,
                              .before = message->seq + 1,
                              .is_ascending = true,
                              .limit = CONTEXT_MESSAGES + 1,
                              .bytes_max = PAGE_BYTES_MAX};
    if (!messages || !buf)
        return ERR_NOMEM;
    if (range.after < seen->me.joined_seq)
        range.after = seen->me.joined_seq;
    enum err err = log_store_range(tx->db, call_arena(call), &range, &seen->days, messages, &count);
    json_begin(&writer, buf);
    json_open_array(&writer);
    if (!err)
        err = chat_write_messages(call, tx->db, &writer, seen, messages, count);
    json_close_array(&writer);
    *ret_context = buf_str(buf);
    return err ? err : buf->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err add_report(struct call *call, struct writer_tx *tx, struct report *report,
                           const struct chat_seen *seen, const struct message *message)
{
    enum err err = make_context(call, tx, seen, message, &report->context);
    if (!err)
        err = report_store_add(tx->db, report);
    if (!err)
        err = fact_report(tx, chat_of(call)->log.facts, report);
    return err ? err : reply_report(call, 201, report);
}

static enum err report_apply(struct call *call, struct writer_tx *tx)
{
    const struct report_form *form = call->prepared;
    struct chat_seen seen;
    struct message message;
    struct report present;
    size_t slot;
    enum err err = chat_find_seen(call, tx->db, form->id.chat_id, tx->now_ms, &seen);
    if (!err)
        err = chat_find_message(call, tx->db, &form->id, &seen, &message, &slot);
    if (err)
        return chat_said(err);
    struct report report = {.id = id_next(tx->ids),
                            .chat_id = seen.chat.id,
                            .reporter_id = chat_caller(call),
                            .seq = message.seq,
                            .epoch = message.epoch,
                            .reason = form->body.reason,
                            .created_at = tx->now_ms};
    err = report_store_find(tx->db, call_arena(call), &report, &present);
    if (err == ERR_NOT_FOUND)
        return add_report(call, tx, &report, &seen, &message);
    return err ? err : reply_report(call, 200, &present);
}

/* ---- for moderators ---- */

static enum err list_read(struct call *call, struct db *db)
{
    struct list_page page;
    struct report *reports = ARENA_ARRAY(call_arena(call), struct report, LIST_LIMIT_MAX + 1);
    struct buf *body = buf_new_in(call_arena(call), LIST_BODY_MAX);
    struct json_writer writer;
    size_t count = 0, shown = 0, bytes = 0;
    if (!reports || !body)
        return ERR_NOMEM;
    if (!call_list_page(call, &page))
        return ERR_OK;
    enum err err =
        report_store_list(db, call_arena(call), page.has_cursor ? (uint64_t)page.a : INT64_MAX,
                          page.limit + 1, reports, &count);
    if (err)
        return err;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (; shown < count && shown < (size_t)page.limit && bytes < PAGE_BYTES_MAX; shown++) {
        write_report(&writer, &reports[shown]);
        bytes += reports[shown].context.len;
    }
    bool has_more = shown < count;
    list_close(&writer, has_more, has_more ? (int64_t)reports[shown - 1].id : 0, 0);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

const struct route chat_report_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/reports",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .rate = RATE_CHAT_CREATE,
     .body_max = CHAT_BODY_BYTES_MAX,
     .prepare_on_loop = true,
     .prepare = report_prepare,
     .apply = report_apply,
     .summary = "Show a message to the moderators",
     .tag = "chat",
     .request = report_fields,
     .response = "ChatReport",
     .success = 201,
     .problems = "200 404"},
    {.method = HTTP_GET,
     .pattern = "/v1/reports",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = SCOPE_SUPPORT,
     .read = list_read,
     .summary = "List reports, newest first",
     .tag = "chat",
     .response = "ChatReportList",
     .success = 200,
     .query = "limit cursor",
     .is_retry_safe = true},
};
const size_t chat_report_routes_count = sizeof(chat_report_routes) / sizeof(chat_report_routes[0]);
