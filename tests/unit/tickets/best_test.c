/* Best available against a slow oracle that looks at every window of small random houses, and many who
 * pick at once. */
#include "base/check.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "tickets/best.h"
#include "tickets/best_rows.h"

#define SEATS_MAX  120
#define HOUSES     4000
#define CATEGORIES 2
#define NEAR       1e-3f

static uint32_t dice_state = 4711;

static uint32_t dice(uint32_t sides)
{
    dice_state = dice_state * 1664525u + 1013904223u;
    return (dice_state >> 8) % sides;
}

/* --- Houses --- */

struct house {
    struct layout layout;
    struct event_model model;
    uint32_t bench[SEATS_MAX]; /* by seat_no: as they were drawn */
};

static void draw_row(struct house *house, uint32_t section, uint32_t row, uint32_t *bench)
{
    struct layout *layout = &house->layout;
    uint32_t count = 1 + dice(12);
    uint32_t aisle = count >= 6 ? 2 + dice(count - 4) : count;
    ++*bench;
    for (uint32_t i = 0; i < count && layout->seat_count < SEATS_MAX; i++) {
        struct layout_seat *seat = &layout->seats[layout->seat_count];
        *bench += i == aisle;
        *seat = (struct layout_seat){
            .guid = arena_printf(&layout->arena, "%u", layout->seat_count),
            .row = arena_printf(&layout->arena, "%u", row),
            .section_no = section,
            .category_no = dice(8) == 0,
            .x = (float)(section * 300 + i * 10 + (i >= aisle ? 25 : 0)),
            .y = (float)(row * 15),
            .is_accessible = dice(9) == 0,
        };
        layout->seat_categories[layout->seat_count] = (uint8_t)seat->category_no;
        house->bench[layout->seat_count++] = *bench;
        layout->sections[section].seat_count++;
    }
}

static void count_free(struct house *house)
{
    struct event_model *model = &house->model;
    for (uint32_t i = 0; i < house->layout.section_count; i++)
        atomic_store(&model->section_available[i], 0);
    for (uint32_t i = 0; i < CATEGORIES; i++)
        atomic_store(&model->category_available[i], 0);
    for (uint32_t i = 0; i < house->layout.seat_count; i++) {
        const struct layout_seat *seat = &house->layout.seats[i];
        if (atomic_load(&model->seats[i]) != SEAT_FREE)
            continue;
        if (model->prices[seat->category_no] == PRICE_NONE)
            continue;
        atomic_fetch_add(&model->section_available[seat->section_no], 1);
        atomic_fetch_add(&model->category_available[seat->category_no], 1);
    }
}

/* taken: of 100 seats. */
static struct house *house_new(uint32_t sections, uint32_t rows, uint32_t taken)
{
    struct house *house = calloc(1, sizeof(*house));
    assert_non_null(house);
    struct layout *layout = &house->layout;
    struct event_model *model = &house->model;
    uint32_t bench = 0;
    arena_init(&layout->arena, (size_t)16 << 20);
    layout->seats = ARENA_ARRAY(&layout->arena, struct layout_seat, SEATS_MAX);
    layout->sections = ARENA_ARRAY(&layout->arena, struct layout_section, sections);
    layout->categories = ARENA_ARRAY(&layout->arena, struct layout_category, CATEGORIES);
    layout->seat_categories = ARENA_ARRAY(&layout->arena, uint8_t, SEATS_MAX);
    layout->section_count = sections;
    layout->category_count = CATEGORIES;
    layout->focus = (struct layout_focus){(float)dice(400), (float)dice(40), true};
    for (uint32_t section = 0; section < sections; section++) {
        layout->sections[section].seat_first = layout->seat_count;
        for (uint32_t row = 0; row < rows; row++)
            draw_row(house, section, row, &bench);
    }
    assert_ok(best_rows_make(layout, &layout->best));
    model->layout = layout;
    model->prices[0] = 100;
    model->prices[1] = dice(4) ? 200 : PRICE_NONE;
    model->seats = calloc(SEATS_MAX, sizeof(*model->seats));
    model->asked_seats = calloc(SEATS_MAX, sizeof(*model->asked_seats));
    model->section_available = calloc(sections, sizeof(*model->section_available));
    pthread_mutex_init(&model->asked_lock, NULL);
    for (uint32_t i = 0; i < layout->seat_count; i++)
        atomic_store(&model->seats[i], (uint8_t)(dice(100) < taken ? 1 + dice(3) : SEAT_FREE));
    count_free(house);
    return house;
}

static void house_free(struct house *house)
{
    for (uint32_t i = 0; i < house->layout.seat_count; i++)
        assert_int_equal(atomic_load(&house->model.asked_seats[i]), 0);
    free((void *)house->model.seats);
    free((void *)house->model.asked_seats);
    free((void *)house->model.section_available);
    pthread_mutex_destroy(&house->model.asked_lock);
    arena_release(&house->layout.arena);
    free(house);
}

/* --- The oracle --- */

static bool is_there(const struct house *house, int64_t seat, uint32_t beside)
{
    return seat >= 0 && seat < house->layout.seat_count &&
           house->bench[seat] == house->bench[beside];
}

static bool is_free(const struct house *house, uint32_t seat)
{
    return atomic_load(&house->model.seats[seat]) == SEAT_FREE &&
           house->model.prices[house->layout.seats[seat].category_no] != PRICE_NONE;
}

static bool is_strict(const struct house *house, uint32_t category)
{
    uint32_t all = 0, open = 0;
    for (uint32_t i = 0; i < house->layout.seat_count; i++) {
        all += house->layout.seats[i].category_no == category;
        open += house->layout.seats[i].category_no == category && is_free(house, i);
    }
    return open * 10 > all;
}

/* Whether the seat is free, nobody's place for a wheelchair, and alone once these are taken. */
static bool is_alone(const struct house *house, uint32_t seat, const bool *taken)
{
    if (!is_free(house, seat) || taken[seat] || house->layout.seats[seat].is_accessible ||
        !is_strict(house, house->layout.seats[seat].category_no))
        return false;
    for (int64_t beside = (int64_t)seat - 1; beside <= (int64_t)seat + 1; beside += 2)
        if (is_there(house, beside, seat) && is_free(house, (uint32_t)beside) && !taken[beside])
            return false;
    return true;
}

static bool leaves_alone(const struct house *house, const uint32_t *seats, uint32_t count)
{
    bool taken[SEATS_MAX] = {false};
    for (uint32_t i = 0; i < count; i++)
        taken[seats[i]] = true;
    for (uint32_t i = 0; i < count; i++)
        for (int64_t beside = (int64_t)seats[i] - 1; beside <= (int64_t)seats[i] + 1; beside += 2)
            if (is_there(house, beside, seats[i]) && is_alone(house, (uint32_t)beside, taken))
                return true;
    return false;
}

static float distance(const struct house *house, uint32_t first, uint32_t count)
{
    float sum = 0;
    for (uint32_t i = first; i < first + count; i++)
        sum += hypotf(house->layout.seats[i].x - house->layout.focus.x,
                      house->layout.seats[i].y - house->layout.focus.y);
    return sum;
}

static bool is_same_run(const struct house *house, uint32_t a, int64_t b)
{
    return is_there(house, b, a) &&
           house->layout.seats[a].category_no == house->layout.seats[b].category_no;
}

static float run_distance(const struct house *house, uint32_t seat)
{
    uint32_t first = seat, last = seat;
    while (is_same_run(house, seat, (int64_t)first - 1))
        first--;
    while (is_same_run(house, seat, (int64_t)last + 1))
        last++;
    return distance(house, first, last - first + 1) / (float)(last - first + 1);
}

static bool fits(const struct house *house, const struct best_ask *ask, uint32_t seat)
{
    return is_free(house, seat) &&
           (ask->accessible > 0 || !house->layout.seats[seat].is_accessible);
}

/* Open seats of the run on one side of this one. */
static uint32_t open_beside(const struct house *house, const struct best_ask *ask, uint32_t seat,
                            int step)
{
    uint32_t count = 0;
    int64_t beside = (int64_t)seat + step;
    while (is_same_run(house, seat, beside) && fits(house, ask, (uint32_t)beside)) {
        count++;
        beside += step;
    }
    return count;
}

struct candidate {
    bool is_there;
    uint32_t first, gap; /* gap: the first seat of it */
    int odd;
    float run, sum;
};

/* more: places for wheelchairs besides those asked for are allowed, and demanded. */
static struct candidate candidate_at(const struct house *house, const struct best_ask *ask,
                                     uint32_t first, bool more)
{
    uint32_t seats[BOOKING_PLACES_MAX], accessible = 0;
    struct candidate none = {false, 0, 0, 0, 0, 0};
    if (first + ask->count > house->layout.seat_count)
        return none;
    for (uint32_t i = 0; i < ask->count; i++) {
        const struct layout_seat *seat = &house->layout.seats[first + i];
        if (!is_same_run(house, first, first + i) || !fits(house, ask, first + i) ||
            (ask->has_category && seat->category_no != ask->category_no) ||
            (ask->has_section && seat->section_no != ask->section_no))
            return none;
        accessible += seat->is_accessible;
        seats[i] = first + i;
    }
    if (ask->accessible > 0 &&
        (more ? accessible <= ask->accessible : accessible != ask->accessible))
        return none;
    if (leaves_alone(house, seats, ask->count))
        return none;
    uint32_t before = open_beside(house, ask, first, -1);
    uint32_t after = open_beside(house, ask, first + ask->count - 1, 1);
    return (struct candidate){true,
                              first,
                              first - before,
                              (before % ask->count != 0) + (after % ask->count != 0),
                              run_distance(house, first),
                              distance(house, first, ask->count)};
}

/* Whether b is a better choice than a: nothing but the rules, in their order. */
static bool is_better(const struct candidate *b, const struct candidate *a)
{
    if (fabsf(b->run - a->run) > NEAR)
        return b->run < a->run;
    if (b->gap == a->gap && b->odd != a->odd)
        return b->odd < a->odd;
    return b->gap == a->gap && b->sum < a->sum - NEAR * a->sum;
}

static bool any_candidate(const struct house *house, const struct best_ask *ask, bool more)
{
    for (uint32_t i = 0; i < house->layout.seat_count; i++)
        if (candidate_at(house, ask, i, more).is_there)
            return true;
    return false;
}

static void check_best(const struct house *house, const struct best_ask *ask,
                       const struct best_places *places)
{
    bool more = ask->accessible > 0 && !any_candidate(house, ask, false);
    struct candidate got = candidate_at(house, ask, places->seat_nos[0], more);
    assert_true(got.is_there);
    assert_int_equal(places->seat_count, ask->count);
    for (uint32_t i = 0; i < ask->count; i++)
        assert_int_equal(places->seat_nos[i], got.first + i);
    for (uint32_t i = 0; i < house->layout.seat_count; i++) {
        struct candidate other = candidate_at(house, ask, i, more);
        assert_false(other.is_there && is_better(&other, &got));
    }
}

static uint32_t largest(const struct house *house, const struct best_ask *ask)
{
    for (uint32_t count = ask->count - 1; count > 0; count--) {
        struct best_ask smaller = *ask;
        smaller.count = count;
        smaller.accessible = ask->accessible < count ? ask->accessible : count;
        if (any_candidate(house, &smaller, false) ||
            (smaller.accessible > 0 && any_candidate(house, &smaller, true)))
            return count;
    }
    return 0;
}

static struct best_ask roll_ask(const struct house *house)
{
    struct best_ask ask = {.count = 1 + dice(BOOKING_PLACES_MAX)};
    ask.accessible = dice(4) ? 0 : 1 + dice(ask.count < 2 ? ask.count : 2);
    ask.has_category = dice(2);
    ask.category_no = house->model.prices[1] == PRICE_NONE ? 0 : dice(CATEGORIES);
    ask.has_section = dice(3) == 0;
    ask.section_no = dice(house->layout.section_count);
    return ask;
}

static void picks_are_those_of_the_oracle(void **state)
{
    (void)state;
    size_t found = 0;
    for (size_t i = 0; i < HOUSES; i++) {
        static const uint32_t shares[] = {0, 15, 50, 85, 97};
        struct house *house = house_new(1 + dice(3), 1 + dice(4), shares[dice(5)]);
        struct best_ask ask = roll_ask(house);
        struct best_marks marks = {.model = &house->model};
        struct best_places places;
        if (best_pick(&ask, &marks, &places) == ERR_OK) {
            check_best(house, &ask, &places);
            found++;
        } else {
            assert_false(any_candidate(house, &ask, false));
            assert_false(ask.accessible > 0 && any_candidate(house, &ask, true));
            assert_int_equal(places.largest_group, largest(house, &ask));
            assert_int_equal(marks.seat_count, 0);
        }
        best_release(&marks, 0, 0);
        house_free(house);
    }
    assert_in_range(found, HOUSES / 5, HOUSES * 4 / 5); /* both ends of it were tried */
}

/* A party that may be split has all its places, and nobody is left alone by any group of it. */
static void split_parties_have_all_their_seats(void **state)
{
    (void)state;
    for (size_t i = 0; i < HOUSES; i++) {
        struct house *house = house_new(1 + dice(3), 1 + dice(4), dice(2) ? 50 : 85);
        struct best_ask ask = roll_ask(house), whole = ask;
        struct best_marks marks = {.model = &house->model};
        struct best_places places;
        ask.may_split = true;
        if (best_pick(&ask, &marks, &places) == ERR_OK) {
            assert_int_equal(places.seat_count, ask.count);
            assert_false(leaves_alone(house, places.seat_nos, ask.count));
            if (any_candidate(house, &whole, false))
                check_best(house, &whole, &places);
        } else {
            assert_true(places.largest_group < ask.count);
        }
        best_release(&marks, 0, 0);
        house_free(house);
    }
}

static void chosen_seats_leave_nobody_alone(void **state)
{
    (void)state;
    size_t strict = 0;
    for (size_t i = 0; i < HOUSES; i++) {
        struct house *house = house_new(1, 2, dice(2) ? 20 : 60);
        uint32_t seats[BOOKING_PLACES_MAX], count = 0, alone[2 * BOOKING_PLACES_MAX];
        struct booking booking = {.seat_count = 0};
        for (uint32_t seat = 0; seat < house->layout.seat_count && count < 4; seat++) {
            if (!is_free(house, seat) || dice(3))
                continue;
            seats[count++] = seat;
            booking.seats[booking.seat_count++].seat_no = seat;
        }
        size_t left = best_left_alone(&house->model, &booking, alone);
        assert_int_equal(left > 0, leaves_alone(house, seats, count));
        strict += left > 0;
        house_free(house);
    }
    assert_in_range(strict, HOUSES / 20, HOUSES);
}

/* --- Marks --- */

static void a_mark_is_what_keeps_others_away(void **state)
{
    (void)state;
    struct house *house = house_new(1, 4, 0);
    const struct best_ask ask = {.count = 1};
    struct best_marks first = {.model = &house->model}, second = first;
    struct best_places one, other;
    assert_ok(best_pick(&ask, &first, &one));
    assert_ok(best_pick(&ask, &second, &other));
    assert_int_not_equal(one.seat_nos[0], other.seat_nos[0]);
    best_release(&first, 0, 0);
    best_release(&second, 0, 0);
    assert_ok(best_pick(&ask, &second, &other)); /* the control: without it they get the same */
    assert_int_equal(one.seat_nos[0], other.seat_nos[0]);
    best_release(&second, 0, 0);
    house_free(house);
}

/* Everybody asks for one, until there is nothing that nobody asks for. */
static size_t ask_for_all(struct house *house, struct best_marks *crowd)
{
    const struct best_ask ask = {.count = 1};
    struct best_places places;
    size_t count = 0;
    enum err err;
    do {
        crowd[count] = (struct best_marks){.model = &house->model};
        err = best_pick(&ask, &crowd[count++], &places);
    } while (!err);
    assert_int_equal(err, ERR_AGAIN);
    return count - 1;
}

static void who_is_at_the_writer_gets_what_others_ask_for(void **state)
{
    (void)state;
    static struct best_marks crowd[SEATS_MAX + 1], served[SEATS_MAX + 1];
    for (size_t round = 0; round < 50; round++) {
        struct house *house = house_new(1 + dice(3), 4, 50);
        const struct best_ask ask = {.count = 1};
        struct best_places places;
        bool is_taken[SEATS_MAX] = {false};
        size_t asking = ask_for_all(house, crowd), given = 0;
        for (;; given++) {
            served[given] = (struct best_marks){.model = &house->model};
            if (best_pick_now(&ask, &served[given], 1, &places) != ERR_OK)
                break;
            assert_false(is_taken[places.seat_nos[0]]);
            is_taken[places.seat_nos[0]] = true;
            /* Who had asked goes without: what is given now stays so. */
            best_release(&crowd[given % asking], 0, 0);
            assert_int_equal(atomic_load(&house->model.asked_seats[places.seat_nos[0]]),
                             BEST_GIVEN);
        }
        assert_in_range(given, asking, SEATS_MAX);
        /* All is given: nothing to wait for. */
        assert_int_equal(best_pick(&ask, &served[given], &places), ERR_CONFLICT);
        for (size_t i = 0; i < given; i++)
            best_release(&served[i], 0, 0);
        for (size_t i = 0; i < asking; i++)
            best_release(&crowd[i], 0, 0);
        house_free(house);
    }
}

struct herd {
    struct house *house;
    _Atomic int owners[SEATS_MAX];
};

static void *graze(void *ctx)
{
    struct herd *herd = ctx;
    const struct best_ask ask = {.count = 2, .may_split = true};
    for (;;) {
        struct best_marks marks = {.model = &herd->house->model};
        struct best_places places;
        if (best_pick(&ask, &marks, &places) != ERR_OK)
            return NULL;
        for (size_t i = 0; i < places.seat_count; i++) {
            atomic_fetch_add(&herd->owners[places.seat_nos[i]], 1);
            atomic_store(&herd->house->model.seats[places.seat_nos[i]], SEAT_HELD);
        }
        best_release(&marks, 0, 0); /* as a request does: after its seats show as taken */
    }
}

static void nobody_of_a_herd_gets_anothers_seat(void **state)
{
    (void)state;
    for (size_t round = 0; round < 30; round++) {
        struct herd herd = {.house = house_new(2, 4, 0)};
        pthread_t threads[4];
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, graze, &herd), 0);
        for (size_t i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        for (size_t i = 0; i < SEATS_MAX; i++)
            assert_true(atomic_load(&herd.owners[i]) <= 1);
        house_free(herd.house);
    }
}

/* --- Focal points --- */

static void rows_say_where_the_stage_is(void **state)
{
    (void)state;
    struct layout_seat seats[8] = {{.row = STR("1"), .x = 10, .y = 50},
                                   {.row = STR("1"), .x = 30, .y = 50},
                                   {.row = STR("2"), .x = 10, .y = 60},
                                   {.row = STR("2"), .x = 30, .y = 60}};
    struct layout_section sections[2] = {{.seat_first = 0, .seat_count = 4}};
    struct layout layout = {
        .seats = seats, .seat_count = 4, .sections = sections, .section_count = 1};
    struct layout_focus focus = best_rows_focus(&layout);
    assert_float_equal(focus.x, 20, NEAR);
    assert_float_equal(focus.y, 50, NEAR); /* in front of the first row */
    /* A second block that faces the first: the middle between their first rows. */
    for (size_t i = 0; i < 4; i++)
        seats[4 + i] = (struct layout_seat){
            .row = seats[i].row, .x = seats[i].x, .y = 100 - seats[i].y, .section_no = 1};
    for (size_t i = 4; i < 8; i++)
        seats[i].y -= 40;
    sections[1] = (struct layout_section){.seat_first = 4, .seat_count = 4};
    layout.seat_count = 8;
    layout.section_count = 2;
    focus = best_rows_focus(&layout);
    assert_float_equal(focus.x, 20, NEAR);
    assert_float_equal(focus.y, 30, NEAR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picks_are_those_of_the_oracle),
        cmocka_unit_test(split_parties_have_all_their_seats),
        cmocka_unit_test(chosen_seats_leave_nobody_alone),
        cmocka_unit_test(a_mark_is_what_keeps_others_away),
        cmocka_unit_test(who_is_at_the_writer_gets_what_others_ask_for),
        cmocka_unit_test(nobody_of_a_herd_gets_anothers_seat),
        cmocka_unit_test(rows_say_where_the_stage_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
