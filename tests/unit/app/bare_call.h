/* A call without server and application, for what only looks at the request. */
#ifndef TEST_APP_BARE_CALL_H
#define TEST_APP_BARE_CALL_H

#include "app/problem.h"
#include "base/check.h"

struct bare_call {
    struct request request;
    struct request_field fields[4];
    struct route route;
    struct call call;
};

static inline void bare_call_init(struct bare_call *bare)
{
    memset(bare, 0, sizeof(*bare));
    arena_init(&bare->request.arena, 1u << 20);
    bare->request.method = HTTP_GET;
    bare->request.path = STR("/");
    bare->request.id = STR("req-1");
    bare->request.fields = bare->fields;
    bare->call.req = &bare->request;
    bare->call.route = &bare->route;
}

static inline void bare_call_field(struct bare_call *bare, struct str name, struct str value)
{
    bare->fields[bare->request.field_count++] = (struct request_field){name, value};
}

static inline void bare_call_release(struct bare_call *bare)
{
    arena_release(&bare->request.arena);
}

/* STR_NONE when it is not there. */
static inline struct str bare_call_answer(const struct bare_call *bare, struct str name)
{
    for (size_t i = 0; i < bare->request.res.header_count; i++) {
        if (str_eq(bare->request.res.headers[i].name, name))
            return bare->request.res.headers[i].value;
    }
    return STR_NONE;
}

#endif
