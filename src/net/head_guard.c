/*
 * The framing guard. h2o 2.2.5 takes heads that other parsers on the way may read differently:
 * two lengths, a length and a coding, two hosts, bare line feeds, folded lines. Whoever can make
 * two parsers disagree can smuggle a request, so the raw head is parsed a second time, strictly by
 * RFC 9112, and whatever is not plainly right is refused and the connection closed.
 *
 * One pass, no allocation; what comes out are slices of the raw bytes. Everything accepted here is
 * read the same way by h2o's own parser (the fuzz target compares them). Any thread.
 */
#include "net/head_internal.h"

#include <assert.h>

/* RFC 9110, 5.6.2: the characters of a token. */
static const bool is_token_char[256] = {
    ['!'] = true,         ['#'] = true,         ['$'] = true,         ['%'] = true, ['&'] = true,
    ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true, ['.'] = true,
    ['^'] = true,         ['_'] = true,         ['`'] = true,         ['|'] = true, ['~'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

/* Host as we take it: a name, an address, a port; no user, no path, no list. */
static const bool is_host_char[256] = {
    ['.'] = true, ['-'] = true,         ['_'] = true,         [':'] = true,         ['['] = true,
    [']'] = true, ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

static const struct {
    int status;
    const char *detail;
} faults[HEAD_FAULT_COUNT] = {
    [HEAD_OK] = {200, ""},
    [HEAD_INCOMPLETE] = {400, "The head of the request has no end."},
    [HEAD_TOO_LARGE] = {431, "The head of the request is over 64 KiB."},
    [HEAD_TOO_MANY_FIELDS] = {431, "The request has more than 100 header fields."},
    [HEAD_BAD_REQUEST_LINE] = {400, "The request line is malformed."},
    [HEAD_BAD_TARGET] = {400, "The request target must be a path of visible ASCII characters."},
    [HEAD_TARGET_TOO_LONG] = {414, "The request target is over 8192 bytes."},
    [HEAD_BAD_LINE_END] = {400, "Lines must end with CR LF."},
    [HEAD_BAD_NAME] = {400, "A header field has a malformed name."},
    [HEAD_FOLDED] = {400, "A header field is folded over several lines."},
    [HEAD_BAD_VALUE] = {400, "A header field has a control character in its value."},
    [HEAD_HOST_MISSING] = {400, "An HTTP/1.1 request needs a Host header."},
    [HEAD_HOST_TWICE] = {400, "There is more than one Host header."},
    [HEAD_BAD_HOST] = {400, "The Host header is malformed."},
    [HEAD_LENGTH_TWICE] = {400, "There is more than one Content-Length header."},
    [HEAD_BAD_LENGTH] = {400, "The Content-Length header is malformed."},
    [HEAD_LENGTH_AND_CODING] = {400, "Content-Length and Transfer-Encoding exclude each other."},
    [HEAD_BAD_CODING] = {400, "Transfer-Encoding must be chunked, once, in HTTP/1.1."},
};

int head_fault_status(enum head_fault fault)
{
    assert(fault < HEAD_FAULT_COUNT);
    return faults[fault].status;
}

const char *head_fault_detail(enum head_fault fault)
{
    assert(fault < HEAD_FAULT_COUNT);
    return faults[fault].detail;
}

static bool is_all(struct str s, const bool table[static 256])
{
    for (size_t i = 0; i < s.len; i++) {
        if (!table[(unsigned char)s.data[i]])
            return false;
    }
    return s.len > 0;
}

/* Nothing below SP but HT, and no DEL. Eight bytes at a time: values are most of a head. */
static bool is_clean_value(struct str s)
{
    const uint64_t ones = UINT64_MAX / 255;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t word;
        memcpy(&word, s.data + i, sizeof(word));
        uint64_t del = word ^ (ones * 0x7f);
        uint64_t low = (word - ones * 0x20) & ~word; /* may also mark a byte beside a low one */
        if (((low | ((del - ones) & ~del)) & (ones * 0x80)) != 0)
            break;
    }
    for (; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* Takes the line at *rest, without its CR LF. A line that is not ended by CR LF is a fault. */
static enum head_fault take_line(struct str *rest, struct str *ret_line)
{
    const char *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    if (!end)
        return HEAD_INCOMPLETE;
    size_t len = (size_t)(end - rest->data);
    if (len == 0 || end[-1] != '\r')
        return HEAD_BAD_LINE_END;
    *ret_line = str_from(rest->data, len - 1);
    *rest = str_from(end + 1, rest->len - len - 1);
    return HEAD_OK;
}

/* Visible ASCII and no '#': a fragment never travels. */
static bool is_clean_target(struct str target)
{
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.data[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return false;
    }
    return target.len > 0;
}

static enum head_fault parse_request_line(struct str line, struct head *head,
                                          struct str *ret_target)
{
    struct str rest = line;
    head->method = str_split(&rest, ' ');
    *ret_target = str_split(&rest, ' ');
    struct str version = rest;
    if (!is_all(head->method, is_token_char) || version.len != 8 ||
        !str_starts_with(version, STR("HTTP/1.")))
        return HEAD_BAD_REQUEST_LINE;
    char minor = version.data[7];
    if (minor < '0' || minor > '9')
        return HEAD_BAD_REQUEST_LINE;
    head->minor = (unsigned)(minor - '0');
    if (ret_target->len > REQUEST_URL_MAX)
        return HEAD_TARGET_TOO_LONG;
    return is_clean_target(*ret_target) ? HEAD_OK : HEAD_BAD_TARGET;
}

/* Absolute form is taken only when it says the very same host as the Host header does. */
static enum head_fault split_target(struct str target, struct head *head)
{
    if (target.data[0] != '/') {
        struct str scheme = str_starts_with(target, STR("http://"))    ? STR("http://")
                            : str_starts_with(target, STR("https://")) ? STR("https://")
                                                                       : STR_NONE;
        struct str rest = str_sub(target, scheme.len, target.len);
        if (scheme.len == 0 || head->host.len == 0 || !str_starts_with(rest, head->host))
            return HEAD_BAD_TARGET;
        target = str_sub(rest, head->host.len, rest.len);
        if (target.len == 0 || target.data[0] != '/')
            return HEAD_BAD_TARGET;
    }
    size_t mark = str_find(target, '?', 0);
    head->path = str_sub(target, 0, mark);
    head->query = str_sub(target, mark + 1, target.len);
    return HEAD_OK;
}

static enum head_fault note_length(struct head *head, struct str value)
{
    if (head->has_length)
        return HEAD_LENGTH_TWICE;
    if (value.len == 0 || value.len > 18)
        return HEAD_BAD_LENGTH;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return HEAD_BAD_LENGTH;
        head->length = head->length * 10 + (uint64_t)(value.data[i] - '0');
    }
    head->has_length = true;
    return HEAD_OK;
}

static enum head_fault note_coding(struct head *head, struct str value)
{
    if (head->is_chunked || head->minor == 0 || !str_eq_ci(value, STR("chunked")))
        return HEAD_BAD_CODING;
    head->is_chunked = true;
    return HEAD_OK;
}

static enum head_fault note_host(struct head *head, struct str value)
{
    if (head->host.len > 0)
        return HEAD_HOST_TWICE;
    if (!is_all(value, is_host_char))
        return HEAD_BAD_HOST;
    head->host = value;
    return HEAD_OK;
}

/* The fields that frame a message. */
static enum head_fault note_field(struct head *head, const struct request_field *field)
{
    switch (field->name.len) {
    case sizeof("host") - 1:
        return str_eq_ci(field->name, STR("host")) ? note_host(head, field->value) : HEAD_OK;
    case sizeof("content-length") - 1:
        return str_eq_ci(field->name, STR("content-length")) ? note_length(head, field->value)
                                                             : HEAD_OK;
    case sizeof("transfer-encoding") - 1:
        return str_eq_ci(field->name, STR("transfer-encoding")) ? note_coding(head, field->value)
                                                                : HEAD_OK;
    default:
        return HEAD_OK;
    }
}

static struct str trim_blanks(struct str s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = str_from(s.data + 1, s.len - 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static enum head_fault parse_field(struct head *head, struct str line)
{
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return HEAD_FOLDED;
    if (head->field_count == HEAD_FIELDS_MAX)
        return HEAD_TOO_MANY_FIELDS;
    size_t colon = 0;
    while (colon < line.len && is_token_char[(unsigned char)line.data[colon]])
        colon++;
    if (colon == 0 || colon == line.len || line.data[colon] != ':')
        return HEAD_BAD_NAME;
    struct str value = str_from(line.data + colon + 1, line.len - colon - 1);
    if (!is_clean_value(value))
        return HEAD_BAD_VALUE;
    struct request_field *field = &head->fields[head->field_count++];
    field->name = str_from(line.data, colon);
    field->value = trim_blanks(value);
    return note_field(head, field);
}

static enum head_fault parse_fields(struct str *rest, struct head *head)
{
    for (;;) {
        struct str line;
        enum head_fault fault = take_line(rest, &line);
        if (fault != HEAD_OK || line.len == 0)
            return fault;
        fault = parse_field(head, line);
        if (fault != HEAD_OK)
            return fault;
    }
}

static void head_clear(struct head *head)
{
    /* The fields are written before they are read: their 3 KiB are not cleared for every request.
     */
    memset(head, 0, offsetof(struct head, fields));
}

enum head_fault head_parse(struct str raw, struct head *ret_head)
{
    struct str rest = str_sub(raw, 0, HEAD_BYTES_MAX);
    struct str line;
    struct str target;
    head_clear(ret_head);
    /* One empty line before the request is an old client's mistake (RFC 9112, 2.2). */
    if (str_starts_with(rest, STR("\r\n")))
        rest = str_sub(rest, 2, rest.len);
    enum head_fault fault = take_line(&rest, &line);
    if (fault == HEAD_OK)
        fault = parse_request_line(line, ret_head, &target);
    if (fault == HEAD_OK)
        fault = parse_fields(&rest, ret_head);
    if (fault == HEAD_INCOMPLETE && raw.len > HEAD_BYTES_MAX)
        return HEAD_TOO_LARGE;
    if (fault != HEAD_OK)
        return fault;
    if (ret_head->has_length && ret_head->is_chunked)
        return HEAD_LENGTH_AND_CODING;
    if (ret_head->host.len == 0 && ret_head->minor > 0)
        return HEAD_HOST_MISSING;
    ret_head->size = (size_t)(rest.data - raw.data);
    return split_target(target, ret_head);
}
