/*
 * The waiting rooms' thread: every QUEUE_TICK_MS it reads which rooms there are, keeps memory up to
 * date with what other nodes wrote, writes down who was seen, and, where this node is the steward,
 * does what is due: closing lists, giving places, admitting, ending admissions.
 */
#ifndef TICKETS_QUEUE_STEWARD_H
#define TICKETS_QUEUE_STEWARD_H

#include "tickets/tickets.h"

struct queue_desk;

ERR_MUST_USE enum err queue_desk_new(struct tickets *tickets, struct queue_desk **ret_queue);
/* Loads the rooms, so that everybody's place is there before the first request, and starts the
 * thread. */
ERR_MUST_USE enum err queue_desk_start(struct queue_desk *queue);
void queue_desk_stop(struct queue_desk *queue); /* NULL is fine, here and below */
void queue_desk_free(struct queue_desk *queue);
/* There is something to do at once. Any thread. */
void queue_desk_wake(struct queue_desk *queue);
/* What memory knows may be wrong: it is read anew. Any thread. */
void queue_desk_doubt(struct queue_desk *queue);

#endif
