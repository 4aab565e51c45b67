/*
 * Sending by the stream: what POST /v1/chats/{id}/messages does, with an ack for its answer. A send is one piece
 * of memory with the strings in it; it is a job of the writer first, then a task for its session's loop.
 */
#include <stdlib.h>

#include "base/ids.h"
#include "chat/message_send.h"
#include "chat/stream_internal.h"

struct stream_send {
    struct writer_job job;
    struct websocket_task task;
    struct stream *stream;
    int64_t id;
    struct message_send send;
    struct send_result result;
    int64_t retry_after_s;
    enum err outcome;
    char text[];
};

static bool take_room(struct message_send *send)
{
    struct stream_send *mine = container_of(send, struct stream_send, send);
    return app_take_allowance(mine->stream->app, RATE_CHAT_ROOM, send->chat_id,
                              &mine->retry_after_s);
}

/* ---- on the loop: the answer ---- */

static void refuse(struct websocket *socket, int64_t id, const struct send_refusal *refusal,
                   int64_t retry_after_s)
{
    const struct stream_mistake mistake = {.has_id = true,
                                           .id = id,
                                           .problem = refusal->problem,
                                           .field = refusal->field,
                                           .detail = refusal->detail,
                                           .retry_after_s = retry_after_s};
    session_refuse(socket, &mistake);
}

static void say_ack(struct websocket *socket, const struct stream_send *mine)
{
    const struct message *message = &mine->result.message;
    struct stream_frame frame;
    struct json_writer *writer = stream_frame_begin(&frame, "ack");
    json_put_i64(writer, "id", mine->id);
    json_put_id(writer, "chat_id", "cht", message->chat_id);
    json_put_str(writer, "client_id", mine->send.client_id);
    json_put_id2(writer, "message_id", "msg", message->chat_id, (uint64_t)message_number(message));
    json_put_i64(writer, "seq", message->seq);
    json_put_time(writer, "created_at", message->created_at);
    if (mine->result.outcome == SEND_REPEATED)
        json_put_bool(writer, "repeated", true);
    session_send(socket, stream_frame_end(&frame));
    atomic_fetch_add_explicit(&mine->stream->counters.acks, 1, memory_order_relaxed);
}

static void answer(struct websocket *socket, const struct stream_send *mine)
{
    static const struct send_refusal no_room = {PROBLEM_RATE_LIMITED, NULL, NULL};
    static const struct send_refusal busy = {PROBLEM_OVERLOADED, NULL, NULL};
    static const struct send_refusal broken = {PROBLEM_INTERNAL, NULL, NULL};
    bool may_pass = mine->outcome == ERR_FULL || mine->outcome == ERR_IO ||
                    mine->outcome == ERR_CLOSED || mine->outcome == ERR_TIMEOUT ||
                    mine->outcome == ERR_NOMEM;
    if (mine->outcome && mine->outcome != ERR_CONFLICT)
        refuse(socket, mine->id, may_pass ? &busy : &broken, may_pass ? 1 : 0);
    else if (mine->result.outcome == SEND_REFUSED)
        refuse(socket, mine->id, &mine->result.refusal, 0);
    else if (mine->result.outcome == SEND_NO_ROOM)
        refuse(socket, mine->id, &no_room, mine->retry_after_s);
    else
        say_ack(socket, mine);
}

static void send_back(struct websocket_task *task, struct websocket *socket)
{
    struct stream_send *mine = container_of(task, struct stream_send, task);
    if (socket) {
        session_of(socket)->unanswered--;
        answer(socket, mine);
    }
    free(mine);
}

/* ---- on the writer ---- */

static enum err send_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct stream_send *mine = container_of(job, struct stream_send, job);
    enum err err =
        message_send_apply(mine->stream->chat, tx, tx->arena, &mine->send, &mine->result);
    if (err)
        return err == ERR_CONFLICT ? ERR_CORRUPT : err;
    bool is_sent = mine->result.outcome == SEND_NEW || mine->result.outcome == SEND_REPEATED;
    return is_sent ? ERR_OK : ERR_CONFLICT; /* nothing of it stays */
}

static void send_done(struct writer_job *job, enum err outcome)
{
    struct stream_send *mine = container_of(job, struct stream_send, job);
    mine->outcome = outcome;
    enum err err = websocket_post_task(mine->stream->hub, &mine->task);
    if (!err)
        return;
    if (err == ERR_NOMEM) /* it asks again when it is back */
        (void)websocket_post(mine->stream->hub, &mine->task.id, 1, NULL, false);
    free(mine);
}

/* ---- on the loop: the question ---- */

static struct str keep(char **text, struct str value)
{
    char *copy = *text;
    if (value.len > 0)
        memcpy(copy, value.data, value.len);
    *text += value.len;
    return str_from(copy, value.len);
}

static struct stream_send *send_new(struct stream *stream, const struct session *session,
                                    const struct send_input *input)
{
    size_t size =
        input->client_id.len + input->body.len + input->media_id.len + input->reply_to.len;
    struct stream_send *mine = malloc(sizeof(*mine) + size);
    if (!mine)
        return NULL;
    *mine = (struct stream_send){
        .job = {.shard = input->chat_id, .apply = send_apply, .done = send_done},
        .stream = stream,
        .id = input->id};
    char *text = mine->text;
    mine->send = (struct message_send){.chat_id = input->chat_id,
                                       .sender_id = session->user_id,
                                       .client_id = keep(&text, input->client_id),
                                       .take_room = take_room};
    if (input->body.data)
        mine->send.body = keep(&text, input->body);
    if (input->media_id.data)
        mine->send.media_text = keep(&text, input->media_id);
    if (input->reply_to.data)
        mine->send.reply_to_id = keep(&text, input->reply_to);
    return mine;
}

static bool take_allowance(struct websocket *socket, const struct session *session, int64_t id)
{
    static const struct send_refusal too_many = {PROBLEM_RATE_LIMITED, NULL, NULL};
    static const struct send_refusal unanswered = {
        PROBLEM_RATE_LIMITED, NULL, "Too many are without an answer: wait for those."};
    struct app *app = session->stream->app;
    int64_t retry_after_s = 1;
    if (session->unanswered >= STREAM_UNANSWERED_MAX) {
        refuse(socket, id, &unanswered, 0);
        return false;
    }
    if (app_take_allowance(app, RATE_CHAT_SEND, session->user_id, &retry_after_s) &&
        app_take_allowance(app, RATE_CHAT_SEND_NETWORK, session->network, &retry_after_s))
        return true;
    refuse(socket, id, &too_many, retry_after_s);
    return false;
}

void session_send_message(struct websocket *socket, struct session *session,
                          const struct send_input *input)
{
    static const struct send_refusal busy = {PROBLEM_OVERLOADED, NULL, NULL};
    struct stream *stream = session->stream;
    if (!take_allowance(socket, session, input->id))
        return;
    atomic_fetch_add_explicit(&stream->counters.sends, 1, memory_order_relaxed);
    struct stream_send *mine = send_new(stream, session, input);
    if (mine && !message_send_check(&mine->send, &mine->result.refusal)) {
        refuse(socket, input->id, &mine->result.refusal, 0);
        free(mine);
        return;
    }
    if (mine)
        mine->task = (struct websocket_task){.id = websocket_get_id(socket), .run = send_back};
    if (!mine || writer_submit(stream->chat->writer, &mine->job) != ERR_OK) {
        refuse(socket, input->id, &busy, 1);
        free(mine);
        return;
    }
    session->unanswered++;
}
