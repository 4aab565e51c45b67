/* What scenarios of webhooks start from: a server with hooks, applications with an endpoint each. */
#ifndef BENCH_HOOKS_SEED_H
#define BENCH_HOOKS_SEED_H

#include "child.h"
#include "load.h"

#define HOOKS_SEED_APPS_MAX 256

struct hooks_seed {
    /* Given. */
    unsigned app_count;
    const char *url; /* of all endpoints; %u is the number of the application */
    /* Made. */
    struct child child;
    char apps[HOOKS_SEED_APPS_MAX][40];
    char endpoints[HOOKS_SEED_APPS_MAX][64];
    /* Of the message made last. */
    uint64_t next;
    char path[64], headers[192], body[768];
};

/* hooks_seed_dir makes the directory, for floors that run before the server; hooks_seed_open the
 * rest. */
ERR_MUST_USE enum err hooks_seed_dir(struct hooks_seed *seed);
ERR_MUST_USE enum err hooks_seed_open(struct hooks_seed *seed);
/* Stops the server and cleans up. False when it did not end well. */
bool hooks_seed_close(struct hooks_seed *seed);
/* After a failure: kills what runs, removes everything. */
void hooks_seed_drop(struct hooks_seed *seed);
/* Changes all applications: {"throttleRate": 1} or null. */
ERR_MUST_USE enum err hooks_seed_patch(struct hooks_seed *seed, const char *body);

/* A payload of 505 bytes, as in the design's count of bytes. */
#define HOOKS_PAYLOAD_BYTES 505
struct str hooks_seed_payload(void);
/* The next message, to one application after the other. has_key: with an Idempotency-Key, as the
 * official clients send one. The request borrows from the seed until the next call. */
void hooks_seed_message(struct hooks_seed *seed, bool has_key, struct str payload,
                        struct load_request *ret_request);

#endif
