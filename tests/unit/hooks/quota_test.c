/* Quotas: a bucket an application, and a count of what waits that is right whatever ends it. */
#include "hooks/hooks_rig.h"

#include "hooks/quota.h"

#define RATE  4
#define BURST (RATE * QUOTA_BURST_S)

static struct quota *quota_of_rate(int64_t rate, bool abuse)
{
    struct config config = {.abuse = abuse, .hooks_ingest_rate = rate};
    struct quota *quota;
    assert_ok(quota_new(&config, &quota));
    return quota;
}

/* How many of so many are taken. */
static int take(struct quota *quota, uint64_t app_id, int64_t now_ms, int count)
{
    int taken = 0;
    int64_t retry_s = 0;
    for (int i = 0; i < count; i++)
        taken += quota_take(quota, app_id, now_ms, &retry_s);
    if (taken < count)
        assert_int_equal(retry_s, 1);
    return taken;
}

static void test_a_burst_then_the_rate(void **state)
{
    (void)state;
    struct quota *quota = quota_of_rate(RATE, true);
    int64_t now_ms = INT64_C(1800000000000);
    assert_int_equal(take(quota, 1, now_ms, 2 * BURST), BURST);
    assert_int_equal(take(quota, 1, now_ms + 1000 / RATE - 1, 1), 0);
    for (int i = 1; i <= 10; i++)
        assert_int_equal(take(quota, 1, now_ms + i * 1000 / RATE, 2), 1);
    /* Others have buckets of their own, and a rest fills one again, not more. */
    assert_int_equal(take(quota, 2, now_ms, 2 * BURST), BURST);
    assert_int_equal(take(quota, 1, now_ms + 3600 * 1000, 2 * BURST), BURST);
    /* A clock that was put back locks nobody out. */
    assert_int_equal(take(quota, 1, now_ms - 3600 * 1000, 1), 0);
    assert_int_equal(take(quota, 1, now_ms - 3600 * 1000 + 1000 / RATE, 2), 1);
    quota_free(quota);
}

static void test_no_limit(void **state)
{
    (void)state;
    struct quota *none = quota_of_rate(0, true), *off = quota_of_rate(RATE, false);
    assert_int_equal(take(none, 1, 0, 10 * BURST), 10 * BURST);
    assert_int_equal(take(off, 1, 0, 10 * BURST), 10 * BURST);
    quota_free(none);
    quota_free(off);
}

static void test_more_applications_than_are_counted(void **state)
{
    (void)state;
    struct quota *quota = quota_of_rate(RATE, true);
    int64_t now_ms = INT64_C(1800000000000);
    for (uint64_t app_id = 1; app_id <= 3 * QUOTA_APPS_MAX; app_id++)
        assert_int_equal(take(quota, app_id, now_ms, 1), 1);
    uint64_t last = 3 * QUOTA_APPS_MAX;
    assert_int_equal(take(quota, last, now_ms, BURST), BURST - 1);
    quota_free(quota);
}

/* ---- what waits ---- */

static int64_t waiting(struct rig *rig)
{
    int64_t pending = -1;
    assert_ok(backlog_store_get(rig->db, rig->app_id, &pending));
    return pending;
}

static void test_what_waits_is_counted(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(waiting(rig), 0);
    (void)rig_message(rig);
    assert_int_equal(waiting(rig), 2);
    struct message message = {
        .event_type = STR("other"), .event_id = STR("one"), .payload = STR("{}")};
    assert_int_equal(rig_take(rig, message, STR_NONE).outcome, INGEST_TAKEN);
    assert_int_equal(rig_take(rig, message, STR_NONE).outcome, INGEST_SAME);
    assert_int_equal(waiting(rig), 3);
}

static void test_its_day_ends(void **state)
{
    struct rig *rig = *state;
    (void)rig_message(rig);
    clock_advance_ms(DAY_MS);
    (void)rig_message(rig);
    assert_int_equal(waiting(rig), 4);
    clock_advance_ms((RING_SLOTS - 1) * DAY_MS); /* the first one's table is used again */
    (void)rig_message(rig);
    assert_int_equal(waiting(rig), 4);
}

static enum err resend(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    return delivery_resend(rig->hooks, tx, ctx, LANE_MANUAL);
}

static void test_resending_waits_once(void **state)
{
    struct rig *rig = *state;
    uint64_t id = rig_message(rig);
    struct delivery_key never = {rig->app_id, rig->vip_id, id};
    struct delivery_key waits = {rig->app_id, rig->all_id, id};
    assert_ok(rig_run(rig, resend, &waits));
    assert_int_equal(waiting(rig), 2);
    assert_ok(rig_run(rig, resend, &never));
    assert_ok(rig_run(rig, resend, &never));
    assert_int_equal(waiting(rig), 3);
}

struct again {
    struct delivery_key key;
    bool is_taken_back;
    struct delivery was;
};

static enum err queue_again(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    struct again *again = ctx;
    struct delivery delivery;
    enum err err = delivery_store_get(tx->db, &again->key, &delivery);
    if (err)
        return err;
    return again->is_taken_back ? delivery_take_back(rig->hooks, tx, &delivery, &again->was)
                                : delivery_queue_again(rig->hooks, tx, &delivery, LANE_REPLAY);
}

/* What a replay queues waits, and does not any more when it is cancelled. */
static void test_replays_wait(void **state)
{
    struct rig *rig = *state;
    uint64_t id = rig_message(rig);
    struct again again = {.key = {rig->app_id, rig->all_id, id},
                          .is_taken_back = true,
                          .was = {.state = DELIVERY_DEAD, .ended_at = 1}};
    assert_ok(rig_run(rig, queue_again, &again));
    assert_int_equal(waiting(rig), 1);
    again.is_taken_back = false;
    assert_ok(rig_run(rig, queue_again, &again));
    assert_int_equal(waiting(rig), 2);
    assert_ok(rig_run(rig, queue_again, &again));
    assert_int_equal(waiting(rig), 2);
    again.is_taken_back = true;
    assert_ok(rig_run(rig, queue_again, &again));
    assert_int_equal(waiting(rig), 1);
}

static void test_no_room(void **state)
{
    struct rig *rig = *state;
    struct message message = {
        .event_type = STR("invoice.paid"), .event_id = STR("one"), .payload = STR("{}")};
    rig_close(rig);
    rig->config.abuse = true;
    rig->config.hooks_backlog_max = 3;
    rig_open(rig);
    assert_int_equal(rig_take(rig, message, STR_NONE).outcome, INGEST_TAKEN);
    message.event_id = STR("two");
    assert_int_equal(rig_take(rig, message, STR_NONE).outcome, INGEST_TAKEN);
    assert_int_equal(waiting(rig), 4);
    message.event_id = STR("three");
    assert_int_equal(rig_take(rig, message, STR_NONE).outcome, INGEST_BACKLOG);
    message.event_id = STR("one");
    assert_int_equal(rig_take(rig, message, STR_NONE).outcome, INGEST_SAME);
    assert_int_equal(waiting(rig), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_then_the_rate),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_more_applications_than_are_counted),
        cmocka_unit_test_setup_teardown(test_what_waits_is_counted, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_its_day_ends, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_resending_waits_once, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_replays_wait, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_no_room, rig_set_up, rig_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
