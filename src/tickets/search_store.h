/* SQL of the search database. */
#ifndef TICKETS_SEARCH_STORE_H
#define TICKETS_SEARCH_STORE_H

#include "base/crypto.h"
#include "store/db.h"
#include "tickets/search_geo.h"
#include "tickets/search_text.h"

/* An event as the index holds it; strings borrowed. */
struct search_doc {
    uint64_t event_id, venue_id;
    int64_t starts_at;
    struct geo_point at;
    struct str name, description, venue, city, city_key, category, summary;
};

/* Writing, in a job's apply. Replaces what the index has of the event; needs the arena for what it
 * reads. */
ERR_MUST_USE enum err search_doc_put(struct db *db, const struct search_doc *doc);
/* Nothing to do when it isn't there. */
ERR_MUST_USE enum err search_doc_remove(struct db *db, uint64_t event_id);
/* The word indexes grow in pieces, and every question asks each of them. How many there are. */
ERR_MUST_USE enum err search_pieces(struct db *db, int64_t *ret_pieces);
/* In a job's apply: merges about as many pages of them. Negative: begins to make one piece of all;
 * positive: goes on. *ret_has_more: something was merged, there may be more. */
ERR_MUST_USE enum err search_merge(struct db *db, int64_t pages, bool *ret_has_more);
/* The journal row that was followed last; seq 0: none. */
struct search_cursor {
    int64_t seq;
    uint8_t hash[SHA256_SIZE];
};
ERR_MUST_USE enum err search_cursor_get(struct db *db, struct search_cursor *ret_cursor);
ERR_MUST_USE enum err search_cursor_set(struct db *db, const struct search_cursor *cursor);
/* Empties the index; the journal is to be followed from its beginning. */
ERR_MUST_USE enum err search_forget(struct db *db);

/* What every question has. Rows come in order of key, which is order of date. */
struct search_range {
    int64_t after_key;             /* exclusive; 0: from the beginning */
    int64_t from_ms, to_ms;        /* starts_at in [from_ms, to_ms) */
    struct str city_key, category; /* empty: any */
    size_t limit;
};

struct search_hit {
    int64_t key;
    struct str summary; /* arena */
    struct geo_point at;
    double distance_km; /* set by whoever knows it */
    int64_t position;   /* the cursor's first number */
};

/* Events by date. ret_hits has room for range->limit. */
ERR_MUST_USE enum err search_list(struct db *db, const struct search_range *range,
                                  struct arena *arena, struct search_hit *ret_hits,
                                  size_t *ret_count);
/* What the word indexes are asked. */
struct search_match {
    bool is_title; /* the index of titles, else that of all text */
    struct str expression;
    struct str unless; /* what all text must not match; empty: nothing */
};
/* Events that match, by date. arena NULL: without their summaries, which search_summaries fills in
 * for those that are shown; unless must be empty then. */
ERR_MUST_USE enum err search_match(struct db *db, const struct search_match *match,
                                   const struct search_range *range, struct arena *arena,
                                   struct search_hit *ret_hits, size_t *ret_count);
/* Fills in the summaries by key; a hit whose event has gone meanwhile keeps none. */
ERR_MUST_USE enum err search_summaries(struct db *db, struct search_hit *hits, size_t count,
                                       struct arena *arena);
/* Events of one venue, by date. */
ERR_MUST_USE enum err search_list_venue(struct db *db, uint64_t venue_id,
                                        const struct search_range *range, struct arena *arena,
                                        struct search_hit *ret_hits, size_t *ret_count);

struct search_place {
    uint64_t venue_id;
    struct geo_point at;
    double distance_km;
};
/* Venues in a box, in no order; city_key empty: any. Stops when on_place says not ERR_OK. */
ERR_MUST_USE enum err
search_places(struct db *db, const struct geo_box *box, struct str city_key,
              enum err (*on_place)(const struct search_place *place, void *ctx), void *ctx);

#endif
