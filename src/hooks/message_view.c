/* See message_view.h. */
#include "hooks/message_view.h"

#include "hooks/hooks_call.h"

void message_write_members(struct json_writer *writer, const struct message *message)
{
    json_put_id2(writer, "id", "msg", message->app_id, message->id);
    message_write_content(writer, message);
}

void message_write_content(struct json_writer *writer, const struct message *message)
{
    json_put_str(writer, "eventType", message->event_type);
    hooks_put_optional(writer, "eventId", message->event_id);
    hooks_put_lines(writer, "channels", message->channels);
    json_put_time(writer, "timestamp", message->created_at);
    json_key(writer, "payload");
    json_raw(writer, message->payload.data ? message->payload : STR("{}"));
}

void message_write_status(struct json_writer *writer, int64_t status)
{
    static const char *const texts[] = {[ATTEMPT_SUCCESS] = "success",
                                        [ATTEMPT_PENDING] = "pending",
                                        [ATTEMPT_FAIL] = "fail",
                                        [ATTEMPT_SENDING] = "sending"};
    json_put_i64(writer, "status", status);
    json_put_str(writer, "statusText", str_from_c(texts[status & 3]));
}

void message_write_delivery(struct json_writer *writer, const struct delivery *delivery)
{
    message_write_status(writer, delivery->state);
    if (delivery->next_at)
        json_put_time(writer, "nextAttempt", delivery->next_at);
    else
        json_put_null(writer, "nextAttempt");
}
