/*
 * Event streams (text/event-stream, the EventSource of browsers): answers that do not end. They are sockets of a
 * hub whose options say is_event_stream, and all of net/websocket.h holds for them but this: the service makes the frames
 * whole (event_stream_frame), on_message never comes, a comment is sent after ping_ms of silence, and a close is
 * the end of the answer, without a handshake. Who has vanished is seen by the kernel, when it does not take the comments.
 */
#ifndef NET_EVENT_STREAM_H
#define NET_EVENT_STREAM_H

#include "net/websocket.h"

/* As websocket_accept: for a GET of any version. The refusals are TOO_FAST and NO_MEMORY. */
enum websocket_refusal event_stream_accept(struct websocket_hub *hub, struct request *request,
                                           void *data, int64_t *ret_retry_ms);
/* The head of the answer alone, for HEAD. */
void event_stream_head(struct request *request);

/* One event; id and data are single lines, and without an id it has none. NULL: no memory. */
struct shared *event_stream_frame(const char *event, struct str id, struct str data);
/* Says when to come again. NULL: no memory. */
struct shared *event_stream_retry(int64_t after_ms);
struct shared *event_stream_comment(void);

#endif
