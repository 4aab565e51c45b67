/*
 * Inside the dispatcher: dispatcher.c (the thread, news, timers), dispatch_fair.c (whose turn it is),
 * dispatch_read.c (from the database into memory), dispatch_send.c (an attempt), dispatch_write.c (its
 * result). All of it runs on the dispatcher's thread but where it says otherwise.
 */
#ifndef HOOKS_DISPATCHER_INTERNAL_H
#define HOOKS_DISPATCHER_INTERNAL_H

#include <pthread.h>

#include "app/metrics.h"
#include "base/breaker.h"
#include "base/heap.h"
#include "base/map.h"
#include "hooks/delivery_store.h"
#include "hooks/dispatcher.h"
#include "hooks/endpoint.h"
#include "hooks/hooks.h"
#include "hooks/schedule.h"
#include "hooks/signing.h"
#include "hooks/window.h"
#include "net/sender.h"

#define LATENCIES_KEPT 64

/* A delivery in memory, from when it was read until its result is committed. */
struct item {
    struct item *next;
    struct target *target;
    struct delivery row;
    bool is_outrun; /* the database has it otherwise: its target reads on when it is forgotten */
};

/* An endpoint with something to do. */
struct target {
    struct target *next; /* in its customer's line */
    struct customer *customer;
    uint64_t id;
    bool is_in_line;
    int64_t deficit;
    struct item *first, **last; /* read and not sent: lane by lane */
    size_t waiting_count;
    enum lane last_lane; /* of those, the last one's; any when there is none */
    size_t known_count;  /* read and not committed */
    size_t in_flight;
    size_t replays_in_flight; /* of these, what jobs send again */
    struct window window;
    uint64_t slots[LANE_COUNT]; /* of the ring, that may hold something that waits in this lane */
    bool is_stale;              /* there may be more in the database that is due */
    int64_t line_read_ms;       /* when what waits in memory was read */
    int64_t timer_ms;
    int64_t paused_until_ms;
    int64_t queued_at_ms; /* when it got in line last */
    int64_t throttle_ns;
    struct breaker breaker;
    /* The endpoint as it was read; arena: its texts. */
    struct arena arena;
    struct endpoint endpoint;
    struct schedule schedule;
    bool has_endpoint, is_gone, is_changed;
    int64_t read_at_ms;
    int64_t over_read_at_ms; /* see target_read_over */
    /* Shown to others, under the dispatcher's shown_lock. */
    struct endpoint_health shown;
    uint32_t latencies_ms[LATENCIES_KEPT];
    size_t latency_count;
};

/* Nothing goes to it any more: what waits for it is given up. */
static inline bool target_is_over(const struct target *target)
{
    return target->is_gone ||
           (target->has_endpoint && target->endpoint.disabled_by != DISABLED_NOT);
}

/* An application. */
struct customer {
    struct customer *next; /* in the line */
    struct customer *dirty_next;
    uint64_t id;
    bool is_in_line, is_dirty, is_writing;
    int64_t deficit;
    struct target *first, **last; /* its line of endpoints */
    size_t in_flight;
    size_t target_count;
    int64_t throttle_ns, timer_ms;
    struct job *results, **results_last;
};

/* An attempt, or the end of a delivery without one. */
struct job {
    struct job *next;
    struct dispatcher *dispatcher;
    struct target *target;
    struct item *item;
    struct send send;
    struct arena arena; /* payload and headers, until it is sent */
    struct signing_headers signatures;
    char url[URL_BYTES_MAX + 1];
    enum breaker_pass pass;
    size_t cost;
    size_t beside; /* under way when it was sent, with it */
    bool is_attempt;
    enum delivery_result result;
    int64_t started_ms, queued_ms, retry_after_ms;
    uint64_t chance;
    struct schedule schedule;
    const char *reason;       /* given up: why */
    bool is_endpoint_over;    /* given up with all that waited for it */
    int64_t failing_since_ms; /* of the endpoint, as its batch begins */
    bool is_batch_mixed;      /* the batch has refusals */
    /* Set where it is written. */
    int64_t next_at;
    enum lane next_lane;
    bool is_dead, has_ended;
};

struct batch {
    struct writer_job job;
    struct batch *next;
    struct dispatcher *dispatcher;
    struct customer *customer;
    struct job *jobs;
    enum err outcome;
};

struct note {
    uint64_t app_id, endpoint_id, slots; /* slots 0: the endpoint has changed */
    enum lane lane;
};

struct dispatcher {
    struct hooks *hooks;
    pthread_t thread;
    bool is_running, has_clock;
    struct db *db;
    struct sender *sender;
    bool is_acting; /* this node sends */
    struct map targets, customers;
    struct map known; /* item_key() of what is in memory */
    struct customer *first, **last;
    struct customer *dirty;
    struct heap timers; /* shard: application, id: endpoint, or 0 */
    int64_t bytes_in_flight;
    size_t batches_open;
    struct job *spares; /* for the next attempts, with their memory */
    size_t spare_count;
    struct batch *failed; /* to be written again */
    int64_t failed_until_ns, poll_ns, poll_all_ns;
    int64_t idle_look_ms;
    size_t idle_position; /* in targets */

    pthread_mutex_t lock; /* guards what follows, and that sender is there */
    pthread_cond_t wakeup;
    struct note *notes; /* DISPATCH_NOTES_MAX */
    size_t note_count;
    bool must_scan, is_stopping;
    struct batch *landed;

    pthread_mutex_t shown_lock; /* guards the map of targets against dispatcher_health, and shown */
    struct metric *taken, *refused, *dead, *given_up, *seconds;
    _Atomic int64_t in_flight_shown, known_shown, targets_shown;
};

/* --- dispatch_fair.c --- */

/* ERR_LIMIT, ERR_NOMEM. */
ERR_MUST_USE enum err target_find(struct dispatcher *dispatcher, uint64_t app_id,
                                  uint64_t endpoint_id, struct target **ret_target);
struct target *target_get(struct dispatcher *dispatcher, uint64_t endpoint_id); /* NULL: none */
/* It may have something to do: it gets in line, if it is not there. */
void target_queue(struct dispatcher *dispatcher, struct target *target);
void customer_queue(struct dispatcher *dispatcher, struct customer *customer);
/* Whose turn it is; at the head of its line until target_drop, customer_drop or a charge moves it. */
struct target *fair_next(struct dispatcher *dispatcher);
void fair_charge(struct target *target, size_t cost);
/* Out of line: of the one at the head. */
void target_drop(struct target *target);
void customer_drop(struct dispatcher *dispatcher);
/* What is shown of it, after a change. */
void target_show(struct dispatcher *dispatcher, struct target *target);
void target_forget_endpoint(struct target *target);
void targets_free(struct dispatcher *dispatcher);
/* Forgets a few of those that have had nothing to do for DISPATCH_IDLE_MS. */
void targets_forget_idle(struct dispatcher *dispatcher);

/* --- dispatch_read.c --- */

/* Whoever has something that waits, of a message of that day or later; 0: all, as at the start. */
ERR_MUST_USE enum err dispatch_scan(struct dispatcher *dispatcher, int64_t from_day);
/* Reads what is due into the target's line; sets its timer for what is due later. Of an endpoint that
 * is disabled or deleted everything is due: it is given up. After target_load. */
ERR_MUST_USE enum err target_read(struct dispatcher *dispatcher, struct target *target);
/* Those of the target that are older than a day are given up, though nothing is sent to it now. */
ERR_MUST_USE enum err target_read_over(struct dispatcher *dispatcher, struct target *target);
struct item *target_take(struct target *target);
/* What waits in memory is left to the database again. */
void target_unread(struct dispatcher *dispatcher, struct target *target);
/* Something may be due in this lane: the target gets in line, and what waits in memory in later lanes is
 * left to the database, so that it is read behind that. */
void target_news(struct dispatcher *dispatcher, struct target *target, enum lane lane);
void item_forget(struct dispatcher *dispatcher, struct item *item);
/* The endpoint, no older than DISPATCH_ENDPOINT_AGE_MS. */
ERR_MUST_USE enum err target_load(struct dispatcher *dispatcher, struct target *target);

/* --- dispatcher.c --- */

void target_timer(struct dispatcher *dispatcher, struct target *target, int64_t at_ms);
void customer_timer(struct dispatcher *dispatcher, struct customer *customer, int64_t at_ms);

/* --- dispatch_send.c --- */

enum send_try {
    TRY_DONE,     /* something was sent, or given up */
    TRY_NOTHING,  /* the target has nothing to do now */
    TRY_CUSTOMER, /* the application has as much as it may */
    TRY_FULL,     /* everybody has */
};
enum send_try target_try(struct dispatcher *dispatcher, struct target *target);
/* Ends a delivery without an attempt. False: out of memory; it stays in the database. */
bool item_give_up(struct dispatcher *dispatcher, struct item *item, const char *reason);

/* --- dispatch_write.c --- */

void job_result(struct dispatcher *dispatcher, struct job *job);
/* Sends results to the writer. */
void dispatch_write(struct dispatcher *dispatcher);
/* What the writer has done with them. */
void dispatch_landed(struct dispatcher *dispatcher);
void job_free(struct job *job);
void dispatch_free_spares(struct dispatcher *dispatcher);
/* Results that could not be written: their deliveries are repeated by whoever comes next. */
void dispatch_drop_results(struct dispatcher *dispatcher);

#endif
