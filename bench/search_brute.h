/* The right answers, by looking at every event of the catalogue: slow, and unlike the index in
 * everything. */
#ifndef BENCH_SEARCH_BRUTE_H
#define BENCH_SEARCH_BRUTE_H

#include "search_queries.h"

struct brute;

/* An event that matches, and what puts it where it is. Events alike in all three numbers may come
 * in any order. */
struct brute_hit {
    uint32_t event; /* index in the catalogue */
    int64_t rank;   /* grade, or distance in millimetres */
    uint64_t venue; /* 0 where venues don't matter */
    int64_t starts_s;
};

struct brute_answer {
    struct brute_hit *hits; /* in order; free() */
    size_t count;
};

ERR_MUST_USE enum err brute_new(const struct catalogue *catalogue, struct brute **ret_brute);
void brute_free(struct brute *brute);
/* All that match from from_ms on, where the query itself has no times; no pages. */
ERR_MUST_USE enum err brute_search(const struct brute *brute, const struct ask *ask,
                                   int64_t from_ms, struct brute_answer *ret_answer);
/* Does a page that begins at hit `first` of the answer hold the right events in the right order?
 * ids: of the events, as found; they are used up. What is wrong goes to stderr. */
bool brute_check(const struct brute *brute, struct brute_answer *answer, size_t first,
                 const uint64_t *ids, size_t count);

#endif
