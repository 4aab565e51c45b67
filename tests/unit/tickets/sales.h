/* Sales as jobs of the writer: holds, payments, callbacks, refunds and cancellations of a few
 * accounts, one step of one booking a job, in groups of exactly these jobs. */
#ifndef TESTS_TICKETS_SALES_H
#define TESTS_TICKETS_SALES_H

#include "fixture.h"
#include "store/fault_disk.h"

#include <semaphore.h>
#include <stdatomic.h>

#include "tickets/audit_store.h"
#include "tickets/refund.h"

#define SALES_GROUP_MAX 8
#define SALES_MAX       512

enum sale_step {
    SALE_HOLD,
    SALE_PAY,
    SALE_CALLBACK, /* the money came */
    SALE_REFUND,   /* of all tickets */
    SALE_CANCEL,
    SALE_STEPS
};

struct sale_job {
    struct writer_job job;
    struct sales *sales;
    enum sale_step step;
    struct fixture_hold hold; /* in: what is held, or whose step it is; out: the booking */
    enum err outcome;
    unsigned applied;
};

struct sales {
    struct fixture *fixture;
    sem_t done, gate_reached, gate_open;
    struct writer_job gate;
    struct sale_job jobs[SALES_GROUP_MAX];
    size_t job_count, told;                /* of the group that runs; told by the writer's thread */
    void (*on_group)(struct sales *sales); /* on the writer's thread, when all were told */
    void *ctx;
    struct {
        struct booking booking;
        enum sale_step next; /* SALE_STEPS: none */
        bool is_busy;        /* in the group that is made up */
    } items[SALES_MAX];
    size_t count;
};

/* --- Steps --- */

static inline enum err sale_callback(struct sales *sales, struct writer_tx *tx,
                                     const struct booking *booking)
{
    struct payment payment = {0};
    char ref[48];
    enum err err = payment_load_by_booking(tx->db, FIXTURE_EVENT, booking->id, tx->arena, &payment);
    (void)snprintf(ref, sizeof(ref), "money_%llu", (unsigned long long)booking->id);
    struct provider_event event = {.provider = STR("sandbox"),
                                   .event_ref = str_from_c(ref),
                                   .fact = FACT_SUCCEEDED,
                                   .event_id = FIXTURE_EVENT,
                                   .payment_id = payment.id,
                                   .provider_ref = str_from_c(ref),
                                   .amount = booking->amount,
                                   .currency = "EUR"};
    return err ? err : payment_apply(sales->fixture->tickets, tx, &event);
}

static inline enum err sale_refund(struct sales *sales, struct writer_tx *tx,
                                   const struct booking *booking)
{
    struct payment payment = {0};
    struct ticket tickets[BOOKING_PLACES_MAX];
    struct refund refund;
    struct refund_order order = {
        .booking = booking, .payment = &payment, .tickets = tickets, .reason = "requested"};
    enum err err = payment_load_by_booking(tx->db, FIXTURE_EVENT, booking->id, tx->arena, &payment);
    if (!err)
        err = ticket_list(tx->db, FIXTURE_EVENT, booking->id, tickets, &order.ticket_count);
    return err ? err : refund_tickets(sales->fixture->tickets, tx, &order, &refund);
}

static inline enum err sale_apply(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct sale_job *job = container_of(writer_job, struct sale_job, job);
    struct sales *sales = job->sales;
    struct tickets *tickets = sales->fixture->tickets;
    struct booking *booking = &job->hold.booking;
    job->applied++;
    if (job->step == SALE_HOLD)
        return fixture_hold_fn(sales->fixture, tx, &job->hold);
    enum err err = booking_load(tx->db, FIXTURE_EVENT, booking->id, booking);
    if (err)
        return err;
    switch (job->step) {
    case SALE_PAY:
        return booking_start_payment(tickets, tx, booking);
    case SALE_CALLBACK:
        return sale_callback(sales, tx, booking);
    case SALE_REFUND:
        return sale_refund(sales, tx, booking);
    default:
        return booking_cancel(tickets, tx, booking);
    }
}

static inline void sale_done(struct writer_job *writer_job, enum err outcome)
{
    struct sale_job *job = container_of(writer_job, struct sale_job, job);
    struct sales *sales = job->sales;
    job->outcome = outcome;
    if (++sales->told == sales->job_count && sales->on_group)
        sales->on_group(sales);
    (void)sem_post(&sales->done);
}

/* --- Groups --- */

static inline enum err sales_gate_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct sales *sales = container_of(job, struct sales, gate);
    (void)tx;
    (void)sem_post(&sales->gate_reached);
    while (sem_wait(&sales->gate_open) != 0)
        continue;
    return ERR_OK;
}

static inline void sales_init(struct sales *sales, struct fixture *fixture)
{
    memset(sales, 0, sizeof(*sales));
    sales->fixture = fixture;
    assert_int_equal(sem_init(&sales->done, 0, 0), 0);
    assert_int_equal(sem_init(&sales->gate_reached, 0, 0), 0);
    assert_int_equal(sem_init(&sales->gate_open, 0, 0), 0);
}

/* Runs jobs[0..job_count) as one group: an empty job keeps the writer busy until all wait. */
static inline void sales_run(struct sales *sales)
{
    struct writer *writer = sales->fixture->tickets->writer;
    sales->told = 0;
    sales->gate = (struct writer_job){.apply = sales_gate_apply, .done = fixture_done};
    assert_int_equal(writer_submit(writer, &sales->gate), ERR_OK);
    assert_int_equal(sem_wait(&sales->gate_reached), 0);
    for (size_t i = 0; i < sales->job_count; i++) {
        struct sale_job *job = &sales->jobs[i];
        job->job = (struct writer_job){.apply = sale_apply, .done = sale_done};
        job->sales = sales;
        job->outcome = ERR_AGAIN;
        job->applied = 0;
        assert_int_equal(writer_submit(writer, &job->job), ERR_OK);
    }
    assert_int_equal(sem_post(&sales->gate_open), 0);
    for (size_t i = 0; i < sales->job_count; i++)
        assert_int_equal(sem_wait(&sales->done), 0);
}

/* --- Sales at random --- */

static inline void sales_add_hold(struct sales *sales, uint64_t *seed)
{
    struct sale_job *job = &sales->jobs[sales->job_count++];
    uint32_t first = (uint32_t)disk_below(seed, FIXTURE_SEATS / 2) * 2;
    *job = (struct sale_job){.step = SALE_HOLD};
    job->hold.booking = (struct booking){.account_id = 1000 + disk_below(seed, 1000000),
                                         .seat_count = 2,
                                         .seats = {{first, 0}, {first + 1, 0}}};
    if (disk_below(seed, 3) == 0) {
        job->hold.booking.area_count = 1;
        job->hold.booking.areas[0].quantity = 1;
    }
}

/* The next step of a booking that is not yet in the group. False: there is none. */
static inline bool sales_add_step(struct sales *sales, uint64_t *seed)
{
    size_t at = sales->count ? disk_below(seed, sales->count) : 0;
    for (size_t looks = 0; looks < sales->count; looks++, at = (at + 1) % sales->count) {
        if (sales->items[at].is_busy || sales->items[at].next == SALE_STEPS)
            continue;
        struct sale_job *job = &sales->jobs[sales->job_count++];
        *job = (struct sale_job){.step = sales->items[at].next};
        if (job->step != SALE_REFUND && job->step != SALE_CALLBACK && disk_below(seed, 5) == 0)
            job->step = SALE_CANCEL;
        job->hold.booking = sales->items[at].booking;
        sales->items[at].is_busy = true;
        return true;
    }
    return false;
}

static inline enum sale_step sale_next(enum sale_step step)
{
    return step < SALE_REFUND ? step + 1 : SALE_STEPS;
}

/* Remembers what came of the group. */
static inline void sales_note(struct sales *sales)
{
    for (size_t i = 0; i < sales->job_count; i++) {
        const struct sale_job *job = &sales->jobs[i];
        if (job->step == SALE_HOLD && job->outcome == ERR_OK && sales->count < SALES_MAX) {
            sales->items[sales->count].booking = job->hold.booking;
            sales->items[sales->count++].next = SALE_PAY;
        }
        for (size_t k = 0; job->step != SALE_HOLD && k < sales->count; k++) {
            sales->items[k].is_busy = false;
            if (sales->items[k].booking.id == job->hold.booking.id && job->outcome == ERR_OK)
                sales->items[k].next = sale_next(job->step);
        }
    }
    for (size_t k = 0; k < sales->count; k++)
        sales->items[k].is_busy = false;
}

static inline void sales_group(struct sales *sales, uint64_t *seed)
{
    size_t count = 1 + disk_below(seed, SALES_GROUP_MAX);
    sales->job_count = 0;
    while (sales->job_count < count) {
        if (disk_below(seed, 2) || !sales_add_step(sales, seed))
            sales_add_hold(sales, seed);
    }
    sales_run(sales);
    sales_note(sales);
}

/* --- The books --- */

static inline void sales_count_line(const char *line, void *ctx)
{
    (void)line;
    ++*(size_t *)ctx;
}

SQL(SQL_SALES_SOUND, "SELECT * FROM pragma_integrity_check(1) WHERE integrity_check <> 'ok'");

/* Contradictions that the audit and SQLite itself find; SIZE_MAX: it cannot be read. */
static inline size_t sales_audit(struct db *db, bool is_told)
{
    size_t findings = 0;
    uint64_t rows;
    bool has_row = false;
    struct db_stmt *stmt = db_stmt(db, &SQL_SALES_SOUND);
    if (db_step(stmt, &has_row) != ERR_OK || has_row) {
        db_done(stmt);
        return SIZE_MAX;
    }
    for (size_t table = 0; table < AUDIT_TABLES; table++) {
        for (size_t i = 0; i < audit_tables[table].count; i++) {
            struct audit_check *check = &audit_tables[table].checks[i];
            if (fixture_breaks_check(check->name))
                continue;
            stmt = db_stmt(db, &check->sql);
            db_bind_i64(stmt, 1, 10);
            enum err err;
            while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
                findings++;
                if (is_told)
                    print_error("%s: %.*s\n", check->name, STR_ARG(db_col_str(stmt, 0)));
            }
            if (err)
                return SIZE_MAX;
        }
    }
    if (journal_verify(db, sales_count_line, &findings, &rows) != ERR_OK)
        return SIZE_MAX;
    return findings;
}

#endif
