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
/* The last one of a delivery: its id, code and at_ms. ERR_NOT_FOUND: none was made. */
ERR_MUST_USE enum err attempt_store_last(struct db *db, uint64_t app_id, uint64_t message_id,
                                         uint64_t endpoint_id, struct attempt *ret_attempt);

/* Newest first, or oldest first when is_ascending. */
struct attempt_query {
    uint64_t app_id;
    uint64_t message_id;  /* 0: of all messages; then endpoint_id is set */
    uint64_t endpoint_id; /* 0: to all endpoints */
    bool is_ascending;
    uint64_t beyond_id;          /* 0: from the end where it begins */
    int64_t before_ms, after_ms; /* of its beginning; 0: open */
    int64_t status;              /* -1: any */
    int64_t code_class;          /* 0 (no answer), 100, 200, ...; -1: any */
    struct str event_types;      /* a name a line; empty: any */
    size_t limit;
};
struct attempt_ref {
    uint64_t message_id, id;
};
/* refs: room for RING_SLOTS times limit; ret_count: at most limit of them count. */
ERR_MUST_USE enum err attempt_store_list(struct db *db, const struct attempt_query *query,
                                         int64_t now_ms, struct attempt_ref *refs,
                                         size_t *ret_count);
/* Texts in the arena. ERR_NOT_FOUND. */
ERR_MUST_USE enum err attempt_store_get(struct db *db, struct arena *arena, uint64_t app_id,
                                        const struct attempt_ref *ref, bool with_response,
                                        struct attempt *ret_attempt);

#endif
