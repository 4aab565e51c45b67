/* The writer on PostgreSQL: groups that lose to others or to the network, and several writers on one database. */
#include "store/pgsql.h"
#include "store/writer_fixture.h"

#include "store/db_internal.h"

#define SHARD 1 /* of test_apply */

static struct writer_stats stats_of(struct writer *writer)
{
    struct writer_stats stats;
    writer_stats(writer, &stats);
    return stats;
}

static void assert_committed(const struct test_job *job)
{
    assert_int_equal(job->outcome, ERR_OK);
    assert_int_equal(job->committed_rows, 1);
}

#define ASSERT_EVENTS(bench, ...)                                                                  \
    do {                                                                                           \
        const int events[] = {__VA_ARGS__};                                                        \
        assert_int_equal((bench)->events_count, sizeof(events) / sizeof(events[0]));               \
        assert_memory_equal((bench)->events, events, sizeof(events));                              \
    } while (0)

/* ---- groups that lose ---- */

static const char *fall_state;

/* The first time a conflict with somebody else's transaction, later nothing. */
static enum err fall_once(struct test_job *job, struct writer_tx *tx)
{
    SQL(SQL_FALL, "SELECT fall($1)");
    if (job->applied > 1)
        return ERR_OK;
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_FALL);
    db_bind_str(stmt, 1, str_from_c(fall_state));
    enum err err = db_exec(stmt);
    assert_int_not_equal(err, ERR_OK);
    return err;
}

static void make_fall(struct bench *bench)
{
    run_script(writer_db(bench->writer),
               "CREATE FUNCTION fall(state text) RETURNS void LANGUAGE plpgsql AS"
               " 'BEGIN RAISE EXCEPTION USING ERRCODE = state; END'");
}

static void check_outrun(struct bench *bench, const char *state)
{
    make_fall(bench);
    fall_state = state;
    assert_ok(writer_start(bench->writer));
    struct test_job jobs[] = {make_job(bench, 1, NULL), make_job(bench, 2, fall_once),
                              make_job(bench, 3, NULL)};
    run_as_group(bench, jobs, 3);
    for (int i = 0; i < 3; i++) {
        assert_committed(&jobs[i]);
        /* Whole: from its first job on. The last had not had its turn when it fell. */
        assert_int_equal(jobs[i].applied, i < 2 ? 2 : 1);
    }
    ASSERT_EVENTS(bench, -1000, 1000, -1, -2, -3, 1, 2, 3);
    /* One that is alone, the same. */
    struct test_job alone = make_job(bench, 4, fall_once);
    assert_ok(writer_run(bench->writer, &alone.job));
    assert_committed(&alone);
    assert_int_equal(alone.applied, 2);
    assert_int_equal(stats_of(bench->writer).failed_groups, 2);
    writer_stop(bench->writer);
    assert_journal(bench->reader, 5);
}

static void test_a_group_that_fell_to_a_deadlock_runs_again_whole(void **state)
{
    PGSQL_ONLY();
    check_outrun(*state, "40P01");
}

static void test_a_group_that_could_not_be_serialized_runs_again_whole(void **state)
{
    PGSQL_ONLY();
    check_outrun(*state, "40001");
}

static enum err fall_always(struct test_job *job, struct writer_tx *tx)
{
    SQL(SQL_FALL_AGAIN, "SELECT fall('40001')");
    (void)job;
    return db_exec(db_stmt(tx->db, &SQL_FALL_AGAIN));
}

static void test_a_job_that_always_falls_is_told_and_its_neighbours_are_not_lost(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    make_fall(bench);
    assert_ok(writer_start(bench->writer));
    struct test_job jobs[] = {make_job(bench, 1, NULL), make_job(bench, 2, fall_always),
                              make_job(bench, 3, NULL)};
    run_as_group(bench, jobs, 3);
    assert_committed(&jobs[0]);
    assert_int_not_equal(jobs[1].outcome, ERR_OK);
    assert_int_equal(jobs[1].committed_rows, 0);
    assert_committed(&jobs[2]);
    assert_in_range(jobs[1].applied, 2, 20); /* not for ever */
    writer_stop(bench->writer);
    assert_journal(bench->reader, 3);
}

/* Two transactions that want each other's rows: PostgreSQL ends one of them. */
struct rival {
    struct db *db;
    sem_t has_first, may_go_on;
    enum err err;
};

SQL(SQL_TOUCH, "UPDATE item SET name = 'touched' WHERE id = $1");

static enum err touch(struct db *db, int64_t id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_TOUCH);
    db_bind_i64(stmt, 1, id);
    return db_exec(stmt);
}

/* Somebody's hand at the database, without the writers' locks. */
static void *take_rows_the_other_way(void *ctx)
{
    struct rival *rival = ctx;
    const struct db_locks elsewhere = {.count = 1, .shards = {999}};
    rival->err = db_begin_locked(rival->db, &elsewhere);
    if (rival->err == ERR_OK)
        rival->err = touch(rival->db, 12);
    sem_post(&rival->has_first);
    while (sem_wait(&rival->may_go_on) != 0)
        continue;
    if (rival->err == ERR_OK)
        rival->err = touch(rival->db, 11);
    db_rollback(rival->db);
    return NULL;
}

static struct rival *the_rival;

static enum err take_rows(struct test_job *job, struct writer_tx *tx)
{
    enum err err = touch(tx->db, 11);
    if (err == ERR_OK && job->applied == 1)
        sem_post(&the_rival->may_go_on);
    return err == ERR_OK ? touch(tx->db, 12) : err;
}

static void test_a_real_deadlock_is_survived(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    struct rival rival = {.db = open_writer(bench->fixture)};
    the_rival = &rival;
    sem_init(&rival.has_first, 0, 0);
    sem_init(&rival.may_go_on, 0, 0);
    run_script(rival.db, "INSERT INTO item VALUES(11, 'a'), (12, 'b')");
    assert_ok(writer_start(bench->writer));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take_rows_the_other_way, &rival), 0);
    assert_int_equal(sem_wait(&rival.has_first), 0);
    struct test_job jobs[] = {make_job(bench, 1, NULL), make_job(bench, 2, take_rows)};
    for (int i = 0; i < 2; i++)
        jobs[i].job.shard = SHARD;
    struct test_job gate = make_job(bench, 1000, wait_at_gate);
    gate.job.shard = SHARD;
    assert_ok(writer_submit(bench->writer, &gate.job));
    assert_int_equal(sem_wait(&bench->gate_reached), 0);
    for (int i = 0; i < 2; i++)
        assert_ok(writer_submit(bench->writer, &jobs[i].job));
    assert_int_equal(sem_post(&bench->gate_open), 0);
    wait_done(bench, 3);
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* Whoever was the victim: the rival, or the group, which ran again. */
    for (int i = 0; i < 2; i++)
        assert_committed(&jobs[i]);
    assert_true(rival.err == ERR_OK || rival.err == ERR_AGAIN);
    assert_true(rival.err == ERR_AGAIN || jobs[0].applied > 1);
    writer_stop(bench->writer);
    assert_int_equal(query_i64(bench->reader, "SELECT count(*) FROM item WHERE name = 'touched'"),
                     2);
    assert_journal(bench->reader, 3);
    db_close(rival.db);
}

/* ---- groups and locks ---- */

static enum err append_elsewhere(struct test_job *job, struct writer_tx *tx)
{
    assert_int_equal(journal_append(tx->journal, SHARD + 1, "item.added", STR("{}"), NULL),
                     job->job.shard ? ERR_DENIED : ERR_OK);
    return ERR_OK;
}

static void test_a_job_may_append_only_to_its_own_shard(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    assert_ok(writer_start(bench->writer));
    struct test_job narrow = make_job(bench, 1, append_elsewhere);
    narrow.job.shard = SHARD;
    assert_ok(writer_run(bench->writer, &narrow.job));
    struct test_job wide = make_job(bench, 2, append_elsewhere);
    assert_ok(writer_run(bench->writer, &wide.job));
    writer_stop(bench->writer);
    assert_journal(bench->reader, 3);
}

static void test_a_group_has_few_enough_savepoints(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    enum {
        COUNT = 130
    };
    static struct test_job jobs[COUNT];
    run_script(writer_db(bench->writer),
               "CREATE TABLE made(id BIGINT PRIMARY KEY, xid BIGINT NOT NULL);"
               "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO made"
               " VALUES(NEW.id, CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT));"
               " RETURN NEW; END';"
               "CREATE TRIGGER note BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION note()");
    assert_ok(writer_start(bench->writer));
    for (int i = 0; i < COUNT; i++)
        jobs[i] = make_job(bench, i + 1, NULL);
    run_as_group(bench, jobs, COUNT);
    writer_stop(bench->writer);
    assert_int_equal(query_i64(bench->reader, "SELECT max(n) FROM (SELECT count(*) AS n FROM made"
                                              " GROUP BY xid) AS groups"),
                     WRITER_GROUP_MAX_PGSQL);
    assert_int_equal(query_i64(bench->reader, "SELECT count(*) FROM made"), COUNT + 1);
}

/* ---- lost connections ---- */

static _Atomic int doubts;

static void on_doubt(void *ctx)
{
    (void)ctx;
    doubts++;
}

/* The session that commits item 2 ends in the middle of it. */
static void make_deadly(struct db *db)
{
    run_script(db,
               "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
               " PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60);"
               " RETURN NEW; END';"
               "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED"
               " FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION die()");
}

static void test_a_commit_without_an_answer_is_told_and_not_tried_again(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    doubts = 0;
    writer_on_doubt(bench->writer, on_doubt, NULL);
    make_deadly(writer_db(bench->writer));
    assert_ok(writer_start(bench->writer));
    struct test_job jobs[] = {make_job(bench, 1, NULL), make_job(bench, 2, NULL),
                              make_job(bench, 3, NULL)};
    run_as_group(bench, jobs, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(jobs[i].outcome, ERR_IO);
        assert_int_equal(jobs[i].applied, 1);
        assert_int_equal(jobs[i].committed_rows, 0);
    }
    ASSERT_EVENTS(bench, -1000, 1000, 1, 2, 3); /* no effect of it */
    assert_true(doubts > 0);
    struct test_job after = make_job(bench, 4, NULL);
    assert_ok(writer_run(bench->writer, &after.job));
    assert_committed(&after);
    writer_stop(bench->writer);
    assert_journal(bench->reader, 2);
}

#define THREADS         4
#define JOBS_PER_THREAD 150
#define ENDS            12

struct client {
    struct bench *bench;
    struct writer *writer;
    int first_id;
    bool is_acknowledged[JOBS_PER_THREAD];
};

/* Its own reader may be lost, too: what is there is looked at in the end. */
static void told(struct writer_job *writer_job, enum err outcome)
{
    struct test_job *job = container_of(writer_job, struct test_job, job);
    job->outcome = outcome;
}

static enum err apply_without_effect(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct test_job *job = container_of(writer_job, struct test_job, job);
    enum err err = add_item(tx->db, job->id);
    job->made_id = id_next(tx->ids);
    return err == ERR_OK
               ? journal_append(tx->journal, job->job.shard, "item.added", STR("{}"), NULL)
               : err;
}

static void *submit_many(void *ctx)
{
    struct client *client = ctx;
    for (int i = 0; i < JOBS_PER_THREAD; i++) {
        struct test_job job = {.job = {.apply = apply_without_effect, .done = told, .shard = SHARD},
                               .id = client->first_id + i};
        client->is_acknowledged[i] = writer_run(client->writer, &job.job) == ERR_OK;
    }
    return NULL;
}

static void assert_acknowledged_is_there(struct db *db, const struct client *clients, size_t count)
{
    for (size_t c = 0; c < count; c++) {
        for (int i = 0; i < JOBS_PER_THREAD; i++) {
            if (clients[c].is_acknowledged[i])
                assert_int_equal(count_item(db, clients[c].first_id + i), 1);
        }
    }
    assert_journal(db, (uint64_t)query_i64(db, "SELECT count(*) FROM item"));
}

static void test_what_was_acknowledged_survives_lost_connections(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    struct db *admin = open_admin(bench->fixture);
    assert_ok(writer_start(bench->writer));
    pthread_t threads[THREADS];
    static struct client clients[THREADS];
    for (int i = 0; i < THREADS; i++) {
        clients[i] = (struct client){
            .bench = bench, .writer = bench->writer, .first_id = 1 + i * JOBS_PER_THREAD};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &clients[i]), 0);
    }
    int64_t ended = 0;
    for (int i = 0; i < ENDS; i++) {
        int64_t rows = query_i64(admin, "SELECT count(*) FROM item");
        ended += end_sessions(admin, bench->fixture, "writer");
        int64_t until_ns = clock_mono_ns() + PGSQL_WAIT_NS;
        while (query_i64(admin, "SELECT count(*) FROM item") == rows &&
               stats_of(bench->writer).jobs < THREADS * JOBS_PER_THREAD) {
            assert_true(clock_mono_ns() < until_ns);
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        }
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(ended > 0);
    writer_stop(bench->writer);
    assert_acknowledged_is_there(admin, clients, THREADS);
    db_close(admin);
}

/* ---- several writers ---- */

static void test_two_writers_make_one_chain_and_no_id_twice(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    struct writer *other = NULL;
    assert_ok(writer_new(bench->fixture->path, TEST_SERVICE, &other));
    assert_int_not_equal(writer_ids(other)->node, writer_ids(bench->writer)->node);
    assert_ok(writer_start(bench->writer));
    assert_ok(writer_start(other));
    pthread_t threads[THREADS];
    static struct client clients[THREADS];
    for (int i = 0; i < THREADS; i++) { /* each row is asked for on both */
        clients[i] = (struct client){.bench = bench,
                                     .writer = i % 2 ? other : bench->writer,
                                     .first_id = 1 + i / 2 * JOBS_PER_THREAD};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &clients[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    writer_stop(bench->writer);
    writer_stop(other);
    for (int i = 0; i < THREADS; i += 2) {
        for (int n = 0; n < JOBS_PER_THREAD; n++)
            assert_int_equal(clients[i].is_acknowledged[n] + clients[i + 1].is_acknowledged[n], 1);
    }
    assert_acknowledged_is_there(bench->reader, clients, THREADS);
    assert_int_equal(query_i64(bench->reader, "SELECT count(*) FROM item"),
                     THREADS / 2 * JOBS_PER_THREAD);
    writer_free(other);
}

/* Its ids may be ahead of the clock; whoever has the number after it must begin above them. */
static void test_a_stop_without_the_connection_leaves_the_next_ones_lease_alone(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    make_deadly(writer_db(bench->writer));
    assert_ok(writer_start(bench->writer));
    struct test_job first = make_job(bench, 1, NULL), last = make_job(bench, 2, NULL);
    assert_ok(writer_run(bench->writer, &first.job));
    assert_int_not_equal(writer_run(bench->writer, &last.job), ERR_OK);
    struct writer *other = NULL; /* takes the number before the next look at the connection */
    assert_ok(writer_new(bench->fixture->path, TEST_SERVICE, &other));
    uint64_t begin_id = atomic_load(&writer_ids(other)->last);
    uint32_t node = writer_ids(other)->node;
    writer_stop(bench->writer);
    SQL(SQL_LEASE, "SELECT until_id FROM id_lease WHERE node = $1");
    struct db_stmt *stmt = db_stmt(bench->reader, &SQL_LEASE);
    db_bind_i64(stmt, 1, node);
    int64_t until_id = 0;
    enum err err = db_get_i64(stmt, &until_id);
    assert_true(err == ERR_OK || (err == ERR_NOT_FOUND && begin_id == 0));
    assert_true((uint64_t)until_id >= begin_id);
    writer_free(other);
}

static void test_ids_are_as_late_as_their_transaction(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    assert_ok(writer_start(bench->writer));
    int64_t before_ms = clock_now_ms();
    struct clock_reading slow = {.other_ms = before_ms - 600000, .mono_ns = clock_mono_ns()};
    (void)clock_follow(&slow); /* as after a pause of the machine */
    struct test_job job = make_job(bench, 1, NULL);
    assert_ok(writer_run(bench->writer, &job.job));
    clock_follow_own();
    assert_true(id_time_ms(job.made_id) >= before_ms - 5000);
    writer_stop(bench->writer);
}

static void await_steward(const struct writer *writer)
{
    int64_t until_ns = clock_mono_ns() + PGSQL_WAIT_NS;
    while (!writer_is_steward(writer)) {
        assert_true(clock_mono_ns() < until_ns);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

static void test_one_writer_is_the_steward_and_another_when_it_is_gone(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    struct writer *other = NULL;
    assert_ok(writer_start(bench->writer));
    await_steward(bench->writer);
    assert_ok(writer_new(bench->fixture->path, TEST_SERVICE, &other));
    assert_ok(writer_start(other));
    for (int id = 1; id <= 20; id++) {
        struct test_job job = make_job(bench, id, NULL);
        assert_ok(writer_run(id % 2 ? other : bench->writer, &job.job));
        assert_true(writer_is_steward(bench->writer));
        assert_false(writer_is_steward(other));
    }
    writer_free(bench->writer);
    bench->writer = NULL;
    await_steward(other);
    writer_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        bench_test(test_a_group_that_fell_to_a_deadlock_runs_again_whole),
        bench_test(test_a_group_that_could_not_be_serialized_runs_again_whole),
        bench_test(test_a_job_that_always_falls_is_told_and_its_neighbours_are_not_lost),
        bench_test(test_a_real_deadlock_is_survived),
        bench_test(test_a_job_may_append_only_to_its_own_shard),
        bench_test(test_a_group_has_few_enough_savepoints),
        bench_test(test_a_commit_without_an_answer_is_told_and_not_tried_again),
        bench_test(test_what_was_acknowledged_survives_lost_connections),
        bench_test(test_two_writers_make_one_chain_and_no_id_twice),
        bench_test(test_a_stop_without_the_connection_leaves_the_next_ones_lease_alone),
        bench_test(test_ids_are_as_late_as_their_transaction),
        bench_test(test_one_writer_is_the_steward_and_another_when_it_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
