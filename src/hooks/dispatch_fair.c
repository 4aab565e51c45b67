/*
 * Whose turn it is: deficit round robin over applications, then over the endpoints of one. Who is at
 * the head of a line may send while its deficit is positive; what it sent is taken off, and when
 * nothing is left it gets DISPATCH_QUANTUM and goes to the end. A payload of 1 MiB is paid for in the
 * rounds after it, so nobody needs to know a size before its turn. Out of line a deficit is kept when
 * it is a debt, and lost when it is a credit.
 */
#include "hooks/dispatcher_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

static const struct breaker_limits breaker_limits = {
    .failures = BREAKER_FAILURES_MAX,
    .pause_ms = BREAKER_PAUSE_MS,
    .pause_max_ms = BREAKER_PAUSE_MS_MAX,
    .probe_ms = 10 * 60 * 1000, /* it always comes back: its deadline sees to that */
};

/* --- who there is --- */

static enum err customer_find(struct dispatcher *dispatcher, uint64_t app_id,
                              struct customer **ret_customer)
{
    uintptr_t value;
    if (map_get(&dispatcher->customers, app_id, &value)) {
        *ret_customer = (struct customer *)value;
        return ERR_OK;
    }
    struct customer *customer = calloc(1, sizeof(*customer));
    if (!customer)
        return ERR_NOMEM;
    customer->id = app_id;
    customer->last = &customer->first;
    customer->results_last = &customer->results;
    customer->timer_ms = INT64_MAX;
    enum err err = map_put(&dispatcher->customers, app_id, (uintptr_t)customer);
    if (err) {
        free(customer);
        return err;
    }
    *ret_customer = customer;
    return ERR_OK;
}

struct target *target_get(struct dispatcher *dispatcher, uint64_t endpoint_id)
{
    uintptr_t value;
    bool is_there = map_get(&dispatcher->targets, endpoint_id, &value);
    return is_there ? (struct target *)value : NULL;
}

static struct target *target_new(struct customer *customer, uint64_t endpoint_id)
{
    struct target *target = calloc(1, sizeof(*target));
    if (!target)
        return NULL;
    target->customer = customer;
    target->id = endpoint_id;
    target->last = &target->first;
    window_init(&target->window);
    target->timer_ms = INT64_MAX;
    target->shown = (struct endpoint_health){.p50_ms = -1, .p99_ms = -1};
    arena_init(&target->arena, 1u << 20);
    breaker_init(&target->breaker, &breaker_limits);
    return target;
}

enum err target_find(struct dispatcher *dispatcher, uint64_t app_id, uint64_t endpoint_id,
                     struct target **ret_target)
{
    struct customer *customer;
    *ret_target = target_get(dispatcher, endpoint_id);
    if (*ret_target)
        return ERR_OK;
    enum err err = customer_find(dispatcher, app_id, &customer);
    if (err)
        return err;
    struct target *target = target_new(customer, endpoint_id);
    if (!target)
        return ERR_NOMEM;
    pthread_mutex_lock(&dispatcher->shown_lock);
    err = map_put(&dispatcher->targets, endpoint_id, (uintptr_t)target);
    pthread_mutex_unlock(&dispatcher->shown_lock);
    if (err) {
        free(target);
        return err;
    }
    target->queued_at_ms = clock_now_ms();
    customer->target_count++;
    *ret_target = target;
    return ERR_OK;
}

void target_forget_endpoint(struct target *target)
{
    if (target->has_endpoint)
        endpoint_wipe(&target->endpoint);
    arena_reset(&target->arena, 4096);
    target->has_endpoint = target->is_gone = false;
}

void targets_free(struct dispatcher *dispatcher)
{
    uint64_t key;
    uintptr_t value;
    pthread_mutex_lock(&dispatcher->shown_lock);
    for (size_t position = 0; map_each(&dispatcher->targets, &position, &key, &value);) {
        struct target *target = (struct target *)value;
        target_unread(dispatcher, target);
        assert(target->known_count == 0 && target->in_flight == 0);
        target_forget_endpoint(target);
        arena_release(&target->arena);
        free(target);
    }
    map_release(&dispatcher->targets);
    map_init(&dispatcher->targets, DISPATCH_TARGETS_MAX);
    pthread_mutex_unlock(&dispatcher->shown_lock);
    for (size_t position = 0; map_each(&dispatcher->customers, &position, &key, &value);)
        free((struct customer *)value);
    map_release(&dispatcher->customers);
    map_init(&dispatcher->customers, DISPATCH_TARGETS_MAX);
    dispatcher->first = NULL;
    dispatcher->last = &dispatcher->first;
    dispatcher->dirty = NULL;
    heap_release(&dispatcher->timers);
}

/* By the dispatcher's first invariant nothing waits for it anywhere: that would have put it in line, or
 * given it a timer. A breaker that is open has one, too. */
static bool is_idle(const struct target *target, int64_t now_ms)
{
    return !target->is_in_line && !target->is_stale && target->known_count == 0 &&
           target->in_flight == 0 && target->timer_ms == INT64_MAX &&
           now_ms - target->queued_at_ms > DISPATCH_IDLE_MS;
}

static void customer_forget(struct dispatcher *dispatcher, struct customer *customer)
{
    bool is_needed = customer->target_count > 0 || customer->is_in_line || customer->is_dirty ||
                     customer->is_writing || customer->timer_ms != INT64_MAX;
    if (is_needed)
        return;
    (void)map_remove(&dispatcher->customers, customer->id); /* it is there */
    free(customer);
}

static void target_forget(struct dispatcher *dispatcher, struct target *target)
{
    struct customer *customer = target->customer;
    pthread_mutex_lock(&dispatcher->shown_lock);
    (void)map_remove(&dispatcher->targets, target->id); /* it is there */
    pthread_mutex_unlock(&dispatcher->shown_lock);
    target_forget_endpoint(target);
    arena_release(&target->arena);
    free(target);
    customer->target_count--;
    customer_forget(dispatcher, customer);
}

void targets_forget_idle(struct dispatcher *dispatcher)
{
    int64_t now_ms = clock_now_ms();
    struct target *idle[DISPATCH_IDLE_LOOK_MAX];
    size_t count = 0;
    uint64_t key;
    uintptr_t value;
    if (llabs(now_ms - dispatcher->idle_look_ms) < DISPATCH_IDLE_LOOK_MS)
        return;
    dispatcher->idle_look_ms = now_ms;
    for (size_t i = 0; i < DISPATCH_IDLE_LOOK_MAX; i++) {
        if (!map_each(&dispatcher->targets, &dispatcher->idle_position, &key, &value)) {
            dispatcher->idle_position = 0;
            break;
        }
        if (is_idle((struct target *)value, now_ms))
            idle[count++] = (struct target *)value;
    }
    for (size_t i = 0; i < count; i++)
        target_forget(dispatcher, idle[i]);
}

/* --- the lines --- */

void customer_queue(struct dispatcher *dispatcher, struct customer *customer)
{
    if (customer->is_in_line || !customer->first)
        return;
    customer->is_in_line = true;
    customer->next = NULL;
    *dispatcher->last = customer;
    dispatcher->last = &customer->next;
}

void target_queue(struct dispatcher *dispatcher, struct target *target)
{
    struct customer *customer = target->customer;
    if (!target->is_in_line) {
        target->is_in_line = true;
        target->queued_at_ms = clock_now_ms();
        target->next = NULL;
        *customer->last = target;
        customer->last = &target->next;
    }
    customer_queue(dispatcher, customer);
}

void target_drop(struct target *target)
{
    struct customer *customer = target->customer;
    assert(customer->first == target);
    customer->first = target->next;
    if (!customer->first)
        customer->last = &customer->first;
    target->is_in_line = false;
    if (target->deficit > 0)
        target->deficit = 0;
}

void customer_drop(struct dispatcher *dispatcher)
{
    struct customer *customer = dispatcher->first;
    dispatcher->first = customer->next;
    if (!dispatcher->first)
        dispatcher->last = &dispatcher->first;
    customer->is_in_line = false;
    if (customer->deficit > 0)
        customer->deficit = 0;
}

static void customer_rotate(struct dispatcher *dispatcher)
{
    struct customer *customer = dispatcher->first;
    customer->deficit += DISPATCH_QUANTUM;
    if (!customer->next)
        return;
    dispatcher->first = customer->next;
    customer->next = NULL;
    *dispatcher->last = customer;
    dispatcher->last = &customer->next;
}

static void target_rotate(struct customer *customer)
{
    struct target *target = customer->first;
    target->deficit += DISPATCH_QUANTUM;
    if (!target->next)
        return;
    customer->first = target->next;
    target->next = NULL;
    *customer->last = target;
    customer->last = &target->next;
}

struct target *fair_next(struct dispatcher *dispatcher)
{
    struct customer *customer;
    while ((customer = dispatcher->first)) {
        if (!customer->first)
            customer_drop(dispatcher);
        else if (customer->deficit <= 0)
            customer_rotate(dispatcher);
        else if (customer->first->deficit <= 0)
            target_rotate(customer);
        else
            return customer->first;
    }
    return NULL;
}

void fair_charge(struct target *target, size_t cost)
{
    target->deficit -= (int64_t)cost;
    target->customer->deficit -= (int64_t)cost;
}

/* --- what is shown --- */

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

void target_show(struct dispatcher *dispatcher, struct target *target)
{
    static const enum breaker_state_shown states[] = {[BREAKER_CLOSED] = BREAKER_SHOWN_CLOSED,
                                                      [BREAKER_OPEN] = BREAKER_SHOWN_OPEN,
                                                      [BREAKER_HALF_OPEN] =
                                                          BREAKER_SHOWN_HALF_OPEN};
    const struct breaker *breaker = &target->breaker;
    pthread_mutex_lock(&dispatcher->shown_lock);
    target->shown.state = states[breaker->state];
    target->shown.in_flight = (int64_t)target->in_flight;
    target->shown.next_probe_at = breaker->state == BREAKER_OPEN ? breaker->until_ms : 0;
    pthread_mutex_unlock(&dispatcher->shown_lock);
}

void dispatcher_health(struct dispatcher *dispatcher, uint64_t app_id, uint64_t endpoint_id,
                       struct endpoint_health *ret_health)
{
    uint32_t sorted[LATENCIES_KEPT];
    size_t count = 0;
    *ret_health = (struct endpoint_health){.p50_ms = -1, .p99_ms = -1};
    pthread_mutex_lock(&dispatcher->shown_lock);
    struct target *target = target_get(dispatcher, endpoint_id);
    if (target && target->customer->id == app_id) {
        *ret_health = target->shown;
        count = target->latency_count < LATENCIES_KEPT ? target->latency_count : LATENCIES_KEPT;
        memcpy(sorted, target->latencies_ms, count * sizeof(sorted[0]));
    }
    pthread_mutex_unlock(&dispatcher->shown_lock);
    if (count == 0)
        return;
    qsort(sorted, count, sizeof(sorted[0]), by_number);
    ret_health->p50_ms = sorted[(count - 1) / 2];
    ret_health->p99_ms = sorted[(count - 1) * 99 / 100];
}
