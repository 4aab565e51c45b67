/*
 * Gate 3 of a sale: who may look at seats and hold them while people wait. Asked twice for a hold:
 * from memory before the write (it may refuse), and from the admission's row within it (which
 * grants).
 */
#ifndef TICKETS_QUEUE_GATE_H
#define TICKETS_QUEUE_GATE_H

#include "tickets/tickets.h"

struct queue_pass {
    uint64_t entry_id; /* the admission; 0: none was needed, as far as memory knows */
    bool is_exempt;    /* the event's organizer, or an admin: needs none in the write either */
};

/* True: the request may go on. False: 403 waiting-room-required was answered (or 503 while this node
 * does not know what others wrote). For /seats, /live and holds; the token is the header
 * Foyer-Admission or the parameter admission. Loop and pool threads; does not wait. */
bool queue_gate_pass(struct call *call, const struct event_model *model,
                     struct queue_pass *ret_pass);
/* In the write, with what prepare was told: the same from rows. False: 403 was answered, or *ret_err
 * is to be returned. The hold is to carry pass->entry_id as its admission_id. */
bool queue_gate_apply(struct call *call, struct writer_tx *tx, const struct event_model *model,
                      const struct queue_pass *pass, enum err *ret_err);

#endif
