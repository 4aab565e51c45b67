/*
 * The buyer's side of the bank: the page to pay on, and the door for scripts that pay without a
 * browser. Whoever knows a session's id may pay it, as with any payment link. The page has no
 * script and loads nothing; its one style carries the answer's nonce.
 */
#include <stddef.h>

#include "base/crypto.h"
#include "sandbox/bank_store.h"

#define PAGE_MAX    (64u << 10)
#define POLICY_MAX  1024
#define CARD_DIGITS 16

/* --- The frame of all pages --- */

static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1c2430;--soft:#5d6b7d;--paper:#fff;--back:#eef1f5;--line:#d5dce5;--main:#1f5fd0;"
    "--bad:#b3261e}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8edf4;--soft:#9aa8ba;--paper:#1a212b;--back:#"
    "10151c;--line:#334051;"
    "--main:#6ea0ff;--bad:#ff8a80}}"
    "*{box-sizing:border-box}body{margin:0;min-height:100vh;display:flex;align-items:center;"
    "justify-content:center;padding:16px;"
    "background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}"
    "main{width:100%;max-width:420px;background:var(--paper);border:1px solid "
    "var(--line);border-radius:16px;padding:24px}"
    "header{display:flex;justify-content:space-between;align-items:center;font-weight:600;margin-"
    "bottom:20px}"
    ".badge{font-size:12px;font-weight:600;color:#5a3d00;background:#ffe3a6;border-radius:99px;"
    "padding:2px 10px}"
    "h1{font-size:34px;line-height:1.2;margin:0;font-variant-numeric:tabular-nums}.lead{color:var(-"
    "-soft);margin:4px 0 20px;"
    "overflow-wrap:anywhere}"
    "label{display:block;font-size:14px;font-weight:600;margin:14px 0 4px}"
    "input{width:100%;font:inherit;color:inherit;background:transparent;border:1px solid "
    "var(--line);border-radius:10px;"
    "padding:11px 12px}input:focus-visible,button:focus-visible,a:focus-visible{outline:3px solid "
    "var(--main);outline-offset:2px}"
    ".pair{display:grid;grid-template-columns:1fr 1fr;gap:12px}"
    "button,.button{display:block;width:100%;text-align:center;text-decoration:none;font:inherit;"
    "font-weight:600;border-radius:10px;"
    "border:1px solid "
    "var(--main);background:var(--main);color:#fff;padding:13px;margin-top:18px;cursor:pointer}"
    "@media(prefers-color-scheme:dark){button,.button{color:#0b1526}}"
    "button.plain{background:transparent;border-color:transparent;color:var(--soft);margin-top:6px}"
    ".alert{border:1px solid var(--bad);color:var(--bad);border-radius:10px;padding:10px "
    "12px;margin:0 0 8px}"
    "details{margin-top:18px;font-size:14px;color:var(--soft)}summary{cursor:pointer}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:4px 12px;margin:8px 0 "
    "0}dt{font-family:ui-monospace,monospace}dd{margin:0}";

/* Digits behind the point, as ISO 4217 has them. */
static int decimals_of(const char *currency)
{
    static const char none[] =
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ";
    static const char three[] = "BHD IQD JOD KWD LYD OMR TND ";
    if (strstr(none, currency))
        return 0;
    return strstr(three, currency) ? 3 : 2;
}

void bank_append_money(struct buf *buf, int64_t amount, const char *currency)
{
    int decimals = decimals_of(currency);
    int64_t unit = decimals == 0 ? 1 : decimals == 3 ? 1000 : 100;
    buf_printf(buf, "%lld", (long long)(amount / unit));
    if (decimals > 0)
        buf_printf(buf, ".%0*lld", decimals, (long long)(amount % unit));
    buf_printf(buf, " %s", currency);
}

/* form_origin: where a form may lead besides here; Chromium follows the policy through redirects.
 */
static struct str page_policy(struct bank_call *call, struct str nonce, const char *form_origin)
{
    return arena_printf(
        bank_arena(call),
        "default-src 'none'; style-src 'nonce-%.*s'; form-action 'self'%s%s; base-uri 'none'; "
        "frame-ancestors 'none'",
        STR_ARG(nonce), form_origin ? " " : "", form_origin ? form_origin : "");
}

void bank_reply_page(struct bank_call *call, int status, const char *title, struct str content,
                     const char *form_origin)
{
    struct buf *page = buf_new_in(bank_arena(call), PAGE_MAX);
    struct buf *nonce = buf_new_in(bank_arena(call), 64);
    call->req->res.status = 503;
    if (!page || !nonce)
        return;
    base64url_append(nonce, call->nonce, sizeof(call->nonce));
    struct str policy = page_policy(call, buf_str(nonce), form_origin);
    buf_append_str(
        page,
        STR("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>"));
    buf_append_markup(page, str_from_c(title));
    buf_printf(page, "</title><style nonce=\"%.*s\">%s</style></head><body><main>",
               STR_ARG(buf_str(nonce)), style);
    buf_append_str(
        page,
        STR("<header><span>Sandbox Bank</span><span class=\"badge\">Play money</span></header>"));
    buf_append_str(page, content);
    buf_append_str(page, STR("</main></body></html>"));
    if (page->overflow || !policy.data)
        return;
    call->req->res.status = status;
    call->req->res.content_type = STR("text/html; charset=utf-8");
    call->req->res.body = buf_str(page);
    response_header(call->req, "content-security-policy", policy);
    response_header(call->req, "cache-control", STR("no-store"));
    response_header(call->req, "referrer-policy", STR("no-referrer"));
    response_header(call->req, "x-content-type-options", STR("nosniff"));
}

/* --- The page to pay on --- */

/* "https://host:port" of an URL that was checked when it came; arena. */
static const char *origin_of(struct bank_call *call, struct str url)
{
    size_t begin = str_starts_with(url, STR("https://")) ? 8 : 7;
    size_t end = begin;
    while (end < url.len && !strchr("/?#", url.data[end]))
        end++;
    return arena_str_dup(bank_arena(call), str_sub(url, 0, end)).data;
}

static void append_form(struct buf *page, const struct session *session, const char *alert)
{
    if (alert) {
        buf_append_str(page, STR("<p class=\"alert\" role=\"alert\">"));
        buf_append_str(page, str_from_c(alert));
        buf_append_str(page, STR("</p>"));
    }
    buf_printf(page, "<form method=\"post\" action=\"/pay/%.*s\">", STR_ARG(session->id));
    buf_append_str(page, STR("<label for=\"card\">Card number</label>"
                             "<input id=\"card\" name=\"card\" inputmode=\"numeric\" "
                             "autocomplete=\"off\" required maxlength=\"23\" "
                             "value=\"4242 4242 4242 4242\">"
                             "<div class=\"pair\"><div><label for=\"expiry\">Expires</label>"
                             "<input id=\"expiry\" name=\"expiry\" inputmode=\"numeric\" "
                             "autocomplete=\"off\" maxlength=\"7\" "
                             "value=\"12/34\"></div>"
                             "<div><label for=\"cvc\">CVC</label>"
                             "<input id=\"cvc\" name=\"cvc\" inputmode=\"numeric\" "
                             "autocomplete=\"off\" maxlength=\"4\" value=\"123\">"
                             "</div></div><button id=\"pay\" name=\"action\" value=\"pay\">Pay "));
    bank_append_money(page, session->amount, session->currency);
    buf_append_str(page,
                   STR("</button><button id=\"cancel\" class=\"plain\" name=\"action\" "
                       "value=\"cancel\" formnovalidate>"
                       "Cancel this payment</button></form>"
                       "<details><summary>Cards to play with</summary><dl>"
                       "<dt>4242 4242 4242 4242</dt><dd>pays</dd>"
                       "<dt>4000 0000 0000 0002</dt><dd>is declined; try another</dd>"
                       "<dt>4000 0000 0000 9995</dt><dd>has too little money; try another</dd>"
                       "<dt>4000 0000 0000 0341</dt><dd>fails for good</dd></dl></details>"));
}

static void append_end(struct buf *page, const struct session *session, const char *text)
{
    buf_printf(page, "<p>%s</p><a class=\"button\" id=\"back\" rel=\"noreferrer\" href=\"", text);
    buf_append_markup(page, session->return_url);
    buf_append_str(page, STR("\">Back to the shop</a>"));
}

static void reply_pay_page(struct bank_call *call, int status, const struct session *session,
                           const char *alert)
{
    struct buf *page = buf_new_in(bank_arena(call), PAGE_MAX / 2);
    const char *origin = origin_of(call, session->return_url);
    if (!page || !origin) {
        call->req->res.status = 503;
        return;
    }
    buf_append_str(page, STR("<h1>"));
    bank_append_money(page, session->amount, session->currency);
    buf_append_str(page, STR("</h1><p class=\"lead\">"));
    buf_append_markup(page, session->description);
    buf_append_str(page, STR("</p>"));
    bool is_over = session->expires_at <= bank_now_ms(call->bank);
    if (session->status == SESSION_OPEN && !is_over)
        append_form(page, session, alert);
    else if (session->status == SESSION_SUCCEEDED)
        append_end(page, session, "This is paid. Thank you.");
    else if (session->status == SESSION_FAILED)
        append_end(page, session, "This payment failed. No money was taken.");
    else
        append_end(page, session, "The time to pay is over. No money was taken.");
    bank_reply_page(call, status, "Pay with Sandbox Bank",
                    page->overflow ? STR_NONE : buf_str(page), origin);
}

static enum err load(struct bank_call *call, struct db *db, struct session *ret_session)
{
    enum err err = bank_session_load(db, SESSION_BY_ID, request_param(call->req, "id"),
                                     bank_arena(call), ret_session);
    if (err == ERR_NOT_FOUND)
        bank_refuse(call, 404, "There is no such payment.");
    return err;
}

static enum err pay_get(struct bank_call *call, struct db *db)
{
    struct session session;
    enum err err = load(call, db, &session);
    if (!err)
        reply_pay_page(call, 200, &session, NULL);
    return err;
}

/* --- The form --- */

enum card {
    CARD_GOOD,
    CARD_DECLINED,
    CARD_POOR,
    CARD_FAILS,
    CARD_UNKNOWN
};

struct pay_form {
    bool is_cancelled;
    enum card card;
};

static enum card read_card(struct str value)
{
    char digits[CARD_DIGITS + 1] = "";
    size_t count = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            continue;
        if (count == CARD_DIGITS)
            return CARD_UNKNOWN;
        digits[count++] = value.data[i];
    }
    static const char *const cards[] = {"4242424242424242", "4000000000000002", "4000000000009995",
                                        "4000000000000341"};
    for (int i = 0; i < (int)CARD_UNKNOWN; i++)
        if (strcmp(digits, cards[i]) == 0)
            return (enum card)i;
    return CARD_UNKNOWN;
}

/* The form's encoding writes a space as "+" or "%20"; both go, as does every other escape: no card
 * has one. */
static struct str drop_spaces(struct arena *arena, struct str value)
{
    struct buf *out = buf_new_in(arena, 256);
    if (!out)
        return STR_NONE;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == '%')
            i += 2;
        else if (value.data[i] != '+')
            buf_append_char(out, value.data[i]);
    }
    return buf_str(out);
}

static void pay_prepare(struct bank_call *call)
{
    struct pay_form *form = ARENA_NEW(bank_arena(call), struct pay_form);
    struct str rest = call->req->body;
    if (!form)
        return;
    form->card = CARD_UNKNOWN;
    while (rest.len > 0) {
        struct str value = str_split(&rest, '&');
        struct str name = str_split(&value, '=');
        if (str_eq(name, STR("card")))
            form->card = read_card(drop_spaces(bank_arena(call), value));
        else if (str_eq(name, STR("action")))
            form->is_cancelled = str_eq(value, STR("cancel"));
    }
    call->prepared = form;
}

static const char *card_alert(enum card card)
{
    switch (card) {
    case CARD_DECLINED:
        return "The card was declined. Try another one.";
    case CARD_POOR:
        return "There is too little money on this card. Try another one.";
    case CARD_UNKNOWN:
        return "This is none of the cards to play with; they are listed below.";
    default:
        return NULL;
    }
}

static enum err pay_apply(struct bank_call *call, struct writer_tx *tx)
{
    const struct pay_form *form = call->prepared;
    struct session session;
    enum err err = form ? load(call, tx->db, &session) : ERR_NOMEM;
    if (err)
        return err;
    const char *alert = form->is_cancelled ? NULL : card_alert(form->card);
    if (alert && session.status == SESSION_OPEN) {
        reply_pay_page(call, 402, &session, alert);
        return ERR_OK;
    }
    struct completion completion = {.is_success = !form->is_cancelled && form->card == CARD_GOOD,
                                    .count = 1};
    err = session_complete(call->bank, tx, &session, &completion);
    if (err == ERR_CONFLICT) {
        reply_pay_page(call, 409, &session, NULL);
        return ERR_OK;
    }
    if (err)
        return err;
    call->req->res.status = 303;
    response_header(call->req, "location", session.return_url);
    return ERR_OK;
}

/* --- For scripts --- */

static const char *const outcomes[] = {"succeeded", "failed", NULL};

#define CARD_NAME_MAX 64

struct complete_body {
    struct str outcome, currency, card;
    struct json_node *callbacks;
    int64_t amount;
    bool late;
};

static const struct json_field complete_fields[] = {
    {.name = "outcome",
     .kind = JSON_STR,
     .offset = offsetof(struct complete_body, outcome),
     .is_required = true,
     .one_of = outcomes},
    {.name = "callbacks", .kind = JSON_OBJECT, .offset = offsetof(struct complete_body, callbacks)},
    {.name = "amount",
     .kind = JSON_I64,
     .offset = offsetof(struct complete_body, amount),
     .min = 1,
     .max = 1000000000000},
    {.name = "currency",
     .kind = JSON_STR,
     .offset = offsetof(struct complete_body, currency),
     .min = 3,
     .max = 3},
    {.name = "late", .kind = JSON_BOOL, .offset = offsetof(struct complete_body, late)},
    {.name = "card",
     .kind = JSON_STR,
     .offset = offsetof(struct complete_body, card),
     .min = 1,
     .max = CARD_NAME_MAX},
    {.name = NULL},
};
static const struct json_field callback_fields[] = {
    {.name = "count",
     .kind = JSON_I64,
     .offset = offsetof(struct completion, count),
     .min = 0,
     .max = BANK_CALLBACKS_MAX},
    {.name = "delay_ms",
     .kind = JSON_I64,
     .offset = offsetof(struct completion, delay_ms),
     .min = 0,
     .max = BANK_DELAY_MS_MAX},
    {.name = "shuffle", .kind = JSON_BOOL, .offset = offsetof(struct completion, shuffle)},
    {.name = "forge", .kind = JSON_BOOL, .offset = offsetof(struct completion, forge)},
    {.name = NULL},
};

static void complete_prepare(struct bank_call *call)
{
    struct complete_body body = {0};
    struct completion *completion = ARENA_NEW(bank_arena(call), struct completion);
    if (!completion || !bank_decode(call, complete_fields, &body))
        return;
    *completion = (struct completion){.is_success = str_eq(body.outcome, STR("succeeded")),
                                      .is_late = body.late,
                                      .amount = body.amount,
                                      .card = body.card,
                                      .count = 1};
    if (body.currency.len > 0 &&
        str_to_c(body.currency, completion->currency, sizeof(completion->currency)) != ERR_OK) {
        bank_refuse(call, 422, "currency: must be three capital letters");
        return;
    }
    struct field_errors errors;
    field_errors_init(&errors, bank_arena(call));
    if (body.callbacks && json_decode_node(bank_arena(call), body.callbacks, "callbacks",
                                           callback_fields, completion, &errors) != ERR_OK) {
        bank_refuse(call, 422, "callbacks: {count: 0 to 20, delay_ms, shuffle, forge}");
        return;
    }
    call->prepared = completion;
}

static enum err complete_apply(struct bank_call *call, struct writer_tx *tx)
{
    struct session session;
    enum err err = call->prepared ? load(call, tx->db, &session) : ERR_NOMEM;
    if (err)
        return err;
    err = session_complete(call->bank, tx, &session, call->prepared);
    if (err == ERR_CONFLICT) {
        bank_refuse(call, 409, "The session has ended otherwise.");
        return ERR_OK;
    }
    struct buf *body = err ? NULL : buf_new_in(bank_arena(call), 8192);
    if (!body)
        return err ? err : ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    session_write(&writer, call->bank, &session);
    bank_reply_json(call, 200, body);
    return ERR_OK;
}

/* clang-format off */
const struct bank_route bank_page_routes[] = {
    {HTTP_GET, "/pay/{id}", .is_open = true, .is_page = true, .read = pay_get},
    {HTTP_POST, "/pay/{id}", .is_open = true, .is_page = true, .prepare = pay_prepare, .apply = pay_apply},
    {HTTP_POST, "/pay/{id}/complete", .is_open = true, .prepare = complete_prepare, .apply = complete_apply},
};
/* clang-format on */
const size_t bank_page_route_count = sizeof(bank_page_routes) / sizeof(bank_page_routes[0]);
