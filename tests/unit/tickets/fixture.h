/*
 * A tickets service on real files in a temporary directory, or with FOYER_TEST_STORE on a PostgreSQL
 * database that this program has for itself, without workers and without HTTP: one venue with one
 * section of FIXTURE_SEATS seats and one area, one published event. Jobs run through the real writer.
 */
#ifndef TESTS_TICKETS_FIXTURE_H
#define TESTS_TICKETS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "tickets/booking_store.h"
#include "tickets/payment.h"
#include "tickets/ticket.h"
#include "tickets/tickets.h"

#define FIXTURE_SEATS         20
#define FIXTURE_AREA_CAPACITY 10
#define FIXTURE_PRICE         4500
#define FIXTURE_TTL_S         600
#define FIXTURE_EVENT         77

struct fixture {
    char dir[64];
    struct config config;
    struct tickets *tickets;
    struct db *reader;
};

static inline int fixture_remove_one(const char *path, const struct stat *stat, int type,
                                     struct FTW *ftw)
{
    (void)stat, (void)type, (void)ftw;
    return remove(path);
}

struct fixture_job {
    struct writer_job job;
    enum err (*fn)(struct fixture *fixture, struct writer_tx *tx, void *ctx);
    struct fixture *fixture;
    void *ctx;
};

static inline enum err fixture_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct fixture_job *mine = container_of(job, struct fixture_job, job);
    return mine->fn(mine->fixture, tx, mine->ctx);
}

static inline void fixture_done(struct writer_job *job, enum err outcome)
{
    (void)job, (void)outcome;
}

/* Runs fn in one job of the writer and returns what it returned (ERR_OK: committed). */
static inline enum err fixture_write(struct fixture *fixture,
                                     enum err (*fn)(struct fixture *, struct writer_tx *, void *),
                                     void *ctx)
{
    struct fixture_job job = {.job = {.apply = fixture_apply, .done = fixture_done},
                              .fn = fn,
                              .fixture = fixture,
                              .ctx = ctx};
    return writer_run(fixture->tickets->writer, &job.job);
}

static inline enum err fixture_script(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    (void)fixture;
    enum err err = db_script(tx->db, str_from_c(ctx));
    if (err)
        print_error("%s: %s\n", (const char *)ctx, db_message(tx->db));
    return err;
}

/* Any SQL, committed: to prepare and to corrupt. */
static inline void fixture_sql(struct fixture *fixture, const char *sql)
{
    assert_int_equal(fixture_write(fixture, fixture_script, (void *)sql), ERR_OK);
}

static inline void fixture_seed(struct fixture *fixture)
{
    char sql[4096];
    int64_t now_ms = clock_now_ms();
    snprintf(sql, sizeof(sql),
             "INSERT INTO venue VALUES (5, 1, 'Hall', 'Berlin', 'DE', 52.5, 13.4, 1, 0);"
             "INSERT INTO plan (venue_id, plan_version, name, width, height, section_count, "
             "seat_count, area_count) VALUES (5, 1, 'Plan', 1000, 1000, 1, 20, 0);"
             "INSERT INTO plan_category (venue_id, plan_version, category_no, name, color) VALUES "
             "(5, 1, 0, 'Standard', '#2980b9');"
             "INSERT INTO section VALUES (5, 1, 0, 'Block A');"
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO venue_seat SELECT 5, 1, i, 'A-' || i, 0, '1', i, i * 50, 0, 0, 0 FROM n;"
             "INSERT INTO event (id, account_id, venue_id, plan_version, name, description, "
             "category, starts_at, onsale_at, "
             "currency, status, hold_ttl_s, per_booking, per_account, waiting_room, late_payment, "
             "refund_until_s, created_at, "
             "updated_at) VALUES (%d, 1, 5, 1, 'Show', '', 'concert', %lld, %lld, 'EUR', 1, %d, 6, "
             "12, 'off', 0, 0, 0, 0);"
             "INSERT INTO event_price VALUES (%d, 0, %d);"
             "INSERT INTO event_area VALUES (%d, 0, 'floor', 'Floor', 0, %d, %d, 0);",
             FIXTURE_SEATS - 1, FIXTURE_EVENT, (long long)(now_ms + 30 * 86400000LL),
             (long long)(now_ms - 1000), FIXTURE_TTL_S, FIXTURE_EVENT, FIXTURE_PRICE, FIXTURE_EVENT,
             FIXTURE_AREA_CAPACITY, FIXTURE_AREA_CAPACITY);
    fixture_sql(fixture, sql);
}

/* The event of fixture_seed, its prices and its area stand in the tables without ever having been told
 * to the journal. So the audit's checks of these against the journal say nothing here. */
static inline bool fixture_breaks_check(const char *check)
{
    return strcmp(check, "event-by-journal") == 0 || strcmp(check, "price-by-journal") == 0 ||
           strcmp(check, "queue-settings") == 0 || strcmp(check, "area-by-journal") == 0;
}

static inline void fixture_open(struct fixture *fixture)
{
    assert_int_equal(tickets_new(&fixture->config, &fixture->tickets), ERR_OK);
    assert_int_equal(db_open(tickets_database_path(fixture->tickets), DB_ADMIN, &fixture->reader),
                     ERR_OK);
}

static inline void fixture_close(struct fixture *fixture)
{
    db_close(fixture->reader);
    writer_stop(fixture->tickets->writer);
    tickets_free(fixture->tickets);
}

/* As a restart of the process would: everything in memory is gone. */
static inline void fixture_restart(struct fixture *fixture)
{
    fixture_close(fixture);
    fixture_open(fixture);
}

/* The database to be tested on; NULL: SQLite. */
static inline const char *fixture_store(void)
{
    const char *store = getenv("FOYER_TEST_STORE");
    return store && store[0] ? store : NULL;
}

/* What an earlier test of this program has left in its database. */
static inline void fixture_empty_store(void)
{
    char location[512];
    struct db *db;
    (void)snprintf(location, sizeof(location), "%s#tickets", fixture_store());
    assert_int_equal(db_open(location, DB_WRITER, &db), ERR_OK);
    assert_int_equal(
        db_script(db, STR("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                          " datname = current_database() AND pid <> pg_backend_pid();"
                          "DROP SCHEMA IF EXISTS tickets, platform, mail CASCADE")),
        ERR_OK);
    db_close(db);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    assert_int_equal(crypto_init(), ERR_OK);
    log_set_level(LOG_OFF);
    snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/foyer-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    snprintf(fixture->config.data, sizeof(fixture->config.data), "%s", fixture->dir);
    snprintf(fixture->config.payments, sizeof(fixture->config.payments), "sandbox");
    snprintf(fixture->config.mail, sizeof(fixture->config.mail), "dir");
    fixture->config.abuse = true;
    if (fixture_store()) {
        snprintf(fixture->config.store, sizeof(fixture->config.store), "%s", fixture_store());
        fixture_empty_store();
    }
    fixture_open(fixture);
    fixture_seed(fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    (void)nftw(fixture->dir, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

/* First column of the first row. */
static inline int64_t fixture_count(struct fixture *fixture, const char *sql)
{
    struct db *db;
    int64_t value = -1;
    assert_int_equal(db_open(tickets_database_path(fixture->tickets), DB_ADMIN, &db), ERR_OK);
    struct sql statement = {.text = sql};
    assert_int_equal(db_get_i64(db_stmt(db, &statement), &value), ERR_OK);
    db_close(db);
    return value;
}

/* --- Holds --- */

struct fixture_hold {
    struct booking booking; /* in: account, places; out: the booking */
    struct hold_conflicts conflicts;
};

static inline enum err fixture_hold_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct fixture_hold *hold = ctx;
    struct booking *booking = &hold->booking;
    booking->event_id = FIXTURE_EVENT;
    booking->state = BOOKING_HELD;
    booking->created_at = tx->now_ms;
    booking->expires_at = tx->now_ms + FIXTURE_TTL_S * 1000;
    memcpy(booking->currency, "EUR", 4);
    booking->amount = 0;
    booking->places = 0;
    for (size_t i = 0; i < booking->seat_count; i++) {
        booking->seats[i].price = FIXTURE_PRICE;
        booking->amount += FIXTURE_PRICE;
        booking->places++;
    }
    for (size_t i = 0; i < booking->area_count; i++) {
        booking->areas[i].price = FIXTURE_PRICE;
        booking->amount += FIXTURE_PRICE * booking->areas[i].quantity;
        booking->places += booking->areas[i].quantity;
    }
    return booking_hold(fixture->tickets, tx, booking, &hold->conflicts);
}

/* Holds two neighbouring seats from first on; the result of the hold. */
static inline enum err fixture_hold_pair(struct fixture *fixture, uint64_t account_id,
                                         uint32_t first, struct fixture_hold *hold)
{
    *hold = (struct fixture_hold){.booking = {.account_id = account_id,
                                              .seat_count = 2,
                                              .seats = {{first, 0}, {first + 1, 0}}}};
    return fixture_write(fixture, fixture_hold_fn, hold);
}

#endif
