/*
 * Races between requests, forced in every order, in one group and in two (race.h). In one group both
 * have been prepared before either was done, so what one of them has looked at is old by then.
 *
 *   race                                  test                                           control: the guard, and what is found without it
 *   ------------------------------------  ---------------------------------------------  -----------------------------------------------
 *   refund / refund of the same, whole /  refunds_of_one_ticket, refunds_of_the_whole,   ticket's state, refunded sum: refunds,
 *   whole, part / whole                   refund_of_a_part_and_the_whole                   refund-above-capture (a_refund_that_is_blind...)
 *   refund / cancelled event              refund_and_cancelled_event                     "
 *   hold / cancelled event                hold_and_cancelled_event                       event's status: held in a cancelled event
 *                                                                                          (a_hold_that_is_blind_to_the_cancelled_event)
 *   hold / publication                    hold_and_publication                           the row's status (the_row_is_asked_not_the_model)
 *   hold / edited event, changed price    hold_and_edit, a_price_is_not_an_old_one       updated_at: sold at the old price (same test)
 *   hold / seat is blocked                hold_and_block                                 claim's key: booking-without-claim
 *                                                                                          (a_hold_of_a_seat_that_is_blocked)
 *   checkout / cancellation               checkout_and_cancellation                      as in race_booking_test.c
 *   check-in at two gates                 two_gates                                      used_at: two let in (a_gate_that_is_blind...)
 *   retry / restart, and two retries      retries_after_a_restart                        key's hash: two bookings (same test)
 *   logout / request under way            logout_and_request                             app/session_cache_test.c
 *
 * Retries of what dispatch keeps answers of are in app/replay_test.c.
 */
#include "served.h"

#include "race.h"
#include "tickets/replay_keys.h"
#include "tickets/ticket_view.h"

#define SEAT_A    "\"seat_ids\":[\"A-0\"]"
#define ONE_PLACE "\"areas\":[{\"area_id\":\"floor\",\"quantity\":1}]"

/* --- Requests at once --- */

struct asker {
    struct served *served;
    struct ask ask;
    char path[128], body[256];
    struct answer answer;
    pthread_t thread;
    _Atomic bool is_answered;
};

static void asker_init(struct asker *asker, struct served *served, enum http_method method,
                       const char *token)
{
    *asker = (struct asker){.served = served};
    asker->ask = (struct ask){
        .method = method, .token = token, .path = asker->path, .idempotency_key = NULL};
}

/* Large, and asked by another thread: on the heap. */
static struct asker *asker_new(struct served *served, enum http_method method, const char *token,
                               const char *path, const char *body)
{
    struct asker *asker = calloc(1, sizeof(*asker));
    assert_non_null(asker);
    asker_init(asker, served, method, token);
    snprintf(asker->path, sizeof(asker->path), "%s", path);
    if (body) {
        snprintf(asker->body, sizeof(asker->body), "%s", body);
        asker->ask.body = asker->body;
    }
    return asker;
}

static void *asker_main(void *ctx)
{
    struct asker *asker = ctx;
    frame_ask(&asker->served->frame, &asker->ask, &asker->answer);
    atomic_store(&asker->is_answered, true);
    return NULL;
}

/* Until its job waits behind those of `before` others, or it was answered without one. Returns
 * whether it waits. */
static bool asker_start(struct asker *asker, size_t before)
{
    struct writer_stats stats;
    int64_t until_ns = clock_mono_ns() + RACE_WAIT_NS;
    assert_int_equal(pthread_create(&asker->thread, NULL, asker_main, asker), 0);
    for (;;) {
        bool is_answered = atomic_load(&asker->is_answered);
        writer_stats(asker->served->fixture->tickets->writer, &stats);
        if (stats.queue_length > before || is_answered)
            return stats.queue_length > before;
        assert_true(clock_mono_ns() < until_ns);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

static void load_model(struct served *served)
{
    struct event_model *model;
    struct fixture *fixture = served->fixture;
    assert_int_equal(
        inventory_load(fixture->tickets->inventory, fixture->reader, FIXTURE_EVENT, &model),
        ERR_OK);
    event_model_unref(model);
}

/* Both prepared before either is done, in one group. Models and callers are in memory before: the
 * gate would keep them out. */
static void ask_as_group(struct asker **askers, size_t count)
{
    struct gate gate;
    size_t waiting = 0;
    load_model(askers[0]->served);
    gate_close(askers[0]->served->fixture, &gate);
    for (size_t i = 0; i < count; i++)
        waiting += asker_start(askers[i], waiting);
    sem_post(&gate.is_open);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(askers[i]->thread, NULL), 0);
}

static void meet_asks(const struct meeting *meeting, struct asker *first, struct asker *second)
{
    struct asker *order[] = {meeting->is_second_first ? second : first,
                             meeting->is_second_first ? first : second};
    if (meeting->is_one_group) {
        ask_as_group(order, 2);
        return;
    }
    for (size_t i = 0; i < 2; i++)
        (void)asker_main(order[i]);
}

/* Where a meeting changes the event, each has a service of its own. */
#define EACH_MEETING_ALONE(name)                                                                   \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        for_each_meeting(meeting)                                                                  \
        {                                                                                          \
            void *served = NULL;                                                                   \
            assert_int_equal(served_setup(&served), 0);                                            \
            meet_##name(served, meeting);                                                          \
            assert_int_equal(served_teardown(&served), 0);                                         \
        }                                                                                          \
    }

/* Else they share one, and each has seats of its own. */
#define EACH_MEETING(name)                                                                         \
    static void name(void **state)                                                                 \
    {                                                                                              \
        for_each_meeting(meeting)                                                                  \
        {                                                                                          \
            meet_##name(*state, meeting);                                                          \
        }                                                                                          \
    }

static unsigned seat_of(const struct meeting *meeting)
{
    return 2 * (unsigned)(meeting - meetings);
}

static void assert_problem(const struct asker *asker, int status, const char *type)
{
    char text[64] = "";
    (void)answer_text(&asker->answer, NULL, "type", text, sizeof(text));
    if (asker->answer.status != status || strcmp(text, type) != 0)
        fail_msg("%s: %d %s, not %d %s", asker->path, asker->answer.status, text, status, type);
}

/* First column of the first row; id is for $1, where there is one. */
static int64_t number_of(struct served *served, const char *text, uint64_t id)
{
    static struct sql sql;
    struct db *db;
    int64_t value = -1;
    sql.text = text; /* one statement slot for all: each look has its connection */
    assert_int_equal(db_open(tickets_database_path(served->fixture->tickets), DB_ADMIN, &db),
                     ERR_OK);
    struct db_stmt *stmt = db_stmt(db, &sql);
    if (strstr(text, "$1"))
        db_bind_i64(stmt, 1, (int64_t)id);
    assert_int_equal(db_get_i64(stmt, &value), ERR_OK);
    db_close(db);
    return value;
}

static int64_t number(struct served *served, const char *text)
{
    return number_of(served, text, 0);
}

static void wait_for_walk(struct served *served)
{
    int64_t until_ns = clock_mono_ns() + RACE_WAIT_NS;
    while (number(served, "SELECT COUNT(*) FROM event_cancel") > 0) {
        assert_true(clock_mono_ns() < until_ns);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* --- Requests --- */

/* places: the members of the body behind the event's id. */
static struct asker *hold_of(struct served *served, const char *places, const char *key)
{
    char body[256], event[ID_TEXT_SIZE];
    (void)snprintf(body, sizeof(body), "{\"event_id\":\"%s\",%s}",
                   id_format(event, "evt", FIXTURE_EVENT).data, places);
    struct asker *asker = asker_new(served, HTTP_POST, BUYER_KEY, "/v1/bookings", body);
    asker->ask.idempotency_key = key;
    return asker;
}

/* The meeting's seat, under a key of its own. */
static struct asker *hold_of_seat(struct served *served, const struct meeting *meeting)
{
    static const char *const keys[] = {"key-1", "key-2", "key-3", "key-4"};
    char places[64];
    (void)snprintf(places, sizeof(places), "\"seat_ids\":[\"A-%u\"]", seat_of(meeting));
    return hold_of(served, places, keys[meeting - meetings]);
}

static struct asker *of_event(struct served *served, enum http_method method, const char *rest,
                              const char *body)
{
    char path[128];
    return asker_new(served, method, ORGANIZER_KEY, event_path(path, rest), body);
}

static struct asker *of_booking(struct served *served, enum http_method method,
                                const struct booking *booking, const char *rest, const char *token,
                                const char *body)
{
    char path[128];
    return asker_new(served, method, token, served_path(path, "bookings", "bkg", booking->id, rest),
                     body);
}

/* Two seats, paid for: the first one is asked for in booking->seats[0]. */
static enum err sell_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct booking *booking = ctx;
    uint32_t first = booking->seats[0].seat_no;
    struct fixture_hold hold = {
        .booking = {.account_id = 2, .seat_count = 2, .seats = {{first, 0}, {first + 1, 0}}}};
    struct payment payment;
    char money[32];
    enum err err = fixture_hold_fn(fixture, tx, &hold);
    if (!err)
        err = booking_start_payment(fixture->tickets, tx, &hold.booking);
    if (!err)
        err = payment_load_by_booking(tx->db, FIXTURE_EVENT, hold.booking.id, tx->arena, &payment);
    if (err)
        return err;
    *booking = hold.booking;
    (void)snprintf(money, sizeof(money), "money-%u", first);
    struct provider_event event = {.provider = STR("sandbox"),
                                   .fact = FACT_SUCCEEDED,
                                   .event_id = FIXTURE_EVENT,
                                   .payment_id = payment.id,
                                   .provider_ref = str_from_c(money),
                                   .amount = payment.amount,
                                   .currency = "EUR"};
    return payment_apply(fixture->tickets, tx, &event);
}

static struct booking sell(struct served *served, unsigned first)
{
    struct booking booking = {.seats = {{first, 0}}};
    assert_int_equal(fixture_write(served->fixture, sell_fn, &booking), ERR_OK);
    return booking;
}

/* --- Refunds --- */

static struct asker *refund_of(struct served *served, const struct booking *booking, bool is_whole)
{
    char body[128] = "{}", id[ID_TEXT_SIZE];
    uint64_t ticket_id = served_tickets(served, booking).items[0].id;
    if (!is_whole)
        (void)snprintf(body, sizeof(body), "{\"ticket_ids\":[\"%s\"]}",
                       id_format2(id, "tkt", FIXTURE_EVENT, ticket_id).data);
    return of_booking(served, HTTP_POST, booking, "/refund", ORGANIZER_KEY, body);
}

static void meet_refunds(struct served *served, const struct meeting *meeting, bool is_first_whole,
                         bool is_second_whole)
{
    struct booking booking = sell(served, seat_of(meeting));
    struct asker *first = refund_of(served, &booking, is_first_whole);
    struct asker *second = refund_of(served, &booking, is_second_whole);
    meet_asks(meeting, first, second);
    struct asker *winner = meeting->is_second_first ? second : first;
    struct asker *other = meeting->is_second_first ? first : second;
    /* The rest behind a part is a refund of its own. */
    bool is_rest = !is_first_whole && is_second_whole && winner == first;
    assert_int_equal(winner->answer.status, 202);
    assert_int_equal(other->answer.status, is_rest ? 202 : 409);
    int64_t back = is_first_whole || is_second_whole ? 2 : 1;
    if (winner == first && !is_first_whole && !is_rest)
        back = 1;
    assert_int_equal(
        number_of(served, "SELECT SUM(amount) FROM refund WHERE booking_id = $1", booking.id),
        back * FIXTURE_PRICE);
    assert_int_equal(
        number_of(served, "SELECT COUNT(*) FROM refund WHERE booking_id = $1", booking.id),
        is_rest ? 2 : 1);
    assert_clean(served->fixture);
    free(first);
    free(second);
}

static void meet_refunds_of_one_ticket(struct served *served, const struct meeting *meeting)
{
    meet_refunds(served, meeting, false, false);
}
EACH_MEETING(refunds_of_one_ticket)

static void meet_refunds_of_the_whole(struct served *served, const struct meeting *meeting)
{
    meet_refunds(served, meeting, true, true);
}
EACH_MEETING(refunds_of_the_whole)

static void meet_refund_of_a_part_and_the_whole(struct served *served,
                                                const struct meeting *meeting)
{
    meet_refunds(served, meeting, false, true);
}
EACH_MEETING(refund_of_a_part_and_the_whole)

static void meet_refund_and_cancelled_event(struct served *served, const struct meeting *meeting)
{
    struct booking booking = sell(served, 0);
    struct asker *refund = refund_of(served, &booking, true);
    struct asker *cancel = of_event(served, HTTP_POST, "/cancel", NULL);
    meet_asks(meeting, refund, cancel);
    wait_for_walk(served);
    assert_int_equal(cancel->answer.status, 200);
    /* In one group, and before the walk in any case, the request was the first; else the walk. */
    assert_true(refund->answer.status == 202 || refund->answer.status == 409);
    assert_int_equal(number(served, "SELECT COUNT(*) FROM refund"), 1);
    assert_int_equal(number(served, "SELECT captured - refunded FROM payment"), 0);
    assert_int_equal(number(served, "SELECT COUNT(*) FROM ticket WHERE state = 0"), 0);
    assert_clean(served->fixture);
    free(refund);
    free(cancel);
}
EACH_MEETING_ALONE(refund_and_cancelled_event)

static void a_refund_that_is_blind_to_the_first(void **state)
{
    struct served *served = *state;
    struct booking booking = sell(served, 0);
    struct asker *first = refund_of(served, &booking, true);
    struct asker *second = refund_of(served, &booking, true);
    (void)asker_main(first);
    assert_int_equal(first->answer.status, 202);
    assert_clean(served->fixture);
    fixture_sql(served->fixture,
                "UPDATE ticket SET state = 0, refund_id = NULL; UPDATE payment SET refunded = 0;"
                "UPDATE booking SET given_back = 0;"
                "INSERT INTO seat_claim SELECT event_id, seat_no, booking_id, 2 FROM ticket");
    (void)asker_main(second);
    assert_int_equal(second->answer.status, 202);
    assert_found(served->fixture, "refunds ");
    assert_found(served->fixture, "refund-above-capture");
    free(first);
    free(second);
}

/* --- Holds and the organizer --- */

static void meet_hold_and_cancelled_event(struct served *served, const struct meeting *meeting)
{
    struct asker *hold = hold_of(served, SEAT_A, "key-1");
    struct asker *cancel = of_event(served, HTTP_POST, "/cancel", NULL);
    meet_asks(meeting, hold, cancel);
    wait_for_walk(served);
    assert_int_equal(cancel->answer.status, 200);
    if (meeting->is_second_first)
        assert_problem(hold, 409, "sale-closed");
    else
        assert_int_equal(hold->answer.status, 201);
    assert_int_equal(number(served, "SELECT COUNT(*) FROM booking WHERE state < 5"), 0);
    assert_int_equal(number(served, "SELECT COUNT(*) FROM seat_claim"), 0);
    assert_clean(served->fixture);
    free(hold);
    free(cancel);
}
EACH_MEETING_ALONE(hold_and_cancelled_event)

#define STATUS_GUARD_OFF                                                                           \
    "CREATE TRIGGER status_guard_off AFTER UPDATE OF status ON event BEGIN "                       \
    "UPDATE event SET status = 1 WHERE id = NEW.id; END"

static void a_hold_that_is_blind_to_the_cancelled_event(void **state)
{
    struct served *served = *state;
    struct asker *hold = hold_of(served, SEAT_A, "key-1");
    struct asker *cancel = of_event(served, HTTP_POST, "/cancel", NULL);
    fixture_sql(served->fixture, STATUS_GUARD_OFF);
    (void)asker_main(cancel);
    wait_for_walk(served);
    (void)asker_main(hold);
    assert_int_equal(cancel->answer.status, 200);
    assert_int_equal(hold->answer.status, 201);
    assert_int_equal(number(served, "SELECT COUNT(*) FROM booking WHERE state = 1 AND event_id IN "
                                    "(SELECT shard FROM journal WHERE type = 'event.cancelled')"),
                     1);
    free(hold);
    free(cancel);
}

static void meet_hold_and_publication(struct served *served, const struct meeting *meeting)
{
    fixture_sql(served->fixture, "UPDATE event SET status = 0");
    struct asker *hold = hold_of(served, SEAT_A, "key-1");
    struct asker *publish = of_event(served, HTTP_POST, "/publish", NULL);
    meet_asks(meeting, hold, publish);
    bool is_published_first = meeting->is_second_first && !meeting->is_one_group;
    assert_int_equal(publish->answer.status, 200);
    assert_int_equal(hold->answer.status, is_published_first ? 201 : 422);
    assert_int_equal(number(served, "SELECT COUNT(*) FROM booking"), is_published_first);
    assert_clean(served->fixture);
    free(hold);
    free(publish);
}
EACH_MEETING_ALONE(hold_and_publication)

static void the_row_is_asked_not_the_model(void **state)
{
    struct served *served = *state;
    struct asker *first = hold_of(served, SEAT_A, "key-1");
    struct asker *second = hold_of(served, SEAT_A, "key-1");
    load_model(served);
    fixture_sql(served->fixture, "UPDATE event SET status = 0");
    (void)asker_main(first);
    assert_problem(first, 409, "sale-closed");
    fixture_sql(served->fixture, "UPDATE event SET status = 1");
    (void)asker_main(second);
    assert_int_equal(second->answer.status, 201);
    free(first);
    free(second);
}

static void meet_hold_and_edit(struct served *served, const struct meeting *meeting)
{
    struct asker *hold = hold_of_seat(served, meeting);
    struct asker *edit = of_event(served, HTTP_PATCH, "", "{\"description\":\"Another one\"}");
    meet_asks(meeting, hold, edit);
    assert_int_equal(edit->answer.status, 200);
    if (meeting->is_second_first && meeting->is_one_group)
        assert_problem(hold, 409, "conflict"); /* it was priced by the event as it was */
    else
        assert_int_equal(hold->answer.status, 201);
    assert_clean(served->fixture);
    free(hold);
    free(edit);
}
EACH_MEETING(hold_and_edit)

struct reprice {
    struct writer_job job;
    struct served *served;
    bool is_marked; /* as every edit of an event marks it */
};

SQL(SQL_REPRICE, "UPDATE event_price SET price = 1");
SQL(SQL_MARK, "UPDATE event SET updated_at = updated_at + 1");

static enum err reprice_apply(struct writer_job *job, struct writer_tx *tx)
{
    const struct reprice *reprice = container_of(job, struct reprice, job);
    enum err err = db_exec(db_stmt(tx->db, &SQL_REPRICE));
    return !err && reprice->is_marked ? db_exec(db_stmt(tx->db, &SQL_MARK)) : err;
}

/* The price changes in the group of a hold that was prepared before. Returns the hold's status. */
static int hold_behind_a_price(struct served *served, bool is_marked)
{
    struct reprice reprice = {.job = {.apply = reprice_apply, .done = fixture_done},
                              .served = served,
                              .is_marked = is_marked};
    struct asker *hold = hold_of(served, SEAT_A, is_marked ? "key-1" : "key-2");
    struct gate gate;
    load_model(served);
    gate_close(served->fixture, &gate);
    assert_int_equal(writer_submit(served->fixture->tickets->writer, &reprice.job), ERR_OK);
    assert_true(asker_start(hold, 1));
    sem_post(&gate.is_open);
    assert_int_equal(pthread_join(hold->thread, NULL), 0);
    int status = hold->answer.status;
    free(hold);
    return status;
}

static void a_price_is_not_an_old_one(void **state)
{
    assert_int_equal(hold_behind_a_price(*state, true), 409);
    assert_int_equal(number(*state, "SELECT COUNT(*) FROM booking"), 0);
}

static void a_price_that_nobody_marked_is_an_old_one(void **state)
{
    assert_int_equal(hold_behind_a_price(*state, false), 201);
    assert_int_equal(number(*state, "SELECT amount FROM booking"), FIXTURE_PRICE);
    assert_int_equal(number(*state, "SELECT price FROM event_price"), 1);
}

static void meet_hold_and_block(struct served *served, const struct meeting *meeting)
{
    char seats[64];
    (void)snprintf(seats, sizeof(seats), "{\"seat_ids\":[\"A-%u\"]}", seat_of(meeting));
    struct asker *hold = hold_of_seat(served, meeting);
    struct asker *block = of_event(served, HTTP_POST, "/blocks", seats);
    meet_asks(meeting, hold, block);
    if (meeting->is_second_first) {
        assert_int_equal(block->answer.status, 200);
        assert_problem(hold, 409, "seats-unavailable");
    } else {
        assert_int_equal(hold->answer.status, 201);
        assert_problem(block, 409, "seats-unavailable");
    }
    assert_int_equal(
        number_of(served, "SELECT COUNT(*) FROM seat_claim WHERE seat_no = $1", seat_of(meeting)),
        1);
    assert_clean(served->fixture);
    free(hold);
    free(block);
}
EACH_MEETING(hold_and_block)

static void a_hold_of_a_seat_that_is_blocked(void **state)
{
    struct served *served = *state;
    struct asker *hold = hold_of(served, SEAT_A, "key-1");
    struct asker *block = of_event(served, HTTP_POST, "/blocks", "{\"seat_ids\":[\"A-0\"]}");
    fixture_sql(served->fixture,
                "CREATE TRIGGER guard_off BEFORE INSERT ON seat_claim BEGIN DELETE FROM seat_claim "
                "WHERE event_id = NEW.event_id AND seat_no = NEW.seat_no; END");
    (void)asker_main(hold);
    (void)asker_main(block);
    assert_int_equal(hold->answer.status, 201);
    assert_int_equal(block->answer.status, 200);
    assert_found(served->fixture, "booking-without-claim");
    free(hold);
    free(block);
}

/* --- Checkout --- */

static void meet_checkout_and_cancellation(struct served *served, const struct meeting *meeting)
{
    struct booking booking = served_hold(served, 2, seat_of(meeting), 1);
    struct asker *checkout = of_booking(served, HTTP_POST, &booking, "/checkout", BUYER_KEY, NULL);
    struct asker *cancel = of_booking(served, HTTP_DELETE, &booking, "", BUYER_KEY, NULL);
    meet_asks(meeting, checkout, cancel);
    assert_int_equal(cancel->answer.status, 200);
    if (meeting->is_second_first)
        assert_problem(checkout, 409, "hold-expired");
    else
        assert_int_equal(checkout->answer.status, 202);
    /* A session that was begun is to be closed. */
    assert_int_equal(
        number_of(served,
                  "SELECT COUNT(*) FROM payment WHERE is_close_wanted = 1 AND booking_id = $1",
                  booking.id),
        meeting->is_second_first ? 0 : 1);
    assert_int_equal(number(served, "SELECT COUNT(*) FROM seat_claim"), 0);
    assert_int_equal(number(served, "SELECT available FROM event_area"), FIXTURE_AREA_CAPACITY);
    assert_clean(served->fixture);
    free(checkout);
    free(cancel);
}
EACH_MEETING(checkout_and_cancellation)

/* --- Check-in --- */

static struct asker *check_in(struct served *served, const struct booking *booking,
                              const char *gate)
{
    char code[TICKET_CODE_SIZE], body[256];
    struct ticket ticket = served_tickets(served, booking).items[0];
    assert_int_equal(ticket_code_of(served->fixture->tickets, &ticket, code).len, TICKET_CODE_LEN);
    (void)snprintf(body, sizeof(body), "{\"code\":\"%s\",\"gate\":\"%s\"}", code, gate);
    return asker_new(served, HTTP_POST, DOOR_KEY, "/v1/check-ins", body);
}

static void meet_two_gates(struct served *served, const struct meeting *meeting)
{
    struct booking booking = sell(served, seat_of(meeting));
    struct asker *north = check_in(served, &booking, "North");
    struct asker *south = check_in(served, &booking, "South");
    meet_asks(meeting, north, south);
    struct asker *winner = meeting->is_second_first ? south : north;
    struct asker *other = meeting->is_second_first ? north : south;
    char gate[64];
    assert_int_equal(winner->answer.status, 200);
    assert_problem(other, 409, "already-used");
    assert_true(answer_text(&other->answer, NULL, "gate", gate, sizeof(gate)));
    assert_string_equal(gate, meeting->is_second_first ? "South" : "North");
    assert_int_equal(number_of(served,
                               "SELECT COUNT(*) FROM journal WHERE type = 'ticket.used' AND "
                               "json_extract(data, '$.booking') = $1",
                               booking.id),
                     1);
    assert_clean(served->fixture);
    free(north);
    free(south);
}
EACH_MEETING(two_gates)

static void a_gate_that_is_blind_to_the_other(void **state)
{
    struct served *served = *state;
    struct booking booking = sell(served, 0);
    struct asker *north = check_in(served, &booking, "North");
    struct asker *south = check_in(served, &booking, "South");
    (void)asker_main(north);
    fixture_sql(served->fixture, "UPDATE ticket SET used_at = NULL");
    (void)asker_main(south);
    assert_int_equal(south->answer.status, 200);
    assert_int_equal(number(served, "SELECT COUNT(*) FROM journal WHERE type = 'ticket.used'"), 2);
    free(north);
    free(south);
}

/* --- Retries --- */

/* As after the end of a process: nothing of it is left in memory. */
static void served_restart(struct served *served)
{
    struct fixture *fixture = served->fixture;
    app_stop(served->frame.app);
    app_free(served->frame.app);
    fixture_restart(fixture);
    struct app_options options = {.config = &served->frame.config,
                                  .services = {tickets_service(fixture->tickets)},
                                  .database_paths = {tickets_database_path(fixture->tickets)},
                                  .service_count = 1};
    assert_int_equal(app_new(&options, &served->frame.app), ERR_OK);
}

static void learn_keys(struct served *served)
{
    struct replay_keys *keys = served->fixture->tickets->replay_keys;
    int64_t until_ns = clock_mono_ns() + RACE_WAIT_NS;
    assert_int_equal(replay_keys_start(keys, tickets_database_path(served->fixture->tickets)),
                     ERR_OK);
    while (!replay_keys_is_complete(keys)) {
        assert_true(clock_mono_ns() < until_ns);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    replay_keys_stop(keys);
}

/* The booking went to disk, and its answer got lost with the process. */
static void lose_an_answer(struct served *served)
{
    struct asker *lost = hold_of(served, ONE_PLACE, "key-1");
    (void)asker_main(lost);
    assert_int_equal(lost->answer.status, 201);
    free(lost);
    served_restart(served);
}

/* Two retries in one group are told of the one booking. */
static void retry_twice(struct served *served, bool is_replayed)
{
    struct asker *twins[] = {hold_of(served, ONE_PLACE, "key-1"),
                             hold_of(served, ONE_PLACE, "key-1")};
    char ids[2][64];
    ask_as_group(twins, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(twins[i]->answer.status, 201);
        assert_true(answer_text(&twins[i]->answer, NULL, "id", ids[i], sizeof(ids[i])));
        if (is_replayed || i == 1)
            assert_non_null(answer_header(&twins[i]->answer, "idempotency-replayed"));
        free(twins[i]);
    }
    assert_string_equal(ids[0], ids[1]);
}

/* Known keys are a memory that a new process first has to fill: both are tried. */
static void retries_after_a_restart(void **state)
{
    struct served *served = *state;
    lose_an_answer(served);
    retry_twice(served, true);
    learn_keys(served);
    retry_twice(served, true);
    assert_int_equal(number(served, "SELECT COUNT(*) FROM booking"), 1);
    assert_clean(served->fixture);
}

static void a_retry_whose_key_was_forgotten(void **state)
{
    struct served *served = *state;
    lose_an_answer(served);
    fixture_sql(served->fixture, "UPDATE booking SET key_hash = zeroblob(16)");
    retry_twice(served, false);
    assert_int_equal(number(served, "SELECT COUNT(*) FROM booking"), 2);
}

/* --- Logout --- */

static void log_in(struct served *served, char ret_token[static 256])
{
    static const char user[] =
        "{\"email\":\"ada@example.org\",\"password\":\"correct horse battery\",\"name\":\"Ada\"}";
    static const char session[] =
        "{\"email\":\"ada@example.org\",\"password\":\"correct horse battery\"}";
    struct asker *sign_up = asker_new(served, HTTP_POST, NULL, "/v1/users", user);
    struct asker *login = asker_new(served, HTTP_POST, NULL, "/v1/sessions", session);
    (void)asker_main(sign_up);
    (void)asker_main(login);
    assert_int_equal(login->answer.status, 201);
    assert_true(answer_text(&login->answer, NULL, "token", ret_token, 256));
    free(sign_up);
    free(login);
}

/* Who is let in stays so for this request; the next one is refused. */
static void logout_and_request(void **state)
{
    struct served *served = *state;
    char token[256];
    struct gate gate;
    log_in(served, token);
    struct asker *hold = hold_of(served, SEAT_A, "key-1");
    struct asker *logout = asker_new(served, HTTP_DELETE, token, "/v1/sessions/current", NULL);
    struct asker *next = hold_of(served, ONE_PLACE, "key-2");
    hold->ask.token = next->ask.token = token;
    load_model(served);
    gate_close(served->fixture, &gate);
    assert_true(asker_start(hold, 0));
    (void)asker_main(logout);
    (void)asker_main(next); /* is answered although the writer stands still */
    sem_post(&gate.is_open);
    assert_int_equal(pthread_join(hold->thread, NULL), 0);
    assert_int_equal(logout->answer.status, 204);
    assert_int_equal(next->answer.status, 401);
    assert_int_equal(hold->answer.status, 201);
    assert_int_equal(number(served, "SELECT COUNT(*) FROM booking"), 1);
    assert_clean(served->fixture);
    free(hold);
    free(logout);
    free(next);
}

/* Six ask for all there is, one more for what is left; the six may be one request and its retries. */
static void ask_for_all(struct served *served, bool is_one, int last_status)
{
    static const char *const keys[] = {"key-1", "key-2", "key-3", "key-4", "key-5", "key-6", "k7"};
    struct asker *askers[7];
    learn_keys(served); /* or nobody is refused before the writer */
    for (size_t i = 0; i < 7; i++)
        askers[i] = hold_of(served, "\"best_available\":{\"count\":5,\"may_split\":true}",
                            keys[is_one && i < 6 ? 0 : i]);
    ask_as_group(askers, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(askers[i]->answer.status, i < 6 ? 201 : last_status);
        free(askers[i]);
    }
}

static void what_is_only_asked_for_is_not_gone(void **state)
{
    ask_for_all(*state, true, 201);
}

static void what_is_given_is_gone(void **state)
{
    ask_for_all(*state, false, 409);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(refunds_of_one_ticket),
        served_test(refunds_of_the_whole),
        served_test(refund_of_a_part_and_the_whole),
        cmocka_unit_test(refund_and_cancelled_event),
        served_test(a_refund_that_is_blind_to_the_first),
        cmocka_unit_test(hold_and_cancelled_event),
        served_test(a_hold_that_is_blind_to_the_cancelled_event),
        cmocka_unit_test(hold_and_publication),
        served_test(the_row_is_asked_not_the_model),
        served_test(hold_and_edit),
        served_test(a_price_is_not_an_old_one),
        served_test(a_price_that_nobody_marked_is_an_old_one),
        served_test(hold_and_block),
        served_test(a_hold_of_a_seat_that_is_blocked),
        served_test(checkout_and_cancellation),
        served_test(two_gates),
        served_test(a_gate_that_is_blind_to_the_other),
        served_test(retries_after_a_restart),
        served_test(a_retry_whose_key_was_forgotten),
        served_test(logout_and_request),
        served_test(what_is_only_asked_for_is_not_gone),
        served_test(what_is_given_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
