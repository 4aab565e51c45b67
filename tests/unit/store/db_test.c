#include "store/fixture.h"

#include "base/clock.h"
#include "store/db_internal.h"

#include <pthread.h>
#include <sys/wait.h>

SQL(SQL_ADD, "INSERT INTO item(id, name) VALUES($1, $2)");
SQL(SQL_ADD_OR_ROLLBACK, "INSERT OR ROLLBACK INTO item(id, name) VALUES($1, 'x')");
SQL(SQL_LIST, "SELECT id, name FROM item ORDER BY id");
SQL(SQL_FOREVER, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                 " SELECT count(*) FROM n");
/* PostgreSQL hands over the rows of a statement when it has all of them. */
SQL_PAIR(SQL_SLOW_ROWS,
         "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
         "SELECT pg_sleep(0.1) FROM generate_series(1, 13)");

static struct db *open_with_items(const struct fixture *fixture)
{
    struct db *db = open_writer(fixture);
    run_script(db, "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT)");
    return db;
}

static enum err add(struct db *db, int64_t id, const char *name)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, id);
    db_bind_str(stmt, 2, str_from_c(name));
    return db_exec(stmt);
}

static int64_t count(struct db *db)
{
    return query_i64(db, "SELECT count(*) FROM item");
}

/* ---- opening ---- */

static void test_writer_creates_the_file_and_reader_does_not(void **state)
{
    struct fixture *fixture = *state;
    struct db *db = NULL;
    assert_int_equal(db_open(fixture->path, DB_READER, &db), ERR_IO);
    assert_int_equal(db_open(fixture->path, DB_ADMIN, &db), ERR_IO);
    assert_null(db);
    db_close(open_writer(fixture));
    db_close(open_reader(fixture));
    db_close(NULL);
}

static void test_a_database_in_memory_is_its_connections_own(void **state)
{
    (void)state;
    struct db *first = NULL, *second = NULL;
    assert_int_equal(db_open(DB_IN_MEMORY, DB_WRITER, &first), ERR_OK);
    assert_int_equal(db_open(DB_IN_MEMORY, DB_WRITER, &second), ERR_OK);
    run_script(first, "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT)");
    assert_int_equal(db_begin(first), ERR_OK);
    assert_int_equal(add(first, 1, "one"), ERR_OK);
    assert_int_equal(db_commit(first), ERR_OK);
    assert_int_equal(count(first), 1);
    assert_int_equal(query_i64(second, "SELECT count(*) FROM sqlite_schema"), 0);
    db_close(first);
    db_close(second);
    assert_int_equal(access(DB_IN_MEMORY, F_OK), -1);
}

static void test_what_is_not_a_database_is_refused(void **state)
{
    SQLITE_ONLY();
    struct fixture *fixture = *state;
    struct db *db = NULL;
    assert_int_equal(db_open(fixture->dir, DB_WRITER, &db), ERR_IO);
    FILE *file = fopen(fixture->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++) {
        (void)fputs("this is no database ", file);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(db_open(fixture->path, DB_WRITER, &db), ERR_CORRUPT);
    assert_int_equal(db_open(fixture->path, DB_READER, &db), ERR_CORRUPT);
    assert_null(db);
}

static void test_writer_is_durable_and_reader_is_harmless(void **state)
{
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    if (!db_is_pgsql(db)) {
        assert_int_equal(query_i64(db, "PRAGMA synchronous"), 2);
        assert_int_equal(query_i64(db, "PRAGMA secure_delete"), 0);
        assert_int_equal(query_i64(db, "PRAGMA temp_store"), 2);
        assert_int_equal(query_i64(db, "PRAGMA page_size"), 4096);
    }
    assert_int_equal(query_i64_pair(db, "SELECT 1",
                                    "SELECT count(*) FROM pg_settings WHERE name ="
                                    " 'synchronous_commit' AND setting <> 'off'"),
                     1);
    struct db *reader = open_reader(fixture);
    assert_int_equal(query_i64_pair(reader, "PRAGMA query_only",
                                    "SELECT count(*) FROM pg_settings WHERE name ="
                                    " 'default_transaction_read_only' AND setting = 'on'"),
                     1);
    assert_int_equal(add(reader, 1, "no"), ERR_DENIED);
    assert_int_equal(count(db), 0);
    db_close(reader);
    db_close(db);
}

/* ---- statements ---- */

static void test_parameters_are_bound_by_their_number(void **state)
{
    struct db *db = open_with_items(*state);
    SQL(SQL_MIXED, "SELECT $3 || $1 || $2 || $3");
    struct db_stmt *stmt = db_stmt(db, &SQL_MIXED);
    db_bind_str(stmt, 1, STR("one"));
    db_bind_str(stmt, 2, STR("two"));
    db_bind_str(stmt, 3, STR("three"));
    bool has_row = false;
    assert_ok(db_step(stmt, &has_row));
    assert_true(has_row);
    assert_true(str_eq(db_col_str(stmt, 0), STR("threeonetwothree")));
    db_done(stmt);
    db_close(db);
}

static void test_values_come_back_as_they_were_bound(void **state)
{
    struct db *db = open_with_items(*state);
    SQL_PAIR(SQL_ECHO, "SELECT $1, $2, $3, $4, $5, typeof($4), typeof($5), $6, $7",
             "SELECT $1, $2, CAST($3 AS BIGINT), $4, $5, CAST(pg_typeof($4) AS TEXT),"
             " CASE CAST(pg_typeof($5) AS TEXT) WHEN 'bytea' THEN 'blob' END, $6, $7");
    struct db_stmt *stmt = db_stmt(db, &SQL_ECHO);
    db_bind_i64(stmt, 1, INT64_MIN);
    db_bind_f64(stmt, 2, 0.1);
    db_bind_null(stmt, 3);
    db_bind_str(stmt, 4, STR_NONE);
    db_bind_blob(stmt, 5, STR_NONE);
    db_bind_blob(stmt, 6, str_from("a\0b", 3));
    db_bind_i64(stmt, 7, INT64_MAX);
    bool has_row = false;
    assert_ok(db_step(stmt, &has_row));
    assert_true(has_row);
    assert_true(db_col_i64(stmt, 0) == INT64_MIN);
    assert_true(db_col_f64(stmt, 1) == 0.1);
    assert_true(db_col_is_null(stmt, 2));
    assert_int_equal(db_col_str(stmt, 2).len, 0);
    assert_false(db_col_is_null(stmt, 3));
    assert_true(str_eq(db_col_str(stmt, 5), STR("text")));
    assert_true(str_eq(db_col_str(stmt, 6), STR("blob")));
    assert_true(str_eq(db_col_blob(stmt, 7), str_from("a\0b", 3)));
    assert_true(db_col_i64(stmt, 8) == INT64_MAX);
    assert_ok(db_step(stmt, &has_row));
    assert_false(has_row);
    /* Bindings do not outlive a use. */
    stmt = db_stmt(db, &SQL_ECHO);
    assert_ok(db_step(stmt, &has_row));
    assert_true(db_col_is_null(stmt, 0));
    db_done(stmt);
    db_close(db);
}

static void test_an_ended_statement_does_not_run_again(void **state)
{
    struct db *db = open_with_items(*state);
    SQL(SQL_ADD_ANY, "INSERT INTO item(name) VALUES('x')");
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD_ANY);
    bool has_row = true;
    assert_ok(db_step(stmt, &has_row));
    assert_false(has_row);
    assert_ok(db_step(stmt, &has_row));
    assert_int_equal(count(db), 1);
    assert_int_equal(db_changes(db), 1);
    db_done(stmt);
    assert_ok(db_step(stmt, &has_row));
    assert_false(has_row);
    assert_int_equal(count(db), 1);
    db_close(db);
}

static void test_rows_are_walked_and_may_be_left(void **state)
{
    struct db *db = open_with_items(*state);
    assert_ok(add(db, 1, "a"));
    assert_ok(add(db, 2, "b"));
    bool has_row = false;
    for (int round = 0; round < 3;
         round++) { /* the third finds the statement as the second left it */
        struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
        assert_ok(db_step(stmt, &has_row));
        assert_true(has_row);
        assert_int_equal(db_col_i64(stmt, 0), 1);
        if (round == 0) {
            assert_ok(db_step(stmt, &has_row));
            assert_true(str_eq(db_col_str(stmt, 1), STR("b")));
            assert_ok(db_step(stmt, &has_row));
            assert_false(has_row);
        }
    }
    int64_t value = 7;
    SQL(SQL_NONE_FOUND, "SELECT id FROM item WHERE id = 99");
    assert_int_equal(db_get_i64(db_stmt(db, &SQL_NONE_FOUND), &value), ERR_NOT_FOUND);
    assert_int_equal(value, 7);
    db_close(db);
}

static void test_a_constraint_is_a_conflict(void **state)
{
    struct db *db = open_with_items(*state);
    assert_ok(add(db, 1, "a"));
    assert_int_equal(add(db, 1, "b"), ERR_CONFLICT);
    assert_non_null(strstr(db_message(db), db_is_pgsql(db) ? "unique" : "UNIQUE"));
    assert_ok(add(db, 2, "b"));
    assert_int_equal(count(db), 2);
    db_close(db);
}

static void test_a_bad_statement_fails_at_its_first_step(void **state)
{
    struct db *db = open_with_items(*state);
    SQL(SQL_LATER, "INSERT INTO later(a) VALUES($1)");
    struct db_stmt *stmt = db_stmt(db, &SQL_LATER);
    assert_non_null(stmt);
    db_bind_i64(stmt, 1, 5);
    bool has_row = true;
    assert_int_equal(db_step(stmt, &has_row), ERR_IO);
    assert_non_null(
        strstr(db_message(db), db_is_pgsql(db) ? "\"later\" does not exist" : "no such table"));
    db_done(stmt);
    run_script(db, "CREATE TABLE later(a INTEGER)");
    stmt = db_stmt(db, &SQL_LATER);
    db_bind_i64(stmt, 1, 5);
    assert_ok(db_exec(stmt));
    assert_int_equal(query_i64(db, "SELECT a FROM later"), 5);
    db_close(db);
}

static void test_statements_survive_a_change_of_the_schema(void **state)
{
    struct db *db = open_with_items(*state);
    assert_ok(add(db, 1, "a"));
    run_script(db, "ALTER TABLE item ADD COLUMN more TEXT");
    assert_ok(add(db, 2, "b"));
    assert_int_equal(count(db), 2);
    db_close(db);
}

/* ---- scripts ---- */

static void test_a_script_is_bounded_by_its_length(void **state)
{
    struct db *db = open_with_items(*state);
    struct str text = STR("-- a comment\nINSERT INTO item(id) VALUES(1); ;\n"
                          "INSERT INTO item(id) VALUES(2);\n/* end */ NONSENSE");
    assert_ok(db_script(db, str_sub(text, 0, text.len - 8)));
    assert_int_equal(count(db), 2);
    assert_ok(db_script(db, STR_NONE));
    assert_int_equal(db_script(db, STR("INSERT INTO item(id) VALUES(3); NONSENSE")), ERR_IO);
    assert_int_equal(db_script(db, STR("INSERT INTO item(id) VALUES(1)")), ERR_CONFLICT);
    /* PostgreSQL reads a script to its end before it begins. */
    assert_int_equal(count(db), db_is_pgsql(db) ? 2 : 3);
    db_close(db);
}

/* ---- transactions ---- */

static void test_commit_keeps_and_rollback_drops(void **state)
{
    struct db *db = open_with_items(*state);
    assert_false(db_in_transaction(db));
    assert_ok(db_begin(db));
    assert_true(db_in_transaction(db));
    assert_ok(add(db, 1, "a"));
    assert_ok(db_commit(db));
    assert_false(db_in_transaction(db));
    assert_ok(db_begin(db));
    assert_ok(add(db, 2, "b"));
    db_rollback(db);
    assert_false(db_in_transaction(db));
    assert_int_equal(count(db), 1);
    db_close(db);
}

static void test_a_savepoint_is_rolled_back_alone(void **state)
{
    struct db *db = open_with_items(*state);
    assert_ok(db_begin(db));
    for (int64_t id = 1; id <= 4; id++) {
        assert_ok(db_savepoint(db));
        assert_ok(add(db, id, "a"));
        if (id % 2 == 0) {
            /* A statement left open is no hindrance. */
            bool has_row;
            assert_ok(db_step(db_stmt(db, &SQL_LIST), &has_row));
            assert_ok(db_savepoint_rollback(db));
        } else {
            assert_ok(db_savepoint_release(db));
        }
    }
    assert_ok(db_commit(db));
    assert_int_equal(count(db), 2);
    assert_int_equal(query_i64(db, "SELECT sum(id) FROM item"), 4);
    db_close(db);
}

static void test_nothing_runs_behind_a_lost_transaction(void **state)
{
    SQLITE_ONLY();
    struct db *db = open_with_items(*state);
    assert_ok(add(db, 1, "a"));
    assert_ok(db_begin(db));
    assert_ok(add(db, 2, "b"));
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD_OR_ROLLBACK);
    db_bind_i64(stmt, 1, 1);
    assert_int_equal(db_exec(stmt), ERR_CONFLICT);
    assert_false(db_in_transaction(db));
    assert_int_equal(add(db, 3, "would autocommit"), ERR_IO);
    assert_int_equal(db_script(db, STR("INSERT INTO item(id) VALUES(4)")), ERR_IO);
    assert_int_equal(db_commit(db), ERR_IO);
    assert_int_equal(count(db), 1);
    assert_ok(add(db, 5, "after it"));
    db_close(db);
}

static void test_a_refused_commit_leaves_nothing(void **state)
{
    struct db *db = open_with_items(*state);
    db_fail_commits(db, 1);
    assert_ok(db_begin(db));
    assert_ok(add(db, 1, "a"));
    assert_int_not_equal(db_commit(db), ERR_OK);
    assert_false(db_in_transaction(db));
    assert_int_equal(count(db), 0);
    assert_ok(db_begin(db));
    assert_ok(add(db, 1, "a"));
    assert_ok(db_commit(db));
    assert_int_equal(count(db), 1);
    db_close(db);
}

static void test_a_full_disk_is_an_io_error(void **state)
{
    SQLITE_ONLY();
    struct db *db = open_with_items(*state);
    run_script(db, "PRAGMA max_page_count = 4");
    assert_ok(db_begin(db));
    enum err err = ERR_OK;
    for (int64_t id = 1; id < 10000 && err == ERR_OK; id++) {
        err = add(db, id, "as long a name as it takes to fill the few pages that there are");
    }
    assert_int_equal(err, ERR_IO);
    db_rollback(db);
    assert_int_equal(count(db), 0);
    db_close(db);
}

/* ---- readers ---- */

static void test_a_snapshot_does_not_move(void **state)
{
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    struct db *reader = open_reader(fixture);
    assert_ok(db_snapshot_begin(reader));
    assert_int_equal(count(reader), 0);
    assert_ok(add(db, 1, "a"));
    assert_int_equal(count(reader), 0);
    db_snapshot_end(reader);
    assert_int_equal(count(reader), 1);
    db_snapshot_end(reader); /* nothing to end */
    db_close(reader);
    db_close(db);
}

static void test_open_reads_can_be_ended(void **state)
{
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    assert_ok(add(db, 1, "a"));
    struct db *reader = open_reader(fixture);
    bool has_row;
    assert_ok(db_snapshot_begin(reader));
    assert_ok(db_step(db_stmt(reader, &SQL_LIST), &has_row));
    db_end_reads(reader);
    assert_false(db_in_transaction(reader));
    assert_ok(add(db, 2, "b"));
    assert_int_equal(count(reader), 2);
    /* Closing does the same. */
    assert_ok(db_step(db_stmt(reader, &SQL_LIST), &has_row));
    db_close(reader);
    db_close(db);
}

static void test_a_long_statement_of_a_reader_is_interrupted(void **state)
{
    struct fixture *fixture = *state;
    db_close(open_with_items(fixture));
    struct db *reader = open_reader(fixture);
    int64_t value = 0;
    int64_t begin_ns = clock_mono_ns();
    assert_ok(db_snapshot_begin(reader));
    assert_int_equal(db_get_i64(db_stmt(reader, &SQL_FOREVER), &value), ERR_TIMEOUT);
    int64_t took_ms = (clock_mono_ns() - begin_ns) / 1000000;
    assert_in_range(took_ms, DB_READ_MS_MAX, 10 * DB_READ_MS_MAX);
    /* The snapshot as a whole is over its time. */
    SQL(SQL_ONE, "SELECT 1");
    assert_int_equal(db_get_i64(db_stmt(reader, &SQL_ONE), &value), ERR_TIMEOUT);
    db_snapshot_end(reader);
    assert_false(db_in_transaction(reader));
    assert_int_equal(count(reader), 0);
    db_close(reader);
}

/* Steps through endless rows until it fails or the limit is surely over. */
static enum err read_slowly(struct db *db)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SLOW_ROWS);
    int64_t end_ns = clock_mono_ns() + (int64_t)(DB_READ_MS_MAX + 200) * 1000000;
    bool has_row;
    enum err err = ERR_OK;
    while (err == ERR_OK && clock_mono_ns() < end_ns) {
        err = db_step(stmt, &has_row);
    }
    db_done(stmt);
    return err;
}

static void test_only_readers_have_a_time_limit(void **state)
{
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    struct db *reader = open_reader(fixture);
    struct db *admin = NULL;
    assert_ok(db_open(fixture->path, DB_ADMIN, &admin));
    assert_int_equal(read_slowly(reader), ERR_TIMEOUT);
    assert_int_equal(count(reader), 0);
    assert_ok(read_slowly(admin));
    assert_ok(read_slowly(db));
    db_close(admin);
    db_close(reader);
    db_close(db);
}

/* ---- checkpoints and crashes ---- */

/* One commit of about that many pages. */
static void write_pages(struct db *db, int pages)
{
    SQL(SQL_BIG, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)"
                 " INSERT INTO item(name) SELECT hex(zeroblob(2000)) FROM n");
    struct db_stmt *stmt = db_stmt(db, &SQL_BIG);
    db_bind_i64(stmt, 1, pages);
    assert_ok(db_exec(stmt));
}

static void test_a_checkpoint_lets_the_wal_start_over(void **state)
{
    SQLITE_ONLY();
    struct db *db = open_with_items(*state);
    db_set_wal_pages(db, 400, 100, 100000);
    write_pages(db, 100);
    assert_false(db_checkpoint_due(db));
    write_pages(db, 400);
    assert_true(db_checkpoint_due(db));
    db_checkpoint(db);
    assert_false(db_checkpoint_due(db));
    write_pages(db, 10);
    assert_in_range(db_wal_pages(db), 1, 100);
    assert_false(db_checkpoint_due(db));
    write_pages(db, 400);
    assert_true(db_checkpoint_due(db));
    db_close(db);
}

static void test_a_snapshot_delays_the_checkpoint_but_not_the_writer(void **state)
{
    SQLITE_ONLY();
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    db_set_wal_pages(db, 400, 100, 100000);
    write_pages(db, 10);
    struct db *reader = open_reader(fixture);
    assert_ok(db_snapshot_begin(reader));
    int64_t before = count(reader);
    write_pages(db, 410);
    assert_true(db_checkpoint_due(db));
    db_checkpoint(db);
    assert_false(db_checkpoint_due(db)); /* not at every commit */
    write_pages(db, 10);
    assert_false(db_checkpoint_due(db));
    assert_true(db_wal_pages(db) > 400);
    assert_int_equal(count(reader), before);
    db_snapshot_end(reader);
    write_pages(db, 100);
    assert_true(db_checkpoint_due(db));
    db_checkpoint(db);
    write_pages(db, 10);
    assert_in_range(db_wal_pages(db), 1, 100);
    db_close(reader);
    db_close(db);
}

static int64_t timed_checkpoint_ms(struct db *db)
{
    int64_t begin_ns = clock_mono_ns();
    db_checkpoint(db);
    return (clock_mono_ns() - begin_ns) / 1000000;
}

static void test_a_large_wal_waits_for_readers_but_not_again_and_again(void **state)
{
    SQLITE_ONLY();
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    db_set_wal_pages(db, 100, 10, 200);
    write_pages(db, 10);
    struct db *admin = NULL;
    assert_ok(db_open(fixture->path, DB_ADMIN, &admin));
    assert_ok(db_snapshot_begin(admin));
    int64_t before = count(admin);
    write_pages(db, 110);
    assert_true(timed_checkpoint_ms(db) < DB_READ_MS_MAX); /* below the limit it never waits */
    write_pages(db, 110);
    assert_true(db_checkpoint_due(db));
    assert_true(timed_checkpoint_ms(db) >= DB_READ_MS_MAX); /* longer than any reader may last */
    write_pages(db, 20);
    assert_true(db_checkpoint_due(db));
    assert_true(timed_checkpoint_ms(db) < DB_READ_MS_MAX);
    assert_int_equal(count(admin), before);
    db_snapshot_end(admin);
    write_pages(db, 300);
    db_checkpoint(db);
    write_pages(db, 10);
    assert_in_range(db_wal_pages(db), 1, 100);
    db_close(admin);
    db_close(db);
}

static void test_a_closing_writer_leaves_an_empty_wal(void **state)
{
    SQLITE_ONLY();
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    struct db *reader = open_reader(fixture);
    write_pages(db, 10);
    assert_true(wal_size(fixture) > 0);
    db_close(db);
    assert_true(wal_size(fixture) <= 0);
    assert_int_equal(count(reader), 10);
    db_close(reader);
}

static void test_commits_survive_a_crash_and_readers_never_checkpoint(void **state)
{
    SQLITE_ONLY();
    struct fixture *fixture = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct db *db = open_with_items(fixture);
        write_pages(db, 20);
        if (db_begin(db) == ERR_OK) {
            write_pages(db, 10); /* never committed */
        }
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    int64_t size = wal_size(fixture);
    assert_true(size > 0);
    struct db *reader = open_reader(fixture);
    assert_int_equal(count(reader), 20);
    db_close(reader);
    assert_int_equal(wal_size(fixture), size);
    struct db *db = open_writer(fixture);
    assert_int_equal(count(db), 20);
    db_close(db);
}

/* ---- threads ---- */

#define THREADS 4

SQL(SQL_SHARED_A, "SELECT 11");
SQL(SQL_SHARED_B, "SELECT 22");
SQL(SQL_SHARED_C, "SELECT 33");

static void *use_shared_constants(void *ctx)
{
    struct db *db = ctx;
    struct sql *constants[] = {&SQL_SHARED_A, &SQL_SHARED_B, &SQL_SHARED_C};
    intptr_t sum = 0;
    for (int i = 0; i < 300; i++) {
        int64_t value = 0;
        if (db_get_i64(db_stmt(db, constants[i % 3]), &value) == ERR_OK) {
            sum += value;
        }
    }
    return (void *)sum;
}

static void test_constants_are_shared_by_threads(void **state)
{
    struct fixture *fixture = *state;
    db_close(open_with_items(fixture));
    pthread_t threads[THREADS];
    struct db *readers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        readers[i] = open_reader(fixture);
        assert_int_equal(pthread_create(&threads[i], NULL, use_shared_constants, readers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *sum = NULL;
        assert_int_equal(pthread_join(threads[i], &sum), 0);
        assert_int_equal((intptr_t)sum, 100 * (11 + 22 + 33));
        db_close(readers[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_writer_creates_the_file_and_reader_does_not),
        fixture_test(test_a_database_in_memory_is_its_connections_own),
        fixture_test(test_what_is_not_a_database_is_refused),
        fixture_test(test_writer_is_durable_and_reader_is_harmless),
        fixture_test(test_parameters_are_bound_by_their_number),
        fixture_test(test_values_come_back_as_they_were_bound),
        fixture_test(test_an_ended_statement_does_not_run_again),
        fixture_test(test_rows_are_walked_and_may_be_left),
        fixture_test(test_a_constraint_is_a_conflict),
        fixture_test(test_a_bad_statement_fails_at_its_first_step),
        fixture_test(test_statements_survive_a_change_of_the_schema),
        fixture_test(test_a_script_is_bounded_by_its_length),
        fixture_test(test_commit_keeps_and_rollback_drops),
        fixture_test(test_a_savepoint_is_rolled_back_alone),
        fixture_test(test_nothing_runs_behind_a_lost_transaction),
        fixture_test(test_a_refused_commit_leaves_nothing),
        fixture_test(test_a_full_disk_is_an_io_error),
        fixture_test(test_a_snapshot_does_not_move),
        fixture_test(test_open_reads_can_be_ended),
        fixture_test(test_a_long_statement_of_a_reader_is_interrupted),
        fixture_test(test_only_readers_have_a_time_limit),
        fixture_test(test_a_checkpoint_lets_the_wal_start_over),
        fixture_test(test_a_snapshot_delays_the_checkpoint_but_not_the_writer),
        fixture_test(test_a_large_wal_waits_for_readers_but_not_again_and_again),
        fixture_test(test_a_closing_writer_leaves_an_empty_wal),
        fixture_test(test_commits_survive_a_crash_and_readers_never_checkpoint),
        fixture_test(test_constants_are_shared_by_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
