/*
 * The reader stands on wslay's frame API, which cuts the stream into headers and unmasked pieces of
 * payload, and keeps 4 KiB of input for that. So a reader is made for the connection that a loop
 * works on just then, and stays with a connection only while that is in the middle of a frame or a
 * message; thousands that are quiet share one.
 *
 * wslay checks lengths and the form of control frames. Here are the rest of RFC 6455: masks (5.1),
 * reserved bits and opcodes (5.2), the order of fragments (5.4), UTF-8 as it comes (8.1), close
 * codes (7.4), limits.
 *
 *   between frames --first piece: begin_frame()--> in a frame --last piece--> between frames
 *   no message     --first frame of one------------> in a message --frame with FIN--> no message
 *
 * Control frames come between the frames of a message and leave it alone. A frame is judged when
 * its first byte of payload is there (wslay shows its header then), an empty one at once.
 *
 * Invariant: taken is what wslay was given, used what whole frames took of it; when they are equal
 * and no message is open, nothing of the connection is left in here.
 */
#include "net/websocket_frame.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <wslay/wslay.h>

#define BUFFER_KEPT_MAX ((size_t)16 << 10) /* of a message, for the next one */

/* Where a check of UTF-8 stands: continuation bytes to come, and what the next one may be. */
struct utf8_check {
    uint8_t left, low, high;
};

struct websocket_reader {
    struct wslay_frame_context *frames;
    struct str *input; /* during a call */
    size_t frame_max, message_max;
    uint64_t taken, used;
    bool is_in_frame;
    bool is_final;
    uint8_t opcode; /* of the frame */
    uint64_t payload_size, payload_left;
    uint8_t message_opcode; /* 0: none */
    bool is_delivered;      /* message is the caller's until the next call */
    struct utf8_check utf8;
    size_t control_size;
    char control[WEBSOCKET_CONTROL_MAX];
    struct buf message;
};

/* --- UTF-8 --- */

static bool utf8_begin(struct utf8_check *check, uint8_t byte)
{
    check->low = 0x80;
    check->high = 0xbf;
    if (byte < 0x80)
        check->left = 0;
    else if (byte >= 0xc2 && byte <= 0xdf)
        check->left = 1;
    else if (byte >= 0xe0 && byte <= 0xef)
        check->left = 2;
    else if (byte >= 0xf0 && byte <= 0xf4)
        check->left = 3;
    else
        return false;
    if (byte == 0xe0)
        check->low = 0xa0; /* else it is overlong */
    if (byte == 0xed)
        check->high = 0x9f; /* else it is a surrogate */
    if (byte == 0xf0)
        check->low = 0x90;
    if (byte == 0xf4)
        check->high = 0x8f; /* else it is beyond U+10FFFF */
    return true;
}

static bool utf8_next(struct utf8_check *check, uint8_t byte)
{
    if (check->left == 0)
        return utf8_begin(check, byte);
    if (byte < check->low || byte > check->high)
        return false;
    check->left--;
    check->low = 0x80;
    check->high = 0xbf;
    return true;
}

/* False at the first byte that no continuation can make valid. */
static bool utf8_feed(struct utf8_check *check, const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        uint64_t eight;
        if (check->left == 0 && len - at >= sizeof(eight)) {
            memcpy(&eight, bytes + at, sizeof(eight));
            if (!(eight & 0x8080808080808080u)) {
                at += sizeof(eight);
                continue;
            }
        }
        if (!utf8_next(check, bytes[at++]))
            return false;
    }
    return true;
}

/* --- reading --- */

static ssize_t give_input(uint8_t *ret_bytes, size_t size, int flags, void *ctx)
{
    struct websocket_reader *reader = ctx;
    (void)flags;
    size_t count = reader->input->len < size ? reader->input->len : size;
    if (count == 0)
        return -1;
    memcpy(ret_bytes, reader->input->data, count);
    *reader->input = str_sub(*reader->input, count, reader->input->len);
    reader->taken += count;
    return (ssize_t)count;
}

struct websocket_reader *websocket_reader_new(size_t frame_max, size_t message_max)
{
    struct wslay_frame_callbacks callbacks = {.recv_callback = give_input};
    struct websocket_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return NULL;
    if (wslay_frame_context_init(&reader->frames, &callbacks, reader) != 0) {
        free(reader);
        return NULL;
    }
    reader->frame_max = frame_max;
    reader->message_max = message_max;
    buf_init(&reader->message, message_max);
    return reader;
}

void websocket_reader_free(struct websocket_reader *reader)
{
    if (!reader)
        return;
    wslay_frame_context_free(reader->frames);
    buf_release(&reader->message);
    free(reader);
}

static bool is_control(uint8_t opcode)
{
    return opcode & 0x8;
}

static bool is_known_opcode(uint8_t opcode)
{
    return opcode <= WSLAY_BINARY_FRAME ||
           (opcode >= WSLAY_CONNECTION_CLOSE && opcode <= WSLAY_PONG);
}

/* 0, or the code that the connection fails with. */
static unsigned begin_frame(struct websocket_reader *reader, const struct wslay_frame_iocb *piece)
{
    if (!piece->mask || piece->rsv != WSLAY_RSV_NONE || !is_known_opcode(piece->opcode))
        return WEBSOCKET_PROTOCOL_ERROR;
    reader->is_in_frame = true;
    reader->is_final = piece->fin;
    reader->opcode = piece->opcode;
    reader->payload_size = piece->payload_length;
    reader->payload_left = piece->payload_length;
    reader->control_size = 0;
    if (is_control(piece->opcode))
        return 0;
    bool is_first = piece->opcode != WSLAY_CONTINUATION_FRAME;
    if (is_first == (reader->message_opcode != 0))
        return WEBSOCKET_PROTOCOL_ERROR; /* a new one inside the last, or a part of none */
    if (piece->payload_length > reader->frame_max ||
        piece->payload_length > reader->message_max - reader->message.len)
        return WEBSOCKET_TOO_BIG;
    if (is_first) {
        reader->message_opcode = piece->opcode;
        reader->utf8 = (struct utf8_check){0};
    }
    return 0;
}

static void end_frame(struct websocket_reader *reader)
{
    size_t length_size = reader->payload_size < 126           ? 0
                         : reader->payload_size <= UINT16_MAX ? 2
                                                              : 8;
    reader->used += 2 + length_size + 4 + reader->payload_size;
    reader->is_in_frame = false;
    assert(reader->used <= reader->taken);
}

bool websocket_is_code(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static void set_fault(struct websocket_event *event, unsigned code)
{
    *event = (struct websocket_event){.type = WEBSOCKET_EVENT_FAULT, .code = code};
}

static void read_close(struct str payload, struct websocket_event *event)
{
    *event = (struct websocket_event){.type = WEBSOCKET_EVENT_CLOSE, .code = WEBSOCKET_NO_STATUS};
    if (payload.len == 0)
        return;
    if (payload.len == 1) {
        set_fault(event, WEBSOCKET_PROTOCOL_ERROR);
        return;
    }
    event->code = (unsigned)(uint8_t)payload.data[0] << 8 | (uint8_t)payload.data[1];
    event->data = str_sub(payload, 2, payload.len);
    if (!websocket_is_code(event->code))
        set_fault(event, WEBSOCKET_PROTOCOL_ERROR);
    else if (!str_is_utf8(event->data))
        set_fault(event, WEBSOCKET_NOT_TEXT);
}

/* True when the event is there. */
static bool take_control(struct websocket_reader *reader, const struct wslay_frame_iocb *piece,
                         struct websocket_event *event)
{
    assert(reader->control_size + piece->data_length <= sizeof(reader->control));
    if (piece->data_length > 0)
        memcpy(reader->control + reader->control_size, piece->data, piece->data_length);
    reader->control_size += piece->data_length;
    if (reader->payload_left > 0)
        return false;
    end_frame(reader);
    struct str payload = str_from(reader->control, reader->control_size);
    if (reader->opcode == WSLAY_CONNECTION_CLOSE)
        read_close(payload, event);
    else
        *event = (struct websocket_event){
            .type = reader->opcode == WSLAY_PING ? WEBSOCKET_EVENT_PING : WEBSOCKET_EVENT_PONG,
            .data = payload};
    return true;
}

static void deliver(struct websocket_reader *reader, struct str message,
                    struct websocket_event *event)
{
    *event = (struct websocket_event){.type = WEBSOCKET_EVENT_MESSAGE,
                                      .is_text = reader->message_opcode == WSLAY_TEXT_FRAME,
                                      .data = message};
    reader->message_opcode = 0;
    reader->is_delivered = true;
}

static bool take_data(struct websocket_reader *reader, const struct wslay_frame_iocb *piece,
                      struct websocket_event *event)
{
    bool is_text = reader->message_opcode == WSLAY_TEXT_FRAME;
    bool is_last = reader->payload_left == 0 && reader->is_final;
    if (reader->payload_left == 0)
        end_frame(reader);
    bool is_valid = !is_text || utf8_feed(&reader->utf8, piece->data, piece->data_length);
    if (!is_valid || (is_text && is_last && reader->utf8.left > 0)) {
        set_fault(event, WEBSOCKET_NOT_TEXT);
        return true;
    }
    if (is_last && reader->message.len == 0) { /* whole where it lies */
        deliver(reader, str_from((const char *)piece->data, piece->data_length), event);
        return true;
    }
    if (piece->data_length > 0)
        buf_append(&reader->message, piece->data, piece->data_length);
    if (reader->message.overflow) { /* for want of memory: begin_frame looked at the limit */
        set_fault(event, WEBSOCKET_INTERNAL);
        return true;
    }
    if (is_last)
        deliver(reader, buf_str(&reader->message), event);
    return is_last;
}

static bool take_piece(struct websocket_reader *reader, const struct wslay_frame_iocb *piece,
                       struct websocket_event *event)
{
    unsigned fault = reader->is_in_frame ? 0 : begin_frame(reader, piece);
    if (fault) {
        set_fault(event, fault);
        return true;
    }
    assert(piece->data_length <= reader->payload_left);
    reader->payload_left -= piece->data_length;
    return is_control(reader->opcode) ? take_control(reader, piece, event)
                                      : take_data(reader, piece, event);
}

static void forget_delivered(struct websocket_reader *reader)
{
    if (!reader->is_delivered)
        return;
    reader->is_delivered = false;
    if (reader->message.cap > BUFFER_KEPT_MAX) {
        buf_release(&reader->message);
        buf_init(&reader->message, reader->message_max);
    }
    buf_clear(&reader->message);
}

enum websocket_event_type websocket_reader_next(struct websocket_reader *reader, struct str *input,
                                                struct websocket_event *ret_event)
{
    struct wslay_frame_iocb piece;
    reader->input = input;
    forget_delivered(reader);
    *ret_event = (struct websocket_event){.type = WEBSOCKET_EVENT_NONE};
    for (;;) {
        memset(&piece, 0, sizeof(piece));
        ssize_t got = wslay_frame_recv(reader->frames, &piece);
        if (got == WSLAY_ERR_WANT_READ && reader->input->len == 0)
            break;
        if (got == WSLAY_ERR_WANT_READ)
            continue;
        if (got < 0)
            set_fault(ret_event, WEBSOCKET_PROTOCOL_ERROR);
        if (got < 0 || take_piece(reader, &piece, ret_event))
            break;
    }
    reader->input = NULL;
    return ret_event->type;
}

bool websocket_reader_is_idle(const struct websocket_reader *reader)
{
    return reader->taken == reader->used && reader->message_opcode == 0 && !reader->is_in_frame;
}

size_t websocket_reader_bytes(const struct websocket_reader *reader)
{
    return sizeof(*reader) + 4096 + reader->message.cap; /* wslay's buffer is not to be asked */
}

/* --- writing --- */

static size_t write_head(uint8_t opcode, size_t size, uint8_t head[static WEBSOCKET_HEAD_MAX])
{
    size_t head_size = size < 126 ? 2 : size <= UINT16_MAX ? 4 : 10;
    head[0] = (uint8_t)(0x80 | opcode);
    head[1] = (uint8_t)(size < 126 ? size : size <= UINT16_MAX ? 126 : 127);
    for (size_t i = 2; i < head_size; i++) /* big-endian */
        head[i] = (uint8_t)(size >> 8 * (head_size - 1 - i));
    return head_size;
}

size_t websocket_text_head(uint8_t ret_head[static WEBSOCKET_HEAD_MAX], size_t size)
{
    return write_head(WSLAY_TEXT_FRAME, size, ret_head);
}

static struct shared *new_frame(uint8_t opcode, struct str first, struct str second)
{
    uint8_t head[WEBSOCKET_HEAD_MAX];
    size_t size = first.len + second.len;
    size_t head_size = write_head(opcode, size, head);
    assert(size <= UINT32_MAX - sizeof(head));
    struct shared *frame = shared_new((uint32_t)(head_size + size));
    if (!frame)
        return NULL;
    memcpy(frame->bytes, head, head_size);
    if (first.len > 0)
        memcpy(frame->bytes + head_size, first.data, first.len);
    if (second.len > 0)
        memcpy(frame->bytes + head_size + first.len, second.data, second.len);
    return frame;
}

struct shared *websocket_text_frame(struct str text)
{
    return new_frame(WSLAY_TEXT_FRAME, text, STR_NONE);
}

struct shared *websocket_binary_frame(struct str data)
{
    return new_frame(WSLAY_BINARY_FRAME, data, STR_NONE);
}

struct shared *websocket_ping_frame(void)
{
    return new_frame(WSLAY_PING, STR_NONE, STR_NONE);
}

struct shared *websocket_pong_frame(struct str payload)
{
    assert(payload.len <= WEBSOCKET_CONTROL_MAX);
    return new_frame(WSLAY_PONG, payload, STR_NONE);
}

struct shared *websocket_close_frame(unsigned code, struct str reason)
{
    char number[2] = {(char)(code >> 8), (char)code};
    assert(reason.len <= WEBSOCKET_REASON_MAX);
    if (code == WEBSOCKET_NO_STATUS)
        return new_frame(WSLAY_CONNECTION_CLOSE, STR_NONE, STR_NONE);
    assert(websocket_is_code(code));
    return new_frame(WSLAY_CONNECTION_CLOSE, str_from(number, 2), reason);
}
