/* The cache of callers: what is removed is gone, also for a reader that was under way, and it never
 * grows. */
#include "app/session_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "app/identity_internal.h"
#include "base/clock.h"

#define HOUR_MS (60 * 60 * 1000)

static void hash_of(uint64_t number, uint8_t ret_hash[static SHA256_SIZE])
{
    crypto_sha256(str_from((const char *)&number, sizeof(number)), ret_hash);
}

static bool put(struct session_cache *cache, uint64_t number, uint64_t account_id,
                struct session_note note)
{
    uint8_t hash[SHA256_SIZE];
    hash_of(number, hash);
    struct caller *caller = caller_new();
    assert_non_null(caller);
    caller->account_id = account_id;
    bool is_kept = session_cache_put(cache, hash, caller, clock_now_ms() + HOUR_MS, note);
    caller_unref(caller);
    return is_kept;
}

static struct session_note note_of(struct session_cache *cache, uint64_t number)
{
    uint8_t hash[SHA256_SIZE];
    hash_of(number, hash);
    return session_cache_note(cache, hash);
}

/* The account, 0 when it is not there. */
static uint64_t get(struct session_cache *cache, uint64_t number)
{
    uint8_t hash[SHA256_SIZE];
    hash_of(number, hash);
    const struct caller *caller = session_cache_get(cache, hash);
    uint64_t account_id = caller ? caller->account_id : 0;
    caller_unref(caller);
    return account_id;
}

static void drop(struct session_cache *cache, uint64_t number)
{
    uint8_t hash[SHA256_SIZE];
    hash_of(number, hash);
    session_cache_remove(cache, hash);
}

static int setup(void **state)
{
    *state = session_cache_new(0);
    return *state && crypto_init() == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    session_cache_free(*state);
    return 0;
}

static void what_is_put_is_found(void **state)
{
    struct session_cache *cache = *state;
    assert_int_equal(get(cache, 1), 0);
    assert_true(put(cache, 1, 71, note_of(cache, 1)));
    assert_true(put(cache, 2, 72, note_of(cache, 2)));
    assert_int_equal(get(cache, 1), 71);
    assert_int_equal(get(cache, 2), 72);
    assert_true(put(cache, 1, 73, note_of(cache, 1)));
    assert_int_equal(get(cache, 1), 73);
}

static void removed_is_gone(void **state)
{
    struct session_cache *cache = *state;
    assert_true(put(cache, 1, 71, note_of(cache, 1)));
    assert_true(put(cache, 2, 71, note_of(cache, 2)));
    drop(cache, 1);
    assert_int_equal(get(cache, 1), 0);
    assert_int_equal(get(cache, 2), 71);
}

static void account_loses_all_its_entries(void **state)
{
    struct session_cache *cache = *state;
    for (uint64_t i = 1; i <= 500; i++)
        assert_true(put(cache, i, i % 2 ? 71 : 72, note_of(cache, i)));
    session_cache_remove_account(cache, 71);
    for (uint64_t i = 1; i <= 500; i++)
        assert_int_equal(get(cache, i), i % 2 ? 0 : 72);
}

/* A reader saw the session, the logout committed, then the reader wants to keep what it saw. */
static void overtaken_reader_keeps_nothing(void **state)
{
    struct session_cache *cache = *state;
    struct session_note note = note_of(cache, 1);
    drop(cache, 1);
    assert_false(put(cache, 1, 71, note));
    assert_int_equal(get(cache, 1), 0);

    note = note_of(cache, 1);
    session_cache_remove_account(cache, 71);
    assert_false(put(cache, 1, 71, note));
    assert_int_equal(get(cache, 1), 0);
    assert_true(put(cache, 1, 71, note_of(cache, 1)));
}

static void expired_is_not_found(void **state)
{
    struct session_cache *cache = *state;
    assert_true(put(cache, 1, 71, note_of(cache, 1)));
    clock_advance_ms(HOUR_MS - 1000);
    assert_int_equal(get(cache, 1), 71);
    clock_advance_ms(2000);
    assert_int_equal(get(cache, 1), 0);
}

static void caller_outlives_its_entry(void **state)
{
    struct session_cache *cache = *state;
    uint8_t hash[SHA256_SIZE];
    hash_of(1, hash);
    assert_true(put(cache, 1, 71, note_of(cache, 1)));
    const struct caller *caller = session_cache_get(cache, hash);
    drop(cache, 1);
    assert_int_equal(caller->account_id, 71);
    caller_unref(caller);
}

static void size_is_bounded(void **state)
{
    struct session_cache *cache = *state;
    const uint64_t many = SESSION_CACHE_MAX + 20000;
    for (uint64_t i = 1; i <= many; i++)
        assert_true(put(cache, i, 71, note_of(cache, i)));
    size_t found = 0;
    for (uint64_t i = 1; i <= many; i++)
        found += get(cache, i) != 0;
    assert_true(found <= SESSION_CACHE_MAX);
    assert_true(found > SESSION_CACHE_MAX / 2);
    assert_int_equal(get(cache, many), 71);
}

/* Where other nodes end sessions, too: an entry counts from before its database was read. */
static void entries_are_asked_about_again_when_others_may_end_them(void **state)
{
    (void)state;
    struct session_cache *cache = session_cache_new(HOUR_MS);
    assert_non_null(cache);
    struct session_note note = note_of(cache, 1);
    assert_true(put(cache, 1, 71, note));
    assert_int_equal(get(cache, 1), 71);
    note.at_ns -= HOUR_MS * 1000000LL - 1000000000LL;
    assert_true(put(cache, 1, 71, note));
    assert_int_equal(get(cache, 1), 71);
    note.at_ns -= 2000000000LL;
    assert_true(put(cache, 1, 71, note));
    assert_int_equal(get(cache, 1), 0);
    session_cache_free(cache);
}

/*
 * The race itself: the "database" says whether the session lives; readers note the generation,
 * read, and put; the writer ends the session and then removes it. After each round nothing may be
 * left. The control leaves the generation out and must be caught, or the test proves nothing.
 */
struct race {
    struct session_cache *cache;
    bool has_guard;
    _Atomic bool is_alive;
    _Atomic bool is_over;
    pthread_barrier_t start, end;
};

static void *race_reader(void *ctx)
{
    struct race *race = ctx;
    for (;;) {
        pthread_barrier_wait(&race->start);
        if (race->is_over)
            return NULL;
        for (int i = 0; i < 20; i++) {
            struct session_note note = note_of(race->cache, 1);
            bool saw_alive = race->is_alive;
            sched_yield(); /* the pool thread is slow here */
            if (!race->has_guard)
                note = note_of(race->cache, 1);
            if (saw_alive)
                (void)put(race->cache, 1, 71, note);
        }
        pthread_barrier_wait(&race->end);
    }
}

/* How many rounds left a stale entry; stops at the first. */
static size_t run_race(struct session_cache *cache, bool has_guard, size_t rounds)
{
    struct race race = {.cache = cache, .has_guard = has_guard};
    pthread_t reader;
    size_t stale = 0;
    pthread_barrier_init(&race.start, NULL, 2);
    pthread_barrier_init(&race.end, NULL, 2);
    assert_int_equal(pthread_create(&reader, NULL, race_reader, &race), 0);
    for (size_t i = 0; i < rounds && stale == 0; i++) {
        race.is_alive = true;
        pthread_barrier_wait(&race.start);
        for (size_t spin = 0; spin < i % 8; spin++)
            sched_yield();
        race.is_alive = false;
        drop(cache, 1);
        pthread_barrier_wait(&race.end);
        stale += get(cache, 1) != 0;
        drop(cache, 1);
    }
    race.is_over = true;
    pthread_barrier_wait(&race.start);
    pthread_join(reader, NULL);
    pthread_barrier_destroy(&race.start);
    pthread_barrier_destroy(&race.end);
    return stale;
}

static void logout_beats_concurrent_lookup(void **state)
{
    assert_int_equal(run_race(*state, true, 3000), 0);
}

static void race_is_real_without_the_generation(void **state)
{
    assert_int_equal(run_race(*state, false, 200000), 1);
}

#define cache_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cache_test(what_is_put_is_found),
        cache_test(removed_is_gone),
        cache_test(account_loses_all_its_entries),
        cache_test(overtaken_reader_keeps_nothing),
        cache_test(expired_is_not_found),
        cache_test(caller_outlives_its_entry),
        cache_test(size_is_bounded),
        cache_test(logout_beats_concurrent_lookup),
        cache_test(race_is_real_without_the_generation),
        cmocka_unit_test(entries_are_asked_about_again_when_others_may_end_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
