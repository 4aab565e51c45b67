/* Windows: how many requests at once an endpoint gets, and when it counts as silent. */
#include "base/check.h"

#include "hooks/limits.h"
#include "hooks/window.h"

#define SECOND_NS INT64_C(1000000000)
#define MS_US     INT64_C(1000)

static int64_t now_ns;

static int set_up(void **state)
{
    (void)state;
    now_ns = 1000 * SECOND_NS;
    return 0;
}

static void record(struct window *window, enum window_end end, int64_t took_ms, size_t beside)
{
    struct window_answer answer = {end, took_ms * MS_US, now_ns, beside};
    window_record(window, &answer);
}

/* All places of the window are used, each answer takes that long. */
static void rounds(struct window *window, int count, int64_t (*took_ms)(size_t beside))
{
    for (int i = 0; i < count; i++) {
        size_t size = window->size;
        for (size_t beside = 1; beside <= size; beside++)
            record(window, WINDOW_GOOD, took_ms(beside), beside);
    }
}

static int64_t always_100_ms(size_t beside)
{
    (void)beside;
    return 100;
}

static int64_t always_30_s(size_t beside)
{
    (void)beside;
    return 30000;
}

/* Forty at once are as many as it can do. */
static int64_t saturated(size_t beside)
{
    return beside <= 40 ? 200 : (int64_t)(5 * beside) + 250;
}

static void one_that_answers_gets_the_narrow_window(void **state)
{
    (void)state;
    struct window window;
    window_init(&window);
    assert_int_equal(window.size, DISPATCH_WINDOW);
    for (int i = 0; i < 1000; i++)
        record(&window, WINDOW_GOOD, 100, 10); /* ten at once are all that it needs */
    assert_int_equal(window.size, DISPATCH_WINDOW_NARROW);
}

static void one_that_is_slow_and_can_do_much_at_once_gets_the_wide_one(void **state)
{
    (void)state;
    struct window window;
    window_init(&window);
    rounds(&window, 20, always_100_ms);
    assert_int_equal(window.size, DISPATCH_WINDOW_WIDE);
    window_init(&window);
    rounds(&window, 20, always_30_s);
    assert_int_equal(window.size, DISPATCH_WINDOW_WIDE);
}

/* One of ten takes long, however many there are. */
static int64_t now_and_then_slow(size_t beside)
{
    return beside % 10 == 0 ? 2000 : 100;
}

static void a_slow_answer_now_and_then_changes_nothing(void **state)
{
    (void)state;
    struct window window;
    window_init(&window);
    rounds(&window, 40, now_and_then_slow);
    assert_in_range(window.size, DISPATCH_WINDOW_WIDE - 10, DISPATCH_WINDOW_WIDE);
}

static void one_that_more_at_once_makes_slower_goes_back(void **state)
{
    (void)state;
    struct window window;
    size_t most = 0;
    window_init(&window);
    for (int i = 0; i < 100; i++) {
        rounds(&window, 1, saturated);
        most = window.size > most ? window.size : most;
    }
    assert_in_range(most, DISPATCH_WINDOW_NARROW, 64);
}

static void what_is_not_used_is_lost(void **state)
{
    (void)state;
    struct window window;
    window_init(&window);
    rounds(&window, 20, always_100_ms);
    for (int i = 0; i < DISPATCH_WINDOW_WIDE; i++)
        record(&window, WINDOW_GOOD, 100, 3);
    assert_int_equal(window.size, DISPATCH_WINDOW_NARROW);
}

static void one_that_is_stuck_has_half(void **state)
{
    (void)state;
    struct window window;
    window_init(&window);
    rounds(&window, 20, always_100_ms);
    record(&window, WINDOW_STUCK, 15000, 20); /* others have succeeded meanwhile */
    assert_int_equal(window.size, DISPATCH_WINDOW_NARROW);
    record(&window, WINDOW_STUCK, 10, 20);
    assert_int_equal(window.size, DISPATCH_WINDOW_NARROW / 2);
    record(&window, WINDOW_BAD, 10, 20); /* a refusal says nothing about how much at once */
    assert_int_equal(window.size, DISPATCH_WINDOW_NARROW / 2);
    for (int i = 0; i < 20; i++)
        record(&window, WINDOW_STUCK, 15000, 20);
    assert_int_equal(window.size, 1);
    assert_int_equal(window.usual_us, 100 * MS_US); /* what fails says nothing about answers */
}

static void one_that_answers_nothing_while_a_request_waits_has_one(void **state)
{
    (void)state;
    struct window window;
    window_init(&window);
    rounds(&window, 20, always_100_ms);
    now_ns += 15 * SECOND_NS;
    record(&window, WINDOW_STUCK, 14999, 20);
    assert_int_equal(window.size, 1);
    record(&window, WINDOW_GOOD, 100, 1);
    record(&window, WINDOW_GOOD, 100, 2);
    assert_int_equal(window.size, 3);
    now_ns += SECOND_NS;
    record(&window, WINDOW_STUCK, 10, 3); /* refused: half */
    assert_int_equal(window.size, 1);
}

static void silence_is_measured_by_what_is_usual(void **state)
{
    (void)state;
    struct window window;
    window_init(&window);
    window_begin(&window, now_ns);
    assert_false(window_is_silent(&window, now_ns + SECOND_NS));
    assert_true(window_is_silent(&window, now_ns + SECOND_NS + 1)); /* nobody knows it yet */
    rounds(&window, 5, always_30_s);
    assert_false(window_is_silent(&window, now_ns + 50 * SECOND_NS));
    assert_true(window_is_silent(&window, now_ns + 61 * SECOND_NS));
    rounds(&window, 5, always_100_ms);
    assert_true(window_is_silent(&window, now_ns + 2 * SECOND_NS));
}

static void prompt_is_who_has_answered_at_once_and_lately(void **state)
{
    (void)state;
    struct window window;
    window_init(&window);
    assert_false(window_is_prompt(&window, now_ns));
    record(&window, WINDOW_GOOD, DISPATCH_STALL_MS + 1, 1);
    record(&window, WINDOW_STUCK, 10, 1);
    assert_false(window_is_prompt(&window, now_ns));
    record(&window, WINDOW_GOOD, DISPATCH_STALL_MS, 1);
    assert_true(window_is_prompt(&window, now_ns));
    assert_false(window_is_prompt(&window, now_ns + DISPATCH_PROVEN_MS * INT64_C(1000000)));
}

static struct window_room room_of(size_t left, size_t app_left, bool is_prompt)
{
    return (struct window_room){.left = left, .app_left = app_left, .is_prompt = is_prompt};
}

struct crowd {
    size_t endpoints, apps;
    size_t window, at_once; /* an endpoint takes so many in its turn */
    bool is_prompt;
    /* Found. */
    size_t left, app_left[64], held[8192];
};

/* As many as want places take them in turn, each as many as it may. */
static void fill(struct crowd *crowd)
{
    bool has_changed = true;
    crowd->left = DISPATCH_IN_FLIGHT_MAX;
    for (size_t i = 0; i < crowd->apps; i++)
        crowd->app_left[i] = DISPATCH_APP_IN_FLIGHT_MAX;
    while (has_changed) {
        has_changed = false;
        for (size_t i = 0; i < crowd->endpoints * crowd->at_once; i++) {
            size_t who = i / crowd->at_once, *app_left = &crowd->app_left[who % crowd->apps];
            struct window_room room = room_of(crowd->left, *app_left, crowd->is_prompt);
            if (crowd->held[who] >= crowd->window || crowd->held[who] >= window_share(&room))
                continue;
            crowd->held[who]++;
            crowd->left--;
            --*app_left;
            has_changed = true;
        }
    }
}

static void nobody_fills_the_places_alone_nor_do_many_together(void **state)
{
    (void)state;
    static const size_t at_once[] = {1, 16, 128};
    static const size_t wide = DISPATCH_WINDOW_WIDE;
    for (size_t i = 0; i < 3; i++) {
        struct crowd one = {.endpoints = 1, .apps = 1, .window = wide, .at_once = at_once[i]};
        fill(&one);
        assert_in_range(one.held[0], 100, wide);
        struct crowd hundred = {
            .endpoints = 100, .apps = 50, .window = wide, .at_once = at_once[i]};
        fill(&hundred);
        assert_in_range(hundred.left, DISPATCH_RESERVE + 20, 2000);
        struct crowd many = {.endpoints = 4000, .apps = 50, .window = wide, .at_once = at_once[i]};
        fill(&many);
        assert_int_equal(many.left, DISPATCH_RESERVE); /* for those who answer at once */
    }
}

static void each_endpoint_of_an_application_has_a_place(void **state)
{
    (void)state;
    static const size_t at_once[] = {1, 16, 128};
    for (size_t i = 0; i < 3; i++) {
        struct crowd crowd = {.endpoints = ENDPOINTS_MAX - 1,
                              .apps = 1,
                              .window = DISPATCH_WINDOW_WIDE,
                              .at_once = at_once[i],
                              .is_prompt = i == 1};
        fill(&crowd);
        struct window_room room = room_of(crowd.left, crowd.app_left[0], false);
        assert_true(window_share(&room) >= 1);
        for (size_t k = 0; k < crowd.endpoints; k++)
            assert_true(crowd.held[k] >= 1);
    }
}

static void in_the_last_places_each_that_answers_at_once_has_one(void **state)
{
    (void)state;
    struct window_room room = room_of(DISPATCH_RESERVE, DISPATCH_APP_IN_FLIGHT_MAX, true);
    assert_int_equal(window_share(&room), 1);
    room = room_of(1, 1, true);
    assert_int_equal(window_share(&room), 1);
    room = room_of(DISPATCH_RESERVE, DISPATCH_APP_IN_FLIGHT_MAX, false);
    assert_int_equal(window_share(&room), 0);
    room = room_of(0, 1, true);
    assert_int_equal(window_share(&room), 0);
    room = room_of(1, 0, true);
    assert_int_equal(window_share(&room), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_that_answers_gets_the_narrow_window, set_up),
        cmocka_unit_test_setup(one_that_is_slow_and_can_do_much_at_once_gets_the_wide_one, set_up),
        cmocka_unit_test_setup(a_slow_answer_now_and_then_changes_nothing, set_up),
        cmocka_unit_test_setup(one_that_more_at_once_makes_slower_goes_back, set_up),
        cmocka_unit_test_setup(what_is_not_used_is_lost, set_up),
        cmocka_unit_test_setup(one_that_is_stuck_has_half, set_up),
        cmocka_unit_test_setup(one_that_answers_nothing_while_a_request_waits_has_one, set_up),
        cmocka_unit_test_setup(silence_is_measured_by_what_is_usual, set_up),
        cmocka_unit_test_setup(prompt_is_who_has_answered_at_once_and_lately, set_up),
        cmocka_unit_test_setup(nobody_fills_the_places_alone_nor_do_many_together, set_up),
        cmocka_unit_test_setup(each_endpoint_of_an_application_has_a_place, set_up),
        cmocka_unit_test_setup(in_the_last_places_each_that_answers_at_once_has_one, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
