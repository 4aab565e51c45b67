/*
 * search: GET /v1/events over many events in real cities, at a steady rate of questions.
 *
 * The catalogue (catalogue.h) is written into tickets.db and indexed by the server itself. Then:
 *   - answers of every kind, and their later pages, are compared with a walk over all events;
 *   - the floors: the same questions on one bare reading connection, and one answer over HTTP that
 *     always comes from memory;
 *   - steps of rising rate until p95 is above P95_MS; the highest rate below it is run once more
 *     and reported, by kind of question, with what share came from the cache;
 *   - the same without the cache: every question is one that was never asked.
 *
 * Questions (search_queries.c): 50,000, drawn by Zipf's law with exponent 1. Of them 10 % ask what
 * is on at all or on a weekend, 22 % for a city (half of them and a weekend), 13 % for a category,
 * 25 % for one to three words (a third typed in part), 10 % for words in a city, 10 % near a point
 * (10, 50 or 200 km), 5 % for words near a point, 5 % for the second to sixth page of such answers.
 * Arrivals are an open loop on the same machine; a time counts from when the question was due.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "scenario.h"
#include "search_check.h"
#include "search_data.h"
#include "search_floor.h"
#include "search_load.h"

#define EVENTS      200000
#define QUESTIONS   50000
#define SAMPLES     6 /* of each kind, compared */
#define CONNECTIONS 128
#define P95_MS      20.0
#define RATE_FIRST  100.0
#define RATE_STEP   1.5
#define RATE_MAX    200000.0
#define REFINEMENTS 2
#define STEP_S      4.0
#define FLOOR_S     10.0

struct search_bench {
    struct search_data data;
    struct asks asks;
    size_t connections;
    double seconds;
    uint64_t seed;
};

struct carried {
    double rate;
    double cache_share;
    struct search_load_result result;
};

/* --- Rates --- */

static enum err run_rate(struct search_bench *bench, double rate, double seconds, bool is_uncached,
                         struct carried *ret_carried)
{
    int64_t hits, misses, hits_before, misses_before;
    const struct search_load load = {.asks = &bench->asks,
                                     .port = bench->data.child.port,
                                     .connections = bench->connections,
                                     .rate = rate,
                                     .seconds = seconds,
                                     .is_uncached = is_uncached,
                                     .seed = ++bench->seed};
    search_data_cache(&bench->data, &hits_before, &misses_before);
    enum err err = search_load_run(&load, &ret_carried->result);
    search_data_cache(&bench->data, &hits, &misses);
    int64_t asked = hits - hits_before + misses - misses_before;
    ret_carried->rate = rate;
    ret_carried->cache_share = asked > 0 ? (double)(hits - hits_before) / (double)asked : 0;
    const struct search_load_result *result = &ret_carried->result;
    printf("  %8.0f/s %s: answered %8.0f/s, p50 %7.2f p95 %7.2f p99 %7.2f ms, cached %3.0f %%, "
           "failed %llu, unanswered %llu\n",
           rate, is_uncached ? "uncached" : "  cached", result->answered_per_s,
           hist_ms(&result->total, 0.5), hist_ms(&result->total, 0.95),
           hist_ms(&result->total, 0.99), ret_carried->cache_share * 100,
           (unsigned long long)result->failed, (unsigned long long)result->unanswered);
    return err;
}

static bool is_carried(const struct carried *step)
{
    const struct search_load_result *result = &step->result;
    return result->failed == 0 && result->unanswered == 0 &&
           hist_ms(&result->total, 0.95) <= P95_MS;
}

/* The highest rate that is carried, run once more for longer; when it isn't then, a lower one. */
static enum err find_rate(struct search_bench *bench, bool is_uncached, struct carried *ret_best)
{
    struct carried step;
    double low = 0, rate = RATE_FIRST, high = RATE_MAX;
    enum err err = ERR_OK;
    while (!err && rate < high) {
        err = run_rate(bench, rate, STEP_S, is_uncached, &step);
        if (is_carried(&step))
            low = rate;
        else
            high = rate;
        rate *= RATE_STEP;
    }
    for (int i = 0; !err && i < REFINEMENTS; i++) {
        err = run_rate(bench, (low + high) / 2, STEP_S, is_uncached, &step);
        if (is_carried(&step))
            low = (low + high) / 2;
        else
            high = (low + high) / 2;
    }
    for (int i = 0; !err && i < 5; i++, low *= 0.85) {
        err = run_rate(bench, low > 1 ? low : 1, bench->seconds, is_uncached, ret_best);
        if (is_carried(ret_best))
            break;
    }
    return err;
}

/* --- Reporting --- */

static const char *const class_p50[ASK_CLASSES] = {
    "date_p50_ms",       "city_p50_ms", "category_p50_ms",   "words_p50_ms",
    "words_city_p50_ms", "near_p50_ms", "near_words_p50_ms", "page_p50_ms"};
static const char *const class_p95[ASK_CLASSES] = {
    "date_p95_ms",       "city_p95_ms", "category_p95_ms",   "words_p95_ms",
    "words_city_p95_ms", "near_p95_ms", "near_words_p95_ms", "page_p95_ms"};
static const char *const class_p99[ASK_CLASSES] = {
    "date_p99_ms",       "city_p99_ms", "category_p99_ms",   "words_p99_ms",
    "words_city_p99_ms", "near_p99_ms", "near_words_p99_ms", "page_p99_ms"};
static const char *const class_max[ASK_CLASSES] = {
    "date_max_ms",       "city_max_ms", "category_max_ms",   "words_max_ms",
    "words_city_max_ms", "near_max_ms", "near_words_max_ms", "page_max_ms"};

static void report_carried(struct report *report, const struct carried *best)
{
    static const char *const names[4] = {"p50_ms", "p95_ms", "p99_ms", "max_ms"};
    report_figure(report, "searches_per_s", is_carried(best) ? best->rate : 0);
    report_latency(report, &best->result.total, names);
    report_figure(report, "cache_share", best->cache_share);
    report_figure(report, "answer_bytes", best->result.body_bytes);
    for (int i = 0; i < ASK_CLASSES; i++) {
        const char *const class_names[4] = {class_p50[i], class_p95[i], class_p99[i], class_max[i]};
        report_latency(report, &best->result.classes[i], class_names);
    }
}

static void report_uncached(struct report *report, const struct carried *best)
{
    static const char *const names[4] = {"uncached_p50_ms", "uncached_p95_ms", "uncached_p99_ms",
                                         "uncached_max_ms"};
    report_figure(report, "uncached_per_s", is_carried(best) ? best->rate : 0);
    report_latency(report, &best->result.total, names);
}

static void report_data(struct report *report, const struct search_data *data)
{
    report_figure(report, "events", (double)data->catalogue.event_count);
    if (data->is_new) {
        report_figure(report, "seed_s", data->seed_s);
        report_figure(report, "index_s", data->index_s);
    }
    report_figure(report, "start_ms", data->start_ms);
    report_figure(report, "start_memory_mib", (double)data->start_mib);
}

static void print_floor(const struct search_floor *floor)
{
    printf("floor: one bare reader, by kind of question\n");
    for (int i = 0; i < ASK_CLASSES; i++) {
        const struct hist *hist = &floor->classes[i];
        printf("  %-12s n %8llu  mean cpu %7.3f, p50 %7.3f p95 %7.3f p99 %7.3f max %7.2f ms\n",
               ask_class_names[i], (unsigned long long)hist->total,
               hist->total ? floor->class_cpu_s[i] * 1000 / (double)hist->total : 0,
               hist_ms(hist, 0.5), hist_ms(hist, 0.95), hist_ms(hist, 0.99),
               (double)hist->max_ns / 1e6);
    }
}

/* --- The run --- */

static enum err run_floors(struct search_bench *bench, struct report *report)
{
    struct search_floor *floor = calloc(1, sizeof(*floor));
    double cached_per_s = 0;
    if (!floor)
        return ERR_NOMEM;
    enum err err = search_floor_run(bench->data.child.data, &bench->asks, FLOOR_S, floor);
    if (!err)
        err = search_load_closed(bench->data.child.port, STR("/v1/events?limit=50"),
                                 bench->connections, FLOOR_S, &cached_per_s);
    print_floor(floor);
    report_floor(report, "bare_reader_per_s", floor->per_s);
    report_floor(report, "bare_reader_per_cpu_s", floor->per_cpu_s);
    report_floor(report, "answer_from_memory_per_s", cached_per_s);
    free(floor);
    return err;
}

static enum err run(struct search_bench *bench, struct report *report)
{
    struct carried *best = calloc(2, sizeof(*best));
    size_t wrong = 0, checked = 0;
    enum err err = best ? asks_make(&bench->data.catalogue, QUESTIONS, &bench->asks) : ERR_NOMEM;
    if (!err)
        err = search_check(&bench->data, &bench->asks, SAMPLES, &wrong, &checked);
    printf("search: %zu events of answers compared, %zu answers wrong\n", checked, wrong);
    if (!err)
        err = search_cursors_find(bench->data.child.port, &bench->asks);
    if (!err)
        err = run_floors(bench, report);
    if (!err)
        err = find_rate(bench, false, &best[0]);
    if (!err)
        err = find_rate(bench, true, &best[1]);
    if (!err) {
        report_carried(report, &best[0]);
        report_uncached(report, &best[1]);
        report_figure(report, "compared", (double)checked);
        report_figure(report, "wrong", (double)wrong);
        report_figure(report, "memory_mib", (double)child_memory_mib(&bench->data.child));
    }
    report->ok = !err && wrong == 0 && checked > 0 && best[0].result.failed == 0 &&
                 best[1].result.failed == 0;
    free(best);
    return err;
}

bool scenario_search(const struct scenario_options *options, struct report *report)
{
    struct search_bench *bench = calloc(1, sizeof(*bench));
    report->scenario = "search";
    if (!bench)
        return false;
    size_t events = options->events > 0 ? (size_t)options->events : EVENTS;
    bench->connections = options->connections > 0 ? (size_t)options->connections : CONNECTIONS;
    bench->seconds = options->seconds > 0 ? options->seconds : 10;
    printf("search: %zu events\n", events);
    enum err err = search_data_make(&bench->data, options->data, events);
    if (!err)
        err = search_data_index(&bench->data);
    report_data(report, &bench->data);
    if (!err)
        err = run(bench, report);
    bool is_stopped = child_stop(&bench->data.child) == ERR_OK;
    report->ok = report->ok && is_stopped;
    search_data_release(&bench->data);
    asks_release(&bench->asks);
    free(bench);
    return !err;
}
