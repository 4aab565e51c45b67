/*
 * The control of `make tsan`: a race on purpose, which the sanitizer has to report. It is in the
 * program's own library, on a buffer that two threads append to without a lock, so that what is
 * proven is that the library is built with the sanitizer, that the sanitizer is switched on, and
 * that tests/tsan.supp hides nothing of ours. The threads take turns through a relaxed flag, which
 * orders nothing: the race is there in every run, and does no harm.
 *
 * With the argument "ordered" the turns are ordered, and there is nothing to report.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

struct turns {
    struct buf buf;
    bool is_ordered;
    _Atomic int turn;
};

static void turn_await(struct turns *turns, int turn)
{
    memory_order order = turns->is_ordered ? memory_order_acquire : memory_order_relaxed;
    while (atomic_load_explicit(&turns->turn, order) != turn)
        sched_yield();
}

static void turn_end(struct turns *turns)
{
    memory_order order = turns->is_ordered ? memory_order_release : memory_order_relaxed;
    atomic_fetch_add_explicit(&turns->turn, 1, order);
}

static void *second_main(void *ctx)
{
    struct turns *turns = ctx;
    turn_await(turns, 1);
    buf_append(&turns->buf, "b", 1);
    turn_end(turns);
    return NULL;
}

int main(int argc, char **argv)
{
    struct turns turns = {.is_ordered = argc > 1 && strcmp(argv[1], "ordered") == 0};
    pthread_t second;
    buf_init(&turns.buf, 64);
    buf_append(&turns.buf, "-", 1);
    if (pthread_create(&second, NULL, second_main, &turns) != 0)
        return 2;
    buf_append(&turns.buf, "a", 1);
    turn_end(&turns);
    turn_await(&turns, 2);
    (void)pthread_join(second, NULL); /* ours and joinable */
    printf("%.*s\n", (int)turns.buf.len, turns.buf.data);
    buf_release(&turns.buf);
    return 0;
}
