/* Arena: alignment, zeroing, the cap and its stickiness, cleanups and their order. */
#include "base/arena.h"

#include "base/check.h"

static void test_memory_is_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    char *last = NULL;
    for (size_t size = 0; size < 300; size++) {
        char *data = arena_alloc(&arena, size);
        assert_non_null(data);
        assert_int_equal((uintptr_t)data % 16, 0);
        assert_ptr_not_equal(data, last);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(data[i], 0);
        memset(data, 0xAB, size);
        last = data;
    }
    arena_release(&arena);
    assert_int_equal(arena.used_bytes, 0);
}

static void test_larger_than_a_block(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    char *large = arena_alloc(&arena, 300000);
    assert_non_null(large);
    memset(large, 1, 300000);
    assert_non_null(arena_alloc(&arena, 300000));
    assert_false(arena.overflow);
    arena_release(&arena);
}

static void test_exactly_the_cap_fits(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 64);
    assert_non_null(arena_alloc(&arena, 64));
    assert_false(arena.overflow);
    assert_null(arena_alloc(&arena, 1));
    assert_true(arena.overflow);
    arena_release(&arena);
    arena_init(&arena, 64);
    assert_null(arena_alloc(&arena, 65));
    arena_release(&arena);
}

static void test_overflow_is_sticky_until_release(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 256);
    assert_null(arena_alloc(&arena, 1000));
    assert_true(arena.overflow);
    assert_null(arena_alloc(&arena, 1));
    assert_null(arena_str_dup(&arena, STR("x")).data);
    assert_null(arena_printf(&arena, "%d", 1).data);
    assert_int_equal(arena.used_bytes, 0);
    arena_release(&arena);
    assert_false(arena.overflow);
    assert_non_null(arena_alloc(&arena, 1));
    arena_release(&arena);
}

static void test_array_product_does_not_wrap(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    assert_non_null(ARENA_ARRAY(&arena, uint64_t, 4));
    assert_null(arena_array(&arena, SIZE_MAX / 2, 3));
    assert_true(arena.overflow);
    arena_release(&arena);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_true(arena.overflow);
    arena_release(&arena);
}

static void test_strings(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct str copy = arena_str_dup(&arena, STR("a\0b"));
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.data, "a\0b", 4);
    assert_string_equal(arena_str_dup(&arena, STR_NONE).data, "");
    assert_str(arena_printf(&arena, "%s-%d", "seat", 7), "seat-7");
    for (int len = 250; len < 260; len++) {
        struct str padded = arena_printf(&arena, "%*d", len, 1);
        assert_int_equal(padded.len, len);
        assert_int_equal(padded.data[len - 1], '1');
        assert_int_equal(padded.data[len], '\0');
    }
    arena_release(&arena);
}

struct trace {
    int order[4];
    int count;
};

struct traced {
    struct trace *trace;
    int number;
};

/* Zeroed, writable and apart, however often and with whatever kept. */
static void test_reset_gives_a_fresh_arena(void **state)
{
    (void)state;
    static const size_t kept[] = {0, 5000, 1 << 20};
    for (size_t k = 0; k < sizeof(kept) / sizeof(kept[0]); k++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        for (int turn = 0; turn < 5; turn++) {
            size_t used = 0;
            for (size_t size = 1; size < 40000; size = size * 2 + 7) {
                char *data = arena_alloc(&arena, size);
                assert_non_null(data);
                for (size_t i = 0; i < size; i++)
                    assert_int_equal(data[i], 0);
                memset(data, 0xAB, size);
                used += size;
            }
            assert_true(arena.used_bytes >= used);
            arena_reset(&arena, kept[k]);
            assert_int_equal(arena.used_bytes, 0);
            assert_null(arena.blocks);
        }
        assert_null(arena_alloc(&arena, (1 << 20) + 1));
        assert_true(arena.overflow);
        arena_reset(&arena, kept[k]);
        assert_false(arena.overflow);
        arena_release(&arena);
        assert_null(arena.spares);
    }
}

static void note(void *ptr)
{
    struct traced *traced = ptr;
    traced->trace->order[traced->trace->count++] = traced->number;
}

static void test_cleanups_run_newest_first_and_once(void **state)
{
    (void)state;
    struct trace trace = {.count = 0};
    struct traced first = {&trace, 1};
    struct traced second = {&trace, 2};
    struct arena arena;
    arena_init(&arena, 4096);
    assert_ok(arena_on_release(&arena, note, &first));
    assert_ok(arena_on_release(&arena, note, &second));
    assert_int_equal(trace.count, 0);
    arena_release(&arena);
    assert_int_equal(trace.count, 2);
    assert_int_equal(trace.order[0], 2);
    assert_int_equal(trace.order[1], 1);
    arena_release(&arena);
    assert_int_equal(trace.count, 2);
}

static void test_cleanup_that_does_not_fit_runs_at_once(void **state)
{
    (void)state;
    struct trace trace = {.count = 0};
    struct traced only = {&trace, 1};
    struct arena arena;
    arena_init(&arena, 8);
    assert_err(arena_on_release(&arena, note, &only), ERR_NOMEM);
    assert_int_equal(trace.count, 1);
    arena_release(&arena);
    assert_int_equal(trace.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_aligned_zeroed_and_apart),
        cmocka_unit_test(test_larger_than_a_block),
        cmocka_unit_test(test_reset_gives_a_fresh_arena),
        cmocka_unit_test(test_exactly_the_cap_fits),
        cmocka_unit_test(test_overflow_is_sticky_until_release),
        cmocka_unit_test(test_array_product_does_not_wrap),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_cleanups_run_newest_first_and_once),
        cmocka_unit_test(test_cleanup_that_does_not_fit_runs_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
