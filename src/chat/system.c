/* See system.h. */
#include "chat/system.h"

#include "chat/fact.h"

#define SYSTEM_BYTES_MAX 4096

enum err chat_append_system(struct call *call, struct writer_tx *tx, struct chat *chat,
                            const struct system_event *event)
{
    struct buf *body = buf_new_in(call_arena(call), SYSTEM_BYTES_MAX);
    struct message *message = ARENA_NEW(call_arena(call), struct message);
    struct json_writer writer;
    if (!body || !message)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_str(&writer, "event", str_from_c(event->event));
    if (event->user_id)
        json_put_id(&writer, "user_id", "usr", event->user_id);
    if (event->role)
        json_put_str(&writer, "role", str_from_c(event->role));
    if (event->title.data)
        json_put_str(&writer, "title", event->title);
    json_close_object(&writer);
    if (body->overflow)
        return ERR_NOMEM;
    *message = (struct message){
        .type = ENTRY_SYSTEM, .sender_id = chat_caller(call), .body = buf_str(body)};
    struct log *log = &chat_of(call)->log;
    enum err err = log_append(log, tx, chat, message);
    return err ? err : fact_system(tx, log->facts, chat, message, event);
}
