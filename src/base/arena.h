/*
 * Arena: bump allocation with a cap, released at once. The lifetime of a request is the lifetime of
 * its arena. Over the cap an allocation returns NULL and the arena becomes sticky: overflow stays
 * true, and whoever answers checks it once. Not thread-safe: it belongs to whoever owns the request
 * at the moment.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>

#include "base/str.h"

struct arena_block;
struct arena_cleanup;

struct arena {
    struct arena_block *blocks;
    struct arena_block *spares; /* empty ones that arena_reset has kept */
    struct arena_cleanup *cleanups;
    size_t used_bytes; /* handed out, all blocks */
    size_t max_bytes;
    bool overflow;
};

/* Allocates nothing yet. */
void arena_init(struct arena *arena, size_t max_bytes);
/* Runs the cleanups, newest first, and frees every block. The arena may be used again after it. */
void arena_release(struct arena *arena);
/* The same, but keeps blocks of kept_bytes at most for the next use; arena_release frees them. */
void arena_reset(struct arena *arena, size_t kept_bytes);
/* 16-byte aligned, zeroed. NULL when over the cap or out of memory (then overflow is set). */
void *arena_alloc(struct arena *arena, size_t size);
#define ARENA_NEW(arena, type)          ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_array((arena), sizeof(type), (count)))
/* count * size with overflow check. */
void *arena_array(struct arena *arena, size_t size, size_t count);
/* Copy with a terminating NUL behind it; STR_NONE on overflow. */
struct str arena_str_dup(struct arena *arena, struct str s);
struct str arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct str arena_vprintf(struct arena *arena, const char *format, va_list args);
/* fn(ptr) runs at release. On overflow fn runs at once and ERR_NOMEM comes back. */
ERR_MUST_USE enum err arena_on_release(struct arena *arena, void (*fn)(void *ptr), void *ptr);

#endif
