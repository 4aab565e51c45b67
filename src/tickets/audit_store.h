/* The audit's questions to the database: one table of named statements, each of which returns a
 * line per contradiction. */
#ifndef TICKETS_AUDIT_STORE_H
#define TICKETS_AUDIT_STORE_H

#include "store/db.h"

struct audit_check {
    const char *name; /* stable slug, e.g. "seat-in-two-bookings" */
    struct sql sql;   /* one text column; no rows: clean; $1: at most so many */
};

extern struct audit_check audit_checks[];
extern const size_t audit_check_count;

struct audit_totals {
    int64_t seats_booked, seats_held, bookings_confirmed, bookings_open, bookings_ended,
        tickets_valid, captured, refunded, refunds_pending;
};
ERR_MUST_USE enum err audit_store_totals(struct db *db, struct audit_totals *ret_totals);

#endif
