/* The audit of what a waiting room has published: that the seed is the one committed to, that the list
 * is the one hashed, that the places are in the order of the ranks. */
#ifndef TICKETS_AUDIT_QUEUE_H
#define TICKETS_AUDIT_QUEUE_H

#include "app/audit.h"

void audit_queue_orders(struct audit *audit);

#endif
