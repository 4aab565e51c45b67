/* The document says what the tables say: routes made up for the test, then the platform's own. */
#include <stdio.h>

#include "app/app_internal.h"
#include "app/openapi.h"
#include "base/check.h"
#include "base/crypto.h"

static const char *const colors[] = {"red", "blue", NULL};

static const struct json_field fields[] = {
    {.name = "name", .kind = JSON_STR, .is_required = true, .min = 1, .max = 40, .doc = "its name"},
    {.name = "color", .kind = JSON_STR, .one_of = colors},
    {.name = "count", .kind = JSON_I64, .min = 1, .max = 6},
    {.name = "at", .kind = JSON_TIME},
    {.name = "tags", .kind = JSON_STR_LIST, .max = 5},
    {.name = "plan", .kind = JSON_OBJECT, .is_required = true},
    {0},
};

static enum err never(struct call *call, struct db *db)
{
    (void)call;
    (void)db;
    return ERR_CORRUPT;
}

static const struct route routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/things/{id}/parts",
     .kind = ROUTE_READ,
     .read = never,
     .auth = AUTH_CALLER,
     .scopes = SCOPE_ORGANIZER | SCOPE_CHECK_IN,
     .idempotency = IDEMPOTENCY_REQUIRED,
     .request = fields,
     .response = "Thing",
     .success = 201,
     .problems = "409 410",
     .summary = "Add a part",
     .tag = "Things"},
    {.method = HTTP_GET,
     .pattern = "/v1/things/{id}/parts",
     .kind = ROUTE_READ,
     .read = never,
     .auth = AUTH_OPTIONAL,
     .response = "ThingList",
     .success = 200,
     .query = "limit cursor q",
     .is_retry_safe = true,
     .may_lag = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/things",
     .kind = ROUTE_READ,
     .read = never,
     .success = 204,
     .rate = RATE_NONE,
     .query = "*"},
    {.method = HTTP_GET,
     .pattern = "/hidden",
     .kind = ROUTE_READ,
     .read = never,
     .success = 200,
     .is_hidden = true},
};

struct document {
    struct arena arena;
    struct buf buf;
    struct json_node *root;
};

static void document_read(struct document *document, struct service *const *services, size_t count)
{
    struct str message = STR_NONE;
    arena_init(&document->arena, 16u << 20);
    buf_init(&document->buf, 4u << 20);
    assert_ok(openapi_write(services, count, &document->buf));
    assert_ok(json_parse(&document->arena, buf_str(&document->buf), &document->root, &message));
}

static void document_release(struct document *document)
{
    buf_release(&document->buf);
    arena_release(&document->arena);
}

static struct document made_up;

static int setup(void **state)
{
    (void)state;
    struct service service = {.name = "things", .routes = routes, .route_count = 4};
    struct service *services[] = {&service};
    document_read(&made_up, services, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    document_release(&made_up);
    return 0;
}

/* Down the names, which end with NULL. */
static const struct json_node *at(const struct json_node *node, const char *const *names)
{
    for (; *names; names++)
        node = json_get(node, *names);
    return node;
}
#define AT(node, ...) at(node, (const char *const[]){__VA_ARGS__, NULL})

static void assert_text(const struct json_node *node, const char *wanted)
{
    struct str text;
    assert_true(json_as_str(node, &text));
    assert_str(text, wanted);
}

static void assert_number(const struct json_node *node, int64_t wanted)
{
    int64_t number;
    assert_true(json_as_i64(node, &number));
    assert_int_equal(number, wanted);
}

static const struct json_node *operation(const char *path, const char *method)
{
    const struct json_node *node = AT(made_up.root, "paths", path, method);
    assert_non_null(node);
    return node;
}

static void assert_statuses(const struct json_node *node, const char *wanted)
{
    char text[256] = "";
    void *position = NULL;
    struct str name;
    struct json_node *value;
    while (json_each(AT(node, "responses"), &position, &name, &value))
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s",
                       text[0] ? " " : "", STR_ARG(name));
    assert_string_equal(text, wanted);
}

static void every_visible_route_is_in_it(void **state)
{
    (void)state;
    assert_text(AT(made_up.root, "openapi"), "3.1.0");
    const struct json_node *paths = AT(made_up.root, "paths");
    assert_int_equal(json_count(paths), 2);
    assert_int_equal(json_count(AT(paths, "/v1/things/{id}/parts")), 2);
    assert_null(json_get(paths, "/hidden"));
    assert_text(AT(operation("/v1/things/{id}/parts", "post"), "operationId"),
                "post_v1_things_id_parts");
}

static void statuses_follow_from_the_row(void **state)
{
    (void)state;
    assert_statuses(operation("/v1/things/{id}/parts", "post"),
                    "201 400 401 403 404 409 410 413 415 422 429 500 503");
    assert_statuses(operation("/v1/things/{id}/parts", "get"), "200 401 404 422 429 500 503");
    assert_statuses(operation("/v1/things", "delete"), "204 400 413 415 422 500 503");
    const struct json_node *conflict =
        AT(operation("/v1/things/{id}/parts", "post"), "responses", "410");
    assert_text(AT(conflict, "description"), "revoked");
    assert_text(AT(conflict, "content", "application/problem+json", "schema", "$ref"),
                "#/components/schemas/Problem");
}

static void body_is_described_by_its_fields(void **state)
{
    (void)state;
    const struct json_node *body = AT(operation("/v1/things/{id}/parts", "post"), "requestBody",
                                      "content", "application/json", "schema");
    const struct json_node *properties = AT(body, "properties");
    bool is_open = true;
    assert_true(json_as_bool(AT(body, "additionalProperties"), &is_open));
    assert_false(is_open);
    assert_int_equal(json_count(AT(body, "required")), 2);
    assert_text(json_at(AT(body, "required"), 1), "plan");
    assert_text(AT(properties, "name", "type"), "string");
    assert_number(AT(properties, "name", "maxLength"), 40);
    assert_text(AT(properties, "name", "description"), "its name");
    assert_int_equal(json_count(AT(properties, "color", "enum")), 3); /* and null */
    assert_text(json_at(AT(properties, "count", "type"), 0), "integer");
    assert_text(json_at(AT(properties, "count", "type"), 1), "null");
    assert_number(AT(properties, "count", "maximum"), 6);
    assert_text(AT(properties, "at", "format"), "date-time");
    assert_number(AT(properties, "tags", "maxItems"), 5);
    assert_text(AT(properties, "tags", "items", "type"), "string");
    assert_text(AT(properties, "plan", "type"), "object");
}

static void assert_parameter(const struct json_node *node, size_t index, const char *name,
                             const char *in, bool is_required)
{
    const struct json_node *parameter = json_at(AT(node, "parameters"), index);
    bool required = !is_required;
    assert_text(AT(parameter, "name"), name);
    assert_text(AT(parameter, "in"), in);
    assert_true(json_as_bool(AT(parameter, "required"), &required));
    assert_int_equal(required, is_required);
}

static void parameters_are_listed(void **state)
{
    (void)state;
    const struct json_node *post = operation("/v1/things/{id}/parts", "post");
    const struct json_node *get = operation("/v1/things/{id}/parts", "get");
    assert_int_equal(json_count(AT(post, "parameters")), 2);
    assert_parameter(post, 0, "id", "path", true);
    assert_parameter(post, 1, "Idempotency-Key", "header", true);
    assert_int_equal(json_count(AT(get, "parameters")), 4);
    assert_parameter(get, 1, "limit", "query", false);
    assert_parameter(get, 3, "q", "query", false);
    assert_int_equal(json_count(AT(operation("/v1/things", "delete"), "parameters")), 0);
}

static void security_is_told(void **state)
{
    (void)state;
    const struct json_node *post = operation("/v1/things/{id}/parts", "post");
    assert_int_equal(json_count(AT(post, "security")), 2);
    assert_int_equal(json_count(AT(operation("/v1/things/{id}/parts", "get"), "security")), 3);
    assert_int_equal(json_count(AT(operation("/v1/things", "delete"), "security")), 0);
    assert_text(json_at(AT(post, "x-scopes"), 1), "check-in");
    assert_non_null(AT(made_up.root, "components", "securitySchemes", "bearer"));
    assert_non_null(AT(made_up.root, "components", "securitySchemes", "cookie"));
}

/* Every "$ref" below the node names a schema that is there. Returns how many there were. */
static size_t check_references(const struct json_node *root, const struct json_node *node,
                               int depth)
{
    const struct str prefix = STR("#/components/schemas/");
    void *position = NULL;
    struct str name, target;
    struct json_node *value;
    size_t count = 0;
    assert_true(depth < JSON_DEPTH_MAX);
    while (json_is_object(node) && json_each(node, &position, &name, &value)) {
        if (str_eq(name, STR("$ref")) && json_as_str(value, &target)) {
            char schema[128];
            assert_true(str_starts_with(target, prefix));
            assert_ok(str_to_c(str_sub(target, prefix.len, target.len), schema, sizeof(schema)));
            if (!AT(root, "components", "schemas", schema))
                print_error("no schema %s\n", schema);
            assert_non_null(AT(root, "components", "schemas", schema));
            count++;
        }
        count += check_references(root, value, depth + 1);
    }
    for (size_t i = 0; json_is_array(node) && i < json_count(node); i++)
        count += check_references(root, json_at(node, i), depth + 1);
    return count;
}

static void platform_is_described_without_gaps(void **state)
{
    (void)state;
    struct document document;
    struct service identity = {.routes = identity_routes, .route_count = identity_route_count};
    struct service frame = {.routes = frame_routes, .route_count = frame_route_count};
    struct service *services[] = {&identity, &frame};
    document_read(&document, services, 2);
    assert_true(check_references(document.root, document.root, 0) > 20);
    for (size_t i = 0; i < identity_route_count; i++) {
        assert_non_null(AT(document.root, "paths", identity_routes[i].pattern));
        assert_non_null(identity_routes[i].summary);
        assert_non_null(identity_routes[i].tag);
    }
    assert_non_null(AT(document.root, "paths", "/openapi.json", "get"));
    document_release(&document);
}

#define document_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        document_test(every_visible_route_is_in_it),
        document_test(statuses_follow_from_the_row),
        document_test(body_is_described_by_its_fields),
        document_test(parameters_are_listed),
        document_test(security_is_told),
        cmocka_unit_test(platform_is_described_without_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
