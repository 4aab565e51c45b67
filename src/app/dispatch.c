/*
 * Dispatch: the way of a request from the server to its answer. It is a row of steps; each lets
 * the request pass, answers it, or asks to go on where there is a database:
 *
 *     loop thread                                   pool thread             writer thread
 *   1 match    path and method: 404, 405
 *   2 body     size and content type: 413, 415
 *   3 caller   from the cache: 401, 403         ──▶ 3 caller  from the rows
 *   4 permit   logged in, scope, key: 401, 403
 *   5 replay   (only with an Idempotency-Key)   ──▶ 5 replay  answered before?
 *   6 limits   rate, names: 429, 400, 422
 *   7 handle   LOOP: loop() may go to READ
 *              READ:                            ──▶ read()
 *              WRITE: prepare() or              ──▶ prepare()           ──▶ replay again,
 *                                                                           apply(), done()
 *
 * A request that has gone to a pool stays there for the steps that follow. The answer may leave
 * from any of the three.
 *
 * Idempotency. Only authentication comes before the key, so that who asks again is not refused by
 * what he himself has done. The reader's look is a courtesy, and spares the handler; the writer's
 * look, in the transaction of the request, is the exact one: of two twins in flight the second
 * finds the first's row. The answer is kept in the savepoint that made it true, and only if it is
 * a success; a refusal is evaluated anew.
 *
 * Invariants
 *  1. Each request is answered exactly once, by exchange_finish or in the server's words when
 *     there is no memory.
 *  2. A queue that is full answers 503 at once; nothing here waits for anything.
 *  3. An apply that answered >= 400 leaves no row: its savepoint is rolled back through its
 *     return value, and the answer it gave leaves all the same. When the group is lost and the
 *     job runs again, the answer of the lost run is forgotten first.
 *
 * Memory: the exchange and all it needs lie in the request's arena; on the way from the loop to
 * the answer nothing else is allocated, and no lock is taken but those of the queues, the caller
 * cache and the rate limiter.
 */
#include <assert.h>
#include <stdatomic.h>

#include "app/app_internal.h"
#include "app/idempotency.h"
#include "app/portal.h"
#include "base/clock.h"
#include "base/crypto.h"

enum flow {
    FLOW_NEXT,   /* on to the next step */
    FLOW_ANSWER, /* the response is set */
    FLOW_POOL,   /* do this step on a pool thread */
    FLOW_WRITER, /* the writer has it now: hands off */
};

struct exchange {
    struct call call;
    const struct bound_route *bound;
    size_t step;
    bool keeps_answer;   /* has an Idempotency-Key that dispatch looks after */
    bool is_past_loop;   /* loop() has said ERR_AGAIN */
    bool is_refusal;     /* apply answered what must not be committed */
    size_t kept_headers; /* response headers that exchange_reset leaves alone */
    enum err failure;    /* why it is a 5xx, for the log */
    struct idempotency_key key;
    struct pool_task task;
    struct writer_job job;
};

/* ---- the end ---- */

static bool has_response_header(const struct response *res, struct str name)
{
    for (size_t i = 0; i < res->header_count; i++) {
        if (str_eq(res->headers[i].name, name))
            return true;
    }
    return false;
}

static void exchange_log(const struct exchange *x, int64_t elapsed_ns)
{
    const struct request *req = x->call.req;
    /* A full queue refuses thousands a second; the metrics tell, and the log is left in peace. */
    bool is_failure = req->res.status >= 500 && x->failure != ERR_FULL;
    enum log_level level = is_failure ? LOG_WARN : LOG_DEBUG;
    log_write(level, "request",
              "method=%s path=%.*s route=%s status=%d us=%lld peer=%s trace=%016llx%016llx err=%s",
              http_method_name(req->method), STR_ARG(req->path), x->bound->route->pattern,
              req->res.status, (long long)(elapsed_ns / 1000), req->peer_ip,
              (unsigned long long)x->call.trace_hi, (unsigned long long)x->call.trace_lo,
              err_name(x->failure));
}

/* Any thread. The exchange is gone afterwards. */
static void exchange_finish(struct exchange *x)
{
    struct request *req = x->call.req;
    assert(req->res.status >= 101 && req->res.status < 600);
    response_header(req, "x-content-type-options", STR("nosniff"));
    if (!has_response_header(&req->res, STR("cache-control"))) {
        response_header(req, "cache-control", STR("no-store"));
        if (x->call.app->on_answer)
            x->call.app->on_answer(x->call.app->on_answer_ctx, req);
    }
    int64_t elapsed_ns = clock_mono_ns() - req->started_ns;
    metric_add(x->bound->by_class[req->res.status / 100], 1);
    metric_observe_ns(x->bound->latency, elapsed_ns);
    exchange_log(x, elapsed_ns);
    if (x->call.at_end)
        x->call.at_end(x->call.prepared);
    log_set_request_id(STR_NONE);
    request_reply(req);
}

/* Forgets what a handler has answered, but for the headers that dispatch itself has set. */
static void exchange_reset(struct exchange *x)
{
    struct response *res = &x->call.req->res;
    if (res->body_release)
        res->body_release(res->body_ptr);
    res->status = 0;
    res->content_type = STR_NONE;
    res->body = STR_NONE;
    res->file.size = 0;
    res->body_release = NULL;
    res->body_ptr = NULL;
    res->header_count = x->kept_headers;
}

/* The system failed: 503 when it may pass, 500 when it is our mistake. */
static enum flow exchange_fail(struct exchange *x, enum err err)
{
    exchange_reset(x);
    x->failure = err;
    switch (err) {
    case ERR_FULL:
    case ERR_IO:
    case ERR_CLOSED:
    case ERR_TIMEOUT:
    case ERR_NOMEM:
        problem_retry(&x->call, PROBLEM_OVERLOADED, NULL, 1);
        break;
    default:
        problem_reply(&x->call, PROBLEM_INTERNAL, NULL);
    }
    return FLOW_ANSWER;
}

static enum flow refuse(struct exchange *x, enum problem problem, const char *detail)
{
    problem_reply(&x->call, problem, detail);
    return FLOW_ANSWER;
}

/* What a handler said: an answer, a failure, or nothing although it had to. */
static enum flow handler_said(struct exchange *x, enum err err)
{
    if (err != ERR_OK)
        return exchange_fail(x, err);
    return call_is_answered(&x->call) ? FLOW_ANSWER : exchange_fail(x, ERR_CORRUPT);
}

/* ---- 1 match ---- */

static enum flow step_match(struct exchange *x, struct db *const *databases)
{
    (void)databases;
    struct app *app = x->call.app;
    const void *value;
    struct str allow;
    enum err err = router_match(app->router, x->call.req, &value, &allow);
    if (err == ERR_OK) {
        x->bound = value;
        x->call.route = x->bound->route;
        x->call.service = x->bound->service;
        return FLOW_NEXT;
    }
    if (err == ERR_DENIED) {
        response_header(x->call.req, "allow", allow);
        return refuse(x, PROBLEM_METHOD_NOT_ALLOWED, NULL);
    }
    if (err != ERR_NOT_FOUND)
        return exchange_fail(x, err);
    pages_reply(app->pages, &x->call);
    return FLOW_ANSWER;
}

/* ---- 2 body ---- */

/* application/json, whatever its parameters. */
static bool is_json(struct str content_type)
{
    struct str type = str_trim(str_split(&content_type, ';'));
    return str_eq_ci(type, STR("application/json"));
}

/* Nothing is unpacked here: a small body that becomes a large one has no way in. */
static bool is_plain_coding(struct str content_encoding)
{
    return content_encoding.len == 0 || str_eq_ci(content_encoding, STR("identity"));
}

static enum flow step_body(struct exchange *x, struct db *const *databases)
{
    (void)databases;
    const struct route *route = x->call.route;
    struct request *req = x->call.req;
    size_t body_max = route->body_max ? route->body_max : ROUTE_BODY_DEFAULT;
    if (req->body.len == 0)
        return FLOW_NEXT;
    if (req->body.len > body_max) {
        struct str detail =
            arena_printf(&req->arena, "At most %zu bytes are taken here.", body_max);
        return refuse(x, PROBLEM_TOO_LARGE, detail.data);
    }
    if (!is_plain_coding(request_header(req, "content-encoding"))) {
        response_header(req, "accept-encoding", STR("identity"));
        return refuse(x, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                      "Bodies are not taken compressed: send it without Content-Encoding.");
    }
    if (!route->takes_any_body && !is_json(request_header(req, "content-type")))
        return refuse(x, PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL);
    return FLOW_NEXT;
}

/* ---- 3 caller ---- */

/* Only routes of that dialect know portal tokens; elsewhere they are no credentials. */
static enum err look_up(struct exchange *x, struct db *const *databases)
{
    struct app *app = x->call.app;
    struct request *req = x->call.req;
    uint64_t app_id;
    uint8_t hash[SHA256_SIZE];
    if (x->call.route->dialect == DIALECT_HOOKS && portal_token_of(req, &app_id, hash))
        return databases
                   ? portal_lookup(app->tables, app->table_count, databases, req, &x->call.caller)
                   : ERR_AGAIN;
    return databases ? identity_lookup(app->identity, databases[0], req, &x->call.caller)
                     : identity_lookup_cached(app->identity, req, &x->call.caller);
}

static enum flow step_caller(struct exchange *x, struct db *const *databases)
{
    if (x->call.route->auth == AUTH_NONE)
        return FLOW_NEXT;
    enum err err = look_up(x, databases);
    switch (err) {
    case ERR_OK:
        return FLOW_NEXT;
    case ERR_AGAIN:
        return databases ? exchange_fail(x, ERR_IO) : FLOW_POOL;
    case ERR_DENIED:
        return refuse(x, PROBLEM_UNAUTHENTICATED, "The session or key is not valid (any more).");
    case ERR_CONFLICT:
        return refuse(x, PROBLEM_FORBIDDEN, "A cookie counts for requests of our own pages only.");
    default:
        return exchange_fail(x, err);
    }
}

/* ---- 4 permit ---- */

static enum flow permit_key(struct exchange *x)
{
    struct call *call = &x->call;
    const struct route *route = call->route;
    bool is_required =
        route->idempotency == IDEMPOTENCY_REQUIRED || route->idempotency == IDEMPOTENCY_OWN;
    if (route->method != HTTP_POST || route->idempotency == IDEMPOTENCY_IGNORED)
        return FLOW_NEXT;
    struct str key = request_header(call->req, "idempotency-key");
    if (!key.data)
        return is_required ? refuse(x, PROBLEM_IDEMPOTENCY_KEY_REQUIRED, NULL) : FLOW_NEXT;
    if (route->idempotency == IDEMPOTENCY_REFUSED)
        return refuse(x, PROBLEM_IDEMPOTENCY_KEY_REFUSED, NULL);
    if (!idempotency_key_is_valid(key))
        return refuse(x, PROBLEM_BAD_REQUEST,
                      "An Idempotency-Key has 1 to 255 visible ASCII characters.");
    call->idempotency_key = key;
    enum err err = idempotency_hash_body(call->req, call->body_hash);
    if (err != ERR_OK)
        return exchange_fail(x, err);
    x->keeps_answer = route->kind == ROUTE_WRITE && route->idempotency != IDEMPOTENCY_OWN &&
                      route->idempotency != IDEMPOTENCY_OWN_OPTIONAL;
    if (x->keeps_answer)
        idempotency_key_init(&x->key, call);
    return FLOW_NEXT;
}

static enum flow step_permit(struct exchange *x, struct db *const *databases)
{
    (void)databases;
    const struct route *route = x->call.route;
    const struct caller *caller = x->call.caller;
    if (route->auth == AUTH_CALLER && !caller)
        return refuse(x, PROBLEM_UNAUTHENTICATED, NULL);
    if (route->scopes && !(caller && caller->scopes & (route->scopes | SCOPE_ADMIN)))
        return refuse(x, caller ? PROBLEM_FORBIDDEN : PROBLEM_UNAUTHENTICATED, NULL);
    if (caller && caller->portal_app_id && !(caller->scopes & route->scopes))
        return refuse(x, PROBLEM_FORBIDDEN, NULL);
    return permit_key(x);
}

/* ---- 5 replay ---- */

/* FLOW_NEXT: the key is new. */
static enum flow replay(struct exchange *x, struct db *db, int64_t now_ms)
{
    struct call *call = &x->call;
    struct idempotency_answer answer;
    enum err err = idempotency_find(db, call_arena(call), &x->key, now_ms, &answer);
    if (err == ERR_NOT_FOUND)
        return FLOW_NEXT;
    if (err != ERR_OK)
        return exchange_fail(x, err);
    if (!answer.is_same_body)
        return refuse(x, PROBLEM_IDEMPOTENCY_CONFLICT, NULL);
    response_header(call->req, "idempotency-replayed", STR("true"));
    reply_empty(call, answer.status);
    if (answer.body.len > 0)
        call->req->res.content_type = STR("application/json");
    call->req->res.body = answer.body;
    return FLOW_ANSWER;
}

static enum flow step_replay(struct exchange *x, struct db *const *databases)
{
    if (!x->keeps_answer)
        return FLOW_NEXT;
    if (!databases)
        return FLOW_POOL;
    return replay(x, databases[x->call.service->database_index], clock_now_ms());
}

/* ---- 6 limits ---- */

static uint64_t who_is_limited(const struct call *call, const struct rate_class_limits *limits)
{
    const struct caller *caller = call->caller;
    if (!caller || limits->is_by_address)
        return rate_limit_address(str_from_c(call->req->peer_ip));
    if (caller->portal_app_id) /* the owner's allowance is not the customer's */
        return ~caller->portal_app_id;
    return caller->account_id ? caller->account_id : caller->key_id;
}

/* RateLimit as in draft-ietf-httpapi-ratelimit-headers: requests left, seconds until all are
 * back. */
static void rate_limit_headers(struct call *call, const struct rate_class_limits *limits,
                               const struct rate_verdict *verdict)
{
    struct str value = arena_printf(call_arena(call), "\"%s\";r=%lld;t=%lld", limits->name,
                                    (long long)verdict->remaining, (long long)verdict->full_in_s);
    response_header(call->req, "ratelimit-policy", str_from_c(limits->policy));
    response_header(call->req, "ratelimit", value);
}

static bool take_allowance(struct call *call, enum rate_class rate_class, uint64_t who,
                           bool is_routes_own)
{
    const struct rate_class_limits *limits = &rate_classes[rate_class];
    const struct caller *caller = call->caller;
    bool is_exempt = caller && caller->key_id && (caller->scopes & SCOPE_ADMIN);
    if (!call->app->limiter || !limits->policy || is_exempt)
        return true;
    struct rate_verdict verdict = rate_limiter_take(
        call->app->limiter, rate_class, who ? who : who_is_limited(call, limits), clock_now_ms());
    if (is_routes_own || !verdict.is_allowed)
        rate_limit_headers(call, limits, &verdict);
    if (verdict.is_allowed)
        return true;
    problem_retry(call, PROBLEM_RATE_LIMITED, NULL, verdict.retry_in_s);
    return false;
}

bool call_rate_limit(struct call *call)
{
    return take_allowance(call, call->route->rate, 0, true);
}

bool call_rate_limit_also(struct call *call, enum rate_class rate_class, uint64_t who)
{
    return take_allowance(call, rate_class, who, false);
}

/* names: words with a space between them. */
static bool is_among(struct str names, struct str name)
{
    while (names.len > 0) {
        if (str_eq(str_split(&names, ' '), name))
            return true;
    }
    return false;
}

static enum flow check_query_names(struct exchange *x)
{
    struct request *req = x->call.req;
    struct str names = str_from_c(x->call.route->query);
    size_t position = 0;
    struct str name;
    if (req->query.len == 0 || str_eq(names, STR("*")) || x->call.route->dialect == DIALECT_HOOKS)
        return FLOW_NEXT;
    while (request_query_each(req, &position, &name)) {
        if (is_among(names, name))
            continue;
        struct str field = arena_str_dup(&req->arena, name);
        problem_field(&x->call, field.data, "is not a parameter of this request");
        return FLOW_ANSWER;
    }
    return FLOW_NEXT;
}

/* Where no body is expected an empty object is none, too; what is in it must not seem understood. */
static enum flow check_no_fields(struct exchange *x)
{
    const struct route *route = x->call.route;
    bool is_expected = route->request || route->takes_any_body || route->method == HTTP_GET;
    if (is_expected || x->call.req->body.len == 0)
        return FLOW_NEXT;
    return call_decode(&x->call, NULL) ? FLOW_NEXT : FLOW_ANSWER;
}

static enum flow step_limits(struct exchange *x, struct db *const *databases)
{
    (void)databases;
    if (x->call.route->idempotency != IDEMPOTENCY_OWN && !call_rate_limit(&x->call))
        return FLOW_ANSWER;
    x->kept_headers = x->call.req->res.header_count;
    enum flow flow = check_query_names(x);
    return flow == FLOW_NEXT ? check_no_fields(x) : flow;
}

/* ---- 7 handle: the writer ---- */

static enum err exchange_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct exchange *x = container_of(job, struct exchange, job);
    struct response *res = &x->call.req->res;
    exchange_reset(x);
    x->is_refusal = false;
    log_set_request_id(x->call.req->id);
    if (x->keeps_answer && replay(x, tx->db, tx->now_ms) == FLOW_ANSWER) {
        x->is_refusal = true;
        return ERR_CONFLICT;
    }
    enum err err = x->call.route->apply(&x->call, tx);
    if (err != ERR_OK)
        return err == ERR_CONFLICT ? ERR_CORRUPT : err;
    if (!call_is_answered(&x->call))
        return ERR_CORRUPT;
    if (res->status >= 400) {
        x->is_refusal = true;
        return ERR_CONFLICT;
    }
    /* Outside of a transaction the row would be there at once, whatever becomes of the rest. */
    if (!db_in_transaction(tx->db))
        return ERR_IO;
    if (x->keeps_answer && res->status < 300)
        return idempotency_put(tx->db, &x->key, res->status, res->body, tx->now_ms);
    return ERR_OK;
}

/* Of any service: they share the disk that is full. */
static void note_write(struct app *app, enum err outcome)
{
    bool has_failed = atomic_load_explicit(&app->write_failed_ms, memory_order_relaxed) != 0;
    if (outcome == ERR_IO)
        atomic_store_explicit(&app->write_failed_ms, clock_now_ms(), memory_order_relaxed);
    else if (outcome == ERR_OK && has_failed)
        atomic_store_explicit(&app->write_failed_ms, 0, memory_order_relaxed);
}

static void exchange_done(struct writer_job *job, enum err outcome)
{
    struct exchange *x = container_of(job, struct exchange, job);
    note_write(x->call.app, outcome);
    if (outcome != ERR_OK && !(outcome == ERR_CONFLICT && x->is_refusal))
        (void)exchange_fail(x, outcome); /* always answers */
    log_set_request_id(x->call.req->id);
    exchange_finish(x);
}

static enum flow submit_write(struct exchange *x)
{
    assert(!x->call.shard || !x->keeps_answer);
    x->job =
        (struct writer_job){.shard = x->call.shard, .apply = exchange_apply, .done = exchange_done};
    x->kept_headers = x->call.req->res.header_count;
    enum err err = writer_submit(x->call.service->writer, &x->job);
    return err == ERR_OK ? FLOW_WRITER : exchange_fail(x, err);
}

/* ---- 7 handle ---- */

static enum flow handle_loop(struct exchange *x, struct db *db)
{
    const struct route *route = x->call.route;
    if (!x->is_past_loop) {
        enum err err = route->loop(&x->call);
        if (err != ERR_AGAIN)
            return handler_said(x, err);
        assert(route->read);
        exchange_reset(x);
        x->is_past_loop = true;
    }
    return db ? handler_said(x, route->read(&x->call, db)) : FLOW_POOL;
}

static enum flow handle_write(struct exchange *x, struct db *db)
{
    const struct route *route = x->call.route;
    if (!route->prepare)
        return submit_write(x);
    if (!db && !route->prepare_on_loop)
        return FLOW_POOL;
    enum err err = route->prepare(&x->call, db);
    if (err == ERR_AGAIN && !db) {
        exchange_reset(x);
        return FLOW_POOL;
    }
    if (err != ERR_OK || call_is_answered(&x->call))
        return handler_said(x, err);
    return submit_write(x);
}

static enum flow step_handle(struct exchange *x, struct db *const *databases)
{
    const struct route *route = x->call.route;
    struct db *db = databases ? databases[x->call.service->database_index] : NULL;
    x->call.platform = databases ? databases[0] : NULL;
    switch (route->kind) {
    case ROUTE_LOOP:
        return handle_loop(x, db);
    case ROUTE_READ:
        return db ? handler_said(x, route->read(&x->call, db)) : FLOW_POOL;
    case ROUTE_WRITE:
        return handle_write(x, db);
    }
    return exchange_fail(x, ERR_CORRUPT);
}

/* ---- the row ---- */

static enum flow (*const steps[])(struct exchange *x, struct db *const *databases) = {
    step_match, step_body, step_caller, step_permit, step_replay, step_limits, step_handle,
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void exchange_run(struct exchange *x, struct db *const *databases);

static void exchange_run_on_pool(struct pool_task *task, struct db *const *databases)
{
    exchange_run(container_of(task, struct exchange, task), databases);
}

static enum flow submit_pool(struct exchange *x)
{
    x->task = (struct pool_task){.run = exchange_run_on_pool};
    log_set_request_id(STR_NONE);
    enum err err = pool_submit(x->call.app->pools[x->call.route->pool], &x->task);
    return err == ERR_OK ? FLOW_POOL : exchange_fail(x, err);
}

/* databases: NULL on a loop thread. */
static void exchange_run(struct exchange *x, struct db *const *databases)
{
    enum flow flow = FLOW_NEXT;
    log_set_request_id(x->call.req->id);
    while (flow == FLOW_NEXT) {
        assert(x->step < STEPS);
        flow = steps[x->step](x, databases);
        if (flow == FLOW_NEXT)
            x->step++;
    }
    assert(flow != FLOW_POOL || !databases);
    if (flow == FLOW_POOL)
        flow = submit_pool(x); /* unless it is answered, the exchange is another thread's now */
    if (flow == FLOW_ANSWER)
        exchange_finish(x);
    else
        log_set_request_id(STR_NONE);
}

/* ---- the beginning ---- */

static bool parse_hex64(struct str text, uint64_t *ret_value)
{
    uint8_t bytes[8];
    size_t len;
    if (hex_decode(text, bytes, sizeof(bytes), &len) != ERR_OK || len != sizeof(bytes))
        return false;
    *ret_value = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *ret_value = *ret_value << 8 | bytes[i];
    return true;
}

/* W3C Trace Context: version 00, trace id, parent id, flags. A malformed one counts as none. */
static void parse_traceparent(struct call *call)
{
    struct str text = request_header(call->req, "traceparent");
    uint64_t hi, lo, parent;
    if (text.len < 55 || text.data[2] != '-' || text.data[35] != '-' || text.data[52] != '-' ||
        str_starts_with(text, STR("ff")) || (text.len > 55 && str_starts_with(text, STR("00"))))
        return;
    if (!parse_hex64(str_sub(text, 3, 16), &hi) || !parse_hex64(str_sub(text, 19, 16), &lo) ||
        !parse_hex64(str_sub(text, 36, 16), &parent) || (hi | lo) == 0 || parent == 0)
        return;
    call->trace_hi = hi;
    call->trace_lo = lo;
}

void app_on_request(struct request *request, void *ctx)
{
    struct app *app = ctx;
    struct exchange *x = ARENA_NEW(&request->arena, struct exchange);
    if (!x) { /* the arena has overflown: the server says 503 in its own words */
        request->res.status = 503;
        request_reply(request);
        return;
    }
    request->app = x;
    x->bound = &app->page;
    x->call = (struct call){
        .req = request, .app = app, .route = app->page.route, .service = app->page.service};
    parse_traceparent(&x->call);
    exchange_run(x, NULL);
}
