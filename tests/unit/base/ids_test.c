/* Ids: order in time and among threads, text forms and what is not canonical. */
#include "base/ids.h"

#include "base/check.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>

#define ID_MAX         (((uint64_t)1 << 63) - 1)
#define THREADS        4
#define IDS_PER_THREAD 50000

static void test_ids_increase(void **state)
{
    (void)state;
    struct id_gen gen;
    id_gen_init(&gen, 3, 0);
    uint64_t last = 0;
    for (int i = 0; i < 100000; i++) { /* more than a millisecond's sequence holds */
        uint64_t id = id_next(&gen);
        assert_true(id > last && id <= ID_MAX);
        assert_int_equal(id >> 13 & 511, 3);
        last = id;
    }
}

static void test_ids_begin_after_the_largest_in_use(void **state)
{
    (void)state;
    struct id_gen gen;
    uint64_t future = id_at_ms(clock_now_ms() + 3600000) | 77 << 13 | 5;
    id_gen_init(&gen, 3, future);
    uint64_t id = id_next(&gen);
    assert_true(id > future);
    assert_int_equal(id >> 13 & 511, 3);
    assert_true(id_next(&gen) > id);
    id_gen_init(&gen, 511, future);
    id = id_next(&gen);
    assert_true(id > future);
    assert_int_equal(id >> 13 & 511, 511);
    assert_true(id_time_ms(id) == id_time_ms(future));
}

static void test_ids_are_not_older_than_the_time_they_were_raised_to(void **state)
{
    (void)state;
    static const uint32_t nodes[] = {0, 7, 511};
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        struct id_gen gen;
        id_gen_init(&gen, nodes[i], 0);
        int64_t later_ms = clock_now_ms() + 600000;
        id_gen_raise(&gen, later_ms);
        uint64_t id = id_next(&gen);
        assert_true(id_time_ms(id) >= later_ms && id_time_ms(id) <= later_ms + 1);
        assert_int_equal(id >> 13 & 511, nodes[i]);
        id_gen_raise(&gen, later_ms - 1); /* they never go back */
        assert_true(id_next(&gen) > id);
    }
}

static void test_full_sequence_borrows_from_the_future(void **state)
{
    (void)state;
    struct id_gen gen;
    uint64_t full = id_at_ms(clock_now_ms() + 3600000) | 3 << 13 | 8191;
    id_gen_init(&gen, 3, full);
    uint64_t id = id_next(&gen);
    assert_true(id_time_ms(id) == id_time_ms(full) + 1);
    assert_int_equal(id >> 13 & 511, 3);
}

static void test_id_holds_its_time(void **state)
{
    (void)state;
    struct id_gen gen;
    id_gen_init(&gen, 0, 0);
    int64_t before = clock_now_ms();
    uint64_t id = id_next(&gen);
    assert_true(id_time_ms(id) >= before && id_time_ms(id) <= clock_now_ms());
    assert_true(id_at_ms(before) <= id);
    assert_true(id_at_ms(clock_now_ms() + 1) > id);
    assert_true(id_at_ms(0) == 0);
    assert_true(id_at_ms(1704067200001) == (uint64_t)1 << 22);
    assert_true(id_at_ms(INT64_MAX) <= ID_MAX);
}

struct worker {
    struct id_gen *gen;
    uint64_t *ids;
};

static void *make_ids(void *arg)
{
    struct worker *worker = arg;
    uint64_t last = 0;
    for (int i = 0; i < IDS_PER_THREAD; i++) {
        worker->ids[i] = id_next(worker->gen);
        if (worker->ids[i] <= last)
            return arg;
        last = worker->ids[i];
    }
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void test_threads_never_share_an_id(void **state)
{
    (void)state;
    struct id_gen gen;
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    uint64_t *ids = calloc((size_t)THREADS * IDS_PER_THREAD, sizeof(*ids));
    assert_non_null(ids);
    id_gen_init(&gen, 1, 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){&gen, ids + (size_t)i * IDS_PER_THREAD};
        assert_int_equal(pthread_create(&threads[i], NULL, make_ids, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    qsort(ids, (size_t)THREADS * IDS_PER_THREAD, sizeof(*ids), compare_ids);
    for (size_t i = 1; i < (size_t)THREADS * IDS_PER_THREAD; i++)
        assert_true(ids[i - 1] < ids[i]);
    free(ids);
}

static void test_text_forms(void **state)
{
    (void)state;
    char text[ID_TEXT_SIZE];
    assert_str(id_format(text, "evt", 5), "evt_0000000000005");
    assert_int_equal(text[17], '\0');
    assert_str(id_format(text, "evt", 0), "evt_0000000000000");
    assert_str(id_format(text, "x", ID_MAX), "x_7zzzzzzzzzzzz");
    assert_str(id_format(text, "x", 0x123456789ABCDEF), "x_028t5cy4tqkff");
    assert_str(id_format2(text, "longestp", 1, 32), "longestp_00000000000010000000000010");
    assert_int_equal(strlen(text), ID_TEXT_SIZE - 1);
}

static void test_text_round_trips_and_sorts(void **state)
{
    (void)state;
    uint64_t id = 1;
    char last[ID_TEXT_SIZE] = "";
    for (int i = 0; i < 63; i++, id <<= 1) {
        char text[ID_TEXT_SIZE];
        uint64_t parsed, shard;
        assert_ok(id_parse(id_format(text, "bkg", id), "bkg", &parsed));
        assert_true(parsed == id);
        assert_true(strcmp(text, last) > 0);
        memcpy(last, text, sizeof(text));
        assert_ok(id_parse2(id_format2(text, "bkg", ID_MAX - id, id), "bkg", &shard, &parsed));
        assert_true(parsed == id && shard == ID_MAX - id);
    }
}

static void test_parse_refuses_what_is_not_canonical(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "evt",
        "evt_",
        "evt_000000000000",   /* short */
        "evt_00000000000005", /* long */
        "evt-0000000000005",
        "evt0000000000005",
        "bkg_0000000000005",
        "EVT_0000000000005",
        "evt_000000000000A", /* uppercase */
        "evt_000000000000i",
        "evt_000000000000l",
        "evt_000000000000o",
        "evt_000000000000u",
        "evt_000000000000-",
        "evt_000000000000\x80",
        "evt_8000000000000", /* 64 bits */
        "evt_z000000000000",
        " evt_0000000000005",
        "evt_0000000000005 ",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t id = 77;
        assert_err(id_parse(str_from_c(bad[i]), "evt", &id), ERR_INVALID);
        assert_int_equal(id, 77);
    }
}

static void test_parse_of_two_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "bkg_0000000000001",
        "bkg_0000000000001000000000000",
        "bkg_8000000000001000000000000",
        "bkg_00000000000018000000000002",
        "bkg_80000000000010000000000002",
        "evt_00000000000010000000000002",
        "bkg_000000000000100000000000022",
        "bkg_00000000000010000000000000",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t shard = 77;
        uint64_t id = 77;
        assert_err(id_parse2(str_from_c(bad[i]), "bkg", &shard, &id), ERR_INVALID);
        assert_int_equal(shard, 77);
        assert_int_equal(id, 77);
    }
    uint64_t id;
    assert_err(id_parse(STR("bkg_00000000000010000000000002"), "bkg", &id), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_increase),
        cmocka_unit_test(test_ids_begin_after_the_largest_in_use),
        cmocka_unit_test(test_ids_are_not_older_than_the_time_they_were_raised_to),
        cmocka_unit_test(test_full_sequence_borrows_from_the_future),
        cmocka_unit_test(test_id_holds_its_time),
        cmocka_unit_test(test_threads_never_share_an_id),
        cmocka_unit_test(test_text_forms),
        cmocka_unit_test(test_text_round_trips_and_sorts),
        cmocka_unit_test(test_parse_refuses_what_is_not_canonical),
        cmocka_unit_test(test_parse_of_two_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
