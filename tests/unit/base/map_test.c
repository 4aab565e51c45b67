/* Hash map: against a plain array as the model, removal, tombstones, the maximum, iteration. */
#include "base/map.h"

#include "base/check.h"
#include "base/rand.h"

#define MODEL_KEYS  512
#define MODEL_STEPS 200000

static void test_put_get_replace_remove(void **state)
{
    (void)state;
    struct map map;
    uintptr_t value = 77;
    map_init(&map, 10);
    assert_false(map_get(&map, 1, &value));
    assert_false(map_remove(&map, 1));
    assert_int_equal(value, 77);
    assert_ok(map_put(&map, 1, 100));
    assert_ok(map_put(&map, 0, 200));
    assert_ok(map_put(&map, UINT64_MAX, 300));
    assert_ok(map_put(&map, 1, 101));
    assert_int_equal(map.count, 3);
    assert_true(map_get(&map, 1, &value));
    assert_int_equal(value, 101);
    assert_true(map_get(&map, 0, &value));
    assert_int_equal(value, 200);
    assert_true(map_has(&map, UINT64_MAX));
    assert_true(map_remove(&map, 0));
    assert_false(map_has(&map, 0));
    assert_false(map_remove(&map, 0));
    assert_int_equal(map.count, 2);
    map_release(&map);
}

static void test_behaves_as_the_model(void **state)
{
    (void)state;
    struct map map;
    uintptr_t model[MODEL_KEYS] = {0};
    size_t count = 0;
    map_init(&map, MODEL_KEYS);
    rand_seed(11);
    for (int step = 0; step < MODEL_STEPS; step++) {
        size_t key = rand_below(MODEL_KEYS);
        if (rand_below(5) < 3) {
            uintptr_t value = (uintptr_t)step + 1;
            assert_ok(map_put(&map, key << 40, value));
            count += model[key] == 0;
            model[key] = value;
        } else {
            assert_int_equal(map_remove(&map, key << 40), model[key] != 0);
            count -= model[key] != 0;
            model[key] = 0;
        }
        uintptr_t value = 0;
        size_t other = rand_below(MODEL_KEYS);
        assert_int_equal(map_get(&map, other << 40, &value), model[other] != 0);
        assert_int_equal(value, model[other]);
        assert_int_equal(map.count, count);
    }
    rand_seed(0);
    /* Tombstones do not make it grow for ever. */
    assert_true(map.cap <= (size_t)MODEL_KEYS * 4);
    map_release(&map);
}

static void test_maximum_allows_replacing(void **state)
{
    (void)state;
    struct map map;
    map_init(&map, 100);
    for (uint64_t key = 0; key < 100; key++)
        assert_ok(map_put(&map, key, 1));
    assert_err(map_put(&map, 100, 1), ERR_LIMIT);
    assert_ok(map_put(&map, 50, 2));
    assert_true(map_remove(&map, 3));
    assert_ok(map_put(&map, 100, 1));
    assert_int_equal(map.count, 100);
    map_release(&map);
    map_init(&map, 0);
    assert_err(map_put(&map, 1, 1), ERR_LIMIT);
    map_release(&map);
}

static void test_each_visits_every_item_once(void **state)
{
    (void)state;
    struct map map;
    bool seen[200] = {false};
    size_t position = 0;
    size_t visited = 0;
    uint64_t key;
    uintptr_t value;
    map_init(&map, 1000);
    assert_false(map_each(&map, &position, &key, &value));
    for (uint64_t i = 0; i < 200; i++)
        assert_ok(map_put(&map, i, (uintptr_t)i * 3));
    for (uint64_t i = 0; i < 200; i += 2)
        assert_true(map_remove(&map, i));
    position = 0;
    while (map_each(&map, &position, &key, &value)) {
        assert_true(key < 200 && key % 2 == 1 && !seen[key]);
        assert_int_equal(value, key * 3);
        seen[key] = true;
        visited++;
    }
    assert_int_equal(visited, 100);
    map_release(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_get_replace_remove),
        cmocka_unit_test(test_behaves_as_the_model),
        cmocka_unit_test(test_maximum_allows_replacing),
        cmocka_unit_test(test_each_visits_every_item_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
