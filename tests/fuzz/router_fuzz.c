/*
 * Fuzz target of the router: the first byte is the method, the rest the path. What matches has no
 * empty or climbing segment, and parameters that are valid text.
 *
 * Run: router_fuzz tests/fuzz/corpus/router
 */
#include "fuzz.h"

#include "net/router.h"

static const char *const patterns[] = {
    "/",           "/v1/events",           "/v1/events/{id}",     "/v1/events/{event}/seats",
    "/v1/a/b/c",   "/v1/{x}/b/{y}",        "/v1/{x}/{y}/{z}",     "/assets/{file*}",
    "/v1/a/{b}/d", "/{one}/{two}/{rest*}", "/v1/events/{id}/map", "/v1/me",
};

static struct router *make_router(void)
{
    struct router *router = router_new();
    require(router);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        enum http_method method = i % 3 ? HTTP_GET : HTTP_POST;
        require(router_add(router, method, patterns[i], patterns[i]) == ERR_OK);
    }
    return router;
}

static void check_match(const struct request *request)
{
    struct str rest = str_sub(request->path, 1, request->path.len);
    require(request->path.data[0] == '/' && (rest.len == 0 || !str_ends_with(rest, STR("/"))));
    while (rest.len > 0) {
        struct str segment = str_split(&rest, '/');
        require(segment.len > 0 && !str_eq(segment, STR(".")) && !str_eq(segment, STR("..")));
    }
    for (size_t i = 0; i < request->param_count; i++) {
        struct str value = request->params[i].value;
        require(value.len > 0 && str_is_utf8(value) && str_find(value, '\0', 0) == value.len);
        require(!str_eq(value, STR(".")) && !str_eq(value, STR("..")));
        require(strcmp(request->params[i].name, "file") == 0 ||
                strcmp(request->params[i].name, "rest") == 0 ||
                str_find(value, '/', 0) == value.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct router *router;
    struct request request = {.method = HTTP_GET};
    const void *value = NULL;
    struct str allow = STR_NONE;
    if (!router)
        router = make_router();
    if (size == 0)
        return 0;
    request.method = (enum http_method)(data[0] % (HTTP_OTHER + 1));
    request.path = str_from((const char *)data + 1, size - 1);
    arena_init(&request.arena, 1 << 20);
    enum err err = router_match(router, &request, &value, &allow);
    require(err == ERR_OK || err == ERR_NOT_FOUND || err == ERR_DENIED);
    require(err != ERR_DENIED || allow.len > 0);
    if (err == ERR_OK)
        check_match(&request);
    arena_release(&request.arena);
    return 0;
}
