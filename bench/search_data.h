/* The data directory of the search scenario: made once for its size, kept when it has a name. */
#ifndef BENCH_SEARCH_DATA_H
#define BENCH_SEARCH_DATA_H

#include "catalogue.h"
#include "child.h"

struct search_data {
    struct child child; /* its directory; running after search_data_index */
    struct catalogue catalogue;
    bool is_kept; /* the caller named the directory */
    bool is_new;  /* seeded by this run */
    double seed_s, index_s;
    double start_ms;   /* exec to ready, with everything there */
    int64_t start_mib; /* resident then */
};

/* directory NULL: a temporary one. Seeds it unless it holds this very catalogue already. */
ERR_MUST_USE enum err search_data_make(struct search_data *data, const char *directory,
                                       size_t events);
/* Starts the server, waits until the index has followed the whole journal, and starts it once more
 * to see how long that takes. */
ERR_MUST_USE enum err search_data_index(struct search_data *data);
/* Answers so far, from the cache and from the index. */
void search_data_cache(const struct search_data *data, int64_t *ret_hits, int64_t *ret_misses);
/* Stops the server; removes the directory unless it is kept. */
void search_data_release(struct search_data *data);

#endif
