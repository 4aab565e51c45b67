#include "store/fixture.h"

#include <pthread.h>
#include <semaphore.h>

#include "store/pool.h"

struct probe {
    struct pool_task task;
    void (*body)(struct probe *probe, struct db *const *databases);
    pthread_barrier_t *meeting;
    sem_t *gate;
    int64_t value;
    enum err err;
    sem_t done;
};

static void run_probe(struct pool_task *task, struct db *const *databases)
{
    struct probe *probe = container_of(task, struct probe, task);
    probe->body(probe, databases);
    assert_int_equal(sem_post(&probe->done), 0);
}

static void make_probe(struct probe *probe, void (*body)(struct probe *, struct db *const *))
{
    *probe = (struct probe){.task = {.run = run_probe}, .body = body};
    assert_int_equal(sem_init(&probe->done, 0, 0), 0);
}

static void make_database(const struct fixture *fixture)
{
    struct db *db = open_writer(fixture);
    run_script(db, "CREATE TABLE item(id INTEGER PRIMARY KEY); INSERT INTO item VALUES(1), (2)");
    db_close(db);
}

static struct pool *open_pool(const struct fixture *fixture, unsigned threads)
{
    struct pool_options options = {.name = "a-name-longer-than-threads-have",
                                   .threads = threads,
                                   .queue_max = 3,
                                   .database_paths = {fixture->path, fixture->path}};
    struct pool *pool = NULL;
    assert_ok(pool_new(&options, &pool));
    return pool;
}

static void count_items(struct probe *probe, struct db *const *databases)
{
    SQL(SQL_COUNT, "SELECT count(*) FROM item");
    int64_t more = 0;
    probe->err = db_get_i64(db_stmt(databases[0], &SQL_COUNT), &probe->value);
    if (probe->err == ERR_OK) {
        probe->err = db_get_i64(db_stmt(databases[1], &SQL_COUNT), &more);
    }
    probe->value += more;
}

static void run(struct pool *pool, struct probe *probe)
{
    assert_ok(pool_submit(pool, &probe->task));
    assert_int_equal(sem_wait(&probe->done), 0);
}

static void test_a_task_reads_its_databases(void **state)
{
    make_database(*state);
    struct pool *pool = open_pool(*state, 1);
    struct probe probe;
    make_probe(&probe, count_items);
    run(pool, &probe);
    assert_ok(probe.err);
    assert_int_equal(probe.value, 4);
    pool_free(pool);
}

static void write_item(struct probe *probe, struct db *const *databases)
{
    SQL(SQL_WRITE, "INSERT INTO item VALUES(3)");
    probe->err = db_exec(db_stmt(databases[0], &SQL_WRITE));
}

static void test_a_task_cannot_write(void **state)
{
    make_database(*state);
    struct pool *pool = open_pool(*state, 1);
    struct probe probe;
    make_probe(&probe, write_item);
    run(pool, &probe);
    assert_int_equal(probe.err, ERR_DENIED);
    pool_free(pool);
}

static void leave_open(struct probe *probe, struct db *const *databases)
{
    SQL(SQL_ALL, "SELECT id FROM item");
    bool has_row;
    probe->err = db_snapshot_begin(databases[0]);
    if (probe->err == ERR_OK) {
        probe->err = db_step(db_stmt(databases[0], &SQL_ALL), &has_row);
    }
}

static void test_what_a_task_leaves_open_is_closed(void **state)
{
    struct fixture *fixture = *state;
    make_database(fixture);
    struct pool *pool = open_pool(fixture, 1);
    struct probe probe;
    make_probe(&probe, leave_open);
    run(pool, &probe);
    assert_ok(probe.err);
    struct db *db = open_writer(fixture);
    run_script(db, "INSERT INTO item VALUES(3)");
    db_close(db);
    make_probe(&probe, count_items);
    run(pool, &probe);
    assert_ok(probe.err);
    assert_int_equal(probe.value, 6); /* not the snapshot of the task before */
    pool_free(pool);
}

static void meet(struct probe *probe, struct db *const *databases)
{
    int result = pthread_barrier_wait(probe->meeting);
    assert_true(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
    count_items(probe, databases);
}

static void test_tasks_run_side_by_side(void **state)
{
    make_database(*state);
    struct pool *pool = open_pool(*state, 3);
    pthread_barrier_t meeting;
    assert_int_equal(pthread_barrier_init(&meeting, NULL, 3), 0);
    struct probe probes[3];
    for (int i = 0; i < 3; i++) {
        make_probe(&probes[i], meet);
        probes[i].meeting = &meeting;
        assert_ok(pool_submit(pool, &probes[i].task));
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sem_wait(&probes[i].done), 0);
        assert_ok(probes[i].err);
        assert_int_equal(probes[i].value, 4);
    }
    pool_free(pool);
    assert_int_equal(pthread_barrier_destroy(&meeting), 0);
}

static void wait_at_gate(struct probe *probe, struct db *const *databases)
{
    (void)databases;
    assert_int_equal(sem_wait(probe->gate), 0);
    probe->value = 1;
}

static void test_the_queue_is_bounded_and_drained(void **state)
{
    make_database(*state);
    struct pool *pool = open_pool(*state, 1);
    sem_t gate;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    struct probe probes[16];
    size_t accepted = 0;
    enum err err = ERR_OK;
    while (err == ERR_OK) { /* three wait, and one runs or will */
        assert_true(accepted < 5);
        make_probe(&probes[accepted], wait_at_gate);
        probes[accepted].gate = &gate;
        err = pool_submit(pool, &probes[accepted].task);
        accepted += err == ERR_OK;
    }
    assert_int_equal(err, ERR_FULL);
    assert_in_range(accepted, 3, 4);
    assert_true(pool_queue_length(pool) >= 2);
    for (size_t i = 0; i < accepted; i++) {
        assert_int_equal(sem_post(&gate), 0);
    }
    pool_stop(pool);
    for (size_t i = 0; i < accepted; i++) {
        assert_int_equal(probes[i].value, 1);
    }
    assert_int_equal(pool_queue_length(pool), 0);
    assert_int_equal(pool_submit(pool, &probes[0].task), ERR_CLOSED);
    pool_stop(pool);
    pool_free(pool);
    pool_free(NULL);
}

static void test_missing_databases_are_refused(void **state)
{
    struct fixture *fixture = *state;
    make_database(fixture);
    char missing[528];
    (void)snprintf(missing, sizeof(missing), "%s_missing", fixture->path);
    struct pool_options options = {
        .name = "pool", .threads = 2, .queue_max = 3, .database_paths = {fixture->path, missing}};
    struct pool *pool = NULL;
    assert_int_equal(pool_new(&options, &pool), ERR_IO);
    assert_null(pool);
}

static void use_no_database(struct probe *probe, struct db *const *databases)
{
    (void)databases;
    probe->value = 42;
}

static void test_a_pool_may_have_no_databases(void **state)
{
    (void)state;
    struct pool_options options = {.name = "slow", .threads = 1, .queue_max = 1};
    struct pool *pool = NULL;
    assert_ok(pool_new(&options, &pool));
    struct probe probe;
    make_probe(&probe, use_no_database);
    run(pool, &probe);
    assert_int_equal(probe.value, 42);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_a_task_reads_its_databases),
        fixture_test(test_a_task_cannot_write),
        fixture_test(test_what_a_task_leaves_open_is_closed),
        fixture_test(test_tasks_run_side_by_side),
        fixture_test(test_the_queue_is_bounded_and_drained),
        fixture_test(test_missing_databases_are_refused),
        fixture_test(test_a_pool_may_have_no_databases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
