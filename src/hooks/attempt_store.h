/* Attempts, in the tables of their message's day. Append-only. */
#ifndef HOOKS_ATTEMPT_STORE_H
#define HOOKS_ATTEMPT_STORE_H

#include "hooks/ring.h"

/* As the API numbers them. */
enum attempt_status {
    ATTEMPT_SUCCESS = 0,
    ATTEMPT_PENDING = 1,
    ATTEMPT_FAIL = 2,
    ATTEMPT_SENDING = 3,
};

enum trigger {
    TRIGGER_SCHEDULED = 0,
    TRIGGER_MANUAL = 1,
};

/* Times of the phases; -1: it did not come to it. */
struct attempt_times {
    int64_t queued_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms;
};

struct attempt {
    uint64_t app_id, message_id, id, endpoint_id;
    int64_t at_ms; /* when it began */
    enum attempt_status status;
    int64_t code; /* of the HTTP answer; 0: none */
    enum trigger trigger;
    struct str url;
    struct attempt_times times;
    struct str error_class; /* "timeout", "refused", ...; empty: none */
    struct str error_text;
    struct str response;         /* at most RESPONSE_BYTES_KEPT, any bytes */
    struct str response_headers; /* JSON object; empty: none */
};

/* In apply, after ring_open. */
ERR_MUST_USE enum err attempt_store_add(struct db *db, const struct attempt *attempt);

#endif
