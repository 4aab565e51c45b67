/*
 * Picking places; the rules stand in best.h.
 *
 * A search walks runs, nearest first, and takes the best window of the first run that has one. Who
 * picks or marks holds the model's asked_lock, so of two who ask at the same moment the second one
 * sees what the first one has marked. Seats change meanwhile, by commits, and marks end: a mark ends
 * after its seats show as taken, so a seat that looks open was so at the moment of the look.
 *
 * The writer may take a seat away from who only asks for it (BEST_ASKED), by marking it as given. Who
 * had asked finds out by the claims, and picks again. A mark is ended by compare-and-swap from what
 * its request has set, so nobody ends one that says more. A mark too few costs a second pick, never a
 * seat.
 */
#include "tickets/best.h"

#include "base/clock.h"
#include "tickets/best_rows.h"

#include <assert.h>
#include <math.h>

#define GONE_SHIFT 26 /* nanoseconds to ticks of 67 ms, of which 32 bits last for nine years */
#define GONE_TICKS ((uint32_t)(BEST_GONE_MS * 1000000LL >> GONE_SHIFT))

#define NEARER_SHARE 0.99999f

struct search {
    const struct event_model *model;
    const struct best_rows *rows;
    const struct best_ask *ask;
    struct best_marks *marks;
    size_t first_area;  /* of those marks: from here on they are this search's */
    enum best_mark bar; /* marks from this one on are in the way */
    bool is_trial;      /* only to see whether there is something: marks nobody sees */
    uint64_t group;     /* of the writer's transaction; 0: none */
    bool *has_passed;   /* set when something free was passed over because others ask for it */
    uint32_t now;       /* in ticks, for seats that are known to be gone */
    uint32_t longest;   /* a search in vain has seen no more open seats side by side */
};

/* Parties by their groups, in the order in which they are tried. */
static const char *const partitions[] = {
    "6",      "33",  "42",   "51", "222", "321", "411",  "2211",  "3111", "21111",
    "111111", "5",   "32",   "41", "221", "311", "2111", "11111", "4",    "22",
    "31",     "211", "1111", "3",  "21",  "111", "2",    "11",    "1"};

static uint32_t partition_sum(const char *parts)
{
    uint32_t sum = 0;
    for (; *parts; parts++)
        sum += (uint32_t)(*parts - '0');
    return sum;
}

/* --- Seats --- */

static uint32_t ticks_now(void)
{
    return (uint32_t)((uint64_t)clock_mono_ns() >> GONE_SHIFT);
}

static bool is_known_gone(const struct event_model *model, uint32_t seat_no, uint32_t now)
{
    if (!model->gone_until)
        return false;
    uint32_t until = atomic_load_explicit(&model->gone_until[seat_no], memory_order_relaxed);
    return until != 0 && (int32_t)(until - now) > 0;
}

/* In a trial: whether this party has it already. */
static bool is_tried(const struct search *search, uint32_t seat_no)
{
    for (size_t i = 0; search->is_trial && i < search->marks->seat_count; i++)
        if (search->marks->seat_nos[i] == seat_no)
            return true;
    return false;
}

/* Free, and no mark is in the way. Of a category that is for sale. */
static bool is_open(const struct search *search, uint32_t seat_no)
{
    const struct event_model *model = search->model;
    /* The mark first, then the seat: a mark ends after its seat shows as taken. The first look only
     * spares what is sold already the rest. */
    if (atomic_load_explicit(&model->seats[seat_no], memory_order_relaxed) != SEAT_FREE)
        return false;
    uint8_t mark = atomic_load(&model->asked_seats[seat_no]);
    if (mark >= search->bar) {
        *search->has_passed |= mark < BEST_GIVEN;
        return false;
    }
    return atomic_load_explicit(&model->seats[seat_no], memory_order_acquire) == SEAT_FREE &&
           !is_known_gone(model, seat_no, search->now) && !is_tried(search, seat_no);
}

static bool is_for_sale(const struct event_model *model, uint32_t seat_no)
{
    return model->prices[model->layout->seat_categories[seat_no]] != PRICE_NONE;
}

static bool is_open_place(const struct search *search, uint32_t place)
{
    uint32_t seat_no = search->rows->seat_nos[place];
    return is_for_sale(search->model, seat_no) && is_open(search, seat_no);
}

static bool has_before(const struct best_rows *rows, uint32_t place)
{
    return !(rows->flags[place] & BEST_BENCH_START);
}

static bool has_after(const struct best_rows *rows, uint32_t place)
{
    return place + 1 < rows->place_count && !(rows->flags[place + 1] & BEST_BENCH_START);
}

/* Whether seats of this category are so many that none may be left alone. */
static bool is_strict(const struct event_model *model, uint32_t category_no)
{
    int64_t open =
        atomic_load_explicit(&model->category_available[category_no], memory_order_relaxed);
    return open * 100 >
           (int64_t)model->layout->best->category_seats[category_no] * BEST_STRICT_PERCENT;
}

/* Whether the rule protects the seat at this place, which is beside one that is about to go. */
static bool is_protected(const struct search *search, uint32_t place)
{
    return is_open_place(search, place) && !(search->rows->flags[place] & BEST_ACCESSIBLE) &&
           is_strict(search->model,
                     search->model->layout->seat_categories[search->rows->seat_nos[place]]);
}

/* Whether somebody would sit between a window and what is taken, alone. */
static bool leaves_alone(const struct search *search, uint32_t first, uint32_t size)
{
    const struct best_rows *rows = search->rows;
    uint32_t last = first + size - 1;
    if (has_before(rows, first) && is_protected(search, first - 1) &&
        !(has_before(rows, first - 1) && is_open_place(search, first - 2)))
        return true;
    return has_after(rows, last) && is_protected(search, last + 1) &&
           !(has_after(rows, last + 1) && is_open_place(search, last + 2));
}

/* --- Windows --- */

struct group {
    uint32_t size, accessible;
    bool is_exact; /* not more places for wheelchairs than asked for */
};

struct window {
    uint32_t first;
    int odd_sides; /* beside it are so many open stretches that are no multiple of its size */
    float distance;
    bool is_there;
};

/* Sums of the same distances in another order are equal: then the first one has it. */
static bool is_nearer(const struct window *window, const struct window *than)
{
    return window->distance < than->distance * NEARER_SHARE;
}

static bool has_accessible(const struct search *search, uint32_t first, const struct group *group)
{
    uint32_t count = 0;
    if (group->accessible == 0)
        return true; /* the walk has passed over such places */
    for (uint32_t i = 0; i < group->size; i++)
        count += (search->rows->flags[first + i] & BEST_ACCESSIBLE) != 0;
    return group->is_exact ? count == group->accessible : count > group->accessible;
}

/* The best window of open places that lie side by side. Most parties are of two: who leaves multiples
 * of the own size on both sides lets as many of them follow, at the cost of less than that size from
 * the focal point. */
static struct window search_gap(const struct search *search, uint32_t gap, uint32_t length,
                                const struct group *group)
{
    struct window best = {0};
    assert(group->size > 0);
    for (uint32_t before = 0; before + group->size <= length; before++) {
        uint32_t after = length - before - group->size;
        struct window window = {.first = gap + before, .is_there = true};
        window.odd_sides = (before % group->size != 0) + (after % group->size != 0);
        for (uint32_t i = 0; i < group->size; i++)
            window.distance += search->rows->distances[window.first + i];
        if (best.is_there && (window.odd_sides > best.odd_sides ||
                              (window.odd_sides == best.odd_sides && !is_nearer(&window, &best))))
            continue;
        if (has_accessible(search, window.first, group) &&
            !leaves_alone(search, window.first, group->size))
            best = window;
    }
    return best;
}

static bool is_fit(const struct search *search, uint32_t place, const struct group *group)
{
    return (group->accessible > 0 || !(search->rows->flags[place] & BEST_ACCESSIBLE)) &&
           is_open(search, search->rows->seat_nos[place]);
}

/* The nearest of what the run's gaps have, if that is nearer than best. */
static void search_run(const struct search *search, const struct best_run *run,
                       const struct group *group, struct window *best, uint32_t *longest)
{
    uint32_t end = run->first + run->count;
    for (uint32_t place = run->first; place < end; place++) {
        uint32_t length = 0;
        while (place + length < end && is_fit(search, place + length, group))
            length++;
        if (length > *longest)
            *longest = length;
        if (length >= group->size) {
            struct window window = search_gap(search, place, length, group);
            if (window.is_there && (!best->is_there || is_nearer(&window, best)))
                *best = window;
        }
        place += length; /* what is there is not open */
    }
}

static bool is_asked_run(const struct search *search, const struct best_run *run)
{
    if (search->model->prices[run->category_no] == PRICE_NONE)
        return false;
    if (search->ask->has_section && run->section_no != search->ask->section_no)
        return false;
    return atomic_load_explicit(&search->model->section_available[run->section_no],
                                memory_order_relaxed) > 0;
}

/* The best window, or none. */
static struct window find_window(struct search *search, const struct group *group,
                                 uint32_t *longest)
{
    const struct best_rows *rows = search->rows;
    struct window best = {0};
    uint32_t i = 0, end = rows->run_count;
    if (search->ask->has_category) {
        i = rows->category_first[search->ask->category_no];
        end = rows->category_first[search->ask->category_no + 1];
    }
    for (; i < end && !best.is_there; i++) {
        const struct best_run *run =
            &rows->runs[search->ask->has_category ? rows->category_runs[i] : i];
        if (is_asked_run(search, run))
            search_run(search, run, group, &best, longest);
    }
    return best;
}

static struct window find_seats(struct search *search, const struct group *group)
{
    struct group exact = *group;
    uint32_t longest = 0;
    exact.is_exact = true;
    if (group->accessible == 0 && group->size > search->longest)
        return (struct window){0};
    struct window window = find_window(search, &exact, &longest);
    if (!window.is_there && group->accessible == 0)
        search->longest = longest;
    if (!window.is_there && group->accessible > 0) {
        exact.is_exact = false;
        window = find_window(search, &exact, &longest);
    }
    return window;
}

/* --- Marks --- */

/* Instead of a weaker mark of somebody else, or of none. */
static bool mark_seat(struct best_marks *marks, uint32_t seat_no, enum best_mark mark)
{
    _Atomic uint8_t *asked = &marks->model->asked_seats[seat_no];
    uint8_t other = atomic_load(asked);
    if (marks->seat_count == BEST_MARKS_MAX || other >= mark ||
        !atomic_compare_exchange_strong(asked, &other, (uint8_t)mark))
        return false;
    marks->seat_nos[marks->seat_count] = seat_no;
    marks->seat_marks[marks->seat_count++] = (uint8_t)mark;
    return true;
}

void best_release(struct best_marks *marks, size_t kept_seats, size_t kept_areas)
{
    while (marks->seat_count > kept_seats) {
        uint8_t mark = marks->seat_marks[--marks->seat_count];
        (void)atomic_compare_exchange_strong(
            &marks->model->asked_seats[marks->seat_nos[marks->seat_count]], &mark, 0);
    }
    while (marks->area_count > kept_areas) {
        const struct best_area *area = &marks->areas[--marks->area_count];
        atomic_fetch_sub(&marks->model->asked_areas[area->index], (int32_t)area->quantity);
    }
}

/* What a search has marked. */
static void unmark(const struct search *search, size_t kept_seats, size_t kept_areas)
{
    if (!search->is_trial) {
        best_release(search->marks, kept_seats, kept_areas);
        return;
    }
    search->marks->seat_count = kept_seats;
    search->marks->area_count = kept_areas;
}

static void mark_chosen(struct best_marks *marks, const struct booking *booking)
{
    for (size_t i = 0; i < booking->seat_count; i++)
        (void)mark_seat(marks, booking->seats[i].seat_no, BEST_ASKED); /* taken ones are others' */
}

void best_mark_seats(struct best_marks *marks, const struct booking *booking)
{
    pthread_mutex_lock(&marks->model->asked_lock);
    mark_chosen(marks, booking);
    pthread_mutex_unlock(&marks->model->asked_lock);
}

/* What the transaction has given of its areas; all zero when it is the first to ask. */
static int32_t *given_areas(struct event_model *model, uint64_t group)
{
    for (uint32_t i = 0; model->given_group != group && i < model->area_count; i++)
        model->given_areas[i] = 0;
    model->given_group = group;
    return model->given_areas;
}

void best_note_given(struct best_marks *marks, const struct booking *booking, uint64_t group)
{
    struct event_model *model = marks->model;
    int32_t *given = given_areas(model, group);
    for (size_t i = 0; i < booking->seat_count; i++)
        (void)mark_seat(marks, booking->seats[i].seat_no, BEST_GIVEN); /* unless it is already */
    for (size_t i = 0; i < booking->area_count; i++) {
        int index = event_model_area_index(model, booking->areas[i].area_no);
        if (index >= 0)
            given[index] += (int32_t)booking->areas[i].quantity;
    }
}

static void note_gone(struct event_model *model, uint32_t seat_no)
{
    uint32_t until = ticks_now() + GONE_TICKS;
    atomic_store_explicit(&model->gone_until[seat_no], until ? until : 1, memory_order_relaxed);
}

void best_note_claimed(struct event_model *model, uint32_t seat_no, uint8_t state)
{
    (void)state; /* held, sold or blocked: gone */
    note_gone(model, seat_no);
}

void best_note_gone(struct best_marks *marks, const struct booking *booking,
                    const struct hold_conflicts *conflicts, uint64_t group)
{
    struct event_model *model = marks->model;
    int32_t *given = given_areas(model, group);
    for (size_t i = 0; i < conflicts->seat_count; i++) {
        (void)mark_seat(marks, conflicts->seat_nos[i], BEST_GIVEN);
        if (model->gone_until)
            note_gone(model, conflicts->seat_nos[i]);
    }
    for (size_t i = 0; i < booking->area_count; i++) {
        int index = event_model_area_index(model, booking->areas[i].area_no);
        bool is_gone = false;
        for (size_t k = 0; k < conflicts->area_count; k++)
            is_gone |= conflicts->area_nos[k] == booking->areas[i].area_no;
        if (!is_gone || index < 0)
            continue;
        /* So many are not there, whatever the model says. */
        int32_t least =
            atomic_load(&model->area_available[index]) - (int32_t)booking->areas[i].quantity + 1;
        if (given[index] < least)
            given[index] = least;
    }
}

/* False, and nothing marked, when a commit has just taken one of its seats. */
static bool mark_window(const struct search *search, const struct window *window, uint32_t size)
{
    struct best_marks *marks = search->marks;
    size_t before = marks->seat_count;
    for (uint32_t i = 0; i < size; i++) {
        uint32_t seat_no = search->rows->seat_nos[window->first + i];
        if (search->is_trial) {
            marks->seat_nos[marks->seat_count++] = seat_no;
            continue;
        }
        if (mark_seat(marks, seat_no, search->bar) &&
            atomic_load_explicit(&search->model->seats[seat_no], memory_order_acquire) == SEAT_FREE)
            continue;
        unmark(search, before, marks->area_count);
        return false;
    }
    return true;
}

/* --- Areas --- */

static float area_distance(const struct search *search, const struct model_area *area)
{
    const struct layout *layout = search->model->layout;
    if (area->area_no >= layout->area_count)
        return INFINITY; /* added to the event: nobody has said where it lies */
    const struct layout_area *drawn = &layout->areas[area->area_no];
    const struct layout_focus *focus = &search->rows->focuses[area->category_no];
    return hypotf(drawn->x + drawn->width / 2 - focus->x, drawn->y + drawn->height / 2 - focus->y);
}

static int32_t area_open(const struct search *search, uint32_t index)
{
    const struct event_model *model = search->model;
    const struct best_marks *marks = search->marks;
    int32_t available = atomic_load(&model->area_available[index]);
    if (search->group > 0 && search->group == model->given_group)
        available -= model->given_areas[index];
    int32_t open = available - atomic_load(&model->asked_areas[index]);
    if (search->bar == BEST_ASKED) {
        *search->has_passed |= open < available;
        return open;
    }
    for (size_t i = search->first_area; i < marks->area_count; i++)
        if (marks->areas[i].index == index)
            available -= (int32_t)marks->areas[i].quantity;
    return available;
}

static bool is_asked_area(const struct search *search, const struct model_area *area)
{
    const struct best_ask *ask = search->ask;
    return search->model->prices[area->category_no] != PRICE_NONE && ask->accessible == 0 &&
           (!ask->has_category || area->category_no == ask->category_no) &&
           (!ask->has_section || area->section_no == ask->section_no);
}

/* Index of the nearest area with so many places, or -1. */
static int find_area(struct search *search, uint32_t size)
{
    int best = -1;
    for (uint32_t i = 0; i < search->model->area_count; i++) {
        const struct model_area *area = &search->model->areas[i];
        if (!is_asked_area(search, area) || area_open(search, i) < (int32_t)size)
            continue;
        if (best < 0 ||
            area_distance(search, area) < area_distance(search, &search->model->areas[best]))
            best = (int)i;
    }
    return best;
}

static bool mark_area(const struct search *search, uint32_t index, uint32_t quantity)
{
    struct best_marks *marks = search->marks;
    if (marks->area_count == BEST_MARKS_MAX)
        return false;
    if (!search->is_trial)
        atomic_fetch_add(&marks->model->asked_areas[index], (int32_t)quantity);
    marks->areas[marks->area_count++] = (struct best_area){index, quantity};
    if (area_open(search, index) >= 0)
        return true;
    unmark(search, marks->seat_count, marks->area_count - 1);
    return false;
}

/* --- Parties --- */

/* One group of a party, found and marked. */
static bool take_group(struct search *search, const struct group *group)
{
    for (int tries = 0; tries < BEST_TRIES_MAX; tries++) {
        struct window window = find_seats(search, group);
        int area = window.is_there ? -1 : find_area(search, group->size);
        if (!window.is_there && area < 0)
            return false;
        if (window.is_there ? mark_window(search, &window, group->size)
                            : mark_area(search, (uint32_t)area, group->size))
            return true;
    }
    return false;
}

/* Which group gets the places for wheelchairs: the first that has room for as many companions. */
static bool is_wheelchairs_group(const struct best_ask *ask, uint32_t sum, uint32_t size)
{
    uint32_t wanted = 2 * ask->accessible;
    return size >= (wanted < sum ? wanted : sum);
}

static bool take_party(struct search *search, const char *parts)
{
    const struct best_marks *marks = search->marks;
    size_t seats = marks->seat_count, areas = marks->area_count;
    uint32_t sum = partition_sum(parts);
    uint32_t accessible = search->ask->accessible < sum ? search->ask->accessible : sum;
    uint32_t longest = search->longest;
    for (; *parts; parts++) {
        struct group group = {.size = (uint32_t)(*parts - '0')};
        if (accessible > 0 && is_wheelchairs_group(search->ask, sum, group.size)) {
            group.accessible = accessible;
            accessible = 0;
        }
        if (!take_group(search, &group))
            break;
    }
    if (!*parts && accessible == 0)
        return true;
    if (marks->seat_count > seats || marks->area_count > areas)
        search->longest = longest; /* the party's own marks were in the way */
    unmark(search, seats, areas);
    return false;
}

static bool take_count(struct search *search, uint32_t count)
{
    for (size_t i = 0; i < sizeof(partitions) / sizeof(partitions[0]); i++) {
        bool is_whole = partitions[i][1] == '\0';
        if (partition_sum(partitions[i]) != count || (!is_whole && !search->ask->may_split))
            continue;
        if (take_party(search, partitions[i]))
            return true;
    }
    return false;
}

static struct search search_of(struct event_model *model, const struct best_ask *ask,
                               struct best_marks *marks, bool *has_passed)
{
    *has_passed = false;
    return (struct search){.model = model,
                           .rows = model->layout->best,
                           .ask = ask,
                           .marks = marks,
                           .first_area = marks ? marks->area_count : 0,
                           .bar = BEST_ASKED,
                           .has_passed = has_passed,
                           .now = ticks_now(),
                           .longest = UINT32_MAX};
}

/* The lock is held. ERR_CONFLICT: with largest_group. */
static enum err pick(struct search *search, struct best_places *ret_places)
{
    const struct best_marks *marks = search->marks;
    size_t seats = marks->seat_count, areas = marks->area_count;
    *ret_places = (struct best_places){0};
    bool is_there = take_count(search, search->ask->count);
    for (uint32_t count = search->ask->count - 1;
         !is_there && count > 0 && !ret_places->largest_group; count--)
        if (take_count(search, count))
            ret_places->largest_group = count;
    if (!is_there) {
        unmark(search, seats, areas);
        return ERR_CONFLICT;
    }
    for (size_t i = seats; i < marks->seat_count; i++)
        ret_places->seat_nos[ret_places->seat_count++] = marks->seat_nos[i];
    for (size_t i = areas; i < marks->area_count; i++)
        ret_places->areas[ret_places->area_count++] = marks->areas[i];
    return ERR_OK;
}

/* Whether there would be something if nobody else asked. The lock is held. */
static bool would_be_there(struct event_model *model, const struct best_ask *ask)
{
    struct best_marks marks = {.model = model};
    bool has_passed;
    struct search search = search_of(model, ask, &marks, &has_passed);
    search.bar = BEST_GIVEN;
    search.is_trial = true;
    return take_count(&search, ask->count);
}

enum err best_pick(const struct best_ask *ask, struct best_marks *marks,
                   struct best_places *ret_places)
{
    bool has_passed;
    assert(ask->count >= 1 && ask->count <= BOOKING_PLACES_MAX);
    pthread_mutex_lock(&marks->model->asked_lock);
    struct search search = search_of(marks->model, ask, marks, &has_passed);
    enum err err = pick(&search, ret_places);
    if (err && has_passed && would_be_there(marks->model, ask))
        err = ERR_AGAIN;
    pthread_mutex_unlock(&marks->model->asked_lock);
    return err;
}

enum err best_pick_now(const struct best_ask *ask, struct best_marks *marks, uint64_t group,
                       struct best_places *ret_places)
{
    bool has_passed;
    assert(ask->count >= 1 && ask->count <= BOOKING_PLACES_MAX);
    pthread_mutex_lock(&marks->model->asked_lock);
    struct search search = search_of(marks->model, ask, marks, &has_passed);
    search.group = group;
    enum err err = pick(&search, ret_places);
    if (err && has_passed) {
        search.bar = BEST_GIVEN;
        search.longest = UINT32_MAX;
        err = pick(&search, ret_places);
    }
    pthread_mutex_unlock(&marks->model->asked_lock);
    return err;
}

/* --- Chosen seats --- */

static bool is_chosen(const struct booking *booking, uint32_t seat_no)
{
    for (size_t i = 0; i < booking->seat_count; i++)
        if (booking->seats[i].seat_no == seat_no)
            return true;
    return false;
}

static bool stays_open(const struct search *search, const struct booking *booking, uint32_t place)
{
    return is_open_place(search, place) && !is_chosen(booking, search->rows->seat_nos[place]);
}

static bool is_alone(const struct search *search, const struct booking *booking, uint32_t place)
{
    const struct best_rows *rows = search->rows;
    return is_protected(search, place) && !is_chosen(booking, rows->seat_nos[place]) &&
           !(has_before(rows, place) && stays_open(search, booking, place - 1)) &&
           !(has_after(rows, place) && stays_open(search, booking, place + 1));
}

static size_t left_alone(struct event_model *model, const struct booking *booking,
                         uint32_t ret_seat_nos[static 2 * BOOKING_PLACES_MAX])
{
    bool has_passed;
    const struct search search = search_of(model, NULL, NULL, &has_passed);
    size_t count = 0;
    for (size_t i = 0; i < booking->seat_count; i++) {
        uint32_t place = search.rows->places[booking->seats[i].seat_no];
        bool is_first = !has_before(search.rows, place);
        if (!is_first && is_alone(&search, booking, place - 1) &&
            (count == 0 || ret_seat_nos[count - 1] != search.rows->seat_nos[place - 1]))
            ret_seat_nos[count++] = search.rows->seat_nos[place - 1];
        if (has_after(search.rows, place) && is_alone(&search, booking, place + 1))
            ret_seat_nos[count++] = search.rows->seat_nos[place + 1];
    }
    return count;
}

size_t best_left_alone(struct event_model *model, const struct booking *booking,
                       uint32_t ret_seat_nos[static 2 * BOOKING_PLACES_MAX])
{
    pthread_mutex_lock(&model->asked_lock);
    size_t count = left_alone(model, booking, ret_seat_nos);
    pthread_mutex_unlock(&model->asked_lock);
    return count;
}

size_t best_mark_strictly(struct best_marks *marks, const struct booking *booking,
                          uint32_t ret_seat_nos[static 2 * BOOKING_PLACES_MAX])
{
    pthread_mutex_lock(&marks->model->asked_lock);
    size_t count = left_alone(marks->model, booking, ret_seat_nos);
    if (count == 0)
        mark_chosen(marks, booking);
    pthread_mutex_unlock(&marks->model->asked_lock);
    return count;
}
