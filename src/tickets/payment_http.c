/*
 * Callbacks of payment providers, and the route table of payments. A callback is authenticated by
 * its signature alone, read by the provider's driver and applied by the state machine
 * (payment_apply), in whatever order it came. 200 says it is written down: also for one that was
 * told before, and for kinds that mean nothing to us, or the provider would repeat them for days.
 */
#include "tickets/payment_http.h"

#include "app/problem.h"
#include "base/clock.h"
#include "base/log.h"
#include "tickets/payments_internal.h"

#define CALLBACK_BODY_MAX      (256u << 10)
#define CALLBACK_LOOP_BODY_MAX (16u << 10) /* longer ones are read on the pool */

static struct payments *payments_of(struct call *call)
{
    struct tickets *tickets = call->service->state;
    return __atomic_load_n(&tickets->payments, __ATOMIC_ACQUIRE);
}

/* Answers 400 and returns false when it isn't the provider's, or not of this hour. */
static bool callback_verify(struct call *call, const struct provider *provider,
                            int64_t *ret_signed_at_ms)
{
    struct str header = request_header(call->req, provider->driver->signature_header);
    enum err err =
        provider_verify(provider, header, call->req->body, clock_now_ms(), ret_signed_at_ms);
    if (!err)
        return true;
    const char *detail = err == ERR_TIMEOUT ? "The signature is too old or from the future."
                         : header.len == 0  ? "The signature is missing."
                                            : "The signature does not match.";
    problem_reply(call, PROBLEM_BAD_SIGNATURE, detail);
    return false;
}

static enum err callback_prepare(struct call *call, struct db *db)
{
    struct payments *payments = payments_of(call);
    const struct provider *provider =
        payments_provider(payments, request_param(call->req, "provider"));
    if (!provider) {
        problem_reply(call, PROBLEM_NOT_FOUND, "No such payment provider is in use.");
        return ERR_OK;
    }
    if (!db && call->req->body.len > CALLBACK_LOOP_BODY_MAX)
        return ERR_AGAIN;
    struct provider_event *event = ARENA_NEW(call_arena(call), struct provider_event);
    int64_t signed_at_ms;
    if (!event)
        return ERR_NOMEM;
    if (!callback_verify(call, provider, &signed_at_ms))
        return ERR_OK;
    enum err err = provider->driver->read_event(call_arena(call), call->req->body, event);
    if (err == ERR_INVALID) {
        log_error("a signed callback is not understood", "provider=%s length=%zu",
                  provider->driver->name, call->req->body.len);
        problem_reply(call, PROBLEM_BAD_REQUEST, "The event is not understood.");
        return ERR_OK;
    }
    event->signed_at_ms = signed_at_ms;
    call->prepared = event;
    payments_count_callback(payments);
    return err;
}

static enum err callback_apply(struct call *call, struct writer_tx *tx)
{
    enum err err = payment_apply(call->service->state, tx, call->prepared);
    if (err) {
        log_error("a callback could not be applied", "error=\"%s\"", err_name(err));
        return err;
    }
    struct buf *body = buf_new_in(call_arena(call), 64);
    if (!body)
        return ERR_NOMEM;
    buf_append_str(body, STR("{\"received\":true}"));
    reply_json(call, 200, body);
    return ERR_OK;
}

const struct route payment_routes[] = {
    {
        .method = HTTP_POST,
        .pattern = "/v1/payments/webhooks/{provider}",
        .kind = ROUTE_WRITE,
        .auth = AUTH_NONE,
        .idempotency = IDEMPOTENCY_IGNORED,
        .rate = RATE_NONE,
        .prepare_on_loop = true,
        .takes_any_body = true,
        .body_max = CALLBACK_BODY_MAX,
        .prepare = callback_prepare,
        .apply = callback_apply,
        .summary = "Take a payment provider's signed callback",
        .tag = "Payments",
        .response = "Received",
        .success = 200,
        .problems = "400 404",
        .is_retry_safe = true,
    },
    {
        .method = HTTP_POST,
        .pattern = "/v1/bookings/{id}/refund",
        .kind = ROUTE_WRITE,
        .auth = AUTH_CALLER,
        .idempotency = IDEMPOTENCY_ACCEPTED,
        .rate = RATE_SELL,
        .prepare = refund_post_prepare,
        .apply = refund_post_apply,
        .summary = "Give a confirmed booking, or some of its tickets, back for its price",
        .tag = "Bookings",
        .request = refund_request_fields,
        .response = "Refund",
        .success = 202,
        .problems = "403 404 409",
    },
};
const size_t payment_routes_count = sizeof(payment_routes) / sizeof(payment_routes[0]);
