/*
 * Nobody is ever refused by its own seats. Once over HTTP: many holds at once for the same few
 * seats, each sent twice by two threads under one key; whoever won gets the same booking however
 * often and however early it asks again, and whoever lost is refused each time. And once with a
 * magnifying glass, because the moment in question is shorter than a request: a thread looks at the
 * seats and the known keys while commits change them, in the order the route does it, and, as a
 * control that there is something to see, in the other one.
 */
#include "served.h"

#include <pthread.h>
#include <sched.h>

#include "tickets/replay_keys.h"

#define KEYS     6
#define TWINS    2 /* threads of one key */
#define ASKS     2 /* of each thread, one after the other */
#define THREADS  (KEYS * TWINS)
#define ROUNDS   60
#define SEATS    6 /* that they all want pairs of */
#define OPEN_MAX 64

struct said {
    int status;
    char id[64];
};

struct crowd;

struct buyer {
    struct crowd *crowd;
    pthread_t thread;
    unsigned key;
    struct said said[ASKS];
};

struct crowd {
    struct served *served;
    pthread_barrier_t barrier;
    unsigned round;
    bool is_over;
    struct buyer buyers[THREADS];
};

/* The same for all who ask under this key in this round. */
static void buyer_body(const struct buyer *buyer, char *text, size_t size)
{
    char event[ID_TEXT_SIZE];
    unsigned first = (buyer->key * 7 + buyer->crowd->round * 5) % (SEATS - 1);
    (void)snprintf(text, size, "{\"event_id\":\"%s\",\"seat_ids\":[\"A-%u\",\"A-%u\"]}",
                   id_format(event, "evt", FIXTURE_EVENT).data, first, first + 1);
}

static void buyer_ask(struct buyer *buyer, struct said *ret_said)
{
    char body[256], key[64];
    struct answer answer;
    buyer_body(buyer, body, sizeof(body));
    (void)snprintf(key, sizeof(key), "round-%u-key-%u", buyer->crowd->round, buyer->key);
    struct ask ask = {.method = HTTP_POST,
                      .path = "/v1/bookings",
                      .token = BUYER_KEY,
                      .body = body,
                      .idempotency_key = key};
    frame_ask(&buyer->crowd->served->frame, &ask, &answer);
    *ret_said = (struct said){.status = answer.status};
    if (answer.status == 201)
        (void)answer_text(&answer, NULL, "id", ret_said->id, sizeof(ret_said->id));
}

static void *buyer_main(void *ctx)
{
    struct buyer *buyer = ctx;
    for (;;) {
        pthread_barrier_wait(&buyer->crowd->barrier);
        if (buyer->crowd->is_over)
            return NULL;
        for (size_t i = 0; i < ASKS; i++)
            buyer_ask(buyer, &buyer->said[i]);
        pthread_barrier_wait(&buyer->crowd->barrier);
    }
}

/* --- Between the rounds --- */

struct open_bookings {
    size_t count;
    uint64_t ids[OPEN_MAX];
};

static enum err open_row(const struct open_booking *row, void *ctx)
{
    struct open_bookings *open = ctx;
    open->ids[open->count++] = row->id;
    return ERR_OK;
}

static enum err cancel_all_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    struct open_bookings *open = ctx;
    open->count = 0;
    enum err err = booking_store_open(tx->db, 0, INT64_MAX, OPEN_MAX, open_row, open);
    for (size_t i = 0; !err && i < open->count; i++) {
        struct booking booking;
        err = booking_load(tx->db, FIXTURE_EVENT, open->ids[i], &booking);
        if (!err)
            err = booking_cancel(fixture->tickets, tx, &booking);
    }
    return err;
}

/* Returns how many won; all who asked under one key were told the same. */
static size_t check_round(const struct crowd *crowd)
{
    size_t winners = 0;
    for (unsigned key = 0; key < KEYS; key++) {
        const struct said *first = &crowd->buyers[key * TWINS].said[0];
        assert_true(first->status == 201 || first->status == 409);
        winners += first->status == 201;
        for (unsigned i = 0; i < TWINS * ASKS; i++) {
            const struct said *said = &crowd->buyers[key * TWINS + i / ASKS].said[i % ASKS];
            assert_int_equal(said->status, first->status);
            assert_string_equal(said->id, first->id);
        }
    }
    return winners;
}

static void crowd_run(struct crowd *crowd)
{
    struct fixture *fixture = crowd->served->fixture;
    for (crowd->round = 0; crowd->round < ROUNDS; crowd->round++) {
        struct open_bookings open;
        pthread_barrier_wait(&crowd->barrier);
        pthread_barrier_wait(&crowd->barrier);
        size_t winners = check_round(crowd);
        assert_int_equal(fixture_write(fixture, cancel_all_fn, &open), ERR_OK);
        assert_true(winners >= 1);
        assert_int_equal(open.count, winners);
    }
}

static void start_knowing_keys(struct fixture *fixture)
{
    struct event_model *model;
    struct replay_keys *keys = fixture->tickets->replay_keys;
    assert_int_equal(replay_keys_start(keys, tickets_database_path(fixture->tickets)), ERR_OK);
    for (int i = 0; i < 5000 && !replay_keys_is_complete(keys); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_true(replay_keys_is_complete(keys));
    assert_int_equal(
        inventory_load(fixture->tickets->inventory, fixture->reader, FIXTURE_EVENT, &model),
        ERR_OK);
    event_model_unref(model);
}

static void nobody_is_refused_by_its_own_seats(void **state)
{
    static struct crowd crowd;
    crowd.served = *state;
    start_knowing_keys(crowd.served->fixture);
    assert_int_equal(pthread_barrier_init(&crowd.barrier, NULL, THREADS + 1), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        struct buyer *buyer = &crowd.buyers[i];
        buyer->crowd = &crowd;
        buyer->key = i / TWINS;
        assert_int_equal(pthread_create(&buyer->thread, NULL, buyer_main, buyer), 0);
    }
    crowd_run(&crowd);
    crowd.is_over = true;
    pthread_barrier_wait(&crowd.barrier);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(crowd.buyers[i].thread, NULL), 0);
    pthread_barrier_destroy(&crowd.barrier);
    replay_keys_stop(crowd.served->fixture->tickets->replay_keys);
}

/* --- The order of looking --- */

#define PAIRS                (FIXTURE_SEATS / 2)
#define LOOK_ROUNDS          200
#define CONTROL_NS           ((int64_t)20 * 1000000000)
#define ACCOUNT(round, pair) ((uint64_t)(round)*100 + (pair) + 1)

struct look {
    struct fixture *fixture;
    struct event_model *model;
    bool is_key_first; /* the wrong order */
    pthread_t thread;
    _Atomic unsigned round;  /* 0: not yet */
    _Atomic unsigned looked; /* the last round that was watched to its end */
    _Atomic bool is_over;
    _Atomic unsigned refused;
};

static const uint8_t no_key_hash[16];

static bool is_known(struct look *look, unsigned round, uint32_t pair)
{
    struct replay_key key = {FIXTURE_EVENT, ACCOUNT(round, pair), no_key_hash};
    return replay_keys_find(look->fixture->tickets->replay_keys, &key) != 0;
}

static bool is_taken(struct look *look, uint32_t pair)
{
    return atomic_load_explicit(&look->model->seats[2 * pair], memory_order_acquire) != SEAT_FREE;
}

/* Until the pair is taken; true when its own key is not known then: it would be refused. */
static bool look_at_pair(struct look *look, unsigned round, uint32_t pair)
{
    if (look->is_key_first) {
        bool was_known = is_known(look, round, pair);
        while (!is_taken(look, pair))
            was_known = is_known(look, round, pair);
        return !was_known;
    }
    while (!is_taken(look, pair))
        continue;
    return !is_known(look, round, pair);
}

static void *look_main(void *ctx)
{
    struct look *look = ctx;
    unsigned done = 0;
    while (!atomic_load(&look->is_over)) {
        unsigned round = atomic_load(&look->round);
        if (round == done)
            continue;
        for (uint32_t pair = 0; pair < PAIRS; pair++)
            atomic_fetch_add(&look->refused, look_at_pair(look, round, pair));
        done = round;
        atomic_store(&look->looked, done);
    }
    return NULL;
}

static enum err hold_pairs_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    const unsigned *round = ctx;
    enum err err = ERR_OK;
    for (uint32_t pair = 0; !err && pair < PAIRS; pair++) {
        struct fixture_hold hold = {.booking = {.account_id = ACCOUNT(*round, pair),
                                                .seat_count = 2,
                                                .seats = {{2 * pair, 0}, {2 * pair + 1, 0}}}};
        err = fixture_hold_fn(fixture, tx, &hold);
    }
    return err;
}

static void look_round(struct look *look, unsigned round)
{
    struct open_bookings open;
    atomic_store(&look->round, round);
    assert_int_equal(fixture_write(look->fixture, hold_pairs_fn, &round), ERR_OK);
    while (atomic_load(&look->looked) != round)
        sched_yield();
    assert_int_equal(fixture_write(look->fixture, cancel_all_fn, &open), ERR_OK);
    assert_int_equal(open.count, PAIRS);
}

static void look_start(struct look *look, struct fixture *fixture, bool is_key_first)
{
    *look = (struct look){.fixture = fixture, .is_key_first = is_key_first};
    assert_int_equal(
        inventory_load(fixture->tickets->inventory, fixture->reader, FIXTURE_EVENT, &look->model),
        ERR_OK);
    assert_int_equal(pthread_create(&look->thread, NULL, look_main, look), 0);
}

static void look_end(struct look *look)
{
    atomic_store(&look->is_over, true);
    assert_int_equal(pthread_join(look->thread, NULL), 0);
    event_model_unref(look->model);
}

static void a_seat_is_never_seen_taken_before_its_key_is_known(void **state)
{
    static struct look look;
    look_start(&look, *state, false);
    for (unsigned round = 1; round <= LOOK_ROUNDS; round++)
        look_round(&look, round);
    look_end(&look);
    assert_int_equal(atomic_load(&look.refused), 0);
}

static void looking_for_the_key_first_would_refuse_a_winner(void **state)
{
    static struct look look;
    int64_t until_ns = clock_mono_ns() + CONTROL_NS;
    look_start(&look, *state, true);
    for (unsigned round = 1; atomic_load(&look.refused) == 0 && clock_mono_ns() < until_ns; round++)
        look_round(&look, round);
    look_end(&look);
    assert_true(atomic_load(&look.refused) > 0);
}

/* --- Versions --- */

#define AREAS         2
#define AREA_PLACES   100000
#define HOLDS_AT_ONCE 200
#define HOLD_ROUNDS   25

struct watch {
    struct fixture *fixture;
    struct event_model *model;
    int64_t version; /* before the first hold */
    pthread_t thread;
    _Atomic bool is_over;
    _Atomic unsigned behind; /* looks that found a version ahead of its places */
};

/* Each hold is one version and takes one place of each area, so a version says how many are gone at
 * least. The version is read first, as for an answer's ETag. */
static void *watch_main(void *ctx)
{
    struct watch *watch = ctx;
    while (!atomic_load(&watch->is_over)) {
        int64_t version = atomic_load(&watch->model->version);
        for (size_t i = AREAS; i-- > 0;) { /* the one that changes last is the first to look at */
            int64_t gone = AREA_PLACES - atomic_load(&watch->model->area_available[i]);
            if (gone < version - watch->version)
                atomic_fetch_add(&watch->behind, 1);
        }
    }
    return NULL;
}

static enum err hold_areas_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    enum err err = ERR_OK;
    (void)ctx;
    for (unsigned i = 0; !err && i < HOLDS_AT_ONCE; i++) {
        struct fixture_hold hold = {
            .booking = {.account_id = i + 1, .area_count = AREAS, .areas = {{0, 1, 0}, {1, 1, 0}}}};
        err = fixture_hold_fn(fixture, tx, &hold);
    }
    return err;
}

static void a_version_is_never_seen_before_its_places(void **state)
{
    static struct watch watch;
    struct fixture *fixture = *state;
    watch = (struct watch){.fixture = fixture};
    fixture_sql(fixture, "DELETE FROM event_area;"
                         "INSERT INTO event_area VALUES (77, 0, 'a', 'A', 0, 100000, 100000, 0),"
                         " (77, 1, 'b', 'B', 0, 100000, 100000, 0)");
    assert_int_equal(
        inventory_load(fixture->tickets->inventory, fixture->reader, FIXTURE_EVENT, &watch.model),
        ERR_OK);
    watch.version = atomic_load(&watch.model->version);
    assert_int_equal(pthread_create(&watch.thread, NULL, watch_main, &watch), 0);
    for (int i = 0; i < HOLD_ROUNDS; i++)
        assert_int_equal(fixture_write(fixture, hold_areas_fn, NULL), ERR_OK);
    atomic_store(&watch.is_over, true);
    assert_int_equal(pthread_join(watch.thread, NULL), 0);
    assert_int_equal(atomic_load(&watch.model->version),
                     watch.version + HOLD_ROUNDS * HOLDS_AT_ONCE);
    assert_int_equal(atomic_load(&watch.behind), 0);
    event_model_unref(watch.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_seat_is_never_seen_taken_before_its_key_is_known,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(looking_for_the_key_first_would_refuse_a_winner,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_version_is_never_seen_before_its_places, fixture_setup,
                                        fixture_teardown),
        served_test(nobody_is_refused_by_its_own_seats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
