/*
 * A mail as bytes.
 *
 *   multipart/mixed                      only with a file
 *     multipart/alternative
 *       text/plain                       quoted-printable
 *       text/html                        quoted-printable
 *     application/pdf                    base64
 *
 * Boundaries begin with "=_", which neither quoted-printable nor base64 can contain (RFC
 * 2045, 6.7), and end with the local part of the message id: the same mail has the same bytes,
 * however often it is made.
 */
#include "tickets/mail_mime.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#include "base/crypto.h"

#define CRLF STR("\r\n")
#define WORD_BYTES_MAX                                                                             \
    45 /* of text in an encoded word: 60 of base64, 72 with its frame; 75 allowed */
#define PLAIN_HEADER_MAX 70
#define QP_LINE_MAX      76
#define BASE64_LINE_IN   57 /* bytes that make 76 characters */
#define FILE_NAME_MAX    40
#define BOUNDARY_MAX     60 /* RFC 2046: 70, and four are ours */

/* --- Addresses --- */

bool mail_address_is_safe(struct str address)
{
    size_t at = str_find(address, '@', 0);
    if (address.len > MAIL_ADDRESS_MAX || at == 0 || at + 1 >= address.len ||
        str_find(address, '@', at + 1) != address.len)
        return false;
    for (size_t i = 0; i < address.len; i++) {
        unsigned char c = (unsigned char)address.data[i];
        if (c <= ' ' || c == 0x7f || strchr("<>()[]\\,;:\"", c))
            return false;
    }
    return str_is_utf8(address);
}

enum err mail_address_parse(struct str text, struct str *ret_name, struct str *ret_address)
{
    text = str_trim(text);
    struct str name = STR_NONE, address = text;
    size_t open = str_find(text, '<', 0);
    if (open < text.len) {
        if (!str_ends_with(text, STR(">")))
            return ERR_INVALID;
        name = str_trim(str_sub(text, 0, open));
        address = str_sub(text, open + 1, text.len - open - 2);
    }
    if (name.len >= 2 && name.data[0] == '"' && name.data[name.len - 1] == '"')
        name = str_sub(name, 1, name.len - 2);
    if (!mail_address_is_safe(address) || !str_is_utf8(name))
        return ERR_INVALID;
    *ret_name = name;
    *ret_address = address;
    return ERR_OK;
}

/* --- Headers --- */

static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < ' ' || c > '~')
            return false;
    }
    return text.len <= PLAIN_HEADER_MAX && !memmem(text.data ? text.data : "", text.len, "=?", 2);
}

/* How much of text, at most WORD_BYTES_MAX, ends between two characters. */
static size_t word_len(struct str text)
{
    if (text.len <= WORD_BYTES_MAX)
        return text.len;
    size_t len = WORD_BYTES_MAX;
    while (len > 1 && ((unsigned char)text.data[len] & 0xc0) == 0x80)
        len--;
    return len;
}

/* RFC 2047, base64; each word on a line of its own. */
static void append_words(struct buf *buf, struct str text)
{
    for (bool is_first = true; text.len > 0; is_first = false) {
        char clean[WORD_BYTES_MAX];
        size_t len = word_len(text);
        for (size_t i = 0; i < len; i++) {
            unsigned char c = (unsigned char)text.data[i];
            clean[i] = c < ' ' || c == 0x7f ? ' ' : text.data[i];
        }
        if (!is_first)
            buf_append_str(buf, STR("\r\n "));
        buf_append_str(buf, STR("=?UTF-8?B?"));
        base64_append(buf, clean, len);
        buf_append_str(buf, STR("?="));
        text = str_sub(text, len, text.len);
    }
}

static void append_address(struct buf *buf, const char *header, struct str name, struct str address)
{
    assert(mail_address_is_safe(address));
    buf_printf(buf, "%s: ", header);
    if (name.len > 0 && is_plain(name)) {
        buf_append_char(buf, '"');
        for (size_t i = 0; i < name.len; i++) {
            if (name.data[i] == '"' || name.data[i] == '\\')
                buf_append_char(buf, '\\');
            buf_append_char(buf, name.data[i]);
        }
        buf_append_char(buf, '"');
    } else {
        append_words(buf, name);
    }
    buf_printf(buf, "%s<%.*s>\r\n", name.len > 0 ? "\r\n " : "", STR_ARG(address));
}

static void append_subject(struct buf *buf, struct str subject)
{
    buf_append_str(buf, STR("Subject: "));
    if (is_plain(subject))
        buf_append_str(buf, subject);
    else
        append_words(buf, subject);
    buf_append_str(buf, CRLF);
}

static void append_date(struct buf *buf, int64_t at_ms)
{
    char text[64];
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t len = strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", &parts);
    buf_printf(buf, "Date: %.*s\r\n", (int)len, text);
}

/* --- Bodies --- */

static bool needs_qp(struct str line, size_t at)
{
    unsigned char c = (unsigned char)line.data[at];
    if (c == ' ' || c == '\t')
        return at + 1 == line.len; /* spaces at the end of a line get lost on the way */
    return c < '!' || c > '~' || c == '=';
}

static void append_qp_line(struct buf *buf, struct str line)
{
    size_t column = 0;
    for (size_t i = 0; i < line.len; i++) {
        bool is_coded = needs_qp(line, i);
        size_t width = is_coded ? 3 : 1;
        size_t room = i + 1 == line.len ? QP_LINE_MAX : QP_LINE_MAX - 1; /* for the soft break */
        if (column + width > room) {
            buf_append_str(buf, STR("=\r\n"));
            column = 0;
        }
        if (is_coded)
            buf_printf(buf, "=%02X", (unsigned)(unsigned char)line.data[i]);
        else
            buf_append_char(buf, line.data[i]);
        column += width;
    }
    buf_append_str(buf, CRLF);
}

static void append_qp(struct buf *buf, struct str text)
{
    while (text.len > 0)
        append_qp_line(buf, str_split(&text, '\n'));
}

static void append_base64(struct buf *buf, struct str data)
{
    while (data.len > 0) {
        struct str line = str_sub(data, 0, BASE64_LINE_IN);
        base64_append(buf, line.data, line.len);
        buf_append_str(buf, CRLF);
        data = str_sub(data, line.len, data.len);
    }
}

static void append_text_part(struct buf *buf, const char *subtype, struct str text)
{
    buf_printf(buf,
               "Content-Type: text/%s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
               subtype);
    append_qp(buf, text);
}

/* What is before the @, cut to what a boundary may have. */
static struct str boundary_of(const struct mail_message *message)
{
    struct str id = message->message_id;
    return str_sub(id, 0, str_find(str_sub(id, 0, BOUNDARY_MAX), '@', 0));
}

static void append_alternative(struct buf *buf, const struct mail_message *message)
{
    struct str id = boundary_of(message);
    buf_printf(buf, "Content-Type: multipart/alternative;\r\n boundary=\"=_a.%.*s\"\r\n\r\n",
               STR_ARG(id));
    buf_printf(buf, "--=_a.%.*s\r\n", STR_ARG(id));
    append_text_part(buf, "plain", message->text);
    buf_printf(buf, "\r\n--=_a.%.*s\r\n", STR_ARG(id));
    append_text_part(buf, "html", message->html);
    buf_printf(buf, "\r\n--=_a.%.*s--\r\n", STR_ARG(id));
}

static bool is_token(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '.' || c == '_';
}

/* Whole characters, FILE_NAME_MAX bytes at most. */
static size_t file_name_len(struct str name)
{
    size_t len = name.len < FILE_NAME_MAX ? name.len : FILE_NAME_MAX;
    while (len > 0 && len < name.len && ((unsigned char)name.data[len] & 0xc0) == 0x80)
        len--;
    return len;
}

/* As it is when it is words of ASCII, otherwise as RFC 2231 has it. */
static void append_file_name(struct buf *buf, struct str name)
{
    name = str_sub(name, 0, file_name_len(name));
    bool is_simple = true;
    for (size_t i = 0; i < name.len; i++)
        is_simple &= name.data[i] == ' ' || is_token((unsigned char)name.data[i]);
    if (is_simple) {
        buf_printf(buf, " filename=\"%.*s\"", STR_ARG(name));
        return;
    }
    buf_append_str(buf, STR(" filename*=UTF-8''"));
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];
        if (is_token(c))
            buf_append_char(buf, (char)c);
        else
            buf_printf(buf, "%%%02X", (unsigned)(c < ' ' || c == 0x7f ? '_' : c));
    }
}

static void append_file(struct buf *buf, const struct mail_message *message)
{
    buf_append_str(buf, STR("Content-Type: application/pdf\r\n"
                            "Content-Transfer-Encoding: base64\r\n"
                            "Content-Disposition: attachment;\r\n"));
    append_file_name(buf, message->file_name);
    buf_append_str(buf, STR("\r\n\r\n"));
    append_base64(buf, message->file);
}

void mail_write(const struct mail_message *message, struct buf *buf)
{
    struct str id = boundary_of(message);
    append_date(buf, message->date_ms);
    append_address(buf, "From", message->from_name, message->from_address);
    append_address(buf, "To", message->to_name, message->to_address);
    append_subject(buf, message->subject);
    buf_printf(buf,
               "Message-ID: <%.*s>\r\nMIME-Version: 1.0\r\n"
               "Auto-Submitted: auto-generated\r\n",
               STR_ARG(message->message_id));
    if (message->file.len == 0) {
        append_alternative(buf, message);
        return;
    }
    buf_printf(buf, "Content-Type: multipart/mixed;\r\n boundary=\"=_m.%.*s\"\r\n\r\n",
               STR_ARG(id));
    buf_printf(buf, "--=_m.%.*s\r\n", STR_ARG(id));
    append_alternative(buf, message);
    buf_printf(buf, "\r\n--=_m.%.*s\r\n", STR_ARG(id));
    append_file(buf, message);
    buf_printf(buf, "\r\n--=_m.%.*s--\r\n", STR_ARG(id));
}
