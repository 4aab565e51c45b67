/* Timers heap: order, ties, the maximum. */
#include "base/heap.h"

#include "base/check.h"
#include "base/rand.h"

static struct heap_item item(int64_t due_ms, uint64_t shard, uint64_t id)
{
    return (struct heap_item){.due_ms = due_ms, .shard = shard, .id = id};
}

static void test_empty(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap, 10);
    assert_null(heap_peek(&heap));
    heap_release(&heap);
}

static void test_earliest_first(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap, 10000);
    rand_seed(7);
    for (int i = 0; i < 10000; i++)
        assert_ok(
            heap_push(&heap, item((int64_t)rand_below(500) - 250, rand_below(3), rand_u64())));
    rand_seed(0);
    struct heap_item last = item(INT64_MIN, 0, 0);
    for (int i = 0; i < 10000; i++) {
        struct heap_item peeked = *heap_peek(&heap);
        struct heap_item next = heap_pop(&heap);
        assert_memory_equal(&peeked, &next, sizeof(next));
        bool is_in_order =
            next.due_ms > last.due_ms ||
            (next.due_ms == last.due_ms &&
             (next.shard > last.shard || (next.shard == last.shard && next.id >= last.id)));
        assert_true(is_in_order);
        last = next;
    }
    assert_null(heap_peek(&heap));
    heap_release(&heap);
}

static void test_pushes_and_pops_mixed(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap, 100);
    assert_ok(heap_push(&heap, item(5, 0, 1)));
    assert_ok(heap_push(&heap, item(3, 0, 2)));
    assert_int_equal(heap_pop(&heap).id, 2);
    assert_ok(heap_push(&heap, item(4, 0, 3)));
    assert_ok(heap_push(&heap, item(9, 0, 4)));
    assert_int_equal(heap_pop(&heap).id, 3);
    assert_int_equal(heap_pop(&heap).id, 1);
    assert_int_equal(heap_pop(&heap).id, 4);
    assert_int_equal(heap.count, 0);
    heap_release(&heap);
}

static void test_maximum(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap, 2);
    assert_ok(heap_push(&heap, item(1, 0, 0)));
    assert_ok(heap_push(&heap, item(2, 0, 0)));
    assert_err(heap_push(&heap, item(0, 0, 0)), ERR_LIMIT);
    assert_int_equal(heap_pop(&heap).due_ms, 1);
    assert_ok(heap_push(&heap, item(0, 0, 0)));
    assert_int_equal(heap_pop(&heap).due_ms, 0);
    heap_release(&heap);
    heap_init(&heap, 0);
    assert_err(heap_push(&heap, item(0, 0, 0)), ERR_LIMIT);
    heap_release(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_earliest_first),
        cmocka_unit_test(test_pushes_and_pops_mixed),
        cmocka_unit_test(test_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
