/*
 * Answering a search: four ways, each a bounded number of range reads.
 *
 *   nothing but filters   the next rows of an ordinary index
 *   words                 up to four lists of the word index, one grade after the other
 *   place                 venues in the R*Tree's box, by exact distance; of each its events by date
 * until the page is full words and place       the first candidates of the words within the squares
 * of the map that the radius touches, by distance
 *
 * A page ends with a position and a key; the next one begins behind them, whatever was added or
 * removed meanwhile. The position is the grade, the venue or the distance in millimetres, as the
 * way has it.
 */
#include "tickets/search_query.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define CELLS_MAX            64
#define EXPRESSION_BYTES_MAX ((size_t)16 << 10)
#define MM_PER_KM            1e6

static struct search_range range_of(const struct search_query *query, size_t limit)
{
    return (struct search_range){.from_ms = query->from_ms,
                                 .to_ms = query->to_ms,
                                 .city_key = query->city_key,
                                 .category = query->category,
                                 .limit = limit};
}

/* One more than the page was asked for: it tells that there is more. */
static void cut_page(const struct search_query *query, struct search_page *page)
{
    page->has_more = page->count > query->limit;
    if (page->has_more)
        page->count = query->limit;
}

static enum err run_list(struct db *db, const struct search_query *query, struct arena *arena,
                         struct search_page *page)
{
    struct search_range range = range_of(query, query->limit + 1);
    range.after_key = query->has_cursor ? query->cursor_key : 0;
    return search_list(db, &range, arena, page->hits, &page->count);
}

/* --- Words --- */

struct grading {
    const struct search_query *query;
    struct search_terms terms;
    size_t max; /* hits wanted */
    struct search_page *page;
};

/* The hits of one grade behind after_key, appended to the page. */
static enum err run_grade(struct db *db, const struct grading *grading, enum search_grade grade,
                          int64_t after_key, struct arena *arena)
{
    struct search_page *page = grading->page;
    struct search_range range = range_of(grading->query, grading->max - page->count);
    struct buf *expression = buf_new_in(arena, EXPRESSION_BYTES_MAX);
    struct buf *unless = buf_new_in(arena, EXPRESSION_BYTES_MAX);
    size_t count = 0;
    if (!expression || !unless)
        return ERR_NOMEM;
    range.after_key = after_key;
    if (!search_expression(&grading->terms, grade, expression))
        return ERR_OK;
    if (grade == GRADE_PREFIX)
        search_expression_all(&grading->terms, unless);
    struct search_match match = {.is_title = grade != GRADE_TEXT,
                                 .expression = buf_str(expression),
                                 .unless = buf_str(unless)};
    enum err err = search_match(db, &match, &range, page->hits + page->count, &count);
    for (size_t i = 0; !err && i < count; i++)
        page->hits[page->count + i].position = grade;
    page->count += err ? 0 : count;
    return err;
}

/* From the cursor's grade on until the page is full. */
static enum err run_words(struct db *db, const struct search_query *query, struct arena *arena,
                          struct search_page *page)
{
    const struct grading grading = {
        .query = query,
        .terms = {query->words, query->city_key, query->category, STR_NONE},
        .max = query->limit + 1,
        .page = page};
    enum err err = ERR_OK;
    for (int grade = GRADE_NAME; !err && grade < GRADES && page->count < grading.max; grade++) {
        bool is_done = query->has_cursor && grade < query->cursor_position;
        bool is_begun = query->has_cursor && grade == query->cursor_position;
        if (!is_done)
            err = run_grade(db, &grading, (enum search_grade)grade,
                            is_begun ? query->cursor_key : 0, arena);
    }
    return err;
}

/* --- Distance --- */

static int64_t distance_mm(double distance_km)
{
    return (int64_t)llround(distance_km * MM_PER_KM);
}

static int compare_hits(const void *left, const void *right)
{
    const struct search_hit *a = left;
    const struct search_hit *b = right;
    if (a->position != b->position)
        return a->position < b->position ? -1 : 1;
    return (a->key > b->key) - (a->key < b->key);
}

/* Keeps what is within the radius and behind the cursor. */
static void measure(const struct search_query *query, struct search_page *page)
{
    size_t kept = 0;
    for (size_t i = 0; i < page->count; i++) {
        struct search_hit hit = page->hits[i];
        hit.distance_km = geo_distance_km(query->near, hit.at);
        hit.position = distance_mm(hit.distance_km);
        bool is_behind = !query->has_cursor || hit.position > query->cursor_position ||
                         (hit.position == query->cursor_position && hit.key > query->cursor_key);
        if (hit.distance_km <= query->radius_km && is_behind)
            page->hits[kept++] = hit;
    }
    page->count = kept;
    qsort(page->hits, page->count, sizeof(page->hits[0]), compare_hits);
}

/* Beginnings of words count only where no event has the words themselves: a page must not depend on
 * the one before. */
static enum err find_candidates(struct db *db, const struct grading *grading, struct arena *arena)
{
    struct search_page *page = grading->page;
    enum err err = ERR_OK;
    for (int grade = GRADE_NAME; !err && grade < GRADES && page->count < grading->max; grade++) {
        if (grade != GRADE_PREFIX || page->count == 0)
            err = run_grade(db, grading, (enum search_grade)grade, 0, arena);
    }
    return err;
}

static enum err run_words_near(struct db *db, const struct search_query *query, struct arena *arena,
                               struct search_page *page)
{
    struct geo_box boxes[2];
    size_t box_count = geo_boxes(query->near, query->radius_km, boxes);
    struct buf *cells = buf_new_in(arena, EXPRESSION_BYTES_MAX);
    if (!cells)
        return ERR_NOMEM;
    (void)geo_cells(boxes, box_count, CELLS_MAX, cells); /* too many: the distance alone decides */
    const struct grading grading = {
        .query = query,
        .terms = {query->words, query->city_key, query->category, buf_str(cells)},
        .max = SEARCH_CANDIDATES_MAX,
        .page = page};
    enum err err = find_candidates(db, &grading, arena);
    if (!err)
        measure(query, page);
    return err;
}

/* --- Place --- */

struct places {
    const struct search_query *query;
    struct search_place *items;
    size_t count, cap;
};

static enum err on_place(const struct search_place *place, void *ctx)
{
    struct places *places = ctx;
    double distance_km = geo_distance_km(places->query->near, place->at);
    if (distance_km > places->query->radius_km)
        return ERR_OK;
    if (places->count == places->cap) {
        size_t cap = places->cap ? places->cap * 2 : 256;
        if (cap > SEARCH_PLACES_MAX)
            return ERR_LIMIT;
        struct search_place *items = realloc(places->items, cap * sizeof(*items));
        if (!items)
            return ERR_NOMEM;
        places->items = items;
        places->cap = cap;
    }
    places->items[places->count] = *place;
    places->items[places->count++].distance_km = distance_km;
    return ERR_OK;
}

static int compare_places(const void *left, const void *right)
{
    const struct search_place *a = left;
    const struct search_place *b = right;
    int64_t a_mm = distance_mm(a->distance_km), b_mm = distance_mm(b->distance_km);
    if (a_mm != b_mm)
        return a_mm < b_mm ? -1 : 1;
    return (a->venue_id > b->venue_id) - (a->venue_id < b->venue_id);
}

static enum err find_places(struct db *db, const struct search_query *query, struct places *places)
{
    struct geo_box boxes[2];
    size_t box_count = geo_boxes(query->near, query->radius_km, boxes);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < box_count; i++)
        err = search_places(db, &boxes[i], query->city_key, on_place, places);
    if (!err && places->count > 0)
        qsort(places->items, places->count, sizeof(places->items[0]), compare_places);
    return err;
}

/* Index of the venue that the page before ended at; the beginning when it has no events any more.
 */
static size_t resume_at(const struct search_query *query, const struct places *places)
{
    for (size_t i = 0; query->has_cursor && i < places->count; i++) {
        if (places->items[i].venue_id == (uint64_t)query->cursor_position)
            return i;
    }
    return 0;
}

static enum err walk_places(struct db *db, const struct search_query *query,
                            const struct places *places, struct arena *arena,
                            struct search_page *page)
{
    enum err err = ERR_OK;
    for (size_t i = resume_at(query, places);
         !err && i < places->count && page->count <= query->limit; i++) {
        const struct search_place *place = &places->items[i];
        struct search_range range = range_of(query, query->limit + 1 - page->count);
        size_t count = 0;
        if (query->has_cursor && place->venue_id == (uint64_t)query->cursor_position)
            range.after_key = query->cursor_key;
        err =
            search_list_venue(db, place->venue_id, &range, arena, page->hits + page->count, &count);
        for (size_t k = 0; !err && k < count; k++) {
            page->hits[page->count + k].position = (int64_t)place->venue_id;
            page->hits[page->count + k].distance_km = place->distance_km;
        }
        page->count += err ? 0 : count;
    }
    return err;
}

static enum err run_near(struct db *db, const struct search_query *query, struct arena *arena,
                         struct search_page *page)
{
    struct places places = {.query = query};
    enum err err = find_places(db, query, &places);
    if (!err)
        err = walk_places(db, query, &places, arena, page);
    free(places.items);
    return err;
}

/* --- The way --- */

/* What the word index found has no summaries yet; an event that has gone in between leaves the
 * page. */
static enum err fill_summaries(struct db *db, struct search_page *page, struct arena *arena)
{
    enum err err = search_summaries(db, page->hits, page->count, arena);
    size_t kept = 0;
    for (size_t i = 0; i < page->count; i++) {
        if (page->hits[i].summary.len > 0)
            page->hits[kept++] = page->hits[i];
    }
    page->count = kept;
    return err;
}

enum err search_run(struct db *db, const struct search_query *query, struct arena *arena,
                    struct search_page *ret_page)
{
    size_t room = query->has_words && query->has_near ? SEARCH_CANDIDATES_MAX : query->limit + 1;
    struct search_page page = {.hits = ARENA_ARRAY(arena, struct search_hit, room)};
    enum err err = ERR_OK;
    if (!page.hits)
        return ERR_NOMEM;
    if (query->has_words && query->words.count == 0)
        page.count = 0; /* only signs: nothing is like them */
    else if (query->has_words && query->has_near)
        err = run_words_near(db, query, arena, &page);
    else if (query->has_words)
        err = run_words(db, query, arena, &page);
    else if (query->has_near)
        err = run_near(db, query, arena, &page);
    else
        err = run_list(db, query, arena, &page);
    if (err)
        return err;
    cut_page(query, &page);
    if (query->has_words)
        err = fill_summaries(db, &page, arena);
    *ret_page = page;
    return err;
}
