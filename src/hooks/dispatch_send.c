/*
 * An attempt: may the endpoint be called now, what is sent, how it ended.
 *
 * An endpoint's window says how many requests may be under way to it, and while it is silent nothing
 * more is sent (window.h), so that one that hangs holds few places. What it may have besides is a share
 * of the places that are left (window_share): nobody fills them alone, nor do many together.
 * While its breaker is open nothing is sent, no attempt is counted, and nothing of it waits in memory;
 * only what is older than a day is given up.
 */
#include "hooks/dispatcher_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "hooks/endpoint_sign.h"
#include "hooks/message_store.h"
#include "net/retry_after.h"

#define ARENA_MAX          (PAYLOAD_BYTES_MAX + (256u << 10))
#define SECOND_NS          INT64_C(1000000000)
#define STATUS_TOO_MANY    429
#define STATUS_UNAVAILABLE 503

static void pause_target(struct dispatcher *dispatcher, struct target *target, int64_t until_ms)
{
    target->paused_until_ms = until_ms;
    target_timer(dispatcher, target, until_ms);
}

/* --- what is sent --- */

/* A spare one keeps its memory; URL and signatures are written before they are read. */
static struct job *job_take(struct dispatcher *dispatcher)
{
    struct job *job = dispatcher->spares;
    if (!job) {
        job = calloc(1, sizeof(*job));
        if (job)
            arena_init(&job->arena, ARENA_MAX);
        return job;
    }
    dispatcher->spares = job->next;
    dispatcher->spare_count--;
    struct arena arena = job->arena;
    struct buf response = job->send.response, head = job->send.head;
    memset(job, 0, sizeof(*job));
    job->arena = arena;
    job->send.response = response;
    job->send.head = head;
    buf_clear(&job->send.response);
    buf_clear(&job->send.head);
    return job;
}

static struct job *job_new(struct dispatcher *dispatcher, struct item *item)
{
    struct job *job = job_take(dispatcher);
    if (!job)
        return NULL;
    job->dispatcher = dispatcher;
    job->target = item->target;
    job->item = item;
    job->chance = rand_u64();
    job->schedule = item->target->has_endpoint ? item->target->schedule : schedule_default;
    return job;
}

bool item_give_up(struct dispatcher *dispatcher, struct item *item, const char *reason)
{
    struct job *job = job_new(dispatcher, item);
    if (!job) {
        item_forget(dispatcher, item);
        return false;
    }
    job->result = DELIVERY_GIVEN_UP;
    job->reason = reason;
    job->is_endpoint_over = target_is_over(item->target);
    job->started_ms = clock_now_ms();
    job_result(dispatcher, job);
    return true;
}

static bool has_line_end(struct str text)
{
    return text.len > 0 && (memchr(text.data, '\r', text.len) ||
                            memchr(text.data, '\n', text.len) || memchr(text.data, '\0', text.len));
}

/* libcurl takes "Name;" for an empty value. */
static void add_header(struct job *job, size_t *count, const struct endpoint_header *header)
{
    if (*count == SENDER_HEADERS_MAX - 1 || has_line_end(header->name) ||
        has_line_end(header->value))
        return;
    struct str line =
        header->value.len > 0
            ? arena_printf(&job->arena, "%.*s: %.*s", STR_ARG(header->name), STR_ARG(header->value))
            : arena_printf(&job->arena, "%.*s;", STR_ARG(header->name));
    job->send.headers[(*count)++] = line.data;
}

static enum err fill(struct job *job, struct str payload)
{
    const struct endpoint *endpoint = &job->target->endpoint;
    size_t count = 0;
    enum err err = endpoint_sign(endpoint, job->item->row.key.message_id, job->started_ms, payload,
                                 &job->signatures);
    if (!err)
        err = str_to_c(endpoint->url, job->url, sizeof(job->url));
    if (err)
        return err;
    job->send.headers[count++] = "content-type: application/json";
    for (size_t i = 0; i < job->signatures.count; i++)
        job->send.headers[count++] = job->signatures.lines[i];
    for (size_t i = 0; i < endpoint->header_count; i++)
        add_header(job, &count, &endpoint->headers[i]);
    job->send.url = job->url;
    job->send.body = payload;
    return job->arena.overflow ? ERR_NOMEM : ERR_OK;
}

/* --- how it ended --- */

static enum window_end window_end_of(const struct job *job)
{
    const struct send *send = &job->send;
    if (job->result == DELIVERY_TAKEN)
        return WINDOW_GOOD;
    return send->outcome == SEND_TIMEOUT || send->outcome == SEND_CONNECT ||
                   send->status == STATUS_TOO_MANY || send->status == STATUS_UNAVAILABLE
               ? WINDOW_STUCK
               : WINDOW_BAD;
}

static void learn(struct target *target, const struct job *job)
{
    struct window_answer answer = {.end = window_end_of(job),
                                   .took_us = job->send.times.total_us,
                                   .now_ns = clock_mono_ns(),
                                   .beside = job->beside};
    breaker_record(&target->breaker, job->pass, answer.end == WINDOW_GOOD, clock_now_ms());
    window_record(&target->window, &answer);
    target->latencies_ms[target->latency_count++ % LATENCIES_KEPT] =
        (uint32_t)(job->send.times.total_us / 1000);
}

static void on_done(struct send *send)
{
    struct job *job = send->ctx;
    struct dispatcher *dispatcher = job->dispatcher;
    struct target *target = job->target;
    target->in_flight--;
    target->replays_in_flight -= job->item->row.lane == LANE_REPLAY;
    target->customer->in_flight--;
    dispatcher->bytes_in_flight -= (int64_t)job->cost;
    if (send->outcome == SEND_CLOSED) { /* whoever comes next repeats it */
        item_forget(dispatcher, job->item);
        job_free(job);
        return;
    }
    bool is_good = send->outcome == SEND_ANSWERED && send->status >= 200 && send->status < 300;
    job->result = is_good ? DELIVERY_TAKEN : DELIVERY_REFUSED;
    if (!is_good && retry_after_parse(str_from_c(send->retry_after), clock_now_ms(),
                                      &job->retry_after_ms) != ERR_OK)
        job->retry_after_ms = 0;
    pthread_mutex_lock(&dispatcher->shown_lock);
    learn(target, job);
    pthread_mutex_unlock(&dispatcher->shown_lock);
    metric_observe_ns(dispatcher->seconds, send->times.total_us * 1000);
    arena_reset(&job->arena,
                DISPATCH_SPARE_BYTES); /* a payload is not kept while its result waits */
    job_result(dispatcher, job);
    target_queue(dispatcher, target);
    target_show(dispatcher, target);
}

static enum err begin(struct dispatcher *dispatcher, struct item *item, enum breaker_pass pass)
{
    struct target *target = item->target;
    struct message message;
    struct job *job = job_new(dispatcher, item);
    if (!job)
        return ERR_NOMEM;
    job->is_attempt = true;
    job->pass = pass;
    job->started_ms = clock_now_ms();
    job->queued_ms = job->started_ms - item->row.next_at;
    /* What a job has queued at the end of its time is sent still: see replay_first_day. */
    int64_t held_ms = item->row.lane == LANE_REPLAY ? REPLAY_HELD_DAYS * DAY_MS : 0;
    enum err err =
        message_store_get(dispatcher->db, &job->arena, item->row.key.app_id,
                          item->row.key.message_id, job->started_ms - held_ms, true, &message);
    if (!err)
        err = fill(job, message.payload);
    if (!err) {
        job->cost = message.payload.len + DISPATCH_COST;
        job->send.timeout_ms = dispatcher->hooks->config->hooks_timeout_ms;
        job->send.on_done = on_done;
        job->send.ctx = job;
        err = sender_start(dispatcher->sender, &job->send);
    }
    if (err) {
        job_free(job);
        return err;
    }
    if (target->in_flight++ == 0)
        window_begin(&target->window, clock_mono_ns());
    job->beside = target->in_flight;
    target->replays_in_flight += item->row.lane == LANE_REPLAY;
    target->customer->in_flight++;
    dispatcher->bytes_in_flight += (int64_t)job->cost;
    fair_charge(target, job->cost);
    return ERR_OK;
}

/* --- may it be called now --- */

/* At most rate a second, evenly. False: not yet; the wait is in ret_wait_ms. */
static bool throttle_allows(int64_t rate, const int64_t *throttle_ns, int64_t *ret_wait_ms)
{
    int64_t wait_ns = *throttle_ns - clock_mono_ns();
    *ret_wait_ms = wait_ns / 1000000 + 1;
    return rate == 0 || wait_ns <= 0;
}

static void throttle_take(int64_t rate, int64_t *throttle_ns)
{
    int64_t now_ns = clock_mono_ns();
    if (rate > 0)
        *throttle_ns = (*throttle_ns > now_ns ? *throttle_ns : now_ns) + SECOND_NS / rate;
}

/* Its window, and its share of the places that are left for all and for its application. */
static bool has_share(const struct dispatcher *dispatcher, const struct target *target)
{
    size_t in_flight = sender_in_flight(dispatcher->sender);
    size_t of_app = target->customer->in_flight;
    struct window_room room = {
        .left = DISPATCH_IN_FLIGHT_MAX > in_flight ? DISPATCH_IN_FLIGHT_MAX - in_flight : 0,
        .app_left = DISPATCH_APP_IN_FLIGHT_MAX > of_app ? DISPATCH_APP_IN_FLIGHT_MAX - of_app : 0,
        .is_prompt = window_is_prompt(&target->window, clock_mono_ns()),
    };
    return target->in_flight < window_share(&room);
}

/* In both cases the end of what is under way brings the target into line again. */
static bool is_at_its_limit(const struct target *target)
{
    return target->in_flight >= target->window.size ||
           (target->in_flight > 0 && window_is_silent(&target->window, clock_mono_ns()));
}

/* Jobs have half of the window at most, so that live traffic finds a free place, and never so much that
 * they would take the machine. It is in line again as soon as one of them has ended. */
static bool is_share_full(const struct target *target)
{
    size_t share = target->window.size / 2;
    if (share > REPLAY_IN_FLIGHT_MAX)
        share = REPLAY_IN_FLIGHT_MAX;
    return target->first->row.lane == LANE_REPLAY &&
           target->replays_in_flight >= (share > 0 ? share : 1);
}

/* What cannot go out now, whatever waits. True: the target has its timer, and leaves the line. */
static bool must_wait(struct dispatcher *dispatcher, struct target *target)
{
    int64_t now_ms = clock_now_ms();
    const struct breaker *breaker = &target->breaker;
    if (target->paused_until_ms > now_ms) {
        target_timer(dispatcher, target, target->paused_until_ms);
        return true;
    }
    if (!breaker_is_down(breaker) || breaker->until_ms <= now_ms)
        return is_at_its_limit(target) || target->known_count >= DISPATCH_KNOWN_MAX;
    target_unread(dispatcher, target);
    target->is_stale = true;
    bool has_room = target->known_count < DISPATCH_KNOWN_MAX;
    if (has_room && now_ms - target->over_read_at_ms >= DISPATCH_OVER_MS) {
        target->over_read_at_ms = now_ms;
        if (target_read_over(dispatcher, target) != ERR_OK)
            log_warn("old deliveries could not be read", NULL);
    }
    if (breaker->state == BREAKER_OPEN) /* else the probe's end brings it back */
        target_timer(dispatcher, target, breaker->until_ms);
    return true;
}

/* Its end was seen before this delivery was queued: that may not be so any more. */
static bool is_outdated(const struct target *target)
{
    return target_is_over(target) && target->read_at_ms <= target->first->row.created_at &&
           target->read_at_ms < clock_now_ms();
}

/* Another node may have cancelled the job meanwhile, of which no news come. */
static bool is_of_a_job_of_old(const struct dispatcher *dispatcher, const struct target *target)
{
    return target->first && target->first->row.lane == LANE_REPLAY && db_is_pgsql(dispatcher->db) &&
           clock_now_ms() - target->line_read_ms >= DISPATCH_POLL_MS;
}

static const char *reason_to_give_up(const struct target *target, const struct item *item)
{
    if (target->is_gone)
        return "the endpoint was deleted";
    if (target->endpoint.disabled_by != DISABLED_NOT)
        return "the endpoint is disabled";
    return schedule_is_over(item->row.created_at, clock_now_ms()) ? "a day is over" : NULL;
}

static enum send_try send_first(struct dispatcher *dispatcher, struct target *target)
{
    int64_t wait_ms, now_ms = clock_now_ms();
    struct customer *customer = target->customer;
    const struct endpoint *endpoint = &target->endpoint;
    bool is_full = sender_in_flight(dispatcher->sender) >= DISPATCH_IN_FLIGHT_MAX ||
                   dispatcher->bytes_in_flight >= DISPATCH_BYTES_MAX;
    if (is_full)
        return TRY_FULL;
    if (!has_share(dispatcher, target)) {
        target_timer(dispatcher, target, now_ms + DISPATCH_FULL_MS);
        return TRY_NOTHING;
    }
    if (is_share_full(target))
        return TRY_NOTHING;
    if (!throttle_allows(endpoint->app_throttle_rate, &customer->throttle_ns, &wait_ms)) {
        customer_timer(dispatcher, customer, now_ms + wait_ms);
        return TRY_CUSTOMER;
    }
    if (!throttle_allows(endpoint->throttle_rate, &target->throttle_ns, &wait_ms)) {
        target_timer(dispatcher, target, now_ms + wait_ms);
        return TRY_NOTHING;
    }
    enum breaker_pass pass = breaker_allow(&target->breaker, now_ms);
    if (pass == BREAKER_REFUSED)
        return TRY_NOTHING;
    struct item *item = target_take(target);
    enum err err = begin(dispatcher, item, pass);
    if (err) {
        breaker_give_back(&target->breaker, pass);
        if (err == ERR_NOT_FOUND) /* its day has gone */
            return item_give_up(dispatcher, item, "the message is gone") ? TRY_DONE : TRY_NOTHING;
        log_warn("a delivery could not be begun", "why=\"%s\"", err_name(err));
        item_forget(dispatcher, item);
        target->is_stale = true;
        pause_target(dispatcher, target, now_ms + DISPATCH_PAUSE_MS);
        return TRY_NOTHING;
    }
    throttle_take(endpoint->app_throttle_rate, &customer->throttle_ns);
    throttle_take(endpoint->throttle_rate, &target->throttle_ns);
    return TRY_DONE;
}

enum send_try target_try(struct dispatcher *dispatcher, struct target *target)
{
    if (must_wait(dispatcher, target))
        return TRY_NOTHING;
    enum err err = ERR_OK;
    if (is_of_a_job_of_old(dispatcher, target))
        target_unread(dispatcher, target);
    if (target->first || target->is_stale)
        err = target_load(dispatcher, target);
    if (!err && !target->first && target->is_stale)
        err = target_read(dispatcher, target);
    if (err) {
        log_warn("deliveries could not be read", "why=\"%s\"", err_name(err));
        pause_target(dispatcher, target, clock_now_ms() + DISPATCH_PAUSE_MS);
        return TRY_NOTHING;
    }
    if (!target->first)
        return TRY_NOTHING;
    if (is_outdated(target)) { /* it takes something again, as another node may know */
        target->is_changed = true;
        return TRY_DONE;
    }
    const char *reason = reason_to_give_up(target, target->first);
    if (!reason)
        return send_first(dispatcher, target);
    fair_charge(target, DISPATCH_COST);
    return item_give_up(dispatcher, target_take(target), reason) ? TRY_DONE : TRY_NOTHING;
}
