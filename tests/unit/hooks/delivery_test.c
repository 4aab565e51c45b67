/* States of a delivery: what an attempt makes of it, and that an end is an end. */
#include "base/check.h"

#include "hooks/delivery.h"
#include "hooks/schedule.h"

#define START INT64_C(1700000000000)

static struct delivery waiting(void)
{
    return (struct delivery){.state = DELIVERY_PENDING, .next_at = START, .created_at = START};
}

static struct delivery_end ended(enum delivery_result result, int64_t after_ms)
{
    return (struct delivery_end){
        .result = result, .schedule = &schedule_default, .now_ms = START + after_ms};
}

static void one_that_is_taken_is_done(void **state)
{
    (void)state;
    struct delivery delivery = waiting();
    struct delivery_end end = ended(DELIVERY_TAKEN, 10);
    delivery_settle(&delivery, &end);
    assert_int_equal(delivery.state, DELIVERY_SUCCESS);
    assert_int_equal(delivery.attempts, 1);
    assert_int_equal(delivery.next_at, 0);
    assert_int_equal(delivery.ended_at, START + 10);
}

static void one_that_is_refused_comes_again_until_it_is_dead(void **state)
{
    (void)state;
    struct delivery delivery = waiting();
    for (int attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
        struct delivery_end end = ended(DELIVERY_REFUSED, delivery.next_at - START);
        assert_int_equal(delivery.state, DELIVERY_PENDING);
        delivery_settle(&delivery, &end);
        assert_int_equal(delivery.attempts, attempt);
        if (attempt < ATTEMPTS_MAX)
            assert_int_equal(delivery.next_at, end.now_ms + schedule_default.delays_ms[attempt]);
    }
    assert_int_equal(delivery.state, DELIVERY_DEAD);
    assert_int_equal(delivery.next_at, 0);
    assert_true(delivery.ended_at > START);
}

static void one_that_is_given_up_has_no_attempt_more(void **state)
{
    (void)state;
    struct delivery delivery = waiting();
    struct delivery_end end = ended(DELIVERY_GIVEN_UP, 5);
    delivery_settle(&delivery, &end);
    assert_int_equal(delivery.state, DELIVERY_DEAD);
    assert_int_equal(delivery.attempts, 0);
}

static void an_end_is_an_end(void **state)
{
    (void)state;
    static const enum delivery_state states[] = {DELIVERY_SUCCESS, DELIVERY_DEAD};
    for (int i = 0; i < 2; i++) {
        for (int result = DELIVERY_TAKEN; result <= DELIVERY_GIVEN_UP; result++) {
            if (states[i] == DELIVERY_DEAD && result == DELIVERY_TAKEN)
                continue;
            struct delivery delivery = {.state = states[i], .attempts = 3, .ended_at = START};
            struct delivery_end end = ended((enum delivery_result)result, 99);
            delivery_settle(&delivery, &end);
            assert_int_equal(delivery.state, states[i]);
            assert_int_equal(delivery.attempts, 3);
            assert_int_equal(delivery.ended_at, START);
        }
    }
}

static void one_that_arrives_after_it_was_given_up_has_arrived(void **state)
{
    (void)state;
    struct delivery delivery = {.state = DELIVERY_DEAD, .attempts = 3, .ended_at = START};
    struct delivery_end end = ended(DELIVERY_TAKEN, 99);
    delivery_settle(&delivery, &end);
    assert_int_equal(delivery.state, DELIVERY_SUCCESS);
    assert_int_equal(delivery.attempts, 4);
    assert_int_equal(delivery.ended_at, START + 99);
}

static void a_receivers_wish_and_an_owners_schedule_count(void **state)
{
    (void)state;
    struct schedule own = {{0, 1000}, 2};
    struct delivery delivery = waiting();
    struct delivery_end end = ended(DELIVERY_REFUSED, 0);
    end.schedule = &own;
    end.retry_after_ms = 60000;
    delivery_settle(&delivery, &end);
    assert_int_equal(delivery.next_at, START + 60000);
    delivery_settle(&delivery, &end);
    assert_int_equal(delivery.state, DELIVERY_DEAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_taken_is_done),
        cmocka_unit_test(one_that_is_refused_comes_again_until_it_is_dead),
        cmocka_unit_test(one_that_is_given_up_has_no_attempt_more),
        cmocka_unit_test(an_end_is_an_end),
        cmocka_unit_test(one_that_arrives_after_it_was_given_up_has_arrived),
        cmocka_unit_test(a_receivers_wish_and_an_owners_schedule_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
