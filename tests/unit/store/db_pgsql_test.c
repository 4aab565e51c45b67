/* What db.h promises on PostgreSQL and SQLite knows nothing of: losing connections, locks, other writers. */
#include "store/pgsql.h"

#include "store/db_internal.h"
#include "store/journal.h"
#include "store/migrate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

SQL(SQL_ADD, "INSERT INTO item(id, name) VALUES($1, $2)");
SQL(SQL_COUNT, "SELECT count(*) FROM item");

static struct db *open_with_items(const struct fixture *fixture)
{
    struct db *db = open_writer(fixture);
    run_script(db, "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT NOT NULL)");
    return db;
}

static enum err add_named(struct db *db, int64_t id, struct str name)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, id);
    db_bind_str(stmt, 2, name);
    return db_exec(stmt);
}

static enum err add(struct db *db, int64_t id)
{
    return add_named(db, id, STR("item"));
}

static int64_t count(struct db *db)
{
    int64_t value = -1;
    assert_ok(db_get_i64(db_stmt(db, &SQL_COUNT), &value));
    return value;
}

/* ---- locations and types ---- */

static void test_locations_without_a_schema_of_plain_letters_are_refused(void **state)
{
    PGSQL_ONLY();
    (void)state;
    static const char *const bad[] = {
        "postgres://h/d",     "postgres://h/d#",
        "postgres://h/d#a-b", "postgres://h/d#a\"b",
        "postgres://h/d#A",   "postgres://h/d#a_schema_whose_name_is_longer_than_it_may_be",
    };
    struct db *db = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(db_open(bad[i], DB_WRITER, &db), ERR_INVALID);
        assert_non_null(strstr(db_open_failure(), "location"));
    }
    assert_null(db);
}

static void test_a_server_that_is_not_there_is_an_io_error(void **state)
{
    PGSQL_ONLY();
    (void)state;
    struct db *db = NULL;
    assert_int_equal(db_open("postgres://nobody@127.0.0.1:1/none#t", DB_WRITER, &db), ERR_IO);
    assert_true(strlen(db_open_failure()) > 0);
    assert_null(db);
}

/* A location with an option more. */
static struct db *open_with_option(const struct fixture *fixture, const char *option)
{
    char location[640];
    const char *schema = strchr(fixture->path, '#');
    struct db *db = NULL;
    (void)snprintf(location, sizeof(location), "%.*s?%s%s", (int)(schema - fixture->path),
                   fixture->path, option, schema);
    assert_ok(db_open(location, DB_WRITER, &db));
    return db;
}

#define COMMITS_AS(value)                                                                          \
    "SELECT count(*) FROM pg_settings WHERE name = 'synchronous_commit' AND setting = '" value "'"

static void test_no_setting_of_the_server_makes_commits_less_than_durable(void **state)
{
    PGSQL_ONLY();
    struct db *db = open_with_option(*state, "options=-c%20synchronous_commit%3Doff");
    assert_int_equal(query_i64(db, COMMITS_AS("on")), 1);
    db_close(db);
    db = open_with_option(*state, "options=-c%20synchronous_commit%3Dremote_apply");
    assert_int_equal(query_i64(db, COMMITS_AS("remote_apply")), 1);
    db_close(db);
}

/* What a machine that lost its power, or a process that hangs, holds on the server: who acts for all nodes
 * must not be gone for hours. */
static void test_the_server_gives_up_sessions_of_the_dead(void **state)
{
    PGSQL_ONLY();
    struct db *db = open_writer(*state);
    assert_int_equal(query_i64(db, "SELECT count(*) FROM pg_settings WHERE name IN"
                                   " ('tcp_keepalives_idle', 'tcp_keepalives_interval',"
                                   " 'tcp_keepalives_count') AND CAST(setting AS int) BETWEEN 1"
                                   " AND 30"),
                     3);
    assert_int_equal(query_i64(db, "SELECT count(*) FROM pg_settings WHERE name IN"
                                   " ('tcp_user_timeout', 'idle_session_timeout',"
                                   " 'idle_in_transaction_session_timeout') AND"
                                   " CAST(setting AS int) BETWEEN 1 AND 60000"),
                     3);
    db_close(db);
}

/* ---- a server that hangs ---- */

static void put_message(int fd, const void *bytes, size_t size)
{
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
}

/* Lets one client in, and says nothing more. */
static void *let_in_and_hang(void *ctx)
{
    static const char authentication_ok[] = {'R', 0, 0, 0, 8, 0, 0, 0, 0};
    static const char version[] = "S\0\0\0\x18server_version\0"
                                  "15.0";
    static const char ready[] = {'Z', 0, 0, 0, 5, 'I'};
    char bytes[1024];
    int fd = accept(*(const int *)ctx, NULL, NULL);
    assert_true(fd >= 0);
    assert_true(read(fd, bytes, sizeof(bytes)) > 0);
    put_message(fd, authentication_ok, sizeof(authentication_ok));
    put_message(fd, version, sizeof(version));
    put_message(fd, ready, sizeof(ready));
    while (read(fd, bytes, sizeof(bytes)) > 0)
        continue;
    close(fd);
    return NULL;
}

static void test_a_server_that_lets_in_and_hangs_is_given_up(void **state)
{
    PGSQL_ONLY();
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, let_in_and_hang, &listener), 0);
    char location[128];
    (void)snprintf(location, sizeof(location),
                   "postgres://u:p@127.0.0.1:%d/d?sslmode=disable&gssencmode=disable"
                   "&target_session_attrs=any#t",
                   ntohs(address.sin_port));
    struct db *db = NULL;
    assert_int_equal(db_open(location, DB_READER, &db), ERR_IO);
    assert_non_null(strstr(db_open_failure(), "does not answer"));
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(listener);
}

static int64_t count_columns(struct db *db, const char *type)
{
    SQL(SQL_COLUMNS, "SELECT count(*) FROM information_schema.columns WHERE table_schema ="
                     " current_schema() AND table_name = 'kinds' AND data_type = $1");
    int64_t value = -1;
    struct db_stmt *stmt = db_stmt(db, &SQL_COLUMNS);
    db_bind_str(stmt, 1, str_from_c(type));
    assert_ok(db_get_i64(stmt, &value));
    return value;
}

static void test_types_of_scripts_are_translated(void **state)
{
    PGSQL_ONLY();
    struct db *db = open_writer(*state);
    run_script(db,
               "-- INTEGER, 'REAL'\nCREATE TABLE kinds(id INTEGER PRIMARY KEY, n INTEGER,"
               " r REAL, t TEXT DEFAULT 'INTEGER BLOB', b BLOB, \"TEXT\" INTEGER);"
               "CREATE TABLE bare(a INTEGER NOT NULL, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID");
    assert_int_equal(count_columns(db, "bigint"), 3);
    assert_int_equal(count_columns(db, "double precision"), 1);
    assert_int_equal(count_columns(db, "text"), 1);
    assert_int_equal(count_columns(db, "bytea"), 1);
    /* An id comes by itself, or is given. */
    run_script(db, "INSERT INTO kinds(n) VALUES(1); INSERT INTO kinds(id, n) VALUES(70, 2)");
    assert_int_equal(query_i64(db, "SELECT count(*) FROM kinds WHERE id > 0 AND"
                                   " t = 'INTEGER BLOB'"),
                     2);
    /* Text sorts by its bytes, as in SQLite. */
    run_script(db, "INSERT INTO bare VALUES(1, 'a'), (2, 'B'), (3, 'ä')");
    assert_int_equal(query_i64(db, "SELECT a FROM bare ORDER BY b LIMIT 1"), 2);
    assert_int_equal(query_i64(db, "SELECT a FROM bare ORDER BY b DESC LIMIT 1"), 3);
    db_close(db);
}

/* ---- statements that fail ---- */

static void test_text_that_is_none_is_refused_and_the_transaction_goes_on(void **state)
{
    PGSQL_ONLY();
    struct db *db = open_with_items(*state);
    assert_ok(db_begin(db));
    assert_int_equal(add_named(db, 1, str_from("a\0b", 3)), ERR_INVALID);
    assert_ok(add(db, 1)); /* it never reached the server */
    assert_ok(db_savepoint(db));
    assert_int_equal(add_named(db, 2, STR("\xff\xfe")), ERR_INVALID);
    assert_ok(db_savepoint_rollback(db));
    assert_ok(add(db, 3));
    assert_ok(db_commit(db));
    assert_int_equal(count(db), 2);
    db_close(db);
}

static void test_a_failed_statement_fails_its_savepoint_and_no_more(void **state)
{
    PGSQL_ONLY();
    struct db *db = open_with_items(*state);
    assert_ok(db_begin(db));
    for (int64_t id = 1; id <= 3; id++) {
        assert_ok(db_savepoint(db));
        assert_ok(add(db, id));
        if (id == 2) {
            assert_int_equal(add(db, 1), ERR_CONFLICT);
            assert_int_equal(add(db, 9), ERR_IO); /* nothing runs behind it */
            assert_true(db_in_transaction(db));
            assert_ok(db_savepoint_rollback(db));
        } else {
            assert_ok(db_savepoint_release(db));
        }
    }
    assert_ok(db_commit(db));
    assert_int_equal(query_i64(db, "SELECT sum(id) FROM item"), 4);
    db_close(db);
}

static void test_a_failed_statement_without_savepoint_fails_the_commit(void **state)
{
    PGSQL_ONLY();
    struct db *db = open_with_items(*state);
    assert_ok(db_begin(db));
    assert_ok(add(db, 1));
    assert_int_equal(add(db, 1), ERR_CONFLICT);
    assert_int_equal(db_commit(db), ERR_IO);
    assert_false(db_status(db).is_unknown);
    assert_int_equal(count(db), 0);
    assert_ok(db_begin(db));
    assert_ok(add(db, 1));
    assert_ok(db_commit(db));
    assert_int_equal(count(db), 1);
    db_close(db);
}

static enum err add_later(struct db *db, int64_t id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD);
    db_bind_i64(stmt, 1, id);
    db_bind_str(stmt, 2, STR("later"));
    return db_exec_later(stmt);
}

static void test_a_deferred_statement_that_fails_loses_the_transaction(void **state)
{
    PGSQL_ONLY();
    struct db *db = open_with_items(*state);
    for (int told_by = 0; told_by < 2; told_by++) {
        assert_ok(db_begin(db));
        assert_ok(add(db, 1));
        assert_ok(db_savepoint(db));
        assert_ok(add_later(db, 2));
        assert_ok(add_later(db, 1)); /* not told yet */
        if (told_by == 0) {
            enum err err = db_savepoint_release(db);
            assert_int_equal(err == ERR_OK ? add(db, 3) : err, ERR_IO);
            assert_false(db_in_transaction(db));
        }
        assert_int_equal(db_commit(db), ERR_IO);
        assert_false(db_status(db).is_unknown);
        assert_int_equal(count(db), 0);
    }
    assert_ok(db_begin(db));
    for (int64_t id = 1; id <= 200; id++) { /* more than may be on their way at once */
        assert_ok(add_later(db, id));
    }
    assert_ok(db_commit(db));
    assert_int_equal(count(db), 200);
    db_close(db);
}

static void test_a_read_that_was_sent_and_given_up_leaves_its_rows_to_nobody(void **state)
{
    PGSQL_ONLY();
    struct db *db = open_writer(*state);
    SQL(SQL_ECHO, "SELECT CAST($1 AS BIGINT)");
    assert_ok(db_begin(db));
    struct db_stmt *stmt = NULL;
    for (int64_t value = 1; value <= 3; value++) {
        stmt = db_stmt(db, &SQL_ECHO);
        db_bind_i64(stmt, 1, value);
        assert_ok(db_send(stmt));
        if (value == 1) {
            db_done(stmt);
        }
    }
    int64_t found = 0;
    assert_ok(db_get_i64(stmt, &found));
    assert_int_equal(found, 3);
    assert_ok(db_commit(db));
    db_close(db);
}

static void test_a_lock_that_does_not_come_is_a_timeout(void **state)
{
    PGSQL_ONLY();
    struct db *db = open_with_items(*state), *other = open_writer(*state);
    const struct db_locks elsewhere = {.count = 1, .shards = {999}};
    assert_ok(db_begin_locked(other, &elsewhere));
    assert_ok(add(other, 1));
    run_script(db, "SET lock_timeout = 20");
    const struct db_locks here = {.count = 1, .shards = {1}};
    assert_ok(db_begin_locked(db, &here));
    assert_int_equal(add(db, 1), ERR_TIMEOUT); /* the request may be repeated: it is no fault */
    assert_false(db_status(db).is_outrun);
    db_rollback(db);
    assert_int_not_equal(db_begin(db), ERR_OK);
    db_rollback(other);
    assert_ok(db_begin(db));
    db_rollback(db);
    db_close(other);
    db_close(db);
}

static void test_a_conflict_with_another_transaction_is_marked(void **state)
{
    PGSQL_ONLY();
    struct db *db = open_with_items(*state);
    run_script(db, "CREATE FUNCTION fall(state text) RETURNS void LANGUAGE plpgsql AS"
                   " 'BEGIN RAISE EXCEPTION USING ERRCODE = state; END'");
    SQL(SQL_FALL, "SELECT fall($1)");
    static const struct {
        const char *state;
        bool is_outrun;
    } cases[] = {{"40001", true}, {"40P01", true}, {"55P03", false}, {"XX000", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_ok(db_begin(db));
        assert_false(db_status(db).is_outrun);
        assert_ok(add(db, 1));
        struct db_stmt *stmt = db_stmt(db, &SQL_FALL);
        db_bind_str(stmt, 1, str_from_c(cases[i].state));
        assert_int_not_equal(db_exec(stmt), ERR_OK);
        assert_int_equal(db_status(db).is_outrun, cases[i].is_outrun);
        db_rollback(db);
    }
    assert_int_equal(count(db), 0);
    db_close(db);
}

/* ---- lost connections ---- */

static void test_a_read_that_falls_into_the_loss_is_repeated(void **state)
{
    PGSQL_ONLY();
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    struct db *reader = open_reader(fixture);
    struct db *admin = open_admin(fixture);
    assert_ok(add(db, 1));
    assert_int_equal(count(reader), 1);
    for (unsigned life = 1; life < 5; life++) {
        assert_int_equal(db_status(reader).lives, life);
        assert_int_equal(end_sessions(admin, fixture, "reader"), 1);
        assert_int_equal(count(reader), 1);
    }
    db_close(admin);
    db_close(reader);
    db_close(db);
}

static void test_a_snapshot_that_was_lost_is_not_replaced_by_another(void **state)
{
    PGSQL_ONLY();
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    struct db *reader = open_reader(fixture);
    struct db *admin = open_admin(fixture);
    int64_t value;
    assert_ok(db_snapshot_begin(reader));
    assert_int_equal(count(reader), 0);
    assert_int_equal(end_sessions(admin, fixture, "reader"), 1);
    assert_int_equal(db_get_i64(db_stmt(reader, &SQL_COUNT), &value), ERR_IO);
    assert_int_equal(db_get_i64(db_stmt(reader, &SQL_COUNT), &value), ERR_IO);
    db_snapshot_end(reader);
    assert_int_equal(count(reader), 0);
    db_close(admin);
    db_close(reader);
    db_close(db);
}

static void test_a_transaction_that_was_lost_leaves_nothing(void **state)
{
    PGSQL_ONLY();
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    struct db *admin = open_admin(fixture);
    assert_ok(db_begin(db));
    assert_ok(add(db, 1));
    assert_int_equal(end_sessions(admin, fixture, "writer"), 1);
    assert_int_equal(add(db, 2), ERR_IO);
    assert_false(db_in_transaction(db));
    assert_int_equal(add(db, 3), ERR_IO); /* not outside of it either */
    assert_int_equal(db_commit(db), ERR_IO);
    assert_false(db_status(db).is_unknown); /* COMMIT was never sent */
    assert_true(db_status(db).is_lost);
    assert_ok(db_begin(db));
    assert_ok(add(db, 4));
    assert_ok(db_commit(db));
    assert_int_equal(query_i64(admin, "SELECT sum(id) FROM item"), 4);
    assert_int_equal(db_status(db).lives, 2);
    db_close(admin);
    db_close(db);
}

static void test_a_commit_without_an_answer_is_unknown(void **state)
{
    PGSQL_ONLY();
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    struct db *admin = open_admin(fixture);
    assert_ok(db_begin(db));
    assert_ok(add(db, 1));
    assert_int_equal(end_sessions(admin, fixture, "writer"), 1);
    assert_int_equal(db_commit(db), ERR_IO);
    assert_true(db_status(db).is_unknown);
    assert_ok(db_begin(db));
    assert_false(db_status(db).is_unknown);
    db_rollback(db);
    assert_int_equal(count(admin), 0);
    /* The same when the session ends in the middle of COMMIT. */
    run_script(db, "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
                   " PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60);"
                   " RETURN NEW; END';"
                   "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON item DEFERRABLE INITIALLY"
                   " DEFERRED FOR EACH ROW EXECUTE FUNCTION die()");
    assert_ok(db_begin(db));
    assert_ok(add(db, 2));
    assert_int_equal(db_commit(db), ERR_IO);
    assert_true(db_status(db).is_unknown);
    assert_int_equal(count(admin), 0);
    db_close(admin);
    db_close(db);
}

/* ---- locks ---- */

#define LOCKS_AWAITED                                                                              \
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database ="     \
    " (SELECT oid FROM pg_database WHERE datname = current_database())"

struct waiter {
    struct db *db;
    struct db_locks locks;
    _Atomic bool has_begun;
};

static void *begin_and_commit(void *ctx)
{
    struct waiter *waiter = ctx;
    enum err err = db_begin_locked(waiter->db, &waiter->locks);
    waiter->has_begun = true;
    return (void *)(intptr_t)(err == ERR_OK ? db_commit(waiter->db) : err);
}

/* first holds these shards; does a second, who wants those, wait for its end? */
static bool must_wait(const struct fixture *fixture, struct db_locks held, struct db_locks wanted)
{
    struct db *first = open_writer(fixture);
    struct db *admin = open_admin(fixture);
    struct waiter waiter = {.db = open_writer(fixture), .locks = wanted};
    assert_ok(db_begin_locked(first, &held));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, begin_and_commit, &waiter), 0);
    int64_t until_ns = clock_mono_ns() + PGSQL_WAIT_NS;
    bool is_waiting = false;
    while (!waiter.has_begun && !is_waiting) {
        assert_true(clock_mono_ns() < until_ns);
        is_waiting = query_i64(admin, LOCKS_AWAITED) > 0;
    }
    assert_ok(db_commit(first));
    void *outcome;
    assert_int_equal(pthread_join(thread, &outcome), 0);
    assert_int_equal((intptr_t)outcome, ERR_OK);
    db_close(waiter.db);
    db_close(admin);
    db_close(first);
    return is_waiting;
}

#define SHARDS(...)                                                                                \
    (struct db_locks)                                                                              \
    {                                                                                              \
        .count = sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), .shards = { __VA_ARGS__ }   \
    }

static void test_only_writers_of_the_same_shards_wait_for_each_other(void **state)
{
    PGSQL_ONLY();
    struct fixture *fixture = *state;
    const struct db_locks everything = {.count = 0};
    db_close(open_with_items(fixture));
    assert_false(must_wait(fixture, SHARDS(1), SHARDS(2)));
    assert_false(must_wait(fixture, SHARDS(1, 3, 5), SHARDS(6, 4, 2)));
    assert_true(must_wait(fixture, SHARDS(1), SHARDS(1)));
    assert_true(must_wait(fixture, SHARDS(1, 2, 2, 3), SHARDS(5, 3, 4)));
    assert_true(must_wait(fixture, everything, SHARDS(1)));
    assert_true(must_wait(fixture, SHARDS(1), everything));
    assert_true(must_wait(fixture, everything, everything));
}

static void test_a_session_lock_passes_on_when_its_connection_ends(void **state)
{
    PGSQL_ONLY();
    struct fixture *fixture = *state;
    struct db *first = open_with_items(fixture);
    struct db *admin = open_admin(fixture);
    bool is_held = false;
    assert_ok(db_lock_session(first, "steward", &is_held));
    assert_true(is_held);
    assert_ok(db_lock_session(first, "steward", &is_held));
    assert_true(is_held);
    assert_int_equal(end_sessions(admin, fixture, "writer"), 1);
    struct db *second = open_writer(fixture);
    assert_ok(db_lock_session(second, "steward", &is_held));
    assert_true(is_held);
    assert_ok(db_lock_session(second, "other", &is_held));
    assert_true(is_held);
    /* The first believes to hold it until it writes: then the lock is gone with the connection. */
    assert_ok(db_lock_session(first, "steward", &is_held));
    assert_true(is_held);
    assert_int_equal(db_begin(first), ERR_IO);
    assert_ok(db_begin(first));
    db_rollback(first);
    assert_ok(db_lock_session(first, "steward", &is_held));
    assert_false(is_held);
    db_close(second);
    await_i64(admin, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted", 0);
    assert_ok(db_lock_session(first, "steward", &is_held));
    assert_true(is_held);
    db_close(admin);
    db_close(first);
}

/* Node numbers change when the server still believes that the last connection lives. */
static void test_session_locks_of_lost_connections_leave_room_for_others(void **state)
{
    PGSQL_ONLY();
    struct fixture *fixture = *state;
    struct db *db = open_with_items(fixture);
    struct db *admin = open_admin(fixture);
    for (int i = 0; i < 3 * DB_SESSION_LOCKS_MAX; i++) {
        char name[16];
        bool is_held = false;
        (void)snprintf(name, sizeof(name), "node%d", i);
        assert_ok(db_lock_session(db, "steward", &is_held));
        assert_true(is_held);
        assert_ok(db_lock_session(db, name, &is_held));
        assert_true(is_held);
        assert_ok(db_lock_session(db, name, &is_held));
        assert_true(is_held);
        assert_int_equal(end_sessions(admin, fixture, "writer"), 1);
        assert_int_equal(db_begin(db), ERR_IO);
    }
    db_close(admin);
    db_close(db);
}

/* ---- others who write at the same time ---- */

#define STARTERS 4

struct starter {
    const struct fixture *fixture;
    pthread_barrier_t *meeting;
    size_t applied;
    enum err err;
};

static void *start(void *ctx)
{
    struct starter *starter = ctx;
    struct db *db = NULL;
    (void)pthread_barrier_wait(
        starter->meeting); /* one of them is told so, which is of no matter */
    starter->err = db_open(starter->fixture->path, DB_WRITER, &db);
    if (starter->err == ERR_OK) {
        starter->err = migrate_run(db, "tickets", &starter->applied);
    }
    db_close(db);
    return NULL;
}

static void test_nodes_that_start_at_once_migrate_once(void **state)
{
    PGSQL_ONLY();
    struct fixture *fixture = *state;
    pthread_t threads[STARTERS];
    struct starter starters[STARTERS];
    pthread_barrier_t meeting;
    assert_int_equal(pthread_barrier_init(&meeting, NULL, STARTERS), 0);
    for (int i = 0; i < STARTERS; i++) {
        starters[i] = (struct starter){.fixture = fixture, .meeting = &meeting};
        assert_int_equal(pthread_create(&threads[i], NULL, start, &starters[i]), 0);
    }
    size_t applied = 0;
    for (int i = 0; i < STARTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(starters[i].err);
        applied += starters[i].applied;
    }
    struct db *admin = open_admin(fixture);
    assert_true(applied > 0);
    assert_int_equal(query_i64(admin, "SELECT count(*) FROM schema_migration"), applied);
    db_close(admin);
    assert_int_equal(pthread_barrier_destroy(&meeting), 0);
}

/* A node that appends one row to a shard and commits when it is told to. */
struct node {
    struct db *db;
    struct journal *journal;
};

static void node_begin(struct node *node, uint64_t shard)
{
    const struct db_locks locks = SHARDS(shard);
    assert_ok(db_begin_locked(node->db, &locks));
    journal_group_begin(node->journal, 1700000000000, &locks);
    journal_job_begin(node->journal);
    assert_ok(journal_append(node->journal, shard, "seat.held", STR("{}"), NULL));
    assert_int_equal(journal_append(node->journal, shard + 1, "seat.held", STR("{}"), NULL),
                     ERR_DENIED);
}

static void node_commit(struct node *node)
{
    assert_ok(journal_group_flush(node->journal));
    assert_ok(db_commit(node->db));
    journal_group_end(node->journal, true);
}

struct seen {
    size_t count;
    int64_t last_seq;
};

static enum err on_row(const struct journal_row *row, void *ctx)
{
    struct seen *seen = ctx;
    assert_true(row->seq > seen->last_seq);
    seen->last_seq = row->seq;
    seen->count++;
    return ERR_OK;
}

/* A follower reads on from where it is. Returns how many rows it has seen. */
static size_t follow(struct db *reader, struct seen *seen)
{
    assert_ok(journal_read(reader, seen->last_seq, 1000, on_row, seen));
    return seen->count;
}

static void test_a_follower_never_misses_what_commits_late(void **state)
{
    PGSQL_ONLY();
    struct fixture *fixture = *state;
    struct node nodes[2];
    for (int i = 0; i < 2; i++) {
        nodes[i].db = open_writer(fixture);
        if (i == 0) {
            run_script(nodes[i].db, JOURNAL_TABLES);
        }
        assert_ok(journal_new(nodes[i].db, &nodes[i].journal));
    }
    struct db *reader = open_reader(fixture);
    struct seen seen = {0};
    node_begin(&nodes[0], 10); /* has the lower seq and commits last */
    for (int i = 1; i <= 3; i++) {
        node_begin(&nodes[1], 20);
        node_commit(&nodes[1]);
        assert_int_equal(follow(reader, &seen), 0);
    }
    assert_int_equal(query_i64(reader, "SELECT count(*) FROM journal"), 3); /* they are there */
    node_commit(&nodes[0]);
    int64_t until_ns = clock_mono_ns() + PGSQL_WAIT_NS;
    while (follow(reader, &seen) < 4) { /* others in the cluster may have one open, too */
        assert_true(clock_mono_ns() < until_ns);
    }
    assert_int_equal(seen.count, 4);
    for (int i = 0; i < 2; i++) {
        journal_free(nodes[i].journal);
        db_close(nodes[i].db);
    }
    db_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_locations_without_a_schema_of_plain_letters_are_refused),
        fixture_test(test_a_server_that_is_not_there_is_an_io_error),
        fixture_test(test_no_setting_of_the_server_makes_commits_less_than_durable),
        fixture_test(test_the_server_gives_up_sessions_of_the_dead),
        fixture_test(test_a_server_that_lets_in_and_hangs_is_given_up),
        fixture_test(test_types_of_scripts_are_translated),
        fixture_test(test_text_that_is_none_is_refused_and_the_transaction_goes_on),
        fixture_test(test_a_failed_statement_fails_its_savepoint_and_no_more),
        fixture_test(test_a_failed_statement_without_savepoint_fails_the_commit),
        fixture_test(test_a_deferred_statement_that_fails_loses_the_transaction),
        fixture_test(test_a_read_that_was_sent_and_given_up_leaves_its_rows_to_nobody),
        fixture_test(test_a_lock_that_does_not_come_is_a_timeout),
        fixture_test(test_a_conflict_with_another_transaction_is_marked),
        fixture_test(test_a_read_that_falls_into_the_loss_is_repeated),
        fixture_test(test_a_snapshot_that_was_lost_is_not_replaced_by_another),
        fixture_test(test_a_transaction_that_was_lost_leaves_nothing),
        fixture_test(test_a_commit_without_an_answer_is_unknown),
        fixture_test(test_only_writers_of_the_same_shards_wait_for_each_other),
        fixture_test(test_a_session_lock_passes_on_when_its_connection_ends),
        fixture_test(test_session_locks_of_lost_connections_leave_room_for_others),
        fixture_test(test_nodes_that_start_at_once_migrate_once),
        fixture_test(test_a_follower_never_misses_what_commits_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
