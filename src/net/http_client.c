/*
 * HTTP client: one thread with a libcurl multi handle.
 *
 * Any thread submits; the call waits in a bounded queue until there is room in flight, and on_done
 * runs on the client's thread, exactly once. The deadline of a call covers everything from its
 * start on the wire: name, connection, TLS, head and body. Connections are kept and used again;
 * easy handles too.
 *
 * What a reply can do to us is bounded: no redirects, http and https only, the body capped while it
 * arrives, no proxies from the environment, certificates verified.
 *
 * Names are resolved by libcurl's own threaded resolver: those who are called here are few and set
 * by the operator. Calls to addresses that customers choose need more (vetted, pinned names).
 *
 * Threads: submit and every from any; the lock orders them against free. The multi handle belongs
 * to the client's thread, but for curl_multi_wakeup().
 */
#include "net/http_client.h"

#include "base/clock.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define TICKERS_MAX 4
#define POLL_MAX_MS 1000
#define USER_AGENT  "foyer"
#define NS_PER_MS   1000000
#define PROTOCOLS   "http,https"
#define NO_EXPECT   "Expect:" /* libcurl would wait for a 100 before larger bodies */

struct ticker {
    int64_t interval_ns;
    int64_t due_ns;
    void (*fn)(void *ctx);
    void *ctx;
};

/* A call on the wire. Its easy handle is not used again: libcurl before 8.1.1 frees a header of the transfer
 * before once more when the first line behind the status begins with a blank (curl's issue 11101). */
struct flight {
    struct flight *next;
    struct http_call *call;
    CURL *easy;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
};

struct http_client {
    struct http_client_options options;
    pthread_t thread;
    CURLM *multi;
    struct flight *flights;
    size_t flight_count;
    struct queue queue;
    pthread_mutex_t lock; /* guards what follows, and the multi handle's life */
    bool is_closed;
    size_t ticker_count;
    struct ticker tickers[TICKERS_MAX];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static bool is_curl_ready;

static void start_curl(void)
{
    is_curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* --- one call --- */

static void finish_call(struct http_call *call, enum err err, const char *message)
{
    call->err = err;
    call->impl = NULL;
    int cut = (int)sizeof(call->message) - 1;
    (void)snprintf(call->message, sizeof(call->message), "%.*s", cut, message);
    call->on_done(call);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct flight *flight = ctx;
    buf_append(&flight->call->response, data, size * count);
    return flight->call->response.overflow ? 0 : size * count;
}

static bool set_headers(struct flight *flight)
{
    struct curl_slist *list = curl_slist_append(NULL, NO_EXPECT);
    for (size_t i = 0; list && i < HTTP_CALL_HEADERS_MAX && flight->call->headers[i]; i++) {
        struct curl_slist *longer = curl_slist_append(list, flight->call->headers[i]);
        if (!longer)
            curl_slist_free_all(list);
        list = longer;
    }
    flight->headers = list;
    return list && curl_easy_setopt(flight->easy, CURLOPT_HTTPHEADER, list) == CURLE_OK;
}

static bool set_method(struct flight *flight)
{
    const struct http_call *call = flight->call;
    CURL *easy = flight->easy;
    bool is_get = strcmp(call->method, "GET") == 0;
    bool is_head = strcmp(call->method, "HEAD") == 0;
    if (is_head)
        return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
    if (is_get && call->body.len == 0)
        return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    return curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.data ? call->body.data : "") ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method) == CURLE_OK;
}

static bool set_limits(struct flight *flight)
{
    CURL *easy = flight->easy;
    long timeout_ms = (long)flight->call->timeout_ms;
    return curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, PROTOCOLS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
}

static bool set_peer(struct http_client *client, struct flight *flight)
{
    const struct http_call *call = flight->call;
    CURL *easy = flight->easy;
    bool is_set = curl_easy_setopt(easy, CURLOPT_URL, call->url) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_PRIVATE, flight) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, flight->error) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_WRITEDATA, flight) == CURLE_OK;
    if (is_set && client->options.ca_file)
        is_set = curl_easy_setopt(easy, CURLOPT_CAINFO, client->options.ca_file) == CURLE_OK;
    if (is_set && call->basic_user)
        is_set = curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
                 curl_easy_setopt(easy, CURLOPT_USERNAME, call->basic_user) == CURLE_OK &&
                 curl_easy_setopt(easy, CURLOPT_PASSWORD, "") == CURLE_OK;
    return is_set;
}

/* --- flights --- */

static struct flight *flight_new(void)
{
    struct flight *flight = calloc(1, sizeof(*flight));
    if (!flight)
        return NULL;
    flight->easy = curl_easy_init();
    if (flight->easy)
        return flight;
    free(flight);
    return NULL;
}

static void flight_free(struct flight *flight)
{
    curl_easy_cleanup(flight->easy);
    curl_slist_free_all(flight->headers);
    free(flight);
}

static void start_flight(struct http_client *client, struct http_call *call)
{
    struct flight *flight = flight_new();
    buf_init(&call->response, call->response_max);
    call->status = 0;
    if (!flight) {
        finish_call(call, ERR_IO, "out of memory");
        return;
    }
    flight->call = call;
    call->impl = flight;
    if (!set_peer(client, flight) || !set_limits(flight) || !set_method(flight) ||
        !set_headers(flight) || curl_multi_add_handle(client->multi, flight->easy) != CURLM_OK) {
        flight_free(flight);
        finish_call(call, ERR_IO, "the request could not be set up");
        return;
    }
    flight->next = client->flights;
    client->flights = flight;
    client->flight_count++;
}

/* Off the wire. The message may be the flight's own. */
static void end_flight(struct http_client *client, struct flight *flight, enum err err,
                       const char *message)
{
    char text[sizeof(flight->call->message)];
    struct http_call *call = flight->call;
    struct flight **link = &client->flights;
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    client->flight_count--;
    (void)curl_multi_remove_handle(client->multi, flight->easy); /* it was added */
    (void)snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1, message);
    flight_free(flight);
    finish_call(call, err, text);
}

static enum err result_of(const struct http_call *call, CURLcode code)
{
    if (code == CURLE_OK)
        return ERR_OK;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ERR_TIMEOUT;
    return call->response.overflow ? ERR_LIMIT : ERR_IO;
}

static void land_flight(struct http_client *client, struct flight *flight, CURLcode code)
{
    struct http_call *call = flight->call;
    const char *message = "";
    long status = 0; /* stays 0 when it cannot be had */
    enum err err = result_of(call, code);
    if (err == ERR_OK)
        (void)curl_easy_getinfo(flight->easy, CURLINFO_RESPONSE_CODE, &status);
    else
        message = flight->error[0] ? flight->error : curl_easy_strerror(code);
    /* "HTTP/2 2" is a status to libcurl; RFC 9110 has three digits. */
    if (err == ERR_OK && (status < 100 || status > 999)) {
        err = ERR_IO;
        message = "the answer has no valid status";
    }
    call->status = err == ERR_OK ? (int)status : 0;
    end_flight(client, flight, err, message);
}

static void land_finished(struct http_client *client)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct flight *flight = NULL;
        CURLcode code = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&flight) == CURLE_OK)
            land_flight(client, flight, code);
    }
}

static void start_waiting(struct http_client *client)
{
    size_t room = client->options.in_flight_max - client->flight_count;
    struct queue_node *node = room > 0 ? queue_take(&client->queue, room, 0) : NULL;
    while (node) {
        struct queue_node *next = node->next;
        start_flight(client, container_of(node, struct http_call, node));
        node = next;
    }
}

static void fail_all(struct http_client *client)
{
    while (client->flights)
        end_flight(client, client->flights, ERR_CLOSED, "shutting down");
    struct queue_node *node = queue_take(&client->queue, SIZE_MAX, 0);
    while (node) {
        struct queue_node *next = node->next;
        struct http_call *call = container_of(node, struct http_call, node);
        buf_init(&call->response, 0);
        finish_call(call, ERR_CLOSED, "shutting down");
        node = next;
    }
}

/* --- the thread --- */

/* The time until the next ticker; those that are due run. */
static int run_tickers(struct http_client *client)
{
    int64_t wait_ns = (int64_t)POLL_MAX_MS * NS_PER_MS;
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < client->ticker_count; i++) {
        struct ticker *ticker = &client->tickers[i];
        int64_t now = clock_mono_ns();
        if (ticker->due_ns <= now) {
            ticker->due_ns = now + ticker->interval_ns;
            /* Without the lock: a ticker submits calls. Tickers are only ever added. */
            pthread_mutex_unlock(&client->lock);
            ticker->fn(ticker->ctx);
            pthread_mutex_lock(&client->lock);
        }
        if (ticker->due_ns - now < wait_ns)
            wait_ns = ticker->due_ns - now;
    }
    pthread_mutex_unlock(&client->lock);
    return (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static bool is_open(struct http_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool is_closed = client->is_closed;
    pthread_mutex_unlock(&client->lock);
    return !is_closed;
}

static void *client_main(void *arg)
{
    struct http_client *client = arg;
    while (is_open(client)) {
        int running;
        int wait_ms = run_tickers(client);
        start_waiting(client);
        /* Its errors are those of memory and of handles; the calls themselves end by timeout then.
         */
        (void)curl_multi_perform(client->multi, &running);
        land_finished(client);
        bool is_more =
            queue_count(&client->queue) > 0 && client->flight_count < client->options.in_flight_max;
        (void)curl_multi_poll(client->multi, NULL, 0, is_more ? 0 : wait_ms, NULL);
    }
    fail_all(client);
    return NULL;
}

/* --- the interface --- */

static struct http_client *client_alloc(const struct http_client_options *options)
{
    struct http_client *client = calloc(1, sizeof(*client));
    if (!client)
        return NULL;
    client->multi = curl_multi_init();
    if (!client->multi) {
        free(client);
        return NULL;
    }
    client->options = *options;
    queue_init(&client->queue, options->queue_max);
    (void)pthread_mutex_init(&client->lock, NULL); /* cannot fail on Linux */
    /* Connections kept for the next call. */
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)options->in_flight_max);
    return client;
}

static void client_release(struct http_client *client)
{
    (void)curl_multi_cleanup(client->multi); /* no handle is in it any more */
    queue_release(&client->queue);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

enum err http_client_new(const struct http_client_options *options, struct http_client **ret_client)
{
    assert(options->in_flight_max > 0 && options->queue_max > 0);
    (void)pthread_once(&curl_once, start_curl); /* cannot fail with a valid control */
    struct http_client *client = is_curl_ready ? client_alloc(options) : NULL;
    if (!client)
        return ERR_NOMEM;
    if (pthread_create(&client->thread, NULL, client_main, client) != 0) {
        client_release(client);
        return ERR_NOMEM;
    }
    *ret_client = client;
    return ERR_OK;
}

enum err http_client_submit(struct http_client *client, struct http_call *call)
{
    assert(call->on_done && call->timeout_ms > 0);
    pthread_mutex_lock(&client->lock);
    enum err err = client->is_closed ? ERR_CLOSED : queue_push(&client->queue, &call->node);
    if (err == ERR_OK)
        (void)curl_multi_wakeup(client->multi); /* at worst the call waits for the next turn */
    pthread_mutex_unlock(&client->lock);
    return err;
}

enum err http_client_every(struct http_client *client, int64_t interval_ms, void (*fn)(void *ctx),
                           void *ctx)
{
    assert(interval_ms > 0);
    enum err err = ERR_LIMIT;
    int64_t interval_ns = interval_ms * NS_PER_MS;
    pthread_mutex_lock(&client->lock);
    if (client->ticker_count < TICKERS_MAX) {
        client->tickers[client->ticker_count++] =
            (struct ticker){interval_ns, clock_mono_ns() + interval_ns, fn, ctx};
        (void)curl_multi_wakeup(client->multi);
        err = ERR_OK;
    }
    pthread_mutex_unlock(&client->lock);
    return err;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    pthread_mutex_lock(&client->lock);
    client->is_closed = true;
    (void)curl_multi_wakeup(client->multi); /* at worst it ends a turn later */
    pthread_mutex_unlock(&client->lock);
    (void)pthread_join(client->thread, NULL); /* ours, and not joined before */
    client_release(client);
}

void http_call_release(struct http_call *call)
{
    buf_release(&call->response);
}
