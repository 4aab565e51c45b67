/*
 * The waiting room's pure parts and its memory: the order by vectors that were computed elsewhere, tokens,
 * positions against a naive list through random lives, a room that hears of everything twice and late,
 * guesses at the time left, the crowd that `auto` counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/ids.h"
#include "base/rand.h"
#include "tickets/queue_crowd.h"
#include "tickets/queue_order.h"
#include "tickets/queue_room.h"
#include "tickets/queue_token.h"

#define NOW 1800000000000LL

static const char *hex_of(const uint8_t bytes[static SHA256_SIZE])
{
    static char text[2 * SHA256_SIZE + 1];
    struct buf buf = {.data = text, .cap = sizeof(text) - 1, .max = sizeof(text) - 1};
    hex_append(&buf, bytes, SHA256_SIZE);
    text[buf.len] = '\0';
    return text;
}

/* python3: seed = bytes(range(32)); eh = sha256(b"que_1\n").digest(); key = sha256(seed+eh).digest();
 * hmac.new(key, b"que_1", sha256).hexdigest() */
static void the_order_is_the_published_one(void **state)
{
    (void)state;
    uint8_t seed[SHA256_SIZE], hash[SHA256_SIZE], key[SHA256_SIZE], rank[SHA256_SIZE];
    for (int i = 0; i < SHA256_SIZE; i++)
        seed[i] = (uint8_t)i;
    crypto_sha256(STR("que_1\n"), hash);
    queue_order_key(seed, hash, key);
    assert_string_equal(hex_of(key),
                        "3930dfa1a66929f34ffaa45746b2b7744cc3682e3454239cf3bce23666125791");
    queue_order_rank(key, STR("que_1"), rank);
    assert_string_equal(hex_of(rank),
                        "47b870e535f15314cfe9a2c6c457e43d8918a11190899e2cb8408609cd4f0a00");
    struct queue_ranked low = {.rank = {0x7f}, .id = 9}, high = {.rank = {0x80}, .id = 1};
    assert_true(queue_order_compare(&low, &high) < 0); /* unsigned bytes */
    assert_true(queue_order_compare(&high, &low) > 0);
    assert_int_equal(queue_order_compare(&low, &low), 0);
}

static void a_token_opens_one_event_to_one_account_until_its_end(void **state)
{
    (void)state;
    uint8_t key[QUEUE_TOKEN_KEY_SIZE], other[QUEUE_TOKEN_KEY_SIZE];
    char text[QUEUE_TOKEN_TEXT_SIZE];
    struct queue_token token = {7, 8, 9, NOW};
    queue_token_key(STR("secret"), key);
    queue_token_key(STR("other"), other);
    queue_token_write(key, &token, text);
    struct str whole = str_from_c(text);
    assert_int_equal(whole.len, QUEUE_TOKEN_TEXT_SIZE - 1);
    struct queue_token read = {.event_id = 7, .account_id = 8};
    assert_int_equal(queue_token_read(key, whole, NOW - 1, &read), ERR_OK);
    assert_int_equal(read.entry_id, 9);
    assert_int_equal(read.expires_at, NOW);
    assert_int_equal(queue_token_read(key, whole, NOW, &read), ERR_TIMEOUT);
    assert_int_equal(queue_token_read(other, whole, NOW - 1, &read), ERR_INVALID);
    read = (struct queue_token){.event_id = 8, .account_id = 8};
    assert_int_equal(queue_token_read(key, whole, NOW - 1, &read), ERR_INVALID);
    read = (struct queue_token){.event_id = 7, .account_id = 7};
    assert_int_equal(queue_token_read(key, whole, NOW - 1, &read), ERR_INVALID);
    for (size_t i = 0; i < whole.len; i++) { /* each character counts */
        char changed[QUEUE_TOKEN_TEXT_SIZE];
        memcpy(changed, text, sizeof(changed));
        changed[i] = changed[i] == 'A' ? 'Q' : 'A';
        read = (struct queue_token){.event_id = 7, .account_id = 8};
        assert_int_not_equal(queue_token_read(key, str_from_c(changed), NOW - 1, &read), ERR_OK);
    }
}

/* --- A room --- */

static const struct queue_pace pace = {
    .admitted_max = 4, .admit_per_minute = 60, .quiet_s = 120, .now_ms = NOW};

static struct queue_room *room_of(struct queue_rooms **ret_rooms)
{
    assert_int_equal(queue_rooms_new(ret_rooms), ERR_OK);
    struct queue_room *room = queue_rooms_add(*ret_rooms, 7);
    assert_non_null(room);
    queue_room_begin(room, INT64_MAX);
    assert_ptr_equal(queue_rooms_get(*ret_rooms, 7), room);
    queue_room_unref(room);
    queue_room_unref(room); /* the table has one, too */
    assert_null(queue_rooms_get(*ret_rooms, 8));
    return room;
}

static struct queue_row row_of(uint64_t id, enum queue_state state, int64_t place)
{
    bool was_in = state == QUEUE_ADMITTED;
    return (struct queue_row){.id = id,
                              .account_id = id + 1000,
                              .state = state,
                              .place = place,
                              .admitted_at = was_in ? NOW : 0,
                              .admitted_until = was_in ? NOW + 1000 : 0};
}

#define PEOPLE 500

struct naive {
    enum queue_state state[PEOPLE + 1]; /* by place */
};

static int64_t naive_ahead(const struct naive *naive, size_t place)
{
    int64_t ahead = 0;
    for (size_t i = 1; i < place; i++)
        ahead += naive->state[i] == QUEUE_WAITING;
    return ahead;
}

static void check_all(struct queue_room *room, const struct naive *naive)
{
    int64_t waiting = 0, admitted = 0;
    struct queue_counts counts;
    for (size_t place = 1; place <= PEOPLE; place++) {
        struct queue_sight sight;
        assert_true(queue_room_see(room, place, &pace, false, &sight));
        assert_int_equal(sight.state, naive->state[place]);
        bool is_waiting = sight.state == QUEUE_WAITING;
        assert_int_equal(sight.ahead, is_waiting ? naive_ahead(naive, place) : -1);
        waiting += is_waiting;
        admitted += sight.state == QUEUE_ADMITTED;
    }
    queue_room_counts(room, &counts);
    assert_int_equal(counts.waiting, waiting);
    assert_int_equal(counts.admitted, admitted);
}

/* Everything is told twice, and now and then something old once more: as effects and the log do. */
static void positions_are_those_of_a_list(void **state)
{
    (void)state;
    struct queue_rooms *rooms;
    struct queue_room *room = room_of(&rooms);
    struct naive naive = {.state = {0}};
    rand_seed(11);
    for (size_t place = 1; place <= PEOPLE; place++) {
        struct queue_row row = row_of(place, place % 2 ? QUEUE_PRE : QUEUE_WAITING, 0);
        row.place = place % 2 ? 0 : (int64_t)place;
        queue_room_change(room, &row, NOW);
        naive.state[place] = row.state;
    }
    check_all(room, &naive);
    for (uint64_t id = 1; id <= PEOPLE; id += 2) {
        queue_room_place(room, (int64_t)id, &id, 1, NOW);
        naive.state[id] = QUEUE_WAITING;
    }
    check_all(room, &naive);
    for (int step = 0; step < 2000; step++) {
        size_t place = 1 + rand_below(PEOPLE);
        enum queue_state to = naive.state[place] == QUEUE_WAITING
                                  ? (rand_below(2) ? QUEUE_ADMITTED : QUEUE_LEFT)
                                  : QUEUE_LAPSED;
        struct queue_row row = row_of(place, to, (int64_t)place);
        struct queue_row old = row_of(place, QUEUE_WAITING, (int64_t)place);
        queue_room_change(room, &row, NOW);
        queue_room_change(room, &row, NOW);
        queue_room_change(room, &old, NOW);
        if (naive.state[place] <= QUEUE_ADMITTED)
            naive.state[place] = to;
        if (step % 200 == 0)
            check_all(room, &naive);
    }
    check_all(room, &naive);
    rand_seed(0);
    queue_rooms_free(rooms);
}

static void who_left_before_the_places_were_given_waits_for_nothing(void **state)
{
    (void)state;
    struct queue_rooms *rooms;
    struct queue_room *room = room_of(&rooms);
    struct queue_sight sight;
    struct queue_row rows[] = {row_of(1, QUEUE_PRE, 0), row_of(2, QUEUE_PRE, 0),
                               row_of(2, QUEUE_LEFT, 0)};
    for (size_t i = 0; i < 3; i++)
        queue_room_change(room, &rows[i], NOW);
    const uint64_t order[] = {2, 1, 3}; /* 3 is not known here yet */
    queue_room_place(room, 1, order, 3, NOW);
    assert_true(queue_room_see(room, 1, &pace, false, &sight));
    assert_int_equal(sight.ahead, 0);
    assert_true(queue_room_see(room, 2, &pace, false, &sight));
    assert_int_equal(sight.state, QUEUE_LEFT);
    assert_false(queue_room_see(room, 3, &pace, false, &sight));
    /* Somebody who comes back has a new entry, and the account's answer is about that one. */
    struct queue_row again = {.id = 9, .account_id = 1002, .state = QUEUE_WAITING, .place = 4};
    queue_room_change(room, &again, NOW);
    assert_true(queue_room_see_account(room, 1002, &pace, false, &sight));
    assert_int_equal(sight.id, 9);
    assert_int_equal(sight.ahead, 1);
    queue_rooms_free(rooms);
}

static void a_room_that_is_not_loaded_leaves_it_to_the_log(void **state)
{
    (void)state;
    struct queue_rooms *rooms;
    struct queue_room *room = room_of(&rooms);
    struct queue_row row = row_of(1, QUEUE_WAITING, 1);
    struct queue_sight sight;
    queue_room_clear(room);
    queue_room_change(room, &row, NOW);
    assert_false(queue_room_see(room, 1, &pace, false, &sight));
    assert_int_equal(queue_room_take(room, &row, NOW), ERR_OK); /* by the loader */
    assert_true(queue_room_see(room, 1, &pace, false, &sight));
    queue_rooms_free(rooms);
}

static bool is_there(struct queue_rooms *rooms, uint64_t event_id)
{
    struct queue_room *room = queue_rooms_get(rooms, event_id);
    queue_room_unref(room);
    return room != NULL;
}

/* Whoever has one may go on with it. */
static void rooms_that_are_over_make_place(void **state)
{
    (void)state;
    struct queue_rooms *rooms;
    struct queue_row row = row_of(1, QUEUE_WAITING, 1);
    struct queue_sight sight;
    (void)room_of(&rooms);
    struct queue_room *held = queue_rooms_get(rooms, 7);
    queue_room_change(held, &row, NOW);
    for (uint64_t id = 1000; queue_rooms_count(rooms) < QUEUE_ROOMS_MAX; id++) {
        struct queue_room *room = queue_rooms_add(rooms, id);
        assert_non_null(room);
        room->listed_at_look = id % 2; /* the others are newer than the list */
        queue_room_unref(room);
    }
    held->listed_at_look = 1;
    assert_null(queue_rooms_add(rooms, 8));
    assert_int_equal(queue_rooms_drop(rooms, 1), 0);
    while (queue_rooms_drop(rooms, 2) == QUEUE_DROP_MAX)
        continue;
    assert_int_equal(queue_rooms_count(rooms), QUEUE_ROOMS_MAX / 2);
    assert_false(is_there(rooms, 7));
    assert_true(queue_room_see(held, 1, &pace, false, &sight));
    queue_room_unref(held);
    assert_false(is_there(rooms, 1001));
    assert_true(is_there(rooms, 1002));
    struct queue_room *over = queue_rooms_get(rooms, 1002);
    queue_room_turn(over, QUEUE_LOG_OVER, NOW);
    queue_room_unref(over);
    assert_int_equal(queue_rooms_drop(rooms, 2), 1);
    assert_false(is_there(rooms, 1002));
    queue_room_unref(queue_rooms_add(rooms, 8));
    assert_true(is_there(rooms, 8));
    queue_rooms_free(rooms);
}

static void who_was_seen_is_noted_once_in_a_while(void **state)
{
    (void)state;
    struct queue_rooms *rooms;
    struct queue_room *room = room_of(&rooms);
    struct queue_seen seen[QUEUE_SEEN_BATCH];
    struct queue_sight sight;
    struct queue_pace later = pace;
    struct queue_row row = row_of(1, QUEUE_ADMITTED, 1), waiting = row_of(2, QUEUE_WAITING, 2);
    queue_room_change(room, &row, NOW);
    queue_room_change(room, &waiting, NOW);
    later.now_ms = NOW + 10000;
    assert_true(queue_room_see(room, 1, &later, true, &sight));
    assert_true(queue_room_see(room, 2, &later, true, &sight));
    assert_int_equal(queue_room_take_seen(room, seen),
                     0); /* too soon, and who waits is not asked */
    later.now_ms = NOW + 31000;
    assert_true(queue_room_see(room, 1, &later, false, &sight));
    assert_int_equal(queue_room_take_seen(room, seen), 0);
    assert_true(queue_room_see(room, 1, &later, true, &sight));
    assert_true(queue_room_see(room, 1, &later, true, &sight));
    assert_int_equal(queue_room_take_seen(room, seen), 1);
    assert_int_equal(seen[0].id, 1);
    assert_int_equal(seen[0].seen_at, NOW + 31000);
    queue_rooms_free(rooms);
}

static void the_time_left_is_said_when_something_can_be_said(void **state)
{
    (void)state;
    struct queue_rooms *rooms;
    struct queue_room *room = room_of(&rooms);
    struct queue_sight sight;
    struct queue_pace later = pace;
    for (uint64_t id = 1; id <= 20; id++) {
        struct queue_row row = row_of(id, QUEUE_WAITING, (int64_t)id);
        queue_room_change(room, &row, NOW);
    }
    assert_true(queue_room_see(room, 20, &pace, false, &sight));
    assert_int_equal(sight.eta_seconds, -1); /* nobody was let in yet */
    for (uint64_t id = 1; id <= 2; id++) {
        struct queue_row row = row_of(id, QUEUE_ADMITTED, (int64_t)id);
        queue_room_change(room, &row, NOW);
    }
    assert_true(
        queue_room_see(room, 4, &pace, false, &sight)); /* two places are free, one a second */
    assert_int_equal(sight.eta_seconds, 1);
    assert_true(queue_room_see(room, 20, &pace, false, &sight));
    assert_int_equal(sight.eta_seconds, -1); /* nobody has left yet */
    for (uint64_t id = 1; id <= 6; id++) {   /* one every ten seconds */
        struct queue_row in = row_of(id, QUEUE_ADMITTED, (int64_t)id);
        struct queue_row out = row_of(id, QUEUE_LAPSED, (int64_t)id);
        out.ended_at = NOW + (int64_t)id * 10000;
        queue_room_change(room, &in, NOW);
        queue_room_change(room, &out, NOW);
    }
    later.now_ms = NOW + 60000;
    assert_true(queue_room_see(room, 20, &later, false, &sight));
    assert_int_equal(sight.ahead, 13);
    assert_in_range(sight.eta_seconds, 95, 110); /* 4 free at once, then 10 more at 0.1 a second */
    queue_rooms_free(rooms);
}

static void a_crowd_is_counted_once_a_person_for_a_minute(void **state)
{
    (void)state;
    struct queue_crowd *crowd = queue_crowd_new();
    assert_non_null(crowd);
    for (int round = 0; round < 3; round++)
        for (uint64_t person = 1; person <= 50; person++)
            (void)queue_crowd_note(crowd, person, NOW + round * 1000);
    int64_t count = queue_crowd_count(crowd, NOW + 3000);
    assert_in_range(count, 49, 50);
    assert_int_equal(queue_crowd_note(crowd, 1, NOW + QUEUE_CROWD_MS / 2), count);
    assert_int_equal(queue_crowd_count(crowd, NOW + QUEUE_CROWD_MS), 1);
    assert_int_equal(queue_crowd_count(crowd, NOW + 10 * QUEUE_CROWD_MS), 0);
    queue_crowd_free(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_is_the_published_one),
        cmocka_unit_test(a_token_opens_one_event_to_one_account_until_its_end),
        cmocka_unit_test(positions_are_those_of_a_list),
        cmocka_unit_test(who_left_before_the_places_were_given_waits_for_nothing),
        cmocka_unit_test(a_room_that_is_not_loaded_leaves_it_to_the_log),
        cmocka_unit_test(rooms_that_are_over_make_place),
        cmocka_unit_test(who_was_seen_is_noted_once_in_a_while),
        cmocka_unit_test(the_time_left_is_said_when_something_can_be_said),
        cmocka_unit_test(a_crowd_is_counted_once_a_person_for_a_minute),
    };
    return crypto_init() == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
