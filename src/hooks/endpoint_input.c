/*
 * See endpoint_input.h.
 *
 * Headers that Foyer sends itself, and those that say where a request ends or goes, are not a caller's
 * to set. A URL is checked for its form only: where it leads is looked at when something is sent there.
 */
#include "hooks/endpoint_input.h"

#include "hooks/match.h"

#define AT(member)  .offset = offsetof(struct endpoint_body, member)
#define HAS(member) .has_offset = offsetof(struct endpoint_body, member)

static const char *const formats[] = {[SIGNATURE_BOTH] = "both",
                                      [SIGNATURE_STANDARD] = "standard",
                                      [SIGNATURE_TIMESTAMPED] = "timestamped",
                                      NULL};

/* The rest of both tables. */
#define OPTIONAL_FIELDS                                                                            \
    {.name = "uid",                                                                                \
     .kind = JSON_STR,                                                                             \
     AT(uid),                                                                                      \
     HAS(has_uid),                                                                                 \
     .min = 1,                                                                                     \
     .max = UID_BYTES_MAX,                                                                         \
     .doc = "your own name for it; may stand wherever its id may"},                                \
        {.name = "description",                                                                    \
         .kind = JSON_STR,                                                                         \
         AT(description),                                                                          \
         HAS(has_description),                                                                     \
         .max = DESCRIPTION_BYTES_MAX},                                                            \
        {.name = "disabled", .kind = JSON_BOOL, AT(is_disabled), HAS(has_disabled)},               \
        {.name = "eventTypes",                                                                     \
         .kind = JSON_STR_LIST,                                                                    \
         AT(event_types),                                                                          \
         HAS(has_event_types),                                                                     \
         .min = 0,                                                                                 \
         .max = EVENT_TYPES_MAX,                                                                   \
         .doc = "exact names, invoice.* or *; none: all"},                                         \
        {.name = "filterTypes",                                                                    \
         .kind = JSON_STR_LIST,                                                                    \
         AT(filter_types),                                                                         \
         HAS(has_filter_types),                                                                    \
         .min = 0,                                                                                 \
         .max = EVENT_TYPES_MAX,                                                                   \
         .doc = "an older name of eventTypes"},                                                    \
        {.name = "channels",                                                                       \
         .kind = JSON_STR_LIST,                                                                    \
         AT(channels),                                                                             \
         HAS(has_channels),                                                                        \
         .min = 0,                                                                                 \
         .max = CHANNELS_MAX,                                                                      \
         .doc = "only messages of one of these; none: all"},                                       \
        {.name = "secret",                                                                         \
         .kind = JSON_STR,                                                                         \
         AT(secret),                                                                               \
         HAS(has_secret),                                                                          \
         .max = 128,                                                                               \
         .doc = "whsec_ and base64 of 24 to 64 bytes, or whsk_ and base64 of an Ed25519 key; "     \
                "made when absent"},                                                               \
        {.name = "metadata", .kind = JSON_OBJECT, AT(metadata), .doc = "texts by name"},           \
        {.name = "headers", .kind = JSON_OBJECT, AT(headers), .doc = "sent with every delivery"},  \
        {.name = "throttleRate",                                                                   \
         .kind = JSON_I64,                                                                         \
         AT(throttle_rate),                                                                        \
         HAS(has_throttle),                                                                        \
         .min = 1,                                                                                 \
         .max = THROTTLE_RATE_MAX,                                                                 \
         .doc = "deliveries a second"},                                                            \
        {.name = "rateLimit",                                                                      \
         .kind = JSON_I64,                                                                         \
         AT(rate_limit),                                                                           \
         HAS(has_rate),                                                                            \
         .min = 1,                                                                                 \
         .max = THROTTLE_RATE_MAX,                                                                 \
         .doc = "an older name of throttleRate"},                                                  \
        {.name = "retrySchedule",                                                                  \
         .kind = JSON_ARRAY,                                                                       \
         AT(retry_schedule),                                                                       \
         .min = 1,                                                                                 \
         .max = ATTEMPTS_MAX,                                                                      \
         .doc = "seconds before each attempt, together at most a day"},                            \
        {.name = "signatureFormat",                                                                \
         .kind = JSON_STR,                                                                         \
         AT(signature_format),                                                                     \
         HAS(has_format),                                                                          \
         .one_of = formats},                                                                       \
        {.name = "signatureAlgorithm",                                                             \
         .kind = JSON_STR,                                                                         \
         AT(algorithm),                                                                            \
         HAS(has_algorithm),                                                                       \
         .one_of = secret_kind_names,                                                              \
         .doc = "of the secret that is made; hmac when absent"},                                   \
    {                                                                                              \
        0                                                                                          \
    }

const struct json_field endpoint_fields[] = {{.name = "url",
                                              .kind = JSON_STR,
                                              AT(url),
                                              HAS(has_url),
                                              .is_required = true,
                                              .min = 1,
                                              .max = URL_BYTES_MAX},
                                             OPTIONAL_FIELDS};
const struct json_field endpoint_patch_fields[] = {
    {.name = "url", .kind = JSON_STR, AT(url), HAS(has_url), .min = 1, .max = URL_BYTES_MAX},
    OPTIONAL_FIELDS};
#undef AT
#undef HAS

/* ---- URLs ---- */

static bool is_url(struct str url)
{
    struct str rest;
    for (size_t i = 0; i < url.len; i++) {
        if (url.data[i] <= ' ' || url.data[i] >= 0x7f || url.data[i] == '\\')
            return false;
    }
    if (str_eq_ci(str_sub(url, 0, 7), STR("http://")))
        rest = str_sub(url, 7, url.len);
    else if (str_eq_ci(str_sub(url, 0, 8), STR("https://")))
        rest = str_sub(url, 8, url.len);
    else
        return false;
    size_t end = 0;
    while (end < rest.len && !strchr("/?#", rest.data[end]))
        end++;
    struct str authority = str_sub(rest, 0, end);
    return authority.len > 0 && authority.data[0] != ':' &&
           str_find(authority, '@', 0) == authority.len && str_find(rest, '#', 0) == rest.len;
}

static bool check_url(struct call *call, struct str url)
{
    if (is_url(url))
        return true;
    problem_field(call, "url", "must be http:// or https:// and a host, without user or fragment");
    return false;
}

/* ---- headers ---- */

static bool is_header_name(struct str name)
{
    if (name.len == 0 || name.len > HEADER_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return true;
}

static bool is_reserved_header(struct str name)
{
    static const char *const names[] = {
        "host",       "content-length",   "content-type",    "transfer-encoding", "connection",
        "te",         "trailer",          "upgrade",         "keep-alive",        "expect",
        "user-agent", "proxy-connection", "content-encoding"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq_ci(name, str_from_c(names[i])))
            return true;
    }
    return str_eq_ci(str_sub(name, 0, 8), STR("webhook-")) ||
           str_eq_ci(str_sub(name, 0, 5), STR("svix-")) ||
           str_eq_ci(str_sub(name, 0, 6), STR("foyer-"));
}

static bool is_header_value(struct str value)
{
    return value.len <= HEADER_VALUE_BYTES_MAX && str_is_printable(value);
}

bool endpoint_headers_read(struct call *call, const struct json_node *object, struct str *ret_json)
{
    void *position = NULL;
    struct str name, value;
    struct json_node *node;
    const char *message = NULL;
    while (object && !message && json_each(object, &position, &name, &node)) {
        if (!is_header_name(name))
            message = "has a name that is no header's";
        else if (is_reserved_header(name))
            message = "has a header that is not yours to set";
        else if (!json_as_str(node, &value) || !is_header_value(value))
            message = "must have printable texts only";
    }
    if (message) {
        problem_field(call, "headers", message);
        return false;
    }
    return hooks_texts(call, "headers", object, ENDPOINT_HEADERS_MAX, METADATA_BYTES_MAX, ret_json);
}

/* ---- the rest ---- */

static bool check_event_types(struct call *call, const char *field, const struct json_strs *names)
{
    for (size_t i = 0; i < names->count; i++) {
        if (match_is_pattern(names->items[i]))
            continue;
        problem_field(call, field, "must be names of letters, digits, - _ ., or end with .*");
        return false;
    }
    return true;
}

static bool check_channels(struct call *call, const struct json_strs *names)
{
    for (size_t i = 0; i < names->count; i++) {
        if (hooks_is_name(names->items[i]))
            continue;
        problem_field(call, "channels", "must be names of letters, digits, - _ .");
        return false;
    }
    return true;
}

static bool read_schedule(struct call *call, const struct json_node *list, struct endpoint *rules)
{
    int64_t total_ms = 0;
    for (size_t i = 0; i < json_count(list); i++) {
        int64_t seconds = 0;
        if (!json_as_i64(json_at(list, i), &seconds) || seconds < 0 ||
            seconds > SCHEDULE_MS_MAX / 1000) {
            problem_field(call, "retrySchedule", "must be whole seconds from 0 to 86400");
            return false;
        }
        rules->delays_ms[rules->delay_count++] = seconds * 1000;
        total_ms += seconds * 1000;
    }
    if (total_ms <= SCHEDULE_MS_MAX)
        return true;
    problem_field(call, "retrySchedule", "must be done within a day");
    return false;
}

static enum signature_format format_of(struct str name)
{
    for (size_t i = 0; formats[i]; i++) {
        if (str_eq(name, str_from_c(formats[i])))
            return (enum signature_format)i;
    }
    return SIGNATURE_BOTH;
}

static bool read_rules(struct call *call, struct endpoint_form *form)
{
    const struct endpoint_body *body = &form->body;
    const struct json_strs *types =
        body->has_event_types ? &body->event_types : &body->filter_types;
    if (!check_event_types(call, body->has_event_types ? "eventTypes" : "filterTypes", types) ||
        !check_channels(call, &body->channels) ||
        !read_schedule(call, body->retry_schedule, &form->rules))
        return false;
    form->rules.event_types = hooks_lines(call_arena(call), types);
    form->rules.channels = hooks_lines(call_arena(call), &body->channels);
    form->rules.signature_format = format_of(body->signature_format);
    form->rules.throttle_rate = body->has_throttle ? body->throttle_rate : body->rate_limit;
    return true;
}

enum secret_kind endpoint_algorithm_of(struct str name)
{
    return str_eq(name, str_from_c(secret_kind_names[SECRET_ED25519])) ? SECRET_ED25519
                                                                       : SECRET_HMAC;
}

static bool read_secret(struct call *call, struct endpoint_form *form)
{
    const struct endpoint_body *body = &form->body;
    if (!body->has_secret)
        return true;
    if (endpoint_secret_parse(call_arena(call), body->secret, &form->secret) != ERR_OK) {
        problem_field(call, "secret", SECRET_RULE);
        return false;
    }
    if (!body->has_algorithm ||
        endpoint_algorithm_of(body->algorithm) == secret_kind_of(form->secret))
        return true;
    problem_field(call, "signatureAlgorithm", "is another than the secret's");
    return false;
}

enum err endpoint_form_read(struct call *call, struct endpoint_form **ret_form)
{
    struct endpoint_form *form = ARENA_NEW(call_arena(call), struct endpoint_form);
    if (!form)
        return ERR_NOMEM;
    struct endpoint_body *body = &form->body;
    *ret_form = form;
    if (call->route->method == HTTP_PATCH && !hooks_parse_body(call, &form->tree))
        return ERR_OK;
    if (!call_decode(call, body) || (body->has_url && !check_url(call, body->url)) ||
        (body->has_uid && !hooks_check_uid(call, body->uid)) ||
        !hooks_check_printable(call, "description", body->description))
        return ERR_OK;
    if (read_rules(call, form) && read_secret(call, form) &&
        endpoint_headers_read(call, body->headers, &form->headers))
        (void)hooks_texts(call, "metadata", body->metadata, METADATA_KEYS_MAX, METADATA_BYTES_MAX,
                          &form->metadata); /* false has answered */
    return ERR_OK;
}

static void set_disabled(struct endpoint *endpoint, bool is_disabled)
{
    if (!is_disabled) {
        endpoint->disabled_by = DISABLED_NOT;
        endpoint->failing_since_ms = 0;
    } else if (endpoint->disabled_by == DISABLED_NOT) {
        endpoint->disabled_by = DISABLED_BY_CALLER;
    }
}

static void copy_schedule(const struct endpoint *rules, struct endpoint *endpoint)
{
    memcpy(endpoint->delays_ms, rules->delays_ms, sizeof(rules->delays_ms));
    endpoint->delay_count = rules->delay_count;
}

static void apply_patch(const struct endpoint_form *form, struct endpoint *endpoint)
{
    const struct endpoint_body *body = &form->body;
    const struct json_node *tree = form->tree;
    if (body->has_url)
        endpoint->url = body->url;
    if (body->has_uid || hooks_is_null(tree, "uid"))
        endpoint->uid = body->has_uid ? body->uid : STR_NONE;
    if (body->has_description)
        endpoint->description = body->description;
    if (body->has_disabled)
        set_disabled(endpoint, body->is_disabled);
    if (body->has_event_types || body->has_filter_types || hooks_is_null(tree, "eventTypes") ||
        hooks_is_null(tree, "filterTypes"))
        endpoint->event_types = form->rules.event_types;
    if (body->has_channels || hooks_is_null(tree, "channels"))
        endpoint->channels = form->rules.channels;
    if (body->metadata)
        endpoint->metadata = form->metadata;
    if (body->has_throttle || body->has_rate || hooks_is_null(tree, "throttleRate") ||
        hooks_is_null(tree, "rateLimit"))
        endpoint->throttle_rate = form->rules.throttle_rate;
    if (body->retry_schedule || hooks_is_null(tree, "retrySchedule"))
        copy_schedule(&form->rules, endpoint);
    if (body->has_format)
        endpoint->signature_format = form->rules.signature_format;
}

void endpoint_form_apply(const struct call *call, const struct endpoint_form *form,
                         struct endpoint *endpoint)
{
    const struct endpoint_body *body = &form->body;
    if (call->route->method == HTTP_PATCH) {
        apply_patch(form, endpoint);
        return;
    }
    endpoint->url = body->url;
    endpoint->uid = body->has_uid ? body->uid : endpoint->uid; /* not spoken of: it stays */
    endpoint->description = body->description;
    set_disabled(endpoint, body->is_disabled);
    endpoint->event_types = form->rules.event_types;
    endpoint->channels = form->rules.channels;
    endpoint->metadata = form->metadata;
    endpoint->throttle_rate = form->rules.throttle_rate;
    endpoint->signature_format = form->rules.signature_format;
    copy_schedule(&form->rules, endpoint);
}

bool endpoint_check_signing(struct call *call, const struct endpoint *endpoint, const char *field)
{
    if (endpoint->secret_kind != SECRET_ED25519 ||
        endpoint->signature_format != SIGNATURE_TIMESTAMPED)
        return true;
    problem_field(call, field, "does not go together: only the standard form has Ed25519");
    return false;
}

enum err endpoint_form_secret(struct call *call, const struct endpoint_form *form, bool is_new,
                              struct endpoint *endpoint, struct str *ret_secret)
{
    const struct endpoint_body *body = &form->body;
    enum secret_kind kind =
        body->has_algorithm ? endpoint_algorithm_of(body->algorithm) : endpoint->secret_kind;
    *ret_secret = form->secret;
    if (!form->secret.data && (is_new || kind != endpoint->secret_kind)) {
        *ret_secret = endpoint_secret_make(call_arena(call), kind);
        if (!ret_secret->data)
            return ERR_NOMEM;
    }
    if (ret_secret->data)
        endpoint->secret_kind = secret_kind_of(*ret_secret);
    return endpoint_check_signing(call, endpoint, "signatureFormat") ? ERR_OK : ERR_INVALID;
}
