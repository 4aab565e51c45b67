/* The callback route: who may speak, when, how often, and what of it is written down. */
#include "tickets/expect.h"

#include "app/bare_call.h"
#include "tickets/payments_internal.h"
#include "tickets/signature.h"

#define SECRET "a shared secret"

/* A callback as it comes in, and what became of it. */
struct callback {
    const char *provider;
    const char *body;
    const char *secret;
    const char *header; /* instead of a signature made with secret */
    int64_t age_ms;
    int status;
    char text[512];
};

static enum err callback_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct callback *callback = ctx;
    struct bare_call bare;
    struct buf header;
    const struct route *route = &payment_routes[0];
    bare_call_init(&bare);
    buf_init(&header, 512);
    if (callback->header)
        buf_append_str(&header, str_from_c(callback->header));
    else
        signature_append(&header, str_from_c(callback->secret), clock_now_ms() - callback->age_ms,
                         str_from_c(callback->body));
    bare_call_field(&bare, STR("Sandbox-Signature"), buf_str(&header));
    bare.request.method = HTTP_POST;
    bare.request.body = str_from_c(callback->body);
    bare.request.params[0].name = "provider";
    bare.request.params[0].value = str_from_c(callback->provider);
    bare.request.param_count = 1;
    bare.call.service = tickets_service(fixture->tickets);
    enum err err = route->prepare(&bare.call, NULL);
    if (err == ERR_AGAIN)
        err = route->prepare(&bare.call, tx->db); /* a long one, on the pool */
    if (!err && !bare.request.res.status)
        err = route->apply(&bare.call, tx);
    callback->status = bare.request.res.status;
    snprintf(callback->text, sizeof(callback->text), "%.*s", STR_ARG(bare.request.res.body));
    buf_release(&header);
    bare_call_release(&bare);
    return !err && callback->status >= 400 ? ERR_CONFLICT : err;
}

static int send(struct fixture *fixture, struct callback callback)
{
    static struct payments payments; /* only its provider is looked at */
    memset(&payments, 0, sizeof(payments));
    payments.provider.driver = &provider_sandbox;
    payments.callbacks = metric_counter("test_callbacks", NULL, "test");
    snprintf(payments.provider.callback_secrets, sizeof(payments.provider.callback_secrets), "%s",
             SECRET);
    fixture->tickets->payments = &payments;
    enum err err = expect_write(fixture, callback_fn, &callback);
    fixture->tickets->payments = NULL;
    assert_int_equal(err, callback.status >= 400 ? ERR_CONFLICT : ERR_OK);
    if (callback.status == 200)
        assert_string_equal(callback.text, "{\"received\":true}");
    return callback.status;
}

static enum err checkout_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct payment *payment = ctx;
    struct fixture_hold hold = {.booking = {.account_id = 3, .seat_count = 1, .seats = {{7, 0}}}};
    enum err err = fixture_hold_fn(fixture, tx, &hold);
    if (!err)
        err = booking_start_payment(fixture->tickets, tx, &hold.booking);
    if (!err)
        err = payment_load_by_booking(tx->db, FIXTURE_EVENT, hold.booking.id, tx->arena, payment);
    return err;
}

/* A callback about a fresh checkout. */
static void paid_body(struct fixture *fixture, char ret_body[512])
{
    struct payment payment;
    char reference[ID_TEXT_SIZE];
    assert_int_equal(expect_write(fixture, checkout_fn, &payment), ERR_OK);
    id_format2(reference, "pay", FIXTURE_EVENT, payment.id);
    snprintf(ret_body, 512,
             "{\"id\":\"sbe_1\",\"type\":\"payment.succeeded\",\"data\":{\"session\":\"s\","
             "\"reference\":\"%s\",\"payment_ref\":\"p1\",\"amount\":%d,\"currency\":\"EUR\"}}",
             reference, FIXTURE_PRICE);
}

static int64_t confirmed(struct fixture *fixture)
{
    return fixture_count(fixture, "SELECT COUNT(*) FROM booking WHERE state = 3");
}

static void a_signed_callback_confirms_once(void **state)
{
    char body[512];
    paid_body(*state, body);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send(*state, (struct callback){.provider = "sandbox",
                                                        .body = body,
                                                        .secret = SECRET,
                                                        .age_ms = i * 60000}),
                         200);
        assert_int_equal(confirmed(*state), 1);
    }
    assert_int_equal(fixture_count(*state, "SELECT COUNT(*) FROM provider_event"), 1);
    assert_int_equal(fixture_count(*state, "SELECT COUNT(*) FROM capture"), 1);
}

static void forgeries_and_replays_change_nothing(void **state)
{
    char body[512];
    paid_body(*state, body);
    struct fixture *fixture = *state;
    assert_int_equal(
        send(fixture,
             (struct callback){.provider = "sandbox", .body = body, .secret = "another secret"}),
        400);
    assert_int_equal(
        send(fixture, (struct callback){.provider = "sandbox", .body = body, .header = ""}), 400);
    assert_int_equal(
        send(fixture,
             (struct callback){.provider = "sandbox", .body = body, .header = "t=1,v1=00"}),
        400);
    assert_int_equal(send(fixture, (struct callback){.provider = "sandbox",
                                                     .body = body,
                                                     .secret = SECRET,
                                                     .age_ms = 302000}),
                     400);
    assert_int_equal(send(fixture, (struct callback){.provider = "sandbox",
                                                     .body = body,
                                                     .secret = SECRET,
                                                     .age_ms = -302000}),
                     400);
    assert_int_equal(confirmed(fixture), 0);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM provider_event"), 0);
    assert_int_equal(
        send(fixture, (struct callback){.provider = "sandbox", .body = body, .secret = SECRET}),
        200);
    assert_int_equal(confirmed(fixture), 1);
}

static void only_the_provider_in_use_is_heard(void **state)
{
    char body[512];
    paid_body(*state, body);
    assert_int_equal(
        send(*state, (struct callback){.provider = "stripe", .body = body, .secret = SECRET}), 404);
    assert_int_equal(
        send(*state, (struct callback){.provider = "", .body = body, .secret = SECRET}), 404);
}

static void what_means_nothing_to_us_is_received(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(
        send(fixture, (struct callback){.provider = "sandbox",
                                        .body = "{\"id\":\"e1\",\"type\":\"tea.ready\"}",
                                        .secret = SECRET}),
        200);
    assert_int_equal(
        fixture_count(fixture, "SELECT COUNT(*) FROM provider_event WHERE kind = 'ignored'"), 1);
    static const char *const garbage[] = {"", "{", "[]", "{\"type\":\"payment.succeeded\"}"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(
            send(fixture,
                 (struct callback){.provider = "sandbox", .body = garbage[i], .secret = SECRET}),
            400);
}

static void long_callbacks_are_read_on_the_pool(void **state)
{
    static char body[100000];
    size_t len = (size_t)snprintf(body, sizeof(body), "{\"id\":\"e2\",\"type\":\"x\",\"pad\":\"");
    memset(body + len, 'a', sizeof(body) - len - 3);
    memcpy(body + sizeof(body) - 3, "\"}", 3);
    assert_int_equal(
        send(*state, (struct callback){.provider = "sandbox", .body = body, .secret = SECRET}),
        200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signed_callback_confirms_once),     TEST(forgeries_and_replays_change_nothing),
        TEST(only_the_provider_in_use_is_heard),   TEST(what_means_nothing_to_us_is_received),
        TEST(long_callbacks_are_read_on_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
