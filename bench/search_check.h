/* Asking one question at a time: for cursors of later pages, and to compare answers with brute
 * force. */
#ifndef BENCH_SEARCH_CHECK_H
#define BENCH_SEARCH_CHECK_H

#include "search_data.h"
#include "search_queries.h"

/* Finds the cursor of each query for a later page; where there are fewer pages it is the last. */
ERR_MUST_USE enum err search_cursors_find(unsigned port, struct asks *asks);

/* Compares the pages of `samples` queries of every class with a walk over all events.
 * *ret_wrong: how many differ; *ret_checked: events that were compared. */
ERR_MUST_USE enum err search_check(const struct search_data *data, const struct asks *asks,
                                   size_t samples, size_t *ret_wrong, size_t *ret_checked);

#endif
