/* Subscriptions, as browsers give them (PushSubscription.toJSON()) and users send them: see push.h. */
#include "base/crypto.h"
#include "base/json.h"
#include "chat/push.h"

static bool read_key(const struct json_node *keys, const char *name, uint8_t *ret_key, size_t size)
{
    struct str text;
    size_t len = 0;
    if (!json_as_str(json_get(keys, name), &text))
        return false;
    while (text.len > 0 && text.data[text.len - 1] == '=') /* some put padding behind it */
        text.len--;
    return base64url_decode(text, ret_key, size, &len) == ERR_OK && len == size;
}

/* False: it is there and no bool. */
static bool read_flag(const struct json_node *object, const char *name, bool *flag)
{
    const struct json_node *node = json_get(object, name);
    return json_is_null_node(node) || !node || json_as_bool(node, flag);
}

static const char *read_members(const struct json_node *root, struct push_target *target)
{
    const struct json_node *keys = json_get(root, "keys");
    struct web_push_target *web = &target->web;
    if (web->endpoint.len > PUSH_ENDPOINT_MAX)
        return "has an endpoint that is too long";
    if (!read_key(keys, "p256dh", web->public_key, sizeof(web->public_key)) ||
        !p256_is_public(web->public_key))
        return "needs keys.p256dh, a point of P-256 in base64url";
    if (!read_key(keys, "auth", web->auth, sizeof(web->auth)))
        return "needs keys.auth, 16 bytes in base64url";
    if (!read_flag(root, "text", &target->shows_text) ||
        !read_flag(root, "clear", &target->can_clear))
        return "has text and clear, if at all, as true or false";
    return NULL;
}

enum err push_target_read(struct arena *arena, struct str push, struct push_target *ret_target,
                          const char **ret_problem)
{
    struct json_node *root = NULL;
    struct str message;
    *ret_target = (struct push_target){.shows_text = true};
    *ret_problem = NULL;
    enum err err = json_parse(arena, push, &root, &message);
    if (err == ERR_INVALID)
        *ret_problem = "is not a JSON object that makes sense";
    if (err)
        return err;
    const struct json_node *endpoint = json_get(root, "endpoint");
    if (!endpoint || json_is_null_node(endpoint))
        return ERR_NOT_FOUND;
    if (!json_as_str(endpoint, &ret_target->web.endpoint))
        *ret_problem = "has an endpoint that is no URL";
    else
        *ret_problem = read_members(root, ret_target);
    return *ret_problem ? ERR_INVALID : ERR_OK;
}

/* ---- endpoints ---- */

/* Host of "host:port/path": a name, or an address without brackets. "" when it is none. */
static struct str host_of(struct str rest)
{
    size_t end = 0;
    while (end < rest.len && !strchr("/?#", rest.data[end]))
        end++;
    struct str authority = str_sub(rest, 0, end);
    if (str_find(authority, '@', 0) < authority.len)
        return STR("");
    if (authority.len > 0 && authority.data[0] == '[')
        return str_sub(authority, 1, str_find(authority, ']', 0) - 1);
    return str_sub(authority, 0, str_find(authority, ':', 0));
}

const char *push_refuses(const struct egress_rules *egress, struct str endpoint)
{
    static const struct egress_rules public_only;
    struct egress_address address;
    bool is_https = str_starts_with(endpoint, STR("https://"));
    bool is_http = str_starts_with(endpoint, STR("http://"));
    for (size_t i = 0; i < endpoint.len; i++) {
        char c = endpoint.data[i];
        if (c <= ' ' || c >= 0x7f || c == '\\' || c == '#')
            return "has an endpoint that is no URL";
    }
    struct str host =
        is_https || is_http ? host_of(str_sub(endpoint, is_https ? 8 : 7, endpoint.len)) : STR("");
    if (host.len == 0)
        return "has an endpoint that is no https URL";
    if (web_push_origin(endpoint).len > PUSH_ORIGIN_BYTES)
        return "has an endpoint whose host is too long";
    bool is_literal = egress_address_parse(host, &address) == ERR_OK;
    if (is_literal && !egress_is_allowed(egress, &address))
        return "has an endpoint at an address that is not called";
    if (is_http && (!is_literal || egress_is_allowed(&public_only, &address)))
        return "has an endpoint that is no https URL";
    return NULL;
}
