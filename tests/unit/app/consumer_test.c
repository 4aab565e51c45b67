/* A consumer sees every row of the journal once and in order, whatever its work says. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/consumer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "store/writer.h"

#define PATIENCE_NS ((int64_t)30 * 1000000000)
#define ROWS_MAX    4096

#define wait_for(condition)                                                                        \
    do {                                                                                           \
        int64_t wait_until_ = clock_mono_ns() + PATIENCE_NS;                                       \
        while (!(condition)) {                                                                     \
            assert_true(clock_mono_ns() < wait_until_);                                            \
            (void)usleep(1000);                                                                    \
        }                                                                                          \
    } while (0)

struct place {
    char dir[64], path[96];
    struct writer *writer;
    struct consumer *consumer;
    pthread_mutex_t lock; /* of what follows */
    size_t count;
    int64_t seqs[ROWS_MAX];
    char last_data[64];
    int failures_left; /* batches that are refused */
    int batches;
    size_t batch_most; /* rows of the largest */
    int idle_left;     /* pieces of what can wait */
    int idle_calls;
    size_t idle_seen; /* rows that had come at the first call */
};

static enum err on_batch(const struct journal_row *rows, size_t count, struct db *source, void *ctx)
{
    struct place *place = ctx;
    enum err err = ERR_OK;
    (void)source;
    (void)pthread_mutex_lock(&place->lock);
    place->batches++;
    place->batch_most = count > place->batch_most ? count : place->batch_most;
    if (place->failures_left != 0) {
        place->failures_left--;
        err = ERR_IO;
    }
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        place->seqs[place->count++] = rows[i].seq;
        if (str_to_c(rows[i].data, place->last_data, sizeof(place->last_data)) != ERR_OK)
            err = ERR_LIMIT;
    }
    (void)pthread_mutex_unlock(&place->lock);
    return err;
}

static size_t seen(struct place *place)
{
    (void)pthread_mutex_lock(&place->lock);
    size_t count = place->count;
    (void)pthread_mutex_unlock(&place->lock);
    return count;
}

static int batches(struct place *place)
{
    (void)pthread_mutex_lock(&place->lock);
    int count = place->batches;
    (void)pthread_mutex_unlock(&place->lock);
    return count;
}

struct append {
    struct writer_job job;
    int count;
};

static enum err append_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct append *append = container_of(job, struct append, job);
    enum err err = ERR_OK;
    for (int i = 0; i < append->count && err == ERR_OK; i++) {
        struct str data = arena_printf(tx->arena, "{\"n\":%d}", i);
        err = journal_append(tx->journal, 5, "thing.made", data, NULL);
    }
    return err;
}

static void append(struct place *place, int count)
{
    struct append job = {.job = {.apply = append_apply}, .count = count};
    assert_ok(writer_run(place->writer, &job.job));
}

static void start(struct place *place, int64_t cursor, int64_t interval_ms)
{
    struct consumer_options options = {.name = "test",
                                       .source_path = place->path,
                                       .cursor = cursor,
                                       .interval_ms = interval_ms,
                                       .on_batch = on_batch,
                                       .ctx = place};
    assert_ok(consumer_start(&options, &place->consumer));
}

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    assert_non_null(place);
    log_set_level(LOG_OFF);
    (void)snprintf(place->dir, sizeof(place->dir), "/tmp/foyer-consumer-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    (void)snprintf(place->path, sizeof(place->path), "%s/platform.db", place->dir);
    (void)pthread_mutex_init(&place->lock, NULL);
    assert_ok(writer_new(place->path, "platform", &place->writer));
    assert_ok(writer_start(place->writer));
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    struct place *place = *state;
    char path[128];
    consumer_stop(place->consumer);
    writer_free(place->writer);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s%s", place->path, suffixes[i]);
        (void)unlink(path); /* not all of them are there */
    }
    int result = rmdir(place->dir);
    (void)pthread_mutex_destroy(&place->lock);
    free(place);
    return result;
}

static void assert_in_order(const struct place *place, int64_t first_seq, size_t count)
{
    assert_int_equal(place->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(place->seqs[i], first_seq + (int64_t)i);
}

static void rows_come_once_and_in_order(void **state)
{
    struct place *place = *state;
    const int count = CONSUMER_BATCH_MAX * 2 + 7;
    append(place, count);
    start(place, 0, 60000);
    wait_for(consumer_cursor(place->consumer) == count);
    assert_in_order(place, 1, (size_t)count);
    assert_int_equal(batches(place), 3);
    assert_string_equal(place->last_data, "{\"n\":1006}");
}

static bool on_idle(void *ctx)
{
    struct place *place = ctx;
    (void)pthread_mutex_lock(&place->lock);
    if (place->idle_calls++ == 0)
        place->idle_seen = place->count;
    bool has_more = place->idle_left > 0 && --place->idle_left > 0;
    (void)pthread_mutex_unlock(&place->lock);
    return has_more;
}

static int idle_left(struct place *place)
{
    (void)pthread_mutex_lock(&place->lock);
    int count = place->idle_left;
    (void)pthread_mutex_unlock(&place->lock);
    return count;
}

static void what_can_wait_is_done_piece_by_piece_after_all_rows(void **state)
{
    struct place *place = *state;
    append(place, 25);
    place->idle_left = 40;
    struct consumer_options options = {.name = "test",
                                       .source_path = place->path,
                                       .interval_ms = 3600000, /* pieces don't wait for it */
                                       .batch_max = 10,
                                       .on_batch = on_batch,
                                       .on_idle = on_idle,
                                       .ctx = place};
    assert_ok(consumer_start(&options, &place->consumer));
    wait_for(idle_left(place) == 0);
    assert_in_order(place, 1, 25);
    assert_int_equal(place->idle_seen, 25);
    assert_int_equal(batches(place), 3);
    assert_int_equal(place->batch_most, 10);
}

static void wake_is_faster_than_the_interval(void **state)
{
    struct place *place = *state;
    start(place, 0, 3600000);
    for (size_t i = 1; i <= 50; i++) {
        append(place, 1);
        consumer_wake(place->consumer);
        wait_for(seen(place) == i);
    }
    assert_in_order(place, 1, 50);
}

static void interval_finds_what_nobody_announced(void **state)
{
    struct place *place = *state;
    start(place, 0, 5);
    append(place, 3);
    wait_for(seen(place) == 3);
}

static void refused_batch_comes_again(void **state)
{
    struct place *place = *state;
    place->failures_left = 2;
    append(place, 10);
    start(place, 0, 60000);
    wait_for(consumer_cursor(place->consumer) == 10);
    assert_in_order(place, 1, 10);
    assert_int_equal(batches(place), 3);
}

static void restart_goes_on_behind_the_cursor(void **state)
{
    struct place *place = *state;
    append(place, 10);
    start(place, 0, 60000);
    wait_for(seen(place) == 10);
    wait_for(consumer_cursor(place->consumer) == 10);
    consumer_stop(place->consumer);
    append(place, 5);
    place->count = 0;
    start(place, 10, 60000);
    wait_for(seen(place) == 5);
    assert_in_order(place, 11, 5);
}

static void stops_while_it_fails(void **state)
{
    struct place *place = *state;
    place->failures_left = -1; /* for ever */
    append(place, 1);
    start(place, 0, 60000);
    wait_for(batches(place) >= 2);
    int64_t begin_ns = clock_mono_ns();
    consumer_stop(place->consumer);
    place->consumer = NULL;
    assert_true(clock_mono_ns() - begin_ns < PATIENCE_NS);
    assert_int_equal(place->count, 0);
}

static void source_must_exist(void **state)
{
    struct place *place = *state;
    struct consumer_options options = {.name = "test",
                                       .source_path = "/nonexistent/journal.db",
                                       .interval_ms = 1000,
                                       .on_batch = on_batch,
                                       .ctx = place};
    struct consumer *consumer = NULL;
    assert_true(consumer_start(&options, &consumer) != ERR_OK);
    assert_null(consumer);
    consumer_stop(NULL);
}

#define consumer_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        consumer_test(rows_come_once_and_in_order),
        consumer_test(what_can_wait_is_done_piece_by_piece_after_all_rows),
        consumer_test(wake_is_faster_than_the_interval),
        consumer_test(interval_finds_what_nobody_announced),
        consumer_test(refused_batch_comes_again),
        consumer_test(restart_goes_on_behind_the_cursor),
        consumer_test(stops_while_it_fails),
        consumer_test(source_must_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
