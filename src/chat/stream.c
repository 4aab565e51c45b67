/* The stream put together, and its route. See stream.h. */
#include <stdlib.h>

#include "app/metrics.h"
#include "chat/stream_internal.h"

/* ---- GET /v1/stream ---- */

static enum err refuse(struct call *call, enum websocket_refusal refusal, int64_t retry_ms)
{
    const char *detail = websocket_refusal_detail(refusal);
    switch (websocket_refusal_status(refusal)) {
    case 426:
        response_header(call->req, "upgrade", STR("websocket"));
        response_header(call->req, "sec-websocket-version", STR("13"));
        problem_reply(call, PROBLEM_UPGRADE_REQUIRED, detail);
        break;
    case 403:
        problem_reply(call, PROBLEM_FORBIDDEN, detail);
        break;
    case 400:
        problem_reply(call, PROBLEM_BAD_REQUEST, detail);
        break;
    default:
        problem_retry(call, PROBLEM_OVERLOADED, detail, (retry_ms + 999) / 1000 + (retry_ms == 0));
    }
    return ERR_OK;
}

/* A page of this site cannot say its token, because scripts never see the cookie. */
static enum err keep_cookie(const struct call *call, struct session *session)
{
    uint8_t hash[SHA256_SIZE];
    if (!identity_cookie_hash(app_identity(session->stream->app), call->req, hash))
        return ERR_OK;
    session->cookie_hash = malloc(sizeof(hash));
    if (!session->cookie_hash)
        return ERR_NOMEM;
    memcpy(session->cookie_hash, hash, sizeof(hash));
    return ERR_OK;
}

static enum err open_stream(struct call *call)
{
    struct stream *stream = chat_of(call)->stream;
    int64_t retry_ms = 0;
    struct session *session = calloc(1, sizeof(*session));
    if (!session)
        return ERR_NOMEM;
    session->stream = stream;
    session->network = app_rate_address(call->req);
    if (keep_cookie(call, session) != ERR_OK) {
        free(session);
        return ERR_NOMEM;
    }
    enum websocket_refusal refusal = websocket_accept(stream->hub, call->req, session, &retry_ms);
    if (refusal == WEBSOCKET_ACCEPTED)
        return ERR_OK;
    free(session->cookie_hash);
    free(session);
    return refuse(call, refusal, retry_ms);
}

const struct route chat_stream_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/v1/stream",
     .kind = ROUTE_LOOP,
     .auth = AUTH_NONE,
     .rate = RATE_NONE,
     .loop = open_stream,
     .summary = "Open a chat stream (a WebSocket)",
     .tag = "chat",
     .success = 101,
     .problems = "400 403 426",
     .is_retry_safe = true},
};
const size_t chat_stream_routes_count = sizeof(chat_stream_routes) / sizeof(chat_stream_routes[0]);

/* ---- events ---- */

static void on_event(void *ctx, const struct fanout_event *event)
{
    struct stream *stream = ctx;
    if (!atomic_load_explicit(&stream->is_open, memory_order_acquire))
        return;
    audiences_on_event(stream->audiences, event);
    if (event->kind == FANOUT_DOUBT)
        atomic_fetch_add(&stream->doubts, 1);
}

static void on_session_end(void *ctx, uint64_t account_id, const uint8_t *token_hash)
{
    struct stream *stream = ctx;
    websocket_id ids[STREAM_SESSIONS_MAX];
    atomic_fetch_add(&stream->ends, 1);
    size_t count =
        stream_users_ids_of_token(stream->users, account_id, token_hash, ids, STREAM_SESSIONS_MAX);
    for (size_t i = 0; i < count; i++)
        session_post_bye(stream, ids[i], BYE_UNAUTHENTICATED);
}

/* ---- figures ---- */

#define COUNTER(name, field)                                                                       \
    static int64_t name(void *ctx)                                                                 \
    {                                                                                              \
        const struct stream *stream = ctx;                                                         \
        return (int64_t)atomic_load_explicit(&stream->field, memory_order_relaxed);                \
    }
COUNTER(count_hellos, counters.hellos)
COUNTER(count_catchups, counters.catchups)
COUNTER(count_sends, counters.sends)
COUNTER(count_acks, counters.acks)
COUNTER(count_errors, counters.errors)
COUNTER(count_told, counters.told)
COUNTER(count_news, counters.news_read)
COUNTER(count_receipts, counters.receipts)
COUNTER(count_byes, counters.byes)
COUNTER(count_waiting, reads.waiting)
#undef COUNTER

static struct presence_stats presence_of(const void *ctx)
{
    struct presence_stats stats;
    stream_presence_stats(ctx, &stats);
    return stats;
}
#define PRESENCE(name, field)                                                                      \
    static int64_t name(void *ctx)                                                                 \
    {                                                                                              \
        return (int64_t)presence_of(ctx).field;                                                    \
    }
PRESENCE(count_known, users)
PRESENCE(count_watches, watches)
PRESENCE(count_presences, told)
PRESENCE(count_seen, written)
PRESENCE(count_nodes, ephemera.nodes)
PRESENCE(count_said, ephemera.said)
PRESENCE(count_heard, ephemera.heard)
PRESENCE(count_dropped, ephemera.dropped)
#undef PRESENCE

static int64_t count_sessions(void *ctx)
{
    const struct stream *stream = ctx;
    return (int64_t)stream_users_count(stream->users);
}

static void show_presence(struct stream *stream)
{
    metric_gauge_fn("foyer_chat_presence_users", NULL,
                    "Users whose presence this node knows, on whatever node they are.", count_known,
                    stream);
    metric_gauge_fn("foyer_chat_presence_watches", NULL, "Who watches whom, in pairs.",
                    count_watches, stream);
    metric_counter_fn("foyer_chat_presence_told_total", NULL, "Presences told to streams.",
                      count_presences, stream);
    metric_counter_fn("foyer_chat_last_seen_written_total", NULL,
                      "Times a user was seen last that were written.", count_seen, stream);
    metric_gauge_fn("foyer_chat_ephemera_nodes", NULL,
                    "Other nodes that typing and presence are heard of.", count_nodes, stream);
    metric_counter_fn("foyer_chat_ephemera_said_total", NULL,
                      "Typing and presence told to other nodes.", count_said, stream);
    metric_counter_fn("foyer_chat_ephemera_heard_total", NULL,
                      "Typing and presence heard of other nodes.", count_heard, stream);
    metric_counter_fn("foyer_chat_ephemera_dropped_total", NULL,
                      "The same, not told for want of room.", count_dropped, stream);
}

static void show(struct stream *stream)
{
    metric_gauge_fn("foyer_chat_streams", NULL, "Streams whose user is known.", count_sessions,
                    stream);
    metric_gauge_fn("foyer_chat_stream_reads_waiting", NULL,
                    "Catch-ups and news that wait for a reader.", count_waiting, stream);
    metric_counter_fn("foyer_chat_stream_hellos_total", NULL, "Streams that said who they are.",
                      count_hellos, stream);
    metric_counter_fn("foyer_chat_stream_reads_total", NULL, "Trips to the database to catch up.",
                      count_catchups, stream);
    metric_counter_fn("foyer_chat_stream_sends_total", NULL, "Messages sent by streams.",
                      count_sends, stream);
    metric_counter_fn("foyer_chat_stream_acks_total", NULL, "Those that were acknowledged.",
                      count_acks, stream);
    metric_counter_fn("foyer_chat_stream_errors_total", NULL, "Errors told to streams.",
                      count_errors, stream);
    metric_counter_fn("foyer_chat_stream_delivered_total", NULL,
                      "Entries handed to live streams at once.", count_told, stream);
    metric_counter_fn("foyer_chat_stream_news_total", NULL,
                      "Entries read from the database for live streams.", count_news, stream);
    metric_counter_fn("foyer_chat_stream_receipts_total", NULL, "Receipts heard from streams.",
                      count_receipts, stream);
    metric_counter_fn("foyer_chat_stream_byes_total", NULL, "Streams ended with a reason.",
                      count_byes, stream);
}

/* ---- life ---- */

/* Without what may stand behind the host: an origin has no path. */
static struct str origin_of(struct str url)
{
    size_t host = str_find(url, ':', 0) + 3;
    return str_sub(url, 0, str_find(url, '/', host));
}

static enum err set_origins(struct stream *stream)
{
    const struct config *config = stream->chat->config;
    struct str list = str_from_c(config->chat_origins);
    size_t count = 0;
    arena_init(&stream->arena, 2 * CONFIG_TEXT_MAX + 1024);
    if (config->public_url[0])
        stream->origins[count++] =
            arena_str_dup(&stream->arena, origin_of(str_from_c(config->public_url))).data;
    while (list.len > 0 && count < CONFIG_ORIGINS_MAX + 1) /* the configuration has refused more */
        stream->origins[count++] = arena_str_dup(&stream->arena, str_split(&list, ',')).data;
    stream->options.origins = stream->origins;
    return stream->arena.overflow ? ERR_NOMEM : ERR_OK;
}

enum err stream_new(struct chat_service *chat, struct stream **ret_stream)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    pthread_condattr_t attributes;
    if (!stream)
        return ERR_NOMEM;
    stream->chat = chat;
    (void)pthread_condattr_init(&attributes); /* these cannot fail on Linux */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&stream->wakeup, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&stream->lock, NULL);
    stream_reads_init(&stream->reads);
    stream->users = stream_users_new();
    stream->audiences = audiences_new(stream);
    stream->options = (struct websocket_options){.protocol = "foyer.chat.v1",
                                                 .message_max = STREAM_MESSAGE_BYTES_MAX,
                                                 .queue_bytes_max = STREAM_QUEUE_BYTES_MAX,
                                                 .queue_frames_max = STREAM_QUEUE_FRAMES_MAX,
                                                 .queue_burst = STREAM_QUEUE_BURST,
                                                 .admit_per_s = STREAM_ADMIT_PER_S,
                                                 .on_open = session_on_open,
                                                 .on_message = session_on_message,
                                                 .on_overflow = session_on_overflow,
                                                 .on_room = session_on_room,
                                                 .on_stop = session_on_stop,
                                                 .on_close = session_on_close,
                                                 .ctx = stream};
    if (set_origins(stream) != ERR_OK || !stream->users || !stream->audiences) {
        stream_free(stream);
        return ERR_NOMEM;
    }
    chat->fanout = (struct fanout){on_event, stream};
    *ret_stream = stream;
    return ERR_OK;
}

const struct websocket_options *stream_websockets(const struct stream *stream)
{
    return &stream->options;
}

enum err stream_start(struct stream *stream, struct app *app, struct websocket_hub *hub)
{
    stream->app = app;
    stream->hub = hub;
    atomic_store_explicit(&stream->is_open, true, memory_order_release);
    stream_reads_open(&stream->reads, app_pool(app, POOL_READ));
    identity_on_end(app_identity(app), on_session_end, stream);
    show(stream);
    enum err err = stream_presence_start(stream);
    if (!err)
        show_presence(stream);
    if (!err)
        err = stream_relist_new(stream);
    return err ? err : stream_clock_start(stream);
}

void stream_stop(struct stream *stream)
{
    if (!stream)
        return;
    stream_clock_stop(stream);
    metrics_forget(stream);
    stream_presence_stop(stream);
}

/* Catch-ups that never came to a reader; what else waits is freed by its owner. */
static void drop_reads(struct stream *stream)
{
    struct stream_read *read;
    while ((read = stream_reads_take(&stream->reads))) {
        if (read->is_session)
            catchup_release(read);
    }
}

void stream_free(struct stream *stream)
{
    if (!stream)
        return;
    drop_reads(stream);
    stream_presence_free(stream);
    audiences_free(stream->audiences);
    stream_users_free(stream->users);
    stream_reads_release(&stream->reads);
    (void)pthread_cond_destroy(&stream->wakeup); /* nobody waits */
    (void)pthread_mutex_destroy(&stream->lock);
    arena_release(&stream->arena);
    free(stream->waiting);
    free(stream->recheck);
    free(stream->relist);
    free(stream);
}
