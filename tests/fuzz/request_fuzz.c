/*
 * Fuzz target of whole requests, through dispatch and the real handlers, on a real database: path
 * and query parameters, cursors, times, headers, bodies, each route's own rules. The routes are the
 * application's, so a new one is fuzzed as it comes. Lines of the input:
 *
 *     caller METHOD /pattern          of callers and the route tables
 *     a value for {id}; "*" for one that is there; of several parameters one each, with a space between
 *     the query
 *     Name: value                     headers, up to an empty line
 *     the body
 *
 * Another first line is a path as it is. Whatever comes: an answer of a status that is none of ours
 * to be sorry for, JSON that jansson reads, headers of one line; nobody gets an answer where a
 * caller is needed, and no caller without a scope of the route's. Webhooks are taken and never sent:
 * their dispatcher does not run.
 *
 * Run: request_fuzz tests/fuzz/corpus/request
 */
#include "fuzz.h"
#include "witness.h"

#include "served.h"

#include "app/app_internal.h"
#include "base/ids.h"
#include "base/json_slice.h"
#include "chat/service.h"
#include "hooks/attempt_store.h"
#include "hooks/hooks.h"

#define INPUT_MAX   ((size_t)16 << 10)
#define HEADERS_MAX 16

static char portal_key[128]; /* opens hooked.app alone */

static const struct {
    const char *name, *key;
    unsigned scopes;
} callers[] = {
    {"nobody", NULL, 0},
    {"organizer", ORGANIZER_KEY, SCOPE_ORGANIZER | SCOPE_CHECK_IN},
    {"door", DOOR_KEY, SCOPE_CHECK_IN},
    {"buyer", BUYER_KEY, 0},
    {"other", OTHER_KEY, SCOPE_ORGANIZER | SCOPE_CHECK_IN},
    {"support", SUPPORT_KEY, SCOPE_SUPPORT},
    {"admin", FRAME_ADMIN_KEY, SCOPE_ADMIN},
    {"portal", portal_key, SCOPE_PORTAL},
};
#define CALLERS (sizeof(callers) / sizeof(callers[0]))

static struct served *served;
static char booking_id[ID_TEXT_SIZE], ticket_id[ID_TEXT_SIZE];
static struct hooks *hooks;
static struct {
    char app[ID_TEXT_SIZE], endpoint[ID_TEXT_SIZE], message[ID_TEXT_SIZE], attempt[ID_TEXT_SIZE];
    char replay[ID_TEXT_SIZE], dead[ID_TEXT_SIZE];
} hooked;

static struct chat_service *chat;
static struct {
    char chat[ID_TEXT_SIZE], message[ID_TEXT_SIZE + 16], device[ID_TEXT_SIZE];
} chatted;

static void stop(void)
{
    void *state = served;
    hooks_stop(hooks);
    chat_service_stop(chat);
    (void)served_teardown(&state);
    hooks_free(hooks);
    chat_service_free(chat);
}

static void add_services(struct served *with, struct app_options *options)
{
    require(chat_service_new(&with->frame.config, &chat) == ERR_OK);
    options->services[options->service_count] = chat_service_of(chat);
    options->database_paths[options->service_count++] = chat_database_path(chat);
    require(hooks_new(&with->frame.config, &hooks) == ERR_OK);
    options->services[options->service_count] = hooks_service(hooks);
    options->database_paths[options->service_count++] = hooks_database_path(hooks);
}

/* Asks as the organizer; what is made answers with that member. */
static void make(enum http_method method, const char *path, const char *body, const char *member,
                 char *ret_text, size_t size)
{
    static struct answer answer;
    struct ask ask = {.method = method, .path = path, .token = ORGANIZER_KEY, .body = body};
    frame_ask(&served->frame, &ask, &answer);
    require(answer.status < 300 && answer_text(&answer, NULL, member, ret_text, size));
}

static enum err attempt_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct attempt attempt = {.id = id_next(tx->ids),
                              .at_ms = tx->now_ms,
                              .status = ATTEMPT_FAIL,
                              .code = 500,
                              .url = STR("http://203.0.113.1/"),
                              .error_class = STR("status"),
                              .error_text = STR(""),
                              .response = STR("\xff no"),
                              .response_headers = STR("{\"a\":\"b\"}")};
    (void)job;
    struct str endpoint = str_from_c(hooked.endpoint), message = str_from_c(hooked.message);
    require(id_parse2(endpoint, "ep", &attempt.app_id, &attempt.endpoint_id) == ERR_OK);
    require(id_parse2(message, "msg", &attempt.app_id, &attempt.message_id) == ERR_OK);
    (void)id_format2(hooked.attempt, "atmpt", attempt.app_id, attempt.id);
    (void)id_format2(hooked.dead, "dl", attempt.message_id, attempt.endpoint_id);
    return attempt_store_add(tx->db, &attempt);
}

/* An application with an endpoint, a message and an attempt; again when somebody has deleted them. */
static void make_hooked(void)
{
    char path[256];
    struct writer_job job = {.apply = attempt_apply};
    make(HTTP_POST, "/api/v1/app", "{\"name\":\"known\"}", "id", hooked.app, sizeof(hooked.app));
    (void)snprintf(path, sizeof(path), "/api/v1/app/%s/endpoint", hooked.app);
    make(HTTP_POST, path, "{\"url\":\"http://203.0.113.1/\"}", "id", hooked.endpoint,
         sizeof(hooked.endpoint));
    (void)snprintf(path, sizeof(path), "/api/v1/app/%s/msg", hooked.app);
    make(HTTP_POST, path, "{\"eventType\":\"a.b\",\"payload\":{\"n\":1.0}}", "id", hooked.message,
         sizeof(hooked.message));
    (void)snprintf(path, sizeof(path), "/api/v1/app/%s/replay", hooked.app);
    make(HTTP_POST, path, "{\"dead_only\":false}", "id", hooked.replay, sizeof(hooked.replay));
    (void)snprintf(path, sizeof(path), "/api/v1/auth/app-portal-access/%s", hooked.app);
    make(HTTP_POST, path, "{}", "token", portal_key, sizeof(portal_key));
    make(HTTP_PUT, "/api/v1/event-type/a.b", "{\"description\":\"d\"}", "name", path, sizeof(path));
    require(writer_run(hooks->writer, &job) == ERR_OK);
}

/* Makes it as the organizer, unless so many are there that it is refused. */
static void make_more(const char *path, const char *body, char *ret_id, size_t size)
{
    static struct answer answer;
    struct ask ask = {.method = HTTP_POST, .path = path, .token = ORGANIZER_KEY, .body = body};
    frame_ask(&served->frame, &ask, &answer);
    if (answer.status < 300)
        require(answer_text(&answer, NULL, "id", ret_id, size));
}

/* A group with a message, and a device; again when somebody has deleted them. */
static void make_chatted(void)
{
    char path[256];
    make_more("/v1/chats", "{\"type\":\"group\",\"title\":\"known\"}", chatted.chat,
              sizeof(chatted.chat));
    (void)snprintf(path, sizeof(path), "/v1/chats/%s/messages", chatted.chat);
    make_more(path, "{\"client_id\":\"known\",\"body\":\"known\"}", chatted.message,
              sizeof(chatted.message));
    make_more("/v1/devices", "{\"name\":\"known\",\"platform\":\"web\"}", chatted.device,
              sizeof(chatted.device));
    require(chatted.chat[0] && chatted.message[0] && chatted.device[0]);
}

static void start(void)
{
    void *state = NULL;
    if (served)
        return;
    require(served_setup_more(&state, add_services) == 0);
    served = state;
    hooks->app = served->frame.app;
    struct booking booking = served_buy(served, 2, 0, 0);
    struct served_tickets tickets = served_tickets(served, &booking);
    (void)id_format2(booking_id, "bkg", FIXTURE_EVENT, booking.id);
    (void)id_format2(ticket_id, "tkt", FIXTURE_EVENT, tickets.items[0].id);
    make_hooked();
    make_chatted();
    require(atexit(stop) == 0);
}

/* ---- the request ---- */

struct target {
    size_t caller;
    const struct route *route; /* NULL: the path is as it came */
    struct str path;
};

static const struct route *route_of(struct str method, struct str pattern)
{
    const struct app *app = served->frame.app;
    for (size_t i = 0; i < app->bound_count; i++) {
        const struct route *route = app->bound[i].route;
        if (str_eq(pattern, str_from_c(route->pattern)) &&
            str_eq(method, str_from_c(http_method_name(route->method))))
            return route;
    }
    return NULL;
}

/* name: of the parameter, with its braces. */
static const char *known_id(struct str pattern, struct str name)
{
    const struct {
        const char *name, *id;
    } names[] = {{"{app}", hooked.app},
                 {"{ep}", hooked.endpoint},
                 {"{msg}", hooked.message},
                 {"{attempt}", hooked.attempt},
                 {"{name}", "a.b"}};
    if (str_starts_with(pattern, STR("/api/")) && str_eq(name, STR("{id}")))
        return str_ends_with(pattern, STR("/replay/{id}")) ? hooked.replay : hooked.dead;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_eq(name, str_from_c(names[i].name)))
            return names[i].id;
    if (str_starts_with(pattern, STR("/v1/events/")))
        return "evt_000000000002d";
    if (str_starts_with(pattern, STR("/v1/venues/")))
        return "ven_0000000000005";
    if (str_eq(name, STR("{user_id}")) || str_starts_with(pattern, STR("/v1/users/")))
        return "usr_0000000000003";
    if (str_starts_with(pattern, STR("/v1/chats/")))
        return chatted.chat;
    if (str_starts_with(pattern, STR("/v1/messages/")))
        return chatted.message;
    if (str_starts_with(pattern, STR("/v1/devices/")))
        return chatted.device;
    if (str_starts_with(pattern, STR("/v1/api-keys/")))
        return "key_0000000000034";
    if (str_starts_with(pattern, STR("/v1/payments/")))
        return "sandbox";
    return str_starts_with(pattern, STR("/v1/tickets/")) ? ticket_id : booking_id;
}

/* The pattern with the value in the place of its parameter. */
static struct str path_of(struct arena *arena, struct str pattern, struct str value)
{
    struct buf *path = buf_new_in(arena, 2 * INPUT_MAX);
    require(path != NULL);
    for (size_t at = 0;;) {
        size_t open = str_find(pattern, '{', at), close = str_find(pattern, '}', open);
        buf_append_str(path, str_sub(pattern, at, open - at));
        if (open >= pattern.len)
            return buf_str(path);
        bool is_last = str_find(pattern, '{', close) >= pattern.len;
        struct str one = is_last ? value : str_split(&value, ' ');
        if (str_eq(one, STR("*")))
            one = str_from_c(known_id(pattern, str_sub(pattern, open, close + 1 - open)));
        buf_append_str(path, one);
        at = close + 1;
    }
}

static void read_target(struct arena *arena, struct str *rest, struct target *sent)
{
    struct str line = str_split(rest, '\n');
    struct str pattern = line;
    struct str name = str_split(&pattern, ' ');
    struct str method = str_split(&pattern, ' ');
    struct str value = str_split(rest, '\n');
    while (sent->caller < CALLERS && !str_eq(name, str_from_c(callers[sent->caller].name)))
        sent->caller++;
    if (sent->caller == CALLERS)
        sent->caller = 0;
    sent->route = route_of(method, pattern);
    sent->path = sent->route ? path_of(arena, pattern, value) : line;
}

/* Visible text: what the framing guard lets through. */
static bool is_header(struct str name, struct str value)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] >= 0x7f ||
            strchr("()<>@,;:\\\"/[]?={}", name.data[i]))
            return false;
    for (size_t i = 0; i < value.len; i++)
        if (((unsigned char)value.data[i] < ' ' && value.data[i] != '\t') || value.data[i] == 0x7f)
            return false;
    return name.len > 0;
}

static void add_field(struct exchange *exchange, struct request_field *fields, struct str name,
                      struct str value)
{
    if (exchange->request.field_count < HEADERS_MAX)
        fields[exchange->request.field_count++] = (struct request_field){name, value};
}

static void read_headers(struct str *rest, struct exchange *exchange, struct request_field *fields)
{
    while (rest->len > 0) {
        struct str value = str_split(rest, '\n');
        if (value.len == 0)
            return;
        struct str name = str_split(&value, ':');
        value = str_trim(value);
        if (is_header(name, value) && !str_eq_ci(name, STR("authorization")))
            add_field(exchange, fields, name, value);
    }
}

/* ---- the answer ---- */

static bool is_json(const struct answer *answer)
{
    return answer->body_len > 0 && answer->body[0] == '{' && answer->body_len < FRAME_BODY_MAX - 1;
}

static void check_problem(const struct target *sent, const struct answer *answer)
{
    struct str body = str_from(answer->body, answer->body_len), type;
    int64_t status;
    if (str_starts_with(sent->path,
                        STR("/api/"))) { /* DIALECT_HOOKS: code and detail, or details */
        require(witness_json(body) && witness_count(body) > 0);
        return;
    }
    require(witness_i64(body, "status", &status) && status == answer->status);
    require(witness_text(body, "type", &type) && type.len > 0);
}

/* A payload stands in an answer as it came, and is not always what jansson reads: integers of 20 digits,
 * names twice. It is cut out of a message's answer; lists of messages are left alone. */
static void check_json(struct str body)
{
    static char rest[FRAME_BODY_MAX];
    struct str payload;
    size_t at;
    if (!strstr(body.data, "\"payload\":")) {
        require(witness_json(body));
        return;
    }
    if (json_slice(body, "payload", &payload, &at) != ERR_OK)
        return;
    size_t begin = (size_t)(payload.data - body.data), end = begin + payload.len;
    memcpy(rest, body.data, begin);
    memcpy(rest + begin, "{}", 2);
    memcpy(rest + begin + 2, body.data + end, body.len - end);
    require(witness_json(str_from(rest, body.len - payload.len + 2)));
}

static void check_answer(const struct target *sent, const struct answer *answer)
{
    int status = answer->status;
    require((status >= 200 && status < 500) || status == 503);
    for (size_t i = 0; i < answer->header_count; i++)
        require(str_is_printable(str_from_c(answer->headers[i].value)));
    if (status >= 400 && answer->body_len > 0) {
        check_problem(sent, answer);
    } else if (is_json(answer)) {
        check_json(str_from(answer->body, answer->body_len));
    }
    if (!sent->route || status >= 400)
        return;
    unsigned scopes = callers[sent->caller].scopes;
    require(sent->route->auth != AUTH_CALLER || sent->caller != 0);
    require(sent->route->scopes == 0 || (scopes & (sent->route->scopes | SCOPE_ADMIN)) != 0);
}

/* Passwords take tens of milliseconds to hash; their bodies are body_fuzz.c's. */
static bool is_slow(struct str path, enum http_method method)
{
    return method == HTTP_POST &&
           (str_eq(path, STR("/v1/users")) || str_eq(path, STR("/v1/sessions")));
}

static void ask(struct str rest)
{
    static struct answer answer;
    struct request_field fields[HEADERS_MAX];
    struct exchange exchange = {.answer = &answer};
    struct request *request = &exchange.request;
    struct arena arena;
    struct target sent = {0};
    char bearer[128];
    arena_init(&arena, 8 * INPUT_MAX);
    arena_init(&request->arena, REQUEST_ARENA_MAX);
    read_target(&arena, &rest, &sent);
    request->method = sent.route ? sent.route->method : HTTP_GET;
    request->query = str_sub(str_split(&rest, '\n'), 0, REQUEST_URL_MAX / 2);
    request->path = str_sub(sent.path, 0, REQUEST_URL_MAX / 2);
    const char *key = callers[sent.caller].key;
    (void)snprintf(bearer, sizeof(bearer), "Bearer %s", key ? key : "");
    if (key)
        add_field(&exchange, fields, STR("authorization"), str_from_c(bearer));
    read_headers(&rest, &exchange, fields);
    add_field(&exchange, fields, STR("content-type"), STR("application/json"));
    request->body = rest;
    request->id = STR("fuzz");
    request->started_ns = clock_mono_ns();
    request->fields = fields;
    request->on_reply = frame_on_reply;
    (void)snprintf(request->peer_ip, sizeof(request->peer_ip), "192.0.2.1");
    if (str_starts_with(request->path, STR("/")) && !is_slow(request->path, request->method)) {
        (void)sem_init(&exchange.replied, 0, 0);
        app_on_request(request, served->frame.app);
        while (sem_wait(&exchange.replied) != 0)
            continue;
        (void)sem_destroy(&exchange.replied);
        check_answer(&sent, &answer);
        bool may_be_gone =
            request->method == HTTP_DELETE || str_starts_with(request->path, STR("/api/v1/auth/"));
        if (may_be_gone && answer.status < 300) {
            make_hooked();
            make_chatted();
        }
    }
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    start();
    if (size <= INPUT_MAX)
        ask(str_from((const char *)data, size));
    return 0;
}
