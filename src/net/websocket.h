/*
 * WebSockets (RFC 6455), and event streams (net/event_stream.h), on the server's connections. A service gives its callbacks and limits with
 * the server's options, turns a request into a socket with websocket_accept() and request_reply(),
 * and from then on hears of it in callbacks on the loop thread that has the connection; these must
 * not block. Any thread may post to a socket by its id, which is never that of another one.
 *
 * Frames are shared bytes (net/shared.h): encoded once, sent by reference to any number.
 */
#ifndef NET_WEBSOCKET_H
#define NET_WEBSOCKET_H

#include "base/queue.h"
#include "net/request.h"
#include "net/websocket_frame.h"

struct websocket;     /* one connection */
struct websocket_hub; /* all of a server's */

typedef uint64_t websocket_id; /* 0: none */

/* Why a socket ended; WEBSOCKET_END_NAMES in this order. */
enum websocket_end {
    WEBSOCKET_END_PEER,         /* the client closed it properly */
    WEBSOCKET_END_SERVICE,      /* websocket_close */
    WEBSOCKET_END_GONE,         /* the connection was lost */
    WEBSOCKET_END_IDLE,         /* no answer to a ping */
    WEBSOCKET_END_PROTOCOL,     /* 1002 */
    WEBSOCKET_END_NOT_TEXT,     /* 1007 */
    WEBSOCKET_END_TOO_BIG,      /* 1009 */
    WEBSOCKET_END_SLOW_MESSAGE, /* began a message and did not end it in time */
    WEBSOCKET_END_SLOW_READER,  /* a write was not taken in time */
    WEBSOCKET_END_FULL,         /* fell behind what it was sent: it must resync */
    WEBSOCKET_END_MEMORY,
    WEBSOCKET_END_STOP,   /* the server stops */
    WEBSOCKET_END_UNOPEN, /* the connection was lost before it was a socket */
    WEBSOCKET_END_COUNT,
};
#define WEBSOCKET_END_NAMES                                                                        \
    {                                                                                              \
        "peer", "service", "gone", "idle", "protocol", "not_text", "too_big", "slow_message",      \
            "slow_reader", "full", "memory", "stop", "unopened"                                    \
    }

/* Why a request is not made a socket. */
enum websocket_refusal {
    WEBSOCKET_ACCEPTED,
    WEBSOCKET_NOT_ASKED,    /* 426: an ordinary request */
    WEBSOCKET_BAD_REQUEST,  /* 400 */
    WEBSOCKET_BAD_VERSION,  /* 426 */
    WEBSOCKET_BAD_PROTOCOL, /* 400: does not offer the subprotocol */
    WEBSOCKET_BAD_ORIGIN,   /* 403: a page of somebody else */
    WEBSOCKET_TOO_FAST,     /* 503 with Retry-After: more than admit_per_s */
    WEBSOCKET_NO_MEMORY,    /* 503 */
    WEBSOCKET_REFUSAL_COUNT,
};

enum websocket_full_choice {
    WEBSOCKET_FULL_CLOSE, /* drop what waits and close with 1013: the client must resync */
    WEBSOCKET_FULL_DROP,  /* drop this frame */
};

/* Numbers that are 0 get the default behind them. Pointers must live as long as the server. */
struct websocket_options {
    bool is_event_stream; /* instead of WebSockets; see net/event_stream.h for what is different */
    const char *protocol; /* the only subprotocol, which a client must offer; NULL: none */
    const char *const
        *origins;            /* besides the server's own, "https://a.b"; NULL-terminated, or NULL */
    size_t frame_max;        /* bytes of payload; message_max */
    size_t message_max;      /* 64 KiB */
    size_t queue_bytes_max;  /* of one connection, waiting to be sent; 256 KiB */
    size_t queue_frames_max; /* 1,024 */
    int send_buffer; /* bytes that the kernel keeps for one connection; 0: as it thinks best */
    unsigned
        queue_burst; /* times these two for a client that reads, since many may be sent to it at once; 1 */
    size_t partial_max;   /* bytes of all messages that have begun to come in; 64 MiB */
    size_t posts_max;     /* frames posted to one loop and not yet taken over; 262,144 */
    unsigned admit_per_s; /* new sockets; 2,000 */
    int64_t ping_ms;      /* silence after which a client is pinged; 30 s */
    int64_t pong_ms;      /* and then so long for any answer; 15 s */
    int64_t message_ms;   /* from a message's first byte to its last; 30 s */
    int64_t write_ms;     /* for the client to take one write, of at most 64 KiB; 20 s */
    int64_t close_ms;     /* for the client's part of closing; 5 s */

    void (*on_open)(struct websocket *socket, void *ctx); /* may be NULL */
    /* message: until it returns. */
    void (*on_message)(struct websocket *socket, bool is_text, struct str message, void *ctx);
    /* A frame that may not be lost finds the queue full (for a client that has taken nothing of it for a while, or
     * queue_burst times full), even without the ephemeral ones in it.
     * NULL: close. */
    enum websocket_full_choice (*on_full)(struct websocket *socket, void *ctx);
    /* What waited was dropped; the last words before it is closed with 1013. May be NULL. */
    void (*on_overflow)(struct websocket *socket, void *ctx);
    /* There is room again: see websocket_has_room. May be NULL. */
    void (*on_room)(struct websocket *socket, void *ctx);
    /* The server stops: the last words of the service, after which the socket is closed with 1001.
     * Not before reconnect_after_ms shall the client come again, so that not all come at once. May
     * be NULL. */
    void (*on_stop)(struct websocket *socket, int64_t reconnect_after_ms, void *ctx);
    /* Once for each accepted request, the last of it, also when on_open never came. Never from
     * within another call. peer_code: of the client's close frame, or ABNORMAL. May be NULL. */
    void (*on_close)(struct websocket *socket, enum websocket_end end, unsigned peer_code,
                     void *ctx);
    void *ctx;
};

struct websocket_stats {
    uint64_t open;
    uint64_t opened;
    uint64_t messages_in;
    uint64_t frames_in;  /* messages, pings, pongs, closes */
    uint64_t frames_out; /* queued */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t writes;            /* system calls: many frames each */
    uint64_t dropped_ephemeral; /* for want of room in a queue */
    uint64_t dropped_posts;     /* posts_max: the ephemeral ones; others close their sockets */
    uint64_t partial_bytes;     /* held now by messages that have begun to come in */
    uint64_t closed[WEBSOCKET_END_COUNT];
    uint64_t refused[WEBSOCKET_REFUSAL_COUNT];
};

/* --- handshake: on any thread that has the request --- */

/* On WEBSOCKET_ACCEPTED res is filled in for request_reply(), and data belongs to the socket. Else
 * nothing has happened, and the caller answers with the refusal's status; ret_retry_ms is for
 * TOO_FAST. */
enum websocket_refusal websocket_accept(struct websocket_hub *hub, struct request *request,
                                        void *data, int64_t *ret_retry_ms);
int websocket_refusal_status(enum websocket_refusal refusal);
/* One sentence; static. */
const char *websocket_refusal_detail(enum websocket_refusal refusal);

/* --- on the loop's thread, in callbacks --- */

websocket_id websocket_get_id(const struct websocket *socket);
void *websocket_data(const struct websocket *socket);
void websocket_set_data(struct websocket *socket, void *data);
/* Queues a frame; all of a loop's turn go out in one write. Takes a reference of its own. ERR_FULL:
 * dropped, see on_full; ERR_CLOSED: it is closing; ERR_NOMEM (also when frame is NULL): it will be
 * closed. Ephemeral ones are dropped when the queue is half full. */
enum err websocket_send(struct websocket *socket, struct shared *frame, bool is_ephemeral);
/* The same for the last words before websocket_close: also beyond the queue's limits. */
void websocket_send_last(struct websocket *socket, struct shared *frame);
/* Less than a quarter of the queue is full. If not, on_room is called once when it is so. For who has more to
 * send than fits: it goes at the speed at which the client reads. */
bool websocket_has_room(struct websocket *socket);
/* The closing handshake begins; nothing comes in or goes out any more. */
void websocket_close(struct websocket *socket, unsigned code, struct str reason);

/* --- from any thread, as long as the server is there --- */

/* frame NULL: there was no memory for it, so the sockets that should have it are closed for a resync, which needs
 * none. Each of the sockets gets the frame, in the order of posts of one thread; whoever is gone by then
 * does not count. The frame stays the caller's. ERR_FULL: too much is under way to some loop; if it
 * is ephemeral it is dropped there, else those sockets will be closed for a resync. */
enum err websocket_post(struct websocket_hub *hub, const websocket_id *ids, size_t count,
                        struct shared *frame, bool is_ephemeral);
/* ERR_CLOSED: there is no such socket any more. ERR_NOMEM. */
ERR_MUST_USE enum err websocket_post_close(struct websocket_hub *hub, websocket_id id,
                                           unsigned code);

/* Work for a socket that was done elsewhere. */
struct websocket_task {
    struct queue_node node;
    websocket_id id;
    /* On the loop's thread; socket is NULL when it is gone or closing. The task is the callee's
     * again. */
    void (*run)(struct websocket_task *task, struct websocket *socket);
};
/* ERR_CLOSED: the loop has ended; ERR_NOMEM: either way the task is still the caller's. */
ERR_MUST_USE enum err websocket_post_task(struct websocket_hub *hub, struct websocket_task *task);

void websocket_stats(struct websocket_hub *hub, struct websocket_stats *ret_stats);

#endif
