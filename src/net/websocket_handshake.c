/*
 * The opening handshake (RFC 6455, 4.2): whether a request may become a socket, and the answer that
 * makes it one. The head was parsed strictly before (head_guard.c); here only what is particular to
 * WebSockets is asked. No extension is ever agreed on.
 *
 * Origin: a page may connect when its origin's host is the one that the request names, or when it is
 * listed. Programs that are no browsers send none and may connect: who they are is the service's
 * question.
 *
 * Admission: admit_per_s with a burst of one second's worth, as one number (when all admitted so
 * far are due), moved by compare-and-swap from any thread. Whoever is turned away hears when to
 * come again: a random time within what admission needs for everybody that was turned away lately.
 */
#include "net/websocket_internal.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/rand.h"

#include <assert.h>
#include <openssl/sha.h>
#include <stdlib.h>

#define ACCEPT_GUID     "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_BYTES       16
#define KEY_TEXT_SIZE   24
#define ACCEPT_TEXT_MAX 64
#define RETRY_MS_MIN    1000
#define RETRY_MS_MAX    60000
#define NS_PER_S        ((int64_t)1000000000)

static const struct {
    int status;
    const char *detail;
} refusals[WEBSOCKET_REFUSAL_COUNT] = {
    [WEBSOCKET_ACCEPTED] = {101, ""},
    [WEBSOCKET_NOT_ASKED] = {426, "This is a WebSocket: ask for an upgrade."},
    [WEBSOCKET_BAD_REQUEST] = {400, "The WebSocket handshake is not right."},
    [WEBSOCKET_BAD_VERSION] = {426, "The version of WebSocket must be 13."},
    [WEBSOCKET_BAD_PROTOCOL] = {400, "The subprotocol must be offered."},
    [WEBSOCKET_BAD_ORIGIN] = {403, "Pages of this origin may not connect."},
    [WEBSOCKET_TOO_FAST] = {503, "Too many connect at once; come again later."},
    [WEBSOCKET_NO_MEMORY] = {503, "Out of memory."},
};

int websocket_refusal_status(enum websocket_refusal refusal)
{
    return refusals[refusal].status;
}

const char *websocket_refusal_detail(enum websocket_refusal refusal)
{
    return refusals[refusal].detail;
}

/* --- header fields --- */

static bool has_token(const struct request *request, struct str name, struct str token,
                      bool is_exact)
{
    for (size_t i = 0; i < request->field_count; i++) {
        struct str rest = request->fields[i].value;
        if (!str_eq_ci(request->fields[i].name, name))
            continue;
        while (rest.len > 0) {
            struct str item = str_trim(str_split(&rest, ','));
            if (is_exact ? str_eq(item, token) : str_eq_ci(item, token))
                return true;
        }
    }
    return false;
}

/* Of a field that may be there once; ERR_INVALID: twice. */
static enum err only_field(const struct request *request, struct str name, struct str *ret_value)
{
    bool is_found = false;
    *ret_value = STR_NONE;
    for (size_t i = 0; i < request->field_count; i++) {
        if (!str_eq_ci(request->fields[i].name, name))
            continue;
        if (is_found)
            return ERR_INVALID;
        is_found = true;
        *ret_value = str_trim(request->fields[i].value);
    }
    return is_found ? ERR_OK : ERR_NOT_FOUND;
}

static bool is_key(struct str key)
{
    uint8_t bytes[KEY_BYTES + 2];
    size_t len;
    return key.len == KEY_TEXT_SIZE && base64_decode(key, bytes, sizeof(bytes), &len) == ERR_OK &&
           len == KEY_BYTES;
}

static bool is_own_origin(const struct request *request, struct str origin)
{
    struct str host = request_header(request, "host");
    if (str_starts_with(origin, STR("http://")))
        origin = str_sub(origin, 7, origin.len);
    else if (str_starts_with(origin, STR("https://")))
        origin = str_sub(origin, 8, origin.len);
    else
        return false;
    return origin.len > 0 && str_eq_ci(origin, host);
}

static bool may_origin(const struct websocket_options *options, const struct request *request)
{
    struct str origin;
    enum err err = only_field(request, STR("origin"), &origin);
    if (err == ERR_NOT_FOUND || (err == ERR_OK && is_own_origin(request, origin)))
        return true;
    for (size_t i = 0; err == ERR_OK && options->origins && options->origins[i]; i++) {
        if (str_eq_ci(origin, str_from_c(options->origins[i])))
            return true;
    }
    return false;
}

static enum websocket_refusal check(const struct websocket_options *options,
                                    const struct request *request, struct str *ret_key)
{
    struct str version;
    if (!has_token(request, STR("upgrade"), STR("websocket"), false))
        return WEBSOCKET_NOT_ASKED;
    if (request->method != HTTP_GET || request->http_minor < 1 || request->body.len > 0 ||
        !has_token(request, STR("connection"), STR("upgrade"), false))
        return WEBSOCKET_BAD_REQUEST;
    enum err err = only_field(request, STR("sec-websocket-version"), &version);
    if (err == ERR_INVALID)
        return WEBSOCKET_BAD_REQUEST;
    if (!str_eq(version, STR("13")))
        return WEBSOCKET_BAD_VERSION;
    if (only_field(request, STR("sec-websocket-key"), ret_key) != ERR_OK || !is_key(*ret_key))
        return WEBSOCKET_BAD_REQUEST;
    if (!may_origin(options, request))
        return WEBSOCKET_BAD_ORIGIN;
    if (options->protocol &&
        !has_token(request, STR("sec-websocket-protocol"), str_from_c(options->protocol), true))
        return WEBSOCKET_BAD_PROTOCOL;
    return WEBSOCKET_ACCEPTED;
}

/* --- admission --- */

static int64_t retry_ms(struct websocket_hub *hub)
{
    int64_t away = atomic_fetch_add_explicit(&hub->turned_away, 1, memory_order_relaxed) + 1;
    int64_t spread = away * 1000 / hub->options.admit_per_s;
    spread = spread > RETRY_MS_MAX ? RETRY_MS_MAX : spread < RETRY_MS_MIN ? RETRY_MS_MIN : spread;
    return RETRY_MS_MIN + (int64_t)rand_below((uint64_t)spread);
}

static bool admit(struct websocket_hub *hub)
{
    int64_t now = clock_mono_ns();
    int64_t each = NS_PER_S / hub->options.admit_per_s;
    int64_t due = atomic_load_explicit(&hub->admitted_ns, memory_order_relaxed);
    int64_t next;
    do {
        if (due > now + NS_PER_S - each)
            return false;
        next = (due > now ? due : now) + each;
    } while (!atomic_compare_exchange_weak_explicit(&hub->admitted_ns, &due, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    /* One of those that were turned away, most likely. */
    int64_t away = atomic_load_explicit(&hub->turned_away, memory_order_relaxed);
    if (away > 0)
        (void)atomic_compare_exchange_strong_explicit(&hub->turned_away, &away, away - 1,
                                                      memory_order_relaxed, memory_order_relaxed);
    return true;
}

struct websocket *websocket_admit(struct websocket_hub *hub, struct request *request, void *data,
                                  enum websocket_refusal *ret_refusal, int64_t *ret_retry_ms)
{
    enum websocket_refusal refusal = *ret_refusal;
    assert(!request->res.websocket);
    *ret_retry_ms = 0;
    if (refusal == WEBSOCKET_ACCEPTED && !admit(hub)) {
        refusal = WEBSOCKET_TOO_FAST;
        *ret_retry_ms = retry_ms(hub);
    }
    struct websocket *socket = refusal == WEBSOCKET_ACCEPTED ? calloc(1, sizeof(*socket)) : NULL;
    if (refusal == WEBSOCKET_ACCEPTED && !socket)
        refusal = WEBSOCKET_NO_MEMORY;
    atomic_fetch_add_explicit(&hub->refused[refusal], 1, memory_order_relaxed);
    *ret_refusal = refusal;
    if (!socket)
        return NULL;
    socket->hub = hub;
    socket->data = data;
    socket->peer_code = WEBSOCKET_ABNORMAL;
    request->res.status = websocket_status(socket);
    request->res.websocket = socket;
    return socket;
}

/* --- the answer --- */

static struct str accept_text(struct arena *arena, struct str key)
{
    uint8_t digest[SHA_DIGEST_LENGTH];
    char text[KEY_TEXT_SIZE + sizeof(ACCEPT_GUID)];
    assert(key.len == KEY_TEXT_SIZE); /* checked before */
    memcpy(text, key.data, KEY_TEXT_SIZE);
    memcpy(text + KEY_TEXT_SIZE, ACCEPT_GUID, sizeof(ACCEPT_GUID));
    (void)SHA1((const unsigned char *)text, KEY_TEXT_SIZE + sizeof(ACCEPT_GUID) - 1, digest);
    struct buf *encoded = buf_new_in(arena, ACCEPT_TEXT_MAX);
    if (!encoded)
        return STR_NONE; /* the arena has overflowed, and the answer will be a 503 */
    base64_append(encoded, digest, sizeof(digest));
    return buf_str(encoded);
}

enum websocket_refusal websocket_accept(struct websocket_hub *hub, struct request *request,
                                        void *data, int64_t *ret_retry_ms)
{
    struct str key = STR_NONE;
    enum websocket_refusal refusal = check(&hub->options, request, &key);
    assert(!hub->options.is_event_stream);
    if (!websocket_admit(hub, request, data, &refusal, ret_retry_ms))
        return refusal;
    response_header(request, "upgrade", STR("websocket"));
    response_header(request, "sec-websocket-accept", accept_text(&request->arena, key));
    if (hub->options.protocol)
        response_header(request, "sec-websocket-protocol", str_from_c(hub->options.protocol));
    return WEBSOCKET_ACCEPTED;
}
