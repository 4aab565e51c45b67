#include "store/writer_fixture.h"

#include "store/db_internal.h"

#include <signal.h>
#include <sys/wait.h>

static struct writer_stats stats_of(struct bench *bench)
{
    struct writer_stats stats;
    writer_stats(bench->writer, &stats);
    return stats;
}

static void assert_committed(const struct test_job *job)
{
    assert_int_equal(job->outcome, ERR_OK);
    assert_int_equal(job->committed_rows, 1);
}

static void assert_refused(const struct test_job *job, enum err outcome)
{
    assert_int_equal(job->outcome, outcome);
    assert_int_equal(job->committed_rows, 0);
}

static void assert_events(const struct bench *bench, const int *expected, size_t count)
{
    assert_int_equal(bench->events_count, count);
    assert_memory_equal(bench->events, expected, count * sizeof(*expected));
}

#define ASSERT_EVENTS(bench, ...)                                                                  \
    assert_events((bench), (const int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

/* ---- groups that go well ---- */

static void test_answers_leave_after_the_commit_and_effects_before_them(void **state)
{
    struct bench *bench = *state;
    struct test_job jobs[3];
    for (int i = 0; i < 3; i++) {
        jobs[i] = make_job(bench, i + 1, NULL);
    }
    assert_ok(writer_start(bench->writer));
    run_as_group(bench, jobs, 3);
    for (int i = 0; i < 3; i++) {
        assert_committed(&jobs[i]);
        assert_int_equal(jobs[i].applied, 1);
    }
    ASSERT_EVENTS(bench, -1000, 1000, -1, -2, -3, 1, 2, 3);
    struct writer_stats stats = stats_of(bench);
    assert_int_equal(stats.jobs, 4);
    assert_int_equal(stats.groups, 2);
    assert_int_equal(stats.failed_groups, 0);
    assert_int_equal(stats.queue_length, 0);
    assert_true(stats.commit_ns_total > 0);
}

static void test_a_group_has_one_time_and_rising_ids(void **state)
{
    struct bench *bench = *state;
    struct test_job jobs[20];
    for (int i = 0; i < 20; i++) {
        jobs[i] = make_job(bench, i + 1, NULL);
    }
    assert_ok(writer_start(bench->writer));
    int64_t before_ms = clock_now_ms();
    run_as_group(bench, jobs, 20);
    assert_in_range(jobs[0].now_ms, before_ms, clock_now_ms());
    for (int i = 1; i < 20; i++) {
        assert_int_equal(jobs[i].now_ms, jobs[0].now_ms);
        assert_true(jobs[i].made_id > jobs[i - 1].made_id);
    }
}

static void test_more_jobs_than_a_group_takes(void **state)
{
    struct bench *bench = *state;
    enum {
        COUNT = 2 * WRITER_GROUP_MAX + 10
    };
    static struct test_job jobs[COUNT];
    for (int i = 0; i < COUNT; i++) {
        jobs[i] = make_job(bench, i + 2000, NULL);
    }
    assert_ok(writer_start(bench->writer));
    run_as_group(bench, jobs, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_committed(&jobs[i]);
    }
    int group_max = db_is_pgsql(bench->reader) ? WRITER_GROUP_MAX_PGSQL : WRITER_GROUP_MAX;
    assert_int_equal(stats_of(bench).groups, 1 + (COUNT + group_max - 1) / group_max);
    writer_stop(bench->writer);
    assert_journal(bench->reader, COUNT + 1);
}

/* ---- jobs that fail ---- */

static enum err refuse(struct test_job *job, struct writer_tx *tx)
{
    (void)job;
    (void)tx;
    return ERR_CONFLICT;
}

static void test_a_failing_job_is_rolled_back_alone(void **state)
{
    struct bench *bench = *state;
    struct test_job jobs[] = {make_job(bench, 1, NULL), make_job(bench, 2, refuse),
                              make_job(bench, 3, NULL), make_job(bench, 1, NULL)};
    assert_ok(writer_start(bench->writer));
    run_as_group(bench, jobs, 4);
    assert_committed(&jobs[0]);
    assert_refused(&jobs[1], ERR_CONFLICT);
    assert_committed(&jobs[2]);
    assert_int_equal(jobs[3].outcome, ERR_CONFLICT); /* the database's own word */
    ASSERT_EVENTS(bench, -1000, 1000, -1, -3, 1, 2, 3, 1);
    assert_int_equal(stats_of(bench).failed_groups, 0);
    writer_stop(bench->writer);
    assert_journal(bench->reader, 3);
}

/* Without a savepoint nothing can be taken back of one job alone: the group runs again with them. */
static void test_what_a_job_wrote_is_undone_by_running_its_group_again(void **state)
{
    struct bench *bench = *state;
    struct test_job jobs[] = {make_job(bench, 1, NULL), make_job(bench, 2, refuse),
                              make_job(bench, 3, NULL)};
    bool is_pgsql = db_is_pgsql(bench->reader);
    assert_ok(writer_start(bench->writer));
    run_as_group(bench, jobs, 3);
    assert_int_equal(jobs[0].applied, is_pgsql ? 1 : 2);
    assert_int_equal(jobs[1].applied, is_pgsql ? 1 : 2);
    assert_int_equal(jobs[2].applied, 1);
    ASSERT_EVENTS(bench, -1000, 1000, -1, -3, 1, 2, 3);
    assert_int_equal(count_item(bench->reader, 2), 0);
    assert_int_equal(stats_of(bench).failed_groups, 0);
    writer_stop(bench->writer);
}

/* A gate, which is a group of its own, and a group with a refusal that has to be undone. How often its first
 * job ran: once where there were savepoints. */
static int run_with_refusal(struct bench *bench, int id)
{
    struct test_job jobs[] = {make_job(bench, id, NULL), make_job(bench, id + 1, refuse)};
    run_behind_gate(bench, id + 2, jobs, 2);
    assert_committed(&jobs[0]);
    assert_refused(&jobs[1], ERR_CONFLICT);
    return jobs[0].applied;
}

/* Where one job had to be undone others will follow: so many groups after it have savepoints, in which a
 * refusal costs the others nothing. Then the writer tries without again. */
static void test_groups_after_a_repeated_one_are_careful(void **state)
{
    SQLITE_ONLY(); /* groups on PostgreSQL always have savepoints */
    struct bench *bench = *state;
    assert_ok(writer_start(bench->writer));
    int id = 1;
    assert_int_equal(run_with_refusal(bench, id), 2);
    for (int group = 2; group <= WRITER_CAREFUL_GROUPS; group += 2) {
        assert_int_equal(run_with_refusal(bench, id += 10), 1); /* up to and with the last one */
    }
    assert_int_equal(run_with_refusal(bench, id += 10), 2);
    struct test_job alone = make_job(bench, id += 10, NULL);
    assert_ok(writer_run(bench->writer, &alone.job));
    for (int group = 3; group < WRITER_CAREFUL_GROUPS; group += 2) {
        assert_int_equal(run_with_refusal(bench, id += 10), 1);
    }
    assert_int_equal(run_with_refusal(bench, id += 10), 2); /* the first behind the last one */
    assert_int_equal(stats_of(bench).failed_groups, 0);
    writer_stop(bench->writer);
}

/* Refused before it writes anything, which is how most are refused. */
static enum err refuse_first(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct test_job *job = container_of(writer_job, struct test_job, job);
    struct test_effect *effect = writer_effect(tx, on_effect, sizeof(*effect));
    job->applied++;
    assert_non_null(effect);
    *effect = (struct test_effect){job->bench, job->id};
    return ERR_CONFLICT;
}

static void test_a_job_that_wrote_nothing_costs_its_group_nothing(void **state)
{
    struct bench *bench = *state;
    struct test_job jobs[] = {make_job(bench, 1, NULL), make_job(bench, 2, NULL),
                              make_job(bench, 3, NULL)};
    jobs[1].job.apply = refuse_first;
    assert_ok(writer_start(bench->writer));
    run_as_group(bench, jobs, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(jobs[i].applied, 1);
    }
    assert_refused(&jobs[1], ERR_CONFLICT);
    ASSERT_EVENTS(bench, -1000, 1000, -1, -3, 1, 2, 3);
    writer_stop(bench->writer);
    assert_journal(bench->reader, 3);
}

static void test_a_job_that_fails_alone_leaves_nothing(void **state)
{
    struct bench *bench = *state;
    assert_ok(writer_start(bench->writer));
    struct test_job bad = make_job(bench, 1, refuse);
    assert_int_equal(writer_run(bench->writer, &bad.job), ERR_CONFLICT);
    assert_refused(&bad, ERR_CONFLICT);
    assert_int_equal(bad.applied, 1);
    struct test_job good = make_job(bench, 1, NULL);
    assert_ok(writer_run(bench->writer, &good.job));
    assert_committed(&good);
    ASSERT_EVENTS(bench, 1, -1, 1);
    assert_int_equal(stats_of(bench).failed_groups, 0);
    writer_stop(bench->writer);
    assert_journal(bench->reader, 1);
}

/* ---- lost transactions ---- */

static enum err kill_transaction(struct test_job *job, struct writer_tx *tx)
{
    SQL_PAIR(SQL_KILL, "INSERT OR ROLLBACK INTO item(id) VALUES($1)",
             "SELECT pg_terminate_backend(pg_backend_pid()) WHERE $1 > 0");
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_KILL);
    db_bind_i64(stmt, 1, job->id);
    return db_exec(stmt);
}

/* A careless job: goes on writing behind the lost transaction and says that all is well. */
static enum err kill_and_go_on(struct test_job *job, struct writer_tx *tx)
{
    enum err err = kill_transaction(job, tx);
    assert_int_equal(err, db_is_pgsql(tx->db) ? ERR_IO : ERR_CONFLICT);
    assert_int_equal(add_item(tx->db, 999), ERR_IO);
    return ERR_OK;
}

static void check_killer(struct bench *bench,
                         enum err (*killer)(struct test_job *, struct writer_tx *))
{
    struct test_job jobs[] = {make_job(bench, 1, NULL), make_job(bench, 2, killer),
                              make_job(bench, 3, NULL), make_job(bench, 4, refuse)};
    assert_ok(writer_start(bench->writer));
    run_as_group(bench, jobs, 4);
    assert_committed(&jobs[0]);
    assert_int_equal(jobs[0].applied, 2); /* once in the group that was lost */
    assert_refused(&jobs[1], ERR_IO);
    assert_committed(&jobs[2]);
    assert_int_equal(jobs[2].applied, 1);
    assert_refused(&jobs[3], ERR_CONFLICT);
    ASSERT_EVENTS(bench, -1000, 1000, -1, 1, 2, -3, 3, 4);
    assert_int_equal(stats_of(bench).failed_groups, 1);
    writer_stop(bench->writer);
    assert_int_equal(count_item(bench->reader, 999), 0);
    assert_journal(bench->reader, 3);
}

static void test_a_job_that_kills_the_transaction_fails_alone(void **state)
{
    check_killer(*state, kill_transaction);
}

static void test_nothing_is_written_behind_a_killed_transaction(void **state)
{
    check_killer(*state, kill_and_go_on);
}

static enum err fail_first_commit(struct test_job *job, struct writer_tx *tx)
{
    if (job->applied == 1) {
        db_fail_commits(tx->db, 1);
    }
    return ERR_OK;
}

static void test_a_failed_commit_is_repaired_one_by_one(void **state)
{
    struct bench *bench = *state;
    struct test_job jobs[] = {make_job(bench, 1, NULL), make_job(bench, 2, refuse),
                              make_job(bench, 3, fail_first_commit)};
    assert_ok(writer_start(bench->writer));
    run_as_group(bench, jobs, 3);
    assert_committed(&jobs[0]);
    assert_refused(&jobs[1], ERR_CONFLICT);
    assert_committed(&jobs[2]);
    /* SQLite runs those once more, because the refusal has to be undone. */
    int before = db_is_pgsql(bench->reader) ? 2 : 3;
    assert_int_equal(jobs[0].applied, before);
    assert_int_equal(jobs[1].applied, before);
    assert_int_equal(jobs[2].applied, 2);
    ASSERT_EVENTS(bench, -1000, 1000, -1, 1, 2, -3, 3);
    assert_int_equal(stats_of(bench).failed_groups, 1);
    writer_stop(bench->writer);
    assert_journal(bench->reader, 3);
}

static enum err fail_commits_from_here(struct test_job *job, struct writer_tx *tx)
{
    (void)job;
    db_fail_commits(tx->db, 1000);
    return ERR_OK;
}

static enum err mend_commits(struct test_job *job, struct writer_tx *tx)
{
    (void)job;
    db_fail_commits(tx->db, 0);
    return ERR_OK;
}

static void test_commits_that_keep_failing_are_told(void **state)
{
    struct bench *bench = *state;
    struct test_job jobs[] = {make_job(bench, 1, NULL), make_job(bench, 2, fail_commits_from_here),
                              make_job(bench, 3, NULL), make_job(bench, 4, NULL)};
    assert_ok(writer_start(bench->writer));
    run_as_group(bench, jobs, 4);
    for (int i = 0; i < 4; i++) {
        assert_refused(&jobs[i], ERR_IO);
    }
    ASSERT_EVENTS(bench, -1000, 1000, 1, 2, 3, 4);
    struct test_job after = make_job(bench, 5, mend_commits);
    assert_ok(writer_run(bench->writer, &after.job));
    assert_committed(&after);
    struct test_job again = make_job(bench, 1, NULL);
    assert_ok(writer_run(bench->writer, &again.job));
    assert_committed(&again);
    writer_stop(bench->writer);
    assert_journal(bench->reader, 3);
}

static enum err limit_pages(struct test_job *job, struct writer_tx *tx)
{
    (void)job;
    return db_script(tx->db, STR("PRAGMA max_page_count = 60"));
}

static enum err unlimit_pages(struct test_job *job, struct writer_tx *tx)
{
    (void)job;
    return db_script(tx->db, STR("PRAGMA max_page_count = 1000000"));
}

static enum err write_100_kb(struct test_job *job, struct writer_tx *tx)
{
    SQL(SQL_FILL, "UPDATE item SET name = zeroblob(100000) WHERE id = $1");
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_FILL);
    db_bind_i64(stmt, 1, job->id);
    return db_exec(stmt);
}

static void test_a_full_disk_fails_cleanly(void **state)
{
    SQLITE_ONLY();
    struct bench *bench = *state;
    assert_ok(writer_start(bench->writer));
    struct test_job first = make_job(bench, 100, limit_pages);
    assert_ok(writer_run(bench->writer, &first.job));
    struct test_job jobs[10];
    for (int i = 0; i < 10; i++) { /* small ones between large ones */
        jobs[i] = make_job(bench, i + 1, i % 2 ? write_100_kb : NULL);
    }
    run_as_group(bench, jobs, 10);
    int failed = 0;
    for (int i = 0; i < 10; i++) {
        if (jobs[i].outcome == ERR_OK) {
            assert_committed(&jobs[i]);
        } else {
            assert_refused(&jobs[i], ERR_IO);
            failed++;
        }
    }
    assert_in_range(failed, 3, 5); /* 60 pages hold two large ones */
    struct test_job last = make_job(bench, 101, unlimit_pages);
    assert_ok(writer_run(bench->writer, &last.job));
    struct test_job large = make_job(bench, 102, write_100_kb);
    assert_ok(writer_run(bench->writer, &large.job));
    writer_stop(bench->writer);
    assert_journal(bench->reader, (uint64_t)(14 - failed));
}

static enum err ask_too_much(struct test_job *job, struct writer_tx *tx)
{
    (void)job;
    (void)arena_alloc(tx->arena, (size_t)40 << 20); /* careless: goes on without it */
    return ERR_OK;
}

static enum err stage_too_much(struct test_job *job, struct writer_tx *tx)
{
    (void)job;
    assert_null(writer_effect(tx, on_effect, SIZE_MAX));
    assert_null(writer_effect(tx, on_effect, (size_t)32 << 20));
    return ERR_OK;
}

static enum err use_a_lot(struct test_job *job, struct writer_tx *tx)
{
    (void)job;
    return arena_alloc(tx->arena, (size_t)20 << 20) ? ERR_OK : ERR_NOMEM;
}

static void test_memory_is_a_matter_of_each_job(void **state)
{
    struct bench *bench = *state;
    struct test_job jobs[] = {make_job(bench, 1, use_a_lot), make_job(bench, 2, ask_too_much),
                              make_job(bench, 3, use_a_lot), make_job(bench, 4, stage_too_much),
                              make_job(bench, 5, NULL)};
    assert_ok(writer_start(bench->writer));
    run_as_group(bench, jobs, 5);
    assert_committed(&jobs[0]);
    assert_refused(&jobs[1], ERR_NOMEM);
    assert_committed(&jobs[2]); /* both fit, though not together */
    assert_refused(&jobs[3], ERR_NOMEM);
    assert_committed(&jobs[4]);
    ASSERT_EVENTS(bench, -1000, 1000, -1, 1, 2, -3, 3, 4, -5, 5);
}

/* ---- the queue ---- */

static void count_closed(struct writer_job *writer_job, enum err outcome)
{
    struct test_job *job = container_of(writer_job, struct test_job, job);
    job->outcome = outcome;
}

static void test_a_full_queue_refuses_all_but_internal_work(void **state)
{
    struct bench *bench = *state;
    struct test_job *jobs = calloc(WRITER_QUEUE_MAX, sizeof(*jobs));
    assert_non_null(jobs);
    for (int i = 0; i < WRITER_QUEUE_MAX; i++) {
        jobs[i] = make_job(bench, i, NULL);
        jobs[i].job.done = count_closed;
        assert_ok(writer_submit(bench->writer, &jobs[i].job));
    }
    struct test_job extra = make_job(bench, 1, NULL);
    struct test_job internal = make_job(bench, 2, NULL);
    assert_int_equal(writer_submit(bench->writer, &extra.job), ERR_FULL);
    assert_ok(writer_submit_internal(bench->writer, &internal.job));
    assert_int_equal(stats_of(bench).queue_length, WRITER_QUEUE_MAX + 1);
    /* It never ran, so everything that waits is told. */
    writer_stop(bench->writer);
    for (int i = 0; i < WRITER_QUEUE_MAX; i++) {
        assert_int_equal(jobs[i].outcome, ERR_CLOSED);
        assert_int_equal(jobs[i].applied, 0);
    }
    assert_refused(&internal, ERR_CLOSED);
    assert_int_equal(extra.outcome, ERR_AGAIN); /* never accepted, so never told */
    free(jobs);
}

static void test_stopping_runs_what_is_queued(void **state)
{
    struct bench *bench = *state;
    struct test_job jobs[5];
    for (int i = 0; i < 5; i++) {
        jobs[i] = make_job(bench, i + 1, NULL);
        assert_ok(writer_submit(bench->writer, &jobs[i].job)); /* before the start is fine */
    }
    assert_ok(writer_start(bench->writer));
    writer_stop(bench->writer);
    for (int i = 0; i < 5; i++) {
        assert_committed(&jobs[i]);
    }
    struct test_job late = make_job(bench, 6, NULL);
    assert_int_equal(writer_submit(bench->writer, &late.job), ERR_CLOSED);
    assert_int_equal(writer_submit_internal(bench->writer, &late.job), ERR_CLOSED);
    assert_int_equal(writer_run(bench->writer, &late.job), ERR_CLOSED);
    assert_int_equal(late.applied, 0);
    assert_int_equal(late.outcome, ERR_AGAIN); /* never accepted, so never told */
    writer_stop(bench->writer);
}

static void test_running_needs_a_started_writer(void **state)
{
    struct bench *bench = *state;
    struct test_job job = make_job(bench, 1, NULL);
    assert_int_equal(writer_run(bench->writer, &job.job), ERR_AGAIN);
    assert_int_equal(count_item(writer_db(bench->writer), 1), 0); /* free for loading */
    assert_ok(writer_start(bench->writer));
    job.job.done = NULL; /* optional here: the outcome is returned */
    assert_ok(writer_run(bench->writer, &job.job));
    assert_int_equal(writer_run(bench->writer, &job.job), ERR_CONFLICT);
}

/* ---- many threads ---- */

#define THREADS         4
#define JOBS_PER_THREAD 250

struct submitter {
    struct bench *bench;
    int first_id;
    int conflicts;
};

static void *submit_many(void *ctx)
{
    struct submitter *submitter = ctx;
    for (int i = 0; i < JOBS_PER_THREAD; i++) {
        struct test_job job = make_job(submitter->bench, submitter->first_id + i, NULL);
        enum err err = writer_run(submitter->bench->writer, &job.job);
        submitter->conflicts += err == ERR_CONFLICT;
        if (err != job.outcome || job.committed_rows != 1) {
            submitter->conflicts = -1000000;
        }
    }
    return NULL;
}

static void test_every_row_is_won_by_one_of_many_threads(void **state)
{
    struct bench *bench = *state;
    assert_ok(writer_start(bench->writer));
    pthread_t threads[THREADS];
    struct submitter submitters[THREADS];
    for (int i = 0; i < THREADS; i++) { /* each id is asked for by two of them */
        submitters[i] = (struct submitter){bench, 5000 + i / 2 * JOBS_PER_THREAD, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &submitters[i]), 0);
    }
    int conflicts = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        conflicts += submitters[i].conflicts;
    }
    assert_int_equal(conflicts, THREADS / 2 * JOBS_PER_THREAD);
    assert_int_equal(stats_of(bench).jobs, THREADS * JOBS_PER_THREAD);
    writer_stop(bench->writer);
    assert_journal(bench->reader, THREADS / 2 * JOBS_PER_THREAD);
}

/* ---- life ---- */

static void test_what_cannot_be_opened_is_explained(void **state)
{
    struct bench *bench = *state;
    struct writer *writer = NULL;
    assert_int_equal(writer_new(bench->fixture->dir, TEST_SERVICE, &writer), ERR_IO);
    assert_non_null(strstr(writer_failure(), bench->fixture->dir));
    run_script(writer_db(bench->writer),
               "INSERT INTO schema_migration VALUES(1, 'future', CAST('0' AS BLOB), 0)");
    assert_int_equal(writer_new(bench->fixture->path, TEST_SERVICE, &writer), ERR_DENIED);
    assert_non_null(strstr(writer_failure(), "older"));
    assert_null(writer);
    writer_free(NULL);
}

static uint64_t lease_until(struct db *db)
{
    return (uint64_t)query_i64(db, "SELECT until_id FROM id_lease WHERE node = 0");
}

static void test_committed_ids_are_below_the_lease(void **state)
{
    struct bench *bench = *state;
    db_fail_commits(writer_db(bench->writer), 1); /* a lost group's lease does not count */
    assert_ok(writer_start(bench->writer));
    struct test_job job = make_job(bench, 1, NULL);
    assert_ok(writer_run(bench->writer, &job.job));
    uint64_t until_id = lease_until(bench->reader);
    assert_true(until_id > job.made_id);
    struct test_job next = make_job(bench, 2, NULL);
    assert_ok(writer_run(bench->writer, &next.job));
    assert_true(lease_until(bench->reader) == until_id); /* not written each time */
    writer_stop(bench->writer);
    assert_true(lease_until(bench->reader) == next.made_id); /* a clean stop gives the rest back */
}

static void test_ids_do_not_go_back_when_the_clock_does(void **state)
{
    struct bench *bench = *state;
    bench_close(bench);
    /* An earlier process, whose clock was an hour ahead, made ids up to here. */
    uint64_t until_id = id_at_ms(clock_now_ms() + 3600000) + 5;
    struct db *db = open_writer(bench->fixture);
    char text[160];
    (void)snprintf(text, sizeof(text),
                   "INSERT INTO id_lease VALUES(0, %llu)"
                   " ON CONFLICT (node) DO UPDATE SET until_id = excluded.until_id",
                   (unsigned long long)until_id);
    run_script(db, text);
    db_close(db);
    bench_open(bench);
    assert_true(id_next(writer_ids(bench->writer)) > until_id);
    assert_ok(writer_start(bench->writer));
    struct test_job job = make_job(bench, 1, NULL);
    assert_ok(writer_run(bench->writer, &job.job));
    assert_true(job.made_id > until_id);
    assert_true(lease_until(bench->reader) > job.made_id);
}

/* ---- kill -9 ---- */

static void told_by_pipe(struct writer_job *writer_job, enum err outcome)
{
    struct test_job *job = container_of(writer_job, struct test_job, job);
    assert_int_equal(outcome, ERR_OK);
    assert_int_equal(write(job->applied, &job->id, sizeof(job->id)), sizeof(job->id));
}

static enum err apply_counting(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct test_job *job = container_of(writer_job, struct test_job, job);
    enum err err = add_item(tx->db, job->id);
    return err == ERR_OK ? journal_append(tx->journal, 1, "item.added", STR("{}"), NULL) : err;
}

/* Writes without end and tells each acknowledged id to the pipe; killed from outside. */
static void write_until_killed(const struct fixture *fixture, int pipe_fd)
{
    enum {
        WINDOW = 64
    };
    static struct test_job jobs[WINDOW];
    struct writer *writer = NULL;
    if (writer_new(fixture->path, TEST_SERVICE, &writer) != ERR_OK ||
        writer_start(writer) != ERR_OK) {
        _exit(1);
    }
    for (int id = 1;; id += WINDOW) {
        for (int i = 0; i < WINDOW; i++) {
            jobs[i] = (struct test_job){.job = {.apply = apply_counting, .done = told_by_pipe},
                                        .id = id + i,
                                        .applied = pipe_fd};
            if (i + 1 < WINDOW && writer_submit(writer, &jobs[i].job) != ERR_OK) {
                _exit(2);
            }
        }
        if (writer_run(writer, &jobs[WINDOW - 1].job) != ERR_OK) {
            _exit(3);
        }
    }
}

static void test_what_was_acknowledged_survives_a_kill(void **state)
{
    struct bench *bench = *state;
    bench_close(bench);
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(pipe_fds[0]);
        write_until_killed(bench->fixture, pipe_fds[1]);
    }
    (void)close(pipe_fds[1]);
    int last_id = 0;
    for (int told = 0; told < 3000; told++) {
        int id;
        assert_int_equal(read(pipe_fds[0], &id, sizeof(id)), sizeof(id));
        assert_int_equal(id, last_id + 1);
        last_id = id;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    int id;
    while (read(pipe_fds[0], &id, sizeof(id)) == sizeof(id)) {
        last_id = id; /* told before it died */
    }
    (void)close(pipe_fds[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    bench_open(bench);
    int64_t rows = query_i64(bench->reader, "SELECT count(*) FROM item");
    assert_true(rows >= last_id);
    assert_int_equal(query_i64(bench->reader, "SELECT max(id) FROM item"), rows);
    assert_journal(bench->reader, (uint64_t)rows);
    assert_ok(writer_start(bench->writer));
    struct test_job job = make_job(bench, 1000000, NULL);
    assert_ok(writer_run(bench->writer, &job.job));
    assert_committed(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        bench_test(test_answers_leave_after_the_commit_and_effects_before_them),
        bench_test(test_a_group_has_one_time_and_rising_ids),
        bench_test(test_more_jobs_than_a_group_takes),
        bench_test(test_a_failing_job_is_rolled_back_alone),
        bench_test(test_what_a_job_wrote_is_undone_by_running_its_group_again),
        bench_test(test_groups_after_a_repeated_one_are_careful),
        bench_test(test_a_job_that_wrote_nothing_costs_its_group_nothing),
        bench_test(test_a_job_that_fails_alone_leaves_nothing),
        bench_test(test_a_job_that_kills_the_transaction_fails_alone),
        bench_test(test_nothing_is_written_behind_a_killed_transaction),
        bench_test(test_a_failed_commit_is_repaired_one_by_one),
        bench_test(test_commits_that_keep_failing_are_told),
        bench_test(test_a_full_disk_fails_cleanly),
        bench_test(test_memory_is_a_matter_of_each_job),
        bench_test(test_a_full_queue_refuses_all_but_internal_work),
        bench_test(test_stopping_runs_what_is_queued),
        bench_test(test_running_needs_a_started_writer),
        bench_test(test_every_row_is_won_by_one_of_many_threads),
        bench_test(test_what_cannot_be_opened_is_explained),
        bench_test(test_committed_ids_are_below_the_lease),
        bench_test(test_ids_do_not_go_back_when_the_clock_does),
        bench_test(test_what_was_acknowledged_survives_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
