/* See delivery.h. */
#include "hooks/delivery.h"

#include "hooks/delivery_store.h"
#include "hooks/dispatcher.h"
#include "hooks/hooks.h"

enum err delivery_create(struct hooks *hooks, struct writer_tx *tx, const struct delivery_key *key)
{
    struct delivery delivery = {.key = *key,
                                .state = DELIVERY_PENDING,
                                .next_at = tx->now_ms,
                                .lane = LANE_LIVE,
                                .created_at = tx->now_ms};
    enum err err = delivery_store_put(tx->db, &delivery);
    return err ? err : dispatcher_stage(hooks->dispatcher, tx, key, LANE_LIVE);
}

enum err delivery_resend(struct hooks *hooks, struct writer_tx *tx, const struct delivery_key *key,
                         enum lane lane)
{
    enum err err = ring_open(hooks->ring, tx, key->message_id);
    struct delivery delivery = {.key = *key, .created_at = tx->now_ms};
    if (!err)
        err = delivery_store_get(tx->db, key, &delivery);
    if (err && err != ERR_NOT_FOUND)
        return err;
    delivery.state = DELIVERY_PENDING;
    delivery.attempts = 0;
    delivery.next_at = tx->now_ms;
    delivery.lane = lane;
    delivery.ended_at = 0;
    err = delivery_store_put(tx->db, &delivery);
    return err ? err : dispatcher_stage(hooks->dispatcher, tx, key, lane);
}
