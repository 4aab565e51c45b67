/* Work that comes again: at once, at intervals, after a jump of the clock; and its end. */
#include "app/timer.h"

#include "base/check.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define HOUR_MS (3600 * INT64_C(1000))

static struct timer *timer;

struct work {
    _Atomic int runs;
    _Atomic bool holds; /* runs until it may end, or the timer stops */
    _Atomic bool was_stopped;
};

static void nap(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void wait_for_runs(struct work *work, int runs)
{
    while (atomic_load(&work->runs) < runs)
        nap();
}

static void work_run(struct timer *of, void *ctx)
{
    struct work *work = ctx;
    assert_ptr_equal(of, timer);
    atomic_fetch_add(&work->runs, 1);
    while (atomic_load(&work->holds) && !timer_is_stopping(of))
        nap();
    if (timer_is_stopping(of))
        atomic_store(&work->was_stopped, true);
}

static void add(struct work *work, int64_t interval_ms, bool runs_at_once)
{
    assert_ok(timer_add(timer, &(struct timer_job){.run = work_run,
                                                   .ctx = work,
                                                   .interval_ms = interval_ms,
                                                   .runs_at_once = runs_at_once}));
}

static int setup(void **state)
{
    (void)state;
    return timer_new(&timer) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    timer_free(timer);
    timer_free(NULL);
    return 0;
}

static void each_job_has_its_interval(void **state)
{
    (void)state;
    struct work often = {0}, seldom = {0}, later = {0};
    add(&seldom, HOUR_MS, true);
    add(&later, HOUR_MS, false);
    add(&often, 1, true);
    wait_for_runs(&often, 20);
    wait_for_runs(&seldom, 1);
    timer_stop(timer);
    assert_int_equal(atomic_load(&seldom.runs), 1);
    assert_int_equal(atomic_load(&later.runs), 0);
}

static void a_jump_of_the_clock_makes_all_due(void **state)
{
    (void)state;
    struct work works[3] = {0};
    for (int i = 0; i < 3; i++)
        add(&works[i], HOUR_MS, false);
    for (int jump = 1; jump <= 3; jump++) {
        clock_advance_ms(1000);
        for (int i = 0; i < 3; i++)
            wait_for_runs(&works[i], jump);
    }
    timer_stop(timer);
    for (int i = 0; i < 3; i++)
        assert_int_equal(atomic_load(&works[i].runs), 3);
}

static void a_jump_during_a_run_is_not_lost(void **state)
{
    (void)state;
    struct work work = {.holds = true};
    add(&work, HOUR_MS, true);
    wait_for_runs(&work, 1);
    clock_advance_ms(1000);
    atomic_store(&work.holds, false);
    wait_for_runs(&work, 2);
}

static void stop_waits_for_what_runs(void **state)
{
    (void)state;
    struct work work = {.holds = true};
    add(&work, 1, true);
    wait_for_runs(&work, 1);
    assert_false(atomic_load(&work.was_stopped));
    timer_stop(timer);
    assert_true(atomic_load(&work.was_stopped));
    assert_int_equal(atomic_load(&work.runs), 1);
    timer_stop(timer);
    clock_advance_ms(1000); /* reaches nobody */
    assert_int_equal(atomic_load(&work.runs), 1);
}

static void the_table_of_jobs_has_an_end(void **state)
{
    (void)state;
    struct work work = {0};
    for (int i = 0; i < TIMER_JOBS_MAX; i++)
        add(&work, HOUR_MS, false);
    struct timer_job more = {.run = work_run, .ctx = &work, .interval_ms = HOUR_MS};
    assert_int_equal(timer_add(timer, &more), ERR_FULL);
    clock_advance_ms(1000);
    wait_for_runs(&work, TIMER_JOBS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_job_has_its_interval, setup, teardown),
        cmocka_unit_test_setup_teardown(a_jump_of_the_clock_makes_all_due, setup, teardown),
        cmocka_unit_test_setup_teardown(a_jump_during_a_run_is_not_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_waits_for_what_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(the_table_of_jobs_has_an_end, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
