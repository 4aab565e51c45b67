/* See floor_curl.h. */
#include "floor_curl.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "hooks_seed.h"

#define EVENTS_MAX 256
#define SIGNATURE  "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="

struct sending {
    CURLM *multi;
    int epoll_fd;
    int64_t timer_ns;
    uint64_t answered, failed;
    struct curl_slist *headers;
    unsigned count, paths, next;
    CURL **easies;
    char (*urls)[64];
};

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct sending *sending = ctx;
    (void)easy, (void)socket_ctx;
    struct epoll_event event = {.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
                                          (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
                                .data.fd = fd};
    if (what == CURL_POLL_REMOVE)
        (void)epoll_ctl(sending->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(sending->epoll_fd, EPOLL_CTL_MOD, fd, &event))
        (void)epoll_ctl(sending->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct sending *sending = ctx;
    (void)multi;
    sending->timer_ns = timeout_ms < 0 ? INT64_MAX : clock_mono_ns() + timeout_ms * 1000000;
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    (void)data, (void)ctx;
    return size * count;
}

static CURL *make_easy(struct sending *sending)
{
    CURL *easy = curl_easy_init();
    struct str payload = hooks_seed_payload();
    bool is_set = easy &&
                  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, sending->headers) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)payload.len) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, payload.data) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK;
    if (is_set)
        return easy;
    curl_easy_cleanup(easy);
    return NULL;
}

static enum err send_next(struct sending *sending, CURL *easy)
{
    const char *url = sending->urls[sending->next++ % sending->paths];
    bool is_sent = curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
                   curl_multi_add_handle(sending->multi, easy) == CURLM_OK;
    return is_sent ? ERR_OK : ERR_NOMEM;
}

static enum err sending_open(struct sending *sending, unsigned port)
{
    static const char *const lines[] = {
        "Expect:",
        "content-type: application/json",
        "webhook-id: msg_1Q2w3E4r5T6y_7U8i9O0p1A2s",
        "webhook-timestamp: 1790000000",
        "webhook-signature: " SIGNATURE,
        "svix-id: msg_1Q2w3E4r5T6y_7U8i9O0p1A2s",
        "svix-timestamp: 1790000000",
        "svix-signature: " SIGNATURE,
        "foyer-signature: t=1790000000,v1="
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    sending->multi = curl_multi_init();
    sending->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sending->easies = calloc(sending->count, sizeof(*sending->easies));
    sending->urls = calloc(sending->paths, sizeof(*sending->urls));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        sending->headers = curl_slist_append(sending->headers, lines[i]);
    if (!sending->multi || sending->epoll_fd < 0 || !sending->easies || !sending->urls)
        return ERR_NOMEM;
    for (unsigned i = 0; i < sending->paths; i++)
        snprintf(sending->urls[i], sizeof(sending->urls[i]), "http://127.0.0.1:%u/%u", port, i);
    bool is_set =
        curl_multi_setopt(sending->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
        curl_multi_setopt(sending->multi, CURLMOPT_SOCKETDATA, sending) == CURLM_OK &&
        curl_multi_setopt(sending->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
        curl_multi_setopt(sending->multi, CURLMOPT_TIMERDATA, sending) == CURLM_OK &&
        curl_multi_setopt(sending->multi, CURLMOPT_MAXCONNECTS, (long)sending->count) == CURLM_OK;
    enum err err = is_set ? ERR_OK : ERR_NOMEM;
    for (unsigned i = 0; !err && i < sending->count; i++) {
        sending->easies[i] = make_easy(sending);
        err = sending->easies[i] ? send_next(sending, sending->easies[i]) : ERR_NOMEM;
    }
    return err;
}

static void sending_close(struct sending *sending)
{
    for (unsigned i = 0; sending->easies && i < sending->count; i++) {
        if (sending->easies[i])
            (void)curl_multi_remove_handle(sending->multi, sending->easies[i]);
        curl_easy_cleanup(sending->easies[i]);
    }
    if (sending->multi)
        (void)curl_multi_cleanup(sending->multi);
    curl_slist_free_all(sending->headers);
    if (sending->epoll_fd >= 0)
        close(sending->epoll_fd);
    free(sending->easies);
    free(sending->urls);
}

static enum err turn(struct sending *sending)
{
    struct epoll_event events[EVENTS_MAX];
    CURLMsg *message;
    int running, left;
    int64_t wait_ns = sending->timer_ns - clock_mono_ns();
    int count = epoll_wait(sending->epoll_fd, events, EVENTS_MAX,
                           wait_ns <= 0         ? 0
                           : wait_ns < 20000000 ? (int)(wait_ns / 1000000)
                                                : 20);
    for (int i = 0; i < count; i++) {
        int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        (void)curl_multi_socket_action(sending->multi, events[i].data.fd, what, &running);
    }
    if (sending->timer_ns <= clock_mono_ns()) {
        sending->timer_ns = INT64_MAX;
        (void)curl_multi_socket_action(sending->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    while ((message = curl_multi_info_read(sending->multi, &left))) {
        CURL *easy = message->easy_handle;
        if (message->msg != CURLMSG_DONE)
            continue;
        sending->answered += message->data.result == CURLE_OK;
        sending->failed += message->data.result != CURLE_OK;
        (void)curl_multi_remove_handle(sending->multi, easy);
        enum err err = send_next(sending, easy);
        if (err)
            return err;
    }
    return ERR_OK;
}

static int64_t thread_cpu_ns(void)
{
    struct timespec spec;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spec);
    return spec.tv_sec * 1000000000LL + spec.tv_nsec;
}

enum err floor_curl(unsigned port, unsigned paths, unsigned in_flight, int64_t duration_ms,
                    double *ret_rate, double *ret_cpu_us)
{
    struct sending sending = {
        .timer_ns = INT64_MAX, .count = in_flight, .paths = paths, .epoll_fd = -1};
    enum err err = sending_open(&sending, port);
    int64_t started_ns = clock_mono_ns(), until_ns = started_ns + duration_ms * 1000000;
    int64_t cpu_ns = thread_cpu_ns();
    while (!err && clock_mono_ns() < until_ns)
        err = turn(&sending);
    cpu_ns = thread_cpu_ns() - cpu_ns;
    if (!err && (sending.failed > 0 || sending.answered == 0))
        err = ERR_IO;
    *ret_rate = (double)sending.answered / ((double)(clock_mono_ns() - started_ns) / 1e9);
    *ret_cpu_us = (double)cpu_ns / 1e3 / (double)(sending.answered ? sending.answered : 1);
    sending_close(&sending);
    return err;
}
