/*
 * A simulated buyer on one connection: picks seats from what the map shows, holds them, and then
 * behaves like people do: pays, pays twice told, pays and is told late, never comes back, changes
 * the mind, has a card that fails.
 *
 *   pick ──409──▶ pick again          held ──▶ abandoned (expires) | given back | checkout
 *   checkout ──▶ waits for the payment page ──▶ pays at the bank ──▶ waits for the end ──▶ next
 * buyer
 */
#ifndef BENCH_BUYER_H
#define BENCH_BUYER_H

#include "hist.h"
#include "load.h"
#include "seed.h"

#define SALE_SEATS_MAX 250000

/* What all buyers share; one thread. */
struct sale {
    unsigned foyer_port;
    char event_id[40];
    char (*seat_ids)[40]; /* by seat number */
    uint8_t *states;      /* the map as last seen: 0 free, 1 held, 2 booked, 3 blocked */
    unsigned *free_seats; /* seat numbers that are free in it, in order */
    unsigned seat_count, free_count, booked_count;
    bool is_endgame; /* few seats are left: everybody means it */
    bool is_over;
    size_t active; /* buyers that are still at it */
    struct seed_buyers buyers;
    size_t next_buyer;
    struct {
        uint64_t holds, refused, given_back, abandoned, checkouts, confirmed, expired, failed,
            refunded, told_twice, told_late, never_told, forged, settled_late, retried, limited,
            unexpected;
    } tally;
    struct hist hold_latency, confirm_latency;
    int64_t first_hold_ns, last_hold_ns;
};

struct buyer;

/* Actors for every connection of the load; freed by buyers_free. */
struct buyer *buyers_new(struct load *load, struct sale *sale);
void buyers_free(struct buyer *buyers);

#endif
