/*
 * Sends POST requests to addresses that somebody else has chosen: names resolved here, every address
 * vetted (net/egress.h) and pinned, so that what was judged is what is connected to; one total
 * deadline over name, connection, TLS, head and body; no redirects, no proxies, certificates
 * verified; of an answer only so much is read, and less is kept. Connections are kept for the next
 * request to the same host at the same address.
 *
 * A loop of one thread: sender_start and sender_turn belong to it, sender_wake to any.
 */
#ifndef NET_SENDER_H
#define NET_SENDER_H

#include "base/buf.h"
#include "net/egress.h"

#define SENDER_HEADERS_MAX      48
#define SENDER_HEAD_BYTES_MAX   (64u << 10) /* of an answer, 1xx and trailers too: more fails it */
#define SENDER_BODY_BYTES_MAX   (64u << 10) /* read; what is behind is not waited for */
#define SENDER_BODY_BYTES_KEPT  (16u << 10)
#define SENDER_HEAD_BYTES_KEPT  (8u << 10)
#define SENDER_ERROR_TEXT_SIZE  160
#define SENDER_RETRY_AFTER_SIZE 64

struct sender;

/* How it went; names by send_outcome_name. */
enum send_outcome {
    SEND_ANSWERED,  /* there is a status */
    SEND_URL,       /* not a URL that we call */
    SEND_NAME,      /* its host has no address */
    SEND_DENIED,    /* none that may be called */
    SEND_CONNECT,   /* nobody accepted */
    SEND_TLS,       /* handshake or certificate */
    SEND_TIMEOUT,   /* the deadline passed */
    SEND_BROKEN,    /* the connection ended before the answer did */
    SEND_PROTOCOL,  /* what came is not HTTP */
    SEND_HEAD_SIZE, /* SENDER_HEAD_BYTES_MAX */
    SEND_CLOSED,    /* we are shutting down */
    SEND_INTERNAL,  /* our own fault: memory */
};
#define SEND_OUTCOMES (SEND_INTERNAL + 1)

/* Microseconds; -1: it did not come to it. A connection that was kept has no connect and TLS. */
struct send_times {
    int64_t dns_us, connect_us, tls_us, first_byte_us, total_us;
};

struct send {
    /* Set by the caller; all of it lives until on_done. */
    const char *url;
    const char *headers[SENDER_HEADERS_MAX]; /* "Name: value", no line ends in it; NULL ends */
    struct str body;
    int64_t timeout_ms;
    void (*on_done)(struct send *send); /* from sender_turn or sender_free, exactly once */
    void *ctx;
    /* Set before on_done. */
    enum send_outcome outcome;
    int status;
    struct send_times times;
    char retry_after[SENDER_RETRY_AFTER_SIZE]; /* "" when there is none */
    /* These two: zeroed before the first send; then send_release, or another send. */
    struct buf response;
    struct buf head;                    /* "name: value\n" each, UTF-8, as far as it fits */
    char error[SENDER_ERROR_TEXT_SIZE]; /* printable */
    char address[EGRESS_ADDRESS_TEXT];  /* "" unless one was chosen */
    void *impl;
};

struct sender_options {
    size_t in_flight_max;
    struct egress_rules egress;
    const char *dns_servers; /* NULL: the system's */
    const char *ca_file;     /* NULL: the system's */
};

ERR_MUST_USE enum err sender_new(const struct sender_options *options, struct sender **ret_sender);
/* What is in flight ends with SEND_CLOSED. NULL is fine. */
void sender_free(struct sender *sender);
/* ERR_FULL, ERR_NOMEM: on_done will not run. */
ERR_MUST_USE enum err sender_start(struct sender *sender, struct send *send);
/* One round: waits up to wait_ms for something to happen, runs on_done of what has ended. */
void sender_turn(struct sender *sender, int wait_ms);
/* Ends a wait. Any thread. */
void sender_wake(struct sender *sender);
size_t sender_in_flight(const struct sender *sender);
void send_release(struct send *send);
/* "timeout" etc.; "" of an answer. */
const char *send_outcome_name(enum send_outcome outcome);

#endif
