/* Bookings: each transition valid, invalid, and valid turning invalid; the claim table as the
 * judge. */
#include "fixture.h"

#include "tickets/replay_keys.h"

struct move {
    struct booking *booking;
    enum err (*fn)(struct tickets *tickets, struct writer_tx *tx, struct booking *booking);
};

static enum err move_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct move *move = ctx;
    enum err err = booking_load(tx->db, move->booking->event_id, move->booking->id, move->booking);
    return err ? err : move->fn(fixture->tickets, tx, move->booking);
}

static enum err do_move(struct fixture *fixture, struct booking *booking,
                        enum err (*fn)(struct tickets *, struct writer_tx *, struct booking *))
{
    struct move move = {booking, fn};
    return fixture_write(fixture, move_fn, &move);
}

static enum err confirm(struct tickets *tickets, struct writer_tx *tx, struct booking *booking)
{
    return booking_confirm(tickets, tx, booking, 9);
}

static enum err reclaim(struct tickets *tickets, struct writer_tx *tx, struct booking *booking)
{
    return booking_reclaim(tickets, tx, booking, 9);
}

static enum err expire(struct tickets *tickets, struct writer_tx *tx, struct booking *booking)
{
    return booking_expire(tickets, tx, booking, false);
}

static enum err expire_asked(struct tickets *tickets, struct writer_tx *tx, struct booking *booking)
{
    return booking_expire(tickets, tx, booking, true);
}

static enum err extend(struct tickets *tickets, struct writer_tx *tx, struct booking *booking)
{
    return booking_extend(tickets, tx, booking, 60000);
}

static void hold_takes_all_seats_and_writes_every_row(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(
        fixture_count(fixture,
                      "SELECT COUNT(*) FROM seat_claim WHERE seat_no IN (3, 4) AND state = 1"),
        2);
    assert_int_equal(fixture_count(fixture, "SELECT amount FROM booking"), 2 * FIXTURE_PRICE);
    assert_int_equal(
        fixture_count(fixture, "SELECT COUNT(*) FROM journal WHERE type = 'booking.held'"), 1);
    struct booking loaded;
    assert_int_equal(booking_load(fixture->reader, FIXTURE_EVENT, hold.booking.id, &loaded),
                     ERR_OK);
    assert_int_equal(loaded.seat_count, 2);
    assert_int_equal(loaded.seats[1].seat_no, 4);
    assert_int_equal(loaded.seats[1].price, FIXTURE_PRICE);
}

static void hold_of_a_taken_seat_names_it_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold first, second;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &first), ERR_OK);
    assert_int_equal(fixture_hold_pair(fixture, 2, 4, &second), ERR_CONFLICT);
    assert_int_equal(second.conflicts.seat_count, 1);
    assert_int_equal(second.conflicts.seat_nos[0], 4);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM seat_claim"), 2);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM booking"), 1);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM journal"), 1);
}

static void area_places_are_taken_and_given_back_by_quantity(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold = {
        .booking = {.account_id = 1, .area_count = 1, .areas = {{0, 6, 0}}}};
    assert_int_equal(fixture_write(fixture, fixture_hold_fn, &hold), ERR_OK);
    struct fixture_hold more = {
        .booking = {.account_id = 2, .area_count = 1, .areas = {{0, 5, 0}}}};
    assert_int_equal(fixture_write(fixture, fixture_hold_fn, &more), ERR_CONFLICT);
    assert_int_equal(more.conflicts.area_count, 1);
    assert_int_equal(fixture_count(fixture, "SELECT available FROM event_area"), 4);
    assert_int_equal(do_move(fixture, &hold.booking, booking_cancel), ERR_OK);
    assert_int_equal(fixture_count(fixture, "SELECT available FROM event_area"),
                     FIXTURE_AREA_CAPACITY);
}

static void confirm_books_the_seats_and_issues_one_ticket_a_place(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold = {.booking = {.account_id = 1,
                                            .seat_count = 2,
                                            .seats = {{3, 0}, {4, 0}},
                                            .area_count = 1,
                                            .areas = {{0, 3, 0}}}};
    assert_int_equal(fixture_write(fixture, fixture_hold_fn, &hold), ERR_OK);
    assert_int_equal(do_move(fixture, &hold.booking, confirm), ERR_OK);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM seat_claim WHERE state = 2"), 2);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM ticket WHERE state = 0"), 5);
    assert_int_equal(do_move(fixture, &hold.booking, confirm), ERR_CONFLICT);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM ticket"), 5);
}

static void a_confirmed_booking_cannot_be_cancelled_failed_or_expired(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(do_move(fixture, &hold.booking, confirm), ERR_OK);
    clock_advance_ms(FIXTURE_TTL_S * 1000 + 1);
    assert_int_equal(do_move(fixture, &hold.booking, booking_cancel), ERR_CONFLICT);
    assert_int_equal(do_move(fixture, &hold.booking, booking_fail), ERR_CONFLICT);
    assert_int_equal(do_move(fixture, &hold.booking, expire), ERR_CONFLICT);
    assert_int_equal(do_move(fixture, &hold.booking, reclaim), ERR_CONFLICT);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM seat_claim WHERE state = 2"), 2);
}

static void expiry_waits_for_its_time_and_frees_the_seats(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold, next;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(do_move(fixture, &hold.booking, expire), ERR_CONFLICT);
    clock_advance_ms(FIXTURE_TTL_S * 1000 + 1);
    assert_int_equal(do_move(fixture, &hold.booking, expire), ERR_OK);
    assert_int_equal(hold.booking.state, BOOKING_EXPIRED);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM seat_claim"), 0);
    assert_int_equal(fixture_hold_pair(fixture, 2, 3, &next), ERR_OK);
    /* Turned invalid: the seats are somebody else's now. */
    assert_int_equal(do_move(fixture, &hold.booking, confirm), ERR_CONFLICT);
}

static void a_hold_past_its_time_can_be_confirmed_until_its_end_is_committed(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    clock_advance_ms(FIXTURE_TTL_S * 1000 + 1);
    assert_int_equal(do_move(fixture, &hold.booking, confirm), ERR_OK);
    assert_int_equal(do_move(fixture, &hold.booking, expire), ERR_CONFLICT);
}

static void a_pending_payment_is_not_expired_before_the_provider_was_asked(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(do_move(fixture, &hold.booking, booking_start_payment), ERR_OK);
    clock_advance_ms(FIXTURE_TTL_S * 1000 + 1);
    assert_int_equal(do_move(fixture, &hold.booking, expire), ERR_AGAIN);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM seat_claim"), 2);
    assert_int_equal(do_move(fixture, &hold.booking, expire_asked), ERR_OK);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM seat_claim"), 0);
}

static void late_money_takes_the_seats_back_only_when_all_are_free(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold, other;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    clock_advance_ms(FIXTURE_TTL_S * 1000 + 1);
    assert_int_equal(do_move(fixture, &hold.booking, expire), ERR_OK);
    assert_int_equal(fixture_hold_pair(fixture, 2, 4, &other), ERR_OK);
    int64_t journal_rows = fixture_count(fixture, "SELECT COUNT(*) FROM journal");
    assert_int_equal(do_move(fixture, &hold.booking, reclaim), ERR_CONFLICT);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM journal"), journal_rows);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM seat_claim"), 2);
    assert_int_equal(do_move(fixture, &other.booking, booking_cancel), ERR_OK);
    assert_int_equal(do_move(fixture, &hold.booking, reclaim), ERR_OK);
    assert_int_equal(hold.booking.state, BOOKING_CONFIRMED);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM ticket WHERE state = 0"), 2);
}

/* The version is what clients compare: a change that keeps it is never fetched. */
static void late_money_for_an_area_shows_in_the_version(void **state)
{
    struct fixture *fixture = *state;
    struct event_model *model;
    struct fixture_hold hold = {
        .booking = {.account_id = 1, .area_count = 1, .areas = {{.quantity = 2}}}};
    assert_int_equal(
        inventory_load(fixture->tickets->inventory, fixture->reader, FIXTURE_EVENT, &model),
        ERR_OK);
    assert_int_equal(fixture_write(fixture, fixture_hold_fn, &hold), ERR_OK);
    clock_advance_ms(FIXTURE_TTL_S * 1000 + 1);
    assert_int_equal(do_move(fixture, &hold.booking, expire), ERR_OK);
    int64_t version = atomic_load(&model->version);
    assert_int_equal(do_move(fixture, &hold.booking, reclaim), ERR_OK);
    assert_int_equal(atomic_load(&model->area_available[0]), FIXTURE_AREA_CAPACITY - 2);
    assert_true(atomic_load(&model->version) > version);
    event_model_unref(model);
}

static void late_money_for_a_cancelled_booking_or_event_takes_nothing_back(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(do_move(fixture, &hold.booking, booking_cancel), ERR_OK);
    assert_int_equal(do_move(fixture, &hold.booking, reclaim), ERR_CONFLICT);
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(do_move(fixture, &hold.booking, booking_fail), ERR_OK);
    fixture_sql(fixture, "UPDATE event SET status = 2");
    assert_int_equal(do_move(fixture, &hold.booking, reclaim), ERR_CONFLICT);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM seat_claim"), 0);
}

static void late_money_is_no_reason_to_refund_in_a_broken_database(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold sold, late;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &sold), ERR_OK);
    assert_int_equal(do_move(fixture, &sold.booking, confirm), ERR_OK);
    fixture_sql(fixture, "DELETE FROM seat_claim"); /* its tickets are still valid */
    assert_int_equal(fixture_hold_pair(fixture, 2, 3, &late), ERR_OK);
    clock_advance_ms(FIXTURE_TTL_S * 1000 + 1);
    assert_int_equal(do_move(fixture, &late.booking, expire), ERR_OK);
    /* ERR_CONFLICT would say that nothing was changed. PostgreSQL is told of tickets without waiting, so
     * there the transaction is lost. */
    enum err want = db_is_pgsql(fixture->reader) ? ERR_IO : ERR_CORRUPT;
    assert_int_equal(do_move(fixture, &late.booking, reclaim), want);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM seat_claim"), 0);
}

static void a_hold_is_extended_once(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    int64_t expires_at = hold.booking.expires_at;
    assert_int_equal(do_move(fixture, &hold.booking, extend), ERR_OK);
    assert_int_equal(do_move(fixture, &hold.booking, extend), ERR_CONFLICT);
    assert_int_equal(fixture_count(fixture, "SELECT expires_at FROM booking"), expires_at + 60000);
}

static void free_of_charge_is_confirmed_at_checkout(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    fixture_sql(fixture, "UPDATE booking SET amount = 0");
    assert_int_equal(do_move(fixture, &hold.booking, booking_start_payment), ERR_OK);
    assert_int_equal(hold.booking.state, BOOKING_CONFIRMED);
    assert_int_equal(fixture_count(fixture, "SELECT COUNT(*) FROM payment"), 0);
}

#define GUARD_OFF                                                                                  \
    "CREATE TRIGGER guard_off BEFORE INSERT ON seat_claim BEGIN DELETE FROM seat_claim "           \
    "WHERE event_id = NEW.event_id AND seat_no = NEW.seat_no; END"
#define GUARD_OFF_PGSQL                                                                            \
    "CREATE FUNCTION guard_off() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM "          \
    "seat_claim WHERE event_id = NEW.event_id AND seat_no = NEW.seat_no; RETURN NEW; END';"        \
    "CREATE TRIGGER guard_off BEFORE INSERT ON seat_claim FOR EACH ROW EXECUTE FUNCTION "          \
    "guard_off()"
#define SOLD_TWICE                                                                                 \
    "SELECT COUNT(*) FROM (SELECT json_extract(s.value, '$[0]') seat_no FROM booking b, "          \
    "json_each(b.seats) s GROUP BY 1 HAVING COUNT(*) > 1)"
#define SOLD_TWICE_PGSQL                                                                           \
    "SELECT COUNT(*) FROM (SELECT s.value ->> 0 AS seat_no FROM booking b, "                       \
    "jsonb_array_elements(CAST(b.seats AS jsonb)) s(value) GROUP BY 1 HAVING COUNT(*) > 1) t"

/* The negative control: with the key's effect switched off both holds succeed, so it is the key
 * that judges. */
static void without_the_constraint_two_bookings_hold_one_seat(void **state)
{
    struct fixture *fixture = *state;
    fixture_sql(fixture, fixture_store() ? GUARD_OFF_PGSQL : GUARD_OFF);
    struct fixture_hold first, second;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &first), ERR_OK);
    assert_int_equal(fixture_hold_pair(fixture, 2, 3, &second), ERR_OK);
    assert_int_equal(fixture_count(fixture, fixture_store() ? SOLD_TWICE_PGSQL : SOLD_TWICE), 2);
}

static void the_read_model_follows_commits_and_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    struct event_model *model;
    assert_int_equal(
        inventory_load(fixture->tickets->inventory, fixture->reader, FIXTURE_EVENT, &model),
        ERR_OK);
    assert_int_equal(atomic_load(&model->available), FIXTURE_SEATS + FIXTURE_AREA_CAPACITY);
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    assert_int_equal(atomic_load(&model->seats[3]), SEAT_HELD);
    assert_int_equal(atomic_load(&model->available), FIXTURE_SEATS + FIXTURE_AREA_CAPACITY - 2);
    assert_int_equal(fixture_hold_pair(fixture, 2, 4, &hold), ERR_CONFLICT);
    assert_int_equal(atomic_load(&model->seats[5]), SEAT_FREE);
    int64_t version = atomic_load(&model->version);
    event_model_unref(model);
    fixture_restart(fixture);
    assert_int_equal(
        inventory_load(fixture->tickets->inventory, fixture->reader, FIXTURE_EVENT, &model),
        ERR_OK);
    assert_int_equal(atomic_load(&model->seats[3]), SEAT_HELD);
    assert_int_equal(atomic_load(&model->version), version);
    assert_int_equal(atomic_load(&model->section_available[0]), FIXTURE_SEATS - 2);
    event_model_unref(model);
}

static void a_key_is_known_after_its_commit_and_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_hold hold;
    assert_int_equal(fixture_hold_pair(fixture, 1, 3, &hold), ERR_OK);
    struct replay_key key = {FIXTURE_EVENT, 1, hold.booking.key_hash};
    struct replay_key other = {FIXTURE_EVENT, 2, hold.booking.key_hash};
    assert_int_equal(replay_keys_find(fixture->tickets->replay_keys, &key), hold.booking.id);
    assert_int_equal(replay_keys_find(fixture->tickets->replay_keys, &other), 0);
    fixture_restart(fixture);
    assert_false(replay_keys_is_complete(fixture->tickets->replay_keys));
    assert_int_equal(
        replay_keys_start(fixture->tickets->replay_keys, tickets_database_path(fixture->tickets)),
        ERR_OK);
    for (int i = 0; i < 5000 && !replay_keys_is_complete(fixture->tickets->replay_keys); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_true(replay_keys_is_complete(fixture->tickets->replay_keys));
    assert_int_equal(replay_keys_find(fixture->tickets->replay_keys, &key), hold.booking.id);
    replay_keys_stop(fixture->tickets->replay_keys);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hold_takes_all_seats_and_writes_every_row),
        TEST(hold_of_a_taken_seat_names_it_and_changes_nothing),
        TEST(area_places_are_taken_and_given_back_by_quantity),
        TEST(confirm_books_the_seats_and_issues_one_ticket_a_place),
        TEST(a_confirmed_booking_cannot_be_cancelled_failed_or_expired),
        TEST(expiry_waits_for_its_time_and_frees_the_seats),
        TEST(a_hold_past_its_time_can_be_confirmed_until_its_end_is_committed),
        TEST(a_pending_payment_is_not_expired_before_the_provider_was_asked),
        TEST(late_money_takes_the_seats_back_only_when_all_are_free),
        TEST(late_money_for_an_area_shows_in_the_version),
        TEST(late_money_for_a_cancelled_booking_or_event_takes_nothing_back),
        TEST(late_money_is_no_reason_to_refund_in_a_broken_database),
        TEST(a_hold_is_extended_once),
        TEST(free_of_charge_is_confirmed_at_checkout),
        TEST(without_the_constraint_two_bookings_hold_one_seat),
        TEST(the_read_model_follows_commits_and_a_restart),
        TEST(a_key_is_known_after_its_commit_and_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
