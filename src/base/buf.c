/*
 * Growable bytes. Capacity doubles up to the maximum; the memory behind data is always one byte
 * larger than cap, so that printf and the codecs may write their NUL in place.
 *
 * Invariants: len <= cap <= max; after an overflow nothing is ever appended, so the content is a
 * prefix of what was meant, cut at the border of a call; buf_clear makes it usable again.
 */
#include "base/buf.h"

#include "base/buf_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_CAP_MIN      ((size_t)255)
#define BUF_CAP_IN_ARENA ((size_t)511) /* most answers of a hold and all journal rows fit */
#define I64_TEXT_MAX     20

void buf_init(struct buf *buf, size_t max_bytes)
{
    /* One below the top of size_t: cap + 1 must not wrap. */
    *buf = (struct buf){.max = max_bytes < SIZE_MAX ? max_bytes : SIZE_MAX - 1};
}

void buf_init_on(struct buf *buf, char *memory, size_t size, size_t max_bytes)
{
    buf_init(buf, max_bytes);
    buf->data = memory;
    buf->cap = size - 1 < buf->max ? size - 1 : buf->max;
    buf->is_borrowed = true;
}

void buf_release(struct buf *buf)
{
    if (!buf->is_borrowed)
        free(buf->data);
    buf_init(buf, buf->max);
}

static void release_buf(void *ptr)
{
    buf_release(ptr);
}

struct buf *buf_new_in(struct arena *arena, size_t max_bytes)
{
    struct buf *buf = ARENA_NEW(arena, struct buf);
    if (!buf)
        return NULL;
    buf_init(buf, max_bytes);
    size_t cap = buf->max < BUF_CAP_IN_ARENA ? buf->max : BUF_CAP_IN_ARENA;
    buf->data = arena_alloc(arena, cap + 1);
    if (!buf->data)
        return NULL;
    buf->cap = cap;
    buf->is_borrowed = true;
    return arena_on_release(arena, release_buf, buf) == ERR_OK ? buf : NULL;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->overflow = buf->is_starved = false;
}

static bool grow(struct buf *buf, size_t needed)
{
    size_t cap = buf->cap ? buf->cap : BUF_CAP_MIN;
    while (cap < needed)
        cap = cap <= (SIZE_MAX - 1) / 2 ? cap * 2 + 1 : needed;
    if (cap > buf->max)
        cap = buf->max;
    char *data = realloc(buf->is_borrowed ? NULL : buf->data, cap + 1);
    if (!data)
        return false;
    if (buf->is_borrowed) {
        assert(buf->data);
        memcpy(data, buf->data, buf->len);
    }
    buf->is_borrowed = false;
    buf->data = data;
    buf->cap = cap;
    return true;
}

char *buf_reserve(struct buf *buf, size_t len)
{
    assert(buf->len <= buf->cap && buf->cap <= buf->max);
    bool fits = !buf->overflow && len <= buf->max - buf->len;
    if (fits && buf->data && len <= buf->cap - buf->len)
        return buf->data + buf->len;
    if (!fits || !grow(buf, buf->len + len)) {
        buf->overflow = true;
        buf->is_starved |= fits;
        return NULL;
    }
    return buf->data + buf->len;
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
    if (len == 0)
        return;
    char *out = buf_reserve(buf, len);
    if (!out)
        return;
    memcpy(out, data, len);
    buf->len += len;
}

void buf_append_str(struct buf *buf, struct str s)
{
    buf_append(buf, s.data, s.len);
}

void buf_append_char(struct buf *buf, char c)
{
    char *out = buf_reserve(buf, 1);
    if (!out)
        return;
    *out = c;
    buf->len++;
}

void buf_append_markup(struct buf *buf, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.data[i]) {
        case '&':
            buf_append_str(buf, STR("&amp;"));
            break;
        case '<':
            buf_append_str(buf, STR("&lt;"));
            break;
        case '>':
            buf_append_str(buf, STR("&gt;"));
            break;
        case '"':
            buf_append_str(buf, STR("&quot;"));
            break;
        case '\'':
            buf_append_str(buf, STR("&#39;"));
            break;
        default:
            buf_append_char(buf, text.data[i]);
        }
    }
}

void buf_append_i64(struct buf *buf, int64_t value)
{
    char text[I64_TEXT_MAX];
    char *begin = text + sizeof(text);
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--begin = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        *--begin = '-';
    buf_append(buf, begin, (size_t)(text + sizeof(text) - begin));
}

/* True when the text fitted into the room there was (or never will: overflow). */
static bool printf_in_place(struct buf *buf, size_t *room, const char *format, va_list args)
{
    char *out = buf_reserve(buf, *room);
    if (!out)
        return true;
    int len = vsnprintf(out, *room + 1, format, args);
    if (len < 0) {
        buf->overflow = true;
        return true;
    }
    if ((size_t)len > *room) {
        *room = (size_t)len;
        return false;
    }
    buf->len += (size_t)len;
    return true;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    size_t room = buf->cap - buf->len;
    va_list args;
    va_start(args, format);
    bool is_done = printf_in_place(buf, &room, format, args);
    va_end(args);
    if (is_done)
        return;
    va_start(args, format);
    (void)printf_in_place(buf, &room, format, args); /* the room is exact now */
    va_end(args);
}
