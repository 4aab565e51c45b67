/*
 * Arena: a list of blocks, the newest first; allocation moves a mark in the newest. Blocks double
 * from ARENA_BLOCK_MIN to ARENA_BLOCK_MAX, so a small request costs one malloc and a large one few.
 * A reset arena takes the blocks it has kept, the smallest first, before it asks for more.
 * The cap counts the bytes handed out (rounded to the alignment), not the blocks.
 *
 * Under AddressSanitizer every allocation has a block of its own size, so that a step over its end
 * is seen.
 *
 * Invariants: the mark of a block is a multiple of ARENA_ALIGN; used_bytes <= max_bytes; overflow
 * is never cleared but by release.
 */
#include "base/arena.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_ALIGN     16
#define ARENA_BLOCK_MAX ((size_t)64 * 1024)
#ifdef __SANITIZE_ADDRESS__
#define ARENA_BLOCK_MIN 0
#else
#define ARENA_BLOCK_MIN ((size_t)4096 - ARENA_ALIGN * 4) /* a page with malloc's overhead */
#endif
#define ARENA_PRINTF_FIRST 256

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    _Alignas(ARENA_ALIGN) char data[];
};

struct arena_cleanup {
    struct arena_cleanup *next;
    void (*fn)(void *ptr);
    void *ptr;
};

void arena_init(struct arena *arena, size_t max_bytes)
{
    *arena = (struct arena){.max_bytes = max_bytes};
}

static void run_cleanups(struct arena *arena)
{
    /* Taken off the list first: a cleanup may itself allocate or register. */
    while (arena->cleanups) {
        struct arena_cleanup *cleanup = arena->cleanups;
        arena->cleanups = cleanup->next;
        cleanup->fn(cleanup->ptr);
    }
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_release(struct arena *arena)
{
    run_cleanups(arena);
    free_blocks(arena->blocks);
    free_blocks(arena->spares);
    arena_init(arena, arena->max_bytes);
}

void arena_reset(struct arena *arena, size_t kept_bytes)
{
    if (ARENA_BLOCK_MIN == 0)
        kept_bytes = 0; /* what is used after it must be seen */
    run_cleanups(arena);
    struct arena_block *spares = arena->spares, *block = arena->blocks;
    for (const struct arena_block *spare = spares; spare; spare = spare->next)
        kept_bytes -= spare->size < kept_bytes ? spare->size : kept_bytes;
    while (block) {
        struct arena_block *next = block->next;
        if (block->size <= kept_bytes) {
            kept_bytes -= block->size;
            block->next = spares;
            spares = block;
        } else {
            free(block);
        }
        block = next;
    }
    arena_init(arena, arena->max_bytes);
    arena->spares = spares;
}

static size_t next_block_size(const struct arena *arena, size_t size)
{
    size_t wanted = arena->blocks ? arena->blocks->size * 2 : ARENA_BLOCK_MIN;
    if (ARENA_BLOCK_MIN == 0)
        wanted = 0;
    if (wanted > ARENA_BLOCK_MAX)
        wanted = ARENA_BLOCK_MAX;
    return wanted > size ? wanted : size;
}

/* A kept block that is large enough; NULL: none. */
static struct arena_block *take_spare(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->spares;
    if (!block || block->size < size)
        return NULL;
    arena->spares = block->next;
    return block;
}

static bool add_block(struct arena *arena, size_t size)
{
    struct arena_block *spare = take_spare(arena, size);
    if (spare) {
        *spare = (struct arena_block){.next = arena->blocks, .size = spare->size};
        arena->blocks = spare;
        return true;
    }
    size_t block_size = next_block_size(arena, size);
    struct arena_block *block = malloc(sizeof(*block) + block_size);
    if (!block)
        return false;
    *block = (struct arena_block){.next = arena->blocks, .size = block_size};
    arena->blocks = block;
    return true;
}

static bool has_room(const struct arena *arena, size_t size)
{
    return arena->blocks && arena->blocks->size - arena->blocks->used >= size;
}

/* Not zeroed. */
static void *alloc_raw(struct arena *arena, size_t size)
{
    assert(arena->used_bytes <= arena->max_bytes);
    size_t left = arena->max_bytes - arena->used_bytes;
    if (arena->overflow || size > left) {
        arena->overflow = true;
        return NULL;
    }
    /* Zero bytes get a distinct address too. */
    size_t rounded = size ? (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1) : ARENA_ALIGN;
    if (rounded < size || (!has_room(arena, rounded) && !add_block(arena, rounded))) {
        arena->overflow = true;
        return NULL;
    }
    struct arena_block *block = arena->blocks;
    void *data = block->data + block->used;
    block->used += rounded;
    arena->used_bytes += rounded < left ? rounded : left;
    return data;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *data = alloc_raw(arena, size);
    return data ? memset(data, 0, size) : NULL;
}

void *arena_array(struct arena *arena, size_t size, size_t count)
{
    size_t total;
    if (__builtin_mul_overflow(size, count, &total)) {
        arena->overflow = true;
        return NULL;
    }
    return arena_alloc(arena, total);
}

struct str arena_str_dup(struct arena *arena, struct str s)
{
    char *copy = s.len < SIZE_MAX ? alloc_raw(arena, s.len + 1) : NULL;
    if (!copy)
        return STR_NONE;
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return str_from(copy, s.len);
}

struct str arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    char first[ARENA_PRINTF_FIRST];
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(first, sizeof(first), format, args);
    struct str result = STR_NONE;
    if (len < 0) {
        arena->overflow = true;
    } else if ((size_t)len < sizeof(first)) {
        result = arena_str_dup(arena, str_from(first, (size_t)len));
    } else {
        char *text = alloc_raw(arena, (size_t)len + 1);
        if (text) {
            (void)vsnprintf(text, (size_t)len + 1, format, again); /* the same length again */
            result = str_from(text, (size_t)len);
        }
    }
    va_end(again);
    return result;
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str result = arena_vprintf(arena, format, args);
    va_end(args);
    return result;
}

enum err arena_on_release(struct arena *arena, void (*fn)(void *ptr), void *ptr)
{
    struct arena_cleanup *cleanup = alloc_raw(arena, sizeof(*cleanup));
    if (!cleanup) {
        fn(ptr);
        return ERR_NOMEM;
    }
    *cleanup = (struct arena_cleanup){.next = arena->cleanups, .fn = fn, .ptr = ptr};
    arena->cleanups = cleanup;
    return ERR_OK;
}
