/* Lists over the ring of days: messages, deliveries, attempts; pages, filters, order. */
#include "hooks/hooks_rig.h"

#include "hooks/attempt_store.h"
#include "hooks/delivery_list_store.h"
#include "hooks/delivery_store.h"

#define DAYS 5

/* Two messages a day for DAYS days, oldest first. */
struct history {
    uint64_t ids[2 * DAYS];
    int64_t times[2 * DAYS];
};

static struct history make_history(struct rig *rig)
{
    struct history history;
    for (size_t i = 0; i < 2 * DAYS; i++) {
        struct message message = {.event_type = i % 2 ? STR("invoice.paid") : STR("invoice.sent"),
                                  .channels = i % 2 ? STR("a\nvip") : STR(""),
                                  .payload = STR("{}")};
        struct rig_ingest taken = rig_take(rig, message, STR_NONE);
        history.ids[i] = taken.ingest.message.id;
        history.times[i] = taken.ingest.message.created_at;
        clock_advance_ms(i % 2 ? DAY_MS - 60000 : 60000);
    }
    return history;
}

/* ---- messages ---- */

static size_t list_messages(struct rig *rig, struct message_query query, uint64_t *ids)
{
    size_t count = 0;
    query.app_id = rig->app_id;
    query.event_types = query.event_types.data ? query.event_types : STR("");
    query.channel = query.channel.data ? query.channel : STR("");
    query.limit = query.limit ? query.limit : 100;
    assert_ok(message_store_list(rig->db, &query, clock_now_ms(), ids, &count));
    return count;
}

static void test_messages_come_newest_first_and_by_pages(void **state)
{
    struct rig *rig = *state;
    struct history history = make_history(rig);
    uint64_t ids[100], page[4];
    assert_int_equal(list_messages(rig, (struct message_query){0}, ids), 2 * DAYS);
    for (size_t i = 0; i < 2 * DAYS; i++)
        assert_int_equal(ids[i], history.ids[2 * DAYS - 1 - i]);
    assert_int_equal(list_messages(rig, (struct message_query){.is_ascending = true}, ids),
                     2 * DAYS);
    assert_memory_equal(ids, history.ids, sizeof(history.ids));
    uint64_t beyond = 0;
    size_t seen = 0;
    for (size_t count = 3; count == 3; seen += count) {
        count = list_messages(rig, (struct message_query){.beyond_id = beyond, .limit = 3}, page);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(page[i], history.ids[2 * DAYS - 1 - seen - i]);
        beyond = count ? page[count - 1] : beyond;
    }
    assert_int_equal(seen, 2 * DAYS);
    struct message_query back = {.is_ascending = true, .beyond_id = history.ids[4], .limit = 3};
    assert_int_equal(list_messages(rig, back, page), 3);
    assert_memory_equal(page, history.ids + 5, 3 * sizeof(*page));
}

static void test_messages_are_filtered(void **state)
{
    struct rig *rig = *state;
    struct history history = make_history(rig);
    uint64_t ids[100];
    struct message_query query = {.event_types = STR("invoice.sent")};
    assert_int_equal(list_messages(rig, query, ids), DAYS);
    query.event_types = STR("x\ninvoice.sent\ninvoice.paid");
    assert_int_equal(list_messages(rig, query, ids), 2 * DAYS);
    query.event_types = STR("invoice");
    assert_int_equal(list_messages(rig, query, ids), 0);
    assert_int_equal(list_messages(rig, (struct message_query){.channel = STR("vip")}, ids), DAYS);
    assert_int_equal(list_messages(rig, (struct message_query){.channel = STR("vi")}, ids), 0);
    query = (struct message_query){.after_ms = history.times[2], .before_ms = history.times[6]};
    assert_int_equal(list_messages(rig, query, ids), 4);
    assert_int_equal(ids[0], history.ids[5]);
    assert_int_equal(ids[3], history.ids[2]);
}

/* ---- deliveries ---- */

static enum err kill_some(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    const struct history *history = ctx;
    for (size_t i = 0; i < 2 * DAYS; i += 3) {
        struct delivery delivery = {.key = {rig->app_id, rig->all_id, history->ids[i]},
                                    .state = DELIVERY_DEAD,
                                    .attempts = 12,
                                    .created_at = history->times[i],
                                    .ended_at = tx->now_ms};
        assert_ok(delivery_store_put(tx->db, &delivery));
    }
    return ERR_OK;
}

static size_t list_deliveries(struct rig *rig, struct delivery_query query,
                              struct delivery *deliveries)
{
    size_t count = 0;
    query.app_id = rig->app_id;
    query.limit = query.limit ? query.limit : 100;
    query.span.now_ms = clock_now_ms();
    assert_ok(delivery_store_list(rig->db, &query, deliveries, &count));
    return count;
}

static void test_deliveries_by_endpoint_and_dead_letters(void **state)
{
    struct rig *rig = *state;
    struct history history = make_history(rig);
    struct delivery found[100];
    assert_ok(rig_run(rig, kill_some, &history));
    struct delivery_query all = {.endpoint_id = rig->all_id, .state = DELIVERY_ANY};
    assert_int_equal(list_deliveries(rig, all, found), 2 * DAYS);
    assert_int_equal(found[0].key.message_id, history.ids[2 * DAYS - 1]);
    assert_int_equal(found[0].state, DELIVERY_DEAD);
    assert_int_equal(found[1].state, DELIVERY_PENDING);
    assert_true(found[1].next_at > 0);
    assert_int_equal(found[0].next_at, 0);
    struct delivery_query paid = {.endpoint_id = rig->paid_id, .state = DELIVERY_ANY};
    assert_int_equal(list_deliveries(rig, paid, found), DAYS);
    struct delivery_query dead = {.state = DELIVERY_DEAD};
    assert_int_equal(list_deliveries(rig, dead, found), 4);
    assert_int_equal(found[3].key.message_id, history.ids[0]);
    assert_int_equal(found[3].key.endpoint_id, rig->all_id);
    /* Behind an item that is neither the first nor the last of its message. */
    struct delivery_key key = found[1].key;
    dead.before_id = key.message_id;
    dead.before_endpoint_id = key.endpoint_id + 1;
    assert_int_equal(list_deliveries(rig, dead, found), 3);
    assert_int_equal(found[0].key.message_id, key.message_id);
    dead.before_endpoint_id = key.endpoint_id;
    assert_int_equal(list_deliveries(rig, dead, found), 2);
    dead.endpoint_id = rig->paid_id;
    assert_int_equal(list_deliveries(rig, dead, found), 0);
    struct delivery_query span = {
        .endpoint_id = rig->all_id,
        .state = DELIVERY_ANY,
        .span = {.since_ms = history.times[2], .until_ms = history.times[4]}};
    assert_int_equal(list_deliveries(rig, span, found), 2);
    struct delivery_query waiting = {.endpoint_id = rig->all_id, .state = DELIVERY_PENDING};
    size_t count = list_deliveries(rig, waiting, found);
    assert_true(count > 0 && count < (size_t)2 * DAYS);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(found[i].state, DELIVERY_PENDING);
}

static void test_deliveries_are_counted(void **state)
{
    struct rig *rig = *state;
    struct history history = make_history(rig);
    struct delivery_counts counts = {0};
    struct delivery_span span = {.now_ms = clock_now_ms()};
    assert_ok(rig_run(rig, kill_some, &history));
    assert_ok(delivery_store_count(rig->db, rig->app_id, rig->all_id, &span, &counts));
    assert_int_equal(counts.dead, 4);
    assert_int_equal(counts.pending, 2 * DAYS - 4);
    assert_int_equal(counts.success, 0);
    counts = (struct delivery_counts){0};
    span.since_ms = history.times[8];
    assert_ok(delivery_store_count(rig->db, rig->app_id, rig->all_id, &span, &counts));
    assert_int_equal(counts.dead + counts.pending, 2);
}

/* ---- attempts ---- */

struct tries {
    struct history history;
    struct attempt_ref refs[4 * DAYS]; /* in the order of their making */
    size_t count;
};

/* Each message is tried twice, the second time after all others have had their first: so attempts of one
 * day lie in several tables. */
static enum err try_all(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    struct tries *tries = ctx;
    for (size_t i = 0; i < 4 * DAYS; i++) {
        bool is_second = i >= 2 * DAYS;
        uint64_t message_id = tries->history.ids[i % (2 * DAYS)];
        struct attempt attempt = {.app_id = rig->app_id,
                                  .message_id = message_id,
                                  .id = id_next(tx->ids),
                                  .endpoint_id = i % 2 ? rig->paid_id : rig->all_id,
                                  .at_ms = tx->now_ms + (int64_t)i,
                                  .status = is_second ? ATTEMPT_SUCCESS : ATTEMPT_FAIL,
                                  .code = is_second ? 204
                                          : i % 4   ? 503
                                                    : 0,
                                  .url = STR("http://127.0.0.1/"),
                                  .times = {1, -1, 2, -1, 3, 4},
                                  .error_class = is_second ? STR("") : STR("status"),
                                  .error_text = STR("no"),
                                  .response = STR("a\0\xff"),
                                  .response_headers = STR("{\"a\":\"b\"}")};
        assert_ok(ring_open(rig->hooks->ring, tx, message_id));
        assert_ok(attempt_store_add(tx->db, &attempt));
        tries->refs[tries->count++] = (struct attempt_ref){message_id, attempt.id};
    }
    return ERR_OK;
}

static struct tries make_tries(struct rig *rig)
{
    struct tries tries = {.history = make_history(rig)};
    assert_ok(rig_run(rig, try_all, &tries));
    return tries;
}

static struct attempt_ref listed[RING_SLOTS * 100];

static size_t list_attempts(struct rig *rig, struct attempt_query query)
{
    size_t count = 0;
    query.app_id = rig->app_id;
    query.limit = query.limit ? query.limit : 100;
    query.event_types = query.event_types.data ? query.event_types : STR("");
    assert_ok(attempt_store_list(rig->db, &query, clock_now_ms(), listed, &count));
    return count;
}

#define ANY .status = -1, .code_class = -1

static void test_attempts_of_an_endpoint_are_merged_from_all_days(void **state)
{
    struct rig *rig = *state;
    struct tries tries = make_tries(rig);
    struct attempt_query query = {.endpoint_id = rig->all_id, ANY};
    assert_int_equal(list_attempts(rig, query), 2 * DAYS);
    for (size_t i = 0; i < 2 * DAYS; i++)
        assert_int_equal(listed[i].id, tries.refs[4 * DAYS - 2 - 2 * i].id);
    query.limit = 3;
    query.beyond_id = tries.refs[10].id;
    assert_int_equal(list_attempts(rig, query), 3);
    assert_int_equal(listed[0].id, tries.refs[8].id);
    assert_int_equal(listed[2].id, tries.refs[4].id);
    query.is_ascending = true;
    assert_int_equal(list_attempts(rig, query), 3);
    assert_int_equal(listed[0].id, tries.refs[12].id);
    assert_int_equal(listed[2].id, tries.refs[16].id);
}

static void test_attempts_are_filtered(void **state)
{
    struct rig *rig = *state;
    struct tries tries = make_tries(rig);
    struct attempt first;
    assert_ok(attempt_store_get(rig->db, &rig->arena, rig->app_id, &tries.refs[0], true, &first));
    uint64_t all = rig->all_id;
    struct attempt_query queries[] = {
        {.endpoint_id = all, .status = ATTEMPT_FAIL, .code_class = -1},
        {.endpoint_id = all, .status = -1, .code_class = 0},
        {.endpoint_id = all, .status = -1, .code_class = 500},
        {.endpoint_id = all, .status = -1, .code_class = 200},
        {.endpoint_id = all, ANY, .event_types = STR("a\ninvoice.sent")},
        {.endpoint_id = all, ANY, .event_types = STR("invoice.paid")},
        {.endpoint_id = all, ANY, .after_ms = first.at_ms + 4, .before_ms = first.at_ms + 8},
        {.message_id = tries.history.ids[3], ANY},
        {.message_id = tries.history.ids[3], .status = 0, .code_class = -1},
        {.message_id = tries.history.ids[3], .endpoint_id = all, ANY},
    };
    static const size_t counts[] = {5, 3, 2, 5, 10, 0, 2, 2, 1, 0};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (list_attempts(rig, queries[i]) != counts[i])
            fail_msg("query %zu", i);
    }
}

static void test_an_attempt_comes_back_as_it_was(void **state)
{
    struct rig *rig = *state;
    struct tries tries = make_tries(rig);
    struct attempt attempt;
    struct attempt_ref ref = tries.refs[1];
    assert_ok(attempt_store_get(rig->db, &rig->arena, rig->app_id, &ref, true, &attempt));
    assert_int_equal(attempt.message_id, tries.history.ids[1]);
    assert_int_equal(attempt.endpoint_id, rig->paid_id);
    assert_int_equal(attempt.status, ATTEMPT_FAIL);
    assert_int_equal(attempt.code, 503);
    assert_str(attempt.error_class, "status");
    assert_int_equal(attempt.response.len, 3);
    assert_memory_equal(attempt.response.data, "a\0\xff", 3);
    assert_int_equal(attempt.times.queued_ms, 1);
    assert_int_equal(attempt.times.dns_ms, -1);
    assert_int_equal(attempt.times.total_ms, 4);
    assert_ok(attempt_store_get(rig->db, &rig->arena, rig->app_id, &ref, false, &attempt));
    assert_int_equal(attempt.response.len, 0);
    ref.message_id = tries.history.ids[2];
    assert_err(attempt_store_get(rig->db, &rig->arena, rig->app_id, &ref, true, &attempt),
               ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_messages_come_newest_first_and_by_pages),
        TEST(test_messages_are_filtered),
        TEST(test_deliveries_by_endpoint_and_dead_letters),
        TEST(test_deliveries_are_counted),
        TEST(test_attempts_of_an_endpoint_are_merged_from_all_days),
        TEST(test_attempts_are_filtered),
        TEST(test_an_attempt_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
