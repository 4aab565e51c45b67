/*
 * The router: a tree of path segments. A node has literal children, at most one parameter child and
 * at most one that takes the rest; its routes are indexed by method. A path is split once, then
 * walked down: literals first, then the parameter, then the rest, going back when a branch ends.
 * Each node is looked at once per path, and the depth is that of the patterns, not of the input.
 *
 * Parameters have no names in the tree: "/a/{id}" and "/a/{event}/b" share a node. A route knows
 * the names of its own.
 *
 * Built at start by one thread, then only read.
 */
#include "net/router.h"

#include "net/url_internal.h"

#include <assert.h>
#include <stdlib.h>

#define ROUTER_SEGMENTS_MAX 32

struct router_route {
    const void *value;
    bool takes_rest; /* the last parameter goes to the end of the path */
    char *names[REQUEST_PARAMS_MAX];
    size_t name_count;
};

struct router_node {
    struct str literal; /* of the pattern; empty for parameters */
    struct router_node *literals;
    struct router_node *next; /* sibling in the list of literals */
    struct router_node *param;
    struct router_node *rest;
    struct router_route *routes[HTTP_OTHER];
};

struct router {
    struct router_node root;
};

/* A path on its way down the tree. */
struct walk {
    struct str segments[ROUTER_SEGMENTS_MAX];
    size_t segment_count;
    size_t taken[REQUEST_PARAMS_MAX]; /* segments that are parameters */
    size_t taken_count;
    enum http_method method;
    bool has_method[HTTP_OTHER]; /* seen at nodes that match the path */
    const struct router_route *found;
};

struct router *router_new(void)
{
    return calloc(1, sizeof(struct router));
}

static void route_free(struct router_route *route)
{
    if (!route)
        return;
    for (size_t i = 0; i < route->name_count; i++)
        free(route->names[i]);
    free(route);
}

/* Recursion is as deep as the longest pattern. */
static void node_clear(struct router_node *node)
{
    struct router_node *children[] = {node->param, node->rest};
    for (size_t i = 0; i < 2; i++) {
        if (children[i])
            node_clear(children[i]);
        free(children[i]);
    }
    while (node->literals) {
        struct router_node *child = node->literals;
        node->literals = child->next;
        node_clear(child);
        free(child);
    }
    for (size_t i = 0; i < HTTP_OTHER; i++)
        route_free(node->routes[i]);
}

void router_free(struct router *router)
{
    if (!router)
        return;
    node_clear(&router->root);
    free(router);
}

static struct router_node *literal_child(const struct router_node *node, struct str literal)
{
    struct router_node *child = node->literals;
    while (child && !str_eq(child->literal, literal))
        child = child->next;
    return child;
}

/* The child for a segment of a pattern, made when it is not there. NULL: out of memory. */
static struct router_node *child_for(struct router_node *node, struct str segment)
{
    bool is_param = str_starts_with(segment, STR("{"));
    struct router_node **slot = str_ends_with(segment, STR("*}")) ? &node->rest : &node->param;
    struct router_node *child = is_param ? *slot : literal_child(node, segment);
    if (child)
        return child;
    child = calloc(1, sizeof(*child));
    if (!child)
        return NULL;
    if (is_param) {
        *slot = child;
    } else {
        child->literal = segment;
        child->next = node->literals;
        node->literals = child;
    }
    return child;
}

/* "{id}" or "{file*}" adds a name to the route. */
static enum err add_name(struct router_route *route, struct str segment)
{
    route->takes_rest = str_ends_with(segment, STR("*}"));
    size_t tail = route->takes_rest ? 2 : 1;
    assert(str_ends_with(segment, STR("}")) && segment.len > 1 + tail);
    assert(route->name_count < REQUEST_PARAMS_MAX);
    char *name = strndup(segment.data + 1, segment.len - 1 - tail);
    if (!name)
        return ERR_NOMEM;
    route->names[route->name_count++] = name;
    return ERR_OK;
}

enum err router_add(struct router *router, enum http_method method, const char *pattern,
                    const void *value)
{
    assert(method < HTTP_OTHER && pattern[0] == '/' && value);
    struct router_route *route = calloc(1, sizeof(*route));
    if (!route)
        return ERR_NOMEM;
    route->value = value;
    struct router_node *node = &router->root;
    struct str rest = str_from_c(pattern + 1);
    enum err err = ERR_OK;
    while (rest.len > 0 && err == ERR_OK) {
        struct str segment = str_split(&rest, '/');
        assert(segment.len > 0 && !route->takes_rest);
        node = child_for(node, segment);
        if (!node)
            err = ERR_NOMEM;
        else if (segment.data[0] == '{')
            err = add_name(route, segment);
    }
    if (err == ERR_OK && node->routes[method])
        err = ERR_CONFLICT;
    if (err == ERR_OK)
        node->routes[method] = route;
    else
        route_free(route);
    return err;
}

/* A segment that two servers could read differently, or that climbs, belongs to no route. */
static bool is_plain_segment(struct str segment)
{
    char decoded[3];
    size_t len = 0;
    for (size_t i = 0; i < segment.len;) {
        int byte = url_next_byte(segment, false, &i);
        if (byte < 0 || byte == '/' || byte == '\\' || byte == '\0')
            return false;
        if (len < sizeof(decoded))
            decoded[len++] = (char)byte;
    }
    bool is_dots =
        (len == 1 && decoded[0] == '.') || (len == 2 && decoded[0] == '.' && decoded[1] == '.');
    return len > 0 && !is_dots;
}

bool router_is_plain_path(struct request *request)
{
    struct str decoded;
    struct str rest = str_sub(request->path, 1, request->path.len);
    while (rest.len > 0) {
        struct str segment = str_split(&rest, '/');
        if (!is_plain_segment(segment))
            return false;
    }
    return url_decode(&request->arena, request->path, false, &decoded) == ERR_OK;
}

static bool split_path(struct str path, struct walk *walk)
{
    if (path.len == 0 || path.data[0] != '/')
        return false;
    size_t at = 1;
    while (at < path.len || (at == path.len && path.len > 1)) {
        size_t end = str_find(path, '/', at);
        struct str segment = str_sub(path, at, end - at);
        if (walk->segment_count == ROUTER_SEGMENTS_MAX || !is_plain_segment(segment))
            return false;
        walk->segments[walk->segment_count++] = segment;
        at = end + 1;
    }
    return true;
}

static const struct router_route *route_for(const struct router_node *node, enum http_method method)
{
    if (method == HTTP_OTHER)
        return NULL;
    bool is_get = method == HTTP_HEAD && !node->routes[HTTP_HEAD];
    return node->routes[is_get ? HTTP_GET : method];
}

/* The whole path led to this node. */
static bool arrive(const struct router_node *node, struct walk *walk)
{
    walk->found = route_for(node, walk->method);
    for (size_t i = 0; i < HTTP_OTHER; i++)
        walk->has_method[i] = walk->has_method[i] || node->routes[i];
    return walk->found;
}

static bool descend(const struct router_node *node, size_t depth, struct walk *walk)
{
    if (depth == walk->segment_count)
        return arrive(node, walk);
    const struct router_node *literal = literal_child(node, walk->segments[depth]);
    if (literal && descend(literal, depth + 1, walk))
        return true;
    if (!node->param && !node->rest)
        return false;
    size_t taken_count = walk->taken_count;
    assert(taken_count < REQUEST_PARAMS_MAX);
    walk->taken[walk->taken_count++] = depth;
    if (node->param && descend(node->param, depth + 1, walk))
        return true;
    walk->taken_count = taken_count + 1;
    if (node->rest && arrive(node->rest, walk))
        return true;
    walk->taken_count = taken_count;
    return false;
}

static enum err fill_params(struct request *request, const struct walk *walk)
{
    const struct router_route *route = walk->found;
    assert(route->name_count == walk->taken_count);
    for (size_t i = 0; i < route->name_count; i++) {
        struct str raw = walk->segments[walk->taken[i]];
        size_t from = (size_t)(raw.data - request->path.data);
        if (route->takes_rest && i + 1 == route->name_count)
            raw = str_sub(request->path, from, request->path.len);
        request->params[i].name = route->names[i];
        if (url_decode(&request->arena, raw, false, &request->params[i].value) != ERR_OK)
            return ERR_NOT_FOUND;
    }
    request->param_count = route->name_count;
    return ERR_OK;
}

static struct str allow_of(const struct walk *walk, struct arena *arena)
{
    struct str allow = STR_NONE;
    for (size_t i = 0; i < HTTP_OTHER; i++) {
        bool is_there = walk->has_method[i] || (i == HTTP_HEAD && walk->has_method[HTTP_GET]);
        if (!is_there)
            continue;
        allow = arena_printf(arena, "%.*s%s%s", STR_ARG(allow), allow.len ? ", " : "",
                             http_method_name((enum http_method)i));
    }
    return allow;
}

enum err router_match(const struct router *router, struct request *request, const void **ret_value,
                      struct str *ret_allow)
{
    struct walk walk = {.method = request->method};
    request->param_count = 0;
    if (!split_path(request->path, &walk))
        return ERR_NOT_FOUND;
    if (descend(&router->root, 0, &walk)) {
        *ret_value = walk.found->value;
        return fill_params(request, &walk);
    }
    struct str allow = allow_of(&walk, &request->arena);
    if (allow.len == 0)
        return ERR_NOT_FOUND;
    *ret_allow = allow;
    return ERR_DENIED;
}
