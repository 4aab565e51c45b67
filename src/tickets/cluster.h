/* What hangs together in an event by accounts, devices and cards of bookings that count; see abuse.h.
 * In a job's apply. */
#ifndef TICKETS_CLUSTER_H
#define TICKETS_CLUSTER_H

#include "tickets/abuse_store.h"
#include "tickets/limits.h"

/* Room for what CLUSTER_BOOKINGS_MAX bookings can name, and what the search begins with. */
#define CLUSTER_NAMES_MAX (2 * CLUSTER_BOOKINGS_MAX + 4)

/* Names of one kind, those up to asked have been looked up. */
struct cluster_names {
    uint64_t items[CLUSTER_NAMES_MAX];
    size_t count, asked;
};

struct cluster {
    struct cluster_names accounts, devices, cards;
    uint64_t bookings[CLUSTER_BOOKINGS_MAX];
    size_t booking_count;
    bool is_too_large; /* there is more than fits: over any cap */
    bool counts_held;  /* holds that nobody has begun to pay count, too */
    int64_t places;
};

void cluster_begin(struct cluster *cluster, bool counts_held);
/* What it grows from; 0 is no name. */
void cluster_add_account(struct cluster *cluster, uint64_t account_id);
void cluster_add_device(struct cluster *cluster, uint64_t device);
void cluster_add_card(struct cluster *cluster, uint64_t card);
/* That one counts for itself, or was looked up already. */
void cluster_skip_booking(struct cluster *cluster, uint64_t booking_id);
/* The names of these kinds have been asked for by the caller. */
void cluster_was_asked(struct cluster *cluster);
/* For abuse_store_*: ctx is the cluster. */
void cluster_take(void *ctx, const struct counted *row);
/* Follows the names until there is nothing new, or more than places_max. */
ERR_MUST_USE enum err cluster_grow(struct cluster *cluster, struct db *db, uint64_t event_id,
                                   int64_t places_max);

#endif
