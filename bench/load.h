/*
 * Load engine: one thread, epoll, keep-alive HTTP/1.1 connections with up to LOAD_PIPELINE_MAX
 * requests under way on each. A scenario gives every connection an actor; the engine tells it when
 * an answer is there, when its connection broke and when its timer is due. Arrivals at a given rate
 * are a source (arrivals.h). Only loopback addresses are accepted.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "base/buf.h"
#include "base/heap.h"

#define LOAD_PIPELINE_MAX 64

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
    uint32_t source; /* 0: the usual address; else one of its own, see process_connect */
    /* The engine's own. */
    int fd;
    unsigned port;
    bool wants_write, is_parsing, is_broken;
    unsigned generation;       /* counts closings */
    unsigned first, under_way; /* of started_ns, a ring: answers come in order */
    int64_t started_ns[LOAD_PIPELINE_MAX];
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

/* Sends by itself: asked at every turn of the loop, says when it wants to be asked next. */
struct load_source {
    struct load_source *next; /* the engine's */
    int64_t (*on_turn)(struct load_source *source, int64_t now_ns);
};

/* connections: all to 127.0.0.1:port; opened lazily. */
ERR_MUST_USE enum err load_new(size_t connections, unsigned port, struct load **ret_load);
void load_free(struct load *load);
struct load_conn *load_conn_at(struct load *load, size_t index);
size_t load_conn_count(const struct load *load);
/* Fewer than LOAD_PIPELINE_MAX requests must be under way. A broken or closed connection is opened
 * anew. Never answers before it returns. */
void load_send(struct load_conn *conn, const struct load_request *request);
/* Moves an idle connection to another port of 127.0.0.1. */
void load_retarget(struct load_conn *conn, unsigned port);
/* Nothing must be under way. The next request opens it anew. */
void load_close(struct load_conn *conn);
bool load_is_open(const struct load_conn *conn);
/* on_timer after delay_ms. */
void load_timer(struct load_conn *conn, int64_t delay_ms);
void load_add_source(struct load *load, struct load_source *source);
void load_remove_source(struct load *load, struct load_source *source);
/* Runs until is_over(ctx) or until_ns (monotonic); is_over is asked at least every millisecond. */
void load_run(struct load *load, int64_t until_ns, bool (*is_over)(void *ctx), void *ctx);

#endif
