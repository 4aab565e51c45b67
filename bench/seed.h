/* What a scenario starts from: buyers' accounts with sessions, a venue, an event on sale. */
#ifndef BENCH_SEED_H
#define BENCH_SEED_H

#include "child.h"

#define SEED_TOKEN_SIZE 64

struct seed_buyers {
    size_t count;
    char (*tokens)[SEED_TOKEN_SIZE]; /* session tokens, bearer form */
};

/* Writes accounts and sessions into the data directory's platform.db; before the server starts,
 * because signing up as many people takes the password hash's deliberate tens of milliseconds each.
 */
ERR_MUST_USE enum err seed_buyers(const struct child *child, size_t count,
                                  struct seed_buyers *ret_buyers);
void seed_buyers_release(struct seed_buyers *buyers);

/* An arena of rectangular blocks as seating plan JSON: seats are named "<section>-<row>-<number>".
 */
struct seed_arena {
    unsigned sections, rows, seats_per_row;
};
void seed_arena_plan(const struct seed_arena *arena, struct buf *plan);
void seed_seat_id(const struct seed_arena *arena, unsigned seat_no, char ret_id[static 24]);

/* Creates the venue over the API; its id in ret_id. */
ERR_MUST_USE enum err seed_venue(unsigned port, const char *name, struct str plan,
                                 char ret_id[static 40]);
/* Creates and publishes an event that is on sale. prices: JSON object by category. */
ERR_MUST_USE enum err seed_event(unsigned port, const char *venue_id, const char *name,
                                 const char *prices, int hold_ttl_s, char ret_id[static 40]);
/* The string member of a JSON object; ERR_NOT_FOUND. */
ERR_MUST_USE enum err seed_member(struct str json, const char *name, char *ret_value, size_t size);

#endif
