/*
 * Fuzz target of Web Push subscriptions. Whatever comes: what is taken has a key that messages can be encrypted
 * for; of an endpoint that may be called, libcurl's reader and the system's agree that it is https, or http to
 * an address that is allowed, and the origin that is signed for is the beginning of it.
 *
 * Run: push_fuzz tests/fuzz/corpus/push
 */
#include "fuzz.h"

#include <curl/curl.h>

#include "chat/push.h"

static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

static bool is_allowed_address(const struct egress_rules *egress, const char *host)
{
    struct egress_address address;
    struct str text = str_from_c(host);
    if (text.len > 2 && text.data[0] == '[')
        text = str_sub(text, 1, text.len - 2);
    return egress_address_parse(text, &address) == ERR_OK && egress_is_allowed(egress, &address);
}

static void second_reader(const struct egress_rules *egress, struct str endpoint)
{
    char text[PUSH_ENDPOINT_MAX + 1];
    require(str_to_c(endpoint, text, sizeof(text)) == ERR_OK);
    CURLU *url = curl_url();
    /* What libcurl does not read is not called either, and another notation of an address is vetted when it
     * is (net/sender_easy.c). */
    if (url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
        char *scheme = part_of(url, CURLUPART_SCHEME), *host = part_of(url, CURLUPART_HOST);
        char *user = part_of(url, CURLUPART_USER);
        require(scheme && host && !user);
        require(strcmp(scheme, "https") == 0 || is_allowed_address(egress, host));
        curl_free(scheme);
        curl_free(host);
        curl_free(user);
    }
    curl_url_cleanup(url);
    struct str origin = web_push_origin(endpoint);
    require(origin.len > 0 && str_starts_with(endpoint, origin));
    for (size_t i = str_find(origin, ':', 0) + 3; i < origin.len; i++)
        require(!strchr("/?#@", origin.data[i]));
}

static void try_target(const struct push_target *target)
{
    struct web_push_seed seed;
    struct buf body;
    require(web_push_seed_make(&seed) == ERR_OK);
    buf_init(&body, WEB_PUSH_BODY_MAX);
    require(web_push_seal(&target->web, &seed, STR("x"), 0, &body) == ERR_OK);
    require(body.len == WEB_PUSH_HEAD_SIZE + 2 + AES128_TAG_SIZE);
    buf_release(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct egress_rules rules[2] = {0};
    struct push_target target;
    const char *problem = NULL;
    struct arena arena;
    if (size > PUSH_BYTES_MAX)
        return 0;
    require(egress_rules_parse(STR("127.0.0.0/8"), &rules[1]) == ERR_OK);
    arena_init(&arena, 1u << 20);
    enum err err = push_target_read(&arena, str_from((const char *)data, size), &target, &problem);
    require((err == ERR_INVALID) == (problem != NULL));
    if (!err)
        try_target(&target);
    for (size_t i = 0; !err && i < 2; i++)
        if (!push_refuses(&rules[i], target.web.endpoint))
            second_reader(&rules[i], target.web.endpoint);
    arena_release(&arena);
    return 0;
}
