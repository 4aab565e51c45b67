/*
 * A real bank in a process of its own (this very test program, started as `sandbox`), a client for
 * it, and a merchant that takes its callbacks.
 */
#ifndef TESTS_SANDBOX_BANK_RIG_H
#define TESTS_SANDBOX_BANK_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"
#include "net/http_client.h"
#include "net/server.h"
#include "sandbox/sandbox.h"
#include "tickets/sandbox_child.h"
#include "tickets/signature.h"

#define RIG_PATIENCE_NS ((int64_t)30 * 1000000000)
#define RIG_TEXT_MAX    16384
#define RIG_TAKEN_MAX   256

/* Waits until the condition holds; fails when it never does. */
#define wait_for(condition)                                                                        \
    do {                                                                                           \
        int64_t wait_until_ = clock_mono_ns() + RIG_PATIENCE_NS;                                   \
        while (!(condition)) {                                                                     \
            if (clock_mono_ns() > wait_until_)                                                     \
                fail_msg("in vain: %s", #condition);                                               \
            (void)usleep(2000);                                                                    \
        }                                                                                          \
    } while (0)

/* --- HTTP, one call at a time --- */

struct rig_call {
    struct http_call call;
    sem_t done;
};

static inline void rig_call_done(struct http_call *call)
{
    struct rig_call *mine = container_of(call, struct rig_call, call);
    sem_post(&mine->done);
}

/* The status; 0: no answer. The body goes to ret_text (RIG_TEXT_MAX), which may be NULL. headers:
 * NULL ends. */
static inline int rig_http(struct http_client *client, const char *method, const char *url,
                           const char *const *headers, const char *body, char *ret_text)
{
    struct rig_call mine = {.call = {.method = method,
                                     .url = url,
                                     .body = str_from_c(body),
                                     .timeout_ms = 10000,
                                     .response_max = RIG_TEXT_MAX - 1,
                                     .on_done = rig_call_done}};
    for (size_t i = 0; headers && headers[i]; i++)
        mine.call.headers[i] = headers[i];
    sem_init(&mine.done, 0, 0);
    assert_int_equal(http_client_submit(client, &mine.call), ERR_OK);
    while (sem_wait(&mine.done) != 0)
        continue;
    sem_destroy(&mine.done);
    if (ret_text)
        snprintf(ret_text, RIG_TEXT_MAX, "%.*s", STR_ARG(buf_str(&mine.call.response)));
    int status = mine.call.err ? 0 : mine.call.status;
    http_call_release(&mine.call);
    return status;
}

/* --- The bank --- */

struct bank_rig {
    char dir[64];
    struct sandbox_child *child;
    struct http_client *client;
    char text[RIG_TEXT_MAX]; /* of the last answer */
};

static inline int bank(struct bank_rig *rig, const char *method, const char *path, const char *key,
                       const char *body)
{
    char url[512], bearer[256], key_line[256], clock_line[64];
    snprintf(url, sizeof(url), "%s%s", sandbox_child_url(rig->child), path);
    snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", sandbox_child_secret(rig->child));
    snprintf(key_line, sizeof(key_line), "Idempotency-Key: %s", key ? key : "");
    snprintf(clock_line, sizeof(clock_line), "Sandbox-Clock: %lld", (long long)clock_now_ms());
    const char *headers[] = {bearer, clock_line, key ? key_line : NULL, NULL};
    return rig_http(rig->client, method, url, headers, body, rig->text);
}

/* As a buyer or a script: at the session's URL, without the secret. */
static inline int buyer(struct bank_rig *rig, const char *method, const char *url, const char *path,
                        const char *body)
{
    char full[1024];
    snprintf(full, sizeof(full), "%s%s", url, path);
    return rig_http(rig->client, method, full, NULL, body, rig->text);
}

/* A text or number member of the last answer, as text. */
static inline void answer_member(struct bank_rig *rig, const char *name, char *ret_value,
                                 size_t size)
{
    struct arena arena;
    struct json_node *object;
    struct str message, text;
    int64_t number;
    arena_init(&arena, 1u << 20);
    assert_int_equal(json_parse(&arena, str_from_c(rig->text), &object, &message), ERR_OK);
    ret_value[0] = '\0';
    if (json_as_str(json_get(object, name), &text))
        snprintf(ret_value, size, "%.*s", STR_ARG(text));
    else if (json_as_i64(json_get(object, name), &number))
        snprintf(ret_value, size, "%lld", (long long)number);
    arena_release(&arena);
}

static inline bool answer_has(const struct bank_rig *rig, const char *text)
{
    return strstr(rig->text, text) != NULL;
}

static inline void bank_rig_start(struct bank_rig *rig)
{
    struct sandbox_child_options options = {.data_dir = rig->dir, .ca_file = ""};
    assert_int_equal(sandbox_child_start(&options, &rig->child), ERR_OK);
}

static inline void bank_rig_open(struct bank_rig *rig)
{
    struct http_client_options options = {.in_flight_max = 16, .queue_max = 64};
    snprintf(rig->dir, sizeof(rig->dir), "/tmp/foyer-bank-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    assert_int_equal(http_client_new(&options, &rig->client), ERR_OK);
    bank_rig_start(rig);
}

static inline void rig_remove(const char *dir)
{
    char path[512];
    DIR *entries = opendir(dir);
    struct dirent *entry;
    while (entries && (entry = readdir(entries))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (entry->d_type == DT_DIR)
            rig_remove(path);
        else
            (void)unlink(path);
    }
    if (entries)
        closedir(entries);
    (void)rmdir(dir);
}

static inline void bank_rig_close(struct bank_rig *rig)
{
    http_client_free(rig->client);
    sandbox_child_stop(rig->child);
    rig_remove(rig->dir);
}

/* The bank's process: our only child. */
static inline pid_t bank_pid(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    pid_t pid = 0;
    while (tasks && (entry = readdir(tasks)) && pid == 0) {
        char path[300];
        snprintf(path, sizeof(path), "/proc/self/task/%s/children", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        if (fscanf(file, "%d", &pid) != 1)
            pid = 0;
        fclose(file);
    }
    if (tasks)
        closedir(tasks);
    return pid;
}

/* --- The merchant --- */

struct taken {
    char body[2048];
    enum err verdict; /* of its signature */
    int status;       /* what we answered */
};

struct merchant {
    struct server *server;
    pthread_mutex_t lock;
    char secret[128];
    int refusals; /* so many callbacks are answered 500 first */
    size_t count;
    struct taken taken[RIG_TAKEN_MAX];
};

static inline void merchant_on_request(struct request *request, void *ctx)
{
    struct merchant *merchant = ctx;
    int64_t signed_at_ms;
    struct signature_check check = {.secrets = str_from_c(merchant->secret),
                                    .header = request_header(request, "sandbox-signature"),
                                    .body = request->body,
                                    .now_ms = clock_now_ms(),
                                    .tolerance_ms = 300000};
    pthread_mutex_lock(&merchant->lock);
    enum err verdict = signature_verify(&check, &signed_at_ms);
    int status = verdict ? 400 : merchant->refusals > 0 ? 500 : 200;
    if (status == 500)
        merchant->refusals--;
    if (merchant->count < RIG_TAKEN_MAX) {
        struct taken *taken = &merchant->taken[merchant->count++];
        snprintf(taken->body, sizeof(taken->body), "%.*s", STR_ARG(request->body));
        taken->verdict = verdict;
        taken->status = status;
    }
    pthread_mutex_unlock(&merchant->lock);
    request->res.status = status;
    request_reply(request);
}

static inline void merchant_open(struct merchant *merchant, const char *secret)
{
    char message[256];
    struct server_options options = {.listen = "127.0.0.1:0",
                                     .loops = 1,
                                     .connections_max = 64,
                                     .body_max = 65536,
                                     .request_timeout_ms = 10000,
                                     .send_timeout_ms = 10000,
                                     .on_request = merchant_on_request,
                                     .ctx = merchant};
    pthread_mutex_init(&merchant->lock, NULL);
    snprintf(merchant->secret, sizeof(merchant->secret), "%s", secret);
    assert_int_equal(server_new(&options, &merchant->server, message), ERR_OK);
    assert_int_equal(server_start(merchant->server), ERR_OK);
}

static inline void merchant_close(struct merchant *merchant)
{
    server_stop(merchant->server, 1000);
    server_free(merchant->server);
    pthread_mutex_destroy(&merchant->lock);
}

/* Callbacks that contain the text and were answered so; status 0: any. */
static inline size_t merchant_took(struct merchant *merchant, const char *text, int status)
{
    size_t count = 0;
    pthread_mutex_lock(&merchant->lock);
    for (size_t i = 0; i < merchant->count; i++)
        count += strstr(merchant->taken[i].body, text) &&
                 (status == 0 || merchant->taken[i].status == status);
    pthread_mutex_unlock(&merchant->lock);
    return count;
}

#endif
