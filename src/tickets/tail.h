/*
 * The tail: follows the journal for a node that is not alone, and keeps its memory up to date with
 * what other nodes wrote; see tail.c. A node with a database of its own (SQLite) has none: NULL.
 */
#ifndef TICKETS_TAIL_H
#define TICKETS_TAIL_H

#include "tickets/tickets.h"

struct tail;

/* Opens its connection and notes where the journal ends now. Before anything is loaded from the
 * database into memory, keys too. */
ERR_MUST_USE enum err tail_new(struct tickets *tickets, struct tail **ret_tail);
ERR_MUST_USE enum err tail_start(struct tail *tail);
/* Joins; before what it tells is stopped. NULL is fine, here and below. */
void tail_stop(struct tail *tail);
void tail_free(struct tail *tail);

/* Takes up what has been settled since the last time; *ret_has_more: there may be more. The thread's
 * own step, and tests'. */
ERR_MUST_USE enum err tail_read(struct tail *tail, bool *ret_has_more);

/* Whether memory has every row below seq, so that nobody's key is missing that was committed before
 * them, and is at most TAIL_OLD_MS old. Any thread. */
bool tail_has_passed(const struct tail *tail, int64_t seq);
/* A key that memory does not know was not used by a booking with an id of before this time. Any
 * thread. */
int64_t tail_keys_since_ms(const struct tail *tail, int64_t now_ms);
/* The writer's connection was lost, and perhaps the last commit: memory is read anew, and until the
 * next look at the journal it is sure of nothing. Any thread. */
void tail_doubt(struct tail *tail);

#endif
