/*
 * The log: one JSON object a line, one write(2) a line, so that lines of threads and processes
 * never mix. A line is built on the stack and never allocates: the log must work when memory does
 * not.
 *
 * Names and values are told apart in the format itself, before it is rendered: every value is
 * preceded by a separator byte that the format gets in place of "name=". What an argument contains,
 * spaces, quotes or "x=", therefore stays inside its value, and no client can write a member of the
 * log. An argument may hold the separator too: then the line is rendered once more, with one that
 * stands nowhere in it.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/json.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define LOG_FORMAT_MAX 512
#define LOG_FIELDS_MAX 24
#define LOG_NAME_MAX   48
#define LOG_TAIL_MAX   32 /* kept free for the end of a line that was cut */
#define SEPARATOR      '\x1f'

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn",
    [LOG_ERROR] = "error", [LOG_OFF] = "off",
};

static _Atomic int current_level = LOG_INFO;
static _Thread_local struct str current_request_id;

void log_set_level(enum log_level level)
{
    atomic_store(&current_level, (int)level);
}

enum err log_level_parse(struct str name, enum log_level *ret_level)
{
    for (int level = LOG_DEBUG; level <= LOG_OFF; level++) {
        if (str_eq(name, str_from_c(level_names[level]))) {
            *ret_level = (enum log_level)level;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

void log_set_request_id(struct str request_id)
{
    current_request_id = request_id;
}

struct log_fields {
    char separator;
    char format[LOG_FORMAT_MAX + 1]; /* values only, a separator before each */
    size_t count;
    char names[LOG_FIELDS_MAX][LOG_NAME_MAX + 1];
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

/* Length of the "name" of "name=" at the front; 0 when there is none. */
static size_t name_len(const char *text)
{
    size_t len = 0;
    while (is_name_char(text[len]))
        len++;
    return text[len] == '=' && len <= LOG_NAME_MAX ? len : 0;
}

static void add_name(struct log_fields *fields, const char *name, size_t len)
{
    memcpy(fields->names[fields->count], name, len);
    fields->names[fields->count][len] = '\0';
    fields->count++;
}

/* Copies the value at text (up to the space that ends it) and returns what follows; quotes around
 * it are dropped. */
static const char *copy_value(struct log_fields *fields, size_t *used, const char *text)
{
    bool is_quoted = *text == '"';
    char end = is_quoted ? '"' : ' ';
    text += is_quoted;
    while (*text && *text != end && *used < LOG_FORMAT_MAX)
        fields->format[(*used)++] = *text++;
    /* Words without a name belong to the value before them. */
    while (!is_quoted && *text == ' ' && name_len(text + 1) == 0 && text[1] && text[1] != ' ') {
        do {
            if (*used == LOG_FORMAT_MAX)
                return text;
            fields->format[(*used)++] = *text++;
        } while (*text && *text != ' ');
    }
    return is_quoted && *text == '"' ? text + 1 : text;
}

/* The format of the caller, taken apart into names and a format of the values. */
static void split_format(struct log_fields *fields, char separator, const char *text)
{
    size_t used = 0;
    fields->separator = separator;
    fields->count = 0;
    while (*text && used < LOG_FORMAT_MAX && fields->count < LOG_FIELDS_MAX) {
        if (*text == ' ') {
            text++;
            continue;
        }
        size_t len = name_len(text);
        if (len > 0)
            add_name(fields, text, len);
        else
            add_name(fields, "detail", strlen("detail"));
        text += len > 0 ? len + 1 : 0;
        fields->format[used++] = separator;
        text = copy_value(fields, &used, text);
    }
    /* A format too long is a mistake of the programmer, as is one with too many names. */
    assert(*text == '\0');
    fields->format[used] = '\0';
}

/* One member for all values; '\0' divides nothing. */
static void add_only_name(struct log_fields *fields)
{
    fields->separator = '\0';
    fields->count = 0;
    add_name(fields, "detail", strlen("detail"));
}

/* Adds the member, its value halved until it fits; false when not even the name does. */
static bool put_cut(struct json_writer *writer, const char *name, struct str value)
{
    struct json_writer before = *writer;
    size_t len_before = writer->buf->len;
    for (;;) {
        json_put_str(writer, name, value);
        if (!writer->buf->overflow)
            return true;
        *writer = before;
        writer->buf->len = len_before;
        writer->buf->overflow = false;
        if (value.len == 0)
            return false;
        value.len /= 2;
    }
}

static void put_fields(struct json_writer *writer, const struct log_fields *fields,
                       struct str values)
{
    bool is_whole = true;
    if (values.len > 0)
        values = str_sub(values, 1, values.len); /* the first separator */
    for (size_t i = 0; i < fields->count && is_whole; i++) {
        is_whole = put_cut(writer, fields->names[i], str_split(&values, fields->separator));
    }
}

static struct str render(const struct log_fields *fields, char *text, size_t size, va_list args)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored                                                                     \
    "-Wformat-nonliteral" /* the caller's own, checked at the call; only names are gone */
    int len = vsnprintf(text, size, fields->format, args);
#pragma GCC diagnostic pop
    if (len < 0)
        return STR_NONE;
    return str_from(text, (size_t)len < size ? (size_t)len : size - 1);
}

static size_t count_char(struct str text, char c)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == c;
    return count;
}

/* A control character that the text has not; 0: it has them all. */
static char unused_separator(struct str text)
{
    char c = SEPARATOR;
    while (c > 0 && str_find(text, c, 0) < text.len)
        c--;
    return c;
}

/* The values, rendered so that each can be told from the next. */
static struct str render_apart(struct log_fields *fields, const char *format, char *text,
                               size_t size, va_list args)
{
    va_list again;
    va_copy(again, args);
    split_format(fields, SEPARATOR, format);
    struct str values = render(fields, text, size, args);
    bool is_cut = values.len + 1 == size;
    if (is_cut || count_char(values, SEPARATOR) != fields->count) {
        char separator = unused_separator(values);
        if (separator)
            split_format(fields, separator, format);
        else /* somebody means it: all of it is one value */
            add_only_name(fields);
        values = render(fields, text, size, again);
    }
    va_end(again);
    return values;
}

void log_write(enum log_level level, const char *message, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&current_level, memory_order_relaxed) || level >= LOG_OFF)
        return;
    char line[LOG_LINE_MAX + 1];
    char values[LOG_LINE_MAX];
    struct log_fields fields;
    struct json_writer writer;
    /* Full from the start, so it never grows: the memory is the stack's. */
    struct buf buf = {
        .data = line, .cap = LOG_LINE_MAX - LOG_TAIL_MAX, .max = LOG_LINE_MAX - LOG_TAIL_MAX};
    json_begin(&writer, &buf);
    json_open_object(&writer);
    json_put_time(&writer, "at", clock_now_ms());
    json_put_str(&writer, "level", str_from_c(level_names[level]));
    (void)put_cut(&writer, "msg", str_from_c(message)); /* always fits when cut */
    if (current_request_id.len > 0)
        (void)put_cut(&writer, "request_id", current_request_id); /* the same */
    if (format) {
        va_list args;
        va_start(args, format);
        put_fields(&writer, &fields, render_apart(&fields, format, values, sizeof(values), args));
        va_end(args);
    }
    buf.cap = buf.max = LOG_LINE_MAX;
    json_close_object(&writer);
    buf_append_char(&buf, '\n');
    ssize_t written = write(STDERR_FILENO, buf.data, buf.len);
    (void)written; /* nowhere left to report it */
}
