/* Replays: what a leg counts and when it goes on, what may be taken, that no step is done twice, which day
 * retention waits for, and that earlier lanes are read first. */
#include "hooks_rig.h"

#include "hooks/delivery_store.h"
#include "hooks/dispatcher_internal.h"
#include "hooks/replay_store.h"

/* --- pure --- */

static void a_leg_is_fed_while_enough_of_it_waits(void **state)
{
    (void)state;
    struct replay_leg leg = {.total = 100};
    replay_leg_queued(&leg, REPLAY_STEP_MAX, 10, false);
    assert_int_equal(leg.state, LEG_HUNGRY);
    replay_leg_queued(&leg, REPLAY_STEP_MAX, 20, false);
    assert_int_equal(leg.state, LEG_FED);
    assert_int_equal(leg.waiting, REPLAY_WAITING_MAX);
    for (int i = 1; i < REPLAY_STEP_MAX; i++) {
        replay_leg_settled(&leg, true, DELIVERY_SUCCESS);
        assert_int_equal(leg.state, LEG_FED);
    }
    replay_leg_settled(&leg, true, DELIVERY_PENDING);
    assert_int_equal(leg.state, LEG_HUNGRY);
    assert_true(leg.done == REPLAY_STEP_MAX - 1 && leg.failed == 1);
    assert_true(leg.queued == REPLAY_WAITING_MAX && leg.position == 20);
}

static void a_leg_is_over_when_all_of_it_was_attempted(void **state)
{
    (void)state;
    struct replay_leg leg = {.total = 2};
    replay_leg_queued(&leg, 2, 10, true);
    assert_int_equal(leg.state, LEG_READ);
    replay_leg_settled(&leg, true, DELIVERY_SUCCESS);
    assert_int_equal(leg.state, LEG_READ);
    replay_leg_settled(&leg, true, DELIVERY_DEAD);
    assert_int_equal(leg.state, LEG_OVER);
    struct replay_leg empty = {0};
    replay_leg_queued(&empty, 0, 10, true);
    assert_int_equal(empty.state, LEG_OVER);
}

static void what_failed_and_arrives_later_is_done(void **state)
{
    (void)state;
    struct replay_leg leg = {.state = LEG_READ, .queued = 2, .waiting = 2};
    replay_leg_settled(&leg, true, DELIVERY_PENDING);
    replay_leg_settled(&leg, true, DELIVERY_PENDING);
    assert_true(leg.state == LEG_OVER && leg.failed == 2 && leg.done == 0);
    replay_leg_settled(&leg, false, DELIVERY_PENDING);
    assert_int_equal(leg.failed, 2);
    replay_leg_settled(&leg, false, DELIVERY_SUCCESS);
    replay_leg_settled(&leg, false, DELIVERY_DEAD);
    assert_true(leg.failed == 1 && leg.done == 1 && leg.waiting == 0);
}

static void a_leg_that_is_stopped_forgets_what_was_taken_back(void **state)
{
    (void)state;
    struct replay_leg leg = {.state = LEG_FED, .queued = 50, .waiting = 40, .done = 10};
    replay_leg_stop(&leg, 40);
    assert_true(leg.state == LEG_STOPPED && leg.queued == 10 && leg.waiting == 0);
    replay_leg_stop(&leg, 0);
    assert_int_equal(leg.state, LEG_STOPPED);
}

static void a_job_takes_what_had_ended_before_it(void **state)
{
    (void)state;
    const struct {
        enum replay_kind kind;
        struct delivery was;
        bool may_take;
    } cases[] = {
        {REPLAY_DEAD, {.state = DELIVERY_DEAD, .ended_at = 99}, true},
        {REPLAY_DEAD, {.state = DELIVERY_DEAD, .ended_at = 100}, false},
        {REPLAY_DEAD, {.state = DELIVERY_SUCCESS, .ended_at = 99}, false},
        {REPLAY_DEAD, {.state = DELIVERY_PENDING}, false},
        {REPLAY_ENDED, {.state = DELIVERY_SUCCESS, .ended_at = 99}, true},
        {REPLAY_ENDED, {.state = DELIVERY_SUCCESS, .ended_at = 101}, false},
        {REPLAY_ENDED, {.state = DELIVERY_DEAD, .ended_at = 99}, true},
        {REPLAY_ENDED, {.state = DELIVERY_PENDING}, false},
        {REPLAY_MISSING, {.state = DELIVERY_DEAD, .ended_at = 99}, true},
        {REPLAY_MISSING, {.state = DELIVERY_DEAD, .ended_at = 99, .attempts = 1}, false},
        {REPLAY_MISSING, {.state = DELIVERY_SUCCESS, .ended_at = 99}, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replay replay = {.kind = cases[i].kind, .created_at = 100};
        assert_int_equal(replay_may_take(&replay, &cases[i].was), cases[i].may_take);
    }
    for (int kind = REPLAY_DEAD; kind <= REPLAY_MISSING; kind++) {
        struct replay replay = {.kind = (enum replay_kind)kind, .created_at = 100};
        assert_int_equal(replay_may_take(&replay, NULL), kind == REPLAY_MISSING);
    }
}

static void how_long_it_takes_is_guessed_and_then_measured(void **state)
{
    (void)state;
    struct replay_pace pace = {.left = 16000, .latency_ms = 10};
    assert_int_equal(replay_eta_s(&pace), 1 + 10); /* 16 at once, 10 ms each */
    pace.throttle_rate = 100;
    assert_int_equal(replay_eta_s(&pace), 1 + 160);
    pace.attempted = 4000;
    pace.elapsed_ms = 20000;
    assert_int_equal(replay_eta_s(&pace), 1 + 80); /* as fast as so far */
    pace.left = 0;
    assert_int_equal(replay_eta_s(&pace), 0);
    struct replay_pace unknown = {.left = 1, .latency_ms = -1};
    assert_int_equal(replay_eta_s(&unknown), 1);
}

/* --- on tables --- */

#define MESSAGES (REPLAY_STEP_MAX + 3)

struct work {
    uint64_t ids[MESSAGES];
    struct replay replay;
    struct replay_leg leg;
    struct replay_step step;
    int64_t day;
};

/* Messages of the endpoint that takes all, dead since a minute ago. */
static enum err make_letters(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    struct work *work = ctx;
    for (size_t i = 0; i < MESSAGES; i++) {
        struct message message = {.app_id = rig->app_id,
                                  .id = id_next(tx->ids),
                                  .event_type = i % 2 ? STR("a") : STR("b"),
                                  .channels = STR(""),
                                  .payload = STR("{}"),
                                  .created_at = tx->now_ms};
        struct delivery delivery = {.key = {rig->app_id, rig->all_id, message.id},
                                    .state = DELIVERY_DEAD,
                                    .attempts = ATTEMPTS_MAX,
                                    .created_at = tx->now_ms - 60000,
                                    .ended_at = tx->now_ms - 60000};
        work->ids[i] = message.id;
        assert_ok(ring_open(rig->hooks->ring, tx, message.id));
        assert_ok(message_store_put(tx->db, &message));
        assert_ok(delivery_store_put(tx->db, &delivery));
    }
    return ERR_OK;
}

static enum err make_replay(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    struct work *work = ctx;
    work->replay.app_id = rig->app_id;
    work->leg = (struct replay_leg){.endpoint_id = rig->all_id, .total = MESSAGES};
    if (!work->replay.event_types.data)
        work->replay.event_types = STR("");
    return replay_create(rig->hooks, tx, &work->replay, &work->leg, 1);
}

static void look(struct rig *rig, struct work *work)
{
    assert_ok(replay_store_get_leg(rig->db, rig->app_id, work->replay.id, rig->all_id, &work->leg));
    struct replay_scan scan = {.replay = &work->replay,
                               .endpoint_id = rig->all_id,
                               .position = work->leg.position,
                               .until_id = work->leg.until_id,
                               .now_ms = clock_now_ms()};
    work->step = (struct replay_step){
        .app_id = rig->app_id, .replay_id = work->replay.id, .endpoint_id = rig->all_id};
    assert_ok(replay_scan_next(rig->db, &scan, &work->step));
}

static enum err do_step(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    return replay_step(rig->hooks, tx, &((struct work *)ctx)->step);
}

static struct delivery get(struct rig *rig, uint64_t message_id)
{
    struct delivery delivery = {0};
    struct delivery_key key = {rig->app_id, rig->all_id, message_id};
    assert_ok(delivery_store_get(rig->db, &key, &delivery));
    return delivery;
}

static void no_step_is_done_twice(void **state)
{
    struct rig *rig = *state;
    struct work work = {0};
    assert_ok(rig_run(rig, make_letters, &work));
    assert_ok(rig_run(rig, make_replay, &work));
    look(rig, &work);
    assert_int_equal(work.step.count, REPLAY_STEP_MAX);
    assert_memory_equal(work.step.ids, work.ids, sizeof(work.step.ids)); /* the oldest first */
    assert_false(work.step.is_at_end);
    assert_ok(rig_run(rig, do_step, &work));
    assert_ok(rig_run(rig, do_step, &work)); /* as by a worker that did not hear of the commit */
    struct replay_step again = work.step;
    look(rig, &work);
    assert_int_equal(work.leg.queued, REPLAY_STEP_MAX);
    assert_int_equal(work.leg.position, again.position);
    assert_int_equal(work.step.count, 3);
    assert_true(work.step.is_at_end);
    assert_ok(rig_run(rig, do_step, &work));
    struct delivery first = get(rig, work.ids[0]);
    assert_true(first.state == DELIVERY_PENDING && first.lane == LANE_REPLAY);
    assert_true(first.attempts == 0 && first.next_at > 0);
    assert_ok(replay_store_get_leg(rig->db, rig->app_id, work.replay.id, rig->all_id, &work.leg));
    assert_true(work.leg.state == LEG_READ && work.leg.queued == MESSAGES);
}

static enum err do_cancel(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    return replay_cancel(rig->hooks, tx, &((struct work *)ctx)->replay);
}

static enum err send_one_by_hand(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    struct delivery_key key = {rig->app_id, rig->all_id, ((struct work *)ctx)->ids[0]};
    return delivery_resend(rig->hooks, tx, &key, LANE_MANUAL);
}

static void cancelling_gives_back_what_was_but_not_what_was_sent_by_hand(void **state)
{
    struct rig *rig = *state;
    struct work work = {0};
    assert_ok(rig_run(rig, make_letters, &work));
    struct delivery was = get(rig, work.ids[1]);
    assert_ok(rig_run(rig, make_replay, &work));
    look(rig, &work);
    assert_ok(rig_run(rig, do_step, &work));
    assert_ok(rig_run(rig, send_one_by_hand, &work));
    assert_ok(rig_run(rig, do_cancel, &work));
    struct delivery by_hand = get(rig, work.ids[0]), other = get(rig, work.ids[1]);
    assert_true(by_hand.state == DELIVERY_PENDING && by_hand.lane == LANE_MANUAL);
    assert_memory_equal(&other, &was, sizeof(was));
    look(rig, &work);
    assert_int_equal(work.leg.state, LEG_STOPPED);
    assert_ok(rig_run(rig, do_step, &work)); /* a step that comes too late */
    assert_int_equal(get(rig, work.ids[1]).state, DELIVERY_DEAD);
    struct replay stored;
    assert_ok(replay_store_get(rig->db, &rig->arena, rig->app_id, work.replay.id, &stored));
    assert_int_equal(stored.state, REPLAY_CANCELLED);
}

static void types_and_counts_are_those_of_the_scan(void **state)
{
    struct rig *rig = *state;
    struct work work = {.replay = {.event_types = STR("x\na")}};
    assert_ok(rig_run(rig, make_letters, &work));
    assert_ok(rig_run(rig, make_replay, &work));
    look(rig, &work);
    assert_int_equal(work.step.count, MESSAGES / 2);
    assert_int_equal(work.step.ids[0], work.ids[1]);
    assert_true(work.step.is_at_end);
    struct replay_scan scan = {.replay = &work.replay,
                               .endpoint_id = rig->all_id,
                               .position = work.leg.position,
                               .until_id = work.leg.until_id,
                               .now_ms = clock_now_ms()};
    int64_t count = 0;
    assert_ok(replay_scan_count(rig->db, &scan, 1000, &count));
    assert_int_equal(count, MESSAGES / 2);
    assert_ok(replay_scan_count(rig->db, &scan, 3, &count));
    assert_int_equal(count, 4); /* more than that is all that is known */
    scan.until_id = work.ids[2];
    assert_ok(replay_scan_count(rig->db, &scan, 1000, &count));
    assert_int_equal(count, 1);
}

static void retention_waits_a_day_for_a_running_job(void **state)
{
    struct rig *rig = *state;
    struct work work = {0};
    int64_t now_ms = clock_now_ms(), today = ring_day_of_ms(now_ms), day;
    assert_ok(replay_first_day(rig->db, now_ms, &day));
    assert_int_equal(day, today - RETENTION_DAYS);
    assert_ok(rig_run(rig, make_letters, &work));
    assert_ok(rig_run(rig, make_replay, &work));
    assert_ok(replay_first_day(rig->db, now_ms, &day));
    assert_int_equal(day, today - RETENTION_DAYS);
    assert_ok(replay_first_day(rig->db, now_ms + DAY_MS, &day));
    assert_int_equal(day, today - RETENTION_DAYS); /* a day longer than without it */
    assert_ok(replay_first_day(rig->db, now_ms + 3 * DAY_MS, &day));
    assert_int_equal(day, today + 3 - RETENTION_DAYS - REPLAY_HELD_DAYS); /* and no more */
    assert_ok(rig_run(rig, do_cancel, &work));
    assert_ok(replay_first_day(rig->db, now_ms + DAY_MS, &day));
    assert_int_equal(day, today + 1 - RETENTION_DAYS);
}

/* --- lanes --- */

static enum err queue_in_lanes(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    struct work *work = ctx;
    for (size_t i = 0; i < 6; i++) { /* the latest lane is due first */
        struct delivery delivery = {.key = {rig->app_id, rig->all_id, work->ids[i]},
                                    .state = DELIVERY_PENDING,
                                    .next_at = tx->now_ms - 1000 + (int64_t)i,
                                    .lane = (enum lane)(LANE_REPLAY - i / 2),
                                    .created_at = tx->now_ms};
        assert_ok(delivery_store_put(tx->db, &delivery));
    }
    return ERR_OK;
}

static void earlier_lanes_are_read_first_and_push_later_ones_out(void **state)
{
    struct rig *rig = *state;
    struct work work = {0};
    struct dispatcher *dispatcher = rig->hooks->dispatcher;
    struct target *target;
    assert_ok(rig_run(rig, make_letters, &work));
    assert_ok(rig_run(rig, queue_in_lanes, &work));
    dispatcher->db = rig->db;
    assert_ok(target_find(dispatcher, rig->app_id, rig->all_id, &target));
    uint64_t slot = UINT64_C(1) << ring_slot_of(work.ids[0]);
    target->slots[LANE_MANUAL] = target->slots[LANE_REPLAY] = slot;
    assert_ok(target_read(dispatcher, target));
    assert_int_equal(target->waiting_count, 4); /* nobody has told of the live ones */
    assert_int_equal(target->first->row.lane, LANE_MANUAL);
    target_news(dispatcher, target, LANE_REPLAY);
    assert_int_equal(target->waiting_count, 4);
    target->slots[LANE_LIVE] = slot;
    target_news(dispatcher, target, LANE_LIVE);
    assert_int_equal(target->waiting_count, 0);
    assert_ok(target_read(dispatcher, target));
    static const size_t order[] = {4, 5, 2, 3, 0, 1};
    assert_int_equal(target->waiting_count, 6);
    for (size_t i = 0; i < 6; i++) {
        struct item *item = target_take(target);
        assert_int_equal(item->row.key.message_id, work.ids[order[i]]);
        item_forget(dispatcher, item);
    }
    dispatcher->db = NULL;
    targets_free(dispatcher);
}

/* --- results that land --- */

/* The first message waits for the endpoint, in this lane; it is sent. */
static struct job *send_first_of(struct rig *rig, struct work *work, enum lane lane)
{
    struct dispatcher *dispatcher = rig->hooks->dispatcher;
    struct target *target;
    assert_ok(target_find(dispatcher, rig->app_id, rig->all_id, &target));
    target->slots[lane] = UINT64_C(1) << ring_slot_of(work->ids[0]);
    assert_ok(target_read(dispatcher, target));
    struct job *job = calloc(1, sizeof(*job));
    assert_non_null(job);
    arena_init(&job->arena, 4096);
    job->dispatcher = dispatcher;
    job->target = target;
    job->item = target_take(target);
    assert_int_equal(job->item->row.key.message_id, work->ids[0]);
    job->is_attempt = true;
    job->schedule = schedule_default;
    job->started_ms = clock_now_ms();
    return job;
}

static void land(struct dispatcher *dispatcher)
{
    dispatch_write(dispatcher);
    while (dispatcher->batches_open > 0) {
        usleep(1000);
        dispatch_landed(dispatcher);
    }
    assert_null(dispatcher->failed);
}

static void put_down(struct rig *rig)
{
    struct dispatcher *dispatcher = rig->hooks->dispatcher;
    targets_free(dispatcher);
    dispatch_free_spares(dispatcher);
    dispatcher->db = NULL;
}

static enum err wait_live(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    struct delivery delivery = {.key = {rig->app_id, rig->all_id, ((struct work *)ctx)->ids[0]},
                                .state = DELIVERY_PENDING,
                                .next_at = tx->now_ms - 1000,
                                .created_at = tx->now_ms - 1000};
    return delivery_store_put(tx->db, &delivery);
}

/* Its result, and then the wish of somebody to have it once more, in one commit: news of that come first. */
static enum err take_and_send_again(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    struct work *work = ctx;
    struct delivery delivery = {.key = {rig->app_id, rig->all_id, work->ids[0]},
                                .attempts = 1,
                                .created_at = tx->now_ms - 1000,
                                .ended_at = tx->now_ms};
    assert_ok(delivery_store_put(tx->db, &delivery));
    return send_one_by_hand(rig, tx, ctx);
}

static void what_is_sent_again_before_its_result_has_landed_is_not_forgotten(void **state)
{
    struct rig *rig = *state;
    struct work work = {0};
    struct dispatcher *dispatcher = rig->hooks->dispatcher;
    assert_ok(rig_run(rig, make_letters, &work));
    assert_ok(rig_run(rig, wait_live, &work));
    dispatcher->db = rig->db;
    struct job *job = send_first_of(rig, &work, LANE_LIVE);
    struct target *target = job->target;
    assert_ok(rig_run(rig, take_and_send_again, &work));
    target->slots[LANE_MANUAL] = target->slots[LANE_LIVE];
    target_news(dispatcher, target, LANE_MANUAL);
    assert_ok(target_read(dispatcher, target));
    assert_null(target->first); /* it is known */
    target_drop(target);
    struct batch *batch = calloc(1, sizeof(*batch));
    assert_non_null(batch);
    *batch = (struct batch){.dispatcher = dispatcher, .customer = target->customer, .jobs = job};
    dispatcher->batches_open = 1;
    dispatcher->landed = batch;
    dispatch_landed(dispatcher);
    assert_true(target->is_stale && target->is_in_line);
    assert_ok(target_read(dispatcher, target));
    assert_non_null(target->first);
    assert_int_equal(target->first->row.lane, LANE_MANUAL);
    put_down(rig);
}

/* Twelve attempts, and the job's is under way when it is cancelled. */
static void what_was_under_way_when_its_job_was_cancelled_counts_as_sent_again(void **state)
{
    struct rig *rig = *state;
    struct work work = {0};
    struct dispatcher *dispatcher = rig->hooks->dispatcher;
    static const enum delivery_result results[] = {DELIVERY_REFUSED, DELIVERY_TAKEN};
    assert_ok(rig_run(rig, make_letters, &work));
    dispatcher->db = rig->db;
    for (size_t i = 0; i < 2; i++) {
        struct work again = work;
        assert_ok(rig_run(rig, make_replay, &again));
        look(rig, &again);
        assert_ok(rig_run(rig, do_step, &again));
        struct job *job = send_first_of(rig, &again, LANE_REPLAY);
        assert_ok(rig_run(rig, do_cancel, &again));
        assert_int_equal(get(rig, work.ids[0]).lane, i == 0 ? LANE_LIVE : LANE_REPLAY);
        job->result = results[i];
        job_result(dispatcher, job);
        target_unread(dispatcher, job->target);
        land(dispatcher);
        struct delivery after = get(rig, work.ids[0]);
        assert_int_equal(after.state, i == 0 ? DELIVERY_DEAD : DELIVERY_SUCCESS);
        assert_int_equal(after.attempts, ATTEMPTS_MAX);
        assert_int_equal(after.lane, LANE_REPLAY); /* the audit does not count its attempts */
    }
    put_down(rig);
}

#define FILL(NN)                                                                                   \
    "INSERT INTO message_" NN "(app_id, id, event_type, channels, payload, created_at)"            \
    " WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $3)"      \
    " SELECT $1, $2 + n, 'other', '', $4, 1 FROM number"
RING_SQL(SQL_FILL, FILL);

/* Messages that the endpoint does not want, of this moment. */
static enum err fill(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    uint64_t first = id_next(tx->ids);
    assert_ok(ring_open(rig->hooks->ring, tx, first));
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_FILL[ring_slot_of(first)]);
    db_bind_i64(stmt, 1, (int64_t)rig->app_id);
    db_bind_i64(stmt, 2, (int64_t)first);
    db_bind_i64(stmt, 3, *(int64_t *)ctx);
    db_bind_blob(stmt, 4, STR("{}"));
    return db_exec(stmt);
}

static void counting_what_is_missing_has_an_end(void **state)
{
    struct rig *rig = *state;
    struct replay replay = {.app_id = rig->app_id,
                            .kind = REPLAY_MISSING,
                            .event_types = STR(""),
                            .created_at = clock_now_ms()};
    struct replay_scan scan = {.replay = &replay,
                               .endpoint_id = rig->all_id,
                               .wanted_types = STR("wanted"),
                               .wanted_channels = STR(""),
                               .until_id = (uint64_t)INT64_MAX,
                               .now_ms = clock_now_ms()};
    int64_t count = -1, few = 2 * REPLAY_SCAN_MAX, many = REPLAY_LOOK_MAX;
    assert_ok(rig_run(rig, fill, &few));
    assert_ok(replay_scan_count(rig->db, &scan, REPLAY_DELIVERIES_MAX, &count));
    assert_int_equal(count, 0);
    assert_ok(rig_run(rig, fill, &many));
    assert_ok(replay_scan_count(rig->db, &scan, REPLAY_DELIVERIES_MAX, &count));
    assert_true(count > REPLAY_DELIVERIES_MAX);
}

#define on_tables(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leg_is_fed_while_enough_of_it_waits),
        cmocka_unit_test(a_leg_is_over_when_all_of_it_was_attempted),
        cmocka_unit_test(what_failed_and_arrives_later_is_done),
        cmocka_unit_test(a_leg_that_is_stopped_forgets_what_was_taken_back),
        cmocka_unit_test(a_job_takes_what_had_ended_before_it),
        cmocka_unit_test(how_long_it_takes_is_guessed_and_then_measured),
        on_tables(no_step_is_done_twice),
        on_tables(counting_what_is_missing_has_an_end),
        on_tables(cancelling_gives_back_what_was_but_not_what_was_sent_by_hand),
        on_tables(types_and_counts_are_those_of_the_scan),
        on_tables(retention_waits_a_day_for_a_running_job),
        on_tables(earlier_lanes_are_read_first_and_push_later_ones_out),
        on_tables(what_is_sent_again_before_its_result_has_landed_is_not_forgotten),
        on_tables(what_was_under_way_when_its_job_was_cancelled_counts_as_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
