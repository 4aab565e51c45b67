/* SQL of refunds, and of the places that a refund gives back. Each function is one step of a
 * transaction. */
#ifndef TICKETS_REFUND_STORE_H
#define TICKETS_REFUND_STORE_H

#include "tickets/payment_store.h"
#include "tickets/refund.h"

ERR_MUST_USE enum err refund_store_insert(struct db *db, const struct refund *refund,
                                          int64_t now_ms);
/* Writes all that may change of a loaded refund. */
ERR_MUST_USE enum err refund_store_save(struct db *db, const struct refund *refund, int64_t now_ms);
/* Promised back grows by amount; ERR_CONFLICT when that is more than was captured. */
ERR_MUST_USE enum err refund_store_promise(struct db *db, uint64_t event_id, uint64_t payment_id,
                                           int64_t amount, int64_t now_ms);
/* A provider's pending ones whose time has come, most overdue first. */
ERR_MUST_USE enum err refund_store_due(struct db *db, const struct payment_due_query *query,
                                       struct payment_due *ret_rows, size_t *ret_count);
/* A booked seat of the booking becomes free; ERR_CORRUPT when it is not booked by it. */
ERR_MUST_USE enum err refund_store_seat_free(struct db *db, uint64_t event_id, uint32_t seat_no,
                                             uint64_t booking_id);

#endif
