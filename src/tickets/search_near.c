/*
 * Answers by distance.
 *
 * A place alone: venues in the R*Tree's box, by exact distance, of each its events by date, until
 * the page is full; of a large radius the middle first.
 *
 * Words as well: what has the words within the squares of the map that the radius touches is listed
 * and measured, as long as it is at most CANDIDATES_MAX events. Where there is more the words are
 * common, so the venues are walked from the nearest on, asking the word index for each, and a page
 * is soon full. Only when the venues are very many compared with the events that match is the list
 * made longer first. Both ways find the same.
 *
 * The position of a cursor is the venue (a place alone) or the distance in millimetres.
 */
#include "tickets/search_query_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define CELLS_MAX       64
#define CANDIDATES_MAX  1000
#define CANDIDATES_LONG 20000
#define VENUES_FEW      400 /* are walked without a longer list */
#define LARGE_KM        30.0
#define LARGE_PART      8
#define MM_PER_KM       1e6

static int64_t distance_mm(double distance_km)
{
    return (int64_t)llround(distance_km * MM_PER_KM);
}

/* --- Venues --- */

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

/* --- A place alone --- */

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
        struct search_range range = search_range_of(query, query->limit + 1 - page->count);
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

/* The page from what lies within a part of the radius. */
static enum err run_within(struct db *db, const struct search_query *query, double radius_km,
                           struct arena *arena, struct search_page *page)
{
    struct search_query within = *query;
    within.radius_km = radius_km;
    struct places places = {.query = &within};
    page->count = 0;
    enum err err = find_places(db, &within, &places);
    if (!err)
        err = walk_places(db, &within, &places, arena, page);
    free(places.items);
    return err;
}

/* A page that is full from nearby is the page: what lies further away comes behind it. So a large
 * radius is tried in part first, for hundreds of venues need not be sorted to show fifty events. A
 * later page may begin anywhere. */
enum err search_near_run(struct db *db, const struct search_query *query, struct arena *arena,
                         struct search_page *page)
{
    bool is_large = !query->has_cursor && query->radius_km >= LARGE_KM;
    if (is_large) {
        enum err err = run_within(db, query, query->radius_km / LARGE_PART, arena, page);
        if (err || page->count > query->limit)
            return err;
    }
    return run_within(db, query, query->radius_km, arena, page);
}

/* --- Words as well --- */

static int compare_hits(const void *left, const void *right)
{
    const struct search_hit *a = left;
    const struct search_hit *b = right;
    if (a->position != b->position)
        return a->position < b->position ? -1 : 1;
    return (a->key > b->key) - (a->key < b->key);
}

static bool is_behind_cursor(const struct search_query *query, const struct search_hit *hit)
{
    return !query->has_cursor || hit->position > query->cursor_position ||
           (hit->position == query->cursor_position && hit->key > query->cursor_key);
}

/* One question to the word index: the words, or the last of them as a beginning. */
struct asking {
    const struct search_query *query;
    struct search_terms terms;
    bool is_prefix;
    struct arena *arena;
};

struct candidates {
    struct search_hit *hits;
    size_t count;
    bool is_whole; /* that is all there are */
};

/* At most range->limit, by date. */
static enum err list_candidates(struct db *db, const struct asking *asking,
                                const struct search_range *range, struct candidates *candidates)
{
    struct buf *expression = buf_new_in(asking->arena, SEARCH_EXPRESSION_MAX);
    *candidates = (struct candidates){
        .hits = ARENA_ARRAY(asking->arena, struct search_hit, range->limit), .is_whole = true};
    if (!expression || !candidates->hits)
        return ERR_NOMEM;
    if (!asking->is_prefix)
        search_expression_whole(&asking->terms, true, expression);
    else if (!search_expression(&asking->terms, GRADE_PREFIX, expression))
        return ERR_OK;
    const struct search_match match = {.is_title = asking->is_prefix,
                                       .expression = buf_str(expression)};
    enum err err = search_match(db, &match, range, NULL, candidates->hits, &candidates->count);
    candidates->is_whole = candidates->count < range->limit;
    return err;
}

/* The page from all candidates. *ret_has_any: one at least is within the radius, on any page. */
static void measure(const struct search_query *query, const struct candidates *candidates,
                    struct search_page *page, bool *ret_has_any)
{
    size_t kept = 0;
    *ret_has_any = false;
    for (size_t i = 0; i < candidates->count; i++) {
        struct search_hit hit = candidates->hits[i];
        hit.distance_km = geo_distance_km(query->near, hit.at);
        hit.position = distance_mm(hit.distance_km);
        if (hit.distance_km > query->radius_km)
            continue;
        *ret_has_any = true;
        if (is_behind_cursor(query, &hit))
            candidates->hits[kept++] = hit;
    }
    qsort(candidates->hits, kept, sizeof(candidates->hits[0]), compare_hits);
    page->count = kept < query->limit + 1 ? kept : query->limit + 1;
    for (size_t i = 0; i < page->count; i++)
        page->hits[i] = candidates->hits[i];
}

/* Appends one venue's events to the page, which is sorted from index `begin` on: venues at the same
 * distance share their place in the order. */
static enum err add_venue(struct db *db, const struct asking *asking,
                          const struct search_place *place, size_t begin, struct search_page *page)
{
    const struct search_query *query = asking->query;
    int64_t mm = distance_mm(place->distance_km);
    struct search_range range = search_range_of(query, query->limit + 1);
    char word[SEARCH_VENUE_WORD_SIZE];
    struct asking venue = *asking;
    struct candidates found;
    if (query->has_cursor && mm < query->cursor_position)
        return ERR_OK;
    if (query->has_cursor && mm == query->cursor_position)
        range.after_key = query->cursor_key;
    search_venue_word(place->venue_id, word);
    venue.terms.cells = str_from_c(word);
    enum err err = list_candidates(db, &venue, &range, &found);
    for (size_t i = 0; !err && i < found.count; i++) {
        found.hits[i].position = mm;
        found.hits[i].distance_km = place->distance_km;
        page->hits[page->count++] = found.hits[i];
    }
    qsort(page->hits + begin, page->count - begin, sizeof(page->hits[0]), compare_hits);
    if (page->count > query->limit + 1)
        page->count = query->limit + 1;
    return err;
}

static enum err walk_venues(struct db *db, const struct asking *asking, const struct places *places,
                            struct search_page *page)
{
    size_t begin = 0, max = asking->query->limit + 1;
    int64_t mm = -1;
    enum err err = ERR_OK;
    page->count = 0;
    for (size_t i = 0; !err && i < places->count; i++) {
        int64_t next_mm = distance_mm(places->items[i].distance_km);
        if (next_mm != mm && page->count == max)
            break; /* full, and what comes is further away */
        begin = next_mm != mm ? page->count : begin;
        mm = next_mm;
        err = add_venue(db, asking, &places->items[i], begin, page);
    }
    return err;
}

/* The page of one kind of match. *ret_has_any: there are such events within the radius. */
static enum err run_kind(struct db *db, const struct asking *asking, const struct places *places,
                         struct search_page *page, bool *ret_has_any)
{
    const struct search_query *query = asking->query;
    struct candidates candidates;
    struct search_range range = search_range_of(query, CANDIDATES_MAX);
    enum err err = list_candidates(db, asking, &range, &candidates);
    if (!err && !candidates.is_whole && places->count > VENUES_FEW) {
        range.limit = CANDIDATES_LONG;
        err = list_candidates(db, asking, &range, &candidates);
    }
    if (err)
        return err;
    measure(query, &candidates, page, ret_has_any);
    if (candidates.is_whole)
        return ERR_OK;
    err = walk_venues(db, asking, places, page);
    *ret_has_any = *ret_has_any || page->count > 0;
    return err;
}

/* Beginnings of words count only where no event within the radius has the words themselves: a page
 * must not depend on the one before. */
static enum err run_kinds(struct db *db, const struct search_query *query,
                          const struct places *places, struct arena *arena,
                          struct search_page *page)
{
    struct geo_box boxes[2];
    size_t box_count = geo_boxes(query->near, query->radius_km, boxes);
    struct buf *cells = buf_new_in(arena, SEARCH_EXPRESSION_MAX);
    bool has_any = false;
    if (!cells)
        return ERR_NOMEM;
    (void)geo_cells(boxes, box_count, CELLS_MAX, cells); /* too many: the distance alone decides */
    struct asking asking = {
        .query = query,
        .terms = {query->words, query->city_key, query->category, buf_str(cells)},
        .arena = arena};
    enum err err = run_kind(db, &asking, places, page, &has_any);
    if (err || has_any)
        return err;
    asking.is_prefix = true;
    return run_kind(db, &asking, places, page, &has_any);
}

enum err search_words_near_run(struct db *db, const struct search_query *query, struct arena *arena,
                               struct search_page *page)
{
    struct places places = {.query = query};
    enum err err = find_places(db, query, &places);
    if (!err && places.count > 0)
        err = run_kinds(db, query, &places, arena, page);
    free(places.items);
    return err;
}
