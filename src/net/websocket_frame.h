/*
 * WebSocket frames as bytes (RFC 6455): an incremental reader of what a client sends, and the
 * encoder of what a server sends. No sockets and no h2o: it is fuzzed alone. A reader belongs to
 * one thread at a time; the encoder to any.
 */
#ifndef NET_WEBSOCKET_FRAME_H
#define NET_WEBSOCKET_FRAME_H

#include "net/shared.h"

#define WEBSOCKET_CONTROL_MAX 125 /* bytes of a control frame's payload */
#define WEBSOCKET_REASON_MAX  123 /* bytes of a close frame's reason */

/* Close codes (7.4.1 and IANA's registry). */
enum websocket_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_UNSUPPORTED = 1003,
    WEBSOCKET_NO_STATUS = 1005, /* never in a frame: it had none */
    WEBSOCKET_ABNORMAL = 1006,  /* never in a frame: there was none */
    WEBSOCKET_NOT_TEXT = 1007,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_INTERNAL = 1011,
    WEBSOCKET_TRY_LATER = 1013,
};

enum websocket_event_type {
    WEBSOCKET_EVENT_NONE, /* all input is used up, and more is wanted */
    WEBSOCKET_EVENT_MESSAGE,
    WEBSOCKET_EVENT_PING,
    WEBSOCKET_EVENT_PONG,
    WEBSOCKET_EVENT_CLOSE,
    WEBSOCKET_EVENT_FAULT, /* the connection fails with this code; the reader is of no more use */
};

struct websocket_event {
    enum websocket_event_type type;
    bool is_text;
    struct str data; /* message, payload or reason; until the next call */
    unsigned code;   /* CLOSE: the peer's, or NO_STATUS; FAULT: ours for it */
};

struct websocket_reader;

/* NULL: no memory. message_max bounds a message whatever its frames are. */
struct websocket_reader *websocket_reader_new(size_t frame_max, size_t message_max);
void websocket_reader_free(struct websocket_reader *reader);
/* Takes from *input what it needs for the next event. */
enum websocket_event_type websocket_reader_next(struct websocket_reader *reader, struct str *input,
                                                struct websocket_event *ret_event);
/* Neither a frame nor a message has begun, so the reader keeps nothing of this connection. */
bool websocket_reader_is_idle(const struct websocket_reader *reader);
/* Bytes of memory that it takes. */
size_t websocket_reader_bytes(const struct websocket_reader *reader);

/* Frames of a server. Reason at most WEBSOCKET_REASON_MAX bytes. NULL: no memory. */
struct shared *websocket_text_frame(struct str text);
struct shared *websocket_binary_frame(struct str data);
/* The head of a text frame, for several frames in one run of bytes. Returns its size. */
#define WEBSOCKET_HEAD_MAX 10
size_t websocket_text_head(uint8_t ret_head[static WEBSOCKET_HEAD_MAX], size_t size);
struct shared *websocket_ping_frame(void);
struct shared *websocket_pong_frame(struct str payload);
struct shared *websocket_close_frame(unsigned code, struct str reason);
/* May stand in a close frame. */
bool websocket_is_code(unsigned code);

#endif
