/* `foyer audit`: proves that seats, bookings, payments, tickets, money and the journal reconcile.
 */
#ifndef TICKETS_AUDIT_H
#define TICKETS_AUDIT_H

#include "app/config.h"

struct audit_options {
    bool is_json;
    bool is_quick;        /* without the check of every page and index */
    const char *textfile; /* NULL, or where the outcome is left for Prometheus' node exporter */
};

/* Reads data_dir/tickets.db in one snapshot, live or stopped. Prints findings (or JSON); 0: clean,
 * 1: findings, 2: it, or part of it, cannot be read. */
int audit_main(const struct config *config, const struct audit_options *options);

#endif
