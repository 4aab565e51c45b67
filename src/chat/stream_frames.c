/* See stream_frames.h. */
#include "chat/stream_frames.h"

struct json_writer *stream_frame_begin(struct stream_frame *frame, const char *t)
{
    buf_init_on(&frame->buf, frame->first, sizeof(frame->first), STREAM_FRAME_BYTES_MAX);
    json_begin(&frame->writer, &frame->buf);
    json_open_object(&frame->writer);
    json_put_str(&frame->writer, "t", str_from_c(t));
    return &frame->writer;
}

struct shared *stream_frame_end(struct stream_frame *frame)
{
    json_close_object(&frame->writer);
    struct shared *shared = frame->buf.overflow ? NULL : websocket_text_frame(buf_str(&frame->buf));
    buf_release(&frame->buf);
    return shared;
}

void stream_frame_end_on(struct stream_frame *frame, struct buf *page)
{
    uint8_t head[WEBSOCKET_HEAD_MAX];
    json_close_object(&frame->writer);
    size_t size = websocket_text_head(head, frame->buf.len);
    buf_append(page, head, size);
    buf_append_str(page, buf_str(&frame->buf));
    page->overflow = page->overflow || frame->buf.overflow;
    buf_release(&frame->buf);
}

struct shared *stream_page_end(struct buf *page)
{
    struct shared *shared = page->overflow ? NULL : shared_new((uint32_t)page->len);
    if (shared && page->len > 0)
        memcpy(shared->bytes, page->data, page->len);
    return shared;
}

void stream_put_message(struct stream_frame *frame, const struct message *message,
                        const struct message_extra *extra)
{
    chat_put_message(stream_frame_begin(frame, "message"), message, extra);
}

static void put_marks(struct json_writer *writer, const struct member *member)
{
    json_put_id(writer, "user_id", "usr", member->user_id);
    json_put_i64(writer, "delivered_seq", member->delivered_seq);
    json_put_i64(writer, "read_seq", member->read_seq);
}

void stream_put_receipts(struct stream_frame *frame, uint64_t chat_id, const struct member *members,
                         size_t count)
{
    struct json_writer *writer = stream_frame_begin(frame, "receipts");
    json_put_id(writer, "chat_id", "cht", chat_id);
    json_key(writer, "data");
    json_open_array(writer);
    for (size_t i = 0; i < count; i++) {
        json_open_object(writer);
        put_marks(writer, &members[i]);
        json_close_object(writer);
    }
    json_close_array(writer);
}

void stream_put_receipt(struct stream_frame *frame, uint64_t chat_id, const struct member *member)
{
    struct json_writer *writer = stream_frame_begin(frame, "receipt");
    json_put_id(writer, "chat_id", "cht", chat_id);
    put_marks(writer, member);
}

void stream_put_left(struct stream_frame *frame, uint64_t chat_id)
{
    json_put_id(stream_frame_begin(frame, "left"), "chat_id", "cht", chat_id);
}

void stream_put_resync(struct stream_frame *frame, const struct stream_gap *gap)
{
    struct json_writer *writer = stream_frame_begin(frame, "resync");
    json_put_id(writer, "chat_id", "cht", gap->chat_id);
    json_put_i64(writer, "epoch", gap->epoch);
    json_put_i64(writer, "first_seq", gap->first_seq);
    json_put_i64(writer, "last_seq", gap->last_seq);
    json_put_str(writer, "reason", str_from_c(gap->reason));
}

static void put_field(struct json_writer *writer, struct str field, struct str message)
{
    json_open_object(writer);
    json_put_str(writer, "field", field);
    json_put_str(writer, "message", message);
    json_close_object(writer);
}

static void put_fields(struct json_writer *writer, const struct stream_mistake *mistake)
{
    json_key(writer, "errors");
    json_open_array(writer);
    if (mistake->field)
        put_field(writer, str_from_c(mistake->field), str_from_c(mistake->detail));
    for (size_t i = 0; mistake->errors && i < mistake->errors->count; i++)
        put_field(writer, mistake->errors->items[i].field, mistake->errors->items[i].message);
    json_close_array(writer);
}

void stream_put_error(struct stream_frame *frame, const struct stream_mistake *mistake)
{
    const struct problem_type *type = &problem_types[mistake->problem];
    struct json_writer *writer = stream_frame_begin(frame, "error");
    if (mistake->has_id)
        json_put_i64(writer, "id", mistake->id);
    json_key(writer, "problem");
    json_open_object(writer);
    json_put_str(writer, "type", str_from_c(type->slug));
    json_put_str(writer, "title", str_from_c(type->title));
    json_put_i64(writer, "status", type->status);
    if (mistake->detail && !mistake->field)
        json_put_str(writer, "detail", str_from_c(mistake->detail));
    if (mistake->field || mistake->errors)
        put_fields(writer, mistake);
    if (mistake->retry_after_s > 0)
        json_put_i64(writer, "retry_after_s", mistake->retry_after_s);
    json_close_object(writer);
}

void stream_put_bye(struct stream_frame *frame, const char *reason, int64_t reconnect_after_ms)
{
    struct json_writer *writer = stream_frame_begin(frame, "bye");
    json_put_str(writer, "reason", str_from_c(reason));
    if (reconnect_after_ms >= 0)
        json_put_i64(writer, "reconnect_after_ms", reconnect_after_ms);
}

void stream_put_typing(struct stream_frame *frame, uint64_t chat_id, uint64_t user_id)
{
    struct json_writer *writer = stream_frame_begin(frame, "typing");
    json_put_id(writer, "chat_id", "cht", chat_id);
    json_put_id(writer, "user_id", "usr", user_id);
}

void stream_put_presence(struct stream_frame *frame, const struct presence_state *state)
{
    struct json_writer *writer = stream_frame_begin(frame, "presence");
    json_put_id(writer, "user_id", "usr", state->user_id);
    json_put_bool(writer, "online", state->is_online);
    if (state->last_seen_ms)
        json_put_time(writer, "last_seen_at", state->last_seen_ms);
    else
        json_put_null(writer, "last_seen_at");
}
