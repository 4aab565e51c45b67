/*
 * steady: two-seat holds that arrive at a steady rate (open loop, Poisson, --rate, 8,000 a second:
 * the hot spot of "Load to plan for"). The floor is the bare writer under the same arrivals: what
 * fsync alone makes a hold wait on this disk.
 */
#include <stdio.h>
#include <stdlib.h>

#include "arrivals.h"
#include "base/clock.h"
#include "floor.h"
#include "scenario.h"
#include "stage.h"

#define STEADY_RATE        8000
#define STEADY_SECONDS     8
#define STEADY_EVENTS      16
#define STEADY_CONNECTIONS 256
#define FLOOR_MS           3000
#define P99_MAX_MS         20.0

struct steady {
    struct stage stage;
    struct pairs pairs;
    struct arrivals arrivals;
    struct hold_tally tally;
    struct hist floor;
};

static bool make_hold(void *ctx, struct load_request *request)
{
    struct steady *steady = ctx;
    return pairs_next(&steady->pairs, request);
}

static void on_hold(void *ctx, const struct load_answer *answer)
{
    struct steady *steady = ctx;
    hold_tally_add(&steady->tally, answer);
}

static enum err steady_run(struct steady *steady, const struct scenario_options *options)
{
    size_t connections = options->connections ? (size_t)options->connections : STEADY_CONNECTIONS;
    int64_t seconds = options->seconds ? options->seconds : STEADY_SECONDS;
    struct load *load;
    enum err err = load_new(connections, steady->stage.child.port, &load);
    if (err)
        return err;
    int64_t now_ns = clock_mono_ns();
    struct arrivals *arrivals = &steady->arrivals;
    arrivals->count = connections;
    arrivals->start_ns = now_ns;
    arrivals->measure_ns = now_ns + 1000000000;
    arrivals->end_ns = arrivals->measure_ns + seconds * 1000000000;
    arrivals->make = make_hold;
    arrivals->on_answer = on_hold;
    arrivals->ctx = steady;
    err = arrivals_start(arrivals, load);
    if (!err)
        load_run(load, arrivals->end_ns + 30 * 1000000000LL, arrivals_are_over, arrivals);
    arrivals_finish(arrivals);
    load_free(load);
    return err;
}

static void steady_report(struct steady *steady, struct report *report)
{
    static const char *const names[4] = {"p50_ms", "p95_ms", "p99_ms", "max_ms"};
    const struct arrivals *arrivals = &steady->arrivals;
    double p99_ms = hist_ms(&arrivals->hist, 0.99), floor_p99_ms = hist_ms(&steady->floor, 0.99);
    report_figure(report, "rate", arrivals->rate);
    report_figure(report, "answered_per_s", arrivals_rate(arrivals));
    report_latency(report, &arrivals->hist, names);
    report_figure(report, "due", (double)arrivals->due);
    report_figure(report, "late", (double)arrivals->late);
    report_figure(report, "unsent", (double)arrivals->unsent);
    report_figure(report, "granted", (double)steady->tally.granted);
    report_figure(report, "refused", (double)steady->tally.refused);
    report_figure(report, "failed", (double)steady->tally.failed);
    report_floor(report, "writer_p50_ms", hist_ms(&steady->floor, 0.5));
    report_floor(report, "writer_p99_ms", floor_p99_ms);
    report_aim(report, (struct report_aim){.what = "p99 of a hold at the steady rate, ms",
                                           .value = p99_ms,
                                           .floor = floor_p99_ms,
                                           .at_most = P99_MAX_MS});
    report->ok =
        steady->tally.granted > 0 && steady->tally.refused == 0 && steady->tally.failed == 0;
}

bool scenario_steady(const struct scenario_options *options, struct report *report)
{
    struct steady *steady = calloc(1, sizeof(*steady));
    report->scenario = "steady";
    if (!steady || stage_dir(&steady->stage))
        return false;
    steady->stage.event_count = STEADY_EVENTS;
    steady->arrivals.rate = options->rate ? options->rate : STEADY_RATE;
    enum err err =
        floor_paced(&steady->stage.child, steady->arrivals.rate, FLOOR_MS, &steady->floor);
    if (!err)
        err = stage_open(&steady->stage);
    if (!err)
        err = pairs_init(&steady->pairs, &steady->stage);
    if (!err)
        err = steady_run(steady, options);
    if (!err)
        err = floor_paced(&steady->stage.child, steady->arrivals.rate, FLOOR_MS, &steady->floor);
    if (!err)
        steady_report(steady, report);
    if (err)
        stage_drop(&steady->stage);
    else
        report->ok = stage_close(&steady->stage, report) && report->ok;
    pairs_release(&steady->pairs);
    free(steady);
    return !err;
}
