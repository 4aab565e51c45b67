/* A directory of its own for each store test, and short ways to look into a database. */
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
    " hash BLOB NOT NULL);"

struct fixture {
    char dir[64];
    char path[96]; /* of the database */
};

__attribute__((unused)) static int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    (void)snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/foyer-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    (void)snprintf(fixture->path, sizeof(fixture->path), "%s/test.db", fixture->dir);
    *state = fixture;
    return crypto_init() == ERR_OK ? 0 : -1;
}

__attribute__((unused)) static int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[128];
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

/* First column of the first row of a query given as a constant. */
#define query_i64(db, text)                                                                        \
    ({                                                                                             \
        SQL(query_sql, text);                                                                      \
        int64_t query_value = -1;                                                                  \
        assert_ok(db_get_i64(db_stmt((db), &query_sql), &query_value));                            \
        query_value;                                                                               \
    })

__attribute__((unused)) static int64_t wal_size(const struct fixture *fixture)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s-wal", fixture->path);
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

#endif
