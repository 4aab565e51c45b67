/*
 * Expectations inside jobs. Jobs run on the writer's thread, where the test framework's assertions
 * cannot be used: the first expectation that fails is noted, and fails the test on its own thread.
 */
#ifndef TESTS_TICKETS_EXPECT_H
#define TESTS_TICKETS_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tickets/fixture.h"

static char expect_failure[256];

#define expect_eq(a, b)                                                                            \
    expect_equal((long long)(a), (long long)(b), #a " is not " #b, __FILE__, __LINE__)
#define expect(condition) expect_eq(!!(condition), true)

static inline void expect_equal(long long a, long long b, const char *text, const char *file,
                                int line)
{
    if (a != b && !expect_failure[0])
        snprintf(expect_failure, sizeof(expect_failure), "%s:%d: %s (%lld, %lld)", file, line, text,
                 a, b);
}

/* fixture_write, and then what the job expected. */
static inline enum err expect_write(struct fixture *fixture,
                                    enum err (*fn)(struct fixture *, struct writer_tx *, void *),
                                    void *ctx)
{
    enum err err = fixture_write(fixture, fn, ctx);
    if (expect_failure[0]) {
        char text[sizeof(expect_failure)];
        snprintf(text, sizeof(text), "%s", expect_failure);
        expect_failure[0] = '\0';
        fail_msg("%s", text);
    }
    return err;
}

#endif
