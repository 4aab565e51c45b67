/* What may be searched for, and how an answer comes about. No HTTP, no SQL. */
#ifndef TICKETS_SEARCH_QUERY_H
#define TICKETS_SEARCH_QUERY_H

#include "tickets/search_store.h"

struct search_query {
    struct search_words words;     /* none: by date or distance */
    bool has_words;                /* something was asked for, be it only signs */
    struct str city_key, category; /* empty: any */
    bool has_near;
    struct geo_point near;
    double radius_km;
    int64_t from_ms, to_ms; /* starts_at in [from_ms, to_ms) */
    size_t limit;
    bool has_cursor;
    int64_t cursor_position, cursor_key; /* of the last hit of the page before */
};

struct search_page {
    struct search_hit *hits; /* arena */
    size_t count;
    bool has_more; /* then the last hit's position and key are the next cursor */
};

/*
 * Order: without words and place by date; with words by grade (search_text.h), then date; with a
 * place by distance, then date, where beginnings of words count only when nothing within the radius
 * has the words themselves. ERR_LIMIT: more than SEARCH_PLACES_MAX venues to look at within the radius. A
 * reading connection of the search database.
 */
#define SEARCH_PLACES_MAX 100000
ERR_MUST_USE enum err search_run(struct db *db, const struct search_query *query,
                                 struct arena *arena, struct search_page *ret_page);

#endif
