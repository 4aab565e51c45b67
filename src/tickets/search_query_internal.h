/* What the ways of answering a search share: search_query.c, search_words.c, search_near.c. */
#ifndef TICKETS_SEARCH_QUERY_INTERNAL_H
#define TICKETS_SEARCH_QUERY_INTERNAL_H

#include "tickets/search_query.h"

/* Room for expressions of SEARCH_WORDS_MAX words. */
#define SEARCH_EXPRESSION_MAX ((size_t)16 << 10)

/* Dates, city and category of the query, from its beginning. */
struct search_range search_range_of(const struct search_query *query, size_t limit);

/* search_words.c: by grade, then date. */
ERR_MUST_USE enum err search_words_run(struct db *db, const struct search_query *query,
                                       struct arena *arena, struct search_page *page);

/* search_near.c: by distance, with and without words. */
ERR_MUST_USE enum err search_near_run(struct db *db, const struct search_query *query,
                                      struct arena *arena, struct search_page *page);
ERR_MUST_USE enum err search_words_near_run(struct db *db, const struct search_query *query,
                                            struct arena *arena, struct search_page *page);

#endif
