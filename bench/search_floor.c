/* See search_floor.h. */
#include "search_floor.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/fold.h"
#include "cities.h"
#include "store/db_internal.h"
#include "tickets/search_query.h"

#define ARENA_MAX ((size_t)64 << 20)

static double cpu_s(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); /* always there */
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void to_query(const struct ask *ask, struct arena *arena, struct search_query *query)
{
    struct str text = STR_NONE;
    for (size_t i = 0; i < ask->word_count; i++)
        text = arena_printf(arena, "%.*s %s", STR_ARG(text), ask->words[i]);
    *query = (struct search_query){
        .has_words = ask->word_count > 0,
        .city_key =
            ask->city >= 0 ? fold_text(arena, str_from_c(cities[ask->city].name)) : STR_NONE,
        .category = ask->category >= 0 ? str_from_c(catalogue_categories[ask->category]) : STR_NONE,
        .has_near = ask->has_near,
        .near = {ask->lat, ask->lon},
        .radius_km = ask->radius_km,
        .from_ms = ask->from_ms ? ask->from_ms : clock_now_ms(),
        .to_ms = ask->to_ms ? ask->to_ms : INT64_MAX,
        .limit = 50};
    search_words_split(text, &query->words);
}

enum err search_floor_run(const char *directory, const struct asks *asks, double seconds,
                          struct search_floor *ret_floor)
{
    char path[512];
    struct db *db;
    struct arena arena;
    uint64_t state = 99, count = 0;
    snprintf(path, sizeof(path), "%s/search.db", directory);
    enum err err = db_open(path, DB_READER, &db);
    if (err)
        return err;
    *ret_floor = (struct search_floor){.per_s = 0};
    arena_init(&arena, ARENA_MAX);
    double started_s = cpu_s();
    int64_t started_ns = clock_mono_ns(), until_ns = started_ns + (int64_t)(seconds * 1e9);
    while (!err && clock_mono_ns() < until_ns) {
        const struct ask *ask = asks_pick(asks, &state);
        struct search_query query;
        struct search_page page;
        int64_t begin_ns = clock_mono_ns();
        double begin_s = cpu_s();
        to_query(ask, &arena, &query);
        err = search_run(db, &query, &arena, &page);
        db_end_reads(db);
        int64_t elapsed_ns = clock_mono_ns() - begin_ns;
        hist_add(&ret_floor->classes[ask->class], elapsed_ns);
        ret_floor->class_cpu_s[ask->class] += cpu_s() - begin_s;
        arena_release(&arena);
        count++;
    }
    ret_floor->per_s = (double)count / ((double)(clock_mono_ns() - started_ns) / 1e9);
    ret_floor->per_cpu_s = (double)count / (cpu_s() - started_s);
    db_close(db);
    return err;
}
