/*
 * The payment's state machine against the booking's, on a real database: every state of a booking
 * meets every fact, facts come in every order and twice, and the money adds up after each step.
 */
#include "tickets/expect.h"

#include "tickets/payment_internal.h"
#include "tickets/payment_store.h"
#include "tickets/refund.h"

/* What can happen to a checkout, by the provider, the buyer or the clock. */
enum step {
    STEP_OPEN,
    STEP_PAID,   /* as ordered, reference A */
    STEP_REPEAT, /* the same money told again under another event id */
    STEP_SECOND, /* as ordered, reference B */
    STEP_FAILED,
    STEP_AMOUNT,   /* too little, reference C */
    STEP_CURRENCY, /* another one, reference D */
    STEP_EXPIRE,
    STEP_CANCEL,
    STEP_COUNT,
};

struct outcome {
    enum booking_state booking;
    enum payment_state payment;
    char reasons[128]; /* of the refunds in order, each with a space behind it */
};

struct run {
    enum booking_state from; /* where the booking stands when the steps begin */
    const enum step *steps;
    size_t count;
    bool is_seat_taken; /* somebody else gets the seat as soon as the booking lets go of it */
    struct outcome outcome;
};

static int event_number;

static enum err tell(struct fixture *fixture, struct writer_tx *tx, const struct payment *payment,
                     enum step step)
{
    static const char letters[STEP_COUNT] = {
        [STEP_OPEN] = 'A',   [STEP_PAID] = 'A',   [STEP_REPEAT] = 'A',  [STEP_SECOND] = 'B',
        [STEP_FAILED] = 'A', [STEP_AMOUNT] = 'C', [STEP_CURRENCY] = 'D'};
    char event_ref[32], provider_ref[64];
    snprintf(event_ref, sizeof(event_ref), "evt_%d", ++event_number);
    snprintf(provider_ref, sizeof(provider_ref), "money_%llu_%c", (unsigned long long)payment->id,
             letters[step]);
    struct provider_event event = {
        .provider = STR("sandbox"),
        .event_ref = str_from_c(event_ref),
        .event_id = payment->event_id,
        .payment_id = payment->id,
        .fact = step == STEP_OPEN     ? FACT_OPEN
                : step == STEP_FAILED ? FACT_FAILED
                                      : FACT_SUCCEEDED,
        .provider_ref = str_from_c(provider_ref),
        .amount = step == STEP_AMOUNT ? payment->amount - 1 : payment->amount,
    };
    memcpy(event.currency, step == STEP_CURRENCY ? "USD" : "EUR", 4);
    enum err err = payment_apply(fixture->tickets, tx, &event);
    /* A callback that comes twice is one. */
    return err ? err : payment_apply(fixture->tickets, tx, &event);
}

static enum err take(struct fixture *fixture, struct writer_tx *tx, struct booking *booking,
                     enum step step)
{
    enum err err = booking_load(tx->db, booking->event_id, booking->id, booking);
    if (!err && step == STEP_EXPIRE) {
        err = booking_expire(fixture->tickets, tx, booking, true);
    } else if (!err && step == STEP_CANCEL) {
        err = booking_cancel(fixture->tickets, tx, booking);
    } else if (!err) {
        struct payment payment;
        err = payment_load_by_booking(tx->db, booking->event_id, booking->id, tx->arena, &payment);
        if (!err)
            err = tell(fixture, tx, &payment, step);
    }
    if (err == ERR_CONFLICT && step >= STEP_EXPIRE)
        err = ERR_OK; /* that state refuses it, which is right */
    return err ? err : booking_load(tx->db, booking->event_id, booking->id, booking);
}

/* --- What must be true after every step --- */

SQL(SQL_CAPTURED, "SELECT COALESCE(SUM(amount), 0) FROM capture WHERE payment_id = $1");
SQL(SQL_REFUNDED, "SELECT COALESCE(SUM(amount), 0) FROM refund WHERE payment_id = $1");
SQL(SQL_TOO_MUCH, "SELECT COUNT(*) FROM capture AS c WHERE payment_id = $1 AND amount < (SELECT "
                  "COALESCE(SUM(amount), 0) FROM refund AS r WHERE r.payment_id = c.payment_id "
                  "AND r.provider_ref = c.provider_ref)");
SQL(SQL_TICKETS, "SELECT COUNT(*) FROM ticket WHERE booking_id = $1 AND state = 0");
SQL(SQL_BOOKED, "SELECT COUNT(*) FROM seat_claim WHERE booking_id = $1 AND state = 2");
SQL(SQL_HELD, "SELECT COUNT(*) FROM seat_claim WHERE booking_id = $1 AND state = 1");

static int64_t number(struct writer_tx *tx, struct sql *sql, uint64_t id)
{
    struct db_stmt *stmt = db_stmt(tx->db, sql);
    db_bind_i64(stmt, 1, (int64_t)id);
    int64_t value = -1;
    expect_eq(db_get_i64(stmt, &value), ERR_OK);
    return value;
}

static void check(struct writer_tx *tx, const struct booking *booking)
{
    struct payment payment;
    expect_eq(payment_load_by_booking(tx->db, booking->event_id, booking->id, tx->arena, &payment),
              ERR_OK);
    bool is_confirmed = booking->state == BOOKING_CONFIRMED;
    bool is_open = booking->state == BOOKING_HELD || booking->state == BOOKING_PAYMENT_PENDING;
    expect_eq(payment.captured, number(tx, &SQL_CAPTURED, payment.id));
    expect_eq(payment.refunded, number(tx, &SQL_REFUNDED, payment.id));
    expect_eq(number(tx, &SQL_TOO_MUCH, payment.id), 0);
    /* We keep exactly what the booking is worth. */
    expect_eq(payment.captured - payment.refunded, is_confirmed ? booking->amount : 0);
    expect_eq(number(tx, &SQL_TICKETS, booking->id), is_confirmed ? 1 : 0);
    expect_eq(number(tx, &SQL_BOOKED, booking->id), is_confirmed ? 1 : 0);
    expect_eq(number(tx, &SQL_HELD, booking->id), is_open ? 1 : 0);
    if (is_confirmed)
        expect_eq(payment.state, PAYMENT_SUCCEEDED);
    if (payment.state == PAYMENT_SUCCEEDED)
        expect_eq(payment.next_at, 0);
}

/* --- A run --- */

SQL(SQL_REASONS, "SELECT reason FROM refund WHERE booking_id = $1 ORDER BY id");

static void note_reasons(struct writer_tx *tx, uint64_t booking_id, struct outcome *outcome)
{
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_REASONS);
    db_bind_i64(stmt, 1, (int64_t)booking_id);
    bool has_row;
    outcome->reasons[0] = '\0';
    while (db_step(stmt, &has_row) == ERR_OK && has_row) {
        size_t len = strlen(outcome->reasons);
        snprintf(outcome->reasons + len, sizeof(outcome->reasons) - len, "%.*s ",
                 STR_ARG(db_col_str(stmt, 0)));
    }
}

/* Held, checked out, its session open: the time is up already, for those who ask. */
static void begin(struct fixture *fixture, struct writer_tx *tx, struct booking *booking)
{
    struct fixture_hold hold = {.booking = {.account_id = 3, .seat_count = 1, .seats = {{7, 0}}}};
    expect_eq(fixture_hold_fn(fixture, tx, &hold), ERR_OK);
    *booking = hold.booking;
    booking->expires_at = tx->now_ms + 1; /* in memory only: the timer is not for us */
    expect_eq(booking_start_payment(fixture->tickets, tx, booking), ERR_OK);
    struct payment payment;
    expect_eq(payment_load_by_booking(tx->db, booking->event_id, booking->id, tx->arena, &payment),
              ERR_OK);
    char session_ref[32];
    snprintf(session_ref, sizeof(session_ref), "ses_%llu", (unsigned long long)payment.id);
    struct provider_answer answer = {.verdict = VERDICT_OK,
                                     .fact = FACT_OPEN,
                                     .session_ref = str_from_c(session_ref),
                                     .url = STR("http://bank/pay")};
    expect_eq(payment_on_created(fixture->tickets, tx, &payment, &answer), ERR_OK);
}

SQL(SQL_OVERDUE, "UPDATE booking SET expires_at = 0 WHERE id = $1");
SQL(SQL_TAKE_SEAT, "INSERT INTO seat_claim VALUES ($2, 7, $1, 1) ON CONFLICT DO NOTHING");
SQL(SQL_WIPE_SEAT, "DELETE FROM seat_claim WHERE seat_no = 7");
SQL(SQL_WIPE_TICKET, "DELETE FROM ticket WHERE seat_no = 7");

static void exec_id(struct writer_tx *tx, struct sql *sql, uint64_t id)
{
    struct db_stmt *stmt = db_stmt(tx->db, sql);
    db_bind_i64(stmt, 1, (int64_t)id);
    if (sql == &SQL_TAKE_SEAT)
        db_bind_i64(stmt, 2, FIXTURE_EVENT);
    expect_eq(db_exec(stmt), ERR_OK);
}

/* The seat as new, for the next run. */
static void wipe(struct writer_tx *tx)
{
    expect_eq(db_exec(db_stmt(tx->db, &SQL_WIPE_SEAT)), ERR_OK);
    expect_eq(db_exec(db_stmt(tx->db, &SQL_WIPE_TICKET)), ERR_OK);
}

static enum err run_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct run *run = ctx;
    struct booking booking;
    wipe(tx);
    begin(fixture, tx, &booking);
    exec_id(tx, &SQL_OVERDUE, booking.id);
    static const enum step first[] = {[BOOKING_CONFIRMED] = STEP_PAID,
                                      [BOOKING_EXPIRED] = STEP_EXPIRE,
                                      [BOOKING_CANCELLED] = STEP_CANCEL,
                                      [BOOKING_FAILED] = STEP_FAILED};
    if (run->from != BOOKING_PAYMENT_PENDING)
        expect_eq(take(fixture, tx, &booking, first[run->from]), ERR_OK);
    expect_eq(booking.state, run->from);
    check(tx, &booking);
    for (size_t i = 0; i < run->count; i++) {
        if (run->is_seat_taken)
            exec_id(tx, &SQL_TAKE_SEAT, 12345);
        enum err err = take(fixture, tx, &booking, run->steps[i]);
        if (err)
            return err;
        check(tx, &booking);
    }
    struct payment payment;
    expect_eq(payment_load_by_booking(tx->db, booking.event_id, booking.id, tx->arena, &payment),
              ERR_OK);
    run->outcome.booking = booking.state;
    run->outcome.payment = payment.state;
    note_reasons(tx, booking.id, &run->outcome);
    return ERR_OK;
}

static struct outcome run_steps(struct fixture *fixture, struct run run)
{
    assert_int_equal(expect_write(fixture, run_fn, &run), ERR_OK);
    return run.outcome;
}

/* --- One state, one fact --- */

struct cell {
    enum booking_state from;
    enum step step;
    bool is_seat_taken;
    enum booking_state booking;
    enum payment_state payment;
    const char *reasons;
};

#define PENDING   BOOKING_PAYMENT_PENDING
#define CONFIRMED BOOKING_CONFIRMED
#define EXPIRED   BOOKING_EXPIRED
#define CANCELLED BOOKING_CANCELLED
#define FAILED    BOOKING_FAILED

/* clang-format off */
static const struct cell cells[] = {
    {PENDING, STEP_OPEN, false, PENDING, PAYMENT_OPEN, ""},
    {PENDING, STEP_PAID, false, CONFIRMED, PAYMENT_SUCCEEDED, ""},
    {PENDING, STEP_FAILED, false, FAILED, PAYMENT_FAILED, ""},
    {PENDING, STEP_AMOUNT, false, FAILED, PAYMENT_FAILED, "mismatch "},
    {PENDING, STEP_CURRENCY, false, FAILED, PAYMENT_FAILED, "mismatch "},
    {PENDING, STEP_EXPIRE, false, EXPIRED, PAYMENT_OPEN, ""},
    {PENDING, STEP_CANCEL, false, CANCELLED, PAYMENT_OPEN, ""},

    {CONFIRMED, STEP_OPEN, false, CONFIRMED, PAYMENT_SUCCEEDED, ""},
    {CONFIRMED, STEP_REPEAT, false, CONFIRMED, PAYMENT_SUCCEEDED, ""},
    {CONFIRMED, STEP_SECOND, false, CONFIRMED, PAYMENT_SUCCEEDED, "already_paid "},
    {CONFIRMED, STEP_FAILED, false, CONFIRMED, PAYMENT_SUCCEEDED, ""},
    {CONFIRMED, STEP_AMOUNT, false, CONFIRMED, PAYMENT_SUCCEEDED, "mismatch "},
    {CONFIRMED, STEP_CURRENCY, false, CONFIRMED, PAYMENT_SUCCEEDED, "mismatch "},
    {CONFIRMED, STEP_EXPIRE, false, CONFIRMED, PAYMENT_SUCCEEDED, ""},
    {CONFIRMED, STEP_CANCEL, false, CONFIRMED, PAYMENT_SUCCEEDED, ""},

    {EXPIRED, STEP_OPEN, false, EXPIRED, PAYMENT_OPEN, ""},
    {EXPIRED, STEP_PAID, false, CONFIRMED, PAYMENT_SUCCEEDED, ""},
    {EXPIRED, STEP_PAID, true, EXPIRED, PAYMENT_SUCCEEDED, "late "},
    {EXPIRED, STEP_FAILED, false, EXPIRED, PAYMENT_FAILED, ""},
    {EXPIRED, STEP_AMOUNT, false, EXPIRED, PAYMENT_FAILED, "mismatch "},

    {CANCELLED, STEP_PAID, false, CANCELLED, PAYMENT_SUCCEEDED, "cancelled "},
    {CANCELLED, STEP_FAILED, false, CANCELLED, PAYMENT_FAILED, ""},
    {CANCELLED, STEP_CURRENCY, false, CANCELLED, PAYMENT_FAILED, "mismatch "},

    {FAILED, STEP_OPEN, false, FAILED, PAYMENT_FAILED, ""},
    {FAILED, STEP_PAID, false, CONFIRMED, PAYMENT_SUCCEEDED, ""},
    {FAILED, STEP_PAID, true, FAILED, PAYMENT_SUCCEEDED, "late "},
    {FAILED, STEP_FAILED, false, FAILED, PAYMENT_FAILED, ""},
    {FAILED, STEP_AMOUNT, false, FAILED, PAYMENT_FAILED, "mismatch "},
};
/* clang-format on */

static void each_state_meets_each_fact(void **state)
{
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        const struct cell *cell = &cells[i];
        struct run run = {.from = cell->from,
                          .steps = &cell->step,
                          .count = 1,
                          .is_seat_taken = cell->is_seat_taken};
        struct outcome outcome = run_steps(*state, run);
        if (outcome.booking != cell->booking || outcome.payment != cell->payment ||
            strcmp(outcome.reasons, cell->reasons) != 0)
            fail_msg("booking %d, step %d: booking %d, payment %d, refunds \"%s\"", cell->from,
                     cell->step, outcome.booking, outcome.payment, outcome.reasons);
    }
}

static void late_money_goes_back_where_the_event_says_so(void **state)
{
    static const enum step paid[] = {STEP_PAID};
    struct fixture *fixture = *state;
    fixture_sql(fixture, "UPDATE event SET late_payment = 1");
    struct outcome outcome =
        run_steps(fixture, (struct run){.from = EXPIRED, .steps = paid, .count = 1});
    assert_int_equal(outcome.booking, BOOKING_EXPIRED);
    assert_string_equal(outcome.reasons, "late ");
}

static void money_for_a_cancelled_event_goes_back(void **state)
{
    static const enum step paid[] = {STEP_PAID};
    struct fixture *fixture = *state;
    fixture_sql(fixture, "UPDATE event SET status = 2");
    struct outcome outcome =
        run_steps(fixture, (struct run){.from = PENDING, .steps = paid, .count = 1});
    assert_int_equal(outcome.booking, BOOKING_FAILED);
    assert_string_equal(outcome.reasons, "event_cancelled ");
    outcome = run_steps(fixture, (struct run){.from = EXPIRED, .steps = paid, .count = 1});
    assert_int_equal(outcome.booking, BOOKING_EXPIRED);
    assert_string_equal(outcome.reasons, "late ");
}

/* --- Orders --- */

/* check() holds after each step of every sequence of three, from a pending booking, both with the
 * seat free again and with it gone. */
static void the_books_balance_after_every_sequence(void **state)
{
    for (int code = 0; code < STEP_COUNT * STEP_COUNT * STEP_COUNT; code++) {
        const enum step steps[] = {(enum step)(code % STEP_COUNT),
                                   (enum step)(code / STEP_COUNT % STEP_COUNT),
                                   (enum step)(code / STEP_COUNT / STEP_COUNT)};
        struct run run = {.from = PENDING, .steps = steps, .count = 3, .is_seat_taken = code % 2};
        (void)run_steps(*state, run);
    }
}

static void success_beats_failure_in_every_order(void **state)
{
    static const enum step facts[] = {STEP_OPEN, STEP_PAID, STEP_REPEAT, STEP_FAILED};
    for (int a = 0; a < 4; a++) {
        for (int b = 0; b < 4; b++) {
            for (int c = 0; c < 4; c++) {
                int d = 6 - a - b - c;
                if (a == b || b == c || a == c || d < 0 || d > 3)
                    continue;
                const enum step steps[] = {facts[a], facts[b], facts[c], facts[d]};
                struct outcome outcome =
                    run_steps(*state, (struct run){.from = PENDING, .steps = steps, .count = 4});
                assert_int_equal(outcome.booking, BOOKING_CONFIRMED);
                assert_int_equal(outcome.payment, PAYMENT_SUCCEEDED);
                assert_string_equal(outcome.reasons, "");
            }
        }
    }
}

/* --- Whose event it is --- */

static enum err stray_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    const struct provider_event *event = ctx;
    return payment_apply(fixture->tickets, tx, event);
}

static void events_of_nobody_are_recorded_and_ignored(void **state)
{
    struct fixture *fixture = *state;
    struct provider_event event = {.provider = STR("sandbox"),
                                   .event_ref = STR("evt_x"),
                                   .fact = FACT_SUCCEEDED,
                                   .event_id = FIXTURE_EVENT,
                                   .payment_id = 4711,
                                   .provider_ref = STR("money"),
                                   .amount = 1,
                                   .currency = "EUR"};
    assert_int_equal(expect_write(fixture, stray_fn, &event), ERR_OK);
    event.event_ref = STR("evt_y");
    event.payment_id = 0;
    event.session_ref = STR("ses_unknown");
    assert_int_equal(expect_write(fixture, stray_fn, &event), ERR_OK);
    event.event_ref = STR("evt_z");
    event.fact = FACT_REFUND_SUCCEEDED;
    event.refund_id = 99;
    assert_int_equal(expect_write(fixture, stray_fn, &event), ERR_OK);
    assert_int_equal(
        fixture_count(fixture, "SELECT COUNT(*) FROM provider_event WHERE kind = 'ignored'"), 3);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM capture"), 0);
}

static enum err session_event_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct booking *booking = ctx;
    begin(fixture, tx, booking);
    struct payment payment;
    enum err err =
        payment_load_by_booking(tx->db, booking->event_id, booking->id, tx->arena, &payment);
    struct provider_event event = {.provider = STR("stripe"),
                                   .event_ref = STR("evt_session"),
                                   .fact = FACT_SUCCEEDED,
                                   .session_ref = payment.session_ref,
                                   .provider_ref = STR("money"),
                                   .amount = payment.amount,
                                   .currency = "EUR"};
    if (!err)
        err = payment_apply(fixture->tickets, tx, &event); /* another provider's session */
    if (!err)
        err = booking_load(tx->db, booking->event_id, booking->id, booking);
    expect_eq(booking->state, BOOKING_PAYMENT_PENDING);
    event.provider = STR("sandbox");
    if (!err)
        err = payment_apply(fixture->tickets, tx, &event);
    return err ? err : booking_load(tx->db, booking->event_id, booking->id, booking);
}

static void a_session_finds_its_payment(void **state)
{
    struct booking booking;
    assert_int_equal(expect_write(*state, session_event_fn, &booking), ERR_OK);
    assert_int_equal(booking.state, BOOKING_CONFIRMED);
}

/* One capture of the provider can pay for one payment only. */
static enum err stolen_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    (void)ctx;
    struct booking bookings[2];
    struct payment payments[2];
    for (int i = 0; i < 2; i++) {
        wipe(tx);
        begin(fixture, tx, &bookings[i]);
        expect_eq(
            payment_load_by_booking(tx->db, FIXTURE_EVENT, bookings[i].id, tx->arena, &payments[i]),
            ERR_OK);
        if (i == 1)
            break;
        expect_eq(booking_cancel(fixture->tickets, tx, &bookings[0]), ERR_OK);
    }
    for (int i = 0; i < 2; i++) {
        struct provider_event event = {.provider = STR("sandbox"),
                                       .event_ref = i ? STR("evt_1") : STR("evt_0"),
                                       .fact = FACT_SUCCEEDED,
                                       .event_id = FIXTURE_EVENT,
                                       .payment_id = payments[i].id,
                                       .provider_ref = STR("the same money"),
                                       .amount = payments[i].amount,
                                       .currency = "EUR"};
        expect_eq(payment_apply(fixture->tickets, tx, &event), ERR_OK);
    }
    expect_eq(booking_load(tx->db, FIXTURE_EVENT, bookings[1].id, &bookings[1]), ERR_OK);
    expect_eq(bookings[1].state, BOOKING_PAYMENT_PENDING);
    return ERR_OK;
}

static void the_same_money_does_not_pay_twice(void **state)
{
    assert_int_equal(expect_write(*state, stolen_fn, NULL), ERR_OK);
}

/* --- Sessions --- */

struct session_case {
    enum provider_verdict verdict;
    enum provider_fact fact;
    enum payment_state state;
    bool is_due_later, is_close_wanted;
};

static enum err close_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    const struct session_case *wanted = ctx;
    struct booking booking;
    struct payment payment;
    wipe(tx);
    begin(fixture, tx, &booking);
    expect_eq(booking_cancel(fixture->tickets, tx, &booking), ERR_OK);
    expect_eq(payment_load_by_booking(tx->db, FIXTURE_EVENT, booking.id, tx->arena, &payment),
              ERR_OK);
    expect(payment.is_close_wanted);
    expect_eq(payment.next_at, tx->now_ms);
    char money[32];
    snprintf(money, sizeof(money), "m_%llu", (unsigned long long)payment.id);
    struct provider_answer answer = {.verdict = wanted->verdict,
                                     .fact = wanted->fact,
                                     .provider_ref = str_from_c(money),
                                     .amount = payment.amount,
                                     .currency = "EUR"};
    expect_eq(payment_on_closed(fixture->tickets, tx, &payment, &answer), ERR_OK);
    expect_eq(payment_load_by_booking(tx->db, FIXTURE_EVENT, booking.id, tx->arena, &payment),
              ERR_OK);
    expect_eq(payment.state, wanted->state);
    expect_eq(payment.is_close_wanted, wanted->is_close_wanted);
    expect_eq(payment.next_at > tx->now_ms, wanted->is_due_later);
    return ERR_OK;
}

static void an_ended_booking_closes_its_session(void **state)
{
    /* clang-format off */
    struct session_case cases[] = {
        {VERDICT_OK, FACT_FAILED, PAYMENT_CLOSED, true, false},
        {VERDICT_UNKNOWN, FACT_IGNORED, PAYMENT_CLOSED, true, false},
        {VERDICT_OK, FACT_SUCCEEDED, PAYMENT_SUCCEEDED, false, false}, /* the buyer was faster: refunded */
        {VERDICT_OK, FACT_OPEN, PAYMENT_OPEN, true, true},             /* in the buyer's bank: again later */
        {VERDICT_DOWN, FACT_IGNORED, PAYMENT_OPEN, true, true},
        {VERDICT_RETRY, FACT_IGNORED, PAYMENT_OPEN, true, true},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(expect_write(*state, close_fn, &cases[i]), ERR_OK);
    assert_int_equal(
        fixture_count(*state, "SELECT COUNT(*) FROM refund WHERE reason = 'cancelled'"), 1);
}

static enum err create_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    const struct session_case *wanted = ctx;
    struct fixture_hold hold = {.booking = {.account_id = 3, .seat_count = 1, .seats = {{7, 0}}}};
    wipe(tx);
    expect_eq(fixture_hold_fn(fixture, tx, &hold), ERR_OK);
    struct booking *booking = &hold.booking;
    expect_eq(booking_start_payment(fixture->tickets, tx, booking), ERR_OK);
    struct payment payment;
    expect_eq(payment_load_by_booking(tx->db, FIXTURE_EVENT, booking->id, tx->arena, &payment),
              ERR_OK);
    expect_eq(payment.state, PAYMENT_CREATING);
    expect_eq(payment.next_at, tx->now_ms);
    char session_ref[32];
    snprintf(session_ref, sizeof(session_ref), "s_%llu", (unsigned long long)payment.id);
    if (wanted->is_close_wanted) /* the buyer leaves while the call is on its way */
        expect_eq(booking_cancel(fixture->tickets, tx, booking), ERR_OK);
    expect_eq(payment_load(tx->db, FIXTURE_EVENT, payment.id, tx->arena, &payment), ERR_OK);
    struct provider_answer answer = {.verdict = wanted->verdict,
                                     .fact = wanted->fact,
                                     .session_ref = str_from_c(session_ref),
                                     .url = STR("http://bank/pay")};
    expect_eq(payment_on_created(fixture->tickets, tx, &payment, &answer), ERR_OK);
    expect_eq(payment_load(tx->db, FIXTURE_EVENT, payment.id, tx->arena, &payment), ERR_OK);
    expect_eq(payment.state, wanted->state);
    expect_eq(payment.next_at > tx->now_ms, wanted->is_due_later);
    expect_eq(booking_load(tx->db, FIXTURE_EVENT, booking->id, booking), ERR_OK);
    if (wanted->state == PAYMENT_FAILED)
        expect_eq(booking->state, BOOKING_FAILED);
    return ERR_OK;
}

static void a_session_opens_or_is_tried_again(void **state)
{
    struct session_case cases[] = {
        {VERDICT_OK, FACT_OPEN, PAYMENT_OPEN, true, false},
        {VERDICT_OK, FACT_OPEN, PAYMENT_OPEN, false, true}, /* to be closed at once */
        {VERDICT_REFUSED, FACT_IGNORED, PAYMENT_FAILED, false, false},
        {VERDICT_UNKNOWN, FACT_IGNORED, PAYMENT_CREATING, true, false},
        {VERDICT_RETRY, FACT_IGNORED, PAYMENT_CREATING, true, false},
        {VERDICT_DOWN, FACT_IGNORED, PAYMENT_CREATING, true, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(expect_write(*state, create_fn, &cases[i]), ERR_OK);
}

static enum err oldest_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    (void)ctx;
    struct fixture_hold hold = {.booking = {.account_id = 3, .seat_count = 1, .seats = {{7, 0}}}};
    int64_t since_ms = 0;
    wipe(tx);
    for (enum payment_work work = 0; work < PAYMENT_WORK_COUNT; work++) {
        expect_eq(payment_store_oldest(tx->db, work, &since_ms), ERR_OK);
        expect_eq(since_ms, INT64_MAX);
    }
    expect_eq(fixture_hold_fn(fixture, tx, &hold), ERR_OK);
    expect_eq(booking_start_payment(fixture->tickets, tx, &hold.booking), ERR_OK);
    struct payment payment;
    expect_eq(payment_load_by_booking(tx->db, FIXTURE_EVENT, hold.booking.id, tx->arena, &payment),
              ERR_OK);
    /* A try that failed is due later, and has waited all the same. */
    struct provider_answer answer = {.verdict = VERDICT_DOWN};
    expect_eq(payment_on_created(fixture->tickets, tx, &payment, &answer), ERR_OK);
    expect_eq(payment_store_oldest(tx->db, PAYMENT_WORK_SESSION, &since_ms), ERR_OK);
    expect_eq(since_ms, id_time_ms(payment.id));
    answer = (struct provider_answer){.verdict = VERDICT_OK,
                                      .fact = FACT_OPEN,
                                      .session_ref = STR("s"),
                                      .url = STR("http://bank/pay")};
    expect_eq(payment_on_created(fixture->tickets, tx, &payment, &answer), ERR_OK);
    expect_eq(payment_store_oldest(tx->db, PAYMENT_WORK_SESSION, &since_ms), ERR_OK);
    expect_eq(since_ms, INT64_MAX);
    expect_eq(payment_store_oldest(tx->db, PAYMENT_WORK_ASK, &since_ms), ERR_OK);
    expect_eq(since_ms, payment.next_at);
    return ERR_OK;
}

static void the_oldest_work_tells_since_when_it_waits(void **state)
{
    assert_int_equal(expect_write(*state, oldest_fn, NULL), ERR_OK);
}

static void illegal_moves_are_refused(void **state)
{
    (void)state;
    struct payment payment = {.state = PAYMENT_SUCCEEDED};
    for (enum payment_state to = PAYMENT_CREATING; to <= PAYMENT_CLOSED; to++)
        assert_int_equal(payment_set_state(&payment, to), ERR_CONFLICT);
    payment.state = PAYMENT_CLOSED;
    assert_int_equal(payment_set_state(&payment, PAYMENT_OPEN), ERR_CONFLICT);
    assert_int_equal(payment_set_state(&payment, PAYMENT_FAILED), ERR_CONFLICT);
    assert_int_equal(payment_set_state(&payment, PAYMENT_SUCCEEDED), ERR_OK);
}

static void sessions_are_asked_about_ever_more_seldom(void **state)
{
    (void)state;
    struct payment payment = {.state = PAYMENT_OPEN};
    payment_schedule(&payment, 1000);
    assert_int_equal(payment.next_at, 1000 + PAYMENT_ASK_FIRST_MS);
    payment.attempts = 5;
    payment_schedule(&payment, 1000);
    assert_int_equal(payment.next_at, 1000 + PAYMENT_ASK_EVERY_MS);
    payment = (struct payment){.state = PAYMENT_CLOSED, .session_ref = STR("s")};
    int64_t last = 1000, total = 0;
    while (payment_schedule(&payment, 1000), payment.next_at != 0) {
        assert_true(payment.next_at > last);
        last = payment.next_at;
        total += payment.next_at - 1000;
        payment.attempts++;
    }
    assert_int_equal(payment.attempts, 4);
    assert_in_range(total, 20 * 3600000LL, 28 * 3600000LL);
    for (int64_t attempts = 0; attempts < 100; attempts++)
        assert_in_range(payment_retry_delay_ms(attempts), PAYMENT_RETRY_MS_MIN / 2,
                        PAYMENT_RETRY_MS_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_state_meets_each_fact),
        TEST(late_money_goes_back_where_the_event_says_so),
        TEST(money_for_a_cancelled_event_goes_back),
        TEST(the_books_balance_after_every_sequence),
        TEST(success_beats_failure_in_every_order),
        TEST(events_of_nobody_are_recorded_and_ignored),
        TEST(a_session_finds_its_payment),
        TEST(the_same_money_does_not_pay_twice),
        TEST(an_ended_booking_closes_its_session),
        TEST(a_session_opens_or_is_tried_again),
        TEST(the_oldest_work_tells_since_when_it_waits),
        cmocka_unit_test(illegal_moves_are_refused),
        cmocka_unit_test(sessions_are_asked_about_ever_more_seldom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
