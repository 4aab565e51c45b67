/*
 * Fuzz target of the query: decoding is strict, ends, and gives valid text or nothing.
 *
 * Build with FOYER_FUZZ (clang); run: query_fuzz tests/fuzz/corpus/query
 */
#include "net/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

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
    return 0;
}
