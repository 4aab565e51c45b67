/* What the files of payments share: moving a payment, its timetable, and its journal rows. */
#ifndef TICKETS_PAYMENT_INTERNAL_H
#define TICKETS_PAYMENT_INTERNAL_H

#include "store/writer.h"
#include "tickets/payment.h"
#include "tickets/provider.h"
#include "tickets/tickets.h"

#define PAYMENT_RETRY_MS_MIN 1000
#define PAYMENT_RETRY_MS_MAX 60000
#define PAYMENT_ASK_FIRST_MS                                                                       \
    120000 /* after the session opened: a callback is much faster, when it comes */
#define PAYMENT_ASK_EVERY_MS 60000

/* The only place where a payment's state moves (in memory; the caller saves it). ERR_CONFLICT: not
 * a legal move. */
ERR_MUST_USE enum err payment_set_state(struct payment *payment, enum payment_state to);
/* Sets when the worker looks at it again, by its state. */
void payment_schedule(struct payment *payment, int64_t now_ms);
/* Exponential with jitter, 1 s to 60 s. */
int64_t payment_retry_delay_ms(int64_t attempts);

/* Wakes the worker after the commit. */
ERR_MUST_USE enum err payment_stage_wake(struct tickets *tickets, struct writer_tx *tx);
/* One row with booking, payment, account, amount and currency; reason may be NULL. */
ERR_MUST_USE enum err payment_journal(struct writer_tx *tx, const char *type,
                                      const struct payment *payment, const char *reason);

/* What the worker's calls brought, each in a job's apply on the payment's row as it is now. */
ERR_MUST_USE enum err payment_on_created(struct tickets *tickets, struct writer_tx *tx,
                                         struct payment *payment,
                                         const struct provider_answer *answer);
ERR_MUST_USE enum err payment_on_asked(struct tickets *tickets, struct writer_tx *tx,
                                       struct payment *payment,
                                       const struct provider_answer *answer);
ERR_MUST_USE enum err payment_on_closed(struct tickets *tickets, struct writer_tx *tx,
                                        struct payment *payment,
                                        const struct provider_answer *answer);
/* A session that was never opened, of a booking that has ended. */
ERR_MUST_USE enum err payment_drop(struct writer_tx *tx, struct payment *payment);

#endif
