/* The audit's questions to the database: tables of named statements, each of which returns a line
 * per contradiction. */
#ifndef TICKETS_AUDIT_STORE_H
#define TICKETS_AUDIT_STORE_H

#include "store/db.h"

struct audit_check {
    const char *name; /* stable slug, e.g. "seat-in-two-bookings" */
    struct sql sql;   /* one text column; no rows: clean; $1: at most so many */
};

#define AUDIT_ROW_CHECKS     14
#define AUDIT_JOURNAL_CHECKS 16
extern struct audit_check audit_row_checks[AUDIT_ROW_CHECKS];
extern struct audit_check audit_journal_checks[AUDIT_JOURNAL_CHECKS];

#define AUDIT_TABLES 3
struct audit_table {
    struct audit_check *checks;
    size_t count;
};
extern const struct audit_table audit_tables[AUDIT_TABLES];

/* A connection for the audit: its questions read whole tables, each once. */
ERR_MUST_USE enum err audit_store_open(const char *location, struct db **ret_db);

struct audit_totals {
    int64_t seats_booked, seats_held, bookings_confirmed, bookings_open, bookings_ended,
        tickets_valid, captured, refunded, refunds_pending;
};
ERR_MUST_USE enum err audit_store_totals(struct db *db, struct audit_totals *ret_totals);

/* Every page and index of the file, as SQLite checks it; the same form of answer as a check. What
 * PostgreSQL has for this (pg_amcheck, checksums) is its operator's. */
extern struct audit_check audit_file_check;
/* Compares tables, indexes and triggers with those that this program's migrations make: a
 * constraint that is not there any more grants nothing. Tables of others are their own business,
 * triggers are not. Each finding is one line. */
ERR_MUST_USE enum err audit_store_schema(struct db *db, const char *location,
                                         void (*on_finding)(const char *line, void *ctx),
                                         void *ctx);

#endif
