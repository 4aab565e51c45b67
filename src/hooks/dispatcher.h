/* The dispatcher sends what is due: a thread of its own, on the steward only. */
#ifndef HOOKS_DISPATCHER_H
#define HOOKS_DISPATCHER_H

#include "hooks/delivery.h"

struct dispatcher;

/* Before the writer starts. hooks outlives it. */
ERR_MUST_USE enum err dispatcher_new(struct hooks *hooks, struct dispatcher **ret_dispatcher);
/* Resumes from the database what is due or will be. */
ERR_MUST_USE enum err dispatcher_start(struct dispatcher *dispatcher);
/* Lets go of what is in flight: it is repeated by whoever comes next. NULL is fine. */
void dispatcher_stop(struct dispatcher *dispatcher);
void dispatcher_free(struct dispatcher *dispatcher);

/* In apply: a delivery that is due now; told after the commit. */
ERR_MUST_USE enum err dispatcher_stage(struct dispatcher *dispatcher, struct writer_tx *tx,
                                       const struct delivery_key *key, enum lane lane);
/* In apply: what is remembered of this endpoint (0: of the whole application) is read anew after the
 * commit. Changed, disabled or deleted. */
ERR_MUST_USE enum err dispatcher_stage_change(struct dispatcher *dispatcher, struct writer_tx *tx,
                                              uint64_t app_id, uint64_t endpoint_id);

enum breaker_state_shown {
    BREAKER_SHOWN_CLOSED,
    BREAKER_SHOWN_OPEN,
    BREAKER_SHOWN_HALF_OPEN,
};

struct endpoint_health {
    enum breaker_state_shown state;
    int64_t in_flight;
    int64_t p50_ms, p99_ms; /* of the last deliveries; -1: none yet */
    int64_t next_probe_at;  /* 0: none */
};
/* Any thread. One that the dispatcher has not met is closed and has nothing under way. */
void dispatcher_health(struct dispatcher *dispatcher, uint64_t app_id, uint64_t endpoint_id,
                       struct endpoint_health *ret_health);

#endif
