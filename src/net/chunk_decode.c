/*
 * The framing guard for chunked bodies, as head_guard.c is for heads. The decoder that h2o 2.2.5
 * carries takes a bare LF for the end of any line, any bytes behind a chunk's size, any number of
 * CRs, and trailers of any shape and length: each a place where a proxy in front may see another
 * end of the request, which is all that smuggling needs. This one takes what the RFC's grammar
 * says and nothing else. Extensions and trailers are read and dropped: nothing of them reaches the
 * application, so a trailer can set no header.
 *
 *   SIZE -> (BLANK ->) (EXTENSION ->) SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                                        |
 *          size 0 ->  TRAILER -> TRAILER_NAME -> TRAILER_VALUE -> TRAILER_LF -> TRAILER
 *                        |
 *                        +-> END_LF -> the end
 *
 * One byte at a time but for data. Any thread.
 */
#include "net/chunk_internal.h"

#include <stdbool.h>
#include <string.h>

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_BLANK, /* between the size and the ';' of an extension */
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER,
    CHUNK_TRAILER_NAME,
    CHUNK_TRAILER_VALUE,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
    CHUNK_END,
    CHUNK_BROKEN,
};

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 9110, 5.6.2. */
static bool is_token_char(unsigned char c)
{
    unsigned char lower = c | 0x20;
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_text(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static enum chunk_state after_size(unsigned char c)
{
    switch (c) {
    case '\r':
        return CHUNK_SIZE_LF;
    case ';':
        return CHUNK_EXTENSION;
    case ' ':
    case '\t':
        return CHUNK_BLANK;
    default:
        return CHUNK_BROKEN;
    }
}

static enum chunk_state take_size(struct chunk_decoder *decoder, unsigned char c)
{
    int digit = hex_value(c);
    if (digit < 0)
        return decoder->digits > 0 ? after_size(c) : CHUNK_BROKEN;
    if (decoder->digits++ == CHUNK_SIZE_DIGITS)
        return CHUNK_BROKEN;
    decoder->bytes_left = decoder->bytes_left << 4 | (unsigned)digit;
    return CHUNK_SIZE;
}

static enum chunk_state end_size_line(struct chunk_decoder *decoder)
{
    decoder->digits = 0;
    decoder->line_bytes = 0;
    return decoder->bytes_left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
}

static enum chunk_state take_trailer(enum chunk_state state, unsigned char c)
{
    switch (state) {
    case CHUNK_TRAILER:
        if (c == '\r')
            return CHUNK_END_LF;
        return is_token_char(c) ? CHUNK_TRAILER_NAME : CHUNK_BROKEN;
    case CHUNK_TRAILER_NAME:
        if (c == ':')
            return CHUNK_TRAILER_VALUE;
        return is_token_char(c) ? CHUNK_TRAILER_NAME : CHUNK_BROKEN;
    case CHUNK_TRAILER_VALUE:
        if (c == '\r')
            return CHUNK_TRAILER_LF;
        return is_text(c) ? CHUNK_TRAILER_VALUE : CHUNK_BROKEN;
    case CHUNK_TRAILER_LF:
        return c == '\n' ? CHUNK_TRAILER : CHUNK_BROKEN;
    default: /* CHUNK_END_LF */
        return c == '\n' ? CHUNK_END : CHUNK_BROKEN;
    }
}

/* Every byte that is not data. */
static enum chunk_state take_byte(struct chunk_decoder *decoder, unsigned char c)
{
    enum chunk_state state = decoder->state;
    uint32_t bytes_max = state < CHUNK_DATA ? CHUNK_LINE_MAX : CHUNK_TRAILERS_MAX;
    if (++decoder->line_bytes > bytes_max)
        return CHUNK_BROKEN;
    switch (state) {
    case CHUNK_SIZE:
        return take_size(decoder, c);
    case CHUNK_BLANK:
        return c == '\r' ? CHUNK_BROKEN : after_size(c);
    case CHUNK_EXTENSION:
        if (c == '\r')
            return CHUNK_SIZE_LF;
        return is_text(c) ? CHUNK_EXTENSION : CHUNK_BROKEN;
    case CHUNK_SIZE_LF:
        return c == '\n' ? end_size_line(decoder) : CHUNK_BROKEN;
    case CHUNK_DATA_CR:
        return c == '\r' ? CHUNK_DATA_LF : CHUNK_BROKEN;
    case CHUNK_DATA_LF:
        decoder->line_bytes = 0;
        return c == '\n' ? CHUNK_SIZE : CHUNK_BROKEN;
    default:
        return take_trailer(state, c);
    }
}

ssize_t chunk_decode(struct chunk_decoder *decoder, char *data, size_t *size)
{
    size_t from = 0;
    size_t to = 0;
    while (from < *size && decoder->state < CHUNK_END) {
        if (decoder->state != CHUNK_DATA) {
            decoder->state = (uint8_t)take_byte(decoder, (unsigned char)data[from++]);
            continue;
        }
        size_t count = *size - from;
        if (count > decoder->bytes_left)
            count = (size_t)decoder->bytes_left;
        memmove(data + to, data + from, count);
        from += count;
        to += count;
        decoder->bytes_left -= count;
        if (decoder->bytes_left == 0)
            decoder->state = CHUNK_DATA_CR;
    }
    size_t rest = *size - from;
    memmove(data + to, data + from, rest);
    *size = to;
    if (decoder->state == CHUNK_BROKEN)
        return CHUNK_MALFORMED;
    return decoder->state == CHUNK_END ? (ssize_t)rest : CHUNK_INCOMPLETE;
}
