/*
 * Load engine: one thread, epoll, keep-alive HTTP/1.1 connections with one request at a time each.
 * A scenario gives every connection an actor; the engine tells it when an answer is there, when its
 * connection broke and when its timer is due. Only loopback addresses are accepted.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "base/buf.h"
#include "base/heap.h"

struct load;

struct load_answer {
    int status; /* 0: the connection broke before an answer came */
    struct str head;
    struct str body;    /* borrowed for the callback */
    int64_t latency_ns; /* since load_send, or since the intended time when one was set */
};

struct load_conn {
    struct load *load;
    size_t index;
    void *actor;
    void (*on_answer)(struct load_conn *conn, const struct load_answer *answer);
    void (*on_timer)(struct load_conn *conn);
    /* The engine's own. */
    int fd;
    unsigned port;
    bool is_waiting; /* for an answer */
    bool wants_write;
    int64_t started_ns;
    struct buf out, in;
    size_t out_done;
};

struct load_request {
    const char *method;
    struct str path;
    struct str headers; /* ready lines, each with CRLF */
    struct str body;
    int64_t intended_ns; /* 0: now */
};

/* connections: all to 127.0.0.1:port; opened lazily. */
ERR_MUST_USE enum err load_new(size_t connections, unsigned port, struct load **ret_load);
void load_free(struct load *load);
struct load_conn *load_conn_at(struct load *load, size_t index);
size_t load_conn_count(const struct load *load);
/* The connection must not be waiting. A broken or closed one is opened anew. */
void load_send(struct load_conn *conn, const struct load_request *request);
/* Moves an idle connection to another port of 127.0.0.1. */
void load_retarget(struct load_conn *conn, unsigned port);
/* on_timer after delay_ms. */
void load_timer(struct load_conn *conn, int64_t delay_ms);
/* Runs until is_over(ctx) or until_ns (monotonic); is_over is asked about every millisecond. */
void load_run(struct load *load, int64_t until_ns, bool (*is_over)(void *ctx), void *ctx);

#endif
