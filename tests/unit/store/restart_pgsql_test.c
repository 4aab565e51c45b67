/*
 * The end of the database server itself, and a commit that happened although nobody said so. This program has a
 * cluster of its own, because others would not like it: scripts/postgres.sh, in a directory of its own, once for all
 * tests.
 */
#include "store/pgsql.h"
#include "store/writer_fixture.h"

#include "store/db_internal.h"

#include <sys/wait.h>

static char cluster[64], start_arguments[64], url[256], admin_url[256];

/* Runs scripts/postgres.sh; its first line of output goes to ret_line, which may be NULL. */
static void postgres(const char *command, const char *arguments, char *ret_line, size_t size)
{
    char text[512], line[256] = "";
    (void)snprintf(text, sizeof(text), FOYER_SOURCE_DIR "/scripts/postgres.sh %s %s %s", command,
                   cluster, arguments);
    FILE *output = popen(text, "r");
    assert_non_null(output);
    while (fgets(line, sizeof(line), output)) {
        if (ret_line) {
            line[strcspn(line, "\n")] = '\0';
            (void)snprintf(ret_line, size, "%s", line);
            ret_line = NULL;
        }
    }
    assert_int_equal(pclose(output), 0);
}

static int cluster_start(void **state)
{
    (void)state;
    if (!fixture_store())
        return 0;
    (void)snprintf(cluster, sizeof(cluster), "/tmp/foyer-restart-XXXXXX");
    if (!mkdtemp(cluster) || chmod(cluster, 0755) != 0)
        return -1;
    (void)snprintf(start_arguments, sizeof(start_arguments), "--no-fsync --while %d",
                   (int)getpid());
    postgres("start", start_arguments, url, sizeof(url));
    postgres("admin", "foyer", admin_url, sizeof(admin_url));
    return setenv("FOYER_TEST_STORE", url, 1);
}

static int cluster_stop(void **state)
{
    (void)state;
    if (!cluster[0])
        return 0;
    postgres("kill", "", NULL, 0);
    char text[128];
    (void)snprintf(text, sizeof(text), "rm -rf %s", cluster);
    return system(text);
}

/* As the superuser, by the server's own shell. */
static void superuser(const char *sql)
{
    char text[1024], bin[256];
    postgres("bin", "", bin, sizeof(bin));
    (void)snprintf(text, sizeof(text),
                   "%s/psql -X -q -v ON_ERROR_STOP=1 -d '%s' -c \"%s\" >/dev/null", bin, admin_url,
                   sql);
    assert_int_equal(system(text), 0);
}

/* ---- a server that is gone and comes back ---- */

static void test_without_a_server_everything_fails_soon_and_then_works_again(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    assert_ok(writer_start(bench->writer));
    struct test_job before = make_job(bench, 1, NULL);
    assert_ok(writer_run(bench->writer, &before.job));
    postgres("stop", "", NULL, 0);
    /* Answers need no server, and the looks for it get rarer than the questions. */
    for (int id = 10; id < 200; id++) {
        struct test_job job = make_job(bench, id, NULL);
        job.job.done = NULL;
        assert_int_equal(writer_run(bench->writer, &job.job), ERR_IO);
        assert_int_equal(job.applied, 0);
    }
    int64_t value;
    struct db_stmt *stmt = db_stmt(bench->reader, &SQL_ITEM_COUNT);
    db_bind_i64(stmt, 1, 1);
    assert_int_equal(db_get_i64(stmt, &value), ERR_IO);
    postgres("start", start_arguments, NULL, 0);
    enum err err = ERR_IO;
    int64_t until_ns = clock_mono_ns() + PGSQL_WAIT_NS;
    for (int id = 200; err != ERR_OK; id++) {
        struct test_job job = make_job(bench, id, NULL);
        job.job.done = NULL;
        err = writer_run(bench->writer, &job.job);
        assert_true(err == ERR_OK || err == ERR_IO);
        assert_true(clock_mono_ns() < until_ns);
    }
    writer_stop(bench->writer);
    struct db *admin = open_admin(bench->fixture);
    assert_journal(admin, (uint64_t)query_i64(admin, "SELECT count(*) FROM item"));
    assert_int_equal(query_i64(admin, "SELECT count(*) FROM item WHERE id BETWEEN 10 AND 199"), 0);
    db_close(admin);
}

#define THREADS     4
#define RESTARTS    2
#define IDS_EACH    1000000
#define MORE_ENOUGH 100 /* rows between two restarts */

struct client {
    struct writer *writer;
    int first_id;
    int count; /* of rows that were acknowledged, first_id and those behind it */
};

static _Atomic int acknowledged;
static _Atomic bool is_over;

static enum err apply_row(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct test_job *job = container_of(writer_job, struct test_job, job);
    enum err err = add_item(tx->db, job->id);
    return err == ERR_OK ? journal_append(tx->journal, 1, "item.added", STR("{}"), NULL) : err;
}

/* One row after the other, each again and again, as somebody would who wants it: it may have happened
 * although nobody said so. */
static void *submit_until_over(void *ctx)
{
    struct client *client = ctx;
    while (!is_over && client->count < IDS_EACH) {
        struct test_job job = {.job = {.apply = apply_row, .shard = 1},
                               .id = client->first_id + client->count};
        enum err err = writer_run(client->writer, &job.job);
        if (err == ERR_OK || err == ERR_CONFLICT) {
            client->count++;
            acknowledged++;
        } else {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
    }
    return NULL;
}

static void await_more_rows(void)
{
    int64_t until_ns = clock_mono_ns() + 2 * PGSQL_WAIT_NS;
    int enough = acknowledged + MORE_ENOUGH;
    while (acknowledged < enough) {
        assert_true(clock_mono_ns() < until_ns);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

static void test_what_was_acknowledged_survives_a_restart_in_immediate_mode(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    pthread_t threads[THREADS];
    static struct client clients[THREADS];
    acknowledged = 0;
    is_over = false;
    assert_ok(writer_start(bench->writer));
    for (int i = 0; i < THREADS; i++) {
        clients[i] = (struct client){.writer = bench->writer, .first_id = 1 + i * IDS_EACH};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_until_over, &clients[i]), 0);
    }
    for (int i = 0; i < RESTARTS; i++) {
        await_more_rows();
        postgres("restart", "", NULL, 0);
    }
    await_more_rows();
    is_over = true;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    writer_stop(bench->writer);
    struct db *admin = open_admin(bench->fixture);
    int64_t rows = 0;
    for (int i = 0; i < THREADS; i++) {
        for (int n = 0; n < clients[i].count; n++)
            assert_int_equal(count_item(admin, clients[i].first_id + n), 1);
        rows += clients[i].count;
    }
    /* The last one of each may be there without having been acknowledged. */
    int64_t there = query_i64(admin, "SELECT count(*) FROM item");
    assert_in_range(there, rows, rows + THREADS);
    assert_journal(admin, (uint64_t)there);
    db_close(admin);
}

/* ---- a commit that happened ---- */

static void test_an_unknown_commit_may_have_happened(void **state)
{
    PGSQL_ONLY();
    struct bench *bench = *state;
    assert_ok(writer_start(bench->writer));
    /* No standby will ever confirm: COMMIT has happened here and waits for there. */
    superuser("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    superuser("SELECT pg_reload_conf()");
    struct db *admin = open_admin(bench->fixture);
    await_i64(admin,
              "SELECT count(*) FROM pg_settings WHERE name = 'synchronous_standby_names'"
              " AND setting = 'nobody'",
              1);
    struct test_job job = make_job(bench, 1, NULL);
    assert_ok(writer_submit(bench->writer, &job.job));
    await_i64(admin, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", 1);
    assert_int_equal(query_i64(admin, "SELECT count(*) FROM item"), 0); /* nobody sees it yet */
    /* The session ends with the warning that it might not have been replicated. */
    (void)end_sessions(admin, bench->fixture, "writer");
    wait_done(bench, 1);
    assert_int_equal(job.outcome, ERR_IO);
    assert_int_equal(job.applied, 1); /* not tried again: it would have been a second time */
    assert_int_equal(query_i64(admin, "SELECT count(*) FROM item"), 1);
    superuser("ALTER SYSTEM RESET synchronous_standby_names");
    superuser("SELECT pg_reload_conf()");
    struct test_job again = make_job(bench, 1, NULL);
    enum err err = ERR_IO;
    int64_t until_ns = clock_mono_ns() + PGSQL_WAIT_NS;
    while (err == ERR_IO) { /* until the sessions have read the settings */
        err = writer_run(bench->writer, &again.job);
        assert_true(clock_mono_ns() < until_ns);
    }
    assert_int_equal(err, ERR_CONFLICT);
    writer_stop(bench->writer);
    assert_journal(admin, 1);
    db_close(admin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        bench_test(test_without_a_server_everything_fails_soon_and_then_works_again),
        bench_test(test_what_was_acknowledged_survives_a_restart_in_immediate_mode),
        bench_test(test_an_unknown_commit_may_have_happened),
    };
    return cmocka_run_group_tests(tests, cluster_start, cluster_stop);
}
