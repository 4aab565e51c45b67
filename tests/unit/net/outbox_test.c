/* The queue of shared bytes: order, limits, what may be dropped and what may not, and no reference
 * left over. */
#include "net/outbox.h"

#include "base/check.h"

#define FRAMES 10

static struct shared *frames[FRAMES];
static const struct outbox_limits roomy = {.frames_max = 100, .bytes_max = 1000};

static int make_frames(void **state)
{
    (void)state;
    for (int i = 0; i < FRAMES; i++) {
        frames[i] = shared_new(10);
        assert_non_null(frames[i]);
        memset(frames[i]->bytes, 'a' + i, 10);
    }
    return 0;
}

/* Nobody else has kept one. */
static int free_frames(void **state)
{
    (void)state;
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(frames[i]->refs, 1);
        shared_unref(frames[i]);
    }
    return 0;
}

static void put(struct outbox *outbox, const char *names, bool is_ephemeral)
{
    for (; *names; names++)
        assert_ok(outbox_put(outbox, &roomy, frames[*names - 'a'], is_ephemeral));
}

/* Takes and sends so many. */
static void expect(struct outbox *outbox, const char *names)
{
    struct iovec parts[FRAMES];
    size_t count = strlen(names);
    assert_int_equal(outbox_take(outbox, parts, count, SIZE_MAX), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(parts[i].iov_len, 10);
        assert_int_equal(*(char *)parts[i].iov_base, names[i]);
    }
    outbox_sent(outbox);
}

static void test_it_keeps_the_order_round_the_ring(void **state)
{
    struct outbox outbox = {0};
    (void)state;
    for (int i = 0; i < 20; i++) {
        put(&outbox, "abc", false);
        expect(&outbox, "ab");
        put(&outbox, "defgh", false); /* grows while the head is not at the beginning */
        expect(&outbox, "cdefg");
        expect(&outbox, "h");
        assert_true(outbox_is_empty(&outbox));
        assert_null(outbox.ring);
        assert_int_equal(outbox.bytes, 0);
    }
}

static void test_limits(void **state)
{
    struct outbox outbox = {0};
    struct outbox_limits few = {.frames_max = 2, .bytes_max = 1000};
    struct outbox_limits small = {.frames_max = 100, .bytes_max = 25};
    (void)state;
    assert_ok(outbox_put(&outbox, &few, frames[0], false));
    assert_ok(outbox_put(&outbox, &few, frames[1], false));
    assert_err(outbox_put(&outbox, &few, frames[2], false), ERR_FULL);
    assert_err(outbox_put(&outbox, &small, frames[2], false), ERR_FULL);
    assert_ok(outbox_put(&outbox, &roomy, frames[2], false));
    expect(&outbox, "abc");
    assert_ok(outbox_put(&outbox, &small, frames[3], false)); /* there is room again */
    outbox_release(&outbox);
    assert_int_equal(frames[2]->refs, 1); /* a refused one was not taken */
}

static void test_a_take_has_bounds(void **state)
{
    struct outbox outbox = {0};
    struct iovec parts[FRAMES];
    (void)state;
    put(&outbox, "abcde", false);
    assert_int_equal(outbox_take(&outbox, parts, 2, SIZE_MAX), 2);
    outbox_sent(&outbox);
    assert_int_equal(outbox_take(&outbox, parts, FRAMES, 25), 2);
    outbox_sent(&outbox);
    assert_int_equal(outbox_take(&outbox, parts, FRAMES, 5), 1); /* too large, but alone */
    outbox_sent(&outbox);
    assert_true(outbox_is_empty(&outbox));
    outbox_release(&outbox);
}

static void test_ephemeral_ones_are_dropped_but_not_in_flight(void **state)
{
    struct outbox outbox = {0};
    struct iovec parts[FRAMES];
    (void)state;
    put(&outbox, "ab", true);
    assert_int_equal(outbox_take(&outbox, parts, 1, SIZE_MAX), 1);
    put(&outbox, "cd", false);
    put(&outbox, "ef", true);
    put(&outbox, "g", false);
    assert_int_equal(outbox_drop_ephemeral(&outbox), 3);
    assert_int_equal(outbox.bytes, 40);
    assert_int_equal(frames[0]->refs, 2); /* the kernel may be reading it */
    assert_int_equal(frames[1]->refs, 1);
    outbox_sent(&outbox);
    expect(&outbox, "cdg");
    assert_int_equal(outbox_drop_ephemeral(&outbox), 0);
}

static void test_what_waits_is_dropped_but_not_in_flight(void **state)
{
    struct outbox outbox = {0};
    struct iovec parts[FRAMES];
    (void)state;
    put(&outbox, "abcdef", false);
    assert_int_equal(outbox_take(&outbox, parts, 2, SIZE_MAX), 2);
    assert_int_equal(outbox_drop_waiting(&outbox), 4);
    put(&outbox, "h", false);
    outbox_sent(&outbox);
    expect(&outbox, "h");
    put(&outbox, "abc", false);
    assert_int_equal(outbox_take(&outbox, parts, 2, SIZE_MAX), 2);
    outbox_release(&outbox); /* the connection is gone, in the middle of a write */
    assert_true(outbox_is_empty(&outbox));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_keeps_the_order_round_the_ring),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_a_take_has_bounds),
        cmocka_unit_test(test_ephemeral_ones_are_dropped_but_not_in_flight),
        cmocka_unit_test(test_what_waits_is_dropped_but_not_in_flight),
    };
    return cmocka_run_group_tests(tests, make_frames, free_frames);
}
