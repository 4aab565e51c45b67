/* The stream's inside, shared by the stream*.c files. */
#ifndef CHAT_STREAM_INTERNAL_H
#define CHAT_STREAM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "chat/stream.h"
#include "chat/stream_audience.h"
#include "chat/stream_frames.h"
#include "chat/stream_reads.h"
#include "chat/stream_users.h"

struct catchup;
struct stream_note;
struct stream_presence;

/* A connection that has not said hello, until when it has to. */
struct stream_waiting {
    websocket_id id;
    int64_t until_ms;
};

struct stream_counters {
    _Atomic uint64_t hellos, catchups, sends, acks, errors, told, news_read, receipts, byes;
};

struct stream {
    struct chat_service *chat;
    struct app *app;
    struct websocket_hub *hub;
    _Atomic bool is_open; /* these two are set */
    struct websocket_options options;
    struct arena arena; /* of the origins */
    const char *origins[CONFIG_ORIGINS_MAX + 2];
    struct stream_users *users;
    struct audiences *audiences;
    struct stream_reads reads;
    struct stream_counters counters;
    struct stream_presence *presence; /* from stream_start on */
    pthread_t thread;                 /* the clock: what is due; stream_clock.c */
    bool is_running;
    pthread_mutex_t lock; /* guards what follows; a leaf */
    pthread_cond_t wakeup;
    bool is_stopping;
    struct stream_waiting *waiting; /* a ring, in order of time */
    size_t waiting_cap, waiting_head, waiting_count;
    struct recheck *recheck; /* NULL: none is under way; the clock's */
    struct relist *relist;   /* the same */
    _Atomic uint64_t doubts; /* rounds of looking for chats that nobody has heard of */
    _Atomic bool is_rechecking;
    _Atomic uint64_t
        ends; /* of tokens on this node, counted before the streams that have them are looked for */
};

enum session_state {
    SESSION_NEW,     /* has not said hello */
    SESSION_LOOKING, /* who it is, is being looked up */
    SESSION_LISTING, /* its chats are being read */
    SESSION_OPEN,    /* ready was said */
};

/* One stream; on its loop's thread only. Kept small: thousands are idle. */
struct session {
    struct stream *stream;
    uint64_t network; /* whom rates of networks count */
    uint64_t user_id, device_id;
    uint64_t *chats; /* those that it follows, each of them pinned */
    uint32_t chat_count, chat_cap;
    uint8_t *cookie_hash;      /* of the handshake, until hello; NULL: there was none */
    struct catchup *catchup;   /* NULL: all is live */
    struct stream_note *notes; /* that came while the catch-up was at the pool, the newest first */
    int64_t mistakes_ms;       /* since when they are counted */
    int64_t typing_ms, watch_ms; /* since when these two are counted */
    uint16_t mistakes;
    uint16_t unanswered;
    uint8_t typings, watches;
    uint8_t state;
    bool has_said_live;
};

static inline int64_t stream_now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* ---- stream_session.c ---- */

struct session *session_of(const struct websocket *socket);
void session_on_open(struct websocket *socket, void *ctx);
void session_on_close(struct websocket *socket, enum websocket_end end, unsigned peer_code,
                      void *ctx);
void session_on_overflow(struct websocket *socket, void *ctx);
void session_on_stop(struct websocket *socket, int64_t reconnect_after_ms, void *ctx);
/* Sends; no memory ends the connection. Takes the frame. */
void session_send(struct websocket *socket, struct shared *take_frame);
enum session_bye {
    BYE_UNAUTHENTICATED,
    BYE_HELLO,
    BYE_REPLACED,
    BYE_LIMIT,
    BYE_OVERLOADED,
};
void session_bye(struct websocket *socket, enum session_bye bye);
/* The same from any thread. */
void session_post_bye(struct stream *stream, websocket_id id, enum session_bye bye);
/* Answers with an error; too many mistakes end the stream. */
void session_refuse(struct websocket *socket, const struct stream_mistake *mistake);
bool session_follows(const struct session *session, uint64_t chat_id);
/* Takes a pin of the chat over. ERR_NOMEM. */
ERR_MUST_USE enum err session_add_chat(struct session *session, uint64_t chat_id);
/* Gives it back, and its place among the listeners. */
void session_drop_chat(struct websocket *socket, struct session *session, uint64_t chat_id);
/* The caller is this user: registers, and begins to read their chats. */
void session_begin(struct websocket *socket, struct session *session);

/* A member's chats have changed: from any thread. */
void session_post_note(struct stream *stream, websocket_id id, uint64_t chat_id, bool is_member,
                       int64_t joined_seq);
/* Those that came while the catch-up was away. */
void session_take_notes(struct websocket *socket, struct session *session);

/* ---- stream_input.c ---- */

void session_on_message(struct websocket *socket, bool is_text, struct str text, void *ctx);

/* ---- stream_send.c ---- */

struct send_input {
    int64_t id;
    uint64_t chat_id;
    struct str client_id, body, media_id, reply_to; /* the last three: STR_NONE: none */
};
void session_send_message(struct websocket *socket, struct session *session,
                          const struct send_input *input);

/* ---- stream_catchup.c ---- */

/* What a client says that it has of a chat. */
struct claim {
    uint64_t chat_id;
    int64_t epoch, seq;
};

/* Takes claims, which are sorted by chat and not two of one. ERR_NOMEM. */
ERR_MUST_USE enum err catchup_new(struct websocket *socket, struct session *session,
                                  struct claim *take_claims, size_t count);
uint8_t *catchup_token_hash(struct catchup *catchup);
/* Tokens have ended since it was made, this one perhaps before its stream could be found. */
bool catchup_may_have_ended(const struct catchup *catchup);
void catchup_look_up(struct catchup *catchup); /* who it is, in the database */
void catchup_list(struct catchup *catchup);
/* A chat from a seq on; pinned already. ERR_NOMEM. */
ERR_MUST_USE enum err catchup_add(struct websocket *socket, struct session *session,
                                  uint64_t chat_id, int64_t joined_seq);
bool catchup_is_out(const struct catchup *catchup);
void catchup_drop(struct catchup *catchup, uint64_t chat_id); /* when it is not out */
void catchup_go_on(struct websocket *socket, struct session *session);
void catchup_abandon(struct catchup *catchup);  /* the session goes; NULL is fine */
void catchup_release(struct stream_read *read); /* never ran */
void session_on_room(struct websocket *socket, void *ctx);

/* ---- stream_relist.c ---- */

ERR_MUST_USE enum err stream_relist_new(struct stream *stream);
void stream_relist_tick(struct stream *stream);

/* ---- stream_presence.c ---- */

ERR_MUST_USE enum err stream_presence_start(struct stream *stream);
void stream_presence_stop(struct stream *stream); /* before the writer */
void stream_presence_free(struct stream *stream);
void stream_presence_tick(struct stream *stream);
void stream_presence_stats(const struct stream *stream, struct presence_stats *ret_stats);
/* The user's session at that socket begins and ends. */
void stream_presence_join(struct stream *stream, uint64_t user_id);
void stream_presence_leave(struct stream *stream, uint64_t user_id, websocket_id id);
/* In a chat that the session follows. */
void session_type(struct websocket *socket, const struct session *session, uint64_t chat_id);
void session_watch(struct websocket *socket, struct session *session, const uint64_t *user_ids,
                   size_t count);

/* ---- stream_clock.c ---- */

ERR_MUST_USE enum err stream_clock_start(struct stream *stream);
void stream_clock_stop(struct stream *stream);
/* Ends it with bye when it has not said hello in time. ERR_NOMEM. */
ERR_MUST_USE enum err stream_expect_hello(struct stream *stream, websocket_id id);

#endif
