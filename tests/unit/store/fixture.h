/*
 * A directory and a database of its own for each store test, and short ways to look into one. The same tests
 * run on both engines: with FOYER_TEST_STORE, a PostgreSQL database that this program has for itself
 * (tests/unit/pgsql.sh), each test gets a schema there instead of a file.
 */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "store/db.h"

#define assert_ok(expression) assert_int_equal((expression), ERR_OK)

#define JOURNAL_TABLES                                                                             \
    "CREATE TABLE journal(seq INTEGER PRIMARY KEY, shard INTEGER NOT NULL,"                        \
    " version INTEGER NOT NULL, at_ms INTEGER NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL,"   \
    " hash BLOB NOT NULL);"                                                                        \
    "CREATE TABLE journal_head(shard INTEGER PRIMARY KEY, version INTEGER NOT NULL,"               \
    " hash BLOB NOT NULL);"                                                                        \
    "CREATE TABLE IF NOT EXISTS journal_base(id INTEGER PRIMARY KEY, seq INTEGER NOT NULL);"

/* What of SQLite the tests' scripts use, for PostgreSQL. */
#define PGSQL_SHIMS                                                                                \
    "CREATE FUNCTION zeroblob(size BIGINT) RETURNS BYTEA LANGUAGE sql AS"                          \
    " 'SELECT decode(repeat(''00'', CAST(size AS int4)), ''hex'')';"                               \
    "CREATE FUNCTION hex(bytes BYTEA) RETURNS text LANGUAGE sql AS"                                \
    " 'SELECT upper(encode(bytes, ''hex''))';"

struct fixture {
    char dir[64];
    char path[512]; /* the database's location */
};

/* The database to be tested on; NULL: SQLite. */
__attribute__((unused)) static const char *fixture_store(void)
{
    const char *store = getenv("FOYER_TEST_STORE");
    return store && store[0] ? store : NULL;
}

/* First thing in a test that is about SQLite or its files. */
#define SQLITE_ONLY()                                                                              \
    do {                                                                                           \
        if (fixture_store())                                                                       \
            skip();                                                                                \
    } while (0)

#define PGSQL_ONLY()                                                                               \
    do {                                                                                           \
        if (!fixture_store())                                                                      \
            skip();                                                                                \
    } while (0)

/* A schema that no test of this program had before; made when a writer opens it. */
static inline void fixture_name_schema(struct fixture *fixture)
{
    static unsigned count;
    (void)snprintf(fixture->path, sizeof(fixture->path), "%s#t%u", fixture_store(), ++count);
}

/* What a failed test has left open may hold it: then it goes with the database. */
static inline void fixture_drop_schema(const struct fixture *fixture)
{
    struct db *db = NULL;
    if (db_open(fixture->path, DB_WRITER, &db) != ERR_OK)
        return;
    char text[128];
    (void)snprintf(text, sizeof(text), "SET lock_timeout = '5s'; DROP SCHEMA %s CASCADE",
                   strchr(fixture->path, '#') + 1);
    if (db_script(db, str_from_c(text)) != ERR_OK)
        print_error("%s: %s\n", text, db_message(db));
    db_close(db);
}

__attribute__((unused)) static int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    (void)snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/foyer-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    (void)snprintf(fixture->path, sizeof(fixture->path), "%s/test.db", fixture->dir);
    if (fixture_store())
        fixture_name_schema(fixture);
    *state = fixture;
    return crypto_init() == ERR_OK ? 0 : -1;
}

__attribute__((unused)) static int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    if (fixture_store())
        fixture_drop_schema(fixture);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[528];
        (void)snprintf(path, sizeof(path), "%s%s", fixture->path, suffixes[i]);
        (void)unlink(path);
    }
    int result = rmdir(fixture->dir);
    free(fixture);
    return result;
}

#define fixture_test(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

__attribute__((unused)) static struct db *open_writer(const struct fixture *fixture)
{
    struct db *db = NULL;
    assert_ok(db_open(fixture->path, DB_WRITER, &db));
    return db;
}

__attribute__((unused)) static struct db *open_reader(const struct fixture *fixture)
{
    struct db *db = NULL;
    assert_ok(db_open(fixture->path, DB_READER, &db));
    return db;
}

__attribute__((unused)) static void run_script(struct db *db, const char *text)
{
    enum err err = db_script(db, str_from_c(text));
    if (err != ERR_OK) {
        print_error("%s: %s\n", text, db_message(db));
    }
    assert_ok(err);
}

/* First column of the first row of a query given as a constant; one for each engine. */
#define query_i64(db, text) query_i64_pair(db, text, NULL)
#define query_i64_pair(db, sqlite_text, pgsql_text)                                                \
    ({                                                                                             \
        SQL_PAIR(query_sql, sqlite_text, pgsql_text);                                              \
        int64_t query_value = -1;                                                                  \
        assert_ok(db_get_i64(db_stmt((db), &query_sql), &query_value));                            \
        query_value;                                                                               \
    })

__attribute__((unused)) static int64_t wal_size(const struct fixture *fixture)
{
    char path[528];
    (void)snprintf(path, sizeof(path), "%s-wal", fixture->path);
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

#endif
