/*
 * The live map: GET /v1/events/{id}/live, an event stream on which a map hears which places are taken and which
 * are free again. See docs/design/onsale.md for what is sent, live_view.h for what a version promises, and live.c
 * for who works when.
 */
#ifndef TICKETS_LIVE_H
#define TICKETS_LIVE_H

#include "app/app.h"
#include "net/event_stream.h"
#include "tickets/inventory.h"

struct live;
struct tickets;

ERR_MUST_USE enum err live_new(struct tickets *tickets, struct live **ret_live);
/* For the server; as long as the live map. */
const struct websocket_options *live_event_streams(const struct live *live);
/* Before requests are served. connections_max: what the server takes, of which listeners get a part. */
ERR_MUST_USE enum err live_start(struct live *live, struct app *app, struct websocket_hub *hub,
                                 size_t connections_max);
/* After the server and the pools have stopped; NULL is fine, here and below. */
void live_stop(struct live *live);
void live_free(struct live *live);

enum live_refusal {
    LIVE_ACCEPTED,
    LIVE_NOT_RUNNING,
    LIVE_FULL,         /* of all, or of views */
    LIVE_EVENT_FULL,   /* of this event */
    LIVE_NETWORK_FULL, /* of who asks */
    LIVE_TOO_FAST,
    LIVE_NO_MEMORY,
    LIVE_REFUSAL_COUNT
};

/* The request is to become a listener of the model's event; last_id: of the frame that it has seen last, or
 * STR_NONE. On LIVE_ACCEPTED the answer is filled in. Any thread. */
enum live_refusal live_accept(struct live *live, struct request *request,
                              const struct event_model *model, struct str last_id,
                              int64_t *ret_retry_ms);

#endif
