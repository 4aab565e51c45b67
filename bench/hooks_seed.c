/* See hooks_seed.h. */
#include "hooks_seed.h"

#include <stdio.h>

#include "seed.h"

#define SECRET "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

enum err hooks_seed_dir(struct hooks_seed *seed)
{
    return child_directory(&seed->child);
}

static enum err make(struct hooks_seed *seed, const char *path, const char *body, char *ret_id,
                     size_t size)
{
    struct buf answer;
    int status = child_request(seed->child.port, "POST", path, str_from_c(body), &answer);
    enum err err = status == 201 ? seed_member(buf_str(&answer), "id", ret_id, size) : ERR_IO;
    if (err)
        fprintf(stderr, "%s: %d %.*s\n", path, status, STR_ARG(buf_str(&answer)));
    buf_release(&answer);
    return err;
}

static enum err make_app(struct hooks_seed *seed, unsigned number)
{
    char path[96], url[160], body[512];
    snprintf(body, sizeof(body), "{\"name\":\"Customer %u\"}", number);
    enum err err = make(seed, "/api/v1/app", body, seed->apps[number], sizeof(seed->apps[0]));
    if (err)
        return err;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(url, sizeof(url), seed->url, number);
#pragma GCC diagnostic pop
    snprintf(path, sizeof(path), "/api/v1/app/%s/endpoint", seed->apps[number]);
    snprintf(body, sizeof(body),
             "{\"url\":\"%s\",\"secret\":\"" SECRET "\",\"eventTypes\":[\"invoice.*\"]}", url);
    return make(seed, path, body, seed->endpoints[number], sizeof(seed->endpoints[0]));
}

enum err hooks_seed_open(struct hooks_seed *seed)
{
    const char *arguments[] = {"--services=hooks", "--hooks-allow-cidr=127.0.0.0/8", "--abuse=off",
                               "--log-level=warn", NULL};
    enum err err = child_start(&seed->child, arguments);
    for (unsigned i = 0; !err && i < seed->app_count; i++)
        err = make_app(seed, i);
    return err;
}

bool hooks_seed_close(struct hooks_seed *seed)
{
    bool is_stopped = child_stop(&seed->child) == ERR_OK;
    if (!is_stopped)
        fprintf(stderr, "the server did not stop well\n");
    hooks_seed_drop(seed);
    return is_stopped;
}

void hooks_seed_drop(struct hooks_seed *seed)
{
    child_kill(&seed->child);
    child_remove(&seed->child);
}

enum err hooks_seed_patch(struct hooks_seed *seed, const char *body)
{
    enum err err = ERR_OK;
    for (unsigned i = 0; !err && i < seed->app_count; i++) {
        char path[96];
        struct buf answer;
        snprintf(path, sizeof(path), "/api/v1/app/%s", seed->apps[i]);
        int status = child_request(seed->child.port, "PATCH", path, str_from_c(body), &answer);
        if (status != 200)
            fprintf(stderr, "%s: %d %.*s\n", path, status, STR_ARG(buf_str(&answer)));
        buf_release(&answer);
        err = status == 200 ? ERR_OK : ERR_IO;
    }
    return err;
}

struct str hooks_seed_payload(void)
{
    static char payload[HOOKS_PAYLOAD_BYTES + 1];
    if (payload[0])
        return str_from(payload, HOOKS_PAYLOAD_BYTES);
    int len =
        snprintf(payload, sizeof(payload),
                 "{\"id\":\"in_1Q2w3E4r5T6y7U8i9O0p\",\"object\":\"invoice\",\"amount\":12050,"
                 "\"currency\":\"eur\",\"paid\":true,\"customer\":{\"name\":\"Ada Example\","
                 "\"email\":\"ada@example.com\",\"address\":null},\"lines\":[");
    for (unsigned line = 0; len < HOOKS_PAYLOAD_BYTES - 80; line++)
        len += snprintf(payload + len, sizeof(payload) - (size_t)len,
                        "%s{\"id\":%u,\"amount\":%u.50,\"text\":\"position %u\"}", line ? "," : "",
                        line, 100 + line, line);
    len += snprintf(payload + len, sizeof(payload) - (size_t)len, "],\"note\":\"");
    memset(payload + len, 'n', HOOKS_PAYLOAD_BYTES - (size_t)len - 2);
    memcpy(payload + HOOKS_PAYLOAD_BYTES - 2, "\"}", 2);
    return str_from(payload, HOOKS_PAYLOAD_BYTES);
}

void hooks_seed_message(struct hooks_seed *seed, bool has_key, struct str payload,
                        struct load_request *ret_request)
{
    uint64_t number = seed->next++;
    int path_len = snprintf(seed->path, sizeof(seed->path), "/api/v1/app/%s/msg",
                            seed->apps[number % seed->app_count]);
    int headers_len = snprintf(seed->headers, sizeof(seed->headers),
                               "Authorization: Bearer " BENCH_ADMIN_KEY "\r\n");
    if (has_key)
        headers_len +=
            snprintf(seed->headers + headers_len, sizeof(seed->headers) - (size_t)headers_len,
                     "Idempotency-Key: auto_%016llx-bench\r\n",
                     (unsigned long long)number * 0x9e3779b97f4a7c15);
    int body_len = snprintf(seed->body, sizeof(seed->body),
                            "{\"eventType\":\"invoice.paid\",\"payload\":%.*s}", STR_ARG(payload));
    *ret_request = (struct load_request){.method = "POST",
                                         .path = str_from(seed->path, (size_t)path_len),
                                         .headers = str_from(seed->headers, (size_t)headers_len),
                                         .body = str_from(seed->body, (size_t)body_len)};
}
