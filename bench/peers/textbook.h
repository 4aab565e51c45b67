/*
 * What the worker threads of the textbook baseline share; see textbook.c. A worker has one
 * connection to PostgreSQL and one to Redis, and blocks on them.
 */
#ifndef PEERS_TEXTBOOK_H
#define PEERS_TEXTBOOK_H

#include "base/str.h"

#define TEXTBOOK_SEATS_MAX  6
#define TEXTBOOK_KEY_MAX    128
#define TEXTBOOK_GUARD_SIZE 192
#define TEXTBOOK_HOLD_TTL_S 600
#define TEXTBOOK_PRICE      4500 /* of every place, minor units */

struct worker_store;

/* Outlives its hold. */
struct hold {
    int64_t id, account, event;
    struct str key, body_hash; /* the hash as 64 hexadecimal digits */
    struct str seats[TEXTBOOK_SEATS_MAX];
    size_t seat_count;
    int64_t created_ms, expires_ms;
};

enum hold_outcome {
    HOLD_GRANTED,
    HOLD_REPLAYED, /* id and times are the first one's */
    HOLD_TAKEN,
    HOLD_CLOSED,
    HOLD_KEY_CONFLICT,
    HOLD_LIMIT,
    HOLD_FAILED
};

/* Makes the tables and one row an event; before any worker. ERR_IO with a line on stderr. */
ERR_MUST_USE enum err textbook_schema(const char *postgres, int64_t events);
struct worker_options {
    const char *postgres, *redis; /* URL, path of a socket */
    bool is_plain;                /* a trip for every statement */
};
/* Connects and prepares. */
ERR_MUST_USE enum err worker_store_open(const struct worker_options *options,
                                        struct worker_store **ret_store);
void worker_store_close(struct worker_store *store);
/* Durable when it says HOLD_GRANTED. */
enum hold_outcome worker_store_hold(struct worker_store *store, struct hold *hold);

#endif
