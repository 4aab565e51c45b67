/*
 * The stream: GET /v1/stream, a WebSocket on which a member's device is told what happens in its chats, sends,
 * and says what it has read (docs/chat-stream.md).
 *
 * Parts, each with its file: sessions and what they say (stream_session.c, stream_input.c, stream_send.c), how a
 * session catches up (stream_catchup.c), who listens to a chat and how they are told (stream_audience.c), which
 * streams a user has (stream_users.c), the way to the database (stream_reads.c), the bytes (stream_frames.c).
 */
#ifndef CHAT_STREAM_H
#define CHAT_STREAM_H

#include "app/app.h"
#include "chat/service.h"
#include "net/websocket.h"

struct stream;
struct writer_tx;

/* Becomes the listener of the service's fan-out. */
ERR_MUST_USE enum err stream_new(struct chat_service *chat, struct stream **ret_stream);
/* For the server; as long as the stream. */
const struct websocket_options *stream_websockets(const struct stream *stream);
/* Before requests are served, and before anything is told. */
ERR_MUST_USE enum err stream_start(struct stream *stream, struct app *app,
                                   struct websocket_hub *hub);
/* In apply: a block between the two was made or taken back. */
ERR_MUST_USE enum err stream_stage_block(struct stream *stream, struct writer_tx *tx,
                                         uint64_t user_id, uint64_t other_id);
/* After the server and the pools have stopped; NULL is fine, here and below. */
void stream_stop(struct stream *stream);
/* After the writer and the feed have stopped. */
void stream_free(struct stream *stream);

#endif
