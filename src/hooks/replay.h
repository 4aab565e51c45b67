/*
 * A replay: a durable job that sends many deliveries of an application again, below live traffic.
 *
 *     RUNNING ──▶ DONE         all that it was for has been attempted
 *        │ ╰────▶ FAILED       an endpoint was disabled or deleted before that
 *        ╰──────▶ CANCELLED    by the caller
 *
 * It goes through the messages of each endpoint by itself, the oldest first. Such a leg:
 *
 *     HUNGRY ◀──▶ FED          few of it wait, the worker queues more; enough do
 *        │         │
 *        ▼         ▼
 *       READ ───▶ OVER         nothing more is queued, some still wait; all of it was attempted
 *     (each) ───▶ STOPPED      cancelled, or the endpoint takes nothing any more
 *
 * Invariants
 *  1. A leg's position and what it has queued are one commit, so a crash neither skips nor repeats.
 *  2. A job takes what had ended before the job was made, and only while it has still ended: what
 *     another job, a resend or the schedule has in hand is passed over. So nothing is queued twice.
 *  3. At most REPLAY_WAITING_MAX of a leg are queued and not yet attempted.
 *  4. What a job has queued is in replay_delivery, with what it was before, until it has ended.
 *
 * The worker (replay_worker.c) runs on the steward alone. All changes are jobs of the application's
 * shard.
 */
#ifndef HOOKS_REPLAY_H
#define HOOKS_REPLAY_H

#include "hooks/delivery.h"

enum replay_kind {
    REPLAY_DEAD = 0,    /* dead letters */
    REPLAY_ENDED = 1,   /* what was delivered, too */
    REPLAY_MISSING = 2, /* messages that the endpoint wants and that were never tried there */
};

enum replay_state {
    REPLAY_RUNNING = 0,
    REPLAY_DONE = 1,
    REPLAY_CANCELLED = 2,
    REPLAY_FAILED = 3,
};

enum leg_state {
    LEG_HUNGRY = 0,
    LEG_FED = 1,
    LEG_READ = 2,
    LEG_OVER = 3,
    LEG_STOPPED = 4,
};

struct replay {
    uint64_t app_id, id;
    enum replay_kind kind;
    enum replay_state state;
    uint64_t endpoint_id;       /* 0: all */
    int64_t since_ms, until_ms; /* of messages; 0: open */
    struct str event_types;     /* a name a line; empty: all */
    int64_t created_at, updated_at;
    int64_t ended_at; /* 0: it runs */
};

struct replay_leg {
    uint64_t app_id, replay_id, endpoint_id;
    enum leg_state state;
    uint64_t position; /* the last message that was looked at */
    uint64_t until_id; /* messages below it */
    int64_t total;     /* counted when the job was made */
    int64_t queued;
    int64_t waiting; /* queued, and not attempted yet */
    int64_t done;
    int64_t failed; /* attempted without success so far, or given up */
};

/* A delivery in a job's hands, and what it was before. */
struct replay_link {
    struct delivery_key key;
    uint64_t replay_id;
    bool is_new; /* there was no delivery */
    struct delivery was;
    bool is_begun; /* an attempt was made, and counted */
};

/* --- pure --- */

/* count were queued, and everything up to position was looked at. */
void replay_leg_queued(struct replay_leg *leg, size_t count, uint64_t position, bool is_at_end);
/* What a delivery of the leg has become: is_first is its first attempt, or its end without one. */
void replay_leg_settled(struct replay_leg *leg, bool is_first, enum delivery_state state);
/* Nothing more is queued; taken_back were queued and are not any more. */
void replay_leg_stop(struct replay_leg *leg, size_t taken_back);
/* Invariant 2. was: NULL when there is none. */
bool replay_may_take(const struct replay *replay, const struct delivery *was);

/* How long the rest of one endpoint's share takes: as fast as so far, or else REPLAY_IN_FLIGHT_MAX at a
 * time. */
struct replay_pace {
    int64_t left;
    int64_t attempted, elapsed_ms; /* so far */
    int64_t latency_ms;            /* -1: not known */
    int64_t throttle_rate;         /* deliveries a second; 0: no limit */
};
int64_t replay_eta_s(const struct replay_pace *pace);

/* --- in apply --- */

/* legs: endpoint_id and total are given. replay->id and times are set; with nothing to do it is DONE. */
ERR_MUST_USE enum err replay_create(struct hooks *hooks, struct writer_tx *tx,
                                    struct replay *replay, struct replay_leg *legs, size_t count);
/* What has not begun is again what it was before. One that has ended stays as it is. */
ERR_MUST_USE enum err replay_cancel(struct hooks *hooks, struct writer_tx *tx,
                                    struct replay *replay);
/* One step of a leg: queues these messages, if the leg still is where they were looked for. */
struct replay_step {
    uint64_t app_id, replay_id, endpoint_id;
    uint64_t from; /* the leg's position when they were looked for */
    uint64_t ids[REPLAY_STEP_MAX];
    size_t count;
    uint64_t position;
    bool is_at_end;
};
ERR_MUST_USE enum err replay_step(struct hooks *hooks, struct writer_tx *tx,
                                  const struct replay_step *step);
/* A delivery that waited outside of the live lane has become this; DELIVERY_DEAD also for one whose day
 * has gone. Nothing happens when it is of no job. */
ERR_MUST_USE enum err replay_settled(struct hooks *hooks, struct writer_tx *tx,
                                     const struct delivery_key *key, enum delivery_state state);
/* It is sent again by hand after an attempt of the job: what becomes of it is not the job's any more. */
ERR_MUST_USE enum err replay_let_go(struct writer_tx *tx, const struct delivery_key *key);
/* The first day that retention must leave alone: a running job may still read it. At most
 * REPLAY_HELD_DAYS before those that are shown. */
ERR_MUST_USE enum err replay_first_day(struct db *db, int64_t now_ms, int64_t *ret_day);
/* Some of what nobody needs any more: ended jobs, deliveries whose day has gone. */
ERR_MUST_USE enum err replay_sweep(struct hooks *hooks, struct writer_tx *tx);

/* --- the worker --- */

struct replayer;
ERR_MUST_USE enum err replayer_new(struct hooks *hooks, struct replayer **ret_replayer);
ERR_MUST_USE enum err replayer_start(struct replayer *replayer);
void replayer_stop(struct replayer *replayer); /* NULL is fine */
void replayer_free(struct replayer *replayer);
/* In apply: after the commit it looks for something to do. */
ERR_MUST_USE enum err replayer_stage(struct replayer *replayer, struct writer_tx *tx);
/* Queued so many, for the metric. Any thread. */
void replayer_count(struct replayer *replayer, size_t queued);

#endif
