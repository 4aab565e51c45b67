/*
 * Races about admissions, forced in every order, in one group and in two (race.h).
 *
 *   race                                  test                              control: the guard, and what is found without it
 *   ------------------------------------  --------------------------------  ------------------------------------------------
 *   two stewards for the last place       stewards_meet                     the count: queue-cap (an_admission_that_counts_nobody)
 *   lapse / hold                          a_lapse_meets_a_hold              holds: queue-holds, booking-admission
 *                                                                             (a_lapse_that_is_blind_to_the_hold)
 *   leaving / hold                        leaving_meets_a_hold              "
 *   one account joins twice               joins_meet                        queue_open: queue-account-twice (a_join_that_looks_for_nobody)
 *   join / closing of the list            a_join_meets_the_closing          closed_at: queue-place-line
 *                                                                             (a_join_that_is_blind_to_the_closing)
 */
#include "race.h"

#include <time.h>

#include "tickets/queue_internal.h"

#define FAN   3
#define OTHER 4

static int64_t number(struct fixture *fixture, const char *text)
{
    static struct sql sql;
    struct db *db;
    int64_t value = -1;
    sql.text = text;
    assert_int_equal(db_open(tickets_database_path(fixture->tickets), DB_ADMIN, &db), ERR_OK);
    assert_int_equal(db_get_i64(db_stmt(db, &sql), &value), ERR_OK);
    db_close(db);
    return value;
}

static void set_up(struct fixture *fixture, int cap)
{
    char sql[512];
    snprintf(
        sql, sizeof(sql),
        "DELETE FROM queue_log; DELETE FROM queue_entry; DELETE FROM queue_room; DELETE FROM "
        "queue_settings; UPDATE booking SET admission_id = NULL; UPDATE event SET waiting_room "
        "= 'on'; INSERT INTO queue_settings VALUES (%d, %d, 600, 3600, 900, 120, 1000);",
        FIXTURE_EVENT, cap);
    fixture_sql(fixture, sql);
}

/* --- Steps --- */

struct joining {
    uint64_t account_id;
    uint64_t entry_id;
    bool is_new;
};

static enum err join_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct joining *joining = ctx;
    struct queue_join join = {.event_id = FIXTURE_EVENT, .account_id = joining->account_id};
    enum queue_refusal refusal = QUEUE_TAKEN_IN;
    enum err err = waiting_enter(fixture->tickets, tx, &join, &refusal);
    joining->entry_id = join.entry.id;
    joining->is_new = join.is_new;
    return !err && refusal != QUEUE_TAKEN_IN ? ERR_DENIED : err;
}

static enum err admit_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    return waiting_admit(fixture->tickets, tx, FIXTURE_EVENT, 10, ctx);
}

/* Lets the next one in whatever the count is. */
static enum err blind_admit_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    (void)ctx;
    size_t count;
    enum err err = db_script(tx->db, STR("UPDATE queue_entry SET busy_until = 1 WHERE state = 3"));
    return err ? err : waiting_admit(fixture->tickets, tx, FIXTURE_EVENT, 1, &count);
}

struct ending {
    uint64_t entry_id;
    bool is_blind; /* to holds */
};

static enum err lapse_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct ending *ending = ctx;
    enum err err = ERR_OK;
    if (ending->is_blind)
        err = db_script(tx->db, STR("UPDATE queue_entry SET holds = 0"));
    return err ? err
               : waiting_lapse(fixture->tickets, tx, FIXTURE_EVENT, &ending->entry_id, 1,
                               tx->now_ms + 1);
}

static enum err leave_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct ending *ending = ctx;
    struct queue_entry entry;
    enum err err = queue_store_entry(tx->db, FIXTURE_EVENT, ending->entry_id, &entry);
    return err ? err : waiting_leave(fixture->tickets, tx, &entry);
}

struct holding {
    uint64_t entry_id;
    struct booking booking;
};

/* As the gate and the hold do it. */
static enum err hold_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct holding *holding = ctx;
    struct queue_entry entry;
    struct hold_conflicts conflicts;
    enum err err = queue_store_entry(tx->db, FIXTURE_EVENT, holding->entry_id, &entry);
    if (err || entry.state != QUEUE_ADMITTED)
        return err ? err : ERR_DENIED;
    holding->booking = (struct booking){.event_id = FIXTURE_EVENT,
                                        .account_id = FAN,
                                        .state = BOOKING_HELD,
                                        .created_at = tx->now_ms,
                                        .expires_at = tx->now_ms + 60000,
                                        .amount = FIXTURE_PRICE,
                                        .currency = "EUR",
                                        .seat_count = 1,
                                        .seats = {{0, FIXTURE_PRICE}},
                                        .places = 1,
                                        .admission_id = holding->entry_id};
    return booking_hold(fixture->tickets, tx, &holding->booking, &conflicts);
}

static enum err cancel_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct holding *holding = ctx;
    struct booking booking;
    enum err err = booking_load(tx->db, FIXTURE_EVENT, holding->booking.id, &booking);
    if (err || booking.state != BOOKING_HELD)
        return err ? err : ERR_CONFLICT;
    return booking_cancel(fixture->tickets, tx, &booking);
}

static uint64_t joined(struct fixture *fixture, uint64_t account_id)
{
    struct joining joining = {.account_id = account_id};
    assert_int_equal(fixture_write(fixture, join_fn, &joining), ERR_OK);
    return joining.entry_id;
}

static uint64_t admitted(struct fixture *fixture, uint64_t account_id)
{
    size_t count = 0;
    uint64_t entry_id = joined(fixture, account_id);
    assert_int_equal(fixture_write(fixture, admit_fn, &count), ERR_OK);
    assert_int_equal(count, 1);
    return entry_id;
}

static void release(struct fixture *fixture, struct holding *holding)
{
    if (holding->booking.id)
        assert_int_equal(fixture_write(fixture, cancel_fn, holding), ERR_OK);
    holding->booking.id = 0;
}

/* --- Races --- */

static void stewards_meet(void **state)
{
    struct fixture *fixture = *state;
    for_each_meeting(meeting)
    {
        size_t first = 0, second = 0;
        set_up(fixture, 3);
        for (uint64_t account_id = 1; account_id <= 5; account_id++)
            (void)joined(fixture, account_id);
        struct step one = {.fn = admit_fn, .ctx = &first}, two = {.fn = admit_fn, .ctx = &second};
        meet(fixture, meeting, &one, &two);
        assert_int_equal(first + second, 3);
        assert_int_equal(number(fixture, "SELECT COUNT(*) FROM queue_entry WHERE state = 3"), 3);
        assert_int_equal(number(fixture, "SELECT MAX(place) FROM queue_entry WHERE state = 3"), 3);
        assert_clean(fixture);
    }
}

static void an_admission_that_counts_nobody(void **state)
{
    struct fixture *fixture = *state;
    set_up(fixture, 1);
    for (uint64_t account_id = 1; account_id <= 3; account_id++)
        (void)joined(fixture, account_id);
    struct step one = {.fn = blind_admit_fn}, two = {.fn = blind_admit_fn};
    meet(fixture, &meetings[0], &one, &two);
    assert_found(fixture, "queue-cap");
}

static void a_lapse_meets_a_hold(void **state)
{
    struct fixture *fixture = *state;
    for_each_meeting(meeting)
    {
        set_up(fixture, 2);
        struct holding holding = {.entry_id = admitted(fixture, FAN)};
        struct ending ending = {.entry_id = holding.entry_id};
        struct step hold = {.fn = hold_fn, .ctx = &holding};
        struct step lapse = {.fn = lapse_fn, .ctx = &ending};
        meet(fixture, meeting, &hold, &lapse);
        assert_int_equal(lapse.outcome, ERR_OK);
        assert_int_equal(hold.outcome, meeting->is_second_first ? ERR_DENIED : ERR_OK);
        bool is_in = number(fixture, "SELECT state FROM queue_entry") == QUEUE_ADMITTED;
        assert_int_equal(is_in, hold.outcome == ERR_OK);
        assert_clean(fixture);
        if (hold.outcome == ERR_OK)
            release(fixture, &holding);
        assert_clean(fixture);
    }
}

static void a_lapse_that_is_blind_to_the_hold(void **state)
{
    struct fixture *fixture = *state;
    set_up(fixture, 2);
    struct holding holding = {.entry_id = admitted(fixture, FAN)};
    struct ending ending = {.entry_id = holding.entry_id, .is_blind = true};
    struct step hold = {.fn = hold_fn, .ctx = &holding};
    struct step lapse = {.fn = lapse_fn, .ctx = &ending};
    meet(fixture, &meetings[0], &hold, &lapse);
    assert_found(fixture, "queue-holds");
}

static void leaving_meets_a_hold(void **state)
{
    struct fixture *fixture = *state;
    for_each_meeting(meeting)
    {
        set_up(fixture, 2);
        struct holding holding = {.entry_id = admitted(fixture, FAN)};
        struct ending ending = {.entry_id = holding.entry_id};
        struct step hold = {.fn = hold_fn, .ctx = &holding};
        struct step leave = {.fn = leave_fn, .ctx = &ending};
        meet(fixture, meeting, &hold, &leave);
        assert_int_equal(hold.outcome, meeting->is_second_first ? ERR_DENIED : ERR_OK);
        assert_int_equal(leave.outcome, meeting->is_second_first ? ERR_OK : ERR_CONFLICT);
        assert_clean(fixture);
        if (hold.outcome == ERR_OK)
            release(fixture, &holding);
    }
}

static void joins_meet(void **state)
{
    struct fixture *fixture = *state;
    for_each_meeting(meeting)
    {
        set_up(fixture, 2);
        struct joining first = {.account_id = FAN}, second = {.account_id = FAN};
        struct step one = {.fn = join_fn, .ctx = &first}, two = {.fn = join_fn, .ctx = &second};
        meet(fixture, meeting, &one, &two);
        assert_int_equal(first.entry_id, second.entry_id);
        assert_true(first.is_new != second.is_new);
        assert_clean(fixture);
    }
}

static void a_join_that_looks_for_nobody(void **state)
{
    struct fixture *fixture = *state;
    set_up(fixture, 2);
    (void)joined(fixture, FAN);
    (void)joined(fixture, OTHER);
    fixture_sql(fixture, "DROP INDEX queue_open; UPDATE queue_entry SET account_id = 3");
    assert_found(fixture, "queue-account-twice");
}

static enum err close_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct queue_terms terms;
    (void)ctx;
    enum err err = queue_store_terms(tx->db, FIXTURE_EVENT, &terms);
    return err ? err : waiting_close(fixture->tickets, tx, &terms);
}

/* Before the sale the list grows; a join that comes when it has begun is behind it, whoever closes. */
static void a_join_meets_the_closing(void **state)
{
    struct fixture *fixture = *state;
    for_each_meeting(meeting)
    {
        set_up(fixture, 2);
        fixture_sql(fixture, "UPDATE event SET onsale_at = starts_at - 1");
        fixture_sql(fixture, "UPDATE queue_settings SET opens_before_s = 30000000");
        uint64_t early = joined(fixture, OTHER);
        fixture_sql(fixture, "UPDATE event SET onsale_at = 1000");
        struct joining joining = {.account_id = FAN};
        struct step join = {.fn = join_fn, .ctx = &joining}, close = {.fn = close_fn};
        meet(fixture, meeting, &join, &close);
        assert_int_equal(join.outcome, ERR_OK);
        assert_int_equal(close.outcome, ERR_OK);
        assert_int_equal(number(fixture, "SELECT entry_count FROM queue_room"), 1);
        assert_int_equal(number(fixture, "SELECT place FROM queue_entry WHERE state = 2"), 2);
        assert_int_equal(number(fixture, "SELECT id FROM queue_entry WHERE state = 1"), early);
        assert_int_equal(number(fixture, "SELECT COUNT(*) FROM queue_log WHERE kind = 6"), 1);
        assert_clean(fixture);
    }
}

static void a_join_that_is_blind_to_the_closing(void **state)
{
    struct fixture *fixture = *state;
    char restore[160];
    set_up(fixture, 2);
    fixture_sql(fixture, "UPDATE event SET onsale_at = starts_at - 1");
    fixture_sql(fixture, "UPDATE queue_settings SET opens_before_s = 30000000");
    (void)joined(fixture, OTHER);
    fixture_sql(fixture, "UPDATE event SET onsale_at = 1000");
    assert_int_equal(fixture_write(fixture, close_fn, NULL), ERR_OK);
    snprintf(restore, sizeof(restore), "UPDATE queue_room SET closed_at = %lld, entry_count = 1",
             (long long)number(fixture, "SELECT closed_at FROM queue_room"));
    clock_advance_ms(1);
    fixture_sql(fixture, "UPDATE queue_room SET closed_at = NULL, entry_count = NULL");
    fixture_sql(fixture, "UPDATE event SET onsale_at = starts_at - 1");
    (void)joined(fixture, FAN);
    fixture_sql(fixture, "UPDATE event SET onsale_at = 1000");
    fixture_sql(fixture, restore);
    assert_found(fixture, "queue-place-line");
}

static enum err count_id(uint64_t id, void *ctx)
{
    (void)id;
    ++*(int64_t *)ctx;
    return ERR_OK;
}

/* How long the closed list is, as its readers find it. */
static int64_t list_length(struct fixture *fixture)
{
    struct db *db;
    int64_t count = 0;
    assert_int_equal(db_open(tickets_database_path(fixture->tickets), DB_ADMIN, &db), ERR_OK);
    struct queue_terms terms;
    assert_int_equal(queue_store_terms(db, FIXTURE_EVENT, &terms), ERR_OK);
    assert_int_equal(queue_store_list(db, FIXTURE_EVENT, terms.closed_at, count_id, &count),
                     ERR_OK);
    db_close(db);
    return count;
}

/* The list is as long as it was counted to be, whatever the clocks of those said who ended entries. */
static void clocks_that_differ_change_no_list(void **state)
{
    struct fixture *fixture = *state;
    set_up(fixture, 2);
    fixture_sql(fixture, "UPDATE event SET onsale_at = starts_at - 1");
    fixture_sql(fixture, "UPDATE queue_settings SET opens_before_s = 30000000");
    struct ending before = {.entry_id = joined(fixture, 1)};
    struct ending after = {.entry_id = joined(fixture, OTHER)};
    (void)joined(fixture, FAN);
    assert_int_equal(fixture_write(fixture, leave_fn, &before), ERR_OK);
    fixture_sql(fixture, "UPDATE queue_entry SET ended_at = ended_at + 5000 WHERE state = 5");
    fixture_sql(fixture, "UPDATE event SET onsale_at = 1000");
    assert_int_equal(fixture_write(fixture, close_fn, NULL), ERR_OK);
    assert_int_equal(number(fixture, "SELECT entry_count FROM queue_room"), 2);
    assert_int_equal(list_length(fixture), 2);
    fixture_sql(fixture, "UPDATE queue_room SET entries_hash = commitment, placed = 2");
    fixture_sql(fixture, "UPDATE queue_entry SET state = 2, place = CASE account_id WHEN 4 THEN 1 "
                         "ELSE 2 END WHERE state = 1");
    size_t count = 0;
    assert_int_equal(fixture_write(fixture, admit_fn, &count), ERR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(fixture_write(fixture, lapse_fn, &after), ERR_OK);
    assert_int_equal(list_length(fixture), 2);
}

/* The thread looks after a room also while another one finds no place in memory. */
static void a_room_that_cannot_be_read_stops_no_other(void **state)
{
    struct fixture *fixture = *state;
    struct queue_desk *queue = fixture->tickets->queue;
    set_up(fixture, 2);
    (void)joined(fixture, FAN);
    queue_room_unref(queue_rooms_add(queue->rooms, FIXTURE_EVENT));
    assert_int_equal(queue_desk_start(queue), ERR_OK);
    for (uint64_t id = 1000; queue_rooms_count(queue->rooms) < QUEUE_ROOMS_MAX; id++)
        queue_room_unref(queue_rooms_add(queue->rooms, id));
    fixture_sql(fixture, "CREATE TABLE copy AS SELECT * FROM event; UPDATE copy SET id = 5;"
                         "INSERT INTO event SELECT * FROM copy; DROP TABLE copy;"
                         "INSERT INTO queue_room (event_id, seed, commitment, created_at)"
                         " SELECT 5, seed, commitment, created_at FROM queue_room");
    (void)joined(fixture, OTHER);
    int64_t count = 0;
    for (int i = 0; i < 200 && count < 2; i++) {
        struct timespec pause = {.tv_nsec = 20000000};
        (void)nanosleep(&pause, NULL);
        count = number(fixture, "SELECT COUNT(*) FROM queue_entry WHERE state = 3");
    }
    queue_desk_stop(queue);
    assert_int_equal(count, 2);
}

/* --- The steward's work --- */

#define LARGE 4200 /* more than two looks place */

/* Another event like the fixture's; both with a list that closes at once, and LARGE people on it. */
static void set_up_two_lists(struct fixture *fixture)
{
    char sql[1024];
    set_up(fixture, 2);
    fixture_sql(fixture, "CREATE TABLE copy AS SELECT * FROM event; UPDATE copy SET id = 5;"
                         "INSERT INTO event SELECT * FROM copy; DROP TABLE copy");
    (void)joined(fixture, FAN); /* makes the room */
    fixture_sql(fixture, "DELETE FROM queue_entry; DELETE FROM queue_log; UPDATE queue_room SET "
                         "closed_at = NULL, entry_count = NULL, places = 0;"
                         "INSERT INTO queue_room (event_id, seed, commitment, created_at)"
                         " SELECT 5, seed, commitment, created_at FROM queue_room");
    (void)snprintf(sql, sizeof(sql),
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                   "INSERT INTO queue_entry (event_id, id, account_id, state, is_early, joined_at) "
                   "SELECT e.id, n.i, n.i, 1, 1, 1 FROM n, event e",
                   LARGE);
    fixture_sql(fixture, sql);
}

/* One look of the rooms' thread at one room, which stays in memory. */
static struct queue_room *looked_at(struct queue_desk *queue, uint64_t event_id)
{
    struct queue_terms terms;
    assert_int_equal(queue_store_terms(queue->db, event_id, &terms), ERR_OK);
    assert_int_equal(queue_follow(queue, &terms), ERR_OK);
    (void)queue_work(queue, &terms);
    struct queue_room *room = queue_rooms_get(queue->rooms, event_id);
    assert_non_null(room);
    queue_room_unref(room);
    return room;
}

static void two_rooms_that_open_at_once_keep_their_orders(void **state)
{
    struct fixture *fixture = *state;
    struct queue_desk *queue = fixture->tickets->queue;
    const uint64_t events[] = {5, FIXTURE_EVENT};
    struct queue_room *rooms[2] = {NULL, NULL};
    set_up_two_lists(fixture);
    assert_int_equal(db_open(tickets_database_path(fixture->tickets), DB_READER, &queue->db),
                     ERR_OK);
    queue->office_since_ms = queue->looked_at_ms = clock_now_ms();
    for (int look = 0; look < 3; look++) /* closed, revealed, the first places */
        for (size_t i = 0; i < 2; i++)
            rooms[i] = looked_at(queue, events[i]);
    for (size_t i = 0; i < 2; i++) {
        assert_true(rooms[i]->order.is_known);
        assert_int_equal(rooms[i]->order.count, LARGE);
        rooms[i]->order.entries_hash[0] ^= 1; /* places need it no more; reading makes it anew */
    }
    for (size_t i = 0; i < 2; i++) {
        uint8_t first = rooms[i]->order.entries_hash[0];
        (void)looked_at(queue, events[i]);
        assert_true(rooms[i]->order.is_known);
        assert_int_equal(rooms[i]->order.entries_hash[0], first);
    }
    for (size_t i = 0; i < 2; i++)
        assert_false(looked_at(queue, events[i])->order.is_known);
    assert_int_equal(number(fixture, "SELECT SUM(placed) FROM queue_room"), 2 * LARGE);
    assert_int_equal(number(fixture, "SELECT COUNT(*) FROM queue_entry WHERE state = 1"), 0);
}

/* In a minute at most. */
static bool comes_to_be(struct fixture *fixture, const char *count, int64_t wanted)
{
    int64_t until_ns = clock_mono_ns() + RACE_WAIT_NS;
    while (number(fixture, count) != wanted && clock_mono_ns() < until_ns)
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    return number(fixture, count) == wanted;
}

#define LAPSED "SELECT COUNT(*) FROM queue_entry WHERE state = 6"

/* As a correction of the clock does it, or a machine that was paused. What a test adds is time. */
static void nobody_is_quiet_for_a_jump_of_the_clock(void **state)
{
    struct fixture *fixture = *state;
    struct queue_desk *queue = fixture->tickets->queue;
    if (fixture_store())
        skip(); /* there the database's clock is followed */
    set_up(fixture, 5);
    (void)admitted(fixture, 1);   /* runs out at once, */
    (void)admitted(fixture, 2);   /* within the jump, */
    (void)admitted(fixture, FAN); /* long after it */
    fixture_sql(fixture, "UPDATE queue_entry SET admitted_until = admitted_at WHERE account_id = 1;"
                         "UPDATE queue_entry SET admitted_until = admitted_at + 150000 WHERE "
                         "account_id = 2");
    assert_int_equal(queue_desk_start(queue), ERR_OK);
    bool is_looking = comes_to_be(fixture, LAPSED, 1);
    (void)clock_follow(
        &(struct clock_reading){.other_ms = clock_now_ms() + 200000, .mono_ns = clock_mono_ns()});
    bool has_seen_the_jump = comes_to_be(fixture, LAPSED " AND account_id = 2", 1);
    int64_t fan = number(fixture, "SELECT state FROM queue_entry WHERE account_id = 3");
    clock_advance_ms(160000);
    bool is_time = comes_to_be(fixture, LAPSED, 3);
    queue_desk_stop(queue);
    clock_follow_own();
    assert_true(is_looking);
    assert_true(has_seen_the_jump);
    assert_int_equal(fan, QUEUE_ADMITTED);
    assert_true(is_time);
}

/* Copies of the fixture's event, with rooms; their sale begins so much later. more: SQL in the same
 * transaction. */
static void insert_events(struct fixture *fixture, int first, int count, int64_t later_ms,
                          const char *more)
{
    char sql[2048];
    (void)snprintf(
        sql, sizeof(sql),
        "INSERT INTO event (id, account_id, venue_id, plan_version, name, description, category, "
        "starts_at, onsale_at, currency, status, hold_ttl_s, per_booking, per_account, "
        "waiting_room, late_payment, created_at, updated_at) "
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
        "SELECT %d + n.i, account_id, venue_id, plan_version, name, description, category, "
        "starts_at, onsale_at + %lld, currency, status, hold_ttl_s, per_booking, per_account, "
        "'on', late_payment, created_at, updated_at FROM event, n WHERE event.id = %d;"
        "INSERT INTO queue_room (event_id, seed, commitment, created_at) SELECT e.id, r.seed, "
        "r.commitment, r.created_at FROM event e, queue_room r WHERE e.id >= %d AND "
        "r.event_id = %d; %s",
        count - 1, first, (long long)later_ms, FIXTURE_EVENT, first, FIXTURE_EVENT, more);
    fixture_sql(fixture, sql);
}

#define FIRST 1000
#define LAST  900000

/* Memory is full of rooms that open tomorrow: one that is open now comes in all the same. And those
 * that are over leave. */
static void a_room_opens_after_as_many_as_memory_has_place_for(void **state)
{
    struct fixture *fixture = *state;
    struct queue_desk *queue = fixture->tickets->queue;
    if (fixture_store())
        skip(); /* there each look reads each room's log: too long for a test, and nothing new */
    set_up(fixture, 5);
    (void)joined(fixture, FAN); /* makes the room */
    insert_events(fixture, FIRST, QUEUE_ROOMS_MAX, 86400000, "");
    assert_int_equal(queue_desk_start(queue), ERR_OK);
    size_t before = queue_rooms_count(queue->rooms);
    insert_events(fixture, LAST, 1, 0,
                  "UPDATE queue_room SET closed_at = 1, entry_count = 0, places = 1 WHERE event_id "
                  "= 900000; INSERT INTO queue_entry (event_id, id, account_id, state, is_early, "
                  "joined_at, place) VALUES (900000, 1, 4, 2, 0, 1, 1)");
    bool is_open = comes_to_be(fixture, "SELECT state FROM queue_entry WHERE event_id = 900000",
                               QUEUE_ADMITTED);
    fixture_sql(fixture,
                "UPDATE queue_room SET is_over = 1 WHERE event_id BETWEEN 1000 AND 899999");
    int64_t until_ns = clock_mono_ns() + RACE_WAIT_NS;
    while (queue_rooms_count(queue->rooms) != 2 && clock_mono_ns() < until_ns)
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    size_t after = queue_rooms_count(queue->rooms);
    queue_desk_stop(queue);
    assert_int_equal(before, QUEUE_ROOMS_MAX);
    assert_true(is_open);
    assert_int_equal(after, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stewards_meet),
        TEST(an_admission_that_counts_nobody),
        TEST(a_lapse_meets_a_hold),
        TEST(a_lapse_that_is_blind_to_the_hold),
        TEST(leaving_meets_a_hold),
        TEST(joins_meet),
        TEST(a_join_that_looks_for_nobody),
        TEST(a_join_meets_the_closing),
        TEST(a_join_that_is_blind_to_the_closing),
        TEST(clocks_that_differ_change_no_list),
        TEST(a_room_that_cannot_be_read_stops_no_other),
        TEST(two_rooms_that_open_at_once_keep_their_orders),
        TEST(a_room_opens_after_as_many_as_memory_has_place_for),
        TEST(nobody_is_quiet_for_a_jump_of_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
