/*
 * What a node learns from the journal. The other node here is a second memory over the same database: models, keys, timers and a tail of
 * its own, told nothing by the effects of the one that writes.
 */
#include "expect.h"

#include "race.h"
#include "tickets/expiry.h"
#include "tickets/replay_keys.h"
#include "tickets/tail.h"

#define OWNER 3
#define AREA  0

struct other {
    struct fixture *fixture; /* the node that writes */
    struct tickets node;
    struct event_model *model;
};

static int other_setup(void **state)
{
    struct other *other = calloc(1, sizeof(*other));
    assert_non_null(other);
    void *fixture;
    assert_int_equal(fixture_setup(&fixture), 0);
    other->fixture = fixture;
    struct tickets *node = &other->node;
    node->config = &other->fixture->config;
    node->writer = other->fixture->tickets->writer;
    (void)snprintf(node->database_path, sizeof(node->database_path), "%s",
                   other->fixture->tickets->database_path);
    assert_int_equal(tail_new(node, &node->tail), ERR_OK);
    assert_int_equal(inventory_new(node->writer, &node->inventory), ERR_OK);
    inventory_set_followed(node->inventory);
    assert_int_equal(replay_keys_new(&node->replay_keys), ERR_OK);
    assert_int_equal(expiry_new(node, &node->expiry), ERR_OK);
    *state = other;
    return 0;
}

static int other_teardown(void **state)
{
    struct other *other = *state;
    event_model_unref(other->model);
    tail_free(other->node.tail);
    expiry_free(other->node.expiry);
    replay_keys_free(other->node.replay_keys);
    inventory_free(other->node.inventory);
    void *fixture = other->fixture;
    free(other);
    return fixture_teardown(&fixture);
}

static void look(struct other *other)
{
    bool has_more;
    assert_int_equal(tail_read(other->node.tail, &has_more), ERR_OK);
    assert_false(has_more);
}

/* The event in the other node's memory, loaded when it is not there. */
static struct event_model *shown(struct other *other)
{
    event_model_unref(other->model);
    assert_int_equal(
        inventory_load(other->node.inventory, other->fixture->reader, FIXTURE_EVENT, &other->model),
        ERR_OK);
    return other->model;
}

static bool is_in_memory(struct other *other)
{
    struct event_model *model = inventory_get(other->node.inventory, FIXTURE_EVENT);
    event_model_unref(model);
    return model;
}

static enum seat_state seat(struct other *other, uint32_t seat_no)
{
    return (enum seat_state)atomic_load(&other->model->seats[seat_no]);
}

static uint64_t known(struct other *other, const struct booking *booking)
{
    struct replay_key key = {FIXTURE_EVENT, booking->account_id, booking->key_hash};
    return replay_keys_find(other->node.replay_keys, &key);
}

/* Two seats from first on, two places of the area, and a key of its own. */
static struct booking held(struct other *other, uint32_t first)
{
    struct fixture_hold hold = {.booking = {.account_id = OWNER,
                                            .seat_count = 2,
                                            .seats = {{first, 0}, {first + 1, 0}},
                                            .area_count = 1,
                                            .areas = {{AREA, 2, 0}},
                                            .key_hash = {(uint8_t)first, 7}}};
    assert_int_equal(fixture_write(other->fixture, fixture_hold_fn, &hold), ERR_OK);
    return hold.booking;
}

enum booking_step {
    STEP_CONFIRM,
    STEP_CANCEL,
    STEP_FAIL,
    STEP_EXTEND
};

struct move {
    struct booking booking;
    enum booking_step step;
};

static enum err move_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct move *move = ctx;
    struct booking booking;
    enum err err = booking_load(tx->db, FIXTURE_EVENT, move->booking.id, &booking);
    if (err)
        return err;
    switch (move->step) {
    case STEP_CONFIRM:
        return booking_confirm(fixture->tickets, tx, &booking, 0);
    case STEP_CANCEL:
        return booking_cancel(fixture->tickets, tx, &booking);
    case STEP_FAIL:
        return booking_fail(fixture->tickets, tx, &booking);
    case STEP_EXTEND:
        return booking_extend(fixture->tickets, tx, &booking, 1000);
    }
    return ERR_INVALID;
}

static void move(struct other *other, const struct booking *booking, enum booking_step step)
{
    struct move job = {*booking, step};
    assert_int_equal(fixture_write(other->fixture, move_fn, &job), ERR_OK);
}

/* What both memories show of everything, whatever happened. */
static void assert_same(struct other *other)
{
    struct event_model *mine = NULL, *theirs = other->model;
    assert_int_equal(inventory_load(other->fixture->tickets->inventory, other->fixture->reader,
                                    FIXTURE_EVENT, &mine),
                     ERR_OK);
    for (uint32_t i = 0; i < FIXTURE_SEATS; i++)
        assert_int_equal(atomic_load(&theirs->seats[i]), atomic_load(&mine->seats[i]));
    assert_int_equal(atomic_load(&theirs->area_available[0]),
                     atomic_load(&mine->area_available[0]));
    assert_int_equal(atomic_load(&theirs->available), atomic_load(&mine->available));
    assert_int_equal(atomic_load(&theirs->section_available[0]),
                     atomic_load(&mine->section_available[0]));
    event_model_unref(mine);
}

static void what_others_sell_is_shown(void **state)
{
    struct other *other = *state;
    shown(other);
    struct booking first = held(other, 0), second = held(other, 4);
    assert_int_equal(seat(other, 0), SEAT_FREE);
    look(other);
    assert_int_equal(seat(other, 0), SEAT_HELD);
    assert_int_equal(atomic_load(&other->model->area_available[0]), FIXTURE_AREA_CAPACITY - 4);
    assert_same(other);
    move(other, &first, STEP_CONFIRM);
    move(other, &second, STEP_EXTEND);
    move(other, &second, STEP_CANCEL);
    struct booking third = held(other, 8);
    move(other, &third, STEP_FAIL);
    look(other);
    assert_int_equal(seat(other, 0), SEAT_BOOKED);
    assert_int_equal(seat(other, 4), SEAT_FREE);
    assert_same(other);
    int64_t version = 0;
    assert_int_equal(journal_version(other->fixture->reader, FIXTURE_EVENT, &version), ERR_OK);
    assert_int_equal(atomic_load(&other->model->version), version);
    assert_true(is_in_memory(other)); /* followed, not loaded again */
}

static void a_key_is_known_with_its_seats(void **state)
{
    struct other *other = *state;
    struct event_model *model = shown(other);
    struct booking booking = held(other, 0);
    assert_int_equal(known(other, &booking), 0);
    look(other);
    assert_int_equal(known(other, &booking), booking.id);
    assert_true(tail_has_passed(other->node.tail, model->seen_seq));
}

/* Read from the database, a model may show seats whose keys are still to come. */
static void a_model_newer_than_the_tail_refuses_nobody(void **state)
{
    struct other *other = *state;
    struct booking booking = held(other, 0);
    struct event_model *model = shown(other);
    assert_int_equal(seat(other, 0), SEAT_HELD);
    assert_int_equal(known(other, &booking), 0);
    assert_false(tail_has_passed(other->node.tail, model->seen_seq));
    look(other);
    assert_true(tail_has_passed(other->node.tail, model->seen_seq));
    assert_int_equal(known(other, &booking), booking.id);
    assert_same(other);
}

/* As when a transaction stays open and nothing behind it can be read: what is shown may be long gone. */
static void memory_that_is_old_refuses_nobody(void **state)
{
    struct other *other = *state;
    look(other);
    struct event_model *model = shown(other);
    assert_true(tail_has_passed(other->node.tail, model->seen_seq));
    clock_advance_ms(TAIL_OLD_MS + 1000);
    assert_false(tail_has_passed(other->node.tail, model->seen_seq));
    look(other); /* a look that begins late says nothing of what began before it, */
    look(other); /* the next one does */
    assert_true(tail_has_passed(other->node.tail, model->seen_seq));
}

/* --- Loads under way --- */

struct loader {
    struct other *other;
    pthread_t thread;
    struct event_model *model;
    enum err err;
};

static void *load_main(void *ctx)
{
    struct loader *loader = ctx;
    loader->err = inventory_load(loader->other->node.inventory, loader->other->fixture->reader,
                                 FIXTURE_EVENT, &loader->model);
    return NULL;
}

/* Tells the inventory of a row between a model's reading and its installation. */
static struct loader load_across(struct other *other, void (*tell)(struct other *other))
{
    struct loader loader = {.other = other};
    struct gate gate;
    gate_close(other->fixture, &gate);
    assert_int_equal(pthread_create(&loader.thread, NULL, load_main, &loader), 0);
    gate_wait(other->fixture, 1);
    tell(other);
    sem_post(&gate.is_open);
    assert_int_equal(pthread_join(loader.thread, NULL), 0);
    assert_int_equal(loader.err, ERR_OK);
    return loader;
}

static void tell_new(struct other *other)
{
    inventory_follow(other->node.inventory, FIXTURE_EVENT,
                     &(struct places_change){.version = INT32_MAX});
}

static void tell_old(struct other *other)
{
    inventory_follow(other->node.inventory, FIXTURE_EVENT, &(struct places_change){.version = 0});
}

static void tell_doubt(struct other *other)
{
    tail_doubt(other->node.tail);
    look(other);
}

static void a_model_that_missed_a_row_is_not_installed(void **state)
{
    struct other *other = *state;
    struct loader loader = load_across(other, tell_new);
    assert_false(is_in_memory(other));
    event_model_unref(loader.model);
    loader = load_across(other, tell_doubt);
    assert_false(is_in_memory(other));
    event_model_unref(loader.model);
    loader = load_across(other, tell_old);
    assert_true(is_in_memory(other));
    event_model_unref(loader.model);
}

/* --- What is not followed but read anew --- */

static void a_gap_in_an_events_rows_has_it_read_anew(void **state)
{
    struct other *other = *state;
    shown(other);
    (void)held(other, 0);
    struct booking second = held(other, 4);
    fixture_sql(other->fixture, "DELETE FROM journal WHERE seq = (SELECT MIN(seq) FROM journal)");
    look(other);
    assert_false(is_in_memory(other));
    assert_int_equal(known(other, &second), second.id);
    shown(other);
    assert_int_equal(seat(other, 0), SEAT_HELD);
    assert_same(other);
}

static enum err edit_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    (void)fixture;
    return journal_append(tx->journal, FIXTURE_EVENT, ctx, STR("{}"), NULL);
}

static void an_edited_event_is_read_anew(void **state)
{
    struct other *other = *state;
    static const char *const types[] = {"event.updated", "event.published", "event.cancelled",
                                        "areas.added"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        shown(other);
        assert_int_equal(fixture_write(other->fixture, edit_fn, (void *)types[i]), ERR_OK);
        assert_true(is_in_memory(other));
        look(other);
        assert_false(is_in_memory(other));
    }
    shown(other); /* newer than all of them */
    look(other);
    assert_true(is_in_memory(other));
}

static void a_row_that_makes_no_sense_has_the_event_read_anew(void **state)
{
    struct other *other = *state;
    shown(other);
    assert_int_equal(fixture_write(other->fixture, edit_fn, (void *)"booking.held"), ERR_OK);
    look(other);
    assert_false(is_in_memory(other));
}

static void after_a_doubt_memory_is_sure_of_nothing(void **state)
{
    struct other *other = *state;
    struct event_model *model = shown(other);
    look(other);
    int64_t now_ms = clock_now_ms();
    look(other); /* the first look's mark has been passed by now */
    assert_true(tail_keys_since_ms(other->node.tail, now_ms) >= now_ms - 2 * KEYS_SLACK_MS);
    assert_true(tail_has_passed(other->node.tail, model->seen_seq));
    assert_true(is_in_memory(other));
    tail_doubt(other->node.tail);
    assert_true(is_in_memory(other)); /* maps are shown as they were, but refuse nobody */
    assert_false(tail_has_passed(other->node.tail, model->seen_seq));
    assert_true(tail_keys_since_ms(other->node.tail, now_ms) < now_ms - IDEMPOTENCY_MS);
    look(other); /* the database answers */
    assert_false(is_in_memory(other));
    look(other);
    assert_true(tail_has_passed(other->node.tail, model->seen_seq));
}

/* More rows than a look takes. */
static void many_rows_are_taken_in_turns(void **state)
{
    struct other *other = *state;
    struct event_model *model = shown(other);
    char sql[512];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO journal (shard, version, at_ms, type, data, hash) "
             "SELECT %d, i, 0, 'payment.created', '{}', x'' FROM n",
             TAIL_ROWS_MAX + 3, FIXTURE_EVENT);
    fixture_sql(other->fixture, sql);
    bool has_more;
    assert_int_equal(tail_read(other->node.tail, &has_more), ERR_OK);
    assert_true(has_more);
    assert_int_equal(atomic_load(&model->version), TAIL_ROWS_MAX);
    look(other);
    assert_int_equal(atomic_load(&model->version), TAIL_ROWS_MAX + 3);
}

/* --- The node's own rows --- */

static void ones_own_rows_come_twice_and_count_once(void **state)
{
    struct fixture *fixture = *state;
    struct event_model *model;
    bool has_more;
    struct fixture_hold hold;
    assert_int_equal(tickets_follow(fixture->tickets), ERR_OK);
    assert_int_equal(
        inventory_load(fixture->tickets->inventory, fixture->reader, FIXTURE_EVENT, &model),
        ERR_OK);
    assert_int_equal(fixture_hold_pair(fixture, OWNER, 2, &hold), ERR_OK);
    assert_int_equal(atomic_load(&model->seats[2]), SEAT_HELD); /* at once */
    int64_t available = atomic_load(&model->available), version = atomic_load(&model->version);
    assert_int_equal(tail_read(fixture->tickets->tail, &has_more), ERR_OK);
    assert_int_equal(atomic_load(&model->available), available);
    assert_int_equal(atomic_load(&model->version), version);
    event_model_unref(model);
}

#define tail_test(fn) cmocka_unit_test_setup_teardown(fn, other_setup, other_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        tail_test(what_others_sell_is_shown),
        tail_test(a_key_is_known_with_its_seats),
        tail_test(a_model_newer_than_the_tail_refuses_nobody),
        tail_test(memory_that_is_old_refuses_nobody),
        tail_test(a_model_that_missed_a_row_is_not_installed),
        tail_test(a_gap_in_an_events_rows_has_it_read_anew),
        tail_test(an_edited_event_is_read_anew),
        tail_test(a_row_that_makes_no_sense_has_the_event_read_anew),
        tail_test(after_a_doubt_memory_is_sure_of_nothing),
        tail_test(many_rows_are_taken_in_turns),
        cmocka_unit_test_setup_teardown(ones_own_rows_come_twice_and_count_once, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
