/*
 * Races between jobs about one booking, forced in every order, in one group and in two (race.h).
 *
 *   race                                   test                                         control: the guard, and what is found without it
 *   -------------------------------------  -------------------------------------------  ------------------------------------------------
 *   expiry / money                         expiry_meets_money                           booking's and claims' states: ticket-without-booking,
 *   expiry / money, policy "refund"        expiry_meets_money_that_is_sent_back           missing-refund (an_expiry_that_is_blind_to_the_money)
 *   expiry timer / checkout                the_timer_comes_before_the_checkout,         "
 *                                          the_checkout_comes_before_the_timer
 *   expiry at its very millisecond         a_hold_ends_at_its_time_and_not_before       the time: it ends early (same test)
 *   owner's cancellation / money           cancellation_meets_money                     as for expiry / money
 *   cancelled event / money                a_cancelled_event_meets_money                event's status and walk: sold for a cancelled event
 *                                                                                         (money_that_is_blind_to_the_cancelled_event)
 *   one callback twice, one payment told   callbacks_meet                               provider_event and capture keys: captures
 *   twice, paid twice, paid and failed                                                    (a_payment_that_is_counted_twice)
 *   late money / new hold of the seat      late_money_meets_a_new_hold                  look at the claims, claim's key: seat-in-two-bookings
 *                                                                                         (late_money_that_is_blind_to_the_new_hold)
 *   a group that dies / its neighbours     neighbours_of_a_lost_group_are_done_once     the answer of the lost run: names no booking (same test)
 *
 * Requests against each other are in race_http_test.c; logout against a look-up in
 * app/session_cache_test.c; a seat seen before its key in contention_test.c.
 */
#include "race.h"

#include "tickets/event_cancel.h"
#include "tickets/expiry.h"
#include "tickets/payment_internal.h"
#include "tickets/refund.h"
#include "tickets/replay_keys.h"

#define BUYER 3
#define OTHER 4

/* First column of the first row. One statement slot for all texts: each look has its connection. */
static int64_t number(struct fixture *fixture, const char *format, ...)
{
    static struct sql sql;
    char text[1024];
    struct db *db;
    int64_t value = -1;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sql.text = text;
    assert_int_equal(db_open(tickets_database_path(fixture->tickets), DB_ADMIN, &db), ERR_OK);
    assert_int_equal(db_get_i64(db_stmt(db, &sql), &value), ERR_OK);
    db_close(db);
    return value;
}

/* --- A checkout whose time is up --- */

struct sale {
    uint32_t seat_no;
    bool is_held_only;
    struct booking booking;
    uint64_t payment_id;
};

SQL(SQL_DUE, "UPDATE booking SET expires_at = $2 WHERE id = $1");

static enum err make_due(struct writer_tx *tx, uint64_t booking_id, int64_t at_ms)
{
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_DUE);
    db_bind_i64(stmt, 1, (int64_t)booking_id);
    db_bind_i64(stmt, 2, at_ms);
    return db_exec(stmt);
}

static enum err open_session(struct fixture *fixture, struct writer_tx *tx, struct sale *sale)
{
    struct payment payment;
    char session_ref[32];
    enum err err = booking_start_payment(fixture->tickets, tx, &sale->booking);
    if (!err)
        err = payment_load_by_booking(tx->db, FIXTURE_EVENT, sale->booking.id, tx->arena, &payment);
    if (err)
        return err;
    sale->payment_id = payment.id;
    snprintf(session_ref, sizeof(session_ref), "ses_%u", sale->seat_no);
    struct provider_answer answer = {.verdict = VERDICT_OK,
                                     .fact = FACT_OPEN,
                                     .session_ref = str_from_c(session_ref),
                                     .url = STR("http://bank/pay")};
    return payment_on_created(fixture->tickets, tx, &payment, &answer);
}

static enum err begin_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct sale *sale = ctx;
    struct fixture_hold hold = {
        .booking = {.account_id = BUYER, .seat_count = 1, .seats = {{sale->seat_no, 0}}}};
    enum err err = fixture_hold_fn(fixture, tx, &hold);
    sale->booking = hold.booking;
    if (!err && !sale->is_held_only)
        err = open_session(fixture, tx, sale);
    return err ? err : make_due(tx, sale->booking.id, tx->now_ms);
}

static struct sale begin(struct fixture *fixture, uint32_t seat_no)
{
    struct sale sale = {.seat_no = seat_no};
    assert_int_equal(fixture_write(fixture, begin_fn, &sale), ERR_OK);
    return sale;
}

static int64_t state_of(struct fixture *fixture, const struct sale *sale)
{
    return number(fixture, "SELECT state FROM booking WHERE id = %llu",
                  (unsigned long long)sale->booking.id);
}

static int64_t kept_of(struct fixture *fixture, const struct sale *sale)
{
    return number(fixture, "SELECT captured - refunded FROM payment WHERE id = %llu",
                  (unsigned long long)sale->payment_id);
}

static int64_t refunds_of(struct fixture *fixture, const struct sale *sale, const char *reason)
{
    return number(fixture, "SELECT COUNT(*) FROM refund WHERE booking_id = %llu AND reason = '%s'",
                  (unsigned long long)sale->booking.id, reason);
}

/* --- Steps --- */

typedef enum err (*sale_fn)(struct fixture *fixture, struct writer_tx *tx, void *ctx);

static enum err load(struct writer_tx *tx, const struct sale *sale, struct booking *ret_booking)
{
    return booking_load(tx->db, FIXTURE_EVENT, sale->booking.id, ret_booking);
}

static enum err expire_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct booking booking;
    enum err err = load(tx, ctx, &booking);
    return err ? err : booking_expire(fixture->tickets, tx, &booking, true);
}

static enum err cancel_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct booking booking;
    enum err err = load(tx, ctx, &booking);
    return err ? err : booking_cancel(fixture->tickets, tx, &booking);
}

static enum err checkout_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct booking booking;
    enum err err = load(tx, ctx, &booking);
    return err ? err : booking_start_payment(fixture->tickets, tx, &booking);
}

struct callback {
    const struct sale *sale;
    const char *event_ref, *provider_ref;
    enum provider_fact fact;
};

static enum err tell_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    const struct callback *callback = ctx;
    char event_ref[64], provider_ref[64];
    unsigned seat_no = callback->sale->seat_no;
    snprintf(event_ref, sizeof(event_ref), "%s-%u", callback->event_ref, seat_no);
    snprintf(provider_ref, sizeof(provider_ref), "%s-%u", callback->provider_ref, seat_no);
    struct provider_event event = {.provider = STR("sandbox"),
                                   .event_ref = str_from_c(event_ref),
                                   .event_id = FIXTURE_EVENT,
                                   .payment_id = callback->sale->payment_id,
                                   .fact = callback->fact,
                                   .provider_ref = str_from_c(provider_ref),
                                   .amount = FIXTURE_PRICE,
                                   .currency = "EUR"};
    return payment_apply(fixture->tickets, tx, &event);
}

static struct callback paid(const struct sale *sale)
{
    return (struct callback){sale, "evt", "money", FACT_SUCCEEDED};
}

static void pay(struct fixture *fixture, const struct sale *sale)
{
    struct callback callback = paid(sale);
    assert_int_equal(fixture_write(fixture, tell_fn, &callback), ERR_OK);
}

/* Takes from the next job what tells it that the booking was confirmed. */
static void blind_to_confirmation(struct fixture *fixture)
{
    fixture_sql(fixture, "UPDATE booking SET state = 2 WHERE state = 3;"
                         "UPDATE seat_claim SET state = 1 WHERE state = 2");
}

/* --- Expiry --- */

static void expiry_meets_money(void **state)
{
    struct fixture *fixture = *state;
    uint32_t seat_no = 0;
    for_each_meeting(meeting)
    {
        struct sale sale = begin(fixture, seat_no++);
        struct callback callback = paid(&sale);
        struct step expiry = {.fn = expire_fn, .ctx = &sale};
        struct step money = {.fn = tell_fn, .ctx = &callback};
        meet(fixture, meeting, &expiry, &money);
        /* Ended and taken back, or never ended. */
        assert_int_equal(expiry.outcome, meeting->is_second_first ? ERR_CONFLICT : ERR_OK);
        assert_int_equal(money.outcome, ERR_OK);
        assert_int_equal(state_of(fixture, &sale), BOOKING_CONFIRMED);
        assert_int_equal(kept_of(fixture, &sale), FIXTURE_PRICE);
        assert_clean(fixture);
    }
}

static void expiry_meets_money_that_is_sent_back(void **state)
{
    struct fixture *fixture = *state;
    uint32_t seat_no = 0;
    fixture_sql(fixture, "UPDATE event SET late_payment = 1");
    for_each_meeting(meeting)
    {
        bool is_in_time = meeting->is_second_first;
        struct sale sale = begin(fixture, seat_no++);
        struct callback callback = paid(&sale);
        struct step expiry = {.fn = expire_fn, .ctx = &sale};
        struct step money = {.fn = tell_fn, .ctx = &callback};
        meet(fixture, meeting, &expiry, &money);
        assert_int_equal(state_of(fixture, &sale),
                         is_in_time ? BOOKING_CONFIRMED : BOOKING_EXPIRED);
        assert_int_equal(kept_of(fixture, &sale), is_in_time ? FIXTURE_PRICE : 0);
        assert_int_equal(refunds_of(fixture, &sale, "late"), is_in_time ? 0 : 1);
        assert_clean(fixture);
    }
}

static void end_blind_to_the_money(void **state, sale_fn end)
{
    struct fixture *fixture = *state;
    struct sale sale = begin(fixture, 0);
    pay(fixture, &sale);
    assert_int_equal(fixture_write(fixture, end, &sale), ERR_CONFLICT);
    assert_clean(fixture);
    blind_to_confirmation(fixture);
    assert_int_equal(fixture_write(fixture, end, &sale), ERR_OK);
    assert_found(fixture, "ticket-without-booking");
    assert_found(fixture, "missing-refund");
}

static void an_expiry_that_is_blind_to_the_money(void **state)
{
    end_blind_to_the_money(state, expire_fn);
}

static void a_cancellation_that_is_blind_to_the_money(void **state)
{
    end_blind_to_the_money(state, cancel_fn);
}

static enum err expire_at_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    const struct sale *sale = ((void **)ctx)[0];
    const int64_t *from_now_ms = ((void **)ctx)[1];
    enum err err = make_due(tx, sale->booking.id, tx->now_ms + *from_now_ms);
    return err ? err : expire_fn(fixture, tx, (void *)sale);
}

static void a_hold_ends_at_its_time_and_not_before(void **state)
{
    struct fixture *fixture = *state;
    struct sale sale = begin(fixture, 0);
    int64_t from_now_ms = 1;
    void *ctx[] = {&sale, &from_now_ms};
    assert_int_equal(fixture_write(fixture, expire_at_fn, ctx), ERR_CONFLICT);
    from_now_ms = 0;
    assert_int_equal(fixture_write(fixture, expire_at_fn, ctx), ERR_OK);
    assert_int_equal(state_of(fixture, &sale), BOOKING_EXPIRED);
    assert_clean(fixture);
}

/* --- The timer itself --- */

struct timer_race {
    struct gate gate;
    struct sale sale;
    struct step checkout;
};

/* A hold whose timer is armed, a writer that stands still. */
static void timer_race_begin(struct fixture *fixture, struct timer_race *race)
{
    struct fixture_hold hold = {
        .booking = {.account_id = BUYER, .seat_count = 1, .seats = {{0, 0}}}};
    assert_int_equal(expiry_start(fixture->tickets->expiry), ERR_OK);
    assert_int_equal(fixture_write(fixture, fixture_hold_fn, &hold), ERR_OK);
    race->sale = (struct sale){.booking = hold.booking};
    race->checkout = (struct step){.fn = checkout_fn, .ctx = &race->sale};
    gate_close(fixture, &race->gate);
}

static void time_is_up(struct fixture *fixture, const struct timer_race *race, size_t waiting)
{
    clock_advance_ms(race->sale.booking.expires_at - clock_now_ms());
    gate_wait(fixture, waiting);
}

static void timer_race_end(struct fixture *fixture, struct timer_race *race)
{
    sem_post(&race->gate.is_open);
    (void)step_wait(&race->checkout); /* the outcome is kept in it */
    expiry_stop(fixture->tickets->expiry);
}

static void the_timer_comes_before_the_checkout(void **state)
{
    struct fixture *fixture = *state;
    struct timer_race race;
    timer_race_begin(fixture, &race);
    time_is_up(fixture, &race, 1);
    step_submit(fixture, &race.checkout);
    gate_wait(fixture, 2);
    timer_race_end(fixture, &race);
    assert_int_equal(race.checkout.outcome, ERR_CONFLICT);
    assert_int_equal(state_of(fixture, &race.sale), BOOKING_EXPIRED);
    assert_int_equal(number(fixture, "SELECT COUNT(*) FROM payment"), 0);
    assert_clean(fixture);
}

static void the_checkout_comes_before_the_timer(void **state)
{
    struct fixture *fixture = *state;
    struct timer_race race;
    timer_race_begin(fixture, &race);
    step_submit(fixture, &race.checkout);
    gate_wait(fixture, 1);
    time_is_up(fixture, &race, 2);
    timer_race_end(fixture, &race);
    assert_int_equal(race.checkout.outcome, ERR_OK);
    /* Who is about to pay keeps the seat until the provider was asked. */
    assert_int_equal(state_of(fixture, &race.sale), BOOKING_PAYMENT_PENDING);
    assert_int_equal(number(fixture, "SELECT COUNT(*) FROM seat_claim WHERE state = 1"), 1);
    assert_clean(fixture);
}

/* --- Cancellation --- */

static void cancellation_meets_money(void **state)
{
    struct fixture *fixture = *state;
    uint32_t seat_no = 0;
    for_each_meeting(meeting)
    {
        bool is_paid_first = meeting->is_second_first;
        struct sale sale = begin(fixture, seat_no++);
        struct callback callback = paid(&sale);
        struct step cancel = {.fn = cancel_fn, .ctx = &sale};
        struct step money = {.fn = tell_fn, .ctx = &callback};
        meet(fixture, meeting, &cancel, &money);
        assert_int_equal(cancel.outcome, is_paid_first ? ERR_CONFLICT : ERR_OK);
        assert_int_equal(state_of(fixture, &sale),
                         is_paid_first ? BOOKING_CONFIRMED : BOOKING_CANCELLED);
        assert_int_equal(kept_of(fixture, &sale), is_paid_first ? FIXTURE_PRICE : 0);
        assert_int_equal(refunds_of(fixture, &sale, "cancelled"), is_paid_first ? 0 : 1);
        assert_clean(fixture);
    }
}

SQL(SQL_CANCEL_EVENT, "UPDATE event SET status = 2, updated_at = updated_at + 1");

static enum err cancel_event_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    (void)ctx;
    enum err err = db_exec(db_stmt(tx->db, &SQL_CANCEL_EVENT));
    return err ? err : event_cancel_stage(fixture->tickets, tx, FIXTURE_EVENT);
}

static void wait_for_walk(struct fixture *fixture)
{
    int64_t until_ns = clock_mono_ns() + RACE_WAIT_NS;
    while (number(fixture, "SELECT COUNT(*) FROM event_cancel") > 0) {
        assert_true(clock_mono_ns() < until_ns);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* Whether the money comes before the event is cancelled, before its walk, or (apart) behind it: the
 * seat is sold to nobody, and nothing is kept. */
static void a_cancelled_event_meets_money(void **state)
{
    struct fixture *fixture = *state;
    uint32_t seat_no = 0;
    for_each_meeting(meeting)
    {
        struct sale sale = begin(fixture, seat_no++);
        struct callback callback = paid(&sale);
        struct step cancel = {.fn = cancel_event_fn};
        struct step money = {.fn = tell_fn, .ctx = &callback};
        meet(fixture, meeting, &cancel, &money);
        wait_for_walk(fixture);
        assert_int_equal(cancel.outcome, ERR_OK);
        assert_int_equal(money.outcome, ERR_OK);
        assert_int_equal(kept_of(fixture, &sale), 0);
        assert_int_equal(number(fixture, "SELECT COUNT(*) FROM refund WHERE booking_id = %llu",
                                (unsigned long long)sale.booking.id),
                         1);
        assert_int_equal(number(fixture, "SELECT COUNT(*) FROM ticket WHERE state = 0"), 0);
        assert_int_equal(number(fixture, "SELECT COUNT(*) FROM seat_claim"), 0);
        assert_clean(fixture);
        fixture_sql(fixture, "UPDATE event SET status = 1");
    }
}

static void money_that_is_blind_to_the_cancelled_event(void **state)
{
    struct fixture *fixture = *state;
    struct sale sale = begin(fixture, 0);
    fixture_sql(fixture, "UPDATE event SET status = 2");
    fixture_sql(fixture, "UPDATE event SET status = 1");
    pay(fixture, &sale);
    fixture_sql(fixture, "UPDATE event SET status = 2");
    assert_int_equal(number(fixture, "SELECT COUNT(*) FROM ticket AS t JOIN event AS e "
                                     "ON e.id = t.event_id WHERE t.state = 0 AND e.status = 2"),
                     1);
}

/* --- Callbacks --- */

struct callback_case {
    struct callback first, second;
    enum booking_state booking;
    int64_t captured, refunded;
};

static void callbacks_meet(void **state)
{
    static const struct callback_case cases[] = {
        /* The same callback; the same money told twice; money paid twice. */
        {{NULL, "evt", "money", FACT_SUCCEEDED},
         {NULL, "evt", "money", FACT_SUCCEEDED},
         BOOKING_CONFIRMED,
         1,
         0},
        {{NULL, "evt", "money", FACT_SUCCEEDED},
         {NULL, "two", "money", FACT_SUCCEEDED},
         BOOKING_CONFIRMED,
         1,
         0},
        {{NULL, "evt", "money", FACT_SUCCEEDED},
         {NULL, "two", "again", FACT_SUCCEEDED},
         BOOKING_CONFIRMED,
         2,
         1},
        {{NULL, "evt", "money", FACT_SUCCEEDED},
         {NULL, "two", "money", FACT_FAILED},
         BOOKING_CONFIRMED,
         1,
         0},
        {{NULL, "evt", "money", FACT_FAILED},
         {NULL, "two", "money", FACT_FAILED},
         BOOKING_FAILED,
         0,
         0},
    };
    struct fixture *fixture = *state;
    uint32_t seat_no = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for_each_meeting(meeting)
        {
            struct sale sale = begin(fixture, seat_no++ % FIXTURE_SEATS);
            struct callback one = cases[i].first, two = cases[i].second;
            one.sale = two.sale = &sale;
            struct step steps[] = {{.fn = tell_fn, .ctx = &one}, {.fn = tell_fn, .ctx = &two}};
            meet(fixture, meeting, &steps[0], &steps[1]);
            assert_int_equal(steps[0].outcome, ERR_OK);
            assert_int_equal(steps[1].outcome, ERR_OK);
            assert_int_equal(state_of(fixture, &sale), cases[i].booking);
            assert_int_equal(number(fixture, "SELECT captured FROM payment WHERE id = %llu",
                                    (unsigned long long)sale.payment_id),
                             cases[i].captured * FIXTURE_PRICE);
            assert_int_equal(kept_of(fixture, &sale),
                             (cases[i].captured - cases[i].refunded) * FIXTURE_PRICE);
            assert_clean(fixture);
        }
    }
}

static void a_payment_that_is_counted_twice(void **state)
{
    struct fixture *fixture = *state;
    struct sale sale = begin(fixture, 0);
    pay(fixture, &sale);
    pay(fixture, &sale);
    assert_clean(fixture);
    fixture_sql(fixture,
                "CREATE TRIGGER event_guard_off BEFORE INSERT ON provider_event BEGIN DELETE FROM "
                "provider_event WHERE provider_event_id = NEW.provider_event_id; END;"
                "CREATE TRIGGER capture_guard_off BEFORE INSERT ON capture BEGIN DELETE FROM "
                "capture WHERE provider_ref = NEW.provider_ref; END");
    pay(fixture, &sale);
    assert_found(fixture, "captures");
}

/* --- Late money --- */

static void late_money_meets_a_new_hold(void **state)
{
    struct fixture *fixture = *state;
    uint32_t seat_no = 0;
    for_each_meeting(meeting)
    {
        bool is_held_first = meeting->is_second_first;
        struct sale sale = begin(fixture, seat_no);
        assert_int_equal(fixture_write(fixture, expire_fn, &sale), ERR_OK);
        struct callback callback = paid(&sale);
        struct fixture_hold other = {
            .booking = {.account_id = OTHER, .seat_count = 1, .seats = {{seat_no++, 0}}}};
        struct step money = {.fn = tell_fn, .ctx = &callback};
        struct step hold = {.fn = fixture_hold_fn, .ctx = &other};
        meet(fixture, meeting, &money, &hold);
        assert_int_equal(money.outcome, ERR_OK);
        assert_int_equal(hold.outcome, is_held_first ? ERR_OK : ERR_CONFLICT);
        assert_int_equal(state_of(fixture, &sale),
                         is_held_first ? BOOKING_EXPIRED : BOOKING_CONFIRMED);
        assert_int_equal(refunds_of(fixture, &sale, "late"), is_held_first ? 1 : 0);
        assert_clean(fixture);
    }
}

static void late_money_that_is_blind_to_the_new_hold(void **state)
{
    struct fixture *fixture = *state;
    struct sale sale = begin(fixture, 0);
    struct fixture_hold other = {
        .booking = {.account_id = OTHER, .seat_count = 1, .seats = {{0, 0}}}};
    assert_int_equal(fixture_write(fixture, expire_fn, &sale), ERR_OK);
    assert_int_equal(fixture_write(fixture, fixture_hold_fn, &other), ERR_OK);
    fixture_sql(fixture, "DELETE FROM seat_claim");
    pay(fixture, &sale);
    assert_int_equal(state_of(fixture, &sale), BOOKING_CONFIRMED);
    assert_found(fixture, "seat-in-two-bookings");
}

/* --- A group whose transaction dies --- */

SQL(SQL_KILL, "INSERT OR ROLLBACK INTO event (id) VALUES ($1)");

/* The engine throws the whole transaction away, as it does when the disk is full. */
static enum err kill_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    (void)fixture, (void)ctx;
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_KILL);
    db_bind_i64(stmt, 1, FIXTURE_EVENT);
    return db_exec(stmt);
}

struct counted_hold {
    struct fixture_hold hold;
    unsigned runs;
    uint64_t lost_id; /* of the first run */
};

static enum err counted_hold_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct counted_hold *counted = ctx;
    enum err err = fixture_hold_fn(fixture, tx, &counted->hold);
    if (counted->runs++ == 0)
        counted->lost_id = counted->hold.booking.id;
    return err;
}

static struct counted_hold hold_of(uint64_t account_id, uint32_t seat_no)
{
    return (struct counted_hold){
        .hold = {.booking = {.account_id = account_id, .seat_count = 1, .seats = {{seat_no, 0}}}}};
}

static void assert_booking_count(struct fixture *fixture, uint64_t id, int64_t count)
{
    assert_int_equal(
        number(fixture, "SELECT COUNT(*) FROM booking WHERE id = %llu", (unsigned long long)id),
        count);
}

static void neighbours_of_a_lost_group_are_done_once(void **state)
{
    struct fixture *fixture = *state;
    struct event_model *model;
    struct sale sale = begin(fixture, 9);
    struct callback callback = paid(&sale);
    struct counted_hold before = hold_of(BUYER, 0), same = hold_of(OTHER, 0),
                        behind = hold_of(OTHER, 1);
    struct step steps[] = {{.fn = counted_hold_fn, .ctx = &before},
                           {.fn = tell_fn, .ctx = &callback},
                           {.fn = counted_hold_fn, .ctx = &same},
                           {.fn = kill_fn},
                           {.fn = counted_hold_fn, .ctx = &behind}};
    struct step *order[] = {&steps[0], &steps[1], &steps[2], &steps[3], &steps[4]};
    assert_int_equal(
        inventory_load(fixture->tickets->inventory, fixture->reader, FIXTURE_EVENT, &model),
        ERR_OK);
    int64_t available = atomic_load(&model->available);
    run_as_group(fixture, order, 5);
    assert_int_equal(steps[0].outcome, ERR_OK);
    assert_int_equal(steps[1].outcome, ERR_OK);
    assert_int_equal(steps[2].outcome, ERR_CONFLICT);
    assert_int_equal(steps[3].outcome, ERR_IO);
    assert_int_equal(steps[4].outcome, ERR_OK);
    /* The run that was lost had an answer, too: it would have been a lie. */
    assert_int_equal(before.runs, 2);
    assert_int_not_equal(before.lost_id, before.hold.booking.id);
    assert_booking_count(fixture, before.lost_id, 0);
    assert_booking_count(fixture, before.hold.booking.id, 1);
    assert_int_equal(behind.runs, 1);
    /* Effects of the runs that count, and of no other. */
    assert_int_equal(atomic_load(&model->seats[0]), SEAT_HELD);
    assert_int_equal(atomic_load(&model->seats[1]), SEAT_HELD);
    assert_int_equal(atomic_load(&model->seats[9]), SEAT_BOOKED);
    assert_int_equal(atomic_load(&model->available), available - 2);
    struct replay_key key = {FIXTURE_EVENT, BUYER, before.hold.booking.key_hash};
    assert_int_equal(replay_keys_find(fixture->tickets->replay_keys, &key), before.hold.booking.id);
    event_model_unref(model);
    assert_int_equal(kept_of(fixture, &sale), FIXTURE_PRICE);
    assert_int_equal(number(fixture, "SELECT COUNT(*) FROM ticket"), 1);
    assert_clean(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(expiry_meets_money),
        TEST(expiry_meets_money_that_is_sent_back),
        TEST(an_expiry_that_is_blind_to_the_money),
        TEST(a_cancellation_that_is_blind_to_the_money),
        TEST(a_hold_ends_at_its_time_and_not_before),
        TEST(the_timer_comes_before_the_checkout),
        TEST(the_checkout_comes_before_the_timer),
        TEST(cancellation_meets_money),
        TEST(a_cancelled_event_meets_money),
        TEST(money_that_is_blind_to_the_cancelled_event),
        TEST(callbacks_meet),
        TEST(a_payment_that_is_counted_twice),
        TEST(late_money_meets_a_new_hold),
        TEST(late_money_that_is_blind_to_the_new_hold),
        TEST(neighbours_of_a_lost_group_are_done_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
