/*
 * Fuzz target of request bodies. The first line names a route as "POST /v1/events"; the rest is
 * decoded by that route's own table. The tables come from the route tables, so a new route is
 * fuzzed as it comes. Whatever comes: what is taken fits the table, as a second look at the tree
 * finds; what is refused has a reason; and the rules that follow give a result that can be stored.
 *
 * Run: body_fuzz tests/fuzz/corpus/body
 */
#include "fuzz.h"

#include "app/app_internal.h"
#include "app/identity_internal.h"
#include "app/identity_rules.h"
#include "chat/service.h"
#include "hooks/hooks.h"
#include "sandbox/bank.h"
#include "tickets/event_input.h"
#include "tickets/limits.h"
#include "tickets/mail_mime.h"
#include "tickets/tickets.h"

#include "base/clock.h"

#include <math.h>

#define ARENA_BYTES  ((size_t)8 << 20)
#define TARGET_BYTES 4096
#define ROUTES_MAX   128
#define NOW_MS       INT64_C(1770000000000)

static const struct route *routes[ROUTES_MAX];
static size_t route_count;

static void add_routes(const struct route *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        require(route_count < ROUTES_MAX);
        if (table[i].request)
            routes[route_count++] = &table[i];
    }
}

static void find_routes(void)
{
    if (route_count > 0)
        return;
    add_routes(identity_routes, identity_route_count);
    add_routes(frame_routes, frame_route_count + 1); /* the test clock's behind them */
#define TABLE(name) add_routes(name, name##_count);
    TICKETS_ROUTE_TABLES
    HOOKS_ROUTE_TABLES
    CHAT_ROUTE_TABLES
#undef TABLE
    require(route_count > 10);
}

static bool is_named(const struct route *route, struct str line)
{
    struct str method = str_split(&line, ' ');
    return str_eq(method, str_from_c(http_method_name(route->method))) &&
           str_eq(line, str_from_c(route->pattern));
}

/* NULL: none of that name. */
static const struct route *route_of(struct str line)
{
    for (size_t i = 0; i < route_count; i++) {
        if (is_named(routes[i], line))
            return routes[i];
    }
    return NULL;
}

/* ---- what was decoded ---- */

static void check_str(const struct json_field *field, const struct json_node *node,
                      const struct str *value)
{
    struct str text;
    require(json_as_str(node, &text));
    require_eq(text, *value);
    require(str_is_utf8(text));
    if (field->min || field->max)
        require((int64_t)text.len >= field->min && (int64_t)text.len <= field->max);
    if (!field->one_of)
        return;
    size_t i = 0;
    while (field->one_of[i] && !str_eq(text, str_from_c(field->one_of[i])))
        i++;
    require(field->one_of[i] != NULL);
}

static void check_strs(const struct json_field *field, const struct json_node *node,
                       const struct json_strs *list)
{
    require(json_is_array(node) && json_count(node) == list->count);
    if (field->min || field->max)
        require((int64_t)list->count >= field->min && (int64_t)list->count <= field->max);
    for (size_t i = 0; i < list->count; i++) {
        struct str text;
        require(json_as_str(json_at(node, i), &text));
        require_eq(text, list->items[i]);
        require(text.len >= 1 && text.len <= 256);
        for (size_t j = 0; j < i; j++)
            require(!str_eq(text, list->items[j]));
    }
}

static void check_number(const struct json_field *field, const struct json_node *node,
                         const void *value)
{
    double number = 0, decoded = 0;
    int64_t integer = 0;
    if (field->kind == JSON_I64) {
        require(json_as_i64(node, &integer) && memcmp(&integer, value, sizeof(integer)) == 0);
        number = (double)integer;
        if (field->min || field->max)
            require(integer >= field->min && integer <= field->max);
    } else {
        memcpy(&decoded, value, sizeof(decoded));
        require(json_as_f64(node, &number) && isfinite(number) && number == decoded);
        if (field->min || field->max)
            require(number >= (double)field->min && number <= (double)field->max);
    }
}

static void check_time(const struct json_node *node, const int64_t *value)
{
    struct str text;
    int64_t at_ms;
    require(json_as_str(node, &text) && clock_parse(text, &at_ms) == ERR_OK && at_ms == *value);
}

static void check_container(const struct json_field *field, const struct json_node *node,
                            const struct json_node *value)
{
    if (field->kind == JSON_OBJECT) {
        require(json_is_object(node) && json_is_object(value));
        return;
    }
    require(json_is_array(node) && json_is_array(value));
    int64_t count = (int64_t)json_count(node);
    require(!(field->min || field->max) || (count >= field->min && count <= field->max));
}

static void check_field(const struct json_field *field, const struct json_node *root,
                        const char *target)
{
    const struct json_node *node = json_get(root, field->name);
    const char *value = target + field->offset;
    bool is_there = node && !json_is_null_node(node), flag;
    require(is_there || !field->is_required);
    if (field->has_offset)
        require(*(const bool *)(target + field->has_offset) == is_there);
    if (!is_there)
        return;
    switch (field->kind) {
    case JSON_STR:
        check_str(field, node, (const struct str *)(const void *)value);
        break;
    case JSON_I64:
    case JSON_F64:
        check_number(field, node, value);
        break;
    case JSON_BOOL:
        require(json_as_bool(node, &flag) && flag == *(const bool *)value);
        break;
    case JSON_TIME:
        check_time(node, (const int64_t *)(const void *)value);
        break;
    case JSON_STR_LIST:
        check_strs(field, node, (const struct json_strs *)(const void *)value);
        break;
    case JSON_OBJECT:
    case JSON_ARRAY:
        check_container(field, node, *(struct json_node *const *)(const void *)value);
        break;
    }
}

static void check_taken(struct arena *arena, struct str text, const struct route *route,
                        const char *target)
{
    const struct json_field *fields = route->request;
    struct json_node *root, *value;
    struct str message, name;
    void *position = NULL;
    require(json_parse(arena, text, &root, &message) == ERR_OK || arena->overflow);
    if (arena->overflow)
        return;
    require(json_is_object(root));
    while (json_each(root, &position, &name, &value)) {
        const struct json_field *field = fields;
        while (field->name && !str_eq(name, str_from_c(field->name)))
            field++;
        /* mass assignment: nothing that is not in the table */
        require(field->name != NULL || route->dialect == DIALECT_HOOKS);
    }
    for (const struct json_field *field = fields; field->name; field++)
        check_field(field, root, target);
}

/* ---- the rules behind ---- */

static void check_event(const struct event_input *input, bool is_new, struct arena *arena)
{
    static const struct layout_category categories[] = {{.name = STR("front")},
                                                        {.name = STR("back")}};
    struct event event = {.starts_at = NOW_MS + 1000, .onsale_at = NOW_MS, .name = STR("x")};
    int64_t prices[EVENT_PRICES_MAX] = {PRICE_NONE};
    struct field_errors errors;
    event_set_defaults(&event);
    field_errors_init(&errors, arena);
    struct event_subject subject = {&event, prices, categories, 2, is_new};
    event_input_apply(input, &subject, NOW_MS, &errors);
    event_check_publishable(&subject, NOW_MS, &errors);
    if (errors.count > 0 || arena->overflow)
        return;
    require(str_is_printable(event.name) && event.name.len > 0);
    require(event.starts_at > NOW_MS && event.onsale_at < event.starts_at);
    require(event.hold_ttl_s >= HOLD_TTL_S_MIN && event.hold_ttl_s <= HOLD_TTL_S_MAX);
    require(event.per_booking >= 1 && event.per_booking <= BOOKING_PLACES_MAX);
    require(event.per_account >= event.per_booking && event.per_account <= EVENT_PER_ACCOUNT_MAX);
    for (size_t i = 0; i < EVENT_PRICES_MAX; i++)
        require(prices[i] == PRICE_NONE || (prices[i] >= 0 && prices[i] <= PRICE_MAX));
    if (input->has_currency)
        require(currency_is_known(str_from_c(event.currency)));
}

static void check_email(struct str text)
{
    char email[EMAIL_SIZE], again[EMAIL_SIZE];
    if (email_normalize(text, email) != ERR_OK)
        return;
    require(mail_address_is_safe(str_from_c(email)));
    require(email_normalize(str_from_c(email), again) == ERR_OK && strcmp(email, again) == 0);
    require(str_eq_ci(text, str_from_c(email)));
}

static void check_words(const struct json_strs *words)
{
    unsigned bits = 0;
    if (roles_parse(words, &bits) == ERR_OK)
        require((bits & SCOPE_CHECK_IN) == 0);
    if (scopes_parse_list(words, &bits) == ERR_OK)
        require(bits < 16);
}

static void check_rules(const struct route *route, struct arena *arena, const char *target)
{
    const void *decoded = target;
    if (route->request == event_create_fields || route->request == event_patch_fields)
        check_event(decoded, route->request == event_create_fields, arena);
    for (const struct json_field *field = route->request; field->name; field++) {
        const void *value = target + field->offset;
        if (strcmp(field->name, "email") == 0)
            check_email(*(const struct str *)value);
        if (strcmp(field->name, "name") == 0 && name_problem(*(const struct str *)value) == NULL)
            require(str_is_printable(*(const struct str *)value));
        if (field->kind == JSON_STR_LIST)
            check_words(value);
    }
}

static void decode(const struct route *route, struct str text)
{
    _Alignas(16) static char target[TARGET_BYTES];
    struct arena arena;
    struct field_errors errors;
    memset(target, 0, sizeof(target));
    arena_init(&arena, ARENA_BYTES);
    field_errors_init(&errors, &arena);
    for (const struct json_field *field = route->request; field->name; field++)
        require(field->offset + sizeof(struct str) <= TARGET_BYTES);
    enum err err = route->dialect == DIALECT_HOOKS
                       ? json_decode_known(&arena, text, route->request, target, &errors)
                       : json_decode(&arena, text, route->request, target, &errors);
    require(err == ERR_OK || err == ERR_INVALID || err == ERR_NOMEM);
    require((err == ERR_INVALID) == (errors.count > 0) || arena.overflow);
    for (size_t i = 0; i < errors.count; i++)
        require(str_is_utf8(errors.items[i].field) && str_is_utf8(errors.items[i].message) &&
                errors.items[i].message.len > 0);
    if (err == ERR_OK) {
        check_taken(&arena, text, route, target);
        check_rules(route, &arena, target);
    }
    arena_release(&arena);
}

/* ---- the bank's ---- */

/* Its routes decode in prepare, which needs no database: what is not refused is prepared. */
static void prepare_bank(struct str text)
{
    static struct bank bank;
    for (size_t i = 0; i < bank_api_route_count; i++) {
        const struct bank_route *route = &bank_api_routes[i];
        struct request_field fields[] = {{STR("idempotency-key"), STR("key")},
                                         {STR("content-type"), STR("application/json")}};
        struct request request = {
            .method = route->method, .path = STR("/"), .body = text, .fields = fields};
        struct bank_call call = {.bank = &bank, .req = &request, .route = route};
        /* /control wakes the courier, and there is none. */
        if (!route->prepare || strcmp(route->pattern, "/control") == 0)
            continue;
        request.field_count = 2;
        arena_init(&request.arena, ARENA_BYTES);
        route->prepare(&call);
        int status = request.res.status;
        require(status == 0 || (status >= 400 && status < 500) || request.arena.overflow);
        arena_release(&request.arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    find_routes();
    struct str text = str_from((const char *)data, size);
    struct str line = str_split(&text, '\n');
    const struct route *route = route_of(line);
    if (route)
        decode(route, text);
    else if (str_eq(line, STR("bank")))
        prepare_bank(text);
    else if (line.len > 0) /* another first line: any route, so that mutations go on */
        decode(routes[(unsigned char)line.data[0] % route_count], text);
    return 0;
}
