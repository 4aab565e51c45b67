/*
 * Writing JSON. Strings are copied in runs: eight bytes at a time are checked for anything that
 * needs attention (a quote, a backslash, a control character, a byte of a longer character), and
 * what lies between two of those is appended in one piece.
 *
 * Nesting mistakes are bugs of the caller and asserted; running out of room is the buffer's
 * overflow.
 */
#include "base/json.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/str_internal.h"

#include <assert.h>
#include <math.h>

#define EVERY_BYTE UINT64_C(0x0101010101010101)
#define HIGH_BITS  (EVERY_BYTE * 0x80)

void json_begin(struct json_writer *writer, struct buf *buf)
{
    *writer = (struct json_writer){.buf = buf};
}

/* The comma, unless this is the first item or a value whose key has just been written. */
static void begin_item(struct json_writer *writer)
{
    uint64_t bit = UINT64_C(1) << writer->depth;
    if (writer->after_key)
        writer->after_key = false;
    else if (writer->has_items & bit)
        buf_append_char(writer->buf, ',');
    writer->has_items |= bit;
}

static void open_level(struct json_writer *writer, char bracket)
{
    assert(writer->depth < JSON_DEPTH_MAX);
    begin_item(writer);
    buf_append_char(writer->buf, bracket);
    writer->depth++;
    writer->has_items &= ~(UINT64_C(1) << writer->depth);
}

static void close_level(struct json_writer *writer, char bracket)
{
    assert(writer->depth > 0 && !writer->after_key);
    writer->depth--;
    buf_append_char(writer->buf, bracket);
}

void json_open_object(struct json_writer *writer)
{
    open_level(writer, '{');
}

void json_close_object(struct json_writer *writer)
{
    close_level(writer, '}');
}

void json_open_array(struct json_writer *writer)
{
    open_level(writer, '[');
}

void json_close_array(struct json_writer *writer)
{
    close_level(writer, ']');
}

/* Any byte of the word that cannot be copied as it is. A borrow may mark a byte too many, never one
 * too few. */
static bool has_special(uint64_t word)
{
    uint64_t quote = word ^ (EVERY_BYTE * '"');
    uint64_t backslash = word ^ (EVERY_BYTE * '\\');
    uint64_t marks = (word - EVERY_BYTE * 0x20) | (quote - EVERY_BYTE) | (backslash - EVERY_BYTE);
    return ((marks | word) & HIGH_BITS) != 0;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Index of the first byte at or after i that needs attention. */
static size_t skip_plain(const unsigned char *text, size_t i, size_t len)
{
    for (; len - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + i, sizeof(word));
        if (has_special(word))
            break;
    }
    while (i < len && is_plain(text[i]))
        i++;
    return i;
}

static void append_escape(struct buf *buf, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c >= 0x20 || letters[c]) {
        char text[2] = {'\\', c >= 0x20 ? (char)c : letters[c]};
        buf_append(buf, text, sizeof(text));
        return;
    }
    char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    buf_append(buf, text, sizeof(text));
}

static void append_escaped(struct buf *buf, struct str value)
{
    const unsigned char *text = (const unsigned char *)value.data;
    size_t begin = 0; /* of the run not yet appended */
    size_t i = 0;
    while ((i = skip_plain(text, i, value.len)) < value.len) {
        size_t char_len = text[i] >= 0x80 ? utf8_char_len(text + i, value.len - i) : 0;
        if (char_len > 0) {
            i += char_len;
            continue;
        }
        buf_append(buf, text + begin, i - begin);
        if (text[i] >= 0x80)
            buf_append_str(buf, STR("\xEF\xBF\xBD")); /* U+FFFD */
        else
            append_escape(buf, text[i]);
        begin = ++i;
    }
    if (value.len > begin)
        buf_append(buf, text + begin, value.len - begin);
}

static void append_quoted(struct buf *buf, struct str value)
{
    buf_append_char(buf, '"');
    append_escaped(buf, value);
    buf_append_char(buf, '"');
}

void json_key(struct json_writer *writer, const char *name)
{
    assert(writer->depth > 0 && !writer->after_key);
    begin_item(writer);
    append_quoted(writer->buf, str_from_c(name));
    buf_append_char(writer->buf, ':');
    writer->after_key = true;
}

void json_str(struct json_writer *writer, struct str value)
{
    begin_item(writer);
    append_quoted(writer->buf, value);
}

void json_i64(struct json_writer *writer, int64_t value)
{
    begin_item(writer);
    buf_append_i64(writer->buf, value);
}

void json_f64(struct json_writer *writer, double value)
{
    begin_item(writer);
    if (isfinite(value) && fabs(value) < 1e308)
        buf_printf(writer->buf, "%.10g", value + 0.0); /* "-0" would come back as the integer 0 */
    else if (isfinite(value)) /* rounded to ten digits it may be more than a double can be */
        buf_printf(writer->buf, "%.17g", value);
    else
        buf_append_str(writer->buf, STR("null"));
}

void json_bool(struct json_writer *writer, bool value)
{
    begin_item(writer);
    buf_append_str(writer->buf, value ? STR("true") : STR("false"));
}

void json_null_item(struct json_writer *writer)
{
    begin_item(writer);
    buf_append_str(writer->buf, STR("null"));
}

/* For text that is known to need no escape. */
static void append_plain(struct json_writer *writer, struct str text)
{
    begin_item(writer);
    buf_append_char(writer->buf, '"');
    buf_append_str(writer->buf, text);
    buf_append_char(writer->buf, '"');
}

void json_time(struct json_writer *writer, int64_t at_ms)
{
    char text[CLOCK_TEXT_SIZE];
    clock_format(at_ms, text);
    append_plain(writer, str_from(text, sizeof(text) - 1));
}

void json_raw(struct json_writer *writer, struct str json)
{
    begin_item(writer);
    buf_append_str(writer->buf, json);
}

void json_put_str(struct json_writer *writer, const char *name, struct str value)
{
    json_key(writer, name);
    json_str(writer, value);
}

void json_put_i64(struct json_writer *writer, const char *name, int64_t value)
{
    json_key(writer, name);
    json_i64(writer, value);
}

void json_put_bool(struct json_writer *writer, const char *name, bool value)
{
    json_key(writer, name);
    json_bool(writer, value);
}

void json_put_time(struct json_writer *writer, const char *name, int64_t at_ms)
{
    json_key(writer, name);
    json_time(writer, at_ms);
}

void json_put_null(struct json_writer *writer, const char *name)
{
    json_key(writer, name);
    json_null(writer);
}

void json_put_id(struct json_writer *writer, const char *name, const char *prefix, uint64_t id)
{
    char text[ID_TEXT_SIZE];
    json_key(writer, name);
    append_plain(writer, id_format(text, prefix, id));
}

void json_put_id2(struct json_writer *writer, const char *name, const char *prefix, uint64_t shard,
                  uint64_t id)
{
    char text[ID_TEXT_SIZE];
    json_key(writer, name);
    append_plain(writer, id_format2(text, prefix, shard, id));
}
