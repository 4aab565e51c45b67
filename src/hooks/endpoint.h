/* An endpoint: where messages of an application go, which of them, and how they are signed. */
#ifndef HOOKS_ENDPOINT_H
#define HOOKS_ENDPOINT_H

#include "base/json.h"
#include "hooks/endpoint_secret.h"
#include "hooks/limits.h"
#include "store/db.h"

struct keyring;

enum signature_format {
    SIGNATURE_BOTH, /* the default */
    SIGNATURE_STANDARD,
    SIGNATURE_TIMESTAMPED,
};

enum disabled_by {
    DISABLED_NOT,
    DISABLED_BY_CALLER,
    DISABLED_GONE,    /* it answered 410 */
    DISABLED_FAILING, /* nothing has succeeded for days */
};

struct endpoint_header {
    struct str name, value;
};

struct endpoint_secret {
    enum secret_kind kind;
    uint8_t key[SECRET_BYTES_MAX];
    size_t len;
    int64_t until_ms; /* INT64_MAX: the current one */
};

/* Texts belong to the arena that it was read into. */
struct endpoint {
    uint64_t app_id, id;
    int64_t version; /* grows with each change of the row */
    struct str uid;  /* STR_NONE: none */
    struct str url;
    struct str description;
    enum disabled_by disabled_by;
    int64_t failing_since_ms;        /* 0: not */
    struct str event_types;          /* a name or pattern a line; empty: all */
    struct str channels;             /* a name a line; empty: all */
    struct str metadata;             /* JSON object */
    int64_t throttle_rate;           /* deliveries a second; 0: no limit */
    int64_t app_throttle_rate;       /* of the whole application */
    int64_t delays_ms[ATTEMPTS_MAX]; /* retry schedule: the wait before each attempt */
    size_t delay_count;              /* 0: the default schedule */
    enum signature_format signature_format;
    enum secret_kind secret_kind; /* of the current secret */
    int64_t created_at, updated_at;
    struct endpoint_header headers[ENDPOINT_HEADERS_MAX];
    size_t header_count;
    struct endpoint_secret
        secrets[SECRETS_MAX]; /* the current one first; ended ones are left out */
    size_t secret_count;
};

/* With headers and secrets, decrypted: wipe with endpoint_wipe. Reader or writer connection.
 * ERR_NOT_FOUND; ERR_CORRUPT: sealed with another key. */
ERR_MUST_USE enum err endpoint_load(struct db *db, const struct keyring *keyring,
                                    struct arena *arena, uint64_t app_id, uint64_t id,
                                    int64_t now_ms, struct endpoint *ret_endpoint);
void endpoint_wipe(struct endpoint *endpoint);
/* In apply. Does nothing when it is disabled already; *ret_is_new: it was not. ERR_NOT_FOUND. */
ERR_MUST_USE enum err endpoint_store_disable(struct db *db, uint64_t app_id, uint64_t id,
                                             enum disabled_by by, int64_t now_ms, bool *ret_is_new);
/* In apply: since when nothing has succeeded; 0: it has. No change of version. */
ERR_MUST_USE enum err endpoint_store_failing(struct db *db, uint64_t app_id, uint64_t id,
                                             int64_t since_ms);

#endif
