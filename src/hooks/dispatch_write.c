/*
 * Results of attempts, on their way to the writer: one batch an application at a time, each a job of
 * that application's shard. A delivery stays known until its result is committed, so it is not sent
 * twice meanwhile. What cannot be written is written again after a pause; what a crash loses is sent
 * again (at least once).
 */
#include "hooks/dispatcher_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "hooks/attempt_store.h"
#include "hooks/endpoint_store.h"
#include "hooks/operational.h"
#include "hooks/quota.h"
#include "hooks/replay.h"
#include "hooks/ring.h"

#define HEADERS_JSON_MAX  (6 * SENDER_HEAD_BYTES_KEPT) /* escapes */
#define HEADERS_SHOWN_MAX 64
#define STATUS_GONE       410

static void job_release(struct job *job)
{
    arena_release(&job->arena);
    send_release(&job->send);
    free(job);
}

/* Kept for the next one, if it is not large. */
void job_free(struct job *job)
{
    struct dispatcher *dispatcher = job->dispatcher;
    bool is_small = job->send.response.cap <= DISPATCH_SPARE_BYTES &&
                    job->send.head.cap <= DISPATCH_SPARE_BYTES;
    if (!is_small || dispatcher->spare_count == DISPATCH_SPARES_MAX) {
        job_release(job);
        return;
    }
    arena_reset(&job->arena, DISPATCH_SPARE_BYTES);
    job->next = dispatcher->spares;
    dispatcher->spares = job;
    dispatcher->spare_count++;
}

void dispatch_free_spares(struct dispatcher *dispatcher)
{
    while (dispatcher->spares) {
        struct job *job = dispatcher->spares;
        dispatcher->spares = job->next;
        job_release(job);
    }
    dispatcher->spare_count = 0;
}

void job_result(struct dispatcher *dispatcher, struct job *job)
{
    struct customer *customer = job->target->customer;
    job->next = NULL;
    *customer->results_last = job;
    customer->results_last = &job->next;
    if (customer->is_dirty)
        return;
    customer->is_dirty = true;
    customer->dirty_next = dispatcher->dirty;
    dispatcher->dirty = customer;
}

/* --- on the writer --- */

static int64_t ms_of(int64_t us)
{
    return us < 0 ? -1 : (us + 500) / 1000;
}

/* "name: value" a line, as a JSON object of the first few; of names that come twice, the last. */
static void headers_json(struct str lines, struct buf *json)
{
    struct json_writer writer;
    json_begin(&writer, json);
    json_open_object(&writer);
    for (size_t i = 0; i < HEADERS_SHOWN_MAX && lines.len > 0; i++) {
        char name[256];
        struct str value = str_split(&lines, '\n');
        struct str key = str_split(&value, ':');
        struct str rest = lines, again = STR_NONE;
        while (rest.len > 0 && !str_eq_ci(again, key)) {
            again = str_split(&rest, '\n');
            again = str_split(&again, ':');
        }
        if (!str_eq_ci(again, key) && str_to_c(key, name, sizeof(name)) == ERR_OK)
            json_put_str(&writer, name, str_trim(value));
    }
    json_close_object(&writer);
}

static enum err attempt_add(struct job *job, struct writer_tx *tx)
{
    const struct send *send = &job->send;
    const struct delivery *row = &job->item->row;
    bool is_good = job->result == DELIVERY_TAKEN;
    bool is_manual = row->lane != LANE_LIVE && row->attempts == 0;
    struct buf json;
    struct attempt attempt = {
        .app_id = row->key.app_id,
        .message_id = row->key.message_id,
        .id = id_next(tx->ids),
        .endpoint_id = row->key.endpoint_id,
        .at_ms = job->started_ms,
        .status = is_good ? ATTEMPT_SUCCESS : ATTEMPT_FAIL,
        .code = send->status,
        .trigger = is_manual ? TRIGGER_MANUAL : TRIGGER_SCHEDULED,
        .url = str_from_c(job->url),
        .times = {job->queued_ms, ms_of(send->times.dns_us), ms_of(send->times.connect_us),
                  ms_of(send->times.tls_us), ms_of(send->times.first_byte_us),
                  ms_of(send->times.total_us)},
        .error_class =
            str_from_c(is_good                          ? ""
                       : send->outcome == SEND_ANSWERED ? "status"
                                                        : send_outcome_name(send->outcome)),
        .error_text = str_from_c(send->error),
        .response = buf_str(&send->response),
    };
    buf_init(&json, HEADERS_JSON_MAX);
    if (send->head.len > 0)
        headers_json(buf_str(&send->head), &json);
    attempt.response_headers = json.overflow ? STR_NONE : buf_str(&json);
    enum err err = attempt_store_add(tx->db, &attempt);
    buf_release(&json);
    return err;
}

static enum err disable(struct job *job, struct writer_tx *tx, enum disabled_by by)
{
    struct dispatcher *dispatcher = job->dispatcher;
    const struct delivery_key *key = &job->item->row.key;
    struct endpoint endpoint;
    bool is_new = false;
    enum err err =
        endpoint_store_disable(tx->db, key->app_id, key->endpoint_id, by, tx->now_ms, &is_new);
    if (!err && is_new)
        err = endpoint_store_get(tx->db, tx->arena, key->app_id, key->endpoint_id, &endpoint);
    if (!err && is_new)
        err = operational_disabled(dispatcher->hooks, tx, &endpoint);
    return err ? err : dispatcher_stage_change(dispatcher, tx, key->app_id, key->endpoint_id);
}

/* What the endpoint itself has shown: that it works, that it fails (for how long?), that it is gone. */
static enum err endpoint_judge(struct job *job, struct writer_tx *tx)
{
    const struct delivery_key *key = &job->item->row.key;
    int64_t since_ms = job->failing_since_ms;
    enum disabled_by by = DISABLED_NOT;
    if (job->send.status == STATUS_GONE)
        by = DISABLED_GONE;
    else if (job->result == DELIVERY_REFUSED && since_ms && tx->now_ms - since_ms > FAILING_MS_MAX)
        by = DISABLED_FAILING;
    if (by != DISABLED_NOT)
        return disable(job, tx, by);
    bool is_failing = job->result == DELIVERY_REFUSED;
    if (is_failing == (since_ms != 0) && (is_failing || !job->is_batch_mixed))
        return ERR_OK;
    return endpoint_store_failing(tx->db, key->app_id, key->endpoint_id,
                                  is_failing ? tx->now_ms : 0);
}

/* A delivery that its job took back, so that it is no more, comes to be when the receiver has it. */
static enum err load_for_settling(const struct job *job, struct db *db,
                                  struct delivery *ret_delivery, bool *ret_is_there)
{
    const struct delivery *row = &job->item->row;
    enum err err = delivery_store_get(db, &row->key, ret_delivery);
    *ret_is_there = !err;
    if (err != ERR_NOT_FOUND || !job->is_attempt || job->result != DELIVERY_TAKEN)
        return err;
    *ret_delivery = *row;
    return ERR_OK;
}

static enum err job_apply(struct job *job, struct writer_tx *tx)
{
    struct delivery delivery;
    bool is_there = false;
    const struct delivery_key *key = &job->item->row.key;
    struct delivery_end end = {.result = job->result,
                               .schedule = &job->schedule,
                               .retry_after_ms = job->retry_after_ms,
                               .chance = job->chance,
                               .now_ms = tx->now_ms};
    job->next_at = 0;
    job->next_lane = LANE_LIVE;
    job->is_dead = job->has_ended = false;
    struct hooks *hooks = job->dispatcher->hooks;
    enum err err = ring_open(hooks->ring, tx, key->message_id);
    if (!err)
        err = load_for_settling(job, tx->db, &delivery, &is_there);
    if (err == ERR_NOT_FOUND) /* its day has gone meanwhile, or a cancelled job's delivery */
        return replay_settled(hooks, tx, key, DELIVERY_DEAD);
    if (err)
        return err;
    enum delivery_state before = delivery.state;
    delivery_settle(&delivery, &end);
    job->next_at = delivery.next_at;
    job->next_lane = delivery.lane;
    job->is_dead = before == DELIVERY_PENDING && delivery.state == DELIVERY_DEAD;
    job->has_ended = is_there && before == DELIVERY_PENDING && delivery.state != DELIVERY_PENDING;
    /* Under way as its job was cancelled: it was sent anew, and counts less attempts than it has. */
    bool is_again =
        job->is_attempt && before != DELIVERY_PENDING && job->item->row.lane > delivery.lane;
    if (is_again)
        delivery.lane = job->item->row.lane;
    if (before == DELIVERY_PENDING || before != delivery.state || is_again)
        err = delivery_store_put(tx->db, &delivery);
    if (!err && before == DELIVERY_PENDING && delivery.lane != LANE_LIVE)
        err = replay_settled(hooks, tx, key, delivery.state);
    if (!err && job->is_attempt)
        err = attempt_add(job, tx);
    if (!err && job->is_dead && !job->is_endpoint_over)
        err = operational_exhausted(job->dispatcher->hooks, tx, key);
    if (!err && job->is_attempt)
        err = endpoint_judge(job, tx);
    return err == ERR_NOT_FOUND ? ERR_OK : err; /* the endpoint was deleted meanwhile */
}

static enum err batch_apply(struct writer_job *writer_job, struct writer_tx *tx)
{
    struct batch *batch = container_of(writer_job, struct batch, job);
    enum err err = ERR_OK;
    int64_t ended = 0;
    for (struct job *job = batch->jobs; !err && job; job = job->next) {
        err = job_apply(job, tx);
        ended += job->has_ended;
    }
    return err ? err : backlog_store_add(tx->db, batch->job.shard, -ended);
}

static void batch_done(struct writer_job *writer_job, enum err outcome)
{
    struct batch *batch = container_of(writer_job, struct batch, job);
    struct dispatcher *dispatcher = batch->dispatcher;
    batch->outcome = outcome;
    pthread_mutex_lock(&dispatcher->lock);
    batch->next = dispatcher->landed;
    dispatcher->landed = batch;
    if (dispatcher->sender)
        sender_wake(dispatcher->sender);
    pthread_mutex_unlock(&dispatcher->lock);
}

/* --- to the writer and back --- */

static void batch_submit(struct batch *batch)
{
    struct dispatcher *dispatcher = batch->dispatcher;
    batch->job =
        (struct writer_job){.shard = batch->customer->id, .apply = batch_apply, .done = batch_done};
    dispatcher->batches_open++;
    enum err err = writer_submit_internal(dispatcher->hooks->writer, &batch->job);
    if (err)
        batch_done(&batch->job, err);
}

/* The writer's thread must not look at targets. No other batch of this customer is under way, so what
 * memory knows is what is committed. */
static void prepare_judging(struct batch *batch)
{
    bool has_refused = false;
    for (struct job *job = batch->jobs; job; job = job->next)
        has_refused |= job->result == DELIVERY_REFUSED;
    for (struct job *job = batch->jobs; job; job = job->next) {
        const struct target *target = job->target;
        job->failing_since_ms = target->has_endpoint ? target->endpoint.failing_since_ms : 0;
        job->is_batch_mixed = has_refused;
    }
}

static struct batch *batch_new(struct dispatcher *dispatcher, struct customer *customer)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return NULL;
    batch->dispatcher = dispatcher;
    batch->customer = customer;
    batch->jobs = customer->results;
    struct job **link = &customer->results;
    for (size_t i = 0; i < DISPATCH_BATCH_MAX && *link; i++)
        link = &(*link)->next;
    customer->results = *link;
    *link = NULL;
    if (!customer->results)
        customer->results_last = &customer->results;
    prepare_judging(batch);
    return batch;
}

void dispatch_write(struct dispatcher *dispatcher)
{
    struct customer *customer = dispatcher->dirty, *later = NULL;
    dispatcher->dirty = NULL;
    while (customer) {
        struct customer *next = customer->dirty_next;
        struct batch *batch = customer->is_writing ? NULL : batch_new(dispatcher, customer);
        if (batch) {
            customer->is_writing = true;
            batch_submit(batch);
        }
        customer->is_dirty = customer->results != NULL;
        if (customer->is_dirty) {
            customer->dirty_next = later;
            later = customer;
        }
        customer = next;
    }
    dispatcher->dirty = later;
    if (!dispatcher->failed || clock_mono_ns() < dispatcher->failed_until_ns)
        return;
    struct batch *batch = dispatcher->failed;
    dispatcher->failed = NULL;
    while (batch) {
        struct batch *next = batch->next;
        batch_submit(batch);
        batch = next;
    }
}

static void count_result(struct dispatcher *dispatcher, const struct job *job)
{
    struct metric *const results[] = {[DELIVERY_TAKEN] = dispatcher->taken,
                                      [DELIVERY_REFUSED] = dispatcher->refused,
                                      [DELIVERY_GIVEN_UP] = dispatcher->given_up};
    metric_add(results[job->result], 1);
    if (job->is_dead)
        metric_add(dispatcher->dead, 1);
}

/* Memory follows what is committed. */
static void job_landed(struct dispatcher *dispatcher, struct job *job)
{
    struct target *target = job->target;
    count_result(dispatcher, job);
    if (job->is_attempt && target->has_endpoint) {
        bool is_failing = job->result == DELIVERY_REFUSED;
        if (is_failing != (target->endpoint.failing_since_ms != 0))
            target->endpoint.failing_since_ms = is_failing ? clock_now_ms() : 0;
    }
    if (job->next_at) {
        const struct delivery *row = &job->item->row;
        target->slots[job->next_lane] |= UINT64_C(1) << ring_slot_of(row->key.message_id);
        target_timer(dispatcher, target, job->next_at);
    }
    /* It ended while this one was under way, and what waited was read without it. */
    target->is_stale |= (job->next_at && target_is_over(target)) || job->item->is_outrun;
    item_forget(dispatcher, job->item);
    job_free(job);
    if (target->is_stale || target->first) /* it may have waited for room */
        target_queue(dispatcher, target);
}

static void drop_jobs(struct dispatcher *dispatcher, struct job *job)
{
    while (job) {
        struct job *next = job->next;
        item_forget(dispatcher, job->item);
        job_free(job);
        job = next;
    }
}

static void batch_landed(struct dispatcher *dispatcher, struct batch *batch)
{
    struct customer *customer = batch->customer;
    dispatcher->batches_open--;
    if (batch->outcome != ERR_OK && batch->outcome != ERR_CLOSED) {
        log_warn("results of deliveries could not be written", "why=\"%s\"",
                 err_name(batch->outcome));
        batch->next = dispatcher->failed;
        dispatcher->failed = batch;
        dispatcher->failed_until_ns = clock_mono_ns() + DISPATCH_PAUSE_MS * INT64_C(1000000);
        return;
    }
    if (batch->outcome == ERR_OK) {
        for (struct job *job = batch->jobs, *next; job; job = next) {
            next = job->next;
            job_landed(dispatcher, job);
        }
    } else {
        drop_jobs(dispatcher, batch->jobs);
    }
    customer->is_writing = false;
    free(batch);
}

void dispatch_landed(struct dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->lock);
    struct batch *batch = dispatcher->landed;
    dispatcher->landed = NULL;
    pthread_mutex_unlock(&dispatcher->lock);
    while (batch) {
        struct batch *next = batch->next;
        batch_landed(dispatcher, batch);
        batch = next;
    }
}

void dispatch_drop_results(struct dispatcher *dispatcher)
{
    while (dispatcher->failed) {
        struct batch *batch = dispatcher->failed;
        dispatcher->failed = batch->next;
        drop_jobs(dispatcher, batch->jobs);
        free(batch);
    }
    for (struct customer *customer = dispatcher->dirty; customer; customer = customer->dirty_next)
        drop_jobs(dispatcher, customer->results);
    dispatcher->dirty = NULL;
}
