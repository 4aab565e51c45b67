/*
 * Stripe Checkout as a provider: form-encoded requests, JSON answers, callbacks of event objects.
 * API shapes as of the version in STRIPE_VERSION.
 *
 * Every object we make carries our own reference (client_reference_id and metadata), so a callback
 * finds its payment even before we have stored the session's id. Money is the payment intent: its
 * id is the provider_ref, and refunds name it.
 *
 * Stripe counts amounts in the currency's smallest unit as ISO 4217 does, but for a few it treats
 * as if they had cents (scale_of). Pure functions, any thread.
 */
#include <stdio.h>

#include "base/ids.h"
#include "tickets/provider.h"

#define STRIPE_VERSION "2024-06-20"
#define FORM_MAX       8192
/* With the charge, which alone says what was paid with. */
#define EXPAND_CHARGE "?expand%%5B%%5D=payment_intent.latest_charge"

/* Stripe wants these zero-decimal currencies in hundredths, for compatibility. */
static int64_t scale_of(struct str currency)
{
    return str_eq_ci(currency, STR("ISK")) || str_eq_ci(currency, STR("UGX")) ? 100 : 1;
}

/* --- Requests --- */

static void form_put(struct buf *form, const char *name, struct str value)
{
    if (form->len > 0)
        buf_append_char(form, '&');
    provider_append_escaped(form, str_from_c(name));
    buf_append_char(form, '=');
    provider_append_escaped(form, value);
}

static void form_put_i64(struct buf *form, const char *name, int64_t value)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%lld", (long long)value);
    form_put(form, name, str_from(text, (size_t)len));
}

static void form_session(struct buf *form, const struct provider_order *order)
{
    struct str currency = str_from_c(order->currency);
    char lower[4] = {0};
    for (size_t i = 0; i < 3 && order->currency[i]; i++)
        lower[i] = (char)(order->currency[i] | 0x20);
    form_put(form, "mode", STR("payment"));
    form_put(form, "client_reference_id", order->reference);
    form_put(form, "metadata[payment]", order->reference);
    form_put(form, "payment_intent_data[metadata][payment]", order->reference);
    form_put(form, "line_items[0][quantity]", STR("1"));
    form_put(form, "line_items[0][price_data][currency]", str_from_c(lower));
    form_put_i64(form, "line_items[0][price_data][unit_amount]",
                 order->amount * scale_of(currency));
    form_put(form, "line_items[0][price_data][product_data][name]", order->description);
    form_put(form, "success_url", order->return_url);
    form_put(form, "cancel_url", order->return_url);
    form_put_i64(form, "expires_at", order->expires_at_ms / 1000);
}

static void form_refund(struct buf *form, const struct provider_order *order)
{
    form_put(form, "payment_intent", order->provider_ref);
    form_put_i64(form, "amount", order->amount * scale_of(str_from_c(order->currency)));
    form_put(form, "metadata[refund]", order->refund_reference);
    form_put(form, "metadata[payment]", order->reference);
}

static struct str op_path(struct arena *arena, enum provider_op op,
                          const struct provider_order *order)
{
    switch (op) {
    case PROVIDER_CREATE:
        return STR("/v1/checkout/sessions");
    case PROVIDER_ASK:
        return arena_printf(arena, "/v1/checkout/sessions/%.*s" EXPAND_CHARGE,
                            STR_ARG(order->session_ref));
    case PROVIDER_CLOSE:
        return arena_printf(arena, "/v1/checkout/sessions/%.*s/expire",
                            STR_ARG(order->session_ref));
    case PROVIDER_REFUND:
        return STR("/v1/refunds");
    case PROVIDER_ASK_REFUND:
        return arena_printf(arena, "/v1/refunds/%.*s", STR_ARG(order->provider_refund_ref));
    case PROVIDER_ANNOUNCE: /* the endpoint is registered in Stripe's dashboard */
        return STR_NONE;
    }
    return STR_NONE;
}

static enum err stripe_build(const struct provider *provider, struct arena *arena,
                             enum provider_op op, const struct provider_order *order,
                             struct http_call *ret_call)
{
    struct str path = op_path(arena, op, order);
    struct str url = arena_printf(arena, "%s%.*s", provider->api_url, STR_ARG(path));
    bool is_get = op == PROVIDER_ASK || op == PROVIDER_ASK_REFUND;
    ret_call->method = is_get ? "GET" : "POST";
    ret_call->url = url.data;
    ret_call->basic_user = provider->api_key;
    bool is_ok = path.data && url.data &&
                 provider_add_header(ret_call, arena, "Stripe-Version", STR(STRIPE_VERSION));
    if (is_get)
        return is_ok ? ERR_OK : ERR_NOMEM;
    struct buf *form = buf_new_in(arena, FORM_MAX);
    if (!form)
        return ERR_NOMEM;
    if (op == PROVIDER_CREATE) {
        form_session(form, order);
        is_ok = is_ok && provider_add_header(ret_call, arena, "Idempotency-Key", order->reference);
    } else if (op == PROVIDER_REFUND) {
        form_refund(form, order);
        is_ok = is_ok &&
                provider_add_header(ret_call, arena, "Idempotency-Key", order->refund_reference);
    }
    ret_call->body = buf_str(form);
    is_ok = is_ok && provider_add_header(ret_call, arena, "Content-Type",
                                         STR("application/x-www-form-urlencoded"));
    return is_ok && !form->overflow ? ERR_OK : ERR_NOMEM;
}

/* --- What objects say --- */

/* An id, or the expanded object that has it. */
static struct str id_or_object(struct arena *arena, const struct json_node *object,
                               const char *name)
{
    struct str id = provider_json_str(arena, object, name);
    return id.len > 0 ? id : provider_json_str(arena, json_get(object, name), "id");
}

static enum err read_money(struct arena *arena, const struct json_node *object,
                           const char *amount_name, int64_t *ret_amount,
                           char ret_currency[static 4])
{
    int64_t amount;
    struct str currency = provider_json_str(arena, object, "currency");
    if (!json_as_i64(json_get(object, amount_name), &amount) ||
        provider_read_currency(currency, ret_currency) != ERR_OK)
        return ERR_INVALID;
    int64_t scale = scale_of(currency);
    if (amount % scale != 0)
        return ERR_INVALID;
    *ret_amount = amount / scale;
    return ERR_OK;
}

/* How a checkout session stands. A session that is complete but not paid waits for a slow payment
 * method. */
static enum provider_fact session_fact(struct arena *arena, const struct json_node *session)
{
    struct str status = provider_json_str(arena, session, "status");
    if (str_eq(provider_json_str(arena, session, "payment_status"), STR("paid")))
        return FACT_SUCCEEDED;
    if (str_eq(status, STR("expired")))
        return FACT_FAILED;
    return str_eq(status, STR("open")) || str_eq(status, STR("complete")) ? FACT_OPEN
                                                                          : FACT_IGNORED;
}

static enum provider_fact refund_fact(struct arena *arena, const struct json_node *refund)
{
    struct str status = provider_json_str(arena, refund, "status");
    if (str_eq(status, STR("succeeded")))
        return FACT_REFUND_SUCCEEDED;
    if (str_eq(status, STR("failed")) || str_eq(status, STR("canceled")))
        return FACT_REFUND_FAILED;
    return str_eq(status, STR("pending")) || str_eq(status, STR("requires_action")) ? FACT_OPEN
                                                                                    : FACT_IGNORED;
}

/* --- Answers --- */

/* What was paid with: payment_method_details[type].fingerprint of the charge. Methods without one,
 * and objects that are not expanded, give STR_NONE. */
static struct str read_fingerprint(struct arena *arena, const struct json_node *session)
{
    const struct json_node *charge = json_get(json_get(session, "payment_intent"), "latest_charge");
    const struct json_node *details = json_get(charge, "payment_method_details");
    struct str type = provider_json_str(arena, details, "type");
    if (type.len == 0)
        return STR_NONE;
    return provider_json_str(arena, json_get(details, type.data), "fingerprint");
}

static enum err read_session(struct arena *arena, const struct json_node *session,
                             struct provider_answer *answer)
{
    answer->fact = session_fact(arena, session);
    answer->session_ref = provider_json_str(arena, session, "id");
    answer->url = provider_json_str(arena, session, "url"); /* null once it is not open */
    answer->provider_ref = id_or_object(arena, session, "payment_intent");
    if (answer->fact == FACT_IGNORED || answer->session_ref.len == 0)
        return ERR_INVALID;
    if (answer->fact != FACT_SUCCEEDED)
        return ERR_OK;
    if (answer->provider_ref.len == 0)
        return ERR_INVALID;
    return read_money(arena, session, "amount_total", &answer->amount, answer->currency);
}

static enum err stripe_read_answer(enum provider_op op, struct arena *arena, struct str body,
                                   struct provider_answer *ret_answer)
{
    struct json_node *object;
    struct str message;
    enum err err = json_parse(arena, body, &object, &message);
    if (err)
        return err;
    if (op == PROVIDER_REFUND || op == PROVIDER_ASK_REFUND) {
        ret_answer->fact = refund_fact(arena, object);
        ret_answer->provider_refund_ref = provider_json_str(arena, object, "id");
        bool is_known = ret_answer->fact != FACT_IGNORED && ret_answer->provider_refund_ref.len > 0;
        return is_known
                   ? read_money(arena, object, "amount", &ret_answer->amount, ret_answer->currency)
                   : ERR_INVALID;
    }
    err = read_session(arena, object, ret_answer);
    ret_answer->card = read_fingerprint(arena, object);
    ret_answer->is_card_elsewhere = op != PROVIDER_ASK && ret_answer->card.len == 0;
    if (!err && op == PROVIDER_CREATE && ret_answer->url.len == 0)
        err = ERR_INVALID;
    return err;
}

static enum provider_verdict stripe_read_refusal(enum provider_op op, struct arena *arena,
                                                 int status, struct str body,
                                                 struct str *ret_message)
{
    (void)op;
    struct str type = STR_NONE;
    struct json_node *object;
    struct str message;
    if (json_parse(arena, body, &object, &message) == ERR_OK) {
        struct json_node *error = json_get(object, "error");
        *ret_message = provider_json_str(arena, error, "message");
        type = provider_json_str(arena, error, "type");
    }
    if (status == 404)
        return VERDICT_UNKNOWN;
    /* 401, 403: our key is wrong, which an operator mends; 409: the same idempotency key is at work
     * right now. */
    bool may_pass = status == 401 || status == 403 || status == 408 || status == 409 ||
                    str_eq(type, STR("api_error")) || str_eq(type, STR("idempotency_error"));
    return may_pass ? VERDICT_RETRY : VERDICT_REFUSED;
}

/* --- Callbacks --- */

static enum err event_of_session(struct arena *arena, struct str type,
                                 const struct json_node *session, struct provider_event *event)
{
    event->session_ref = provider_json_str(arena, session, "id");
    event->provider_ref = id_or_object(arena, session, "payment_intent");
    struct json_node *metadata = json_get(session, "metadata");
    provider_read_reference(provider_json_str(arena, session, "client_reference_id"),
                            &event->event_id, &event->payment_id);
    if (!event->payment_id)
        provider_read_reference(provider_json_str(arena, metadata, "payment"), &event->event_id,
                                &event->payment_id);
    if (str_eq(type, STR("checkout.session.async_payment_failed")))
        event->fact = FACT_FAILED;
    else if (str_eq(type, STR("checkout.session.async_payment_succeeded")))
        event->fact = FACT_SUCCEEDED;
    else
        event->fact = session_fact(arena, session);
    if (event->fact != FACT_SUCCEEDED)
        return ERR_OK;
    if (event->provider_ref.len == 0)
        return ERR_INVALID;
    event->card = read_fingerprint(arena, session);
    event->is_card_elsewhere = event->card.len == 0;
    return read_money(arena, session, "amount_total", &event->amount, event->currency);
}

static void event_of_refund(struct arena *arena, const struct json_node *refund,
                            struct provider_event *event)
{
    struct json_node *metadata = json_get(refund, "metadata");
    uint64_t event_id, refund_id;
    if (id_parse2(provider_json_str(arena, metadata, "refund"), "ref", &event_id, &refund_id) !=
        ERR_OK)
        return; /* made by hand in the dashboard: not ours to book */
    event->event_id = event_id;
    event->refund_id = refund_id;
    event->fact = refund_fact(arena, refund);
    event->provider_ref = id_or_object(arena, refund, "payment_intent");
}

static enum err stripe_read_event(struct arena *arena, struct str body,
                                  struct provider_event *ret_event)
{
    struct json_node *object;
    struct str message;
    enum err err = json_parse(arena, body, &object, &message);
    if (err)
        return err;
    struct str type = provider_json_str(arena, object, "type");
    struct json_node *inner = json_get(json_get(object, "data"), "object");
    *ret_event = (struct provider_event){.provider = STR("stripe"),
                                         .event_ref = provider_json_str(arena, object, "id"),
                                         .fact = FACT_IGNORED};
    if (ret_event->event_ref.len == 0 || type.len == 0 || !json_is_object(inner))
        return ERR_INVALID;
    if (str_starts_with(type, STR("checkout.session.")))
        return event_of_session(arena, type, inner, ret_event);
    /* charge.refunded only repeats what the refund's own events say. */
    if (str_starts_with(type, STR("refund.")) || str_eq(type, STR("charge.refund.updated")))
        event_of_refund(arena, inner, ret_event);
    return ERR_OK;
}

const struct provider_driver provider_stripe = {
    .name = "stripe",
    .signature_header = "stripe-signature",
    .build = stripe_build,
    .read_answer = stripe_read_answer,
    .read_refusal = stripe_read_refusal,
    .read_event = stripe_read_event,
};
