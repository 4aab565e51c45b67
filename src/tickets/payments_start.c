/*
 * Start and end of the payments worker: which provider it talks to, its connections and threads.
 * See payments_worker.c for what it does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tickets/payments_internal.h"

/* "sandbox=http://secret@host:port": the secret is optional. */
static enum err provider_from_url(struct provider *provider, struct str url)
{
    struct str scheme = STR("http://"), secret = STR(SANDBOX_SECRET_DEFAULT);
    if (str_starts_with(url, STR("https://")))
        scheme = STR("https://");
    else if (!str_starts_with(url, scheme))
        return ERR_INVALID;
    struct str host = str_sub(url, scheme.len, url.len);
    size_t at = str_find(host, '@', 0);
    if (at < host.len) {
        secret = str_sub(host, 0, at);
        host = str_sub(host, at + 1, host.len);
    }
    while (host.len > 0 && host.data[host.len - 1] == '/')
        host.len--;
    int len = snprintf(provider->api_url, sizeof(provider->api_url), "%.*s%.*s", STR_ARG(scheme),
                       STR_ARG(host));
    enum err err = str_to_c(secret, provider->api_key, sizeof(provider->api_key));
    if (!err)
        err = str_to_c(secret, provider->callback_secrets, sizeof(provider->callback_secrets));
    return host.len == 0 || (size_t)len >= sizeof(provider->api_url) ? ERR_INVALID : err;
}

static enum err provider_from_child(struct payments *payments)
{
    const struct config *config = payments->tickets->config;
    struct sandbox_child_options options = {.data_dir = config->data, .ca_file = config->tls_cert};
    enum err err = sandbox_child_start(&options, &payments->child);
    if (err)
        return err;
    struct provider *provider = &payments->provider;
    struct str secret = str_from_c(sandbox_child_secret(payments->child));
    err = str_to_c(str_from_c(sandbox_child_url(payments->child)), provider->api_url,
                   sizeof(provider->api_url));
    if (!err)
        err = str_to_c(secret, provider->api_key, sizeof(provider->api_key));
    if (!err)
        err = str_to_c(secret, provider->callback_secrets, sizeof(provider->callback_secrets));
    return err;
}

static enum err provider_from_stripe(struct provider *provider, const struct config *config)
{
    enum err err =
        str_to_c(str_from_c(config->stripe_api), provider->api_url, sizeof(provider->api_url));
    if (!err)
        err =
            str_to_c(str_from_c(config->stripe_key), provider->api_key, sizeof(provider->api_key));
    if (!err)
        err = str_to_c(str_from_c(config->stripe_webhook_secret), provider->callback_secrets,
                       sizeof(provider->callback_secrets));
    return err;
}

static enum err provider_init(struct payments *payments)
{
    const struct config *config = payments->tickets->config;
    struct provider *provider = &payments->provider;
    struct str payments_text = str_from_c(config->payments), url_prefix = STR("sandbox=");
    bool is_stripe = str_eq(payments_text, STR("stripe"));
    provider->driver = is_stripe ? &provider_stripe : &provider_sandbox;
    provider->sends_clock = config->test_clock && !is_stripe;
    (void)snprintf(provider->callback_url, sizeof(provider->callback_url),
                   "%s/v1/payments/webhooks/%s", payments->tickets->base_url,
                   provider->driver->name); /* has room for the longest */
    payments->is_announce_wanted = provider->driver->has_announce;
    if (is_stripe)
        return provider_from_stripe(provider, config);
    if (str_starts_with(payments_text, url_prefix))
        return provider_from_url(provider,
                                 str_sub(payments_text, url_prefix.len, payments_text.len));
    return provider_from_child(payments);
}

static const struct breaker_limits breaker_limits = {
    .failures = PROVIDER_FAILURES_MAX,
    .pause_ms = PROVIDER_PAUSE_MS,
    .pause_max_ms = PROVIDER_PAUSE_MS_MAX,
    .probe_ms = PROVIDER_PROBE_MS,
};

static void payments_init(struct payments *payments, struct tickets *tickets)
{
    payments->tickets = tickets;
    pthread_mutex_init(&payments->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&payments->changed, &attr);
    pthread_condattr_destroy(&attr);
    breaker_init(&payments->breaker, &breaker_limits);
    map_init(&payments->in_flight, 1u << 20);
    map_init(&payments->due_ids, PAYMENTS_DUE_MAX);
    heap_init(&payments->penalties, 1u << 20);
    payments->due_last = &payments->due_first;
    payments->call_seconds =
        metric_histogram("foyer_payment_call_seconds", NULL, "Calls to the payment provider.");
    static const char *const works[PAYMENT_WORK_COUNT] = {"work=\"session\"", "work=\"ask\"",
                                                          "work=\"refund\""};
    for (size_t i = 0; i < PAYMENT_WORK_COUNT; i++)
        payments->backlog[i] =
            metric_gauge("foyer_payment_backlog_seconds", works[i],
                         "How long the oldest call to the payment provider has waited.");
    payments->calls_failed =
        metric_counter("foyer_payment_calls_failed_total", NULL,
                       "Calls to the payment provider that had no answer or a broken one.");
    payments->callbacks =
        metric_counter("foyer_payment_callbacks_total", NULL, "Callbacks with a good signature.");
}

static enum err payments_open(struct payments *payments)
{
    struct http_client_options options = {.in_flight_max = PROVIDER_IN_FLIGHT_MAX,
                                          .queue_max = PROVIDER_QUEUE_MAX};
    enum err err = provider_init(payments);
    if (!err)
        err = db_open(payments->tickets->database_path, DB_READER, &payments->reader);
    if (!err)
        err = http_client_new(&options, &payments->client);
    if (!err)
        err = clock_subscribe(payments_on_clock_jump, payments);
    if (err)
        return err;
    if (pthread_create(&payments->thread, NULL, payments_main, payments) != 0) {
        clock_unsubscribe(payments_on_clock_jump, payments);
        return ERR_NOMEM;
    }
    payments->is_running = true;
    return ERR_OK;
}

static void payments_free(struct payments *payments)
{
    sandbox_child_stop(payments->child);
    db_close(payments->reader);
    for (struct due_booking *due = payments->due_first, *next; due; due = next) {
        next = due->next;
        free(due);
    }
    map_release(&payments->in_flight);
    map_release(&payments->due_ids);
    heap_release(&payments->penalties);
    pthread_cond_destroy(&payments->changed);
    pthread_mutex_destroy(&payments->lock);
    free(payments);
}

enum err payments_start(struct tickets *tickets, struct payments **ret_payments)
{
    struct payments *payments = calloc(1, sizeof(*payments));
    if (!payments)
        return ERR_NOMEM;
    payments_init(payments, tickets);
    enum err err = payments_open(payments);
    if (err) {
        http_client_free(payments->client);
        payments_free(payments);
        return err;
    }
    __atomic_store_n(&tickets->payments, payments, __ATOMIC_RELEASE);
    *ret_payments = payments;
    return ERR_OK;
}

static enum err nothing_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job;
    (void)tx;
    return ERR_OK;
}

void payments_stop(struct payments *payments)
{
    if (!payments)
        return;
    struct tickets *tickets = payments->tickets;
    clock_unsubscribe(payments_on_clock_jump, payments);
    pthread_mutex_lock(&payments->lock);
    payments->is_stopping = true;
    pthread_cond_broadcast(&payments->changed);
    pthread_mutex_unlock(&payments->lock);
    pthread_join(payments->thread, NULL);
    http_client_free(payments->client); /* ends all calls */
    pthread_mutex_lock(&payments->lock);
    while (payments->tasks > 0)
        pthread_cond_wait(&payments->changed, &payments->lock);
    pthread_mutex_unlock(&payments->lock);
    /* Effects that are on their way to wake us have run when a job behind them has. */
    __atomic_store_n(&tickets->payments, NULL, __ATOMIC_RELEASE);
    struct writer_job barrier = {.apply = nothing_apply};
    (void)!writer_run_internal(tickets->writer,
                               &barrier); /* a stopped one runs no effects either */
    payments_free(payments);
}
