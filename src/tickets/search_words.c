/*
 * Words: up to four lists of the word index, one grade after the other, each in order of date.
 *
 * Each list costs a question to the index, so as few are asked as will do. When the names alone
 * don't fill the first page, everything that has the words anywhere is listed once; mostly that is
 * all there is, and then the grades follow from it: there is no other grade to ask for when nothing
 * was found, and what is neither in a name nor in a title is of the grade below.
 *
 * The last grade, beginnings of words, is asked of the index of titles, which can't say which
 * events have the words themselves in their descriptions and so belong to a better grade. When those
 * are few, as they are for nearly everything that is typed in part, they are taken out here; asking
 * the other index about every single row is left to the case that they are many.
 */
#include "tickets/search_query_internal.h"

#define WHOLE_MAX 100 /* events that have the words anywhere, when they are listed at once */

struct search_grading {
    struct search_range range;
    struct search_terms terms;
};

static enum err match_grade(struct db *db, const struct search_grading *grading,
                            enum search_grade grade, bool is_checked, size_t limit,
                            struct arena *arena, struct search_hit *ret_hits, size_t *ret_count)
{
    struct buf *expression = buf_new_in(arena, SEARCH_EXPRESSION_MAX);
    struct buf *unless = buf_new_in(arena, SEARCH_EXPRESSION_MAX);
    *ret_count = 0;
    if (!expression || !unless)
        return ERR_NOMEM;
    if (!search_expression(&grading->terms, grade, expression))
        return ERR_OK;
    if (is_checked)
        search_expression_whole(&grading->terms, false, unless);
    const struct search_match match = {.is_title = grade != GRADE_TEXT,
                                       .expression = buf_str(expression),
                                       .unless = buf_str(unless)};
    struct search_range range = grading->range;
    range.limit = limit;
    return search_match(db, &match, &range, arena, ret_hits, ret_count);
}

/* Events that have all words anywhere, by key. */
struct whole {
    bool is_known;
    bool is_all; /* not only the first */
    size_t count;
    struct search_hit *hits; /* WHOLE_MAX; with summaries */
};

static enum err list_whole(struct db *db, const struct search_grading *grading, struct arena *arena,
                           struct whole *whole)
{
    struct buf *expression = buf_new_in(arena, SEARCH_EXPRESSION_MAX);
    whole->hits = ARENA_ARRAY(arena, struct search_hit, WHOLE_MAX);
    if (!expression || !whole->hits)
        return ERR_NOMEM;
    search_expression_whole(&grading->terms, true, expression);
    const struct search_match match = {.expression = buf_str(expression)};
    struct search_range range = grading->range;
    range.limit = WHOLE_MAX;
    whole->is_known = true;
    enum err err = search_match(db, &match, &range, arena, whole->hits, &whole->count);
    whole->is_all = whole->count < WHOLE_MAX;
    return err;
}

/* What is in hits and not in others; both by key. Returns how many are left, at most max. */
static size_t take_out(struct search_hit *hits, size_t count, const struct search_hit *others,
                       size_t other_count, size_t max)
{
    size_t kept = 0, at = 0;
    for (size_t i = 0; i < count && kept < max; i++) {
        while (at < other_count && others[at].key < hits[i].key)
            at++;
        if (at == other_count || others[at].key != hits[i].key)
            hits[kept++] = hits[i];
    }
    return kept;
}

static enum err run_prefix(struct db *db, const struct search_grading *grading,
                           const struct whole *whole, struct arena *arena,
                           struct search_hit *ret_hits, size_t *ret_count)
{
    size_t limit = grading->range.limit, count;
    struct search_hit *hits = ARENA_ARRAY(arena, struct search_hit, limit + WHOLE_MAX);
    if (!hits)
        return ERR_NOMEM;
    if (!whole->is_all)
        return match_grade(db, grading, GRADE_PREFIX, true, limit, arena, ret_hits, ret_count);
    enum err err =
        match_grade(db, grading, GRADE_PREFIX, false, limit + whole->count, arena, hits, &count);
    if (err)
        return err;
    *ret_count = take_out(hits, count, whole->hits, whole->count, limit);
    for (size_t i = 0; i < *ret_count; i++)
        ret_hits[i] = hits[i];
    return ERR_OK;
}

/* The hits of one grade behind grading->range.after_key. *whole is filled in once it is needed; it
 * is of the same range. */
static enum err run_grade(struct db *db, const struct search_grading *grading,
                          enum search_grade grade, struct whole *whole, struct arena *arena,
                          struct search_hit *ret_hits, size_t *ret_count)
{
    *ret_count = 0;
    enum err err = ERR_OK;
    bool is_wanted =
        grade == GRADE_PREFIX || (grade != GRADE_NAME && grading->range.after_key == 0);
    if (is_wanted && !whole->is_known)
        err = list_whole(db, grading, arena, whole);
    if (err)
        return err;
    if (grade == GRADE_PREFIX)
        return run_prefix(db, grading, whole, arena, ret_hits, ret_count);
    if (whole->is_known && whole->count == 0)
        return ERR_OK;
    return match_grade(db, grading, grade, false, grading->range.limit, arena, ret_hits, ret_count);
}

/* What is whole and not yet on the page, which has the names and titles: the grade of texts. */
static void add_texts(const struct whole *whole, size_t max, struct search_page *page)
{
    size_t better = page->count;
    for (size_t i = 0; i < whole->count && page->count < max; i++) {
        bool is_there = false;
        for (size_t k = 0; k < better && !is_there; k++)
            is_there = page->hits[k].key == whole->hits[i].key;
        if (!is_there) {
            page->hits[page->count] = whole->hits[i];
            page->hits[page->count++].position = GRADE_TEXT;
        }
    }
}

/* From the cursor's grade on until the page is full. */
enum err search_words_run(struct db *db, const struct search_query *query, struct arena *arena,
                          struct search_page *page)
{
    struct search_grading grading = {
        .terms = {query->words, query->city_key, query->category, STR_NONE}};
    struct whole whole = {.is_known = false};
    enum err err = ERR_OK;
    int first = query->has_cursor ? (int)query->cursor_position : GRADE_NAME;
    for (int grade = first; !err && grade < GRADES && page->count <= query->limit; grade++) {
        size_t count = 0;
        bool is_begun = query->has_cursor && grade == first;
        grading.range = search_range_of(query, query->limit + 1 - page->count);
        grading.range.after_key = is_begun ? query->cursor_key : 0;
        if (grade == GRADE_TEXT && !query->has_cursor && whole.is_all) {
            add_texts(&whole, query->limit + 1, page);
            continue;
        }
        err = run_grade(db, &grading, (enum search_grade)grade, &whole, arena,
                        page->hits + page->count, &count);
        for (size_t i = 0; !err && i < count; i++)
            page->hits[page->count + i].position = grade;
        page->count += err ? 0 : count;
        whole.is_known = whole.is_known && !is_begun; /* it was of what is behind the cursor */
    }
    return err;
}
