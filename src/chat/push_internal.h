/* Between push.c (the thread, and what is decided) and push_send.c (one notification). */
#ifndef CHAT_PUSH_INTERNAL_H
#define CHAT_PUSH_INTERNAL_H

#include <pthread.h>

#include "app/config.h"
#include "app/metrics.h"
#include "chat/push.h"
#include "net/sender.h"

#define FLIGHT_ARENA_MAX  (1u << 20)
#define FLIGHT_ARENA_KEPT (16u << 10)
#define ORIGIN_SIZE       128

enum push_state {
    PUSH_FREE,
    PUSH_SENDING,
    PUSH_WRITING,
};

/* What is written of how it went. */
enum push_result {
    PUSH_RESULT_NONE,
    PUSH_RESULT_FORGET,
    PUSH_RESULT_KEEP,
    PUSH_RESULT_SENT,    /* notified */
    PUSH_RESULT_CLEARED, /* what was shown is taken back */
    PUSH_RESULT_RETRY,
    PUSH_RESULT_GONE,     /* there is no such subscription any more */
    PUSH_RESULT_GIVEN_UP, /* after too many attempts, or refused for good */
};
#define PUSH_RESULTS (PUSH_RESULT_GIVEN_UP + 1)

/* One notification on its way. */
struct push_flight {
    struct writer_job write;
    struct push *push;
    enum push_state state; /* under the lock where it may be WRITING */
    struct push_job job;
    struct push_target target;
    enum push_step step;
    enum push_result result;
    int64_t now_ms; /* when it was looked at */
    int64_t sent_seq;
    int64_t retry_after_ms;
    char origin[ORIGIN_SIZE]; /* the beginning of it */
    struct arena arena;       /* of this flight */
    struct send send;
};

struct push {
    struct push_options options;
    struct p256_key key;
    char public_key[2 * P256_PUBLIC_SIZE]; /* base64url */
    const char *contact;                   /* of VAPID */
    bool has_text;                         /* the operator does not mind texts in notifications */
    struct egress_rules egress;
    struct db *db; /* reads; the thread's, as all below but what is under the lock */
    struct sender *sender;
    struct arena arena; /* of one look */
    struct push_flight flights[PUSH_FLIGHTS_MAX];
    size_t skip;     /* due ones that the next look passes over: see begin_due */
    bool has_failed; /* it is in the log */
    struct metric *results[PUSH_RESULTS];
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;
    pthread_cond_t landed;
    size_t writing; /* jobs at the writer; these two under the lock */
    bool is_stopping;
};

/* Looks at a flight's job and begins what is to be done: sends, or writes. The flight is free again if
 * nothing can be begun. */
void push_flight_begin(struct push_flight *flight);
/* To the writer, with its result. */
void push_flight_write(struct push_flight *flight);

#endif
