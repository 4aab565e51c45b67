/* An application of its own for a test, in a directory of its own, and requests to it without a
 * socket. */
#ifndef TESTS_APP_FRAME_H
#define TESTS_APP_FRAME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"

#define FRAME_ADMIN_KEY   "sk_unit_test_admin_key_0001"
#define FRAME_FIELDS_MAX  8
#define FRAME_BODY_MAX    65536
#define FRAME_HEADERS_MAX 24

struct frame {
    char dir[64];
    struct config config;
    struct app *app;
};

/* What is asked. Texts must outlive the call. */
struct ask {
    enum http_method method;
    const char *path;  /* may have a query */
    const char *token; /* bearer, or NULL */
    const char *body;  /* JSON, or NULL */
    const char *cookie;
    const char *origin;
    const char *fetch_site;
    const char *idempotency_key;
    const char *peer_ip; /* NULL: 192.0.2.1 */
    bool is_tls;
};

struct answer {
    int status;
    size_t header_count;
    struct {
        char name[64];
        char value[512];
    } headers[FRAME_HEADERS_MAX];
    char body[FRAME_BODY_MAX];
    size_t body_len;
};

struct exchange {
    struct request request;
    struct request_field fields[FRAME_FIELDS_MAX];
    struct answer *answer;
    sem_t replied;
};

static void frame_on_reply(struct request *request)
{
    struct exchange *exchange = container_of(request, struct exchange, request);
    struct answer *answer = exchange->answer;
    const struct response *res = &request->res;
    answer->status = request->arena.overflow ? 503 : res->status; /* as net/server_exchange.c */
    answer->header_count = res->header_count;
    for (size_t i = 0; i < res->header_count; i++) {
        (void)snprintf(answer->headers[i].name, sizeof(answer->headers[i].name), "%.*s",
                       STR_ARG(res->headers[i].name));
        (void)snprintf(answer->headers[i].value, sizeof(answer->headers[i].value), "%.*s",
                       STR_ARG(res->headers[i].value));
    }
    answer->body_len = res->body.len < FRAME_BODY_MAX - 1 ? res->body.len : FRAME_BODY_MAX - 1;
    if (answer->body_len > 0)
        memcpy(answer->body, res->body.data, answer->body_len);
    answer->body[answer->body_len] = '\0';
    if (res->body_release)
        res->body_release(res->body_ptr);
    arena_release(&request->arena);
    sem_post(&exchange->replied);
}

static void frame_field(struct exchange *exchange, const char *name, const char *value)
{
    if (!value)
        return;
    struct request_field *field = &exchange->fields[exchange->request.field_count++];
    field->name = str_from_c(name);
    field->value = str_from_c(value);
}

/* Asks and waits for the answer. Any thread. */
__attribute__((unused)) static void frame_ask(struct frame *frame, const struct ask *ask,
                                              struct answer *ret_answer)
{
    struct exchange exchange = {.answer = ret_answer};
    struct request *request = &exchange.request;
    char bearer[256];
    arena_init(&request->arena, REQUEST_ARENA_MAX);
    sem_init(&exchange.replied, 0, 0);
    struct str rest = str_from_c(ask->path);
    request->method = ask->method;
    request->path = str_split(&rest, '?');
    request->query = rest;
    request->body = str_from_c(ask->body);
    (void)snprintf(request->peer_ip, sizeof(request->peer_ip), "%s",
                   ask->peer_ip ? ask->peer_ip : "192.0.2.1");
    request->is_tls = ask->is_tls;
    request->id = STR("unit-test");
    request->started_ns = clock_mono_ns();
    request->fields = exchange.fields;
    request->on_reply = frame_on_reply;
    frame_field(&exchange, "host", "foyer.test");
    if (ask->token) {
        (void)snprintf(bearer, sizeof(bearer), "Bearer %s", ask->token);
        frame_field(&exchange, "authorization", bearer);
    }
    if (ask->body)
        frame_field(&exchange, "content-type", "application/json");
    frame_field(&exchange, "cookie", ask->cookie);
    frame_field(&exchange, "origin", ask->origin);
    frame_field(&exchange, "sec-fetch-site", ask->fetch_site);
    frame_field(&exchange, "idempotency-key", ask->idempotency_key);
    app_on_request(request, frame->app);
    while (sem_wait(&exchange.replied) != 0)
        continue;
    sem_destroy(&exchange.replied);
}

/* NULL when there is none. */
__attribute__((unused)) static const char *answer_header(const struct answer *answer,
                                                         const char *name)
{
    for (size_t i = 0; i < answer->header_count; i++) {
        if (strcmp(answer->headers[i].name, name) == 0)
            return answer->headers[i].value;
    }
    return NULL;
}

/* A string member of the answer's object; outer may name an object in it. False: not there, or
 * null. */
__attribute__((unused)) static bool answer_text(const struct answer *answer, const char *outer,
                                                const char *name, char *ret_text, size_t size)
{
    struct arena arena;
    struct json_node *node = NULL;
    struct str message, value;
    arena_init(&arena, 1u << 20);
    bool is_there =
        json_parse(&arena, str_from(answer->body, answer->body_len), &node, &message) == ERR_OK;
    if (is_there && outer)
        node = json_get(node, outer);
    is_there = is_there && json_as_str(json_get(node, name), &value) &&
               str_to_c(value, ret_text, size) == ERR_OK;
    arena_release(&arena);
    return is_there;
}

__attribute__((unused)) static void frame_start(struct frame *frame)
{
    struct app_options options = {.config = &frame->config};
    assert_int_equal(app_new(&options, &frame->app), ERR_OK);
}

__attribute__((unused)) static void frame_stop(struct frame *frame)
{
    app_stop(frame->app);
    app_free(frame->app);
    frame->app = NULL;
}

__attribute__((unused)) static int frame_setup(void **state)
{
    char message[256];
    struct frame *frame = calloc(1, sizeof(*frame));
    assert_non_null(frame);
    (void)snprintf(frame->dir, sizeof(frame->dir), "/tmp/foyer-app-XXXXXX");
    assert_non_null(mkdtemp(frame->dir));
    assert_int_equal(crypto_init(), ERR_OK);
    log_set_level(LOG_ERROR);
    assert_int_equal(config_load(0, NULL, &frame->config, message), ERR_OK);
    (void)snprintf(frame->config.data, sizeof(frame->config.data), "%s", frame->dir);
    (void)snprintf(frame->config.admin_key, sizeof(frame->config.admin_key), "%s", FRAME_ADMIN_KEY);
    frame->config.abuse = false; /* rate limits have tests of their own */
    frame_start(frame);
    *state = frame;
    return 0;
}

__attribute__((unused)) static int frame_teardown(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    struct frame *frame = *state;
    frame_stop(frame);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/platform.db%s", frame->dir, suffixes[i]);
        (void)unlink(path);
    }
    int status = rmdir(frame->dir);
    free(frame);
    return status;
}

#define frame_test(function) cmocka_unit_test_setup_teardown(function, frame_setup, frame_teardown)

#endif
