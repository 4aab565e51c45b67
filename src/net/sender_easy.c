/*
 * libcurl's handle of one flight: what it is told, and what its end means.
 *
 * The URL is read once, by libcurl's own parser, and the same parsed URL is what it fetches: there
 * are no two readers who could disagree about the host. Numbers in odd notations (0x7f.1) are
 * addresses after it, and vetted as such.
 */
#include "net/sender_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/response_head.h"

#define PROTOCOLS  "http,https"
#define USER_AGENT "foyer-hooks"
#define NO_EXPECT  "Expect:" /* libcurl would wait for a 100 before larger bodies */

/* --- what is asked --- */

static bool read_part(CURLU *url, CURLUPart part, unsigned flags, char *ret_text, size_t size)
{
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return false;
    bool fits = str_to_c(str_from_c(text), ret_text, size) == ERR_OK;
    curl_free(text);
    return fits;
}

/* "[::1]" is ::1 to everybody but URLs. */
static void strip_brackets(char *host)
{
    size_t len = strlen(host);
    if (host[0] != '[' || len < 2)
        return;
    memmove(host, host + 1, len - 2);
    host[len - 2] = '\0';
}

static bool is_plain_name(const char *host)
{
    for (const char *c = host; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return host[0] != '\0';
}

bool flight_easy_url(struct flight *flight)
{
    char scheme[16], zone[64];
    flight->url = curl_url();
    if (!flight->url || curl_url_set(flight->url, CURLUPART_URL, flight->send->url,
                                     CURLU_DISALLOW_USER) != CURLUE_OK)
        return false;
    if (!read_part(flight->url, CURLUPART_SCHEME, 0, scheme, sizeof(scheme)) ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return false;
    if (read_part(flight->url, CURLUPART_ZONEID, 0, zone, sizeof(zone)) ||
        !read_part(flight->url, CURLUPART_HOST, CURLU_PUNYCODE, flight->host, sizeof(flight->host)))
        return false;
    strip_brackets(flight->host);
    return is_plain_name(flight->host);
}

/* --- callbacks --- */

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct flight *flight = ctx;
    struct buf *kept = &flight->send->response;
    size_t len = size * count, room = kept->max - kept->len;
    flight->body_bytes += len;
    buf_append(kept, data, len < room ? len : room);
    flight->is_body_over = flight->body_bytes >= SENDER_BODY_BYTES_MAX;
    return flight->is_body_over ? 0 : len;
}

static void keep_field(struct send *send, const struct response_field *field)
{
    if (str_eq_ci(field->name, STR("retry-after")) &&
        str_to_c(field->value, send->retry_after, sizeof(send->retry_after)) != ERR_OK)
        send->retry_after[0] = '\0'; /* nothing that makes sense is that long */
    size_t len = field->name.len + field->value.len + 3;
    if (len > send->head.max - send->head.len)
        return;
    buf_append_str(&send->head, field->name);
    buf_append_str(&send->head, STR(": "));
    buf_append_str(&send->head, field->value);
    buf_append_char(&send->head, '\n');
}

/* Once a line; a status line begins another head (after a 1xx). */
static size_t on_head(char *data, size_t size, size_t count, void *ctx)
{
    struct flight *flight = ctx;
    struct response_field field;
    struct str line = str_from(data, size * count);
    flight->head_bytes += line.len;
    flight->is_head_over = flight->head_bytes > SENDER_HEAD_BYTES_MAX;
    if (flight->is_head_over)
        return 0;
    if (str_starts_with(line, STR("HTTP/"))) {
        buf_clear(&flight->send->head);
        flight->send->retry_after[0] = '\0';
    } else if (response_head_field(line, &field) == ERR_OK) {
        keep_field(flight->send, &field);
    }
    return line.len;
}

/* The second look at an address, when it is really connected to. */
static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct flight *flight = ctx;
    struct egress_address address = {.is_v6 = to->family == AF_INET6};
    bool is_known = purpose == CURLSOCKTYPE_IPCXN && (to->family == AF_INET || address.is_v6);
    if (is_known && address.is_v6)
        memcpy(address.bytes, &((struct sockaddr_in6 *)(void *)&to->addr)->sin6_addr, 16);
    else if (is_known)
        memcpy(address.bytes, &((struct sockaddr_in *)(void *)&to->addr)->sin_addr, 4);
    flight->is_denied = !is_known || !egress_is_allowed(&flight->sender->options.egress, &address);
    if (flight->is_denied)
        return CURL_SOCKET_BAD;
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    if (fd >= 0 && !sender_unwatched(flight->sender, fd)) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    return fd;
}

/* ctx: the sender, for a connection may outlive the flight that made it. */
static int on_close(void *ctx, curl_socket_t fd)
{
    (void)!sender_unwatched(ctx, fd); /* it was watched before: there is room */
    return close(fd);
}

/* --- the handle --- */

/* What all requests have in common is told once to a handle, and stays. */
static bool set_up_request(struct flight *flight)
{
    CURL *easy = flight->easy;
    const char *ca_file = flight->sender->options.ca_file;
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, flight) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, flight->sender) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, PROTOCOLS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           (!ca_file || curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) == CURLE_OK);
}

static bool set_up_reader(struct flight *flight)
{
    CURL *easy = flight->easy;
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, flight) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, flight->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, flight) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, flight) == CURLE_OK;
}

static bool set_peer(struct flight *flight)
{
    CURL *easy = flight->easy;
    const char *address = flight->send->address;
    (void)snprintf(flight->pin, sizeof(flight->pin),
                   strchr(address, ':') ? "::[%s]:" : "::%s:", address);
    flight->connect_to = (struct curl_slist){.data = flight->pin};
    return curl_easy_setopt(easy, CURLOPT_CURLU, flight->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECT_TO, &flight->connect_to) == CURLE_OK;
}

/* The lists are ours: libcurl only reads them. */
static struct curl_slist *list_headers(struct flight *flight)
{
    static char no_expect[] = NO_EXPECT;
    struct curl_slist *list = flight->headers;
    size_t count = 0;
    list[count++].data = no_expect;
    for (size_t i = 0; i < SENDER_HEADERS_MAX && flight->send->headers[i]; i++)
        list[count++].data = (char *)(uintptr_t)flight->send->headers[i];
    for (size_t i = 0; i < count; i++)
        list[i].next = i + 1 < count ? &list[i + 1] : NULL;
    return list;
}

static bool set_request(struct flight *flight)
{
    CURL *easy = flight->easy;
    struct str body = flight->send->body;
    curl_off_t len = (curl_off_t)body.len;
    return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list_headers(flight)) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, len) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, len > 0 ? body.data : "") == CURLE_OK;
}

static bool set_times(struct flight *flight, int64_t left_ms)
{
    CURL *easy = flight->easy;
    /* The addresses that are left share the time for connecting. */
    size_t others = flight->address_count - flight->address_at;
    long connect_ms = (long)(left_ms / (int64_t)(others + 1));
    return curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)left_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms > 0 ? connect_ms : 1) ==
               CURLE_OK;
}

bool flight_easy_prepare(struct flight *flight, int64_t left_ms)
{
    flight->head_bytes = flight->body_bytes = 0;
    flight->is_head_over = flight->is_body_over = flight->is_denied = false;
    flight->error[0] = '\0';
    return set_up_request(flight) && set_up_reader(flight) && set_peer(flight) &&
           set_request(flight) && set_times(flight, left_ms);
}

/* --- how it ended --- */

static int64_t span_us(CURL *easy, CURLINFO from, CURLINFO to)
{
    curl_off_t from_us = 0, to_us = 0;
    if (curl_easy_getinfo(easy, to, &to_us) != CURLE_OK || to_us <= 0)
        return -1;
    if (from != CURLINFO_NONE && curl_easy_getinfo(easy, from, &from_us) != CURLE_OK)
        return -1;
    return to_us > from_us ? to_us - from_us : 0;
}

static void read_times(struct flight *flight)
{
    struct send_times *times = &flight->send->times;
    long connects = 0;
    (void)curl_easy_getinfo(flight->easy, CURLINFO_NUM_CONNECTS, &connects); /* 0 when it fails */
    times->first_byte_us =
        span_us(flight->easy, CURLINFO_PRETRANSFER_TIME_T, CURLINFO_STARTTRANSFER_TIME_T);
    if (connects == 0)
        return;
    times->connect_us = span_us(flight->easy, CURLINFO_NONE, CURLINFO_CONNECT_TIME_T);
    times->tls_us = span_us(flight->easy, CURLINFO_CONNECT_TIME_T, CURLINFO_APPCONNECT_TIME_T);
}

static enum send_outcome outcome_of(const struct flight *flight, CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return clock_mono_ns() < flight->deadline_ns && flight->address_at < flight->address_count
                   ? SEND_CONNECT /* its share of the time, not all of it */
                   : SEND_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return flight->is_denied ? SEND_DENIED : SEND_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return SEND_TLS;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return SEND_BROKEN;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return SEND_INTERNAL;
    default:
        return SEND_PROTOCOL;
    }
}

/* A line of a head that does not end: libcurl's own limit for one, told as a lack of memory. */
static bool is_line_over(CURL *easy, CURLcode code)
{
    curl_off_t sent_us = 0;
    return code == CURLE_OUT_OF_MEMORY &&
           curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us) == CURLE_OK &&
           sent_us > 0;
}

enum send_outcome flight_easy_read(struct flight *flight, CURLcode code)
{
    long status = 0;
    (void)curl_easy_getinfo(flight->easy, CURLINFO_RESPONSE_CODE, &status); /* 0 when it fails */
    read_times(flight);
    bool is_answered = code == CURLE_OK || (code == CURLE_WRITE_ERROR && flight->is_body_over);
    bool is_status =
        status >= 100 && status <= 999; /* libcurl takes "HTTP/2 2", RFC 9110 does not */
    flight->send->status = is_status && (status >= 200 || is_answered) ? (int)status : 0;
    if (is_answered)
        return is_status ? SEND_ANSWERED : SEND_PROTOCOL;
    flight->is_head_over |= is_line_over(flight->easy, code);
    return flight->is_head_over ? SEND_HEAD_SIZE : outcome_of(flight, code);
}

const char *flight_easy_error(const struct flight *flight, enum send_outcome outcome, CURLcode code)
{
    if (outcome == SEND_ANSWERED)
        return "";
    if (outcome == SEND_HEAD_SIZE)
        return "the head of the answer is too large";
    if (outcome == SEND_DENIED)
        return "the host's address is not one that may be called";
    if (outcome == SEND_PROTOCOL && code == CURLE_OK)
        return "the answer has no valid status";
    return flight->error[0] ? flight->error : curl_easy_strerror(code);
}
