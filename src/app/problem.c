/*
 * Problem documents (RFC 9457), all from one table; in another form where a route speaks another
 * dialect. The document is built in the request's arena;
 * when there is no room left in it the answer has no body, and the server turns it into a plain
 * 503 (see request_reply).
 *
 * Threads: whichever owns the call.
 */
#include "app/problem.h"

#define PROBLEM_BODY_MAX (64u << 10)

const struct problem_type problem_types[PROBLEM_COUNT] = {
    [PROBLEM_BAD_REQUEST] = {"bad-request", 400, "The request is malformed"},
    [PROBLEM_MALFORMED_JSON] = {"malformed-json", 400, "The body is not JSON"},
    [PROBLEM_IDEMPOTENCY_KEY_REQUIRED] = {"idempotency-key-required", 400,
                                          "This request needs an Idempotency-Key"},
    [PROBLEM_IDEMPOTENCY_KEY_REFUSED] = {"idempotency-key-refused", 400,
                                         "This request cannot be replayed"},
    [PROBLEM_BAD_SIGNATURE] = {"bad-signature", 400, "The signature is not valid"},
    [PROBLEM_UNAUTHENTICATED] = {"unauthenticated", 401, "Please log in"},
    [PROBLEM_TOTP_REQUIRED] = {"totp-required", 401, "A code of the second factor is needed"},
    [PROBLEM_FORBIDDEN] = {"forbidden", 403, "This is not allowed"},
    [PROBLEM_CHALLENGE_REQUIRED] = {"challenge-required", 403, "A challenge is to be solved first"},
    [PROBLEM_WAITING_ROOM_REQUIRED] = {"waiting-room-required", 403,
                                       "Please wait for your turn in the waiting room"},
    [PROBLEM_NOT_FOUND] = {"not-found", 404, "There is no such thing"},
    [PROBLEM_METHOD_NOT_ALLOWED] = {"method-not-allowed", 405, "The method is not allowed here"},
    [PROBLEM_CONFLICT] = {"conflict", 409, "The state does not allow it"},
    [PROBLEM_SEATS_UNAVAILABLE] = {"seats-unavailable", 409, "Some seats are gone"},
    [PROBLEM_SALE_NOT_OPEN] = {"sale-not-open", 409, "The sale has not begun"},
    [PROBLEM_SALE_CLOSED] = {"sale-closed", 409, "The sale is over"},
    [PROBLEM_HOLD_EXPIRED] = {"hold-expired", 409, "The hold has expired"},
    [PROBLEM_ALREADY_USED] = {"already-used", 409, "The ticket was used before"},
    [PROBLEM_EMAIL_TAKEN] = {"email-taken", 409, "There is an account with this email"},
    [PROBLEM_REVOKED] = {"revoked", 410, "The ticket was revoked"},
    [PROBLEM_PRECONDITION_FAILED] = {"precondition-failed", 412,
                                     "The request asks for something that is not so"},
    [PROBLEM_TOO_LARGE] = {"too-large", 413, "The body is too large"},
    [PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {"unsupported-media-type", 415,
                                        "The body must be application/json"},
    [PROBLEM_RANGE_NOT_SATISFIABLE] = {"range-not-satisfiable", 416,
                                       "There are no bytes in this range"},
    [PROBLEM_VALIDATION] = {"validation", 422, "Some fields are not valid"},
    [PROBLEM_LIMIT_EXCEEDED] = {"limit-exceeded", 422, "This is over a limit"},
    [PROBLEM_IDEMPOTENCY_CONFLICT] = {"idempotency-conflict", 422,
                                      "The Idempotency-Key was used for another request"},
    [PROBLEM_LOCKED] = {"locked", 423, "Another request works on it"},
    [PROBLEM_UPGRADE_REQUIRED] = {"upgrade-required", 426, "This is a WebSocket"},
    [PROBLEM_RATE_LIMITED] = {"rate-limited", 429, "Too many requests"},
    [PROBLEM_CHECKSUM_MISMATCH] = {"checksum-mismatch", 460, "The bytes do not have this checksum"},
    [PROBLEM_INTERNAL] = {"internal", 500, "Something went wrong on our side"},
    [PROBLEM_OVERLOADED] = {"overloaded", 503, "The service is busy"},
};

/* Takes every append as an overflow, for when there is no memory: callers write on without
 * asking. */
static struct buf *nowhere(void)
{
    static _Thread_local struct buf buf;
    buf_init(&buf, 0);
    return &buf;
}

struct json_writer problem_begin(struct call *call, enum problem problem, const char *detail,
                                 struct buf **ret_body)
{
    const struct problem_type *type = &problem_types[problem];
    struct buf *body = buf_new_in(call_arena(call), PROBLEM_BODY_MAX);
    if (!body)
        body = nowhere();
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_str(&writer, "type", str_from_c(type->slug));
    json_put_str(&writer, "title", str_from_c(type->title));
    json_put_i64(&writer, "status", type->status);
    if (detail)
        json_put_str(&writer, "detail", str_from_c(detail));
    json_put_str(&writer, "request_id", call->req->id);
    *ret_body = body;
    return writer;
}

void problem_end(struct call *call, struct json_writer *writer, enum problem problem,
                 struct buf *body)
{
    struct response *res = &call->req->res;
    json_close_object(writer);
    res->status = problem_types[problem].status;
    res->content_type = STR("application/problem+json");
    res->body = body->overflow ? STR_NONE : buf_str(body);
    if (res->status == 401)
        response_header(call->req, "www-authenticate", STR("Bearer realm=\"foyer\""));
}

/* ---- DIALECT_HOOKS ---- */

static bool is_hooks(const struct call *call)
{
    return call->route->dialect == DIALECT_HOOKS;
}

static void hooks_end(struct call *call, struct json_writer *writer, enum problem problem,
                      struct buf *body)
{
    problem_end(call, writer, problem, body);
    call->req->res.content_type = STR("application/json");
}

static struct json_writer hooks_begin(struct call *call, struct buf **ret_body)
{
    struct buf *body = buf_new_in(call_arena(call), PROBLEM_BODY_MAX);
    struct json_writer writer;
    *ret_body = body ? body : nowhere();
    json_begin(&writer, *ret_body);
    json_open_object(&writer);
    return writer;
}

/* The slug with underscores. */
static void hooks_reply(struct call *call, enum problem problem, const char *detail)
{
    const struct problem_type *type = &problem_types[problem];
    char code[64];
    size_t len = 0;
    for (; type->slug[len] && len < sizeof(code); len++)
        code[len] = type->slug[len] == '-' ? '_' : type->slug[len];
    struct buf *body;
    struct json_writer writer = hooks_begin(call, &body);
    json_put_str(&writer, "code", str_from(code, len));
    json_put_str(&writer, "detail", str_from_c(detail ? detail : type->title));
    hooks_end(call, &writer, problem, body);
}

/* names: words with a space between them. */
static bool is_parameter(const struct call *call, struct str name)
{
    struct str names = str_from_c(call->route->query);
    while (names.len > 0) {
        if (str_eq(str_split(&names, ' '), name))
            return true;
    }
    return false;
}

/* "loc" is where it stands: the body or the query, then the names on the way. */
static void put_hooks_field(struct call *call, struct json_writer *writer, struct str field,
                            struct str message)
{
    json_open_object(writer);
    json_key(writer, "loc");
    json_open_array(writer);
    json_str(writer, is_parameter(call, field) ? STR("query") : STR("body"));
    while (field.len > 0)
        json_str(writer, str_split(&field, '.'));
    json_close_array(writer);
    json_put_str(writer, "msg", message);
    json_put_str(writer, "type", STR("value_error"));
    json_close_object(writer);
}

static void hooks_fields(struct call *call, const struct field_error *errors, size_t count)
{
    struct buf *body;
    struct json_writer writer = hooks_begin(call, &body);
    json_key(&writer, "detail");
    json_open_array(&writer);
    for (size_t i = 0; i < count; i++)
        put_hooks_field(call, &writer, errors[i].field, errors[i].message);
    json_close_array(&writer);
    hooks_end(call, &writer, PROBLEM_VALIDATION, body);
}

/* ---- all ---- */

void problem_reply(struct call *call, enum problem problem, const char *detail)
{
    /* 422 is always a list there. */
    if (is_hooks(call) && problem_types[problem].status == 422) {
        const char *message = detail ? detail : problem_types[problem].title;
        hooks_fields(call, &(struct field_error){STR_NONE, str_from_c(message)}, 1);
        return;
    }
    if (is_hooks(call)) {
        hooks_reply(call, problem, detail);
        return;
    }
    struct buf *body;
    struct json_writer writer = problem_begin(call, problem, detail, &body);
    problem_end(call, &writer, problem, body);
}

static void put_field(struct json_writer *writer, struct str field, struct str message)
{
    json_open_object(writer);
    json_put_str(writer, "field", field);
    json_put_str(writer, "message", message);
    json_close_object(writer);
}

void problem_fields(struct call *call, const struct field_errors *errors)
{
    problem_fields_as(call, PROBLEM_VALIDATION, errors);
}

void problem_fields_as(struct call *call, enum problem problem, const struct field_errors *errors)
{
    if (is_hooks(call)) {
        hooks_fields(call, errors->items, errors->count);
        return;
    }
    struct buf *body;
    struct json_writer writer = problem_begin(call, problem, NULL, &body);
    json_key(&writer, "errors");
    json_open_array(&writer);
    for (size_t i = 0; i < errors->count; i++)
        put_field(&writer, errors->items[i].field, errors->items[i].message);
    json_close_array(&writer);
    problem_end(call, &writer, problem, body);
}

void problem_field(struct call *call, const char *field, const char *message)
{
    if (is_hooks(call)) {
        hooks_fields(call, &(struct field_error){str_from_c(field), str_from_c(message)}, 1);
        return;
    }
    struct buf *body;
    struct json_writer writer = problem_begin(call, PROBLEM_VALIDATION, NULL, &body);
    json_key(&writer, "errors");
    json_open_array(&writer);
    put_field(&writer, str_from_c(field), str_from_c(message));
    json_close_array(&writer);
    problem_end(call, &writer, PROBLEM_VALIDATION, body);
}

void problem_retry(struct call *call, enum problem problem, const char *detail,
                   int64_t retry_after_s)
{
    struct str seconds = arena_printf(call_arena(call), "%lld", (long long)retry_after_s);
    response_header(call->req, "retry-after", seconds);
    problem_reply(call, problem, detail);
}
