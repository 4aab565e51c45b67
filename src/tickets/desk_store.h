/* SQL of the organizer's list of bookings: bounded reads, newest first. */
#ifndef TICKETS_DESK_STORE_H
#define TICKETS_DESK_STORE_H

#include "tickets/booking.h"

struct desk_row {
    uint64_t id;
    int64_t state; /* enum booking_state */
};

/* Bookings of an event below before_id. Any connection. */
ERR_MUST_USE enum err desk_store_rows(struct db *db, uint64_t event_id, uint64_t before_id,
                                      int64_t limit, struct desk_row *ret_rows, size_t *ret_count);

struct desk_of_account {
    uint64_t event_id, account_id, before_id;
    int64_t state; /* 0: all */
    int64_t limit;
};
/* Those of one account. */
ERR_MUST_USE enum err desk_store_of_account(struct db *db, const struct desk_of_account *query,
                                            struct desk_row *ret_rows, size_t *ret_count);

#endif
