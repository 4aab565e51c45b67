/* Refunds: never more than was captured, exactly once, and the places of refunded tickets are for
 * sale again. */
#include "tickets/expect.h"

#include "app/bare_call.h"
#include "app/identity.h"
#include "tickets/booking_store.h"
#include "tickets/payment_http.h"
#include "tickets/payment_internal.h"
#include "tickets/refund_store.h"

#define OWNER     3
#define ORGANIZER 1 /* of the fixture's event */
#define STRANGER  99

/* A confirmed booking of two seats and two area places, paid with captured money. */
struct sale {
    struct booking booking;
    struct payment payment;
    struct ticket tickets[BOOKING_PLACES_MAX];
    size_t ticket_count;
};

static enum err load(struct writer_tx *tx, struct sale *sale)
{
    enum err err = booking_load(tx->db, FIXTURE_EVENT, sale->booking.id, &sale->booking);
    if (!err)
        err = payment_load_by_booking(tx->db, FIXTURE_EVENT, sale->booking.id, tx->arena,
                                      &sale->payment);
    if (!err)
        err = ticket_list(tx->db, FIXTURE_EVENT, sale->booking.id, sale->tickets,
                          &sale->ticket_count);
    return err;
}

static enum err sell_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct sale *sale = ctx;
    struct fixture_hold hold = {.booking = {.account_id = OWNER,
                                            .seat_count = 2,
                                            .seats = {{4, 0}, {5, 0}},
                                            .area_count = 1,
                                            .areas = {{0, 2, 0}}}};
    enum err err = fixture_hold_fn(fixture, tx, &hold);
    sale->booking = hold.booking;
    if (!err)
        err = booking_start_payment(fixture->tickets, tx, &sale->booking);
    if (!err)
        err = payment_load_by_booking(tx->db, FIXTURE_EVENT, sale->booking.id, tx->arena,
                                      &sale->payment);
    struct provider_event event = {.provider = STR("sandbox"),
                                   .fact = FACT_SUCCEEDED,
                                   .event_id = FIXTURE_EVENT,
                                   .payment_id = sale->payment.id,
                                   .provider_ref = STR("money"),
                                   .amount = sale->payment.amount,
                                   .currency = "EUR"};
    if (!err)
        err = payment_apply(fixture->tickets, tx, &event);
    return err ? err : load(tx, sale);
}

static struct sale sell(struct fixture *fixture)
{
    struct sale sale = {0};
    assert_int_equal(expect_write(fixture, sell_fn, &sale), ERR_OK);
    assert_int_equal(sale.booking.state, BOOKING_CONFIRMED);
    assert_int_equal(sale.ticket_count, 4);
    return sale;
}

/* --- Money --- */

struct promise {
    struct sale *sale;
    int64_t amount;
    uint64_t refund_id;
};

static enum err promise_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct promise *promise = ctx;
    return refund_request(fixture->tickets, tx, &promise->sale->payment, STR("money"),
                          promise->amount, "requested", &promise->refund_id);
}

static void more_than_was_captured_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct sale sale = sell(fixture);
    struct promise promise = {&sale, 4 * FIXTURE_PRICE + 1, 0};
    assert_int_equal(expect_write(fixture, promise_fn, &promise), ERR_CONFLICT);
    promise.amount = 0;
    assert_int_equal(expect_write(fixture, promise_fn, &promise), ERR_CONFLICT);
    promise.amount = -5;
    assert_int_equal(expect_write(fixture, promise_fn, &promise), ERR_CONFLICT);
    promise.amount = 3 * FIXTURE_PRICE;
    assert_int_equal(expect_write(fixture, promise_fn, &promise), ERR_OK);
    assert_int_equal(expect_write(fixture, promise_fn, &promise), ERR_CONFLICT);
    promise.amount = FIXTURE_PRICE;
    assert_int_equal(expect_write(fixture, promise_fn, &promise), ERR_OK);
    promise.amount = 1;
    assert_int_equal(expect_write(fixture, promise_fn, &promise), ERR_CONFLICT);
    assert_int_equal(fixture_count(fixture, "SELECT SUM(amount) FROM refund"), 4 * FIXTURE_PRICE);
    assert_int_equal(fixture_count(fixture, "SELECT refunded FROM payment"), 4 * FIXTURE_PRICE);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM journal "
                                            "WHERE type = 'refund.requested'"),
                     2);
}

struct answer_case {
    enum provider_verdict verdict;
    enum provider_fact fact;
    const char *known_ref; /* the provider's, when it was asked */
    enum refund_state state;
};

static enum err answer_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct promise *promise = ((void **)ctx)[0];
    const struct answer_case *wanted = ((void **)ctx)[1];
    struct refund refund;
    enum err err = promise_fn(fixture, tx, promise);
    if (!err)
        err = refund_load(tx->db, FIXTURE_EVENT, promise->refund_id, tx->arena, &refund);
    if (err)
        return err;
    expect_eq(refund.next_at, tx->now_ms);
    refund.provider_refund_ref = str_from_c(wanted->known_ref);
    struct provider_answer answer = {
        .verdict = wanted->verdict, .fact = wanted->fact, .provider_refund_ref = STR("re_1")};
    expect_eq(refund_on_answer(fixture->tickets, tx, &refund, &answer), ERR_OK);
    expect_eq(refund_load(tx->db, FIXTURE_EVENT, promise->refund_id, tx->arena, &refund), ERR_OK);
    expect_eq(refund.state, wanted->state);
    expect_eq(refund.next_at > tx->now_ms, wanted->state == REFUND_PENDING);
    expect_eq(refund.next_at == 0, wanted->state != REFUND_PENDING);
    if (wanted->verdict == VERDICT_OK)
        expect(str_eq(refund.provider_refund_ref, STR("re_1")));
    return ERR_OK;
}

static void answers_settle_a_refund_or_bring_it_back_later(void **state)
{
    /* clang-format off */
    static const struct answer_case cases[] = {
        {VERDICT_OK, FACT_REFUND_SUCCEEDED, NULL, REFUND_SUCCEEDED},
        {VERDICT_OK, FACT_REFUND_FAILED, NULL, REFUND_REFUSED},
        {VERDICT_OK, FACT_OPEN, NULL, REFUND_PENDING},
        {VERDICT_REFUSED, FACT_IGNORED, NULL, REFUND_REFUSED},
        {VERDICT_UNKNOWN, FACT_IGNORED, NULL, REFUND_REFUSED},
        {VERDICT_UNKNOWN, FACT_IGNORED, "re_1", REFUND_PENDING}, /* asked about one that it made */
        {VERDICT_RETRY, FACT_IGNORED, NULL, REFUND_PENDING},
        {VERDICT_DOWN, FACT_IGNORED, NULL, REFUND_PENDING},
    };
    /* clang-format on */
    struct fixture *fixture = *state;
    struct sale sale = sell(fixture);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct promise promise = {&sale, 1, 0};
        void *ctx[] = {&promise, (void *)&cases[i]};
        assert_int_equal(expect_write(fixture, answer_fn, ctx), ERR_OK);
    }
}

static enum err facts_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct promise *promise = ctx;
    struct refund refund;
    enum err err = promise_fn(fixture, tx, promise);
    if (!err)
        err = refund_load(tx->db, FIXTURE_EVENT, promise->refund_id, tx->arena, &refund);
    static const struct {
        enum provider_fact fact;
        enum refund_state state;
    } steps[] = {
        {FACT_OPEN, REFUND_PENDING},
        {FACT_REFUND_SUCCEEDED, REFUND_SUCCEEDED},
        {FACT_REFUND_SUCCEEDED, REFUND_SUCCEEDED},
        {FACT_REFUND_FAILED, REFUND_REFUSED}, /* the buyer's bank sent it back */
        {FACT_REFUND_SUCCEEDED, REFUND_REFUSED},
        {FACT_REFUND_FAILED, REFUND_REFUSED},
    };
    for (size_t i = 0; !err && i < sizeof(steps) / sizeof(steps[0]); i++) {
        err = refund_apply(fixture->tickets, tx, &refund, steps[i].fact);
        expect_eq(refund.state, steps[i].state);
    }
    return err;
}

static void facts_about_a_refund_count_once(void **state)
{
    struct fixture *fixture = *state;
    struct sale sale = sell(fixture);
    struct promise promise = {&sale, 10, 0};
    assert_int_equal(expect_write(fixture, facts_fn, &promise), ERR_OK);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM journal "
                                            "WHERE type = 'refund.succeeded'"),
                     1);
    assert_int_equal(
        fixture_count(fixture, "SELECT COUNT(*) FROM journal WHERE type = 'refund.failed'"), 1);
}

/* --- The route --- */

struct ask {
    struct sale *sale;
    uint64_t account_id;
    unsigned scopes;
    const char *body;
    int status; /* what came of it */
    char text[1024];
};

static void ask_init(struct ask *ask, struct bare_call *bare, struct caller *caller,
                     struct service *service)
{
    static char id[ID_TEXT_SIZE];
    bare_call_init(bare);
    *caller = (struct caller){.account_id = ask->account_id, .scopes = ask->scopes};
    bare->route.request = refund_request_fields;
    bare->request.method = HTTP_POST;
    bare->request.body = str_from_c(ask->body);
    bare->request.params[0].name = "id";
    bare->request.params[0].value =
        id_format2(id, "bkg", FIXTURE_EVENT, ask->sale ? ask->sale->booking.id : 5);
    bare->request.param_count = 1;
    bare->call.caller = caller;
    bare->call.service = service;
}

static enum err ask_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct ask *ask = ctx;
    struct bare_call bare;
    struct caller caller;
    ask_init(ask, &bare, &caller, tickets_service(fixture->tickets));
    enum err err = refund_post_prepare(&bare.call, tx->db);
    if (!err && !bare.request.res.status)
        err = refund_post_apply(&bare.call, tx);
    ask->status = bare.request.res.status;
    snprintf(ask->text, sizeof(ask->text), "%.*s", STR_ARG(bare.request.res.body));
    bare_call_release(&bare);
    return !err && ask->status >= 400 ? ERR_CONFLICT : err; /* as dispatch rolls back */
}

static int ask(struct fixture *fixture, struct sale *sale, uint64_t account_id, unsigned scopes,
               const char *body, char *ret_text)
{
    struct ask ask = {.sale = sale, .account_id = account_id, .scopes = scopes, .body = body};
    enum err err = expect_write(fixture, ask_fn, &ask);
    assert_int_equal(err, ask.status >= 400 ? ERR_CONFLICT : ERR_OK);
    if (ret_text)
        memcpy(ret_text, ask.text, sizeof(ask.text));
    return ask.status;
}

static void the_organizer_refunds_part_and_rest(void **state)
{
    struct fixture *fixture = *state;
    struct sale sale = sell(fixture);
    char body[256], ids[2][ID_TEXT_SIZE], text[1024];
    id_format2(ids[0], "tkt", FIXTURE_EVENT, sale.tickets[0].id); /* a seat */
    id_format2(ids[1], "tkt", FIXTURE_EVENT, sale.tickets[3].id); /* an area place */
    snprintf(body, sizeof(body), "{\"ticket_ids\":[\"%s\",\"%s\"]}", ids[0], ids[1]);
    assert_int_equal(ask(fixture, &sale, ORGANIZER, SCOPE_ORGANIZER, body, text), 202);
    assert_non_null(strstr(text, "\"amount\":9000"));
    assert_non_null(strstr(text, "\"status\":\"pending\""));
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM seat_claim"), 1);
    assert_int_equal(fixture_count(fixture, "SELECT available FROM event_area"),
                     FIXTURE_AREA_CAPACITY - 1);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM ticket WHERE state = 1"), 2);
    /* The seat is for sale again. */
    struct fixture_hold hold = {
        .booking = {.account_id = 8, .seat_count = 1, .seats = {{sale.tickets[0].seat_no, 0}}}};
    assert_int_equal(fixture_write(fixture, fixture_hold_fn, &hold), ERR_OK);
    /* The same tickets again, and with others: no. */
    assert_int_equal(ask(fixture, &sale, ORGANIZER, SCOPE_ORGANIZER, body, NULL), 409);
    id_format2(ids[1], "tkt", FIXTURE_EVENT, sale.tickets[1].id);
    snprintf(body, sizeof(body), "{\"ticket_ids\":[\"%s\",\"%s\"]}", ids[0], ids[1]);
    assert_int_equal(ask(fixture, &sale, ORGANIZER, SCOPE_ORGANIZER, body, NULL), 409);
    assert_int_equal(ask(fixture, &sale, STRANGER, SCOPE_ADMIN, "", NULL), 202); /* the rest */
    assert_int_equal(ask(fixture, &sale, ORGANIZER, SCOPE_ORGANIZER, "{}", NULL), 409);
    assert_int_equal(fixture_count(fixture, "SELECT refunded - captured FROM payment"), 0);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM refund"), 2);
    assert_int_equal(fixture_count(fixture, "SELECT state FROM booking ORDER BY id LIMIT 1"),
                     BOOKING_CONFIRMED);
}

static int64_t counted_places(struct fixture *fixture)
{
    int64_t places = -1;
    assert_int_equal(booking_store_places(fixture->reader, OWNER, FIXTURE_EVENT, &places), ERR_OK);
    return places;
}

/* What was given back is not had any more: it leaves room for another booking. */
static void places_given_back_do_not_count(void **state)
{
    struct fixture *fixture = *state;
    struct sale sale = sell(fixture);
    struct fixture_hold hold;
    char body[128], id[ID_TEXT_SIZE];
    assert_int_equal(counted_places(fixture), 4);
    id_format2(id, "tkt", FIXTURE_EVENT, sale.tickets[0].id);
    snprintf(body, sizeof(body), "{\"ticket_ids\":[\"%s\"]}", id);
    assert_int_equal(ask(fixture, &sale, ORGANIZER, SCOPE_ORGANIZER, body, NULL), 202);
    assert_int_equal(counted_places(fixture), 3);
    assert_int_equal(fixture_hold_pair(fixture, OWNER, 10, &hold), ERR_OK);
    assert_int_equal(counted_places(fixture), 5);
    assert_int_equal(ask(fixture, &sale, ORGANIZER, SCOPE_ORGANIZER, "", NULL), 202);
    assert_int_equal(counted_places(fixture), 2);
}

static void strangers_see_nothing_and_owners_keep_the_rules(void **state)
{
    struct fixture *fixture = *state;
    struct sale sale = sell(fixture);
    assert_int_equal(ask(fixture, &sale, STRANGER, 0, "", NULL), 404);
    assert_int_equal(ask(fixture, &sale, STRANGER, SCOPE_ORGANIZER, "", NULL), 404);
    assert_int_equal(ask(fixture, &sale, ORGANIZER, 0, "", NULL),
                     404); /* the key lacks the scope */
    assert_int_equal(ask(fixture, NULL, ORGANIZER, SCOPE_ADMIN, "", NULL), 404);
    assert_int_equal(ask(fixture, &sale, OWNER, 0, "", NULL), 403);
    fixture_sql(fixture, "UPDATE event SET refund_until_s = 31 * 86400");
    assert_int_equal(ask(fixture, &sale, OWNER, 0, "", NULL), 403); /* too late */
    fixture_sql(fixture, "UPDATE event SET refund_until_s = 29 * 86400");
    assert_int_equal(ask(fixture, &sale, OWNER, 0, "", NULL), 202);
}

static void bad_tickets_are_named(void **state)
{
    struct fixture *fixture = *state;
    struct sale sale = sell(fixture);
    char text[1024];
    static const char *const bodies[] = {"{\"ticket_ids\":[]}", "{\"ticket_ids\":[\"tkt_x\"]}",
                                         "{\"ticket_ids\":\"tkt_x\"}", "{\"tickets\":[]}"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(ask(fixture, &sale, ORGANIZER, SCOPE_ORGANIZER, bodies[i], NULL), 422);
    char body[128], id[ID_TEXT_SIZE];
    id_format2(id, "tkt", FIXTURE_EVENT, 17);
    snprintf(body, sizeof(body), "{\"ticket_ids\":[\"%s\"]}", id);
    assert_int_equal(ask(fixture, &sale, ORGANIZER, SCOPE_ORGANIZER, body, text), 422);
    assert_non_null(strstr(text, "ticket_ids"));
    assert_int_equal(ask(fixture, &sale, ORGANIZER, SCOPE_ORGANIZER, "{", NULL), 400);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM refund"), 0);
}

static void used_tickets_and_unpaid_bookings_are_not_refunded(void **state)
{
    struct fixture *fixture = *state;
    struct sale sale = sell(fixture);
    fixture_sql(fixture, "UPDATE ticket SET used_at = 5 WHERE id = (SELECT MIN(id) FROM ticket)");
    assert_int_equal(ask(fixture, &sale, ORGANIZER, SCOPE_ORGANIZER, "", NULL), 409);
    char body[128], id[ID_TEXT_SIZE];
    id_format2(id, "tkt", FIXTURE_EVENT, sale.tickets[1].id);
    snprintf(body, sizeof(body), "{\"ticket_ids\":[\"%s\"]}", id);
    assert_int_equal(ask(fixture, &sale, ORGANIZER, SCOPE_ORGANIZER, body, NULL), 202);
    struct fixture_hold hold;
    assert_int_equal(fixture_hold_pair(fixture, OWNER, 10, &hold), ERR_OK);
    struct sale held = {.booking = hold.booking};
    assert_int_equal(ask(fixture, &held, ORGANIZER, SCOPE_ORGANIZER, "", NULL), 409);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(more_than_was_captured_is_refused),
        TEST(answers_settle_a_refund_or_bring_it_back_later),
        TEST(facts_about_a_refund_count_once),
        TEST(the_organizer_refunds_part_and_rest),
        TEST(places_given_back_do_not_count),
        TEST(strangers_see_nothing_and_owners_keep_the_rules),
        TEST(bad_tickets_are_named),
        TEST(used_tickets_and_unpaid_bookings_are_not_refunded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
