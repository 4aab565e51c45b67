/* Between sender.c (loop, flights) and sender_easy.c (libcurl's handle of one flight). */
#ifndef NET_SENDER_INTERNAL_H
#define NET_SENDER_INTERNAL_H

#include <curl/curl.h>

#include "net/resolver.h"
#include "net/sender.h"

#define SENDER_HOST_SIZE 256

enum flight_state {
    FLIGHT_NEW,
    FLIGHT_RESOLVING,
    FLIGHT_SENDING,
    FLIGHT_ENDED
};

/* A request under way. Its handle is not used again: libcurl before 8.1.1 frees a header of the transfer before
 * once more when the first line behind the status begins with a blank (curl's issue 11101). */
struct flight {
    struct flight *next, **link;
    struct sender *sender;
    struct send *send;
    enum flight_state state;
    CURL *easy;
    CURLU *url;
    struct curl_slist headers[SENDER_HEADERS_MAX + 1],
        connect_to; /* texts are the send's, and pin */
    char pin[EGRESS_ADDRESS_TEXT + 8];
    char host[SENDER_HOST_SIZE]; /* a name, or an address without brackets */
    struct resolver_query *query;
    struct egress_address addresses[RESOLVER_ADDRESSES_MAX]; /* vetted */
    size_t address_count, address_at;
    int64_t started_ns, deadline_ns;
    size_t head_bytes, body_bytes;
    bool is_head_over, is_body_over, is_denied;
    char error[CURL_ERROR_SIZE];
};

struct sender {
    struct sender_options options;
    CURLM *multi;
    struct resolver *resolver;
    int epoll_fd, wake_fd;
    uint8_t *watched; /* by descriptor of libcurl's: see sender_watch */
    size_t watched_count;
    int64_t timer_ns;         /* when libcurl wants to be called; INT64_MAX: not */
    int64_t resolve_until_ns; /* no deadline of those that are resolving is earlier */
    struct flight *resolving, *sending, *ended;
    size_t in_flight;
};

/* A new socket of libcurl's, or one that is closed: nothing is watched of it. False: out of memory, or too
 * many. */
bool sender_unwatched(struct sender *sender, int fd);
/* Reads the URL: host and what libcurl gets of it. False: not one that is called. */
bool flight_easy_url(struct flight *flight);
/* All set for the address that was chosen. False: out of memory. */
bool flight_easy_prepare(struct flight *flight, int64_t left_ms);
/* How it ended; fills in what the caller of the send wants to know. */
enum send_outcome flight_easy_read(struct flight *flight, CURLcode code);
/* In words; "" when it was answered. */
const char *flight_easy_error(const struct flight *flight, enum send_outcome outcome,
                              CURLcode code);

#endif
