/*
 * What handlers call: answers, the decoding of bodies, path and query parameters, and the
 * position in a list. Each helper that finds a mistake answers it at once and says so, so that a
 * handler only returns.
 *
 * Threads: whichever owns the call.
 */
#include "app/route.h"

#include <assert.h>
#include <stdlib.h>

#include "app/problem.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"

#define CURSOR_BYTES        24
#define CURSOR_BYTES_OF_TWO 16
#define CURSOR_TEXT_MAX     40
#define LIST_ARRAY_DEPTH    2 /* the envelope is the first, data the second */

/* ---- the routes of a service ---- */

enum err service_join_routes(struct service *service, const struct route_table *tables,
                             size_t table_count)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < table_count; i++)
        count += *tables[i].count;
    assert(count > 0);
    struct route *routes = calloc(count, sizeof(*routes));
    if (!routes)
        return ERR_NOMEM;
    for (size_t i = 0; i < table_count; i++) {
        memcpy(routes + at, tables[i].routes, *tables[i].count * sizeof(*routes));
        at += *tables[i].count;
    }
    service->routes = routes;
    service->route_count = count;
    return ERR_OK;
}

void service_free_routes(struct service *service)
{
    free((void *)service->routes);
    service->routes = NULL;
    service->route_count = 0;
}

/* ---- answers ---- */

void reply_json(struct call *call, int status, struct buf *body)
{
    struct response *res = &call->req->res;
    if (body->is_starved) {
        problem_retry(call, PROBLEM_OVERLOADED, NULL, 1);
        return;
    }
    if (body->overflow) {
        problem_reply(call, PROBLEM_INTERNAL, NULL);
        return;
    }
    res->status = status;
    res->content_type = STR("application/json");
    res->body = buf_str(body);
}

void reply_empty(struct call *call, int status)
{
    struct response *res = &call->req->res;
    res->status = status;
    res->content_type = STR_NONE;
    res->body = STR_NONE;
}

/* If-None-Match (RFC 9110, 13.1.2): weak comparison, so W/ does not count. */
static bool has_etag(struct str list, struct str etag)
{
    while (list.len > 0) {
        struct str item = str_trim(str_split(&list, ','));
        if (str_eq(item, STR("*")))
            return true;
        if (str_starts_with(item, STR("W/")))
            item = str_sub(item, 2, item.len);
        if (item.len == etag.len + 2 && item.data[0] == '"' && item.data[item.len - 1] == '"' &&
            str_eq(str_sub(item, 1, etag.len), etag))
            return true;
    }
    return false;
}

bool reply_not_modified(struct call *call, struct str etag)
{
    struct str quoted = arena_printf(call_arena(call), "\"%.*s\"", STR_ARG(etag));
    response_header(call->req, "etag", quoted);
    if (!has_etag(request_header(call->req, "if-none-match"), etag))
        return false;
    reply_empty(call, 304);
    return true;
}

/* ---- body ---- */

bool call_decode(struct call *call, void *ret)
{
    /* No body at all is an empty object: then what is missing is named. */
    return call_decode_text(call, call->req->body.len > 0 ? call->req->body : STR("{}"), ret);
}

bool call_decode_text(struct call *call, struct str text, void *ret)
{
    static const struct json_field no_fields[] = {{0}};
    const struct json_field *fields = call->route->request ? call->route->request : no_fields;
    struct field_errors errors;
    field_errors_init(&errors, call_arena(call));
    bool is_tolerant = call->route->dialect == DIALECT_HOOKS;
    enum err err = is_tolerant ? json_decode_known(call_arena(call), text, fields, ret, &errors)
                               : json_decode(call_arena(call), text, fields, ret, &errors);
    if (err == ERR_OK)
        return true;
    if (err != ERR_INVALID || errors.count == 0)
        problem_retry(call, PROBLEM_OVERLOADED, NULL, 1);
    else if (errors.items[0].field.len > 0)
        problem_fields(call, &errors);
    else
        problem_reply(call, PROBLEM_MALFORMED_JSON,
                      arena_str_dup(call_arena(call), errors.items[0].message).data);
    return false;
}

/* ---- path ---- */

bool call_param_id(struct call *call, const char *name, const char *prefix, uint64_t *ret_id)
{
    if (id_parse(request_param(call->req, name), prefix, ret_id) == ERR_OK)
        return true;
    problem_reply(call, PROBLEM_NOT_FOUND, NULL);
    return false;
}

bool call_param_id2(struct call *call, const char *name, const char *prefix, uint64_t *ret_shard,
                    uint64_t *ret_id)
{
    if (id_parse2(request_param(call->req, name), prefix, ret_shard, ret_id) == ERR_OK)
        return true;
    problem_reply(call, PROBLEM_NOT_FOUND, NULL);
    return false;
}

/* ---- query ---- */

/* ERR_NOT_FOUND: absent; ERR_INVALID: answered. */
static enum err query_get(struct call *call, const char *name, struct str *ret_value)
{
    enum err err = request_query(call->req, name, ret_value);
    if (err == ERR_OK || err == ERR_NOT_FOUND)
        return err;
    problem_field(call, name, "must be given once, as percent-encoded UTF-8");
    return ERR_INVALID;
}

bool call_query_str(struct call *call, const char *name, struct str *ret)
{
    return query_get(call, name, ret) != ERR_INVALID;
}

bool call_query_i64(struct call *call, const char *name, int64_t min, int64_t max, int64_t *ret)
{
    struct str text;
    enum err err = query_get(call, name, &text);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND;
    int64_t value;
    if (str_to_i64(text, &value) == ERR_OK && value >= min && value <= max) {
        *ret = value;
        return true;
    }
    struct str message = arena_printf(call_arena(call), "must be a whole number from %lld to %lld",
                                      (long long)min, (long long)max);
    problem_field(call, name, message.data);
    return false;
}

bool call_query_f64(struct call *call, const char *name, double min, double max, double *ret)
{
    struct str text;
    enum err err = query_get(call, name, &text);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND;
    double value;
    if (str_to_f64(text, &value) == ERR_OK && value >= min && value <= max) {
        *ret = value;
        return true;
    }
    struct str message =
        arena_printf(call_arena(call), "must be a number from %.10g to %.10g", min, max);
    problem_field(call, name, message.data);
    return false;
}

bool call_query_time(struct call *call, const char *name, int64_t *ret_ms)
{
    struct str text;
    enum err err = query_get(call, name, &text);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND;
    int64_t at_ms;
    if (clock_parse(text, &at_ms) == ERR_OK) {
        *ret_ms = at_ms;
        return true;
    }
    problem_field(call, name, "must be a time as in RFC 3339, such as 2026-01-31T20:00:00Z");
    return false;
}

/* ---- lists ---- */

static void put_be64(uint8_t *out, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

static uint64_t get_be64(const uint8_t *in)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | in[i];
    return value;
}

static bool cursor_parse(struct str text, struct list_page *page)
{
    uint8_t bytes[CURSOR_BYTES];
    size_t len;
    if (base64url_decode(text, bytes, sizeof(bytes), &len) != ERR_OK ||
        (len != sizeof(bytes) && len != CURSOR_BYTES_OF_TWO))
        return false;
    page->has_cursor = true;
    page->a = (int64_t)get_be64(bytes);
    page->b = (int64_t)get_be64(bytes + 8);
    page->c = len == sizeof(bytes) ? (int64_t)get_be64(bytes + 16) : 0;
    return true;
}

bool call_list_page(struct call *call, struct list_page *ret_page)
{
    struct list_page page = {.limit = LIST_LIMIT_DEFAULT};
    struct str cursor;
    if (!call_query_i64(call, "limit", 1, LIST_LIMIT_MAX, &page.limit))
        return false;
    enum err err = query_get(call, "cursor", &cursor);
    if (err == ERR_INVALID)
        return false;
    if (err == ERR_OK && !cursor_parse(cursor, &page)) {
        problem_field(call, "cursor", "is not a next_cursor of this list");
        return false;
    }
    *ret_page = page;
    return true;
}

static void close_with(struct json_writer *writer, const uint8_t *cursor, size_t len)
{
    if (writer->depth == LIST_ARRAY_DEPTH)
        json_close_array(writer);
    if (cursor) {
        struct buf text;
        buf_init(&text, CURSOR_TEXT_MAX);
        base64url_append(&text, cursor, len);
        json_put_str(writer, "next_cursor", buf_str(&text));
        buf_release(&text);
    } else {
        json_put_null(writer, "next_cursor");
    }
    json_close_object(writer);
}

void list_close(struct json_writer *writer, bool has_more, int64_t a, int64_t b)
{
    uint8_t bytes[CURSOR_BYTES_OF_TWO];
    put_be64(bytes, (uint64_t)a);
    put_be64(bytes + 8, (uint64_t)b);
    close_with(writer, has_more ? bytes : NULL, sizeof(bytes));
}

void list_close_at(struct json_writer *writer, bool has_more, int64_t a, int64_t b, int64_t c)
{
    uint8_t bytes[CURSOR_BYTES];
    put_be64(bytes, (uint64_t)a);
    put_be64(bytes + 8, (uint64_t)b);
    put_be64(bytes + 16, (uint64_t)c);
    close_with(writer, has_more ? bytes : NULL, sizeof(bytes));
}
