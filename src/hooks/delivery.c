/* See delivery.h. */
#include "hooks/delivery.h"

#include "hooks/delivery_store.h"
#include "hooks/dispatcher.h"
#include "hooks/hooks.h"
#include "hooks/quota.h"
#include "hooks/replay.h"
#include "hooks/schedule.h"

#include <assert.h>

/* The only place where a state moves; next_at belongs to PENDING alone. */
static void delivery_set_state(struct delivery *delivery, enum delivery_state state, int64_t at_ms)
{
    bool is_late = delivery->state == DELIVERY_DEAD && state == DELIVERY_SUCCESS;
    assert(state == DELIVERY_PENDING || delivery->state == DELIVERY_PENDING || is_late);
    delivery->state = state;
    delivery->next_at = state == DELIVERY_PENDING ? at_ms : 0;
    delivery->ended_at = state == DELIVERY_PENDING ? 0 : at_ms;
}

void delivery_settle(struct delivery *delivery, const struct delivery_end *end)
{
    int64_t due_ms;
    if (delivery->state == DELIVERY_DEAD && end->result == DELIVERY_TAKEN) {
        /* An attempt was under way when it was given up: the receiver has it all the same. */
        delivery->attempts += delivery->attempts < ATTEMPTS_MAX; /* a job's was one more */
        delivery_set_state(delivery, DELIVERY_SUCCESS, end->now_ms);
    }
    if (delivery->state != DELIVERY_PENDING)
        return;
    if (end->result != DELIVERY_GIVEN_UP)
        delivery->attempts++;
    struct schedule_step step = {.started_ms = delivery->created_at,
                                 .now_ms = end->now_ms,
                                 .attempts = (size_t)delivery->attempts,
                                 .retry_after_ms = end->retry_after_ms,
                                 .chance = end->chance};
    if (end->result == DELIVERY_TAKEN)
        delivery_set_state(delivery, DELIVERY_SUCCESS, end->now_ms);
    else if (end->result == DELIVERY_REFUSED && schedule_next(end->schedule, &step, &due_ms))
        delivery_set_state(delivery, DELIVERY_PENDING, due_ms);
    else
        delivery_set_state(delivery, DELIVERY_DEAD, end->now_ms);
}

enum err delivery_create(struct hooks *hooks, struct writer_tx *tx, const struct delivery_key *key)
{
    struct delivery delivery = {.key = *key,
                                .state = DELIVERY_PENDING,
                                .next_at = tx->now_ms,
                                .lane = LANE_LIVE,
                                .created_at = tx->now_ms};
    enum err err = delivery_store_add(tx->db, &delivery);
    return err ? err : dispatcher_stage(hooks->dispatcher, tx, key, LANE_LIVE);
}

enum err delivery_queue_again(struct hooks *hooks, struct writer_tx *tx, struct delivery *delivery,
                              enum lane lane)
{
    bool waited = delivery->state == DELIVERY_PENDING;
    delivery_set_state(delivery, DELIVERY_PENDING, tx->now_ms);
    delivery->attempts = 0;
    delivery->lane = lane;
    delivery->created_at = tx->now_ms;
    enum err err = delivery_store_put(tx->db, delivery);
    if (!err && !waited)
        err = backlog_store_add(tx->db, delivery->key.app_id, 1);
    return err ? err : dispatcher_stage(hooks->dispatcher, tx, &delivery->key, lane);
}

enum err delivery_take_back(struct hooks *hooks, struct writer_tx *tx, struct delivery *delivery,
                            const struct delivery *was)
{
    enum err err;
    if (was) {
        delivery_set_state(delivery, was->state, was->ended_at);
        delivery->attempts = was->attempts;
        delivery->lane = was->lane;
        delivery->created_at = was->created_at;
        err = delivery_store_put(tx->db, delivery);
    } else {
        err = delivery_store_delete(tx->db, &delivery->key);
    }
    if (!err)
        err = backlog_store_add(tx->db, delivery->key.app_id, -1);
    /* As if something had come before it: what waits in memory is read again, without it. */
    return err ? err : dispatcher_stage(hooks->dispatcher, tx, &delivery->key, LANE_LIVE);
}

enum err delivery_resend(struct hooks *hooks, struct writer_tx *tx, const struct delivery_key *key,
                         enum lane lane)
{
    enum err err = ring_open(hooks->ring, tx, key->message_id);
    struct delivery delivery = {.key = *key, .created_at = tx->now_ms};
    if (err)
        return err;
    err = delivery_store_get(tx->db, key, &delivery);
    if (err && err != ERR_NOT_FOUND)
        return err;
    bool is_pending = !err && delivery.state == DELIVERY_PENDING;
    bool is_again = is_pending && delivery.lane != LANE_LIVE;
    if (is_again && delivery.attempts == 0 && delivery.lane <= lane)
        return ERR_OK;
    err = is_again && delivery.attempts > 0 ? replay_let_go(tx, key) : ERR_OK;
    return err ? err : delivery_queue_again(hooks, tx, &delivery, lane);
}
