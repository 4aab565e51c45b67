/*
 * The tickets service put together: database and writer, read models, timers, payments worker, mail
 * and search.
 *
 * Start: the writer thread first (loading needs it), then what re-arms itself from the database;
 * requests come last. Stop: the other way round. The server has stopped by then, so nothing new
 * comes in.
 */
#include "tickets/tickets.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "tickets/abuse.h"
#include "tickets/event_cancel.h"
#include "tickets/expiry.h"
#include "tickets/live.h"
#include "tickets/mailer.h"
#include "tickets/payment.h"
#include "tickets/queue_steward.h"
#include "tickets/replay_keys.h"
#include "tickets/search.h"
#include "tickets/tail.h"
#include "tickets/ticket_key.h"
#include "tickets/venue.h"
#include "tickets/warm.h"

static const struct route_table route_tables[] = {
#define TABLE(name) {name, &name##_count},
    TICKETS_ROUTE_TABLES
#undef TABLE
};

static void on_doubt(void *ctx)
{
    struct tickets *tickets = ctx;
    tail_doubt(tickets->tail);
    queue_desk_doubt(tickets->queue);
}

enum err tickets_follow(struct tickets *tickets)
{
    enum err err = tail_new(tickets, &tickets->tail);
    if (err)
        return err;
    inventory_set_followed(tickets->inventory);
    writer_on_doubt(tickets->writer, on_doubt, tickets);
    return ERR_OK;
}

static enum err tickets_open(struct tickets *tickets)
{
    const struct config *config = tickets->config;
    enum err err = config_database(config, "tickets", tickets->database_path);
    if (!err)
        err = writer_new(tickets->database_path, "tickets", &tickets->writer);
    if (!err)
        err = ticket_key_load(writer_db(tickets->writer), tickets);
    if (!err)
        abuse_keys_derive(
            str_from((const char *)tickets->ticket_secret_key, sizeof(tickets->ticket_secret_key)),
            &tickets->abuse_keys);
    if (!err)
        err = inventory_new(tickets->writer, &tickets->inventory);
    if (!err)
        err = replay_keys_new(&tickets->replay_keys);
    if (!err)
        err = expiry_new(tickets, &tickets->expiry);
    if (!err)
        err = queue_desk_new(tickets, &tickets->queue);
    if (!err)
        err = search_new(config, &tickets->search);
    if (!err)
        err = live_new(tickets, &tickets->live);
    if (!err)
        err = service_join_routes(&tickets->service, route_tables,
                                  sizeof(route_tables) / sizeof(route_tables[0]));
    if (!err && db_is_pgsql(writer_db(tickets->writer)))
        err = tickets_follow(tickets);
    if (!err)
        err = writer_start(tickets->writer);
    return err;
}

enum err tickets_new(const struct config *config, struct tickets **ret_tickets)
{
    struct tickets *tickets = calloc(1, sizeof(*tickets));
    if (!tickets)
        return ERR_NOMEM;
    tickets->config = config;
    abuse_init();
    enum err err = tickets_open(tickets);
    if (err) {
        tickets_free(tickets);
        return err;
    }
    tickets->service.name = "tickets";
    tickets->service.writer = tickets->writer;
    tickets->service.state = tickets;
    *ret_tickets = tickets;
    return ERR_OK;
}

struct service *tickets_service(struct tickets *tickets)
{
    return &tickets->service;
}

const char *tickets_database_path(const struct tickets *tickets)
{
    return tickets->database_path;
}

static void base_url_set(struct tickets *tickets, unsigned port)
{
    const struct config *config = tickets->config;
    if (config->public_url[0]) {
        snprintf(tickets->base_url, sizeof(tickets->base_url), "%s", config->public_url);
        size_t len = strlen(tickets->base_url);
        if (len && tickets->base_url[len - 1] == '/')
            tickets->base_url[len - 1] = '\0';
        return;
    }
    const char *scheme = config->tls_cert[0] ? "https" : "http";
    snprintf(tickets->base_url, sizeof(tickets->base_url), "%s://127.0.0.1:%u", scheme, port);
}

enum err tickets_start(struct tickets *tickets, struct app *app, unsigned port)
{
    tickets->app = app;
    base_url_set(tickets, port);
    if (tickets->config->abuse)
        app_on_answer(app, abuse_give_device, tickets);
    int64_t imports_before_ms = tickets->tail ? clock_now_ms() - IMPORT_AGE_MS : INT64_MAX;
    enum err err = venue_remove_orphans(tickets->writer, imports_before_ms);
    if (!err)
        err = tail_start(tickets->tail);
    if (!err)
        err = payments_start(tickets, &tickets->payments);
    if (!err)
        err = replay_keys_start(tickets->replay_keys, tickets->database_path);
    if (!err)
        err = expiry_start(tickets->expiry);
    if (!err)
        err = queue_desk_start(tickets->queue);
    if (!err && writer_is_steward(tickets->writer))
        err = event_cancel_resume(tickets);
    if (!err)
        err = search_start(tickets->search, tickets);
    if (!err)
        err = mailer_start(tickets, &tickets->mailer);
    if (!err)
        err = warm_start(tickets, &tickets->warm);
    return err;
}

void tickets_stop(struct tickets *tickets)
{
    live_stop(tickets->live);
    mailer_stop(tickets->mailer);
    tickets->mailer = NULL;
    tail_stop(tickets->tail);
    queue_desk_stop(tickets->queue);
    expiry_stop(tickets->expiry);
    replay_keys_stop(tickets->replay_keys);
    payments_stop(tickets->payments);
    writer_stop(tickets->writer);
    search_stop(tickets->search); /* last: the writer's effects wake it */
}

void tickets_free(struct tickets *tickets)
{
    if (!tickets)
        return;
    metrics_forget(tickets);
    warm_free(tickets->warm);
    live_free(tickets->live);
    tail_free(tickets->tail);
    search_free(tickets->search);
    queue_desk_free(tickets->queue);
    expiry_free(tickets->expiry);
    replay_keys_free(tickets->replay_keys);
    writer_free(tickets->writer);
    inventory_free(tickets->inventory);
    service_free_routes(&tickets->service);
    crypto_wipe(tickets->ticket_secret_key, sizeof(tickets->ticket_secret_key));
    crypto_wipe(&tickets->abuse_keys, sizeof(tickets->abuse_keys));
    free(tickets);
}
