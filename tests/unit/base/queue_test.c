/* Queue: order, the maximum, waiting, closing; many producers and consumers lose and double
 * nothing. */
#include "base/queue.h"

#include "base/check.h"
#include "base/clock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define PRODUCERS          3
#define CONSUMERS          3
#define ITEMS_PER_PRODUCER 20000
#define QUEUE_MAX          64
#define PATIENCE_NS        ((int64_t)10 * 1000000000)

struct item {
    struct queue_node node;
    int number;
    _Atomic int seen;
};

static int number_of(struct queue_node *node)
{
    return container_of(node, struct item, node)->number;
}

static void test_order_and_partial_take(void **state)
{
    (void)state;
    struct queue queue;
    struct item items[5];
    queue_init(&queue, 10);
    assert_null(queue_take(&queue, 10, 0));
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        assert_ok(queue_push(&queue, &items[i].node));
    }
    assert_null(queue_take(&queue, 0, 0));
    struct queue_node *nodes = queue_take(&queue, 2, 0);
    assert_int_equal(number_of(nodes), 0);
    assert_int_equal(number_of(nodes->next), 1);
    assert_null(nodes->next->next);
    assert_int_equal(queue_count(&queue), 3);
    assert_ok(queue_push(&queue, &items[0].node));
    nodes = queue_take(&queue, 100, -1);
    assert_int_equal(number_of(nodes), 2);
    assert_int_equal(number_of(nodes->next->next), 4);
    assert_int_equal(number_of(nodes->next->next->next), 0);
    assert_null(nodes->next->next->next->next);
    assert_int_equal(queue_count(&queue), 0);
    assert_ok(queue_push(&queue, &items[3].node));
    assert_int_equal(number_of(queue_take(&queue, 1, 0)), 3);
    queue_release(&queue);
}

static void test_maximum_holds_for_pushes_only(void **state)
{
    (void)state;
    struct queue queue;
    struct item items[3];
    queue_init(&queue, 1);
    assert_ok(queue_push(&queue, &items[0].node));
    assert_err(queue_push(&queue, &items[1].node), ERR_FULL);
    assert_ok(queue_requeue(&queue, &items[1].node));
    assert_int_equal(queue_count(&queue), 2);
    assert_non_null(queue_take(&queue, 10, 0));
    assert_ok(queue_push(&queue, &items[2].node));
    queue_release(&queue);
}

static void test_closed_queue_drains_and_ends(void **state)
{
    (void)state;
    struct queue queue;
    struct item items[2];
    queue_init(&queue, 10);
    assert_ok(queue_push(&queue, &items[0].node));
    assert_false(queue_is_closed(&queue));
    queue_close(&queue);
    assert_true(queue_is_closed(&queue));
    assert_err(queue_push(&queue, &items[1].node), ERR_CLOSED);
    assert_err(queue_requeue(&queue, &items[1].node), ERR_CLOSED);
    assert_ptr_equal(queue_take(&queue, 10, -1), &items[0].node);
    assert_null(queue_take(&queue, 10, -1));
    queue_release(&queue);
}

static void test_wait_ends_in_time(void **state)
{
    (void)state;
    struct queue queue;
    queue_init(&queue, 10);
    int64_t begin_ns = clock_mono_ns();
    assert_null(queue_take(&queue, 1, 30));
    int64_t waited_ns = clock_mono_ns() - begin_ns;
    assert_true(waited_ns >= 30000000);
    assert_true(waited_ns < PATIENCE_NS);
    queue_release(&queue);
}

static size_t waiters_of(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t waiters = queue->waiters;
    pthread_mutex_unlock(&queue->lock);
    return waiters;
}

static void wait_for_waiters(struct queue *queue, size_t count)
{
    int64_t deadline_ns = clock_mono_ns() + PATIENCE_NS;
    while (waiters_of(queue) < count) {
        assert_true(clock_mono_ns() < deadline_ns);
        usleep(100);
    }
}

static void *take_one(void *arg)
{
    return queue_take(arg, 1, -1);
}

static void test_push_wakes_a_sleeper_each(void **state)
{
    (void)state;
    struct queue queue;
    struct item items[2];
    pthread_t threads[2];
    queue_init(&queue, 10);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_one, &queue), 0);
    wait_for_waiters(&queue, 2);
    /* Two pushes at once: the second finds a queue that is not empty and must still wake the second
     * sleeper. */
    assert_ok(queue_push(&queue, &items[0].node));
    assert_ok(queue_push(&queue, &items[1].node));
    void *taken[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], &taken[i]), 0);
    assert_non_null(taken[0]);
    assert_non_null(taken[1]);
    assert_ptr_not_equal(taken[0], taken[1]);
    queue_release(&queue);
}

static void test_close_wakes_all_sleepers(void **state)
{
    (void)state;
    struct queue queue;
    pthread_t threads[3];
    queue_init(&queue, 10);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_one, &queue), 0);
    wait_for_waiters(&queue, 3);
    queue_close(&queue);
    for (int i = 0; i < 3; i++) {
        void *taken;
        assert_int_equal(pthread_join(threads[i], &taken), 0);
        assert_null(taken);
    }
    queue_release(&queue);
}

struct producer {
    struct queue *queue;
    struct item *items;
};

static void *produce(void *arg)
{
    struct producer *producer = arg;
    for (int i = 0; i < ITEMS_PER_PRODUCER; i++) {
        enum err err;
        while ((err = queue_push(producer->queue, &producer->items[i].node)) == ERR_FULL)
            sched_yield();
        if (err != ERR_OK)
            return arg;
    }
    return NULL;
}

static void *consume(void *arg)
{
    struct queue *queue = arg;
    size_t taken = 0;
    for (;;) {
        struct queue_node *nodes = queue_take(queue, 7, -1);
        if (!nodes)
            return (void *)taken;
        while (nodes) {
            struct queue_node *next = nodes->next;
            atomic_fetch_add(&container_of(nodes, struct item, node)->seen, 1);
            taken++;
            nodes = next;
        }
    }
}

static void test_threads_lose_and_double_nothing(void **state)
{
    (void)state;
    struct queue queue;
    size_t total = (size_t)PRODUCERS * ITEMS_PER_PRODUCER;
    struct item *items = calloc(total, sizeof(*items));
    struct producer producers[PRODUCERS];
    pthread_t producing[PRODUCERS], consuming[CONSUMERS];
    assert_non_null(items);
    queue_init(&queue, QUEUE_MAX);
    for (int i = 0; i < CONSUMERS; i++)
        assert_int_equal(pthread_create(&consuming[i], NULL, consume, &queue), 0);
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&queue, items + (size_t)i * ITEMS_PER_PRODUCER};
        assert_int_equal(pthread_create(&producing[i], NULL, produce, &producers[i]), 0);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        void *failed;
        assert_int_equal(pthread_join(producing[i], &failed), 0);
        assert_null(failed);
    }
    queue_close(&queue);
    size_t taken = 0;
    for (int i = 0; i < CONSUMERS; i++) {
        void *count;
        assert_int_equal(pthread_join(consuming[i], &count), 0);
        taken += (size_t)count;
    }
    assert_int_equal(taken, total);
    for (size_t i = 0; i < total; i++)
        assert_int_equal(items[i].seen, 1);
    queue_release(&queue);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_partial_take),
        cmocka_unit_test(test_maximum_holds_for_pushes_only),
        cmocka_unit_test(test_closed_queue_drains_and_ends),
        cmocka_unit_test(test_wait_ends_in_time),
        cmocka_unit_test(test_push_wakes_a_sleeper_each),
        cmocka_unit_test(test_close_wakes_all_sleepers),
        cmocka_unit_test(test_threads_lose_and_double_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
