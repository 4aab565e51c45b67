/*
 * What became of messages: attempts, deliveries by message and by endpoint, dead letters, and sending
 * one again.
 */
#include "base/clock.h"
#include "base/ids.h"
#include "hooks/attempt_request.h"
#include "hooks/delivery_list_store.h"
#include "hooks/endpoint_store.h"
#include "hooks/endpoint_view.h"
#include "hooks/hooks_call.h"
#include "hooks/message_view.h"

/* A response with every byte escaped, and the headers of both ways. */
#define ATTEMPT_BYTES_MAX (16 * RESPONSE_BYTES_KEPT + 4 * METADATA_BYTES_MAX)

/* ---- one attempt ---- */

static void write_times(struct json_writer *writer, const struct attempt_times *times)
{
    const struct {
        const char *name;
        int64_t ms;
    } members[] = {{"queuedMs", times->queued_ms},        {"dnsMs", times->dns_ms},
                   {"connectMs", times->connect_ms},      {"tlsMs", times->tls_ms},
                   {"firstByteMs", times->first_byte_ms}, {"totalMs", times->total_ms}};
    json_key(writer, "timings");
    json_open_object(writer);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (members[i].ms >= 0)
            json_put_i64(writer, members[i].name, members[i].ms);
        else
            json_put_null(writer, members[i].name);
    }
    json_close_object(writer);
}

static void write_error(struct json_writer *writer, const struct attempt *attempt)
{
    json_key(writer, "error");
    if (attempt->error_class.len == 0) {
        json_null(writer);
        return;
    }
    json_open_object(writer);
    json_put_str(writer, "class", attempt->error_class);
    json_put_str(writer, "text", attempt->error_text);
    json_close_object(writer);
}

/* All but what was sent. */
static void write_members(struct json_writer *writer, const struct attempt *attempt)
{
    json_put_id2(writer, "id", "atmpt", attempt->app_id, attempt->id);
    json_put_id2(writer, "msgId", "msg", attempt->app_id, attempt->message_id);
    json_put_id2(writer, "endpointId", "ep", attempt->app_id, attempt->endpoint_id);
    json_put_time(writer, "timestamp", attempt->at_ms);
    message_write_status(writer, attempt->status);
    json_put_i64(writer, "triggerType", attempt->trigger);
    json_put_str(writer, "url", attempt->url);
    json_put_i64(writer, "responseStatusCode", attempt->code);
    json_put_i64(writer, "responseDurationMs",
                 attempt->times.total_ms > 0 ? attempt->times.total_ms : 0);
    json_put_str(writer, "response", attempt->response);
    json_key(writer, "responseHeaders");
    if (attempt->response_headers.len > 0)
        json_raw(writer, attempt->response_headers);
    else
        json_null(writer);
    write_error(writer, attempt);
    write_times(writer, &attempt->times);
}

static enum err not_found(struct call *call)
{
    problem_reply(call, PROBLEM_NOT_FOUND, "There is no such attempt.");
    return ERR_OK;
}

static enum err get_read(struct call *call, struct db *db)
{
    struct application application;
    struct message message;
    struct attempt attempt;
    uint64_t shard, id;
    enum err err = hooks_call_application(call, db, &application);
    if (!err)
        err = hooks_call_message(call, db, application.id, true, &message);
    if (err)
        return hooks_said(err);
    if (id_parse2(request_param(call->req, "attempt"), "atmpt", &shard, &id) != ERR_OK ||
        shard != application.id)
        return not_found(call);
    err = attempt_store_get(db, call_arena(call), application.id,
                            &(struct attempt_ref){message.id, id}, true, &attempt);
    if (err)
        return err == ERR_NOT_FOUND ? not_found(call) : err;
    struct buf *body = buf_new_in(call_arena(call), ATTEMPT_BYTES_MAX);
    struct json_writer writer;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    write_members(&writer, &attempt);
    err = attempt_write_request(call, db, &writer, &attempt, &message);
    json_close_object(&writer);
    if (!err)
        reply_json(call, 200, body);
    return err;
}

/* ---- lists of attempts ---- */

/* ret_is_off: ?name=false. */
static bool call_is_off(struct call *call, const char *name, bool *ret_is_off)
{
    struct str text = STR_NONE;
    if (!call_query_str(call, name, &text))
        return false;
    *ret_is_off = str_eq(text, STR("false"));
    return true;
}

static bool read_query(struct call *call, const struct hooks_page *page,
                       struct attempt_query *query)
{
    struct str event_types = STR("");
    query->is_ascending = hooks_reads_up(page);
    query->status = -1;
    query->code_class = -1;
    query->limit = page->limit + 1;
    if (!hooks_page_id(call, page, "atmpt", query->app_id, &query->beyond_id) ||
        !call_query_i64(call, "status", 0, 3, &query->status) ||
        !call_query_i64(call, "status_code_class", 0, 500, &query->code_class) ||
        !call_query_str(call, "event_types", &event_types) ||
        !call_query_time(call, "before", &query->before_ms) ||
        !call_query_time(call, "after", &query->after_ms))
        return false;
    query->event_types = hooks_split_commas(call_arena(call), event_types);
    return true;
}

/* Answers are kept with attempts: a page ends early when it has become large. On the way back it is
 * filled from the iterator's side. */
static enum err load_page(struct call *call, struct db *db, uint64_t app_id,
                          const struct attempt_ref *refs, struct hooks_rows *rows,
                          bool with_content, struct attempt *attempts)
{
    size_t bytes = 0;
    for (size_t i = 0; i < rows->count; i++) {
        enum err err =
            attempt_store_get(db, call_arena(call), app_id, &refs[i], with_content, &attempts[i]);
        if (err)
            return err == ERR_NOT_FOUND ? ERR_IO : err; /* its day ended just now: ask again */
        bytes += attempts[i].response.len;
        if (bytes > HOOKS_PAGE_BYTES / 2 && i + 1 < rows->count)
            *rows = (struct hooks_rows){i + 1, false};
    }
    return ERR_OK;
}

static enum err reply_attempts(struct call *call, const struct hooks_page *page,
                               const struct hooks_rows *rows, const struct attempt *attempts)
{
    struct json_writer writer;
    struct buf *body;
    char texts[2][ID_TEXT_SIZE];
    struct str ends[2] = {STR_NONE, STR_NONE};
    enum err err = hooks_list_begin(call, &writer, &body);
    for (size_t i = 0; !err && i < rows->count; i++) {
        const struct attempt *attempt = &attempts[hooks_row(page, rows, i)];
        json_open_object(&writer);
        write_members(&writer, attempt);
        json_close_object(&writer);
        ends[i > 0] = id_format2(texts[i > 0], "atmpt", attempt->app_id, attempt->id);
    }
    if (!err)
        hooks_list_end(call, &writer, rows->is_done, ends[0], rows->count > 1 ? ends[1] : ends[0]);
    return err;
}

/* query: says whose. */
static enum err list_attempts(struct call *call, struct db *db, struct attempt_query *query)
{
    struct hooks_page page;
    bool is_bare = false;
    size_t count = 0;
    if (!hooks_call_page(call, false, &page) || !call_is_off(call, "with_content", &is_bare) ||
        !read_query(call, &page, query))
        return ERR_OK;
    size_t room = query->message_id ? query->limit : query->limit * RING_SLOTS;
    struct attempt_ref *refs = ARENA_ARRAY(call_arena(call), struct attempt_ref, room);
    struct attempt *attempts = ARENA_ARRAY(call_arena(call), struct attempt, query->limit);
    if (!refs || !attempts)
        return ERR_NOMEM;
    enum err err = attempt_store_list(db, query, clock_now_ms(), refs, &count);
    struct hooks_rows rows = hooks_rows(&page, count);
    if (!err)
        err = load_page(call, db, query->app_id, refs, &rows, !is_bare, attempts);
    return err ? err : reply_attempts(call, &page, &rows, attempts);
}

static enum err by_endpoint_read(struct call *call, struct db *db)
{
    struct application application;
    struct endpoint endpoint;
    enum err err = hooks_call_application(call, db, &application);
    if (!err)
        err = hooks_call_endpoint(call, db, application.id, &endpoint);
    if (err)
        return hooks_said(err);
    struct attempt_query query = {.app_id = application.id, .endpoint_id = endpoint.id};
    return list_attempts(call, db, &query);
}

static enum err by_message_read(struct call *call, struct db *db)
{
    struct application application;
    struct message message;
    struct endpoint endpoint = {0};
    struct str text = STR_NONE;
    uint64_t shard, id;
    enum err err = hooks_call_application(call, db, &application);
    if (!err)
        err = hooks_call_message(call, db, application.id, false, &message);
    if (err || !call_query_str(call, "endpoint_id", &text))
        return hooks_said(err);
    if (text.data && id_parse2(text, "ep", &shard, &id) == ERR_OK && shard == application.id)
        endpoint.id = id;
    else if (text.data)
        err = endpoint_store_find(db, call_arena(call), application.id, text, &endpoint);
    if (err == ERR_NOT_FOUND)
        problem_field(call, "endpoint_id", "is no endpoint of this application");
    if (err)
        return hooks_said(err);
    struct attempt_query query = {
        .app_id = application.id, .message_id = message.id, .endpoint_id = endpoint.id};
    return list_attempts(call, db, &query);
}

/* ---- where a message goes ---- */

static enum err write_targets(struct call *call, struct db *db, struct json_writer *writer,
                              const struct message *message, const struct endpoint *endpoints,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct delivery delivery;
        struct delivery_key key = {message->app_id, endpoints[i].id, message->id};
        enum err err = delivery_store_get(db, &key, &delivery);
        if (err == ERR_NOT_FOUND)
            continue;
        if (err)
            return err;
        json_open_object(writer);
        endpoint_write_members(writer, &endpoints[i]);
        message_write_delivery(writer, &delivery);
        json_close_object(writer);
    }
    return call_arena(call)->overflow ? ERR_NOMEM : ERR_OK;
}

/* An application has few endpoints: all fit into one page. */
static enum err targets_read(struct call *call, struct db *db)
{
    struct application application;
    struct message message;
    struct endpoint *endpoints = ARENA_ARRAY(call_arena(call), struct endpoint, ENDPOINTS_MAX);
    struct json_writer writer;
    struct buf *body;
    size_t count = 0;
    enum err err = hooks_call_application(call, db, &application);
    if (!err)
        err = hooks_call_message(call, db, application.id, false, &message);
    if (err || !endpoints)
        return err ? hooks_said(err) : ERR_NOMEM;
    struct endpoint_query query = {.app_id = application.id, .limit = ENDPOINTS_MAX};
    err = endpoint_store_list(db, call_arena(call), &query, endpoints, &count);
    if (!err)
        err = hooks_list_begin(call, &writer, &body);
    if (!err)
        err = write_targets(call, db, &writer, &message, endpoints, count);
    if (!err)
        hooks_list_end(call, &writer, true, STR_NONE, STR_NONE);
    return err;
}

/* ---- deliveries: of an endpoint, and dead ones ---- */

/* A dead letter has an id of its own, of its message and endpoint. */
static void write_message(struct json_writer *writer, const struct message *message,
                          const struct delivery *delivery, bool is_letter)
{
    const struct delivery_key *key = &delivery->key;
    if (is_letter) {
        json_put_id2(writer, "id", "dl", key->message_id, key->endpoint_id);
        json_put_id2(writer, "msgId", "msg", key->app_id, key->message_id);
        message_write_content(writer, message);
    } else {
        message_write_members(writer, message);
    }
}

struct delivery_look {
    bool with_payload;
    bool is_letter;
};

static enum err write_delivery(struct call *call, struct db *db, struct json_writer *writer,
                               const struct delivery *delivery, const struct delivery_look *look)
{
    struct message message;
    enum err err =
        message_store_get(db, call_arena(call), delivery->key.app_id, delivery->key.message_id,
                          clock_now_ms(), look->with_payload, &message);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_IO : err; /* its day ended just now: ask again */
    json_open_object(writer);
    write_message(writer, &message, delivery, look->is_letter);
    json_put_id2(writer, "endpointId", "ep", delivery->key.app_id, delivery->key.endpoint_id);
    json_put_i64(writer, "attempts", delivery->attempts);
    message_write_delivery(writer, delivery);
    json_close_object(writer);
    return ERR_OK;
}

static bool read_span(struct call *call, const char *since, const char *until,
                      struct delivery_span *span)
{
    span->now_ms = clock_now_ms();
    return call_query_time(call, since, &span->since_ms) &&
           call_query_time(call, until, &span->until_ms);
}

/* Forwards only: newest message first. iterator names the last item: its message, or, where one message
 * may be there for several endpoints, message and endpoint. */
static enum err list_deliveries(struct call *call, struct db *db, struct delivery_query *query,
                                size_t limit, const struct delivery_look *look)
{
    struct json_writer writer;
    struct buf *body;
    char text[ID_TEXT_SIZE];
    size_t count = 0;
    query->limit = limit + 1;
    struct delivery *deliveries = ARENA_ARRAY(call_arena(call), struct delivery, query->limit);
    if (!deliveries)
        return ERR_NOMEM;
    enum err err = delivery_store_list(db, query, deliveries, &count);
    if (!err)
        err = hooks_list_begin(call, &writer, &body);
    size_t written = 0;
    for (; !err && written < count && written < limit && body->len < HOOKS_PAGE_BYTES; written++)
        err = write_delivery(call, db, &writer, &deliveries[written], look);
    if (err)
        return err;
    struct str last = STR_NONE;
    if (written) {
        const struct delivery_key *key = &deliveries[written - 1].key;
        last = query->endpoint_id ? id_format2(text, "msg", query->app_id, key->message_id)
                                  : id_format2(text, "dl", key->message_id, key->endpoint_id);
    }
    hooks_list_end(call, &writer, written == count, STR_NONE, last);
    return ERR_OK;
}

static enum err of_endpoint_read(struct call *call, struct db *db)
{
    struct application application;
    struct endpoint endpoint;
    struct hooks_page page;
    struct delivery_query query = {.state = DELIVERY_ANY};
    bool is_bare = false;
    enum err err = hooks_call_application(call, db, &application);
    if (!err)
        err = hooks_call_endpoint(call, db, application.id, &endpoint);
    if (err || !hooks_call_page(call, false, &page) ||
        !hooks_page_id(call, &page, "msg", application.id, &query.before_id) ||
        !call_query_i64(call, "status", 0, 3, &query.state) ||
        !call_is_off(call, "with_content", &is_bare) ||
        !read_span(call, "after", "before", &query.span))
        return hooks_said(err);
    query.app_id = application.id;
    query.endpoint_id = endpoint.id;
    return list_deliveries(call, db, &query, page.limit,
                           &(struct delivery_look){.with_payload = !is_bare});
}

static enum err dead_read(struct call *call, struct db *db)
{
    struct application application;
    struct endpoint endpoint = {0};
    struct hooks_page page;
    struct delivery_query query = {.state = DELIVERY_DEAD};
    struct str text = STR_NONE, types = STR("");
    uint64_t shard;
    enum err err = hooks_call_application(call, db, &application);
    if (err || !call_query_str(call, "endpoint", &text) ||
        !call_query_str(call, "event_types", &types) || !hooks_call_page(call, false, &page) ||
        !read_span(call, "since", "until", &query.span))
        return hooks_said(err);
    bool is_of_all = !text.data && page.iterator.data;
    if (is_of_all &&
        id_parse2(page.iterator, "dl", &query.before_id, &query.before_endpoint_id) != ERR_OK) {
        problem_field(call, "iterator", "is not one that this list gave");
        return ERR_OK;
    }
    if (!is_of_all && !hooks_page_id(call, &page, "msg", application.id, &query.before_id))
        return ERR_OK;
    if (text.data &&
        (id_parse2(text, "ep", &shard, &endpoint.id) != ERR_OK || shard != application.id))
        err = endpoint_store_find(db, call_arena(call), application.id, text, &endpoint);
    if (err == ERR_NOT_FOUND)
        problem_field(call, "endpoint", "is no endpoint of this application");
    if (err)
        return hooks_said(err);
    query.app_id = application.id;
    query.endpoint_id = endpoint.id;
    query.event_types = hooks_split_commas(call_arena(call), types);
    return list_deliveries(call, db, &query, page.limit,
                           &(struct delivery_look){.with_payload = true, .is_letter = true});
}

/* ---- again ---- */

static enum err resend_apply(struct call *call, struct writer_tx *tx)
{
    struct application application;
    struct message message;
    struct endpoint endpoint;
    enum err err = hooks_call_application(call, tx->db, &application);
    if (!err)
        err = hooks_call_message(call, tx->db, application.id, false, &message);
    if (!err)
        err = hooks_call_endpoint(call, tx->db, application.id, &endpoint);
    if (err)
        return hooks_said(err);
    if (endpoint.disabled_by != DISABLED_NOT) {
        problem_reply(call, PROBLEM_CONFLICT, "The endpoint is disabled.");
        return ERR_OK;
    }
    struct delivery_key key = {application.id, endpoint.id, message.id};
    err = delivery_resend(hooks_of(call), tx, &key, LANE_MANUAL);
    struct buf *body = buf_new_in(call_arena(call), 16);
    if (err || !body)
        return err ? err : ERR_NOMEM;
    buf_append_str(body, STR("{}"));
    reply_json(call, 202, body);
    return ERR_OK;
}

#define ATTEMPT(method_name, path)                                                                 \
    .method = (method_name), .pattern = "/api/v1/app/{app}" path, .auth = AUTH_CALLER,             \
    .dialect = DIALECT_HOOKS, .tag = "hooks"
#define FILTERS "limit iterator status status_code_class before after event_types with_content"

const struct route attempt_routes[] = {
    {ATTEMPT(HTTP_GET, "/attempt/endpoint/{ep}"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = by_endpoint_read, .summary = "List attempts to reach an endpoint, newest first",
     .response = "HooksAttemptList", .success = 200, .query = FILTERS, .is_retry_safe = true},
    {ATTEMPT(HTTP_GET, "/attempt/msg/{msg}"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = by_message_read, .summary = "List attempts to deliver a message, newest first",
     .response = "HooksAttemptList", .success = 200, .query = FILTERS " endpoint_id",
     .is_retry_safe = true},
    {ATTEMPT(HTTP_GET, "/msg/{msg}/attempt/{attempt}"), .scopes = HOOKS_PORTAL(VIEW),
     .kind = ROUTE_READ, .read = get_read, .summary = "Get an attempt", .response = "HooksAttempt",
     .success = 200, .is_retry_safe = true},
    {ATTEMPT(HTTP_GET, "/msg/{msg}/endpoint"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = targets_read,
     .summary = "List the endpoints that a message goes to, with its state there",
     .response = "HooksMessageEndpointList", .success = 200, .is_retry_safe = true},
    {ATTEMPT(HTTP_GET, "/endpoint/{ep}/msg"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = of_endpoint_read,
     .summary = "List messages to an endpoint with their state there, newest first",
     .response = "HooksDeliveryList", .success = 200,
     .query = "limit iterator status before after with_content", .is_retry_safe = true},
    {ATTEMPT(HTTP_GET, "/dead-letter"), .scopes = HOOKS_PORTAL(VIEW), .kind = ROUTE_READ,
     .read = dead_read, .summary = "List messages that could not be delivered, newest first",
     .response = "HooksDeadLetterList", .success = 200,
     .query = "limit iterator endpoint event_types since until", .is_retry_safe = true},
    {ATTEMPT(HTTP_POST, "/msg/{msg}/endpoint/{ep}/resend"), .scopes = HOOKS_PORTAL(ATTEMPT),
     .kind = ROUTE_WRITE, .prepare_on_loop = true, .prepare = hooks_prepare_shard,
     .apply = resend_apply, .summary = "Send a message to an endpoint again",
     .response = "HooksEmpty", .success = 202, .problems = "409"},
};
const size_t attempt_routes_count = sizeof(attempt_routes) / sizeof(attempt_routes[0]);
