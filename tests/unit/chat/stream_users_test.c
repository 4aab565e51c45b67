/* Which streams a user has: replaced devices, the oldest of too many, tokens, what is due. */
#include "chat/stream_users.h"

#include "base/check.h"
#include "chat/limits.h"

static struct stream_users *users;

static int make(void **state)
{
    (void)state;
    users = stream_users_new();
    assert_non_null(users);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stream_users_free(users);
    return 0;
}

struct evicted {
    websocket_id replaced, over;
};

static struct evicted add(uint64_t user_id, websocket_id id, uint64_t device_id, uint8_t token)
{
    struct stream_entry entry = {.id = id, .device_id = device_id, .checked_ms = 1000};
    struct evicted evicted;
    memset(entry.token_hash, token, sizeof(entry.token_hash));
    assert_ok(stream_users_add(users, user_id, &entry, &evicted.replaced, &evicted.over));
    return evicted;
}

static void they_are_there_until_they_go(void **state)
{
    websocket_id ids[4] = {0};
    (void)state;
    add(1, 11, 0, 'a');
    add(1, 12, 0, 'b');
    add(2, 21, 0, 'c');
    assert_int_equal(stream_users_count(users), 3);
    assert_int_equal(stream_users_ids(users, 1, ids, 4), 2);
    assert_int_equal(ids[0], 11);
    assert_int_equal(ids[1], 12);
    assert_int_equal(stream_users_ids(users, 1, ids, 1), 1);
    stream_users_remove(users, 1, 11);
    stream_users_remove(users, 1, 11);
    stream_users_remove(users, 3, 11);
    assert_int_equal(stream_users_ids(users, 1, ids, 4), 1);
    assert_int_equal(ids[0], 12);
    stream_users_remove(users, 1, 12);
    assert_int_equal(stream_users_ids(users, 1, ids, 4), 0);
    assert_int_equal(stream_users_count(users), 1);
}

static void a_device_has_one(void **state)
{
    (void)state;
    assert_int_equal(add(1, 11, 5, 'a').replaced, 0);
    assert_int_equal(add(1, 12, 6, 'a').replaced, 0);
    assert_int_equal(add(2, 21, 5, 'a').replaced, 0);
    assert_int_equal(add(1, 13, 5, 'a').replaced, 11);
    assert_int_equal(add(1, 14, 0, 'a').replaced, 0);
    assert_int_equal(stream_users_count(users), 4);
}

static void the_oldest_of_too_many_goes(void **state)
{
    websocket_id ids[STREAM_SESSIONS_MAX + 1];
    (void)state;
    for (websocket_id i = 0; i < STREAM_SESSIONS_MAX; i++)
        assert_int_equal(add(1, 100 + i, 0, 'a').over, 0);
    assert_int_equal(add(1, 999, 0, 'a').over, 100);
    assert_int_equal(add(1, 998, 0, 'a').over, 101);
    assert_int_equal(stream_users_ids(users, 1, ids, STREAM_SESSIONS_MAX + 1), STREAM_SESSIONS_MAX);
    assert_int_equal(ids[STREAM_SESSIONS_MAX - 1], 998);
}

static void tokens_find_theirs(void **state)
{
    websocket_id ids[4];
    uint8_t hash[SHA256_SIZE];
    (void)state;
    add(1, 11, 0, 'a');
    add(1, 12, 0, 'b');
    add(1, 13, 0, 'a');
    memset(hash, 'a', sizeof(hash));
    assert_int_equal(stream_users_ids_of_token(users, 1, hash, ids, 4), 2);
    assert_int_equal(ids[0], 11);
    assert_int_equal(ids[1], 13);
    assert_int_equal(stream_users_ids_of_token(users, 2, hash, ids, 4), 0);
}

static void what_is_due_is_so_once(void **state)
{
    struct stream_entry entries[3];
    (void)state;
    for (websocket_id i = 0; i < 5; i++)
        add(1 + i % 2, 10 + i, 0, 'a');
    assert_int_equal(stream_users_due(users, 999, 5000, entries, 3), 0);
    assert_int_equal(stream_users_due(users, 1000, 5000, entries, 3), 3);
    assert_int_equal(stream_users_due(users, 1000, 5000, entries, 3), 2);
    assert_int_equal(stream_users_due(users, 1000, 5000, entries, 3), 0);
    assert_int_equal(stream_users_due(users, 5000, 6000, entries, 3), 3);
    assert_int_equal(stream_users_due(users, 5000, 6000, entries, 3), 2);
    stream_users_doubt(users, 1, 12);
    stream_users_doubt(users, 1, 99);
    assert_int_equal(stream_users_due(users, 1, 7000, entries, 3), 1);
    assert_int_equal(entries[0].id, 12);
    assert_int_equal(stream_users_due(users, 1, 7000, entries, 3), 0);
}

static void all_of_a_large_table_are_due_in_turn(void **state)
{
    enum {
        COUNT = 3 * STREAM_RECHECK_USERS
    };
    struct stream_entry entries[64];
    size_t count, all = 0;
    (void)state;
    for (uint64_t i = 0; i < COUNT; i++)
        add(i + 1, 1000 + i, 0, 'a');
    while ((count = stream_users_due(users, 1000, 5000, entries, 64)) > 0)
        all += count;
    assert_int_equal(all, COUNT);
    stream_users_doubt(users, COUNT / 2, 1000 + COUNT / 2 - 1);
    for (int i = 0; i < 4; i++)
        count += stream_users_due(users, 1000, 5000, entries, 64);
    assert_int_equal(count, 1);
}

static void a_walk_comes_by_each_user_once_a_round(void **state)
{
    enum {
        COUNT = 100
    };
    uint64_t ids[COUNT];
    bool is_seen[COUNT] = {false};
    size_t count, all = 0;
    (void)state;
    for (uint64_t i = 0; i < COUNT; i++)
        add(i + 1, 1000 + i, 0, 'a');
    while ((count = stream_users_walk(users, 1, ids, 7)) > 0) {
        for (size_t i = 0; i < count; i++) {
            assert_false(is_seen[ids[i] - 1]);
            is_seen[ids[i] - 1] = true;
        }
        all += count;
    }
    assert_int_equal(all, COUNT);
    add(5, 2000, 0, 'a'); /* one more stream of theirs is no new user */
    assert_int_equal(stream_users_walk(users, 1, ids, COUNT), 0);
    add(COUNT + 1, 3000, 0, 'a');
    assert_int_equal(stream_users_walk(users, 1, ids, COUNT), 1);
    assert_int_equal(stream_users_walk(users, 2, ids, COUNT), COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(they_are_there_until_they_go, make, end),
        cmocka_unit_test_setup_teardown(a_device_has_one, make, end),
        cmocka_unit_test_setup_teardown(the_oldest_of_too_many_goes, make, end),
        cmocka_unit_test_setup_teardown(tokens_find_theirs, make, end),
        cmocka_unit_test_setup_teardown(what_is_due_is_so_once, make, end),
        cmocka_unit_test_setup_teardown(all_of_a_large_table_are_due_in_turn, make, end),
        cmocka_unit_test_setup_teardown(a_walk_comes_by_each_user_once_a_round, make, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
