/* The rules of replays; see replay.h. */
#include "hooks/replay.h"

#include "base/ids.h"
#include "hooks/dispatcher.h"
#include "hooks/endpoint_store.h"
#include "hooks/hooks.h"
#include "hooks/replay_store.h"

#include <assert.h>

/* --- legs --- */

static bool leg_is_open(const struct replay_leg *leg)
{
    return leg->state < LEG_OVER;
}

/* The only place where a leg's state moves. */
static void leg_set_state(struct replay_leg *leg, enum leg_state state)
{
    assert(leg_is_open(leg));
    assert(state >= leg->state || (state == LEG_HUNGRY && leg->state == LEG_FED));
    leg->state = state;
}

static enum leg_state fed_or_hungry(const struct replay_leg *leg)
{
    return leg->waiting > REPLAY_WAITING_MAX - REPLAY_STEP_MAX ? LEG_FED : LEG_HUNGRY;
}

void replay_leg_queued(struct replay_leg *leg, size_t count, uint64_t position, bool is_at_end)
{
    assert(leg->state == LEG_HUNGRY && position >= leg->position);
    leg->position = position;
    leg->queued += (int64_t)count;
    leg->waiting += (int64_t)count;
    if (!is_at_end)
        leg_set_state(leg, fed_or_hungry(leg));
    else
        leg_set_state(leg, leg->waiting > 0 ? LEG_READ : LEG_OVER);
}

void replay_leg_settled(struct replay_leg *leg, bool is_first, enum delivery_state state)
{
    bool is_good = state == DELIVERY_SUCCESS;
    if (is_first) {
        leg->waiting--;
        leg->done += is_good;
        leg->failed += !is_good;
    } else if (is_good) {
        leg->done++;
        leg->failed--;
    }
    if (leg->state == LEG_FED)
        leg_set_state(leg, fed_or_hungry(leg));
    else if (leg->state == LEG_READ && leg->waiting == 0)
        leg_set_state(leg, LEG_OVER);
}

void replay_leg_stop(struct replay_leg *leg, size_t taken_back)
{
    leg->queued -= (int64_t)taken_back;
    leg->waiting -= (int64_t)taken_back;
    if (leg_is_open(leg))
        leg_set_state(leg, LEG_STOPPED);
}

bool replay_may_take(const struct replay *replay, const struct delivery *was)
{
    if (!was)
        return replay->kind == REPLAY_MISSING;
    if (was->state == DELIVERY_PENDING || was->ended_at >= replay->created_at)
        return false;
    bool is_dead = was->state == DELIVERY_DEAD;
    return replay->kind == REPLAY_MISSING ? is_dead && was->attempts == 0
                                          : is_dead || replay->kind == REPLAY_ENDED;
}

#define LATENCY_MS_GUESS 100
#define PACE_KNOWN       32 /* attempts that say more than a guess */

int64_t replay_eta_s(const struct replay_pace *pace)
{
    if (pace->left <= 0)
        return 0;
    if (pace->attempted >= PACE_KNOWN && pace->elapsed_ms > 0)
        return 1 + pace->left * pace->elapsed_ms / pace->attempted / 1000;
    int64_t latency_ms = pace->latency_ms >= 0 ? pace->latency_ms : LATENCY_MS_GUESS;
    int64_t ms = pace->left * (latency_ms > 0 ? latency_ms : 1) / REPLAY_IN_FLIGHT_MAX;
    if (pace->throttle_rate > 0 && pace->left * 1000 / pace->throttle_rate > ms)
        ms = pace->left * 1000 / pace->throttle_rate;
    return 1 + ms / 1000;
}

/* --- jobs --- */

/* The only place where a job's state moves. */
static enum err replay_set_state(struct writer_tx *tx, struct replay *replay,
                                 enum replay_state state)
{
    assert(replay->state == REPLAY_RUNNING && state != REPLAY_RUNNING);
    replay->state = state;
    replay->updated_at = tx->now_ms;
    replay->ended_at = tx->now_ms;
    return replay_store_set_state(tx->db, replay);
}

enum err replay_create(struct hooks *hooks, struct writer_tx *tx, struct replay *replay,
                       struct replay_leg *legs, size_t count)
{
    int64_t total = 0;
    replay->id = id_next(tx->ids);
    replay->state = REPLAY_RUNNING;
    replay->created_at = replay->updated_at = tx->now_ms;
    uint64_t until_id = replay->until_ms > 0 ? id_at_ms(replay->until_ms) : replay->id;
    for (size_t i = 0; i < count; i++)
        total += legs[i].total;
    if (total == 0) {
        replay->state = REPLAY_DONE;
        replay->ended_at = tx->now_ms;
    }
    enum err err = replay_store_add(tx->db, replay);
    for (size_t i = 0; !err && i < count; i++) {
        struct replay_leg *leg = &legs[i];
        leg->app_id = replay->app_id;
        leg->replay_id = replay->id;
        leg->state = leg->total == 0 ? LEG_OVER : LEG_HUNGRY;
        leg->position = replay_scan_start(replay->since_ms, tx->now_ms);
        leg->until_id = until_id < replay->id ? until_id : replay->id;
        err = replay_store_add_leg(tx->db, leg);
    }
    return err ? err : replayer_stage(hooks->replayer, tx);
}

/* Ends the job when none of its legs goes on. */
static enum err finish_if_over(struct writer_tx *tx, struct replay *replay)
{
    struct replay_leg legs[ENDPOINTS_MAX];
    size_t count = 0;
    bool is_stopped = false;
    enum err err = replay_store_legs(tx->db, replay->app_id, replay->id, legs, &count);
    for (size_t i = 0; !err && i < count; i++) {
        if (leg_is_open(&legs[i]))
            return ERR_OK;
        is_stopped |= legs[i].state == LEG_STOPPED;
    }
    return err ? err : replay_set_state(tx, replay, is_stopped ? REPLAY_FAILED : REPLAY_DONE);
}

/* After a leg has moved. */
static enum err leg_moved(struct writer_tx *tx, const struct replay_leg *leg)
{
    struct replay replay;
    enum err err = replay_store_set_leg(tx->db, leg);
    if (err || leg_is_open(leg))
        return err;
    err = replay_store_get(tx->db, tx->arena, leg->app_id, leg->replay_id, &replay);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    return replay.state == REPLAY_RUNNING ? finish_if_over(tx, &replay) : ERR_OK;
}

/* --- queueing --- */

static enum err queue_one(struct hooks *hooks, struct writer_tx *tx, const struct replay *replay,
                          const struct delivery_key *key, size_t *queued)
{
    struct delivery delivery = {.key = *key};
    enum err err = ring_open(hooks->ring, tx, key->message_id);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err; /* its day has gone */
    err = delivery_store_get(tx->db, key, &delivery);
    if (err && err != ERR_NOT_FOUND)
        return err;
    bool is_new = err == ERR_NOT_FOUND;
    if (!replay_may_take(replay, is_new ? NULL : &delivery))
        return ERR_OK;
    struct replay_link link = {
        .key = *key, .replay_id = replay->id, .is_new = is_new, .was = delivery};
    err = replay_store_put_link(tx->db, &link);
    if (!err)
        err = delivery_queue_again(hooks, tx, &delivery, LANE_REPLAY);
    *queued += err == ERR_OK;
    return err;
}

static enum err takes_more(struct writer_tx *tx, const struct replay_leg *leg, bool *ret_takes)
{
    struct endpoint endpoint;
    enum err err = endpoint_store_get(tx->db, tx->arena, leg->app_id, leg->endpoint_id, &endpoint);
    if (err && err != ERR_NOT_FOUND)
        return err;
    *ret_takes = !err && endpoint.disabled_by == DISABLED_NOT;
    return ERR_OK;
}

enum err replay_step(struct hooks *hooks, struct writer_tx *tx, const struct replay_step *step)
{
    struct replay replay;
    struct replay_leg leg;
    bool takes = false;
    size_t queued = 0;
    enum err err =
        replay_store_get_leg(tx->db, step->app_id, step->replay_id, step->endpoint_id, &leg);
    if (!err)
        err = replay_store_get(tx->db, tx->arena, step->app_id, step->replay_id, &replay);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    if (replay.state != REPLAY_RUNNING || leg.state != LEG_HUNGRY || leg.position != step->from)
        return ERR_OK;
    err = takes_more(tx, &leg, &takes);
    if (!err && !takes) {
        replay_leg_stop(&leg, 0);
        return leg_moved(tx, &leg);
    }
    for (size_t i = 0; !err && i < step->count; i++) {
        struct delivery_key key = {step->app_id, step->endpoint_id, step->ids[i]};
        err = queue_one(hooks, tx, &replay, &key, &queued);
    }
    if (err)
        return err;
    replay_leg_queued(&leg, queued, step->position, step->is_at_end);
    replayer_count(hooks->replayer, queued);
    return leg_moved(tx, &leg);
}

/* --- what becomes of them --- */

enum err replay_settled(struct hooks *hooks, struct writer_tx *tx, const struct delivery_key *key,
                        enum delivery_state state)
{
    struct replay_link link;
    struct replay_leg leg;
    enum err err = replay_store_get_link(tx->db, key, &link);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    bool is_first = !link.is_begun;
    link.is_begun = true;
    if (state != DELIVERY_PENDING)
        err = replay_store_delete_link(tx->db, key);
    else if (is_first)
        err = replay_store_put_link(tx->db, &link);
    if (!err)
        err = replay_store_get_leg(tx->db, key->app_id, link.replay_id, key->endpoint_id, &leg);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    enum leg_state before = leg.state;
    replay_leg_settled(&leg, is_first, state);
    if (leg.state == LEG_HUNGRY && before != LEG_HUNGRY)
        err = replayer_stage(hooks->replayer, tx);
    if (err)
        return err;
    return leg.state == before ? replay_store_set_leg(tx->db, &leg) : leg_moved(tx, &leg);
}

enum err replay_let_go(struct writer_tx *tx, const struct delivery_key *key)
{
    return replay_store_delete_link(tx->db, key);
}

/* --- cancelling --- */

/* One that somebody has sent again by hand meanwhile stays queued. */
static enum err take_back(struct hooks *hooks, struct writer_tx *tx, const struct replay_link *link)
{
    struct delivery delivery;
    enum err err = replay_store_delete_link(tx->db, &link->key);
    if (!err)
        err = ring_open(hooks->ring, tx, link->key.message_id);
    if (!err)
        err = delivery_store_get(tx->db, &link->key, &delivery);
    if (!err && delivery.state == DELIVERY_PENDING && delivery.lane == LANE_REPLAY)
        err = delivery_take_back(hooks, tx, &delivery, link->is_new ? NULL : &link->was);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err leg_cancel(struct hooks *hooks, struct writer_tx *tx, struct replay_leg *leg)
{
    struct replay_link links[REPLAY_WAITING_MAX];
    size_t count = 0;
    enum err err = replay_store_waiting(tx->db, leg, links, &count);
    for (size_t i = 0; !err && i < count; i++)
        err = take_back(hooks, tx, &links[i]);
    if (err)
        return err;
    replay_leg_stop(leg, count);
    return replay_store_set_leg(tx->db, leg);
}

enum err replay_cancel(struct hooks *hooks, struct writer_tx *tx, struct replay *replay)
{
    struct replay_leg legs[ENDPOINTS_MAX];
    size_t count = 0;
    if (replay->state != REPLAY_RUNNING)
        return ERR_OK;
    enum err err = replay_store_legs(tx->db, replay->app_id, replay->id, legs, &count);
    for (size_t i = 0; !err && i < count; i++)
        err = leg_cancel(hooks, tx, &legs[i]);
    return err ? err : replay_set_state(tx, replay, REPLAY_CANCELLED);
}

/* --- retention --- */

enum err replay_first_day(struct db *db, int64_t now_ms, int64_t *ret_day)
{
    int64_t first_ms = now_ms, shown = ring_day_of_ms(now_ms) - RETENTION_DAYS;
    enum err err = replay_store_first(db, &first_ms);
    if (err && err != ERR_NOT_FOUND)
        return err;
    int64_t day = err ? shown : ring_day_of_ms(first_ms);
    if (day < shown - REPLAY_HELD_DAYS)
        day = shown - REPLAY_HELD_DAYS;
    *ret_day = day < shown ? day : shown;
    return ERR_OK;
}

enum err replay_sweep(struct hooks *hooks, struct writer_tx *tx)
{
    struct delivery_key keys[REPLAY_SWEEP_MAX];
    size_t count = 0;
    int64_t day = ring_day_of_ms(tx->now_ms) - RETENTION_DAYS - REPLAY_HELD_DAYS;
    enum err err = replay_store_old_links(tx->db, id_at_ms(day * DAY_MS), keys, &count);
    for (size_t i = 0; !err && i < count; i++)
        err = replay_settled(hooks, tx, &keys[i], DELIVERY_DEAD);
    return err ? err : replay_store_purge(tx->db, tx->now_ms - RETENTION_DAYS * DAY_MS);
}
