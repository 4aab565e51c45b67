/* What the worker's files share. See payments_worker.c. */
#ifndef TICKETS_PAYMENTS_INTERNAL_H
#define TICKETS_PAYMENTS_INTERNAL_H

#include <pthread.h>

#include "app/metrics.h"
#include "base/breaker.h"
#include "base/heap.h"
#include "base/map.h"
#include "tickets/payment_internal.h"
#include "tickets/payment_store.h"
#include "tickets/refund.h"
#include "tickets/sandbox_child.h"

#define PAYMENTS_TASKS_MAX      (PROVIDER_IN_FLIGHT_MAX * 4) /* calls and writes under way */
#define PAYMENTS_TASK_BYTES_MAX (1u << 20)
#define PAYMENTS_DUE_MAX                                                                           \
    1000000 /* bookings waiting to be asked about; the expiry's backstop brings what does not fit  \
             */
#define PAYMENTS_DUE_TRIES    3
#define PAYMENTS_DUE_RETRY_MS 1000
#define PAYMENTS_PENALTY_MS   5000 /* a row whose write failed is left alone for this long */
#define PAYMENTS_TICK_MS      200
#define PAYMENTS_ROUND_MS     2
#define PAYMENTS_MEASURE_MS   2000

/* A pending booking whose time is up. */
struct due_booking {
    struct due_booking *next;
    uint64_t event_id, booking_id;
    int64_t not_before_ms;
    unsigned tries;
};

struct payments {
    struct tickets *tickets;
    struct provider provider;
    struct sandbox_child *child; /* NULL: the bank is somebody else's */
    struct http_client *client;
    struct db *reader; /* the worker thread's */
    pthread_t thread;
    bool is_running;

    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    bool is_stopping, is_woken;
    struct breaker breaker;
    struct map in_flight;  /* ids of payments, refunds and bookings with a task: none is sent twice
                              at once */
    struct heap penalties; /* ids that stay in in_flight until then */
    size_t tasks, calls;
    struct due_booking *due_first, **due_last;
    struct map due_ids; /* bookings in the list or in a task */
    bool is_announce_wanted;
    int64_t announce_at_ms;

    struct metric *call_seconds, *calls_failed, *callbacks;
    struct metric *backlog[PAYMENT_WORK_COUNT]; /* seconds that the oldest row has waited */
    int64_t measured_ns;                        /* the worker's thread, this and the next */
    bool is_acting;                             /* not another node */
};

enum task_kind {
    TASK_SESSION, /* create, ask or close, as the payment's row wants it */
    TASK_REFUND,
    TASK_DUE, /* a booking's time is up */
    TASK_ANNOUNCE,
};

/* One row's work: at most a call, then at most a write. */
struct payment_task {
    struct payments *payments;
    struct arena arena;
    struct http_call call;
    struct writer_job job;
    enum task_kind kind;
    enum provider_op op;
    enum breaker_pass pass;
    uint64_t event_id, id; /* payment, refund; booking for TASK_DUE */
    struct payment payment;
    struct refund refund;
    struct due_booking *due;
    bool has_answer, is_down; /* TASK_DUE: what is known at the write */
    bool must_ask_again;
    struct provider_answer answer;
    int64_t sent_ns;
};

/* payments_worker.c */
void *payments_main(void *ctx); /* the thread */
void payments_on_clock_jump(void *ctx);
void payments_task_end(struct payment_task *task, bool is_penalty); /* any thread; frees it */
/* payments_task.c. Both take the task; the worker's thread. */
void payments_task_call(struct payment_task *task, const struct provider_order *order);
void payments_task_write(struct payment_task *task);
/* The payment's reference and the other texts of an order; payment and refund of the task are set.
 * ERR_NOMEM. */
ERR_MUST_USE enum err payments_task_order(struct payment_task *task,
                                          struct provider_order *ret_order);

/* For the callback route: NULL when this provider is not in use. Any thread. */
const struct provider *payments_provider(const struct payments *payments, struct str name);
void payments_count_callback(struct payments *payments);

#endif
