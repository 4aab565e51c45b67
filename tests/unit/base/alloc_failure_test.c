/*
 * Torture: one use of every container is repeated with the first, the second, the third ...
 * allocation failing, until a run needs no failure. Every run must end in success or in the
 * documented error, with its invariants intact and nothing leaked (the leak checker's part).
 *
 * The files are included, so that their calls to the allocator can be redirected without a linker's
 * help; the library's own copies then are not linked.
 */
#include <stdlib.h>

#include "base/check.h"

static size_t allocations_left;

static bool may_allocate(void)
{
    if (allocations_left == 0)
        return false;
    allocations_left--;
    return true;
}

static void *test_malloc_or_fail(size_t size)
{
    return may_allocate() ? malloc(size) : NULL;
}

static void *test_calloc_or_fail(size_t count, size_t size)
{
    return may_allocate() ? calloc(count, size) : NULL;
}

static void *test_realloc_or_fail(void *data, size_t size)
{
    return may_allocate() ? realloc(data, size) : NULL;
}

static void *test_reallocarray_or_fail(void *data, size_t count, size_t size)
{
    return may_allocate() ? reallocarray(data, count, size) : NULL;
}

#define malloc       test_malloc_or_fail
#define calloc       test_calloc_or_fail
#define realloc      test_realloc_or_fail
#define reallocarray test_reallocarray_or_fail
#include "../../../src/base/arena.c"
#define grow grow_buf
#include "../../../src/base/buf.c"
#undef grow
#define grow grow_heap
#include "../../../src/base/heap.c"
#undef grow
#include "../../../src/base/map.c"

#define RUNS_MAX 1000

/* A use returns true when it met no failure. */
static void torture(bool (*use)(void))
{
    size_t failing = 0;
    bool is_clean = false;
    while (!is_clean) {
        assert_true(failing < RUNS_MAX);
        allocations_left = failing++;
        is_clean = use();
    }
    assert_true(failing > 1); /* else the allocator was never asked */
}

static int cleanups_run;

static void count_cleanup(void *ptr)
{
    (void)ptr;
    cleanups_run++;
}

static bool use_arena(void)
{
    struct arena arena;
    cleanups_run = 0;
    arena_init(&arena, 1 << 20);
    char *first = arena_alloc(&arena, 100);
    struct str text = arena_printf(&arena, "%300d", 1);
    char *large = arena_alloc(&arena, 100000);
    enum err err = arena_on_release(&arena, count_cleanup, NULL);
    bool is_clean = first && text.data && large && err == ERR_OK;
    assert_int_equal(arena.overflow, !is_clean);
    assert_int_equal(cleanups_run, err == ERR_OK ? 0 : 1);
    arena_release(&arena);
    assert_int_equal(cleanups_run, 1);
    return is_clean;
}

static bool use_buf(void)
{
    struct buf buf;
    buf_init(&buf, 1 << 20);
    size_t expected = 0;
    for (int i = 0; i < 100; i++) {
        buf_append_str(&buf, STR("0123456789"));
        buf_printf(&buf, "%90d", i);
        assert_true(buf.overflow || buf.len == expected + 100);
        expected = buf.len;
    }
    bool is_clean = !buf.overflow;
    assert_true(buf.len % 10 == 0); /* whole appends only */
    assert_true(!is_clean || buf.len == 10000);
    buf_release(&buf);
    return is_clean;
}

static bool use_buf_in_arena(void)
{
    struct arena arena;
    arena_init(&arena, 4096);
    struct buf *buf = buf_new_in(&arena, 1000);
    if (buf)
        buf_append_str(buf, STR("x"));
    bool is_clean = buf && !buf->overflow;
    arena_release(&arena);
    return is_clean;
}

static bool use_heap(void)
{
    struct heap heap;
    bool is_clean = true;
    heap_init(&heap, 10000);
    size_t pushed = 0;
    for (int i = 1000; i > 0; i--) {
        enum err err = heap_push(&heap, (struct heap_item){.due_ms = i});
        assert_true(err == ERR_OK || err == ERR_NOMEM);
        is_clean &= err == ERR_OK;
        pushed += err == ERR_OK;
    }
    assert_int_equal(heap.count, pushed);
    int64_t last = 0;
    while (heap.count > 0) {
        int64_t due_ms = heap_pop(&heap).due_ms;
        assert_true(due_ms > last);
        last = due_ms;
    }
    heap_release(&heap);
    return is_clean;
}

static bool use_map(void)
{
    struct map map;
    bool is_clean = true;
    size_t put = 0;
    map_init(&map, 10000);
    for (uint64_t key = 0; key < 1000; key++) {
        enum err err = map_put(&map, key, 1);
        assert_true(err == ERR_OK || err == ERR_NOMEM);
        assert_int_equal(map_has(&map, key), err == ERR_OK);
        is_clean &= err == ERR_OK;
        put += err == ERR_OK;
    }
    assert_int_equal(map.count, put);
    for (uint64_t key = 0; key < 1000; key++)
        put -= map_remove(&map, key);
    assert_int_equal(put, 0);
    map_release(&map);
    return is_clean;
}

static void test_arena(void **state)
{
    (void)state;
    torture(use_arena);
}

static void test_buf(void **state)
{
    (void)state;
    torture(use_buf);
}

static void test_buf_in_arena(void **state)
{
    (void)state;
    torture(use_buf_in_arena);
}

static void test_heap(void **state)
{
    (void)state;
    torture(use_heap);
}

static void test_map(void **state)
{
    (void)state;
    torture(use_map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena),        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_buf_in_arena), cmocka_unit_test(test_heap),
        cmocka_unit_test(test_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
