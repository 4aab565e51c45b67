/* How often a crowd in a waiting room asks, all together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "tickets/limits.h"
#include "tickets/queue_poll.h"
#include "tickets/queue_settings.h"

#define NOW 1800000000000LL

static int64_t ask(const struct queue_settings *settings, const struct queue_sight *sight,
                   int64_t to_sale_ms)
{
    struct queue_poll poll = {settings, sight, NOW + to_sale_ms, NOW};
    return queue_poll_after(&poll);
}

static void the_beginning_of_the_sale_is_asked_for_one_after_the_other(void **state)
{
    (void)state;
    enum {
        SECONDS = 120
    };
    static int64_t questions[SECONDS];
    struct queue_settings settings;
    struct queue_sight sight = {.state = QUEUE_PRE, .people = 150000};
    queue_settings_default(&settings);
    for (int64_t i = 0; i < sight.people; i++) {
        int64_t after_ms = ask(&settings, &sight, 50000);
        assert_in_range(after_ms, 51000, 50000 + settings.quiet_s * 1000 * 3 / 4);
        questions[after_ms / 1000]++;
    }
    for (int i = 0; i < SECONDS; i++)
        assert_in_range(questions[i], 0, QUEUE_POLLS_PER_S);
    sight.people = 10; /* a few need not wait */
    assert_in_range(ask(&settings, &sight, 50000), 51000, 53000);
    assert_in_range(ask(&settings, &sight, -500), 1000, 3000);
}

/* Mean questions a second of all who wait. */
static double load_of(const struct queue_settings *settings, int64_t people, double ends_per_s)
{
    double sum = 0;
    for (int64_t ahead = 0; ahead < people; ahead++) {
        struct queue_sight sight = {
            .state = QUEUE_WAITING,
            .people = people,
            .ahead = ahead,
            .eta_seconds = ends_per_s > 0 ? (int64_t)((double)ahead / ends_per_s) : -1};
        sum += 1000 / (double)ask(settings, &sight, -60000);
    }
    return sum;
}

static void those_who_wait_ask_no_more_than_the_limit_together(void **state)
{
    (void)state;
    struct queue_settings settings;
    queue_settings_default(&settings);
    const double speeds[] = {0, 1, 10, 1000, 10000};
    for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
        assert_true(load_of(&settings, 150000, speeds[i]) <= QUEUE_POLLS_PER_S);
        assert_true(load_of(&settings, 400000, speeds[i]) <= QUEUE_POLLS_PER_S);
    }
}

static void the_next_ones_ask_soon_and_nobody_misses_their_turn(void **state)
{
    (void)state;
    struct queue_settings settings;
    queue_settings_default(&settings);
    struct queue_sight sight = {
        .state = QUEUE_WAITING, .people = 150000, .ahead = 20, .eta_seconds = 2};
    assert_in_range(ask(&settings, &sight, -60000), 1000, 1250);
    settings.quiet_s = QUEUE_QUIET_S_MIN;
    settings.admit_per_minute = QUEUE_PER_MINUTE_MAX;
    sight.ahead = 4000;
    sight.people = QUEUE_ENTRIES_MAX;
    int64_t soonest_ms = sight.ahead * 60000 / settings.admit_per_minute;
    for (int i = 0; i < 1000; i++)
        assert_in_range(ask(&settings, &sight, -60000), 1000,
                        soonest_ms + settings.quiet_s * 1000 * 3 / 4);
    sight.state = QUEUE_PRE;
    for (int i = 0; i < 1000; i++)
        assert_in_range(ask(&settings, &sight, -1), 1000, settings.quiet_s * 1000 * 3 / 4);
}

static void who_only_looks_comes_seldom_and_not_all_at_once(void **state)
{
    (void)state;
    int64_t first_ms = INT64_MAX, last_ms = 0;
    struct queue_settings settings;
    queue_settings_default(&settings);
    for (int i = 0; i < 1000; i++) {
        int64_t after_ms = queue_poll_room_after(&settings, 20000, 0);
        assert_in_range(after_ms, 20000, 50000);
        first_ms = after_ms < first_ms ? after_ms : first_ms;
        last_ms = after_ms > last_ms ? after_ms : last_ms;
        assert_in_range(queue_poll_room_after(&settings, 3600000, 0), 60000, 90000);
        assert_in_range(queue_poll_room_after(&settings, 0, 10), 10000, 12500);
        assert_in_range(queue_poll_room_after(&settings, 0, 150000), 40000, 50000);
        assert_in_range(queue_poll_room_after(&settings, 0, QUEUE_ENTRIES_MAX), 60000, 75000);
    }
    assert_true(last_ms - first_ms > 20000);
    settings.opens_before_s = 0; /* no draw: the first to come is the first in line */
    for (int i = 0; i < 1000; i++)
        assert_in_range(queue_poll_room_after(&settings, 20000, 0), 20000, 23000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_beginning_of_the_sale_is_asked_for_one_after_the_other),
        cmocka_unit_test(those_who_wait_ask_no_more_than_the_limit_together),
        cmocka_unit_test(who_only_looks_comes_seldom_and_not_all_at_once),
        cmocka_unit_test(the_next_ones_ask_soon_and_nobody_misses_their_turn),
    };
    return crypto_init() == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
