/*
 * The textbook way to sell seats, to compare with: a Redis guard in front, a PostgreSQL
 * transaction a request, an outbox row in it. The HTTP layer is ours (src/net: the same server,
 * loops and router), so that what is compared lies behind it. A pool of worker threads takes
 * requests from a queue, each with connections of its own. What a careful team keeps in memory is
 * in memory: sessions, the events' names, the price.
 *
 * foyer-textbook --postgres URL --redis SOCKET --sessions FILE --events FILE [--workers N]
 * [--plain]
 *
 * --sessions has a bearer token a line; who comes n-th is account n. --events has an event's id a
 * line. Prints "ready http://127.0.0.1:PORT". POST /v1/bookings takes and gives what ours does.
 */
#include "textbook.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/map.h"
#include "net/router.h"
#include "net/server.h"

#define WORKERS_DEFAULT 32
#define WORKERS_MAX     300
#define WAITING_MAX     8192
#define SESSIONS_MAX    1000000
#define EVENTS_MAX      1000
#define LINE_MAX_BYTES  128
#define BODY_MAX        (64u << 10)
#define SEQUENCE_BITS   22
#define DRAIN_MS        2000

struct textbook {
    struct server *server;
    struct router *router;
    struct queue waiting;
    struct map sessions, events; /* hash of the text to its number, from 1 */
    _Atomic uint64_t sequence;
};

struct worker {
    struct textbook *textbook;
    struct worker_store *store;
    pthread_t thread;
};

static struct textbook textbook;

/* --- Requests --- */

struct hold_body {
    struct str event_id;
    struct json_strs seat_ids;
};

static const struct json_field body_fields[] = {
    {.name = "event_id",
     .kind = JSON_STR,
     .offset = offsetof(struct hold_body, event_id),
     .is_required = true,
     .min = 1,
     .max = 64},
    {.name = "seat_ids",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct hold_body, seat_ids),
     .is_required = true,
     .min = 1,
     .max = TEXTBOOK_SEATS_MAX},
    {0},
};

static void reply_problem(struct request *request, int status, const char *type)
{
    request->res.status = status;
    request->res.content_type = STR("application/problem+json");
    request->res.body =
        arena_printf(&request->arena, "{\"type\":\"%s\",\"status\":%d}", type, status);
    request_reply(request);
}

static void reply_booking(struct request *request, const struct hold *hold, const char *event_id)
{
    struct buf *body = buf_new_in(&request->arena, BODY_MAX);
    if (!body) {
        reply_problem(request, 503, "overloaded");
        return;
    }
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_i64(&writer, "id", hold->id);
    json_put_str(&writer, "event_id", str_from_c(event_id));
    json_put_str(&writer, "status", STR("held"));
    json_key(&writer, "seats");
    json_open_array(&writer);
    for (size_t i = 0; i < hold->seat_count; i++) {
        json_open_object(&writer);
        json_put_str(&writer, "id", hold->seats[i]);
        json_put_i64(&writer, "price", TEXTBOOK_PRICE);
        json_close_object(&writer);
    }
    json_close_array(&writer);
    json_put_i64(&writer, "amount", (int64_t)hold->seat_count * TEXTBOOK_PRICE);
    json_put_str(&writer, "currency", STR("EUR"));
    json_put_time(&writer, "created_at", hold->created_ms);
    json_put_time(&writer, "expires_at", hold->expires_ms);
    json_close_object(&writer);
    request->res.status = 201;
    request->res.content_type = STR("application/json");
    request->res.body = buf_str(body);
    request_reply(request);
}

static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '"' || text.data[i] == '\\' || (unsigned char)text.data[i] <= ' ')
            return false;
    return text.len > 0 && text.len <= 64;
}

/* Seats in one order for everybody: transactions that want the same ones wait, and never for
 * each other. */
static bool put_seat(struct hold *hold, struct str seat)
{
    size_t at = hold->seat_count++;
    while (at > 0 && str_cmp(hold->seats[at - 1], seat) > 0) {
        hold->seats[at] = hold->seats[at - 1];
        at--;
    }
    hold->seats[at] = seat;
    return is_plain(seat);
}

/* Who asks, and for what. The status to refuse with; 0: it is a hold. */
static int read_hold(struct request *request, struct hold *hold, const char **ret_event_id)
{
    struct hold_body body = {0};
    struct field_errors errors;
    uintptr_t number;
    struct str bearer = request_header(request, "authorization");
    if (!str_starts_with(bearer, STR("Bearer ")) ||
        !map_get(&textbook.sessions, str_hash(str_sub(bearer, 7, bearer.len)), &number))
        return 401;
    hold->account = (int64_t)number;
    hold->key = request_header(request, "idempotency-key");
    if (hold->key.len == 0 || hold->key.len > TEXTBOOK_KEY_MAX || !is_plain(hold->key))
        return 400;
    field_errors_init(&errors, &request->arena);
    if (json_decode(&request->arena, request->body, body_fields, &body, &errors) ||
        !map_get(&textbook.events, str_hash(body.event_id), &number))
        return 422;
    hold->event = (int64_t)number;
    for (size_t i = 0; i < body.seat_ids.count; i++)
        if (!put_seat(hold, body.seat_ids.items[i]))
            return 422;
    uint8_t hash[SHA256_SIZE];
    struct buf *hex = buf_new_in(&request->arena, 2 * SHA256_SIZE + 1);
    if (!hex)
        return 503;
    crypto_sha256(request->body, hash);
    hex_append(hex, hash, sizeof(hash));
    hold->body_hash = buf_str(hex);
    *ret_event_id = arena_str_dup(&request->arena, body.event_id).data;
    return *ret_event_id ? 0 : 503;
}

static void answer_hold(struct worker_store *store, struct request *request)
{
    struct hold hold = {.created_ms = clock_now_ms()};
    const char *event_id = NULL;
    int refusal = read_hold(request, &hold, &event_id);
    if (refusal) {
        reply_problem(request, refusal, "refused");
        return;
    }
    hold.expires_ms = hold.created_ms + TEXTBOOK_HOLD_TTL_S * 1000;
    hold.id = (hold.created_ms << SEQUENCE_BITS) +
              (int64_t)(atomic_fetch_add(&textbook.sequence, 1) & ((1u << SEQUENCE_BITS) - 1));
    switch (worker_store_hold(store, &hold)) {
    case HOLD_GRANTED:
    case HOLD_REPLAYED:
        reply_booking(request, &hold, event_id);
        break;
    case HOLD_TAKEN:
        reply_problem(request, 409, "seats-unavailable");
        break;
    case HOLD_CLOSED:
        reply_problem(request, 409, "sale-closed");
        break;
    case HOLD_KEY_CONFLICT:
        reply_problem(request, 422, "idempotency-conflict");
        break;
    case HOLD_LIMIT:
        reply_problem(request, 422, "limit-exceeded");
        break;
    default:
        reply_problem(request, 500, "failed");
    }
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct queue_node *node;
    while ((node = queue_take(&worker->textbook->waiting, 1, -1)) != NULL)
        answer_hold(worker->store, container_of(node, struct request, node));
    return NULL;
}

static void on_request(struct request *request, void *ctx)
{
    const void *value;
    struct str allow;
    (void)ctx;
    if (router_match(textbook.router, request, &value, &allow))
        reply_problem(request, 404, "not-found");
    else if (queue_push(&textbook.waiting, &request->node))
        reply_problem(request, 503, "overloaded");
}

/* --- Start and end --- */

/* The lines of a file, numbered. */
static enum err read_lines(const char *path, struct map *map, size_t max)
{
    char line[LINE_MAX_BYTES];
    FILE *file = path ? fopen(path, "r") : NULL;
    enum err err = file ? ERR_OK : ERR_NOT_FOUND;
    map_init(map, max);
    while (!err && fgets(line, sizeof(line), file))
        err = map_put(map, str_hash(str_trim(str_from_c(line))), map->count + 1);
    if (file)
        fclose(file);
    return err ? err : map->count > 0 ? ERR_OK : ERR_INVALID;
}

static enum err serve(struct server **ret_server)
{
    char message[256] = "";
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct server_options options = {.listen = "127.0.0.1:0",
                                     .loops = cores > 0 ? (unsigned)cores : 1,
                                     .connections_max = 16384,
                                     .body_max = BODY_MAX,
                                     .request_timeout_ms = 30000,
                                     .send_timeout_ms = 30000,
                                     .on_request = on_request};
    textbook.router = router_new();
    enum err err = textbook.router
                       ? router_add(textbook.router, HTTP_POST, "/v1/bookings", &textbook)
                       : ERR_NOMEM;
    if (!err)
        err = server_new(&options, ret_server, message);
    if (!err)
        err = server_start(*ret_server);
    if (err)
        fprintf(stderr, "textbook: %s %s\n", err_name(err), message);
    return err;
}

static enum err start_workers(struct worker *workers, size_t count,
                              const struct worker_options *options)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        workers[i].textbook = &textbook;
        err = worker_store_open(options, &workers[i].store);
        if (!err && pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0)
            err = ERR_NOMEM;
    }
    return err;
}

static void run_until_told(struct worker *workers, size_t count, const sigset_t *signals)
{
    int signal_no;
    struct server *server;
    if (serve(&server))
        exit(1);
    printf("ready http://127.0.0.1:%u\n", server_port(server));
    fflush(stdout);
    sigwait(signals, &signal_no);
    server_stop(server, DRAIN_MS);
    queue_close(&textbook.waiting);
    for (size_t i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        worker_store_close(workers[i].store);
    }
    server_free(server);
    router_free(textbook.router);
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"postgres", required_argument, NULL, 'p'},
        {"redis", required_argument, NULL, 'r'},
        {"sessions", required_argument, NULL, 's'},
        {"events", required_argument, NULL, 'e'},
        {"workers", required_argument, NULL, 'w'},
        {"plain", no_argument, NULL, 'P'},
        {NULL, 0, NULL, 0},
    };
    static struct worker workers[WORKERS_MAX];
    const char *texts[128] = {0};
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1 && option != '?')
        texts[option] = optarg ? optarg : "";
    struct worker_options options = {texts['p'], texts['r'], texts['P'] != NULL};
    size_t count = texts['w'] ? (size_t)atoi(texts['w']) : WORKERS_DEFAULT;
    if (!texts['p'] || !texts['r'] || count < 1 || count > WORKERS_MAX || crypto_init()) {
        fprintf(stderr, "usage: foyer-textbook --postgres URL --redis SOCKET --sessions FILE "
                        "--events FILE [--workers N] [--plain]\n");
        return 2;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    queue_init(&textbook.waiting, WAITING_MAX);
    if (read_lines(texts['s'], &textbook.sessions, SESSIONS_MAX) ||
        read_lines(texts['e'], &textbook.events, EVENTS_MAX) ||
        textbook_schema(texts['p'], (int64_t)textbook.events.count) ||
        start_workers(workers, count, &options))
        return 1;
    run_until_told(workers, count, &signals);
    return 0;
}
