/* The stage of webhook scenarios; see hooks_stage.h. */
#include "hooks_stage.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "seed.h"

#define ARGUMENTS_MAX  24
#define BODY_BYTES_MAX (2u << 20)
#define PAYLOAD_BYTES  500
#define ANSWER_CREATED 201

static enum err start_server(struct hooks_stage *stage)
{
    const char *arguments[ARGUMENTS_MAX] = {"--services=tickets,hooks",
                                            "--hooks-allow-cidr=127.0.0.0/8", "--abuse=off",
                                            "--log-level=error"};
    size_t count = 4;
    for (size_t i = 0; stage->arguments && stage->arguments[i] && count < ARGUMENTS_MAX - 1; i++)
        arguments[count++] = stage->arguments[i];
    return child_start(&stage->child, arguments);
}

static enum err create(struct hooks_stage *stage, const char *path, const char *body, char *ret_id)
{
    struct buf answer;
    int status = child_request(stage->child.port, "POST", path, str_from_c(body), &answer);
    enum err err = status == ANSWER_CREATED
                       ? seed_member(buf_str(&answer), "id", ret_id, HOOKS_ID_SIZE)
                       : ERR_IO;
    if (err)
        fprintf(stderr, "bench: POST %s: %d %.*s\n", path, status, STR_ARG(buf_str(&answer)));
    buf_release(&answer);
    return err;
}

static enum err create_endpoint(struct hooks_stage *stage, size_t i)
{
    char url[RECEIVER_URL_SIZE], path[128], body[512];
    struct hooks_endpoint *endpoint = &stage->endpoints[i];
    assert(stage->app_count > 0);
    endpoint->app = i % stage->app_count;
    receiver_url(&stage->receiver, i, url);
    snprintf(path, sizeof(path), "/api/v1/app/%s/endpoint", stage->apps[endpoint->app]);
    snprintf(body, sizeof(body), "{\"url\":\"%s\",\"filterTypes\":[\"e%zu\"]%s}", url, i,
             stage->endpoint_members ? stage->endpoint_members : "");
    return create(stage, path, body, endpoint->id);
}

static enum err create_all(struct hooks_stage *stage)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < stage->app_count; i++) {
        char body[64];
        snprintf(body, sizeof(body), "{\"name\":\"bench %zu\"}", i);
        err = create(stage, "/api/v1/app", body, stage->apps[i]);
    }
    for (size_t i = 0; !err && i < stage->endpoint_count; i++)
        err = create_endpoint(stage, i);
    return err;
}

enum err hooks_stage_open(struct hooks_stage *stage)
{
    stage->apps = calloc(stage->app_count, sizeof(*stage->apps));
    stage->endpoints = calloc(stage->endpoint_count, sizeof(*stage->endpoints));
    snprintf(stage->headers, sizeof(stage->headers), "Authorization: Bearer %s\r\n",
             BENCH_ADMIN_KEY);
    enum err err = stage->apps && stage->endpoints ? child_directory(&stage->child) : ERR_NOMEM;
    if (!err)
        err = receiver_start(&stage->receiver, stage->endpoint_count, stage->log_max);
    if (!err)
        err = start_server(stage);
    return err ? err : create_all(stage);
}

bool hooks_stage_close(struct hooks_stage *stage)
{
    enum err err = child_stop(&stage->child);
    receiver_stop(&stage->receiver);
    child_remove(&stage->child);
    free(stage->apps);
    free(stage->endpoints);
    stage->apps = NULL;
    stage->endpoints = NULL;
    return err == ERR_OK;
}

void hooks_message_init(struct hooks_message *message)
{
    buf_init(&message->body, BODY_BYTES_MAX);
}

void hooks_message_release(struct hooks_message *message)
{
    buf_release(&message->body);
}

void hooks_message_fill(struct hooks_message *message, const struct hooks_stage *stage,
                        size_t endpoint, uint64_t seq, int64_t intended_ns,
                        struct load_request *ret_request)
{
    struct buf *body = &message->body;
    snprintf(message->path, sizeof(message->path), "/api/v1/app/%s/msg",
             stage->apps[stage->endpoints[endpoint].app]);
    buf_clear(body);
    buf_printf(body, "{\"eventType\":\"e%zu\",\"payload\":", endpoint);
    receiver_payload(body, seq, intended_ns, PAYLOAD_BYTES);
    buf_append_char(body, '}');
    *ret_request = (struct load_request){.method = "POST",
                                         .path = str_from_c(message->path),
                                         .headers = str_from_c(stage->headers),
                                         .body = buf_str(body)};
}

int64_t hooks_number(struct str json, const char *name)
{
    char key[64];
    int len = snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = json.len ? memmem(json.data, json.len, key, (size_t)len) : NULL;
    if (!at)
        return -1;
    int64_t value = 0;
    const char *end = json.data + json.len;
    for (at += len; at < end && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (*at - '0');
    return value;
}
