/*
 * What the server says on a stream (docs/chat-stream.md), as JSON and as frames. A frame is made in a struct
 * stream_frame on the stack, which has the first bytes of it; most need no more.
 */
#ifndef CHAT_STREAM_FRAMES_H
#define CHAT_STREAM_FRAMES_H

#include "app/problem.h"
#include "chat/chat_call.h"
#include "chat/presence.h"
#include "net/websocket.h"

#define STREAM_FRAME_FIRST     2048
#define STREAM_FRAME_BYTES_MAX (1u << 20)

struct stream_frame {
    struct buf buf;
    struct json_writer writer;
    char first[STREAM_FRAME_FIRST];
};

/* Opens the object with its t. */
struct json_writer *stream_frame_begin(struct stream_frame *frame, const char *t);
/* NULL: no memory. */
struct shared *stream_frame_end(struct stream_frame *frame);
/* The same behind others in one run of bytes; page->overflow says that there was no memory. */
void stream_frame_end_on(struct stream_frame *frame, struct buf *page);
/* What stream_frame_end_on has gathered; NULL: no memory. */
struct shared *stream_page_end(struct buf *page);

void stream_put_message(struct stream_frame *frame, const struct message *message,
                        const struct message_extra *extra);
void stream_put_receipts(struct stream_frame *frame, uint64_t chat_id, const struct member *members,
                         size_t count);
void stream_put_receipt(struct stream_frame *frame, uint64_t chat_id, const struct member *member);
void stream_put_left(struct stream_frame *frame, uint64_t chat_id);
struct stream_gap {
    uint64_t chat_id;
    int64_t epoch, first_seq, last_seq;
    const char *reason;
};
void stream_put_resync(struct stream_frame *frame, const struct stream_gap *gap);
struct stream_mistake {
    bool has_id;
    int64_t id;
    enum problem problem;
    const char *detail;                /* or NULL */
    const struct field_errors *errors; /* or NULL */
    const char *field;                 /* the only one, with detail as its message; or NULL */
    int64_t retry_after_s;             /* 0: it will not pass by itself */
};
void stream_put_error(struct stream_frame *frame, const struct stream_mistake *mistake);
void stream_put_typing(struct stream_frame *frame, uint64_t chat_id, uint64_t user_id);
void stream_put_presence(struct stream_frame *frame, const struct presence_state *state);
/* reconnect_after_ms: -1: none. */
void stream_put_bye(struct stream_frame *frame, const char *reason, int64_t reconnect_after_ms);

#endif
