/*
 * A delivery: one message on its way to one endpoint, in the tables of the message's day.
 *
 *     (new) ──▶ PENDING ──▶ SUCCESS
 *                 │ ▲
 *                 ▼ │ resend, replay
 *                DEAD        (SUCCESS, too, goes back to PENDING by a resend or replay)
 *
 * DEAD becomes SUCCESS when an attempt that was under way as it was given up has arrived.
 *
 * next_at says when it is due; it is NULL unless the delivery is PENDING.
 */
#ifndef HOOKS_DELIVERY_H
#define HOOKS_DELIVERY_H

#include "hooks/attempt_store.h"

struct hooks;
struct schedule;

/* The numbers of enum attempt_status, as far as they go. */
enum delivery_state {
    DELIVERY_SUCCESS = 0,
    DELIVERY_PENDING = 1,
    DELIVERY_DEAD = 2,
};

/* Which line of its endpoint it waits in. What is due in an earlier one goes first, retries too. */
enum lane {
    LANE_LIVE = 0,
    LANE_MANUAL = 1, /* resend of one */
    LANE_REPLAY = 2, /* of a job: see replay.h */
    LANE_COUNT = 3,
};

struct delivery_key {
    uint64_t app_id, endpoint_id, message_id;
};

struct delivery {
    struct delivery_key key;
    enum delivery_state state;
    int64_t attempts;
    int64_t next_at; /* 0: none */
    enum lane lane;
    int64_t created_at; /* from here on the schedule counts: the message came, or was sent anew */
    int64_t ended_at;   /* 0: not yet */
};

/* What has become of one that was PENDING. */
enum delivery_result {
    DELIVERY_TAKEN,    /* the receiver has it */
    DELIVERY_REFUSED,  /* an attempt failed */
    DELIVERY_GIVEN_UP, /* no attempt was made, and none will be */
};
struct delivery_end {
    enum delivery_result result;
    const struct schedule *schedule;
    int64_t retry_after_ms; /* what the receiver asked for; 0: nothing */
    uint64_t chance;        /* any 64 bits, for the jitter */
    int64_t now_ms;
};
/* Moves it to its next state. One that was ended by somebody else stays what it is. */
void delivery_settle(struct delivery *delivery, const struct delivery_end *end);

/* In apply, after ring_open: due at once, and handed to the dispatcher when it is committed. Whoever makes
 * some counts them as waiting (backlog_store_add). */
ERR_MUST_USE enum err delivery_create(struct hooks *hooks, struct writer_tx *tx,
                                      const struct delivery_key *key);
/* In apply: it is due again at once, counted from the first attempt on, whether it has ended or was
 * never made. Already waiting to be sent again in this lane or an earlier one: nothing more happens.
 * ERR_NOT_FOUND: the message's day has gone. */
ERR_MUST_USE enum err delivery_resend(struct hooks *hooks, struct writer_tx *tx,
                                      const struct delivery_key *key, enum lane lane);

/* In apply, after ring_open: due at once in this lane, with a schedule of its own. */
ERR_MUST_USE enum err delivery_queue_again(struct hooks *hooks, struct writer_tx *tx,
                                           struct delivery *delivery, enum lane lane);
/* The opposite for one that is PENDING and was not attempted: it is what it was (NULL: it was not).
 * Should an attempt be under way, its success counts: DEAD becomes SUCCESS. */
ERR_MUST_USE enum err delivery_take_back(struct hooks *hooks, struct writer_tx *tx,
                                         struct delivery *delivery, const struct delivery *was);

/* delivery_store.c. Reader or writer connection. ERR_NOT_FOUND. */
ERR_MUST_USE enum err delivery_store_get(struct db *db, const struct delivery_key *key,
                                         struct delivery *ret_delivery);

#endif
