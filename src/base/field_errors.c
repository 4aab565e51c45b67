/*
 * What is wrong with an input. When the arena is full an entry keeps its place with empty texts:
 * that something is wrong must not be lost with the words for it.
 */
#include "base/field_errors.h"

#include <assert.h>

void field_errors_init(struct field_errors *errors, struct arena *arena)
{
    assert(arena);
    errors->arena = arena;
    errors->count = 0;
}

void field_errors_add(struct field_errors *errors, const char *field, const char *format, ...)
{
    assert(errors->count <= FIELD_ERRORS_MAX);
    if (errors->count == FIELD_ERRORS_MAX)
        return;
    struct field_error *item = &errors->items[errors->count++];
    item->field = arena_str_dup(errors->arena, str_from_c(field));
    va_list args;
    va_start(args, format);
    item->message = arena_vprintf(errors->arena, format, args);
    va_end(args);
}
