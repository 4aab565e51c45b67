/* The chat service: what main.c composes. */
#ifndef CHAT_SERVICE_H
#define CHAT_SERVICE_H

#include "app/app.h"
#include "app/config.h"
#include "chat/fact.h"
#include "chat/fanout.h"
#include "chat/log.h"
#include "chat/media_service.h"

struct bridge_sink;
struct chat_inlet;
struct stream;
struct websocket_hub;
struct websocket_options;
struct feed;
struct push;
struct receipts;

struct chat_service {
    const struct config *config;
    struct service service;
    struct writer *writer;
    char database_path[CONFIG_LOCATION_MAX];
    struct days *days;
    struct fanout fanout; /* its listener is set before chat_service_start */
    struct log log;
    struct media_service media;
    struct feed *feed;         /* what other nodes write; NULL: nobody listens, or there are none */
    struct receipts *receipts; /* of the stream, until they are written */
    struct stream *stream;
    struct chat_inlet *inlet;   /* what another service tells; NULL: none does */
    struct push *push;          /* notifications */
    struct facts facts;         /* for webhooks, where log.facts points to it */
    struct chat_bridge *bridge; /* tells them; NULL: nobody is told */
};

/* Opens the database (writer thread started) and builds the route table. */
ERR_MUST_USE enum err chat_service_new(const struct config *config, struct chat_service **ret_chat);
struct service *chat_service_of(struct chat_service *chat);
const char *chat_database_path(const struct chat_service *chat);
/* For the server's options, and its sockets then for chat_service_start. */
const struct websocket_options *chat_service_websockets(const struct chat_service *chat);
/* Starts the feed, the stream and retention. Before requests are served. */
ERR_MUST_USE enum err chat_service_start(struct chat_service *chat, struct app *app,
                                         struct websocket_hub *hub);
/* After chat_service_start: what another service of this name is to give its facts to. The sink is valid
 * until chat_service_stop. */
ERR_MUST_USE enum err chat_service_open_inlet(struct chat_service *chat, const char *name,
                                              struct bridge_sink *ret_sink);
/* Whom chat_service_tell() is for: --chat-hooks-account names somebody. */
bool chat_service_tells(const struct chat_service *chat);
/* What happens in chats is told to this sink from now on. After chat_service_new, before requests are served. */
ERR_MUST_USE enum err chat_service_tell(struct chat_service *chat, const struct bridge_sink *sink);
/* Before the sink's service stops. */
void chat_service_untell(struct chat_service *chat);
/* Workers first, then the writer; after the server and the application's pools have stopped. */
void chat_service_stop(struct chat_service *chat);
void chat_service_free(struct chat_service *chat); /* NULL is fine */

/* Route tables of the parts, joined by service.c. */
#define CHAT_ROUTE_TABLES                                                                          \
    TABLE(chat_chat_routes)                                                                        \
    TABLE(chat_member_routes)                                                                      \
    TABLE(chat_message_routes)                                                                     \
    TABLE(chat_message_change_routes)                                                              \
    TABLE(chat_media_routes)                                                                       \
    TABLE(chat_receipt_routes)                                                                     \
    TABLE(chat_device_routes)                                                                      \
    TABLE(chat_block_routes)                                                                       \
    TABLE(chat_report_routes)                                                                      \
    TABLE(chat_search_routes)                                                                      \
    TABLE(chat_push_routes)                                                                        \
    TABLE(chat_stream_routes)
#define TABLE(name)                                                                                \
    extern const struct route name[];                                                              \
    extern const size_t name##_count;
CHAT_ROUTE_TABLES
#undef TABLE

#endif
