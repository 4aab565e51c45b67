/*
 * The note of the highest page, around a cache that only knows which numbers it has: a drop that is
 * kept from it must have had nothing to do, and one that SQLite asks for at each COMMIT is kept from
 * it even though a page once had a number far behind the end.
 */
#include "store/db_sqlite_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 32
#define ROUNDS   200000

static struct {
    bool has[KEYS_MAX + 1];
    unsigned truncations;
    bool is_created;
} fake;

static sqlite3_pcache_methods2 methods; /* the ones under test */
static char nothing;

static sqlite3_pcache *fake_create(int page_size, int extra_size, int is_purgeable)
{
    (void)page_size;
    (void)extra_size;
    (void)is_purgeable;
    memset(&fake, 0, sizeof(fake));
    fake.is_created = true;
    return (sqlite3_pcache *)&nothing;
}

static void fake_destroy(sqlite3_pcache *pcache)
{
    assert_ptr_equal(pcache, &nothing);
    fake.is_created = false;
}

static sqlite3_pcache_page *fake_fetch(sqlite3_pcache *pcache, unsigned key, int create)
{
    assert_ptr_equal(pcache, &nothing);
    fake.has[key] |= create != 0;
    return NULL;
}

static void fake_rekey(sqlite3_pcache *pcache, sqlite3_pcache_page *page, unsigned old_key,
                       unsigned new_key)
{
    (void)page;
    assert_ptr_equal(pcache, &nothing);
    fake.has[old_key] = false;
    fake.has[new_key] = true;
}

static void fake_truncate(sqlite3_pcache *pcache, unsigned limit)
{
    assert_ptr_equal(pcache, &nothing);
    for (unsigned key = limit; key <= KEYS_MAX; key++) {
        fake.has[key] = false;
    }
    fake.truncations++;
}

static unsigned highest_key(void)
{
    unsigned key = KEYS_MAX;
    while (key > 0 && !fake.has[key]) {
        key--;
    }
    return key;
}

/* What lies from limit on is gone, whether the cache was told to drop it or not. */
static void truncate_at(sqlite3_pcache *cache, unsigned limit)
{
    methods.xTruncate(cache, limit);
    assert_true(highest_key() < limit);
}

static void test_a_swap_by_way_of_a_far_number_costs_no_drop(void **state)
{
    (void)state;
    sqlite3_pcache *cache = methods.xCreate(4096, 0, 1);
    for (unsigned key = 1; key <= 8; key++) {
        (void)methods.xFetch(cache, key, 1);
    }
    (void)methods.xFetch(cache, 20, 0); /* only looked for */
    truncate_at(cache, 9);
    methods.xRekey(cache, NULL, 3, KEYS_MAX);
    methods.xRekey(cache, NULL, 5, 3);
    methods.xRekey(cache, NULL, KEYS_MAX, 5);
    truncate_at(cache, 9);
    assert_int_equal(fake.truncations, 0);
    truncate_at(cache, 8);
    assert_int_equal(fake.truncations, 1);
    truncate_at(cache, 8);
    assert_int_equal(fake.truncations, 1);
    methods.xDestroy(cache);
    assert_false(fake.is_created);
}

static void test_what_is_there_is_dropped(void **state)
{
    (void)state;
    sqlite3_pcache *cache = methods.xCreate(4096, 0, 1);
    srand(7);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned key = (unsigned)rand() % KEYS_MAX + 1, other = (unsigned)rand() % KEYS_MAX + 1;
        if (rand() % 2 == 0 && highest_key() > 0) {
            key = highest_key(); /* where it may go wrong */
        }
        switch (rand() % 8) {
        case 0:
        case 1:
        case 2:
            (void)methods.xFetch(cache, other, rand() % 3);
            break;
        case 3:
        case 4:
        case 5:
            if (fake.has[key] && !fake.has[other]) {
                methods.xRekey(cache, NULL, key, other);
            }
            break;
        default:
            truncate_at(cache, other);
        }
    }
    assert_true(fake.truncations > 0);
    methods.xDestroy(cache);
}

static int fake_init(void *ctx)
{
    (void)ctx;
    return SQLITE_OK;
}

static int set_up(void **state)
{
    sqlite3_pcache_methods2 own = {.iVersion = 1,
                                   .xInit = fake_init,
                                   .xCreate = fake_create,
                                   .xFetch = fake_fetch,
                                   .xRekey = fake_rekey,
                                   .xTruncate = fake_truncate,
                                   .xDestroy = fake_destroy};
    (void)state;
    if (sqlite3_config(SQLITE_CONFIG_PCACHE2, &own) != SQLITE_OK) {
        return -1;
    }
    db_sqlite_cache_setup();
    return sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &methods) == SQLITE_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_swap_by_way_of_a_far_number_costs_no_drop),
        cmocka_unit_test(test_what_is_there_is_dropped),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
