/* Expiry under trouble: a full writer queue, a disk that refuses commits, more overdue holds than
 * one read of the backstop takes; and the undoing of a cancelled event after such a disk. */
#include "fixture.h"

#include "store/db_internal.h"
#include "tickets/event_cancel.h"
#include "tickets/expiry.h"
#include "tickets/limits.h"

#include <semaphore.h>

#define WAIT_NS ((int64_t)60 * 1000000000)

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* As fixture_count, but with a statement that is prepared once: these are asked again and again. */
static struct sql claims_sql = {.text = "SELECT COUNT(*) FROM seat_claim"};
static struct sql open_sql = {.text = "SELECT COUNT(*) FROM booking WHERE state = 1"};

static int64_t count(struct fixture *fixture, struct sql *sql)
{
    int64_t value = -1;
    assert_int_equal(db_get_i64(db_stmt(fixture->reader, sql), &value), ERR_OK);
    return value;
}

/* Until the claims are gone or the time is over. The test clock goes step_ms further each time; then
 * a busy machine is given a while that is too short for the backstop to come. */
static int64_t wait_for_no_claims(struct fixture *fixture, int steps, int64_t step_ms)
{
    int64_t claims = -1;
    for (int i = 0; i < steps + 400 && claims != 0; i++) {
        if (i < steps)
            clock_advance_ms(step_ms);
        pause_ms(20);
        claims = count(fixture, &claims_sql);
    }
    return claims;
}

/* --- A full queue --- */

struct crowd {
    struct writer_job gate;
    sem_t is_reached, is_open;
    struct writer_job *others;
};

static enum err gate_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)tx;
    struct crowd *crowd = container_of(job, struct crowd, gate);
    sem_post(&crowd->is_reached);
    while (sem_wait(&crowd->is_open) != 0)
        continue;
    return ERR_OK;
}

static enum err other_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job, (void)tx;
    return ERR_OK;
}

/* The writer waits at the gate, and its queue is full. */
static void crowd_gather(struct fixture *fixture, struct crowd *crowd)
{
    struct writer *writer = fixture->tickets->writer;
    crowd->gate = (struct writer_job){.apply = gate_apply, .done = fixture_done};
    sem_init(&crowd->is_reached, 0, 0);
    sem_init(&crowd->is_open, 0, 0);
    crowd->others = calloc(WRITER_QUEUE_MAX, sizeof(*crowd->others));
    assert_non_null(crowd->others);
    assert_int_equal(writer_submit(writer, &crowd->gate), ERR_OK);
    assert_int_equal(sem_wait(&crowd->is_reached), 0);
    for (size_t i = 0; i < WRITER_QUEUE_MAX; i++) {
        crowd->others[i] = (struct writer_job){.apply = other_apply, .done = fixture_done};
        assert_int_equal(writer_submit(writer, &crowd->others[i]), ERR_OK);
    }
}

static size_t queue_length(struct fixture *fixture)
{
    struct writer_stats stats;
    writer_stats(fixture->tickets->writer, &stats);
    return stats.queue_length;
}

static void a_full_queue_does_not_keep_holds_from_expiring(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    struct crowd crowd;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(expiry_start(fixture->tickets->expiry), ERR_OK);
    crowd_gather(fixture, &crowd);
    clock_advance_ms(FIXTURE_TTL_S * 1000 + 1);
    for (int i = 0; i < 20000 && queue_length(fixture) <= WRITER_QUEUE_MAX; i++)
        pause_ms(1);
    size_t length = queue_length(fixture);
    sem_post(&crowd.is_open);
    assert_int_equal(length, WRITER_QUEUE_MAX + 1);
    /* Long before the backstop would find it. */
    assert_int_equal(wait_for_no_claims(fixture, 1000, 0), 0);
    free(crowd.others);
}

/* --- Another clock --- */

static uint64_t jobs_run(struct fixture *fixture)
{
    struct writer_stats stats;
    writer_stats(fixture->tickets->writer, &stats);
    return stats.jobs;
}

/* The hold lasts longer than the timer knew, or the clock that counts is behind ours. */
static void a_timer_that_fired_too_early_fires_again(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(expiry_start(fixture->tickets->expiry), ERR_OK);
    fixture_sql(fixture, "UPDATE booking SET expires_at = expires_at + 10000");
    uint64_t jobs = jobs_run(fixture);
    clock_advance_ms(FIXTURE_TTL_S * 1000 + 1);
    for (int i = 0; i < 20000 && jobs_run(fixture) == jobs; i++)
        pause_ms(1);
    assert_true(jobs_run(fixture) > jobs);
    fixture_sql(fixture, "UPDATE booking SET state = state"); /* behind it: it has ended */
    assert_int_equal(count(fixture, &open_sql), 1);
    clock_advance_ms(10000); /* the backstop would want 30 s */
    assert_int_equal(wait_for_no_claims(fixture, 1000, 0), 0);
}

/* --- A full disk --- */

struct fail_commits {
    struct writer *writer;
    unsigned count;
};

static void fail_commits_run(void *data)
{
    struct fail_commits *fail = data;
    db_fail_commits(writer_db(fail->writer), fail->count);
}

/* From the end of this job on. */
static enum err stage_fail_commits(struct fixture *fixture, struct writer_tx *tx, unsigned count)
{
    struct fail_commits *fail = writer_effect(tx, fail_commits_run, sizeof(*fail));
    if (!fail)
        return ERR_NOMEM;
    *fail = (struct fail_commits){fixture->tickets->writer, count};
    return ERR_OK;
}

static enum err fail_commits_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    return stage_fail_commits(fixture, tx, *(unsigned *)ctx);
}

static void holds_expire_soon_after_the_disk_takes_writes_again(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    /* The batch as a group and alone, the same for the booking on its own, and once more. */
    unsigned commits = 6;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(expiry_start(fixture->tickets->expiry), ERR_OK);
    assert_int_equal(fixture_write(fixture, fail_commits_fn, &commits), ERR_OK);
    clock_advance_ms(FIXTURE_TTL_S * 1000 + 1);
    /* At most 20 s of the clock: the backstop looks for what is overdue by 30 s. */
    assert_int_equal(wait_for_no_claims(fixture, 80, 250), 0);
}

/* --- The backstop --- */

/* Until at most that many bookings are open. */
static void wait_for_open(struct fixture *fixture, int64_t at_most)
{
    int64_t until_ns = clock_mono_ns() + WAIT_NS;
    while (count(fixture, &open_sql) > at_most) {
        assert_true(clock_mono_ns() < until_ns);
        pause_ms(5);
    }
}

static void a_backstop_that_found_its_fill_goes_on_soon(void **state)
{
    struct fixture *fixture = *state;
    char sql[1024];
    int64_t open = 2 * BACKSTOP_ROWS_MAX + 500;
    assert_int_equal(expiry_start(fixture->tickets->expiry), ERR_OK);
    /* Without timers: as after an overflow of the heap, or of another node that died. */
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %lld) "
             "INSERT INTO booking (event_id, id, account_id, state, created_at, expires_at, amount,"
             " currency, seats, areas, places, key_hash, body_hash) SELECT %d, i, i, 1, 0, %lld, 0,"
             " 'EUR', '[]', '[]', 1, zeroblob(16), zeroblob(16) FROM n",
             (long long)open, FIXTURE_EVENT, (long long)(clock_now_ms() - BACKSTOP_OVERDUE_MS));
    fixture_sql(fixture, sql);
    clock_advance_ms(BACKSTOP_INTERVAL_MS);
    /* What one look found is worked off before the clock goes on to the next. */
    for (open -= BACKSTOP_ROWS_MAX; open > 0; open -= BACKSTOP_ROWS_MAX) {
        wait_for_open(fixture, open);
        clock_advance_ms(BACKSTOP_AGAIN_MS);
    }
    wait_for_open(fixture, 0);
}

/* --- Cancelled events --- */

/* Effects run in their order: the walk is queued, then the disk is full. */
static enum err cancel_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    (void)ctx;
    enum err err = event_cancel_stage(fixture->tickets, tx, FIXTURE_EVENT);
    return err ? err : stage_fail_commits(fixture, tx, 2);
}

static void a_cancelled_event_is_undone_after_the_disk_was_full(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(fixture_write(fixture, cancel_fn, NULL), ERR_OK);
    for (int i = 0; i < 20000 && !atomic_load(&fixture->tickets->has_stalled_cancels); i++)
        pause_ms(1);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM seat_claim"), 2);
    assert_true(atomic_load(&fixture->tickets->has_stalled_cancels));
    event_cancel_retry(fixture->tickets);
    assert_int_equal(wait_for_no_claims(fixture, 1000, 0), 0);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM event_cancel"), 0);
    assert_false(atomic_load(&fixture->tickets->has_stalled_cancels));
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    expiry_stop(fixture->tickets->expiry);
    return fixture_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_queue_does_not_keep_holds_from_expiring),
        TEST(a_timer_that_fired_too_early_fires_again),
        TEST(holds_expire_soon_after_the_disk_takes_writes_again),
        TEST(a_backstop_that_found_its_fill_goes_on_soon),
        TEST(a_cancelled_event_is_undone_after_the_disk_was_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
