/*
 * The sandbox bank (src/sandbox) as a provider. Its API is JSON over HTTP with a shared secret;
 * amounts are minor units, currencies upper case, times milliseconds. Pure functions, any thread.
 */
#include "base/clock.h"
#include "base/ids.h"
#include "tickets/provider.h"

#define BODY_MAX 4096

static struct str op_path(struct arena *arena, enum provider_op op,
                          const struct provider_order *order)
{
    switch (op) {
    case PROVIDER_CREATE:
        return STR("/sessions");
    case PROVIDER_ASK:
        return arena_printf(arena, "/sessions/%.*s", STR_ARG(order->session_ref));
    case PROVIDER_CLOSE:
        return arena_printf(arena, "/sessions/%.*s/close", STR_ARG(order->session_ref));
    case PROVIDER_REFUND:
        return STR("/refunds");
    case PROVIDER_ASK_REFUND:
        return arena_printf(arena, "/refunds/%.*s", STR_ARG(order->provider_refund_ref));
    case PROVIDER_ANNOUNCE:
        return STR("/endpoint");
    }
    return STR_NONE;
}

static enum err op_body(const struct provider *provider, struct arena *arena, enum provider_op op,
                        const struct provider_order *order, struct str *ret_body)
{
    struct buf *body = buf_new_in(arena, BODY_MAX);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    if (op == PROVIDER_CREATE) {
        json_put_str(&writer, "reference", order->reference);
        json_put_i64(&writer, "amount", order->amount);
        json_put_str(&writer, "currency", str_from_c(order->currency));
        json_put_str(&writer, "description", order->description);
        json_put_str(&writer, "return_url", order->return_url);
        json_put_i64(&writer, "expires_at", order->expires_at_ms);
    } else if (op == PROVIDER_REFUND) {
        json_put_str(&writer, "payment_ref", order->provider_ref);
        json_put_i64(&writer, "amount", order->amount);
        json_put_str(&writer, "currency", str_from_c(order->currency));
        json_put_str(&writer, "reference", order->refund_reference);
    }
    if (op == PROVIDER_CREATE || op == PROVIDER_ANNOUNCE)
        json_put_str(&writer, "callback_url", str_from_c(provider->callback_url));
    json_close_object(&writer);
    *ret_body = buf_str(body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err sandbox_build(const struct provider *provider, struct arena *arena,
                              enum provider_op op, const struct provider_order *order,
                              struct http_call *ret_call)
{
    struct str path = op_path(arena, op, order);
    struct str url = arena_printf(arena, "%s%.*s", provider->api_url, STR_ARG(path));
    bool is_get = op == PROVIDER_ASK || op == PROVIDER_ASK_REFUND;
    ret_call->method = is_get ? "GET" : op == PROVIDER_ANNOUNCE ? "PUT" : "POST";
    ret_call->url = url.data;
    struct str bearer = arena_printf(arena, "Bearer %s", provider->api_key);
    bool is_ok = path.data && url.data && bearer.data &&
                 provider_add_header(ret_call, arena, "Authorization", bearer);
    if (!is_get) {
        is_ok = is_ok && op_body(provider, arena, op, order, &ret_call->body) == ERR_OK &&
                provider_add_header(ret_call, arena, "Content-Type", STR("application/json"));
    }
    if (op == PROVIDER_CREATE)
        is_ok = is_ok && provider_add_header(ret_call, arena, "Idempotency-Key", order->reference);
    if (op == PROVIDER_REFUND)
        is_ok = is_ok &&
                provider_add_header(ret_call, arena, "Idempotency-Key", order->refund_reference);
    if (provider->sends_clock) {
        struct str now = arena_printf(arena, "%lld", (long long)clock_now_ms());
        is_ok = is_ok && now.data && provider_add_header(ret_call, arena, "Sandbox-Clock", now);
    }
    return is_ok ? ERR_OK : ERR_NOMEM;
}

struct status_fact {
    const char *status;
    enum provider_fact fact;
};

static const struct status_fact session_facts[] = {{"open", FACT_OPEN},
                                                   {"succeeded", FACT_SUCCEEDED},
                                                   {"failed", FACT_FAILED},
                                                   {"closed", FACT_FAILED},
                                                   {NULL, FACT_IGNORED}};
static const struct status_fact refund_facts[] = {{"pending", FACT_OPEN},
                                                  {"succeeded", FACT_REFUND_SUCCEEDED},
                                                  {"failed", FACT_REFUND_FAILED},
                                                  {NULL, FACT_IGNORED}};
static const struct status_fact event_facts[] = {{"session.open", FACT_OPEN},
                                                 {"payment.succeeded", FACT_SUCCEEDED},
                                                 {"payment.failed", FACT_FAILED},
                                                 {"session.closed", FACT_FAILED},
                                                 {"refund.succeeded", FACT_REFUND_SUCCEEDED},
                                                 {"refund.failed", FACT_REFUND_FAILED},
                                                 {NULL, FACT_IGNORED}};

static enum provider_fact fact_of(const struct status_fact *facts, struct str text)
{
    while (facts->status && !str_eq(text, str_from_c(facts->status)))
        facts++;
    return facts->fact;
}

static enum err sandbox_read_answer(enum provider_op op, struct arena *arena, struct str body,
                                    struct provider_answer *ret_answer)
{
    if (op == PROVIDER_ANNOUNCE)
        return ERR_OK;
    struct json_node *object;
    struct str message;
    enum err err = json_parse(arena, body, &object, &message);
    if (err)
        return err;
    bool is_refund = op == PROVIDER_REFUND || op == PROVIDER_ASK_REFUND;
    struct str id = provider_json_str(arena, object, "id");
    ret_answer->fact = fact_of(is_refund ? refund_facts : session_facts,
                               provider_json_str(arena, object, "status"));
    if (id.len == 0 || ret_answer->fact == FACT_IGNORED ||
        !json_as_i64(json_get(object, "amount"), &ret_answer->amount) ||
        provider_read_currency(provider_json_str(arena, object, "currency"),
                               ret_answer->currency) != ERR_OK)
        return ERR_INVALID;
    if (is_refund) {
        ret_answer->provider_refund_ref = id;
        return ERR_OK;
    }
    ret_answer->session_ref = id;
    ret_answer->url = provider_json_str(arena, object, "url");
    ret_answer->provider_ref = provider_json_str(arena, object, "payment_ref");
    ret_answer->card = provider_json_str(arena, object, "card_fingerprint");
    bool is_complete = op != PROVIDER_CREATE || ret_answer->url.len > 0;
    bool has_money_ref = ret_answer->fact != FACT_SUCCEEDED || ret_answer->provider_ref.len > 0;
    return is_complete && has_money_ref ? ERR_OK : ERR_INVALID;
}

static enum provider_verdict sandbox_read_refusal(enum provider_op op, struct arena *arena,
                                                  int status, struct str body,
                                                  struct str *ret_message)
{
    (void)op;
    struct json_node *object;
    struct str message;
    if (json_parse(arena, body, &object, &message) == ERR_OK)
        *ret_message = provider_json_str(arena, object, "detail");
    if (status == 404)
        return VERDICT_UNKNOWN;
    return status == 401 || status == 403 || status == 408 ? VERDICT_RETRY : VERDICT_REFUSED;
}

static void event_of_refund(struct str reference, struct provider_event *event)
{
    uint64_t event_id, refund_id;
    if (id_parse2(reference, "ref", &event_id, &refund_id) != ERR_OK) {
        event->fact = FACT_IGNORED; /* not ours to book */
        return;
    }
    event->event_id = event_id;
    event->refund_id = refund_id;
}

static enum err sandbox_read_event(struct arena *arena, struct str body,
                                   struct provider_event *ret_event)
{
    struct json_node *object;
    struct str message;
    enum err err = json_parse(arena, body, &object, &message);
    if (err)
        return err;
    struct json_node *data = json_get(object, "data");
    *ret_event = (struct provider_event){
        .provider = STR("sandbox"),
        .event_ref = provider_json_str(arena, object, "id"),
        .fact = fact_of(event_facts, provider_json_str(arena, object, "type")),
        .session_ref = provider_json_str(arena, data, "session"),
        .provider_ref = provider_json_str(arena, data, "payment_ref"),
        .card = provider_json_str(arena, data, "card_fingerprint"),
    };
    if (ret_event->event_ref.len == 0)
        return ERR_INVALID;
    provider_read_reference(provider_json_str(arena, data, "reference"), &ret_event->event_id,
                            &ret_event->payment_id);
    if (ret_event->fact == FACT_REFUND_SUCCEEDED || ret_event->fact == FACT_REFUND_FAILED)
        event_of_refund(provider_json_str(arena, data, "refund_reference"), ret_event);
    if (ret_event->fact != FACT_SUCCEEDED)
        return ERR_OK;
    bool has_money = json_as_i64(json_get(data, "amount"), &ret_event->amount) &&
                     ret_event->provider_ref.len > 0 &&
                     provider_read_currency(provider_json_str(arena, data, "currency"),
                                            ret_event->currency) == ERR_OK;
    return has_money ? ERR_OK : ERR_INVALID;
}

const struct provider_driver provider_sandbox = {
    .name = "sandbox",
    .has_announce = true,
    .signature_header = "sandbox-signature",
    .build = sandbox_build,
    .read_answer = sandbox_read_answer,
    .read_refusal = sandbox_read_refusal,
    .read_event = sandbox_read_event,
};
