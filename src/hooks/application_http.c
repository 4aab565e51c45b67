/*
 * Applications. An organizer's key or session has applications of its own; administrators see all.
 * A uid is the account's own name for one, and may stand wherever an id may.
 */
#include "base/clock.h"
#include "base/ids.h"
#include "hooks/dispatcher.h"
#include "hooks/hooks_call.h"

struct application_body {
    struct str name, uid;
    struct json_node *metadata;
    int64_t throttle_rate, rate_limit;
    bool has_name, has_uid, has_throttle, has_rate;
};

#define AT(member)  .offset = offsetof(struct application_body, member)
#define HAS(member) .has_offset = offsetof(struct application_body, member)
#define OPTIONAL_FIELDS                                                                            \
    {.name = "uid",                                                                                \
     .kind = JSON_STR,                                                                             \
     AT(uid),                                                                                      \
     HAS(has_uid),                                                                                 \
     .min = 1,                                                                                     \
     .max = UID_BYTES_MAX,                                                                         \
     .doc = "your own name for it; may stand wherever its id may"},                                \
        {.name = "metadata", .kind = JSON_OBJECT, AT(metadata), .doc = "texts by name"},           \
        {.name = "throttleRate",                                                                   \
         .kind = JSON_I64,                                                                         \
         AT(throttle_rate),                                                                        \
         HAS(has_throttle),                                                                        \
         .min = 1,                                                                                 \
         .max = THROTTLE_RATE_MAX,                                                                 \
         .doc = "deliveries a second"},                                                            \
        {.name = "rateLimit",                                                                      \
         .kind = JSON_I64,                                                                         \
         AT(rate_limit),                                                                           \
         HAS(has_rate),                                                                            \
         .min = 1,                                                                                 \
         .max = THROTTLE_RATE_MAX,                                                                 \
         .doc = "an older name of throttleRate"},                                                  \
    {                                                                                              \
        0                                                                                          \
    }

static const struct json_field application_fields[] = {{.name = "name",
                                                        .kind = JSON_STR,
                                                        AT(name),
                                                        HAS(has_name),
                                                        .is_required = true,
                                                        .min = 1,
                                                        .max = NAME_BYTES_MAX},
                                                       OPTIONAL_FIELDS};
static const struct json_field patch_fields[] = {
    {.name = "name", .kind = JSON_STR, AT(name), HAS(has_name), .min = 1, .max = NAME_BYTES_MAX},
    OPTIONAL_FIELDS};
#undef AT
#undef HAS

struct form {
    struct application_body body;
    struct str metadata;    /* checked JSON */
    struct json_node *tree; /* PATCH */
    bool gets_existing;
};

static void write_application(struct json_writer *writer, const struct application *application)
{
    json_open_object(writer);
    json_put_id(writer, "id", "app", application->id);
    hooks_put_optional(writer, "uid", application->uid);
    json_put_str(writer, "name", application->name);
    json_key(writer, "metadata");
    json_raw(writer, application->metadata);
    hooks_put_rate(writer, application->throttle_rate);
    json_put_time(writer, "createdAt", application->created_at);
    json_put_time(writer, "updatedAt", application->updated_at);
    json_close_object(writer);
}

static enum err reply_application(struct call *call, int status,
                                  const struct application *application)
{
    struct buf *body = buf_new_in(call_arena(call), 2 * METADATA_BYTES_MAX + 4096);
    struct json_writer writer;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    write_application(&writer, application);
    reply_json(call, status, body);
    return ERR_OK;
}

static void reply_uid_taken(struct call *call)
{
    problem_reply(call, PROBLEM_CONFLICT, "There is another application of this uid.");
}

/* ---- bodies ---- */

static enum err form_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct form *form = ARENA_NEW(call_arena(call), struct form);
    if (!form)
        return ERR_NOMEM;
    call->prepared = form;
    if (call->route->method == HTTP_PATCH && !hooks_parse_body(call, &form->tree))
        return ERR_OK;
    struct application_body *body = &form->body;
    if (!call_decode(call, body) || (body->has_uid && !hooks_check_uid(call, body->uid)) ||
        !hooks_check_printable(call, "name", body->name))
        return ERR_OK;
    (void)hooks_texts(call, "metadata", body->metadata, METADATA_KEYS_MAX, METADATA_BYTES_MAX,
                      &form->metadata); /* false has answered */
    struct str flag = STR_NONE;
    if (!call_is_answered(call) && call_query_str(call, "get_if_exists", &flag))
        form->gets_existing = str_eq(flag, STR("true"));
    return ERR_OK;
}

static int64_t rate_of(const struct application_body *body)
{
    return body->has_throttle ? body->throttle_rate : body->rate_limit;
}

/* All but id, account and times. A uid that is not spoken of stays. */
static void fill(struct application *application, const struct form *form)
{
    const struct application_body *body = &form->body;
    application->name = body->name;
    application->uid = body->has_uid ? body->uid : application->uid;
    application->metadata = form->metadata;
    application->throttle_rate = rate_of(body);
}

/* What the body has; null takes away. */
static void patch(struct application *application, const struct form *form)
{
    const struct application_body *body = &form->body;
    if (body->has_name)
        application->name = body->name;
    if (body->has_uid)
        application->uid = body->uid;
    else if (hooks_is_null(form->tree, "uid"))
        application->uid = STR_NONE;
    if (body->metadata || hooks_is_null(form->tree, "metadata"))
        application->metadata = form->metadata;
    if (body->has_throttle || body->has_rate)
        application->throttle_rate = rate_of(body);
    else if (hooks_is_null(form->tree, "throttleRate") || hooks_is_null(form->tree, "rateLimit"))
        application->throttle_rate = 0;
}

/* ---- routes ---- */

static enum err reply_existing(struct call *call, struct writer_tx *tx, struct str uid)
{
    struct application application;
    enum err err = application_store_find(tx->db, call_arena(call), call->caller->account_id, uid,
                                          &application);
    return err ? err : reply_application(call, 200, &application);
}

/* uid: where the body has none. */
static enum err create(struct call *call, struct writer_tx *tx, struct str uid)
{
    const struct form *form = call->prepared;
    struct application application = {.id = id_next(tx->ids),
                                      .uid = uid,
                                      .account_id = call->caller->account_id,
                                      .created_at = tx->now_ms,
                                      .updated_at = tx->now_ms};
    fill(&application, form);
    enum err err = application_store_add(tx->db, &application);
    if (!err)
        return reply_application(call, 201, &application);
    if (err != ERR_CONFLICT)
        return err;
    if (form->gets_existing)
        return reply_existing(call, tx, application.uid);
    reply_uid_taken(call);
    return ERR_OK;
}

static enum err create_apply(struct call *call, struct writer_tx *tx)
{
    return create(call, tx, STR_NONE);
}

/* PUT makes what is not there yet. */
static enum err update_apply(struct call *call, struct writer_tx *tx)
{
    const struct form *form = call->prepared;
    struct application application;
    enum err err = hooks_find_application(call, tx->db, &application);
    if (err == ERR_NOT_FOUND &&
        hooks_may_make(call, "app", "app", form->body.has_uid, form->body.uid))
        return create(call, tx, request_param(call->req, "app"));
    if (err == ERR_NOT_FOUND)
        err = hooks_call_application(call, tx->db, &application); /* answers */
    if (err)
        return hooks_said(err);
    if (call->route->method == HTTP_PATCH)
        patch(&application, call->prepared);
    else
        fill(&application, call->prepared);
    application.updated_at = tx->now_ms;
    err = application_store_update(tx->db, &application);
    if (err == ERR_CONFLICT) {
        reply_uid_taken(call);
        return ERR_OK;
    }
    if (!err)
        err = dispatcher_stage_change(hooks_of(call)->dispatcher, tx, application.id, 0);
    return err ? err : reply_application(call, 200, &application);
}

static enum err delete_apply(struct call *call, struct writer_tx *tx)
{
    struct application application;
    enum err err = hooks_call_application(call, tx->db, &application);
    if (err)
        return hooks_said(err);
    err = application_store_delete(tx->db, application.id);
    if (!err)
        err = dispatcher_stage_change(hooks_of(call)->dispatcher, tx, application.id, 0);
    if (!err)
        reply_empty(call, 204);
    return err;
}

static enum err get_read(struct call *call, struct db *db)
{
    struct application application;
    enum err err = hooks_call_application(call, db, &application);
    if (err)
        return hooks_said(err);
    if (call->caller->portal_app_id) /* the owner's notes are not the customer's to read */
        application.metadata = STR("{}");
    return reply_application(call, 200, &application);
}

static enum err reply_list(struct call *call, const struct hooks_page *page,
                           const struct application *applications, size_t count)
{
    struct hooks_rows rows = hooks_rows(page, count);
    struct json_writer writer;
    struct buf *body;
    char first[ID_TEXT_SIZE], last[ID_TEXT_SIZE];
    struct str ends[2] = {STR_NONE, STR_NONE};
    enum err err = hooks_list_begin(call, &writer, &body);
    if (err)
        return err;
    for (size_t i = 0; i < rows.count; i++)
        write_application(&writer, &applications[hooks_row(page, &rows, i)]);
    if (rows.count > 0) {
        ends[0] = id_format(first, "app", applications[hooks_row(page, &rows, 0)].id);
        ends[1] = id_format(last, "app", applications[hooks_row(page, &rows, rows.count - 1)].id);
    }
    hooks_list_end(call, &writer, rows.is_done, ends[0], ends[1]);
    return ERR_OK;
}

static enum err list_read(struct call *call, struct db *db)
{
    struct hooks_page page;
    uint64_t beyond;
    if (!hooks_call_page(call, false, &page) || !hooks_page_id(call, &page, "app", 0, &beyond))
        return ERR_OK;
    struct application_query query = {.account_id = call->caller->account_id,
                                      .is_admin = (call->caller->scopes & SCOPE_ADMIN) != 0,
                                      .is_ascending = hooks_reads_up(&page),
                                      .beyond_id = beyond,
                                      .limit = page.limit + 1};
    struct application *applications =
        ARENA_ARRAY(call_arena(call), struct application, query.limit);
    size_t count = 0;
    if (!applications)
        return ERR_NOMEM;
    enum err err = application_store_list(db, call_arena(call), &query, applications, &count);
    return err ? err : reply_list(call, &page, applications, count);
}

static enum err health_loop(struct call *call)
{
    reply_empty(call, 204);
    return ERR_OK;
}

const struct route application_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/api/v1/health",
     .kind = ROUTE_LOOP,
     .auth = AUTH_NONE,
     .rate = RATE_NONE,
     .dialect = DIALECT_HOOKS,
     .loop = health_loop,
     .summary = "Say that the service answers",
     .tag = "hooks",
     .success = 204,
     .is_retry_safe = true},
    {.method = HTTP_POST,
     .pattern = "/api/v1/app",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .scopes = HOOKS_SCOPES,
     .dialect = DIALECT_HOOKS,
     .prepare_on_loop = true,
     .prepare = form_prepare,
     .apply = create_apply,
     .summary = "Create an application",
     .tag = "hooks",
     .request = application_fields,
     .response = "HooksApplication",
     .success = 201,
     .problems = "200 409",
     .query = "get_if_exists"},
    {.method = HTTP_GET,
     .pattern = "/api/v1/app",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = HOOKS_SCOPES,
     .dialect = DIALECT_HOOKS,
     .read = list_read,
     .summary = "List applications, newest first",
     .tag = "hooks",
     .response = "HooksApplicationList",
     .success = 200,
     .query = "limit iterator order",
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/api/v1/app/{app}",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = HOOKS_PORTAL(VIEW),
     .dialect = DIALECT_HOOKS,
     .read = get_read,
     .summary = "Get an application",
     .tag = "hooks",
     .response = "HooksApplication",
     .success = 200,
     .is_retry_safe = true},
    {.method = HTTP_PUT,
     .pattern = "/api/v1/app/{app}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .scopes = HOOKS_SCOPES,
     .dialect = DIALECT_HOOKS,
     .prepare_on_loop = true,
     .prepare = form_prepare,
     .apply = update_apply,
     .summary = "Replace what is known of an application, or create it under its uid",
     .tag = "hooks",
     .request = application_fields,
     .response = "HooksApplication",
     .success = 200,
     .problems = "201 409",
     .is_retry_safe = true},
    {.method = HTTP_PATCH,
     .pattern = "/api/v1/app/{app}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .scopes = HOOKS_SCOPES,
     .dialect = DIALECT_HOOKS,
     .prepare_on_loop = true,
     .prepare = form_prepare,
     .apply = update_apply,
     .summary = "Change what the body has of an application",
     .tag = "hooks",
     .request = patch_fields,
     .response = "HooksApplication",
     .success = 200,
     .problems = "409",
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/api/v1/app/{app}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .scopes = HOOKS_SCOPES,
     .dialect = DIALECT_HOOKS,
     .apply = delete_apply,
     .summary = "Delete an application with its endpoints",
     .tag = "hooks",
     .success = 204,
     .is_retry_safe = true},
};
const size_t application_routes_count = sizeof(application_routes) / sizeof(application_routes[0]);
