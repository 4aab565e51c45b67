/* `foyer audit`: proves that seats, bookings, payments, tickets, money and the journal reconcile.
 */
#ifndef TICKETS_AUDIT_H
#define TICKETS_AUDIT_H

#include "app/config.h"

/* Reads data_dir/tickets.db in one snapshot, live or stopped. Prints findings (or JSON); 0: clean,
 * 1: findings, 2: cannot read. */
int audit_main(const struct config *config, bool is_json);

#endif
