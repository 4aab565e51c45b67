/*
 * The sender; purpose in sender.h. Here: the loop and the life of a flight. sender_easy.c fills in
 * libcurl's handle and reads the answer.
 *
 *   sender_start ──▶ RESOLVING ──(addresses, vetted)──▶ SENDING ──(next address, if nobody accepts)─┐
 *        │               │                                 │  ▲──────────────────────────────────┘
 *        ▼               ▼                                 ▼
 *      ENDED ◀───────────┴─────────────────────────────────┘
 *
 * An address that was vetted is handed to libcurl as CURLOPT_CONNECT_TO: its own resolver is never
 * asked, and the pin is this request's alone (entries of CURLOPT_RESOLVE would be shared by all that
 * use the multi handle). When libcurl opens a socket the address is vetted again, so that no way
 * around the first check leads to a connection. Kept connections are found by host and pinned address.
 *
 * The loop is libcurl's socket interface on epoll, so that a round costs what has happened, not what
 * hangs. Nothing calls back into sender_start's caller from within sender_start.
 */
#include "net/sender_internal.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

#define EVENTS_MAX   256
#define NS_PER_MS    1000000
#define WATCHED_MIN  1024
#define WATCHED_MAX  (1 << 20) /* the highest descriptor */
#define TAG_CURL     (UINT64_C(1) << 32)
#define TAG_RESOLVER (UINT64_C(2) << 32)
#define TAG_WAKE     (UINT64_C(3) << 32)

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static bool is_curl_ready;

static void start_curl(void)
{
    is_curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

const char *send_outcome_name(enum send_outcome outcome)
{
    static const char *const names[SEND_OUTCOMES] = {
        "",        "url",    "name",     "denied",         "connect", "tls",
        "timeout", "broken", "protocol", "head_too_large", "closed",  "internal"};
    return names[outcome];
}

void send_release(struct send *send)
{
    buf_release(&send->response);
    buf_release(&send->head);
}

/* What an earlier send has left in it is written over. */
static void buf_reuse(struct buf *buf, size_t max)
{
    if (!buf->data)
        buf_init(buf, max);
    buf_clear(buf);
}

/* --- flights --- */

static void link_flight(struct flight **list, struct flight *flight)
{
    flight->next = *list;
    flight->link = list;
    if (flight->next)
        flight->next->link = &flight->next;
    *list = flight;
}

static void unlink_flight(struct flight *flight)
{
    *flight->link = flight->next;
    if (flight->next)
        flight->next->link = flight->link;
}

static struct flight *flight_new(struct sender *sender)
{
    struct flight *flight = calloc(1, sizeof(*flight));
    if (!flight)
        return NULL;
    flight->sender = sender;
    flight->easy = curl_easy_init();
    if (flight->easy)
        return flight;
    free(flight);
    return NULL;
}

/* The only place where a flight's state moves. */
static void flight_set_state(struct flight *flight, enum flight_state state)
{
    struct sender *sender = flight->sender;
    assert(flight->state != FLIGHT_ENDED);
    if (flight->state == FLIGHT_SENDING) /* if it is out already, nothing happens */
        (void)curl_multi_remove_handle(sender->multi, flight->easy);
    if (flight->state != FLIGHT_NEW)
        unlink_flight(flight);
    flight->state = state;
    struct flight **lists[] = {[FLIGHT_RESOLVING] = &sender->resolving,
                               [FLIGHT_SENDING] = &sender->sending,
                               [FLIGHT_ENDED] = &sender->ended};
    link_flight(lists[state], flight);
}

/* Over; told at the end of the round. */
static void flight_end(struct flight *flight, enum send_outcome outcome, const char *text)
{
    struct send *send = flight->send;
    resolver_forget(flight->query);
    flight->query = NULL;
    send->outcome = outcome;
    send->times.total_us = (clock_mono_ns() - flight->started_ns) / 1000;
    size_t len = 0;
    for (; text[len] && len < sizeof(send->error) - 1; len++)
        send->error[len] = text[len] >= ' ' && text[len] <= '~' ? text[len] : '?';
    send->error[len] = '\0';
    flight_set_state(flight, FLIGHT_ENDED);
}

/* Takes the first of a list, and tells its owner. */
static void flight_retire(struct flight **list)
{
    struct flight *flight = *list;
    struct sender *sender = flight->sender;
    struct send *send = flight->send;
    assert(send);
    *list = flight->next;
    if (flight->next)
        flight->next->link = list;
    curl_easy_cleanup(flight->easy);
    curl_url_cleanup(flight->url);
    free(flight);
    sender->in_flight--;
    send->impl = NULL;
    send->on_done(send);
}

static void flight_connect(struct flight *flight)
{
    struct sender *sender = flight->sender;
    int64_t left_ms = (flight->deadline_ns - clock_mono_ns()) / NS_PER_MS;
    const struct egress_address *address = &flight->addresses[flight->address_at++];
    egress_address_format(address, flight->send->address);
    if (left_ms <= 0) {
        flight_end(flight, SEND_TIMEOUT, "the deadline passed before a connection was made");
        return;
    }
    if (!flight_easy_prepare(flight, left_ms)) {
        flight_end(flight, SEND_INTERNAL, "the request could not be set up");
        return;
    }
    flight_set_state(flight, FLIGHT_SENDING);
    if (curl_multi_add_handle(sender->multi, flight->easy) != CURLM_OK)
        flight_end(flight, SEND_INTERNAL, "the request could not be started");
}

static void flight_vet(struct flight *flight, const struct egress_address *addresses, size_t count)
{
    flight->address_count = 0;
    flight->address_at = 0;
    for (size_t i = 0; i < count; i++)
        if (egress_is_allowed(&flight->sender->options.egress, &addresses[i]))
            flight->addresses[flight->address_count++] = addresses[i];
    if (flight->address_count > 0)
        flight_connect(flight);
    else
        flight_end(flight, SEND_DENIED, "the host's address is not one that may be called");
}

static void on_answer(void *ctx, const struct resolver_answer *answer)
{
    struct flight *flight = ctx;
    flight->query = NULL;
    flight->send->times.dns_us = (clock_mono_ns() - flight->started_ns) / 1000;
    if (answer->err)
        flight_end(flight, SEND_NAME, answer->message);
    else
        flight_vet(flight, answer->addresses, answer->address_count);
}

static void flight_resolve(struct flight *flight)
{
    struct egress_address literal;
    struct sender *sender = flight->sender;
    if (egress_address_parse(str_from_c(flight->host), &literal) == ERR_OK) {
        flight_vet(flight, &literal, 1);
        return;
    }
    flight_set_state(flight, FLIGHT_RESOLVING);
    if (flight->deadline_ns < sender->resolve_until_ns)
        sender->resolve_until_ns = flight->deadline_ns;
    if (resolver_ask(sender->resolver, flight->host, on_answer, flight, &flight->query) != ERR_OK)
        flight_end(flight, SEND_INTERNAL, "too many names are being resolved");
}

enum err sender_start(struct sender *sender, struct send *send)
{
    assert(send->on_done && send->timeout_ms > 0);
    if (sender->in_flight >= sender->options.in_flight_max)
        return ERR_FULL;
    struct flight *flight = flight_new(sender);
    if (!flight)
        return ERR_NOMEM;
    sender->in_flight++;
    flight->send = send;
    flight->started_ns = clock_mono_ns();
    flight->deadline_ns = flight->started_ns + send->timeout_ms * NS_PER_MS;
    send->impl = flight;
    send->status = 0;
    send->times = (struct send_times){-1, -1, -1, -1, -1};
    send->retry_after[0] = send->error[0] = send->address[0] = '\0';
    buf_reuse(&send->response, SENDER_BODY_BYTES_KEPT);
    buf_reuse(&send->head, SENDER_HEAD_BYTES_KEPT);
    if (!flight_easy_url(flight))
        flight_end(flight, SEND_URL, "not a URL that is called");
    else
        flight_resolve(flight);
    return ERR_OK;
}

/* --- the loop --- */

/* Of a kept connection libcurl wants to know nothing between two requests. Its socket stays in epoll
 * all the same, so that the next request costs no call; only when something comes meanwhile (mostly its
 * end) it is taken out. A bit each for what epoll was told. */
#define WATCHED_IN   1u
#define WATCHED_OUT  2u
#define WATCHED_IDLE 4u /* libcurl does not want it now */

bool sender_unwatched(struct sender *sender, int fd)
{
    size_t wanted = (size_t)fd + 1;
    if (wanted > sender->watched_count) {
        size_t count = wanted < WATCHED_MIN ? WATCHED_MIN : wanted * 2;
        uint8_t *watched = fd < WATCHED_MAX ? realloc(sender->watched, count) : NULL;
        if (!watched)
            return false;
        memset(watched + sender->watched_count, 0, count - sender->watched_count);
        sender->watched = watched;
        sender->watched_count = count;
    }
    sender->watched[fd] = 0;
    return true;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct sender *sender = ctx;
    (void)easy, (void)socket_ctx;
    assert((size_t)fd < sender->watched_count); /* sender_unwatched has seen it */
    uint8_t *watched = &sender->watched[fd];
    if (what == CURL_POLL_REMOVE) {
        *watched |= *watched ? WATCHED_IDLE : 0; /* or closed already */
        return 0;
    }
    uint8_t wanted = (uint8_t)((what & CURL_POLL_IN ? WATCHED_IN : 0u) |
                               (what & CURL_POLL_OUT ? WATCHED_OUT : 0u));
    struct epoll_event event = {.events = (wanted & WATCHED_IN ? EPOLLIN : 0u) |
                                          (wanted & WATCHED_OUT ? EPOLLOUT : 0u),
                                .data.u64 = TAG_CURL | (uint32_t)fd};
    bool is_there = *watched != 0, is_same = (*watched & ~WATCHED_IDLE) == wanted;
    /* One that cannot be watched ends by its deadline. */
    if (!is_same &&
        epoll_ctl(sender->epoll_fd, is_there ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
        wanted = 0;
    *watched = wanted;
    return 0;
}

static void on_curl_event(struct sender *sender, int fd, uint32_t events)
{
    int running;
    bool is_broken = events & (EPOLLERR | EPOLLHUP);
    int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
               (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) | (is_broken ? CURL_CSELECT_ERR : 0);
    if (sender->watched[fd] == 0)
        return; /* closed in this round */
    if (!(sender->watched[fd] & WATCHED_IDLE)) {
        (void)curl_multi_socket_action(sender->multi, fd, what, &running); /* flights tell */
        return;
    }
    (void)epoll_ctl(sender->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* it is there */
    sender->watched[fd] = 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct sender *sender = ctx;
    (void)multi;
    sender->timer_ns = timeout_ms < 0 ? INT64_MAX : clock_mono_ns() + timeout_ms * NS_PER_MS;
    return 0;
}

static int earlier(int wait_ms, int64_t until_ns, int64_t now_ns)
{
    if (until_ns <= now_ns)
        return 0;
    int64_t left_ms = (until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
    return left_ms < wait_ms ? (int)left_ms : wait_ms;
}

static void on_event(struct sender *sender, const struct epoll_event *event)
{
    int fd = (int)(event->data.u64 & UINT32_MAX);
    uint64_t tag = event->data.u64 & ~(uint64_t)UINT32_MAX;
    bool is_broken = event->events & (EPOLLERR | EPOLLHUP);
    if (tag == TAG_WAKE) {
        uint64_t count;
        (void)!read(sender->wake_fd, &count, sizeof(count)); /* only to be quiet again */
    } else if (tag == TAG_RESOLVER) {
        resolver_on_event(sender->resolver, fd, event->events & EPOLLIN || is_broken,
                          event->events & EPOLLOUT);
    } else {
        on_curl_event(sender, fd, event->events);
    }
}

/* Names that nobody answered for in time. */
static void end_late_resolving(struct sender *sender, int64_t now_ns)
{
    if (now_ns < sender->resolve_until_ns)
        return;
    sender->resolve_until_ns = INT64_MAX;
    for (struct flight *flight = sender->resolving, *next; flight; flight = next) {
        next = flight->next;
        if (flight->deadline_ns <= now_ns)
            flight_end(flight, SEND_TIMEOUT, "the deadline passed while the name was resolved");
        else if (flight->deadline_ns < sender->resolve_until_ns)
            sender->resolve_until_ns = flight->deadline_ns;
    }
}

static void land_finished(struct sender *sender)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(sender->multi, &left))) {
        struct flight *flight = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&flight) != CURLE_OK)
            continue;
        enum send_outcome outcome = flight_easy_read(flight, code);
        (void)curl_multi_remove_handle(sender->multi, flight->easy); /* it was added */
        if (outcome == SEND_CONNECT && flight->address_at < flight->address_count)
            flight_connect(flight);
        else
            flight_end(flight, outcome, flight_easy_error(flight, outcome, code));
    }
}

void sender_turn(struct sender *sender, int wait_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int running;
    int64_t now_ns = clock_mono_ns();
    wait_ms = earlier(wait_ms, sender->timer_ns, now_ns);
    wait_ms = earlier(wait_ms, sender->resolve_until_ns, now_ns);
    wait_ms = resolver_wait_ms(sender->resolver, sender->ended ? 0 : wait_ms);
    int count = epoll_wait(sender->epoll_fd, events, EVENTS_MAX, wait_ms);
    for (int i = 0; i < count; i++)
        on_event(sender, &events[i]);
    now_ns = clock_mono_ns();
    if (sender->timer_ns <= now_ns) {
        sender->timer_ns = INT64_MAX;
        (void)curl_multi_socket_action(sender->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    resolver_turn(sender->resolver);
    end_late_resolving(sender, now_ns);
    land_finished(sender);
    /* What is started meanwhile and ends at once is told next time. */
    struct flight *flight = sender->ended;
    sender->ended = NULL;
    if (flight)
        flight->link = &flight;
    while (flight)
        flight_retire(&flight);
}

void sender_wake(struct sender *sender)
{
    uint64_t one = 1;
    (void)!write(sender->wake_fd, &one, sizeof(one)); /* fails only when it is awake anyway */
}

size_t sender_in_flight(const struct sender *sender)
{
    return sender->in_flight;
}

/* --- start and end --- */

static enum err watch_wakeups(struct sender *sender)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = TAG_WAKE};
    sender->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sender->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (sender->wake_fd < 0 || sender->epoll_fd < 0 ||
        epoll_ctl(sender->epoll_fd, EPOLL_CTL_ADD, sender->wake_fd, &event) != 0)
        return ERR_IO;
    return ERR_OK;
}

static enum err make_multi(struct sender *sender)
{
    sender->multi = is_curl_ready ? curl_multi_init() : NULL;
    if (!sender->multi)
        return ERR_NOMEM;
    long kept = (long)sender->options.in_flight_max;
    bool is_set =
        curl_multi_setopt(sender->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
        curl_multi_setopt(sender->multi, CURLMOPT_SOCKETDATA, sender) == CURLM_OK &&
        curl_multi_setopt(sender->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
        curl_multi_setopt(sender->multi, CURLMOPT_TIMERDATA, sender) == CURLM_OK &&
        curl_multi_setopt(sender->multi, CURLMOPT_MAXCONNECTS, kept) == CURLM_OK;
    return is_set ? ERR_OK : ERR_NOMEM;
}

enum err sender_new(const struct sender_options *options, struct sender **ret_sender)
{
    assert(options->in_flight_max > 0);
    (void)pthread_once(&curl_once, start_curl); /* cannot fail with a valid control */
    struct sender *sender = calloc(1, sizeof(*sender));
    if (!sender)
        return ERR_NOMEM;
    sender->options = *options;
    sender->wake_fd = sender->epoll_fd = -1;
    sender->timer_ns = sender->resolve_until_ns = INT64_MAX;
    enum err err = watch_wakeups(sender);
    struct resolver_options names = {
        .servers = options->dns_servers, .epoll_fd = sender->epoll_fd, .epoll_tag = TAG_RESOLVER};
    if (!err)
        err = resolver_new(&names, &sender->resolver);
    if (!err)
        err = make_multi(sender);
    if (err) {
        sender_free(sender);
        return err;
    }
    *ret_sender = sender;
    return ERR_OK;
}

static void end_all(struct flight *flights)
{
    while (flights) {
        struct flight *next = flights->next;
        flight_end(flights, SEND_CLOSED, "shutting down");
        flights = next;
    }
}

void sender_free(struct sender *sender)
{
    if (!sender)
        return;
    end_all(sender->resolving);
    end_all(sender->sending);
    while (sender->ended)
        flight_retire(&sender->ended);
    if (sender->multi)
        (void)curl_multi_cleanup(sender->multi); /* no handle is in it any more */
    resolver_free(sender->resolver);
    if (sender->wake_fd >= 0)
        close(sender->wake_fd);
    if (sender->epoll_fd >= 0)
        close(sender->epoll_fd);
    free(sender->watched);
    free(sender);
}
