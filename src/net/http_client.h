/*
 * HTTP client for calls to payment providers: one thread with a libcurl multi handle, bounded in
 * flight and queued, a total deadline per call over DNS, TLS, headers and body, a capped response,
 * no redirects, no environment proxies.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/queue.h"

#define HTTP_CALL_HEADERS_MAX 12

struct http_client;

struct http_call {
    struct queue_node node;
    /* Set by the caller; everything must live until on_done. */
    const char *method;
    const char *url;
    const char *headers[HTTP_CALL_HEADERS_MAX]; /* "Name: value"; NULL ends */
    struct str body;
    int64_t timeout_ms;
    size_t response_max;                     /* bytes kept; a longer body fails the call */
    const char *basic_user;                  /* HTTP basic auth user (password empty), or NULL */
    void (*on_done)(struct http_call *call); /* on the client's thread */
    void *ctx;
    /* Set before on_done. */
    enum err err; /* ERR_OK: there is a status; ERR_TIMEOUT, ERR_IO, ERR_LIMIT, ERR_CLOSED */
    int status;
    struct buf response; /* released by http_call_release */
    char message[160];   /* what failed, for logs */
    void *impl;
};

struct http_client_options {
    size_t in_flight_max;
    size_t queue_max;
    const char *ca_file; /* NULL: system's */
};

ERR_MUST_USE enum err http_client_new(const struct http_client_options *options,
                                      struct http_client **ret_client);
/* Any thread. ERR_FULL, ERR_CLOSED. */
ERR_MUST_USE enum err http_client_submit(struct http_client *client, struct http_call *call);
/* Runs fn(ctx) on the client's thread every interval until the client is freed (at most 4 tickers).
 */
ERR_MUST_USE enum err http_client_every(struct http_client *client, int64_t interval_ms,
                                        void (*fn)(void *ctx), void *ctx);
/* Fails what is queued or in flight with ERR_CLOSED, joins the thread. NULL is fine. */
void http_client_free(struct http_client *client);
void http_call_release(struct http_call *call);

#endif
