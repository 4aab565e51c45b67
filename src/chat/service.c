/*
 * The chat service put together: database and writer, the ring of days, the log, retention.
 *
 * Start: the writer's thread first; requests come last. Stop: the other way round. The server has
 * stopped by then, so nothing new comes in.
 */
#include "chat/service.h"

#include <stdlib.h>

#include "base/ids.h"
#include "chat/feed.h"
#include "chat/inlet.h"
#include "chat/push.h"
#include "chat/receipt.h"
#include "chat/retention.h"
#include "chat/stream.h"

static const struct route_table route_tables[] = {
#define TABLE(name) {name, &name##_count},
    CHAT_ROUTE_TABLES
#undef TABLE
};

/* A commit without an answer may have happened, and its effects have not run. */
static void on_doubt(void *ctx)
{
    const struct chat_service *chat = ctx;
    if (chat->fanout.on_event)
        chat->fanout.on_event(chat->fanout.ctx, &(struct fanout_event){.kind = FANOUT_DOUBT});
}

static enum err open_push(struct chat_service *chat)
{
    struct push_options options = {.config = chat->config,
                                   .writer = chat->writer,
                                   .log = &chat->log,
                                   .database_path = chat->database_path};
    return push_new(&options, &chat->push);
}

static enum err chat_open(struct chat_service *chat)
{
    (void)fact_metric(true), (void)fact_metric(false);
    enum err err = config_database(chat->config, "chat", chat->database_path);
    if (!err)
        err = writer_new(chat->database_path, "chat", &chat->writer);
    if (!err)
        err = days_new(&chat->days);
    if (!err)
        err = chat_store_epoch(writer_db(chat->writer), &chat->log.epoch);
    if (!err)
        err = media_service_open(&chat->media, chat->config);
    if (!err)
        err = receipts_new(chat->writer, &chat->log, &chat->receipts);
    if (!err)
        err = stream_new(chat, &chat->stream);
    if (!err)
        err = open_push(chat);
    if (!err)
        err = service_join_routes(&chat->service, route_tables,
                                  sizeof(route_tables) / sizeof(route_tables[0]));
    if (!err)
        writer_on_doubt(chat->writer, on_doubt, chat);
    if (!err)
        err = writer_start(chat->writer);
    chat->log.days = chat->days;
    chat->log.fanout = &chat->fanout;
    return err;
}

enum err chat_service_new(const struct config *config, struct chat_service **ret_chat)
{
    struct chat_service *chat = calloc(1, sizeof(*chat));
    if (!chat)
        return ERR_NOMEM;
    chat->config = config;
    enum err err = chat_open(chat);
    if (err) {
        chat_service_free(chat);
        return err;
    }
    chat->service.name = "chat";
    chat->service.writer = chat->writer;
    chat->service.state = chat;
    *ret_chat = chat;
    return ERR_OK;
}

struct service *chat_service_of(struct chat_service *chat)
{
    return &chat->service;
}

const char *chat_database_path(const struct chat_service *chat)
{
    return chat->database_path;
}

const struct websocket_options *chat_service_websockets(const struct chat_service *chat)
{
    return stream_websockets(chat->stream);
}

enum err chat_service_start(struct chat_service *chat, struct app *app, struct websocket_hub *hub)
{
    enum err err = stream_start(chat->stream, app, hub);
    if (!err)
        err = feed_new(chat->database_path, writer_ids(chat->writer), &chat->fanout, &chat->feed);
    if (!err)
        err = feed_start(chat->feed);
    if (!err)
        err = receipts_start(chat->receipts);
    if (!err)
        err = push_start(chat->push);
    return err ? err : chat_retention_start(chat, app_timer(app));
}

enum err chat_service_open_inlet(struct chat_service *chat, const char *name,
                                 struct bridge_sink *ret_sink)
{
    enum err err = chat_inlet_new(chat, name, &chat->inlet);
    if (!err)
        *ret_sink = chat_inlet_sink(chat->inlet);
    return err;
}

bool chat_service_tells(const struct chat_service *chat)
{
    return chat->config->chat_hooks_account[0] != '\0';
}

enum err chat_service_tell(struct chat_service *chat, const struct bridge_sink *sink)
{
    const struct config *config = chat->config;
    chat->facts.has_text = config->chat_hooks_text;
    enum err err = id_parse(str_from_c(config->chat_hooks_account), "usr", &chat->facts.account_id);
    if (!err)
        err =
            chat_bridge_start(chat->writer, chat->database_path, &chat->facts, sink, &chat->bridge);
    if (!err)
        chat->log.facts = &chat->facts;
    return err;
}

void chat_service_untell(struct chat_service *chat)
{
    chat_bridge_stop(chat->bridge);
    chat->bridge = NULL;
}

void chat_service_stop(struct chat_service *chat)
{
    stream_stop(chat->stream);
    feed_stop(chat->feed);
    receipts_stop(chat->receipts);
    push_stop(chat->push);
    writer_stop(chat->writer);
}

void chat_service_free(struct chat_service *chat)
{
    if (!chat)
        return;
    chat_inlet_free(chat->inlet);
    writer_free(chat->writer);
    feed_free(chat->feed);
    stream_free(chat->stream);
    receipts_free(chat->receipts);
    media_service_close(&chat->media);
    push_free(chat->push);
    days_free(chat->days);
    service_free_routes(&chat->service);
    free(chat);
}
