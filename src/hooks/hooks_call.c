/* See hooks_call.h. */
#include "hooks/hooks_call.h"

#include "base/clock.h"
#include "base/ids.h"
#include "hooks/endpoint_store.h"
#include "hooks/routing.h"

/* ---- what a path names ---- */

static enum err not_found(struct call *call, const char *detail)
{
    problem_reply(call, PROBLEM_NOT_FOUND, detail);
    return ERR_NOT_FOUND;
}

static bool is_visible(const struct call *call, const struct application *application)
{
    if (call->caller->portal_app_id)
        return application->id == call->caller->portal_app_id;
    return application->account_id == call->caller->account_id ||
           (call->caller->scopes & SCOPE_ADMIN) != 0;
}

enum err hooks_find_application(struct call *call, struct db *db,
                                struct application *ret_application)
{
    struct str text = request_param(call->req, "app");
    uint64_t id;
    enum err err = ERR_NOT_FOUND;
    if (id_parse(text, "app", &id) == ERR_OK)
        err = application_store_get(db, call_arena(call), id, ret_application);
    if (!err && !is_visible(call, ret_application))
        err = ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND)
        err = application_store_find(db, call_arena(call), call->caller->account_id, text,
                                     ret_application);
    if (!err && !is_visible(call, ret_application))
        err = ERR_NOT_FOUND;
    /* The job has locked that one alone. */
    if (!err && call->shard && ret_application->id != call->shard)
        err = ERR_NOT_FOUND;
    return err;
}

void hooks_call_shard(struct call *call)
{
    bool keeps_answer = call->route->method == HTTP_POST && call->idempotency_key.data;
    uint64_t id;
    if (!keeps_answer && id_parse(request_param(call->req, "app"), "app", &id) == ERR_OK)
        call->shard = id;
}

enum err hooks_prepare_shard(struct call *call, struct db *db)
{
    (void)db;
    hooks_call_shard(call);
    return ERR_OK;
}

enum err hooks_call_application(struct call *call, struct db *db,
                                struct application *ret_application)
{
    enum err err = hooks_find_application(call, db, ret_application);
    return err == ERR_NOT_FOUND ? not_found(call, "There is no such application.") : err;
}

bool hooks_known_application(struct call *call, uint64_t *ret_app_id)
{
    struct application application = {0};
    struct str text = request_param(call->req, "app");
    if (id_parse(text, "app", &application.id) != ERR_OK ||
        !routing_knows(hooks_of(call)->routing, application.id, &application.account_id))
        return false;
    *ret_app_id = application.id;
    return is_visible(call, &application);
}

enum err hooks_find_endpoint(struct call *call, struct db *db, uint64_t app_id,
                             struct endpoint *ret_endpoint)
{
    struct str text = request_param(call->req, "ep");
    uint64_t shard, id;
    enum err err = ERR_NOT_FOUND;
    if (id_parse2(text, "ep", &shard, &id) == ERR_OK && shard == app_id)
        err = endpoint_store_get(db, call_arena(call), app_id, id, ret_endpoint);
    if (err == ERR_NOT_FOUND)
        err = endpoint_store_find(db, call_arena(call), app_id, text, ret_endpoint);
    return err;
}

enum err hooks_call_endpoint(struct call *call, struct db *db, uint64_t app_id,
                             struct endpoint *ret_endpoint)
{
    enum err err = hooks_find_endpoint(call, db, app_id, ret_endpoint);
    return err == ERR_NOT_FOUND ? not_found(call, "There is no such endpoint.") : err;
}

enum err hooks_call_both(struct call *call, struct db *db, struct endpoint *ret_endpoint)
{
    struct application application;
    enum err err = hooks_call_application(call, db, &application);
    return err ? err : hooks_call_endpoint(call, db, application.id, ret_endpoint);
}

enum err hooks_call_message(struct call *call, struct db *db, uint64_t app_id, bool with_payload,
                            struct message *ret_message)
{
    uint64_t shard, id;
    enum err err = ERR_NOT_FOUND;
    if (id_parse2(request_param(call->req, "msg"), "msg", &shard, &id) == ERR_OK && shard == app_id)
        err = message_store_get(db, call_arena(call), app_id, id, clock_now_ms(), with_payload,
                                ret_message);
    return err == ERR_NOT_FOUND ? not_found(call, "There is no such message.") : err;
}

/* ---- texts ---- */

bool hooks_is_name(struct str name)
{
    if (name.len == 0 || name.len > UID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

bool hooks_may_make(const struct call *call, const char *param, const char *prefix, bool has_uid,
                    struct str uid)
{
    struct str text = request_param(call->req, param);
    uint64_t shard, id;
    bool is_id =
        id_parse(text, prefix, &id) == ERR_OK || id_parse2(text, prefix, &shard, &id) == ERR_OK;
    return call->route->method == HTTP_PUT && !is_id && hooks_is_name(text) &&
           (!has_uid || str_eq(uid, text));
}

bool hooks_check_uid(struct call *call, struct str uid)
{
    uint64_t shard, id;
    bool is_id = id_parse(uid, "app", &id) == ERR_OK || id_parse2(uid, "ep", &shard, &id) == ERR_OK;
    if (hooks_is_name(uid) && !is_id)
        return true;
    problem_field(call, "uid",
                  is_id ? "must not be an id" : "must be 1 to 256 of A-Z a-z 0-9 - _ .");
    return false;
}

bool hooks_check_printable(struct call *call, const char *field, struct str text)
{
    if (str_is_printable(text))
        return true;
    problem_field(call, field, "must not have control characters");
    return false;
}

bool hooks_texts(struct call *call, const char *field, const struct json_node *object,
                 size_t count_max, size_t bytes_max, struct str *ret_json)
{
    struct buf *buf = buf_new_in(call_arena(call), bytes_max);
    struct json_writer writer;
    void *position = NULL;
    struct str name, text;
    struct json_node *value;
    *ret_json = STR("{}");
    if (!object)
        return true;
    if (!buf) {
        problem_retry(call, PROBLEM_OVERLOADED, NULL, 1);
        return false;
    }
    json_begin(&writer, buf);
    json_open_object(&writer);
    while (json_each(object, &position, &name, &value)) {
        struct str key = arena_str_dup(call_arena(call), name);
        if (!json_as_str(value, &text) || !key.data) {
            problem_field(call, field, "must have texts only");
            return false;
        }
        json_put_str(&writer, key.data, text);
    }
    json_close_object(&writer);
    if (json_count(object) > count_max || buf->overflow) {
        problem_field(call, field, "is too large");
        return false;
    }
    *ret_json = buf_str(buf);
    return true;
}

bool hooks_is_null(const struct json_node *body, const char *name)
{
    return json_is_null_node(json_get(body, name));
}

bool hooks_parse_body(struct call *call, struct json_node **ret_body)
{
    struct str message = STR_NONE;
    struct str text = call->req->body.len > 0 ? call->req->body : STR("{}");
    enum err err = json_parse(call_arena(call), text, ret_body, &message);
    if (err == ERR_INVALID)
        problem_reply(call, PROBLEM_MALFORMED_JSON, arena_str_dup(call_arena(call), message).data);
    else if (err)
        problem_retry(call, PROBLEM_OVERLOADED, NULL, 1);
    return !err;
}

struct str hooks_lines(struct arena *arena, const struct json_strs *list)
{
    size_t size = 1;
    for (size_t i = 0; i < list->count; i++)
        size += list->items[i].len + 1;
    char *lines = arena_alloc(arena, size);
    size_t len = 0;
    if (!lines)
        return STR_NONE;
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            lines[len++] = '\n';
        memcpy(lines + len, list->items[i].data, list->items[i].len);
        len += list->items[i].len;
    }
    return str_from(lines, len);
}

struct str hooks_split_commas(struct arena *arena, struct str list)
{
    struct str copy = arena_str_dup(arena, list);
    for (size_t i = 0; i < copy.len; i++) {
        char *c = (char *)(uintptr_t)copy.data + i; /* our own copy */
        *c = *c == ',' ? '\n' : *c;
    }
    return copy.data ? copy : STR("");
}

void hooks_put_lines(struct json_writer *writer, const char *name, struct str lines)
{
    json_key(writer, name);
    if (lines.len == 0) {
        json_null(writer);
        return;
    }
    json_open_array(writer);
    while (lines.len > 0)
        json_str(writer, str_split(&lines, '\n'));
    json_close_array(writer);
}

void hooks_put_rate(struct json_writer *writer, int64_t throttle_rate)
{
    static const char *const names[] = {"throttleRate", "rateLimit"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (throttle_rate)
            json_put_i64(writer, names[i], throttle_rate);
        else
            json_put_null(writer, names[i]);
    }
}

void hooks_put_optional(struct json_writer *writer, const char *name, struct str text)
{
    if (text.data)
        json_put_str(writer, name, text);
    else
        json_put_null(writer, name);
}

/* ---- lists ---- */

static bool page_order(struct call *call, bool *is_ascending)
{
    struct str order = STR_NONE;
    if (!call_query_str(call, "order", &order))
        return false;
    if (!order.data)
        return true;
    *is_ascending = str_eq(order, STR("ascending"));
    if (*is_ascending || str_eq(order, STR("descending")))
        return true;
    problem_field(call, "order", "must be ascending or descending");
    return false;
}

bool hooks_call_page(struct call *call, bool is_ascending, struct hooks_page *ret_page)
{
    struct hooks_page page = {.is_ascending = is_ascending};
    int64_t limit = LIST_LIMIT_DEFAULT;
    if (!call_query_i64(call, "limit", 1, LIST_LIMIT_MAX_HOOKS, &limit) ||
        !call_query_str(call, "iterator", &page.iterator) || !page_order(call, &page.is_ascending))
        return false;
    page.limit = (size_t)limit;
    page.is_back = str_starts_with(page.iterator, STR("-"));
    if (page.is_back)
        page.iterator = str_sub(page.iterator, 1, page.iterator.len);
    if (page.iterator.len == 0)
        page.iterator = STR_NONE;
    *ret_page = page;
    return true;
}

bool hooks_page_id(struct call *call, const struct hooks_page *page, const char *prefix,
                   uint64_t shard, uint64_t *ret_id)
{
    uint64_t id_shard = 0;
    *ret_id = 0;
    if (!page->iterator.data)
        return true;
    enum err err = shard ? id_parse2(page->iterator, prefix, &id_shard, ret_id)
                         : id_parse(page->iterator, prefix, ret_id);
    if (!err && id_shard == shard)
        return true;
    problem_field(call, "iterator", "is not an iterator of this list");
    return false;
}

struct hooks_rows hooks_rows(const struct hooks_page *page, size_t count)
{
    bool is_done = count <= page->limit;
    return (struct hooks_rows){is_done ? count : page->limit, is_done};
}

size_t hooks_row(const struct hooks_page *page, const struct hooks_rows *rows, size_t i)
{
    return page->is_back ? rows->count - 1 - i : i;
}

enum err hooks_list_begin(struct call *call, struct json_writer *ret_writer, struct buf **ret_body)
{
    *ret_body = buf_new_in(call_arena(call), HOOKS_LIST_BYTES_MAX);
    if (!*ret_body)
        return ERR_NOMEM;
    json_begin(ret_writer, *ret_body);
    json_open_object(ret_writer);
    json_key(ret_writer, "data");
    json_open_array(ret_writer);
    return ERR_OK;
}

void hooks_list_end(struct call *call, struct json_writer *writer, bool is_done, struct str first,
                    struct str last)
{
    json_close_array(writer);
    json_put_bool(writer, "done", is_done);
    hooks_put_optional(writer, "iterator", last);
    if (first.data)
        first = arena_printf(call_arena(call), "-%.*s", STR_ARG(first));
    hooks_put_optional(writer, "prevIterator", first);
    json_close_object(writer);
    reply_json(call, 200, writer->buf);
}
