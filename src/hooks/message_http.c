/*
 * Messages of an application.
 *
 * The payload is never parsed into anything: json_slice() finds where it stands in the body and that
 * the whole is JSON, and these bytes are what is kept, delivered and signed. The rest of the body, the
 * envelope, is decoded with {} in the payload's place.
 */
#include "base/clock.h"
#include "base/ids.h"
#include "base/json_slice.h"
#include "hooks/delivery_list_store.h"
#include "hooks/endpoint_store.h"
#include "hooks/endpoint_view.h"
#include "hooks/event_type.h"
#include "hooks/example.h"
#include "hooks/hooks_call.h"
#include "hooks/message.h"
#include "hooks/message_view.h"
#include "hooks/quota.h"
#include "hooks/routing.h"

#define MESSAGE_BYTES_MAX (PAYLOAD_BYTES_MAX + ENVELOPE_BYTES_MAX)

struct message_body {
    struct str event_type, event_id;
    struct json_node *payload; /* {} */
    struct json_strs channels;
    bool has_event_id;
};

static const struct json_field message_fields[] = {
    {.name = "eventType",
     .kind = JSON_STR,
     .offset = offsetof(struct message_body, event_type),
     .is_required = true,
     .min = 1,
     .max = NAME_BYTES_MAX},
    {.name = "payload",
     .kind = JSON_OBJECT,
     .offset = offsetof(struct message_body, payload),
     .is_required = true,
     .doc = "delivered byte for byte as it stands in the body"},
    {.name = "eventId",
     .kind = JSON_STR,
     .offset = offsetof(struct message_body, event_id),
     .has_offset = offsetof(struct message_body, has_event_id),
     .min = 1,
     .max = EVENT_ID_BYTES_MAX,
     .doc = "your own name for it: what comes again with it is not sent again"},
    {.name = "channels",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct message_body, channels),
     .min = 0,
     .max = MESSAGE_CHANNELS_MAX},
    {0},
};

/* True unless ?with_content=false. False: answered. */
static bool call_with_content(struct call *call, bool *ret_with_content)
{
    struct str text = STR_NONE;
    if (!call_query_str(call, "with_content", &text))
        return false;
    *ret_with_content = !str_eq(text, STR("false"));
    return true;
}

static enum err reply_message(struct call *call, int status, const struct message *message)
{
    struct buf *body = buf_new_in(call_arena(call), message->payload.len + 16384);
    struct json_writer writer;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    message_write_members(&writer, message);
    json_close_object(&writer);
    reply_json(call, status, body);
    return ERR_OK;
}

/* ---- ingest ---- */

struct message_form {
    struct ingest ingest;
    bool with_content;
};

static enum err reply_malformed(struct call *call, size_t at)
{
    struct str detail = arena_printf(
        call_arena(call), "The body is not JSON at byte %zu, or has the payload twice.", at);
    problem_reply(call, PROBLEM_MALFORMED_JSON, detail.data);
    return ERR_INVALID;
}

/* The body with {} for the payload. ERR_INVALID: answered. */
static enum err split_body(struct call *call, struct str *ret_envelope, struct str *ret_payload)
{
    struct str body = call->req->body.len > 0 ? call->req->body : STR("{}");
    struct str payload;
    size_t at;
    enum err err = json_slice(body, "payload", &payload, &at);
    if (err == ERR_INVALID)
        return reply_malformed(call, at);
    if (err == ERR_NOT_FOUND || payload.data[0] != '{') { /* decoding says what is wrong with it */
        *ret_envelope = body;
        *ret_payload = STR_NONE;
        return ERR_OK;
    }
    if (payload.len > PAYLOAD_BYTES_MAX || body.len - payload.len > ENVELOPE_BYTES_MAX) {
        problem_reply(call, PROBLEM_TOO_LARGE, "At most 1 MiB of payload, and 64 KiB beside it.");
        return ERR_INVALID;
    }
    size_t begin = (size_t)(payload.data - body.data);
    size_t end = begin + payload.len;
    char *envelope = arena_alloc(call_arena(call), body.len - payload.len + 2);
    if (!envelope)
        return ERR_NOMEM;
    memcpy(envelope, body.data, begin);
    memcpy(envelope + begin, "{}", 2);
    memcpy(envelope + begin + 2, body.data + end, body.len - end);
    *ret_envelope = str_from(envelope, body.len - payload.len + 2);
    *ret_payload = payload;
    return ERR_OK;
}

static bool check_message(struct call *call, const struct message_body *body)
{
    if (!hooks_is_name(body->event_type)) {
        problem_field(call, "eventType", "must be of letters, digits, - _ .");
        return false;
    }
    for (size_t i = 0; i < body->channels.count; i++) {
        if (!hooks_is_name(body->channels.items[i])) {
            problem_field(call, "channels", "must be names of letters, digits, - _ .");
            return false;
        }
    }
    return hooks_check_printable(call, "eventId", body->event_id);
}

/* Answers 422 where the setting refuses what the application's account has not described. */
static enum err check_known(struct call *call, struct db *db, const struct application *application,
                            struct str event_type)
{
    bool is_known = true;
    enum err err = ERR_OK;
    if (hooks_of(call)->refuses_unknown_types)
        err = event_type_store_is_known(db, application->account_id, event_type, &is_known);
    if (!err && !is_known)
        problem_field(call, "eventType", "is no event type that has been described");
    return err;
}

static enum err read_message(struct call *call, struct message *message)
{
    struct message_body body = {0};
    struct str envelope, payload;
    enum err err = split_body(call, &envelope, &payload);
    if (err)
        return err == ERR_INVALID ? ERR_OK : err;
    if (!call_decode_text(call, envelope, &body) || !check_message(call, &body))
        return ERR_OK;
    message->event_type = body.event_type;
    message->event_id = body.has_event_id ? body.event_id : STR_NONE;
    message->channels = hooks_lines(call_arena(call), &body.channels);
    message->payload = payload;
    return ERR_OK;
}

/* Also of what comes again: to know that it does would cost as much as taking it. */
static bool check_rate(struct call *call, uint64_t app_id)
{
    int64_t retry_s = 0;
    if (quota_take(hooks_of(call)->quota, app_id, clock_now_ms(), &retry_s))
        return true;
    problem_retry(call, PROBLEM_RATE_LIMITED, "The application sends too many messages.", retry_s);
    return false;
}

static enum err find_application(struct call *call, struct db *db, struct application *ret_found)
{
    enum err err = hooks_call_application(call, db, ret_found);
    if (!err)
        routing_learn(hooks_of(call)->routing, ret_found->id, ret_found->account_id);
    return err;
}

/* Without the database: the application is known, its types are not asked for, the body is small. */
static bool is_for_the_loop(struct call *call, uint64_t *ret_app_id)
{
    return call->req->body.len <= INGEST_LOOP_BYTES && !hooks_of(call)->refuses_unknown_types &&
           hooks_known_application(call, ret_app_id);
}

/* On the loop where that is possible, else on a reader. */
static enum err create_prepare(struct call *call, struct db *db)
{
    struct application application = {0};
    if (!db && !is_for_the_loop(call, &application.id))
        return ERR_AGAIN;
    struct message_form *form = ARENA_NEW(call_arena(call), struct message_form);
    if (!form)
        return ERR_NOMEM;
    call->prepared = form;
    enum err err = db ? find_application(call, db, &application) : ERR_OK;
    if (err || !call_with_content(call, &form->with_content))
        return hooks_said(err);
    if (!check_rate(call, application.id))
        return ERR_OK;
    form->ingest.message.app_id = application.id;
    form->ingest.idempotency_key = call->idempotency_key;
    form->ingest.caller_id = call->caller->account_id;
    call->shard = application.id;
    err = read_message(call, &form->ingest.message);
    if (!err && db && !call_is_answered(call))
        err = check_known(call, db, &application, form->ingest.message.event_type);
    return err || call_is_answered(call) ? err : message_hash(call_arena(call), &form->ingest);
}

/* Meanwhile the application may be gone. */
static enum err find_again(struct call *call, struct writer_tx *tx, uint64_t app_id)
{
    const struct route_targets *targets;
    enum err err = routing_get(hooks_of(call)->routing, tx, app_id, &targets);
    if (err == ERR_NOT_FOUND)
        problem_reply(call, PROBLEM_NOT_FOUND, "There is no such application.");
    return err;
}

static enum err reply_outcome(struct call *call, enum ingest_outcome outcome,
                              const struct message *message, bool with_content)
{
    struct message shown = *message;
    if (!with_content)
        shown.payload = STR_NONE;
    switch (outcome) {
    case INGEST_SAME:
        response_header(call->req, "idempotency-replayed", STR("true"));
        return reply_message(call, 202, &shown);
    case INGEST_TAKEN:
        return reply_message(call, 202, &shown);
    case INGEST_OTHER_EVENT:
        problem_reply(call, PROBLEM_CONFLICT, "Another message had this eventId.");
        return ERR_OK;
    case INGEST_OTHER_REQUEST:
        problem_reply(call, PROBLEM_IDEMPOTENCY_CONFLICT, NULL);
        return ERR_OK;
    case INGEST_BACKLOG:
        problem_retry(call, PROBLEM_RATE_LIMITED,
                      "Too many deliveries of the application wait already.",
                      QUOTA_BACKLOG_RETRY_S);
        return ERR_OK;
    }
    return ERR_CORRUPT;
}

static enum err create_apply(struct call *call, struct writer_tx *tx)
{
    struct message_form *form = call->prepared;
    enum ingest_outcome outcome;
    enum err err = find_again(call, tx, form->ingest.message.app_id);
    if (err)
        return hooks_said(err);
    err = message_take(hooks_of(call), tx, call_arena(call), &form->ingest, &outcome);
    return err ? err : reply_outcome(call, outcome, &form->ingest.message, form->with_content);
}

/* ---- an example to one endpoint ---- */

struct example_body {
    struct str event_type;
};

static const struct json_field example_fields[] = {
    {.name = "eventType",
     .kind = JSON_STR,
     .offset = offsetof(struct example_body, event_type),
     .is_required = true,
     .min = 1,
     .max = NAME_BYTES_MAX},
    {0},
};

static enum err example_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct example_body *body = ARENA_NEW(call_arena(call), struct example_body);
    if (!body)
        return ERR_NOMEM;
    call->prepared = body;
    hooks_call_shard(call);
    if (call_decode(call, body) && !hooks_is_name(body->event_type))
        problem_field(call, "eventType", "must be of letters, digits, - _ .");
    return ERR_OK;
}

/* What the owner has given as an example of the type, or something that says what it is. */
static enum err example_payload(struct call *call, struct db *db,
                                const struct application *application, struct str event_type,
                                struct str *ret_payload)
{
    struct event_type type;
    struct arena *arena = call_arena(call);
    enum err err = event_type_store_get(db, arena, application->account_id, event_type, &type);
    if (err && err != ERR_NOT_FOUND)
        return err;
    *ret_payload = err ? STR_NONE : example_of_schemas(arena, type.schemas);
    if (!ret_payload->data)
        *ret_payload =
            arena_printf(arena, "{\"type\":\"%.*s\",\"example\":true}", STR_ARG(event_type));
    return ret_payload->data ? ERR_OK : ERR_NOMEM;
}

static enum err example_apply(struct call *call, struct writer_tx *tx)
{
    const struct example_body *body = call->prepared;
    struct application application;
    struct endpoint endpoint;
    enum ingest_outcome outcome;
    struct ingest ingest = {.message = {.event_type = body->event_type, .channels = STR("")}};
    enum err err = hooks_call_application(call, tx->db, &application);
    if (!err)
        err = hooks_call_endpoint(call, tx->db, application.id, &endpoint);
    if (err)
        return hooks_said(err);
    if (endpoint.disabled_by != DISABLED_NOT) {
        problem_reply(call, PROBLEM_CONFLICT, "The endpoint is disabled.");
        return ERR_OK;
    }
    err = check_known(call, tx->db, &application, body->event_type);
    if (err || call_is_answered(call))
        return err;
    ingest.message.app_id = application.id;
    err = example_payload(call, tx->db, &application, body->event_type, &ingest.message.payload);
    if (err)
        return err;
    ingest.only_endpoint_id = endpoint.id;
    err = message_take(hooks_of(call), tx, call_arena(call), &ingest, &outcome);
    return err ? err : reply_outcome(call, outcome, &ingest.message, true);
}

/* ---- reading ---- */

static enum err get_read(struct call *call, struct db *db)
{
    struct application application;
    struct message message;
    bool with_content;
    enum err err = hooks_call_application(call, db, &application);
    if (err || !call_with_content(call, &with_content))
        return hooks_said(err);
    err = hooks_call_message(call, db, application.id, with_content, &message);
    return err ? hooks_said(err) : reply_message(call, 200, &message);
}

static bool read_query(struct call *call, const struct hooks_page *page,
                       struct message_query *query)
{
    struct str event_types = STR("");
    query->is_ascending = hooks_reads_up(page);
    query->channel = STR("");
    query->limit = page->limit + 1;
    if (!hooks_page_id(call, page, "msg", query->app_id, &query->beyond_id) ||
        !call_query_str(call, "event_types", &event_types) ||
        !call_query_str(call, "channel", &query->channel) ||
        !call_query_time(call, "before", &query->before_ms) ||
        !call_query_time(call, "after", &query->after_ms))
        return false;
    query->event_types = hooks_split_commas(call_arena(call), event_types);
    return true;
}

/* Payloads are large: a page ends early when it has become so. On the way back it is filled from the
 * iterator's side, and what does not fit any more is left for the next page back. */
static enum err load_page(struct call *call, struct db *db, uint64_t app_id, const uint64_t *ids,
                          struct hooks_rows *rows, bool with_content, struct message *messages)
{
    size_t bytes = 0;
    for (size_t i = 0; i < rows->count; i++) {
        enum err err = message_store_get(db, call_arena(call), app_id, ids[i], clock_now_ms(),
                                         with_content, &messages[i]);
        if (err)
            return err == ERR_NOT_FOUND ? ERR_IO : err; /* its day ended just now: ask again */
        bytes += messages[i].payload.len;
        if (bytes > HOOKS_PAGE_BYTES && i + 1 < rows->count)
            *rows = (struct hooks_rows){i + 1, false};
    }
    return ERR_OK;
}

static enum err reply_list(struct call *call, const struct hooks_page *page,
                           const struct hooks_rows *rows, const struct message *messages)
{
    struct json_writer writer;
    struct buf *body;
    char texts[2][ID_TEXT_SIZE];
    struct str ends[2] = {STR_NONE, STR_NONE};
    enum err err = hooks_list_begin(call, &writer, &body);
    for (size_t i = 0; !err && i < rows->count; i++) {
        const struct message *message = &messages[hooks_row(page, rows, i)];
        json_open_object(&writer);
        message_write_members(&writer, message);
        json_close_object(&writer);
        ends[i > 0] = id_format2(texts[i > 0], "msg", message->app_id, message->id);
    }
    if (!err)
        hooks_list_end(call, &writer, rows->is_done, ends[0], rows->count > 1 ? ends[1] : ends[0]);
    return err;
}

static enum err list_read(struct call *call, struct db *db)
{
    struct application application;
    struct hooks_page page;
    struct message_query query = {0};
    bool with_content;
    size_t count = 0;
    enum err err = hooks_call_application(call, db, &application);
    query.app_id = err ? 0 : application.id;
    if (err || !call_with_content(call, &with_content) || !hooks_call_page(call, false, &page) ||
        !read_query(call, &page, &query))
        return hooks_said(err);
    uint64_t *ids = ARENA_ARRAY(call_arena(call), uint64_t, query.limit);
    struct message *messages = ARENA_ARRAY(call_arena(call), struct message, query.limit);
    if (!ids || !messages)
        return ERR_NOMEM;
    err = message_store_list(db, &query, clock_now_ms(), ids, &count);
    struct hooks_rows rows = hooks_rows(&page, count);
    if (!err)
        err = load_page(call, db, application.id, ids, &rows, with_content, messages);
    return err ? err : reply_list(call, &page, &rows, messages);
}

#define MESSAGE(method_name, path)                                                                 \
    .method = (method_name), .pattern = "/api/v1/app/{app}" path, .auth = AUTH_CALLER,             \
    .dialect = DIALECT_HOOKS, .tag = "hooks"

const struct route message_routes[] = {
    {MESSAGE(HTTP_POST, "/msg"), .scopes = HOOKS_SCOPES, .kind = ROUTE_WRITE,
     .idempotency = IDEMPOTENCY_OWN_OPTIONAL, .rate = RATE_NONE, .body_max = MESSAGE_BYTES_MAX,
     .prepare_on_loop = true, .prepare = create_prepare, .apply = create_apply,
     .summary = "Send a message to every endpoint that wants it", .request = message_fields,
     .response = "HooksMessage", .success = 202, .problems = "409", .query = "with_content"},
    {MESSAGE(HTTP_GET, "/msg"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ, .read = list_read,
     .summary = "List messages, newest first", .response = "HooksMessageList", .success = 200,
     .query = "limit iterator before after event_types channel with_content",
     .is_retry_safe = true},
    {MESSAGE(HTTP_GET, "/msg/{msg}"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = get_read, .summary = "Get a message", .response = "HooksMessage", .success = 200,
     .query = "with_content", .is_retry_safe = true},
    {MESSAGE(HTTP_POST, "/endpoint/{ep}/send-example"), .scopes = HOOKS_PORTAL(ATTEMPT),
     .kind = ROUTE_WRITE, .prepare_on_loop = true, .prepare = example_prepare,
     .apply = example_apply, .summary = "Send an example message to one endpoint",
     .request = example_fields, .response = "HooksMessage", .success = 202, .problems = "409"},
};
const size_t message_routes_count = sizeof(message_routes) / sizeof(message_routes[0]);
