/* What an audit asks of this service: do seats, bookings, payments, tickets, money and the journal
 * reconcile? */
#ifndef TICKETS_AUDIT_H
#define TICKETS_AUDIT_H

#include "app/audit.h"

extern const struct audit_part tickets_audit;

#endif
