/* Benches and runs of a plan; what they are stands in best_rows.h. */
#include "tickets/best_rows.h"

#include <math.h>
#include <stdlib.h>

#define AISLE_FACTOR  1.75f /* neighbours that are so many usual distances apart are none */
#define FACING_SHARE  0.6   /* from here on all rows face one way */
#define SORTED_SHARES 0.99f /* a row is walked in another order only if that is shorter */

struct point {
    double x, y;
};

/* --- The focal point --- */

static struct point middle(const struct layout_seat *seats, uint32_t count)
{
    struct point sum = {0, 0};
    for (uint32_t i = 0; i < count; i++) {
        sum.x += (double)seats[i].x;
        sum.y += (double)seats[i].y;
    }
    return (struct point){sum.x / count, sum.y / count};
}

/* How many seats from here on have the first one's row. */
static uint32_t row_length(const struct layout_seat *seats, uint32_t count)
{
    uint32_t length = 1;
    while (length < count && seats[length].section_no == seats[0].section_no &&
           str_eq(seats[length].row, seats[0].row))
        length++;
    return length;
}

static struct point last_row_middle(const struct layout_seat *seats, uint32_t count)
{
    uint32_t first = count - 1;
    while (first > 0 && str_eq(seats[first - 1].row, seats[count - 1].row))
        first--;
    return middle(&seats[first], count - first);
}

/* The point in front of all seats, which lie in that direction from it. */
static struct point front(const struct layout *layout, struct point facing)
{
    struct point all = middle(layout->seats, layout->seat_count);
    double far = 0;
    for (uint32_t i = 0; i < layout->seat_count; i++) {
        double ahead = ((double)layout->seats[i].x - all.x) * facing.x +
                       ((double)layout->seats[i].y - all.y) * facing.y;
        if (ahead > far)
            far = ahead;
    }
    return (struct point){all.x + facing.x * far, all.y + facing.y * far};
}

struct layout_focus best_rows_focus(const struct layout *layout)
{
    struct point facing = {0, 0}, firsts = {0, 0};
    double weight = 0, facing_weight = 0;
    for (uint32_t i = 0; i < layout->section_count; i++) {
        uint32_t count = layout->sections[i].seat_count;
        const struct layout_seat *seats = &layout->seats[layout->sections[i].seat_first];
        if (count == 0)
            continue;
        struct point first = middle(seats, row_length(seats, count));
        struct point last = last_row_middle(seats, count);
        double length = hypot(first.x - last.x, first.y - last.y);
        firsts.x += first.x * count;
        firsts.y += first.y * count;
        weight += count;
        if (!(length > 0))
            continue;
        facing.x += (first.x - last.x) / length * count;
        facing.y += (first.y - last.y) / length * count;
        facing_weight += count;
    }
    double share = facing_weight > 0 ? hypot(facing.x, facing.y) / facing_weight : 0;
    struct point focus = {(double)layout->width / 2, (double)layout->height / 2};
    if (share >= FACING_SHARE) {
        double length = hypot(facing.x, facing.y);
        focus = front(layout, (struct point){facing.x / length, facing.y / length});
    } else if (weight > 0) {
        focus = (struct point){firsts.x / weight, firsts.y / weight};
    }
    return (struct layout_focus){(float)focus.x, (float)focus.y, true};
}

/* --- Benches --- */

static float apart(const struct layout_seat *a, const struct layout_seat *b)
{
    return hypotf(a->x - b->x, a->y - b->y);
}

static float path_length(const struct layout *layout, const uint32_t *seat_nos, uint32_t count)
{
    float length = 0;
    for (uint32_t i = 1; i < count; i++)
        length += apart(&layout->seats[seat_nos[i - 1]], &layout->seats[seat_nos[i]]);
    return length;
}

struct keyed {
    float key;
    uint32_t no;
};

static int compare_keyed(const void *a, const void *b)
{
    const struct keyed *first = a, *second = b;
    if (first->key != second->key)
        return first->key < second->key ? -1 : 1;
    return first->no < second->no ? -1 : first->no > second->no;
}

/* Along the line from the seat that is farthest from the first one to the other end. */
static void sort_along(const struct layout *layout, const uint32_t *seat_nos, uint32_t count,
                       struct keyed *scratch)
{
    const struct layout_seat *seats = layout->seats, *start = &seats[seat_nos[0]], *end = start;
    for (uint32_t i = 0; i < count; i++)
        if (apart(&seats[seat_nos[i]], start) > apart(end, start))
            end = &seats[seat_nos[i]];
    float dx = end->x - start->x, dy = end->y - start->y;
    for (uint32_t i = 0; i < count; i++) {
        const struct layout_seat *seat = &seats[seat_nos[i]];
        scratch[i] =
            (struct keyed){(seat->x - start->x) * dx + (seat->y - start->y) * dy, seat_nos[i]};
    }
    qsort(scratch, count, sizeof(*scratch), compare_keyed);
}

/* Plans list a row mostly as one walks it, but some list its odd numbers first. The shorter walk is
 * the true one. */
static void order_row(const struct layout *layout, uint32_t *seat_nos, uint32_t count,
                      struct keyed *scratch)
{
    if (count < 3)
        return;
    float as_listed = path_length(layout, seat_nos, count);
    sort_along(layout, seat_nos, count, scratch);
    float sorted = 0;
    for (uint32_t i = 1; i < count; i++)
        sorted += apart(&layout->seats[scratch[i - 1].no], &layout->seats[scratch[i].no]);
    for (uint32_t i = 0; i < count && sorted < as_listed * SORTED_SHARES; i++)
        seat_nos[i] = scratch[i].no;
}

/* The usual distance between neighbours: the median. */
static float usual_distance(const struct layout *layout, const uint32_t *seat_nos, uint32_t count,
                            struct keyed *scratch)
{
    for (uint32_t i = 1; i < count; i++)
        scratch[i - 1] =
            (struct keyed){apart(&layout->seats[seat_nos[i - 1]], &layout->seats[seat_nos[i]]), i};
    qsort(scratch, count - 1, sizeof(*scratch), compare_keyed);
    return scratch[(count - 1) / 2].key;
}

static void cut_row(const struct layout *layout, struct best_rows *rows, uint32_t first,
                    uint32_t count, struct keyed *scratch)
{
    const uint32_t *seat_nos = &rows->seat_nos[first];
    rows->flags[first] |= BEST_BENCH_START;
    if (count < 3) /* two seats of a row: nothing to compare their distance with */
        return;
    float usual = usual_distance(layout, seat_nos, count, scratch);
    for (uint32_t i = 1; i < count; i++) {
        float gap = apart(&layout->seats[seat_nos[i - 1]], &layout->seats[seat_nos[i]]);
        if (usual > 0 && gap > usual * AISLE_FACTOR)
            rows->flags[first + i] |= BEST_BENCH_START;
    }
}

static void make_benches(const struct layout *layout, struct best_rows *rows, struct keyed *scratch)
{
    for (uint32_t i = 0; i < layout->seat_count; i++)
        rows->seat_nos[i] = i;
    for (uint32_t first = 0; first < layout->seat_count;) {
        uint32_t count = row_length(&layout->seats[first], layout->seat_count - first);
        order_row(layout, &rows->seat_nos[first], count, scratch);
        cut_row(layout, rows, first, count, scratch);
        first += count;
    }
}

/* --- Runs --- */

static bool is_run_start(const struct layout *layout, const struct best_rows *rows, uint32_t place)
{
    return (rows->flags[place] & BEST_BENCH_START) ||
           layout->seat_categories[rows->seat_nos[place]] !=
               layout->seat_categories[rows->seat_nos[place - 1]];
}

static void make_runs(const struct layout *layout, struct best_rows *rows, struct best_run *runs)
{
    uint32_t count = 0;
    for (uint32_t place = 0; place < rows->place_count; place++) {
        const struct layout_seat *seat = &layout->seats[rows->seat_nos[place]];
        if (is_run_start(layout, rows, place))
            runs[count++] = (struct best_run){
                .first = place, .section_no = seat->section_no, .category_no = seat->category_no};
        struct best_run *run = &runs[count - 1];
        run->distance += (rows->distances[place] - run->distance) / (float)++run->count;
    }
    rows->run_count = count;
}

static void sort_runs(struct best_rows *rows, const struct best_run *runs, struct keyed *scratch)
{
    for (uint32_t i = 0; i < rows->run_count; i++)
        scratch[i] = (struct keyed){runs[i].distance, i};
    qsort(scratch, rows->run_count, sizeof(*scratch), compare_keyed);
    for (uint32_t i = 0; i < rows->run_count; i++) {
        const struct best_run *run = &runs[scratch[i].no];
        rows->runs[i] = *run;
        for (uint32_t k = 0; k < run->count; k++)
            rows->run_nos[run->first + k] = i;
    }
}

static void group_runs(const struct layout *layout, struct best_rows *rows)
{
    uint32_t next = 0;
    for (uint32_t category = 0; category < layout->category_count; category++) {
        rows->category_first[category] = next;
        for (uint32_t i = 0; i < rows->run_count; i++) {
            if (rows->runs[i].category_no != category)
                continue;
            rows->category_runs[next++] = i;
            rows->category_seats[category] += rows->runs[i].count;
        }
    }
    rows->category_first[layout->category_count] = next;
}

static void measure(const struct layout *layout, struct best_rows *rows)
{
    struct layout_focus plan = layout->focus.is_given ? layout->focus : best_rows_focus(layout);
    for (uint32_t i = 0; i < layout->category_count; i++)
        rows->focuses[i] =
            layout->categories[i].focus.is_given ? layout->categories[i].focus : plan;
    for (uint32_t place = 0; place < rows->place_count; place++) {
        uint32_t seat_no = rows->seat_nos[place];
        const struct layout_seat *seat = &layout->seats[seat_no];
        const struct layout_focus *focus = &rows->focuses[seat->category_no];
        rows->places[seat_no] = place;
        rows->distances[place] = hypotf(seat->x - focus->x, seat->y - focus->y);
        if (seat->is_accessible)
            rows->flags[place] |= BEST_ACCESSIBLE;
    }
}

static bool make_arrays(struct layout *layout, struct best_rows *rows)
{
    struct arena *arena = &layout->arena;
    size_t seats = (size_t)layout->seat_count + 1;
    size_t categories = (size_t)layout->category_count + 1;
    rows->place_count = layout->seat_count;
    rows->seat_nos = ARENA_ARRAY(arena, uint32_t, seats);
    rows->places = ARENA_ARRAY(arena, uint32_t, seats);
    rows->run_nos = ARENA_ARRAY(arena, uint32_t, seats);
    rows->distances = ARENA_ARRAY(arena, float, seats);
    rows->flags = ARENA_ARRAY(arena, uint8_t, seats);
    rows->category_first = ARENA_ARRAY(arena, uint32_t, categories);
    rows->category_seats = ARENA_ARRAY(arena, uint32_t, categories);
    rows->focuses = ARENA_ARRAY(arena, struct layout_focus, categories);
    return !arena->overflow;
}

enum err best_rows_make(struct layout *layout, struct best_rows **ret_rows)
{
    struct best_rows *rows = ARENA_NEW(&layout->arena, struct best_rows);
    if (!rows || !make_arrays(layout, rows))
        return ERR_NOMEM;
    struct keyed *scratch = calloc((size_t)rows->place_count + 1, sizeof(*scratch));
    struct best_run *runs = calloc((size_t)rows->place_count + 1, sizeof(*runs));
    enum err err = scratch && runs ? ERR_OK : ERR_NOMEM;
    if (!err) {
        make_benches(layout, rows, scratch);
        measure(layout, rows);
        make_runs(layout, rows, runs);
        rows->runs = ARENA_ARRAY(&layout->arena, struct best_run, rows->run_count + 1);
        rows->category_runs = ARENA_ARRAY(&layout->arena, uint32_t, rows->run_count + 1);
        err = rows->runs && rows->category_runs ? ERR_OK : ERR_NOMEM;
    }
    if (!err) {
        sort_runs(rows, runs, scratch);
        group_runs(layout, rows);
        *ret_rows = rows;
    }
    free(scratch);
    free(runs);
    return err;
}
