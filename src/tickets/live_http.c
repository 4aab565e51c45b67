/*
 * GET /v1/events/{id}/live. Who may see an event's map may listen to it. EventSource can send no headers, so
 * what comes in them may also come in the query.
 */
#include "tickets/event_call.h"
#include "tickets/limits.h"
#include "tickets/live.h"
#include "tickets/queue_gate.h"

/* EventSource says where it was in a header when it comes again by itself; a page says it in the query.
 * False: 422 was answered. */
static bool read_last_id(struct call *call, struct str *ret_id)
{
    *ret_id = request_header(call->req, "last-event-id");
    if (ret_id->data)
        return true;
    if (!call_query_str(call, "last_event_id", ret_id))
        return false;
    if (ret_id->len <= LIVE_ID_MAX)
        return true;
    problem_field(call, "last_event_id", "is too long");
    return false;
}

static void refuse(struct call *call, enum live_refusal refusal, int64_t retry_ms)
{
    int64_t retry_s = retry_ms > 0 ? (retry_ms + 999) / 1000 : 5;
    if (refusal == LIVE_NETWORK_FULL)
        problem_retry(call, PROBLEM_RATE_LIMITED, "Too many of your network listen already.",
                      retry_s);
    else
        problem_retry(call, PROBLEM_OVERLOADED, "Too many listen; come again later.", retry_s);
}

static enum err live_any(struct call *call, struct db *db)
{
    struct event_model *model;
    struct str last_id = STR_NONE;
    int64_t retry_ms = 0;
    enum err err;
    if (!event_call_model(call, db, &model, &err))
        return err;
    if (!read_last_id(call, &last_id))
        return ERR_OK;
    struct queue_pass pass;
    if (!queue_gate_pass(call, model, &pass))
        return ERR_OK;
    if (call->req->method == HTTP_HEAD) {
        event_stream_head(call->req);
        return ERR_OK;
    }
    enum live_refusal refusal =
        live_accept(event_call_tickets(call)->live, call->req, model, last_id, &retry_ms);
    if (refusal != LIVE_ACCEPTED)
        refuse(call, refusal, retry_ms);
    return ERR_OK;
}

static enum err live_loop(struct call *call)
{
    return live_any(call, NULL);
}

const struct route live_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/v1/events/{id}/live",
     .kind = ROUTE_LOOP,
     .auth = AUTH_OPTIONAL,
     .loop = live_loop,
     .read = live_any,
     .summary = "Listen to the state of all places (an event stream)",
     .tag = "events",
     .success = 200,
     .media = "text/event-stream",
     .problems = "403 404 422",
     .query = "last_event_id admission",
     .is_retry_safe = true,
     .may_lag = true},
};
const size_t live_routes_count = sizeof(live_routes) / sizeof(live_routes[0]);
