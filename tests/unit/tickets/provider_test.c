/* Payment providers: requests as they leave, answers and callbacks as they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "tickets/provider.h"

#define EVENT_ID   77
#define PAYMENT_ID 4242
#define REFUND_ID  777

struct rig {
    struct arena arena;
    struct provider provider;
    struct provider_order order;
    struct http_call call;
    char reference[ID_TEXT_SIZE], refund_reference[ID_TEXT_SIZE];
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    arena_init(&rig->arena, 4u << 20);
    snprintf(rig->provider.api_url, sizeof(rig->provider.api_url), "https://api.example");
    snprintf(rig->provider.api_key, sizeof(rig->provider.api_key), "sk_test_1");
    snprintf(rig->provider.callback_secrets, sizeof(rig->provider.callback_secrets), "whsec_1");
    snprintf(rig->provider.callback_url, sizeof(rig->provider.callback_url), "http://here/hooks");
    rig->order = (struct provider_order){
        .reference = id_format2(rig->reference, "pay", EVENT_ID, PAYMENT_ID),
        .amount = 9000,
        .currency = "EUR",
        .description = STR("Show & tell"),
        .return_url = STR("http://here/bookings/b?x=1"),
        .expires_at_ms = 1700007200000,
        .session_ref = STR("cs_1"),
        .refund_reference = id_format2(rig->refund_reference, "ref", EVENT_ID, REFUND_ID),
        .provider_ref = STR("pi_1"),
        .provider_refund_ref = STR("re_1"),
    };
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    arena_release(&rig->arena);
    free(rig);
    return 0;
}

static void build(struct rig *rig, const struct provider_driver *driver, enum provider_op op)
{
    rig->provider.driver = driver;
    rig->call = (struct http_call){0};
    assert_int_equal(driver->build(&rig->provider, &rig->arena, op, &rig->order, &rig->call),
                     ERR_OK);
}

static bool has_header(const struct rig *rig, const char *line)
{
    for (size_t i = 0; i < HTTP_CALL_HEADERS_MAX && rig->call.headers[i]; i++)
        if (strcmp(rig->call.headers[i], line) == 0)
            return true;
    return false;
}

static bool has_text(struct str body, const char *text)
{
    return memmem(body.data, body.len, text, strlen(text)) != NULL;
}

/* --- Stripe: requests --- */

static void stripe_opens_a_session_in_form_encoding(void **state)
{
    struct rig *rig = *state;
    build(rig, &provider_stripe, PROVIDER_CREATE);
    assert_string_equal(rig->call.method, "POST");
    assert_string_equal(rig->call.url, "https://api.example/v1/checkout/sessions");
    assert_string_equal(rig->call.basic_user, "sk_test_1");
    assert_true(has_header(rig, "Content-Type: application/x-www-form-urlencoded"));
    char line[128];
    snprintf(line, sizeof(line), "Idempotency-Key: %s", rig->reference);
    assert_true(has_header(rig, line));
    char body[1024];
    snprintf(body, sizeof(body),
             "mode=payment&client_reference_id=%s&metadata%%5Bpayment%%5D=%s"
             "&payment_intent_data%%5Bmetadata%%5D%%5Bpayment%%5D=%s"
             "&line_items%%5B0%%5D%%5Bquantity%%5D=1"
             "&line_items%%5B0%%5D%%5Bprice_data%%5D%%5Bcurrency%%5D=eur"
             "&line_items%%5B0%%5D%%5Bprice_data%%5D%%5Bunit_amount%%5D=9000"
             "&line_items%%5B0%%5D%%5Bprice_data%%5D%%5Bproduct_data%%5D%%5Bname%%5D="
             "Show%%20%%26%%20tell"
             "&success_url=http%%3A%%2F%%2Fhere%%2Fbookings%%2Fb%%3Fx%%3D1"
             "&cancel_url=http%%3A%%2F%%2Fhere%%2Fbookings%%2Fb%%3Fx%%3D1&expires_at=1700007200",
             rig->reference, rig->reference, rig->reference);
    assert_true(str_eq(rig->call.body, str_from_c(body)));
}

static void stripe_counts_some_currencies_in_hundredths(void **state)
{
    struct rig *rig = *state;
    memcpy(rig->order.currency, "ISK", 4);
    build(rig, &provider_stripe, PROVIDER_CREATE);
    assert_true(has_text(rig->call.body, "unit_amount%5D=900000&"));
    memcpy(rig->order.currency, "JPY", 4);
    build(rig, &provider_stripe, PROVIDER_CREATE);
    assert_true(has_text(rig->call.body, "unit_amount%5D=9000&"));
}

static void stripe_asks_closes_and_refunds(void **state)
{
    struct rig *rig = *state;
    build(rig, &provider_stripe, PROVIDER_ASK);
    assert_string_equal(rig->call.method, "GET");
    assert_string_equal(rig->call.url, "https://api.example/v1/checkout/sessions/cs_1"
                                       "?expand%5B%5D=payment_intent.latest_charge");
    build(rig, &provider_stripe, PROVIDER_CLOSE);
    assert_string_equal(rig->call.method, "POST");
    assert_string_equal(rig->call.url, "https://api.example/v1/checkout/sessions/cs_1/expire");
    build(rig, &provider_stripe, PROVIDER_REFUND);
    assert_string_equal(rig->call.url, "https://api.example/v1/refunds");
    char line[128];
    snprintf(line, sizeof(line), "Idempotency-Key: %s", rig->refund_reference);
    assert_true(has_header(rig, line));
    assert_true(has_text(rig->call.body, "payment_intent=pi_1&amount=9000&metadata%5Brefund%5D="));
    build(rig, &provider_stripe, PROVIDER_ASK_REFUND);
    assert_string_equal(rig->call.url, "https://api.example/v1/refunds/re_1");
}

/* --- Stripe: answers --- */

static struct str fixture_text(struct rig *rig, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), FOYER_SOURCE_DIR "/tests/fixtures/stripe/%s.json", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = arena_alloc(&rig->arena, 65536);
    size_t len = fread(text, 1, 65536, file);
    fclose(file);
    return str_from(text, len);
}

/* What provider_read makes of a status with that body. */
static struct provider_answer answer_to(struct rig *rig, const struct provider_driver *driver,
                                        enum provider_op op, int status, struct str body)
{
    struct http_call call = {.err = ERR_OK, .status = status};
    buf_init(&call.response, 65536);
    buf_append_str(&call.response, body);
    struct provider_answer answer;
    provider_read(driver, op, &call, &rig->arena, &answer);
    buf_release(&call.response);
    return answer;
}

static struct provider_answer stripe_says(struct rig *rig, enum provider_op op, int status,
                                          const char *fixture)
{
    return answer_to(rig, &provider_stripe, op, status, fixture_text(rig, fixture));
}

static void stripe_sessions_are_read(void **state)
{
    struct rig *rig = *state;
    struct provider_answer answer = stripe_says(rig, PROVIDER_CREATE, 200, "session_open");
    assert_int_equal(answer.verdict, VERDICT_OK);
    assert_int_equal(answer.fact, FACT_OPEN);
    assert_true(str_eq(answer.session_ref, STR("cs_test_a1B2c3")));
    assert_true(str_eq(answer.url, STR("https://checkout.stripe.com/c/pay/cs_test_a1B2c3#fid")));
    static const char *const paid[] = {"session_paid", "session_paid_expanded", "session_jpy",
                                       "session_isk"};
    for (size_t i = 0; i < 4; i++) {
        answer = stripe_says(rig, PROVIDER_ASK, 200, paid[i]);
        assert_int_equal(answer.verdict, VERDICT_OK);
        assert_int_equal(answer.fact, FACT_SUCCEEDED);
        assert_true(str_eq(answer.provider_ref, STR("pi_3N0001")));
        assert_int_equal(answer.amount, 9000);
        assert_string_equal(answer.currency, i < 2 ? "EUR" : i == 2 ? "JPY" : "ISK");
    }
    assert_int_equal(stripe_says(rig, PROVIDER_ASK, 200, "session_processing").fact, FACT_OPEN);
    assert_int_equal(stripe_says(rig, PROVIDER_CLOSE, 200, "session_expired").fact, FACT_FAILED);
    /* A session to be opened that comes without an URL is none. */
    assert_int_equal(stripe_says(rig, PROVIDER_CREATE, 200, "session_paid").verdict, VERDICT_RETRY);
}

static void stripe_refunds_are_read(void **state)
{
    struct rig *rig = *state;
    struct provider_answer answer = stripe_says(rig, PROVIDER_REFUND, 200, "refund_succeeded");
    assert_int_equal(answer.fact, FACT_REFUND_SUCCEEDED);
    assert_true(str_eq(answer.provider_refund_ref, STR("re_3N0001")));
    assert_int_equal(answer.amount, 4500);
    assert_int_equal(stripe_says(rig, PROVIDER_REFUND, 200, "refund_pending").fact, FACT_OPEN);
    assert_int_equal(stripe_says(rig, PROVIDER_ASK_REFUND, 200, "refund_failed").fact,
                     FACT_REFUND_FAILED);
}

static void stripe_refusals_are_sorted(void **state)
{
    struct rig *rig = *state;
    struct provider_answer answer = stripe_says(rig, PROVIDER_CLOSE, 400, "error_not_open");
    assert_int_equal(answer.verdict, VERDICT_REFUSED);
    assert_true(str_starts_with(answer.message, STR("Only Checkout Sessions")));
    assert_int_equal(stripe_says(rig, PROVIDER_ASK, 404, "error_missing").verdict, VERDICT_UNKNOWN);
    assert_int_equal(stripe_says(rig, PROVIDER_CREATE, 400, "error_idempotency").verdict,
                     VERDICT_RETRY);
    static const struct {
        int status;
        enum provider_verdict verdict;
    } cases[] = {{401, VERDICT_RETRY}, {402, VERDICT_REFUSED}, {403, VERDICT_RETRY},
                 {409, VERDICT_RETRY}, {429, VERDICT_RETRY},   {302, VERDICT_RETRY},
                 {500, VERDICT_DOWN},  {503, VERDICT_DOWN},    {200, VERDICT_RETRY}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(answer_to(rig, &provider_stripe, PROVIDER_CREATE, cases[i].status,
                                   STR("<html>not json"))
                             .verdict,
                         cases[i].verdict);
}

static void failed_calls_are_down(void **state)
{
    struct rig *rig = *state;
    static const enum err errs[] = {ERR_TIMEOUT, ERR_IO, ERR_LIMIT};
    for (size_t i = 0; i < 3; i++) {
        struct http_call call = {.err = errs[i]};
        struct provider_answer answer;
        provider_read(&provider_sandbox, PROVIDER_ASK, &call, &rig->arena, &answer);
        assert_int_equal(answer.verdict, i == 2 ? VERDICT_RETRY : VERDICT_DOWN);
    }
}

/* --- Stripe: callbacks --- */

static struct provider_event stripe_tells(struct rig *rig, const char *fixture)
{
    struct provider_event event;
    assert_int_equal(provider_stripe.read_event(&rig->arena, fixture_text(rig, fixture), &event),
                     ERR_OK);
    assert_true(str_eq(event.provider, STR("stripe")));
    assert_true(str_eq(event.event_ref, STR("evt_1N0001")));
    return event;
}

static void stripe_events_are_read(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *fixture;
        enum provider_fact fact;
    } cases[] = {
        {"event_session_completed", FACT_SUCCEEDED}, {"event_session_completed_unpaid", FACT_OPEN},
        {"event_async_succeeded", FACT_SUCCEEDED},   {"event_async_failed", FACT_FAILED},
        {"event_session_expired", FACT_FAILED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct provider_event event = stripe_tells(rig, cases[i].fixture);
        assert_int_equal(event.fact, cases[i].fact);
        assert_int_equal(event.event_id, EVENT_ID);
        assert_int_equal(event.payment_id, PAYMENT_ID);
        assert_true(str_eq(event.session_ref, STR("cs_test_a1B2c3")));
        if (event.fact == FACT_SUCCEEDED) {
            assert_true(str_eq(event.provider_ref, STR("pi_3N0001")));
            assert_int_equal(event.amount, 9000);
            assert_string_equal(event.currency, "EUR");
        }
    }
}

static void stripe_refund_events_are_read(void **state)
{
    struct rig *rig = *state;
    struct provider_event event = stripe_tells(rig, "event_refund_updated");
    assert_int_equal(event.fact, FACT_REFUND_SUCCEEDED);
    assert_int_equal(event.refund_id, REFUND_ID);
    assert_int_equal(event.event_id, EVENT_ID);
    event = stripe_tells(rig, "event_refund_failed");
    assert_int_equal(event.fact, FACT_REFUND_FAILED);
    static const char *const strangers[] = {"event_refund_by_hand", "event_charge_refunded",
                                            "event_unknown"};
    for (size_t i = 0; i < 3; i++) {
        event = stripe_tells(rig, strangers[i]);
        assert_int_equal(event.fact, FACT_IGNORED);
        assert_int_equal(event.refund_id, 0);
    }
    event = stripe_tells(rig, "event_session_foreign"); /* another shop on the same account */
    assert_int_equal(event.payment_id, 0);
}

static void what_is_no_event_is_refused(void **state)
{
    struct rig *rig = *state;
    static const char *const texts[] = {
        "",
        "[]",
        "null",
        "{}",
        "{\"id\":\"evt_1\"}",
        "{\"id\":\"evt_1\",\"type\":\"checkout.session.completed\"}",
        "{\"id\":1,\"type\":\"x\",\"data\":{\"object\":{}}}",
        "{\"id\":\"evt_1\",\"type\":\"checkout.session.completed\",\"data\":{\"object\":"
        "{\"payment_status\":\"paid\"}}}",
        "{\"id\":\"evt_1\",\"type\":\"checkout.session.completed\",\"data\":{\"object\":"
        "{\"payment_status\":\"paid\",\"payment_intent\":\"pi\",\"amount_total\":1.5,"
        "\"currency\":\"eur\"}}}",
        "{\"id\":\"evt_1\",\"type\":\"checkout.session.completed\",\"data\":{\"object\":"
        "{\"payment_status\":\"paid\",\"payment_intent\":\"pi\",\"amount_total\":150,"
        "\"currency\":\"isk\"}}}",
    };
    struct provider_event event;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(provider_stripe.read_event(&rig->arena, str_from_c(texts[i]), &event),
                         ERR_INVALID);
        assert_int_equal(provider_sandbox.read_event(
                             &rig->arena, STR("{\"type\":\"payment.succeeded\"}"), &event),
                         ERR_INVALID);
    }
}

/* --- Sandbox --- */

/* Only of refunds of ours is a fact booked, and only a refund's event is about one. */
static void sandbox_refunds_that_are_not_ours_are_ignored(void **state)
{
    struct rig *rig = *state;
    struct provider_event event;
    static const struct {
        const char *text;
        enum provider_fact fact;
    } cases[] = {
        {"{\"id\":\"e1\",\"type\":\"refund.failed\",\"data\":{}}", FACT_IGNORED},
        {"{\"id\":\"e1\",\"type\":\"refund.succeeded\",\"data\":{\"refund_reference\":\"x\"}}",
         FACT_IGNORED},
        {"{\"id\":\"e1\",\"type\":\"payment.failed\",\"data\":{\"refund_reference\":"
         "\"ref_00000000000010000000000002\"}}",
         FACT_FAILED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            provider_sandbox.read_event(&rig->arena, str_from_c(cases[i].text), &event), ERR_OK);
        assert_int_equal(event.fact, cases[i].fact);
        assert_int_equal(event.refund_id, 0);
    }
}

static void sandbox_requests_carry_key_and_clock(void **state)
{
    struct rig *rig = *state;
    build(rig, &provider_sandbox, PROVIDER_CREATE);
    assert_string_equal(rig->call.url, "https://api.example/sessions");
    assert_true(has_header(rig, "Authorization: Bearer sk_test_1"));
    assert_true(has_text(rig->call.body, "\"callback_url\":\"http://here/hooks\""));
    assert_true(has_text(rig->call.body, "\"amount\":9000"));
    size_t count = 0;
    while (rig->call.headers[count])
        count++;
    rig->provider.sends_clock = true;
    build(rig, &provider_sandbox, PROVIDER_CREATE);
    assert_true(strncmp(rig->call.headers[count], "Sandbox-Clock: ", 15) == 0);
    build(rig, &provider_sandbox, PROVIDER_CLOSE);
    assert_string_equal(rig->call.url, "https://api.example/sessions/cs_1/close");
    build(rig, &provider_sandbox, PROVIDER_ASK);
    assert_string_equal(rig->call.method, "GET");
    build(rig, &provider_sandbox, PROVIDER_ANNOUNCE);
    assert_string_equal(rig->call.method, "PUT");
}

static void sandbox_answers_are_read(void **state)
{
    struct rig *rig = *state;
    struct provider_answer answer =
        answer_to(rig, &provider_sandbox, PROVIDER_ASK, 200,
                  STR("{\"id\":\"s1\",\"status\":\"succeeded\",\"amount\":5,\"currency\":\"EUR\","
                      "\"payment_ref\":\"p1\",\"url\":\"http://bank/pay/s1\"}"));
    assert_int_equal(answer.verdict, VERDICT_OK);
    assert_int_equal(answer.fact, FACT_SUCCEEDED);
    assert_true(str_eq(answer.provider_ref, STR("p1")));
    static const char *const bad[] = {
        "{\"id\":\"s1\",\"status\":\"succeeded\",\"amount\":5,\"currency\":\"EUR\"}",
        "{\"id\":\"s1\",\"status\":\"odd\",\"amount\":5,\"currency\":\"EUR\"}",
        "{\"id\":\"s1\",\"status\":\"open\",\"amount\":\"5\",\"currency\":\"EUR\"}",
        "{\"id\":\"s1\",\"status\":\"open\",\"amount\":5,\"currency\":\"EURO\"}",
        "{\"status\":\"open\",\"amount\":5,\"currency\":\"EUR\"}",
        "[]",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(
            answer_to(rig, &provider_sandbox, PROVIDER_ASK, 200, str_from_c(bad[i])).verdict,
            VERDICT_RETRY);
    answer = answer_to(rig, &provider_sandbox, PROVIDER_REFUND, 409,
                       STR("{\"detail\":\"There is not so much left.\"}"));
    assert_int_equal(answer.verdict, VERDICT_REFUSED);
    assert_true(str_eq(answer.message, STR("There is not so much left.")));
}

/* --- Helpers --- */

static void escapes_leave_only_unreserved_characters(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 256);
    provider_append_escaped(&buf, STR("aZ09-_.~ +&=%/\xc3\xa9"));
    assert_true(str_eq(buf_str(&buf), STR("aZ09-_.~%20%2B%26%3D%25%2F%C3%A9")));
    buf_release(&buf);
}

static void currencies_are_three_letters(void **state)
{
    (void)state;
    char currency[4] = "";
    assert_int_equal(provider_read_currency(STR("eur"), currency), ERR_OK);
    assert_string_equal(currency, "EUR");
    assert_int_equal(provider_read_currency(STR("eu1"), currency), ERR_INVALID);
    assert_int_equal(provider_read_currency(STR("euro"), currency), ERR_INVALID);
    assert_int_equal(provider_read_currency(STR(""), currency), ERR_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stripe_opens_a_session_in_form_encoding),
        TEST(stripe_counts_some_currencies_in_hundredths),
        TEST(stripe_asks_closes_and_refunds),
        TEST(stripe_sessions_are_read),
        TEST(stripe_refunds_are_read),
        TEST(stripe_refusals_are_sorted),
        TEST(failed_calls_are_down),
        TEST(stripe_events_are_read),
        TEST(stripe_refund_events_are_read),
        TEST(what_is_no_event_is_refused),
        TEST(sandbox_refunds_that_are_not_ours_are_ignored),
        TEST(sandbox_requests_carry_key_and_clock),
        TEST(sandbox_answers_are_read),
        cmocka_unit_test(escapes_leave_only_unreserved_characters),
        cmocka_unit_test(currencies_are_three_letters),
    };
    return crypto_init() == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
