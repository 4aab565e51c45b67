/*
 * Event types: names that an account's messages have, for people to choose from. Nothing depends on
 * them: a message may have a type that nobody has described.
 *
 * Deleting one archives it; with ?expunge=true it is gone. Creating an archived one brings it back.
 */
#include "base/json_slice.h"
#include "hooks/event_type.h"
#include "hooks/hooks_call.h"

#define SCHEMAS_BYTES_MAX (64u << 10)

struct type_body {
    struct str name, description, group_name;
    bool is_archived, is_deprecated;
    struct json_node *schemas;
    bool has_name, has_description, has_group, has_archived, has_deprecated;
};

#define AT(member)  .offset = offsetof(struct type_body, member)
#define HAS(member) .has_offset = offsetof(struct type_body, member)
#define OPTIONAL_FIELDS                                                                            \
    {.name = "archived", .kind = JSON_BOOL, AT(is_archived), HAS(has_archived)},                   \
        {.name = "deprecated", .kind = JSON_BOOL, AT(is_deprecated), HAS(has_deprecated)},         \
        {.name = "groupName",                                                                      \
         .kind = JSON_STR,                                                                         \
         AT(group_name),                                                                           \
         HAS(has_group),                                                                           \
         .min = 1,                                                                                 \
         .max = NAME_BYTES_MAX},                                                                   \
        {.name = "schemas",                                                                        \
         .kind = JSON_OBJECT,                                                                      \
         AT(schemas),                                                                              \
         .doc = "JSON schemas of payloads by version"},                                            \
    {                                                                                              \
        0                                                                                          \
    }
#define DESCRIPTION                                                                                \
    .name = "description", .kind = JSON_STR, AT(description), HAS(has_description),                \
    .max = DESCRIPTION_BYTES_MAX

static const struct json_field create_fields[] = {{.name = "name",
                                                   .kind = JSON_STR,
                                                   AT(name),
                                                   HAS(has_name),
                                                   .is_required = true,
                                                   .min = 1,
                                                   .max = NAME_BYTES_MAX},
                                                  {DESCRIPTION, .is_required = true},
                                                  OPTIONAL_FIELDS};
static const struct json_field put_fields[] = {{DESCRIPTION, .is_required = true}, OPTIONAL_FIELDS};
static const struct json_field patch_fields[] = {{DESCRIPTION}, OPTIONAL_FIELDS};
#undef AT
#undef HAS

struct form {
    struct type_body body;
    struct json_node *tree; /* PATCH */
    struct str schemas;     /* as they were sent; STR_NONE: none */
};

/* A '-' in front would be taken for the sign of an iterator. */
static bool is_type_name(struct str name)
{
    return hooks_is_name(name) && name.data[0] != '-';
}

static void write_type(struct json_writer *writer, const struct event_type *type, bool with_schemas)
{
    json_open_object(writer);
    json_put_str(writer, "name", type->name);
    json_put_str(writer, "description", type->description);
    json_put_bool(writer, "archived", type->is_archived);
    json_put_bool(writer, "deprecated", type->is_deprecated);
    hooks_put_optional(writer, "groupName", type->group_name);
    json_key(writer, "schemas");
    if (type->schemas.data && with_schemas)
        json_raw(writer, type->schemas);
    else
        json_null(writer);
    json_put_time(writer, "createdAt", type->created_at);
    json_put_time(writer, "updatedAt", type->updated_at);
    json_close_object(writer);
}

static enum err reply_type(struct call *call, int status, const struct event_type *type)
{
    struct buf *body = buf_new_in(call_arena(call), SCHEMAS_BYTES_MAX + 16384);
    struct json_writer writer;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    write_type(&writer, type, true);
    reply_json(call, status, body);
    return ERR_OK;
}

static enum err not_found(struct call *call)
{
    problem_reply(call, PROBLEM_NOT_FOUND, "There is no such event type.");
    return ERR_OK;
}

/* ---- bodies ---- */

static enum err form_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct form *form = ARENA_NEW(call_arena(call), struct form);
    size_t at;
    if (!form)
        return ERR_NOMEM;
    call->prepared = form;
    if (call->route->method == HTTP_PATCH && !hooks_parse_body(call, &form->tree))
        return ERR_OK;
    if (!call_decode(call, &form->body))
        return ERR_OK;
    struct str name = form->body.has_name ? form->body.name : request_param(call->req, "name");
    if (!is_type_name(name))
        problem_field(call, "name", "must be of letters, digits, - _ . and not begin with -");
    else if (form->body.schemas &&
             (json_slice(call->req->body, "schemas", &form->schemas, &at) != ERR_OK ||
              form->schemas.len > SCHEMAS_BYTES_MAX))
        problem_field(call, "schemas", "are too large");
    else if (hooks_check_printable(call, "description", form->body.description))
        (void)hooks_check_printable(call, "groupName", form->body.group_name); /* has answered */
    return ERR_OK;
}

static void fill(struct event_type *type, const struct form *form, int64_t now_ms)
{
    const struct type_body *body = &form->body;
    type->description = body->description;
    type->is_archived = body->is_archived;
    type->is_deprecated = body->is_deprecated;
    type->group_name = body->has_group ? body->group_name : STR_NONE;
    type->schemas = form->schemas;
    type->updated_at = now_ms;
}

static void patch(struct event_type *type, const struct form *form, int64_t now_ms)
{
    const struct type_body *body = &form->body;
    if (body->has_description)
        type->description = body->description;
    if (body->has_archived)
        type->is_archived = body->is_archived;
    if (body->has_deprecated)
        type->is_deprecated = body->is_deprecated;
    if (body->has_group || hooks_is_null(form->tree, "groupName"))
        type->group_name = body->has_group ? body->group_name : STR_NONE;
    if (body->schemas || hooks_is_null(form->tree, "schemas"))
        type->schemas = form->schemas;
    type->updated_at = now_ms;
}

/* ---- routes ---- */

static enum err find(struct call *call, struct db *db, struct str name, struct event_type *ret_type)
{
    return event_type_store_get(db, call_arena(call), call->caller->account_id, name, ret_type);
}

static enum err create_apply(struct call *call, struct writer_tx *tx)
{
    const struct form *form = call->prepared;
    struct event_type type = {.created_at = tx->now_ms};
    enum err err = find(call, tx->db, form->body.name, &type);
    if (err && err != ERR_NOT_FOUND)
        return err;
    if (!err && !type.is_archived) {
        problem_reply(call, PROBLEM_CONFLICT, "There is an event type of this name.");
        return ERR_OK;
    }
    bool is_new = err == ERR_NOT_FOUND;
    type.account_id = call->caller->account_id;
    type.name = form->body.name;
    fill(&type, form, tx->now_ms);
    err = is_new ? event_type_store_add(tx->db, &type) : event_type_store_update(tx->db, &type);
    return err ? err : reply_type(call, 201, &type);
}

/* One that is not there yet is made by PUT. */
static enum err update_apply(struct call *call, struct writer_tx *tx)
{
    struct str name = request_param(call->req, "name");
    struct event_type type = {
        .account_id = call->caller->account_id, .name = name, .created_at = tx->now_ms};
    enum err err = find(call, tx->db, name, &type);
    bool is_patch = call->route->method == HTTP_PATCH;
    if (err && (err != ERR_NOT_FOUND || is_patch))
        return err == ERR_NOT_FOUND ? not_found(call) : err;
    bool is_new = err == ERR_NOT_FOUND;
    if (is_patch)
        patch(&type, call->prepared, tx->now_ms);
    else
        fill(&type, call->prepared, tx->now_ms);
    err = is_new ? event_type_store_add(tx->db, &type) : event_type_store_update(tx->db, &type);
    return err ? err : reply_type(call, 200, &type);
}

static enum err delete_apply(struct call *call, struct writer_tx *tx)
{
    struct event_type type;
    struct str expunge = STR_NONE;
    if (!call_query_str(call, "expunge", &expunge))
        return ERR_OK;
    enum err err = find(call, tx->db, request_param(call->req, "name"), &type);
    if (err)
        return err == ERR_NOT_FOUND ? not_found(call) : err;
    type.is_archived = true;
    type.updated_at = tx->now_ms;
    err = str_eq(expunge, STR("true")) ? event_type_store_delete(tx->db, type.account_id, type.name)
                                       : event_type_store_update(tx->db, &type);
    if (!err)
        reply_empty(call, 204);
    return err;
}

static enum err get_read(struct call *call, struct db *db)
{
    struct event_type type;
    enum err err = find(call, db, request_param(call->req, "name"), &type);
    if (err)
        return err == ERR_NOT_FOUND ? not_found(call) : err;
    return reply_type(call, 200, &type);
}

/* With schemas a page ends early when it has become large. */
static enum err reply_list(struct call *call, const struct hooks_page *page,
                           const struct event_type *types, size_t count, bool with_schemas)
{
    struct hooks_rows rows = hooks_rows(page, count);
    struct json_writer writer;
    struct buf *body;
    struct str first = STR_NONE, last = STR_NONE;
    enum err err = hooks_list_begin(call, &writer, &body);
    for (size_t i = 0; !err && i < rows.count; i++) {
        const struct event_type *type = &types[hooks_row(page, &rows, i)];
        write_type(&writer, type, with_schemas);
        first = i == 0 ? type->name : first;
        last = type->name;
        if (body->len > HOOKS_PAGE_BYTES && !page->is_back && i + 1 < rows.count) {
            rows.is_done = false;
            break;
        }
    }
    if (!err)
        hooks_list_end(call, &writer, rows.is_done, first, last);
    return err;
}

static enum err list_read(struct call *call, struct db *db)
{
    struct hooks_page page;
    struct str archived = STR_NONE, content = STR_NONE;
    if (!hooks_call_page(call, true, &page) ||
        !call_query_str(call, "include_archived", &archived) ||
        !call_query_str(call, "with_content", &content))
        return ERR_OK;
    struct event_type_query query = {.account_id = call->caller->account_id,
                                     .with_archived = str_eq(archived, STR("true")),
                                     .is_ascending = hooks_reads_up(&page),
                                     .beyond = page.iterator,
                                     .limit = page.limit + 1};
    struct event_type *types = ARENA_ARRAY(call_arena(call), struct event_type, query.limit);
    size_t count = 0;
    if (!types)
        return ERR_NOMEM;
    enum err err = event_type_store_list(db, call_arena(call), &query, types, &count);
    return err ? err : reply_list(call, &page, types, count, str_eq(content, STR("true")));
}

#define TYPE(method_name, path)                                                                    \
    .method = (method_name), .pattern = "/api/v1/event-type" path, .auth = AUTH_CALLER,            \
    .dialect = DIALECT_HOOKS, .tag = "hooks"

const struct route event_type_routes[] = {
    {TYPE(HTTP_POST, ""), .scopes = HOOKS_SCOPES, .kind = ROUTE_WRITE, .prepare_on_loop = true,
     .prepare = form_prepare, .apply = create_apply, .summary = "Create an event type",
     .request = create_fields, .response = "HooksEventType", .success = 201, .problems = "409"},
    {TYPE(HTTP_GET, ""), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ, .read = list_read,
     .summary = "List event types by name", .response = "HooksEventTypeList", .success = 200,
     .query = "limit iterator order include_archived with_content", .is_retry_safe = true},
    {TYPE(HTTP_GET, "/{name}"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ, .read = get_read,
     .summary = "Get an event type", .response = "HooksEventType", .success = 200,
     .is_retry_safe = true},
    {TYPE(HTTP_PUT, "/{name}"), .scopes = HOOKS_SCOPES, .kind = ROUTE_WRITE,
     .prepare_on_loop = true, .prepare = form_prepare, .apply = update_apply,
     .summary = "Replace what is said of an event type, or create it", .request = put_fields,
     .response = "HooksEventType", .success = 200, .is_retry_safe = true},
    {TYPE(HTTP_PATCH, "/{name}"), .scopes = HOOKS_SCOPES, .kind = ROUTE_WRITE,
     .prepare_on_loop = true, .prepare = form_prepare, .apply = update_apply,
     .summary = "Change what the body has of an event type", .request = patch_fields,
     .response = "HooksEventType", .success = 200, .is_retry_safe = true},
    {TYPE(HTTP_DELETE, "/{name}"), .scopes = HOOKS_SCOPES, .kind = ROUTE_WRITE,
     .apply = delete_apply, .summary = "Archive an event type, or delete it", .success = 204,
     .query = "expunge", .is_retry_safe = true},
};
const size_t event_type_routes_count = sizeof(event_type_routes) / sizeof(event_type_routes[0]);
