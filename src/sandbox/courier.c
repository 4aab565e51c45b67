/*
 * The courier carries callbacks to the merchant: rows are the queue, as with any outbox. Due rows
 * are read in order, at most IN_FLIGHT_MAX are under way, each attempt is signed afresh with its
 * own time; what isn't answered with 2xx is tried again with a growing pause for a day. Forgeries
 * are sent once: a merchant that takes one has failed, one that refuses them has not.
 *
 * After a failed connection every other attempt goes to the endpoint that the merchant announced
 * last, for one that came back elsewhere.
 *
 * Threads: one of its own reads and starts; answers come on the HTTP client's thread and are
 * written by the writer.
 */
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/map.h"
#include "base/rand.h"
#include "sandbox/bank_store.h"

#define IN_FLIGHT_MAX      48
#define ROWS_MAX           (2 * IN_FLIGHT_MAX)
#define TICK_MS            50
#define ROUND_MS           2
#define CALL_MS            10000
#define RETRY_MS_MIN       500
#define RETRY_MS_MAX       30000
#define FORGED_AGE_MS      (10 * 60 * 1000)
#define DELIVERY_BYTES_MAX (256u << 10)
#define STATE_WAITING      0
#define STATE_DELIVERED    1
#define STATE_GIVEN_UP     2

struct courier {
    struct bank *bank;
    struct db *reader;
    struct http_client *client;
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock; /* below */
    pthread_cond_t changed;
    bool is_stopping, is_woken;
    struct map in_flight; /* callbacks' ids */
    size_t count;
};

struct delivery {
    struct courier *courier;
    struct arena arena;
    struct http_call call;
    struct writer_job job;
    struct callback callback;
    int state;
};

static void delivery_end(struct delivery *delivery)
{
    struct courier *courier = delivery->courier;
    pthread_mutex_lock(&courier->lock);
    (void)map_remove(&courier->in_flight, (uint64_t)delivery->callback.id);
    assert(courier->count > 0);
    courier->count--;
    courier->is_woken = true;
    pthread_cond_broadcast(&courier->changed);
    pthread_mutex_unlock(&courier->lock);
    arena_release(&delivery->arena);
    free(delivery);
}

/* --- What came of it --- */

static enum err delivery_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct delivery *delivery = container_of(job, struct delivery, job);
    return bank_callback_save(tx->db, &delivery->callback, delivery->state, delivery->call.status);
}

static void delivery_done(struct writer_job *job, enum err outcome)
{
    struct delivery *delivery = container_of(job, struct delivery, job);
    if (outcome && outcome != ERR_CLOSED)
        log_error("callback could not be written", "id=%lld error=\"%s\"",
                  (long long)delivery->callback.id, err_name(outcome));
    delivery_end(delivery);
}

static int64_t retry_ms(int64_t attempts)
{
    int64_t delay_ms = attempts < 7 ? RETRY_MS_MIN << attempts : RETRY_MS_MAX;
    if (delay_ms > RETRY_MS_MAX)
        delay_ms = RETRY_MS_MAX;
    return delay_ms / 2 + (int64_t)rand_below((uint64_t)(delay_ms / 2 + 1));
}

static void on_answer(struct http_call *call)
{
    struct delivery *delivery = call->ctx;
    struct callback *callback = &delivery->callback;
    int64_t now_ms = clock_now_ms();
    bool is_taken = call->err == ERR_OK && call->status >= 200 && call->status < 300;
    http_call_release(call);
    if (call->err == ERR_CLOSED) {
        delivery_end(delivery);
        return;
    }
    callback->due_at = now_ms + retry_ms(callback->attempts);
    callback->attempts++;
    bool is_over = callback->forgery != FORGERY_NONE ||
                   callback->due_at > callback->created_at + BANK_CALLBACK_DAYS_MS;
    delivery->state = is_taken ? STATE_DELIVERED : is_over ? STATE_GIVEN_UP : STATE_WAITING;
    if (delivery->state != STATE_WAITING)
        callback->due_at = 0;
    delivery->job = (struct writer_job){.apply = delivery_apply, .done = delivery_done};
    if (writer_submit_internal(delivery->courier->bank->writer, &delivery->job) != ERR_OK)
        delivery_end(delivery);
}

/* --- An attempt --- */

/* "t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>">" */
static struct str sign(struct arena *arena, struct str secret, int64_t at_ms, struct str body)
{
    uint8_t mac[SHA256_SIZE];
    struct str text = arena_printf(arena, "%lld.%.*s", (long long)(at_ms / 1000), STR_ARG(body));
    struct buf *hex = buf_new_in(arena, 2 * SHA256_SIZE + 1);
    if (!text.data || !hex)
        return STR_NONE;
    crypto_hmac_sha256(secret, text, mac);
    hex_append(hex, mac, sizeof(mac));
    return arena_printf(arena, "Sandbox-Signature: t=%lld,v1=%.*s", (long long)(at_ms / 1000),
                        STR_ARG(buf_str(hex)));
}

static struct str target_url(struct delivery *delivery)
{
    struct str endpoint = STR_NONE;
    if (delivery->callback.attempts % 2 == 1)
        (void)!bank_setting_get(delivery->courier->reader, "endpoint", &delivery->arena,
                                &endpoint); /* then the usual one */
    return endpoint.len > 0 ? endpoint : delivery->callback.callback_url;
}

static enum err send(struct delivery *delivery)
{
    struct bank *bank = delivery->courier->bank;
    struct callback *callback = &delivery->callback;
    struct str secret = callback->forgery == FORGERY_SIGNATURE ? STR("a secret of our own making")
                                                               : str_from_c(bank->secret);
    int64_t at_ms = bank_now_ms(bank) - (callback->forgery == FORGERY_TIME ? FORGED_AGE_MS : 0);
    struct str url = target_url(delivery),
               signature = sign(&delivery->arena, secret, at_ms, callback->body);
    if (!signature.data)
        return ERR_NOMEM;
    delivery->call = (struct http_call){
        .method = "POST",
        .url = url.data,
        .headers = {"Content-Type: application/json", signature.data},
        .body = callback->body,
        .timeout_ms = CALL_MS,
        .response_max = 64u << 10,
        .on_done = on_answer,
        .ctx = delivery,
    };
    return http_client_submit(delivery->courier->client, &delivery->call);
}

/* Takes the callback's place among those under way; false: it is, or there is no room. */
static bool place_take(struct courier *courier, int64_t id)
{
    pthread_mutex_lock(&courier->lock);
    bool is_ok = courier->count < IN_FLIGHT_MAX && !courier->is_stopping &&
                 !map_has(&courier->in_flight, (uint64_t)id) &&
                 map_put(&courier->in_flight, (uint64_t)id, 1) == ERR_OK;
    courier->count += is_ok;
    pthread_mutex_unlock(&courier->lock);
    return is_ok;
}

static void start(struct courier *courier, const struct callback *callback)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery));
    if (!delivery)
        return;
    if (!place_take(courier, callback->id)) {
        free(delivery);
        return;
    }
    delivery->courier = courier;
    delivery->callback = *callback;
    arena_init(&delivery->arena, DELIVERY_BYTES_MAX);
    delivery->callback.body = arena_str_dup(&delivery->arena, callback->body);
    delivery->callback.callback_url = arena_str_dup(&delivery->arena, callback->callback_url);
    delivery->callback.session_id = STR_NONE;
    if (delivery->arena.overflow || send(delivery) != ERR_OK)
        delivery_end(delivery); /* it is due still */
}

/* --- The thread --- */

static void pump(struct courier *courier)
{
    if (atomic_load(&courier->bank->behaviour[PART_CALLBACKS]) != BEHAVE_OK)
        return; /* told to keep them */
    struct arena arena;
    arena_init(&arena, 4u << 20);
    struct callback callbacks[ROWS_MAX];
    size_t count;
    enum err err =
        bank_callback_due(courier->reader, clock_now_ms(), ROWS_MAX, &arena, callbacks, &count);
    if (err)
        log_error("callbacks could not be read", "error=\"%s: %s\"", err_name(err),
                  db_message(courier->reader));
    for (size_t i = 0; !err && i < count; i++)
        start(courier, &callbacks[i]);
    arena_release(&arena);
}

static bool wait_for_work(struct courier *courier)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&courier->lock);
    int rc = 0;
    while (!courier->is_woken && !courier->is_stopping && rc == 0)
        rc = pthread_cond_timedwait(&courier->changed, &courier->lock, &until);
    bool is_on = !courier->is_stopping;
    pthread_mutex_unlock(&courier->lock);
    return is_on;
}

static void *courier_main(void *ctx)
{
    struct courier *courier = ctx;
    struct timespec pause = {.tv_nsec = ROUND_MS * 1000000L}; /* one round of many wakings */
    do {
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        pthread_mutex_lock(&courier->lock);
        courier->is_woken = false;
        pthread_mutex_unlock(&courier->lock);
        pump(courier);
    } while (wait_for_work(courier));
    return NULL;
}

void courier_wake(struct courier *courier)
{
    if (!courier)
        return;
    pthread_mutex_lock(&courier->lock);
    courier->is_woken = true;
    pthread_cond_broadcast(&courier->changed);
    pthread_mutex_unlock(&courier->lock);
}

/* --- Start and stop --- */

static void courier_free(struct courier *courier)
{
    db_close(courier->reader);
    map_release(&courier->in_flight);
    pthread_cond_destroy(&courier->changed);
    pthread_mutex_destroy(&courier->lock);
    free(courier);
}

enum err courier_start(struct bank *bank, struct courier **ret_courier)
{
    struct courier *courier = calloc(1, sizeof(*courier));
    if (!courier)
        return ERR_NOMEM;
    courier->bank = bank;
    pthread_mutex_init(&courier->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&courier->changed, &attr);
    pthread_condattr_destroy(&attr);
    map_init(&courier->in_flight, IN_FLIGHT_MAX);
    struct http_client_options options = {.in_flight_max = IN_FLIGHT_MAX,
                                          .queue_max = 2 * IN_FLIGHT_MAX,
                                          .ca_file = bank->ca_file[0] ? bank->ca_file : NULL};
    enum err err = db_open(bank->database_path, DB_READER, &courier->reader);
    if (!err)
        err = http_client_new(&options, &courier->client);
    if (!err && pthread_create(&courier->thread, NULL, courier_main, courier) != 0)
        err = ERR_NOMEM;
    if (err) {
        http_client_free(courier->client);
        courier_free(courier);
        return err;
    }
    (void)pthread_setname_np(courier->thread, "courier");
    *ret_courier = courier;
    return ERR_OK;
}

void courier_stop(struct courier *courier)
{
    if (!courier)
        return;
    pthread_mutex_lock(&courier->lock);
    courier->is_stopping = true;
    pthread_cond_broadcast(&courier->changed);
    pthread_mutex_unlock(&courier->lock);
    pthread_join(courier->thread, NULL);
    http_client_free(courier->client);
    pthread_mutex_lock(&courier->lock);
    while (courier->count > 0)
        pthread_cond_wait(&courier->changed, &courier->lock);
    pthread_mutex_unlock(&courier->lock);
    courier_free(courier);
}
