/* Whose turn it is: applications share evenly, then their endpoints, by bytes and not by number. */
#include "base/check.h"

#include "base/crypto.h"
#include "hooks/dispatcher_internal.h"

#define SMALL DISPATCH_COST
#define LARGE (1u << 20)

static struct dispatcher fair;

static int set_up(void **state)
{
    (void)state;
    memset(&fair, 0, sizeof(fair));
    fair.last = &fair.first;
    map_init(&fair.targets, 1000);
    map_init(&fair.customers, 1000);
    map_init(&fair.known, 1000);
    heap_init(&fair.timers, 1000);
    pthread_mutex_init(&fair.shown_lock, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    targets_free(&fair);
    pthread_mutex_destroy(&fair.shown_lock);
    return 0;
}

static struct target *target_of(uint64_t app_id, uint64_t endpoint_id)
{
    struct target *target;
    assert_ok(target_find(&fair, app_id, endpoint_id, &target));
    target_queue(&fair, target);
    return target;
}

/* Each turn sends one delivery of the size that the endpoint's id says; bytes by application. */
static void run(int turns, size_t (*cost_of)(const struct target *target), uint64_t bytes[8])
{
    memset(bytes, 0, 8 * sizeof(bytes[0]));
    for (int i = 0; i < turns; i++) {
        struct target *target = fair_next(&fair);
        assert_non_null(target);
        fair_charge(target, cost_of(target));
        bytes[target->customer->id] += cost_of(target);
    }
}

static size_t small(const struct target *target)
{
    (void)target;
    return SMALL;
}

static size_t large_for_first(const struct target *target)
{
    return target->customer->id == 1 ? LARGE : SMALL;
}

static void applications_share_however_many_endpoints_they_have(void **state)
{
    (void)state;
    uint64_t bytes[8];
    (void)target_of(1, 100);
    for (uint64_t i = 0; i < 50; i++)
        (void)target_of(2, 200 + i);
    (void)target_of(3, 300);
    run(3000, small, bytes);
    for (int app = 1; app <= 3; app++)
        assert_in_range(bytes[app], 1000 * SMALL - DISPATCH_QUANTUM,
                        1000 * SMALL + DISPATCH_QUANTUM);
}

static void endpoints_of_one_application_share(void **state)
{
    (void)state;
    size_t counts[4] = {0};
    for (uint64_t i = 0; i < 4; i++)
        (void)target_of(1, 100 + i);
    for (int i = 0; i < 4000; i++) {
        struct target *target = fair_next(&fair);
        fair_charge(target, SMALL);
        counts[target->id - 100]++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(counts[i], 1000 - DISPATCH_QUANTUM / SMALL,
                        1000 + DISPATCH_QUANTUM / SMALL);
}

static void large_payloads_are_paid_for(void **state)
{
    (void)state;
    uint64_t bytes[8];
    (void)target_of(1, 100);
    (void)target_of(2, 200);
    run(20000, large_for_first, bytes);
    assert_in_range(bytes[1], bytes[2] - 2 * LARGE, bytes[2] + 2 * LARGE);
}

static void a_debt_is_not_forgotten_out_of_line(void **state)
{
    (void)state;
    struct target *debtor = target_of(1, 100);
    assert_ptr_equal(fair_next(&fair), debtor);
    fair_charge(debtor, LARGE);
    assert_ptr_equal(fair_next(&fair), debtor); /* alone it goes on at once */
    fair_charge(debtor, LARGE);
    target_drop(debtor);
    assert_null(fair_next(&fair));
    struct target *other = target_of(2, 200);
    target_queue(&fair, debtor);
    for (size_t i = 0; i < (LARGE - 2 * DISPATCH_QUANTUM) / SMALL; i++) {
        assert_ptr_equal(fair_next(&fair), other);
        fair_charge(other, SMALL);
    }
}

static void credit_is_lost_out_of_line(void **state)
{
    (void)state;
    struct target *target = target_of(1, 100);
    assert_ptr_equal(fair_next(&fair), target);
    assert_true(target->deficit > 0);
    target_drop(target);
    assert_int_equal(target->deficit, 0);
    assert_null(fair_next(&fair));
    assert_int_equal(target->customer->deficit, 0);
    assert_false(target->is_in_line || target->customer->is_in_line);
}

static void one_that_may_not_send_leaves_the_line_to_others(void **state)
{
    (void)state;
    struct target *first = target_of(1, 100), *second = target_of(1, 101);
    struct target *other = target_of(2, 200);
    assert_ptr_equal(fair_next(&fair), first);
    target_drop(first);
    assert_ptr_equal(fair_next(&fair), second);
    customer_drop(&fair); /* the application has as much under way as it may */
    assert_ptr_equal(fair_next(&fair), other);
    target_queue(&fair, first); /* something of it has ended */
    target_drop(other);
    assert_ptr_equal(fair_next(&fair), second);
    target_drop(second);
    assert_ptr_equal(fair_next(&fair), first);
    target_drop(first);
    assert_null(fair_next(&fair));
}

static void being_queued_twice_is_being_queued_once(void **state)
{
    (void)state;
    struct target *target = target_of(1, 100);
    target_queue(&fair, target);
    target_queue(&fair, target);
    assert_ptr_equal(fair_next(&fair), target);
    target_drop(target);
    assert_null(fair_next(&fair));
}

static void health_of_one_that_was_never_met(void **state)
{
    (void)state;
    struct endpoint_health health;
    dispatcher_health(&fair, 1, 100, &health);
    assert_int_equal(health.state, BREAKER_SHOWN_CLOSED);
    assert_true(health.p50_ms == -1 && health.p99_ms == -1);
    struct target *target = target_of(1, 100);
    for (uint32_t i = 1; i <= 100; i++)
        target->latencies_ms[target->latency_count++ % LATENCIES_KEPT] = i;
    target->in_flight = 3;
    for (int i = 0; i < BREAKER_FAILURES_MAX; i++)
        breaker_record(&target->breaker, BREAKER_NORMAL, false, 1000);
    target_show(&fair, target);
    target->in_flight = 0;
    dispatcher_health(&fair, 1, 100, &health);
    assert_int_equal(health.state, BREAKER_SHOWN_OPEN);
    assert_int_equal(health.next_probe_at, 1000 + BREAKER_PAUSE_MS);
    assert_int_equal(health.in_flight, 3);
    assert_int_equal(health.p50_ms, 68); /* of 37 to 100 */
    assert_int_equal(health.p99_ms, 99);
    dispatcher_health(&fair, 2, 100, &health); /* not of that application */
    assert_int_equal(health.p50_ms, -1);
}

#define fair_case(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fair_case(applications_share_however_many_endpoints_they_have),
        fair_case(endpoints_of_one_application_share),
        fair_case(large_payloads_are_paid_for),
        fair_case(a_debt_is_not_forgotten_out_of_line),
        fair_case(credit_is_lost_out_of_line),
        fair_case(one_that_may_not_send_leaves_the_line_to_others),
        fair_case(being_queued_twice_is_being_queued_once),
        fair_case(health_of_one_that_was_never_met),
    };
    return crypto_init() == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
