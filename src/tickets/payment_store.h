/* SQL of payments, captures and provider events. Each function is one step of a transaction. */
#ifndef TICKETS_PAYMENT_STORE_H
#define TICKETS_PAYMENT_STORE_H

#include "store/writer.h"
#include "tickets/payment.h"

ERR_MUST_USE enum err payment_store_insert(struct db *db, const struct payment *payment,
                                           int64_t now_ms);
/* Writes all that may change of a loaded payment, but for refunded (refund_store_promise).
 * ERR_CONFLICT: a constraint. */
ERR_MUST_USE enum err payment_store_save(struct db *db, const struct payment *payment,
                                         int64_t now_ms);
/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err payment_store_by_session(struct db *db, struct str provider,
                                               struct str session_ref, uint64_t *ret_event_id,
                                               uint64_t *ret_payment_id);

/* A provider's rows whose time has come, most overdue first. */
struct payment_due_query {
    struct str provider;
    int64_t now_ms;
    size_t limit;
};
struct payment_due {
    uint64_t event_id, id;
};
/* Sessions to be opened. */
ERR_MUST_USE enum err payment_store_due_sessions(struct db *db,
                                                 const struct payment_due_query *query,
                                                 struct payment_due *ret_rows, size_t *ret_count);
/* Sessions to be asked about or closed. */
ERR_MUST_USE enum err payment_store_due_asks(struct db *db, const struct payment_due_query *query,
                                             struct payment_due *ret_rows, size_t *ret_count);
/* What the worker has to do, by list. */
enum payment_work {
    PAYMENT_WORK_SESSION, /* sessions to be opened */
    PAYMENT_WORK_ASK,     /* sessions to be asked about or closed */
    PAYMENT_WORK_REFUND,  /* money to be given back */
    PAYMENT_WORK_COUNT,
};
/* Since when the oldest row of a list has waited: for its session or for the provider to take the
 * refund since it was made, for a question since it was due; INT64_MAX: nothing waits. Reads the
 * list's partial index. */
ERR_MUST_USE enum err payment_store_oldest(struct db *db, enum payment_work work,
                                           int64_t *ret_since_ms);
/* Open sessions whose turn comes until then are due now, at most limit of them. */
ERR_MUST_USE enum err payment_store_ask_now(struct db *db, int64_t now_ms, int64_t until_ms,
                                            size_t limit, int64_t *ret_changed);

/* ret_is_new false: this provider reference is known already, nothing was written. */
struct capture {
    struct str provider, provider_ref;
    uint64_t event_id, payment_id;
    int64_t amount;
    struct str currency;
};
ERR_MUST_USE enum err capture_store_insert(struct db *db, const struct capture *capture,
                                           int64_t now_ms, bool *ret_is_new);
/* In what currency a capture came in. ERR_NOT_FOUND. */
ERR_MUST_USE enum err capture_store_currency(struct db *db, struct str provider,
                                             struct str provider_ref, char ret_currency[static 4]);
/* ret_is_new false: the provider told us this already. */
ERR_MUST_USE enum err provider_event_store_insert(struct db *db, const struct provider_event *event,
                                                  const char *kind, int64_t now_ms,
                                                  bool *ret_is_new);

#endif
