/* Growable bytes with a maximum given at birth. Heap-backed. Over the maximum: sticky overflow,
 * nothing appended. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/arena.h"

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    bool overflow;    /* checked once, by whoever uses the result */
    bool is_starved;  /* the overflow was for want of memory, not of room below max */
    bool is_borrowed; /* data is an arena's, not the heap's */
};

void buf_init(struct buf *buf, size_t max_bytes);
/* The first bytes (size - 1 of them) are the caller's memory, which outlives the buffer. */
void buf_init_on(struct buf *buf, char *memory, size_t size, size_t max_bytes);
void buf_release(struct buf *buf);
/* A buffer whose memory is freed with the arena (for answers); the first bytes are the arena's own.
 * NULL when out of memory. */
struct buf *buf_new_in(struct arena *arena, size_t max_bytes);
void buf_clear(struct buf *buf);
void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_str(struct buf *buf, struct str s);
void buf_append_char(struct buf *buf, char c);
void buf_append_i64(struct buf *buf, int64_t value);
/* As text or as an attribute in quotes of HTML and XML. */
void buf_append_markup(struct buf *buf, struct str text);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Borrowed view, valid until the next append. */
static inline struct str buf_str(const struct buf *buf)
{
    return str_from(buf->data, buf->len);
}

#endif
