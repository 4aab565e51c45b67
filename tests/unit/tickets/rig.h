/*
 * The tickets service with its routes on real files in a temporary directory, asked through the
 * application without a socket. Search follows the journal; payments, timers and mail stay off. One
 * venue: sections A (two rows of three seats, the last one accessible) and B (one row of two), a
 * floor for ten.
 */
#ifndef TESTS_TICKETS_RIG_H
#define TESTS_TICKETS_RIG_H

#include "base/check.h"

#include <ftw.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "tickets/search.h"
#include "tickets/tickets.h"

#define RIG_ADMIN_KEY "sk_unit_test_admin_key_0001"
#define RIG_TEXT_SIZE 8192
#define RIG_WAIT_NS   ((int64_t)20 * 1000000000)

#define RIG_SEAT(id, number, x)                                                                    \
    "{\"seat_guid\":\"" id "\",\"seat_number\":\"" number "\",\"position\":{\"x\":" x              \
    ",\"y\":0},\"category\":\"Lower\"}"
#define RIG_PLAN                                                                                   \
    "{\"name\":\"Hall\",\"size\":{\"width\":200,\"height\":100},\"categories\":["                  \
    "{\"name\":\"Lower\",\"color\":\"#e67e22\"},{\"name\":\"Upper\",\"color\":\"#2980b9\"}],"      \
    "\"zones\":[{\"name\":\"A\",\"position\":{\"x\":10,\"y\":20},\"rows\":["                       \
    "{\"row_number\":\"1\",\"position\":{\"x\":1,\"y\":2},\"seats\":[" RIG_SEAT(                   \
        "A-1-1", "1",                                                                              \
        "0.25") "," RIG_SEAT("A-1-2", "2",                                                         \
                             "10") "," RIG_SEAT("A-1-3", "3",                                      \
                                                "20") "]},"                                        \
                                                      "{\"row_number\":2,\"position\":{\"x\":1,"   \
                                                      "\"y\":12},\"seats\":[" RIG_SEAT(            \
                                                          "A-2-1", "1",                            \
                                                          "0") "," RIG_SEAT("A-2-2", "2",          \
                                                                            "10") ","              \
                                                                                  "{\"seat_"       \
                                                                                  "guid\":\"A-2-"  \
                                                                                  "3\",\"seat_"    \
                                                                                  "number\":3,"    \
                                                                                  "\"position\":{" \
                                                                                  "\"x\":20,"      \
                                                                                  "\"y\":0},"      \
                                                                                  "\"category\":"  \
                                                                                  "\"Lower\","     \
                                                                                  "\"is_"          \
                                                                                  "accessible\":"  \
                                                                                  "true}]}]},"     \
                                                                                  "{\"name\":"     \
                                                                                  "\"B\","         \
                                                                                  "\"position\":{" \
                                                                                  "\"x\":100,"     \
                                                                                  "\"y\":20},"     \
                                                                                  "\"rows\":["     \
                                                                                  "{\"row_"        \
                                                                                  "number\":"      \
                                                                                  "\"1\","         \
                                                                                  "\"position\":{" \
                                                                                  "\"x\":0,\"y\":" \
                                                                                  "0},\"seats\":[" \
                                                                                  "{\"seat_"       \
                                                                                  "guid\":\"B-1-"  \
                                                                                  "1\",\"seat_"    \
                                                                                  "number\":"      \
                                                                                  "\"1\","         \
                                                                                  "\"position\":{" \
                                                                                  "\"x\":0,\"y\":" \
                                                                                  "0},"            \
                                                                                  "\"category\":"  \
                                                                                  "\"Upper\"},{"   \
                                                                                  "\"seat_guid\":" \
                                                                                  "\"B-1-2\","     \
                                                                                  "\"seat_"        \
                                                                                  "number\":"      \
                                                                                  "\"2\","         \
                                                                                  "\"position\":{" \
                                                                                  "\"x\":10,"      \
                                                                                  "\"y\":0},"      \
                                                                                  "\"category\":"  \
                                                                                  "\"Upper\"}]}]," \
                                                                                  "\"areas\":["    \
                                                                                  "{\"shape\":"    \
                                                                                  "\"text\","      \
                                                                                  "\"text\":{"     \
                                                                                  "\"text\":"      \
                                                                                  "\"Stage\"},"    \
                                                                                  "\"position\":{" \
                                                                                  "\"x\":0,\"y\":" \
                                                                                  "0}},"           \
                                                                                  "{\"guid\":"     \
                                                                                  "\"floor\","     \
                                                                                  "\"name\":"      \
                                                                                  "\"Floor\","     \
                                                                                  "\"capacity\":"  \
                                                                                  "10,"            \
                                                                                  "\"category\":"  \
                                                                                  "\"Lower\","     \
                                                                                  "\"position\":{" \
                                                                                  "\"x\":5,\"y\":" \
                                                                                  "6},"            \
                                                                                  "\"rectangle\":" \
                                                                                  "{\"width\":50," \
                                                                                  "\"height\":40}" \
                                                                                  "}]}]}"
#define RIG_SEATS 8

struct rig {
    char dir[64];
    struct config config;
    struct tickets *tickets;
    struct app *app;
    char venue[40]; /* ids as text, for paths and bodies */
    char event[40];
    /* The last answer; its texts live until the next one. */
    int status;
    char *body;
    size_t body_len;
    struct arena arena;
    struct json_node *json;
    size_t header_count;
    struct {
        char name[64], value[256];
    } headers[REQUEST_HEADERS_OUT_MAX];
};

struct rig_ask {
    enum http_method method;
    const char *path; /* may have a query */
    const char *key;  /* bearer; NULL: the admin's; "": anonymous */
    const char *body;
    const char *accept, *encoding, *none_match, *idempotency_key;
};

struct rig_exchange {
    struct request request;
    struct request_field fields[8];
    struct rig *rig;
    sem_t replied;
};

static inline void rig_on_reply(struct request *request)
{
    struct rig_exchange *exchange = container_of(request, struct rig_exchange, request);
    struct rig *rig = exchange->rig;
    const struct response *res = &request->res;
    rig->status = res->status;
    rig->header_count = res->header_count;
    for (size_t i = 0; i < res->header_count; i++) {
        (void)snprintf(rig->headers[i].name, sizeof(rig->headers[i].name), "%.*s",
                       STR_ARG(res->headers[i].name));
        (void)snprintf(rig->headers[i].value, sizeof(rig->headers[i].value), "%.*s",
                       STR_ARG(res->headers[i].value));
    }
    rig->body_len = res->body.len;
    rig->body = malloc(res->body.len + 1);
    if (rig->body && res->body.len > 0)
        memcpy(rig->body, res->body.data, res->body.len);
    if (rig->body)
        rig->body[res->body.len] = '\0';
    if (res->body_release)
        res->body_release(res->body_ptr);
    arena_release(&request->arena);
    sem_post(&exchange->replied);
}

static inline void rig_field(struct rig_exchange *exchange, const char *name, const char *value)
{
    if (value)
        exchange->fields[exchange->request.field_count++] =
            (struct request_field){str_from_c(name), str_from_c(value)};
}

/* Asks, waits, and parses the answer when it is JSON. Returns the status. */
static inline int rig_send(struct rig *rig, const struct rig_ask *ask)
{
    struct rig_exchange exchange = {.rig = rig};
    struct request *request = &exchange.request;
    char bearer[256];
    struct str message;
    free(rig->body);
    arena_release(&rig->arena);
    arena_init(&request->arena, REQUEST_ARENA_MAX);
    sem_init(&exchange.replied, 0, 0);
    struct str rest = str_from_c(ask->path);
    request->method = ask->method;
    request->path = str_split(&rest, '?');
    request->query = rest;
    request->body = str_from_c(ask->body);
    (void)snprintf(request->peer_ip, sizeof(request->peer_ip), "192.0.2.1");
    request->id = STR("unit-test");
    request->started_ns = clock_mono_ns();
    request->fields = exchange.fields;
    request->on_reply = rig_on_reply;
    const char *key = ask->key ? ask->key : RIG_ADMIN_KEY;
    (void)snprintf(bearer, sizeof(bearer), "Bearer %s", key);
    rig_field(&exchange, "host", "foyer.test");
    rig_field(&exchange, "authorization", key[0] ? bearer : NULL);
    rig_field(&exchange, "content-type", ask->body ? "application/json" : NULL);
    rig_field(&exchange, "accept", ask->accept);
    rig_field(&exchange, "accept-encoding", ask->encoding);
    rig_field(&exchange, "if-none-match", ask->none_match);
    rig_field(&exchange, "idempotency-key", ask->idempotency_key);
    app_on_request(request, rig->app);
    while (sem_wait(&exchange.replied) != 0)
        continue;
    sem_destroy(&exchange.replied);
    rig->json = NULL;
    (void)!json_parse(&rig->arena, str_from(rig->body, rig->body_len), &rig->json, &message);
    return rig->status;
}

static inline int rig_get(struct rig *rig, const char *path)
{
    return rig_send(rig, &(struct rig_ask){.method = HTTP_GET, .path = path, .key = ""});
}

static inline int rig_post(struct rig *rig, const char *path, const char *body)
{
    return rig_send(rig, &(struct rig_ask){.method = HTTP_POST, .path = path, .body = body});
}

/* A path below the event: rig_path(rig, text, "/publish"). */
static inline const char *rig_path(const struct rig *rig, char *text, const char *rest)
{
    (void)snprintf(text, 256, "/v1/events/%s%s", rig->event, rest);
    return text;
}

static inline const char *rig_header(const struct rig *rig, const char *name)
{
    for (size_t i = 0; i < rig->header_count; i++) {
        if (strcmp(rig->headers[i].name, name) == 0)
            return rig->headers[i].value;
    }
    return "";
}

/* The node at a path such as "errors[0].field"; NULL when there is none. */
static inline struct json_node *rig_at(const struct json_node *node, const char *path)
{
    struct str rest = str_from_c(path);
    struct json_node *at = (struct json_node *)(uintptr_t)node;
    while (rest.len > 0 && at) {
        struct str member = str_split(&rest, '.');
        struct str name = str_split(&member, '[');
        char text[128];
        int64_t index;
        if (name.len > 0 && str_to_c(name, text, sizeof(text)) == ERR_OK)
            at = json_get(at, text);
        while (member.len > 0) {
            assert_ok(str_to_i64(str_split(&member, ']'), &index));
            at = json_at(at, (size_t)index);
            (void)str_split(&member, '[');
        }
    }
    return at;
}

/* The text at a path of the last answer; "" when it isn't text. Valid until the next request. */
static inline const char *rig_text(const struct rig *rig, const char *path)
{
    struct str text;
    return json_as_str(rig_at(rig->json, path), &text) ? text.data : "";
}

static inline int64_t rig_int(const struct rig *rig, const char *path)
{
    int64_t value = -1;
    (void)json_as_i64(rig_at(rig->json, path), &value);
    return value;
}

/* True when the answer has an error of exactly this field. */
static inline bool rig_has_error(const struct rig *rig, const char *field)
{
    const struct json_node *errors = rig_at(rig->json, "errors");
    for (size_t i = 0; i < json_count(errors); i++) {
        struct str text;
        if (json_as_str(json_get(json_at(errors, i), "field"), &text) &&
            str_eq(text, str_from_c(field)))
            return true;
    }
    return false;
}

/* First column of the first row of the tickets database. */
static inline int64_t rig_count(struct rig *rig, const char *text)
{
    struct db *db;
    int64_t value = -1;
    struct sql sql = {.text = text};
    assert_ok(db_open(tickets_database_path(rig->tickets), DB_ADMIN, &db));
    assert_ok(db_get_i64(db_stmt(db, &sql), &value));
    db_close(db);
    return value;
}

static inline void rig_time(int64_t in_ms, char text[static CLOCK_TEXT_SIZE])
{
    clock_format(clock_now_ms() + in_ms, text);
}

#define RIG_DAY_MS INT64_C(86400000)

/* The body of an event in 30 days, on sale since yesterday; more ("" or ",\"name\":...") is
 * appended, prices as given. */
static inline const char *rig_event_body(const struct rig *rig, char *text, const char *prices,
                                         const char *more)
{
    char starts_at[CLOCK_TEXT_SIZE], onsale_at[CLOCK_TEXT_SIZE];
    rig_time(30 * RIG_DAY_MS, starts_at);
    rig_time(-RIG_DAY_MS, onsale_at);
    (void)snprintf(text, RIG_TEXT_SIZE,
                   "{\"venue_id\":\"%s\",\"name\":\"Jazz Night\",\"description\":\"With friends\","
                   "\"category\":\"jazz\",\"starts_at\":\"%s\",\"onsale_at\":\"%s\","
                   "\"currency\":\"EUR\",\"prices\":%s%s}",
                   rig->venue, starts_at, onsale_at, prices, more);
    return text;
}

static inline void rig_make_venue(struct rig *rig)
{
    assert_int_equal(rig_post(rig, "/v1/venues",
                              "{\"name\":\"Hall\",\"city\":\"Z\xC3\xBCrich\",\"country\":\"CH\","
                              "\"lat\":47.38,\"lon\":8.5,\"seating_plan\":" RIG_PLAN "}"),
                     201);
    (void)snprintf(rig->venue, sizeof(rig->venue), "%s", rig_text(rig, "id"));
}

/* A draft; its id goes to rig->event. */
static inline void rig_make_event(struct rig *rig, const char *prices)
{
    char body[RIG_TEXT_SIZE];
    assert_int_equal(rig_post(rig, "/v1/events", rig_event_body(rig, body, prices, "")), 201);
    (void)snprintf(rig->event, sizeof(rig->event), "%s", rig_text(rig, "id"));
}

static inline void rig_publish(struct rig *rig)
{
    char path[256];
    assert_int_equal(rig_post(rig, rig_path(rig, path, "/publish"), NULL), 200);
}

/* Waits until search has followed everything that is journaled now. */
static inline void rig_settle_search(struct rig *rig)
{
    int64_t seq = rig_count(rig, "SELECT COALESCE(MAX(seq), 0) FROM journal");
    int64_t until_ns = clock_mono_ns() + RIG_WAIT_NS;
    while (search_followed_seq(rig->tickets->search) < seq) {
        assert_true(clock_mono_ns() < until_ns);
        search_wake(rig->tickets->search);
        (void)usleep(1000);
    }
}

static inline void rig_start(struct rig *rig)
{
    assert_ok(tickets_new(&rig->config, &rig->tickets));
    struct app_options options = {
        .config = &rig->config,
        .services = {tickets_service(rig->tickets), search_service(rig->tickets->search)},
        .database_paths = {tickets_database_path(rig->tickets),
                           search_database_path(rig->tickets->search)},
        .service_count = 2};
    assert_ok(app_new(&options, &rig->app));
    rig->tickets->app = rig->app;
    assert_ok(search_start(rig->tickets->search, rig->tickets));
}

static inline void rig_stop(struct rig *rig)
{
    search_stop(rig->tickets->search);
    app_stop(rig->app);
    writer_stop(rig->tickets->writer);
    app_free(rig->app);
    tickets_free(rig->tickets);
}

static inline int rig_setup(void **state)
{
    char message[256];
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    (void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/foyer-tickets-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    assert_ok(crypto_init());
    log_set_level(LOG_OFF);
    arena_init(&rig->arena, (size_t)64 << 20);
    assert_ok(config_load(0, NULL, &rig->config, message));
    (void)snprintf(rig->config.data, sizeof(rig->config.data), "%s", rig->dir);
    (void)snprintf(rig->config.admin_key, sizeof(rig->config.admin_key), "%s", RIG_ADMIN_KEY);
    rig->config.abuse = false;
    rig_start(rig);
    rig_make_venue(rig);
    *state = rig;
    return 0;
}

static inline int rig_remove_one(const char *path, const struct stat *stat, int type,
                                 struct FTW *ftw)
{
    (void)stat, (void)type, (void)ftw;
    return remove(path);
}

static inline int rig_teardown(void **state)
{
    struct rig *rig = *state;
    rig_stop(rig);
    (void)nftw(rig->dir, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(rig->body);
    arena_release(&rig->arena);
    free(rig);
    return 0;
}

#define rig_test(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

#endif
