/* See queue_poll.h. Pauses only grow by chance, never shrink, so the sums hold. */
#include "tickets/queue_poll.h"

#include "base/rand.h"
#include "tickets/limits.h"

#define SECOND_MS    1000
#define DRAW_MS      1000 /* the order is not known sooner after the sale's beginning */
#define SPREAD_MS    2000 /* of the sale's beginning, for a few people */
#define LAST_LOOK_MS 60000

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

static int64_t and_some_more(int64_t pause_ms, int64_t spread_ms)
{
    return pause_ms + (spread_ms > 0 ? (int64_t)rand_below((uint64_t)spread_ms) : 0);
}

/* How long an admission may go unnoticed. */
static int64_t notice_ms(const struct queue_settings *settings)
{
    int64_t seconds =
        settings->quiet_s < settings->admission_s ? settings->quiet_s : settings->admission_s;
    return seconds * SECOND_MS / 2;
}

/* The pause at which so many ask as often as they may, without the share of those in front. */
static int64_t pause_of(int64_t people)
{
    return people * SECOND_MS / (QUEUE_POLLS_PER_S - QUEUE_POLLS_PER_S / 4);
}

static int64_t crowd_ms(const struct queue_poll *poll)
{
    return pause_of(poll->sight->people);
}

static int64_t pre_after(const struct queue_poll *poll)
{
    int64_t to_sale_ms = poll->onsale_at - poll->now_ms;
    int64_t spread_ms = clamp(crowd_ms(poll), 0, notice_ms(poll->settings));
    if (to_sale_ms > LAST_LOOK_MS) {
        int64_t pause_ms = clamp(to_sale_ms / 2, 0, LAST_LOOK_MS);
        return and_some_more(pause_ms > spread_ms ? pause_ms : spread_ms, 5000);
    }
    return and_some_more((to_sale_ms > 0 ? to_sale_ms : 0) + DRAW_MS,
                         spread_ms > SPREAD_MS ? spread_ms : SPREAD_MS);
}

/*
 * Whoever has a people ahead asks no more often than every a / QUEUE_POLLS_FRONT seconds, which sums up
 * to QUEUE_POLLS_FRONT * (1 + ln(crowd_ms / SECOND_MS)) a second: a quarter of the whole, at most.
 */
static int64_t waiting_after(const struct queue_poll *poll)
{
    const struct queue_sight *sight = poll->sight;
    const struct queue_settings *settings = poll->settings;
    int64_t wish_ms = sight->eta_seconds >= 0 ? sight->eta_seconds * 100 : sight->ahead * 10;
    wish_ms = clamp(wish_ms, SECOND_MS, clamp(settings->quiet_s * SECOND_MS / 3, 5000, 30000));
    int64_t front_ms = sight->ahead * SECOND_MS / QUEUE_POLLS_FRONT;
    int64_t floor_ms = clamp(crowd_ms(poll), 0, front_ms);
    /* Nobody is let in sooner than at the rate of the settings, which may be raised meanwhile. */
    int64_t soonest_ms = sight->ahead * 60 * SECOND_MS / settings->admit_per_minute;
    int64_t pause_ms = wish_ms > floor_ms ? wish_ms : floor_ms;
    pause_ms = clamp(pause_ms, 0, notice_ms(settings) + soonest_ms / 2);
    return and_some_more(pause_ms, pause_ms / 4);
}

int64_t queue_poll_after(const struct queue_poll *poll)
{
    switch (poll->sight->state) {
    case QUEUE_PRE:
        return pre_after(poll);
    case QUEUE_WAITING:
        return waiting_after(poll);
    case QUEUE_ADMITTED: /* never so seldom that a token ends */
        return clamp(clamp(poll->settings->quiet_s * SECOND_MS / 3, 5000, 30000), 0,
                     QUEUE_TOKEN_MS / 3);
    default:
        return QUEUE_TOKEN_MS;
    }
}

/* How many look on without a place is not known: as many as have one, perhaps. */
int64_t queue_poll_room_after(const struct queue_settings *settings, int64_t opens_in_ms,
                              int64_t people)
{
    if (opens_in_ms > 0)
        return and_some_more(clamp(opens_in_ms, 0, LAST_LOOK_MS),
                             clamp(settings->opens_before_s * SECOND_MS / 20, 3000, 30000));
    int64_t pause_ms = clamp(pause_of(people), 10000, LAST_LOOK_MS);
    return and_some_more(pause_ms, pause_ms / 4);
}
