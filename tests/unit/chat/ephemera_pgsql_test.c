/* Ephemera on PostgreSQL: nodes hear each other, know who is silent, and go on when a connection was lost. */
#include "chat/chat_rig.h"

#include <pthread.h>

#include "chat/ephemera.h"

#define TURNS_MAX 3000

struct ear {
    struct ephemera *ephemera;
    size_t count, lost;
    uint64_t node, lost_node;
    uint64_t last_user;
    size_t of_kind[EPHEMERAL_KIND_COUNT];
};

static void on_heard(void *ctx, uint64_t node, const struct ephemeral *what)
{
    struct ear *ear = ctx;
    ear->count++;
    ear->node = node;
    ear->of_kind[what->kind]++;
    if (what->kind == EPHEMERAL_ONLINE) { /* in the order in which it was said */
        assert_true(what->user_id == ear->last_user + 1);
        ear->last_user = what->user_id;
    }
}

static void on_lost(void *ctx, uint64_t node)
{
    struct ear *ear = ctx;
    ear->lost++;
    ear->lost_node = node;
}

static void ear_open(struct ear *ear, const struct rig *rig)
{
    *ear = (struct ear){0};
    struct ephemera_listener listener = {on_heard, on_lost, ear};
    assert_ok(ephemera_new(rig->service->database_path, &listener, &ear->ephemera));
    assert_non_null(ear->ephemera);
}

static void say(struct ear *ear, enum ephemeral_kind kind, uint64_t user, uint64_t other)
{
    ephemera_say(ear->ephemera, &(struct ephemeral){kind, user, other});
}

static uint64_t nodes_of(struct ear *ear)
{
    struct ephemera_stats stats;
    ephemera_stats(ear->ephemera, &stats);
    return stats.nodes;
}

static void test_others_are_heard_in_order_and_oneself_is_not(void **state)
{
    enum {
        COUNT = 2000
    };
    struct ear a, b;
    ear_open(&a, *state);
    ear_open(&b, *state);
    for (uint64_t i = 1; i <= COUNT; i++)
        say(&a, EPHEMERAL_ONLINE, i, 0);
    say(&a, EPHEMERAL_TYPING, 1, 2);
    say(&a, EPHEMERAL_BLOCK, 1, 2);
    assert_ok(ephemera_turn(a.ephemera, 0));
    for (int i = 0; i < TURNS_MAX && b.count < COUNT + 2; i++)
        assert_ok(ephemera_turn(b.ephemera, 10));
    assert_int_equal(b.count, COUNT + 2);
    assert_int_equal(b.of_kind[EPHEMERAL_TYPING], 1);
    assert_int_equal(b.of_kind[EPHEMERAL_BLOCK], 1);
    assert_true(b.node == ephemera_node(a.ephemera));
    assert_int_equal(nodes_of(&b), 1);
    assert_ok(ephemera_turn(a.ephemera, 0));
    assert_int_equal(a.count, 0);
    ephemera_free(a.ephemera);
    ephemera_free(b.ephemera);
}

/* What there is no room for is not said: typing first. */
static void test_too_much_is_dropped(void **state)
{
    struct ear a;
    struct ephemera_stats stats;
    ear_open(&a, *state);
    for (uint64_t i = 1; i <= EPHEMERA_WAITING_MAX; i++)
        say(&a, EPHEMERAL_TYPING, i, 1);
    ephemera_stats(a.ephemera, &stats);
    assert_int_equal(stats.dropped, EPHEMERA_WAITING_MAX / 2);
    for (uint64_t i = 1; i <= EPHEMERA_WAITING_MAX; i++)
        say(&a, EPHEMERAL_OFFLINE, i, 0);
    ephemera_stats(a.ephemera, &stats);
    assert_int_equal(stats.dropped, EPHEMERA_WAITING_MAX);
    for (int i = 0; i < TURNS_MAX && stats.said < EPHEMERA_WAITING_MAX; i++) {
        assert_ok(ephemera_turn(a.ephemera, 0));
        ephemera_stats(a.ephemera, &stats);
    }
    assert_int_equal(stats.said, EPHEMERA_WAITING_MAX);
    ephemera_free(a.ephemera);
}

static void test_who_is_silent_is_lost_once_and_found_again(void **state)
{
    struct ear a, b;
    ear_open(&a, *state);
    ear_open(&b, *state);
    say(&a, EPHEMERAL_OFFLINE, 1, 0);
    assert_ok(ephemera_turn(a.ephemera, 0));
    for (int i = 0; i < TURNS_MAX && b.count < 1; i++)
        assert_ok(ephemera_turn(b.ephemera, 10));
    assert_int_equal(nodes_of(&b), 1);
    int64_t heard_ns = clock_mono_ns();
    while (b.lost == 0)
        assert_ok(ephemera_turn(b.ephemera, 50));
    assert_true(clock_mono_ns() - heard_ns >= (EPHEMERA_LOST_MS - 1000) * INT64_C(1000000));
    assert_true(b.lost_node == ephemera_node(a.ephemera));
    assert_int_equal(nodes_of(&b), 0);
    assert_ok(ephemera_turn(b.ephemera, 50));
    assert_int_equal(b.lost, 1);
    assert_ok(ephemera_turn(a.ephemera, 0)); /* says that it is there */
    for (int i = 0; i < TURNS_MAX && nodes_of(&b) < 1; i++)
        assert_ok(ephemera_turn(b.ephemera, 10));
    assert_int_equal(nodes_of(&b), 1);
    assert_int_equal(b.count, 1);
    ephemera_free(a.ephemera);
    ephemera_free(b.ephemera);
}

SQL(SQL_END_READERS, "SELECT COALESCE(sum(CAST(pg_terminate_backend(pid) AS int)), 0)"
                     " FROM pg_stat_activity WHERE application_name = 'foyer chat reader'"
                     " AND datname = current_database() AND pid <> pg_backend_pid()");

static void test_a_lost_connection_is_made_anew(void **state)
{
    struct rig *rig = *state;
    struct ear a, b;
    ear_open(&a, rig);
    ear_open(&b, rig);
    int64_t ended = 0;
    assert_ok(db_get_i64(db_stmt(rig->db, &SQL_END_READERS), &ended));
    assert_true(ended >= 2);
    for (int i = 0; i < TURNS_MAX && b.count == 0; i++) {
        say(&a, EPHEMERAL_OFFLINE, 1, 0);
        (void)!ephemera_turn(a.ephemera, 0);
        (void)!ephemera_turn(b.ephemera, 10);
    }
    assert_true(b.count > 0);
    assert_int_equal(b.lost, 0);
    ephemera_free(a.ephemera);
    ephemera_free(b.ephemera);
}

struct chatter {
    struct ear *ear;
    uint64_t from;
};

static void *chatter_main(void *ctx)
{
    struct chatter *chatter = ctx;
    for (uint64_t i = 0; i < 1000; i++)
        say(chatter->ear, EPHEMERAL_OFFLINE, chatter->from + i, 0);
    return NULL;
}

/* The threads of two nodes, and several that say something. Stopping says what is left, and that it stops. */
static void test_threads(void **state)
{
    enum {
        TALKERS = 4
    };
    struct ear a, b;
    ear_open(&a, *state);
    ear_open(&b, *state);
    assert_ok(ephemera_start(a.ephemera));
    struct chatter chatters[TALKERS];
    pthread_t threads[TALKERS];
    for (uint64_t i = 0; i < TALKERS; i++) {
        chatters[i] = (struct chatter){&a, 1 + i * 1000};
        assert_int_equal(pthread_create(&threads[i], NULL, chatter_main, &chatters[i]), 0);
    }
    for (size_t i = 0; i < TALKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    ephemera_stop(a.ephemera);
    for (int i = 0; i < TURNS_MAX && b.count < TALKERS * 1000; i++)
        assert_ok(ephemera_turn(b.ephemera, 10));
    assert_int_equal(b.of_kind[EPHEMERAL_OFFLINE], TALKERS * 1000);
    for (int i = 0; i < TURNS_MAX && b.lost == 0; i++)
        assert_ok(ephemera_turn(b.ephemera, 10));
    assert_true(b.lost_node == ephemera_node(a.ephemera));
    assert_int_equal(nodes_of(&b), 0);
    ephemera_free(a.ephemera);
    ephemera_free(b.ephemera);
}

/* Whatever somebody else calls on the channel. */
static void test_nonsense_is_passed_over(void **state)
{
    struct rig *rig = *state;
    struct ear a, b;
    ear_open(&a, rig);
    ear_open(&b, rig);
    assert_ok(db_call(rig->db, "ephemera", STR("hello")));
    assert_ok(db_call(rig->db, "ephemera", STR("1 77 o1 JUNK o3")));
    assert_ok(db_call(rig->db, "other", STR("1 77 o1")));
    assert_int_equal(db_call(rig->db, "ephemera", str_from((char[8000]){0}, 8000)), ERR_LIMIT);
    say(&a, EPHEMERAL_OFFLINE, 9, 0);
    assert_ok(ephemera_turn(a.ephemera, 0));
    for (int i = 0; i < TURNS_MAX && b.of_kind[EPHEMERAL_OFFLINE] == 0; i++)
        assert_ok(ephemera_turn(b.ephemera, 10));
    assert_int_equal(b.of_kind[EPHEMERAL_OFFLINE], 1);
    assert_int_equal(b.of_kind[EPHEMERAL_ONLINE], 1);
    ephemera_free(a.ephemera);
    ephemera_free(b.ephemera);
}

#define rig_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_others_are_heard_in_order_and_oneself_is_not),
        rig_test(test_too_much_is_dropped),
        rig_test(test_who_is_silent_is_lost_once_and_found_again),
        rig_test(test_a_lost_connection_is_made_anew),
        rig_test(test_threads),
        rig_test(test_nonsense_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
