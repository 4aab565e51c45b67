/*
 * Requests of the bank: route, secret, behaviour, then the handler where it belongs (reads on the
 * pool, writes in the writer), and the answer. Small beside src/app, which the bank must not lean
 * on: it stands for somebody else's system.
 *
 * A part of the bank that is told to hang keeps its requests here, unanswered, until it is told
 * otherwise or stops; that is bounded, and what is beyond is refused.
 */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/rand.h"
#include "sandbox/bank.h"

/* --- Answers --- */

void bank_reply_json(struct bank_call *call, int status, struct buf *body)
{
    if (!body || body->overflow) {
        status = 503;
        body = NULL;
    }
    call->req->res.status = status;
    call->req->res.content_type =
        status < 400 ? STR("application/json") : STR("application/problem+json");
    call->req->res.body = body ? buf_str(body) : STR("{\"status\":503}");
}

void bank_refuse(struct bank_call *call, int status, const char *detail)
{
    if (call->route && call->route->is_page) {
        struct buf *content = buf_new_in(bank_arena(call), 2048);
        if (content) {
            buf_append_str(content, STR("<p class=\"lead\">"));
            buf_append_markup(content, str_from_c(detail));
            buf_append_str(content, STR("</p>"));
        }
        bank_reply_page(call, status, "Sandbox Bank", content ? buf_str(content) : STR_NONE, NULL);
        return;
    }
    struct buf *body = buf_new_in(bank_arena(call), 1024);
    if (body) {
        struct json_writer writer;
        json_begin(&writer, body);
        json_open_object(&writer);
        json_put_i64(&writer, "status", status);
        json_put_str(&writer, "detail", str_from_c(detail));
        json_close_object(&writer);
    }
    bank_reply_json(call, status, body);
}

bool bank_decode(struct bank_call *call, const struct json_field *fields, void *ret)
{
    struct field_errors errors;
    field_errors_init(&errors, bank_arena(call));
    struct str text = call->req->body.len > 0 ? call->req->body : STR("{}");
    if (json_decode(bank_arena(call), text, fields, ret, &errors) == ERR_OK)
        return true;
    struct str detail = STR("The body cannot be read.");
    if (errors.count > 0)
        detail = arena_printf(bank_arena(call), "%.*s: %.*s", STR_ARG(errors.items[0].field),
                              STR_ARG(errors.items[0].message));
    bank_refuse(call, 422, detail.data ? detail.data : "The body cannot be read.");
    return false;
}

/* --- Running handlers --- */

static void finish(struct bank_call *call, enum err err)
{
    if (!bank_is_answered(call) || (err && call->req->res.status < 400)) {
        if (err && err != ERR_CLOSED)
            log_error("request failed", "path=\"%.*s\" error=\"%s\"", STR_ARG(call->req->path),
                      err_name(err));
        call->req->res = (struct response){0};
        bank_refuse(call, 503, "Not now.");
    }
    request_reply(call->req);
}

static void read_run(struct pool_task *task, struct db *const *databases)
{
    struct bank_call *call = container_of(task, struct bank_call, task);
    finish(call, call->route->read(call, databases[0]));
}

static enum err write_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct bank_call *call = container_of(job, struct bank_call, job);
    call->req->res = (struct response){0};
    enum err err = call->route->apply(call, tx);
    if (!err && call->req->res.status >= 400)
        return ERR_CONFLICT;
    return err;
}

static void write_done(struct writer_job *job, enum err outcome)
{
    finish(container_of(job, struct bank_call, job), outcome);
}

static void dispatch(struct bank_call *call)
{
    if (call->route->prepare)
        call->route->prepare(call);
    enum err err = ERR_OK;
    if (bank_is_answered(call)) {
        request_reply(call->req);
        return;
    }
    if (call->route->read) {
        call->task.run = read_run;
        err = pool_submit(call->bank->pool, &call->task);
    } else {
        call->job = (struct writer_job){.apply = write_apply, .done = write_done};
        err = writer_submit(call->bank->writer, &call->job);
    }
    if (err)
        finish(call, err);
}

/* --- Behaviour --- */

static bool hang(struct bank_call *call)
{
    struct bank *bank = call->bank;
    pthread_mutex_lock(&bank->lock);
    bool has_room = bank->hung_count < BANK_HUNG_MAX;
    if (has_room)
        bank->hung[bank->hung_count++] = call;
    pthread_mutex_unlock(&bank->lock);
    return has_room;
}

void bank_release_hung(struct bank *bank)
{
    for (;;) {
        pthread_mutex_lock(&bank->lock);
        struct bank_call *call = bank->hung_count > 0 ? bank->hung[--bank->hung_count] : NULL;
        pthread_mutex_unlock(&bank->lock);
        if (!call)
            return;
        bank_refuse(call, 503, "Told to hang.");
        request_reply(call->req);
    }
}

/* False when the part doesn't serve; the call is answered or kept then. */
static bool behave(struct bank_call *call)
{
    int behaviour =
        call->route->has_part ? atomic_load(&call->bank->behaviour[call->route->part]) : BEHAVE_OK;
    if (behaviour == BEHAVE_OK)
        return true;
    if (behaviour == BEHAVE_HANG && hang(call))
        return false;
    bank_refuse(call, 503, "Told to refuse.");
    request_reply(call->req);
    return false;
}

/* --- Arrival --- */

static bool has_secret(const struct bank_call *call)
{
    struct str header = request_header(call->req, "authorization");
    struct str scheme = STR("Bearer ");
    if (!str_starts_with(header, scheme))
        return false;
    struct str given = str_sub(header, scheme.len, header.len),
               secret = str_from_c(call->bank->secret);
    uint8_t given_hash[SHA256_SIZE], hash[SHA256_SIZE];
    crypto_sha256(given, given_hash);
    crypto_sha256(secret, hash);
    return crypto_equal(given_hash, hash, sizeof(hash));
}

/* Sandbox-Clock: the merchant tells what time it is there. */
static void follow_clock(struct bank_call *call)
{
    int64_t merchant_ms;
    struct str header = request_header(call->req, "sandbox-clock");
    if (header.len == 0 || str_to_i64(header, &merchant_ms) != ERR_OK || merchant_ms < 0)
        return;
    int64_t ahead_ms = merchant_ms - bank_now_ms(call->bank);
    if (ahead_ms > 1000 || ahead_ms < -1000)
        atomic_store(&call->bank->clock_offset_ms, merchant_ms - clock_now_ms());
}

static void refuse_unrouted(struct bank_call *call, enum err err, struct str allow)
{
    if (err == ERR_DENIED)
        response_header(call->req, "allow", allow);
    bank_refuse(call, err == ERR_DENIED ? 405 : 404,
                err == ERR_DENIED ? "Not by this method." : "No such thing.");
    request_reply(call->req);
}

void bank_on_request(struct request *request, void *ctx)
{
    struct bank *bank = ctx;
    struct bank_call *call = ARENA_NEW(&request->arena, struct bank_call);
    if (!call) {
        request->res.status = 503;
        request_reply(request);
        return;
    }
    *call = (struct bank_call){.bank = bank, .req = request};
    const void *route;
    struct str allow = STR_NONE;
    enum err err = router_match(bank->router, request, &route, &allow);
    if (err) {
        refuse_unrouted(call, err, allow);
        return;
    }
    call->route = route;
    rand_bytes(call->nonce, sizeof(call->nonce));
    if (!call->route->is_open && !has_secret(call)) {
        bank_refuse(call, 401, "The secret is missing or wrong.");
        request_reply(request);
        return;
    }
    if (!call->route->is_open)
        follow_clock(call);
    if (behave(call))
        dispatch(call);
}

static enum err add_routes(struct bank *bank, const struct bank_route *routes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum err err = router_add(bank->router, routes[i].method, routes[i].pattern, &routes[i]);
        if (err)
            return err;
    }
    return ERR_OK;
}

enum err bank_http_init(struct bank *bank)
{
    bank->router = router_new();
    if (!bank->router)
        return ERR_NOMEM;
    enum err err = add_routes(bank, bank_api_routes, bank_api_route_count);
    return err ? err : add_routes(bank, bank_page_routes, bank_page_route_count);
}
