/*
 * Ends holds whose time is up: a heap of timers in memory and one thread that turns due ones into
 * writer jobs of at most EXPIRY_CHUNK_MAX bookings each, which queue behind waiting requests.
 * Where several nodes share a database the steward alone fires. Re-armed from the open bookings' index at
 * start, or when this node becomes the steward; every BACKSTOP_INTERVAL_MS a limited read of
 * that index looks for holds that are overdue all the same (counted; expected: none).
 */
#ifndef TICKETS_EXPIRY_H
#define TICKETS_EXPIRY_H

#include "base/heap.h"
#include "store/writer.h"
#include "tickets/booking.h"

struct expiry;

ERR_MUST_USE enum err expiry_new(struct tickets *tickets, struct expiry **ret_expiry);
/* Reads the open bookings and starts the thread. */
ERR_MUST_USE enum err expiry_start(struct expiry *expiry);
/* In a job: arms the booking's timer after the commit. */
ERR_MUST_USE enum err expiry_stage(struct expiry *expiry, struct writer_tx *tx,
                                   const struct booking *booking);
/* What the tail has read: arms the timer if this node fires them. NULL is fine. Any thread. */
void expiry_follow(struct expiry *expiry, struct heap_item timer);
void expiry_stop(struct expiry *expiry);
void expiry_free(struct expiry *expiry);

#endif
