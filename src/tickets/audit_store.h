/* The audit's questions to the database: tables of named statements, each of which returns a line
 * per contradiction. */
#ifndef TICKETS_AUDIT_STORE_H
#define TICKETS_AUDIT_STORE_H

#include "app/audit.h"

#define AUDIT_ROW_CHECKS     14
#define AUDIT_JOURNAL_CHECKS 17
#define AUDIT_QUEUE_CHECKS   13
extern struct audit_check audit_queue_checks[AUDIT_QUEUE_CHECKS];
extern struct audit_check audit_row_checks[AUDIT_ROW_CHECKS];
extern struct audit_check audit_journal_checks[AUDIT_JOURNAL_CHECKS];

#define AUDIT_ABUSE_CHECKS 5
extern struct audit_check audit_abuse_checks[AUDIT_ABUSE_CHECKS];

#define AUDIT_TABLES 5
struct audit_table {
    struct audit_check *checks;
    size_t count;
};
extern const struct audit_table audit_tables[AUDIT_TABLES];

struct audit_totals {
    int64_t seats_booked, seats_held, bookings_confirmed, bookings_open, bookings_ended,
        tickets_valid, captured, refunded, refunds_pending;
};
ERR_MUST_USE enum err audit_store_totals(struct db *db, struct audit_totals *ret_totals);

#endif
