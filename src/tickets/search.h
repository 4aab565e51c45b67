/*
 * Search over published events: an own database file (data_dir/search.db) that follows the tickets
 * journal and is asked by GET /v1/events. It is never the truth: deleted, it is built again from
 * the journal.
 *
 * search_routes belong to the search service, whose database the pool opens beside the others; they
 * are not among the tickets routes.
 */
#ifndef TICKETS_SEARCH_H
#define TICKETS_SEARCH_H

#include "app/config.h"
#include "app/route.h"
#include "tickets/search_cache.h"

struct search;
struct tickets;

extern const struct route search_routes[];
extern const size_t search_routes_count;

/* Opens and migrates the file and starts its writer. */
ERR_MUST_USE enum err search_new(const struct config *config, struct search **ret_search);
/* {name "search", search_routes, its writer, state: the search}; for app_options. */
struct service *search_service(struct search *search);
const char *search_database_path(const struct search *search);
/* Begins to follow the journal of the tickets database. */
ERR_MUST_USE enum err search_start(struct search *search, struct tickets *tickets);
/* Events changed: look now. Any thread; NULL is fine. */
void search_wake(struct search *search);
/* Sequence number of the last journal row that was followed. Any thread. */
int64_t search_followed_seq(const struct search *search);
/* Answers of common questions; emptied by every change of the index. */
struct search_cache *search_answers(struct search *search);
/* Stops following, then the writer. After the server has stopped. NULL is fine. */
void search_stop(struct search *search);
void search_free(struct search *search); /* NULL is fine */

#endif
