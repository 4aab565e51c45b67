/* Counting a crowd; see queue_crowd.h. */
#include "tickets/queue_crowd.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "tickets/limits.h"

#define BITS (1u << 18)

struct queue_crowd {
    pthread_mutex_t lock;
    int64_t half;        /* which half of a QUEUE_CROWD_MS it is */
    uint8_t *now, *past; /* of this half and the one before */
    int64_t now_count, past_count;
};

struct queue_crowd *queue_crowd_new(void)
{
    struct queue_crowd *crowd = calloc(1, sizeof(*crowd));
    if (crowd)
        pthread_mutex_init(&crowd->lock, NULL);
    return crowd;
}

void queue_crowd_free(struct queue_crowd *crowd)
{
    if (!crowd)
        return;
    pthread_mutex_destroy(&crowd->lock);
    free(crowd->now);
    free(crowd->past);
    free(crowd);
}

static void turn(struct queue_crowd *crowd, int64_t now_ms)
{
    int64_t half = now_ms / (QUEUE_CROWD_MS / 2);
    if (half == crowd->half || !crowd->now)
        return;
    bool is_next = half == crowd->half + 1;
    uint8_t *bits = crowd->past;
    crowd->past = crowd->now;
    crowd->past_count = crowd->now_count;
    crowd->now = bits;
    crowd->now_count = 0;
    memset(crowd->now, 0, BITS / 8);
    if (!is_next) {
        memset(crowd->past, 0, BITS / 8);
        crowd->past_count = 0;
    }
    crowd->half = half;
}

static bool has_bits(struct queue_crowd *crowd, int64_t now_ms)
{
    if (crowd->now)
        return true;
    uint8_t *now = calloc(1, BITS / 8), *past = calloc(1, BITS / 8);
    if (!now || !past) {
        free(now);
        free(past);
        return false;
    }
    crowd->now = now;
    crowd->past = past;
    crowd->half = now_ms / (QUEUE_CROWD_MS / 2);
    return true;
}

int64_t queue_crowd_note(struct queue_crowd *crowd, uint64_t person, int64_t now_ms)
{
    uint64_t bit = str_hash(str_from((const char *)&person, sizeof(person))) % BITS;
    uint8_t mask = (uint8_t)(1u << (bit % 8));
    int64_t count = 0;
    pthread_mutex_lock(&crowd->lock);
    if (has_bits(crowd, now_ms)) {
        turn(crowd, now_ms);
        if (!(crowd->now[bit / 8] & mask)) {
            crowd->now[bit / 8] |= mask;
            crowd->now_count++;
            if (crowd->past[bit / 8] & mask) { /* the same person, counted once */
                crowd->past[bit / 8] &= (uint8_t)~mask;
                crowd->past_count--;
            }
        }
        count = crowd->now_count + crowd->past_count;
    }
    pthread_mutex_unlock(&crowd->lock);
    return count;
}

int64_t queue_crowd_count(struct queue_crowd *crowd, int64_t now_ms)
{
    pthread_mutex_lock(&crowd->lock);
    turn(crowd, now_ms);
    int64_t count = crowd->now_count + crowd->past_count;
    pthread_mutex_unlock(&crowd->lock);
    return count;
}
