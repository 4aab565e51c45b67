/* What is particular to event streams; see event_stream.h. The rest is websocket.c. */
#include "net/event_stream.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "net/websocket_internal.h"

#define RETRY_TEXT_MAX 40

void event_stream_head(struct request *request)
{
    request->res.status = 200;
    request->res.content_type = STR("text/event-stream");
    response_header(request, "cache-control", STR("no-store"));
    response_header(request, "x-accel-buffering", STR("no")); /* proxies that know it pass it on */
}

enum websocket_refusal event_stream_accept(struct websocket_hub *hub, struct request *request,
                                           void *data, int64_t *ret_retry_ms)
{
    enum websocket_refusal refusal = WEBSOCKET_ACCEPTED;
    assert(hub->options.is_event_stream && request->method == HTTP_GET);
    if (!websocket_admit(hub, request, data, &refusal, ret_retry_ms))
        return refusal;
    event_stream_head(request);
    /* h2o says "upgrade" of each connection that it lets go of; the end of this answer is the end of it. */
    response_header(request, "connection", STR("close"));
    return WEBSOCKET_ACCEPTED;
}

/* --- frames --- */

static struct shared *shared_text(struct str text)
{
    struct shared *shared = shared_new((uint32_t)text.len);
    if (shared)
        memcpy(shared->bytes, text.data, text.len);
    return shared;
}

static char *put(char *at, struct str text)
{
    if (text.len > 0)
        memcpy(at, text.data, text.len);
    return at + text.len;
}

struct shared *event_stream_frame(const char *event, struct str id, struct str data)
{
    struct str parts[] = {id.len > 0 ? STR("id: ") : STR(""),
                          id,
                          id.len > 0 ? STR("\n") : STR(""),
                          STR("event: "),
                          str_from_c(event),
                          STR("\ndata: "),
                          data,
                          STR("\n\n")};
    size_t size = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        size += parts[i].len;
    struct shared *frame = size <= UINT32_MAX ? shared_new((uint32_t)size) : NULL;
    char *at = frame ? frame->bytes : NULL;
    for (size_t i = 0; frame && i < sizeof(parts) / sizeof(parts[0]); i++)
        at = put(at, parts[i]);
    return frame;
}

struct shared *event_stream_retry(int64_t after_ms)
{
    char text[RETRY_TEXT_MAX];
    int len = snprintf(text, sizeof(text), "retry: %" PRId64 "\n\n", after_ms);
    assert(len > 0 && (size_t)len < sizeof(text));
    return shared_text(str_from(text, (size_t)len));
}

struct shared *event_stream_comment(void)
{
    return shared_text(STR(":\n\n"));
}
