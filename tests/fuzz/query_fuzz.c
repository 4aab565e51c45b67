/*
 * Fuzz target of the query and of cookies. The query's decoding is strict, ends, and gives valid
 * text or nothing; a cookie's value is a slice of the header, without the separators.
 *
 * Run: query_fuzz tests/fuzz/corpus/query
 */
#include "fuzz.h"

#include "net/request.h"

static void check_value(struct request *request, const char *name)
{
    struct str value = STR_NONE;
    enum err err = request_query(request, name, &value);
    require(err == ERR_OK || err == ERR_NOT_FOUND || err == ERR_INVALID || err == ERR_NOMEM);
    require(err != ERR_NOMEM || request->arena.overflow);
    if (err != ERR_OK)
        return;
    require(value.len <= request->query.len);
    require(str_is_utf8(value) && str_find(value, '\0', 0) == value.len);
}

static void check_cookies(struct str text)
{
    /* Two headers, so that the second is reached too. */
    const struct request_field fields[] = {{STR("cookie"), str_sub(text, 0, text.len / 2)},
                                           {STR("Cookie"), str_sub(text, text.len / 2, text.len)}};
    struct request request = {.fields = fields, .field_count = 2};
    static const char *const names[] = {"sid", "a", "__Host-session", ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str value = request_cookie(&request, names[i]);
        require(str_find(value, ';', 0) == value.len);
        require_inside(text, value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request request = {.query = str_from((const char *)data, size)};
    struct str name;
    size_t position = 0;
    size_t names = 0;
    arena_init(&request.arena, 1 << 20);
    while (request_query_each(&request, &position, &name)) {
        names++;
        require(name.len <= size);
    }
    require(names <= size);
    check_value(&request, "q");
    check_value(&request, "near");
    check_value(&request, "");
    arena_release(&request.arena);
    check_cookies(request.query);
    return 0;
}
