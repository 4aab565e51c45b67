/* GET /v1/events/{id}/challenge: what the widget of the page asks for. Nothing is kept of it. */
#include "base/clock.h"
#include "tickets/challenge.h"
#include "tickets/event_call.h"

#define CHALLENGE_BYTES_MAX 1024

static enum err challenge_any(struct call *call, struct db *db)
{
    struct event_model *model;
    enum err err;
    if (!event_call_model(call, db, &model, &err))
        return err;
    struct challenge challenge;
    struct challenge_scope scope = {model->event.id, call->caller->account_id};
    struct buf *body = buf_new_in(call_arena(call), CHALLENGE_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    challenge_make(&event_call_tickets(call)->abuse_keys, &scope, clock_now_ms(), &challenge);
    challenge_write(&writer, &challenge);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err challenge_loop(struct call *call)
{
    return challenge_any(call, NULL);
}

const struct route abuse_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/v1/events/{id}/challenge",
     .kind = ROUTE_LOOP,
     .auth = AUTH_CALLER,
     .loop = challenge_loop,
     .read = challenge_any,
     .summary = "A challenge in the ALTCHA format, for you and this event",
     .tag = "bookings",
     .response = "Challenge",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true},
};
const size_t abuse_routes_count = sizeof(abuse_routes) / sizeof(abuse_routes[0]);
