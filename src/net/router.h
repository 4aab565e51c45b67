/*
 * Matches method and path against patterns such as "/v1/events/{id}/seats". Literal segments win
 * over parameters. Paths with empty segments, "." or ".." or encoded slashes never match. Built
 * once at start, read by all threads.
 */
#ifndef NET_ROUTER_H
#define NET_ROUTER_H

#include "net/request.h"

struct router;

struct router *router_new(void); /* NULL: out of memory */
void router_free(struct router *router);
/* pattern is borrowed and must outlive the router; "{name*}" as last segment takes the rest.
 * ERR_CONFLICT: twice. */
ERR_MUST_USE enum err router_add(struct router *router, enum http_method method,
                                 const char *pattern, const void *value);
/* Fills the request's params. ERR_NOT_FOUND: no such path; ERR_DENIED: path exists, method does not
 * (ret_allow, arena, is the value for Allow). HEAD matches GET routes,
 * unless the pattern has one of its own. */
ERR_MUST_USE enum err router_match(const struct router *router, struct request *request,
                                   const void **ret_value, struct str *ret_allow);
/* False for a path that others on the way may take for another one: an empty segment (but the last),
 * "." or "..", an encoded slash, a backslash, a NUL, a bad escape, bytes that are not UTF-8. */
bool router_is_plain_path(struct request *request);

#endif
