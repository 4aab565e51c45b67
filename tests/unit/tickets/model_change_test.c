/* A model takes news from two sides: a node's own changes at once, everybody's in order a little
 * later. Whatever the order in which the two meet, it shows the same in the end, and never something
 * older than its version promises. */
#include "fixture.h"

#include "tickets/model_change.h"

#define ROWS   5
#define SEATS  3
#define AREA   0
#define ROUNDS 40

static uint32_t dice_state = 12345;

static uint32_t dice(uint32_t sides)
{
    dice_state = dice_state * 1664525u + 1013904223u;
    return (dice_state >> 8) % sides;
}

struct row {
    struct places_change change;
    uint32_t seat_nos[SEATS];
};

struct scene {
    struct fixture *fixture;
    struct event_model *model;
    int64_t base;
    struct row rows[ROWS];
};

static void scene_roll(struct scene *scene)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct row *row = &scene->rows[i];
        *row = (struct row){
            .change = {.version = scene->base + (int64_t)i + 1, .state = (enum seat_state)dice(4)}};
        for (uint32_t seat_no = 0; seat_no < SEATS; seat_no++)
            if (dice(2))
                row->seat_nos[row->change.seat_count++] = seat_no;
        if (dice(2))
            row->change.areas[row->change.area_count++] =
                (struct area_change){AREA, (int32_t)dice(FIXTURE_AREA_CAPACITY + 1)};
    }
    for (size_t i = 0; i < ROWS; i++)
        scene->rows[i].change.seat_nos = scene->rows[i].seat_nos;
}

static void model_reset(struct scene *scene)
{
    struct event_model *model = scene->model;
    for (uint32_t i = 0; i < model->layout->seat_count; i++)
        atomic_store(&model->seats[i], SEAT_FREE);
    atomic_store(&model->area_available[0], FIXTURE_AREA_CAPACITY);
    atomic_store(&model->section_available[0], FIXTURE_SEATS);
    atomic_store(&model->available, FIXTURE_SEATS + FIXTURE_AREA_CAPACITY);
    atomic_store(&model->version, scene->base);
    assert_int_equal(event_model_follow(model, scene->fixture->reader), ERR_OK);
}

/* What the rows up to version leave behind, in order. */
struct shown {
    uint8_t seats[SEATS];
    int32_t area;
};

static struct shown shown_at(const struct scene *scene, int64_t version)
{
    struct shown shown = {.area = FIXTURE_AREA_CAPACITY};
    for (size_t i = 0; i < ROWS && scene->rows[i].change.version <= version; i++) {
        const struct places_change *change = &scene->rows[i].change;
        for (size_t k = 0; k < change->seat_count; k++)
            shown.seats[change->seat_nos[k]] = (uint8_t)change->state;
        if (change->area_count > 0)
            shown.area = change->areas[0].free;
    }
    return shown;
}

static void assert_counts(const struct event_model *model)
{
    int32_t free_seats = 0;
    for (uint32_t i = 0; i < model->layout->seat_count; i++)
        free_seats += atomic_load(&model->seats[i]) == SEAT_FREE;
    assert_int_equal(atomic_load(&model->section_available[0]), free_seats);
    assert_int_equal(atomic_load(&model->available),
                     free_seats + atomic_load(&model->area_available[0]));
}

/* Every seat shows a row that is its last one at some version from the model's on. */
static void assert_not_older(const struct scene *scene)
{
    int64_t version = atomic_load(&scene->model->version);
    for (uint32_t seat_no = 0; seat_no < SEATS; seat_no++) {
        bool is_shown = false;
        for (int64_t at = version; at <= scene->base + ROWS; at++)
            is_shown = is_shown || shown_at(scene, at).seats[seat_no] ==
                                       atomic_load(&scene->model->seats[seat_no]);
        assert_true(is_shown);
    }
}

/* One meeting of the two: bit i of order says whose step the i-th is. Own rows are those in mask. */
static void run_order(struct scene *scene, uint32_t mask, uint32_t order, unsigned steps)
{
    size_t own = 0, tail = 0;
    model_reset(scene);
    for (unsigned step = 0; step < steps; step++) {
        if (order >> step & 1) {
            while (!(mask >> own & 1))
                own++;
            event_model_change(scene->model, &scene->rows[own++].change);
        } else {
            assert_true(event_model_change_in_order(scene->model, &scene->rows[tail++].change));
        }
        assert_counts(scene->model);
        assert_not_older(scene);
    }
    struct shown shown = shown_at(scene, scene->base + ROWS);
    for (uint32_t seat_no = 0; seat_no < SEATS; seat_no++)
        assert_int_equal(atomic_load(&scene->model->seats[seat_no]), shown.seats[seat_no]);
    assert_int_equal(atomic_load(&scene->model->area_available[0]), shown.area);
    assert_int_equal(atomic_load(&scene->model->version), scene->base + ROWS);
}

static unsigned bits(uint32_t value)
{
    return (unsigned)__builtin_popcount(value);
}

static void all_meetings_end_the_same(void **state)
{
    struct scene scene = {.fixture = *state, .base = 7};
    assert_int_equal(inventory_load(scene.fixture->tickets->inventory, scene.fixture->reader,
                                    FIXTURE_EVENT, &scene.model),
                     ERR_OK);
    unsigned meetings = 0;
    for (int round = 0; round < ROUNDS; round++) {
        scene_roll(&scene);
        uint32_t mask = dice(1u << ROWS);
        unsigned steps = ROWS + bits(mask);
        for (uint32_t order = 0; order < 1u << steps; order++) {
            if (bits(order) != bits(mask))
                continue;
            run_order(&scene, mask, order, steps);
            meetings++;
        }
    }
    assert_true(meetings > ROUNDS);
    event_model_unref(scene.model);
}

/* The control: without versions the last to come wins, and that is often the wrong one. */
static void without_versions_the_order_would_count(void **state)
{
    struct scene scene = {.fixture = *state, .base = 7};
    assert_int_equal(inventory_load(scene.fixture->tickets->inventory, scene.fixture->reader,
                                    FIXTURE_EVENT, &scene.model),
                     ERR_OK);
    uint32_t seat_no = 1;
    struct places_change held = {
        .version = 8, .state = SEAT_HELD, .seat_nos = &seat_no, .seat_count = 1};
    struct places_change freed = {
        .version = 9, .state = SEAT_FREE, .seat_nos = &seat_no, .seat_count = 1};
    event_model_change(scene.model, &freed);
    event_model_change(scene.model, &held);
    assert_int_equal(atomic_load(&scene.model->seats[seat_no]), SEAT_HELD);
    model_reset(&scene);
    event_model_change(scene.model, &freed);
    event_model_change(scene.model, &held);
    assert_int_equal(atomic_load(&scene.model->seats[seat_no]), SEAT_FREE);
    event_model_unref(scene.model);
}

static void a_missing_row_is_noticed(void **state)
{
    struct scene scene = {.fixture = *state, .base = 7};
    assert_int_equal(inventory_load(scene.fixture->tickets->inventory, scene.fixture->reader,
                                    FIXTURE_EVENT, &scene.model),
                     ERR_OK);
    model_reset(&scene);
    struct places_change change = {.version = 9};
    assert_false(event_model_change_in_order(scene.model, &change));
    assert_int_equal(atomic_load(&scene.model->version), 7);
    event_model_change(scene.model, &change); /* one's own may come early */
    assert_int_equal(atomic_load(&scene.model->version), 7);
    change.version = 8;
    assert_true(event_model_change_in_order(scene.model, &change));
    assert_true(event_model_change_in_order(scene.model, &change)); /* again: known */
    assert_int_equal(atomic_load(&scene.model->version), 8);
    uint32_t seat_no = FIXTURE_SEATS;
    change = (struct places_change){
        .version = 9, .state = SEAT_HELD, .seat_nos = &seat_no, .seat_count = 1};
    assert_false(event_model_change_in_order(scene.model, &change));
    event_model_unref(scene.model);
}

#define model_test(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        model_test(all_meetings_end_the_same),
        model_test(without_versions_the_order_would_count),
        model_test(a_missing_row_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
