/*
 * The disk fails under a sale: the n-th write, sync or read, once or from there on, for each n until
 * a run meets no failure. A refused step is asked for again, as its client would, and then the
 * books, the read model and what every client was told agree. Over HTTP: a full disk answers 503
 * and reads go on; and when a refused commit turns out to have been kept, after a crash, the
 * Idempotency-Key finds it.
 */
#include "sales.h"
#include "served.h"

#include "store/db_internal.h"

#define RUNS_MAX 600

/* --- The read model against the rows --- */

static void check_model(struct fixture *fixture)
{
    SQL(sql_claims, "SELECT seat_no, state FROM seat_claim WHERE event_id = $1");
    SQL(sql_area, "SELECT available FROM event_area WHERE event_id = $1 AND area_no = 0");
    uint8_t seats[FIXTURE_SEATS] = {0};
    struct event_model *model = inventory_get(fixture->tickets->inventory, FIXTURE_EVENT);
    assert_non_null(model);
    struct db_stmt *stmt = db_stmt(fixture->reader, &sql_claims);
    db_bind_i64(stmt, 1, FIXTURE_EVENT);
    bool has_row;
    for (;;) {
        assert_int_equal(db_step(stmt, &has_row), ERR_OK);
        if (!has_row)
            break;
        seats[db_col_i64(stmt, 0)] = (uint8_t)db_col_i64(stmt, 1);
    }
    for (size_t i = 0; i < FIXTURE_SEATS; i++)
        assert_int_equal(atomic_load(&model->seats[i]), seats[i]);
    int64_t available = -1, version = -1;
    stmt = db_stmt(fixture->reader, &sql_area);
    db_bind_i64(stmt, 1, FIXTURE_EVENT);
    assert_int_equal(db_get_i64(stmt, &available), ERR_OK);
    assert_int_equal(atomic_load(&model->area_available[0]), available);
    assert_int_equal(journal_version(fixture->reader, FIXTURE_EVENT, &version), ERR_OK);
    assert_true(atomic_load(&model->version) <= version);
    event_model_unref(model);
}

static void load_model(struct fixture *fixture)
{
    struct event_model *model;
    assert_int_equal(
        inventory_load(fixture->tickets->inventory, fixture->reader, FIXTURE_EVENT, &model),
        ERR_OK);
    event_model_unref(model);
}

/* --- A sale under a fault --- */

static struct sales sales;

struct counts {
    size_t refused, struck;
};

static void add_hold(uint64_t account_id, uint32_t first, uint32_t area_places)
{
    struct sale_job *job = &sales.jobs[sales.job_count++];
    *job = (struct sale_job){.step = SALE_HOLD};
    job->hold.booking = (struct booking){.account_id = account_id,
                                         .seat_count = 2,
                                         .seats = {{first, 0}, {first + 1, 0}},
                                         .area_count = area_places > 0,
                                         .areas = {{.quantity = area_places}}};
}

static void add_step(enum sale_step step, const struct booking *booking)
{
    struct sale_job *job = &sales.jobs[sales.job_count++];
    *job = (struct sale_job){.step = step};
    job->hold.booking = *booking;
}

/* Jobs of the group that were refused for the disk's sake are asked for again when it is well. */
static void run_group(struct counts *counts, enum err *ret_outcomes)
{
    size_t count = sales.job_count, left = 0;
    size_t at[SALES_GROUP_MAX];
    struct sale_job before[SALES_GROUP_MAX];
    memcpy(before, sales.jobs, sizeof(before));
    sales_run(&sales);
    for (size_t i = 0; i < count; i++) {
        ret_outcomes[i] = sales.jobs[i].outcome;
        if (ret_outcomes[i] == ERR_IO)
            at[left++] = i;
    }
    counts->refused += left;
    if (left == 0)
        return;
    counts->struck += disk_fault_hits() > 0;
    disk_set_fault((struct disk_fault){0});
    check_model(sales.fixture); /* refused means that nothing has changed */
    struct sale_job after[SALES_GROUP_MAX];
    memcpy(after, sales.jobs, sizeof(after));
    for (size_t i = 0; i < left; i++)
        sales.jobs[i] = before[at[i]];
    sales.job_count = left;
    sales_run(&sales);
    for (size_t i = 0; i < left; i++) {
        ret_outcomes[at[i]] = sales.jobs[i].outcome;
        after[at[i]] = sales.jobs[i];
    }
    memcpy(sales.jobs, after, sizeof(after));
    sales.job_count = count;
}

/* From the first hold to the refund, so that all places are free again at the end. Returns whether
 * the fault has struck. */
static bool sell_under(struct disk_fault fault)
{
    struct counts counts = {0};
    enum err outcomes[SALES_GROUP_MAX];
    disk_set_fault(fault);
    sales.job_count = 0;
    add_hold(10, 0, 2);
    add_hold(11, 4, 0);
    add_hold(12, 4, 1); /* too late */
    run_group(&counts, outcomes);
    size_t winner =
        outcomes[1] == ERR_OK ? 1 : 2; /* who was refused may come back behind the other */
    assert_int_equal(outcomes[0], ERR_OK);
    assert_int_equal(outcomes[winner], ERR_OK);
    assert_int_equal(outcomes[3 - winner], ERR_CONFLICT);
    struct booking paid = sales.jobs[0].hold.booking, other = sales.jobs[winner].hold.booking;
    static const enum sale_step steps[] = {SALE_PAY, SALE_CALLBACK, SALE_REFUND};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        sales.job_count = 0;
        add_step(steps[i], &paid);
        if (i == 0)
            add_step(SALE_CANCEL, &other);
        run_group(&counts, outcomes);
        assert_int_equal(outcomes[0], ERR_OK);
        assert_true(i > 0 || outcomes[1] == ERR_OK);
    }
    bool is_hit = counts.struck > 0 || disk_fault_hits() > 0;
    disk_set_fault((struct disk_fault){0});
    return is_hit;
}

SQL(SQL_CLAIMS_LEFT, "SELECT count(*) FROM seat_claim");
SQL(SQL_OWED, "SELECT sum(captured - refunded) + count(*) FROM payment");

static void sweep(struct fixture *fixture, struct disk_fault fault)
{
    enum {
        CLEAN_RUNS = 3
    };
    int64_t runs = 0;
    int clean = 0;
    for (fault.at = 1; clean < CLEAN_RUNS; fault.at++, runs++) {
        assert_true(fault.at < RUNS_MAX);
        clean = sell_under(fault) ? 0 : clean + 1;
        int64_t value = -1;
        assert_int_equal(db_get_i64(db_stmt(fixture->reader, &SQL_CLAIMS_LEFT), &value), ERR_OK);
        assert_int_equal(value, 0);
        check_model(fixture);
    }
    assert_true(runs > CLEAN_RUNS);
    assert_int_equal(sales_audit(fixture->reader, true), 0);
}

static void each_failure_is_a_refusal_that_may_be_repeated(void **state)
{
    struct fixture *fixture = *state;
    static const struct disk_fault faults[] = {
        {.op = DISK_WRITE, .code = SQLITE_IOERR_WRITE, .is_torn = true},
        {.op = DISK_WRITE, .code = SQLITE_FULL, .is_lasting = true},
        {.op = DISK_SYNC, .code = SQLITE_IOERR_FSYNC},
        {.op = DISK_SYNC, .code = SQLITE_IOERR_FSYNC, .is_lasting = true},
        {.op = DISK_READ, .code = SQLITE_IOERR_READ, .is_lasting = true},
    };
    struct db *db = writer_db(fixture->tickets->writer);
    sales_init(&sales, fixture);
    load_model(fixture);
    db_set_wal_pages(db, 20, 6, 40);
    /* Next to no cache, or the writer would read nothing; its thread waits for jobs. */
    assert_int_equal(db_script(db, STR("PRAGMA cache_size = 4")), ERR_OK);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sweep(fixture, faults[i]);
    int64_t value = -1, bookings = -1;
    assert_int_equal(db_get_i64(db_stmt(fixture->reader, &SQL_OWED), &value), ERR_OK);
    bookings = fixture_count(fixture, "SELECT count(*) FROM booking WHERE state = 3");
    assert_int_equal(value, bookings); /* one payment each, all of it given back */
    fixture_restart(fixture);
    assert_int_equal(sales_audit(fixture->reader, true), 0);
    assert_int_equal(fixture_count(fixture, "SELECT count(*) FROM booking WHERE state = 3"),
                     bookings);
}

/* --- Over HTTP --- */

struct said {
    int status;
    char id[64];
};

static struct said ask_hold(struct served *served, const char *token, unsigned first,
                            const char *key)
{
    char body[256], event[ID_TEXT_SIZE];
    static struct answer answer;
    struct said said = {0};
    (void)snprintf(body, sizeof(body), "{\"event_id\":\"%s\",\"seat_ids\":[\"A-%u\",\"A-%u\"]}",
                   id_format(event, "evt", FIXTURE_EVENT).data, first, first + 1);
    struct ask ask = {.method = HTTP_POST,
                      .path = "/v1/bookings",
                      .token = token,
                      .body = body,
                      .idempotency_key = key};
    frame_ask(&served->frame, &ask, &answer);
    said.status = answer.status;
    if (answer.status == 201)
        assert_true(answer_text(&answer, NULL, "id", said.id, sizeof(said.id)));
    if (answer.status == 503)
        assert_non_null(answer_header(&answer, "retry-after"));
    return said;
}

static int ask_get(struct served *served, const char *path)
{
    static struct answer answer;
    return served_get(served, BUYER_KEY, path, &answer);
}

static void a_full_disk_refuses_writes_and_nothing_else(void **state)
{
    struct served *served = *state;
    char key[32], map[128], path[128];
    struct said said, first = ask_hold(served, BUYER_KEY, 0, "first");
    size_t refused = 0, accepted = 0;
    assert_int_equal(first.status, 201);
    (void)snprintf(path, sizeof(path), "/v1/bookings/%s", first.id);
    for (unsigned i = 1; i < 5; i++) {
        disk_set_room((i - 1) * 8192); /* not a byte; a page; some */
        (void)snprintf(key, sizeof(key), "key-%u", i);
        said = ask_hold(served, OTHER_KEY, 2 * i, key);
        refused += said.status == 503;
        accepted += said.status == 201;
        assert_int_equal(refused + accepted, i);
        assert_int_equal(ask_get(served, path), 200);
        assert_int_equal(ask_get(served, event_path(map, "/seats")), 200);
        assert_int_equal(ask_get(served, "/healthz"), 200);
        assert_int_equal(ask_get(served, "/readyz"), said.status == 503 ? 503 : 200);
        disk_set_room(-1);
        struct said again = ask_hold(served, OTHER_KEY, 2 * i, key);
        assert_int_equal(again.status, 201);
        assert_true(said.status == 503 || strcmp(said.id, again.id) == 0);
        if (said.status == 503)
            assert_int_equal(ask_get(served, "/readyz"), 200);
    }
    assert_true(refused > 0);
    assert_int_equal(fixture_count(served->fixture, "SELECT count(*) FROM booking"), 5);
    assert_int_equal(sales_audit(served->fixture->reader, true), 0);
}

/* The service goes down and comes up on another directory. */
static void serve_from(struct served *served, const char *dir)
{
    struct fixture *fixture = served->fixture;
    struct config *config = &served->frame.config;
    app_stop(served->frame.app);
    app_free(served->frame.app);
    fixture_close(fixture);
    (void)snprintf(config->data, sizeof(config->data), "%s", dir);
    fixture->config = *config;
    fixture_open(fixture);
    struct app_options options = {.config = config,
                                  .services = {tickets_service(fixture->tickets)},
                                  .database_paths = {tickets_database_path(fixture->tickets)},
                                  .service_count = 1};
    assert_int_equal(app_new(&options, &served->frame.app), ERR_OK);
}

static void a_commit_of_unknown_outcome_is_found_by_its_key(void **state)
{
    struct served *served = *state;
    char dir[DISK_PATH_SIZE];
    uint64_t seed = 1;
    assert_int_equal(ask_hold(served, BUYER_KEY, 0, "sure").status, 201);
    disk_set_fault((struct disk_fault){
        .op = DISK_SYNC, .at = 1, .is_lasting = true, .code = SQLITE_IOERR_FSYNC});
    assert_int_equal(ask_hold(served, BUYER_KEY, 4, "unknown").status, 503);
    (void)snprintf(dir, sizeof(dir), "%s" DISK_IMAGE "0", served->fixture->dir);
    disk_image(served->fixture->dir, dir, DISK_LOSES_NOTHING, &seed);
    disk_set_fault((struct disk_fault){0});

    /* Who lives on knows that it did not happen: somebody else may have the seats. */
    assert_int_equal(ask_hold(served, OTHER_KEY, 4, "other").status, 201);
    assert_int_equal(ask_hold(served, BUYER_KEY, 4, "unknown").status, 409);
    assert_int_equal(fixture_count(served->fixture, "SELECT count(*) FROM booking"), 2);

    /* Who crashed in between finds it: it did happen, and the same key says so. */
    serve_from(served, dir);
    assert_int_equal(fixture_count(served->fixture, "SELECT count(*) FROM booking"), 2);
    assert_int_equal(ask_hold(served, OTHER_KEY, 4, "other").status, 409);
    struct said said = ask_hold(served, BUYER_KEY, 4, "unknown");
    assert_int_equal(said.status, 201);
    assert_string_equal(ask_hold(served, BUYER_KEY, 4, "unknown").id, said.id);
    assert_int_equal(fixture_count(served->fixture, "SELECT count(*) FROM booking"), 2);
    assert_int_equal(sales_audit(served->fixture->reader, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_failure_is_a_refusal_that_may_be_repeated,
                                        fixture_setup, fixture_teardown),
        served_test(a_full_disk_refuses_writes_and_nothing_else),
        served_test(a_commit_of_unknown_outcome_is_found_by_its_key),
    };
    disk_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
