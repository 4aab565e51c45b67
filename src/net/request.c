/*
 * What a handler asks of its request: headers, cookies, query, and the answer's headers. No socket
 * and no h2o here: a test makes a struct request of its own and sets on_reply.
 *
 * The query is decoded when it is asked for, into the request's arena; most requests have none.
 */
#include "net/request.h"

#include "net/url_internal.h"

#include <assert.h>
#include <unistd.h>

static const char *const method_names[] = {
    [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
    [HTTP_OPTIONS] = "OPTIONS", [HTTP_OTHER] = "OTHER",
};

const char *http_method_name(enum http_method method)
{
    assert(method <= HTTP_OTHER);
    return method_names[method];
}

struct str request_header(const struct request *request, const char *name)
{
    struct str wanted = str_from_c(name);
    for (size_t i = 0; i < request->field_count; i++) {
        if (request->fields[i].name.len == wanted.len && str_eq_ci(request->fields[i].name, wanted))
            return request->fields[i].value;
    }
    return STR_NONE;
}

struct str request_param(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->param_count; i++) {
        if (strcmp(request->params[i].name, name) == 0)
            return request->params[i].value;
    }
    return STR_NONE;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int url_next_byte(struct str raw, bool plus_is_space, size_t *position)
{
    assert(*position < raw.len);
    char c = raw.data[(*position)++];
    if (c == '+' && plus_is_space)
        return ' ';
    if (c != '%')
        return (unsigned char)c;
    if (raw.len - *position < 2)
        return -1;
    int high = hex_digit(raw.data[*position]);
    int low = hex_digit(raw.data[*position + 1]);
    *position += 2;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool needs_decoding(struct str raw, bool plus_is_space)
{
    return str_find(raw, '%', 0) < raw.len || (plus_is_space && str_find(raw, '+', 0) < raw.len);
}

enum err url_decode(struct arena *arena, struct str raw, bool plus_is_space, struct str *ret_text)
{
    struct str text = raw;
    if (needs_decoding(raw, plus_is_space)) {
        char *out = arena_alloc(arena, raw.len);
        if (!out)
            return ERR_NOMEM;
        text = str_from(out, 0);
        for (size_t i = 0; i < raw.len;) {
            int byte = url_next_byte(raw, plus_is_space, &i);
            if (byte < 0)
                return ERR_INVALID;
            out[text.len++] = (char)byte;
        }
    }
    if (str_find(text, '\0', 0) < text.len || !str_is_utf8(text))
        return ERR_INVALID;
    *ret_text = text;
    return ERR_OK;
}

/* Compares without a copy; a name with a bad escape is nobody's name. */
static bool is_named(struct str raw_name, struct str name)
{
    size_t matched = 0;
    for (size_t i = 0; i < raw_name.len; matched++) {
        int byte = url_next_byte(raw_name, true, &i);
        if (matched == name.len || byte != (unsigned char)name.data[matched])
            return false;
    }
    return matched == name.len;
}

/* The next "name=value" that is not empty. */
static bool next_pair(struct str query, size_t *position, struct str *ret_name,
                      struct str *ret_value)
{
    while (*position < query.len) {
        size_t end = str_find(query, '&', *position);
        struct str pair = str_sub(query, *position, end - *position);
        *position = end + 1;
        if (pair.len == 0)
            continue;
        *ret_name = str_split(&pair, '=');
        *ret_value = pair;
        return true;
    }
    return false;
}

enum err request_query(struct request *request, const char *name, struct str *ret_value)
{
    struct str wanted = str_from_c(name);
    struct str pair_name;
    struct str value;
    struct str found = STR_NONE;
    bool is_found = false;
    size_t position = 0;
    while (next_pair(request->query, &position, &pair_name, &value)) {
        if (!is_named(pair_name, wanted))
            continue;
        if (is_found)
            return ERR_INVALID;
        found = value;
        is_found = true;
    }
    return is_found ? url_decode(&request->arena, found, true, ret_value) : ERR_NOT_FOUND;
}

bool request_query_each(struct request *request, size_t *position, struct str *ret_name)
{
    struct str name;
    struct str value;
    if (!next_pair(request->query, position, &name, &value))
        return false;
    /* One that cannot be decoded is shown as it came: the caller does not know it either way. */
    if (url_decode(&request->arena, name, true, ret_name) != ERR_OK)
        *ret_name = name;
    return true;
}

static bool find_cookie(struct str cookies, struct str wanted, struct str *ret_value)
{
    while (cookies.len > 0) {
        struct str value = str_trim(str_split(&cookies, ';'));
        size_t equals = str_find(value, '=', 0);
        if (equals == value.len || !str_eq(str_sub(value, 0, equals), wanted))
            continue;
        value = str_sub(value, equals + 1, value.len);
        if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
            value = str_sub(value, 1, value.len - 2);
        *ret_value = value;
        return true;
    }
    return false;
}

struct str request_cookie(const struct request *request, const char *name)
{
    struct str wanted = str_from_c(name);
    struct str value = STR_NONE;
    for (size_t i = 0; i < request->field_count; i++) {
        if (str_eq_ci(request->fields[i].name, STR("cookie")) &&
            find_cookie(request->fields[i].value, wanted, &value))
            break;
    }
    return value;
}

void response_header(struct request *request, const char *name, struct str value)
{
    struct response *res = &request->res;
    /* A line end in a value would let it write headers of its own; no honest value has one. */
    if (!str_is_printable(value))
        return;
    assert(res->header_count < REQUEST_HEADERS_OUT_MAX);
    res->headers[res->header_count].name = str_from_c(name);
    res->headers[res->header_count].value = value;
    res->header_count++;
}

static void close_file(void *ptr)
{
    const struct response *res = ptr;
    (void)close(res->file.fd); /* only read from */
}

void response_file(struct request *request, int take_fd, int64_t offset, int64_t size)
{
    struct response *res = &request->res;
    assert(take_fd >= 0 && offset >= 0 && size > 0 && !res->body_release);
    res->body = STR_NONE;
    res->file.fd = take_fd;
    res->file.offset = offset;
    res->file.size = size;
    res->body_release = close_file;
    res->body_ptr = res;
}

void request_reply(struct request *request)
{
    assert(request->on_reply);
    assert((request->res.status >= 200 && request->res.status <= 599) ||
           (request->res.status == 101 && request->res.websocket));
    request->on_reply(request);
}
