/*
 * Asks the questions of audit_tables and recomputes every hash chain of the journal.
 */
#include "tickets/audit.h"

#include "store/journal.h"
#include "tickets/audit_queue.h"
#include "tickets/audit_store.h"

static void totals_tell(struct audit *audit, const struct audit_totals *totals,
                        uint64_t journal_rows)
{
    audit_total(audit, "seats_booked", totals->seats_booked);
    audit_total(audit, "seats_held", totals->seats_held);
    audit_total(audit, "bookings_confirmed", totals->bookings_confirmed);
    audit_total(audit, "bookings_open", totals->bookings_open);
    audit_total(audit, "bookings_ended", totals->bookings_ended);
    audit_total(audit, "tickets_valid", totals->tickets_valid);
    audit_total(audit, "captured", totals->captured);
    audit_total(audit, "refunded", totals->refunded);
    audit_total(audit, "refunds_pending", totals->refunds_pending);
    audit_total(audit, "journal_rows", (int64_t)journal_rows);
}

static void ask(struct audit *audit)
{
    struct db *db = audit_db(audit);
    struct audit_totals totals = {0};
    uint64_t journal_rows = 0;
    audit_ask_schema(audit);
    for (size_t i = 0; i < AUDIT_TABLES; i++) {
        for (size_t j = 0; j < audit_tables[i].count; j++)
            audit_ask(audit, &audit_tables[i].checks[j]);
    }
    audit_queue_orders(audit);
    audit_begin(audit, "journal-chain");
    audit_end(audit, journal_verify(db, audit_found, audit, &journal_rows));
    audit_begin(audit, "totals");
    audit_end(audit, audit_store_totals(db, &totals));
    totals_tell(audit, &totals, journal_rows);
}

/* These say that a place was sold to two. */
static const char *const worst[] = {"seat-in-two-bookings", "seat-in-journal", "area-counter",
                                    NULL};

const struct audit_part tickets_audit = {.service = "tickets", .worst = worst, .ask = ask};
