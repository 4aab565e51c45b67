/*
 * The payments worker against a real bank: sessions, outages, lost callbacks, bookings whose time
 * is up, refunds. No callback reaches anybody here (nobody listens), so all that is known was
 * asked.
 */
#include "sandbox/bank_rig.h"

#include "tickets/expect.h"

#include "tickets/payments_internal.h"
#include "tickets/refund.h"

struct rig {
    struct bank_rig bank;
    struct fixture *fixture;
    struct payments *payments;
    uint32_t seat; /* next free one */
};

/* What is known of a checkout. */
struct checkout {
    struct booking booking;
    enum payment_state state;
    char url[512], session[128];
    int64_t captured, refunded;
};

static void start(struct rig *rig)
{
    struct fixture *fixture = rig->fixture;
    snprintf(fixture->config.payments, sizeof(fixture->config.payments), "sandbox=http://%s@%s",
             sandbox_child_secret(rig->bank.child), sandbox_child_url(rig->bank.child) + 7);
    snprintf(fixture->tickets->base_url, sizeof(fixture->tickets->base_url), "http://127.0.0.1:1");
    fixture->config.test_clock = true;
    assert_int_equal(payments_start(fixture->tickets, &rig->payments), ERR_OK);
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    log_set_level(LOG_OFF);
    bank_rig_open(&rig->bank);
    void *fixture;
    fixture_setup(&fixture);
    rig->fixture = fixture;
    start(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    void *fixture = rig->fixture;
    payments_stop(rig->payments);
    fixture_teardown(&fixture);
    bank_rig_close(&rig->bank);
    free(rig);
    return 0;
}

static enum err begin_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct checkout *checkout = ctx;
    struct fixture_hold hold = {.booking = checkout->booking};
    enum err err = fixture_hold_fn(fixture, tx, &hold);
    checkout->booking = hold.booking;
    return err ? err : booking_start_payment(fixture->tickets, tx, &checkout->booking);
}

static struct checkout begin(struct rig *rig)
{
    struct checkout checkout = {
        .booking = {.account_id = 3, .seat_count = 1, .seats = {{rig->seat++, 0}}}};
    assert_int_equal(fixture_write(rig->fixture, begin_fn, &checkout), ERR_OK);
    return checkout;
}

static enum err look_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    (void)fixture;
    struct checkout *checkout = ctx;
    struct payment payment;
    enum err err = booking_load(tx->db, FIXTURE_EVENT, checkout->booking.id, &checkout->booking);
    if (!err)
        err = payment_load_by_booking(tx->db, FIXTURE_EVENT, checkout->booking.id, tx->arena,
                                      &payment);
    if (err)
        return err;
    checkout->state = payment.state;
    checkout->captured = payment.captured;
    checkout->refunded = payment.refunded;
    snprintf(checkout->url, sizeof(checkout->url), "%.*s", STR_ARG(payment.url));
    snprintf(checkout->session, sizeof(checkout->session), "%.*s", STR_ARG(payment.session_ref));
    return ERR_OK;
}

static struct checkout *look(struct rig *rig, struct checkout *checkout)
{
    assert_int_equal(fixture_write(rig->fixture, look_fn, checkout), ERR_OK);
    return checkout;
}

static void pay(struct rig *rig, struct checkout *checkout, const char *body)
{
    wait_for(look(rig, checkout)->url[0]);
    assert_int_equal(buyer(&rig->bank, "POST", checkout->url, "/complete", body), 200);
}

#define PAID_SILENTLY "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":0}}"

/* Its time is up, as the expiry would say. */
static void come_due(struct rig *rig, struct checkout *checkout)
{
    clock_advance_ms(FIXTURE_TTL_S * 1000 + 1000);
    payments_booking_due(rig->payments, FIXTURE_EVENT, checkout->booking.id);
    payments_booking_due(rig->payments, FIXTURE_EVENT, checkout->booking.id); /* once is enough */
}

static bool session_is(struct rig *rig, const struct checkout *checkout, const char *status)
{
    char path[256], found[32];
    snprintf(path, sizeof(path), "/sessions/%s", checkout->session);
    assert_int_equal(bank(&rig->bank, "GET", path, NULL, NULL), 200);
    answer_member(&rig->bank, "status", found, sizeof(found));
    return strcmp(found, status) == 0;
}

static int64_t bank_sum(struct rig *rig, const char *name)
{
    char value[32];
    assert_int_equal(bank(&rig->bank, "GET", "/ledger/summary", NULL, NULL), 200);
    answer_member(&rig->bank, name, value, sizeof(value));
    return strtoll(value, NULL, 10);
}

static void control(struct rig *rig, const char *body)
{
    assert_int_equal(bank(&rig->bank, "POST", "/control", NULL, body), 200);
}

/* --- Sessions --- */

static void a_checkout_gets_its_url(void **state)
{
    struct rig *rig = *state;
    struct checkout checkouts[10];
    for (size_t i = 0; i < 10; i++)
        checkouts[i] = begin(rig);
    for (size_t i = 0; i < 10; i++) {
        wait_for(look(rig, &checkouts[i])->state == PAYMENT_OPEN);
        assert_true(strncmp(checkouts[i].url, sandbox_child_url(rig->bank.child), 17) == 0);
        assert_true(session_is(rig, &checkouts[i], "open"));
        assert_true(answer_has(&rig->bank, "\"description\":\"Show\""));
    }
}

static void checkouts_wait_for_a_bank_that_is_away(void **state)
{
    struct rig *rig = *state;
    struct checkout checkouts[8];
    control(rig, "{\"sessions\":\"refuse\"}");
    for (size_t i = 0; i < 8; i++)
        checkouts[i] = begin(rig);
    wait_for(fixture_count(rig->fixture, "SELECT COUNT(*) FROM payment WHERE attempts > 0") >= 5);
    assert_int_equal(look(rig, &checkouts[0])->state, PAYMENT_CREATING);
    assert_int_equal(checkouts[0].booking.state, BOOKING_PAYMENT_PENDING);
    control(rig, "{\"sessions\":\"ok\"}");
    for (size_t i = 0; i < 8; i++)
        wait_for(look(rig, &checkouts[i])->state == PAYMENT_OPEN);
}

static void a_restart_goes_on_where_it_was(void **state)
{
    struct rig *rig = *state;
    control(rig, "{\"sessions\":\"refuse\"}");
    struct checkout checkout = begin(rig);
    wait_for(fixture_count(rig->fixture, "SELECT COUNT(*) FROM payment WHERE attempts > 0") == 1);
    payments_stop(rig->payments);
    control(rig, "{\"sessions\":\"ok\"}");
    start(rig);
    pay(rig, &checkout, PAID_SILENTLY);
    payments_stop(rig->payments);
    start(rig); /* the callback was missed while nobody was there: open sessions are asked about */
    wait_for(look(rig, &checkout)->booking.state == BOOKING_CONFIRMED);
}

static void a_refused_order_fails_the_booking(void **state)
{
    struct rig *rig = *state;
    control(rig, "{\"sessions\":\"refuse\"}");
    struct checkout checkout = begin(rig);
    wait_for(fixture_count(rig->fixture, "SELECT COUNT(*) FROM payment WHERE attempts > 0") == 1);
    fixture_sql(rig->fixture, "UPDATE payment SET currency = 'xx1'"); /* the bank takes no such */
    control(rig, "{\"sessions\":\"ok\"}");
    wait_for(look(rig, &checkout)->booking.state == BOOKING_FAILED);
    assert_int_equal(checkout.state, PAYMENT_FAILED);
}

/* --- Time is up --- */

static void money_is_found_before_a_booking_expires(void **state)
{
    struct rig *rig = *state;
    struct checkout checkout = begin(rig);
    pay(rig, &checkout, PAID_SILENTLY);
    come_due(rig, &checkout);
    wait_for(look(rig, &checkout)->booking.state == BOOKING_CONFIRMED);
    assert_int_equal(checkout.captured, FIXTURE_PRICE);
}

static void an_unpaid_booking_expires_and_its_session_closes(void **state)
{
    struct rig *rig = *state;
    struct checkout checkout = begin(rig);
    wait_for(look(rig, &checkout)->state == PAYMENT_OPEN);
    come_due(rig, &checkout);
    wait_for(look(rig, &checkout)->state == PAYMENT_CLOSED);
    assert_int_equal(checkout.booking.state, BOOKING_EXPIRED);
    assert_true(session_is(rig, &checkout, "closed"));
    assert_int_equal(buyer(&rig->bank, "POST", checkout.url, "/complete", PAID_SILENTLY), 409);
}

static void a_failed_session_fails_the_booking(void **state)
{
    struct rig *rig = *state;
    struct checkout checkout = begin(rig);
    pay(rig, &checkout, "{\"outcome\":\"failed\",\"callbacks\":{\"count\":0}}");
    come_due(rig, &checkout);
    wait_for(look(rig, &checkout)->booking.state == BOOKING_FAILED);
}

static void late_money_is_found_by_asking(void **state)
{
    struct rig *rig = *state;
    struct checkout kept = begin(rig), lost = begin(rig);
    wait_for(look(rig, &kept)->state == PAYMENT_OPEN && look(rig, &lost)->state == PAYMENT_OPEN);
    come_due(rig, &kept);
    come_due(rig, &lost);
    wait_for(look(rig, &kept)->state == PAYMENT_CLOSED);
    wait_for(look(rig, &lost)->state == PAYMENT_CLOSED);
    struct checkout winner = {.booking = {.account_id = 4, .seat_count = 1}};
    winner.booking.seats[0].seat_no = lost.booking.seats[0].seat_no;
    assert_int_equal(fixture_write(rig->fixture, begin_fn, &winner), ERR_OK);
    static const char late[] =
        "{\"outcome\":\"succeeded\",\"late\":true,\"callbacks\":{\"count\":0}}";
    assert_int_equal(buyer(&rig->bank, "POST", kept.url, "/complete", late), 200);
    assert_int_equal(buyer(&rig->bank, "POST", lost.url, "/complete", late), 200);
    clock_advance_ms(11 * 60000); /* the first of the late questions */
    wait_for(look(rig, &kept)->booking.state == BOOKING_CONFIRMED);
    wait_for(look(rig, &lost)->refunded == FIXTURE_PRICE);
    assert_int_equal(lost.booking.state, BOOKING_EXPIRED);
    wait_for(bank_sum(rig, "refunded") == FIXTURE_PRICE);
}

static void an_outage_extends_a_booking_once(void **state)
{
    struct rig *rig = *state;
    struct checkout open = begin(rig);
    wait_for(look(rig, &open)->state == PAYMENT_OPEN);
    control(rig, "{\"sessions\":\"refuse\",\"status\":\"refuse\"}");
    struct checkout waiting[8];
    for (size_t i = 0; i < 8; i++)
        waiting[i] = begin(rig);
    wait_for(fixture_count(rig->fixture, "SELECT COUNT(*) FROM payment WHERE attempts > 0") >= 5);
    int64_t before = open.booking.expires_at;
    come_due(rig, &open);
    payments_booking_due(rig->payments, FIXTURE_EVENT, waiting[0].booking.id);
    wait_for(look(rig, &open)->booking.extended_ms == HOLD_EXTENSION_MS_MAX);
    assert_int_equal(open.booking.expires_at, before + HOLD_EXTENSION_MS_MAX);
    assert_int_equal(open.booking.state, BOOKING_PAYMENT_PENDING);
    wait_for(look(rig, &waiting[0])->booking.extended_ms == HOLD_EXTENSION_MS_MAX);
    clock_advance_ms(HOLD_EXTENSION_MS_MAX + 1000);
    payments_booking_due(rig->payments, FIXTURE_EVENT, open.booking.id);
    wait_for(look(rig, &open)->booking.state == BOOKING_EXPIRED);
    assert_int_equal(buyer(&rig->bank, "POST", open.url, "/complete", PAID_SILENTLY), 200);
    control(rig, "{\"sessions\":\"ok\",\"status\":\"ok\"}"); /* closing finds the money */
    wait_for(look(rig, &open)->booking.state == BOOKING_CONFIRMED);
}

static void a_checkout_without_a_session_ends_without_one(void **state)
{
    struct rig *rig = *state;
    control(rig, "{\"sessions\":\"refuse\"}");
    struct checkout checkout = begin(rig);
    wait_for(fixture_count(rig->fixture, "SELECT COUNT(*) FROM payment WHERE attempts > 0") == 1);
    come_due(rig, &checkout);
    wait_for(look(rig, &checkout)->booking.state == BOOKING_EXPIRED);
    /* A call that is on its way must not find the bank open: it would get a session, to be closed. */
    wait_for(look(rig, &checkout)->state == PAYMENT_CLOSED);
    control(rig, "{\"sessions\":\"ok\"}");
    assert_string_equal(look(rig, &checkout)->session, "");
}

/* --- Refunds --- */

static enum err promise_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct checkout *checkout = ctx;
    struct payment payment;
    enum err err =
        payment_load_by_booking(tx->db, FIXTURE_EVENT, checkout->booking.id, tx->arena, &payment);
    return err ? err
               : refund_request(fixture->tickets, tx, &payment, payment.provider_ref, 1000,
                                "requested", NULL);
}

static void a_refund_is_carried_out_once(void **state)
{
    struct rig *rig = *state;
    struct checkout checkout = begin(rig);
    pay(rig, &checkout, PAID_SILENTLY);
    come_due(rig, &checkout);
    wait_for(look(rig, &checkout)->booking.state == BOOKING_CONFIRMED);
    control(rig, "{\"refunds\":\"refuse\"}");
    assert_int_equal(fixture_write(rig->fixture, promise_fn, &checkout), ERR_OK);
    wait_for(fixture_count(rig->fixture, "SELECT attempts FROM refund") > 0);
    control(rig, "{\"refunds\":\"ok\"}");
    wait_for(fixture_count(rig->fixture, "SELECT state FROM refund") == REFUND_SUCCEEDED);
    assert_int_equal(bank_sum(rig, "refunded"), 1000);
    /* We forget that it was done, as a crash before the write would. */
    fixture_sql(rig->fixture, "UPDATE refund SET state = 0, next_at = 1");
    payments_wake(rig->payments);
    wait_for(fixture_count(rig->fixture, "SELECT state FROM refund") == REFUND_SUCCEEDED);
    assert_int_equal(bank_sum(rig, "refunded"), 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "sandbox") == 0)
        return sandbox_main(argc - 2, argv + 2);
    const struct CMUnitTest tests[] = {
        TEST(a_checkout_gets_its_url),
        TEST(checkouts_wait_for_a_bank_that_is_away),
        TEST(a_restart_goes_on_where_it_was),
        TEST(a_refused_order_fails_the_booking),
        TEST(money_is_found_before_a_booking_expires),
        TEST(an_unpaid_booking_expires_and_its_session_closes),
        TEST(a_failed_session_fails_the_booking),
        TEST(late_money_is_found_by_asking),
        TEST(an_outage_extends_a_booking_once),
        TEST(a_checkout_without_a_session_ends_without_one),
        TEST(a_refund_is_carried_out_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
