/* A writer over a database with a table of items and a journal, and jobs that record what happens
 * to them. */
#ifndef TESTS_STORE_WRITER_FIXTURE_H
#define TESTS_STORE_WRITER_FIXTURE_H

#include "store/fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "store/writer.h"

/* A service without migrations: the tables are made by the test. */
#define TEST_SERVICE "none"
#define EVENTS_MAX   4096

struct bench {
    struct fixture *fixture;
    struct writer *writer;
    struct db *reader; /* of the writer thread once it runs: looks at what is committed in done() */
    sem_t gate_reached;
    sem_t gate_open;
    sem_t done;
    /* What happened, in order: the job's number, negative for an effect. Writer thread only. */
    int events[EVENTS_MAX];
    size_t events_count;
};

struct test_job {
    struct writer_job job;
    struct bench *bench;
    int id;
    enum err (*body)(struct test_job *job, struct writer_tx *tx); /* after its row; may be NULL */
    int applied;                                                  /* how often */
    enum err outcome;
    int64_t committed_rows; /* of this job, seen by another connection in done() */
    int64_t now_ms;
    uint64_t made_id;
};

struct test_effect {
    struct bench *bench;
    int id;
};

SQL(SQL_ITEM_ADD, "INSERT INTO item(id, name) VALUES($1, 'item')");
SQL(SQL_ITEM_COUNT, "SELECT count(*) FROM item WHERE id = $1");

static void record(struct bench *bench, int event)
{
    assert_true(bench->events_count < EVENTS_MAX);
    bench->events[bench->events_count++] = event;
}

static void on_effect(void *data)
{
    struct test_effect *effect = data;
    record(effect->bench, -effect->id);
}

static enum err add_item(struct db *db, int64_t id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ITEM_ADD);
    db_bind_i64(stmt, 1, id);
    return db_exec(stmt);
}

static int64_t count_item(struct db *db, int64_t id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ITEM_COUNT);
    db_bind_i64(stmt, 1, id);
    int64_t count = -1;
    assert_ok(db_get_i64(stmt, &count));
    return count;
}

/* A row, a journal entry, an effect, then the body. */
static enum err test_apply(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct test_job *job = container_of(writer_job, struct test_job, job);
    job->applied++;
    job->now_ms = tx->now_ms;
    job->made_id = id_next(tx->ids);
    enum err err = add_item(tx->db, job->id);
    if (err == ERR_OK) {
        err = journal_append(tx->journal, 1, "item.added", STR("{}"), NULL);
    }
    if (err != ERR_OK) {
        return err;
    }
    struct test_effect *effect = writer_effect(tx, on_effect, sizeof(*effect));
    if (!effect) {
        return ERR_NOMEM;
    }
    *effect = (struct test_effect){job->bench, job->id};
    return job->body ? job->body(job, tx) : ERR_OK;
}

static void test_done(struct writer_job *writer_job, enum err outcome)
{
    struct test_job *job = container_of(writer_job, struct test_job, job);
    job->outcome = outcome;
    job->committed_rows = count_item(job->bench->reader, job->id);
    record(job->bench, job->id);
    assert_int_equal(sem_post(&job->bench->done), 0);
}

static struct test_job make_job(struct bench *bench, int id,
                                enum err (*body)(struct test_job *, struct writer_tx *))
{
    return (struct test_job){.job = {.apply = test_apply, .done = test_done},
                             .bench = bench,
                             .id = id,
                             .body = body,
                             .outcome = ERR_AGAIN};
}

static enum err wait_at_gate(struct test_job *job, struct writer_tx *tx)
{
    (void)tx;
    assert_int_equal(sem_post(&job->bench->gate_reached), 0);
    assert_int_equal(sem_wait(&job->bench->gate_open), 0);
    return ERR_OK;
}

static void make_tables(const struct fixture *fixture)
{
    struct db *db = open_writer(fixture);
    run_script(db, JOURNAL_TABLES "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT)");
    db_close(db);
}

static void bench_open(struct bench *bench)
{
    assert_ok(writer_new(bench->fixture->path, TEST_SERVICE, &bench->writer));
    bench->reader = open_reader(bench->fixture);
}

static void bench_close(struct bench *bench)
{
    writer_free(bench->writer);
    bench->writer = NULL;
    db_close(bench->reader);
    bench->reader = NULL;
}

__attribute__((unused)) static int bench_setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    void *fixture = NULL;
    if (fixture_setup(&fixture) != 0) {
        return -1;
    }
    bench->fixture = fixture;
    assert_int_equal(sem_init(&bench->gate_reached, 0, 0), 0);
    assert_int_equal(sem_init(&bench->gate_open, 0, 0), 0);
    assert_int_equal(sem_init(&bench->done, 0, 0), 0);
    make_tables(bench->fixture);
    bench_open(bench);
    *state = bench;
    return 0;
}

__attribute__((unused)) static int bench_teardown(void **state)
{
    struct bench *bench = *state;
    bench_close(bench);
    void *fixture = bench->fixture;
    free(bench);
    return fixture_teardown(&fixture);
}

#define bench_test(function) cmocka_unit_test_setup_teardown(function, bench_setup, bench_teardown)

__attribute__((unused)) static void wait_done(struct bench *bench, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sem_wait(&bench->done), 0);
    }
}

/* Runs the jobs as one group: a job with the gate's id, a group by itself, keeps the writer busy until all
 * of them wait. */
__attribute__((unused)) static void run_behind_gate(struct bench *bench, int gate_id,
                                                    struct test_job *jobs, size_t count)
{
    struct test_job gate = make_job(bench, gate_id, wait_at_gate);
    while (sem_trywait(&bench->done) == 0) {
        /* answers to writer_run, which nobody waited for */
    }
    assert_ok(writer_submit(bench->writer, &gate.job));
    assert_int_equal(sem_wait(&bench->gate_reached), 0);
    for (size_t i = 0; i < count; i++) {
        assert_ok(writer_submit(bench->writer, &jobs[i].job));
    }
    assert_int_equal(sem_post(&bench->gate_open), 0);
    wait_done(bench, count + 1);
    assert_int_equal(gate.outcome, ERR_OK);
}

__attribute__((unused)) static void run_as_group(struct bench *bench, struct test_job *jobs,
                                                 size_t count)
{
    run_behind_gate(bench, 1000, jobs, count);
}

static inline void count_finding(const char *line, void *ctx)
{
    print_error("%s\n", line);
    ++*(size_t *)ctx;
}

/* The journal has that many rows and is sound. */
__attribute__((unused)) static void assert_journal(struct db *db, uint64_t expected_rows)
{
    size_t findings = 0;
    uint64_t rows = 0;
    assert_ok(journal_verify(db, count_finding, &findings, &rows));
    assert_int_equal(findings, 0);
    assert_int_equal(rows, expected_rows);
}

#endif
