/* SQL of the bank. Each function is one step of a transaction. Texts are copied to the arena given.
 */
#ifndef SANDBOX_BANK_STORE_H
#define SANDBOX_BANK_STORE_H

#include "sandbox/bank.h"

enum session_key {
    SESSION_BY_ID,
    SESSION_BY_IDEMPOTENCY_KEY,
    SESSION_BY_PAYMENT_REF
};
/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err bank_session_load(struct db *db, enum session_key by, struct str value,
                                        struct arena *arena, struct session *ret_session);
ERR_MUST_USE enum err bank_session_insert(struct db *db, const struct session *session);
/* Writes status, payment_ref, captured, refunded. ERR_CONFLICT: more refunded than captured. */
ERR_MUST_USE enum err bank_session_save(struct db *db, const struct session *session,
                                        int64_t now_ms);
/* Sessions with money, by id after a given one, or those of one reference. */
struct session_query {
    struct str reference; /* len 0: all */
    struct str after_id;
    size_t limit;
};
ERR_MUST_USE enum err bank_session_list(struct db *db, const struct session_query *query,
                                        struct arena *arena, struct session *ret_sessions,
                                        size_t *ret_count);

ERR_MUST_USE enum err bank_refund_insert(struct db *db, const struct bank_refund *refund,
                                         int64_t now_ms);
ERR_MUST_USE enum err bank_refund_load(struct db *db, bool by_key, struct str value,
                                       struct arena *arena, struct bank_refund *ret_refund);

ERR_MUST_USE enum err bank_entry_insert(struct db *db, const char *kind, struct str session_id,
                                        int64_t amount, const char *currency, int64_t now_ms);
struct entry_sum {
    char kind[8], currency[4];
    int64_t amount, count;
};
#define ENTRY_SUMS_MAX 256
ERR_MUST_USE enum err bank_entry_sums(struct db *db, struct entry_sum *ret_sums, size_t *ret_count);

struct callback {
    int64_t id;
    struct str session_id, body;
    enum forgery forgery;
    int64_t attempts, due_at, created_at;
    struct str callback_url; /* the session's; loaded only */
};
ERR_MUST_USE enum err bank_callback_insert(struct db *db, const struct callback *callback);
/* Waiting ones whose time has come, most overdue first. */
ERR_MUST_USE enum err bank_callback_due(struct db *db, int64_t now_ms, size_t limit,
                                        struct arena *arena, struct callback *ret_callbacks,
                                        size_t *ret_count);
/* due_at 0: it waits no more. */
ERR_MUST_USE enum err bank_callback_save(struct db *db, const struct callback *callback, int state,
                                         int status);
ERR_MUST_USE enum err bank_callback_waiting(struct db *db, int64_t *ret_count);

ERR_MUST_USE enum err bank_setting_put(struct db *db, const char *name, struct str value);
/* STR_NONE when it was never set. */
ERR_MUST_USE enum err bank_setting_get(struct db *db, const char *name, struct arena *arena,
                                       struct str *ret_value);

#endif
