/*
 * Memory runs out on demand: the n-th allocation of the program fails, or all from there on. Every
 * allocation of our own code counts (the linker wraps malloc and its kin for programs named
 * *_alloc_fault_test.c, see CMakeLists.txt), on all threads, and with them those of the JSON library,
 * which asks us, and of SQLite. Other libraries, some of which end the process when memory is out,
 * are left alone.
 */
#ifndef TESTS_BASE_FAULT_ALLOC_H
#define TESTS_BASE_FAULT_ALLOC_H

#include <assert.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static _Atomic bool memory_is_short;
static bool memory_is_lasting;
static uint64_t memory_at;
static _Atomic uint64_t memory_seen, memory_hits;
static sqlite3_mem_methods memory_of_sqlite;

/* The next allocation but at - 1 fails, with is_lasting also all behind it. */
static inline void memory_run_out(uint64_t at, bool is_lasting)
{
    memory_at = at;
    memory_is_lasting = is_lasting;
    atomic_store(&memory_seen, 0);
    atomic_store(&memory_hits, 0);
    atomic_store(&memory_is_short, true);
}

/* All is well again; returns how many allocations have failed. */
static inline uint64_t memory_is_back(void)
{
    atomic_store(&memory_is_short, false);
    return atomic_load(&memory_hits);
}

static inline bool memory_is_given(void)
{
    if (!atomic_load(&memory_is_short))
        return true;
    uint64_t seen = atomic_fetch_add(&memory_seen, 1) + 1;
    bool is_hit = memory_is_lasting ? seen >= memory_at : seen == memory_at;
    if (is_hit)
        atomic_fetch_add(&memory_hits, 1);
    return !is_hit;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *data, size_t size);
void *__real_reallocarray(void *data, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *data, size_t size);
void *__wrap_reallocarray(void *data, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

void *__wrap_malloc(size_t size)
{
    return memory_is_given() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return memory_is_given() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *data, size_t size)
{
    return memory_is_given() ? __real_realloc(data, size) : NULL;
}

void *__wrap_reallocarray(void *data, size_t count, size_t size)
{
    return memory_is_given() ? __real_reallocarray(data, count, size) : NULL;
}

char *__wrap_strdup(const char *text)
{
    return memory_is_given() ? __real_strdup(text) : NULL;
}

char *__wrap_strndup(const char *text, size_t len)
{
    return memory_is_given() ? __real_strndup(text, len) : NULL;
}

static void *memory_for_sqlite(int size)
{
    return memory_is_given() ? memory_of_sqlite.xMalloc(size) : NULL;
}

static void *memory_more_for_sqlite(void *data, int size)
{
    return memory_is_given() ? memory_of_sqlite.xRealloc(data, size) : NULL;
}

/* Before the first database is opened. Without its lookaside buffers SQLite asks for each piece. */
static inline void memory_install(void)
{
    int code = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory_of_sqlite);
    assert(code == SQLITE_OK);
    static sqlite3_mem_methods methods;
    methods = memory_of_sqlite;
    methods.xMalloc = memory_for_sqlite;
    methods.xRealloc = memory_more_for_sqlite;
    code = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    assert(code == SQLITE_OK);
    code = sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
    assert(code == SQLITE_OK);
    (void)code;
}

#endif
