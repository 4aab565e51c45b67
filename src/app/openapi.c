/*
 * The OpenAPI 3.1 document. Nothing of it is written twice: paths, parameters, security and
 * errors follow from the rows of the route tables, request bodies from the tables of fields that
 * decode them; only the answers' schemas are a file of their own (docs/api/schemas.json, put in
 * as it is). So a route that exists is in the document, and as it behaves.
 *
 * Written once at start.
 */
#include "app/openapi.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/commands.h"
#include "app/problem.h"
#include "base/embed.h"

#define SCHEMAS_PATH     "docs/api/schemas.json"
#define ROUTES_MAX       512
#define OPERATION_ID_MAX 160
#define STATUS_MAX       600
#define STATUS_TEXT_SIZE 4

struct statuses {
    bool has[STATUS_MAX];
};

/* ---- schemas of request bodies ---- */

static void put_type(struct json_writer *writer, const char *type, bool is_required)
{
    json_key(writer, "type");
    if (is_required) {
        json_str(writer, str_from_c(type));
        return;
    }
    json_open_array(writer);
    json_str(writer, str_from_c(type));
    json_str(writer, STR("null"));
    json_close_array(writer);
}

static void put_bounds(struct json_writer *writer, const struct json_field *field, const char *min,
                       const char *max)
{
    if (field->min == 0 && field->max == 0)
        return;
    json_put_i64(writer, min, field->min);
    json_put_i64(writer, max, field->max);
}

static void put_one_of(struct json_writer *writer, const struct json_field *field)
{
    if (!field->one_of)
        return;
    json_key(writer, "enum");
    json_open_array(writer);
    for (size_t i = 0; field->one_of[i]; i++)
        json_str(writer, str_from_c(field->one_of[i]));
    if (!field->is_required)
        json_null(writer);
    json_close_array(writer);
}

static void put_text_items(struct json_writer *writer)
{
    json_put_bool(writer, "uniqueItems", true);
    json_key(writer, "items");
    json_open_object(writer);
    json_put_str(writer, "type", STR("string"));
    json_put_i64(writer, "minLength", 1);
    json_put_i64(writer, "maxLength", 256);
    json_close_object(writer);
}

static void put_field_schema(struct json_writer *writer, const struct json_field *field)
{
    static const char *const names[] = {
        [JSON_STR] = "string",    [JSON_I64] = "integer", [JSON_F64] = "number",
        [JSON_BOOL] = "boolean",  [JSON_TIME] = "string", [JSON_STR_LIST] = "array",
        [JSON_OBJECT] = "object", [JSON_ARRAY] = "array",
    };
    json_open_object(writer);
    put_type(writer, names[field->kind], field->is_required);
    if (field->kind == JSON_STR) {
        put_bounds(writer, field, "minLength", "maxLength");
        put_one_of(writer, field);
    } else if (field->kind == JSON_I64 || field->kind == JSON_F64) {
        put_bounds(writer, field, "minimum", "maximum");
    } else if (field->kind == JSON_TIME) {
        json_put_str(writer, "format", STR("date-time"));
    } else if (field->kind == JSON_STR_LIST || field->kind == JSON_ARRAY) {
        put_bounds(writer, field, "minItems", "maxItems");
    }
    if (field->kind == JSON_STR_LIST)
        put_text_items(writer);
    if (field->doc)
        json_put_str(writer, "description", str_from_c(field->doc));
    json_close_object(writer);
}

static bool put_required(struct json_writer *writer, const struct json_field *fields)
{
    bool is_any = false;
    for (const struct json_field *field = fields; field->name; field++) {
        if (!field->is_required)
            continue;
        if (!is_any) {
            json_key(writer, "required");
            json_open_array(writer);
        }
        is_any = true;
        json_str(writer, str_from_c(field->name));
    }
    if (is_any)
        json_close_array(writer);
    return is_any;
}

static void put_request_body(struct json_writer *writer, const struct route *route)
{
    const struct json_field *fields = route->request;
    json_key(writer, "requestBody");
    json_open_object(writer);
    json_key(writer, "content");
    json_open_object(writer);
    json_key(writer, "application/json");
    json_open_object(writer);
    json_key(writer, "schema");
    json_open_object(writer);
    json_put_str(writer, "type", STR("object"));
    json_put_bool(writer, "additionalProperties", route->dialect == DIALECT_HOOKS);
    bool is_required = put_required(writer, fields);
    json_key(writer, "properties");
    json_open_object(writer);
    for (const struct json_field *field = fields; field->name; field++) {
        json_key(writer, field->name);
        put_field_schema(writer, field);
    }
    json_close_object(writer);
    json_close_object(writer);
    json_close_object(writer);
    json_close_object(writer);
    json_put_bool(writer, "required", is_required);
    json_close_object(writer);
}

/* ---- parameters ---- */

static void put_parameter(struct json_writer *writer, const struct route *route, struct str name,
                          const char *in, bool is_required, const char *doc)
{
    int64_t limit_max = route->dialect == DIALECT_HOOKS ? LIST_LIMIT_MAX_HOOKS : LIST_LIMIT_MAX;
    bool is_limit = str_eq(name, STR("limit"));
    json_open_object(writer);
    json_put_str(writer, "name", name);
    json_put_str(writer, "in", str_from_c(in));
    json_put_bool(writer, "required", is_required);
    if (doc)
        json_put_str(writer, "description", str_from_c(doc));
    json_key(writer, "schema");
    json_open_object(writer);
    json_put_str(writer, "type", is_limit ? STR("integer") : STR("string"));
    if (is_limit) {
        json_put_i64(writer, "minimum", 1);
        json_put_i64(writer, "maximum", limit_max);
        json_put_i64(writer, "default", LIST_LIMIT_DEFAULT);
    }
    json_close_object(writer);
    json_close_object(writer);
}

static void put_path_parameters(struct json_writer *writer, const struct route *route)
{
    struct str pattern = str_from_c(route->pattern);
    while (pattern.len > 0) {
        struct str segment = str_split(&pattern, '/');
        if (!str_starts_with(segment, STR("{")))
            continue;
        struct str name = str_sub(segment, 1, segment.len - 2);
        if (str_ends_with(name, STR("*")))
            name.len--;
        put_parameter(writer, route, name, "path", true, NULL);
    }
}

static void put_key_parameter(struct json_writer *writer, const struct route *route)
{
    bool is_required =
        route->idempotency == IDEMPOTENCY_REQUIRED || route->idempotency == IDEMPOTENCY_OWN;
    bool is_accepted = is_required || route->idempotency == IDEMPOTENCY_ACCEPTED ||
                       route->idempotency == IDEMPOTENCY_OWN_OPTIONAL;
    const char *doc =
        route->idempotency == IDEMPOTENCY_OWN_OPTIONAL
            ? "1 to 255 visible ASCII characters; known as long as what it made is kept"
            : "1 to 255 visible ASCII characters; the first success is replayed for 24 hours";
    if (route->method == HTTP_POST && is_accepted)
        put_parameter(writer, route, STR("Idempotency-Key"), "header", is_required, doc);
}

static void put_parameters(struct json_writer *writer, const struct route *route)
{
    struct str names = str_from_c(route->query);
    json_key(writer, "parameters");
    json_open_array(writer);
    put_path_parameters(writer, route);
    while (names.len > 0) {
        struct str name = str_split(&names, ' ');
        if (name.len > 0 && !str_eq(name, STR("*")))
            put_parameter(writer, route, name, "query", false,
                          str_eq(name, STR("cursor")) ? "next_cursor of the page before" : NULL);
    }
    put_key_parameter(writer, route);
    json_close_array(writer);
}

/* ---- responses ---- */

static void statuses_add_listed(struct statuses *statuses, struct str list)
{
    while (list.len > 0) {
        int64_t status;
        if (str_to_i64(str_split(&list, ' '), &status) == ERR_OK && status > 0 &&
            status < STATUS_MAX)
            statuses->has[status] = true;
    }
}

/* What dispatch answers by itself, read from the row as dispatch reads it. */
static void statuses_of(const struct route *route, struct statuses *statuses)
{
    bool has_auth = route->auth != AUTH_NONE;
    bool is_safe = route->method == HTTP_GET;
    bool takes_json = route->request || (!is_safe && !route->takes_any_body);
    bool takes_key = route->method == HTTP_POST && route->idempotency != IDEMPOTENCY_IGNORED;
    bool keeps_answer = takes_key && route->idempotency != IDEMPOTENCY_REFUSED;
    *statuses = (struct statuses){0};
    statuses->has[400] = takes_json || takes_key;
    statuses->has[401] = has_auth;
    statuses->has[403] = route->scopes != 0 || (has_auth && !is_safe);
    statuses->has[404] = strchr(route->pattern, '{') != NULL;
    statuses->has[413] = !is_safe;
    statuses->has[415] = !is_safe && !route->takes_any_body;
    statuses->has[422] = takes_json || keeps_answer || !route->query || route->query[0] != '*';
    statuses->has[429] = route->rate != RATE_NONE;
    statuses->has[500] = true;
    statuses->has[503] = true;
    statuses_add_listed(statuses, str_from_c(route->problems));
}

static void put_schema_content(struct json_writer *writer, const char *media_type,
                               const char *schema)
{
    char reference[128];
    int len = snprintf(reference, sizeof(reference), "#/components/schemas/%s", schema);
    json_key(writer, media_type);
    json_open_object(writer);
    json_key(writer, "schema");
    json_open_object(writer);
    json_put_str(writer, "$ref", str_from(reference, (size_t)len));
    json_close_object(writer);
    json_close_object(writer);
}

static void put_success_content(struct json_writer *writer, const struct route *route)
{
    if (!route->response && !route->media)
        return;
    json_key(writer, "content");
    json_open_object(writer);
    if (route->response)
        put_schema_content(writer, "application/json", route->response);
    if (route->media) {
        json_key(writer, route->media);
        json_open_object(writer);
        json_close_object(writer);
    }
    json_close_object(writer);
}

static void put_success(struct json_writer *writer, const struct route *route, const char *status)
{
    json_key(writer, status);
    json_open_object(writer);
    json_put_str(writer, "description",
                 route->success == 101   ? STR("Switching Protocols")
                 : route->success == 204 ? STR("Done")
                                         : STR("Success"));
    put_success_content(writer, route);
    json_close_object(writer);
}

/* The description names the problem types that have this status. */
static void put_problem(struct json_writer *writer, const struct route *route, int status,
                        const char *status_text)
{
    struct buf names;
    buf_init(&names, 1024);
    for (size_t i = 0; i < PROBLEM_COUNT; i++) {
        if (problem_types[i].status == status)
            buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", problem_types[i].slug);
    }
    json_key(writer, status_text);
    json_open_object(writer);
    json_put_str(writer, "description", buf_str(&names));
    json_key(writer, "content");
    json_open_object(writer);
    if (route->dialect == DIALECT_HOOKS)
        put_schema_content(writer, "application/json",
                           status == 422 ? "HooksInvalid" : "HooksError");
    else
        put_schema_content(writer, "application/problem+json", "Problem");
    json_close_object(writer);
    json_close_object(writer);
    buf_release(&names);
}

static void put_responses(struct json_writer *writer, const struct route *route)
{
    struct statuses statuses;
    char text[STATUS_TEXT_SIZE];
    statuses_of(route, &statuses);
    statuses.has[route->success] = true;
    json_key(writer, "responses");
    json_open_object(writer);
    for (int status = 101; status < STATUS_MAX; status++) {
        if (!statuses.has[status])
            continue;
        (void)snprintf(text, sizeof(text), "%d", status % 1000); /* three digits */
        if (status < 400)
            put_success(writer, route, text);
        else
            put_problem(writer, route, status, text);
    }
    json_close_object(writer);
}

/* ---- operations ---- */

static void put_scheme(struct json_writer *writer, const char *name)
{
    json_open_object(writer);
    json_key(writer, name);
    json_open_array(writer);
    json_close_array(writer);
    json_close_object(writer);
}

static void put_security(struct json_writer *writer, const struct route *route)
{
    json_key(writer, "security");
    json_open_array(writer);
    if (route->auth != AUTH_NONE) {
        put_scheme(writer, "bearer");
        put_scheme(writer, "cookie");
    }
    if (route->auth == AUTH_OPTIONAL) {
        json_open_object(writer);
        json_close_object(writer);
    }
    json_close_array(writer);
}

static void put_scopes(struct json_writer *writer, unsigned scopes)
{
    static const struct {
        unsigned scope;
        const char *name;
    } names[] = {{SCOPE_ORGANIZER, "organizer"},
                 {SCOPE_CHECK_IN, "check-in"},
                 {SCOPE_SUPPORT, "support"},
                 {SCOPE_ADMIN, "admin"},
                 {SCOPE_PORTAL, "portal"}};
    if (scopes == 0)
        return;
    json_key(writer, "x-scopes");
    json_open_array(writer);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (scopes & names[i].scope)
            json_str(writer, str_from_c(names[i].name));
    }
    json_close_array(writer);
}

/* "get_v1_events_id". */
static struct str operation_id(const struct route *route, char ret_text[static OPERATION_ID_MAX])
{
    char raw[OPERATION_ID_MAX];
    size_t len = 0;
    (void)snprintf(raw, sizeof(raw), "%s%s", http_method_name(route->method), route->pattern);
    for (const char *c = raw; *c; c++) {
        bool is_letter = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
        bool is_upper = *c >= 'A' && *c <= 'Z';
        if (is_letter || is_upper)
            ret_text[len++] = is_upper ? (char)(*c - 'A' + 'a') : *c;
        else if (len > 0 && ret_text[len - 1] != '_')
            ret_text[len++] = '_';
    }
    if (len > 0 && ret_text[len - 1] == '_')
        len--;
    return str_from(ret_text, len);
}

static void put_operation(struct json_writer *writer, const struct route *route)
{
    char id[OPERATION_ID_MAX];
    char method[16];
    struct str name = str_from_c(http_method_name(route->method));
    for (size_t i = 0; i <= name.len; i++)
        method[i] = i < name.len ? (char)(name.data[i] - 'A' + 'a') : '\0';
    json_key(writer, method);
    json_open_object(writer);
    json_put_str(writer, "operationId", operation_id(route, id));
    if (route->summary)
        json_put_str(writer, "summary", str_from_c(route->summary));
    json_key(writer, "tags");
    json_open_array(writer);
    json_str(writer, route->tag ? str_from_c(route->tag) : STR("platform"));
    json_close_array(writer);
    put_security(writer, route);
    put_parameters(writer, route);
    if (route->request)
        put_request_body(writer, route);
    put_responses(writer, route);
    put_scopes(writer, route->scopes);
    json_put_bool(writer, "x-retry-safe", route->is_retry_safe);
    json_put_bool(writer, "x-may-lag", route->may_lag);
    json_close_object(writer);
}

/* ---- the document ---- */

static int order_routes(const void *a, const void *b)
{
    const struct route *left = *(const struct route *const *)a;
    const struct route *right = *(const struct route *const *)b;
    int order = strcmp(left->pattern, right->pattern);
    return order ? order : (int)left->method - (int)right->method;
}

static size_t collect(struct service *const *services, size_t service_count,
                      const struct route **routes)
{
    size_t count = 0;
    for (size_t i = 0; i < service_count; i++) {
        for (size_t j = 0; j < services[i]->route_count && count < ROUTES_MAX; j++) {
            if (!services[i]->routes[j].is_hidden)
                routes[count++] = &services[i]->routes[j];
        }
    }
    qsort(routes, count, sizeof(routes[0]), order_routes);
    return count;
}

static void put_paths(struct json_writer *writer, const struct route *const *routes, size_t count)
{
    json_key(writer, "paths");
    json_open_object(writer);
    for (size_t i = 0; i < count; i++) {
        bool is_first = i == 0 || strcmp(routes[i]->pattern, routes[i - 1]->pattern) != 0;
        bool is_last = i + 1 == count || strcmp(routes[i]->pattern, routes[i + 1]->pattern) != 0;
        if (is_first) {
            json_key(writer, routes[i]->pattern);
            json_open_object(writer);
        }
        put_operation(writer, routes[i]);
        if (is_last)
            json_close_object(writer);
    }
    json_close_object(writer);
}

static void put_info(struct json_writer *writer)
{
    json_key(writer, "info");
    json_open_object(writer);
    json_put_str(writer, "title", STR("Foyer"));
    json_put_str(writer, "version", STR(FOYER_VERSION));
    json_put_str(
        writer, "description",
        STR("Front of house for live events. Errors are problem documents (RFC 9457) whose "
            "type is a stable slug. x-retry-safe: repeating is harmless without an "
            "Idempotency-Key. x-may-lag: the answer may be a moment old."));
    json_close_object(writer);
    json_key(writer, "servers");
    json_open_array(writer);
    json_open_object(writer);
    json_put_str(writer, "url", STR("/"));
    json_close_object(writer);
    json_close_array(writer);
}

static void put_components(struct json_writer *writer, struct str schemas)
{
    json_key(writer, "components");
    json_open_object(writer);
    json_key(writer, "securitySchemes");
    json_raw(writer,
             STR("{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":"
                 "\"A session token, or an API key sk_...\"},\"cookie\":{\"type\":\"apiKey\","
                 "\"in\":\"cookie\",\"name\":\"foyer_session\"}}"));
    json_key(writer, "schemas");
    json_raw(writer, schemas);
    json_close_object(writer);
}

static struct str embedded_schemas(void)
{
    for (const struct embed_file *file = embed_files; file->path; file++) {
        if (strcmp(file->path, SCHEMAS_PATH) == 0)
            return str_trim(str_from(file->begin, (size_t)(file->end - file->begin)));
    }
    return STR_NONE;
}

enum err openapi_write(struct service *const *services, size_t service_count, struct buf *buf)
{
    struct str schemas = embedded_schemas();
    const struct route **routes = calloc(ROUTES_MAX, sizeof(*routes));
    if (!routes)
        return ERR_NOMEM;
    size_t count = collect(services, service_count, routes);
    struct json_writer writer;
    json_begin(&writer, buf);
    json_open_object(&writer);
    json_put_str(&writer, "openapi", STR("3.1.0"));
    put_info(&writer);
    put_paths(&writer, routes, count);
    put_components(&writer, schemas);
    json_close_object(&writer);
    free(routes);
    if (schemas.len == 0)
        return ERR_CORRUPT;
    return buf->overflow ? ERR_NOMEM : ERR_OK;
}
