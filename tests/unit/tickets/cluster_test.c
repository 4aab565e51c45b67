/* What hangs together by accounts, devices and cards: over several steps, each booking once, no
 * further than the limits, and nothing that shares no name. */
#include "tickets/cluster.h"

#include "tickets/fixture.h"

#define OTHER_EVENT 78
#define PLENTY      1000

static const char *hash(void)
{
    return fixture_store() ? "'\\x00'" : "x'00'";
}

/* 0 in device, pay_device and card: none. */
struct row {
    int event_id, id, account_id, device, pay_device, card, places;
};

static void put(struct fixture *fixture, const struct row *row)
{
    char sql[512];
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO booking (event_id, id, account_id, state, created_at, expires_at, "
                   "amount, currency, seats, areas, places, key_hash, body_hash, device, "
                   "pay_device, card, network) SELECT %d, %d, %d, 3, 0, 0, 0, 'EUR', '[]', '[]', "
                   "%d, %s, %s, NULLIF(%d, 0), NULLIF(%d, 0), NULLIF(%d, 0), 7",
                   row->event_id, row->id, row->account_id, row->places, hash(), hash(),
                   row->device, row->pay_device, row->card);
    fixture_sql(fixture, sql);
}

/* Account 1, by a device, account 2, by a card, account 3, by the device that paid, account 4. */
static void put_chain(struct fixture *fixture)
{
    static const struct row rows[] = {
        {FIXTURE_EVENT, 1, 1, 11, 0, 0, 1},    {FIXTURE_EVENT, 2, 2, 11, 0, 21, 2},
        {FIXTURE_EVENT, 3, 3, 13, 0, 21, 4},   {FIXTURE_EVENT, 4, 4, 14, 13, 0, 8},
        {FIXTURE_EVENT, 5, 5, 15, 16, 25, 16}, /* shares nothing */
        {OTHER_EVENT, 6, 1, 11, 13, 21, 32},   /* shares all, in another event */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        put(fixture, &rows[i]);
}

static void grow(struct fixture *fixture, struct cluster *cluster, int64_t places_max)
{
    assert_int_equal(cluster_grow(cluster, fixture->reader, FIXTURE_EVENT, places_max), ERR_OK);
}

static void grow_from(struct fixture *fixture, struct cluster *cluster, uint64_t account_id)
{
    cluster_begin(cluster, true);
    cluster_add_account(cluster, account_id);
    grow(fixture, cluster, PLENTY);
}

static void a_chain_is_followed_from_either_end(void **state)
{
    struct fixture *fixture = *state;
    struct cluster cluster;
    put_chain(fixture);
    for (uint64_t account_id = 1; account_id <= 4; account_id++) {
        grow_from(fixture, &cluster, account_id);
        assert_int_equal(cluster.places, 15);
        assert_int_equal(cluster.booking_count, 4);
        assert_int_equal(cluster.accounts.count, 4);
        assert_int_equal(cluster.devices.count, 3);
        assert_int_equal(cluster.cards.count, 1);
        assert_false(cluster.is_too_large);
    }
    cluster_begin(&cluster, true);
    cluster_add_card(&cluster, 21);
    grow(fixture, &cluster, PLENTY);
    assert_int_equal(cluster.places, 15);
    grow_from(fixture, &cluster, 5);
    assert_int_equal(cluster.places, 16);
    assert_int_equal(cluster.accounts.count, 1);
}

static void without_a_link_there_are_two(void **state)
{
    struct fixture *fixture = *state;
    struct cluster cluster;
    put_chain(fixture);
    fixture_sql(fixture, "UPDATE booking SET card = 22 WHERE id = 3");
    grow_from(fixture, &cluster, 1);
    assert_int_equal(cluster.places, 3);
    assert_int_equal(cluster.accounts.count, 2);
    grow_from(fixture, &cluster, 4);
    assert_int_equal(cluster.places, 12);
    assert_int_equal(cluster.accounts.count, 2);
}

/* Over, given back, or of nobody who counts. */
static void what_does_not_count_links_nothing(void **state)
{
    static const char *const ways[] = {
        "UPDATE booking SET state = 4 WHERE id = 2",
        "UPDATE booking SET state = 5 WHERE id = 2",
        "UPDATE booking SET given_back = places WHERE id = 2",
    };
    struct fixture *fixture = *state;
    struct cluster cluster;
    put_chain(fixture);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        fixture_sql(fixture, ways[i]);
        grow_from(fixture, &cluster, 1);
        assert_int_equal(cluster.places, 1);
        fixture_sql(fixture, "UPDATE booking SET state = 3, given_back = 0 WHERE id = 2");
        grow_from(fixture, &cluster, 1);
        assert_int_equal(cluster.places, 15);
    }
    fixture_sql(fixture, "UPDATE booking SET given_back = 1 WHERE id = 2");
    grow_from(fixture, &cluster, 1);
    assert_int_equal(cluster.places, 14);
    fixture_sql(fixture, "UPDATE booking SET network = NULL WHERE id = 5");
    grow_from(fixture, &cluster, 5);
    assert_int_equal(cluster.places, 0);
}

static void holds_link_and_count_where_they_are_to(void **state)
{
    struct fixture *fixture = *state;
    struct cluster cluster;
    put_chain(fixture);
    fixture_sql(fixture, "UPDATE booking SET state = 1 WHERE id = 2");
    grow_from(fixture, &cluster, 1);
    assert_int_equal(cluster.places, 15);
    cluster_begin(&cluster, false);
    cluster_add_account(&cluster, 1);
    grow(fixture, &cluster, PLENTY);
    assert_int_equal(cluster.places, 13);
    assert_int_equal(cluster.accounts.count, 4);
    fixture_sql(fixture, "UPDATE booking SET state = 2 WHERE id = 2");
    cluster_begin(&cluster, false);
    cluster_add_account(&cluster, 1);
    grow(fixture, &cluster, PLENTY);
    assert_int_equal(cluster.places, 15);
}

static void more_than_is_asked_for_is_not_looked_up(void **state)
{
    struct fixture *fixture = *state;
    struct cluster cluster;
    put_chain(fixture);
    cluster_begin(&cluster, true);
    cluster_add_account(&cluster, 1);
    grow(fixture, &cluster, 2);
    assert_int_equal(cluster.places, 3);
    assert_int_equal(cluster.booking_count, 2);
    grow(fixture, &cluster, PLENTY); /* goes on where it stopped */
    assert_int_equal(cluster.places, 15);
    assert_int_equal(cluster.booking_count, 4);
}

static void what_was_asked_or_skipped_is_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct cluster cluster;
    put_chain(fixture);
    cluster_begin(&cluster, true);
    cluster_skip_booking(&cluster, 2);
    cluster_add_account(&cluster, 1);
    grow(fixture, &cluster, PLENTY);
    assert_int_equal(cluster.places, 1);

    cluster_begin(&cluster, true);
    cluster_add_account(&cluster, 1);
    cluster_was_asked(&cluster);
    grow(fixture, &cluster, PLENTY);
    assert_int_equal(cluster.places, 0);
    cluster_add_device(&cluster, 11);
    grow(fixture, &cluster, PLENTY);
    assert_int_equal(cluster.places, 15);
}

static void names_and_bookings_count_once(void **state)
{
    (void)state;
    struct cluster cluster;
    const struct counted row = {
        .id = 1, .account_id = 2, .device = 3, .state = BOOKING_CONFIRMED, .places = 5};
    cluster_begin(&cluster, true);
    for (int i = 0; i < 2; i++)
        cluster_take(&cluster, &row);
    assert_int_equal(cluster.places, 5);
    assert_int_equal(cluster.booking_count, 1);
    assert_int_equal(cluster.accounts.count, 1);
    assert_int_equal(cluster.devices.count, 1);
    assert_int_equal(cluster.cards.count, 0); /* nought is no name */
}

static void more_names_than_fit_are_too_many(void **state)
{
    (void)state;
    struct cluster cluster;
    cluster_begin(&cluster, true);
    for (uint64_t name = 1; name <= CLUSTER_NAMES_MAX; name++)
        cluster_add_device(&cluster, name);
    cluster_add_device(&cluster, 1);
    assert_false(cluster.is_too_large);
    cluster_add_device(&cluster, CLUSTER_NAMES_MAX + 1);
    assert_true(cluster.is_too_large);
    assert_int_equal(cluster.devices.count, CLUSTER_NAMES_MAX);
}

static void more_bookings_than_fit_are_too_many(void **state)
{
    struct fixture *fixture = *state;
    struct cluster cluster;
    char sql[512];
    (void)snprintf(sql, sizeof(sql),
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                   "INSERT INTO booking (event_id, id, account_id, state, created_at, expires_at, "
                   "amount, currency, seats, areas, places, key_hash, body_hash, device, network) "
                   "SELECT %d, i, i, 3, 0, 0, 0, 'EUR', '[]', '[]', 1, %s, %s, "
                   "11, 7 FROM n",
                   CLUSTER_BOOKINGS_MAX, FIXTURE_EVENT, hash(), hash());
    fixture_sql(fixture, sql);
    grow_from(fixture, &cluster, 1);
    assert_int_equal(cluster.places, CLUSTER_BOOKINGS_MAX);
    assert_false(cluster.is_too_large);
    put(fixture, &(struct row){FIXTURE_EVENT, CLUSTER_BOOKINGS_MAX + 1, 1, 12, 0, 0, 1});
    grow_from(fixture, &cluster, 2);
    assert_true(cluster.is_too_large);
}

#define cluster_test(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cluster_test(a_chain_is_followed_from_either_end),
        cluster_test(without_a_link_there_are_two),
        cluster_test(what_does_not_count_links_nothing),
        cluster_test(holds_link_and_count_where_they_are_to),
        cluster_test(more_than_is_asked_for_is_not_looked_up),
        cluster_test(what_was_asked_or_skipped_is_left_out),
        cmocka_unit_test(names_and_bookings_count_once),
        cmocka_unit_test(more_names_than_fit_are_too_many),
        cluster_test(more_bookings_than_fit_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
