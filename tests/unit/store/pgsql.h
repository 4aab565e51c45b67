/* What tests do to PostgreSQL beside what they test: looking at sessions and locks, and ending sessions. */
#ifndef TESTS_STORE_PGSQL_H
#define TESTS_STORE_PGSQL_H

#include "store/fixture.h"

#include "base/clock.h"

#include <time.h>

#define PGSQL_WAIT_NS ((int64_t)60 * 1000000000)

/* Until the query says the number. For what comes by itself; fails when it does not. */
#define await_i64(db, text, wanted)                                                                \
    do {                                                                                           \
        int64_t await_until_ns = clock_mono_ns() + PGSQL_WAIT_NS;                                  \
        while (query_i64(db, text) != (wanted)) {                                                  \
            assert_true(clock_mono_ns() < await_until_ns);                                         \
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);                               \
        }                                                                                          \
    } while (0)

__attribute__((unused)) static struct db *open_admin(const struct fixture *fixture)
{
    struct db *db = NULL;
    assert_ok(db_open(fixture->path, DB_ADMIN, &db));
    return db;
}

/* What the connections of this schema in that mode are called. */
static inline struct str session_name(const struct fixture *fixture, const char *mode,
                                      char place[static 64])
{
    int len = snprintf(place, 64, "foyer %s %s", strchr(fixture->path, '#') + 1, mode);
    return str_from(place, (size_t)len);
}

static inline int64_t session_count(struct db *admin, const struct fixture *fixture,
                                    const char *mode)
{
    SQL(SQL_SESSIONS, "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
                      " AND datname = current_database()");
    char name[64];
    int64_t count = -1;
    struct db_stmt *stmt = db_stmt(admin, &SQL_SESSIONS);
    db_bind_str(stmt, 1, session_name(fixture, mode, name));
    assert_ok(db_get_i64(stmt, &count));
    return count;
}

/* Ends all sessions in that mode ("writer", "reader") and waits until they are gone. Returns how many. */
__attribute__((unused)) static int64_t end_sessions(struct db *admin, const struct fixture *fixture,
                                                    const char *mode)
{
    SQL(SQL_TERMINATE, "SELECT COALESCE(sum(CAST(pg_terminate_backend(pid) AS int)), 0)"
                       " FROM pg_stat_activity WHERE application_name = $1"
                       " AND datname = current_database()");
    char name[64];
    int64_t count = -1;
    struct db_stmt *stmt = db_stmt(admin, &SQL_TERMINATE);
    db_bind_str(stmt, 1, session_name(fixture, mode, name));
    assert_ok(db_get_i64(stmt, &count));
    /* Whoever connects again at once may never be seen gone: a second is enough for those that were ended. */
    int64_t until_ns = clock_mono_ns() + 1000000000;
    while (session_count(admin, fixture, mode) > 0 && clock_mono_ns() < until_ns) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return count;
}

#endif
