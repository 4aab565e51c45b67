/*
 * Fuzz target of the reader of WebSocket frames. Whatever a client sends: the same events in one
 * piece as in pieces of a size that the first byte chooses, and the same as a second reader finds,
 * a plain walk over the whole of it with jansson's notion of UTF-8. Text that is handed on is UTF-8,
 * no message is over the limit, and a reader that says it keeps nothing reads the next connection
 * from its beginning.
 */
#include "net/websocket_frame.h"

#include <stdlib.h>

#include "witness.h"

#define FRAME_MAX   300
#define MESSAGE_MAX 1000
#define INPUT_MAX   8192
#define EVENTS_MAX  (INPUT_MAX / 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    enum websocket_event_type type;
    bool is_text;
    unsigned code;
    size_t size;
    uint64_t hash;
};

struct story {
    size_t count;
    struct told told[EVENTS_MAX + 1];
};

static void tell(struct story *story, const struct websocket_event *event)
{
    struct told told = {.type = event->type,
                        .is_text = event->is_text,
                        .code = event->code,
                        .size = event->data.len,
                        .hash = 14695981039346656037u};
    for (size_t i = 0; i < event->data.len; i++)
        told.hash = (told.hash ^ (uint8_t)event->data.data[i]) * 1099511628211u;
    if (story->count > EVENTS_MAX)
        abort();
    story->told[story->count++] = told;
}

/* --- the reader --- */

static void read_by_steps(struct str input, size_t step, struct story *story)
{
    struct websocket_reader *reader = websocket_reader_new(FRAME_MAX, MESSAGE_MAX);
    struct websocket_event event = {.type = WEBSOCKET_EVENT_NONE};
    if (!reader)
        abort();
    while (input.len > 0 && event.type != WEBSOCKET_EVENT_FAULT) {
        struct str piece = str_sub(input, 0, step);
        input = str_sub(input, step, input.len);
        while (websocket_reader_next(reader, &piece, &event) != WEBSOCKET_EVENT_NONE) {
            if (event.data.len > MESSAGE_MAX || (event.is_text && !witness_utf8(event.data)))
                abort();
            tell(story, &event);
            if (event.type == WEBSOCKET_EVENT_FAULT)
                break;
        }
        if (event.type == WEBSOCKET_EVENT_NONE && websocket_reader_is_idle(reader)) {
            websocket_reader_free(reader); /* it keeps nothing, so a new one must do */
            reader = websocket_reader_new(FRAME_MAX, MESSAGE_MAX);
            if (!reader)
                abort();
        }
    }
    websocket_reader_free(reader);
}

/* --- the second reader --- */

struct walk {
    const uint8_t *at;
    size_t left;
    unsigned message; /* opcode of the message under way, or 0 */
    char text[MESSAGE_MAX + 8];
    size_t text_size;
};

struct head {
    bool is_final, is_masked;
    unsigned reserved, opcode;
    uint64_t size;
    const uint8_t *mask;
};

static bool is_prefix_of_utf8(const char *text, size_t size)
{
    static const uint8_t fills[] = {0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf};
    char tried[MESSAGE_MAX + 8];
    if (size > 0)
        memcpy(tried, text, size);
    for (size_t i = 0; i < sizeof(fills); i++) {
        for (size_t more = 0; more <= 3; more++) {
            if (witness_utf8(str_from(tried, size + more)))
                return true;
            tried[size + more] = (char)fills[i];
        }
    }
    return false;
}

/* 0: not all there; else the code of its fault, or 1: fine. */
static unsigned walk_head(struct walk *walk, struct head *head)
{
    size_t size = 2;
    if (walk->left < size)
        return 0;
    *head = (struct head){.is_final = walk->at[0] >> 7,
                          .reserved = walk->at[0] >> 4 & 7,
                          .opcode = walk->at[0] & 15,
                          .is_masked = walk->at[1] >> 7,
                          .size = walk->at[1] & 127};
    if (head->opcode >= 8 && (head->size > 125 || !head->is_final))
        return 1002;
    size_t length_size = head->size == 126 ? 2 : head->size == 127 ? 8 : 0;
    uint64_t least = length_size == 2 ? 126 : length_size == 8 ? 65536 : 0;
    if (walk->left < size + length_size)
        return 0;
    for (size_t i = 0; i < length_size; i++)
        head->size = (i == 0 ? 0 : head->size << 8) | walk->at[size + i];
    if (head->size < least || head->size >> 63)
        return 1002;
    size += length_size;
    head->mask = walk->at + size;
    size += head->is_masked ? 4 : 0;
    if (walk->left < size + (head->size > 0)) /* it is judged with the first byte of payload */
        return 0;
    walk->at += size;
    walk->left -= size;
    return 1;
}

static unsigned walk_rules(const struct walk *walk, const struct head *head)
{
    bool is_known = head->opcode <= 2 || (head->opcode >= 8 && head->opcode <= 10);
    if (!head->is_masked || head->reserved || !is_known)
        return 1002;
    if (head->opcode < 8 && (head->opcode == 0) != (walk->message != 0))
        return 1002;
    if (head->opcode < 8 && (head->size > FRAME_MAX || walk->text_size + head->size > MESSAGE_MAX))
        return 1009;
    return 1;
}

static void tell_close(struct story *story, const char *payload, size_t size)
{
    unsigned code = size < 2 ? 0 : (unsigned)(uint8_t)payload[0] << 8 | (uint8_t)payload[1];
    bool is_code = (code >= 1000 && code < 1004) || (code > 1006 && code < 1015) ||
                   (code >= 3000 && code < 5000);
    struct websocket_event event = {.type = WEBSOCKET_EVENT_CLOSE, .code = 1005};
    if (size >= 2) {
        event.code = code;
        event.data = str_from(payload + 2, size - 2);
    }
    if (size == 1 || (size > 0 && !is_code))
        event = (struct websocket_event){.type = WEBSOCKET_EVENT_FAULT, .code = 1002};
    else if (!witness_utf8(event.data))
        event = (struct websocket_event){.type = WEBSOCKET_EVENT_FAULT, .code = 1007};
    tell(story, &event);
}

/* False: that was the last. */
static bool walk_control(struct walk *walk, const struct head *head, struct story *story)
{
    char payload[128];
    if (walk->left < head->size)
        return false;
    for (size_t i = 0; i < head->size; i++)
        payload[i] = (char)(walk->at[i] ^ head->mask[i % 4]);
    walk->at += head->size;
    walk->left -= head->size;
    struct websocket_event event = {.type = head->opcode == 9 ? WEBSOCKET_EVENT_PING
                                                              : WEBSOCKET_EVENT_PONG,
                                    .data = str_from(payload, head->size)};
    if (head->opcode == 8)
        tell_close(story, payload, head->size);
    else
        tell(story, &event);
    return story->told[story->count - 1].type != WEBSOCKET_EVENT_FAULT;
}

static bool walk_data(struct walk *walk, const struct head *head, struct story *story)
{
    size_t there = walk->left < head->size ? walk->left : (size_t)head->size;
    bool is_text = (head->opcode ? head->opcode : walk->message) == 1;
    bool is_whole = there == head->size;
    for (size_t i = 0; i < there; i++)
        walk->text[walk->text_size++] = (char)(walk->at[i] ^ head->mask[i % 4]);
    walk->at += there;
    walk->left -= there;
    walk->message = head->opcode ? head->opcode : walk->message;
    struct str text = str_from(walk->text, walk->text_size);
    bool is_last = is_whole && head->is_final;
    struct websocket_event event = {.type = WEBSOCKET_EVENT_FAULT, .code = 1007};
    bool is_valid =
        !is_text || (is_last ? witness_utf8(text) : is_prefix_of_utf8(text.data, text.len));
    if (is_valid && is_last)
        event = (struct websocket_event){
            .type = WEBSOCKET_EVENT_MESSAGE, .is_text = is_text, .data = text};
    if (!is_valid || is_last)
        tell(story, &event);
    if (is_last) {
        walk->message = 0;
        walk->text_size = 0;
    }
    return is_valid && is_whole;
}

static void walk_all(struct str input, struct story *story)
{
    static struct walk walk;
    struct head head;
    memset(&walk, 0, sizeof(walk));
    walk.at = (const uint8_t *)input.data;
    walk.left = input.len;
    for (bool goes_on = true; goes_on;) {
        unsigned code = walk_head(&walk, &head);
        if (code == 0)
            return;
        if (code == 1)
            code = walk_rules(&walk, &head);
        if (code != 1) {
            struct websocket_event event = {.type = WEBSOCKET_EVENT_FAULT, .code = code};
            tell(story, &event);
            return;
        }
        goes_on =
            head.opcode >= 8 ? walk_control(&walk, &head, story) : walk_data(&walk, &head, story);
    }
}

static void expect_same(const struct story *a, const struct story *b)
{
    if (a->count != b->count)
        abort();
    for (size_t i = 0; i < a->count; i++) {
        const struct told *x = &a->told[i], *y = &b->told[i];
        if (x->type != y->type || x->is_text != y->is_text || x->code != y->code ||
            x->size != y->size || x->hash != y->hash)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct story whole, pieces, walked;
    if (size < 2 || size > INPUT_MAX)
        return 0;
    struct str input = str_from((const char *)data + 1, size - 1);
    whole.count = pieces.count = walked.count = 0;
    read_by_steps(input, input.len, &whole);
    read_by_steps(input, 1 + data[0] % 64, &pieces);
    walk_all(input, &walked);
    expect_same(&whole, &pieces);
    expect_same(&whole, &walked);
    return 0;
}
