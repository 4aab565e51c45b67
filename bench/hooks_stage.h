/*
 * The stage of webhook scenarios: a server of their own with applications and endpoints, whose
 * receivers are a process beside it (receiver.h). Endpoint i is path i of the receiver, belongs to
 * application i modulo app_count and takes messages of the type "eI" alone.
 */
#ifndef BENCH_HOOKS_STAGE_H
#define BENCH_HOOKS_STAGE_H

#include "load.h"
#include "receiver.h"

#define HOOKS_ID_SIZE 64

#include "child.h"

struct hooks_endpoint {
    size_t app;
    char id[HOOKS_ID_SIZE];
};

struct hooks_stage {
    /* Given. */
    size_t app_count, endpoint_count;
    size_t log_max;               /* of the receiver */
    const char *const *arguments; /* more for `foyer serve`, NULL-terminated; or NULL */
    const char
        *endpoint_members; /* more of each endpoint's JSON: ",\"retrySchedule\":[0]"; or NULL */
    /* Made. */
    struct child child;
    struct receiver receiver;
    char (*apps)[HOOKS_ID_SIZE];
    struct hooks_endpoint *endpoints;
    char headers[256]; /* of a request with the key: ready lines */
};

ERR_MUST_USE enum err hooks_stage_open(struct hooks_stage *stage);
/* Stops the server and removes everything. False when it did not end well. */
bool hooks_stage_close(struct hooks_stage *stage);

/* A message for one endpoint. */
struct hooks_message {
    char path[128];
    struct buf body;
};
void hooks_message_init(struct hooks_message *message);
void hooks_message_release(struct hooks_message *message);
/* The request borrows from message and stage until the next call. */
void hooks_message_fill(struct hooks_message *message, const struct hooks_stage *stage,
                        size_t endpoint, uint64_t seq, int64_t intended_ns,
                        struct load_request *ret_request);
/* The integer member of a JSON object, looked for by its name; -1: not there. */
int64_t hooks_number(struct str json, const char *name);

#endif
