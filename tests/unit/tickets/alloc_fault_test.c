/*
 * The n-th allocation fails, or all from there on, for each n until nothing fails: in requests from
 * decoding to the answer, in the jobs of a sale, in the making of seat maps and plans, and in the
 * start. Each time the answer is the wanted one or 503, nothing is done by half, what was refused
 * can be asked for again, and the leak checker has nothing to say.
 */
#include "base/fault_alloc.h"
#include "rig.h"
#include "sales.h"
#include "served.h"

#include "tickets/venue.h"

#define RUNS_MAX 4000

static struct sales sales;
static struct answer answer; /* the last one */

/* --- Sweeps --- */

/* Runs act with the n-th allocation missing, then check with all of them, until a run needs no
 * failure. step > 1 leaves some n out, where all from the n-th on fail. */
struct sweep {
    int (*act)(void *ctx); /* what came of it: a status, or an enum err */
    void (*check)(void *ctx, int said);
    void *ctx;
    uint64_t at_least; /* allocations that act is known to make */
};

static void sweep_run(const struct sweep *sweep)
{
    for (int is_lasting = 0; is_lasting < 2; is_lasting++) {
        uint64_t hits = 1, at = 1;
        for (; hits > 0; at += is_lasting ? 1 + at / 16 : 1) {
            assert_true(at < RUNS_MAX);
            memory_run_out(at, is_lasting);
            int said = sweep->act(sweep->ctx);
            hits = memory_is_back();
            sweep->check(sweep->ctx, said);
        }
        assert_true(at > sweep->at_least);
    }
}

/* First column of the first row, committed. */
#define COUNT(fixture, text)                                                                       \
    ({                                                                                             \
        SQL(count_sql, text);                                                                      \
        int64_t count_value = -1;                                                                  \
        assert_int_equal(db_get_i64(db_stmt((fixture)->reader, &count_sql), &count_value),         \
                         ERR_OK);                                                                  \
        count_value;                                                                               \
    })

/* --- Requests --- */

struct scene {
    struct served *served;
    unsigned run; /* so that each has keys of its own */
    char body[256], key[32], path[128], other[128];
    char booking[64];
    int64_t rows;
};

static int send(struct scene *scene, enum http_method method, const char *token, const char *path,
                const char *body)
{
    struct ask ask = {.method = method,
                      .path = path,
                      .token = token,
                      .body = body,
                      .idempotency_key = scene->key[0] ? scene->key : NULL};
    frame_ask(&scene->served->frame, &ask, &answer);
    return answer.status;
}

static void set_key(struct scene *scene, const char *name)
{
    (void)snprintf(scene->key, sizeof(scene->key), "%s-%u", name, scene->run);
}

static const char *booking_path(struct scene *scene, const char *rest)
{
    (void)snprintf(scene->path, sizeof(scene->path), "/v1/bookings/%s%s", scene->booking, rest);
    return scene->path;
}

static void scene_init(struct scene *scene, struct served *served)
{
    char event[ID_TEXT_SIZE];
    *scene = (struct scene){.served = served};
    (void)snprintf(scene->body, sizeof(scene->body),
                   "{\"event_id\":\"%s\",\"seat_ids\":[\"A-2\",\"A-3\"],"
                   "\"areas\":[{\"area_id\":\"floor\",\"quantity\":1}]}",
                   id_format(event, "evt", FIXTURE_EVENT).data);
    set_key(scene, "run");
}

/* --- A hold --- */

static int act_hold(void *ctx)
{
    struct scene *scene = ctx;
    return send(scene, HTTP_POST, BUYER_KEY, "/v1/bookings", scene->body);
}

/* Whatever was said, the same key gets one booking, and nothing else was taken. After 503 it may
 * have been made already: memory may run out between the commit and the answer. */
static void check_hold(void *ctx, int said)
{
    struct scene *scene = ctx;
    char first[64] = "";
    assert_true(said == 201 || said == 503);
    if (said == 201)
        assert_true(answer_text(&answer, NULL, "id", first, sizeof(first)));
    assert_true(COUNT(scene->served->fixture, "SELECT count(*) FROM seat_claim") % 2 == 0);
    assert_int_equal(act_hold(scene), 201);
    assert_true(answer_text(&answer, NULL, "id", scene->booking, sizeof(scene->booking)));
    assert_true(said == 503 || strcmp(first, scene->booking) == 0);
    assert_int_equal(COUNT(scene->served->fixture, "SELECT count(*) FROM booking"), ++scene->rows);
    assert_int_equal(COUNT(scene->served->fixture, "SELECT count(*) FROM seat_claim"), 2);
    set_key(scene, "cancel");
    assert_int_equal(send(scene, HTTP_DELETE, BUYER_KEY, booking_path(scene, ""), NULL), 200);
    scene->run++;
    set_key(scene, "run");
}

static void a_hold_is_made_once_or_refused(void **state)
{
    struct scene scene;
    struct served *served = *state;
    scene_init(&scene, served);
    check_hold(&scene, act_hold(&scene));
    sweep_run(&(struct sweep){act_hold, check_hold, &scene, 30});
    assert_int_equal(sales_audit(served->fixture->reader, true), 0);
}

/* --- Reading --- */

static enum err drop_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    (void)ctx;
    return inventory_stage_drop(fixture->tickets->inventory, tx, FIXTURE_EVENT);
}

static int act_get(void *ctx)
{
    struct scene *scene = ctx;
    return send(scene, HTTP_GET, BUYER_KEY, scene->other, NULL);
}

/* What came is what comes with all the memory there is: no text is missing. */
static void check_get(void *ctx, int said)
{
    struct scene *scene = ctx;
    static struct answer first;
    assert_true(said == 200 || said == 503);
    first = answer;
    assert_int_equal(act_get(scene), 200);
    assert_true(answer.body_len > 10 && answer.body_len < FRAME_BODY_MAX - 1);
    assert_true(said == 503 || strcmp(first.body, answer.body) == 0);
    /* The next one builds the model anew. */
    assert_int_equal(fixture_write(scene->served->fixture, drop_fn, NULL), ERR_OK);
}

static void what_is_read_is_whole_or_refused(void **state)
{
    static const char *const rests[] = {"", "/seats", "/seatmap", "/availability"};
    struct scene scene;
    scene_init(&scene, *state);
    scene.key[0] = '\0';
    for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
        (void)event_path(scene.other, rests[i]);
        check_get(&scene, act_get(&scene));
        sweep_run(&(struct sweep){act_get, check_get, &scene, 10});
    }
    (void)snprintf(scene.other, sizeof(scene.other), "/v1/me/bookings");
    (void)served_hold(scene.served, 2, 6, 1);
    check_get(&scene, act_get(&scene));
    sweep_run(&(struct sweep){act_get, check_get, &scene, 10});
}

/* --- A refund --- */

static void buy_for_refund(struct scene *scene)
{
    char id[ID_TEXT_SIZE];
    sales.job_count = 0;
    sales_init(&sales, scene->served->fixture);
    struct booking booking = served_hold(scene->served, 2, 8, 1);
    static const enum sale_step steps[] = {SALE_PAY, SALE_CALLBACK};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        sales.jobs[0] = (struct sale_job){.step = steps[i], .hold.booking = booking};
        sales.job_count = 1;
        sales_run(&sales);
        assert_int_equal(sales.jobs[0].outcome, ERR_OK);
    }
    (void)snprintf(scene->booking, sizeof(scene->booking), "%s",
                   id_format2(id, "bkg", FIXTURE_EVENT, booking.id).data);
    scene->run++;
    set_key(scene, "refund");
}

static int act_refund(void *ctx)
{
    struct scene *scene = ctx;
    return send(scene, HTTP_POST, ORGANIZER_KEY, booking_path(scene, "/refund"), NULL);
}

static void check_refund(void *ctx, int said)
{
    struct scene *scene = ctx;
    struct fixture *fixture = scene->served->fixture;
    assert_true(said == 202 || said == 503);
    int64_t refunds = COUNT(fixture, "SELECT count(*) FROM refund") - scene->rows;
    assert_in_range(refunds, said == 202, 1);
    assert_int_equal(COUNT(fixture, "SELECT count(*) FROM seat_claim"), refunds ? 0 : 2);
    assert_int_equal(act_refund(scene), 202);
    assert_int_equal(COUNT(fixture, "SELECT count(*) FROM refund"), ++scene->rows);
    assert_int_equal(COUNT(fixture, "SELECT count(*) FROM seat_claim"), 0);
    buy_for_refund(scene);
}

static void a_refund_is_made_once_or_refused(void **state)
{
    struct scene scene;
    struct served *served = *state;
    scene_init(&scene, served);
    buy_for_refund(&scene);
    check_refund(&scene, act_refund(&scene));
    sweep_run(&(struct sweep){act_refund, check_refund, &scene, 30});
    assert_int_equal(sales_audit(served->fixture->reader, true), 0);
}

/* --- A plan --- */

static int act_import(void *ctx)
{
    return send(ctx, HTTP_POST, ORGANIZER_KEY, "/v1/venues",
                "{\"name\":\"Hall\",\"city\":\"Z\xC3\xBCrich\",\"country\":\"CH\","
                "\"lat\":47.38,\"lon\":8.5,\"seating_plan\":" RIG_PLAN "}");
}

static void check_import(void *ctx, int said)
{
    struct scene *scene = ctx;
    assert_true(said == 201 || said == 503);
    assert_int_equal(act_import(scene), 201);
    assert_int_equal(COUNT(scene->served->fixture, "SELECT count(*) FROM venue"), ++scene->rows);
    scene->run++;
    set_key(scene, "plan");
}

static void a_plan_is_imported_whole_or_not_at_all(void **state)
{
    struct scene scene;
    struct served *served = *state;
    scene_init(&scene, served);
    scene.rows = COUNT(served->fixture, "SELECT count(*) FROM venue");
    check_import(&scene, act_import(&scene));
    sweep_run(&(struct sweep){act_import, check_import, &scene, 100});
    assert_int_equal(venue_remove_orphans(served->fixture->tickets->writer, INT64_MAX), ERR_OK);
    assert_int_equal(COUNT(served->fixture, "SELECT count(*) FROM venue_seat WHERE venue_id <> 5"),
                     RIG_SEATS * (scene.rows - 1));
}

/* --- Jobs --- */

static struct sale_job job_now;

static int act_step(void *ctx)
{
    struct fixture *fixture = ctx;
    job_now.sales = &sales;
    job_now.job = (struct writer_job){.apply = sale_apply, .done = NULL};
    return (int)writer_run(fixture->tickets->writer, &job_now.job);
}

static void run_steps(struct fixture *fixture, enum sale_step until, uint32_t first)
{
    job_now = (struct sale_job){.step = SALE_HOLD};
    job_now.hold.booking =
        (struct booking){.account_id = 7, .seat_count = 2, .seats = {{first, 0}, {first + 1, 0}}};
    while (job_now.step < until) {
        assert_int_equal(act_step(fixture), ERR_OK);
        job_now.step++;
    }
}

static int64_t rows_before;

#define ROWS "SELECT (SELECT count(*) FROM journal) + 1000000 * (SELECT sum(state) FROM booking)"

static void check_step(void *ctx, int said)
{
    struct fixture *fixture = ctx;
    enum sale_step step = job_now.step;
    assert_true(said == ERR_OK || said == ERR_NOMEM || said == ERR_IO);
    if (said != ERR_OK) {
        assert_int_equal(COUNT(fixture, ROWS), rows_before);
        assert_int_equal(act_step(fixture), ERR_OK);
    }
    assert_true(COUNT(fixture, ROWS) != rows_before);
    if (step < SALE_REFUND) { /* places are free again for the next run */
        for (job_now.step++; job_now.step <= SALE_REFUND; job_now.step++)
            assert_int_equal(act_step(fixture), ERR_OK);
    }
    run_steps(fixture, step, 0);
    rows_before = COUNT(fixture, ROWS);
}

static void each_step_of_a_sale_is_taken_whole_or_not_at_all(void **state)
{
    struct fixture *fixture = *state;
    sales_init(&sales, fixture);
    for (enum sale_step step = SALE_HOLD; step <= SALE_REFUND; step++) {
        run_steps(fixture, step, 0);
        rows_before = COUNT(fixture, ROWS);
        sweep_run(&(struct sweep){act_step, check_step, fixture, 5});
        assert_int_equal(sales_audit(fixture->reader, true), 0);
        while (step > SALE_HOLD &&
               job_now.step <= SALE_REFUND) { /* the one begun for the next run */
            assert_int_equal(act_step(fixture), ERR_OK);
            job_now.step++;
        }
    }
}

/* Not even the first transaction that must be rolled back may need memory for that. */
static void the_writer_goes_on_after_memory_was_out(void **state)
{
    struct fixture *fixture = *state;
    sales_init(&sales, fixture);
    job_now = (struct sale_job){.step = SALE_HOLD};
    job_now.hold.booking = (struct booking){.account_id = 7, .seat_count = 1};
    memory_run_out(1, true);
    int said = act_step(fixture);
    assert_true(memory_is_back() > 0);
    assert_int_equal(said, ERR_NOMEM);
    assert_int_equal(act_step(fixture), ERR_OK);
    assert_int_equal(sales_audit(fixture->reader, true), 0);
}

/* --- The start --- */

static struct tickets *started;

static int act_start(void *ctx)
{
    struct fixture *fixture = ctx;
    started = NULL;
    return (int)tickets_new(&fixture->config, &started);
}

static void check_start(void *ctx, int said)
{
    (void)ctx;
    assert_true(said == ERR_OK || said == ERR_NOMEM || said == ERR_IO);
    assert_true((said == ERR_OK) == (started != NULL));
    if (started)
        writer_stop(started->writer);
    tickets_free(started);
}

static void a_start_without_memory_fails_cleanly(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    sweep_run(&(struct sweep){act_start, check_start, fixture, 100});
    fixture_open(fixture);
    assert_int_equal(sales_audit(fixture->reader, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_writer_goes_on_after_memory_was_out, fixture_setup,
                                        fixture_teardown),
        served_test(a_hold_is_made_once_or_refused),
        served_test(what_is_read_is_whole_or_refused),
        served_test(a_refund_is_made_once_or_refused),
        served_test(a_plan_is_imported_whole_or_not_at_all),
        cmocka_unit_test_setup_teardown(each_step_of_a_sale_is_taken_whole_or_not_at_all,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_start_without_memory_fails_cleanly, fixture_setup,
                                        fixture_teardown),
    };
    memory_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
