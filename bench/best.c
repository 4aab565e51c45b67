/*
 * foyer-bench best: what picking the best available seats costs on a house of 50,000, without a server
 * around it: empty, half sold, nearly sold out, and at its worst, when every second seat is free, so
 * that each pair looks at all of them in vain. Processor time is measured. The floor is one pass over the states of all seats.
 */
#include "scenario.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "tickets/best.h"
#include "tickets/best_rows.h"
#include "tickets/plan.h"
#include "tickets/venue_generate.h"

#define SEATS  50000
#define ROUNDS 2000
#define AIM_MS 2

struct house {
    struct arena arena;
    struct layout layout;
    struct event_model model;
};

static enum err read_plan(struct house *house)
{
    struct buf text;
    struct field_errors errors;
    struct json_node *node;
    struct str message;
    struct plan plan;
    struct layout *layout = &house->layout;
    field_errors_init(&errors, &house->arena);
    buf_init(&text, (size_t)64 << 20);
    enum err err = venue_generate(&(struct venue_generate_options){SEATS, 0}, &text);
    if (!err)
        err = json_parse(&house->arena, buf_str(&text), &node, &message);
    if (!err)
        err = plan_parse(&house->arena, node, "plan", &errors, &plan);
    if (!err) {
        layout->seats = plan.seats;
        layout->sections = plan.sections;
        layout->categories = plan.categories;
        layout->seat_count = plan.seat_count;
        layout->section_count = plan.section_count;
        layout->category_count = plan.category_count;
        layout->seat_categories = ARENA_ARRAY(&layout->arena, uint8_t, plan.seat_count + 1);
        for (uint32_t i = 0; layout->seat_categories && i < plan.seat_count; i++)
            layout->seat_categories[i] = (uint8_t)plan.seats[i].category_no;
        err = layout->seat_categories ? best_rows_make(layout, &layout->best) : ERR_NOMEM;
    }
    buf_release(&text);
    return err;
}

static enum err house_open(struct house *house)
{
    struct event_model *model = &house->model;
    arena_init(&house->arena, (size_t)512 << 20);
    arena_init(&house->layout.arena, (size_t)64 << 20);
    pthread_mutex_init(&model->asked_lock, NULL);
    enum err err = read_plan(house);
    if (err)
        return err;
    model->layout = &house->layout;
    for (uint32_t i = 0; i < house->layout.category_count; i++)
        model->prices[i] = 100;
    model->seats = calloc(SEATS, sizeof(*model->seats));
    model->asked_seats = calloc(SEATS, sizeof(*model->asked_seats));
    model->section_available =
        calloc(house->layout.section_count, sizeof(*model->section_available));
    return model->seats && model->asked_seats && model->section_available ? ERR_OK : ERR_NOMEM;
}

static void house_close(struct house *house)
{
    free((void *)house->model.seats);
    free((void *)house->model.asked_seats);
    free((void *)house->model.section_available);
    pthread_mutex_destroy(&house->model.asked_lock);
    arena_release(&house->layout.arena);
    arena_release(&house->arena);
}

/* How the house is filled: the seat at this place is taken. */
static bool is_taken_half(uint32_t place)
{
    return place * 2654435761u >> 31;
}

static bool is_taken_nearly(uint32_t place)
{
    return place * 2654435761u >> 22 != 7; /* one of 1,024 is free */
}

static bool is_taken_second(uint32_t place)
{
    return place % 2;
}

static void fill(struct house *house, bool (*is_taken)(uint32_t place))
{
    struct event_model *model = &house->model;
    for (uint32_t i = 0; i < house->layout.section_count; i++)
        atomic_store(&model->section_available[i], 0);
    for (uint32_t i = 0; i < house->layout.category_count; i++)
        atomic_store(&model->category_available[i], 0);
    for (uint32_t place = 0; place < house->layout.seat_count; place++) {
        uint32_t seat_no = house->layout.best->seat_nos[place];
        bool taken = is_taken && is_taken(place);
        atomic_store(&model->seats[seat_no], taken ? SEAT_BOOKED : SEAT_FREE);
        if (taken)
            continue;
        atomic_fetch_add(&model->section_available[house->layout.seats[seat_no].section_no], 1);
        atomic_fetch_add(&model->category_available[house->layout.seat_categories[seat_no]], 1);
    }
}

/* Work, not waiting: the thread's own time on a processor. */
static int64_t work_ns(void)
{
    struct timespec time = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); /* always there */
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Picks of every size, as parties come: mostly two. */
static void measure(struct house *house, bool may_split, struct hist *hist)
{
    static const uint32_t parties[] = {2, 2, 4, 2, 3, 2, 1, 6};
    for (size_t i = 0; i < ROUNDS; i++) {
        const struct best_ask ask = {.count = parties[i % 8], .may_split = may_split};
        struct best_marks marks = {.model = &house->model};
        struct best_places places;
        int64_t begun_ns = work_ns();
        enum err err = best_pick(&ask, &marks, &places);
        hist_add(hist, work_ns() - begun_ns);
        if (!err)
            best_release(&marks, 0, 0);
    }
}

static double floor_us(const struct house *house)
{
    uint64_t open = 0;
    int64_t begun_ns = work_ns();
    for (size_t i = 0; i < ROUNDS; i++)
        for (uint32_t seat = 0; seat < house->layout.seat_count; seat++)
            open +=
                atomic_load_explicit(&house->model.seats[seat], memory_order_acquire) == SEAT_FREE;
    double us = (double)(work_ns() - begun_ns) / 1000 / ROUNDS;
    return open > 0 ? us : 0;
}

bool scenario_best(const struct scenario_options *options, struct report *report)
{
    static const struct {
        bool (*is_taken)(uint32_t place);
        bool may_split;
        const char *names[4];
    } cases[] = {
        {NULL, false, {"empty_p50_ms", "empty_p95_ms", "empty_p99_ms", "empty_max_ms"}},
        {is_taken_half, false, {"half_p50_ms", "half_p95_ms", "half_p99_ms", "half_max_ms"}},
        {is_taken_nearly,
         false,
         {"nearly_p50_ms", "nearly_p95_ms", "nearly_p99_ms", "nearly_max_ms"}},
        {is_taken_second, false, {"worst_p50_ms", "worst_p95_ms", "worst_p99_ms", "worst_max_ms"}},
        {is_taken_second, true, {"split_p50_ms", "split_p95_ms", "split_p99_ms", "split_max_ms"}},
    };
    static struct house house; /* zero, and too large for a stack */
    (void)options;
    report->scenario = "best";
    bool is_open = house_open(&house) == ERR_OK;
    report->ok = is_open;
    for (size_t i = 0; is_open && i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hist hist = {.total = 0};
        fill(&house, cases[i].is_taken);
        measure(&house, cases[i].may_split, &hist);
        report_latency(report, &hist, cases[i].names);
        report_aim(report, (struct report_aim){.what = cases[i].names[2],
                                               .value = report_value(report, cases[i].names[2]),
                                               .floor = floor_us(&house) / 1000,
                                               .at_most = AIM_MS});
    }
    if (is_open)
        report_floor(report, "one_pass_ms", floor_us(&house) / 1000);
    house_close(&house);
    return is_open;
}
