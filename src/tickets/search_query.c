/*
 * Answering a search: four ways, each a bounded number of range reads.
 *
 *   nothing but filters   the next rows of an ordinary index
 *   words                 search_words.c
 *   place                 search_near.c
 *   words and place       search_near.c
 *
 * A page ends with a position and a key; the next one begins behind them, whatever was added or
 * removed meanwhile. The position is the grade, the venue or the distance in millimetres, as the
 * way has it.
 */
#include "tickets/search_query_internal.h"

struct search_range search_range_of(const struct search_query *query, size_t limit)
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
    struct search_range range = search_range_of(query, query->limit + 1);
    range.after_key = query->has_cursor ? query->cursor_key : 0;
    return search_list(db, &range, arena, page->hits, &page->count);
}

/* What was measured has no summaries yet; an event that has gone in between leaves the page. */
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
    /* Twice: two venues at the same distance are put in order in there. */
    struct search_page page = {.hits =
                                   ARENA_ARRAY(arena, struct search_hit, 2 * (query->limit + 1))};
    enum err err = ERR_OK;
    if (!page.hits)
        return ERR_NOMEM;
    if (query->has_words && query->words.count == 0)
        page.count = 0; /* only signs: nothing is like them */
    else if (query->has_words && query->has_near)
        err = search_words_near_run(db, query, arena, &page);
    else if (query->has_words)
        err = search_words_run(db, query, arena, &page);
    else if (query->has_near)
        err = search_near_run(db, query, arena, &page);
    else
        err = run_list(db, query, arena, &page);
    if (err)
        return err;
    cut_page(query, &page);
    if (query->has_words && query->has_near)
        err = fill_summaries(db, &page, arena);
    *ret_page = page;
    return err;
}
